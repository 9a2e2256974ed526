//! `setsockopt` and `getsockopt`: what belongs to descriptors is kept here, everything else is the stack's.

use std::collections::BTreeMap;

use lendwire::tcp::TcpHandle;

use super::ast::{Call, Expression};
use super::calls::{DONE, Tried, failed};
use super::constants::number;
use super::dialect::Dialect;
use super::errno::{Errno, numbers};
use super::fast_open;
use super::keep_alive;
use super::print;
use super::run::Run;
use super::settings::{budget_of, window_of};
use super::sockets::{Refused, Sockets as _, Value};

/// Options of descriptors that change nothing that a peer could see. Ports may always be used again.
const KEPT: [&str; 9] = [
    "SO_REUSEADDR",
    "SO_REUSEPORT",
    "SO_BROADCAST",
    "SO_DEBUG",
    // How reads go on at the mark: see `urgent`.
    "SO_OOBINLINE",
    "IP_BIND_ADDRESS_NO_PORT",
    "IP_FREEBIND",
    "IPV6_V6ONLY",
    "TCP_INQ",
];

fn option_name(expression: &Expression) -> Result<String, String> {
    match expression {
        Expression::Word(name) => Ok(name.clone()),
        other => Err(format!("{} is no option's name", print::expression(other))),
    }
}

fn value_of(expression: &Expression) -> Value {
    match expression {
        Expression::Text(text, _) => Value::Name(String::from_utf8_lossy(text).into_owned()),
        Expression::List(items) if items.len() == 1 => value_of(&items[0]),
        other => number(other).map_or(Value::Other, Value::Number),
    }
}

impl Run<'_> {
    /// Sets on a connection what was set on the socket that it comes from; returns what it takes.
    pub(super) fn inherit(&mut self, handle: TcpHandle, options: &BTreeMap<String, Value>) -> BTreeMap<String, Value> {
        if keep_alive::OPTIONS.iter().any(|name| options.contains_key(*name)) {
            let _ = self.keep_alive(handle, options);
        }
        let made_with = [("SO_RCVBUF", self.settings.receive_buffer), ("SO_SNDBUF", self.settings.send_buffer)];
        for (name, bytes) in made_with {
            let own = options.get(name).filter(|value| bytes.map(Value::Number).as_ref() != Some(*value));
            if let Some(value) = own {
                let _ = self.set_buffer(handle, name, value);
            }
        }
        let takes = |(name, value): &(&String, &Value)| {
            keep_alive::OPTIONS.contains(&name.as_str())
                || ["SO_RCVBUF", "SO_SNDBUF", "SO_OOBINLINE"].contains(&name.as_str())
                || self.world.stack.set_option(Some(handle), name, value).is_ok()
        };
        options.iter().filter(takes).map(|(name, value)| (name.clone(), value.clone())).collect()
    }

    pub(super) fn setsockopt(&mut self, call: &Call) -> Tried {
        let name = option_name(self.argument(call, 2)?)?;
        let argument = self.argument(call, 3)?.clone();
        let value = value_of(&argument);
        let (_, descriptor) = self.descriptor(call)?;
        let handle = descriptor.stream();
        if name == "TCP_NODELAY" && value != Value::Number(0) {
            self.push_held(call)?;
        }
        let is_foreseen = self.is_foreseen(&name, &value);
        let (_, descriptor) = self.descriptor(call)?;
        match name.as_str() {
            "SO_RCVBUF" | "SO_SNDBUF" => {
                if let Some(handle) = handle {
                    self.set_buffer(handle, &name, &value)?;
                }
            }
            "SO_LINGER" => {
                let Expression::Record(fields) = &argument else {
                    return Err("SO_LINGER needs {onoff=, linger=}".into());
                };
                let field = |name: &str| fields.iter().find(|(it, _)| it == name).map_or(Ok(0), |(_, it)| number(it));
                let (is_on, time) = (field("onoff")? != 0, field("linger")?);
                if is_on && time > 0 {
                    return Err("setsockopt SO_LINGER with a time: not supported by the stack".into());
                }
                descriptor.linger = is_on.then_some(time);
            }
            "TCP_FASTOPEN" | "TCP_FASTOPEN_CONNECT" => {}
            "TCP_FASTOPEN_KEY" => {
                let Some(keys) = fast_open::keys_of(&argument, number(self.argument(call, 4)?)?) else {
                    return failed("EINVAL");
                };
                let (_, descriptor) = self.descriptor(call)?;
                descriptor.fast_open_keys = Some(keys);
            }
            name if KEPT.contains(&name) => {}
            "IP_TTL" | "IPV6_UNICAST_HOPS" if is_foreseen => {}
            _ if handle.is_none() && is_foreseen => {}
            "IP_LOCAL_PORT_RANGE" => self.bind_to_range(call, &value)?,
            name if keep_alive::OPTIONS.contains(&name) => {
                descriptor.options.insert(name.to_owned(), value.clone());
                let options = descriptor.options.clone();
                if let Some(handle) = handle
                    && let Err(Refused::Error(error)) = self.keep_alive(handle, &options)
                {
                    return failed(error.0);
                }
            }
            name => match self.world.stack.set_option(handle, name, &value) {
                Ok(()) => {}
                Err(Refused::Error(error)) => return failed(error.0),
                Err(Refused::Unsupported) => {
                    return Err(format!("setsockopt {name}: not supported by the stack"));
                }
            },
        }
        let (place, descriptor) = self.descriptor(call)?;
        descriptor.options.insert(name, value);
        self.tell_listener(place);
        Ok(DONE)
    }

    pub(super) fn getsockopt(&mut self, call: &Call) -> Tried {
        let name = option_name(self.argument(call, 2)?)?;
        let wanted = self.argument(call, 3)?.clone();
        let (place, descriptor) = self.descriptor(call)?;
        let handle = descriptor.stream();
        let kept = descriptor.options.get(&name).cloned();
        if name == "SO_ERROR" {
            return self.socket_error(place, &wanted);
        }
        if name == "TCP_INFO" {
            return self.tcp_info(place, &wanted);
        }
        if let (Expression::Record(_), "SO_LINGER") = (&wanted, name.as_str()) {
            let is = self.descriptors[&place].linger;
            let is = format!("{{onoff={}, linger={}}}", i32::from(is.is_some()), is.unwrap_or(0));
            let want = print::expression(&wanted);
            return if is == want { Ok(DONE) } else { Err(format!("getsockopt SO_LINGER gives {is}, not {want}")) };
        }
        let is = match (name.as_str(), kept) {
            // Linux's is twice the window that it shows.
            ("SO_RCVBUF", kept) => {
                let budget = match kept {
                    Some(Value::Number(bytes)) => budget_of(bytes),
                    _ => self.settings.making.tcp.receive_budget_start,
                };
                let window = window_of(budget);
                Value::Number(match self.settings.dialect {
                    Dialect::Linux => 2 * window,
                    Dialect::FreeBsd => self.whole_segments(handle, window),
                })
            }
            ("SO_SNDBUF", Some(Value::Number(bytes))) => Value::Number(i64::from(self.settings.send_budget(bytes))),
            ("SO_SNDBUF", _) => Value::Number(i64::from(self.settings.making.tcp.send_budget_start)),
            (_, Some(value)) => value,
            (name, None) if KEPT.contains(&name) => Value::Number(0),
            (name, None) if keep_alive::OPTIONS.contains(&name) => {
                keep_alive::unset(name, self.settings.keep_alive).unwrap_or(Value::Other)
            }
            (name, None) => match self.world.stack.option(handle, name) {
                Ok(value) => value,
                Err(Refused::Error(error)) => return failed(error.0),
                Err(Refused::Unsupported) => return Err(format!("getsockopt {name}: not supported by the stack")),
            },
        };
        let is_any = wanted == Expression::Ellipsis || wanted == Expression::List(vec![Expression::Ellipsis]);
        if is_any || is == value_of(&wanted) {
            return Ok(DONE);
        }
        let is = match is {
            Value::Number(number) => number.to_string(),
            Value::Name(name) => format!("\"{name}\""),
            Value::Other => "something else".into(),
        };
        let wanted = match &wanted {
            Expression::List(items) if items.len() == 1 => &items[0],
            other => other,
        };
        Err(format!("getsockopt {name} gives {is}, not {}", print::expression(wanted)))
    }

    /// Gives a connection a buffer of its own.
    fn set_buffer(&mut self, handle: TcpHandle, name: &str, value: &Value) -> Result<(), String> {
        let Value::Number(bytes) = *value else { return Err(format!("setsockopt {name} needs a number")) };
        let set = match name {
            "SO_RCVBUF" => self.world.stack.set_receive_budget(handle, budget_of(bytes)),
            _ => self.world.stack.set_send_budget(handle, self.settings.send_budget(bytes)),
        };
        set.map_err(|error| format!("setsockopt {name}: {error}"))
    }

    /// FreeBSD makes a buffer a multiple of the segment size once that is known.
    fn whole_segments(&self, handle: Option<TcpHandle>, bytes: i64) -> i64 {
        let mss = handle.and_then(|handle| self.world.stack.info(handle)).map_or(1, |info| i64::from(info.mss));
        (bytes as u64).next_multiple_of(mss as u64) as i64
    }

    /// The error of a connection, which asking for takes away.
    fn socket_error(&mut self, place: i64, wanted: &Expression) -> Tried {
        let handle = self.descriptors[&place].stream();
        let error = handle.and_then(|handle| self.world.stack.failure(handle));
        let error = error.filter(|_| !self.descriptors[&place].error_was_told);
        if error.is_some()
            && let Some(descriptor) = self.descriptors.get_mut(&place)
        {
            descriptor.error_was_told = true;
        }
        let wanted = match wanted {
            Expression::List(items) if items.len() == 1 => &items[0],
            other => other,
        };
        let is_alike = match (wanted, error) {
            (Expression::Ellipsis | Expression::Integer(0), None) => true,
            (Expression::Ellipsis, Some(_)) => true,
            (Expression::Word(name), Some(error)) => error.is_called(name),
            (Expression::Integer(number), Some(error)) => numbers(error.0).is_some_and(|all| all.contains(number)),
            (_, _) => false,
        };
        if is_alike {
            return Ok(DONE);
        }
        let is = error.map_or("0", |Errno(name)| name);
        Err(format!("getsockopt SO_ERROR gives {is}, not {}", print::expression(wanted)))
    }

    fn tcp_info(&mut self, place: i64, wanted: &Expression) -> Tried {
        let Some(handle) = self.descriptors[&place].stream() else { return failed("EINVAL") };
        let known = self.information(handle);
        let Expression::Record(fields) = wanted else { return Ok(DONE) };
        for (name, wanted) in fields.iter().filter(|(_, wanted)| *wanted != Expression::Ellipsis) {
            let Some((_, is)) = known.iter().find(|(known, _)| known == name) else {
                return Err(format!("{name}: not supported by the stack"));
            };
            if number(wanted)? != *is {
                return Err(format!("getsockopt TCP_INFO gives {name}={is}, not {}", print::expression(wanted)));
            }
        }
        Ok(DONE)
    }
}

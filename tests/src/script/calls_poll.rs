//! `poll` and epoll: what a descriptor is ready for.

use lendwire::tcp::{State, TcpHandle};

use super::ast::{Call, Expression};
use super::calls::{Attempt, DONE, Tried, failed};
use super::constants::number;
use super::descriptors::{Descriptor, Kind, Watch};
use super::print;
use super::run::{Pending, Run};
use super::sockets::Sockets as _;

const IN: i64 = 1;
const OUT: i64 = 4;
const ERR: i64 = 8;
const HUP: i64 = 0x10;
const RDHUP: i64 = 0x2000;
const ONESHOT: i64 = 1 << 30;
const EDGE: i64 = 1 << 31;
/// Reported whether asked for or not.
const ALWAYS: i64 = ERR | HUP;

/// A field of a record.
fn field<'e>(record: &'e Expression, name: &str) -> Option<&'e Expression> {
    match record {
        Expression::Record(fields) => fields.iter().find(|(it, _)| it == name).map(|(_, value)| value),
        Expression::List(items) if items.len() == 1 => field(&items[0], name),
        _ => None,
    }
}

fn number_of(record: &Expression, name: &str) -> Result<i64, String> {
    let value = field(record, name).ok_or_else(|| format!("{} has no {name}", print::expression(record)))?;
    number(value)
}

impl Run<'_> {
    /// Whether the peer's data has come to its end.
    pub(super) fn has_ended(&self, handle: TcpHandle) -> bool {
        match self.world.stack.state(handle) {
            State::CloseWait | State::LastAck | State::Closing | State::TimeWait | State::Closed => true,
            State::SynSent | State::SynReceived | State::Established | State::FinWait1 | State::FinWait2 => false,
        }
    }

    /// What a descriptor is ready for, and how many bytes have come for it.
    fn readiness(&mut self, place: i64) -> (i64, u64) {
        let Some(descriptor) = self.descriptors.get_mut(&place) else { return (0x20, 0) };
        let (read, was_told, reads_no_more) = (descriptor.place, descriptor.error_was_told, descriptor.reads_no_more);
        match &mut descriptor.kind {
            Kind::Fresh if descriptor.deferred.is_some() => (OUT, 0),
            Kind::Fresh => (OUT | HUP, 0),
            Kind::Epoll(_) | Kind::File => (0, 0),
            Kind::Listener(listener, ready) => {
                // The stack has no other question for it.
                ready.extend(self.world.stack.accept(*listener));
                (if ready.is_empty() { 0 } else { IN }, ready.len() as u64)
            }
            Kind::Datagrams(None, _) => (OUT, 0),
            Kind::Datagrams(Some(handle), _) => {
                let stack = &self.world.stack;
                let bits = if stack.udp_has_datagram(*handle) { IN } else { 0 };
                (bits | if stack.udp_can_send(*handle) { OUT } else { 0 }, 0)
            }
            Kind::Stream(handle) => {
                let handle = *handle;
                let (state, unread) = (self.world.stack.state(handle), self.world.stack.unread(handle));
                let room = self.world.stack.room(handle);
                let error = if self.world.stack.failure(handle).is_some() && !was_told { ERR } else { 0 };
                let bits = match state {
                    // One that was opened fast may be read and written already.
                    State::SynReceived if room > 0 => OUT | if unread > 0 { IN } else { 0 },
                    State::SynSent | State::SynReceived => 0,
                    State::Closed | State::TimeWait => IN | OUT | HUP | RDHUP | error,
                    State::CloseWait | State::LastAck | State::Closing => IN | RDHUP | self.writable(handle),
                    State::Established | State::FinWait1 | State::FinWait2 => {
                        let readable = unread > 0 || reads_no_more;
                        self.writable(handle) | if readable { IN } else { 0 }
                    }
                };
                (bits, read + unread as u64)
            }
        }
    }

    /// Linux's measure: at least a third of the buffer is free. A direction that was shut down is always writable.
    fn writable(&self, handle: TcpHandle) -> i64 {
        let room = self.world.stack.room(handle);
        let used = self.world.stack.unacknowledged(handle);
        let is_shut =
            self.world.stack.state(handle) != State::Established && self.world.stack.state(handle) != State::CloseWait;
        if is_shut || 2 * room >= used.max(1) { OUT } else { 0 }
    }

    /// When a call that blocks gives up by itself, in microseconds since the script began.
    pub(super) fn call_deadline(&self, pending: &Pending) -> Option<u64> {
        let place = match pending.call.name.as_str() {
            "poll" => 2,
            "epoll_wait" => 3,
            _ => return None,
        };
        let timeout = number(pending.call.arguments.get(place)?).ok()?;
        u64::try_from(timeout).ok().map(|millis| pending.started + millis * 1000)
    }

    fn gives_up(&self, pending: &Pending) -> bool {
        self.call_deadline(pending).is_some_and(|at| at <= self.world.elapsed())
    }

    pub(super) fn poll(&mut self, pending: &Pending) -> Tried {
        let Expression::List(entries) = self.argument(&pending.call, 0)?.clone() else {
            return Err("poll needs [{fd=, events=, revents=}]".into());
        };
        let mut ready = 0;
        let mut seen = Vec::new();
        for entry in &entries {
            let (bits, _) = self.readiness(number_of(entry, "fd")?);
            let bits = bits & (number_of(entry, "events")? | ALWAYS);
            ready += i64::from(bits != 0);
            seen.push(bits);
        }
        if ready == 0 && !self.gives_up(pending) {
            return Ok(Attempt::Blocks);
        }
        for (entry, bits) in entries.iter().zip(seen) {
            let wanted = field(entry, "revents").map_or(Ok(0), number)?;
            if wanted != bits {
                return Err(format!("poll reports {}, not {}", names(bits), names(wanted)));
            }
        }
        Ok(Attempt::Done(Ok(ready)))
    }

    pub(super) fn epoll_create(&mut self, call: &Call) -> Tried {
        self.adopt(call, Descriptor::new(Kind::Epoll(Vec::new()), false))
    }

    pub(super) fn epoll_ctl(&mut self, call: &Call) -> Tried {
        let operation = number(self.argument(call, 1)?)?;
        let place = number(self.argument(call, 2)?)?;
        let event = call.arguments.get(3).cloned().unwrap_or(Expression::Ellipsis);
        if !self.descriptors.contains_key(&place) {
            return failed("EBADF");
        }
        let (_, descriptor) = self.descriptor(call)?;
        let Kind::Epoll(watches) = &mut descriptor.kind else { return failed("EINVAL") };
        let known = watches.iter().position(|watch| watch.descriptor == place);
        match (operation, known) {
            (1, Some(_)) => return failed("EEXIST"),
            (2 | 3, None) => return failed("ENOENT"),
            (2, Some(known)) => {
                watches.remove(known);
                return Ok(DONE);
            }
            (1, None) | (3, Some(_)) => {}
            (_, _) => return failed("EINVAL"),
        }
        let data = ["fd", "ptr", "u32", "u64"].into_iter().find_map(|name| Some((name, field(&event, name)?)));
        let (name, data) = data.ok_or("epoll_ctl needs {events=, fd=}")?;
        let data = (name.to_owned(), number(data)?);
        let watch = Watch { descriptor: place, events: number_of(&event, "events")?, data, reported: 0, arrived: 0 };
        match known {
            Some(known) => watches[known] = watch,
            None => watches.push(watch),
        }
        Ok(DONE)
    }

    pub(super) fn epoll_wait(&mut self, pending: &Pending) -> Tried {
        let call = pending.call.clone();
        let wanted = self.argument(&call, 1)?.clone();
        let (own, descriptor) = self.descriptor(&call)?;
        let Kind::Epoll(watches) = &descriptor.kind else { return failed("EINVAL") };
        let mut watches = watches.clone();
        let mut reported = Vec::new();
        for watch in &mut watches {
            let (ready, arrived) = self.readiness(watch.descriptor);
            let ready = ready & (watch.events | ALWAYS);
            let fresh = if watch.events & EDGE != 0 {
                let again = if arrived > watch.arrived { IN } else { 0 };
                (ready & !watch.reported) | (ready & again)
            } else {
                ready
            };
            watch.arrived = arrived;
            // An edge needs to have been away before.
            watch.reported = ready;
            if fresh != 0 {
                reported.push((ready, watch.data.clone()));
                if watch.events & ONESHOT != 0 {
                    watch.events &= EDGE | ONESHOT;
                }
            }
        }
        if reported.is_empty() && !self.gives_up(pending) {
            return Ok(Attempt::Blocks);
        }
        if let Some(Descriptor { kind: Kind::Epoll(place), .. }) = self.descriptors.get_mut(&own) {
            *place = watches;
        }
        if let Some((bits, (name, data))) = reported.first() {
            let events = number_of(&wanted, "events")?;
            if events != *bits {
                return Err(format!("epoll_wait reports {}, not {}", names(*bits), names(events)));
            }
            if field(&wanted, name).is_some_and(|wanted| number(wanted) != Ok(*data)) {
                return Err(format!("epoll_wait reports {name}={data}, not {}", print::expression(&wanted)));
            }
        }
        Ok(Attempt::Done(Ok(reported.len() as i64)))
    }
}

fn names(bits: i64) -> String {
    let known = [(IN, "POLLIN"), (OUT, "POLLOUT"), (ERR, "POLLERR"), (HUP, "POLLHUP"), (RDHUP, "POLLRDHUP")];
    let set: Vec<_> = known.into_iter().filter(|(bit, _)| bits & bit != 0).map(|(_, name)| name).collect();
    if set.is_empty() { "nothing".into() } else { set.join("|") }
}

//! The lines that the guest writes to its serial port.
//!
//! `ready mac=M ip4=A ip6=B us=N`, `first-reply us=N` and `panic: …` mean something; everything else is for people.

use std::net::{Ipv4Addr, Ipv6Addr};
use std::time::Duration;

/// One line of the serial port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Line {
    /// The guest has its addresses and listens.
    Ready(Ready),
    /// The guest sent the first byte of its first HTTP response, this long after its entry.
    FirstReply(Duration),
    /// The guest panicked, and is about to leave QEMU.
    Panic(String),
    /// Anything else.
    Text(String),
}

/// What the guest says of itself once it listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ready {
    /// The interface's hardware address, as printed.
    pub mac: String,
    /// The IPv4 address, if it has one.
    pub ip4: Option<Ipv4Addr>,
    /// The IPv6 addresses, link-local or not.
    pub ip6: Vec<Ipv6Addr>,
    /// Time since the guest's entry.
    pub after: Duration,
}

impl Line {
    /// Reads one line, with or without its line end. A line that does not parse is [`Line::Text`].
    pub fn parse(line: &str) -> Line {
        let line = line.trim_end_matches(['\r', '\n']);
        let said = line.strip_prefix("lendwire: ").unwrap_or(line);
        if let Some(ready) = said.strip_prefix("ready ").and_then(Ready::parse) {
            return Line::Ready(ready);
        }
        if let Some(after) = said.strip_prefix("first-reply ").and_then(|rest| micros(field(rest, "us")?)) {
            return Line::FirstReply(after);
        }
        if let Some(message) = said.strip_prefix("panic: ") {
            return Line::Panic(message.to_owned());
        }
        Line::Text(line.to_owned())
    }
}

impl Ready {
    fn parse(fields: &str) -> Option<Ready> {
        Some(Ready {
            mac: field(fields, "mac")?.to_owned(),
            ip4: addresses(field(fields, "ip4")?).next(),
            ip6: addresses(field(fields, "ip6")?).collect(),
            after: micros(field(fields, "us")?)?,
        })
    }
}

fn field<'a>(fields: &'a str, key: &str) -> Option<&'a str> {
    fields.split_whitespace().find_map(|field| field.strip_prefix(key)?.strip_prefix('='))
}

/// Addresses separated by commas, each with or without a prefix length; a word such as `none` yields nothing.
fn addresses<A: std::str::FromStr>(list: &str) -> impl Iterator<Item = A> {
    list.split(',').filter_map(|address| address.split('/').next()?.parse().ok())
}

fn micros(text: &str) -> Option<Duration> {
    text.parse().ok().map(Duration::from_micros)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ready_carries_the_addresses_and_the_time() {
        let line = Line::parse("ready mac=52:54:00:12:34:56 ip4=10.0.2.15/24 ip6=fe80::1,fec0::2/64 us=81234\r\n");
        let expected = Ready {
            mac: "52:54:00:12:34:56".into(),
            ip4: Some(Ipv4Addr::new(10, 0, 2, 15)),
            ip6: vec!["fe80::1".parse().unwrap(), "fec0::2".parse().unwrap()],
            after: Duration::from_micros(81_234),
        };
        assert_eq!(line, Line::Ready(expected));
    }

    #[test]
    fn a_missing_address_is_none() {
        let Line::Ready(ready) = Line::parse("ready mac=m ip4=none ip6=- us=5") else {
            panic!("not read as ready");
        };
        assert_eq!((ready.ip4, ready.ip6), (None, vec![]));
    }

    #[test]
    fn the_name_before_a_line_changes_nothing() {
        assert_eq!(Line::parse("lendwire: first-reply us=7"), Line::FirstReply(Duration::from_micros(7)));
        assert_eq!(Line::parse("panic: at the disco"), Line::Panic("at the disco".into()));
    }

    #[test]
    fn what_does_not_parse_is_text() {
        for text in
            ["ready", "ready to go", "ready mac=m ip4=none ip6=none us=soon", "first-reply", "lendwire: hello", ""]
        {
            assert_eq!(Line::parse(text), Line::Text(text.into()));
        }
    }
}

//! Whether a packet that was seen is the one that a line expects, and in what it differs.
//!
//! What is taste is not compared: NOPs, the order of options, the shift of the window scale, and the size of windows
//! that the script did not fix by SO_RCVBUF. Whether a window is closed is no taste.

use super::ast::{Body, IpInfo, Packet, Segment, TcpOption, Tos};
use super::print;
use super::wire::{Content, IpHeader, Sent};
use crate::setup::Version;

/// How much is compared.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rules {
    /// The script fixed the receive buffer, so windows and their scale follow.
    pub(super) buffer_is_fixed: bool,
    /// Echoed timestamps count, too.
    pub(super) strict: bool,
    /// Microseconds of a timestamp's tick, if they are to be compared.
    pub(super) tick: Option<u64>,
    /// How far off a timestamp may be, in microseconds.
    pub(super) tolerance: u64,
}

/// A field that is not as expected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    pub(super) field: &'static str,
    pub(super) expected: String,
    pub(super) seen: String,
}

/// Collects differences.
#[derive(Debug, Default)]
pub(super) struct Differences(pub(super) Vec<Difference>);

impl Differences {
    fn compare<T: PartialEq + ToString>(&mut self, field: &'static str, expected: T, seen: T) {
        if expected != seen {
            self.add(field, expected.to_string(), seen.to_string());
        }
    }

    pub(super) fn add(&mut self, field: &'static str, expected: impl Into<String>, seen: impl Into<String>) {
        let difference = Difference { field, expected: expected.into(), seen: seen.into() };
        // Of several pieces, all may differ in the same way.
        if !self.0.contains(&difference) {
            self.0.push(difference);
        }
    }
}

/// The IP header.
pub(super) fn ip(expected: &IpInfo, seen: IpHeader, found: &mut Differences) {
    let bits = seen.tos & 3;
    match expected.tos {
        Tos::Any => {}
        Tos::Ecn(want) => found.compare("ECN bits", print::ecn(want), print::ecn(bits)),
        Tos::EctAny if bits == 1 || bits == 2 => {}
        Tos::EctAny => found.add("ECN bits", "ect0 or ect1", print::ecn(bits)),
        Tos::Whole(want) => found.compare("tos", format!("0x{want:x}"), format!("0x{:x}", seen.tos)),
    }
    if let Some(ttl) = expected.ttl {
        found.compare("ttl", ttl, seen.ttl);
    }
}

/// A segment, in the script's numbers.
pub(super) fn segment(expected: &Segment, seen: &Segment, rules: &Rules, found: &mut Differences) {
    found.compare("flags", print::flags(expected.flags), print::flags(seen.flags));
    found.compare("seq", expected.seq, seen.seq);
    found.compare("length", expected.len, seen.len);
    found.compare("ack", expected.ack, seen.ack);
    let window = seen.window.unwrap_or(0);
    if let Some(want) = expected.window {
        let is_alike = if rules.buffer_is_fixed { want == window } else { (want == 0) == (window == 0) };
        if !is_alike {
            found.add("win", want.to_string(), window.to_string());
        }
    }
    found.compare("urg", expected.urgent, seen.urgent);
    if let (Some(want), Some(is)) = (&expected.options, &seen.options) {
        options(want, is, rules, found);
    }
}

/// Options, whatever their order.
fn options(expected: &[TcpOption], seen: &[TcpOption], rules: &Rules, found: &mut Differences) {
    let counts = |option: &&TcpOption| !matches!(option, TcpOption::Nop | TcpOption::End);
    let mut left: Vec<&TcpOption> = seen.iter().filter(counts).collect();
    for want in expected.iter().filter(counts) {
        match left.iter().position(|is| kind(is) == kind(want)) {
            None => found.add("options", print::option(want), "no such option"),
            Some(place) => {
                let is = left.remove(place);
                if !option_is_alike(want, is, rules) {
                    found.add("options", print::option(want), print::option(is));
                }
            }
        }
    }
    for is in left {
        found.add("options", "no such option", print::option(is));
    }
}

fn kind(option: &TcpOption) -> u16 {
    match option {
        TcpOption::End => 0,
        TcpOption::Nop => 1,
        TcpOption::Mss(_) => 2,
        TcpOption::Scale(_) => 3,
        TcpOption::SackOk => 4,
        TcpOption::Sack(_) => 5,
        TcpOption::Timestamp(..) => 8,
        TcpOption::FastOpen(false, _) => 34,
        TcpOption::FastOpen(true, _) => 256,
        TcpOption::Other(kind, _) => u16::from(*kind),
    }
}

fn option_is_alike(want: &TcpOption, is: &TcpOption, rules: &Rules) -> bool {
    match (want, is) {
        (TcpOption::Mss(None), TcpOption::Mss(_)) | (TcpOption::Scale(None), TcpOption::Scale(_)) => true,
        (TcpOption::Scale(Some(_)), TcpOption::Scale(_)) if !rules.buffer_is_fixed => true,
        (TcpOption::Other(_, None), TcpOption::Other(..)) => true,
        (TcpOption::Timestamp(want, want_echo), TcpOption::Timestamp(is, is_echo)) => {
            let value_is_alike = match (want, is, rules.tick) {
                (Some(want), Some(is), Some(tick)) => {
                    u64::from((want.wrapping_sub(*is) as i32).unsigned_abs()) * tick <= rules.tolerance
                }
                (_, _, _) => true,
            };
            value_is_alike && (!rules.strict || want_echo.is_none() || want_echo == is_echo)
        }
        (want, is) => want == is,
    }
}

/// What a packet is, where a line expects it to be something else.
pub(super) fn name(content: &Content) -> &'static str {
    match content {
        Content::Tcp { .. } => "a TCP segment",
        Content::Udp { .. } => "a datagram",
        Content::Icmp { .. } => "an ICMP message",
    }
}

/// An ICMP message.
pub(super) fn icmp(expected: (u8, u8), seen: (u8, u8), found: &mut Differences) {
    found.compare("ICMP type", expected.0, seen.0);
    found.compare("ICMP code", expected.1, seen.1);
}

/// The packet as a line, for people to compare.
pub(super) fn as_line(expected: Option<&Packet>, sent: &Sent, segment: Option<Segment>) -> String {
    let body = match (&sent.content, segment) {
        (Content::Tcp { .. }, Some(segment)) => Body::Tcp(segment),
        (Content::Tcp { segment, .. }, None) => Body::Tcp(segment.clone()),
        (Content::Udp { payload }, _) => Body::Udp(payload.len()),
        (Content::Icmp { kind, code }, _) => {
            return format!("> icmp type_{kind} code_{code}");
        }
    };
    let wants = expected.map_or(IpInfo::default(), |packet| packet.ip);
    let tos = match wants.tos {
        Tos::Any if sent.ip.tos == 0 => Tos::Any,
        Tos::Any | Tos::Ecn(_) | Tos::EctAny if sent.ip.tos >> 2 == 0 => Tos::Ecn(sent.ip.tos & 3),
        Tos::Any | Tos::Ecn(_) | Tos::EctAny | Tos::Whole(_) => Tos::Whole(sent.ip.tos),
    };
    let ip =
        IpInfo { tos, ttl: wants.ttl.map(|_| sent.ip.ttl), flow_label: wants.flow_label.map(|_| sent.ip.flow_label) };
    let ports = expected.and_then(|packet| packet.ports).map(|_| (sent.ends.0.port(), sent.ends.1.port()));
    print::packet(&Packet { direction: super::ast::Direction::Out, ip, ports, body })
}

/// ICMP's protocol number of a version.
pub(super) const fn icmp_protocol(version: Version) -> u8 {
    match version {
        Version::V4 => super::wire::ICMP,
        Version::V6 => crate::frame::ICMPV6,
    }
}

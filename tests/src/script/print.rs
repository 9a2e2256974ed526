//! Packets as a script would write them: for traces and differences.

use super::ast::{Body, Direction, Expression, Flags, IpInfo, Packet, Segment, TcpOption, Tos};
use super::parse_packet::{ACK, AE, CWR, ECE, FIN, PSH, RST, SYN, URG};

/// A packet line without its time.
pub(super) fn packet(packet: &Packet) -> String {
    let direction = match packet.direction {
        Direction::In => "<",
        Direction::Out => ">",
    };
    let ports = packet.ports.map_or(String::new(), |(source, destination)| format!("{source} > {destination} "));
    let body = match &packet.body {
        Body::Tcp(line) => segment(line),
        Body::Udp(len) => format!("udp ({len})"),
        Body::Icmp(line) => {
            let code = line.code.as_ref().map_or(String::new(), |code| format!(" {code}"));
            let mtu = line.mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
            format!("icmp {}{code}{mtu}", line.kind)
        }
    };
    format!("{direction} {}{ports}{body}", ip(packet.ip))
}

fn ip(info: IpInfo) -> String {
    let mut parts = Vec::new();
    match info.tos {
        Tos::Any => {}
        Tos::Ecn(bits) => parts.push(ecn(bits).to_owned()),
        Tos::EctAny => parts.push("ect01".to_owned()),
        Tos::Whole(tos) => parts.push(format!("tos 0x{tos:x}")),
    }
    parts.extend(info.ttl.map(|ttl| format!("ttl {ttl}")));
    parts.extend(info.flow_label.map(|label| format!("flowlabel 0x{label:x}")));
    if parts.is_empty() { String::new() } else { format!("[{}] ", parts.join(", ")) }
}

/// The name of two ECN bits.
pub(super) const fn ecn(bits: u8) -> &'static str {
    ["noecn", "ect1", "ect0", "ce"][bits as usize & 3]
}

/// A segment without direction.
pub(super) fn segment(line: &Segment) -> String {
    let Segment { seq, len, ack, .. } = line;
    let mut text = format!("{} {seq}:{}({len})", flags(line.flags), seq.wrapping_add(*len as u32));
    if line.flags & ACK != 0 {
        text += &format!(" ack {ack}");
    }
    if let Some(window) = line.window {
        text += &format!(" win {window}");
    }
    if line.urgent != 0 {
        text += &format!(" urg {}", line.urgent);
    }
    match &line.options {
        None => text += " <...>",
        Some(list) if list.is_empty() => {}
        Some(list) => text += &format!(" <{}>", options(list)),
    }
    text
}

/// Control bits, `-` if there is none.
pub(super) fn flags(flags: Flags) -> String {
    let names = [(FIN, 'F'), (SYN, 'S'), (RST, 'R'), (PSH, 'P'), (URG, 'U'), (ECE, 'E'), (CWR, 'W'), (AE, 'A')];
    let text: String =
        names.into_iter().chain([(ACK, '.')]).filter(|(bit, _)| flags & bit != 0).map(|(_, it)| it).collect();
    if text.is_empty() { "-".to_owned() } else { text }
}

/// A list of options.
pub(super) fn options(list: &[TcpOption]) -> String {
    list.iter().map(option).collect::<Vec<_>>().join(",")
}

/// One option.
pub(super) fn option(option: &TcpOption) -> String {
    fn or_any<T: ToString>(value: Option<T>) -> String {
        value.map_or("...".to_owned(), |value| value.to_string())
    }
    match option {
        TcpOption::End => "eol".into(),
        TcpOption::Nop => "nop".into(),
        TcpOption::Mss(mss) => format!("mss {}", or_any(*mss)),
        TcpOption::Scale(shift) => format!("wscale {}", or_any(*shift)),
        TcpOption::SackOk => "sackOK".into(),
        TcpOption::Sack(blocks) => {
            let blocks: Vec<_> = blocks.iter().map(|(left, right)| format!("{left}:{right}")).collect();
            format!("sack {}", blocks.join(" "))
        }
        TcpOption::Timestamp(value, echo) => format!("TS val {} ecr {}", or_any(*value), or_any(*echo)),
        TcpOption::FastOpen(false, cookie) => format!("FO {}", hex(cookie)).trim_end().into(),
        TcpOption::FastOpen(true, cookie) => format!("FOEXP {}", hex(cookie)).trim_end().into(),
        TcpOption::Other(kind, None) => format!("option {kind}"),
        TcpOption::Other(kind, Some(bytes)) => format!("option {kind} {}", hex(bytes)).trim_end().into(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An argument of a system call.
pub(super) fn expression(it: &Expression) -> String {
    let all = |list: &[Expression], between: &str| list.iter().map(expression).collect::<Vec<_>>().join(between);
    match it {
        Expression::Ellipsis => "...".into(),
        Expression::Integer(value) => value.to_string(),
        Expression::Word(word) => word.clone(),
        Expression::Text(bytes, _) => format!("\"{}\"", String::from_utf8_lossy(bytes).escape_debug()),
        Expression::Or(list) => all(list, "|"),
        Expression::List(list) => format!("[{}]", all(list, ", ")),
        Expression::Tuple(list) => format!("{{{}}}", all(list, ", ")),
        Expression::Record(fields) => {
            let fields: Vec<_> = fields.iter().map(|(name, value)| format!("{name}={}", expression(value))).collect();
            format!("{{{}}}", fields.join(", "))
        }
        Expression::Address(address) => address.to_string(),
    }
}

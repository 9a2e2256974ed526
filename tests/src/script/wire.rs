//! Packets as bytes: what a script injects, and what the stack sent. Apart from the stack, so that both can be wrong
//! only once.

use std::net::{IpAddr, SocketAddr};

use super::ast::Segment;
use super::parse_packet::{FIN, PSH, SYN, URG};
use super::wire_options;
use crate::frame;

pub(super) const ICMP: u8 = 1;
pub(super) const UDP: u8 = 17;

/// What an IP header says beside addresses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct IpHeader {
    pub(super) tos: u8,
    pub(super) ttl: u8,
    pub(super) flow_label: u32,
}

/// A packet of the stack. Its numbers are those of the wire.
#[derive(Clone, Debug)]
pub(super) struct Sent {
    pub(super) ip: IpHeader,
    /// Source and destination; the ports of ICMP are zero.
    pub(super) ends: (SocketAddr, SocketAddr),
    pub(super) content: Content,
}

/// What a packet carries.
#[derive(Clone, Debug)]
pub(super) enum Content {
    Tcp { segment: Segment, payload: Vec<u8> },
    Udp { payload: Vec<u8> },
    Icmp { kind: u8, code: u8 },
}

/// A segment's header and options, its checksum not in place; the payload follows.
pub(super) fn segment(ports: [u16; 2], segment: &Segment, payload: &[u8]) -> Vec<u8> {
    let mut options: Vec<u8> = segment.options.iter().flatten().flat_map(wire_options::encode).collect();
    options.resize(options.len().next_multiple_of(4), 0);
    let mut bytes = [ports[0].to_be_bytes(), ports[1].to_be_bytes()].concat();
    bytes.extend_from_slice(&segment.seq.to_be_bytes());
    bytes.extend_from_slice(&segment.ack.to_be_bytes());
    let offset = ((20 + options.len()) as u8 / 4) << 4;
    bytes.extend_from_slice(&[offset | (segment.flags >> 8) as u8 & 0xf, segment.flags as u8]);
    bytes.extend_from_slice(&segment.window.unwrap_or(0).to_be_bytes());
    bytes.extend_from_slice(&[0, 0]);
    bytes.extend_from_slice(&segment.urgent.to_be_bytes());
    bytes.extend_from_slice(&options);
    bytes.extend_from_slice(payload);
    bytes
}

/// [`segment`], in pieces where it has more data than `mss`, or is longer than `room`: no wire carries what scripts have
/// for one.
pub(super) fn segments(ports: [u16; 2], whole: &Segment, payload: &[u8], [mss, room]: [usize; 2]) -> Vec<Vec<u8>> {
    let most = mss.min(room.saturating_sub(segment(ports, whole, &[]).len()));
    if payload.len() <= most || most == 0 || whole.flags & (SYN | URG) != 0 {
        return vec![segment(ports, whole, payload)];
    }
    let count = payload.len().div_ceil(most);
    let pieces = payload.chunks(most).enumerate().map(|(at, piece)| {
        let seq = whole.seq.wrapping_add((at * most) as u32);
        let flags = if at + 1 == count { whole.flags } else { whole.flags & !(FIN | PSH) };
        segment(ports, &Segment { seq, flags, ..whole.clone() }, piece)
    });
    pieces.collect()
}

/// A datagram's header, its checksum not in place, and its payload.
pub(super) fn datagram(ports: [u16; 2], payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&ports[0].to_be_bytes()[..], &ports[1].to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// An IP packet with the transport's checksum put in its place, and its Ethernet type.
pub(super) fn packet(header: IpHeader, ends: (IpAddr, IpAddr), protocol: u8, mut body: Vec<u8>) -> (u16, Vec<u8>) {
    let (source, destination) = ends;
    if let Some(at) = checksum_place(protocol) {
        body[at..at + 2].fill(0);
        let pseudo =
            if protocol == ICMP { Vec::new() } else { frame::pseudo(source, destination, protocol, body.len()) };
        let checksum = !frame::sum(&[&pseudo, &body]);
        body[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    let (ethertype, mut packet) = frame::ip(source, destination, protocol, header.ttl, &body);
    match source {
        IpAddr::V4(_) => {
            packet[1] = header.tos;
            packet[10..12].fill(0);
            let checksum = !frame::sum(&[&packet[..20]]);
            packet[10..12].copy_from_slice(&checksum.to_be_bytes());
        }
        IpAddr::V6(_) => {
            let first = 6 << 28 | u32::from(header.tos) << 20 | header.flow_label;
            packet[..4].copy_from_slice(&first.to_be_bytes());
        }
    }
    (ethertype, packet)
}

fn checksum_place(protocol: u8) -> Option<usize> {
    match protocol {
        frame::TCP => Some(16),
        UDP => Some(6),
        ICMP | frame::ICMPV6 => Some(2),
        _ => None,
    }
}

/// Reads an IP packet of the stack; `None` if it is of a protocol that no script speaks of.
///
/// # Errors
/// What is wrong with it.
pub(super) fn read(packet: &[u8]) -> Result<Option<Sent>, String> {
    let (ip, source, destination, protocol, body) = match packet.first().map(|first| first >> 4) {
        Some(4) => read_v4(packet)?,
        Some(6) => read_v6(packet)?,
        Some(_) | None => return Err("it has no IP header".into()),
    };
    if checksum_place(protocol).is_none() {
        return Ok(None);
    }
    let pseudo = if protocol == ICMP { Vec::new() } else { frame::pseudo(source, destination, protocol, body.len()) };
    if frame::sum(&[&pseudo, body]) != 0xffff {
        return Err(format!("the checksum of protocol {protocol} is wrong"));
    }
    let (content, ports) = match protocol {
        frame::TCP => read_segment(body)?,
        UDP => (Content::Udp { payload: body.get(8..).ok_or("a short datagram")?.to_vec() }, ports(body)),
        _ => {
            let [kind, code, ..] = *body.first_chunk::<8>().ok_or("a short ICMP message")?;
            (Content::Icmp { kind, code }, [0, 0])
        }
    };
    let ends = (SocketAddr::new(source, ports[0]), SocketAddr::new(destination, ports[1]));
    Ok(Some(Sent { ip, ends, content }))
}

type Opened<'a> = (IpHeader, IpAddr, IpAddr, u8, &'a [u8]);

fn read_v4(packet: &[u8]) -> Result<Opened<'_>, String> {
    let header = packet.get(..usize::from(packet[0] & 0xf) * 4).filter(|it| it.len() >= 20).ok_or("a short header")?;
    if frame::sum(&[header]) != 0xffff {
        return Err("the IPv4 header's checksum is wrong".into());
    }
    let total = usize::from(u16::from_be_bytes([header[2], header[3]]));
    let body = packet.get(header.len()..total).ok_or("the IPv4 total length is wrong")?;
    let address = |at: usize| IpAddr::from(<[u8; 4]>::try_from(&header[at..at + 4]).expect("four bytes"));
    let ip = IpHeader { tos: header[1], ttl: header[8], flow_label: 0 };
    Ok((ip, address(12), address(16), header[9], body))
}

fn read_v6(packet: &[u8]) -> Result<Opened<'_>, String> {
    let header = packet.get(..40).ok_or("a short header")?;
    let len = usize::from(u16::from_be_bytes([header[4], header[5]]));
    let body = packet.get(40..40 + len).ok_or("the IPv6 payload length is wrong")?;
    let address = |at: usize| IpAddr::from(<[u8; 16]>::try_from(&header[at..at + 16]).expect("sixteen bytes"));
    let first = u32::from_be_bytes([header[0], header[1], header[2], header[3]]);
    let ip = IpHeader { tos: (first >> 20) as u8, ttl: header[7], flow_label: first & 0xf_ffff };
    Ok((ip, address(8), address(24), header[6], body))
}

fn ports(body: &[u8]) -> [u16; 2] {
    [u16::from_be_bytes([body[0], body[1]]), u16::from_be_bytes([body[2], body[3]])]
}

fn read_segment(body: &[u8]) -> Result<(Content, [u16; 2]), String> {
    let fixed = body.first_chunk::<20>().ok_or("a short TCP header")?;
    let header = usize::from(fixed[12] >> 4) * 4;
    let options = body.get(20..header).ok_or_else(|| format!("a data offset of {header} bytes"))?;
    let word = |at: usize| u16::from_be_bytes([fixed[at], fixed[at + 1]]);
    let long = |at: usize| u32::from_be_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]]);
    let payload = body[header..].to_vec();
    let segment = Segment {
        flags: u16::from(fixed[12] & 0xf) << 8 | u16::from(fixed[13]),
        seq: long(4),
        absolute: false,
        len: payload.len(),
        ack: long(8),
        window: Some(word(14)),
        urgent: word(18),
        options: Some(wire_options::decode(options)?),
    };
    Ok((Content::Tcp { segment, payload }, ports(fixed)))
}

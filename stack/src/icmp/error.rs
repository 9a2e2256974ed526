//! Errors: those that come in, for the transport whose packet they quote, and those that go out.
//!
//! RFC 792, RFC 1122 §3.2.2, RFC 1191 §4, RFC 4443 §2.4 and §3, RFC 5927 (what a transport should check before it
//! believes one: the quoted ports and sequence number are handed on for that).

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::{RxPacket, Work};
use zerocopy::IntoBytes;

use crate::drops::Reason;
use crate::ip::{
    self, BadChecksum, Datagram, Envelope, ErrorKind, Ip, Message, Precedence, Refusal, TransportError, Unreachable,
};
use crate::wire::icmp::{CHECKSUM_OFFSET, HEADER_LEN, Header};
use crate::wire::protocol::Protocol;
use crate::wire::{icmpv4, icmpv6, ipv4, ipv6};

/// Bytes of an IPv4 error in all (RFC 1812 §4.3.2.3).
const LONGEST_V4: usize = 576;

/// Reads an error about a packet of ours.
pub(super) fn read(datagram: Datagram, header: Header, ip: &Ip<'_>, work: &mut Work) -> Result<TransportError, Reason> {
    let kind = if datagram.protocol == Protocol::ICMPV4 { kind_v4(header) } else { kind_v6(header) };
    let (interface, is_v4) = (datagram.interface, datagram.protocol == Protocol::ICMPV4);
    let payload = datagram.into_payload(HEADER_LEN, work).map_err(|BadChecksum| Reason::IcmpChecksum)?;
    let quote = quote(payload.front(), is_v4).ok_or(Reason::IcmpQuote)?;
    // Who quotes a packet that this host cannot have sent knows nothing about it.
    if !ip.has_address(interface, quote.source) {
        return Err(Reason::IcmpQuote);
    }
    Ok(TransportError {
        protocol: quote.protocol,
        local: SocketAddr::new(quote.source, quote.source_port),
        remote: SocketAddr::new(quote.destination, quote.destination_port),
        sequence: quote.sequence,
        kind,
    })
}

fn kind_v4(header: Header) -> ErrorKind {
    use icmpv4::unreachable::{
        FRAGMENTATION_NEEDED, HOST, HOST_PROHIBITED, NETWORK, NETWORK_PROHIBITED, PORT, PROHIBITED, PROTOCOL,
    };
    let [_, _, mtu @ ..] = header.rest;
    match (header.kind, header.code) {
        (icmpv4::TIME_EXCEEDED, _) => ErrorKind::TimeExceeded,
        (icmpv4::PARAMETER_PROBLEM, _) => ErrorKind::ParameterProblem,
        (_, FRAGMENTATION_NEEDED) => ErrorKind::TooBig { mtu: u32::from(u16::from_be_bytes(mtu)) },
        (_, NETWORK) => ErrorKind::Unreachable(Unreachable::Network),
        (_, HOST) => ErrorKind::Unreachable(Unreachable::Host),
        (_, PROTOCOL) => ErrorKind::Unreachable(Unreachable::Protocol),
        (_, PORT) => ErrorKind::Unreachable(Unreachable::Port),
        (_, NETWORK_PROHIBITED | HOST_PROHIBITED | PROHIBITED) => ErrorKind::Unreachable(Unreachable::Prohibited),
        (_, _) => ErrorKind::Unreachable(Unreachable::Other),
    }
}

fn kind_v6(header: Header) -> ErrorKind {
    use icmpv6::unreachable::{ADDRESS, NO_ROUTE, PORT, PROHIBITED, REJECT_ROUTE, SOURCE_POLICY};
    match (header.kind, header.code) {
        (icmpv6::PACKET_TOO_BIG, _) => ErrorKind::TooBig { mtu: u32::from_be_bytes(header.rest) },
        (icmpv6::TIME_EXCEEDED, _) => ErrorKind::TimeExceeded,
        // RFC 4443 §3.4: code 1 is a next header that the peer does not speak.
        (icmpv6::PARAMETER_PROBLEM, icmpv6::parameter::NEXT_HEADER) => ErrorKind::Unreachable(Unreachable::Protocol),
        (icmpv6::PARAMETER_PROBLEM, _) => ErrorKind::ParameterProblem,
        (_, NO_ROUTE) => ErrorKind::Unreachable(Unreachable::Network),
        (_, ADDRESS) => ErrorKind::Unreachable(Unreachable::Host),
        (_, PORT) => ErrorKind::Unreachable(Unreachable::Port),
        (_, PROHIBITED | SOURCE_POLICY | REJECT_ROUTE) => ErrorKind::Unreachable(Unreachable::Prohibited),
        (_, _) => ErrorKind::Unreachable(Unreachable::Other),
    }
}

/// What an error quotes of the packet that it is about.
struct Quote {
    protocol: Protocol,
    source: IpAddr,
    destination: IpAddr,
    source_port: u16,
    destination_port: u16,
    sequence: u32,
}

/// RFC 1122 §3.2.2: the IP header and at least 8 bytes behind it are there.
fn quote(bytes: &[u8], is_v4: bool) -> Option<Quote> {
    let (protocol, source, destination, offset): (_, IpAddr, IpAddr, _) = if is_v4 {
        let packet = ipv4::Packet::parse(bytes).ok()?;
        let header = packet.header;
        (header.protocol(), header.source().into(), header.destination().into(), packet.header_len())
    } else {
        let header = ipv6::Header::parse(bytes).ok()?;
        (header.next_header(), header.source().into(), header.destination().into(), ipv6::HEADER_LEN)
    };
    // What was sent from here has no extension header in front of its transport.
    if !matches!(protocol, Protocol::TCP | Protocol::UDP) {
        return None;
    }
    let [a, b, c, d, sequence @ ..] = *bytes.get(offset..)?.first_chunk::<8>()?;
    Some(Quote {
        protocol,
        source,
        destination,
        source_port: u16::from_be_bytes([a, b]),
        destination_port: u16::from_be_bytes([c, d]),
        sequence: u32::from_be_bytes(sequence),
    })
}

/// RFC 1122 §3.2.2, RFC 4443 §2.4 e: what no error may be about.
pub(super) fn may_answer(datagram: &Datagram, refusal: Refusal) -> bool {
    if datagram.source.is_unspecified() || datagram.source.is_multicast() {
        return false;
    }
    match refusal {
        // RFC 4443 §2.4 e.3: an option that wants to be reported is, even if the packet went to a group.
        Refusal::Parameter { code: icmpv6::parameter::OPTION, .. } => {}
        Refusal::Parameter { .. } | Refusal::Port | Refusal::Protocol if !datagram.is_unicast() => return false,
        Refusal::Parameter { .. } | Refusal::Port | Refusal::Protocol => {}
    }
    let first = datagram.transport().first().copied();
    match datagram.protocol {
        Protocol::ICMPV4 => first == Some(icmpv4::ECHO),
        Protocol::ICMPV6 => first.is_some_and(|kind| kind >= icmpv6::FIRST_INFORMATIONAL && kind != icmpv6::REDIRECT),
        _ => true,
    }
}

/// Queues an error about `datagram`.
pub(super) fn queue(datagram: &Datagram, refusal: Refusal, ip: &mut Ip<'_>) {
    let (header, protocol, longest) = match datagram.source {
        IpAddr::V4(_) => {
            let code = match refusal {
                Refusal::Port => icmpv4::unreachable::PORT,
                Refusal::Protocol | Refusal::Parameter { .. } => icmpv4::unreachable::PROTOCOL,
            };
            let header = Header::new(icmpv4::UNREACHABLE, code, [0; 4]);
            (header, Protocol::ICMPV4, LONGEST_V4 - ipv4::HEADER_LEN - HEADER_LEN)
        }
        IpAddr::V6(_) => {
            let header = match refusal {
                Refusal::Port => Header::new(icmpv6::UNREACHABLE, icmpv6::unreachable::PORT, [0; 4]),
                Refusal::Protocol => Header::new(icmpv6::UNREACHABLE, icmpv6::unreachable::PROHIBITED, [0; 4]),
                Refusal::Parameter { code, pointer } => {
                    Header::new(icmpv6::PARAMETER_PROBLEM, code, pointer.to_be_bytes())
                }
            };
            (header, Protocol::ICMPV6, usize::from(ipv6::MINIMUM_MTU) - ipv6::HEADER_LEN - HEADER_LEN)
        }
    };
    let interface = datagram.interface;
    let Some(source) = ip.answering_address(datagram) else { return };
    let envelope = Envelope {
        interface: Some(interface),
        ..Envelope::new(source, datagram.source, protocol, Some(CHECKSUM_OFFSET))
    };
    let header = ip::Header::of(&[header.as_bytes()]);
    let payload = Some(front(&datagram.packet, longest));
    ip.queue(interface, Message::Packet { envelope, header, payload }, Precedence::Courtesy);
}

/// A second view of the first `len` bytes of a packet.
fn front(packet: &RxPacket, len: usize) -> RxPacket {
    let mut chunks = packet.chunks().iter().cloned();
    let mut front = RxPacket::new(chunks.next().unwrap_or_default());
    for chunk in chunks {
        front.push(chunk).expect("they fit one packet");
    }
    front.truncate(len);
    front
}

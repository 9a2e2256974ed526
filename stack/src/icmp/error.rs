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
        packet_len: quote.packet_len,
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
    packet_len: u16,
}

/// RFC 1122 §3.2.2: the IP header and at least 8 bytes behind it are there.
fn quote(bytes: &[u8], is_v4: bool) -> Option<Quote> {
    let (protocol, source, destination, offset, packet_len): (_, IpAddr, IpAddr, _, u16) = if is_v4 {
        let packet = ipv4::Packet::parse(bytes).ok()?;
        let header = packet.header;
        (
            header.protocol(),
            header.source().into(),
            header.destination().into(),
            packet.header_len(),
            header.total_len.get(),
        )
    } else {
        let header = ipv6::Header::parse(bytes).ok()?;
        let len = header.payload_len.get().saturating_add(ipv6::HEADER_LEN as u16);
        (header.next_header(), header.source().into(), header.destination().into(), ipv6::HEADER_LEN, len)
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
        packet_len,
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

/// A second view of the first `len` bytes of a packet, or of as many of its chunks as lie inline.
fn front(packet: &RxPacket, len: usize) -> RxPacket {
    let mut chunks = packet.chunks().iter().cloned();
    let mut front = RxPacket::new(chunks.next().unwrap_or_default());
    for chunk in chunks {
        if front.push(chunk).is_err() {
            break;
        }
    }
    front.truncate(len);
    front
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::{Ipv4Addr, Ipv6Addr};
    use std::vec::Vec;

    use super::*;
    use crate::icmp::Icmp;
    use crate::ip::Arrived;
    use crate::ip::harness::{
        self, Host, OWN, OWN6, PEER, PEER6, assert_sound, bytes, icmpv4, icmpv6, ipv4 as frame_v4, ipv6 as frame_v6,
    };
    use crate::time::Span;

    fn refuse(host: &mut Host, icmp: &mut Icmp, frame: &[u8]) {
        let arrived = host.receive(frame);
        match arrived {
            Arrived::Udp(datagram) => icmp.refuse(&datagram, Refusal::Port, &mut host.ip, host.now),
            Arrived::Refused(datagram, refusal) => icmp.refuse(&datagram, refusal, &mut host.ip, host.now),
            other => panic!("{other:?}"),
        }
    }

    fn refused(frame: &[u8]) -> Vec<Vec<u8>> {
        let mut host = Host::with_peer();
        let mut icmp = Icmp::new(host.now);
        refuse(&mut host, &mut icmp, frame);
        host.transmit()
    }

    fn udp_v4(destination: Ipv4Addr, len: usize) -> Vec<u8> {
        let udp = harness::udp((PEER.into(), 5), (destination.into(), 6), &bytes(len));
        frame_v4(PEER, destination, Protocol::UDP, &udp)
    }

    fn udp_v6(destination: Ipv6Addr, len: usize) -> Vec<u8> {
        let udp = harness::udp((PEER6.into(), 5), (destination.into(), 6), &bytes(len));
        frame_v6(PEER6, destination, Protocol::UDP, 64, &udp)
    }

    #[test]
    fn rfc1122_and_rfc4443_a_closed_port_is_reported_with_the_front_of_the_packet() {
        let frame = udp_v4(OWN, 1000);
        let [error] = &refused(&frame)[..] else { panic!("one error") };
        assert_sound(error);
        assert_eq!((error.len(), &error[34..36]), (14 + 576, &[3, 3][..]));
        assert_eq!(error[42..], frame[14..14 + 548]);

        let frame = udp_v6(OWN6, 1400);
        let [error] = &refused(&frame)[..] else { panic!("one error") };
        assert_sound(error);
        assert_eq!((error.len(), &error[54..56]), (14 + 1280, &[1, 4][..]));
        assert_eq!(error[62..], frame[14..14 + 1232]);
    }

    #[test]
    fn rfc1122_an_unknown_protocol_is_reported() {
        let [error] = &refused(&frame_v4(PEER, OWN, Protocol(132), b"who speaks SCTP?"))[..] else {
            panic!("one error")
        };
        assert_eq!(error[34..36], [3, 2]);
        let [error] = &refused(&frame_v6(PEER6, OWN6, Protocol(132), 64, b"nobody"))[..] else { panic!("one error") };
        assert_sound(error);
        assert_eq!((&error[54..56], &error[58..62]), (&[4, 1][..], &[0, 0, 0, 6][..]));
    }

    #[test]
    fn rfc1122_and_rfc4443_no_error_answers_a_group() {
        assert_eq!(refused(&udp_v4([192, 0, 2, 255].into(), 9)).len(), 0);
        assert_eq!(refused(&udp_v4(Ipv4Addr::BROADCAST, 9)).len(), 0);
        assert_eq!(refused(&udp_v6("ff02::1".parse().unwrap(), 9)).len(), 0);
    }

    #[test]
    fn rfc4443_errors_are_held_back_after_a_burst() {
        let mut host = Host::with_peer();
        let mut icmp = Icmp::new(host.now);
        let mut sent = 0;
        for _ in 0..30 {
            refuse(&mut host, &mut icmp, &udp_v4(OWN, 9));
            sent += host.transmit().len();
        }
        assert_eq!((sent, host.ip.drops.of(Reason::IcmpRateLimited)), (10, 20));
        host.pass(Span::from_millis(10));
        refuse(&mut host, &mut icmp, &udp_v4(OWN, 9));
        assert_eq!(host.transmit().len(), 1);
    }

    /// An error of the peer's that quotes a packet from `source`.
    fn report_v4(kind: u8, code: u8, rest: [u8; 4], source: Ipv4Addr) -> Vec<u8> {
        let quoted = frame_v4(source, PEER, Protocol::TCP, &[0x30, 0x39, 0, 80, 0xde, 0xad, 0xbe, 0xef]);
        icmpv4(PEER, OWN, &[&[kind, code, 0, 0], &rest[..], &quoted[14..]].concat())
    }

    fn report_v6(kind: u8, code: u8, rest: [u8; 4]) -> Vec<u8> {
        let quoted = frame_v6(OWN6, PEER6, Protocol::UDP, 64, &[0x30, 0x39, 0, 53, 0, 8, 0, 0]);
        icmpv6(PEER6, OWN6, 64, &[&[kind, code, 0, 0], &rest[..], &quoted[14..]].concat())
    }

    #[track_caller]
    fn read(frame: &[u8]) -> Result<TransportError, Reason> {
        let mut host = Host::with_peer();
        let before = host.ip.drops.clone();
        let Arrived::Icmp(datagram) = host.receive(frame) else { panic!("not ICMP") };
        let error = Icmp::new(host.now).receive(datagram, &mut host.ip, &mut host.work);
        error.ok_or_else(|| host.reason_since(&before))
    }

    #[test]
    fn rfc792_an_error_names_the_connection_and_the_sequence_number() {
        let error = read(&report_v4(3, 1, [0; 4], OWN)).unwrap();
        assert_eq!(error.local, SocketAddr::new(OWN.into(), 12345));
        assert_eq!(error.remote, SocketAddr::new(PEER.into(), 80));
        assert_eq!((error.protocol, error.sequence), (Protocol::TCP, 0xdead_beef));
        assert_eq!(error.kind, ErrorKind::Unreachable(Unreachable::Host));
    }

    #[test]
    fn rfc792_and_rfc4443_every_code_has_its_meaning() {
        use ErrorKind::{ParameterProblem, TimeExceeded, TooBig};
        let unreachable = ErrorKind::Unreachable;
        let v4 = [
            ((3, 0), unreachable(Unreachable::Network)),
            ((3, 2), unreachable(Unreachable::Protocol)),
            ((3, 3), unreachable(Unreachable::Port)),
            ((3, 4), TooBig { mtu: 1400 }),
            ((3, 13), unreachable(Unreachable::Prohibited)),
            ((3, 5), unreachable(Unreachable::Other)),
            ((11, 0), TimeExceeded),
            ((12, 0), ParameterProblem),
        ];
        for ((kind, code), meaning) in v4 {
            assert_eq!(read(&report_v4(kind, code, [0, 0, 5, 120], OWN)).unwrap().kind, meaning);
        }
        let v6 = [
            ((1, 0), unreachable(Unreachable::Network)),
            ((1, 1), unreachable(Unreachable::Prohibited)),
            ((1, 3), unreachable(Unreachable::Host)),
            ((1, 4), unreachable(Unreachable::Port)),
            ((2, 0), TooBig { mtu: 1400 }),
            ((3, 1), TimeExceeded),
            ((4, 0), ParameterProblem),
            ((4, 1), unreachable(Unreachable::Protocol)),
        ];
        for ((kind, code), meaning) in v6 {
            assert_eq!(read(&report_v6(kind, code, [0, 0, 5, 120])).unwrap().kind, meaning);
        }
    }

    #[test]
    fn rfc5927_an_error_about_somebody_elses_packet_is_dropped() {
        assert_eq!(read(&report_v4(3, 1, [0; 4], PEER)), Err(Reason::IcmpQuote));
        let short = icmpv4(PEER, OWN, &report_v4(3, 1, [0; 4], OWN)[34..34 + 8 + 27]);
        assert_eq!(read(&short), Err(Reason::IcmpQuote));
    }
}

//! IPv6 on its way up: every check of RFC 8200 §3 and §4.
//!
//! Invariant: what gets out is one whole datagram for this host, and its extension headers have been walked. Left out:
//! reassembly, jumbograms.

use core::net::{IpAddr, Ipv6Addr};

use lendwire_nic::RxPacket;

use super::datagram::Datagram;
use super::interface::Interface;
use super::{Arrived, Ip, Refusal};
use crate::drops::Reason;
use crate::link::{Delivery, Frame, InterfaceId};
use crate::time::Instant;
use crate::wire::icmpv6;
use crate::wire::ipv6::{self, Extension, Header, Malformed, OptionFault};
use crate::wire::protocol::Protocol;

/// Extension headers that a packet may have; more are a waste of our time.
const MAX_EXTENSIONS: usize = 8;

impl Ip<'_> {
    pub(super) fn on_ipv6(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        mut packet: RxPacket,
        now: Instant,
    ) -> Result<Arrived, Reason> {
        let state = self.interfaces.at(interface).ok_or(Reason::Ipv6Destination)?;
        let header = *Header::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= ipv6::HEADER_LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::Ipv6Short,
            Malformed::Version => Reason::Ipv6Version,
        })?;
        let len = ipv6::HEADER_LEN + usize::from(header.payload_len.get());
        if len > packet.len() {
            return Err(Reason::Ipv6PayloadLength);
        }
        packet.truncate(len);
        check_source(state, header.source())?;
        let delivery = delivery(state, header.destination(), frame.delivery)?;
        let found = walk(&packet, header.next_header(), delivery)?;
        let datagram = Datagram {
            interface,
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: found.protocol,
            transport_offset: found.offset,
            traffic_class: header.traffic_class(),
            hop_limit: header.hop_limit,
            delivery,
            packet,
        };
        if let Some((reason, refusal)) = found.refusal {
            self.drops.count(reason);
            return Ok(Arrived::Refused(datagram, refusal));
        }
        if datagram.protocol == Protocol::ICMPV6 {
            return match datagram.transport().first() {
                Some(icmpv6::LISTENER_QUERY..=icmpv6::REDIRECT) => {
                    self.on_neighbour_discovery(&datagram, now).map(|()| Arrived::Nothing)
                }
                _ => Ok(Arrived::Icmp(datagram)),
            };
        }
        // RFC 4291 §2.5.2: only who has no address yet sends from the unspecified one, and only to discover.
        if header.source().is_unspecified() {
            return Err(Reason::Ipv6Source);
        }
        Ok(if datagram.protocol == Protocol::TCP { Arrived::Tcp(datagram) } else { Arrived::Udp(datagram) })
    }
}

/// RFC 4291 §2.7, §2.5.3, §2.5.5.2: a source is no group, not ours, and no IPv4 address in disguise.
fn check_source(state: &Interface, source: Ipv6Addr) -> Result<(), Reason> {
    let is_inner = source.is_loopback() || state.has(source.into());
    let is_nobody = source.is_multicast() || source.to_ipv4_mapped().is_some();
    if is_nobody || (is_inner && !state.config.loopback) { Err(Reason::Ipv6Source) } else { Ok(()) }
}

fn delivery(state: &Interface, destination: Ipv6Addr, frame: Delivery) -> Result<Delivery, Reason> {
    if state.has(IpAddr::V6(destination)) {
        return Ok(frame);
    }
    if destination.is_multicast() && state.listens(destination) {
        return Ok(Delivery::Group);
    }
    Err(Reason::Ipv6Destination)
}

/// Where the transport header stands, and what is to be said if it cannot be reached.
struct Found {
    protocol: Protocol,
    offset: usize,
    refusal: Option<(Reason, Refusal)>,
}

/// Walks the extension headers (RFC 8200 §4), which must lie together.
fn walk(packet: &RxPacket, first: Protocol, delivery: Delivery) -> Result<Found, Reason> {
    let front = packet.front();
    let cut = if front.len() < packet.len() { Reason::HeaderSplit } else { Reason::Ipv6Extension };
    let (mut protocol, mut offset) = (first, ipv6::HEADER_LEN);
    // Where the number of the header at `offset` stands.
    let mut pointer = 6;
    let refused = |protocol, offset, reason, code, pointer: usize| {
        let refusal = Refusal::Parameter { code, pointer: pointer as u32 };
        Ok(Found { protocol, offset, refusal: Some((reason, refusal)) })
    };
    for _ in 0..=MAX_EXTENSIONS {
        match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::ICMPV6 => return Ok(Found { protocol, offset, refusal: None }),
            Protocol::NOTHING => return Err(Reason::Ipv6NextHeader),
            // RFC 8200 §4.1: hop-by-hop options stand first or nowhere.
            Protocol::HOP_BY_HOP if offset == ipv6::HEADER_LEN => {}
            Protocol::DESTINATION_OPTIONS | Protocol::ROUTING | Protocol::FRAGMENT => {}
            _ => {
                let code = icmpv6::parameter::NEXT_HEADER;
                return refused(protocol, offset, Reason::Ipv6NextHeader, code, pointer);
            }
        }
        let (extension, bytes) = Extension::parse(protocol, front.get(offset..).unwrap_or(&[])).ok_or(cut)?;
        match protocol {
            Protocol::HOP_BY_HOP | Protocol::DESTINATION_OPTIONS => match ipv6::check_options(bytes) {
                Ok(()) => {}
                Err(OptionFault::Length | OptionFault::Drop) => return Err(Reason::Ipv6Extension),
                Err(OptionFault::ReportUnicast(_)) if delivery == Delivery::Group => return Err(Reason::Ipv6Extension),
                Err(OptionFault::Report(at) | OptionFault::ReportUnicast(at)) => {
                    let code = icmpv6::parameter::OPTION;
                    return refused(protocol, offset, Reason::Ipv6Extension, code, offset + at);
                }
            },
            // RFC 8200 §4.4: no routing type is spoken; what has reached its last segment may pass.
            Protocol::ROUTING if extension.data[1] != 0 => {
                let code = icmpv6::parameter::FIELD;
                return refused(protocol, offset, Reason::Ipv6Extension, code, offset + 2);
            }
            // RFC 6946: a fragment that is the whole packet is none. Offset and M are all bits but two reserved ones.
            Protocol::FRAGMENT if u16::from_be_bytes([extension.data[0], extension.data[1]]) & 0xfff9 != 0 => {
                return Err(Reason::Ipv6Fragment);
            }
            _ => {}
        }
        pointer = offset;
        offset += bytes.len();
        protocol = Protocol(extension.next_header);
    }
    Err(Reason::Ipv6Extension)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::ip::harness::{Host, OWN6, PEER6, ipv6};

    const UDP: [u8; 8] = [0, 1, 0, 2, 0, 8, 0, 0];
    /// A fragment header that cuts nothing.
    const ATOMIC: (Protocol, &[u8]) = (Protocol::FRAGMENT, &[0; 7]);

    /// A frame with extension headers, each a kind and its bytes, before a UDP header.
    fn extended(extensions: &[(Protocol, &[u8])]) -> Vec<u8> {
        let kinds = extensions.iter().map(|(kind, _)| *kind).chain([Protocol::UDP]).collect::<Vec<_>>();
        let mut rest = Vec::new();
        for ((_, bytes), next) in extensions.iter().zip(&kinds[1..]) {
            rest.push(next.0);
            rest.extend_from_slice(bytes);
        }
        ipv6(PEER6, OWN6, kinds[0], 64, &[&rest[..], &UDP].concat())
    }

    #[track_caller]
    fn passes(frame: &[u8]) {
        let Arrived::Udp(datagram) = Host::new().receive(frame) else { panic!("not UDP") };
        assert_eq!(datagram.transport(), UDP);
    }

    #[track_caller]
    fn refused(frame: &[u8]) -> Refusal {
        let Arrived::Refused(_, refusal) = Host::new().receive(frame) else { panic!("not refused") };
        refusal
    }

    #[test]
    fn rfc8200_extension_headers_are_walked() {
        passes(&extended(&[]));
        passes(&extended(&[(Protocol::HOP_BY_HOP, &[0, 5, 2, 0, 0, 1, 0])]));
        passes(&extended(&[(Protocol::DESTINATION_OPTIONS, &[1, 1, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0])]));
        passes(&extended(&[(Protocol::ROUTING, &[0, 4, 0, 0, 0, 0, 0])]));
        passes(&extended(&[
            (Protocol::HOP_BY_HOP, &[0, 1, 4, 0, 0, 0, 0]),
            (Protocol::DESTINATION_OPTIONS, &[0, 0x1e, 4, 9, 9, 9, 9]),
            (Protocol::FRAGMENT, &[0xff, 0, 0, 1, 2, 3, 4]),
        ]));
    }

    #[test]
    fn rfc8200_an_unknown_option_says_itself_what_becomes_of_the_packet() {
        let with = |option: u8| extended(&[(Protocol::DESTINATION_OPTIONS, &[0, 1, 0, option, 2, 0, 0])]);
        passes(&with(0x3e));
        assert_eq!(Host::new().dropped(&with(0x7e)), Reason::Ipv6Extension);
        let report = Refusal::Parameter { code: 2, pointer: 44 };
        assert_eq!(refused(&with(0xbe)), report);
        assert_eq!(refused(&with(0xfe)), report);
        let to_group = |option: u8| {
            let mut frame = with(option);
            frame[38..54].copy_from_slice(&Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1).octets());
            frame
        };
        assert_eq!(refused(&to_group(0xbe)), report);
        assert!(matches!(Host::new().receive(&to_group(0xfe)), Arrived::Nothing));
    }

    #[test]
    fn rfc8200_what_is_not_understood_is_reported_where_it_stands() {
        let late = extended(&[
            (Protocol::DESTINATION_OPTIONS, &[0, 1, 4, 0, 0, 0, 0]),
            (Protocol::HOP_BY_HOP, &[0, 1, 4, 0, 0, 0, 0]),
        ]);
        assert_eq!(refused(&late), Refusal::Parameter { code: 1, pointer: 40 });
        let routed = extended(&[(Protocol::ROUTING, &[0, 0, 1, 0, 0, 0, 0])]);
        assert_eq!(refused(&routed), Refusal::Parameter { code: 0, pointer: 42 });
        let unknown = ipv6(PEER6, OWN6, Protocol(132), 64, &UDP);
        assert_eq!(refused(&unknown), Refusal::Parameter { code: 1, pointer: 6 });
    }

    #[test]
    fn rfc8200_every_malformed_packet_has_its_reason() {
        let good = extended(&[]);
        let changed = |at: usize, value: u8| {
            let mut frame = good.clone();
            frame[at] = value;
            frame
        };
        let cases = [
            (good[..53].to_vec(), Reason::Ipv6Short),
            (changed(14, 0x45), Reason::Ipv6Version),
            (changed(19, 9), Reason::Ipv6PayloadLength),
            (changed(20, 59), Reason::Ipv6NextHeader),
            (changed(20, 132), Reason::Ipv6NextHeader),
            (extended(&[(Protocol::FRAGMENT, &[0, 0, 1, 0, 0, 0, 1])]), Reason::Ipv6Fragment),
            (extended(&[(Protocol::FRAGMENT, &[0, 0, 8, 0, 0, 0, 1])]), Reason::Ipv6Fragment),
            (extended(&[(Protocol::DESTINATION_OPTIONS, &[9, 1, 4, 0, 0, 0, 0])]), Reason::Ipv6Extension),
            (extended(&[(Protocol::DESTINATION_OPTIONS, &[0, 1, 5, 0, 0, 0, 0])]), Reason::Ipv6Extension),
            (extended(&[(Protocol::DESTINATION_OPTIONS, &[0, 0, 0, 0, 0, 0, 1])]), Reason::Ipv6Extension),
            (extended(&[(Protocol::ROUTING, &[0, 0, 1, 0, 0, 0, 0])]), Reason::Ipv6Extension),
            (extended(&[ATOMIC; 9]), Reason::Ipv6Extension),
        ];
        for (frame, reason) in cases {
            assert_eq!(Host::new().dropped(&frame), reason, "{frame:02x?}");
        }
        passes(&extended(&[ATOMIC; 8]));
    }

    #[test]
    fn rfc4291_a_source_that_cannot_be_one_is_dropped() {
        for source in ["ff02::1", "::1", "::", "::ffff:192.0.2.9", "2001:db8::1"] {
            let frame = ipv6(source.parse().unwrap(), OWN6, Protocol::UDP, 64, &UDP);
            assert_eq!(Host::new().dropped(&frame), Reason::Ipv6Source, "{source}");
        }
    }

    #[test]
    fn rfc4291_what_is_for_others_is_dropped() {
        for destination in ["2001:db8::9", "ff02::2", "ff02::1:ff00:9", "::1", "::"] {
            let frame = ipv6(PEER6, destination.parse().unwrap(), Protocol::UDP, 64, &UDP);
            assert_eq!(Host::new().dropped(&frame), Reason::Ipv6Destination, "{destination}");
        }
    }

    #[test]
    fn rfc4862_a_tentative_address_receives_nothing() {
        let mut host = Host::new();
        let late: Ipv6Addr = "2001:db8::77".parse().unwrap();
        host.ip.add_address(host.id(), crate::wire::address::Cidr::host(late.into()), host.now).unwrap();
        let frame = ipv6(PEER6, late, Protocol::UDP, 64, &UDP);
        assert_eq!(host.dropped(&frame), Reason::Ipv6Destination);
        host.pass(crate::time::Span::from_secs(1));
        assert!(matches!(host.receive(&frame), Arrived::Udp(_)));
    }

    #[test]
    fn a_header_cut_over_two_buffers_is_not_read() {
        for cut in [40, 58] {
            let mut host = Host::new();
            let frame = extended(&[(Protocol::HOP_BY_HOP, &[0, 1, 4, 0, 0, 0, 0])]);
            let mut packet = host.packet(&frame[..cut]);
            let rest = host.packet(&frame[cut..]).pop().unwrap();
            packet.push(rest).unwrap();
            let before = host.ip.drops.clone();
            host.ip.receive(host.id(), packet, host.now);
            assert_eq!(host.reason_since(&before), Reason::HeaderSplit);
        }
    }
}

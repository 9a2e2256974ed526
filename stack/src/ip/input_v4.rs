//! IPv4 on its way up: every check of RFC 791 and RFC 1122 §3.2.1.
//!
//! Invariant: what gets out is one whole datagram for this host. Left out: reassembly; every option but padding is
//! skipped, source routes are refused.

use core::net::{IpAddr, Ipv4Addr};

use lendwire_nic::RxPacket;

use super::datagram::Datagram;
use super::interface::Interface;
use super::{Arrived, Ip, Refusal};
use crate::drops::Reason;
use crate::link::{Delivery, Frame, InterfaceId};
use crate::wire::address::ALL_HOSTS;
use crate::wire::ipv4::{self, Malformed, OptionFault, Packet};
use crate::wire::protocol::Protocol;

impl Ip<'_> {
    pub(super) fn on_ipv4(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        mut packet: RxPacket,
    ) -> Result<Arrived, Reason> {
        let state = self.interfaces.at(interface).ok_or(Reason::Ipv4Destination)?;
        let view = Packet::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= ipv4::HEADER_LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::Ipv4Short,
            Malformed::Version => Reason::Ipv4Version,
            Malformed::HeaderLength if packet.len() > packet.front().len() => Reason::HeaderSplit,
            Malformed::HeaderLength => Reason::Ipv4HeaderLength,
        })?;
        let header = *view.header;
        let total_len = usize::from(header.total_len.get());
        if total_len < view.header_len() || total_len > packet.len() {
            return Err(Reason::Ipv4TotalLength);
        }
        if !view.is_sound() {
            return Err(Reason::Ipv4Checksum);
        }
        check_source(state, header.source())?;
        let delivery = delivery(state, header.destination(), frame.delivery)?;
        ipv4::check_options(view.options).map_err(|fault| match fault {
            OptionFault::Length => Reason::Ipv4Options,
            OptionFault::SourceRoute => Reason::Ipv4SourceRoute,
        })?;
        if header.is_fragment() {
            return Err(Reason::Ipv4Fragment);
        }
        let transport_offset = view.header_len();
        packet.truncate(total_len);
        let datagram = Datagram {
            interface,
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: header.protocol(),
            transport_offset,
            traffic_class: header.traffic_class,
            hop_limit: header.hop_limit,
            delivery,
            packet,
        };
        Ok(match datagram.protocol {
            Protocol::TCP => Arrived::Tcp(datagram),
            Protocol::UDP => Arrived::Udp(datagram),
            Protocol::ICMPV4 => Arrived::Icmp(datagram),
            _ => {
                self.drops.count(Reason::Ipv4Protocol);
                Arrived::Refused(datagram, Refusal::Protocol)
            }
        })
    }
}

/// RFC 1122 §3.2.1.3: a source is one host's address, and not ours.
pub(super) fn check_source(state: &Interface, source: Ipv4Addr) -> Result<(), Reason> {
    let first = source.octets()[0];
    let is_nobody = first == 0 || first >= 224 || state.is_broadcast(source);
    let is_inner = source.is_loopback() || state.has(source.into());
    if is_nobody || (is_inner && !state.config.loopback) { Err(Reason::Ipv4Source) } else { Ok(()) }
}

fn delivery(state: &Interface, destination: Ipv4Addr, frame: Delivery) -> Result<Delivery, Reason> {
    if state.has(IpAddr::V4(destination)) {
        // RFC 1122 §3.3.6: what the link sent to everybody, IP must have sent to everybody too.
        return if frame == Delivery::Unicast { Ok(Delivery::Unicast) } else { Err(Reason::Ipv4Destination) };
    }
    if state.is_broadcast(destination) || destination == ALL_HOSTS {
        return Ok(Delivery::Group);
    }
    Err(Reason::Ipv4Destination)
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use lendwire_nic::{MacAddress, Sum};

    use super::*;
    use crate::ip::harness::{Host, OWN, PEER, ipv4};

    /// A UDP frame whose IPv4 header is `edit`ed and summed again.
    fn edited(edit: impl Fn(&mut Vec<u8>)) -> Vec<u8> {
        let mut frame = ipv4(PEER, OWN, Protocol::UDP, &[0; 16]);
        edit(&mut frame);
        let end = 14 + usize::from(frame[14] & 0xf) * 4;
        if let Some(header) = frame.get(14..end) {
            let unsummed = [&header[..10], &[0, 0], &header[12..]].concat();
            let checksum = Sum::of(&unsummed).checksum();
            frame[24..26].copy_from_slice(&checksum.to_be_bytes());
        }
        frame
    }

    /// The same frame with `options`, a multiple of 4 bytes.
    fn with_options(options: &[u8]) -> Vec<u8> {
        edited(|frame| {
            frame.splice(34..34, options.iter().copied());
            frame[14] = 0x45 + (options.len() / 4) as u8;
            frame[17] += options.len() as u8;
        })
    }

    #[test]
    fn rfc791_a_datagram_for_us_goes_up_without_its_padding() {
        let mut frame = ipv4(PEER, OWN, Protocol::UDP, &[0, 1, 0, 2, 0, 8, 0, 0]);
        frame.resize(60, 0xee);
        let Arrived::Udp(datagram) = Host::new().receive(&frame) else { panic!("not UDP") };
        assert_eq!(datagram.transport(), [0, 1, 0, 2, 0, 8, 0, 0]);
        assert_eq!((datagram.transport_len(), datagram.is_unicast()), (8, true));
        assert_eq!((datagram.source, datagram.destination), (PEER.into(), OWN.into()));
    }

    #[test]
    fn rfc791_every_malformed_header_has_its_reason() {
        type Edit = fn(&mut Vec<u8>);
        let cases: [(Edit, Reason); 8] = [
            (|frame| frame[14] = 0x65, Reason::Ipv4Version),
            (|frame| frame[14] = 0x44, Reason::Ipv4HeaderLength),
            (|frame| frame[14] = 0x4f, Reason::Ipv4HeaderLength),
            (|frame| frame[17] = 19, Reason::Ipv4TotalLength),
            (|frame| frame[17] = 37, Reason::Ipv4TotalLength),
            (|frame| frame[20] = 0x20, Reason::Ipv4Fragment),
            (|frame| frame[21] = 1, Reason::Ipv4Fragment),
            (|frame| frame[23] = 132, Reason::Ipv4Protocol),
        ];
        for (edit, reason) in cases {
            assert_eq!(Host::new().dropped(&edited(edit)), reason);
        }
        assert_eq!(Host::new().dropped(&edited(|_| {})[..33]), Reason::Ipv4Short);
    }

    #[test]
    fn rfc1122_a_wrong_header_checksum_is_dropped() {
        let mut frame = edited(|_| {});
        frame[24] ^= 1;
        assert_eq!(Host::new().dropped(&frame), Reason::Ipv4Checksum);
    }

    #[test]
    fn rfc1122_a_source_that_cannot_be_one_is_dropped() {
        for source in
            [[0, 0, 0, 0], [224, 0, 0, 1], [240, 0, 0, 1], [255; 4], [192, 0, 2, 255], [127, 0, 0, 1], OWN.octets()]
        {
            assert_eq!(
                Host::new().dropped(&edited(|frame| frame[26..30].copy_from_slice(&source))),
                Reason::Ipv4Source
            );
        }
    }

    #[test]
    fn rfc1122_what_is_for_others_is_dropped() {
        for destination in [[192, 0, 2, 9], [127, 0, 0, 1], [224, 0, 0, 251], [0; 4]] {
            let frame = edited(|frame| frame[30..34].copy_from_slice(&destination));
            assert_eq!(Host::new().dropped(&frame), Reason::Ipv4Destination);
        }
    }

    #[test]
    fn rfc1122_what_the_link_sent_to_everybody_ip_must_have_too() {
        let mut frame = edited(|_| {});
        frame[..6].copy_from_slice(&MacAddress::BROADCAST.0);
        assert_eq!(Host::new().dropped(&frame), Reason::Ipv4Destination);
    }

    #[test]
    fn rfc1122_a_broadcast_goes_up_as_one() {
        for destination in [[255; 4], [192, 0, 2, 255], [224, 0, 0, 1]] {
            let frame = edited(|frame| frame[30..34].copy_from_slice(&destination));
            let Arrived::Udp(datagram) = Host::new().receive(&frame) else { panic!("not UDP") };
            assert!(!datagram.is_unicast());
        }
    }

    #[test]
    fn rfc791_options_are_skipped_unless_they_lie_or_steer() {
        assert!(matches!(Host::new().receive(&with_options(&[1, 68, 3, 0])), Arrived::Udp(_)));
        assert!(matches!(Host::new().receive(&with_options(&[0, 7, 0xff, 0])), Arrived::Udp(_)));
        for lie in [[7, 0, 0, 0], [7, 1, 0, 0], [7, 5, 0, 0], [1, 1, 1, 7]] {
            assert_eq!(Host::new().dropped(&with_options(&lie)), Reason::Ipv4Options, "{lie:?}");
        }
        for route in [131, 137] {
            assert_eq!(Host::new().dropped(&with_options(&[route, 3, 4, 0])), Reason::Ipv4SourceRoute);
        }
    }

    #[test]
    fn a_header_cut_over_two_buffers_is_not_read() {
        for cut in [30, 36] {
            let mut host = Host::new();
            let frame = with_options(&[1, 1, 1, 1]);
            let mut packet = host.packet(&frame[..cut]);
            let rest = host.packet(&frame[cut..]).pop().unwrap();
            packet.push(rest).unwrap();
            let before = host.ip.drops.clone();
            host.ip.receive(host.id(), packet, host.now);
            assert_eq!(host.reason_since(&before), Reason::HeaderSplit);
        }
    }
}

//! Neighbour discovery (RFC 4861 §7) as ICMPv6 carries it: questions, answers, and who claims what.
//!
//! Invariant: no message is believed that could have come through a router, or that breaks a rule of §6.1 or §7.1; each
//! rule has a reason of its own to drop it. Left out: redirects (§8 lets a host ignore them), proxies, anycast.

use core::net::{IpAddr, Ipv6Addr};

use lendwire_nic::{MacAddress, Sum};
use zerocopy::{FromBytes, IntoBytes};

use super::Ip;
use super::address::AddressState;
use super::datagram::Datagram;
use super::envelope::Envelope;
use super::interface::Interface;
use super::reply::{Header, Message, Precedence};
use super::route::Origin;
use crate::drops::Reason;
use crate::link::{Advertisement, Heard, InterfaceId};
use crate::time::Instant;
use crate::wire::address::{ALL_NODES, solicited_node};
use crate::wire::ndp::{Flags, HOP_LIMIT, LinkLayerAddress, NdpOption, Neighbour, options};
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;
use crate::wire::{icmp, icmpv6};

impl Ip<'_> {
    /// An ICMPv6 message between 130 and 137: those that never leave the link.
    pub(super) fn on_neighbour_discovery(&mut self, datagram: &Datagram, now: Instant) -> Result<(), Reason> {
        let message = datagram.transport();
        if message.len() < datagram.transport_len() {
            return Err(Reason::HeaderSplit);
        }
        let header = icmp::Header::parse(message).ok_or(Reason::IcmpShort)?;
        let pseudo = pseudo_header(datagram.source, datagram.destination, datagram.protocol, message.len());
        if !pseudo.then(Sum::of(message)).is_sound() {
            return Err(Reason::IcmpChecksum);
        }
        match header.kind {
            icmpv6::LISTENER_QUERY => return self.on_listener_query(datagram),
            icmpv6::ROUTER_ADVERTISEMENT | icmpv6::NEIGHBOUR_SOLICITATION | icmpv6::NEIGHBOUR_ADVERTISEMENT => {}
            // A host is asked for no routes, listens to no reports, and takes no redirects.
            _ => return Err(Reason::IcmpType),
        }
        if datagram.hop_limit != HOP_LIMIT {
            return Err(Reason::NdpHopLimit);
        }
        if header.code != 0 {
            return Err(Reason::NdpCode);
        }
        let (IpAddr::V6(source), IpAddr::V6(destination)) = (datagram.source, datagram.destination) else {
            return Err(Reason::NdpSource);
        };
        match header.kind {
            icmpv6::ROUTER_ADVERTISEMENT => self.on_router(datagram.interface, source, message, now),
            icmpv6::NEIGHBOUR_SOLICITATION => {
                self.on_solicitation(datagram.interface, source, destination, message, now)
            }
            _ => self.on_advertisement(datagram.interface, source, destination, message, now),
        }
    }

    /// RFC 4861 §7.1.1, §7.2.3, §7.2.4; RFC 4862 §5.4.3.
    fn on_solicitation(
        &mut self,
        interface: InterfaceId,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        message: &[u8],
        now: Instant,
    ) -> Result<(), Reason> {
        let (asked, rest) = Neighbour::ref_from_prefix(message).map_err(|_| Reason::IcmpShort)?;
        let target = asked.target();
        if target.is_multicast() {
            return Err(Reason::NdpTarget);
        }
        let mut options = options(rest).map_err(|_| Reason::NdpOptions)?;
        let from = options.find_map(|option| if let NdpOption::Source(mac) = option { Some(mac) } else { None });
        let is_probe = source.is_unspecified();
        if is_probe && (destination != solicited_node(target) || from.is_some()) {
            return Err(Reason::NdpSource);
        }
        let state = self.interfaces.at(interface).ok_or(Reason::NdpUnsolicited)?;
        let (mac, timing) = (state.mac, state.timing);
        match state.find(target.into()).map(|address| address.state) {
            Some(AddressState::Preferred | AddressState::Deprecated) => {}
            Some(AddressState::Tentative) if is_probe => {
                self.on_duplicate(interface, target, now);
                return Ok(());
            }
            // RFC 4862 §5.4.3: who asks for the hardware address of a tentative address gets no answer.
            Some(AddressState::Tentative | AddressState::Duplicate) | None => return Err(Reason::NdpUnsolicited),
        }
        if let Some(from) = from.filter(|from| !from.is_multicast()) {
            self.neighbours.on_mention(interface, source.into(), from, timing, now);
        }
        let (to, flags) =
            if is_probe { (ALL_NODES, Flags::OVERRIDE) } else { (source, Flags::OVERRIDE | Flags::SOLICITED) };
        let answer = Neighbour::advertisement(target, flags);
        let header = Header::of(&[answer.as_bytes(), LinkLayerAddress::target(mac).as_bytes()]);
        self.queue(interface, message_to(interface, target, to, header), Precedence::Own);
        Ok(())
    }

    /// RFC 4861 §7.1.2, §7.2.5; RFC 4862 §5.4.4.
    fn on_advertisement(
        &mut self,
        interface: InterfaceId,
        source: Ipv6Addr,
        destination: Ipv6Addr,
        message: &[u8],
        now: Instant,
    ) -> Result<(), Reason> {
        let (answer, rest) = Neighbour::ref_from_prefix(message).map_err(|_| Reason::IcmpShort)?;
        let (target, flags) = (answer.target(), answer.flags());
        if target.is_multicast() {
            return Err(Reason::NdpTarget);
        }
        if destination.is_multicast() && flags.contains(Flags::SOLICITED) {
            return Err(Reason::NdpFlags);
        }
        let mut options = options(rest).map_err(|_| Reason::NdpOptions)?;
        if source.is_unspecified() {
            return Err(Reason::NdpSource);
        }
        let mac = options.find_map(|option| if let NdpOption::Target(mac) = option { Some(mac) } else { None });
        let state = self.interfaces.at(interface).ok_or(Reason::NdpUnsolicited)?;
        let timing = state.timing;
        match state.find(target.into()).map(|address| address.state) {
            Some(AddressState::Tentative) => {
                self.on_duplicate(interface, target, now);
                return Ok(());
            }
            // RFC 4862 §5.4.4: beyond it what is to be done is nobody's rule; it is counted.
            Some(AddressState::Preferred | AddressState::Deprecated | AddressState::Duplicate) => {
                return Err(Reason::AddressConflict);
            }
            None => {}
        }
        let said = Advertisement {
            mac: mac.filter(|mac| !mac.is_multicast()),
            solicited: flags.contains(Flags::SOLICITED),
            overriding: flags.contains(Flags::OVERRIDE),
            router: Some(flags.contains(Flags::ROUTER)),
        };
        match self.neighbours.on_advertisement(interface, target.into(), said, timing, now) {
            Heard::Unasked => Err(Reason::NdpUnsolicited),
            Heard::Noted => Ok(()),
            Heard::RouterNoMore => {
                self.routes.remove(|route| {
                    route.origin == Origin::Advertised
                        && route.interface == interface
                        && route.gateway == Some(target.into())
                });
                Ok(())
            }
        }
    }
}

/// Who has `target`? (§7.2.2): asked of everybody, or of who had it last.
pub(super) fn question(state: &Interface, source: Ipv6Addr, target: Ipv6Addr, to: Option<MacAddress>) -> Message {
    let asked = Neighbour::solicitation(target);
    let header = Header::of(&[asked.as_bytes(), LinkLayerAddress::source(state.mac).as_bytes()]);
    let destination = if to.is_some() { target } else { solicited_node(target) };
    message_to(state.id, source, destination, header)
}

/// Does anybody have `target`, which is to be ours? (RFC 4862 §5.4.2)
pub(super) fn duplicate_question(interface: InterfaceId, target: Ipv6Addr) -> Message {
    let header = Header::of(&[Neighbour::solicitation(target).as_bytes()]);
    message_to(interface, Ipv6Addr::UNSPECIFIED, solicited_node(target), header)
}

/// An ICMPv6 message that stays on the link.
pub(super) fn message_to(interface: InterfaceId, source: Ipv6Addr, destination: Ipv6Addr, header: Header) -> Message {
    let envelope = Envelope {
        hop_limit: HOP_LIMIT,
        interface: Some(interface),
        ..Envelope::new(source.into(), destination.into(), Protocol::ICMPV6, Some(icmp::CHECKSUM_OFFSET))
    };
    Message::Packet { envelope, header, payload: None }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::ip::harness::{Host, MAC, OTHER_MAC, OWN6, PEER_MAC, PEER6, ROUTER6, assert_sound, icmpv6};
    use crate::ip::{AddressState, NotSent};
    use crate::time::Span;
    use crate::wire::address::{Cidr, group_mac};

    fn solicitation(options: &[u8]) -> Vec<u8> {
        [Neighbour::solicitation(OWN6).as_bytes(), options].concat()
    }

    fn advertisement(flags: Flags, mac: Option<MacAddress>) -> Vec<u8> {
        let option = mac.map(LinkLayerAddress::target);
        let option = option.as_ref().map_or(&[][..], |option| option.as_bytes());
        [Neighbour::advertisement(PEER6, flags).as_bytes(), option].concat()
    }

    fn source_option() -> Vec<u8> {
        LinkLayerAddress::source(PEER_MAC).as_bytes().to_vec()
    }

    #[test]
    fn rfc4861_a_solicitation_is_answered_and_teaches_who_asked() {
        let mut host = Host::new();
        host.receive(&icmpv6(PEER6, solicited_node(OWN6), 255, &solicitation(&source_option())));
        let sent = host.transmit();
        let [answer] = &sent[..] else { panic!("{} frames", sent.len()) };
        assert_sound(answer);
        let flags = Flags::SOLICITED | Flags::OVERRIDE;
        let expected =
            [Neighbour::advertisement(OWN6, flags).as_bytes(), LinkLayerAddress::target(MAC).as_bytes()].concat();
        assert_eq!((&answer[..6], answer[21], &answer[38..54]), (&PEER_MAC.0[..], 255, &PEER6.octets()[..]));
        assert_eq!((answer[54], &answer[58..]), (136, &expected[4..]));
        assert_eq!(host.send(PEER6.into(), &[]), Ok(()));
    }

    #[test]
    fn rfc4862_a_probe_for_our_address_is_answered_to_everybody() {
        let mut host = Host::new();
        host.receive(&icmpv6(Ipv6Addr::UNSPECIFIED, solicited_node(OWN6), 255, &solicitation(&[])));
        let answer = host.transmit().remove(0);
        assert_eq!(answer[..6], group_mac(ALL_NODES.into()).0);
        assert_eq!(answer[58], Flags::OVERRIDE.bits());
    }

    #[test]
    fn rfc4861_every_rule_of_section_7_has_its_reason() {
        let group = solicited_node(OWN6);
        let none = Ipv6Addr::UNSPECIFIED;
        let edited = |at: usize, value: u8| {
            let mut message = solicitation(&[]);
            message[at] = value;
            message
        };
        let answer = advertisement(Flags::empty(), Some(PEER_MAC));
        let mut coded = answer.clone();
        coded[1] = 1;
        let mut of_group = answer.clone();
        of_group[8] = 0xff;
        let cases = [
            (icmpv6(PEER6, group, 254, &solicitation(&[])), Reason::NdpHopLimit),
            (icmpv6(PEER6, group, 255, &edited(1, 1)), Reason::NdpCode),
            (icmpv6(PEER6, group, 255, &edited(8, 0xff)), Reason::NdpTarget),
            (icmpv6(PEER6, group, 255, &edited(23, 9)), Reason::NdpUnsolicited),
            (icmpv6(PEER6, group, 255, &solicitation(&[])[..23]), Reason::IcmpShort),
            (icmpv6(PEER6, group, 255, &solicitation(&[1, 0, 0, 0, 0, 0, 0, 0])), Reason::NdpOptions),
            (icmpv6(PEER6, group, 255, &solicitation(&[1, 2, 0, 0, 0, 0, 0, 0])), Reason::NdpOptions),
            (icmpv6(PEER6, group, 255, &solicitation(&[1])), Reason::NdpOptions),
            (icmpv6(none, OWN6, 255, &solicitation(&[])), Reason::NdpSource),
            (icmpv6(none, group, 255, &solicitation(&source_option())), Reason::NdpSource),
            (icmpv6(PEER6, OWN6, 254, &answer), Reason::NdpHopLimit),
            (icmpv6(PEER6, OWN6, 255, &coded), Reason::NdpCode),
            (icmpv6(PEER6, OWN6, 255, &of_group), Reason::NdpTarget),
            (icmpv6(PEER6, OWN6, 255, &answer[..23]), Reason::IcmpShort),
            (icmpv6(PEER6, OWN6, 255, &[&answer[..24], &[2, 0]].concat()), Reason::NdpOptions),
            (icmpv6(PEER6, ALL_NODES, 255, &advertisement(Flags::SOLICITED, None)), Reason::NdpFlags),
            (icmpv6(none, OWN6, 255, &answer), Reason::NdpSource),
            (icmpv6(PEER6, OWN6, 255, &answer), Reason::NdpUnsolicited),
            (icmpv6(PEER6, OWN6, 255, &[133, 0, 0, 0, 0, 0, 0, 0]), Reason::IcmpType),
            (icmpv6(ROUTER6, OWN6, 255, &[137; 40]), Reason::IcmpType),
        ];
        for (frame, reason) in cases {
            assert_eq!(Host::new().dropped(&frame), reason, "{:02x?}", &frame[54..]);
        }
        let mut damaged = icmpv6(PEER6, group, 255, &solicitation(&[]));
        damaged[60] ^= 1;
        assert_eq!(Host::new().dropped(&damaged), Reason::IcmpChecksum);
    }

    #[test]
    fn rfc4861_the_first_packet_asks_the_group_and_the_answer_lets_it_go() {
        let mut host = Host::new();
        assert_eq!(host.send(PEER6.into(), &[]), Err(NotSent::Unresolved));
        let question = host.take_sent().remove(0);
        assert_sound(&question);
        assert_eq!(question[..6], group_mac(solicited_node(PEER6).into()).0);
        assert_eq!((question[21], &question[62..78]), (255, &PEER6.octets()[..]));
        assert_eq!(question[78..], *LinkLayerAddress::source(MAC).as_bytes());
        host.receive(&icmpv6(PEER6, OWN6, 255, &advertisement(Flags::SOLICITED | Flags::OVERRIDE, Some(PEER_MAC))));
        assert!(host.ip.take_resolved());
        assert_eq!(host.send(PEER6.into(), &[]), Ok(()));
    }

    #[test]
    fn rfc4861_an_answer_without_a_hardware_address_resolves_nothing() {
        let mut host = Host::new();
        assert_eq!(host.send(PEER6.into(), &[]), Err(NotSent::Unresolved));
        let frame = icmpv6(PEER6, OWN6, 255, &advertisement(Flags::SOLICITED, None));
        assert_eq!(host.dropped(&frame), Reason::NdpUnsolicited);
        assert_eq!(host.send(PEER6.into(), &[]), Err(NotSent::Unresolved));
    }

    #[test]
    fn rfc4861_only_an_overriding_answer_moves_a_known_address() {
        let mut host = Host::with_peer();
        host.receive(&icmpv6(PEER6, ALL_NODES, 255, &advertisement(Flags::empty(), Some(OTHER_MAC))));
        assert_eq!(host.send(PEER6.into(), &[]), Ok(()));
        assert_eq!(host.take_sent()[0][..6], PEER_MAC.0);
        host.receive(&icmpv6(PEER6, ALL_NODES, 255, &advertisement(Flags::OVERRIDE, Some(OTHER_MAC))));
        assert_eq!(host.send(PEER6.into(), &[]), Ok(()));
        assert_eq!(host.take_sent()[0][..6], OTHER_MAC.0);
    }

    #[test]
    fn rfc4862_an_address_is_asked_for_once_and_used_a_second_later() {
        let mut host =
            Host::bare(crate::ip::InterfaceConfig { autoconfigure: false, loopback: false }, Default::default());
        host.ip.add_address(host.id(), Cidr::new(OWN6.into(), 64).unwrap(), host.now).unwrap();
        let sent = host.transmit();
        let [report, question] = &sent[..] else { panic!("{} frames", sent.len()) };
        assert_sound(report);
        assert_eq!((report[21], report[62], report[70]), (1, 143, 4), "the group is joined first");
        assert_sound(question);
        assert_eq!((&question[22..38], &question[62..78]), (&[0; 16][..], &OWN6.octets()[..]));
        assert_eq!(host.wire.groups[2..], [group_mac(solicited_node(OWN6).into())]);
        let state = |host: &Host| host.ip.addresses(host.id()).next().unwrap().1;
        host.pass(Span::from_millis(999));
        assert_eq!(state(&host), AddressState::Tentative);
        assert!(host.ip.route(PEER6.into(), None).is_err());
        host.pass(Span::from_millis(1));
        assert_eq!(state(&host), AddressState::Preferred);
        assert!(host.ip.take_resolved());
    }

    #[test]
    fn rfc4862_an_address_that_somebody_claims_or_asks_for_is_not_used() {
        let claim = Neighbour::advertisement(OWN6, Flags::OVERRIDE);
        let frames = [
            icmpv6(PEER6, ALL_NODES, 255, claim.as_bytes()),
            icmpv6(Ipv6Addr::UNSPECIFIED, solicited_node(OWN6), 255, &solicitation(&[])),
        ];
        for frame in frames {
            let mut host =
                Host::bare(crate::ip::InterfaceConfig { autoconfigure: false, loopback: false }, Default::default());
            host.ip.add_address(host.id(), Cidr::new(OWN6.into(), 64).unwrap(), host.now).unwrap();
            assert_eq!(host.dropped(&frame), Reason::AddressConflict);
            host.pass(Span::from_secs(5));
            assert_eq!(host.ip.addresses(host.id()).next().unwrap().1, AddressState::Duplicate);
            assert!(host.ip.route(PEER6.into(), None).is_err());
        }
    }

    #[test]
    fn rfc3810_a_query_is_answered_for_every_group() {
        let mut host = Host::new();
        let query = [130, 0, 0, 0, 0x27, 0x10, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
        host.receive(&icmpv6(ROUTER6, ALL_NODES, 1, &query));
        let report = host.transmit().remove(0);
        assert_sound(&report);
        assert_eq!((report[70], &report[74..90]), (2, &solicited_node(OWN6).octets()[..]));
        assert_eq!(host.dropped(&icmpv6(PEER6, ALL_NODES, 1, &query)), Reason::NdpHopLimit);
        assert_eq!(host.dropped(&icmpv6(ROUTER6, ALL_NODES, 64, &query)), Reason::NdpHopLimit);
    }
}

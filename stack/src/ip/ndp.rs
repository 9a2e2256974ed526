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

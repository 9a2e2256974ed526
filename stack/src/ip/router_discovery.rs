//! Routers and what they announce (RFC 4861 §6): default routes, networks on the link, the link's MTU and times.
//!
//! Invariant: what routers announce fills at most [`MAX_ROUTERS`] and [`MAX_PREFIXES`] places an interface, so that no
//! flood of them pushes a given route out. Left out: the recommended hop limit, managed configuration (DHCPv6),
//! route information (RFC 4191), name servers (RFC 8106), the random delay before the first question.

use core::net::Ipv6Addr;

use zerocopy::{FromBytes, IntoBytes};

use super::Ip;
use super::ndp::message_to;
use super::reply::{Header, Precedence};
use super::route::{Origin, Route};
use crate::drops::Reason;
use crate::link::InterfaceId;
use crate::time::{Instant, Span};
use crate::wire::address::{ALL_ROUTERS, Cidr};
use crate::wire::ndp::{
    LinkLayerAddress, NdpOption, PrefixInformation, RouterAdvertisement, RouterSolicitation, options,
};

/// Default routers that are kept for an interface.
const MAX_ROUTERS: usize = 4;
/// Networks on the link that are kept for an interface.
const MAX_PREFIXES: usize = 4;
/// RFC 4861 §10: MAX_RTR_SOLICITATIONS and RTR_SOLICITATION_INTERVAL.
const MAX_SOLICITATIONS: u8 = 3;
const SOLICITATION_INTERVAL: Span = Span::from_secs(4);
/// RFC 4861 §6.3.2 in terms of the least and the most that is believed of a router's times.
const LONGEST_REACHABLE: u32 = 3_600_000;
const SHORTEST_RETRANSMISSION: u32 = 100;
const LONGEST_RETRANSMISSION: u32 = 60_000;

/// Questions for routers that are still to be asked.
#[derive(Clone, Copy, Debug)]
pub(super) struct Solicitations {
    left: u8,
    next: Option<Instant>,
}

impl Solicitations {
    /// Nothing is asked.
    pub(super) const NONE: Self = Self { left: 0, next: None };
}

impl Ip<'_> {
    /// Begins to ask for routers.
    pub(super) fn solicit_routers(&mut self, interface: InterfaceId, now: Instant) {
        if let Some(state) = self.interfaces.at_mut(interface) {
            state.solicitations = Solicitations { left: MAX_SOLICITATIONS, next: Some(now) };
        }
        self.on_solicitation_deadline(interface, now);
    }

    /// RFC 4861 §6.3.7: asks again, until a router answered or three questions were in vain.
    pub(super) fn on_solicitation_deadline(&mut self, interface: InterfaceId, now: Instant) {
        let Some(state) = self.interfaces.at_mut(interface) else { return };
        let Some(next) = state.solicitations.next else { return };
        if next > now {
            self.alarm.set(next);
            return;
        }
        state.solicitations.left -= 1;
        state.solicitations.next = Some(now + SOLICITATION_INTERVAL).filter(|_| state.solicitations.left > 0);
        let next = state.solicitations.next;
        let local =
            state.iter().find(|address| address.is_usable() && Cidr::LINK_LOCAL.contains(address.cidr.address()));
        // From nobody as long as no address may be used: an answer to all comes sooner than an address.
        let (source, header) = match local.map(|address| address.cidr.address()) {
            Some(core::net::IpAddr::V6(source)) => {
                let from = LinkLayerAddress::source(state.mac);
                (source, Header::of(&[RouterSolicitation::NEW.as_bytes(), from.as_bytes()]))
            }
            _ => (Ipv6Addr::UNSPECIFIED, Header::of(&[RouterSolicitation::NEW.as_bytes()])),
        };
        if let Some(next) = next {
            self.alarm.set(next);
        }
        self.queue(interface, message_to(interface, source, ALL_ROUTERS, header), Precedence::Own);
    }

    /// RFC 4861 §6.1.2, §6.3.4.
    pub(super) fn on_router(
        &mut self,
        interface: InterfaceId,
        router: Ipv6Addr,
        message: &[u8],
        now: Instant,
    ) -> Result<(), Reason> {
        if !Cidr::LINK_LOCAL.contains(router.into()) {
            return Err(Reason::NdpSource);
        }
        let (said, rest) = RouterAdvertisement::ref_from_prefix(message).map_err(|_| Reason::IcmpShort)?;
        let found = options(rest).map_err(|_| Reason::NdpOptions)?;
        let state = self.interfaces.at_mut(interface).filter(|state| state.config.autoconfigure);
        let state = state.ok_or(Reason::NdpUnsolicited)?;
        let reachable = said.reachable_time.get();
        if (1..=LONGEST_REACHABLE).contains(&reachable) {
            state.timing.reachable = Span::from_millis(u64::from(reachable));
        }
        let retransmission = said.retransmission_timer.get();
        if (SHORTEST_RETRANSMISSION..=LONGEST_RETRANSMISSION).contains(&retransmission) {
            state.timing.retransmission = Span::from_millis(u64::from(retransmission));
        }
        let timing = state.timing;
        if said.router_lifetime.get() > 0 {
            state.solicitations = Solicitations::NONE;
        }
        let default = Route {
            destination: Cidr::EVERY_IPV6,
            gateway: Some(router.into()),
            interface,
            origin: Origin::Advertised,
            expires: None,
        };
        self.keep(default, u32::from(said.router_lifetime.get()), now);
        for option in found {
            match option {
                NdpOption::Source(mac) if !mac.is_multicast() => {
                    self.neighbours.on_mention(interface, router.into(), mac, timing, now);
                }
                NdpOption::Mtu(mtu) => {
                    if let Some(state) = self.interfaces.at_mut(interface) {
                        state.announce_mtu(mtu);
                    }
                }
                NdpOption::Prefix(prefix) => {
                    if let Err(reason) = self.on_prefix(interface, prefix, now) {
                        self.drops.count(reason);
                    }
                }
                NdpOption::Source(_) | NdpOption::Target(_) => {}
            }
        }
        self.neighbours.set_router(interface, router.into());
        self.resolved = true;
        Ok(())
    }

    fn on_prefix(&mut self, interface: InterfaceId, said: &PrefixInformation, now: Instant) -> Result<(), Reason> {
        let prefix = Cidr::new(said.prefix().into(), said.prefix_len).map_err(|_| Reason::NdpPrefix)?.network();
        if Cidr::LINK_LOCAL.contains(prefix.address()) || prefix.address().is_multicast() {
            return Err(Reason::NdpPrefix);
        }
        if said.is_on_link() {
            let route =
                Route { destination: prefix, gateway: None, interface, origin: Origin::Advertised, expires: None };
            self.keep(route, said.valid_lifetime.get(), now);
        }
        if said.is_autonomous() {
            return self.on_autonomous_prefix(interface, prefix, said, now);
        }
        Ok(())
    }

    /// Keeps `route` for `lifetime` seconds; removes it if that is none.
    fn keep(&mut self, mut route: Route, lifetime: u32, now: Instant) {
        let same = |old: &Route| {
            (old.destination, old.gateway, old.interface, old.origin)
                == (route.destination, route.gateway, route.interface, route.origin)
        };
        if lifetime == 0 {
            self.routes.remove(same);
            return;
        }
        let kin = |old: &&Route| {
            old.origin == Origin::Advertised
                && old.interface == route.interface
                && old.gateway.is_some() == route.gateway.is_some()
        };
        let most = if route.gateway.is_some() { MAX_ROUTERS } else { MAX_PREFIXES };
        if !self.routes.iter().any(same) && self.routes.iter().filter(kin).count() >= most {
            self.drops.count(Reason::NdpTableFull);
            return;
        }
        route.expires = expiry(lifetime, now);
        if let Some(expires) = route.expires {
            self.alarm.set(expires);
        }
        if self.routes.add(route).is_err() {
            self.drops.count(Reason::NdpTableFull);
        }
    }

    /// Forgets routes whose time is over.
    pub(super) fn on_route_deadlines(&mut self, now: Instant) {
        self.routes.remove(|route| route.expires.is_some_and(|expires| expires <= now));
        for expires in self.routes.iter().filter_map(|route| route.expires) {
            self.alarm.set(expires);
        }
    }
}

/// When `lifetime` seconds are over; all ones never are (RFC 4861 §4.6.2).
pub(super) fn expiry(lifetime: u32, now: Instant) -> Option<Instant> {
    if lifetime == u32::MAX { None } else { Some(now + Span::from_secs(u64::from(lifetime))) }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::IpAddr;
    use std::vec::Vec;

    use lendwire_nic::Offloads;
    use zerocopy::byteorder::network_endian::{U16, U32};

    use super::*;
    use crate::ip::harness::{Host, OWN6, PEER_MAC, ROUTER6, icmpv6};
    use crate::ip::{AddressState, InterfaceConfig};
    use crate::wire::address::ALL_NODES;
    use crate::wire::ndp::Flags;

    const PREFIX: &str = "2001:db8:1::";

    /// A host that configures itself, a few seconds after it started.
    fn started() -> Host {
        let mut host = Host::bare(InterfaceConfig::default(), Offloads::empty());
        host.pass(Span::from_secs(2));
        host.transmit();
        host
    }

    fn advertisement(lifetime: u16, options: &[&[u8]]) -> Vec<u8> {
        let said = RouterAdvertisement {
            kind: 134,
            code: 0,
            checksum: U16::ZERO,
            hop_limit: 64,
            flags: 0,
            router_lifetime: U16::new(lifetime),
            reachable_time: U32::ZERO,
            retransmission_timer: U32::ZERO,
        };
        [&[said.as_bytes()], options].concat().concat()
    }

    fn from_router(host: &mut Host, lifetime: u16, options: &[&[u8]]) {
        host.receive(&icmpv6(ROUTER6, ALL_NODES, 255, &advertisement(lifetime, options)));
    }

    fn prefix(network: &str, len: u8, flags: u8, valid: u32, preferred: u32) -> PrefixInformation {
        PrefixInformation {
            kind: 3,
            len: 4,
            prefix_len: len,
            flags,
            valid_lifetime: U32::new(valid),
            preferred_lifetime: U32::new(preferred),
            reserved: [0; 4],
            prefix: network.parse::<Ipv6Addr>().unwrap().octets(),
        }
    }

    fn global(host: &Host) -> Option<(Cidr, AddressState)> {
        host.ip.addresses(host.id()).find(|(cidr, _)| !Cidr::LINK_LOCAL.contains(cidr.address()))
    }

    fn next_hop(host: &Host, destination: &str) -> Option<IpAddr> {
        host.ip.hop(destination.parse().unwrap(), None, None).ok().map(|hop| hop.next_hop)
    }

    #[test]
    fn rfc4862_a_host_takes_a_link_local_address_and_asks_for_routers_three_times() {
        let mut host = Host::bare(InterfaceConfig::default(), Offloads::empty());
        let first = host.transmit();
        let kinds = |frames: &[Vec<u8>]| frames.iter().map(|frame| frame[54]).collect::<Vec<_>>();
        assert_eq!(kinds(&first), [58, 135, 133], "a report, a question about the address, a question for routers");
        assert_eq!(first[2][22..38], [0; 16], "from nobody, as the address is still tentative");
        host.pass(Span::from_millis(3999));
        assert_eq!(host.transmit().len(), 0);
        host.pass(Span::from_millis(1));
        let second = host.transmit();
        assert_eq!((kinds(&second), &second[0][22..24]), (std::vec![133], &[0xfe, 0x80][..]));
        host.pass(Span::from_secs(60));
        assert_eq!(kinds(&host.transmit()), [133]);
    }

    #[test]
    fn rfc7217_the_same_secret_makes_the_same_address_and_another_one_another() {
        let address = |host: &Host| host.ip.addresses(host.id()).next().unwrap().0;
        assert_eq!(address(&started()), address(&started()));
        assert!(Cidr::LINK_LOCAL.contains(address(&started()).address()));
        let IpAddr::V6(own) = address(&started()).address() else { panic!("not IPv6") };
        assert_ne!(own.segments()[5..7], [0x00ff, 0xfe00], "no hardware address inside");
    }

    #[test]
    fn rfc4862_a_router_gives_a_default_route_and_an_address() {
        let mut host = started();
        let source = LinkLayerAddress::source(PEER_MAC);
        from_router(&mut host, 1800, &[source.as_bytes(), prefix(PREFIX, 64, 0xc0, 7200, 3600).as_bytes()]);
        let (cidr, state) = global(&host).expect("an address is made");
        assert!(Cidr::new(PREFIX.parse().unwrap(), 64).unwrap().contains(cidr.address()));
        assert_eq!(state, AddressState::Tentative);
        host.pass(Span::from_secs(1));
        assert_eq!(global(&host).unwrap().1, AddressState::Preferred);
        assert_eq!(next_hop(&host, "2001:db8:9::9"), Some(ROUTER6.into()));
        assert_eq!(next_hop(&host, "2001:db8:1::9"), Some("2001:db8:1::9".parse().unwrap()), "on the link");
        assert_eq!(host.ip.route("2001:db8:9::9".parse().unwrap(), None).unwrap().source, cidr.address());
        host.pass(Span::from_secs(60));
        let asked = host.transmit().iter().filter(|frame| frame[54] == 133).count();
        assert_eq!(asked, 0, "who has heard a router asks no more");
    }

    #[test]
    fn rfc4861_what_a_router_announced_ends_with_its_lifetime() {
        let mut host = started();
        from_router(&mut host, 100, &[prefix(PREFIX, 64, 0xc0, 300, 200).as_bytes()]);
        host.pass(Span::from_secs(99));
        assert_eq!(next_hop(&host, "2001:db8:9::9"), Some(ROUTER6.into()));
        host.pass(Span::from_secs(1));
        assert_eq!(next_hop(&host, "2001:db8:9::9"), None);
        host.pass(Span::from_secs(100));
        assert_eq!(global(&host).unwrap().1, AddressState::Deprecated);
        host.pass(Span::from_secs(100));
        assert_eq!(global(&host), None);
        assert_eq!(next_hop(&host, "2001:db8:1::9"), None);
    }

    #[test]
    fn rfc4862_addresses_that_end_together_all_go_and_those_behind_keep_their_time() {
        let mut host = started();
        for (network, valid) in [("2001:db8:1::", 100), ("2001:db8:2::", 100), ("2001:db8:3::", 200)] {
            from_router(&mut host, 0, &[prefix(network, 64, 0x40, valid, 50).as_bytes()]);
        }
        host.pass(Span::from_secs(100));
        assert_eq!(host.ip.addresses(host.id()).count(), 2);
        host.pass(Span::from_secs(100));
        assert_eq!(host.ip.addresses(host.id()).count(), 1);
    }

    #[test]
    fn rfc4861_a_router_that_takes_itself_back_is_gone_at_once() {
        let mut host = started();
        let source = LinkLayerAddress::source(PEER_MAC);
        from_router(&mut host, 1800, &[source.as_bytes()]);
        from_router(&mut host, 0, &[]);
        assert_eq!(next_hop(&host, "2001:db8:9::9"), None);
        from_router(&mut host, 1800, &[source.as_bytes()]);
        let host_now = crate::wire::ndp::Neighbour::advertisement(ROUTER6, Flags::OVERRIDE);
        host.receive(&icmpv6(ROUTER6, ALL_NODES, 255, host_now.as_bytes()));
        assert_eq!(next_hop(&host, "2001:db8:9::9"), None, "a router that says it is none");
    }

    #[test]
    fn rfc4862_no_unsigned_message_shortens_a_life_below_two_hours() {
        let hours = |hours: u32| hours * 3600;
        // What remains, what is said, what holds then.
        for (old, said, holds) in [(10, 1, 2), (10, 3, 3), (10, 20, 20), (1, 0, 1), (2, 1, 2)] {
            let mut host = started();
            from_router(&mut host, 0, &[prefix(PREFIX, 64, 0x40, hours(old), 10).as_bytes()]);
            from_router(&mut host, 0, &[prefix(PREFIX, 64, 0x40, hours(said), 0).as_bytes()]);
            host.pass(Span::from_secs(u64::from(hours(holds)) - 1));
            assert!(global(&host).is_some(), "{old} {said} {holds}");
            host.pass(Span::from_secs(1));
            assert_eq!(global(&host), None, "{old} {said} {holds}");
        }
    }

    #[test]
    fn rfc4862_a_prefix_renewed_makes_its_address_preferred_again() {
        let mut host = started();
        from_router(&mut host, 0, &[prefix(PREFIX, 64, 0x40, 9000, 10).as_bytes()]);
        host.pass(Span::from_secs(20));
        assert_eq!(global(&host).unwrap().1, AddressState::Deprecated);
        from_router(&mut host, 0, &[prefix(PREFIX, 64, 0x40, 9000, 10).as_bytes()]);
        assert_eq!(global(&host).unwrap().1, AddressState::Preferred);
    }

    #[test]
    fn rfc7217_a_duplicate_leads_to_another_identifier_three_times() {
        let mut host = started();
        from_router(&mut host, 0, &[prefix(PREFIX, 64, 0x40, 9000, 9000).as_bytes()]);
        let mut seen = Vec::new();
        while let Some((cidr, AddressState::Tentative)) = global(&host) {
            assert!(!seen.contains(&cidr));
            seen.push(cidr);
            let IpAddr::V6(claimed) = cidr.address() else { panic!("not IPv6") };
            let claim = crate::wire::ndp::Neighbour::advertisement(claimed, Flags::OVERRIDE);
            host.receive(&icmpv6(ROUTER6, ALL_NODES, 255, claim.as_bytes()));
        }
        assert_eq!((seen.len(), global(&host)), (3, None));
    }

    #[test]
    fn rfc4861_and_rfc4862_every_rule_about_advertisements_has_its_reason() {
        let good = advertisement(1800, &[]);
        let mut coded = good.clone();
        coded[1] = 1;
        let with = |prefix: PrefixInformation| icmpv6(ROUTER6, ALL_NODES, 255, &advertisement(0, &[prefix.as_bytes()]));
        let cases = [
            (icmpv6(OWN6, ALL_NODES, 255, &good), Reason::NdpSource),
            (icmpv6(ROUTER6, ALL_NODES, 254, &good), Reason::NdpHopLimit),
            (icmpv6(ROUTER6, ALL_NODES, 255, &coded), Reason::NdpCode),
            (icmpv6(ROUTER6, ALL_NODES, 255, &good[..15]), Reason::IcmpShort),
            (icmpv6(ROUTER6, ALL_NODES, 255, &[&good[..], &[3, 0]].concat()), Reason::NdpOptions),
            (with(prefix("fe80::", 64, 0xc0, 9, 9)), Reason::NdpPrefix),
            (with(prefix("ff00::", 64, 0xc0, 9, 9)), Reason::NdpPrefix),
            (with(prefix(PREFIX, 129, 0xc0, 9, 9)), Reason::NdpPrefix),
            (with(prefix(PREFIX, 64, 0x40, 8, 9)), Reason::NdpPrefix),
            (with(prefix(PREFIX, 63, 0x40, 9, 9)), Reason::NdpPrefix),
        ];
        for (frame, reason) in cases {
            let mut host = started();
            assert_eq!(host.dropped(&frame), reason);
            assert_eq!(global(&host), None);
        }
        assert_eq!(Host::new().dropped(&icmpv6(ROUTER6, ALL_NODES, 255, &good)), Reason::NdpUnsolicited);
    }

    #[test]
    fn rfc4861_an_mtu_counts_between_ipv6s_least_and_the_devices() {
        let mut host = started();
        let mtu = |host: &Host| host.ip.route("ff02::1".parse().unwrap(), None).unwrap().mtu;
        for (said, holds) in [(1400u32, 1400), (1279, 1400), (1501, 1400), (1280, 1280), (1500, 1500)] {
            let [a, b, c, d] = said.to_be_bytes();
            from_router(&mut host, 0, &[&[5, 1, 0, 0, a, b, c, d]]);
            assert_eq!(mtu(&host), holds);
        }
    }

    #[test]
    fn a_flood_of_routers_and_prefixes_fills_only_its_share() {
        let mut host = started();
        for number in 0..20u16 {
            let router = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 1, number);
            let mut network = prefix(PREFIX, 64, 0x80, 9000, 9000);
            network.prefix[6] = number as u8;
            host.receive(&icmpv6(router, ALL_NODES, 255, &advertisement(1800, &[network.as_bytes()])));
        }
        assert_eq!(host.ip.drops.of(Reason::NdpTableFull), 32);
        let given = host.ip.add_route(Cidr::EVERY_IPV6, ROUTER6.into(), host.id());
        assert_eq!(given, Ok(()), "there is still room for what the application wants");
    }
}

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

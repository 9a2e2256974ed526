//! Where packets go: the table of routes, longest prefix first (RFC 1122 §3.3.1, RFC 4861 §5.2).
//!
//! Invariant: routes stand in order of falling prefix length, so the first that matches is the right one; those of
//! equal length in the order they came. The table is small and bounded by its storage; a lookup walks it.

use core::net::IpAddr;

use super::Ip;
use super::datagram::Datagram;
use super::envelope::{NoRoute, Path};
use crate::link::InterfaceId;
use crate::time::Instant;
use crate::wire::address::Cidr;

/// Room for one route.
#[derive(Debug)]
pub struct RouteSlot(Option<Route>);

impl RouteSlot {
    /// An empty place.
    pub const EMPTY: Self = Self(None);
}

/// Why a route could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddRouteError {
    /// There is no such interface.
    NoInterface,
    /// Destination and gateway are of different versions.
    MixedVersions,
    /// The table has no place for another one.
    Full,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Route {
    pub(super) destination: Cidr,
    /// Who passes packets on; nobody, if the destination is on the link.
    pub(super) gateway: Option<IpAddr>,
    pub(super) interface: InterfaceId,
    pub(super) origin: Origin,
    pub(super) expires: Option<Instant>,
}

/// Who wants a route.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// An address of the interface.
    Address,
    /// The application, or DHCP.
    Given,
    /// A router's advertisement.
    Advertised,
}

/// The table has no place left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct TableFull;

#[derive(Debug)]
pub(super) struct Routes<'s> {
    slots: &'s mut [RouteSlot],
    len: usize,
    /// How often one came or went.
    changes: u64,
}

impl<'s> Routes<'s> {
    pub(super) fn new(slots: &'s mut [RouteSlot]) -> Self {
        for slot in slots.iter_mut() {
            slot.0 = None;
        }
        Self { slots, len: 0, changes: 0 }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Route> {
        self.slots[..self.len].iter().filter_map(|slot| slot.0.as_ref())
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Route> {
        self.slots[..self.len].iter_mut().filter_map(|slot| slot.0.as_mut())
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    /// Adds a route, behind those of the same prefix length; the same one twice is one.
    pub(super) fn add(&mut self, route: Route) -> Result<(), TableFull> {
        let same = |old: &&mut Route| {
            (old.destination, old.gateway, old.interface, old.origin)
                == (route.destination, route.gateway, route.interface, route.origin)
        };
        if let Some(old) = self.iter_mut().find(same) {
            old.expires = route.expires;
            return Ok(());
        }
        if self.len == self.slots.len() {
            return Err(TableFull);
        }
        let prefix = route.destination.prefix();
        let at = self.iter().position(|old| old.destination.prefix() < prefix).unwrap_or(self.len);
        self.slots[self.len].0 = Some(route);
        self.slots[at..=self.len].rotate_right(1);
        self.len += 1;
        self.changes += 1;
        Ok(())
    }

    /// Removes every route that `gone` names; returns whether there was one.
    pub(super) fn remove(&mut self, gone: impl Fn(&Route) -> bool) -> bool {
        let mut kept = 0;
        for at in 0..self.len {
            let route = self.slots[at].0.take();
            if route.as_ref().is_some_and(|route| !gone(route)) {
                self.slots[kept].0 = route;
                kept += 1;
            }
        }
        let has_gone = core::mem::replace(&mut self.len, kept) != kept;
        self.changes += u64::from(has_gone);
        has_gone
    }

    /// The best route to `destination`, out of `interface` if one is named. Of several gateways with the same prefix,
    /// the first that is not known to be silent (RFC 4861 §6.3.6).
    pub(super) fn find(
        &self,
        destination: IpAddr,
        interface: Option<InterfaceId>,
        is_silent: impl Fn(&Route) -> bool,
    ) -> Option<&Route> {
        let mut matches = self.iter().filter(|route| {
            route.destination.contains(destination) && interface.is_none_or(|wanted| wanted == route.interface)
        });
        let best = matches.next()?;
        let prefix = best.destination.prefix();
        let mut others = matches.take_while(|route| route.destination.prefix() == prefix).peekable();
        if others.peek().is_none() || !is_silent(best) {
            return Some(best);
        }
        others.find(|route| !is_silent(route)).or(Some(best))
    }
}

/// The first step of a way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub(super) interface: InterfaceId,
    pub(super) next_hop: IpAddr,
}

impl Path {
    pub(super) const fn hop(&self) -> Hop {
        Hop { interface: self.interface, next_hop: self.next_hop }
    }
}

impl Ip<'_> {
    /// Command: sends what goes to `destination` to `gateway`. A default route's destination is the whole version.
    pub(crate) fn add_route(
        &mut self,
        destination: Cidr,
        gateway: IpAddr,
        interface: InterfaceId,
    ) -> Result<(), AddRouteError> {
        if self.interfaces.at(interface).is_none() {
            return Err(AddRouteError::NoInterface);
        }
        if destination.address().is_ipv4() != gateway.is_ipv4() {
            return Err(AddRouteError::MixedVersions);
        }
        let destination = destination.network();
        let route = Route { destination, gateway: Some(gateway), interface, origin: Origin::Given, expires: None };
        self.routes.add(route).map_err(|TableFull| AddRouteError::Full)
    }

    /// Command: takes back what [`Ip::add_route`] added. Returns whether it was there.
    pub(crate) fn remove_route(&mut self, destination: Cidr, gateway: IpAddr, interface: InterfaceId) -> bool {
        let destination = destination.network();
        self.routes.remove(|route| {
            route.origin == Origin::Given
                && (route.destination, route.gateway, route.interface) == (destination, Some(gateway), interface)
        })
    }

    /// Question: the way to `destination`, from `source` if one is given.
    pub(crate) fn route(&self, destination: IpAddr, source: Option<IpAddr>) -> Result<Path, NoRoute> {
        self.route_out_of(destination, source, None)
    }

    /// [`Ip::route`] out of one interface, for destinations that mean something on one link only.
    pub(crate) fn route_out_of(
        &self,
        destination: IpAddr,
        source: Option<IpAddr>,
        interface: Option<InterfaceId>,
    ) -> Result<Path, NoRoute> {
        let hop = self.hop(destination, source, interface)?;
        let state = self.interfaces.at(hop.interface).ok_or(NoRoute)?;
        let source = match source {
            Some(source) if self.is_local(source) => source,
            Some(_) => return Err(NoRoute),
            None => self.select_source(state, destination, hop.next_hop).ok_or(NoRoute)?,
        };
        if source.is_ipv4() != destination.is_ipv4() {
            return Err(NoRoute);
        }
        Ok(Path { interface: hop.interface, source, mtu: state.mtu(destination), next_hop: hop.next_hop })
    }

    /// Question: whether packets to `address` are for `interface`.
    pub(crate) fn has_address(&self, interface: InterfaceId, address: IpAddr) -> bool {
        self.interfaces.at(interface).is_some_and(|state| state.has(address))
    }

    /// Question: whether an interface has `address` and may use it.
    pub(crate) fn is_local(&self, address: IpAddr) -> bool {
        self.interfaces.owner(address).is_some()
    }

    /// Question: the address to answer `datagram` from: the one it was sent to, unless that is a group's.
    pub(crate) fn answering_address(&self, datagram: &Datagram) -> Option<IpAddr> {
        if self.has_address(datagram.interface, datagram.destination) {
            return Some(datagram.destination);
        }
        let path = self.route_out_of(datagram.source, None, Some(datagram.interface));
        path.ok().map(|path| path.source)
    }

    pub(super) fn hop(
        &self,
        destination: IpAddr,
        source: Option<IpAddr>,
        interface: Option<InterfaceId>,
    ) -> Result<Hop, NoRoute> {
        if destination.is_unspecified() {
            return Err(NoRoute);
        }
        let is_group = match destination {
            IpAddr::V4(destination) => destination.is_multicast() || destination.is_broadcast(),
            IpAddr::V6(destination) => destination.is_multicast(),
        };
        if is_group || Cidr::LINK_LOCAL.contains(destination) {
            let interface = interface
                .or_else(|| source.and_then(|source| self.interfaces.owner(source)).map(|owner| owner.id))
                .or_else(|| self.interfaces.only())
                .ok_or(NoRoute)?;
            return Ok(Hop { interface, next_hop: destination });
        }
        if destination.is_loopback() {
            let interface = self.interfaces.iter().find(|it| it.config.loopback).ok_or(NoRoute)?.id;
            return Ok(Hop { interface, next_hop: destination });
        }
        let is_silent =
            |route: &Route| route.gateway.is_some_and(|gateway| self.neighbours.is_silent(route.interface, gateway));
        let route = self.routes.find(destination, interface, is_silent).ok_or(NoRoute)?;
        Ok(Hop { interface: route.interface, next_hop: route.gateway.unwrap_or(destination) })
    }
}

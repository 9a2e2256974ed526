//! An interface's addresses: how they come, whether they may be used, and when they go.
//!
//! Invariant: an IPv6 address is used only after nobody else claimed it for a second (RFC 4862 §5.4); an IPv4 address
//! is used at once, announced twice, and defended once in ten seconds (RFC 5227 §2.3, §2.4 b). Every address has a
//! route to its network while it is there. Left out: probing IPv4 addresses first, and the random delays before
//! probes and announcements: a machine that boots wants to answer at once.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire_nic::MacAddress;

use super::Ip;
use super::interface::{Interface, MAX_ADDRESSES};
use super::listener::Record;
use super::reply::{Message, Precedence};
use super::route::{Origin as RouteOrigin, Route};
use crate::drops::Reason;
use crate::link::InterfaceId;
use crate::time::{Instant, Span};
use crate::wire::address::Cidr;
use crate::wire::arp;

/// RFC 5227 §1.1: ANNOUNCE_NUM and ANNOUNCE_INTERVAL.
const ANNOUNCEMENTS: u8 = 2;
const ANNOUNCE_INTERVAL: Span = Span::from_secs(2);
/// RFC 5227 §1.1: DEFEND_INTERVAL.
const DEFEND_INTERVAL: Span = Span::from_secs(10);

/// Why an address could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddAddressError {
    /// There is no such interface.
    NoInterface,
    /// The interface has the address already.
    Exists,
    /// The address is not one host's, or the link is too narrow for its version.
    NotUsable,
    /// The interface has no place for another one, or the table of routes none for its network.
    Full,
}

/// What an address can be used for (RFC 4862 §5.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Nobody may use it yet: others are being asked whether it is theirs.
    Tentative,
    /// For everything.
    Preferred,
    /// Not for new connections.
    Deprecated,
    /// For nothing: somebody else has it.
    Duplicate,
}

/// Where an address comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Origin {
    /// The application, or DHCP.
    Given,
    /// Made here, at the `attempt`th try (RFC 7217 §5).
    Autoconfigured { attempt: u8 },
}

#[derive(Debug)]
pub(super) struct Address {
    pub(super) cidr: Cidr,
    pub(super) state: AddressState,
    pub(super) origin: Origin,
    /// When it is deprecated; never, if there is no time.
    pub(super) preferred_until: Option<Instant>,
    /// When it goes; never, if there is no time.
    pub(super) valid_until: Option<Instant>,
    /// IPv6: when the question whether it is free has been answered by silence. IPv4: the next announcement.
    timer: Option<Instant>,
    /// Announcements made, or questions asked.
    sent: u8,
    defended: Option<Instant>,
}

impl Address {
    pub(super) fn new(cidr: Cidr, origin: Origin) -> Self {
        Self {
            cidr,
            state: AddressState::Preferred,
            origin,
            preferred_until: None,
            valid_until: None,
            timer: None,
            sent: 0,
            defended: None,
        }
    }

    pub(super) const fn is_usable(&self) -> bool {
        matches!(self.state, AddressState::Preferred | AddressState::Deprecated)
    }

    /// An IPv4 address is announced from `now` on, as if it were new.
    pub(super) fn announce_at(&mut self, now: Instant) {
        (self.sent, self.timer) = (0, Some(now));
    }

    /// Every time at which something happens to it.
    fn deadlines(&self) -> impl Iterator<Item = Instant> {
        let preferred = self.preferred_until.filter(|_| self.state == AddressState::Preferred);
        [self.timer, preferred, self.valid_until].into_iter().flatten()
    }
}

/// What a deadline does to an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    Stays,
    Goes,
}

/// Whether an interface may have `address`.
fn is_host(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => {
            !(address.is_multicast() || address.is_broadcast() || address.is_unspecified() || address.octets()[0] == 0)
        }
        IpAddr::V6(address) => !(address.is_multicast() || address.is_unspecified()),
    }
}

impl Ip<'_> {
    /// Command: gives `interface` an address, and a route to its network.
    pub(crate) fn add_address(
        &mut self,
        interface: InterfaceId,
        cidr: Cidr,
        now: Instant,
    ) -> Result<(), AddAddressError> {
        self.insert_address(interface, Address::new(cidr, Origin::Given), now)
    }

    /// Command: takes an address away, and the route to its network. Returns whether it was there.
    pub(crate) fn remove_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        let Some(state) = self.interfaces.at_mut(interface) else { return false };
        let Some(gone) = state.remove(address) else { return false };
        let network = gone.cidr.network();
        // Another address of the same network still needs the route.
        if !state.iter().any(|entry| entry.cidr.network() == network) {
            self.routes.remove(|route| {
                route.interface == interface && route.origin == RouteOrigin::Address && route.destination == network
            });
        }
        true
    }

    /// Question: the addresses of `interface`.
    pub(crate) fn addresses(&self, interface: InterfaceId) -> impl Iterator<Item = (Cidr, AddressState)> {
        self.interfaces.at(interface).into_iter().flat_map(Interface::states)
    }

    pub(super) fn insert_address(
        &mut self,
        interface: InterfaceId,
        mut address: Address,
        now: Instant,
    ) -> Result<(), AddAddressError> {
        let cidr = address.cidr;
        let state = self.interfaces.at_mut(interface).ok_or(AddAddressError::NoInterface)?;
        let fits = cidr.address().is_ipv4() || state.carries_ipv6();
        if !is_host(cidr.address()) || cidr.broadcast().is_some_and(|all| cidr.address() == all) || !fits {
            return Err(AddAddressError::NotUsable);
        }
        if state.find(cidr.address()).is_some() {
            return Err(AddAddressError::Exists);
        }
        let place = state.addresses.iter_mut().find(|place| place.is_none()).ok_or(AddAddressError::Full)?;
        // An address that a router's prefix led to says nothing about who is on the link (RFC 5942 §4).
        if address.origin == Origin::Given || Cidr::LINK_LOCAL.contains(cidr.address()) {
            let route = Route {
                destination: cidr.network(),
                gateway: None,
                interface,
                origin: RouteOrigin::Address,
                expires: None,
            };
            self.routes.add(route).map_err(|_| AddAddressError::Full)?;
        }
        if !state.config.loopback {
            address.timer = Some(now);
            if cidr.address().is_ipv6() {
                address.state = AddressState::Tentative;
            }
        }
        *place = Some(address);
        state.groups_changed = true;
        self.on_address_deadlines(interface, now);
        Ok(())
    }

    /// Walks an interface's addresses, of which there are few.
    pub(super) fn on_address_deadlines(&mut self, interface: InterfaceId, now: Instant) {
        let mut place = 0;
        while place < MAX_ADDRESSES {
            // Who goes makes room for the next one, which stands in the same place then.
            place += usize::from(self.on_address_deadline(interface, place, now) == Outcome::Stays);
        }
    }

    fn on_address_deadline(&mut self, interface: InterfaceId, place: usize, now: Instant) -> Outcome {
        let Some(state) = self.interfaces.at_mut(interface) else { return Outcome::Stays };
        let (mac, wait) = (state.mac, state.timing.retransmission);
        let Some(address) = &mut state.addresses[place] else { return Outcome::Stays };
        let due = |time: Option<Instant>| time.is_some_and(|time| time <= now);
        if due(address.valid_until) {
            let gone = address.cidr.address();
            self.remove_address(interface, gone);
            return Outcome::Goes;
        }
        if address.state == AddressState::Preferred && due(address.preferred_until) {
            address.state = AddressState::Deprecated;
        }
        let mut message = None;
        let mut joined = None;
        if due(address.timer) {
            address.timer = None;
            address.sent += 1;
            match address.cidr.address() {
                IpAddr::V4(own) => {
                    address.timer = Some(now + ANNOUNCE_INTERVAL).filter(|_| address.sent < ANNOUNCEMENTS);
                    message = Some(announcement(mac, own));
                }
                // RFC 4862 §5.1: DupAddrDetectTransmits is 1, and the answer has RETRANS_TIMER to come.
                IpAddr::V6(own) if address.sent == 1 => {
                    address.timer = Some(now + wait);
                    message = Some(super::ndp::duplicate_question(interface, own));
                    joined = Some(own);
                }
                IpAddr::V6(_) => {
                    address.state = AddressState::Preferred;
                    self.resolved = true;
                }
            }
        }
        for deadline in address.deadlines() {
            self.alarm.set(deadline);
        }
        if let Some(own) = joined {
            self.report(interface, own, Record::ChangeToExclude);
        }
        if let Some(message) = message {
            self.queue(interface, message, Precedence::Own);
        }
        Outcome::Stays
    }

    /// Somebody else claims an IPv4 address of ours (RFC 5227 §2.4 b): it is defended, but not in a quarrel.
    pub(super) fn on_conflict(&mut self, interface: InterfaceId, own: Ipv4Addr, now: Instant) {
        self.drops.count(Reason::AddressConflict);
        let Some(state) = self.interfaces.at_mut(interface) else { return };
        let mac = state.mac;
        let Some(address) = state.find_mut(own.into()) else { return };
        if address.defended.is_some_and(|last| now.since(last) < DEFEND_INTERVAL) {
            return;
        }
        address.defended = Some(now);
        self.queue(interface, announcement(mac, own), Precedence::Own);
    }

    /// Somebody else has a tentative IPv6 address of ours (RFC 4862 §5.4.5).
    pub(super) fn on_duplicate(&mut self, interface: InterfaceId, own: Ipv6Addr, now: Instant) {
        self.drops.count(Reason::AddressConflict);
        let Some(address) = self.interfaces.at_mut(interface).and_then(|state| state.find_mut(own.into())) else {
            return;
        };
        address.state = AddressState::Duplicate;
        address.timer = None;
        let (cidr, origin) = (address.cidr, address.origin);
        let lifetimes = (address.preferred_until, address.valid_until);
        if let Origin::Autoconfigured { attempt } = origin {
            self.remove_address(interface, own.into());
            self.autoconfigure_again(interface, cidr, attempt, lifetimes, now);
        }
    }
}

/// RFC 5227 §1.1: a request for the sender's own address, so that neighbours update what they know.
fn announcement(mac: MacAddress, own: Ipv4Addr) -> Message {
    Message::Arp { destination: MacAddress::BROADCAST, packet: arp::Packet::request(mac, own, own) }
}

#[cfg(test)]
mod tests {
    use lendwire_nic::Offloads;

    use super::*;
    use crate::ip::InterfaceConfig;
    use crate::ip::harness::{Host, MAC, OWN, PEER, arp as frame};

    fn cidr(last: u8, prefix: u8) -> Cidr {
        Cidr::new([192, 0, 2, last].into(), prefix).expect("the prefix is short")
    }

    #[test]
    fn rfc5227_an_address_is_used_at_once_and_announced_twice_two_seconds_apart() {
        let mut host = Host::bare(InterfaceConfig { autoconfigure: false, loopback: false }, Offloads::empty());
        host.ip.add_address(host.id(), cidr(1, 24), host.now).unwrap();
        let announcement = frame(MacAddress::BROADCAST, arp::Packet::request(MAC, OWN, OWN));
        assert_eq!(host.transmit(), core::slice::from_ref(&announcement));
        assert!(host.ip.route(PEER.into(), None).is_ok());
        host.pass(Span::from_millis(1999));
        assert_eq!(host.transmit().len(), 0);
        host.pass(Span::from_millis(1));
        assert_eq!(host.transmit(), [announcement]);
        host.pass(Span::from_secs(100));
        assert_eq!(host.transmit().len(), 0);
    }

    #[test]
    fn a_networks_route_stays_as_long_as_one_of_its_addresses() {
        let mut host = Host::new();
        host.ip.add_address(host.id(), cidr(7, 24), host.now).unwrap();
        assert!(host.ip.remove_address(host.id(), OWN.into()));
        assert_eq!(host.ip.route(PEER.into(), None).unwrap().source, cidr(7, 24).address());
        assert!(host.ip.remove_address(host.id(), cidr(7, 24).address()));
        assert!(host.ip.route(PEER.into(), None).is_err());
        assert!(!host.ip.remove_address(host.id(), OWN.into()));
    }

    #[test]
    fn an_address_that_no_host_can_have_is_refused() {
        let mut host = Host::new();
        let bad =
            [cidr(255, 24), Cidr::host([224, 0, 0, 1].into()), Cidr::host([0; 4].into()), Cidr::host([255; 4].into())];
        for cidr in bad {
            assert_eq!(host.ip.add_address(host.id(), cidr, host.now), Err(AddAddressError::NotUsable));
        }
        assert_eq!(host.ip.add_address(host.id(), cidr(1, 32), host.now), Err(AddAddressError::Exists));
        let added =
            (50..90).take_while(|&last| host.ip.add_address(host.id(), cidr(last, 24), host.now).is_ok()).count();
        assert_eq!(added, MAX_ADDRESSES - 2);
        let more = host.ip.add_address(host.id(), cidr(99, 24), host.now);
        assert_eq!(more, Err(AddAddressError::Full));
    }
}

//! One network interface: its device, its addresses, its line of waiting replies.
//!
//! Left out: the hop limit that a router recommends (every packet starts with 64).

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire_nic::{MacAddress, MulticastFilter, NicInfo, Offloads};

use super::address::{Address, AddressState};
use super::reply::Line;
use super::router_discovery::Solicitations;
use crate::link::{InterfaceId, Timing};
use crate::time::Span;
use crate::wire::address::{ALL_HOSTS, ALL_NODES, Cidr, group_mac, solicited_node};
use crate::wire::ipv6::MINIMUM_MTU;

/// Addresses that an interface can have, the link-local one and those that routers announce included.
pub(super) const MAX_ADDRESSES: usize = 8;

/// What every IPv4 host must take (RFC 1122 §3.3.2).
const MINIMUM_IPV4_MTU: u16 = 576;

/// Room for one network interface.
#[derive(Debug)]
pub struct InterfaceSlot(Option<Interface>);

impl InterfaceSlot {
    /// An empty place.
    pub const EMPTY: Self = Self(None);
}

/// How an interface is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Whether to take a link-local IPv6 address, and to listen to routers for more (RFC 4862).
    pub autoconfigure: bool,
    /// Whether the interface leads nowhere but back: loopback addresses are then let in and out, and nobody is asked
    /// whether an address is free.
    pub loopback: bool,
}

impl Default for InterfaceConfig {
    fn default() -> Self {
        Self { autoconfigure: true, loopback: false }
    }
}

/// Why an interface could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddInterfaceError {
    /// The storage has no place for another one.
    Full,
    /// The device's MTU is below 576 bytes, which every IPv4 host must take (RFC 1122 §3.3.2).
    MtuTooSmall,
}

#[derive(Debug)]
pub(super) struct Interface {
    pub(super) id: InterfaceId,
    pub(super) mac: MacAddress,
    pub(super) offloads: Offloads,
    pub(super) config: InterfaceConfig,
    mtu: u16,
    /// What a router says that IPv6 packets may have on this link (RFC 4861 §4.6.4).
    ipv6_mtu: u16,
    pub(super) timing: Timing,
    /// Those that there are stand in front, so that a walk over them is short.
    pub(super) addresses: [Option<Address>; MAX_ADDRESSES],
    pub(super) solicitations: Solicitations,
    /// Whether the device does not yet know which groups to let in.
    pub(super) groups_changed: bool,
    pub(super) replies: Line,
    /// Replies whose next hop is being asked for.
    pub(super) waiting: Line,
}

impl Interface {
    fn new(id: InterfaceId, info: &NicInfo, config: InterfaceConfig) -> Self {
        Self {
            id,
            mac: info.address,
            offloads: info.offloads,
            config,
            mtu: info.mtu,
            ipv6_mtu: info.mtu,
            timing: Timing::DEFAULT,
            addresses: [const { None }; MAX_ADDRESSES],
            solicitations: Solicitations::NONE,
            groups_changed: true,
            replies: Line::EMPTY,
            waiting: Line::EMPTY,
        }
    }

    /// Bytes that an IP packet may have.
    pub(super) const fn mtu(&self, destination: IpAddr) -> u16 {
        match destination {
            IpAddr::V4(_) => self.mtu,
            IpAddr::V6(_) => self.ipv6_mtu,
        }
    }

    /// Whether the link can carry IPv6 at all (RFC 8200 §5).
    pub(super) const fn carries_ipv6(&self) -> bool {
        self.mtu >= MINIMUM_MTU
    }

    /// RFC 4861 §6.3.4: an MTU from a router counts between the least one of IPv6 and the device's.
    pub(super) fn announce_mtu(&mut self, mtu: u32) {
        if let Some(mtu) = u16::try_from(mtu).ok().filter(|mtu| (MINIMUM_MTU..=self.mtu).contains(mtu)) {
            self.ipv6_mtu = mtu;
        }
    }

    /// The addresses, in whatever state.
    pub(super) fn iter(&self) -> impl Iterator<Item = &Address> {
        self.addresses.iter().map_while(Option::as_ref)
    }

    /// The entry of `address`, in whatever state.
    pub(super) fn find(&self, address: IpAddr) -> Option<&Address> {
        self.iter().find(|entry| entry.cidr.address() == address)
    }

    /// The entry of `address`, in whatever state.
    pub(super) fn find_mut(&mut self, address: IpAddr) -> Option<&mut Address> {
        self.addresses.iter_mut().map_while(Option::as_mut).find(|entry| entry.cidr.address() == address)
    }

    /// Takes an address out.
    pub(super) fn remove(&mut self, address: IpAddr) -> Option<Address> {
        let place = self.iter().position(|entry| entry.cidr.address() == address)?;
        let gone = self.addresses[place].take();
        self.addresses[place..].rotate_left(1);
        self.groups_changed = true;
        gone
    }

    /// Whether packets to `address` are for this interface. A tentative address gets none but neighbour discovery's
    /// (RFC 4862 §5.4).
    #[inline]
    pub(super) fn has(&self, address: IpAddr) -> bool {
        self.find(address).is_some_and(|entry| entry.is_usable()) || (self.config.loopback && address.is_loopback())
    }

    /// Whether everybody in one of the interface's networks is meant.
    pub(super) fn is_broadcast(&self, address: Ipv4Addr) -> bool {
        address.is_broadcast() || self.iter().any(|entry| entry.cidr.broadcast() == Some(address))
    }

    /// Whether the interface listens to the group.
    pub(super) fn listens(&self, group: Ipv6Addr) -> bool {
        group == ALL_NODES
            // Interface-local all nodes (RFC 4291 §2.7.1) never leaves the host.
            || self.iter().any(|entry| entry.group() == Some(group))
    }

    /// Tells `set` which groups the device is to let in.
    pub(super) fn filter(&self, set: impl FnOnce(MulticastFilter<'_>)) {
        let mut groups = [MacAddress::default(); MAX_ADDRESSES + 2];
        groups[0] = group_mac(ALL_HOSTS.into());
        groups[1] = group_mac(ALL_NODES.into());
        let mut len = 2;
        for group in self.iter().filter_map(Address::group) {
            let mac = group_mac(group.into());
            if !groups[..len].contains(&mac) {
                groups[len] = mac;
                len += 1;
            }
        }
        set(MulticastFilter::Only(&groups[..len]));
    }

    /// An address for ARP and for neighbour discovery to ask with.
    pub(super) fn asking_address(&self, target: IpAddr) -> Option<IpAddr> {
        let mut usable = self.iter().filter(|entry| entry.is_usable()).map(|entry| entry.cidr);
        match target {
            IpAddr::V4(_) => {
                let near = self.iter().find(|entry| entry.is_usable() && entry.cidr.contains(target));
                near.map(|entry| entry.cidr).or_else(|| usable.find(|cidr| cidr.address().is_ipv4()))
            }
            IpAddr::V6(_) => {
                let local =
                    self.iter().find(|entry| entry.is_usable() && Cidr::LINK_LOCAL.contains(entry.cidr.address()));
                local.map(|entry| entry.cidr).or_else(|| usable.find(|cidr| cidr.address().is_ipv6()))
            }
        }
        .map(|cidr| cidr.address())
    }

    /// The addresses as an application may see them.
    pub(super) fn states(&self) -> impl Iterator<Item = (Cidr, AddressState)> {
        self.iter().map(|entry| (entry.cidr, entry.state))
    }
}

impl Address {
    /// The group that neighbours ask for this address in.
    pub(super) fn group(&self) -> Option<Ipv6Addr> {
        match self.cidr.address() {
            IpAddr::V4(_) => None,
            IpAddr::V6(address) => Some(solicited_node(address)),
        }
    }
}

impl Timing {
    /// RFC 4861 §10: REACHABLE_TIME and RETRANS_TIMER.
    pub(super) const DEFAULT: Self = Self { reachable: Span::from_secs(30), retransmission: Span::from_secs(1) };
}

/// All interfaces.
#[derive(Debug)]
pub(super) struct Interfaces<'s> {
    slots: &'s mut [InterfaceSlot],
    len: usize,
    /// What devices do that all of them do.
    common: Offloads,
    /// How often something of one may have changed that routes follow from.
    changes: u64,
}

impl<'s> Interfaces<'s> {
    pub(super) fn new(slots: &'s mut [InterfaceSlot]) -> Self {
        for slot in slots.iter_mut() {
            slot.0 = None;
        }
        Self { slots, len: 0, common: Offloads::all(), changes: 0 }
    }

    pub(super) fn add(&mut self, info: &NicInfo, config: InterfaceConfig) -> Result<&mut Interface, AddInterfaceError> {
        if info.mtu < MINIMUM_IPV4_MTU {
            return Err(AddInterfaceError::MtuTooSmall);
        }
        let id = InterfaceId::new(self.len).ok_or(AddInterfaceError::Full)?;
        let slot = self.slots.get_mut(self.len).ok_or(AddInterfaceError::Full)?;
        self.len += 1;
        self.changes += 1;
        self.common &= info.offloads;
        Ok(slot.0.insert(Interface::new(id, info, config)))
    }

    pub(super) fn at(&self, id: InterfaceId) -> Option<&Interface> {
        self.slots.get(id.index())?.0.as_ref()
    }

    pub(super) fn at_mut(&mut self, id: InterfaceId) -> Option<&mut Interface> {
        self.changes += 1;
        self.slots.get_mut(id.index())?.0.as_mut()
    }

    /// An interface, to change its lines of replies and its groups alone.
    pub(super) fn lines_of(&mut self, id: InterfaceId) -> Option<&mut Interface> {
        self.slots.get_mut(id.index())?.0.as_mut()
    }

    pub(super) const fn changes(&self) -> u64 {
        self.changes
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Interface> {
        self.slots[..self.len].iter().filter_map(|slot| slot.0.as_ref())
    }

    /// All, to change their lines of replies alone.
    pub(super) fn lines_mut(&mut self) -> impl Iterator<Item = &mut Interface> {
        self.slots[..self.len].iter_mut().filter_map(|slot| slot.0.as_mut())
    }

    /// Every interface's place.
    pub(super) fn ids(&self) -> impl Iterator<Item = InterfaceId> + use<> {
        (0..self.len).filter_map(InterfaceId::new)
    }

    /// Whether each device completes checksums.
    pub(super) const fn complete_checksums(&self) -> bool {
        self.common.contains(Offloads::TX_CHECKSUM)
    }

    /// The only one, if there is one only.
    pub(super) fn only(&self) -> Option<InterfaceId> {
        if self.len == 1 { InterfaceId::new(0) } else { None }
    }

    /// Who has `address`.
    pub(super) fn owner(&self, address: IpAddr) -> Option<&Interface> {
        self.iter().find(|interface| interface.has(address))
    }
}

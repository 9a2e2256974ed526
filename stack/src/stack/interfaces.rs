//! Interfaces, addresses and routes.

use core::net::IpAddr;

use lendwire_nic::NicInfo;

use super::Stack;
use crate::ip::{AddAddressError, AddInterfaceError, AddRouteError, AddressState, InterfaceConfig, InterfaceId};
use crate::time::Instant;
use crate::wire::address::Cidr;

impl Stack<'_> {
    /// Command: takes a NIC into service. The NICs of every poll stand in the order of these calls.
    ///
    /// # Errors
    /// See [`AddInterfaceError`].
    pub fn add_interface(
        &mut self,
        info: &NicInfo,
        config: InterfaceConfig,
        now: Instant,
    ) -> Result<InterfaceId, AddInterfaceError> {
        self.ip.add_interface(info, config, now)
    }

    /// Command: gives `interface` an address, and a route to its network.
    ///
    /// # Errors
    /// See [`AddAddressError`].
    pub fn add_address(&mut self, interface: InterfaceId, cidr: Cidr, now: Instant) -> Result<(), AddAddressError> {
        self.ip.add_address(interface, cidr, now)
    }

    /// Command: takes an address away; whether it was there.
    pub fn remove_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        self.ip.remove_address(interface, address)
    }

    /// Question: the addresses of `interface`.
    pub fn addresses(&self, interface: InterfaceId) -> impl Iterator<Item = (Cidr, AddressState)> {
        self.ip.addresses(interface)
    }

    /// Command: sends what goes to `destination` to `gateway`.
    ///
    /// # Errors
    /// See [`AddRouteError`].
    pub fn add_route(
        &mut self,
        destination: Cidr,
        gateway: IpAddr,
        interface: InterfaceId,
    ) -> Result<(), AddRouteError> {
        self.ip.add_route(destination, gateway, interface)
    }
}

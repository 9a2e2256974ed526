//! Interfaces, addresses and routes.

use core::net::IpAddr;

use lendwire_nic::NicInfo;

use super::Stack;
use crate::dhcp::{Dhcp, Lease};
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

    /// Command: tells everybody on the link again who has the addresses of `interface`, as after the cable was out, or
    /// when a hypervisor has moved the machine and asks for it (virtio's ANNOUNCE).
    pub fn announce(&mut self, interface: InterfaceId, now: Instant) {
        self.pass(now);
        self.ip.announce(interface, now);
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

    /// Command: leases an IPv4 address for `interface` by DHCP, from now on. It shows up among
    /// [`Stack::addresses`], with its network's route and the default one, and goes when the lease ends.
    ///
    /// # Errors
    /// See [`DhcpError`].
    pub fn start_dhcp(&mut self, interface: InterfaceId, now: Instant) -> Result<(), DhcpError> {
        self.pass(now);
        if self.lease_client(interface).is_some() {
            return Err(DhcpError::Started);
        }
        let mac = self.ip.mac(interface).ok_or(DhcpError::NoInterface)?;
        let client = Dhcp::new(interface, mac, self.secret, self.pool, now);
        self.dhcp.insert(client).map(drop).map_err(|_| DhcpError::Full)
    }

    /// Question: the lease of `interface`, once it has one.
    #[must_use]
    pub fn lease(&self, interface: InterfaceId) -> Option<&Lease> {
        self.lease_client(interface)?.lease()
    }

    fn lease_client(&self, interface: InterfaceId) -> Option<&Dhcp> {
        self.dhcp_clients().filter_map(|index| self.dhcp.by_index(index)).find(|client| client.interface() == interface)
    }
}

/// Why there is no DHCP client.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DhcpError {
    /// There is no such interface.
    NoInterface,
    /// The interface has one already.
    Started,
    /// The storage has no room for another one.
    Full,
}

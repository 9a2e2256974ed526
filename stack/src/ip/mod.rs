//! The internet layer, both versions: addresses, routes, and everything that runs below the transports.
//!
//! Invariant: nothing above knows which version carried a packet, and nothing here sends but [`Ip::send`] and
//! [`Ip::transmit`]. RFC 791, RFC 1122 §3, RFC 8200, RFC 4861, RFC 4862. Left out: fragmentation and reassembly,
//! forwarding, redirects.

mod datagram;
mod envelope;
mod error;

use core::net::IpAddr;

use lendwire_nic::{Nic, NicInfo, Offloads, RxPacket, TxPacket, Work};

pub(crate) use datagram::{BadChecksum, Datagram, Delivery};
pub(crate) use envelope::{DEFAULT_HOP_LIMIT, Envelope, NoRoute, NotSent, Path};
pub(crate) use error::TransportError;
pub use error::{ErrorKind, Unreachable};

use crate::drops::Drops;
use crate::time::Instant;
use crate::wire::address::Cidr;

/// One of a stack's network interfaces: its place in the slice of NICs that every poll is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(u8);

impl InterfaceId {
    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0 as usize
    }
}

/// Tables for [`Ip`], of whatever capacity the embedder chose.
#[derive(Debug)]
pub struct Storage<'s> {
    /// One for each network interface.
    pub interfaces: &'s mut [InterfaceSlot],
    /// Known hardware addresses. When all are taken, the one that was least recently sent to gives way.
    pub neighbours: &'s mut [NeighbourSlot],
    /// Routes: one for each network on a link, the gateways, and what routers announce.
    pub routes: &'s mut [RouteSlot],
    /// Replies and probes that wait for a ring; those that find no place are dropped and counted.
    pub replies: &'s mut [ReplySlot],
}

/// Room for one network interface.
#[derive(Debug)]
pub struct InterfaceSlot {}
/// Room for one neighbour.
#[derive(Debug)]
pub struct NeighbourSlot {}
/// Room for one route.
#[derive(Debug)]
pub struct RouteSlot {}
/// Room for one reply.
#[derive(Debug)]
pub struct ReplySlot {}

macro_rules! empty { ($($t:ident)*) => { $(impl $t { /// An empty place.
 pub const EMPTY: Self = Self {}; })* } }
empty!(InterfaceSlot NeighbourSlot RouteSlot ReplySlot);

/// How an interface is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InterfaceConfig {
    /// Whether to take a link-local IPv6 address, and to listen to routers for more (RFC 4862).
    pub autoconfigure: bool,
    /// Whether the interface leads nowhere but back: loopback addresses are then let in and out.
    pub loopback: bool,
}

/// Why an interface could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddInterfaceError {
    /// The storage has no place for another one.
    Full,
    /// The device's MTU is below 576 bytes, which every IPv4 host must take (RFC 1122 §3.3.2).
    MtuTooSmall,
}

/// Why an address could not be added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddAddressError {
    /// There is no such interface.
    NoInterface,
    /// The interface has the address already.
    Exists,
    /// The address is not one host's.
    NotUnicast,
    /// The interface has no place for another one, or the table of routes none for its network.
    Full,
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

/// What an address can be used for (RFC 4862 §5.5.4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressState {
    /// Nobody may have it yet: others are being asked.
    Tentative,
    /// For everything.
    Preferred,
    /// Not for new connections.
    Deprecated,
    /// For nothing: somebody else has it.
    Duplicate,
}

/// What a received frame turned out to be.
#[derive(Debug)]
pub(crate) enum Arrived {
    /// It was dropped and counted, or dealt with.
    Nothing,
    Tcp(Datagram),
    Udp(Datagram),
    /// For `icmp`, which answers echoes and reads errors.
    Icmp(Datagram),
    /// For `icmp`, which tells the sender why it was refused.
    Refused(Datagram, Refusal),
}

/// What an ICMP error is to say of a packet that cannot be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody listens on the port.
    Port,
    /// The protocol, or the IPv6 header, is not spoken here.
    Protocol,
    /// IPv6: byte `pointer` of the packet was not understood (RFC 4443 §3.4).
    Parameter { code: u8, pointer: u32 },
}

/// The internet layer.
pub(crate) struct Ip<'s> {
    pub(crate) drops: Drops,
    storage: Storage<'s>,
    #[expect(dead_code)]
    secret: [u8; 16],
}

impl<'s> Ip<'s> {
    pub(crate) fn new(storage: Storage<'s>, secret: [u8; 16]) -> Self {
        Self { drops: Drops::default(), storage, secret }
    }

    /// Command: takes a NIC into service. Interfaces are numbered in the order of these calls.
    pub(crate) fn add_interface(
        &mut self,
        info: &NicInfo,
        config: InterfaceConfig,
        now: Instant,
    ) -> Result<InterfaceId, AddInterfaceError> {
        let _ = (info, config, now, &self.storage);
        Err(AddInterfaceError::Full)
    }

    /// Command: gives `interface` an address, and a route to its network.
    pub(crate) fn add_address(
        &mut self,
        interface: InterfaceId,
        cidr: Cidr,
        now: Instant,
    ) -> Result<(), AddAddressError> {
        let _ = (interface, cidr, now);
        Err(AddAddressError::NoInterface)
    }

    /// Command: takes an address away. Returns whether it was there.
    pub(crate) fn remove_address(&mut self, interface: InterfaceId, address: IpAddr) -> bool {
        let _ = (interface, address);
        false
    }

    /// Question: the addresses of `interface`.
    pub(crate) fn addresses(&self, interface: InterfaceId) -> impl Iterator<Item = (Cidr, AddressState)> {
        let _ = interface;
        core::iter::empty()
    }

    /// Command: sends what goes to `destination` to `gateway`. A default route's destination is the whole version.
    pub(crate) fn add_route(
        &mut self,
        destination: Cidr,
        gateway: IpAddr,
        interface: InterfaceId,
    ) -> Result<(), AddRouteError> {
        let _ = (destination, gateway, interface);
        Err(AddRouteError::NoInterface)
    }

    /// Input: a frame. What it asks for is queued, and sent by [`Ip::transmit`].
    pub(crate) fn receive(
        &mut self,
        interface: InterfaceId,
        packet: RxPacket,
        now: Instant,
        work: &mut Work,
    ) -> Arrived {
        let _ = (interface, packet, now, work);
        Arrived::Nothing
    }

    /// Question: when [`Ip::on_deadline`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        None
    }

    /// Input: time has passed.
    pub(crate) fn on_deadline(&mut self, now: Instant) {
        let _ = now;
    }

    /// Question: the way to `destination`, from `source` if one is given.
    pub(crate) fn route(&self, destination: IpAddr, source: Option<IpAddr>) -> Result<Path, NoRoute> {
        let _ = (destination, source);
        Err(NoRoute)
    }

    /// Output: completes and sends a packet. See [`NotSent`] for what happens otherwise.
    pub(crate) fn send(
        &mut self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        packet: &mut TxPacket<'_>,
        now: Instant,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        let _ = (nics, envelope, packet, now, work);
        Err(NotSent::NoRoute)
    }

    /// Output: sends replies and probes that wait. Returns whether some still do.
    pub(crate) fn transmit(&mut self, nics: &mut [&mut dyn Nic], now: Instant, work: &mut Work) -> bool {
        let _ = (nics, now, work);
        false
    }

    /// Input: data of ours reached `destination`, so its next hop is alive (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, destination: IpAddr, now: Instant) {
        let _ = (destination, now);
    }

    /// Question, once: whether a neighbour answered or was given up since, so that it is worth to try again.
    pub(crate) fn take_resolved(&mut self) -> bool {
        false
    }

    /// Question: what the device of `interface` does for the stack.
    pub(crate) fn offloads(&self, interface: InterfaceId) -> Offloads {
        let _ = interface;
        Offloads::empty()
    }
}

//! The internet layer, both versions: addresses, routes, and everything that runs below the transports.
//!
//! Invariant: nothing above knows which version carried a packet, and nothing here sends but [`Ip::send`] and
//! [`Ip::transmit`]. RFC 791, RFC 1122 §3, RFC 8200, RFC 4861, RFC 4862. Left out: fragmentation and reassembly,
//! forwarding, redirects; packets to an own address go back only over an interface that is a loopback. A host with several interfaces takes a packet only on the interface that has its destination
//! (RFC 1122 §3.3.4.2, the strong model).

mod address;
mod announce;
mod arp;
mod datagram;
mod envelope;
mod error;
mod expected;
#[cfg(test)]
pub(crate) mod harness;
mod input_v4;
mod input_v6;
mod interface;
mod listener;
mod ndp;
mod output;
mod path_mtu;
mod remembered;
mod repeat;
mod reply;
mod route;
mod router_discovery;
mod slaac;
mod source;
mod way;

use lendwire_nic::{NicInfo, RxPacket};

pub use address::{AddAddressError, AddressState};
pub(crate) use datagram::{BadChecksum, Datagram, check_payload};
pub use envelope::Dscp;
pub(crate) use envelope::{DEFAULT_HOP_LIMIT, Envelope, NotSent, Path};
pub(crate) use error::TransportError;
pub use error::{ErrorKind, Unreachable};
pub(crate) use expected::{Expected, FRONT};
use interface::Interfaces;
pub use interface::{AddInterfaceError, InterfaceConfig, InterfaceSlot};
pub use path_mtu::PathMtuSlot;
use path_mtu::PathMtus;
use remembered::RememberedRoutes;
pub(crate) use repeat::Repeated;
use reply::Replies;
pub use reply::ReplySlot;
pub(crate) use reply::{Header, Message, Precedence};
use route::Routes;
pub use route::{AddRouteError, RouteSlot};

pub(crate) use way::{Cut, Way};

use crate::drops::{Drops, Reason};
use crate::link::{self, Alarm, Neighbours};
pub use crate::link::{InterfaceId, NeighbourSlot};
use crate::time::Instant;
use crate::wire::ethernet::EtherType;

/// Tables for the internet layer, of whatever capacity the embedder chose.
#[derive(Debug)]
pub struct Storage<'s> {
    /// One for each network interface, up to 255.
    pub interfaces: &'s mut [InterfaceSlot],
    /// Known hardware addresses. When all are taken, one that was not sent to for ten seconds gives way.
    pub neighbours: &'s mut [NeighbourSlot],
    /// Routes: one for each network of an address, the gateways, and up to eight an interface that routers announce.
    pub routes: &'s mut [RouteSlot],
    /// Replies and probes that wait for a ring; those that find no place are dropped and counted.
    pub replies: &'s mut [ReplySlot],
    /// Destinations whose path is narrower than the interface; none, and every connection finds out for itself.
    pub path_mtus: &'s mut [PathMtuSlot],
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
    /// For `icmp`, which tells the sender why it was refused. It is counted already.
    Refused(Datagram, Refusal),
}

/// What an ICMP error is to say of a packet that cannot be delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Refusal {
    /// Nobody listens on the port.
    Port,
    /// The protocol is not spoken here.
    Protocol,
    /// IPv6: byte `pointer` of the packet was not understood (RFC 4443 §3.4).
    Parameter { code: u8, pointer: u32 },
}

/// The internet layer.
#[derive(Debug)]
pub(crate) struct Ip<'s> {
    pub(crate) drops: Drops,
    interfaces: Interfaces<'s>,
    neighbours: Neighbours<'s>,
    routes: Routes<'s>,
    replies: Replies<'s>,
    path_mtus: PathMtus<'s>,
    remembered: RememberedRoutes,
    /// What the frame said that was looked at last: see [`Ip::repeated`].
    known: Option<repeat::Known>,
    secret: [u8; 16],
    /// Of addresses, routes and questions for routers.
    alarm: Alarm,
    /// Whether it is worth for a transport to try again.
    resolved: bool,
}

impl<'s> Ip<'s> {
    pub(crate) fn new(storage: Storage<'s>, secret: [u8; 16]) -> Self {
        let Storage { interfaces, neighbours, routes, replies, path_mtus } = storage;
        Self {
            drops: Drops::default(),
            interfaces: Interfaces::new(interfaces),
            neighbours: Neighbours::new(neighbours, &secret),
            routes: Routes::new(routes),
            replies: Replies::new(replies),
            path_mtus: PathMtus::new(path_mtus),
            remembered: RememberedRoutes::NONE,
            known: None,
            secret,
            alarm: Alarm::OFF,
            resolved: false,
        }
    }

    /// Command: takes a NIC into service. Interfaces are numbered in the order of these calls.
    pub(crate) fn add_interface(
        &mut self,
        info: &NicInfo,
        config: InterfaceConfig,
        now: Instant,
    ) -> Result<InterfaceId, AddInterfaceError> {
        let id = self.interfaces.add(info, config)?.id;
        if config.autoconfigure {
            self.autoconfigure(id, now);
        }
        Ok(id)
    }

    /// Question: the interface that was added as number `index`, from 0.
    pub(crate) fn interface(&self, index: usize) -> Option<InterfaceId> {
        InterfaceId::new(index).filter(|&id| self.interfaces.at(id).is_some())
    }

    /// Question: whether no device leaves checksums to us, so that a sum taken while bytes are at hand would be for nothing.
    pub(crate) const fn devices_complete_checksums(&self) -> bool {
        self.interfaces.complete_checksums()
    }

    /// Input: a frame. What it asks for is queued, and sent by [`Ip::transmit`].
    pub(crate) fn receive(&mut self, interface: InterfaceId, mut packet: RxPacket, now: Instant) -> Arrived {
        let Some(state) = self.interfaces.at(interface) else { return Arrived::Nothing };
        self.known = None;
        let headers = packet.front().first_chunk().copied();
        let arrived = link::open(&mut packet, state.mac).and_then(|frame| match frame.ethertype {
            EtherType::IPV4 => self.on_ipv4(interface, frame, packet),
            EtherType::IPV6 => self.on_ipv6(interface, frame, packet, now),
            EtherType::ARP => self.on_arp(interface, frame, &packet, now).map(|()| Arrived::Nothing),
            _ => Err(Reason::EthernetType),
        });
        if let Ok(Arrived::Tcp(datagram)) = &arrived {
            self.known = Self::known_of(headers.as_ref(), datagram);
        }
        arrived.unwrap_or_else(|reason| {
            self.drops.count(reason);
            Arrived::Nothing
        })
    }

    /// Question: when [`Ip::on_deadline`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        [self.alarm.next(), self.neighbours.next_deadline()].into_iter().flatten().min()
    }

    /// Input: time has passed. Walks the tables of addresses, routes and neighbours, each only when one of its own
    /// deadlines may have come.
    pub(crate) fn on_deadline(&mut self, now: Instant) {
        if self.alarm.ring(now) {
            for id in self.interfaces.ids() {
                self.on_address_deadlines(id, now);
                self.on_solicitation_deadline(id, now);
            }
            self.on_route_deadlines(now);
        }
        while let Some(question) = self.neighbours.next_question(now) {
            if let Some(message) = self.question(question) {
                self.queue(question.interface, message, Precedence::Own);
            }
        }
    }

    /// Question, once: whether a neighbour, a router or an address came or went since, so that it is worth for who
    /// waits to try again.
    pub(crate) fn take_resolved(&mut self) -> bool {
        self.note_resolved();
        core::mem::take(&mut self.resolved)
    }
}

//! One socket, what waits in it, and what can go wrong with it.

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::{Chunk, RxPacket};

use super::queue::{Fifo, Linked, NIL};
use crate::ip::{ErrorKind, InterfaceId};
use crate::slab::Key;

/// Names a UDP socket; never another one after it was given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UdpHandle(pub(super) Key);

/// A datagram as it arrived.
#[derive(Debug)]
pub struct Received {
    /// Who sent it. A link-local address has its interface as scope: the interface's number, from 1.
    pub from: SocketAddr,
    /// The address it was sent to, which may be a group's.
    pub to: IpAddr,
    /// Where it came in.
    pub interface: InterfaceId,
    /// Its payload, in the memory it arrived in. Hand the chunks to `push` to send them on: nothing is read again.
    pub packet: RxPacket,
}

/// Why no socket was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BindError {
    /// No interface has the address.
    NotLocal,
    /// Another socket has the same port and address.
    InUse,
    /// Every port that could be chosen is taken.
    NoPort,
    /// The storage has no place for another one.
    Full,
}

/// Why a datagram was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SendError {
    /// The socket has been given up.
    NoSocket,
    /// The destination's port is zero.
    NoPort,
    /// No route leads there from the socket's address.
    NoRoute,
    /// It would need fragments, or a larger slot of the pool.
    TooLong {
        /// Bytes that can be sent.
        most: usize,
    },
    /// Too many are waiting already: try again when the socket is ready.
    QueueFull,
    /// No pool slot is free to copy it to.
    NoMemory,
}

/// What became of a datagram that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SocketError {
    /// Somebody on the way, or the peer, sent an ICMP error.
    Reported {
        /// Whom the datagram was for.
        remote: SocketAddr,
        /// What happened to it.
        kind: ErrorKind,
    },
    /// No route leads there any more.
    NoRoute,
    /// The next hop did not answer ARP or neighbour discovery.
    NoAnswer,
}

/// A UDP socket, in its place of the storage.
#[derive(Debug)]
pub struct Socket {
    pub(super) local: Option<IpAddr>,
    pub(super) port: u16,
    /// The next socket in the list of ports.
    pub(super) next: u32,
    pub(super) arrivals: Fifo,
    pub(super) departures: Fifo,
    pub(super) error: Option<SocketError>,
}

impl Socket {
    pub(super) const fn new(local: Option<IpAddr>, port: u16) -> Self {
        Self { local, port, next: NIL, arrivals: Fifo::EMPTY, departures: Fifo::EMPTY, error: None }
    }
}

/// A datagram that waits to be read, in its place of the storage.
#[derive(Debug)]
pub struct Arrival {
    pub(super) received: Received,
    pub(super) next: u32,
}

/// A datagram that waits to be sent, in its place of the storage.
#[derive(Debug)]
pub struct Departure {
    pub(super) to: SocketAddr,
    pub(super) chunk: Chunk,
    pub(super) next: u32,
}

impl Linked for Arrival {
    fn next(&mut self) -> &mut u32 {
        &mut self.next
    }
}

impl Linked for Departure {
    fn next(&mut self) -> &mut u32 {
        &mut self.next
    }
}

//! UDP (RFC 768): datagrams of either version, to and from ports.
//!
//! Invariant: a datagram is found by its port in a table of short lists, and what is to be sent stands on a list, so no
//! step walks all sockets. What arrives keeps its chunks and their sums; what is sent is lent, or copied once into a
//! pool slot, with its sum where a device will need it. A socket whose next hop must be asked for waits alone. RFC 768, RFC 1122 §4.1, RFC 8200 §8.1,
//! RFC 6056 (ports). Left out: multicast membership, sending more than a packet holds, UDP-Lite, zero checksums.

mod output;
mod ports;
mod queue;
mod socket;

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::{Chunk, Pool, Work};
use ports::Ports;

pub use self::ports::PortBucket;
pub use self::socket::{Arrival, BindError, Departure, Received, SendError, Socket, SocketError, UdpHandle};
use crate::drops::Reason;
use crate::ip::{BadChecksum, Datagram, InterfaceId, Ip, Path, TransportError};
use crate::list::{Links, List};
use crate::slab::{Slab, Slot};
use crate::wire::udp::{HEADER_LEN, Header};

/// Datagrams that may wait in one socket, each way.
const QUEUE_LIMIT: usize = 64;

/// Tables for UDP, of whatever capacity the embedder chose.
#[derive(Debug)]
pub struct Storage<'s> {
    /// One for each socket.
    pub sockets: &'s mut [Slot<Socket>],
    /// Datagrams that wait to be read, of all sockets together. Each pins the slots it arrived in: have fewer of these
    /// than the receive pool has slots.
    pub arrivals: &'s mut [Slot<Arrival>],
    /// Datagrams that wait to be sent, of all sockets together.
    pub departures: &'s mut [Slot<Departure>],
    /// About one for each socket; at least one.
    pub ports: &'s mut [PortBucket],
    /// Two for each socket.
    pub links: &'s mut [u32],
}

/// All UDP sockets.
#[derive(Debug)]
pub(crate) struct Udp<'s> {
    sockets: Slab<'s, Socket>,
    arrivals: Slab<'s, Arrival>,
    departures: Slab<'s, Departure>,
    ports: Ports<'s>,
    pool: &'static Pool,
    /// Sockets with news for the application.
    ready: List,
    ready_links: Links<'s>,
    /// Sockets with something to send, and those whose next hop is being asked for.
    sending: List,
    waiting: List,
    sending_links: Links<'s>,
}

impl<'s> Udp<'s> {
    /// # Panics
    /// If `storage` has no port bucket, or fewer than two links for each socket.
    pub(crate) fn new(storage: Storage<'s>, secret: [u8; 16], pool: &'static Pool) -> Self {
        let Storage { sockets, arrivals, departures, ports, links } = storage;
        assert!(links.len() >= 2 * sockets.len(), "two links for each UDP socket");
        let (ready_links, sending_links) = links.split_at_mut(sockets.len());
        Self {
            sockets: Slab::new(sockets),
            arrivals: Slab::new(arrivals),
            departures: Slab::new(departures),
            ports: Ports::new(ports, secret),
            pool,
            ready: List::EMPTY,
            ready_links: Links::new(ready_links),
            sending: List::EMPTY,
            waiting: List::EMPTY,
            sending_links: Links::new(sending_links),
        }
    }

    /// Command: a socket on `port`, or on a port that nobody can guess if it is 0. With `local` it hears what is sent
    /// to that address only; without, everything of both versions that no other socket of the port is bound for.
    pub(crate) fn bind(&mut self, local: Option<IpAddr>, port: u16, ip: &Ip<'_>) -> Result<UdpHandle, BindError> {
        if local.is_some_and(|local| !ip.is_local(local)) {
            return Err(BindError::NotLocal);
        }
        let port = match port {
            0 => self.ports.ephemeral(&self.sockets).ok_or(BindError::NoPort)?,
            port => port,
        };
        if self.ports.iter(port, &self.sockets).any(|(_, socket)| socket.local == local) {
            return Err(BindError::InUse);
        }
        let key = self.sockets.insert(Socket::new(local, port)).map_err(|_| BindError::Full)?;
        self.ports.add(key.index, &mut self.sockets);
        Ok(UdpHandle(key))
    }

    /// Command: gives a socket up, with everything that waits in it. Returns whether it was there.
    pub(crate) fn unbind(&mut self, handle: UdpHandle) -> bool {
        if self.sockets.at(handle.0).is_none() {
            return false;
        }
        self.ports.remove(handle.0.index, &mut self.sockets);
        let Some(mut socket) = self.sockets.remove(handle.0) else { return false };
        while socket.arrivals.pop(&mut self.arrivals).is_some() {}
        while socket.departures.pop(&mut self.departures).is_some() {}
        true
    }

    /// Command: copies `bytes` into a slot of the pool and sends them to `to`.
    pub(crate) fn send(
        &mut self,
        handle: UdpHandle,
        to: SocketAddr,
        bytes: &[u8],
        ip: &mut Ip<'_>,
        work: &mut Work,
    ) -> Result<(), SendError> {
        self.check(handle, to, bytes.len(), ip)?;
        if bytes.len() > self.pool.slot_size() {
            return Err(SendError::TooLong { most: self.pool.slot_size() });
        }
        let chunk = match bytes {
            [] => Chunk::EMPTY,
            bytes => {
                let mut slot = self.pool.take().ok_or(SendError::NoMemory)?;
                if ip.devices_complete_checksums() { slot.copy(bytes, work) } else { slot.write(bytes, work) }
            }
        };
        self.enqueue(handle, to, chunk)
    }

    /// Command: lends `chunk` to the wire and sends it to `to`.
    pub(crate) fn push(
        &mut self,
        handle: UdpHandle,
        to: SocketAddr,
        chunk: Chunk,
        ip: &mut Ip<'_>,
    ) -> Result<(), SendError> {
        self.check(handle, to, chunk.len(), ip)?;
        self.enqueue(handle, to, chunk)
    }

    /// Command: the datagram that came first.
    pub(crate) fn read(&mut self, handle: UdpHandle) -> Option<Received> {
        let socket = self.sockets.at_mut(handle.0)?;
        socket.arrivals.pop(&mut self.arrivals).map(|arrival| arrival.received)
    }

    /// Command: what ICMP, or silence, had to say of a datagram that was sent; the last of it.
    pub(crate) fn take_error(&mut self, handle: UdpHandle) -> Option<SocketError> {
        self.sockets.at_mut(handle.0)?.error.take()
    }

    /// Question: whether a socket has news.
    pub(crate) fn has_news(&self) -> bool {
        !self.ready.is_empty()
    }

    /// Command: the next socket with news: a datagram to read, an error, or room to send again. Each is named once
    /// until there are more news of it, so read until nothing is left.
    pub(crate) fn next_ready(&mut self) -> Option<UdpHandle> {
        while let Some(index) = self.ready_links.pop_front(&mut self.ready) {
            if let Some(key) = self.sockets.key(index) {
                return Some(UdpHandle(key));
            }
        }
        None
    }

    /// Question: whether another datagram can be queued.
    pub(crate) fn can_send(&self, handle: UdpHandle) -> bool {
        self.sockets.at(handle.0).is_some_and(|socket| socket.departures.len() < QUEUE_LIMIT)
            && !self.departures.is_full()
    }

    /// Question: whether a datagram waits to be read.
    pub(crate) fn has_datagram(&self, handle: UdpHandle) -> bool {
        self.sockets.at(handle.0).is_some_and(|socket| socket.arrivals.len() > 0)
    }

    /// Question: the port of a socket.
    pub(crate) fn local_port(&self, handle: UdpHandle) -> Option<u16> {
        self.sockets.at(handle.0).map(|socket| socket.port)
    }

    /// Question: whether [`Udp::transmit`] has something to do.
    pub(crate) fn has_output(&self) -> bool {
        !self.sending.is_empty()
    }

    fn check(&self, handle: UdpHandle, to: SocketAddr, len: usize, ip: &mut Ip<'_>) -> Result<(), SendError> {
        let socket = self.sockets.at(handle.0).ok_or(SendError::NoSocket)?;
        if to.port() == 0 {
            return Err(SendError::NoPort);
        }
        let path = path(ip, socket.local, to).ok_or(SendError::NoRoute)?;
        let header_len = HEADER_LEN + if to.is_ipv4() { 20 } else { 40 };
        let most = usize::from(path.mtu).saturating_sub(header_len);
        if len > most {
            return Err(SendError::TooLong { most });
        }
        if !self.can_send(handle) {
            return Err(SendError::QueueFull);
        }
        Ok(())
    }

    fn enqueue(&mut self, handle: UdpHandle, to: SocketAddr, chunk: Chunk) -> Result<(), SendError> {
        let socket = self.sockets.at_mut(handle.0).ok_or(SendError::NoSocket)?;
        let departure = Departure { to, chunk, next: queue::NIL };
        socket.departures.push(departure, &mut self.departures).map_err(|_| SendError::QueueFull)?;
        // A socket that waits for a neighbour is on the same links, and stays where it is.
        self.sending_links.push_back(&mut self.sending, handle.0.index);
        Ok(())
    }
}

/// What comes in.
impl Udp<'_> {
    /// Input: a datagram. It comes back if nobody is bound to its port, for its sender to be told.
    pub(crate) fn receive(&mut self, mut datagram: Datagram, ip: &mut Ip<'_>, work: &mut Work) -> Option<Datagram> {
        let header = match check_header(&datagram) {
            Ok(header) => header,
            Err(reason) => {
                ip.drops.count(reason);
                return None;
            }
        };
        let Some(index) = self.ports.find(header.destination_port.get(), datagram.destination, &self.sockets) else {
            // RFC 1122 §4.1.3.4: what was damaged on the way is dropped silently; its port may not be the sender's.
            datagram.truncate_transport(usize::from(header.len.get()));
            let damaged = match (header.checksum.get(), datagram.destination) {
                (0, IpAddr::V4(_)) => None,
                (0, IpAddr::V6(_)) => Some(Reason::UdpNoChecksum),
                (_, _) => Some(Reason::UdpChecksum).filter(|_| !datagram.is_sound(work)),
            };
            ip.drops.count(damaged.unwrap_or(Reason::UdpUnbound));
            return Some(datagram).filter(|_| damaged.is_none());
        };
        match self.deliver(index, header, datagram, work) {
            Ok(()) => self.ready_links.push_back(&mut self.ready, index),
            Err(reason) => ip.drops.count(reason),
        }
        None
    }

    fn deliver(&mut self, index: u32, header: Header, mut datagram: Datagram, work: &mut Work) -> Result<(), Reason> {
        let socket = self.sockets.by_index_mut(index).ok_or(Reason::UdpUnbound)?;
        // Before anything is read: a flood into a full socket costs no checksum.
        if socket.arrivals.len() >= QUEUE_LIMIT || self.arrivals.is_full() {
            return Err(Reason::UdpQueueFull);
        }
        datagram.truncate_transport(usize::from(header.len.get()));
        let (interface, to) = (datagram.interface, datagram.destination);
        let from = with_scope(datagram.source, header.source_port.get(), interface);
        let packet = match (header.checksum.get(), to) {
            (0, IpAddr::V4(_)) => datagram.into_uncovered_payload(HEADER_LEN),
            (0, IpAddr::V6(_)) => return Err(Reason::UdpNoChecksum),
            (_, _) => datagram.into_payload(HEADER_LEN, work).map_err(|BadChecksum| Reason::UdpChecksum)?,
        };
        let arrival = Arrival { received: Received { from, to, interface, packet }, next: queue::NIL };
        socket.arrivals.push(arrival, &mut self.arrivals).map_err(|_| Reason::UdpQueueFull)
    }

    /// Input: an ICMP error about a datagram that was sent from here (RFC 1122 §4.1.3.3).
    pub(crate) fn on_error(&mut self, error: &TransportError) {
        let Some(index) = self.ports.find(error.local.port(), error.local.ip(), &self.sockets) else { return };
        self.note_error(index, SocketError::Reported { remote: error.remote, kind: error.kind });
    }

    /// Input: a neighbour answered, or was given up: who waits tries again.
    pub(crate) fn retry_waiting(&mut self) {
        while let Some(index) = self.sending_links.pop_front(&mut self.waiting) {
            self.sending_links.push_back(&mut self.sending, index);
        }
    }

    fn note_error(&mut self, index: u32, error: SocketError) {
        if let Some(socket) = self.sockets.by_index_mut(index) {
            socket.error = Some(error);
            self.ready_links.push_back(&mut self.ready, index);
        }
    }
}

/// The header of a datagram that is as long as it says.
pub(crate) fn check_header(datagram: &Datagram) -> Result<Header, Reason> {
    let len = datagram.transport_len();
    let header = *Header::parse(datagram.transport()).ok_or(if len < HEADER_LEN {
        Reason::UdpLength
    } else {
        Reason::HeaderSplit
    })?;
    if !(HEADER_LEN..=len).contains(&usize::from(header.len.get())) {
        return Err(Reason::UdpLength);
    }
    if header.destination_port.get() == 0 {
        return Err(Reason::UdpPort);
    }
    Ok(header)
}

/// The way to `to`; a link-local one's scope is the number of the interface, from 1.
fn path(ip: &mut Ip<'_>, local: Option<IpAddr>, to: SocketAddr) -> Option<Path> {
    let interface = match to {
        SocketAddr::V6(to) if to.scope_id() != 0 => Some(ip.interface(to.scope_id() as usize - 1)?),
        SocketAddr::V4(_) | SocketAddr::V6(_) => None,
    };
    ip.route_again(to.ip(), local, interface).ok()
}

/// An address to answer to: a link-local one with the interface that it means something on (RFC 4007 §6).
fn with_scope(address: IpAddr, port: u16, interface: InterfaceId) -> SocketAddr {
    let mut to = SocketAddr::new(address, port);
    if let SocketAddr::V6(to) = &mut to
        && to.ip().is_unicast_link_local()
    {
        to.set_scope_id(interface.index() as u32 + 1);
    }
    to
}

#[cfg(test)]
mod tests;

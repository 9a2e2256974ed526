//! What an application calls: commands and questions on listeners and connections.
//!
//! Invariant: nothing here sends or blocks. A command notes what is to be done and puts the connection in line; a
//! handle that has outlived its socket finds nothing.

use core::fmt;
use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use lendwire_nic::Chunk;

use super::connection::{OurFin, Outcome, PeerFin};
use super::demux::{Entity, Tuple};
use super::handshake::Handshake;
use super::listen::Listener;
use super::{Connection, Ended, Entry, State, Tcp};
use crate::ip::Ip;
use crate::list::List;
use crate::slab::Key;
use crate::time::{Instant, Span};

/// Names a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerHandle(Key);

/// Names a connection, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpHandle(Key);

impl TcpHandle {
    /// The connection's place in the storage, below the number of connections: where an application keeps what it knows
    /// of it in a table of its own. Only one handle at a time has a place, but a place has many handles in its life.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.index as usize
    }
}

/// A connection on which something happened: data came, room was made, a state changed.
///
/// It says no more than that it is worth to read, write or ask for the state again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpEvent(pub TcpHandle);

macro_rules! sentences {
    ($name:ident { $($variant:ident => $text:literal,)* }) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(match self { $(Self::$variant { .. } => $text,)* })
            }
        }
        impl core::error::Error for $name {}
    };
}

/// What the stack knows of a connection's path and peer, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state by its RFC name.
    pub state: State,
    /// The smoothed round-trip time, once there was a sample (RFC 6298).
    pub rtt: Option<Span>,
    /// The retransmission timeout as it stands, backed off or not.
    pub rto: Span,
    /// The largest segment that is sent.
    pub mss: u16,
    /// What congestion control lets be in flight.
    pub congestion_window: u32,
    /// Where slow start ends (RFC 5681).
    pub slow_start_threshold: u32,
    /// Sequence numbers that are sent and not acknowledged.
    pub in_flight: u32,
    /// What the peer lets be in flight.
    pub send_window: u32,
    /// What the peer was told that it may send.
    pub receive_window: u32,
}

/// How much of each table of TCP is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpUsage {
    /// Listeners.
    pub listeners: usize,
    /// Passive opens under way.
    pub handshakes: usize,
    /// Connections and active opens.
    pub connections: usize,
    /// TIME-WAITs.
    pub time_waits: usize,
    /// Connections whose data is being copied.
    pub writers: usize,
    /// Runs of data that came before their time.
    pub blocks: usize,
    /// Cells that hold no chunk.
    pub free_cells: usize,
}

/// Why there is no listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// Port zero names no port.
    PortZero,
    /// Somebody listens there already.
    InUse,
    /// All listeners that the storage has room for are in use.
    Full,
}
sentences!(ListenError {
    PortZero => "port 0 cannot be listened on: choose one from 1 to 65535",
    InUse => "another listener has this address and port",
    Full => "the storage has no room for another listener",
});

/// Why there is no attempt at a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Port zero names no port.
    PortZero,
    /// The address is not one host's.
    NotUnicast,
    /// No route, or no address of ours, leads there.
    NoRoute,
    /// The local port has a connection to there already, or no free one is left.
    InUse,
    /// All connections that the storage has room for are in use.
    Full,
}
sentences!(ConnectError {
    PortZero => "port 0 cannot be connected to",
    NotUnicast => "only the address of one host can be connected to",
    NoRoute => "no route leads there: add an address and a gateway",
    InUse => "the local port is taken for this destination",
    Full => "the storage has no room for another connection",
});

/// Why nothing can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The handle's connection is gone.
    NoSuchConnection,
    /// The handshake is not complete: wait for an event.
    NotYet,
    /// The writing side is closed.
    ShutDown,
    /// The connection has ended.
    Ended(Ended),
}
sentences!(WriteError {
    NoSuchConnection => "the handle's connection is closed",
    NotYet => "the connection is not established yet",
    ShutDown => "the writing side is shut down",
    Ended => "the connection has ended",
});

/// Why nothing can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The handle's connection is gone.
    NoSuchConnection,
    /// Nothing has come yet: wait for an event.
    Empty,
    /// The connection has ended, and not by the peer's FIN.
    Ended(Ended),
}
sentences!(ReadError {
    NoSuchConnection => "the handle's connection is closed",
    Empty => "nothing has arrived yet",
    Ended => "the connection has ended",
});

/// A chunk that was not taken, and why.
#[derive(Debug)]
pub struct PushError {
    /// The chunk.
    pub chunk: Chunk,
    /// Why.
    pub reason: PushRefused,
}

/// Why a chunk was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushRefused {
    /// As much as may wait is waiting: try again after an event.
    Full,
    /// As for [`WriteError`].
    Cannot(WriteError),
}

impl Tcp<'_> {
    /// Command: accepts connections to `local`; an unspecified IPv6 address stands for every address of both versions.
    pub(crate) fn listen(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerHandle, ListenError> {
        if local.port() == 0 {
            return Err(ListenError::PortZero);
        }
        let tuple = Tuple::listening(local);
        if self.find(&tuple).is_some() {
            return Err(ListenError::InUse);
        }
        let listener = Listener { tuple, accept: List::EMPTY, handshakes: 0, backlog: backlog.max(1) };
        let key = self.listeners.insert(listener).map_err(|_| ListenError::Full)?;
        if !self.demux.insert(self.hash(&tuple), Entity::Listener(key.index)) {
            self.listeners.remove(key);
            return Err(ListenError::Full);
        }
        Ok(ListenerHandle(key))
    }

    /// Command: takes the oldest connection that waits to be accepted.
    pub(crate) fn accept(&mut self, listener: ListenerHandle) -> Option<TcpHandle> {
        let listener = self.listeners.at_mut(listener.0)?;
        let index = self.accept_links.pop_front(&mut listener.accept)?;
        self.connections.key(index).map(TcpHandle)
    }

    /// Command: stops listening; handshakes and connections that nobody accepted are ended.
    pub(crate) fn unlisten(&mut self, handle: ListenerHandle) {
        while let Some(connection) = self.accept(handle) {
            self.abort_connection(connection);
        }
        let Some(listener) = self.listeners.remove(handle.0) else { return };
        self.demux.remove(self.hash(&listener.tuple), Entity::Listener(handle.0.index));
    }

    /// Command: begins to connect to `remote`, from `local_port` or from one of the ephemeral ports.
    pub(crate) fn connect(
        &mut self,
        remote: SocketAddr,
        local_port: Option<u16>,
        ip: &Ip<'_>,
        now: Instant,
    ) -> Result<TcpHandle, ConnectError> {
        if remote.port() == 0 {
            return Err(ConnectError::PortZero);
        }
        if !is_unicast(remote.ip()) {
            return Err(ConnectError::NotUnicast);
        }
        if self.connections.is_full() {
            return Err(ConnectError::Full);
        }
        // RFC 4007 §6: a scope says on which interface a link-local address is meant, from 1.
        let named = match remote {
            SocketAddr::V6(remote) if remote.scope_id() != 0 => ip.interface(remote.scope_id() as usize - 1),
            SocketAddr::V4(_) | SocketAddr::V6(_) => None,
        };
        let path = ip.route_out_of(remote.ip(), None, named).map_err(|_| ConnectError::NoRoute)?;
        let tuple = self.free_tuple(path.source, local_port, remote).ok_or(ConnectError::InUse)?;
        let iss = self.initial_sequence(&tuple, now);
        let scope = super::emit::scope(remote.ip(), path.interface);
        let entry = Entry::Opening(Handshake::active(tuple, scope, iss, path.mtu));
        let key = self.connections.insert(entry).map_err(|_| ConnectError::Full)?;
        if !self.demux.insert(self.hash(&tuple), Entity::Connection(key.index)) {
            self.connections.remove(key);
            return Err(ConnectError::Full);
        }
        self.attend(key.index);
        Ok(TcpHandle(key))
    }

    /// RFC 6056 §3.3.3: from a place that only we can know for each destination, on by the count of opens.
    fn free_tuple(&mut self, local: IpAddr, port: Option<u16>, remote: SocketAddr) -> Option<Tuple> {
        let with = |port| Tuple::new(SocketAddr::new(local, port), remote);
        if let Some(port) = port {
            return Some(with(port)).filter(|tuple| port != 0 && self.find(tuple).is_none());
        }
        // RFC 6335 §6: the dynamic ports.
        const FIRST: u32 = 49_152;
        const COUNT: u32 = 65_536 - FIRST;
        let offset = with(0).hash(&self.secret, 2) as u32;
        for _ in 0..COUNT {
            self.opened = self.opened.wrapping_add(1);
            let port = FIRST + offset.wrapping_add(self.opened) % COUNT;
            let tuple = with(port as u16);
            if self.find(&tuple).is_none() {
                return Some(tuple);
            }
        }
        None
    }

    /// Command: copies `bytes` into the connection's queue; returns how many were taken.
    pub(crate) fn write(&mut self, handle: TcpHandle, bytes: &[u8]) -> Result<usize, WriteError> {
        let shared = &mut self.shared;
        let connection = writable(self.connections.at_mut(handle.0))?;
        let room = shared.config.send_budget.saturating_sub(connection.send.queue.bytes()) as usize;
        let bytes = &bytes[..bytes.len().min(room)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(writers) = connection.writers(shared) else { return Ok(0) };
        let mss = usize::from(connection.send.mss);
        let written = connection.send.queue.write(bytes, mss, writers, shared);
        if written < bytes.len() {
            self.starved.push(handle.0.index, shared);
        }
        self.look_at(handle.0.index);
        Ok(written)
    }

    /// Command: lends `chunk` to the connection until it is acknowledged.
    pub(crate) fn push(&mut self, handle: TcpHandle, chunk: Chunk) -> Result<(), PushError> {
        let connection = match writable(self.connections.at_mut(handle.0)) {
            Ok(connection) => connection,
            Err(error) => return Err(PushError { chunk, reason: PushRefused::Cannot(error) }),
        };
        if chunk.is_empty() {
            return Ok(());
        }
        // The chunk that reaches the budget is taken whole, however long: static content is, and pins nothing.
        if connection.send.queue.bytes() >= self.shared.config.send_budget {
            return Err(PushError { chunk, reason: PushRefused::Full });
        }
        let pushed = connection.send.queue.push(chunk, &mut self.shared);
        if pushed.is_err() {
            self.starved.push(handle.0.index, &self.shared);
        }
        self.look_at(handle.0.index);
        pushed.map_err(|chunk| PushError { chunk, reason: PushRefused::Full })
    }

    /// Command: copies what has arrived into `to`. Zero bytes are the end of the peer's data.
    pub(crate) fn read(&mut self, handle: TcpHandle, to: &mut [u8]) -> Result<usize, ReadError> {
        let connection = readable(self.connections.at_mut(handle.0))?;
        if connection.receive.queue.is_empty() {
            return at_end(connection).map(|()| 0);
        }
        let read = connection.receive.queue.read(to, &mut self.shared);
        self.after_read(handle);
        Ok(read)
    }

    /// Command: takes the next chunk of what has arrived; `None` is the end of the peer's data.
    pub(crate) fn read_chunk(&mut self, handle: TcpHandle) -> Result<Option<Chunk>, ReadError> {
        let connection = readable(self.connections.at_mut(handle.0))?;
        let Some(chunk) = connection.receive.queue.pop(&mut self.shared.cells) else {
            return at_end(connection).map(|()| None);
        };
        self.after_read(handle);
        Ok(Some(chunk))
    }

    /// Reading may have opened the window so far that the peer ought to know.
    fn after_read(&mut self, handle: TcpHandle) {
        let Some(Entry::Open(connection)) = self.connections.at_mut(handle.0) else { return };
        connection.rest(&mut self.shared);
        if connection.ended.is_none() && connection.window_opened(&self.shared.config) {
            connection.owe_now();
            self.look_at(handle.0.index);
        }
    }

    /// Command: sends a FIN behind what is queued; reading goes on (RFC 9293 §3.10.4, half-close).
    pub(crate) fn shutdown(&mut self, handle: TcpHandle, now: Instant) -> Result<(), WriteError> {
        let connection = writable(self.connections.at_mut(handle.0))?;
        connection.send.fin = OurFin::Queued;
        self.settle(handle.0.index, Outcome::Open, now);
        Ok(())
    }

    /// Command: gives the handle up. What is queued is sent, then a FIN; the stack sees to the rest by itself.
    pub(crate) fn close(&mut self, handle: TcpHandle, now: Instant) {
        let index = handle.0.index;
        match self.connections.at_mut(handle.0) {
            Some(Entry::Open(connection)) if connection.held => {
                let unread = !connection.receive.queue.is_empty();
                connection.held = false;
                if connection.ended.is_some() {
                    return self.free(index);
                }
                connection.receive.queue.clear(&mut self.shared.cells);
                if unread {
                    // RFC 2525 §2.17: data that nobody will read is reported to its sender by a reset.
                    return self.abort(index);
                }
                if connection.send.fin == OurFin::None {
                    connection.send.fin = OurFin::Queued;
                }
                self.settle(index, Outcome::Open, now);
            }
            Some(Entry::Opening(_)) => {
                self.fail(index, Ended::Closed);
                self.free(index);
            }
            Some(Entry::Failed(_)) => self.free(index),
            Some(Entry::Open(_)) | None => {}
        }
    }

    /// Command: gives the handle up and resets the connection (RFC 9293 §3.10.5).
    pub(crate) fn abort_connection(&mut self, handle: TcpHandle) {
        if let Some(Entry::Open(connection)) = self.connections.at_mut(handle.0)
            && connection.held
        {
            connection.held = false;
            if connection.ended.is_some() {
                return self.free(handle.0.index);
            }
            return self.abort(handle.0.index);
        }
        self.close(handle, Instant::from_micros(0));
    }

    /// Command: turns Nagle's algorithm off or on again (RFC 9293 MUST-17).
    pub(crate) fn set_nodelay(&mut self, handle: TcpHandle, nodelay: bool) {
        if let Some(Entry::Open(connection)) = self.connections.at_mut(handle.0) {
            connection.send.nodelay = nodelay;
            self.look_at(handle.0.index);
        }
    }

    /// Question: the state by its RFC name; a handle whose connection is gone is closed.
    pub(crate) fn state(&self, handle: TcpHandle) -> State {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) if connection.held => connection.state(),
            Some(Entry::Opening(handshake)) if handshake.is_received() => State::SynReceived,
            Some(Entry::Opening(_)) => State::SynSent,
            Some(Entry::Open(_) | Entry::Failed(_)) | None => State::Closed,
        }
    }

    /// Question: both ends.
    pub(crate) fn ends(&self, handle: TcpHandle) -> Option<(SocketAddr, SocketAddr)> {
        let tuple = match self.connections.at(handle.0)? {
            Entry::Open(connection) => connection.tuple,
            Entry::Opening(handshake) => handshake.tuple,
            Entry::Failed(_) => return None,
        };
        Some((tuple.local_socket(), tuple.remote_socket()))
    }

    /// Question: what the stack knows of the path and the peer.
    pub(crate) fn info(&self, handle: TcpHandle) -> Option<TcpInfo> {
        let Some(Entry::Open(connection)) = self.connections.at(handle.0) else { return None };
        let send = &connection.send;
        Some(TcpInfo {
            state: connection.state(),
            rtt: connection.rtt.smoothed(),
            rto: connection.rtt.rto(),
            mss: send.mss,
            congestion_window: send.congestion.window(),
            slow_start_threshold: send.congestion.threshold(),
            in_flight: connection.in_flight(),
            send_window: send.window,
            receive_window: connection.receive.edge.since(connection.receive.nxt),
        })
    }

    /// Question: how much of each table is in use.
    pub(crate) fn usage(&self) -> TcpUsage {
        TcpUsage {
            listeners: self.listeners.len(),
            handshakes: self.handshakes.len(),
            connections: self.connections.len(),
            time_waits: self.time_waits.len(),
            writers: self.shared.writers.len(),
            blocks: self.shared.blocks.len(),
            free_cells: self.shared.cells.available(),
        }
    }

    /// Question: how many bytes `write` would take.
    pub(crate) fn room(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) if connection.held && connection.send.fin == OurFin::None => {
                self.shared.config.send_budget.saturating_sub(connection.send.queue.bytes()) as usize
            }
            Some(_) | None => 0,
        }
    }

    /// Question: how many bytes are queued and not acknowledged.
    pub(crate) fn unacknowledged(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) => connection.send.queue.bytes() as usize,
            Some(_) | None => 0,
        }
    }

    /// Question: how many bytes wait to be read.
    pub(crate) fn unread(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) => connection.receive.queue.bytes(),
            Some(_) | None => 0,
        }
    }

    /// Question, once each: a connection on which something happened since it was last asked for.
    pub(crate) fn next_event(&mut self) -> Option<TcpEvent> {
        loop {
            let happened = self.event_links.pop_front(&mut self.events);
            let index = happened.or_else(|| self.starved.pop(&self.shared))?;
            let held = match self.connections.by_index(index) {
                Some(Entry::Open(connection)) => connection.held,
                Some(Entry::Opening(_) | Entry::Failed(_)) => true,
                None => false,
            };
            if let Some(key) = self.connections.key(index).filter(|_| held) {
                return Some(TcpEvent(TcpHandle(key)));
            }
        }
    }
}

fn writable(entry: Option<&mut Entry>) -> Result<&mut Connection, WriteError> {
    match entry {
        Some(Entry::Open(connection)) if connection.held => match (connection.ended, connection.send.fin) {
            (Some(ended), _) => Err(WriteError::Ended(ended)),
            (None, OurFin::Queued | OurFin::Acknowledged) => Err(WriteError::ShutDown),
            (None, OurFin::None) => Ok(connection),
        },
        Some(Entry::Opening(_)) => Err(WriteError::NotYet),
        Some(Entry::Failed(ended)) => Err(WriteError::Ended(*ended)),
        Some(Entry::Open(_)) | None => Err(WriteError::NoSuchConnection),
    }
}

fn readable(entry: Option<&mut Entry>) -> Result<&mut Connection, ReadError> {
    match entry {
        Some(Entry::Open(connection)) if connection.held => Ok(connection),
        Some(Entry::Opening(_)) => Err(ReadError::Empty),
        Some(Entry::Failed(ended)) => Err(ReadError::Ended(*ended)),
        Some(Entry::Open(_)) | None => Err(ReadError::NoSuchConnection),
    }
}

/// Nothing is left to read: has the peer ended its data, has the connection ended, or may more come?
fn at_end(connection: &Connection) -> Result<(), ReadError> {
    match (connection.receive.fin, connection.ended) {
        (PeerFin::BeforeOurs | PeerFin::AfterOurs, _) => Ok(()),
        (PeerFin::None, Some(ended)) => Err(ReadError::Ended(ended)),
        (PeerFin::None, None) => Err(ReadError::Empty),
    }
}

/// RFC 9293 MUST-46: only one host can be connected to.
fn is_unicast(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => !address.is_multicast() && !address.is_broadcast() && !address.is_unspecified(),
        IpAddr::V6(address) => !address.is_multicast() && address != Ipv6Addr::UNSPECIFIED,
    }
}

//! What an application commands: to listen, connect, write, read and close.
//!
//! Invariant: nothing here sends or blocks. A command notes what is to be done and puts the connection in line; a
//! handle that has outlived its socket finds nothing.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use lendwire_nic::Chunk;

use super::connection::{OurFin, Outcome, Owed, PeerFin};
use super::demux::{Entity, Tuple};
use super::handle::{
    ConnectError, ListenError, ListenerHandle, PushError, PushRefused, ReadError, TcpHandle, WriteError,
};
use super::handshake::Handshake;
use super::listen::Listener;
use super::opening::Opening;
use super::send_queue::Sums;
use super::shared::Shared;
use super::{Connection, Ended, Entry, Tcp};
use crate::chain::Chain;
use crate::ip::Ip;
use crate::list::List;
use crate::time::{Instant, Span};

impl Tcp<'_> {
    /// Command: accepts connections to `local`: see [`Tcp::listener_for`] for what unspecified addresses stand for.
    pub(crate) fn listen(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerHandle, ListenError> {
        if local.port() == 0 {
            return Err(ListenError::PortZero);
        }
        let tuple = Tuple::listening(local);
        if self.find(&tuple).is_some() {
            return Err(ListenError::InUse);
        }
        let listener = Listener {
            tuple,
            accept: List::EMPTY,
            handshakes: Chain::EMPTY,
            backlog: backlog.max(1),
            cookies_until: Instant::from_micros(0),
            fast_open: None,
        };
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
        while let Some(listener) = self.listeners.at_mut(handle.0)
            && let Some(handshake) = listener.handshakes.oldest()
        {
            match self.handshakes.get(handshake) {
                // It belongs to a connection that was accepted.
                Some(entry) if entry.is_early() => self.handshakes.leave(handshake, listener),
                Some(_) | None => self.remove_handshake(handshake),
            }
        }
        let Some(listener) = self.listeners.remove(handle.0) else { return };
        self.demux.remove(self.hash(&listener.tuple), Entity::Listener(handle.0.index));
    }

    /// Command: begins to connect to `remote`, from `source` or the address that IP chooses, and from `local_port` or one
    /// of the ephemeral ports.
    pub(crate) fn connect(
        &mut self,
        source: Option<IpAddr>,
        local_port: Option<u16>,
        remote: SocketAddr,
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
        // RFC 9293 §3.9.1.1 (MUST-43, MUST-44): an address that the application names, or that IP chooses.
        if source.is_some_and(|source| source.is_ipv4() != remote.is_ipv4() || !ip.is_local(source)) {
            return Err(ConnectError::NotOurs);
        }
        let path = ip.route_out_of(remote.ip(), source, named).map_err(|_| ConnectError::NoRoute)?;
        let tuple = self.free_tuple(path.source, local_port, remote, now).ok_or(ConnectError::InUse)?;
        let iss = self.initial_sequence(&tuple, now);
        let scope = super::emit::scope(remote.ip(), path.interface);
        let config = &self.shared.config;
        let handshake = Handshake::new(tuple, scope, iss, self.clock_start(&tuple), path.mtu).asking(config);
        let key =
            self.connections.insert(Entry::Opening(Opening::new(handshake, config))).map_err(|_| ConnectError::Full)?;
        if !self.demux.insert(self.hash(&tuple), Entity::Connection(key.index)) {
            self.connections.remove(key);
            return Err(ConnectError::Full);
        }
        self.attend(key.index);
        Ok(TcpHandle(key))
    }

    /// RFC 6056 §3.3.4: from a place that only we can know for each destination, on by the count of opens to it and to the
    /// few others that share its counter.
    fn free_tuple(&mut self, local: IpAddr, port: Option<u16>, remote: SocketAddr, now: Instant) -> Option<Tuple> {
        let with = |port| Tuple::new(SocketAddr::new(local, port), remote);
        if let Some(port) = port {
            return Some(with(port)).filter(|tuple| port != 0 && (self.is_free(tuple) || self.takes_over(tuple, now)));
        }
        // RFC 6335 §6: the dynamic ports.
        const FIRST: u32 = 49_152;
        const COUNT: u32 = 65_536 - FIRST;
        let hash = with(0).hash(&self.secret, 2);
        let (offset, counter) = (hash as u32, (hash >> 32) as usize % self.opened.len());
        let from = offset.wrapping_add(self.opened[counter]);
        let tuple_at = |tried: u32| with((FIRST + from.wrapping_add(tried) % COUNT) as u16);
        let free = (0..COUNT).find(|&tried| self.is_free(&tuple_at(tried)));
        let tried = free.or_else(|| (0..COUNT).find(|&tried| self.takes_over(&tuple_at(tried), now)))?;
        self.opened[counter] = self.opened[counter].wrapping_add(tried + 1);
        Some(tuple_at(tried))
    }

    fn is_free(&self, tuple: &Tuple) -> bool {
        self.find(tuple).is_none()
    }

    /// Whether a TIME-WAIT stood under `tuple` that the timestamps of a new connection tell apart from it, as RFC 6191 has
    /// it for the other end. It is forgotten. It has lasted a second, for the slowest clock to tick (RFC 7323 §5.4).
    fn takes_over(&mut self, tuple: &Tuple, now: Instant) -> bool {
        let config = &self.shared.config;
        let Some(Entity::TimeWait(index)) = self.find(tuple).filter(|_| config.timestamps && config.time_wait_reuse)
        else {
            return false;
        };
        let ends_if_new = now + config.time_wait;
        let tells_apart = self.time_waits.get(index).is_some_and(|entry| {
            entry.timestamp().is_some() && ends_if_new.since(entry.expires(now)) >= Span::from_secs(1)
        });
        if tells_apart {
            self.forget_time_wait(index);
        }
        tells_apart
    }

    /// Command: copies `bytes` into the connection's queue; returns how many were taken.
    pub(crate) fn write(&mut self, handle: TcpHandle, bytes: &[u8], ip: &Ip<'_>) -> Result<usize, WriteError> {
        let shared = &mut self.shared;
        let connection = match writable(self.connections.at_mut(handle.0)) {
            Ok(connection) => connection,
            Err(WriteError::NotYet) => return self.write_ahead(handle, bytes, ip),
            Err(error) => return Err(error),
        };
        let room = connection.room(shared) as usize;
        let bytes = &bytes[..bytes.len().min(room)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(writers) = connection.writers(shared) else { return Ok(0) };
        let mss = usize::from(connection.send.mss);
        let written = connection.send.queue.write(bytes, Sums::of_copies(ip), mss, writers, shared);
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
            Err(WriteError::NotYet) => return self.push_ahead(handle, chunk),
            Err(error) => return Err(PushError { chunk, reason: PushRefused::Cannot(error) }),
        };
        if chunk.is_empty() {
            return Ok(());
        }
        // The chunk that reaches the budget is taken whole, however long: static content is, and pins nothing.
        if connection.room(&self.shared) == 0 {
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
        if connection.was_read(&mut self.shared) {
            self.look_at(handle.0.index);
        }
        Ok(read)
    }

    /// Command: takes the next chunk of what has arrived; `None` is the end of the peer's data.
    pub(crate) fn read_chunk(&mut self, handle: TcpHandle) -> Result<Option<Chunk>, ReadError> {
        let connection = readable(self.connections.at_mut(handle.0))?;
        let Some(chunk) = connection.receive.queue.pop(&mut self.shared) else {
            return at_end(connection).map(|()| None);
        };
        if connection.was_read(&mut self.shared) {
            self.look_at(handle.0.index);
        }
        Ok(Some(chunk))
    }

    /// Reading may have opened the window so far that the peer ought to know.
    pub(super) fn after_read(&mut self, handle: TcpHandle) {
        let Some(Entry::Open(connection)) = self.connections.at_mut(handle.0) else { return };
        if connection.was_read(&mut self.shared) {
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
                connection.receive.queue.clear(&mut self.shared);
                let at_once = connection.settings(&self.shared).is_some_and(|asked| asked.linger == Some(Span::ZERO));
                if unread || at_once {
                    // RFC 2525 §2.17: data that nobody will read is reported to its sender by a reset.
                    return self.abort(index, Ended::Reset);
                }
                if connection.send.fin == OurFin::None {
                    connection.send.fin = OurFin::Queued;
                }
                connection.linger(now, &mut self.shared);
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
            return self.abort(handle.0.index, Ended::Reset);
        }
        self.close(handle, Instant::from_micros(0));
    }
}

impl Connection {
    /// Something was read. Says whether the window has opened so far that the peer is to be told.
    fn was_read(&mut self, shared: &mut Shared<'_>) -> bool {
        self.rest(shared);
        // What is owed already says where the window stands when it goes.
        let is_told = self.receive.owed == Owed::Now || self.ended.is_some();
        if is_told || !self.window_opened(shared) {
            return false;
        }
        self.owe_now();
        true
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

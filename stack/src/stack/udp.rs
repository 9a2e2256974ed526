//! UDP sockets.

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::Chunk;

use super::Stack;
use crate::udp::{BindError, Received, SendError, SocketError, UdpHandle};

impl Stack<'_> {
    /// Command: a socket on `port`, or on a port that nobody can guess (RFC 6056) if it is 0. With `local` it hears
    /// what is sent to that address only; without, everything of both versions that no other socket is bound for.
    ///
    /// # Errors
    /// See [`BindError`].
    pub fn udp_bind(&mut self, local: Option<IpAddr>, port: u16) -> Result<UdpHandle, BindError> {
        self.udp.bind(local, port, &self.ip)
    }

    /// Command: gives a socket up, with everything that waits in it. Returns whether it was there.
    pub fn udp_unbind(&mut self, socket: UdpHandle) -> bool {
        self.udp.unbind(socket)
    }

    /// Command: copies `bytes` and sends them to `to`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn udp_send(&mut self, socket: UdpHandle, to: SocketAddr, bytes: &[u8]) -> Result<(), SendError> {
        self.udp.send(socket, to, bytes, &mut self.ip, &mut self.work)
    }

    /// Command: lends `chunk` and sends it to `to`.
    ///
    /// # Errors
    /// See [`SendError`].
    pub fn udp_push(&mut self, socket: UdpHandle, to: SocketAddr, chunk: Chunk) -> Result<(), SendError> {
        self.udp.push(socket, to, chunk, &mut self.ip)
    }

    /// Command: takes the datagram that came first, as it lies where the device put it.
    pub fn udp_read(&mut self, socket: UdpHandle) -> Option<Received> {
        self.udp.read(socket)
    }

    /// Command: what ICMP, or silence, had to say of a datagram that was sent; the last of it.
    pub fn udp_take_error(&mut self, socket: UdpHandle) -> Option<SocketError> {
        self.udp.take_error(socket)
    }

    /// Question: whether another datagram can be queued.
    #[must_use]
    pub fn udp_can_send(&self, socket: UdpHandle) -> bool {
        self.udp.can_send(socket)
    }

    /// Question: whether a datagram waits to be read.
    #[must_use]
    pub fn udp_has_datagram(&self, socket: UdpHandle) -> bool {
        self.udp.has_datagram(socket)
    }

    /// Question: the port of a socket.
    #[must_use]
    pub fn udp_local_port(&self, socket: UdpHandle) -> Option<u16> {
        self.udp.local_port(socket)
    }

    /// Question, once each: a socket with news: a datagram, an error, or room to send again.
    pub fn next_udp_event(&mut self) -> Option<UdpHandle> {
        self.udp.next_ready()
    }
}

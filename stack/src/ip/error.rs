//! What ICMP reports about a packet of ours, as a transport sees it.

use core::net::SocketAddr;

use crate::wire::protocol::Protocol;

/// An ICMP error, with what it quotes of the packet that it is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TransportError {
    pub(crate) protocol: Protocol,
    /// The quoted source: an address of this host.
    pub(crate) local: SocketAddr,
    /// The quoted destination.
    pub(crate) remote: SocketAddr,
    /// Bytes 4 to 8 of the quoted transport header: TCP's sequence number.
    pub(crate) sequence: u32,
    /// The quoted packet's length, as it says itself.
    pub(crate) packet_len: u16,
    pub(crate) kind: ErrorKind,
}

/// What happened to a packet on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ErrorKind {
    /// It could not be delivered.
    Unreachable(Unreachable),
    /// A link was too narrow for it (RFC 1191, RFC 8201).
    TooBig {
        /// Bytes of an IP packet that fits; 0 where the router did not say.
        mtu: u32,
    },
    /// It met more routers than its hop limit allows, or its fragments did not all come.
    TimeExceeded,
    /// A field of its headers was not understood.
    ParameterProblem,
}

/// What a packet could not reach (RFC 792, RFC 1812 §5.2.7.1, RFC 4443 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unreachable {
    /// No route leads there.
    Network,
    /// Nobody answers there.
    Host,
    /// The host does not speak the protocol.
    Protocol,
    /// Nobody listens on the port.
    Port,
    /// Somebody on the way forbids it.
    Prohibited,
    /// Another code.
    Other,
}

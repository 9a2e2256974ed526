//! What a transport says about a packet that it hands down, and what it can be told in return.

use core::net::IpAddr;

use super::InterfaceId;
use crate::wire::protocol::Protocol;

/// Hops a packet may take unless somebody says otherwise (RFC 1700's recommendation).
pub(crate) const DEFAULT_HOP_LIMIT: u8 = 64;

/// A Differentiated Services codepoint (RFC 2474 §3): six bits in which a packet says what service it wants.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dscp(u8);

impl Dscp {
    /// No service in particular.
    pub const DEFAULT: Self = Self(0);

    /// `None` for what does not fit six bits.
    #[must_use]
    pub const fn new(codepoint: u8) -> Option<Self> {
        if codepoint < 64 { Some(Self(codepoint)) } else { None }
    }

    /// The codepoint.
    #[must_use]
    pub const fn codepoint(self) -> u8 {
        self.0
    }

    /// The byte that carries it, Not-ECT.
    pub(crate) const fn traffic_class(self) -> u8 {
        self.0 << 2
    }
}

/// How to send a packet whose outermost header is the transport's.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Envelope {
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: Protocol,
    /// Where the checksum stands in the transport header, zero as yet; `None` where there is none to fill in.
    pub(crate) checksum: Option<u16>,
    pub(crate) hop_limit: u8,
    /// The byte that carries DSCP and ECN.
    pub(crate) traffic_class: u8,
    /// Where it must go out: for destinations that mean something on one link only.
    pub(crate) interface: Option<InterfaceId>,
}

impl Envelope {
    /// An envelope with nothing out of the ordinary.
    pub(crate) const fn new(source: IpAddr, destination: IpAddr, protocol: Protocol, checksum: Option<u16>) -> Self {
        Self {
            source,
            destination,
            protocol,
            checksum,
            hop_limit: DEFAULT_HOP_LIMIT,
            traffic_class: 0,
            interface: None,
        }
    }
}

/// The way to a destination.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Path {
    pub(crate) interface: InterfaceId,
    /// The address to send from.
    pub(crate) source: IpAddr,
    /// Bytes of an IP packet, its header included.
    pub(crate) mtu: u16,
    /// Whose hardware address the frame gets.
    pub(crate) next_hop: IpAddr,
}

/// No route leads there, or no address can be used to send from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct NoRoute;

/// Why a packet was not sent. Nothing has changed but that a neighbour may be being asked for: it can be tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum NotSent {
    /// The ring of this interface is full.
    Full(InterfaceId),
    /// The next hop's hardware address is being asked for.
    Unresolved,
    /// No route leads there.
    NoRoute,
    /// The next hop did not answer.
    Silent,
}

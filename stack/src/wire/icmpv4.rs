//! The kinds of ICMP message over IPv4 (RFC 792, RFC 1122 §3.2.2).

/// The answer to [`ECHO`].
pub const ECHO_REPLY: u8 = 0;
/// A packet could not be delivered; the code says why.
pub const UNREACHABLE: u8 = 3;
/// A packet was thrown away for want of room; deprecated (RFC 6633).
pub const SOURCE_QUENCH: u8 = 4;
/// A better router is on the link.
pub const REDIRECT: u8 = 5;
/// Send this back.
pub const ECHO: u8 = 8;
/// A packet met more routers than it may, or a fragment of it did not come.
pub const TIME_EXCEEDED: u8 = 11;
/// A header field was not understood.
pub const PARAMETER_PROBLEM: u8 = 12;

/// Codes of [`UNREACHABLE`] (RFC 792, RFC 1191 §4, RFC 1812 §5.2.7.1).
pub mod unreachable {
    /// No route to the network.
    pub const NETWORK: u8 = 0;
    /// The host does not answer.
    pub const HOST: u8 = 1;
    /// The host does not speak the protocol.
    pub const PROTOCOL: u8 = 2;
    /// Nobody listens on the port.
    pub const PORT: u8 = 3;
    /// Too big for a link, and not to be fragmented; the header's last two bytes are the link's MTU.
    pub const FRAGMENTATION_NEEDED: u8 = 4;
    /// The network is forbidden.
    pub const NETWORK_PROHIBITED: u8 = 9;
    /// The host is forbidden.
    pub const HOST_PROHIBITED: u8 = 10;
    /// Forbidden.
    pub const PROHIBITED: u8 = 13;
}

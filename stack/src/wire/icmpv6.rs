//! The kinds of ICMP message over IPv6 (RFC 4443 §2.1, RFC 4861 §4, RFC 2710, RFC 3810).

/// A packet could not be delivered; the code says why.
pub const UNREACHABLE: u8 = 1;
/// A packet is larger than a link's MTU, which the header carries.
pub const PACKET_TOO_BIG: u8 = 2;
/// A packet met more routers than it may, or a fragment of it did not come.
pub const TIME_EXCEEDED: u8 = 3;
/// A header field was not understood.
pub const PARAMETER_PROBLEM: u8 = 4;
/// Kinds below this one are errors.
pub const FIRST_INFORMATIONAL: u8 = 128;
/// Send this back.
pub const ECHO_REQUEST: u8 = 128;
/// The answer to [`ECHO_REQUEST`].
pub const ECHO_REPLY: u8 = 129;
/// A router asks who listens to which group.
pub const LISTENER_QUERY: u8 = 130;
/// Somebody listens to a group (MLDv1).
pub const LISTENER_REPORT: u8 = 131;
/// Somebody listens no longer (MLDv1).
pub const LISTENER_DONE: u8 = 132;
/// Are there routers?
pub const ROUTER_SOLICITATION: u8 = 133;
/// I am a router.
pub const ROUTER_ADVERTISEMENT: u8 = 134;
/// Who has this address?
pub const NEIGHBOUR_SOLICITATION: u8 = 135;
/// I have this address.
pub const NEIGHBOUR_ADVERTISEMENT: u8 = 136;
/// A better next hop is on the link.
pub const REDIRECT: u8 = 137;
/// Who listens to what (MLDv2).
pub const LISTENER_REPORT_V2: u8 = 143;

/// Codes of [`UNREACHABLE`] (RFC 4443 §3.1).
pub mod unreachable {
    /// No route.
    pub const NO_ROUTE: u8 = 0;
    /// Forbidden.
    pub const PROHIBITED: u8 = 1;
    /// The destination is beyond the source's scope.
    pub const SCOPE: u8 = 2;
    /// The host does not answer.
    pub const ADDRESS: u8 = 3;
    /// Nobody listens on the port.
    pub const PORT: u8 = 4;
    /// The source address is not let out.
    pub const SOURCE_POLICY: u8 = 5;
    /// The route is closed.
    pub const REJECT_ROUTE: u8 = 6;
}

/// Codes of [`PARAMETER_PROBLEM`] (RFC 4443 §3.4).
pub mod parameter {
    /// A field makes no sense.
    pub const FIELD: u8 = 0;
    /// A next header that is not known.
    pub const NEXT_HEADER: u8 = 1;
    /// An option that is not known.
    pub const OPTION: u8 = 2;
}

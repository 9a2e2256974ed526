//! The header that ICMP messages of both versions begin with (RFC 792, RFC 4443 §2.1).

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Where the checksum stands in it.
pub const CHECKSUM_OFFSET: u16 = 2;

/// The header, 8 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// What the message is: see [`super::icmpv4`], [`super::icmpv6`].
    pub kind: u8,
    /// A finer distinction.
    pub code: u8,
    /// The checksum of the whole message; IPv6's covers a pseudo-header too.
    pub checksum: U16,
    /// Four bytes that depend on the kind: identifier and sequence number of an echo, an MTU, a pointer.
    pub rest: [u8; 4],
}

impl Header {
    /// A header without its checksum.
    #[must_use]
    pub const fn new(kind: u8, code: u8, rest: [u8; 4]) -> Self {
        Self { kind, code, checksum: U16::ZERO, rest }
    }

    /// Reads the header at the front of `bytes`; nothing if they are too short.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }
}

//! The UDP header (RFC 768).

use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 8;
/// Where the checksum stands in it.
pub const CHECKSUM_OFFSET: u16 = 6;

/// The header, 8 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// The sender's port; zero where no answer is wanted.
    pub source_port: U16,
    /// The receiver's port.
    pub destination_port: U16,
    /// Bytes of header and payload.
    pub len: U16,
    /// The checksum; zero where there is none.
    pub checksum: U16,
}

impl Header {
    /// A header without its checksum. `len` counts header and payload.
    #[must_use]
    pub const fn new(source_port: u16, destination_port: u16, len: u16) -> Self {
        Self {
            source_port: U16::new(source_port),
            destination_port: U16::new(destination_port),
            len: U16::new(len),
            checksum: U16::ZERO,
        }
    }

    /// Reads the header at the front of `bytes`; nothing if they are too short.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }
}

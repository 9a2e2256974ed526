//! The TCP header (RFC 9293 §3.1); its options are in `tcp_options`.
//!
//! Invariant: a [`Segment`] exists only of a header whose data offset lies in it.

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

bitflags::bitflags! {
    /// The control bits (RFC 9293 §3.1, RFC 3168 §6.1, RFC 9768 §3).
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    pub struct Flags: u16 {
        /// No more data from the sender.
        const FIN = 1;
        /// Synchronize sequence numbers.
        const SYN = 1 << 1;
        /// Reset the connection.
        const RST = 1 << 2;
        /// Hand the data up now.
        const PSH = 1 << 3;
        /// The acknowledgment field counts.
        const ACK = 1 << 4;
        /// The urgent pointer counts.
        const URG = 1 << 5;
        /// ECN echo.
        const ECE = 1 << 6;
        /// Congestion window reduced.
        const CWR = 1 << 7;
        /// Accurate ECN.
        const AE = 1 << 8;
        /// The three bits that tell of congestion: a counter of three bits where both ends agree on it.
        const ACE = 7 << 6;
    }
}

/// The fixed part of the header, 20 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// The sender's port.
    pub source_port: U16,
    /// The receiver's port.
    pub destination_port: U16,
    /// The first data byte's number; the SYN's own where SYN is set.
    pub sequence: U32,
    /// The next number the sender expects.
    pub acknowledgment: U32,
    /// The header's length in words in the upper half; below it three reserved bits, and [`Flags::AE`].
    pub data_offset: u8,
    /// The control bits but [`Flags::AE`].
    pub flags: u8,
    /// The window, before scaling.
    pub window: U16,
    /// The checksum.
    pub checksum: U16,
    /// The urgent pointer.
    pub urgent: U16,
}

/// Bytes of the fixed part.
pub const HEADER_LEN: usize = 20;
/// Where the sequence number stands in a header.
pub const SEQUENCE_OFFSET: usize = 4;
/// Where the word with its length and flags stands.
pub const FLAGS_OFFSET: usize = 12;
/// Where the checksum stands in the header.
pub const CHECKSUM_OFFSET: u16 = 16;

/// Why bytes are no TCP header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the fixed part.
    Short,
    /// The data offset is below 5 or beyond the bytes that lie together.
    DataOffset,
}

/// A header with its options, checked.
#[derive(Clone, Copy, Debug)]
pub struct Segment<'a> {
    /// The fixed part.
    pub header: &'a Header,
    /// The options' bytes.
    pub options: &'a [u8],
}

impl<'a> Segment<'a> {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        let len = usize::from(header.data_offset >> 4) * 4;
        let options = len.checked_sub(HEADER_LEN).and_then(|len| rest.get(..len)).ok_or(Malformed::DataOffset)?;
        Ok(Self { header, options })
    }

    /// Bytes of header and options.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        HEADER_LEN + self.options.len()
    }

    /// The control bits.
    #[must_use]
    pub fn flags(&self) -> Flags {
        Flags::from_bits_retain(u16::from(self.header.data_offset & 1) << 8 | u16::from(self.header.flags))
    }
}

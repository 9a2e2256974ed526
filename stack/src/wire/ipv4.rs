//! The IPv4 header (RFC 791 §3.1) and its options.
//!
//! Invariant: a [`Packet`] exists only of a header whose length lies in the bytes given.

use core::net::Ipv4Addr;

use lendwire_nic::Sum;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::protocol::Protocol;

/// Bytes of the fixed part.
pub const HEADER_LEN: usize = 20;
/// Do not fragment: a bit of the fragment field.
pub const DONT_FRAGMENT: u16 = 1 << 14;
/// Everything in the fragment field that only a fragment has: more fragments, and the offset.
pub const IS_FRAGMENT: u16 = 0x3fff;

/// The fixed part of the header, 20 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// 4 in the upper half; the header's length in words in the lower.
    pub version_len: u8,
    /// DSCP and ECN (RFC 2474, RFC 3168).
    pub traffic_class: u8,
    /// Bytes of the packet.
    pub total_len: U16,
    /// Tells fragments of one packet from another's; means nothing elsewhere (RFC 6864).
    pub identification: U16,
    /// Flags and fragment offset.
    pub fragment: U16,
    /// Hops left.
    pub hop_limit: u8,
    /// What follows.
    pub protocol: u8,
    /// The header's checksum.
    pub checksum: U16,
    /// Who sent it.
    pub source: [u8; 4],
    /// Whom it is for.
    pub destination: [u8; 4],
}

/// Why bytes are no IPv4 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the fixed part.
    Short,
    /// Not version 4.
    Version,
    /// The header's length is below 5 words or beyond the bytes given.
    HeaderLength,
}

/// A header with its options, checked.
#[derive(Clone, Copy, Debug)]
pub struct Packet<'a> {
    /// The fixed part.
    pub header: &'a Header,
    /// The options' bytes.
    pub options: &'a [u8],
    bytes: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &'a [u8]) -> Result<Self, Malformed> {
        let (header, rest) = Header::ref_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        if header.version_len >> 4 != 4 {
            return Err(Malformed::Version);
        }
        let len = usize::from(header.version_len & 0xf) * 4;
        let options = len.checked_sub(HEADER_LEN).and_then(|len| rest.get(..len)).ok_or(Malformed::HeaderLength)?;
        Ok(Self { header, options, bytes: &bytes[..len] })
    }

    /// Bytes of header and options.
    #[must_use]
    pub const fn header_len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether the header's checksum is right (RFC 1122 §3.2.1.2).
    #[must_use]
    pub fn is_sound(&self) -> bool {
        Sum::of(self.bytes).is_sound()
    }
}

impl Header {
    /// A header without options, with its checksum, of a packet that must not be fragmented: its identification means
    /// nothing and is zero (RFC 6864 §4.1).
    #[must_use]
    #[inline]
    pub fn new(
        source: Ipv4Addr,
        destination: Ipv4Addr,
        protocol: Protocol,
        total_len: u16,
        hop_limit: u8,
        traffic_class: u8,
    ) -> Self {
        let mut header = Self {
            version_len: 0x45,
            traffic_class,
            total_len: U16::new(total_len),
            identification: U16::ZERO,
            fragment: U16::new(DONT_FRAGMENT),
            hop_limit,
            protocol: protocol.0,
            checksum: U16::ZERO,
            source: source.octets(),
            destination: destination.octets(),
        };
        header.checksum = U16::new(Sum::of(header.as_bytes()).checksum());
        header
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.source)
    }

    /// Whom it is for.
    #[must_use]
    pub const fn destination(&self) -> Ipv4Addr {
        Ipv4Addr::from_octets(self.destination)
    }

    /// What follows.
    #[must_use]
    pub const fn protocol(&self) -> Protocol {
        Protocol(self.protocol)
    }

    /// Whether this is a part of a larger packet.
    #[must_use]
    pub const fn is_fragment(&self) -> bool {
        self.fragment.get() & IS_FRAGMENT != 0
    }
}

/// Why options are not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionFault {
    /// A length below 2 or beyond the options' end.
    Length,
    /// A route that the sender chose (RFC 791 §3.1): replies would follow it to whom the sender likes (RFC 7126 §4.3).
    SourceRoute,
}

/// Walks the options.
///
/// # Errors
/// See [`OptionFault`].
pub fn check_options(mut options: &[u8]) -> Result<(), OptionFault> {
    const END: u8 = 0;
    const NOP: u8 = 1;
    const LOOSE_ROUTE: u8 = 131;
    const STRICT_ROUTE: u8 = 137;
    while let [kind, rest @ ..] = options {
        match *kind {
            END => return Ok(()),
            NOP => options = rest,
            LOOSE_ROUTE | STRICT_ROUTE => return Err(OptionFault::SourceRoute),
            _ => {
                let len = usize::from(*rest.first().ok_or(OptionFault::Length)?);
                options = if len < 2 { None } else { options.get(len..) }.ok_or(OptionFault::Length)?;
            }
        }
    }
    Ok(())
}

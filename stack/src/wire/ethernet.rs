//! The Ethernet II header (IEEE 802.3 §3.1.1, RFC 894, RFC 2464).
//!
//! Left out: 802.1Q tags in the frame (devices strip them), LLC and SNAP.

use lendwire_nic::MacAddress;
use zerocopy::byteorder::network_endian::U16;
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

/// Bytes of the header.
pub const HEADER_LEN: usize = 14;

/// The header, 14 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// Whom the frame is for.
    pub destination: [u8; 6],
    /// Who sent it.
    pub source: [u8; 6],
    /// What follows.
    pub ethertype: U16,
}

/// What follows an Ethernet header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EtherType(pub u16);

impl EtherType {
    /// IPv4 (RFC 894).
    pub const IPV4: Self = Self(0x0800);
    /// ARP (RFC 826).
    pub const ARP: Self = Self(0x0806);
    /// IPv6 (RFC 2464 §3).
    pub const IPV6: Self = Self(0x86dd);
}

impl Header {
    /// A header.
    #[must_use]
    pub fn new(destination: MacAddress, source: MacAddress, ethertype: EtherType) -> Self {
        Self { destination: destination.0, source: source.0, ethertype: U16::new(ethertype.0) }
    }

    /// Reads the header at the front of `bytes`; nothing if they are too short.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<&Self> {
        Self::ref_from_prefix(bytes).ok().map(|(header, _)| header)
    }

    /// Whom the frame is for.
    #[must_use]
    pub const fn destination(&self) -> MacAddress {
        MacAddress(self.destination)
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> MacAddress {
        MacAddress(self.source)
    }

    /// What follows.
    #[must_use]
    pub const fn ethertype(&self) -> EtherType {
        EtherType(self.ethertype.get())
    }
}

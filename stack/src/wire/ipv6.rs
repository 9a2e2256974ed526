//! The IPv6 header (RFC 8200 §3) and what stands between it and the transport (§4).
//!
//! Left out: jumbograms (RFC 2675), the flow label (always zero, RFC 6437 §2).

use core::net::Ipv6Addr;

use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::protocol::Protocol;

/// Bytes of the header.
pub const HEADER_LEN: usize = 40;
/// The smallest MTU that a link may have (RFC 8200 §5).
pub const MINIMUM_MTU: u16 = 1280;

/// The header, 40 bytes.
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Header {
    /// 6, the traffic class and the flow label: 4, 8 and 20 bits.
    pub version_class_flow: U32,
    /// Bytes behind this header.
    pub payload_len: U16,
    /// What follows.
    pub next_header: u8,
    /// Hops left.
    pub hop_limit: u8,
    /// Who sent it.
    pub source: [u8; 16],
    /// Whom it is for.
    pub destination: [u8; 16],
}

/// Why bytes are no IPv6 header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Malformed {
    /// Shorter than the header.
    Short,
    /// Not version 6.
    Version,
}

impl Header {
    /// A header.
    #[must_use]
    #[inline]
    pub fn new(
        source: Ipv6Addr,
        destination: Ipv6Addr,
        next_header: Protocol,
        payload_len: u16,
        hop_limit: u8,
        traffic_class: u8,
    ) -> Self {
        Self {
            version_class_flow: U32::new(6 << 28 | u32::from(traffic_class) << 20),
            payload_len: U16::new(payload_len),
            next_header: next_header.0,
            hop_limit,
            source: source.octets(),
            destination: destination.octets(),
        }
    }

    /// Reads the header at the front of `bytes`.
    ///
    /// # Errors
    /// See [`Malformed`].
    pub fn parse(bytes: &[u8]) -> Result<&Self, Malformed> {
        let (header, _) = Self::ref_from_prefix(bytes).map_err(|_| Malformed::Short)?;
        if header.version_class_flow.get() >> 28 != 6 {
            return Err(Malformed::Version);
        }
        Ok(header)
    }

    /// DSCP and ECN.
    #[must_use]
    pub const fn traffic_class(&self) -> u8 {
        (self.version_class_flow.get() >> 20) as u8
    }

    /// Who sent it.
    #[must_use]
    pub const fn source(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.source)
    }

    /// Whom it is for.
    #[must_use]
    pub const fn destination(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.destination)
    }

    /// What follows.
    #[must_use]
    pub const fn next_header(&self) -> Protocol {
        Protocol(self.next_header)
    }
}

/// The start that all extension headers share (RFC 8200 §4).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Extension {
    /// What follows.
    pub next_header: u8,
    /// Units of 8 bytes besides the first.
    pub len: u8,
    /// Options, or what the header's kind says.
    pub data: [u8; 6],
}

impl Extension {
    /// Reads the extension header `kind` at the front of `bytes`, and returns it with all of its bytes.
    #[must_use]
    pub fn parse(kind: Protocol, bytes: &[u8]) -> Option<(&Self, &[u8])> {
        let (extension, _) = Self::ref_from_prefix(bytes).ok()?;
        // A fragment header's second byte is reserved, not a length (§4.5).
        let units = if kind == Protocol::FRAGMENT { 1 } else { usize::from(extension.len) + 1 };
        Some((extension, bytes.get(..8 * units)?))
    }
}

/// What is wrong with the options of a hop-by-hop or destination options header (RFC 8200 §4.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionFault {
    /// A length beyond the header's end.
    Length,
    /// An unknown option that wants the packet dropped.
    Drop,
    /// An unknown option that wants the sender told, at this byte of the extension header.
    Report(usize),
    /// The same, unless the packet went to a group.
    ReportUnicast(usize),
}

/// Walks the options of a whole extension header; unknown ones that may be skipped are.
///
/// # Errors
/// See [`OptionFault`].
pub fn check_options(header: &[u8]) -> Result<(), OptionFault> {
    const PAD1: u8 = 0;
    const PADN: u8 = 1;
    const ROUTER_ALERT: u8 = 5;
    let mut at = 2;
    while at < header.len() {
        let kind = header[at];
        if kind == PAD1 {
            at += 1;
            continue;
        }
        let len = usize::from(*header.get(at + 1).ok_or(OptionFault::Length)?);
        if at + 2 + len > header.len() {
            return Err(OptionFault::Length);
        }
        // The two upper bits say what to do with an option that is not known.
        match (kind, kind >> 6) {
            (PADN | ROUTER_ALERT, _) | (_, 0) => {}
            (_, 1) => return Err(OptionFault::Drop),
            (_, 2) => return Err(OptionFault::Report(at)),
            (_, _) => return Err(OptionFault::ReportUnicast(at)),
        }
        at += 2 + len;
    }
    Ok(())
}

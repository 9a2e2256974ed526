//! Messages of neighbour discovery (RFC 4861 §4), each with its ICMP header, and their options.
//!
//! Left out: redirects; options that are not spoken here are skipped.

use core::net::Ipv6Addr;

use lendwire_nic::MacAddress;
use zerocopy::byteorder::network_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::icmpv6;

/// The hop limit of every message: a router would have lowered it (RFC 4861 §3.1).
pub const HOP_LIMIT: u8 = 255;

/// Are there routers? 8 bytes (§4.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RouterSolicitation {
    /// 133.
    pub kind: u8,
    /// Zero.
    pub code: u8,
    /// The ICMP checksum.
    pub checksum: U16,
    /// Zero.
    pub reserved: [u8; 4],
}

/// I am a router: 16 bytes (§4.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct RouterAdvertisement {
    /// 134.
    pub kind: u8,
    /// Zero.
    pub code: u8,
    /// The ICMP checksum.
    pub checksum: U16,
    /// The hop limit to use; zero if the router does not say.
    pub hop_limit: u8,
    /// Whether to use DHCPv6; ignored here.
    pub flags: u8,
    /// For how many seconds it is a default router; zero: not at all.
    pub router_lifetime: U16,
    /// For how many milliseconds a neighbour that answered counts as reachable; zero if the router does not say.
    pub reachable_time: U32,
    /// Milliseconds between solicitations; zero if the router does not say.
    pub retransmission_timer: U32,
}

/// A neighbour solicitation or advertisement: 24 bytes (§4.3, §4.4).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct Neighbour {
    /// 135 or 136.
    pub kind: u8,
    /// Zero.
    pub code: u8,
    /// The ICMP checksum.
    pub checksum: U16,
    /// [`Flags`] of an advertisement.
    pub flags: u8,
    /// Zero.
    pub reserved: [u8; 3],
    /// The address asked for, or had.
    pub target: [u8; 16],
}

bitflags::bitflags! {
    /// Flags of an advertisement (§4.4).
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// The hardware address replaces a known one.
        const OVERRIDE = 1 << 5;
        /// It answers a solicitation.
        const SOLICITED = 1 << 6;
        /// The sender is a router.
        const ROUTER = 1 << 7;
    }
}

impl RouterSolicitation {
    /// A solicitation without its checksum.
    pub const NEW: Self = Self { kind: icmpv6::ROUTER_SOLICITATION, code: 0, checksum: U16::ZERO, reserved: [0; 4] };
}

impl Neighbour {
    /// Bytes of a message without options.
    pub const LEN: usize = 24;

    /// A solicitation for `target`, without its checksum.
    #[must_use]
    pub const fn solicitation(target: Ipv6Addr) -> Self {
        Self {
            kind: icmpv6::NEIGHBOUR_SOLICITATION,
            code: 0,
            checksum: U16::ZERO,
            flags: 0,
            reserved: [0; 3],
            target: target.octets(),
        }
    }

    /// An advertisement of `target`, without its checksum.
    #[must_use]
    pub const fn advertisement(target: Ipv6Addr, flags: Flags) -> Self {
        Self { kind: icmpv6::NEIGHBOUR_ADVERTISEMENT, flags: flags.bits(), ..Self::solicitation(target) }
    }

    /// The address asked for, or had.
    #[must_use]
    pub const fn target(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.target)
    }

    /// The flags of an advertisement.
    #[must_use]
    pub const fn flags(&self) -> Flags {
        Flags::from_bits_retain(self.flags)
    }
}

/// A network on the link, or to make addresses in: 32 bytes (§4.6.2).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct PrefixInformation {
    /// 3.
    pub kind: u8,
    /// 4 units of 8 bytes.
    pub len: u8,
    /// Bits of the prefix.
    pub prefix_len: u8,
    /// On-link in bit 7, autonomous configuration in bit 6.
    pub flags: u8,
    /// Seconds for which the network is on the link and addresses in it are valid; all ones: for ever.
    pub valid_lifetime: U32,
    /// Seconds for which addresses in it are preferred.
    pub preferred_lifetime: U32,
    /// Zero.
    pub reserved: [u8; 4],
    /// The prefix.
    pub prefix: [u8; 16],
}

impl PrefixInformation {
    /// Whether addresses of the prefix are on the link.
    #[must_use]
    pub const fn is_on_link(&self) -> bool {
        self.flags & 1 << 7 != 0
    }

    /// Whether to make an address in it.
    #[must_use]
    pub const fn is_autonomous(&self) -> bool {
        self.flags & 1 << 6 != 0
    }

    /// The prefix.
    #[must_use]
    pub const fn prefix(&self) -> Ipv6Addr {
        Ipv6Addr::from_octets(self.prefix)
    }
}

/// An option with a hardware address: 8 bytes (§4.6.1).
#[derive(Clone, Copy, Debug, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub struct LinkLayerAddress {
    /// 1 for the source's, 2 for the target's.
    pub kind: u8,
    /// 1 unit of 8 bytes.
    pub len: u8,
    /// The address.
    pub address: [u8; 6],
}

impl LinkLayerAddress {
    /// Bytes of the option.
    pub const LEN: usize = 8;

    /// The sender's own address, in a solicitation.
    #[must_use]
    pub const fn source(address: MacAddress) -> Self {
        Self { kind: 1, len: 1, address: address.0 }
    }

    /// The target's address, in an advertisement.
    #[must_use]
    pub const fn target(address: MacAddress) -> Self {
        Self { kind: 2, len: 1, address: address.0 }
    }
}

/// One option.
#[derive(Clone, Copy, Debug)]
pub enum NdpOption<'a> {
    /// The sender's hardware address.
    Source(MacAddress),
    /// The target's hardware address.
    Target(MacAddress),
    /// A network.
    Prefix(&'a PrefixInformation),
    /// The link's MTU in bytes.
    Mtu(u32),
}

/// An option whose length is zero or lies beyond the message (§4.6, §6.1, §7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption;

/// Reads the options that are known here one after the other; their lengths must have been checked.
///
/// ```
/// use lendwire::wire::ndp;
/// assert!(ndp::options(&[1, 0]).is_err(), "an option takes 8 bytes at least");
/// ```
///
/// # Errors
/// [`BadOption`] if any length is wrong: the whole message is to be dropped.
pub fn options(bytes: &[u8]) -> Result<impl Iterator<Item = NdpOption<'_>>, BadOption> {
    let mut left = bytes;
    while !left.is_empty() {
        (_, left) = split(left).ok_or(BadOption)?;
    }
    let mut left = bytes;
    Ok(core::iter::from_fn(move || {
        while let Some((option, rest)) = split(left) {
            left = rest;
            if let Some(known) = known(option) {
                return Some(known);
            }
        }
        None
    }))
}

fn split(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let len = usize::from(*bytes.get(1)?) * 8;
    if len == 0 { None } else { bytes.split_at_checked(len) }
}

fn known(option: &[u8]) -> Option<NdpOption<'_>> {
    match option {
        [1, 1, address @ ..] => Some(NdpOption::Source(MacAddress(address.try_into().ok()?))),
        [2, 1, address @ ..] => Some(NdpOption::Target(MacAddress(address.try_into().ok()?))),
        [3, 4, ..] => PrefixInformation::ref_from_bytes(option).ok().map(NdpOption::Prefix),
        [5, 1, _, _, mtu @ ..] => Some(NdpOption::Mtu(u32::from_be_bytes(mtu.try_into().ok()?))),
        _ => None,
    }
}

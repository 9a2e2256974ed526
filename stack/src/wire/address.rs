//! Addresses: prefixes, groups, and the groups' hardware addresses.
//!
//! Invariant: a [`Cidr`] has a prefix that its address can have. RFC 4291 (IPv6 addressing), RFC 1112 §6.4 and RFC 2464
//! §7 (groups on Ethernet), RFC 4632 (prefixes).

use core::fmt;
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire_nic::MacAddress;

/// All nodes on the link (RFC 4291 §2.7.1).
pub const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
/// All routers on the link (RFC 4291 §2.7.1).
pub const ALL_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 2);
/// All routers that hear MLDv2 (RFC 3810 §5.2.14).
pub const ALL_MLD_ROUTERS: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 0x16);
/// All hosts on the link (RFC 1112 §4).
pub const ALL_HOSTS: Ipv4Addr = Ipv4Addr::new(224, 0, 0, 1);

/// An address and the length of its network's prefix, in bits.
///
/// ```
/// use lendwire::wire::address::Cidr;
/// let cidr = Cidr::new([192, 0, 2, 7].into(), 24)?;
/// assert!(cidr.contains([192, 0, 2, 200].into()));
/// assert_eq!(cidr.network().to_string(), "192.0.2.0/24");
/// # Ok::<(), lendwire::wire::address::PrefixTooLong>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Cidr {
    address: IpAddr,
    prefix: u8,
}

/// A prefix longer than the address: at most 32 bits for IPv4, 128 for IPv6.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PrefixTooLong;

impl Cidr {
    /// `address` in a network of `prefix` bits.
    ///
    /// # Errors
    /// [`PrefixTooLong`].
    pub const fn new(address: IpAddr, prefix: u8) -> Result<Self, PrefixTooLong> {
        let most = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        if prefix > most { Err(PrefixTooLong) } else { Ok(Self { address, prefix }) }
    }

    /// The network of one address.
    #[must_use]
    pub const fn host(address: IpAddr) -> Self {
        let prefix = match address {
            IpAddr::V4(_) => 32,
            IpAddr::V6(_) => 128,
        };
        Self { address, prefix }
    }

    /// The network of every IPv4 address: a default route's.
    pub const EVERY_IPV4: Self = Self { address: IpAddr::V4(Ipv4Addr::UNSPECIFIED), prefix: 0 };
    /// The network of every IPv6 address.
    pub const EVERY_IPV6: Self = Self { address: IpAddr::V6(Ipv6Addr::UNSPECIFIED), prefix: 0 };
    /// The network that every link has to itself (RFC 4291 §2.5.6).
    pub const LINK_LOCAL: Self = Self { address: IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), prefix: 10 };

    /// The address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.address
    }

    /// The prefix's length in bits.
    #[must_use]
    pub const fn prefix(&self) -> u8 {
        self.prefix
    }

    /// The network, with the bits behind the prefix cleared.
    #[must_use]
    pub fn network(&self) -> Self {
        let address = match self.address {
            IpAddr::V4(address) => IpAddr::V4(Ipv4Addr::from_bits(address.to_bits() & mask_v4(self.prefix))),
            IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & mask_v6(self.prefix))),
        };
        Self { address, prefix: self.prefix }
    }

    /// Whether `address` lies in the network; never when it is of the other version.
    #[must_use]
    #[inline]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address) {
            (IpAddr::V4(mine), IpAddr::V4(other)) => (mine.to_bits() ^ other.to_bits()) & mask_v4(self.prefix) == 0,
            (IpAddr::V6(mine), IpAddr::V6(other)) => (mine.to_bits() ^ other.to_bits()) & mask_v6(self.prefix) == 0,
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => false,
        }
    }

    /// The network's broadcast address; networks of two addresses or of one have none (RFC 3021).
    #[must_use]
    pub fn broadcast(&self) -> Option<Ipv4Addr> {
        match self.address {
            IpAddr::V4(address) if self.prefix < 31 => {
                Some(Ipv4Addr::from_bits(address.to_bits() | !mask_v4(self.prefix)))
            }
            IpAddr::V4(_) | IpAddr::V6(_) => None,
        }
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.address, self.prefix)
    }
}

/// The first `prefix` bits of 32.
const fn mask_v4(prefix: u8) -> u32 {
    if prefix == 0 { 0 } else { u32::MAX << (32 - prefix) }
}

/// The first `prefix` bits of 128.
const fn mask_v6(prefix: u8) -> u128 {
    if prefix == 0 { 0 } else { u128::MAX << (128 - prefix) }
}

/// The prefix length that an IPv4 subnet mask stands for, if its ones lie together (RFC 950).
#[must_use]
pub const fn prefix_of_mask(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    if bits.leading_ones() + bits.trailing_zeros() == 32 { Some(bits.leading_ones() as u8) } else { None }
}

/// The group that whoever has `address` must listen to (RFC 4291 §2.7.1).
#[must_use]
pub const fn solicited_node(address: Ipv6Addr) -> Ipv6Addr {
    let [.., a, b, c] = address.octets();
    Ipv6Addr::new(0xff02, 0, 0, 0, 0, 1, 0xff00 | a as u16, (b as u16) << 8 | c as u16)
}

/// The hardware address of a group (RFC 1112 §6.4, RFC 2464 §7).
#[must_use]
pub const fn group_mac(group: IpAddr) -> MacAddress {
    match group {
        IpAddr::V4(group) => {
            let [_, b, c, d] = group.octets();
            MacAddress([0x01, 0x00, 0x5e, b & 0x7f, c, d])
        }
        IpAddr::V6(group) => {
            let [.., a, b, c, d] = group.octets();
            MacAddress([0x33, 0x33, a, b, c, d])
        }
    }
}

/// Leading bits that two IPv6 addresses share (RFC 6724 §2.2).
#[must_use]
pub const fn common_prefix(a: Ipv6Addr, b: Ipv6Addr) -> u32 {
    (a.to_bits() ^ b.to_bits()).leading_zeros()
}

#[cfg(test)]
mod tests {
    extern crate std;
    use super::*;

    #[test]
    fn a_prefix_cannot_be_longer_than_its_address() {
        assert_eq!(Cidr::new([10, 0, 0, 1].into(), 33), Err(PrefixTooLong));
        assert!(Cidr::new(Ipv6Addr::LOCALHOST.into(), 128).is_ok());
    }

    #[test]
    fn an_empty_prefix_holds_every_address_of_its_version_and_no_other() {
        assert!(Cidr::EVERY_IPV4.contains([203, 0, 113, 9].into()));
        assert!(!Cidr::EVERY_IPV4.contains(Ipv6Addr::LOCALHOST.into()));
    }

    #[test]
    fn rfc3021_a_network_of_two_has_no_broadcast() {
        let address = [192, 0, 2, 4].into();
        assert_eq!(Cidr::new(address, 31).unwrap().broadcast(), None);
        assert_eq!(Cidr::new(address, 30).unwrap().broadcast(), Some(Ipv4Addr::new(192, 0, 2, 7)));
    }

    #[test]
    fn rfc4291_a_solicited_node_group_keeps_the_last_24_bits() {
        let address = "4037::01:800:200e:8c6c".parse().unwrap();
        assert_eq!(solicited_node(address), "ff02::1:ff0e:8c6c".parse::<Ipv6Addr>().unwrap());
        assert_eq!(group_mac(solicited_node(address).into()), MacAddress([0x33, 0x33, 0xff, 0x0e, 0x8c, 0x6c]));
    }

    #[test]
    fn rfc950_a_mask_with_a_hole_is_none() {
        assert_eq!(prefix_of_mask(Ipv4Addr::new(255, 255, 240, 0)), Some(20));
        assert_eq!(prefix_of_mask(Ipv4Addr::UNSPECIFIED), Some(0));
        assert_eq!(prefix_of_mask(Ipv4Addr::BROADCAST), Some(32));
        assert_eq!(prefix_of_mask(Ipv4Addr::new(255, 0, 255, 0)), None);
    }
}

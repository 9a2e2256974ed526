//! Which of its addresses a host sends from (RFC 6724 §5; RFC 1122 §3.3.4.3 for IPv4).
//!
//! Left out: policy tables, home and temporary addresses (rules 4, 6 and 7).

use core::cmp::Reverse;
use core::net::{IpAddr, Ipv6Addr};

use super::Ip;
use super::address::{Address, AddressState};
use super::interface::Interface;
use crate::wire::address::{Cidr, common_prefix};

impl Ip<'_> {
    /// The best address of `interface` to send to `destination` from.
    pub(super) fn select_source(&self, interface: &Interface, destination: IpAddr, next_hop: IpAddr) -> Option<IpAddr> {
        let candidates = interface.iter().filter(|address| address.is_usable());
        let best = match destination {
            IpAddr::V4(_) if destination.is_loopback() => return Some(destination),
            IpAddr::V4(_) => candidates
                .filter(|address| address.cidr.address().is_ipv4())
                .min_by_key(|address| Reverse((address.cidr.contains(next_hop), is_preferred(address)))),
            IpAddr::V6(_) if destination.is_loopback() => return Some(destination),
            IpAddr::V6(destination) => candidates.min_by_key(|address| match address.cidr.address() {
                IpAddr::V4(_) => Reverse(None),
                IpAddr::V6(source) => Reverse(Some(rank(address, source, destination))),
            }),
        };
        best.map(|address| address.cidr.address()).filter(|source| source.is_ipv4() == destination.is_ipv4())
    }
}

fn is_preferred(address: &Address) -> bool {
    address.state == AddressState::Preferred
}

/// Rules 1, 2, 3 and 8: the largest is the best. Of equals, the address that came first is taken.
fn rank(address: &Address, source: Ipv6Addr, destination: Ipv6Addr) -> (bool, bool, Reverse<u8>, bool, u32) {
    let (mine, theirs) = (scope(source), scope(destination));
    let reaches = mine >= theirs;
    // Rule 2: the smallest scope that reaches; of those that do not, the largest.
    let distance = Reverse(mine.abs_diff(theirs));
    (source == destination, reaches, distance, is_preferred(address), common_prefix(source, destination))
}

/// RFC 6724 §3.1: link-local 2, everything else global; of a group, what it says (RFC 4291 §2.7).
fn scope(address: Ipv6Addr) -> u8 {
    match address.octets() {
        [0xff, flags_scope, ..] => flags_scope & 0xf,
        _ if Cidr::LINK_LOCAL.contains(address.into()) || address.is_loopback() => 2,
        _ => 0xe,
    }
}

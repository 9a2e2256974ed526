//! Headers as they stand on the wire: zero-copy views that are checked once, and builders. Uses nobody.
//!
//! Invariant: a view exists only of bytes that are long enough for it; what a field means is the layers' business.

pub mod accurate_ecn;
pub mod address;
pub mod arp;
pub mod dhcpv4;
pub mod ethernet;
pub mod fast_open;
pub mod icmp;
pub mod icmpv4;
pub mod icmpv6;
pub mod ipv4;
pub mod ipv6;
pub mod ndp;
pub mod protocol;
pub mod pseudo;
pub mod tcp;
pub mod tcp_options;
pub mod udp;

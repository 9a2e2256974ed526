//! The pseudo-header that transport checksums cover (RFC 9293 §3.1, RFC 768, RFC 8200 §8.1).

use core::net::IpAddr;

use lendwire_nic::Sum;

use super::protocol::Protocol;

/// The sum of the pseudo-header of a transport packet of `len` bytes, its header included.
///
/// Both addresses are of one version; ICMP for IPv4 has no pseudo-header, so its sum is that of no bytes.
#[must_use]
#[inline]
pub fn pseudo_header(source: IpAddr, destination: IpAddr, protocol: Protocol, len: usize) -> Sum {
    if protocol == Protocol::ICMPV4 {
        return Sum::ZERO;
    }
    let addresses = match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => words_v4(source.to_bits()) + words_v4(destination.to_bits()),
        (source, destination) => words(source) + words(destination),
    };
    // Both versions come to the same words: a length that fits 16 bits but in jumbograms, and the protocol.
    let len = len as u64;
    let mut total = addresses + (len >> 16) + (len & 0xffff) + u64::from(protocol.0);
    total = (total & 0xffff) + (total >> 16);
    total = (total & 0xffff) + (total >> 16);
    Sum::of_word(total as u16)
}

fn words(address: IpAddr) -> u64 {
    match address {
        IpAddr::V4(address) => words_v4(address.to_bits()),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            words_v4((bits >> 96) as u32)
                + words_v4((bits >> 64) as u32)
                + words_v4((bits >> 32) as u32)
                + words_v4(bits as u32)
        }
    }
}

const fn words_v4(bits: u32) -> u64 {
    (bits >> 16) as u64 + (bits & 0xffff) as u64
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;

    #[test]
    fn rfc8200_the_pseudo_header_sums_as_its_bytes_do() {
        let source: IpAddr = "2001:db8::1:ffff".parse().unwrap();
        let destination: IpAddr = "2001:db8:ffff:ffff:ffff:ffff:ffff:fffe".parse().unwrap();
        let (IpAddr::V6(a), IpAddr::V6(b)) = (source, destination) else { unreachable!() };
        let bytes: Vec<u8> = [&a.octets()[..], &b.octets(), &[0, 1, 0x86, 0xa0], &[0, 0, 0, 17]].concat();
        assert_eq!(pseudo_header(source, destination, Protocol::UDP, 100_000), Sum::of(&bytes));
    }

    #[test]
    fn rfc9293_the_pseudo_header_of_ipv4_sums_as_its_bytes_do() {
        let bytes = [192, 0, 2, 1, 198, 51, 100, 255, 0, 6, 0x05, 0xdc];
        let sum = pseudo_header([192, 0, 2, 1].into(), [198, 51, 100, 255].into(), Protocol::TCP, 1500);
        assert_eq!(sum, Sum::of(&bytes));
    }
}

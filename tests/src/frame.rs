//! Ethernet, ARP, NDP, IPv4 and IPv6 as bytes. Nothing here is shared with the stack: what both get wrong alike would
//! not be seen.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire_nic::MacAddress;

/// The Ethernet types.
pub const IPV4: u16 = 0x0800;
/// See [`IPV4`].
pub const ARP: u16 = 0x0806;
/// See [`IPV4`].
pub const IPV6: u16 = 0x86dd;
/// IP protocol numbers.
pub const TCP: u8 = 6;
/// See [`TCP`].
pub const ICMPV6: u8 = 58;

/// The one's-complement sum of `parts` laid end to end (RFC 1071), folded to 16 bits.
#[must_use]
pub fn sum(parts: &[&[u8]]) -> u16 {
    let mut total = 0u64;
    for (place, byte) in parts.iter().flat_map(|part| part.iter()).enumerate() {
        total += u64::from(*byte) << if place % 2 == 0 { 8 } else { 0 };
    }
    while total > 0xffff {
        total = (total & 0xffff) + (total >> 16);
    }
    total as u16
}

/// The pseudo-header of a transport packet of `len` bytes (RFC 9293 §3.1, RFC 8200 §8.1).
#[must_use]
pub fn pseudo(source: IpAddr, destination: IpAddr, protocol: u8, len: usize) -> Vec<u8> {
    let len = (len as u32).to_be_bytes();
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            [&source.octets()[..], &destination.octets(), &[0, protocol], &len[2..]].concat()
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            [&source.octets()[..], &destination.octets(), &len, &[0, 0, 0, protocol]].concat()
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("both ends have one version"),
    }
}

/// An Ethernet frame.
#[must_use]
pub fn ethernet(destination: MacAddress, source: MacAddress, ethertype: u16, body: &[u8]) -> Vec<u8> {
    [&destination.0[..], &source.0, &ethertype.to_be_bytes(), body].concat()
}

/// An IP packet of either version around a transport packet, without options.
#[must_use]
pub fn ip(source: IpAddr, destination: IpAddr, protocol: u8, hop_limit: u8, body: &[u8]) -> (u16, Vec<u8>) {
    match (source, destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => (IPV4, ipv4(source, destination, protocol, hop_limit, body)),
        (IpAddr::V6(source), IpAddr::V6(destination)) => (IPV6, ipv6(source, destination, protocol, hop_limit, body)),
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => panic!("both ends have one version"),
    }
}

/// Gives an IP packet another byte of DSCP and ECN.
pub fn set_traffic_class(packet: &mut [u8], traffic_class: u8) {
    if packet[0] >> 4 == 6 {
        packet[0] = 0x60 | traffic_class >> 4;
        packet[1] = traffic_class << 4 | packet[1] & 0xf;
        return;
    }
    packet[1] = traffic_class;
    packet[10..12].fill(0);
    let checksum = !sum(&[&packet[..20]]);
    packet[10..12].copy_from_slice(&checksum.to_be_bytes());
}

fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: u8, hop_limit: u8, body: &[u8]) -> Vec<u8> {
    let total = (20 + body.len()) as u16;
    let mut header = [&[0x45, 0][..], &total.to_be_bytes(), &[0, 1, 0x40, 0, hop_limit, protocol, 0, 0]].concat();
    header.extend_from_slice(&source.octets());
    header.extend_from_slice(&destination.octets());
    let checksum = !sum(&[&header]);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    [&header[..], body].concat()
}

fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: u8, hop_limit: u8, body: &[u8]) -> Vec<u8> {
    let len = (body.len() as u16).to_be_bytes();
    [&[0x60, 0, 0, 0][..], &len, &[protocol, hop_limit], &source.octets(), &destination.octets(), body].concat()
}

/// What a frame turned out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Opened {
    /// An ARP request for an address.
    ArpRequest {
        /// Who asks.
        sender: Ipv4Addr,
        /// The asker's hardware address.
        sender_mac: MacAddress,
        /// Who is asked for.
        target: Ipv4Addr,
    },
    /// A neighbour solicitation.
    Solicitation {
        /// Who asks; unspecified while it looks for duplicates.
        sender: Ipv6Addr,
        /// The asker's hardware address.
        sender_mac: MacAddress,
        /// Who is asked for.
        target: Ipv6Addr,
    },
    /// An IP packet.
    Ip {
        /// Who sent it.
        source: IpAddr,
        /// Whom it is for.
        destination: IpAddr,
        /// What follows.
        protocol: u8,
        /// What follows.
        body: Vec<u8>,
    },
    /// Something else.
    Other,
}

/// Reads a frame of the stack.
///
/// # Panics
/// If the stack sent an IP header with a wrong length or checksum.
#[must_use]
pub fn open(frame: &[u8]) -> Opened {
    let (source_mac, body) = (mac(&frame[6..12]), &frame[14..]);
    match u16::from_be_bytes([frame[12], frame[13]]) {
        ARP => match body[7] {
            1 => Opened::ArpRequest { sender: v4(&body[14..18]), sender_mac: source_mac, target: v4(&body[24..28]) },
            _ => Opened::Other,
        },
        IPV4 => {
            let header = &body[..usize::from(body[0] & 0xf) * 4];
            let total = usize::from(u16::from_be_bytes([body[2], body[3]]));
            assert_eq!(sum(&[header]), 0xffff, "the stack's IPv4 header checksum is right");
            assert_eq!(total, body.len(), "the stack's IPv4 total length is the packet's");
            let (source, destination) = (v4(&body[12..16]).into(), v4(&body[16..20]).into());
            Opened::Ip { source, destination, protocol: body[9], body: body[header.len()..].to_vec() }
        }
        IPV6 => {
            let len = usize::from(u16::from_be_bytes([body[4], body[5]]));
            assert_eq!(len, body.len() - 40, "the stack's IPv6 payload length is the packet's");
            let (source, destination, inner) = (v6(&body[8..24]), v6(&body[24..40]), &body[40..]);
            if body[6] == ICMPV6 && inner[0] == 135 {
                return Opened::Solicitation { sender: source, sender_mac: source_mac, target: v6(&inner[8..24]) };
            }
            Opened::Ip {
                source: source.into(),
                destination: destination.into(),
                protocol: body[6],
                body: inner.to_vec(),
            }
        }
        _ => Opened::Other,
    }
}

/// The frame that answers an ARP request (RFC 826).
#[must_use]
pub fn arp_reply(mac: MacAddress, address: Ipv4Addr, to_mac: MacAddress, to: Ipv4Addr) -> Vec<u8> {
    let body = [&[0, 1, 8, 0, 6, 4, 0, 2][..], &mac.0, &address.octets(), &to_mac.0, &to.octets()].concat();
    ethernet(to_mac, mac, ARP, &body)
}

/// The frame that answers a neighbour solicitation (RFC 4861 §4.4): solicited, overriding.
#[must_use]
pub fn advertisement(mac: MacAddress, address: Ipv6Addr, to_mac: MacAddress, to: Ipv6Addr) -> Vec<u8> {
    let mut body = [&[136, 0, 0, 0, 0x60, 0, 0, 0][..], &address.octets(), &[2, 1], &mac.0].concat();
    let checksum = !sum(&[&pseudo(address.into(), to.into(), ICMPV6, body.len()), &body]);
    body[2..4].copy_from_slice(&checksum.to_be_bytes());
    let (ethertype, packet) = ip(address.into(), to.into(), ICMPV6, 255, &body);
    ethernet(to_mac, mac, ethertype, &packet)
}

fn mac(bytes: &[u8]) -> MacAddress {
    MacAddress(bytes.try_into().expect("six bytes"))
}

fn v4(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::from_octets(bytes.try_into().expect("four bytes"))
}

fn v6(bytes: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from_octets(bytes.try_into().expect("sixteen bytes"))
}

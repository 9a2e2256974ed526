//! Frames as the peer writes them, and the repair of checksums around a fault.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire_nic::{MacAddress, Pool, Received, RxPacket};
use lendwire_tests::frame::{ARP, ICMPV6, IPV4, IPV6, TCP, ethernet, ip, pseudo, sum};

/// The stack's addresses.
pub(crate) const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const OWN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
/// The peer's addresses.
pub(crate) const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const PEER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub(crate) const PEER_LOCAL: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 2);
/// Groups.
pub(crate) const BROADCAST: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 255);
pub(crate) const ALL_NODES: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const ALL_NODES_MAC: MacAddress = MacAddress([0x33, 0x33, 0, 0, 0, 1]);

/// Protocol numbers.
pub(crate) const ICMP: u8 = 1;
pub(crate) const UDP: u8 = 17;
pub(crate) const HOP_BY_HOP: u8 = 0;
pub(crate) const ROUTING: u8 = 43;
pub(crate) const FRAGMENT: u8 = 44;
pub(crate) const NOTHING: u8 = 59;
pub(crate) const DESTINATION_OPTIONS: u8 = 60;

/// Where headers begin in a frame without options.
pub(crate) const AT_IP: usize = 14;
pub(crate) const AT_V4_BODY: usize = 34;
pub(crate) const AT_V6_BODY: usize = 54;

/// A frame on its way to the stack, and what the device says of it.
#[derive(Clone, Debug)]
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Where one receive buffer ends and the next begins.
    pub(crate) cuts: Vec<usize>,
    pub(crate) vlan: Option<u16>,
    pub(crate) checksum: Received,
}

impl From<Vec<u8>> for Frame {
    fn from(bytes: Vec<u8>) -> Self {
        Self { bytes, cuts: Vec::new(), vlan: None, checksum: Received::Unchecked }
    }
}

impl Frame {
    /// Overwrites bytes.
    pub(crate) fn set(&mut self, at: usize, bytes: &[u8]) -> &mut Self {
        self.bytes[at..at + bytes.len()].copy_from_slice(bytes);
        self
    }

    /// Lets the frame arrive in two buffers, the first of `at` bytes.
    pub(crate) fn cut(&mut self, at: usize) {
        self.cuts.push(at);
    }

    /// Shortens the IPv4 packet to `len` bytes, and its length field with it.
    pub(crate) fn shorten_v4(&mut self, len: u16) {
        self.bytes.truncate(AT_IP + usize::from(len));
        self.set(AT_IP + 2, &len.to_be_bytes());
    }

    /// Shortens the IPv6 packet to `len` bytes behind its header, and its length field with it.
    pub(crate) fn shorten_v6(&mut self, len: u16) {
        self.bytes.truncate(AT_V6_BODY + usize::from(len));
        self.set(AT_IP + 4, &len.to_be_bytes());
    }

    /// Makes every checksum right that can be found, so that a row fails for its own reason.
    pub(crate) fn repair(&mut self) {
        match self.bytes.get(12..14) {
            Some([8, 0]) => self.repair_v4(),
            Some([0x86, 0xdd]) => self.repair_v6(),
            Some(_) | None => {}
        }
    }

    fn repair_v4(&mut self) {
        let Some((header, body)) = split_v4(&mut self.bytes[AT_IP..]) else { return };
        header[10..12].fill(0);
        let checksum = !sum(&[header]);
        header[10..12].copy_from_slice(&checksum.to_be_bytes());
        let (source, destination, protocol) = (v4(&header[12..]), v4(&header[16..]), header[9]);
        repair_body(source.into(), destination.into(), protocol, body);
    }

    fn repair_v6(&mut self) {
        let Some((header, rest)) = self.bytes[AT_IP..].split_at_mut_checked(40) else { return };
        let len = usize::from(u16::from_be_bytes([header[4], header[5]])).min(rest.len());
        let (source, destination) = (v6(&header[8..]), v6(&header[24..]));
        let (mut protocol, mut body) = (header[6], &mut rest[..len]);
        while let HOP_BY_HOP | ROUTING | DESTINATION_OPTIONS | FRAGMENT = protocol {
            let [next, units, ..] = *body else { return };
            let len = if protocol == FRAGMENT { 8 } else { 8 + 8 * usize::from(units) };
            let Some((_, behind)) = body.split_at_mut_checked(len) else { return };
            (protocol, body) = (next, behind);
        }
        repair_body(source.into(), destination.into(), protocol, body);
    }

    /// The frame in slots of `pool`.
    pub(crate) fn packet(&self, pool: &'static Pool) -> RxPacket {
        let mut packet: Option<RxPacket> = None;
        let mut ends: Vec<_> = self.cuts.iter().copied().filter(|cut| *cut < self.bytes.len()).collect();
        ends.extend((0..self.bytes.len()).step_by(pool.slot_size()).skip(1));
        ends.push(self.bytes.len());
        ends.sort_unstable();
        let mut start = 0;
        for end in ends {
            let mut slot = pool.take().expect("a slot is free for every frame of these tests");
            slot.bytes_mut()[..end - start].copy_from_slice(&self.bytes[start..end]);
            let chunk = slot.freeze(end - start);
            match &mut packet {
                None => packet = Some(RxPacket::new(chunk)),
                Some(packet) => {
                    if packet.room() == 0 {
                        packet.spill(pool.take().expect("a slot is free for every frame of these tests"));
                    }
                    packet.push(chunk).expect("a frame has few pieces");
                }
            }
            start = end;
        }
        let mut packet = packet.expect("there is one piece at least");
        (packet.vlan, packet.checksum) = (self.vlan, self.checksum);
        packet
    }
}

/// Header and body of an IPv4 packet, as far as its lengths can be believed.
fn split_v4(packet: &mut [u8]) -> Option<(&mut [u8], &mut [u8])> {
    let header_len = usize::from(packet.first()? & 0xf) * 4;
    let total = usize::from(u16::from_be_bytes([*packet.get(2)?, *packet.get(3)?]));
    let total = total.min(packet.len());
    if header_len < 20 || header_len > total { None } else { Some(packet[..total].split_at_mut(header_len)) }
}

fn repair_body(source: IpAddr, destination: IpAddr, protocol: u8, body: &mut [u8]) {
    let at = match protocol {
        ICMP | ICMPV6 => 2,
        UDP => 6,
        TCP => 16,
        _ => return,
    };
    // A UDP datagram may be shorter than its packet.
    let len = match protocol {
        UDP if body.len() >= 8 => usize::from(u16::from_be_bytes([body[4], body[5]])).clamp(8, body.len()),
        _ => body.len(),
    };
    let body = &mut body[..len];
    let pseudo = if protocol == ICMP { Vec::new() } else { pseudo(source, destination, protocol, len) };
    let Some(field) = body.get_mut(at..at + 2) else { return };
    field.fill(0);
    let checksum = match !sum(&[&pseudo, body]) {
        0 if protocol == UDP => 0xffff,
        checksum => checksum,
    };
    body[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
}

/// The first four bytes as an address.
pub(crate) fn v4(bytes: &[u8]) -> Ipv4Addr {
    Ipv4Addr::from_octets(*bytes.first_chunk().expect("four bytes"))
}

/// The first sixteen bytes as an address.
pub(crate) fn v6(bytes: &[u8]) -> Ipv6Addr {
    Ipv6Addr::from_octets(*bytes.first_chunk().expect("sixteen bytes"))
}

/// An ARP packet to `to`.
pub(crate) fn arp(to: MacAddress, operation: u16, mac: MacAddress, sender: Ipv4Addr, target: Ipv4Addr) -> Frame {
    let body = [&[0, 1, 8, 0, 6, 4][..], &operation.to_be_bytes(), &mac.0, &sender.octets(), &[0; 6], &target.octets()];
    ethernet(to, PEER_MAC, ARP, &body.concat()).into()
}

/// A packet from the peer to the stack alone, its checksums right.
pub(crate) fn packet(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, protocol: u8, body: &[u8]) -> Frame {
    packet_to(MAC, source, destination, protocol, 64, body)
}

/// A packet from the peer, its checksums right.
pub(crate) fn packet_to(
    mac: MacAddress,
    source: impl Into<IpAddr>,
    destination: impl Into<IpAddr>,
    protocol: u8,
    hop_limit: u8,
    body: &[u8],
) -> Frame {
    let (ethertype, packet) = ip(source.into(), destination.into(), protocol, hop_limit, body);
    let mut frame = Frame::from(ethernet(mac, PEER_MAC, ethertype, &packet));
    frame.repair();
    frame
}

/// A packet with IPv4 options, which are a multiple of 4 bytes.
pub(crate) fn packet_with_options(options: &[u8], protocol: u8, body: &[u8]) -> Frame {
    let plain = packet(PEER, OWN, protocol, body);
    let (front, back) = plain.bytes.split_at(AT_V4_BODY);
    let mut frame = Frame::from([front, options, back].concat());
    let total = (20 + options.len() + body.len()) as u16;
    frame.set(AT_IP, &[0x45 + (options.len() / 4) as u8]).set(AT_IP + 2, &total.to_be_bytes());
    frame.repair();
    frame
}

/// A packet behind extension headers: the number of each, and its bytes without the first one.
pub(crate) fn packet_behind(extensions: &[(u8, &[u8])], protocol: u8, body: &[u8]) -> Frame {
    let mut behind = Vec::new();
    let numbers = extensions.iter().map(|(number, _)| *number).skip(1).chain([protocol]);
    for (next, (_, rest)) in numbers.zip(extensions) {
        behind.push(next);
        behind.extend_from_slice(rest);
    }
    behind.extend_from_slice(body);
    packet(PEER6, OWN6, extensions.first().map_or(protocol, |(number, _)| *number), &behind)
}

/// An extension header's options that say nothing.
pub(crate) const PADDING: [u8; 7] = [0, 1, 4, 0, 0, 0, 0];

/// An ICMP message; its checksum is for the packet to complete.
pub(crate) fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    [&[kind, code, 0, 0][..], &rest, payload].concat()
}

/// Echo requests.
pub(crate) fn echo() -> Frame {
    packet(PEER, OWN, ICMP, &icmp(8, 0, [0, 7, 0, 1], b"0123456789"))
}

/// See [`echo`].
pub(crate) fn echo6() -> Frame {
    packet(PEER6, OWN6, ICMPV6, &icmp(128, 0, [0, 7, 0, 1], b"0123456789"))
}

/// A UDP datagram; its checksum is for the packet to complete.
pub(crate) fn datagram(from: u16, to: u16, payload: &[u8]) -> Vec<u8> {
    let len = (8 + payload.len()) as u16;
    [&from.to_be_bytes()[..], &to.to_be_bytes(), &len.to_be_bytes(), &[0, 0], payload].concat()
}

/// A datagram to the socket that the stack has, over either version.
pub(crate) fn udp() -> Frame {
    packet(PEER, OWN, UDP, &datagram(9000, 7, b"hello"))
}

/// See [`udp`].
pub(crate) fn udp6() -> Frame {
    packet(PEER6, OWN6, UDP, &datagram(9000, 7, b"hello"))
}

/// A neighbour discovery message from `source`: with its hop limit, and to the hardware address of `destination`.
pub(crate) fn ndp(source: Ipv6Addr, destination: Ipv6Addr, message: &[u8]) -> Frame {
    let mac = match destination.octets() {
        [0xff, .., a, b, c, d] => MacAddress([0x33, 0x33, a, b, c, d]),
        _ => MAC,
    };
    packet_to(mac, source, destination, ICMPV6, 255, message)
}

/// Whether a frame is IPv4's, IPv6's or ARP's.
pub(crate) fn ethertype(frame: &[u8]) -> u16 {
    let ethertype = u16::from_be_bytes([frame[12], frame[13]]);
    assert!([ARP, IPV4, IPV6].contains(&ethertype), "the stack speaks nothing else");
    ethertype
}

//! Frames as software makes them, whole and with every checksum: what a device's offloads are compared with.

use lendwire_drivers::model::e1000::Kind;
use lendwire_nic::{Checksum, Payload, Segmentation, TxPacket};

pub(crate) const OWN: [u8; 6] = [0x52, 0x54, 0, 0x12, 0x34, 0x56];
pub(crate) const PEER: [u8; 6] = [0x52, 0x55, 10, 0, 2, 2];
pub(crate) const BROADCAST: [u8; 6] = [0xff; 6];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Version {
    V4,
    V6,
}

pub(crate) const VERSIONS: [Version; 2] = [Version::V4, Version::V6];

/// The versions whose segments a device cuts: an 8254x writes a wrong IPv6 length (SDM §3.5.9.1).
pub(crate) fn versions_cut(kind: Kind) -> &'static [Version] {
    if kind.is_express() { &VERSIONS } else { &VERSIONS[..1] }
}

/// The numbers that differ from one segment to the next.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Numbers {
    pub(crate) identification: u16,
    pub(crate) sequence: u32,
    pub(crate) flags: u8,
}

/// ACK, PSH, FIN: the two last are the last segment's alone.
pub(crate) const FIRST: Numbers = Numbers { identification: 0xfffe, sequence: 0xffff_f000, flags: 0b1_1001 };

/// TCP with 12 bytes of options.
pub(crate) const TCP: usize = 32;

impl Version {
    pub(crate) const fn header_len(self) -> usize {
        match self {
            Self::V4 => 20,
            Self::V6 => 40,
        }
    }

    fn ip(self, protocol: u8, len: usize, identification: u16) -> Vec<u8> {
        match self {
            Self::V4 => {
                let mut ip = vec![0x45, 0];
                ip.extend_from_slice(&(20 + len as u16).to_be_bytes());
                ip.extend_from_slice(&identification.to_be_bytes());
                ip.extend_from_slice(&[0x40, 0, 64, protocol, 0, 0, 10, 0, 2, 15, 10, 0, 2, 2]);
                let sum = !folded(&ip);
                ip[10..12].copy_from_slice(&sum.to_be_bytes());
                ip
            }
            Self::V6 => {
                let mut ip = vec![0x60, 0, 0, 0];
                ip.extend_from_slice(&(len as u16).to_be_bytes());
                ip.extend_from_slice(&[protocol, 64]);
                ip.extend((0..32).map(|byte| 0x20 + byte));
                ip
            }
        }
    }

    fn pseudo(self, protocol: u8, len: usize) -> Vec<u8> {
        let addresses = match self {
            Self::V4 => self.ip(protocol, len, 0)[12..20].to_vec(),
            Self::V6 => self.ip(protocol, len, 0)[8..40].to_vec(),
        };
        [&addresses[..], &(len as u32).to_be_bytes(), &[0, 0, 0, protocol]].concat()
    }

    fn ethernet(self, to: [u8; 6]) -> Vec<u8> {
        let mark = match self {
            Self::V4 => [0x08, 0x00],
            Self::V6 => [0x86, 0xdd],
        };
        [&to[..], &OWN, &mark].concat()
    }
}

fn tcp(numbers: Numbers) -> Vec<u8> {
    let mut tcp = vec![0x13, 0x88, 0, 7];
    tcp.extend_from_slice(&numbers.sequence.to_be_bytes());
    tcp.extend_from_slice(&[1, 2, 3, 4, (TCP * 4) as u8, numbers.flags, 0xff, 0xff, 0, 0, 0, 0]);
    tcp.extend_from_slice(&[1, 1, 8, 10, 9, 8, 7, 6, 5, 4, 3, 2]);
    tcp
}

/// A TCP segment in a frame to `to`, complete.
pub(crate) fn tcp_frame(version: Version, to: [u8; 6], numbers: Numbers, payload: &[u8]) -> Vec<u8> {
    let mut tcp = [&tcp(numbers)[..], payload].concat();
    let sum = checksum(&[&version.pseudo(6, tcp.len())[..], &tcp].concat());
    tcp[16..18].copy_from_slice(&sum.to_be_bytes());
    [version.ethernet(to), version.ip(6, tcp.len(), numbers.identification), tcp].concat()
}

/// A UDP datagram in a frame to `to`, complete.
pub(crate) fn udp_frame(version: Version, to: [u8; 6], payload: &[u8]) -> Vec<u8> {
    let mut udp = [&[0x13, 0x88, 0, 7][..], &(8 + payload.len() as u16).to_be_bytes(), &[0, 0], payload].concat();
    let sum = checksum(&[&version.pseudo(17, udp.len())[..], &udp].concat());
    udp[6..8].copy_from_slice(&sum.to_be_bytes());
    [version.ethernet(to), version.ip(17, udp.len(), 7), udp].concat()
}

/// The frames that a large segment is to become: each made by itself.
pub(crate) fn segments(version: Version, size: usize, payload: &[u8]) -> Vec<Vec<u8>> {
    let count = payload.len().div_ceil(size);
    let frames = payload.chunks(size).enumerate().map(|(index, part)| {
        let numbers = Numbers {
            identification: FIRST.identification.wrapping_add(index as u16),
            sequence: FIRST.sequence.wrapping_add((index * size) as u32),
            flags: if index + 1 == count { FIRST.flags } else { FIRST.flags & !0b1001 },
        };
        tcp_frame(version, PEER, numbers, part)
    });
    frames.collect()
}

/// A TCP segment whose checksum is the device's to complete, as the stack hands it down.
pub(crate) fn tcp_packet(version: Version, payload: Payload<'_>) -> TxPacket<'_> {
    let len = TCP + payload.len();
    let mut packet = TxPacket::new(payload);
    packet.push(TCP).copy_from_slice(&tcp(FIRST));
    let seed = folded(&version.pseudo(6, len));
    packet.header_mut()[16..18].copy_from_slice(&seed.to_be_bytes());
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
    packet.push(version.header_len()).copy_from_slice(&version.ip(6, len, FIRST.identification));
    packet.push(14).copy_from_slice(&version.ethernet(PEER));
    packet
}

/// One that the device is to cut.
pub(crate) fn large_packet(version: Version, size: u16, payload: Payload<'_>) -> TxPacket<'_> {
    let mut packet = tcp_packet(version, payload);
    packet.offload.segmentation = Some(Segmentation { size, ipv6: version == Version::V6, ecn: false });
    packet
}

/// A UDP datagram whose checksum is the device's to complete.
pub(crate) fn udp_packet(version: Version, payload: Payload<'_>) -> TxPacket<'_> {
    let len = 8 + payload.len();
    let mut packet = TxPacket::new(payload);
    packet.push(8).copy_from_slice(&[&[0x13, 0x88, 0, 7][..], &(len as u16).to_be_bytes(), &[0, 0]].concat());
    let seed = folded(&version.pseudo(17, len));
    packet.header_mut()[6..8].copy_from_slice(&seed.to_be_bytes());
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 6 };
    packet.push(version.header_len()).copy_from_slice(&version.ip(17, len, 7));
    packet.push(14).copy_from_slice(&version.ethernet(PEER));
    packet
}

/// Bytes that differ from place to place; whole runs are copied, for an interpreter's sake.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    let run: Vec<u8> = (0..len.min(251)).map(|at| (at * 7) as u8).collect();
    let mut bytes = run.repeat(len.div_ceil(251));
    bytes.truncate(len);
    bytes
}

/// `frame` to `to`, of `len` bytes.
pub(crate) fn plain(to: [u8; 6], len: usize) -> Vec<u8> {
    let mut frame = [&to[..], &PEER, &[0x88, 0xb5], &pattern(len)].concat();
    frame.truncate(len);
    frame
}

/// `frame` with an 802.1Q tag.
pub(crate) fn tagged(frame: &[u8], tag: u16) -> Vec<u8> {
    let [high, low] = tag.to_be_bytes();
    [&frame[..12], &[0x81, 0, high, low], &frame[12..]].concat()
}

/// As devices of this family write it: all ones for zero, which is the same number.
fn checksum(bytes: &[u8]) -> u16 {
    match !folded(bytes) {
        0 => 0xffff,
        sum => sum,
    }
}

fn folded(bytes: &[u8]) -> u16 {
    let mut sum = 0u32;
    for pair in bytes.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}

//! What a device makes of a packet: the frames on the wire, their checksums completed, a large TCP packet cut.
//!
//! Invariant: what the device was told must agree with the packet, or the test fails. virtio 1.2 §5.1.6.2; the fields
//! that change from segment to segment are those that every device of today changes.

use std::net::IpAddr;

use lendwire_nic::{Checksum, Segmentation, TxPacket};

use crate::frame;
use crate::segment::flag::{FIN, PSH};

/// Bytes of an Ethernet header.
const LINK: usize = 14;
/// The congestion-window-reduced bit (RFC 3168 §6.1).
const CWR: u8 = 1 << 7;

/// The frames of `packet` as a wire would carry them.
///
/// # Panics
/// If a packet that is to be cut has headers that do not fit what is asked.
#[must_use]
pub fn frames(packet: &TxPacket<'_>) -> Vec<Vec<u8>> {
    let mut bytes = packet.header().to_vec();
    for part in packet.payload().parts() {
        bytes.extend_from_slice(part.bytes());
    }
    let Checksum::Fill { start, offset } = packet.offload.checksum else {
        assert!(packet.offload.segmentation.is_none(), "who cuts completes checksums too");
        return vec![bytes];
    };
    let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
    if let Some(segmentation) = packet.offload.segmentation {
        return cut(&bytes, start, segmentation);
    }
    // The field holds the pseudo-header's sum already.
    let checksum = !frame::sum(&[&bytes[start..]]);
    bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    vec![bytes]
}

/// Cuts a large packet whose TCP header stands at `start`.
fn cut(packet: &[u8], start: usize, Segmentation { size, ipv6, ecn }: Segmentation) -> Vec<Vec<u8>> {
    let header_len = start + usize::from(packet[start + 12] >> 4) * 4;
    let (headers, payload) = packet.split_at(header_len);
    let flags = headers[start + 13];
    assert_eq!(ecn, flags & CWR != 0, "the device is told of CWR");
    assert!(payload.len() > usize::from(size), "there is something to cut");
    let (source, destination) = ends(headers, ipv6);
    let seed = frame::sum(&[&frame::pseudo(source, destination, frame::TCP, packet.len() - start)]);
    assert_eq!(word(headers, start + 16), seed, "the large packet's pseudo-header is seeded");
    let long = if ipv6 { packet.len() - LINK - 40 } else { packet.len() - LINK };
    assert_eq!(usize::from(word(headers, LINK + if ipv6 { 4 } else { 2 })), long, "its length is the large packet's");

    let seq = u32::from_be_bytes(headers[start + 4..start + 8].try_into().expect("four bytes"));
    let count = payload.len().div_ceil(size.into());
    let segment = |(place, piece): (usize, &[u8])| {
        let mut bytes = [headers, piece].concat();
        let seq = seq.wrapping_add((place * usize::from(size)) as u32);
        bytes[start + 4..start + 8].copy_from_slice(&seq.to_be_bytes());
        let cleared = if place + 1 < count { PSH | FIN } else { 0 } | if place > 0 { CWR } else { 0 };
        bytes[start + 13] = flags & !cleared;
        set_length(&mut bytes, place, ipv6);
        bytes[start + 16..start + 18].fill(0);
        let pseudo = frame::pseudo(source, destination, frame::TCP, bytes.len() - start);
        let checksum = !frame::sum(&[&pseudo, &bytes[start..]]);
        bytes[start + 16..start + 18].copy_from_slice(&checksum.to_be_bytes());
        bytes
    };
    payload.chunks(size.into()).enumerate().map(segment).collect()
}

/// Completes the IP header of the segment that stands in `place`.
fn set_length(bytes: &mut [u8], place: usize, ipv6: bool) {
    let len = (bytes.len() - LINK) as u16;
    if ipv6 {
        bytes[LINK + 4..LINK + 6].copy_from_slice(&(len - 40).to_be_bytes());
        return;
    }
    let id = word(bytes, LINK + 4).wrapping_add(place as u16);
    bytes[LINK + 2..LINK + 4].copy_from_slice(&len.to_be_bytes());
    bytes[LINK + 4..LINK + 6].copy_from_slice(&id.to_be_bytes());
    bytes[LINK + 10..LINK + 12].fill(0);
    let checksum = !frame::sum(&[&bytes[LINK..LINK + 20]]);
    bytes[LINK + 10..LINK + 12].copy_from_slice(&checksum.to_be_bytes());
}

fn ends(headers: &[u8], ipv6: bool) -> (IpAddr, IpAddr) {
    assert_eq!(word(headers, 12), if ipv6 { frame::IPV6 } else { frame::IPV4 }, "the device is told of the version");
    let at = |from: usize| {
        if ipv6 {
            let octets: [u8; 16] = headers[from..from + 16].try_into().expect("sixteen bytes");
            IpAddr::from(octets)
        } else {
            let octets: [u8; 4] = headers[from..from + 4].try_into().expect("four bytes");
            IpAddr::from(octets)
        }
    };
    if ipv6 { (at(LINK + 8), at(LINK + 24)) } else { (at(LINK + 12), at(LINK + 16)) }
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

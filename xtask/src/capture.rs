//! From the classic pcap that QEMU's `filter-dump` writes to pcapng.
//!
//! In: the libpcap file format with microseconds, in the writer's byte order (draft-ietf-opsawg-pcap).
//! Out: one section, one interface with microseconds, one enhanced packet block a frame (draft-ietf-opsawg-pcapng).
//! A file that ends inside a record loses that record only: QEMU may be killed while it writes.

use std::fs::{self, File};
use std::io::{self, BufWriter, Write};
use std::path::Path;

use crate::failure::Failure;

const PCAP_MAGIC: u32 = 0xa1b2_c3d4;
const PCAP_HEADER: usize = 24;
const RECORD_HEADER: usize = 16;

const SECTION_HEADER_BLOCK: u32 = 0x0a0d_0d0a;
const BYTE_ORDER_MAGIC: u32 = 0x1a2b_3c4d;
const INTERFACE_BLOCK: u32 = 1;
const ENHANCED_PACKET_BLOCK: u32 = 6;
const LINK_TYPE_ETHERNET: u16 = 1;

/// Bytes before each frame that are not the frame's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Prefix {
    /// Frames start at once.
    None,
    /// The virtio-net header (virtio 1.2 §5.1.6): QEMU before 8.0 dumps it where the netdev is a TAP device.
    VirtioNet,
}

/// The header that a driver of virtio 1.0 or newer works with.
const MODERN_HEADER: usize = 12;
/// The header without `num_buffers`, which QEMU and the TAP device use until the driver has negotiated.
const LEGACY_HEADER: usize = 10;

impl Prefix {
    /// The prefix's length in front of this frame.
    fn len(self, frame: &[u8]) -> usize {
        match self {
            Prefix::None => 0,
            // Nothing in the dump tells the two apart but the place of the frame's EtherType.
            Prefix::VirtioNet if !has_ether_type(frame, MODERN_HEADER) && has_ether_type(frame, LEGACY_HEADER) => {
                LEGACY_HEADER
            }
            Prefix::VirtioNet => MODERN_HEADER,
        }
    }
}

/// Whether a frame that starts at `offset` has the EtherType of IPv4, ARP, IPv6 or a VLAN tag.
fn has_ether_type(record: &[u8], offset: usize) -> bool {
    let ether_type = record.get(offset + 12..offset + 14);
    matches!(ether_type, Some([0x08, 0x00 | 0x06] | [0x86, 0xdd] | [0x81, 0x00] | [0x88, 0xa8]))
}

/// Converts the file `pcap` to the file `pcapng` and returns the number of frames.
///
/// # Errors
/// [`Failure::File`] when either file cannot be used or the first is no pcap.
pub fn convert_file(pcap: &Path, pcapng: &Path, prefix: Prefix) -> Result<usize, Failure> {
    let from = fs::read(pcap).map_err(|error| Failure::File(format!("{}: {error}", pcap.display())))?;
    let cannot_write = |error: io::Error| Failure::File(format!("{}: {error}", pcapng.display()));
    let mut to = BufWriter::new(File::create(pcapng).map_err(cannot_write)?);
    let frames = convert(&from, &mut to, prefix).map_err(cannot_write)?;
    to.flush().map_err(cannot_write)?;
    Ok(frames)
}

/// Converts a whole capture and returns the number of frames.
///
/// # Errors
/// What `to` reports, or [`io::ErrorKind::InvalidData`] when `from` does not start like a pcap with microseconds.
pub fn convert(from: &[u8], to: &mut impl Write, prefix: Prefix) -> io::Result<usize> {
    let word =
        byte_order(from).ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "not a pcap with microseconds"))?;
    let snap_length = word(&from[16..20]);
    write_section(to)?;
    write_interface(to, snap_length)?;

    let mut rest = &from[PCAP_HEADER..];
    let mut frames = 0;
    while let Some((header, after)) = rest.split_at_checked(RECORD_HEADER) {
        let microseconds = u64::from(word(&header[0..4])) * 1_000_000 + u64::from(word(&header[4..8]));
        let Some((record, next)) = after.split_at_checked(word(&header[8..12]) as usize) else { break };
        rest = next;
        let skipped = prefix.len(record);
        let Some(frame) = record.get(skipped..) else { continue };
        let original_length = word(&header[12..16]).saturating_sub(skipped as u32);
        write_packet(to, microseconds, original_length, frame)?;
        frames += 1;
    }
    Ok(frames)
}

/// How to read a `u32` of this file, or `None` when it is not a pcap.
fn byte_order(file: &[u8]) -> Option<fn(&[u8]) -> u32> {
    let little = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().expect("four bytes"));
    let big = |bytes: &[u8]| u32::from_be_bytes(bytes.try_into().expect("four bytes"));
    let magic = file.get(..PCAP_HEADER)?.get(..4)?;
    if little(magic) == PCAP_MAGIC {
        return Some(little);
    }
    (big(magic) == PCAP_MAGIC).then_some(big)
}

fn write_section(to: &mut impl Write) -> io::Result<()> {
    let mut body = Vec::new();
    body.extend(BYTE_ORDER_MAGIC.to_le_bytes());
    body.extend(1u16.to_le_bytes()); // major version
    body.extend(0u16.to_le_bytes()); // minor version
    body.extend((-1i64).to_le_bytes()); // the section's length is not given
    write_block(to, SECTION_HEADER_BLOCK, &body)
}

fn write_interface(to: &mut impl Write, snap_length: u32) -> io::Result<()> {
    // Without an if_tsresol option, time stamps are microseconds.
    let mut body = Vec::new();
    body.extend(LINK_TYPE_ETHERNET.to_le_bytes());
    body.extend(0u16.to_le_bytes());
    body.extend(snap_length.to_le_bytes());
    write_block(to, INTERFACE_BLOCK, &body)
}

fn write_packet(to: &mut impl Write, microseconds: u64, original_length: u32, frame: &[u8]) -> io::Result<()> {
    let mut body = Vec::with_capacity(20 + frame.len() + 3);
    body.extend(0u32.to_le_bytes()); // interface
    body.extend(((microseconds >> 32) as u32).to_le_bytes());
    body.extend((microseconds as u32).to_le_bytes());
    body.extend((frame.len() as u32).to_le_bytes());
    body.extend(original_length.to_le_bytes());
    body.extend(frame);
    body.resize(body.len().next_multiple_of(4), 0);
    write_block(to, ENHANCED_PACKET_BLOCK, &body)
}

/// A block carries its whole length at both ends, so that readers can go backwards.
fn write_block(to: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = (12 + body.len() as u32).to_le_bytes();
    to.write_all(&kind.to_le_bytes())?;
    to.write_all(&length)?;
    to.write_all(body)?;
    to.write_all(&length)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pcap(frames: &[(u32, u32, &[u8])]) -> Vec<u8> {
        let mut file = Vec::new();
        file.extend(PCAP_MAGIC.to_le_bytes());
        file.extend([2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        file.extend(65536u32.to_le_bytes());
        file.extend(1u32.to_le_bytes());
        for (seconds, micros, frame) in frames {
            for number in [*seconds, *micros, frame.len() as u32, frame.len() as u32 + 7] {
                file.extend(number.to_le_bytes());
            }
            file.extend(*frame);
        }
        file
    }

    /// The blocks of a pcapng as (type, body), with both lengths checked.
    #[track_caller]
    fn blocks(mut file: &[u8]) -> Vec<(u32, Vec<u8>)> {
        let word = |bytes: &[u8]| u32::from_le_bytes(bytes.try_into().unwrap());
        let mut blocks = Vec::new();
        while !file.is_empty() {
            let length = word(&file[4..8]) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(word(&file[length - 4..length]) as usize, length);
            blocks.push((word(&file[0..4]), file[8..length - 4].to_vec()));
            file = &file[length..];
        }
        blocks
    }

    #[test]
    fn every_frame_becomes_a_packet_block_with_its_time() {
        let mut out = Vec::new();
        let frames = convert(&pcap(&[(1, 2, b"hello"), (5000, 999_999, b"")]), &mut out, Prefix::None).unwrap();
        let blocks = blocks(&out);
        assert_eq!(frames, 2);
        assert_eq!(blocks.iter().map(|block| block.0).collect::<Vec<_>>(), [SECTION_HEADER_BLOCK, 1, 6, 6]);
        assert_eq!(blocks[1].1, [1, 0, 0, 0, 0, 0, 1, 0]);
        assert_eq!(blocks[2].1[4..12], [0, 0, 0, 0, 0x42, 0x42, 0x0f, 0]); // 1,000,002
        assert_eq!(blocks[2].1[12..], *b"\x05\0\0\0\x0c\0\0\0hello\0\0\0");
        assert_eq!(blocks[3].1[4..12], [1, 0, 0, 0, 0x3f, 0x34, 0x15, 0x2a]); // 5,000,999,999
    }

    #[test]
    fn a_virtio_header_is_taken_off() {
        let mut out = Vec::new();
        let frames = convert(&pcap(&[(0, 0, &[9; 16]), (0, 0, &[9; 4])]), &mut out, Prefix::VirtioNet).unwrap();
        assert_eq!(frames, 1);
        assert_eq!(blocks(&out)[2].1[12..], [4, 0, 0, 0, 11, 0, 0, 0, 9, 9, 9, 9]);
    }

    #[test]
    fn the_shorter_virtio_header_before_negotiation_is_told_by_the_ether_type() {
        let ipv6 = [&[0x33; 12][..], &[0x86, 0xdd, 0x60, 0, 0, 0]].concat();
        for header in [LEGACY_HEADER, MODERN_HEADER] {
            let mut out = Vec::new();
            let record = [&vec![0; header][..], &ipv6].concat();
            convert(&pcap(&[(0, 0, &record)]), &mut out, Prefix::VirtioNet).unwrap();
            assert_eq!(blocks(&out)[2].1[20..38], ipv6, "header of {header} bytes");
        }
    }

    #[test]
    fn a_file_cut_inside_a_record_keeps_the_records_before() {
        let whole = pcap(&[(0, 0, b"abcd"), (0, 0, b"efgh")]);
        for cut in 1..=20 {
            let frames = convert(&whole[..whole.len() - cut], &mut Vec::new(), Prefix::None).unwrap();
            assert_eq!(frames, 1, "cut by {cut}");
        }
    }

    #[test]
    fn other_files_are_refused() {
        for file in [&b""[..], &[0xd4; 23], &[0; 64]] {
            assert!(convert(file, &mut Vec::new(), Prefix::None).is_err());
        }
    }
}

//! `virtio_net_hdr` (virtio 1.2 §5.1.6): what stands before each frame in both directions.

use lendwire_nic::{Checksum, Offload, Received, Segmentation};
use zerocopy::little_endian::{U16, U32};
use zerocopy::{FromBytes, Immutable, IntoBytes, KnownLayout, Unaligned};

use super::features::Features;

/// The header of a modern device: always with `num_buffers`.
#[derive(Clone, Copy, Debug, Default, FromBytes, IntoBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(crate) struct Header {
    flags: u8,
    gso_type: u8,
    hdr_len: U16,
    gso_size: U16,
    csum_start: U16,
    csum_offset: U16,
    /// Buffers that a received frame spans; zero in a transmitted one.
    pub(super) num_buffers: U16,
}

/// Its length in bytes.
pub(crate) const HEADER_LEN: usize = size_of::<Header>();

/// What follows the header where hashes are reported (§5.1.6.4.3).
#[derive(Clone, Copy, Debug, FromBytes, KnownLayout, Immutable, Unaligned)]
#[repr(C)]
pub(super) struct HashReport {
    value: U32,
    /// What the hash was taken over; zero where there is none.
    kind: U16,
    padding: U16,
}

impl HashReport {
    /// The hash, if there is one.
    pub(super) fn hash(&self) -> Option<u32> {
        (self.kind.get() != 0).then(|| self.value.get())
    }
}

/// Bytes before a frame at most: header and hash.
pub(super) const LONGEST_HEADER: usize = HEADER_LEN + size_of::<HashReport>();

/// Bytes before a frame, in both directions.
pub(super) fn header_len(agreed: Features) -> usize {
    if agreed.contains(Features::HASH_REPORT) { LONGEST_HEADER } else { HEADER_LEN }
}

const NEEDS_CSUM: u8 = 1;
const DATA_VALID: u8 = 2;
const GSO_NONE: u8 = 0;
const GSO_TCPV4: u8 = 1;
const GSO_TCPV6: u8 = 4;
const GSO_ECN: u8 = 0x80;

/// What the device says of a received frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Verdict {
    pub(crate) checksum: Received,
    /// Payload bytes of each of the segments that the frame was made of.
    pub(crate) segment_size: Option<u16>,
}

/// A received header that makes no sense.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Senseless;

impl Header {
    /// What a transmitted packet, whose own headers are `headers` bytes, needs from the device.
    pub(crate) fn of(offload: &Offload, headers: usize) -> Self {
        let header = match offload.checksum {
            Checksum::Done => Self::default(),
            Checksum::Fill { start, offset } => Self::filled(start, offset),
        };
        let Some(Segmentation { size, ipv6, ecn }) = offload.segmentation else { return header };
        let gso_type = if ipv6 { GSO_TCPV6 } else { GSO_TCPV4 } | if ecn { GSO_ECN } else { 0 };
        Self { gso_type, gso_size: size.into(), hdr_len: (headers as u16).into(), ..header }
    }

    fn filled(start: u16, offset: u16) -> Self {
        Self { flags: NEEDS_CSUM, csum_start: start.into(), csum_offset: offset.into(), ..Self::default() }
    }

    /// The header of a packet whose checksum the device fills in, as two words.
    #[inline(always)]
    pub(super) fn filled_words(start: u16, offset: u16) -> ([u8; 8], [u8; HEADER_LEN - 8]) {
        let first = u64::from(NEEDS_CSUM) | u64::from(start) << 48;
        (first.to_le_bytes(), u32::from(offset).to_le_bytes())
    }

    /// What the device says of a received frame of `len` bytes, of what was agreed that it may speak of.
    pub(crate) fn received(&self, len: usize, agreed: Features) -> Result<Verdict, Senseless> {
        let segment_size = self.segment_size(agreed)?;
        let checked = agreed.contains(Features::GUEST_CSUM);
        if self.flags & NEEDS_CSUM != 0 {
            let (start, offset) = (self.csum_start.get(), self.csum_offset.get());
            if !checked || usize::from(start) + usize::from(offset) + 2 > len {
                return Err(Senseless);
            }
            return Ok(Verdict { checksum: Received::Local { start, offset }, segment_size });
        }
        let checksum = if checked && self.flags & DATA_VALID != 0 { Received::Checked } else { Received::Unchecked };
        Ok(Verdict { checksum, segment_size })
    }

    fn segment_size(&self, agreed: Features) -> Result<Option<u16>, Senseless> {
        if self.gso_type == GSO_NONE {
            return Ok(None);
        }
        let may = match self.gso_type & !GSO_ECN {
            GSO_TCPV4 => agreed.contains(Features::GUEST_TSO4),
            GSO_TCPV6 => agreed.contains(Features::GUEST_TSO6),
            _ => false,
        };
        let is_marked = self.gso_type & GSO_ECN != 0;
        match self.gso_size.get() {
            0 => Err(Senseless),
            size if may && (!is_marked || agreed.contains(Features::GUEST_ECN)) => Ok(Some(size)),
            _ => Err(Senseless),
        }
    }
}

/// How the header of a frame of one buffer begins that says no more than whether its checksum was checked: told by two
/// compares.
#[derive(Clone, Copy, Debug)]
pub(super) struct Plain {
    /// The bits of the first word that must be zero: all flags and kinds of large frames but what may be spoken of.
    silent: u64,
    /// The bit that says that the checksum was checked, if that was agreed on.
    checked: u64,
    /// The bits of the last word that count, and what they are.
    buffers: [u32; 2],
}

impl Plain {
    pub(super) fn agreed(agreed: Features) -> Self {
        let word = |flags: u8, gso_type: u8| u64::from(u16::from_le_bytes([flags, gso_type]));
        let checked = if agreed.contains(Features::GUEST_CSUM) { word(DATA_VALID, 0) } else { 0 };
        let buffers = match agreed & (Features::MRG_RXBUF | Features::HASH_REPORT) {
            Features::MRG_RXBUF => [0xffff_0000, 1 << 16],
            none if none.is_empty() => [0, 0],
            // Where hashes are reported there is more to read: no word is that.
            _ => [0, 1],
        };
        Self { silent: word(!DATA_VALID, u8::MAX), checked, buffers }
    }

    /// What such a header says; nothing where it says more.
    #[inline(always)]
    pub(super) fn of(&self, header: &[u8; HEADER_LEN]) -> Option<Received> {
        let (first, last) = header.split_first_chunk::<8>()?;
        let (first, last) = (u64::from_le_bytes(*first), u32::from_le_bytes(*last.first_chunk()?));
        if first & self.silent != 0 || last & self.buffers[0] != self.buffers[1] {
            return None;
        }
        Some(if first & self.checked != 0 { Received::Checked } else { Received::Unchecked })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_write_a_header_are_one() {
        for (start, offset) in [(0, 0), (34, 16), (0x1234, 0x5678), (u16::MAX, u16::MAX)] {
            let (first, last) = Header::filled_words(start, offset);
            assert_eq!([&first[..], &last].concat(), Header::filled(start, offset).as_bytes());
        }
    }
}

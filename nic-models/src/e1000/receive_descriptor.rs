//! Receive descriptors: what the driver writes, and what the device writes over it (8254x §3.2, 82574 §7.1).
//!
//! Both formats begin as the buffer's address and a zeroed second half, and end with what is decoded here. Invariant: a
//! decoded descriptor is only words; what they claim is checked by the ring.

use lendwire_nic::Received;

use crate::dma::{Area, settle_reads};

/// How the device completes a descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// In place, with 8 bits each of status and errors.
    Legacy,
    /// Over the whole descriptor, with a hash.
    Extended,
}

/// What the device says of one filled buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Filled {
    /// Bytes written.
    pub(super) len: usize,
    /// What it says of the frame, in the last of its buffers.
    pub(super) end: Option<End>,
}

/// What the device says of a whole frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct End {
    /// The frame was damaged on the wire.
    pub(super) is_damaged: bool,
    pub(super) checksum: Received,
    pub(super) vlan: Option<u16>,
    pub(super) hash: Option<u32>,
}

const DONE: u32 = 1;
const END_OF_PACKET: u32 = 1 << 1;
/// IXSM: the device did not look at checksums.
const IGNORE_CHECKSUM: u32 = 1 << 2;
const TAGGED: u32 = 1 << 3;
const TRANSPORT_CHECKED: u32 = 1 << 5;

/// CE, SE, SEQ, CXE, RXE.
const DAMAGE: u32 = 0b1001_0111;
/// TCPE, IPE.
const WRONG_CHECKSUM: u32 = 0b0110_0000;

/// Hash types of TCP over either version (82574 §7.1).
const HASH_TYPES: [u32; 2] = [1, 3];

impl Format {
    /// Hands the buffer at `bus` to the device.
    pub(super) fn write(self, area: &Area, at: usize, bus: u64) {
        area.write64(at, bus);
        area.write64(at + 8, 0);
    }

    /// What the device wrote to the descriptor at `at`, if it is done with it.
    pub(super) fn read(self, area: &Area, at: usize) -> Option<Filled> {
        let status_at = match self {
            Self::Legacy => at + 12,
            Self::Extended => at + 8,
        };
        let status = area.read32(status_at);
        if status & DONE == 0 {
            return None;
        }
        // What the device wrote before the bit is seen after it.
        settle_reads();
        Some(match self {
            Self::Legacy => legacy(area.read32(at + 8), status),
            Self::Extended => extended([0, 4, 12].map(|word| area.read32(at + word)), status),
        })
    }
}

/// From the word of the length, and the one of status, errors and tag.
fn legacy(length: u32, status: u32) -> Filled {
    let errors = status >> 8 & 0xff;
    let vlan = (status >> 16) as u16;
    Filled { len: (length & 0xffff) as usize, end: end(status & 0xff, errors, vlan, None) }
}

/// From the words of the hash's type, of the hash, and of length and tag, and the one of status and errors.
fn extended([hash_type, hash, length]: [u32; 3], status: u32) -> Filled {
    let hash = HASH_TYPES.contains(&(hash_type & 0xf)).then_some(hash);
    let vlan = (length >> 16) as u16;
    Filled { len: (length & 0xffff) as usize, end: end(status & 0xff, status >> 24, vlan, hash) }
}

/// Status and errors have the same low bits in both formats.
fn end(status: u32, errors: u32, vlan: u16, hash: Option<u32>) -> Option<End> {
    if status & END_OF_PACKET == 0 {
        return None;
    }
    let is_checked = status & (IGNORE_CHECKSUM | TRANSPORT_CHECKED) == TRANSPORT_CHECKED;
    // A checksum that the device finds wrong is the stack's to find wrong, and to count.
    let checksum = if is_checked && errors & WRONG_CHECKSUM == 0 { Received::Checked } else { Received::Unchecked };
    let vlan = (status & TAGGED != 0).then_some(vlan);
    Some(End { is_damaged: errors & DAMAGE != 0, checksum, vlan, hash })
}

#[cfg(test)]
mod tests {
    use super::*;

    const DD_EOP: u32 = 0b11;
    const PLAIN: End = End { is_damaged: false, checksum: Received::Unchecked, vlan: None, hash: None };

    #[test]
    fn a_buffer_in_the_middle_says_nothing_of_the_frame() {
        assert_eq!(legacy(0xffff_0800, 1), Filled { len: 2048, end: None });
        assert_eq!(extended([1, 7, 0x5555_0800], 1), Filled { len: 2048, end: None });
    }

    #[test]
    fn a_checksum_counts_only_if_the_device_looked_and_liked_it() {
        let verdict = |status, errors: u32| {
            let legacy = legacy(64, DD_EOP | status | errors << 8).end.unwrap().checksum;
            let extended = extended([0, 0, 64], DD_EOP | status | errors << 24).end.unwrap().checksum;
            assert_eq!(legacy, extended);
            legacy
        };
        assert_eq!(verdict(1 << 5, 0), Received::Checked);
        assert_eq!(verdict(1 << 5 | 1 << 4, 0), Received::Checked);
        for (status, errors) in [(0, 0), (1 << 6, 0), (1 << 2 | 1 << 5, 0), (1 << 5, 1 << 5), (1 << 5, 1 << 6)] {
            assert_eq!(verdict(status, errors), Received::Unchecked, "{status:#x} {errors:#x}");
        }
    }

    #[test]
    fn damage_on_the_wire_is_told_from_a_wrong_checksum() {
        for bit in 0..8 {
            let is_damaged = ![3, 5, 6].contains(&bit);
            assert_eq!(legacy(64, DD_EOP | 1 << (8 + bit)).end.unwrap().is_damaged, is_damaged, "bit {bit}");
            assert_eq!(extended([0, 0, 64], DD_EOP | 1 << (24 + bit)).end.unwrap().is_damaged, is_damaged, "bit {bit}");
        }
    }

    #[test]
    fn a_tag_is_there_when_the_status_says_so() {
        let tagged = Some(End { vlan: Some(0xa064), ..PLAIN });
        assert_eq!(legacy(64, DD_EOP | 1 << 3 | 0xa064 << 16).end, tagged);
        assert_eq!(legacy(64, DD_EOP | 0xa064 << 16).end, Some(PLAIN));
        assert_eq!(extended([0, 0, 64 | 0xa064 << 16], DD_EOP | 1 << 3).end, tagged);
        assert_eq!(extended([0, 0, 64 | 0xa064 << 16], DD_EOP).end, Some(PLAIN));
    }

    #[test]
    fn a_hash_is_handed_up_when_ports_are_in_it() {
        for (kind, hash) in [(0, None), (1, Some(9)), (2, None), (3, Some(9)), (4, None), (5, None)] {
            assert_eq!(extended([kind | 0xff00, 9, 64], DD_EOP).end.unwrap().hash, hash, "type {kind}");
        }
    }
}

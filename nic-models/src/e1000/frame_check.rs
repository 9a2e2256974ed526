//! The frame check sequence of a received frame (IEEE 802.3 §3.2.9), where the device has left it on.
//!
//! Nothing is copied: the sum runs over the chunks where they lie.

use crc32fast::Hasher;
use lendwire_nic::RxPacket;

/// Bytes of it.
pub(super) const LEN: usize = 4;

/// What the CRC-32 over a frame and its own check sequence comes to: the same for every frame, however the four bytes
/// are spread.
const RESIDUE: u32 = 0x2144_df1c;

/// The sequence is wrong, or the frame is too short to have one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Wrong;

/// Checks the sequence and takes it off.
pub(super) fn take_off(packet: &mut RxPacket) -> Result<(), Wrong> {
    let mut hasher = Hasher::new();
    for chunk in packet.chunks() {
        hasher.update(chunk);
    }
    if packet.len() <= LEN || hasher.finalize() != RESIDUE {
        return Err(Wrong);
    }
    packet.truncate(packet.len() - LEN);
    Ok(())
}

#[cfg(test)]
mod tests {
    use lendwire_nic::Chunk;

    use super::*;

    /// A frame with its sequence, the last `behind` bytes of it in a chunk of their own.
    fn frame(behind: usize, damage: u8) -> RxPacket {
        let mut bytes: Vec<u8> = (0..100).collect();
        bytes.extend(crc32fast::hash(&bytes).to_le_bytes());
        bytes[50] ^= damage;
        let (front, back) = bytes.leak().split_at(104 - behind);
        let mut packet = RxPacket::new(Chunk::from_static(front));
        packet.push(Chunk::from_static(back)).unwrap();
        packet
    }

    #[test]
    fn a_sequence_over_two_chunks_is_found_and_taken_off() {
        for behind in 0..=6 {
            let mut packet = frame(behind, 0);
            assert_eq!(take_off(&mut packet), Ok(()), "{behind}");
            let bytes: Vec<u8> = packet.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect();
            assert!(bytes.into_iter().eq(0..100), "{behind}");
            assert!(packet.chunks().iter().all(|chunk| !chunk.is_empty()));
        }
    }

    #[test]
    fn one_wrong_bit_is_noticed() {
        for behind in 0..=6 {
            assert_eq!(take_off(&mut frame(behind, 1)), Err(Wrong));
        }
    }

    #[test]
    fn a_frame_of_nothing_but_a_sequence_is_none() {
        // The CRC-32 of no bytes is zero.
        assert_eq!(take_off(&mut RxPacket::new(Chunk::from_static(&[0; 4]))), Err(Wrong));
        assert_eq!(take_off(&mut RxPacket::new(Chunk::from_static(&[0; 3]))), Err(Wrong));
    }
}

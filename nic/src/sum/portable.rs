//! The checksum kernel for any target: 64 bits at a step.

/// The folded one's-complement sum of `bytes` as big-endian words; an odd last byte is the high half of its word.
pub(super) fn sum(bytes: &[u8]) -> u16 {
    let mut lanes = [0u128; 4];
    let mut blocks = bytes.chunks_exact(32);
    for block in &mut blocks {
        for (lane, word) in lanes.iter_mut().zip(block.as_chunks::<8>().0) {
            // A u128 addition is add + adc: carries are kept, and folded once at the end.
            *lane += u128::from(u64::from_ne_bytes(*word));
        }
    }
    let mut total: u128 = lanes.iter().sum();
    let (words, tail) = blocks.remainder().as_chunks::<8>();
    for word in words {
        total += u128::from(u64::from_ne_bytes(*word));
    }
    let mut last = [0; 8];
    last[..tail.len()].copy_from_slice(tail);
    total += u128::from(u64::from_ne_bytes(last));
    fold(total)
}

/// 128 bits of native-order words to one big-endian word (RFC 1071 §2: the sum does not care for byte order).
fn fold(total: u128) -> u16 {
    let total = (total & u128::from(u64::MAX)) + (total >> 64);
    let total = (total & u128::from(u64::MAX)) as u64 as u128 + (total >> 64);
    let total = total as u64;
    let total = (total & 0xffff_ffff) + (total >> 32);
    let total = (total & 0xffff) + (total >> 16);
    let total = (total & 0xffff) + (total >> 16);
    let total = (total & 0xffff) + (total >> 16);
    u16::from_be(total as u16)
}

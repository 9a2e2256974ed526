//! The checksum kernel for AVX2: 32 bytes in three instructions.
//!
//! `pmaddwd` adds neighbouring words, but takes them as signed. Each is therefore lowered by 2^15 first (an exclusive
//! or of its top bit), and what all of them lost is added at the end. Lanes may wrap: the true sum of a [`GROUP`] fits
//! 32 bits, so arithmetic modulo 2^32 finds it.

use core::arch::x86_64::{
    __m256i, _mm_add_epi32, _mm_cvtsi128_si32, _mm_shuffle_epi32, _mm256_add_epi32, _mm256_castsi256_si128,
    _mm256_extracti128_si256, _mm256_loadu_si256, _mm256_madd_epi16, _mm256_set1_epi16, _mm256_setzero_si256,
    _mm256_xor_si256,
};

use super::pieces::Read;
use super::portable;

/// Bytes after which the lanes are emptied: 2^16 words.
const GROUP: usize = 1 << 17;

/// Proof that the processor has AVX2.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The proof, where there is one. The standard library asks the processor once and remembers.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        #[cfg(target_feature = "avx2")]
        let present = true;
        #[cfg(not(target_feature = "avx2"))]
        let present = std::arch::is_x86_feature_detected!("avx2");
        present.then_some(Self(()))
    }

    /// The sum of `bytes` in the machine's byte order, not folded.
    #[inline]
    pub(super) fn total(self, bytes: &[u8]) -> u64 {
        // SAFETY: `self` is only made by `detect`, on a processor that has AVX2.
        unsafe { total(bytes) }
    }
}

#[target_feature(enable = "avx2")]
fn total(bytes: &[u8]) -> u64 {
    let mut total = 0;
    for group in bytes.chunks(GROUP) {
        // Four lanes of sums hide the latency of adding to one.
        let mut sums = [_mm256_setzero_si256(); 4];
        let (blocks, rest) = group.as_chunks::<128>();
        for block in blocks {
            for (sum, vector) in sums.iter_mut().zip(block.as_chunks().0) {
                *sum = _mm256_add_epi32(*sum, pairs(vector));
            }
        }
        let (vectors, tail) = rest.as_chunks();
        for vector in vectors {
            sums[0] = _mm256_add_epi32(sums[0], pairs(vector));
        }
        let [a, b, c, d] = sums;
        let lowered = across(_mm256_add_epi32(_mm256_add_epi32(a, b), _mm256_add_epi32(c, d)));
        let words = ((group.len() - tail.len()) / 2) as u32;
        total += u64::from(lowered.wrapping_add(words << 15));
        // Only the last group has a tail, so it begins at an even place.
        total = portable::add(total, portable::total(Read(tail)));
    }
    total
}

/// Eight sums of two words each, every word lowered by 2^15.
#[inline]
#[target_feature(enable = "avx2")]
fn pairs(bytes: &[u8; 32]) -> __m256i {
    // SAFETY: the array is 32 readable bytes, and this load asks for no alignment.
    let words = unsafe { _mm256_loadu_si256(bytes.as_ptr().cast()) };
    _mm256_madd_epi16(_mm256_xor_si256(words, _mm256_set1_epi16(i16::MIN)), _mm256_set1_epi16(1))
}

/// The sum of all eight lanes.
#[inline]
#[target_feature(enable = "avx2")]
fn across(lanes: __m256i) -> u32 {
    let four = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256::<1>(lanes));
    let two = _mm_add_epi32(four, _mm_shuffle_epi32::<0b01_00_11_10>(four));
    let one = _mm_add_epi32(two, _mm_shuffle_epi32::<0b10_11_00_01>(two));
    _mm_cvtsi128_si32(one) as u32
}

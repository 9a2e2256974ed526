//! Which kernel sums a run: a property of its length, and of the processor.
//!
//! SSE2 has none: measured on a Zen processor it is slower than add-with-carry below 512 bytes and within 3 % of it
//! from there to 64 KiB.

#[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
use super::avx2::Avx2;
use super::pieces::{Copy, Read};
use super::{Sum, portable};

/// Bytes from which vectors pay for their start and end. AVX2 against the portable kernel, in GB/s on a Zen 5: 57 to
/// 58 at 256 bytes, 80 to 65 at 384, 110 to 69 at 512, 155 to 65 at 1460, 170 to 61 at 64 KiB; on an older one they are
/// even at 768 (`cargo bench -p lendwire-benches --bench checksum sum` prints the same comparison).
const LONG: usize = 512;

/// What of a long run is copied before it is summed: it stays in the cache nearest to the processor meanwhile.
#[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
const PIECE: usize = 1 << 14;

/// The folded sum of `bytes` as big-endian words; an odd last byte is the high half of its word.
// Always inlined: where a header's length is known at compile time, a dozen instructions are left of it.
#[inline(always)]
pub(super) fn sum(bytes: &[u8]) -> u16 {
    if bytes.len() < LONG {
        return portable::fold(portable::total(Read(bytes)));
    }
    sum_long(bytes)
}

/// [`sum`] of `from`, copied to the front of `to` on the way.
///
/// Each register is stored as it is added where a run is short or there are no vectors; a long one is copied by
/// `memcpy` and summed by vectors, piece after piece. In GB/s, the first against the second: 22 to 17 at 64 bytes, 43 to
/// 43 at 256, 52 to 97 at 1460, 38 to 70 at 64 KiB. One loop that loads, stores and adds vectors has 8, 32, 70 and 69 at
/// these and is not kept (`cargo bench -p lendwire-benches --bench checksum copy` prints what is).
#[inline]
pub(super) fn copy(from: &[u8], to: &mut [u8]) -> u16 {
    #[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
    if from.len() >= LONG
        && let Some(avx2) = Avx2::detect()
    {
        let to = &mut to[..from.len()];
        if from.len() > PIECE {
            return copy_long(avx2, from, to);
        }
        to.copy_from_slice(from);
        return sum_long(from);
    }
    portable::fold(portable::total(Copy::new(from, to)))
}

/// [`copy`] in pieces; all but the last are of even length, so their totals may be added as they are.
#[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
#[inline(never)]
fn copy_long(avx2: Avx2, from: &[u8], to: &mut [u8]) -> u16 {
    let mut total = 0;
    for (from, to) in from.chunks(PIECE).zip(to.chunks_mut(PIECE)) {
        to.copy_from_slice(from);
        total = portable::add(total, avx2.total(from));
    }
    portable::fold(total)
}

#[inline(never)]
fn sum_long(bytes: &[u8]) -> u16 {
    #[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
    if let Some(avx2) = Avx2::detect() {
        return portable::fold(avx2.total(bytes));
    }
    portable::fold(portable::total(Read(bytes)))
}

/// One way to sum, for tests and benchmarks to compare.
#[derive(Clone, Copy, Debug)]
pub struct Kernel {
    /// Its name.
    pub name: &'static str,
    /// What [`Sum::of`] would be if every length went to this kernel.
    pub sum: fn(&[u8]) -> Sum,
}

/// Every kernel that this processor runs.
pub fn kernels() -> impl Iterator<Item = Kernel> {
    let portable = |bytes: &[u8]| Sum::folded(portable::fold(portable::total(Read(bytes))), bytes.len());
    let kernels = core::iter::once(Kernel { name: "portable", sum: portable });
    #[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
    let kernels = kernels.chain(Avx2::detect().map(|_| {
        let sum = |bytes: &[u8]| {
            let avx2 = Avx2::detect().expect("a processor keeps its features");
            Sum::folded(portable::fold(avx2.total(bytes)), bytes.len())
        };
        Kernel { name: "avx2", sum }
    }));
    kernels
}

//! Which kernel sums a run: a property of its length, and of the processor.
//!
//! SSE2 has none: measured on a Zen processor it is slower than add-with-carry below 512 bytes and within 3 % of it
//! from there to 64 KiB.

#[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
use super::avx2::Avx2;
use super::pieces::{Copy, Read};
use super::{Sum, portable};

/// Bytes from which vectors pay for their start and end. AVX2 against the portable kernel, in GB/s: 27 to 28 at 768
/// bytes, 29.5 to 29 at 1024, 33 to 30 at 1500, 39 to 31 at 64 KiB (least of many short runs on that processor; `cargo
/// bench -p lendwire-benches --bench checksum sum` prints the same comparison).
const LONG: usize = 1024;

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
/// The portable kernel at every length. In GB/s, it against `memcpy` with the better sum behind it: 7.3 to 5.6 at 64
/// bytes, 18.8 to 16.8 at 1500 bytes, 20.2 to 19.3 at 64 KiB. Copying in AVX2 was slower than it at every length, 2.8,
/// 15.8 and 19.2 at these, and is not kept. Measured as [`LONG`] was; `cargo bench -p lendwire-benches --bench checksum
/// copy` prints the first two.
#[inline]
pub(super) fn copy(from: &[u8], to: &mut [u8]) -> u16 {
    portable::fold(portable::total(Copy::new(from, to)))
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

//! The running checksum: a one's-complement sum that concatenates and subtracts.
//!
//! Invariant: `Sum::of(a ++ b) == Sum::of(a).then(Sum::of(b))` for every split, odd ones included (RFC 1071 §2, RFC
//! 1624). It is taken once, when bytes enter, and carried from then on. Left out: which bytes a header covers.

#[cfg(all(target_arch = "x86_64", any(feature = "std", target_feature = "avx2")))]
mod avx2;
mod kernel;
mod pieces;
mod portable;

pub use kernel::{Kernel, kernels};

use crate::Work;

/// The one's-complement sum of a run of bytes, read as big-endian 16-bit words, and whether the run's length is odd.
///
/// ```
/// use lendwire_nic::Sum;
/// let (front, back) = (Sum::of(b"abc"), Sum::of(b"defg"));
/// assert_eq!(front.then(back), Sum::of(b"abcdefg"));
/// assert_eq!(Sum::of(b"abcdefg").without_front(front), back);
/// ```
#[derive(Clone, Copy, Debug, Eq)]
pub struct Sum {
    value: u16,
    odd: bool,
}

impl Sum {
    /// The sum of no bytes.
    pub const ZERO: Self = Self { value: 0, odd: false };

    /// Reads `bytes` once. Payload is summed through [`Sum::of_payload`], which counts.
    #[must_use]
    #[inline(always)]
    pub fn of(bytes: &[u8]) -> Self {
        Self::folded(kernel::sum(bytes), bytes.len())
    }

    /// [`Sum::of`], with the bytes read charged to `work`.
    #[must_use]
    pub fn of_payload(bytes: &[u8], work: &mut Work) -> Self {
        work.summed += bytes.len() as u64;
        Self::of(bytes)
    }

    /// Copies `from` into the front of `to` and sums it in the same step; the bytes are charged as copied.
    ///
    /// # Panics
    /// If `to` is shorter than `from`.
    #[must_use]
    #[inline]
    pub fn of_copied(from: &[u8], to: &mut [u8], work: &mut Work) -> Self {
        work.copied += from.len() as u64;
        Self::folded(kernel::copy(from, to), from.len())
    }

    /// The sum of one big-endian word.
    #[must_use]
    pub const fn of_word(word: u16) -> Self {
        Self { value: word, odd: false }
    }

    /// The sum of this run followed by `next`.
    #[must_use]
    #[inline]
    pub const fn then(self, next: Self) -> Self {
        let next_value = if self.odd { next.value.swap_bytes() } else { next.value };
        Self { value: add(self.value, next_value), odd: self.odd != next.odd }
    }

    /// What is left of this run when `front` is cut from its front.
    #[must_use]
    #[inline]
    pub const fn without_front(self, front: Self) -> Self {
        let value = add(self.value, !front.value);
        Self { value: if front.odd { value.swap_bytes() } else { value }, odd: self.odd != front.odd }
    }

    /// What is left of this run when `back` is cut from its end.
    #[must_use]
    #[inline]
    pub const fn without_back(self, back: Self) -> Self {
        let odd = self.odd != back.odd;
        let back_value = if odd { back.value.swap_bytes() } else { back.value };
        Self { value: add(self.value, !back_value), odd }
    }

    /// Replaces the word `old` at an even offset of this run by `new` (RFC 1624 §3, eqn. 3).
    #[must_use]
    pub const fn replace(self, old: u16, new: u16) -> Self {
        // RFC 1624 erratum 4782: equal words change nothing, and must not turn a zero into its other form.
        if old == new {
            return self;
        }
        Self { value: add(add(self.value, !old), new), odd: self.odd }
    }

    /// The folded sum itself: what a pseudo-header's seed in the checksum field is.
    #[must_use]
    pub const fn value(self) -> u16 {
        self.value
    }

    /// What goes into a checksum field: the complement.
    #[must_use]
    pub const fn checksum(self) -> u16 {
        !self.value
    }

    /// Whether a run that includes its own checksum is sound: its words add up to minus zero (RFC 1071 §1).
    #[must_use]
    pub const fn is_sound(self) -> bool {
        self.value == 0xffff
    }

    /// Whether the run's length is odd.
    #[must_use]
    pub const fn is_odd(self) -> bool {
        self.odd
    }
}

impl PartialEq for Sum {
    /// One's complement has two zeros; they are one number.
    fn eq(&self, other: &Self) -> bool {
        self.odd == other.odd && (self.value == other.value || (self.is_zero() && other.is_zero()))
    }
}

impl Sum {
    /// What a kernel found for `len` bytes.
    #[inline]
    const fn folded(value: u16, len: usize) -> Self {
        Self { value, odd: len % 2 == 1 }
    }

    const fn is_zero(self) -> bool {
        self.value == 0 || self.value == 0xffff
    }
}

/// One's-complement addition: the carry comes back in at the bottom.
#[inline]
const fn add(a: u16, b: u16) -> u16 {
    let (sum, carry) = a.overflowing_add(b);
    sum + carry as u16
}

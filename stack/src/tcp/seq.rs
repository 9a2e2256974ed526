//! Sequence numbers (RFC 9293 §3.4): a circle of 2^32, on which "less" has a meaning only between near points.

use core::ops::{Add, AddAssign, Sub};

/// A point in sequence space. It has no order: see [`Seq::before`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seq(pub(crate) u32);

impl Seq {
    /// Whether `self` comes before `other`, the two being less than 2^31 apart.
    pub(crate) const fn before(self, other: Self) -> bool {
        (self.0.wrapping_sub(other.0) as i32) < 0
    }

    pub(crate) const fn after(self, other: Self) -> bool {
        other.before(self)
    }

    /// How far `self` lies behind `earlier`, in bytes.
    pub(crate) const fn since(self, earlier: Self) -> u32 {
        self.0.wrapping_sub(earlier.0)
    }

    /// The later of two near points.
    pub(crate) const fn later(self, other: Self) -> Self {
        if self.before(other) { other } else { self }
    }

    /// The earlier of two near points.
    pub(crate) const fn earlier(self, other: Self) -> Self {
        if other.before(self) { other } else { self }
    }

    /// Whether `self` lies in the `len` numbers from `start`.
    pub(crate) const fn within(self, start: Self, len: u32) -> bool {
        self.since(start) < len
    }
}

impl Add<u32> for Seq {
    type Output = Self;

    fn add(self, bytes: u32) -> Self {
        Self(self.0.wrapping_add(bytes))
    }
}

impl Sub<u32> for Seq {
    type Output = Self;

    fn sub(self, bytes: u32) -> Self {
        Self(self.0.wrapping_sub(bytes))
    }
}

impl AddAssign<u32> for Seq {
    fn add_assign(&mut self, bytes: u32) {
        *self = *self + bytes;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn order_holds_across_the_wrap() {
        let end = Seq(u32::MAX);
        assert!(end.before(end + 1) && (end + 1).after(end));
        assert_eq!((end + 3).since(end), 3);
        assert_eq!((end + 1).later(end), Seq(0));
        assert!(Seq(1).within(end, 3) && !Seq(2).within(end, 3));
    }
}

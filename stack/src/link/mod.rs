//! The link layer: Ethernet frames in and out, and who on the link has which address.
//!
//! Invariant: a hardware address is only learned from an answer to us, or from who speaks to us (RFC 4861 §7.2.5).
//! RFC 894, RFC 2464, RFC 826, RFC 4861 §7.3.

use core::num::NonZeroU8;

mod alarm;
mod ethernet;
mod neighbour;

pub(crate) use alarm::Alarm;
pub(crate) use ethernet::{Delivery, Frame, close, open, reopen};
pub use neighbour::NeighbourSlot;
pub(crate) use neighbour::{Advertisement, Heard, Neighbours, Resolution, Solicit, Timing};

/// One of a stack's network interfaces: its place in the slice of NICs that every poll is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct InterfaceId(NonZeroU8);

impl InterfaceId {
    /// The interface in place `index`; there are fewer than 255.
    pub(crate) fn new(index: usize) -> Option<Self> {
        u8::try_from(index + 1).ok().and_then(NonZeroU8::new).map(Self)
    }

    /// Its place.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.get() as usize - 1
    }
}

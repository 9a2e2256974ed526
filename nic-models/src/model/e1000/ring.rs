//! A ring of descriptors in the driver's memory (SDM §3.2.6, §3.4).
//!
//! Invariant: a descriptor is only reached inside the ring that the registers describe.

use super::registers::State;

/// Bytes of a descriptor.
pub(super) const DESCRIPTOR: u64 = 16;

/// What the registers say of a ring.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ring {
    base: u64,
    pub(super) len: u32,
    pub(super) head: u32,
    pub(super) tail: u32,
}

/// Offsets of a ring's registers from its first one.
pub(super) const HIGH: u32 = 0x04;
pub(super) const LEN: u32 = 0x08;
pub(super) const HEAD: u32 = 0x10;
pub(super) const TAIL: u32 = 0x18;

impl Ring {
    /// Where descriptor `index` lies.
    #[track_caller]
    pub(super) fn at(self, index: u32) -> u64 {
        assert!(index < self.len, "descriptor {index} lies in a ring of {}", self.len);
        self.base + u64::from(index) * DESCRIPTOR
    }

    pub(super) fn next(self, index: u32) -> u32 {
        if index + 1 == self.len { 0 } else { index + 1 }
    }

    /// Descriptors from head to tail: the device's.
    pub(super) fn available(self) -> u32 {
        if self.len == 0 { 0 } else { (self.tail + self.len - self.head) % self.len }
    }
}

impl State {
    /// The ring whose first register is `first`.
    pub(super) fn ring(&self, first: u32) -> Ring {
        Ring {
            base: u64::from(self.word(first + HIGH)) << 32 | u64::from(self.word(first)),
            len: self.word(first + LEN) / DESCRIPTOR as u32,
            head: self.word(first + HEAD),
            tail: self.word(first + TAIL),
        }
    }

    #[track_caller]
    pub(super) fn descriptor(&self, ring: Ring, index: u32) -> [u8; 16] {
        self.memory.read(ring.at(index), 16).try_into().expect("16 bytes were read")
    }

    /// Moves the ring's head past one descriptor.
    pub(super) fn advance(&mut self, first: u32) {
        let ring = self.ring(first);
        self.set_word(first + HEAD, ring.next(ring.head));
    }

    /// A ring must be whole before it is used, and stay where it is while it is.
    #[track_caller]
    pub(super) fn check_ring(&self, first: u32) {
        let bytes = self.word(first + LEN);
        assert!(bytes > 0 && bytes.is_multiple_of(128) && bytes <= 1 << 20, "a ring of {bytes} bytes (SDM §13.4.27)");
        let ring = self.ring(first);
        assert!(ring.base.is_multiple_of(16), "a ring starts on a multiple of 16");
        assert!(ring.head < ring.len && ring.tail < ring.len, "head and tail lie in the ring");
        // All of it is memory that the device reaches.
        let _ = self.memory.read(ring.base, bytes as usize);
    }
}

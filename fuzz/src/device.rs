//! What the targets of devices share: the bytes that decide, and what must be left of a machine in the end.

use std::sync::OnceLock;

use lendwire_drivers::model::Memory;
use lendwire_nic::Pool;

/// The bytes that decide; zeros behind their end.
pub struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// All of `bytes`.
    #[must_use]
    pub fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Whether only zeros are left.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        byte
    }

    /// The next bytes.
    pub fn bytes<const N: usize>(&mut self) -> [u8; N] {
        std::array::from_fn(|_| self.byte())
    }

    /// Two bytes.
    pub fn half(&mut self) -> u16 {
        u16::from_le_bytes(self.bytes())
    }

    /// Four bytes.
    pub fn word(&mut self) -> u32 {
        u32::from_le_bytes(self.bytes())
    }
}

/// Pools for received frames, in slots of `receive` bytes, and for what is sent; few slots, so that their exhaustion is
/// found too. A program has one pair.
///
/// # Panics
/// If slots cannot have that size.
pub fn pools(receive: usize) -> [&'static Pool; 2] {
    static POOLS: OnceLock<[&'static Pool; 2]> = OnceLock::new();
    let pool = |slots, size| Pool::leaked(slots, size).expect("a small pool is sound");
    *POOLS.get_or_init(|| [pool(48, receive), pool(32, 256)])
}

/// Nothing is held any more.
///
/// # Panics
/// If something is.
pub fn assert_all_came_back(memory: &Memory, pools: [&Pool; 2]) {
    assert_eq!(memory.taken(), 0, "all memory came back");
    for pool in pools {
        assert_eq!(pool.available(), pool.slots(), "every slot came back");
    }
}

//! A fixed set of equal slots of memory that devices can reach.
//!
//! Invariant: a slot is free exactly when its bit in the free map is set, and then its count is one: who clears the bit owns
//! the slot alone, and has counted already. The last drop sets the bit again. No lock is taken, so a slot may be dropped on
//! any core.

use core::ptr::NonNull;
use core::sync::atomic::AtomicU32;

use crate::chunk::ChunkMut;
use crate::sync::{Ordering, Word, fence};

/// Slots of one size over memory that is handed in. See [`Pool::take`].
#[derive(Debug)]
pub struct Pool {
    bytes: NonNull<u8>,
    slots: u32,
    slot_shift: u32,
    counts: &'static [Word],
    /// One bit a slot, set when the slot is free.
    free: &'static [Word],
    /// The word of `free` where a slot was last taken or dropped: warm, and probably not empty. Whatever it is, it is right:
    /// loom need not try every value that it might have.
    hint: AtomicU32,
}

// SAFETY: the memory behind `bytes` is only reached through `ChunkMut` (one per slot region, by the free map) and
// `Chunk` (read-only), whose own bounds hold; everything else is atomic.
unsafe impl Send for Pool {}
// SAFETY: as above.
unsafe impl Sync for Pool {}

/// Why a pool could not be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PoolError {
    /// The slot size is not a power of two from 64 bytes to 2 GiB.
    SlotSize,
    /// The memory holds no slot, or more than 2^24 of them.
    Slots,
    /// `words` is shorter than [`Pool::words`] asks.
    Words,
}

impl Pool {
    /// How many words of bookkeeping `slots` slots need: a count each, and a bit each.
    #[must_use]
    pub const fn words(slots: usize) -> usize {
        slots + slots.div_ceil(32)
    }

    /// A pool of `bytes.len() / slot_size` slots. `words` holds the counts and the free map.
    ///
    /// # Errors
    /// See [`PoolError`].
    pub fn new(bytes: &'static mut [u8], slot_size: usize, words: &'static mut [Word]) -> Result<Self, PoolError> {
        // A view's length is 32 bits wide.
        if !slot_size.is_power_of_two() || !(64..=1 << 31).contains(&slot_size) {
            return Err(PoolError::SlotSize);
        }
        let slots = bytes.len() / slot_size;
        if slots == 0 || slots > 1 << 24 {
            return Err(PoolError::Slots);
        }
        if words.len() < Self::words(slots) {
            return Err(PoolError::Words);
        }
        let (counts, free) = words.split_at_mut(slots);
        for count in counts.iter_mut() {
            *count = Word::new(1);
        }
        for (index, word) in free.iter_mut().enumerate() {
            let left = slots.saturating_sub(index * 32);
            *word = Word::new(if left >= 32 { u32::MAX } else { (1 << left) - 1 });
        }
        let free = &free[..slots.div_ceil(32)];
        Ok(Self {
            bytes: NonNull::from(bytes).cast(),
            slots: slots as u32,
            slot_shift: slot_size.trailing_zeros(),
            counts,
            free,
            hint: AtomicU32::new(0),
        })
    }

    /// A pool on the heap that is never given back: `slots` slots of `slot_size` bytes, aligned to a page.
    ///
    /// # Errors
    /// See [`PoolError`].
    #[cfg(feature = "alloc")]
    pub fn leaked(slots: usize, slot_size: usize) -> Result<&'static Self, PoolError> {
        use alloc::boxed::Box;
        let len = slots.checked_mul(slot_size).ok_or(PoolError::Slots)?;
        // A page more than asked, so that the first slot can start on a page.
        let bytes: &'static mut [u8] = Box::leak(alloc::vec![0u8; len + 4096].into_boxed_slice());
        let skip = bytes.as_ptr().align_offset(4096);
        let words: Box<[Word]> = (0..Self::words(slots)).map(|_| Word::new(0)).collect();
        let pool = Self::new(&mut bytes[skip..][..len], slot_size, Box::leak(words))?;
        Ok(Box::leak(Box::new(pool)))
    }

    /// Takes a free slot, or `None` when every slot is held.
    #[must_use]
    pub fn take(&'static self) -> Option<ChunkMut> {
        let words = self.free.len() as u32;
        let hint = self.hint.load(Ordering::Relaxed);
        for step in 0..words {
            let at = if hint + step < words { hint + step } else { hint + step - words };
            let word = &self.free[at as usize];
            let mut bits = word.load(Ordering::Relaxed);
            while bits != 0 {
                let bit = bits & bits.wrapping_neg();
                // Acquire: everything the last holder did with the slot happened before.
                bits = word.fetch_and(!bit, Ordering::Acquire);
                if bits & bit != 0 {
                    self.hint.store(at, Ordering::Relaxed);
                    return Some(ChunkMut::of_slot(self, at * 32 + bit.trailing_zeros()));
                }
            }
        }
        None
    }

    /// Takes free slots, up to `most` of them, a word of the free map at a time: what is not taken out of it goes back.
    #[must_use]
    pub fn take_up_to(&'static self, most: usize) -> Taken {
        Taken {
            pool: self,
            left: most,
            word: self.hint.load(Ordering::Relaxed),
            bits: 0,
            words: self.free.len() as u32,
        }
    }

    /// Bytes in a slot.
    #[must_use]
    pub const fn slot_size(&self) -> usize {
        1 << self.slot_shift
    }

    /// Slots in all.
    #[must_use]
    pub const fn slots(&self) -> usize {
        self.slots as usize
    }

    /// Slots that are free now; counted word by word, for statistics and tests.
    #[must_use]
    pub fn available(&self) -> usize {
        self.free.iter().map(|word| word.load(Ordering::Relaxed).count_ones() as usize).sum()
    }

    /// Whether so many slots are free now; looks no further than where it has counted them.
    #[must_use]
    pub fn has(&self, slots: usize) -> bool {
        let hint = self.hint.load(Ordering::Relaxed) as usize;
        let (before, from_hint) = self.free.split_at(hint.min(self.free.len()));
        let mut missing = slots;
        for word in from_hint.iter().chain(before) {
            if missing == 0 {
                break;
            }
            missing = missing.saturating_sub(word.load(Ordering::Relaxed).count_ones() as usize);
        }
        missing == 0
    }

    /// The memory behind the slots, for a driver that registers it with a device.
    #[must_use]
    pub fn memory(&self) -> (NonNull<u8>, usize) {
        (self.bytes, self.slots() << self.slot_shift)
    }

    /// Where slot `slot` begins.
    pub(crate) fn slot_start(&self, slot: u32) -> NonNull<u8> {
        debug_assert!(slot < self.slots);
        // SAFETY: `slot` is below `slots`, so the offset lies inside the memory that `new` was given.
        unsafe { self.bytes.add((slot as usize) << self.slot_shift) }
    }

    /// The slot that the byte at `pointer` lies in.
    pub(crate) fn slot_of(&self, pointer: NonNull<u8>) -> u32 {
        ((pointer.addr().get() - self.bytes.addr().get()) >> self.slot_shift) as u32
    }

    /// One more holder of `slot`.
    pub(crate) fn hold(&self, slot: u32) {
        // Relaxed is enough: whoever clones already holds it.
        let before = self.counts[slot as usize].fetch_add(1, Ordering::Relaxed);
        assert!(before < u32::MAX / 2, "a slot is held by more views than there can be");
    }

    /// One holder less; the last one frees the slot.
    pub(crate) fn let_go(&self, slot: u32) {
        let count = &self.counts[slot as usize];
        // Acquire: who finds itself the only holder comes after all the others. Nobody can clone what nobody else holds.
        if count.load(Ordering::Acquire) != 1 {
            // Release: what this holder did comes before the slot's next life.
            if count.fetch_sub(1, Ordering::Release) != 1 {
                return;
            }
            fence(Ordering::Acquire);
            count.store(1, Ordering::Relaxed);
        }
        let word = slot / 32;
        self.free[word as usize].fetch_or(1 << (slot % 32), Ordering::Release);
        self.hint.store(word, Ordering::Relaxed);
    }
}

/// Slots on their way out of a pool. See [`Pool::take_up_to`].
#[derive(Debug)]
pub struct Taken {
    pool: &'static Pool,
    /// Slots that may still be asked for.
    left: usize,
    /// The word of the free map that is looked at, and the slots of it that this has and did not hand out.
    word: u32,
    bits: u32,
    /// Words that were not looked at yet.
    words: u32,
}

impl Taken {
    /// Takes slots of the next word that has some.
    fn refill(&mut self) {
        while self.bits == 0 && self.words > 0 && self.left > 0 {
            let word = &self.pool.free[self.word as usize];
            let free = word.load(Ordering::Relaxed);
            let mut unwanted = free;
            for _ in 0..self.left {
                if unwanted == 0 {
                    break;
                }
                unwanted &= unwanted - 1;
            }
            let wanted = free & !unwanted;
            if wanted != 0 {
                // Acquire: everything the last holders did with the slots happened before.
                self.bits = word.fetch_and(!wanted, Ordering::Acquire) & wanted;
                self.pool.hint.store(self.word, Ordering::Relaxed);
            }
            if self.bits == 0 {
                self.words -= 1;
                self.word = if self.word + 1 < self.pool.free.len() as u32 { self.word + 1 } else { 0 };
            }
        }
    }
}

impl Iterator for Taken {
    type Item = ChunkMut;

    #[inline(always)]
    fn next(&mut self) -> Option<ChunkMut> {
        if self.bits == 0 {
            self.refill();
            if self.bits == 0 {
                return None;
            }
        }
        let slot = self.word * 32 + self.bits.trailing_zeros();
        self.bits &= self.bits - 1;
        self.left -= 1;
        Some(ChunkMut::of_slot(self.pool, slot))
    }
}

impl Drop for Taken {
    fn drop(&mut self) {
        if self.bits != 0 {
            self.pool.free[self.word as usize].fetch_or(self.bits, Ordering::Release);
        }
    }
}

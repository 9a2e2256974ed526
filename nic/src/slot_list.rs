//! A list of chunks that lives in a slot: for packets of more chunks than lie inline.
//!
//! Invariant: entries `0..len` of the slot's memory are live `Chunk`s, which the list owns. The slot goes back with its
//! bytes initialised again, as the next writer of it expects.

use core::ops::{Deref, DerefMut};
use core::ptr::NonNull;

use crate::{Chunk, ChunkMut};

/// Chunks in the memory of a slot.
#[derive(Debug)]
pub(crate) struct SlotList {
    slot: ChunkMut,
    len: usize,
}

impl SlotList {
    /// An empty list in `slot`.
    pub(crate) const fn new(slot: ChunkMut) -> Self {
        Self { slot, len: 0 }
    }

    /// Chunks that it can hold.
    pub(crate) fn capacity(&self) -> usize {
        self.slot.room().saturating_sub(self.padding()) / size_of::<Chunk>()
    }

    /// Adds a chunk; gives it back where there is no room.
    pub(crate) fn push(&mut self, chunk: Chunk) -> Result<(), Chunk> {
        if self.len >= self.capacity() {
            return Err(chunk);
        }
        let first = self.first();
        // SAFETY: `len` is below `capacity`, so the entry lies in the slot.
        let entry = unsafe { first.add(self.len) };
        // SAFETY: it is aligned like `first`, in memory that only this list reaches, and not a live chunk yet.
        unsafe { entry.write(chunk) };
        self.len += 1;
        Ok(())
    }

    /// The first entry, aligned.
    fn first(&self) -> NonNull<Chunk> {
        let start = self.slot.pointer();
        // SAFETY: callers reach entries only where `capacity` leaves room for the padding and them; with room for none
        // the padding still ends in the slot or one past it, for it was capped.
        unsafe { start.add(self.padding().min(self.slot.room())) }.cast()
    }

    fn padding(&self) -> usize {
        self.slot.pointer().align_offset(align_of::<Chunk>())
    }
}

impl Deref for SlotList {
    type Target = [Chunk];

    fn deref(&self) -> &[Chunk] {
        if self.len == 0 {
            return &[];
        }
        // SAFETY: the first `len` entries are live chunks in memory that only this list reaches.
        unsafe { core::slice::from_raw_parts(self.first().as_ptr(), self.len) }
    }
}

impl DerefMut for SlotList {
    fn deref_mut(&mut self) -> &mut [Chunk] {
        if self.len == 0 {
            return &mut [];
        }
        // SAFETY: as in `deref`; `&mut self` makes the borrow exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.first().as_ptr(), self.len) }
    }
}

impl Drop for SlotList {
    fn drop(&mut self) {
        let entries: *mut [Chunk] = &mut **self;
        let len = size_of_val(&**self);
        // SAFETY: the entries are live and are not looked at again.
        unsafe { entries.drop_in_place() };
        let bytes = self.first().cast::<u8>();
        // SAFETY: the run is the entries', inside the slot. A chunk has padding bytes, which are not initialised after
        // it was written; the slot's next writer reads bytes.
        unsafe { bytes.write_bytes(0, len) };
    }
}

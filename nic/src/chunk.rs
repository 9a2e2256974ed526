//! Counted views of bytes that stay put: [`Chunk`] reads, [`ChunkMut`] is a slot's one writer.
//!
//! Invariant: the bytes of a `Chunk` never change while it lives. A `ChunkMut` and the chunks frozen off it cover
//! disjoint parts of a slot. A view that is empty holds nothing, so a pointer always lies inside the slot it counts.

use core::fmt;
use core::ops::{Deref, Range};
use core::ptr::NonNull;

use crate::content::Content;
use crate::pool::Pool;
use crate::{Sum, Work};

/// A counted, read-only view: part of a pool slot, of [`Content`], or of plain `'static` bytes.
///
/// Cloning counts, dropping the last one frees the slot. A chunk may carry the [`Sum`] of its bytes.
pub struct Chunk {
    pointer: NonNull<u8>,
    len: u32,
    sum: Option<Sum>,
    home: Home,
}

/// Who keeps the bytes.
#[derive(Clone, Copy)]
enum Home {
    Static,
    Content(&'static Content),
    Slot(&'static Pool),
}

// A chunk is moved through every queue of the stack: two fit a cache line.
#[cfg(all(target_pointer_width = "64", not(loom)))]
const _: () = assert!(size_of::<Chunk>() == 32);

// SAFETY: a chunk only reads bytes that nobody writes while it lives; its count is atomic.
unsafe impl Send for Chunk {}
// SAFETY: as above.
unsafe impl Sync for Chunk {}

impl Chunk {
    /// A view of nothing.
    pub const EMPTY: Self = Self::from_static(&[]);

    /// A view of bytes that live for ever. For content that is sent again and again, see [`Content`].
    ///
    /// # Panics
    /// If there are 4 GiB or more.
    #[must_use]
    pub const fn from_static(bytes: &'static [u8]) -> Self {
        assert!(bytes.len() <= u32::MAX as usize, "a chunk is shorter than 4 GiB");
        let pointer = NonNull::from_ref(bytes).cast();
        Self { pointer, len: bytes.len() as u32, sum: None, home: Home::Static }
    }

    /// A view of the whole of `content`.
    pub(crate) fn of_content(content: &'static Content) -> Self {
        Self { home: Home::Content(content), ..Self::from_static(content.bytes()) }
    }

    /// Bytes in view.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing is in view.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Bytes of pool memory that this view keeps from being reused: a whole slot, or none for static bytes.
    #[must_use]
    pub fn pinned(&self) -> usize {
        match self.home {
            Home::Slot(pool) => pool.slot_size(),
            Home::Static | Home::Content(_) => 0,
        }
    }

    /// A second view, of `range`. The sum goes along when the range is the whole.
    ///
    /// # Panics
    /// If `range` does not lie in the view.
    #[must_use]
    #[inline]
    pub fn slice(&self, range: Range<usize>) -> Self {
        let is_whole = range.len() == self.len();
        let mut view = self.part(range);
        if is_whole {
            view.sum = self.sum;
        }
        view
    }

    /// [`Chunk::slice`] without a sum.
    #[inline(always)]
    pub(crate) fn part(&self, range: Range<usize>) -> Self {
        assert!(range.start <= range.end && range.end <= self.len(), "the range lies in the chunk");
        if range.is_empty() {
            return Self::EMPTY;
        }
        self.hold();
        // SAFETY: the range is not empty and lies in the view, so its start does.
        let pointer = unsafe { self.pointer.add(range.start) };
        Self { pointer, len: range.len() as u32, sum: None, home: self.home }
    }

    /// One more view of what this one keeps.
    #[inline(always)]
    fn hold(&self) {
        if let Home::Slot(pool) = self.home {
            pool.hold(pool.slot_of(self.pointer));
        }
    }

    /// Drops `count` bytes from the front of the view.
    ///
    /// # Panics
    /// If the view is shorter.
    #[inline]
    pub fn advance(&mut self, count: usize) {
        assert!(count <= self.len(), "a view cannot advance beyond its end");
        if count == 0 {
            return;
        }
        if count == self.len() {
            *self = Self::EMPTY;
            return;
        }
        // SAFETY: `count` is less than `len`, so the new start lies inside the view.
        self.pointer = unsafe { self.pointer.add(count) };
        self.len -= count as u32;
        self.sum = None;
    }

    /// Keeps the first `len` bytes of the view; nothing happens when it is shorter.
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        if len == 0 {
            *self = Self::EMPTY;
            return;
        }
        self.len = len as u32;
        self.sum = None;
    }

    /// Cuts the first `count` bytes off as a view of their own. No sum is known of either part afterwards.
    ///
    /// # Panics
    /// If the view is shorter.
    #[must_use]
    pub fn split_to(&mut self, count: usize) -> Self {
        let front = self.slice(0..count);
        self.advance(count);
        front
    }

    /// [`Chunk::split_to`] where the front's sum will be needed: kept content looks it up; a chunk with a sum reads its
    /// shorter side and subtracts; one without reads the front. What is read is charged to `work`.
    ///
    /// # Panics
    /// If the view is shorter.
    #[must_use]
    pub fn split_to_summed(&mut self, count: usize, work: &mut Work) -> Self {
        if matches!(self.home, Home::Content(_)) {
            let mut front = self.split_to(count);
            front.sum(work);
            return front;
        }
        let whole = self.sum;
        let mut front = self.split_to(count);
        match whole {
            Some(whole) if self.len() < front.len() => {
                let back = self.sum(work);
                front.sum = Some(whole.without_back(back));
            }
            Some(whole) => {
                let sum = front.sum(work);
                self.sum = Some(whole.without_front(sum));
            }
            None => {
                front.sum(work);
            }
        }
        front
    }

    /// Adds `next` to this view if its bytes follow right behind in the same slot; gives it back otherwise.
    ///
    /// # Errors
    /// `next`, untouched, when it lies elsewhere.
    pub fn join(&mut self, next: Self) -> Result<(), Self> {
        let (Home::Slot(mine), Home::Slot(theirs)) = (self.home, next.home) else {
            return Err(next);
        };
        let follows = self.pointer.addr().get() + self.len() == next.pointer.addr().get();
        if !core::ptr::eq(mine, theirs) || !follows || mine.slot_of(self.pointer) != mine.slot_of(next.pointer) {
            return Err(next);
        }
        self.sum = match (self.sum, next.sum) {
            (Some(mine), Some(theirs)) => Some(mine.then(theirs)),
            _ => None,
        };
        self.len += next.len;
        Ok(())
    }

    /// The sum of the bytes in view. Known already, it costs nothing; else the bytes are read once, charged to `work`,
    /// and the sum is kept.
    pub fn sum(&mut self, work: &mut Work) -> Sum {
        let sum = self.sum_now(work);
        self.sum = Some(sum);
        sum
    }

    /// [`Chunk::sum`] through a shared view, which cannot keep it.
    #[must_use]
    pub fn sum_now(&self, work: &mut Work) -> Sum {
        self.part_sum(0..self.len(), work)
    }

    /// The sum of the bytes in `range`. Kept content looks it up; where the whole is known and `range` is its front, the
    /// shorter side is read.
    pub(crate) fn part_sum(&self, range: Range<usize>, work: &mut Work) -> Sum {
        let Range { start, end } = range;
        match (self.sum, self.home) {
            (Some(whole), _) if start == 0 && end == self.len() => whole,
            (_, Home::Content(content)) => content.sum(self.offset_in(content) + start, end - start, work),
            (Some(whole), _) if start == 0 && self.len() - end < end => {
                whole.without_back(Sum::of_payload(&self[end..], work))
            }
            (_, Home::Static | Home::Slot(_)) => Sum::of_payload(&self[start..end], work),
        }
    }

    /// The sum, if it is known.
    #[must_use]
    pub const fn known_sum(&self) -> Option<Sum> {
        self.sum
    }

    /// Keeps a sum that came in another way, such as what a received segment's checksum leaves for its payload. A
    /// wrong one leads to segments that peers drop.
    pub fn set_sum(&mut self, sum: Sum) {
        debug_assert_eq!(sum.is_odd(), self.len() % 2 == 1);
        self.sum = Some(sum);
    }

    /// Whether the sum of a part, once it was taken, is kept elsewhere: cutting the chunk there is not needed to keep it.
    #[must_use]
    pub const fn keeps_cuts(&self) -> bool {
        matches!(self.home, Home::Content(_))
    }

    /// A second view of which no sum is known, stored or kept: what arrives when a simulated wire lends a sender's bytes
    /// to a receiver.
    #[must_use]
    pub fn unsummed(&self) -> Self {
        let mut view = self.clone();
        view.sum = None;
        if let Home::Content(_) = view.home {
            view.home = Home::Static;
        }
        view
    }

    fn offset_in(&self, content: &Content) -> usize {
        self.pointer.addr().get() - content.bytes().as_ptr().addr()
    }
}

impl Clone for Chunk {
    fn clone(&self) -> Self {
        self.hold();
        Self { ..*self }
    }
}

impl Drop for Chunk {
    fn drop(&mut self) {
        if let Home::Slot(pool) = self.home {
            pool.let_go(pool.slot_of(self.pointer));
        }
    }
}

impl Deref for Chunk {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        // SAFETY: the view covers `len` initialised bytes that nobody writes while it lives: static ones, or a part of
        // a slot that this chunk counts and that its writer froze.
        unsafe { core::slice::from_raw_parts(self.pointer.as_ptr(), self.len()) }
    }
}

impl Default for Chunk {
    fn default() -> Self {
        Self::EMPTY
    }
}

impl fmt::Debug for Chunk {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let home = match self.home {
            Home::Static => "static",
            Home::Content(_) => "content",
            Home::Slot(_) => "slot",
        };
        write!(out, "Chunk({} bytes, {home}, {:?})", self.len, self.sum)
    }
}

/// The one writer of a slot, or of what is left of it after fronts were frozen off.
pub struct ChunkMut {
    pool: &'static Pool,
    slot: u32,
    len: u32,
    pointer: NonNull<u8>,
}

// SAFETY: it is the only way to the bytes it covers.
unsafe impl Send for ChunkMut {}
// SAFETY: as above; a shared `ChunkMut` only reads.
unsafe impl Sync for ChunkMut {}

impl ChunkMut {
    /// The writer of all of `slot`, which the caller has just taken (its count is 1).
    pub(crate) fn of_slot(pool: &'static Pool, slot: u32) -> Self {
        Self { pool, slot, len: pool.slot_size() as u32, pointer: pool.slot_start(slot) }
    }

    /// Bytes that can still be written.
    #[must_use]
    pub const fn room(&self) -> usize {
        self.len as usize
    }

    /// The writable bytes. What stands there is left from the slot's last use.
    pub fn bytes_mut(&mut self) -> &mut [u8] {
        // SAFETY: the region is `len` initialised bytes of a slot this writer counts, disjoint from every frozen part;
        // `&mut self` makes the borrow exclusive.
        unsafe { core::slice::from_raw_parts_mut(self.pointer.as_ptr(), self.len as usize) }
    }

    /// Where the writable bytes begin: what a driver tells its device.
    #[must_use]
    pub const fn pointer(&self) -> NonNull<u8> {
        self.pointer
    }

    /// Copies `bytes`, or as many as fit, into the front, and freezes them; nobody has their sum. The copy is charged to
    /// `work`.
    pub fn copy(&mut self, bytes: &[u8], work: &mut Work) -> Chunk {
        let count = bytes.len().min(self.room());
        self.bytes_mut()[..count].copy_from_slice(&bytes[..count]);
        work.copied += count as u64;
        self.freeze_front(count)
    }

    /// Copies `bytes`, or as many as fit, into the front, and freezes them with their sum. The copy is charged to
    /// `work`.
    pub fn write(&mut self, bytes: &[u8], work: &mut Work) -> Chunk {
        let count = bytes.len().min(self.room());
        let sum = Sum::of_copied(&bytes[..count], self.bytes_mut(), work);
        let mut chunk = self.freeze_front(count);
        if count > 0 {
            chunk.set_sum(sum);
        }
        chunk
    }

    /// Turns the first `count` bytes into a [`Chunk`]; the rest stays writable.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn freeze_front(&mut self, count: usize) -> Chunk {
        assert!(count <= self.room(), "only bytes that are there can be frozen");
        if count == 0 {
            return Chunk::EMPTY;
        }
        self.pool.hold(self.slot);
        let chunk = Chunk { pointer: self.pointer, len: count as u32, sum: None, home: Home::Slot(self.pool) };
        // SAFETY: `count` is at most `len`: the new start lies in the slot or one past its end.
        self.pointer = unsafe { self.pointer.add(count) };
        self.len -= count as u32;
        chunk
    }

    /// Turns the bytes in `range` into a [`Chunk`] and gives the others up.
    ///
    /// # Panics
    /// If they are not there.
    #[must_use]
    #[inline(always)]
    pub fn freeze_part(self, range: Range<usize>) -> Chunk {
        assert!(range.start <= range.end && range.end <= self.room(), "only bytes that are there can be frozen");
        if range.is_empty() {
            return Chunk::EMPTY;
        }
        // The count moves into the chunk with the slot.
        let this = core::mem::ManuallyDrop::new(self);
        // SAFETY: the range is not empty and lies in the writer's bytes, so its start does.
        let pointer = unsafe { this.pointer.add(range.start) };
        Chunk { pointer, len: range.len() as u32, sum: None, home: Home::Slot(this.pool) }
    }

    /// Turns the first `count` bytes into a [`Chunk`] and gives the rest up.
    ///
    /// # Panics
    /// If there are fewer.
    #[must_use]
    pub fn freeze(self, count: usize) -> Chunk {
        self.freeze_part(0..count)
    }
}

impl Drop for ChunkMut {
    fn drop(&mut self) {
        self.pool.let_go(self.slot);
    }
}

impl fmt::Debug for ChunkMut {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "ChunkMut({} bytes of slot {})", self.len, self.slot)
    }
}

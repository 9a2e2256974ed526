//! A driver's own notes, in memory that the kernel gives and that no device is told of.
//!
//! A ring's notes are tens of KiB: inside the driver they would be moved over the kernel's stack whenever it is.
//!
//! Invariant: a table has all of its entries until it is given back, and none after. It goes back by an explicit call,
//! for it does not know its platform; one that is dropped without is lost to the kernel, with what its entries hold.

use core::alloc::Layout;
use core::ops::{Deref, DerefMut};
use core::ptr::{NonNull, slice_from_raw_parts_mut};

use crate::platform::Platform;

/// Entries of one type, as many as were asked for.
pub(crate) struct Table<T> {
    entries: NonNull<T>,
    len: usize,
}

// SAFETY: the entries belong to the table as a vector's do to the vector, and are reached through it only.
unsafe impl<T: Send> Send for Table<T> {}

impl<T> Table<T> {
    /// `len` entries, each made where it will lie; `None` where there is no memory for them.
    pub(crate) fn new(platform: &impl Platform, len: usize, mut entry: impl FnMut(usize) -> T) -> Option<Self> {
        let layout = Layout::array::<T>(len).ok()?;
        let entries = if layout.size() == 0 { NonNull::dangling() } else { platform.private(layout)?.cast() };
        for index in 0..len {
            // SAFETY: `Platform::private` gave room for `len` entries, and `index` is below that.
            let place = unsafe { entries.add(index) };
            // SAFETY: the room is aligned for an entry, and nobody else uses it.
            unsafe { place.write(entry(index)) };
        }
        Some(Self { entries, len })
    }

    /// Drops the entries, and gives their memory back to the platform that it came from.
    pub(crate) fn release(&mut self, platform: &impl Platform) {
        let entries = slice_from_raw_parts_mut(self.entries.as_ptr(), self.len);
        let layout = self.take_layout();
        // SAFETY: the entries were made by `new` and stand: whatever gives them up leaves a length of zero, as happened
        // just now, so they are dropped this once.
        unsafe { entries.drop_in_place() };
        self.give_back(layout, platform);
    }

    /// Gives the memory back and forgets what the entries hold: a device that did not stop may still use that.
    pub(crate) fn abandon(&mut self, platform: &impl Platform) {
        let layout = self.take_layout();
        self.give_back(layout, platform);
    }

    /// Leaves no entry; what they took.
    fn take_layout(&mut self) -> Layout {
        Layout::array::<T>(core::mem::take(&mut self.len)).expect("it was one when the memory was asked for")
    }

    fn give_back(&self, layout: Layout, platform: &impl Platform) {
        if layout.size() == 0 {
            return;
        }
        // SAFETY: a driver has one platform, and the memory came from there with this layout. No entry is left in the
        // table, so it is not reached again, nor given back again: then its layout is empty.
        unsafe { platform.release_private(self.entries.cast(), layout) };
    }
}

impl<T> Deref for Table<T> {
    type Target = [T];

    fn deref(&self) -> &[T] {
        // SAFETY: `new` made as many entries; nobody else reaches them, and whatever gives them up sets `len` to zero.
        unsafe { NonNull::slice_from_raw_parts(self.entries, self.len).as_ref() }
    }
}

impl<T> DerefMut for Table<T> {
    fn deref_mut(&mut self) -> &mut [T] {
        // SAFETY: as in `deref`.
        unsafe { NonNull::slice_from_raw_parts(self.entries, self.len).as_mut() }
    }
}

//! A table of fixed capacity whose keys cannot be confused after reuse.
//!
//! Invariant: a [`Key`] finds its entry until the entry is removed, and never another one: each slot counts its lives.

use core::num::NonZeroU32;

/// Names one entry of one life of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct Key {
    pub(crate) index: u32,
    generation: NonZeroU32,
}

/// Names an entry by its place alone, for whoever owns it and so knows its life. An `Option` of one costs nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place(NonZeroU32);

impl Place {
    pub(crate) fn of(key: Key) -> Self {
        Self(NonZeroU32::MIN.saturating_add(key.index))
    }

    pub(crate) const fn index(self) -> u32 {
        self.0.get() - 1
    }
}

/// One place of a table; storage is handed in as a slice of these.
#[derive(Debug)]
pub struct Slot<T> {
    generation: NonZeroU32,
    next_free: u32,
    value: Option<T>,
}

impl<T> Slot<T> {
    /// An empty place.
    pub const EMPTY: Self = Self { generation: NonZeroU32::MIN, next_free: NIL, value: None };
}

const NIL: u32 = u32::MAX;

/// The table.
#[derive(Debug)]
pub(crate) struct Slab<'s, T> {
    slots: &'s mut [Slot<T>],
    free: u32,
    len: usize,
}

impl<'s, T> Slab<'s, T> {
    pub(crate) fn new(slots: &'s mut [Slot<T>]) -> Self {
        let count = u32::try_from(slots.len()).expect("a table has fewer than 2^32 places");
        for (slot, next) in slots.iter_mut().zip(1..) {
            slot.value = None;
            slot.next_free = if next == count { NIL } else { next };
        }
        Self { slots, free: if count == 0 { NIL } else { 0 }, len: 0 }
    }

    pub(crate) fn is_full(&self) -> bool {
        self.free == NIL
    }

    pub(crate) fn len(&self) -> usize {
        self.len
    }

    pub(crate) fn capacity(&self) -> usize {
        self.slots.len()
    }

    /// Adds `value`, or gives it back when the table is full.
    pub(crate) fn insert(&mut self, value: T) -> Result<Key, T> {
        if self.free == NIL {
            return Err(value);
        }
        let index = self.free;
        let slot = &mut self.slots[index as usize];
        self.free = slot.next_free;
        slot.value = Some(value);
        self.len += 1;
        Ok(Key { index, generation: slot.generation })
    }

    pub(crate) fn remove(&mut self, key: Key) -> Option<T> {
        self.at(key)?;
        let slot = &mut self.slots[key.index as usize];
        // Never zero, so that an `Option` of a key costs nothing.
        slot.generation = slot.generation.checked_add(1).unwrap_or(NonZeroU32::MIN);
        slot.next_free = self.free;
        self.free = key.index;
        self.len -= 1;
        slot.value.take()
    }

    pub(crate) fn at(&self, key: Key) -> Option<&T> {
        self.slots.get(key.index as usize).filter(|slot| slot.generation == key.generation)?.value.as_ref()
    }

    pub(crate) fn at_mut(&mut self, key: Key) -> Option<&mut T> {
        self.slots.get_mut(key.index as usize).filter(|slot| slot.generation == key.generation)?.value.as_mut()
    }

    /// The entry in place `index`, whatever its life.
    pub(crate) fn by_index(&self, index: u32) -> Option<&T> {
        self.slots.get(index as usize)?.value.as_ref()
    }

    pub(crate) fn by_index_mut(&mut self, index: u32) -> Option<&mut T> {
        self.slots.get_mut(index as usize)?.value.as_mut()
    }

    /// The key of the entry that lives in place `index` now.
    pub(crate) fn key(&self, index: u32) -> Option<Key> {
        let slot = self.slots.get(index as usize)?;
        slot.value.as_ref().map(|_| Key { index, generation: slot.generation })
    }
}

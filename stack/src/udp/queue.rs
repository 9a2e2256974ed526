//! First in, first out, in a table that all sockets share.

use crate::slab::Slab;

/// The end of a list.
pub(super) const NIL: u32 = u32::MAX;

/// What can stand in a queue.
pub(super) trait Linked {
    /// The place of who stands behind.
    fn next(&mut self) -> &mut u32;
}

/// A queue's ends. It owns its entries, but does not remove them when dropped.
#[derive(Debug)]
pub(super) struct Fifo {
    head: u32,
    tail: u32,
    len: u32,
}

impl Fifo {
    pub(super) const EMPTY: Self = Self { head: NIL, tail: NIL, len: 0 };

    pub(super) const fn len(&self) -> usize {
        self.len as usize
    }

    pub(super) fn first<'t, T>(&self, table: &'t Slab<'_, T>) -> Option<&'t T> {
        table.by_index(self.head)
    }

    /// Adds `value`, or gives it back when the table is full.
    pub(super) fn push<T: Linked>(&mut self, value: T, table: &mut Slab<'_, T>) -> Result<(), T> {
        let index = table.insert(value)?.index;
        match table.by_index_mut(self.tail) {
            Some(last) => *last.next() = index,
            None => self.head = index,
        }
        self.tail = index;
        self.len += 1;
        Ok(())
    }

    pub(super) fn pop<T: Linked>(&mut self, table: &mut Slab<'_, T>) -> Option<T> {
        let mut first = table.remove(table.key(self.head)?)?;
        self.head = *first.next();
        if self.head == NIL {
            self.tail = NIL;
        }
        self.len -= 1;
        Some(first)
    }
}

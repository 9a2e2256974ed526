//! What a ring keeps to itself: which entries are in use, what they hold, how they are linked.
//!
//! Invariant: an entry is on the free list or in one chain. Entry N is descriptor N of a split ring, and the number of
//! a chain in either ring is its first entry; a number that the device names counts only where a chain starts.

use lendwire_nic::Fault;

use super::{Buffer, Refused};
use crate::platform::Platform;
use crate::private::Table;

/// The entries of one ring.
pub(super) struct Chains<H> {
    entries: Table<Entry<H>>,
    size: u16,
    first_free: u16,
    free: u16,
}

struct Entry<H> {
    held: Option<H>,
    /// The next one of its chain, or of the free list.
    next: u16,
    /// Entries in the chain that starts here, zero where none does.
    count: u16,
    /// The table that the chain which starts here lies in.
    table: Option<u8>,
}

/// A chain that was taken off the free list.
#[derive(Clone, Copy)]
pub(super) struct Taken {
    pub(super) head: u16,
    pub(super) last: u16,
    /// Entries, at least one.
    pub(super) count: u16,
}

/// A chain that was put back.
pub(super) struct Released<H> {
    pub(super) head: u16,
    /// What its first entry held.
    pub(super) first: Option<H>,
    pub(super) count: u16,
    pub(super) table: Option<u8>,
}

impl<H> Chains<H> {
    /// `size` free entries.
    pub(super) fn new(platform: &impl Platform, size: u16) -> Option<Self> {
        let free = |index: usize| Entry { held: None, next: index as u16 + 1, count: 0, table: None };
        let entries = Table::new(platform, usize::from(size), free)?;
        Some(Self { entries, size, first_free: 0, free: size })
    }

    pub(super) fn size(&self) -> usize {
        usize::from(self.size)
    }

    pub(super) fn room(&self) -> usize {
        usize::from(self.free)
    }

    /// The first entry of the next chain.
    pub(super) fn next_head(&self) -> u16 {
        self.first_free
    }

    /// Takes an entry for `first` and each of the `rest`, all of them or none, and calls `write` with it.
    pub(super) fn take(
        &mut self,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
        mut write: impl FnMut(u16, &Buffer<H>),
    ) -> Result<Taken, Refused> {
        if self.free == 0 {
            return Err(Refused::Full);
        }
        let head = self.first_free;
        write(head, &first);
        let (mut last, mut next, mut count) = (head, self.hold(head, first.held), 1);
        for buffer in rest {
            let refused = match &buffer {
                None => Some(Refused::Unreachable),
                Some(_) if count == self.free => Some(Refused::Full),
                Some(_) => None,
            };
            if let Some(refused) = refused {
                // Nothing was taken off the free list yet: only what is held has to go.
                self.let_go(head, count);
                return Err(refused);
            }
            let Some(buffer) = buffer else { break };
            write(next, &buffer);
            (last, next, count) = (next, self.hold(next, buffer.held), count + 1);
        }
        self.first_free = next;
        self.free -= count;
        self.entries[usize::from(head)].count = count;
        Ok(Taken { head, last, count })
    }

    /// Entry `index` holds this from now on; the next one.
    fn hold(&mut self, index: u16, held: Option<H>) -> u16 {
        let entry = &mut self.entries[usize::from(index)];
        entry.held = held;
        entry.next
    }

    /// The chain that starts at `head` lies in table `number`.
    pub(super) fn note_table(&mut self, head: u16, number: u8) {
        self.entries[usize::from(head)].table = Some(number);
    }

    /// Puts back the chain that the device calls `id`, and lets go what it holds
    /// but for what its first entry does.
    pub(super) fn release(&mut self, id: u32) -> Result<Released<H>, Fault> {
        let head = u16::try_from(id).ok().filter(|&head| head < self.size).ok_or(Fault::BadIndex)?;
        let entry = &mut self.entries[usize::from(head)];
        let count = core::mem::take(&mut entry.count);
        if count == 0 {
            return Err(Fault::BadIndex);
        }
        let (first, table) = (entry.held.take(), entry.table.take());
        if count == 1 {
            entry.next = self.first_free;
        } else {
            let last = self.let_go(head, count);
            self.entries[usize::from(last)].next = self.first_free;
        }
        self.first_free = head;
        self.free += count;
        Ok(Released { head, first, count, table })
    }

    /// Lets go what every entry holds; all are free, in the order of a new ring.
    pub(super) fn reset(&mut self) {
        for (entry, next) in self.entries.iter_mut().zip(1..) {
            *entry = Entry { held: None, next, count: 0, table: None };
        }
        (self.first_free, self.free) = (0, self.size);
    }

    /// Lets go what every entry holds, and gives their memory back: the last call.
    pub(super) fn give_back(&mut self, platform: &impl Platform) {
        self.entries.release(platform);
    }

    /// [`Chains::give_back`] that forgets what is held, without freeing it.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.entries.abandon(platform);
    }

    /// Lets go what `count` entries from `head` on hold; returns the last of them.
    fn let_go(&mut self, head: u16, count: u16) -> u16 {
        let (mut last, mut next) = (head, head);
        for _ in 0..count {
            let entry = &mut self.entries[usize::from(next)];
            entry.held = None;
            (last, next) = (next, entry.next);
        }
        last
    }
}

//! What a ring keeps to itself: which entries are in use, and what they hold.
//!
//! Invariant: entries are given out in a circle, so a chain's lie one behind the other, and those in use lie between the
//! oldest and the next one. Entry N is descriptor N of a split ring, and the number of a chain in either ring is its first
//! entry; a number that the device names counts only where a chain starts.
//!
//! ```text
//!            ┌ oldest                  ┌ next
//!   ─────────┼────┬────┬─────────┬─────┼─────────
//!    free    │    │back│         │     │    free          early: one
//! ```
//!
//! A chain that comes back before an older one is noted, and its entries are free when the older one is back too: devices
//! give back in order but for very few, and then no list has to be kept.

use lendwire_nic::Fault;

use super::{Buffer, Refused};
use crate::platform::Platform;
use crate::private::Table;

/// The entries of one ring.
pub(super) struct Chains<H> {
    entries: Table<Entry<H>>,
    size: u16,
    next: u16,
    oldest: u16,
    free: u16,
    /// Chains that are back before an older one.
    early: u16,
}

struct Entry<H> {
    held: Option<H>,
    /// Entries in the chain that starts here, zero where none does.
    count: u16,
    /// The same of a chain that came back early.
    early: u16,
    /// What the chain that starts here holds beside.
    beside: Beside,
}

/// What a chain holds beside what its first entry does.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Beside {
    Nothing,
    /// Each of its entries may hold something.
    Each,
    /// It lies in this table.
    Table(u8),
}

impl<H> Entry<H> {
    const FREE: Self = Self { held: None, count: 0, early: 0, beside: Beside::Nothing };
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
        let entries = Table::new(platform, usize::from(size), |_| Entry::FREE)?;
        Some(Self { entries, size, next: 0, oldest: 0, free: size, early: 0 })
    }

    pub(super) fn size(&self) -> usize {
        usize::from(self.size)
    }

    pub(super) fn room(&self) -> usize {
        usize::from(self.free)
    }

    /// The first entry of the next chain.
    pub(super) fn next_head(&self) -> u16 {
        self.next
    }

    /// Takes an entry for `first` and each of the `rest`, all of them or none, and calls `write` with it. Returns how many
    /// they are; the first is what [`Chains::next_head`] was.
    pub(super) fn take(
        &mut self,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
        mut write: impl FnMut(u16, &Buffer<H>),
    ) -> Result<u16, Refused> {
        if self.free == 0 {
            return Err(Refused::Full);
        }
        let head = self.next;
        write(head, &first);
        self.entries[usize::from(head)].held = first.held;
        let (mut next, mut count) = (self.after(head, 1), 1);
        for buffer in rest {
            let refused = match &buffer {
                None => Some(Refused::Unreachable),
                Some(_) if count == self.free => Some(Refused::Full),
                Some(_) => None,
            };
            if let Some(refused) = refused {
                // No entry was taken yet: only what is held has to go.
                self.let_go(head, count);
                return Err(refused);
            }
            let Some(buffer) = buffer else { break };
            write(next, &buffer);
            self.entries[usize::from(next)].held = buffer.held;
            (next, count) = (self.after(next, 1), count + 1);
        }
        self.next = next;
        self.free -= count;
        let entry = &mut self.entries[usize::from(head)];
        entry.count = count;
        if count > 1 {
            entry.beside = Beside::Each;
        }
        Ok(count)
    }

    /// [`Chains::take`] of one entry.
    #[inline(always)]
    pub(super) fn take_one(&mut self, held: Option<H>) -> Option<u16> {
        let head = self.next;
        self.take_plain(1, held)?;
        Some(head)
    }

    /// [`Chains::take`] of two entries, the first of which holds `held` for both.
    #[inline(always)]
    pub(super) fn take_two(&mut self, held: H) -> Option<[u16; 2]> {
        let head = self.next;
        self.take_plain(2, Some(held))?;
        Some([head, self.after(head, 1)])
    }

    #[inline(always)]
    fn take_plain(&mut self, count: u16, held: Option<H>) -> Option<()> {
        if self.free < count {
            return None;
        }
        let entry = &mut self.entries[usize::from(self.next)];
        // A free entry holds nothing: there is nothing to drop.
        core::mem::forget(core::mem::replace(&mut entry.held, held));
        entry.count = count;
        self.next = self.after(self.next, count);
        self.free -= count;
        Some(())
    }

    /// `count` entries behind `index`, at most once around.
    #[inline(always)]
    fn after(&self, index: u16, count: u16) -> u16 {
        let next = index + count;
        if next >= self.size { next - self.size } else { next }
    }

    /// The next chain, of one entry, lies in table `number`.
    pub(super) fn note_table(&mut self, number: u8) {
        self.entries[usize::from(self.next)].beside = Beside::Table(number);
    }

    /// Puts back the chain that the device calls `id`, and lets go what it holds
    /// but for what its first entry does.
    #[inline(always)]
    pub(super) fn release(&mut self, id: u32) -> Result<Released<H>, Fault> {
        let entry = self.entries.get_mut(id as usize).ok_or(Fault::BadIndex)?;
        let head = id as u16;
        let count = core::mem::take(&mut entry.count);
        if count == 0 {
            return Err(Fault::BadIndex);
        }
        let first = entry.held.take();
        let table = if entry.beside == Beside::Nothing { None } else { self.release_beside(head, count) };
        if head == self.oldest {
            self.oldest = self.after(head, count);
            self.free += count;
            if self.early > 0 {
                self.catch_up();
            }
        } else {
            self.entries[usize::from(head)].early = count;
            self.early += 1;
        }
        Ok(Released { head, first, count, table })
    }

    /// Lets go what a chain holds beside; the table that it lay in.
    #[inline(never)]
    fn release_beside(&mut self, head: u16, count: u16) -> Option<u8> {
        let beside = core::mem::replace(&mut self.entries[usize::from(head)].beside, Beside::Nothing);
        match beside {
            Beside::Nothing => None,
            Beside::Each => {
                self.let_go(head, count);
                None
            }
            Beside::Table(number) => Some(number),
        }
    }

    /// Frees the entries of chains that came back early, as far as no older one is out.
    #[inline(never)]
    fn catch_up(&mut self) {
        while self.early > 0 {
            let count = core::mem::take(&mut self.entries[usize::from(self.oldest)].early);
            if count == 0 {
                break;
            }
            self.oldest = self.after(self.oldest, count);
            self.free += count;
            self.early -= 1;
        }
    }

    /// Lets go what every entry holds; all are free, as in a new ring.
    pub(super) fn reset(&mut self) {
        self.entries.fill_with(|| Entry::FREE);
        (self.next, self.oldest, self.free, self.early) = (0, 0, self.size, 0);
    }

    /// Lets go what every entry holds, and gives their memory back: the last call.
    pub(super) fn give_back(&mut self, platform: &impl Platform) {
        self.entries.release(platform);
    }

    /// [`Chains::give_back`] that forgets what is held, without freeing it.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.entries.abandon(platform);
    }

    /// Lets go what `count` entries from `head` on hold.
    fn let_go(&mut self, head: u16, count: u16) {
        let mut next = head;
        for _ in 0..count {
            self.entries[usize::from(next)].held = None;
            next = self.after(next, 1);
        }
    }
}

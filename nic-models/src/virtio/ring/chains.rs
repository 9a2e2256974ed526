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
    // Numbers below 65,536; as words, which need no cutting.
    size: u32,
    next: u32,
    oldest: u32,
    free: u32,
    /// Chains that are back before an older one.
    early: u32,
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
    /// What its first entry held.
    pub(super) first: Option<H>,
    pub(super) count: u32,
    pub(super) table: Option<u8>,
}

impl<H> Chains<H> {
    /// `size` free entries.
    pub(super) fn new(platform: &impl Platform, size: u16) -> Option<Self> {
        let entries = Table::new(platform, usize::from(size), |_| Entry::FREE)?;
        let size = u32::from(size);
        Some(Self { entries, size, next: 0, oldest: 0, free: size, early: 0 })
    }

    pub(super) fn size(&self) -> usize {
        self.size as usize
    }

    pub(super) fn room(&self) -> usize {
        self.free as usize
    }

    /// The first entry of the next chain.
    pub(super) fn next_head(&self) -> u32 {
        self.next
    }

    /// Takes an entry for `first` and each of the `rest`, all of them or none, and calls `write` with it. Returns how many
    /// they are; the first is what [`Chains::next_head`] was.
    pub(super) fn take(
        &mut self,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
        mut write: impl FnMut(u32, &Buffer<H>),
    ) -> Result<u32, Refused> {
        if self.free == 0 {
            return Err(Refused::Full);
        }
        let head = self.next;
        write(head, &first);
        self.entries[head as usize].held = first.held;
        let (mut next, mut count) = (self.behind(head), 1);
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
            self.entries[next as usize].held = buffer.held;
            (next, count) = (self.behind(next), count + 1);
        }
        self.next = next;
        self.free -= count;
        let entry = &mut self.entries[head as usize];
        entry.count = count as u16;
        if count > 1 {
            entry.beside = Beside::Each;
        }
        Ok(count)
    }

    /// [`Chains::take`] of one entry, where one is free.
    #[inline(always)]
    pub(super) fn take_one(&mut self, held: Option<H>) -> u32 {
        let head = self.next;
        self.begin(1, || held);
        self.next = self.behind(head);
        head
    }

    /// [`Chains::take`] of two entries, where they are free; the first holds for both.
    #[inline(always)]
    pub(super) fn take_two(&mut self, hold: impl FnOnce() -> H) -> [u32; 2] {
        let head = self.next;
        self.begin(2, || Some(hold()));
        let last = self.behind(head);
        self.next = self.behind(last);
        [head, last]
    }

    /// A chain of `count` entries begins at the next one.
    #[inline(always)]
    fn begin(&mut self, count: u32, hold: impl FnOnce() -> Option<H>) {
        debug_assert!(self.free >= count, "the caller has seen that there is room");
        let entry = &mut self.entries[self.next as usize];
        // A free entry holds nothing: there is nothing to drop.
        core::mem::forget(core::mem::replace(&mut entry.held, hold()));
        entry.count = count as u16;
        self.free -= count;
    }

    /// The entry behind `index`.
    #[inline(always)]
    fn behind(&self, index: u32) -> u32 {
        if index + 1 == self.size { 0 } else { index + 1 }
    }

    /// `count` entries behind `index`, at most once around.
    #[inline(always)]
    fn after(&self, index: u32, count: u32) -> u32 {
        let next = index + count;
        if next >= self.size { next - self.size } else { next }
    }

    /// The next chain, of one entry, lies in table `number`.
    pub(super) fn note_table(&mut self, number: u8) {
        self.entries[self.next as usize].beside = Beside::Table(number);
    }

    /// What the chain that the device calls `id` holds, if it is one entry and the oldest chain, which is what
    /// [`Chains::release_oldest`] releases.
    #[inline(always)]
    pub(super) fn oldest(&mut self, id: u32) -> Option<&mut H> {
        let entry = self.entries.get_mut(id as usize)?;
        let is_plain = entry.count == 1 && entry.beside == Beside::Nothing && id == self.oldest && self.early == 0;
        if is_plain { entry.held.as_mut() } else { None }
    }

    /// [`Chains::release`] of the chain that [`Chains::oldest`] has shown.
    #[inline(always)]
    pub(super) fn release_oldest(&mut self) -> Option<H> {
        let entry = &mut self.entries[self.oldest as usize];
        let held = entry.held.take()?;
        entry.count = 0;
        self.oldest = self.behind(self.oldest);
        self.free += 1;
        Some(held)
    }

    /// [`Chains::release`] that lets go what the chain holds, if that is in its first entry and the chain is the oldest;
    /// otherwise nothing has changed.
    #[inline(always)]
    pub(super) fn drop_oldest(&mut self, id: u32) -> Option<u32> {
        let entry = self.entries.get_mut(id as usize)?;
        let count = u32::from(entry.count);
        if count == 0 || entry.beside != Beside::Nothing || id != self.oldest || self.early > 0 {
            return None;
        }
        entry.held = None;
        entry.count = 0;
        self.oldest = self.after(id, count);
        self.free += count;
        Some(count)
    }

    /// Puts back the chain that the device calls `id`, and lets go what it holds
    /// but for what its first entry does.
    #[inline(always)]
    pub(super) fn release(&mut self, id: u32) -> Result<Released<H>, Fault> {
        let entry = self.entries.get_mut(id as usize).ok_or(Fault::BadIndex)?;
        let (head, count) = (id, u32::from(core::mem::take(&mut entry.count)));
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
            self.entries[head as usize].early = count as u16;
            self.early += 1;
        }
        Ok(Released { first, count, table })
    }

    /// Lets go what a chain holds beside; the table that it lay in.
    #[inline(never)]
    fn release_beside(&mut self, head: u32, count: u32) -> Option<u8> {
        let beside = core::mem::replace(&mut self.entries[head as usize].beside, Beside::Nothing);
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
            let count = u32::from(core::mem::take(&mut self.entries[self.oldest as usize].early));
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
    fn let_go(&mut self, head: u32, count: u32) {
        let mut next = head;
        for _ in 0..count {
            self.entries[next as usize].held = None;
            next = self.behind(next);
        }
    }
}

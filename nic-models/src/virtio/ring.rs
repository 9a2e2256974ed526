//! The split virtqueue, the driver's side (virtio 1.2 §2.7).
//!
//! Invariant: which descriptors are in use, what they hold, their lengths and links are kept in private memory; the
//! shared tables are written and never read back. The device's two words are its used index and its used entries: each
//! is read once, and checked against what it was given.

use core::sync::atomic::{Ordering, fence};

use lendwire_nic::Fault;

use crate::dma::Area;

/// Descriptors that a ring has at the most; a device that offers more is given these.
pub(super) const RING_SIZE: usize = 256;

/// A run of bytes for the device, and what keeps it in place meanwhile.
pub(super) struct Buffer<H> {
    pub(super) bus: u64,
    pub(super) len: u32,
    pub(super) held: Option<H>,
}

/// What the device may do with the buffers of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
}

/// Why a chain was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too few descriptors are free.
    Full,
    /// The device cannot reach a buffer.
    Unreachable,
}

/// A chain that the device is done with.
pub(super) struct Completed<H> {
    /// What its first descriptor held.
    pub(super) first: Option<H>,
    /// Bytes that the device says it wrote.
    pub(super) written: usize,
}

/// One virtqueue. `H` is what a descriptor holds while the device may use its bytes.
pub(super) struct SplitRing<H> {
    area: Area,
    layout: Layout,
    event_index: bool,
    descriptors: [Descriptor<H>; RING_SIZE],
    free_first: u16,
    free: u16,
    /// The available index: chains queued so far.
    available: u16,
    /// The available index at the last look whether the device wants to be told.
    kicked: u16,
    /// Chains taken back so far.
    used: u16,
    /// The used index as last read and checked.
    used_limit: u16,
    is_masked: bool,
}

struct Descriptor<H> {
    held: Option<H>,
    /// The next one of its chain, or of the free list.
    next: u16,
    /// Descriptors in the chain that starts here, zero where none does.
    chain: u16,
}

impl<H> SplitRing<H> {
    /// A ring of `size` descriptors (a power of two, at most [`RING_SIZE`]) in zeroed memory of [`ring_len`] bytes.
    pub(super) fn new(area: Area, size: u16, event_index: bool) -> Self {
        debug_assert!(size.is_power_of_two() && usize::from(size) <= RING_SIZE);
        let free = |index: usize| Descriptor { held: None, next: index as u16 + 1, chain: 0 };
        let mut ring = Self {
            area,
            layout: Layout::of(size),
            event_index,
            descriptors: core::array::from_fn(free),
            free_first: 0,
            free: size,
            available: 0,
            kicked: 0,
            used: 0,
            used_limit: 0,
            is_masked: false,
        };
        ring.mask();
        ring
    }

    /// Where the device finds the descriptor table, the available ring and the used ring.
    pub(super) fn bus(&self) -> [u64; 3] {
        [0, self.layout.available, self.layout.used].map(|offset| self.area.bus(offset))
    }

    /// Descriptors in all.
    pub(super) fn size(&self) -> usize {
        usize::from(self.layout.size)
    }

    /// Descriptors that are free.
    pub(super) fn room(&self) -> usize {
        usize::from(self.free)
    }

    /// Chains that the device has.
    pub(super) fn in_flight(&self) -> u16 {
        self.available.wrapping_sub(self.used)
    }

    /// The descriptor that the next chain will start with.
    pub(super) fn next_head(&self) -> u16 {
        self.free_first
    }

    /// Queues one chain of `buffers`, all of it or nothing; a `None` among them is one that the device cannot reach.
    pub(super) fn push(
        &mut self,
        access: Access,
        buffers: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(), Refused> {
        let head = self.free_first;
        let mut count = 0;
        let mut last = head;
        let mut outcome = Ok(());
        for buffer in buffers {
            let Some(buffer) = buffer else {
                outcome = Err(Refused::Unreachable);
                break;
            };
            if count == self.free {
                outcome = Err(Refused::Full);
                break;
            }
            let index = if count == 0 { head } else { self.link(last, access) };
            self.write_descriptor(index, &buffer, access);
            self.descriptors[usize::from(index)].held = buffer.held;
            (last, count) = (index, count + 1);
        }
        if outcome.is_err() || count == 0 {
            // Nothing was taken off the free list yet: only what is held has to go.
            self.let_go(head, count);
            return outcome;
        }
        self.free_first = self.descriptors[usize::from(last)].next;
        self.free -= count;
        self.descriptors[usize::from(head)].chain = count;

        let entry = self.layout.available_entry(self.available);
        self.area.write16(entry, head, Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
        // Release: descriptors, buffers and entry are seen before the index (§2.7.13.3).
        self.area.write16(self.layout.available + 2, self.available, Ordering::Release);
        Ok(())
    }

    /// Whether chains were queued that the device wants to be told of. Once a burst.
    pub(super) fn must_kick(&mut self) -> bool {
        let (old, new) = (self.kicked, self.available);
        if old == new {
            return false;
        }
        self.kicked = new;
        // The index is stored before the device's wish is loaded, else both sides may wait for ever (§2.7.13.4.1).
        fence(Ordering::SeqCst);
        if self.event_index {
            let event = self.area.read16(self.layout.available_event(), Ordering::Relaxed);
            return is_passed(event, new, old);
        }
        let flags = self.area.read16(self.layout.used, Ordering::Relaxed);
        flags & USED_NO_NOTIFY == 0
    }

    /// Takes the next chain that the device is done with.
    ///
    /// # Errors
    /// The device completed what it was not given: no word of it can be trusted any more.
    pub(super) fn complete(&mut self) -> Result<Option<Completed<H>>, Fault> {
        if self.ready()? == 0 {
            return Ok(None);
        }
        let entry = self.layout.used_entry(self.used);
        let (id, written) = (self.area.read32(entry), self.area.read32(entry + 4));
        let head = u16::try_from(id).ok().filter(|&head| head < self.layout.size).ok_or(Fault::BadIndex)?;
        let count = core::mem::take(&mut self.descriptors[usize::from(head)].chain);
        if count == 0 {
            return Err(Fault::BadIndex);
        }
        self.used = self.used.wrapping_add(1);
        let first = self.descriptors[usize::from(head)].held.take();
        let last = self.let_go(head, count);
        self.descriptors[usize::from(last)].next = self.free_first;
        self.free_first = head;
        self.free += count;
        Ok(Some(Completed { first, written: written as usize }))
    }

    /// Completed chains that wait to be taken. The used index is read only when all that were known are taken.
    pub(super) fn ready(&mut self) -> Result<u16, Fault> {
        if self.used_limit == self.used { self.look() } else { Ok(self.used_limit.wrapping_sub(self.used)) }
    }

    /// [`SplitRing::ready`] with a fresh look at the used index.
    pub(super) fn look(&mut self) -> Result<u16, Fault> {
        // Acquire: what the device wrote before the index is seen after it.
        let limit = self.area.read16(self.layout.used + 2, Ordering::Acquire);
        let ready = limit.wrapping_sub(self.used);
        // It may not complete more than it has, nor take back what it completed.
        if ready > self.in_flight() || ready < self.used_limit.wrapping_sub(self.used) {
            return Err(Fault::BadIndex);
        }
        self.used_limit = limit;
        Ok(ready)
    }

    /// Asks for no interrupt; to be repeated now and then, for an index that is passed comes round again.
    pub(super) fn mask(&mut self) {
        self.is_masked = true;
        if self.event_index {
            // The index just passed is the farthest ahead.
            self.area.write16(self.layout.used_event(), self.used.wrapping_sub(1), Ordering::Relaxed);
        } else {
            self.area.write16(self.layout.available, AVAILABLE_NO_INTERRUPT, Ordering::Relaxed);
        }
    }

    /// [`SplitRing::mask`], if it is masked.
    pub(super) fn keep_masked(&mut self) {
        if self.is_masked && self.event_index {
            self.mask();
        }
    }

    /// Asks for an interrupt when `more` chains beyond the next one are done. Returns whether they are already.
    pub(super) fn arm(&mut self, more: u16) -> Result<bool, Fault> {
        self.is_masked = false;
        if self.event_index {
            self.area.write16(self.layout.used_event(), self.used.wrapping_add(more), Ordering::Relaxed);
        } else {
            self.area.write16(self.layout.available, 0, Ordering::Relaxed);
        }
        // The wish is stored before the used index is loaded again (§2.7.10.1, and the driver's half of §2.7.7.1).
        fence(Ordering::SeqCst);
        Ok(self.look()? > more)
    }

    /// Lets go what a device that has stopped held.
    pub(super) fn clear(&mut self) {
        for descriptor in &mut self.descriptors {
            descriptor.held = None;
        }
    }

    /// Gives up what the device holds without freeing it: the device may still use it.
    pub(super) fn abandon(&mut self) {
        for descriptor in &mut self.descriptors {
            core::mem::forget(descriptor.held.take());
        }
    }

    /// Lets go what `count` descriptors from `head` on hold; returns the last of them.
    fn let_go(&mut self, head: u16, count: u16) -> u16 {
        let (mut last, mut next) = (head, head);
        for _ in 0..count {
            let descriptor = &mut self.descriptors[usize::from(next)];
            descriptor.held = None;
            (last, next) = (next, descriptor.next);
        }
        last
    }

    /// Makes the shared descriptor `last` lead to the free one behind it, and returns that.
    fn link(&mut self, last: u16, access: Access) -> u16 {
        let next = self.descriptors[usize::from(last)].next;
        let at = usize::from(last) * DESCRIPTOR;
        self.area.write16(at + 12, flags(access) | DESCRIPTOR_NEXT, Ordering::Relaxed);
        self.area.write16(at + 14, next, Ordering::Relaxed);
        next
    }

    fn write_descriptor(&mut self, index: u16, buffer: &Buffer<H>, access: Access) {
        let at = usize::from(index) * DESCRIPTOR;
        self.area.write64(at, buffer.bus);
        self.area.write32(at + 8, buffer.len);
        self.area.write16(at + 12, flags(access), Ordering::Relaxed);
    }
}

/// Whether stepping an index from `old` to `new` passes `event` (virtio 1.2 §2.7.10: all modulo 65,536).
fn is_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

fn flags(access: Access) -> u16 {
    match access {
        Access::Read => 0,
        Access::Write => DESCRIPTOR_WRITE,
    }
}

const DESCRIPTOR: usize = 16;
const DESCRIPTOR_NEXT: u16 = 1;
const DESCRIPTOR_WRITE: u16 = 2;
const AVAILABLE_NO_INTERRUPT: u16 = 1;
const USED_NO_NOTIFY: u16 = 1;

/// Bytes that a ring of `size` descriptors takes, to be aligned to 64.
pub(super) fn ring_len(size: u16) -> usize {
    let layout = Layout::of(size);
    (layout.available_event() + 2).next_multiple_of(64)
}

/// Where the three parts of a ring begin.
#[derive(Clone, Copy)]
struct Layout {
    size: u16,
    available: usize,
    used: usize,
}

impl Layout {
    fn of(size: u16) -> Self {
        let entries = usize::from(size);
        let available = DESCRIPTOR * entries;
        // The device writes from here on: a cache line of its own.
        let used = (available + 4 + 2 * entries + 2).next_multiple_of(64);
        Self { size, available, used }
    }

    fn slot(self, index: u16) -> usize {
        usize::from(index & (self.size - 1))
    }

    fn available_entry(self, index: u16) -> usize {
        self.available + 4 + 2 * self.slot(index)
    }

    fn used_event(self) -> usize {
        self.available + 4 + 2 * usize::from(self.size)
    }

    fn used_entry(self, index: u16) -> usize {
        self.used + 4 + 8 * self.slot(index)
    }

    fn available_event(self) -> usize {
        self.used + 4 + 8 * usize::from(self.size)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_passed;

    /// The rule of virtio 1.2 §2.7.10 on indices that never wrap: `event` is the next multiple of 65,536 plus the event
    /// index at or behind `old`, and is passed when it lies before `new`.
    fn is_passed_wide(event: u16, new: u64, old: u64) -> bool {
        let event = (old..old + 65_536).find(|index| *index as u16 == event).expect("every residue occurs");
        event < new
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

        #[test]
        fn the_event_index_compares_as_wide_integers_do(old in 0u64..1 << 40, steps in 0u64..65_536, event: u16) {
            let new = old + steps;
            prop_assert_eq!(is_passed(event, new as u16, old as u16), is_passed_wide(event, new, old));
        }

        #[test]
        fn near_misses_compare_as_wide_integers_do(old in 65_000u64..66_000, steps in 0u64..300, ahead in 0u64..300) {
            let (new, event) = (old + steps, (old + ahead) as u16);
            prop_assert_eq!(is_passed(event, new as u16, old as u16), is_passed_wide(event, new, old));
        }
    }
}

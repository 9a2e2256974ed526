//! The split virtqueue (virtio 1.2 §2.7).
//!
//! Invariant: the device's two words are its used index and its used entries: each is read once, and checked against
//! what it was given.

use core::sync::atomic::Ordering;

use lendwire_nic::Fault;

use super::chains::Chains;
use super::{Access, Buffer, Refused, Shape, Wish, is_passed};
use crate::dma::{Area, settle};

/// The memory of a split ring, and how far both sides are.
pub(super) struct Split {
    area: Area,
    layout: Layout,
    event_index: bool,
    /// The available index: chains queued so far.
    available: u16,
    /// The available index at the last look whether the device wants to be told.
    kicked: u16,
    /// Chains taken back so far.
    used: u16,
    /// The used index as last read and checked.
    used_limit: u16,
    is_masked: bool,
    /// Chains taken back when it was masked last.
    masked_at: u16,
}

const DESCRIPTOR: usize = 16;
const DESCRIPTOR_NEXT: u16 = 1;
const AVAILABLE_NO_INTERRUPT: u16 = 1;
const USED_NO_NOTIFY: u16 = 1;

impl Split {
    pub(super) fn new(area: Area, shape: Shape) -> Self {
        debug_assert!(shape.size.is_power_of_two());
        let mut ring = Self {
            area,
            layout: Layout::of(shape.size),
            event_index: shape.event_index,
            available: 0,
            kicked: 0,
            used: 0,
            used_limit: 0,
            is_masked: false,
            masked_at: 0,
        };
        ring.mask();
        ring
    }

    pub(super) fn reset(&mut self) {
        self.area.zero();
        (self.available, self.kicked, self.used, self.used_limit) = (0, 0, 0, 0);
        self.mask();
    }

    /// The descriptor table, the available ring and the used ring.
    pub(super) fn bus(&self) -> [u64; 3] {
        [0, self.layout.available, self.layout.used].map(|offset| self.area.bus(offset))
    }

    pub(super) fn push<H>(
        &mut self,
        chains: &mut Chains<H>,
        access: Access,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(), Refused> {
        let (flags, last_flags) = access.flags();
        // Whether a descriptor leads on is known when the next one comes.
        let mut last = None;
        let area = &self.area;
        let taken = chains.take(first, rest, |index, buffer| {
            if let Some(last) = last.replace(index) {
                write_link(area, last, flags | DESCRIPTOR_NEXT, index);
            }
            area.write_words(usize::from(index) * DESCRIPTOR, buffer.words());
        })?;
        write_link(area, taken.last, last_flags, 0);
        let entry = self.layout.available_entry(self.available);
        self.area.write16(entry, taken.head, Ordering::Relaxed);
        self.available = self.available.wrapping_add(1);
        // Release: descriptors, buffers and entry are seen before the index (§2.7.13.3).
        self.area.write16(self.layout.available + 2, self.available, Ordering::Release);
        Ok(())
    }

    pub(super) fn must_kick(&mut self) -> bool {
        let (old, new) = (self.kicked, self.available);
        if old == new {
            return false;
        }
        self.kicked = new;
        // The index is stored before the device's wish is loaded, else both sides may wait for ever (§2.7.13.4.1).
        settle();
        if self.event_index {
            let event = self.area.read16(self.layout.available_event(), Ordering::Relaxed);
            return is_passed(event, new, old);
        }
        let flags = self.area.read16(self.layout.used, Ordering::Relaxed);
        flags & USED_NO_NOTIFY == 0
    }

    /// Number and written bytes of the next chain that is done.
    // As a call it returns three words over memory, for every frame.
    #[inline(always)]
    pub(super) fn done(&mut self) -> Result<Option<(u32, usize)>, Fault> {
        // The used index is read only when all that were known are taken.
        if self.used_limit == self.used && self.look()? == 0 {
            return Ok(None);
        }
        let [id, written] = self.area.read_words(self.layout.used_entry(self.used));
        Ok(Some((id, written as usize)))
    }

    /// That chain is taken.
    pub(super) fn pass(&mut self) {
        self.used = self.used.wrapping_add(1);
    }

    /// The index just passed is the farthest ahead, and comes round again: it has to be asked for now and then.
    pub(super) fn mask(&mut self) {
        (self.is_masked, self.masked_at) = (true, self.used);
        if self.event_index {
            self.area.write16(self.layout.used_event(), self.used.wrapping_sub(1), Ordering::Relaxed);
        } else {
            self.area.write16(self.layout.available, AVAILABLE_NO_INTERRUPT, Ordering::Relaxed);
        }
    }

    pub(super) fn keep_masked(&mut self) {
        if self.is_masked && self.event_index && self.masked_at != self.used {
            self.mask();
        }
    }

    pub(super) fn arm(&mut self, wish: Wish) -> Result<bool, Fault> {
        self.is_masked = false;
        let more = match wish {
            Wish::Next => 0,
            Wish::Most => self.in_flight() / 4 * 3,
        };
        if self.event_index {
            self.area.write16(self.layout.used_event(), self.used.wrapping_add(more), Ordering::Relaxed);
        } else {
            self.area.write16(self.layout.available, 0, Ordering::Relaxed);
        }
        // The wish is stored before the used index is loaded again (§2.7.10.1, and the driver's half of §2.7.7.1).
        settle();
        Ok(self.look()? > more)
    }

    /// Completed chains that wait to be taken, by a fresh look at the used index.
    fn look(&mut self) -> Result<u16, Fault> {
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

    /// Chains that the device has.
    fn in_flight(&self) -> u16 {
        self.available.wrapping_sub(self.used)
    }
}

/// Writes flags and next of descriptor `index`, which lie together.
fn write_link(area: &Area, index: u16, flags: u16, next: u16) {
    area.write32(usize::from(index) * DESCRIPTOR + 12, u32::from(next) << 16 | u32::from(flags));
}

/// Bytes that a ring of `size` descriptors takes.
pub(super) fn len(size: u16) -> usize {
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

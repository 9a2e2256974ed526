//! The split virtqueue (virtio 1.2 §2.7).
//!
//! Invariant: the device's two words are its used index and its used entries: each is read once, and checked against
//! what it was given.

use lendwire_nic::Fault;

use super::chains::Chains;
use super::{Access, Buffer, Plainly, Refused, Shape, Wish, is_passed};
use crate::dma::{Area, Eight, Lane, Spot, settle};

/// The memory of a split ring, and how far both sides are.
pub(super) struct Split {
    descriptors: Lane<[Eight; 2]>,
    available_flags: Spot<u16>,
    available_index: Spot<u16>,
    available_ring: Lane<u16>,
    used_event: Spot<u16>,
    used_flags: Spot<u16>,
    used_index: Spot<u16>,
    /// Number in the low half, written bytes in the high one.
    used_ring: Lane<Eight>,
    available_event: Spot<u16>,
    bus: [u64; 3],
    event_index: bool,
    is_masked: bool,
    /// The available index: chains queued so far.
    available: u16,
    /// The available index that the device was shown.
    kicked: u16,
    /// Chains taken back so far.
    used: u16,
    /// The used index as last read and checked.
    used_limit: u16,
    /// Chains taken back when it was masked last.
    masked_at: u16,
}

const DESCRIPTOR: usize = 16;
const DESCRIPTOR_NEXT: u16 = 1;
const AVAILABLE_NO_INTERRUPT: u16 = 1;
const USED_NO_NOTIFY: u16 = 1;

impl Split {
    pub(super) fn new(area: Area, shape: Shape) -> Self {
        let layout = Layout::of(shape.size);
        let entries = usize::from(shape.size);
        let bus = [0, layout.available, layout.used].map(|offset| area.bus(offset));
        let (descriptors, rest) = area.split(layout.available);
        let (available, rest) = rest.split(layout.used - layout.available);
        let (available_flags, available) = available.split(2);
        let (available_index, available) = available.split(2);
        let (available_ring, available) = available.split(2 * entries);
        let (used_event, _) = available.split(2);
        let (used_flags, rest) = rest.split(2);
        let (used_index, rest) = rest.split(2);
        let (used_ring, rest) = rest.split(8 * entries);
        let (available_event, _) = rest.split(2);
        let mut ring = Self {
            descriptors: Lane::new(descriptors),
            available_flags: Spot::new(available_flags),
            available_index: Spot::new(available_index),
            available_ring: Lane::new(available_ring),
            used_event: Spot::new(used_event),
            used_flags: Spot::new(used_flags),
            used_index: Spot::new(used_index),
            used_ring: Lane::new(used_ring),
            available_event: Spot::new(available_event),
            bus,
            event_index: shape.event_index,
            is_masked: false,
            available: 0,
            kicked: 0,
            used: 0,
            used_limit: 0,
            masked_at: 0,
        };
        ring.mask();
        ring
    }

    pub(super) fn reset(&mut self) {
        self.descriptors.fill([0; 2]);
        self.available_ring.fill(0);
        self.used_ring.fill(0);
        for field in [&self.available_index, &self.used_flags, &self.used_index, &self.available_event] {
            field.write(0);
        }
        (self.available, self.kicked, self.used, self.used_limit) = (0, 0, 0, 0);
        self.mask();
    }

    /// The descriptor table, the available ring and the used ring.
    pub(super) fn bus(&self) -> [u64; 3] {
        self.bus
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
        let mut last: Option<(u32, u64, u32)> = None;
        let descriptors = &self.descriptors;
        let head = chains.next_head();
        chains.take(first, rest, |index, buffer| {
            if let Some((last, bus, len)) = last.replace((index, buffer.bus, buffer.len)) {
                descriptors.write(last as usize, descriptor(bus, len, flags | DESCRIPTOR_NEXT, index));
            }
        })?;
        if let Some((last, bus, len)) = last {
            descriptors.write(last as usize, descriptor(bus, len, last_flags, 0));
        }
        self.queue(head);
        Ok(())
    }

    /// [`Split::push`] for one buffer, which has room.
    #[inline(always)]
    pub(super) fn push_one<H>(&mut self, chains: &mut Chains<H>, access: Access, buffer: Buffer<H>) {
        let (_, flags) = access.flags();
        let head = chains.take_one(buffer.held);
        self.descriptors.write(head as usize, descriptor(buffer.bus, buffer.len, flags, 0));
        self.queue(head);
    }

    /// [`Split::push`] for two buffers that the device reads, which have room.
    #[inline(always)]
    pub(super) fn push_two<H>(
        &mut self,
        chains: &mut Chains<H>,
        [first, second]: [(u64, u32); 2],
        hold: impl FnOnce() -> H,
    ) {
        let [head, next] = chains.take_two(hold);
        self.descriptors.write(head as usize, descriptor(first.0, first.1, DESCRIPTOR_NEXT, next));
        self.descriptors.write(next as usize, descriptor(second.0, second.1, 0, 0));
        self.queue(head);
    }

    /// The device sees the entry with the index, once a burst.
    #[inline(always)]
    fn queue(&mut self, head: u32) {
        self.available_ring.write(usize::from(self.available), head as u16);
        self.available = self.available.wrapping_add(1);
    }

    /// Whether nothing was queued since the device was shown what was.
    #[inline(always)]
    pub(super) fn is_shown(&self) -> bool {
        self.kicked == self.available
    }

    /// See [`super::Ring::is_settled`].
    #[inline(always)]
    pub(super) fn is_settled(&self) -> bool {
        self.is_shown() && self.masked_at == self.used
    }

    /// Whether chains wait to be taken, or the device says so.
    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        self.used_limit != self.used || self.used_index.acquire() != self.used
    }

    pub(super) fn must_kick(&mut self) -> bool {
        let (old, new) = (self.kicked, self.available);
        if old == new {
            return false;
        }
        self.kicked = new;
        // Release: descriptors, buffers and entries are seen before the index (§2.7.13.3).
        self.available_index.release(new);
        // The index is stored before the device's wish is loaded, else both sides may wait for ever (§2.7.13.4.1).
        settle();
        if self.event_index {
            return is_passed(self.available_event.read(), new, old);
        }
        self.used_flags.read() & USED_NO_NOTIFY == 0
    }

    /// What the next chain that is done holds, and how many bytes were written: see [`Chains::oldest`].
    #[inline(always)]
    pub(super) fn plain<'a, H>(&mut self, chains: &'a mut Chains<H>) -> Plainly<(&'a mut H, usize)> {
        if self.used_limit == self.used {
            match self.look() {
                Ok(0) => return Plainly::Nothing,
                Ok(_) => {}
                Err(_) => return Plainly::Otherwise,
            }
        }
        let used = self.used_ring.read(usize::from(self.used));
        match chains.oldest(used as u32) {
            Some(held) => Plainly::Done((held, (used >> 32) as usize)),
            None => Plainly::Otherwise,
        }
    }

    /// Number and written bytes of the next chain that is done.
    // As a call it returns three words over memory, for every frame.
    #[inline(always)]
    pub(super) fn done(&mut self) -> Result<Option<(u32, usize)>, Fault> {
        // The used index is read only when all that were known are taken.
        if self.used_limit == self.used && self.look()? == 0 {
            return Ok(None);
        }
        let used = self.used_ring.read(usize::from(self.used));
        Ok(Some((used as u32, (used >> 32) as usize)))
    }

    /// That chain is taken.
    #[inline(always)]
    pub(super) fn pass(&mut self) {
        self.used = self.used.wrapping_add(1);
    }

    /// The index just passed is the farthest ahead, and comes round again: it has to be asked for now and then.
    pub(super) fn mask(&mut self) {
        (self.is_masked, self.masked_at) = (true, self.used);
        if self.event_index {
            self.used_event.write(self.used.wrapping_sub(1));
        } else {
            self.available_flags.write(AVAILABLE_NO_INTERRUPT);
        }
    }

    #[inline(always)]
    pub(super) fn keep_masked(&mut self) {
        if self.masked_at != self.used && self.is_masked && self.event_index {
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
            self.used_event.write(self.used.wrapping_add(more));
        } else {
            self.available_flags.write(0);
        }
        // The wish is stored before the used index is loaded again (§2.7.10.1, and the driver's half of §2.7.7.1).
        settle();
        Ok(self.look()? > more)
    }

    /// Completed chains that wait to be taken, by a fresh look at the used index.
    #[inline(always)]
    fn look(&mut self) -> Result<u16, Fault> {
        // Acquire: what the device wrote before the index is seen after it.
        let limit = self.used_index.acquire();
        if limit == self.used_limit {
            return Ok(limit.wrapping_sub(self.used));
        }
        let ready = limit.wrapping_sub(self.used);
        // It may not complete more than it has, nor take back what it completed.
        if ready > self.in_flight() || ready < self.used_limit.wrapping_sub(self.used) {
            return Err(Fault::BadIndex);
        }
        self.used_limit = limit;
        Ok(ready)
    }

    /// Chains that the device was shown and that were not taken back.
    fn in_flight(&self) -> u16 {
        self.kicked.wrapping_sub(self.used)
    }
}

/// The address, then length, flags and next (§2.7.5).
#[inline(always)]
fn descriptor(bus: u64, len: u32, flags: u16, next: u32) -> [Eight; 2] {
    [bus, u64::from(len) | u64::from(flags) << 32 | u64::from(next) << 48]
}

/// Bytes that a ring of `size` descriptors takes.
pub(super) fn len(size: u16) -> usize {
    (Layout::of(size).used + 4 + 8 * usize::from(size) + 2).next_multiple_of(64)
}

/// Where the three parts of a ring begin: the first at zero.
struct Layout {
    available: usize,
    used: usize,
}

impl Layout {
    fn of(size: u16) -> Self {
        let entries = usize::from(size);
        let available = DESCRIPTOR * entries;
        // The device writes from here on: a cache line of its own. It begins with four bytes (§2.7.8); its entries of
        // eight lie so that each is one load.
        let used = (available + 4 + 2 * entries + 2).next_multiple_of(64) + 4;
        Self { available, used }
    }
}

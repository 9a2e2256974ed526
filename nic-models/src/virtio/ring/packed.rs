//! The packed virtqueue (virtio 1.2 §2.8): one table of descriptors that both sides write, each its own lap.
//!
//! Invariant: a descriptor of the driver's is the device's from the moment its flags say so until the device's flags
//! do. Flags, number and length of a used descriptor are read once each; how many descriptors a chain took is looked up
//! by its number in private memory. Between two chains nothing ahead of the driver looks available.
//!
//! ```text
//!   slot      0    1    2    3    4    5    6    7     AVAIL/USED of a slot against the driver's lap counter L
//!           ├────┴────┼────┴────┴────┼────┴────┴────┤   available: L !L    used: L L    not yet: !L !L
//!           used ^    in flight      ^ available
//! ```

use core::sync::atomic::Ordering;

use super::chains::Chains;
use super::{Access, Buffer, Plainly, Refused, Shape, Wish, is_passed};
use crate::dma::{Area, settle};

/// The memory of a packed ring, and how far both sides are.
pub(super) struct Packed {
    area: Area,
    size: u16,
    event_index: bool,
    /// Where the next chain begins.
    available: Place,
    /// Where the device writes its next used descriptor.
    used: Place,
    /// Descriptors queued since the last look whether the device wants to be told.
    unkicked: u32,
    in_flight: u16,
}

const DESCRIPTOR: usize = 16;
const NEXT: u16 = 1;
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;

/// What an event suppression structure says (§2.8.14): an offset with a lap, and which notifications are wanted.
const EVENTS_ALL: u16 = 0;
const EVENTS_NONE: u16 = 1;
const EVENTS_AT: u16 = 2;
const EVENT_LAP: u16 = 1 << 15;

/// A slot of the table, and whether the lap through it is an odd one (the wrap counter of §2.8.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Place {
    slot: u16,
    lap: bool,
}

impl Place {
    const START: Self = Self { slot: 0, lap: true };

    /// `count` slots on, at most one lap.
    fn after(self, count: u16, size: u16) -> Self {
        let slot = self.slot + count;
        if slot < size { Self { slot, ..self } } else { Self { slot: slot - size, lap: !self.lap } }
    }

    /// The flags of a descriptor here that the device may use.
    fn available(self) -> u16 {
        if self.lap { AVAILABLE } else { USED }
    }

    /// The flags of a descriptor here that the device is done with.
    fn used(self) -> u16 {
        if self.lap { AVAILABLE | USED } else { 0 }
    }

    /// The flags of a descriptor here as the lap before left it.
    fn stale(self) -> u16 {
        if self.lap { 0 } else { AVAILABLE | USED }
    }

    fn at(self) -> usize {
        usize::from(self.slot) * DESCRIPTOR
    }
}

impl Packed {
    pub(super) fn new(area: Area, shape: Shape) -> Self {
        let mut ring = Self {
            area,
            size: shape.size,
            event_index: shape.event_index,
            available: Place::START,
            used: Place::START,
            unkicked: 0,
            in_flight: 0,
        };
        ring.mask();
        ring
    }

    pub(super) fn reset(&mut self) {
        self.area.zero();
        (self.available, self.used) = (Place::START, Place::START);
        (self.unkicked, self.in_flight) = (0, 0);
        self.mask();
    }

    /// The descriptors, the driver's event suppression and the device's.
    pub(super) fn bus(&self) -> [u64; 3] {
        [0, self.driver_event(), self.device_event()].map(|offset| self.area.bus(offset))
    }

    pub(super) fn push<H>(
        &mut self,
        chains: &mut Chains<H>,
        access: Access,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(), Refused> {
        let (flags, last_flags) = access.flags();
        let (area, size, start) = (&self.area, self.size, self.available);
        let head = chains.next_head() as u16;
        let mut next = start;
        // Flags are known when the next descriptor comes; those of the first one are written last.
        let mut last: Option<Place> = None;
        let taken = chains.take(first, rest, |_, buffer| {
            if let Some(last) = last.replace(next).filter(|&last| last != start) {
                write_flags(area, last, head, last.available() | flags | NEXT);
            }
            area.write_words(next.at(), buffer.words());
            next = next.after(1, size);
        });
        let Some(last) = last else { return taken.map(|_| ()) };
        let taken = taken.inspect_err(|_| unwrite(area, size, start, last))?;
        let mut first_flags = last_flags;
        if last != start {
            write_flags(area, last, head, last.available() | last_flags);
            first_flags = flags | NEXT;
        }
        self.show(start, head, first_flags);
        self.queued(taken as u16);
        Ok(())
    }

    /// [`Packed::push`] for one buffer, which has room.
    #[inline(never)]
    pub(super) fn push_one<H>(&mut self, chains: &mut Chains<H>, access: Access, buffer: Buffer<H>) {
        let (_, flags) = access.flags();
        let place = self.available;
        let [low, high, len] = buffer.words();
        let head = chains.take_one(buffer.held);
        self.area.write_words(place.at(), [low, high, len]);
        self.show(place, head as u16, flags);
        self.queued(1);
    }

    /// [`Packed::push`] for two buffers that the device reads, which have room.
    #[inline(never)]
    pub(super) fn push_two<H>(&mut self, chains: &mut Chains<H>, buffers: [(u64, u32); 2], hold: impl FnOnce() -> H) {
        let first = self.available;
        let second = first.after(1, self.size);
        let [head, _] = chains.take_two(hold);
        for (place, (bus, len)) in [first, second].into_iter().zip(buffers) {
            self.area.write_words(place.at(), [bus as u32, (bus >> 32) as u32, len]);
        }
        write_flags(&self.area, second, head as u16, second.available());
        self.show(first, head as u16, NEXT);
        self.queued(2);
    }

    /// Number and flags of a chain's first descriptor, whose others stand.
    #[inline(always)]
    fn show(&mut self, place: Place, head: u16, flags: u16) {
        self.area.write16(place.at() + 12, head, Ordering::Relaxed);
        // Release: the chain is seen whole when its first descriptor becomes available (§2.8.21.1).
        self.area.write16(place.at() + 14, place.available() | flags, Ordering::Release);
    }

    #[inline(always)]
    fn queued(&mut self, count: u16) {
        self.available = self.available.after(count, self.size);
        self.in_flight += count;
        self.unkicked += u32::from(count);
    }

    /// Whether nothing was queued since the last look whether the device wants to be told.
    #[inline(always)]
    pub(super) fn is_shown(&self) -> bool {
        self.unkicked == 0
    }

    pub(super) fn must_kick(&mut self) -> bool {
        let queued = core::mem::take(&mut self.unkicked);
        if queued == 0 {
            return false;
        }
        // The flags are stored before the device's wish is loaded, else both sides may wait for ever (§2.8.21.3).
        settle();
        let wish = self.area.read32(self.device_event());
        let (place, flags) = (wish as u16, (wish >> 16) as u16);
        match flags & 0b11 {
            EVENTS_NONE => false,
            EVENTS_AT if self.event_index => {
                let new = self.available.slot;
                let is_this_lap = (place & EVENT_LAP != 0) == self.available.lap;
                let event = place & !EVENT_LAP;
                let event = if is_this_lap { event } else { event.wrapping_sub(self.size) };
                // More than a lap passes every place.
                queued > u32::from(self.size) || is_passed(event, new, new.wrapping_sub(queued as u16))
            }
            // Reserved wishes are no reason to fall silent.
            _ => true,
        }
    }

    /// What the next chain that is done holds, and how many bytes were written: see [`Chains::oldest`].
    #[inline(always)]
    pub(super) fn plain<'a, H>(&self, chains: &'a mut Chains<H>) -> Plainly<(&'a mut H, usize)> {
        let Some((id, written)) = self.done() else { return Plainly::Nothing };
        match chains.oldest(id) {
            Some(held) => Plainly::Done((held, written)),
            None => Plainly::Otherwise,
        }
    }

    /// Number and written bytes of the next chain that is done.
    pub(super) fn done(&self) -> Option<(u32, usize)> {
        if !self.is_done() {
            return None;
        }
        let at = self.used.at();
        // The device's WRITE flag would say whether the length counts (§2.8.6), but QEMU leaves it out.
        let (written, id) = (self.area.read32(at + 8), self.area.read16(at + 12, Ordering::Relaxed));
        Some((u32::from(id), written as usize))
    }

    /// That chain, of `count` descriptors, is taken.
    pub(super) fn pass(&mut self, count: u16) {
        self.used = self.used.after(count, self.size);
        self.in_flight -= count;
    }

    pub(super) fn mask(&mut self) {
        self.ask(Place { slot: 0, lap: false }, EVENTS_NONE);
    }

    pub(super) fn arm(&mut self, wish: Wish) -> bool {
        let more = match wish {
            Wish::Next => 0,
            Wish::Most => self.in_flight / 4 * 3,
        };
        let flags = if self.event_index { EVENTS_AT } else { EVENTS_ALL };
        self.ask(self.used.after(more, self.size), flags);
        // The wish is stored before the descriptor is loaded again (§2.8.21.2 is the device's half).
        settle();
        // Whether as many are done cannot be seen at one place: chains come back in any order.
        self.is_done()
    }

    /// Both fields in one store: the device never sees the half of a wish.
    fn ask(&mut self, place: Place, flags: u16) {
        let lap = if place.lap { EVENT_LAP } else { 0 };
        self.area.write32(self.driver_event(), u32::from(flags) << 16 | u32::from(place.slot | lap));
    }

    /// Whether the device has put a used descriptor where the next one is due.
    pub(super) fn is_done(&self) -> bool {
        // Acquire: what the device wrote before the flags is seen after them.
        let flags = self.area.read16(self.used.at() + 14, Ordering::Acquire);
        // Neither what the driver wrote there nor what the lap before left looks like that.
        flags & (AVAILABLE | USED) == self.used.used()
    }

    fn driver_event(&self) -> usize {
        usize::from(self.size) * DESCRIPTOR
    }

    fn device_event(&self) -> usize {
        device_event(self.size)
    }
}

/// Writes number and flags of a descriptor, which lie together.
fn write_flags(area: &Area, place: Place, id: u16, flags: u16) {
    area.write32(place.at() + 12, u32::from(flags) << 16 | u32::from(id));
}

/// Makes descriptors behind `first`, up to `last`, look as before: a later chain shall not bring them to light.
fn unwrite(area: &Area, size: u16, first: Place, last: Place) {
    let mut place = first;
    while place != last {
        place = place.after(1, size);
        write_flags(area, place, 0, place.stale());
    }
}

/// The device writes from here on: a cache line of its own.
fn device_event(size: u16) -> usize {
    (usize::from(size) * DESCRIPTOR + 4).next_multiple_of(64)
}

/// Bytes that a ring of `size` descriptors takes.
pub(super) fn len(size: u16) -> usize {
    device_event(size) + 64
}

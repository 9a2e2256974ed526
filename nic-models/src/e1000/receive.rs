//! The receive ring: slots of the receive pool, one descriptor each, filled by the device and handed up as they are.
//!
//! Invariant: a slot is the device's or the stack's, never both. Descriptors are looked at in the order in which they were
//! given, each once; a frame over several buffers becomes a packet of as many chunks.

use lendwire_nic::{ChunkMut, Fault, INLINE_CHUNKS, Offloads, Pool, Received, RxPacket, TooManyChunks};

use super::frame_check;
use super::hardware::{Hardware, RingBase};
use super::probe::{DESCRIPTOR, FRAME_OVERHEAD, FrameCheck, RECEIVE_RING, Terms};
use super::receive_descriptor::{End, Filled, Format};
use super::register::{self, rctl};
use crate::dma::{Area, settle};
use crate::platform::Platform;
use crate::private::Table;
use crate::registers::Registers;

/// Buffers that the device is told of at once: the tail is a register, and writing it an exit to the hypervisor.
const BATCH: usize = 256;

/// The receive side.
pub(super) struct Receiver {
    area: Area,
    format: Format,
    pool: &'static Pool,
    buffer_size: usize,
    frame_check: FrameCheck,
    /// What the device was asked to say of frames.
    offloads: Offloads,
    /// Chunks that the longest frame takes.
    most_chunks: usize,
    /// What each descriptor points at while it is the device's.
    slots: Table<Option<ChunkMut>>,
    /// The descriptor that is filled next.
    next: usize,
    /// Descriptors from there on that have a buffer.
    given: usize,
    /// Of them, those behind the tail register.
    untold: usize,
    /// The buffers of a frame whose last one has not come yet.
    partial: Option<RxPacket>,
    /// A slot for the list of a frame of more chunks than lie inline, where there are such frames: a pool may be in the ring
    /// with all it has.
    list: Option<ChunkMut>,
    /// Whether buffers are dropped until the end of a bad frame.
    is_skipping: bool,
    is_starved: bool,
}

/// What refilling the ring came to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refill {
    /// The device has as many slots as it can have, or all there were.
    Done,
    /// The device has no slot any more, for the first time since it had one.
    Starved,
    /// The device cannot reach the pool.
    Unreachable,
}

impl Receiver {
    /// `slots` are [`RECEIVE_RING`] empty places.
    pub(super) fn new(
        area: Area,
        slots: Table<Option<ChunkMut>>,
        format: Format,
        pool: &'static Pool,
        terms: &Terms,
    ) -> Self {
        let longest = usize::from(terms.info.mtu) + usize::from(FRAME_OVERHEAD);
        Self {
            area,
            format,
            pool,
            buffer_size: terms.buffer_size,
            frame_check: terms.frame_check,
            offloads: terms.info.offloads,
            most_chunks: longest.div_ceil(terms.buffer_size),
            slots,
            next: 0,
            given: 0,
            untold: 0,
            partial: None,
            list: None,
            is_skipping: false,
            is_starved: false,
        }
    }

    /// Where the device finds the ring.
    pub(super) fn base(&self) -> RingBase {
        RingBase { bus: self.area.bus(0), size: RECEIVE_RING }
    }

    /// Gives the device every free slot that the ring has room for. While the pool is empty, frames wait in the device.
    pub(super) fn refill(&mut self, platform: &impl Platform) -> Refill {
        if self.most_chunks > INLINE_CHUNKS && self.list.is_none() {
            self.list = self.pool.take();
        }
        while self.given < RECEIVE_RING - 1 {
            let Some(slot) = self.pool.take() else { break };
            let Some(bus) = platform.bus_address(slot.pointer()) else { return Refill::Unreachable };
            let index = (self.next + self.given) % RECEIVE_RING;
            self.format.write(&self.area, index * DESCRIPTOR, bus);
            self.slots[index] = Some(slot);
            self.given += 1;
            self.untold += 1;
        }
        let was_starved = core::mem::replace(&mut self.is_starved, self.given == 0);
        if self.is_starved && !was_starved { Refill::Starved } else { Refill::Done }
    }

    /// The tail register's new value, when it is time to write it: a batch is ready, or the device runs short.
    pub(super) fn tail(&mut self) -> Option<u32> {
        let told = self.given - self.untold;
        if self.untold == 0 || (self.untold < BATCH && told >= RECEIVE_RING / 2) {
            return None;
        }
        self.untold = 0;
        Some(((self.next + self.given) % RECEIVE_RING) as u32)
    }

    /// Whether the device has filled the next buffer.
    pub(super) fn is_ready(&self) -> bool {
        self.given > 0 && self.format.read(&self.area, self.next * DESCRIPTOR).is_some()
    }

    /// The next frame, or what is wrong with it; `None` when there is none.
    pub(super) fn pop(&mut self) -> Result<Option<RxPacket>, Fault> {
        // Each turn takes a buffer from the device.
        while self.given > 0 {
            let Some(filled) = self.format.read(&self.area, self.next * DESCRIPTOR) else { return Ok(None) };
            let slot = self.slots[self.next].take().expect("a given descriptor has a slot");
            self.next = (self.next + 1) % RECEIVE_RING;
            self.given -= 1;
            // A device that fills what it was not told of has run ahead of the tail.
            self.untold = self.untold.min(self.given);
            if self.is_skipping {
                self.is_skipping = filled.end.is_none();
                continue;
            }
            match self.add(slot, filled) {
                Ok(()) => {}
                Err(fault) => {
                    self.partial = None;
                    self.is_skipping = filled.end.is_none();
                    return Err(fault);
                }
            }
            if let Some(end) = filled.end {
                return self.finish(end).map(Some);
            }
        }
        Ok(None)
    }

    /// Adds a filled buffer to its frame.
    fn add(&mut self, slot: ChunkMut, filled: Filled) -> Result<(), Fault> {
        if filled.len == 0 || filled.len > self.buffer_size {
            return Err(Fault::BadLength);
        }
        let chunk = slot.freeze(filled.len);
        let Some(packet) = &mut self.partial else {
            self.partial = Some(RxPacket::new(chunk));
            return Ok(());
        };
        if packet.chunks().len() >= self.most_chunks {
            return Err(Fault::BadChain);
        }
        match packet.push(chunk) {
            Ok(()) => Ok(()),
            Err(TooManyChunks(chunk)) => {
                packet.spill(self.list.take().or_else(|| self.pool.take()).ok_or(Fault::NoSlot)?);
                packet.push(chunk).map_err(|TooManyChunks(_)| Fault::BadChain)
            }
        }
    }

    /// The frame whose last buffer was added.
    fn finish(&mut self, end: End) -> Result<RxPacket, Fault> {
        let mut packet = self.partial.take().ok_or(Fault::BadChain)?;
        if end.is_damaged {
            return Err(Fault::BadFrameCheck);
        }
        match self.frame_check {
            FrameCheck::ByDevice => {}
            FrameCheck::ByDriver => {
                frame_check::take_off(&mut packet).map_err(|frame_check::Wrong| Fault::BadFrameCheck)?;
            }
        }
        let is_checked = self.offloads.contains(Offloads::RX_CHECKSUM);
        packet.checksum = if is_checked { end.checksum } else { Received::Unchecked };
        packet.vlan = end.vlan.filter(|_| self.offloads.contains(Offloads::VLAN_STRIP));
        packet.hash = end.hash;
        Ok(packet)
    }

    /// Lets go what a device that has stopped held, and gives the notes of it back: the last call.
    pub(super) fn release(&mut self, platform: &impl Platform) {
        self.slots.release(platform);
        (self.given, self.untold, self.partial, self.list) = (0, 0, None, None);
    }

    /// [`Receiver::release`] of what a device may still use: that is not freed.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.slots.abandon(platform);
        (self.given, self.untold, self.partial, self.list) = (0, 0, None, None);
    }
}

/// Sizes of receive buffers, and how RCTL says them (8254x §13.4).
const BUFFERS: [(usize, u32); 7] = [
    (16_384, rctl::SIZE_TIMES_16 | 1 << rctl::SIZE_SHIFT),
    (8_192, rctl::SIZE_TIMES_16 | 2 << rctl::SIZE_SHIFT),
    (4_096, rctl::SIZE_TIMES_16 | 3 << rctl::SIZE_SHIFT),
    (2_048, 0),
    (1_024, 1 << rctl::SIZE_SHIFT),
    (512, 2 << rctl::SIZE_SHIFT),
    (256, 3 << rctl::SIZE_SHIFT),
];

/// The largest buffer that a slot of `slot` bytes has room for.
pub(super) fn buffer_size(slot: usize) -> Option<usize> {
    BUFFERS.iter().map(|(size, _)| *size).find(|size| *size <= slot)
}

/// How RCTL says a size that [`buffer_size`] gave.
pub(super) fn buffer_code(size: usize) -> u32 {
    BUFFERS.iter().find(|(known, _)| *known == size).map_or(0, |(_, code)| *code)
}

impl<R: Registers> Hardware<R> {
    /// Tells the device how far its receive buffers go.
    pub(super) fn write_receive_tail(&self, tail: u32) {
        // The descriptors are written before the device hears of them.
        settle();
        self.write(register::RECEIVE + register::TAIL, tail);
    }
}

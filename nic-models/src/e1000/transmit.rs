//! The transmit ring: for each packet a context where the last one does not fit, a copy of its headers, and its parts.
//!
//! Invariant: header bytes are copied to the slot of their descriptor, which nobody writes until the packet is done;
//! payload bytes are never copied, and stay held as long. Packets are done in order: the last one of a run reports, and
//! speaks for all of the run.

use lendwire_nic::{Checksum, Chunk, HEADER_ROOM, Part, TxPacket};

use super::hardware::{Hardware, RingBase};
use super::probe::{DESCRIPTOR, TRANSMIT_RING};
use super::register;
use super::segmentation::{Cut, Uncuttable};
use super::transmit_descriptor::{Context, DONE, Place, REPORT, Work};
use crate::dma::{Area, settle, settle_reads};
use crate::platform::Platform;
use crate::private::Table;
use crate::registers::Registers;

/// Payload parts that a packet may have: 64 KiB in chunks of a segment each. QEMU's 82574L takes 64 descriptors a packet.
pub(super) const MAX_PARTS: u16 = 48;
/// Bytes of a descriptor's header slot.
pub(super) const HEADER_SLOT: usize = HEADER_ROOM;
/// Bytes of one descriptor at the most (8254x §3.3.3).
const MOST: usize = 16_288;
/// Descriptors between two reports.
const RUN: usize = 32;
/// Of a packet: context, headers, parts, and what 64 KiB in parts longer than [`MOST`] take more.
const MOST_DESCRIPTORS: usize = 2 + MAX_PARTS as usize + 0xffff / MOST;
// A run ends with the packet that makes it long enough.
const _: () = assert!(MOST_DESCRIPTORS <= 64 && TRANSMIT_RING > 2 * MOST_DESCRIPTORS && RUN + MOST_DESCRIPTORS < 256);

/// The transmit side.
pub(super) struct Transmitter {
    area: Area,
    /// A slot for each descriptor.
    headers: Area,
    notes: Table<Note>,
    /// The descriptor that is written next.
    next: usize,
    /// The oldest one that is not done, or `next`.
    oldest: usize,
    /// Descriptors from `oldest` to `next`.
    in_flight: usize,
    /// Of them, those behind the tail register.
    untold: usize,
    /// Descriptors of the run that no report has closed yet: the last ones before `next`.
    open: usize,
    /// The third word of the last one.
    last_command: u32,
    /// What the device works by.
    context: Option<Context>,
}

/// What is known of a descriptor.
pub(super) struct Note {
    held: Option<Chunk>,
    /// Descriptors in the run that starts here, once its last one reports.
    run: u8,
}

impl Note {
    /// Of a descriptor that the device does not have.
    pub(super) const FREE: Self = Self { held: None, run: 0 };
}

/// Why a packet was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// It can be tried again.
    Full,
    /// The device cannot send it.
    Unsendable,
}

impl From<Uncuttable> for Refusal {
    fn from(Uncuttable: Uncuttable) -> Self {
        Self::Unsendable
    }
}

impl Transmitter {
    /// `notes` are for [`TRANSMIT_RING`] free descriptors.
    pub(super) fn new(area: Area, headers: Area, notes: Table<Note>) -> Self {
        Self {
            area,
            headers,
            notes,
            next: 0,
            oldest: 0,
            in_flight: 0,
            untold: 0,
            open: 0,
            last_command: 0,
            context: None,
        }
    }

    /// Where the device finds the ring.
    pub(super) fn base(&self) -> RingBase {
        RingBase { bus: self.area.bus(0), size: TRANSMIT_RING }
    }

    /// Queues `packet`, which was found sendable.
    pub(super) fn push(&mut self, packet: &TxPacket<'_>, platform: &impl Platform) -> Result<(), Refusal> {
        let plan = Plan::of(packet)?;
        let context = plan.context.filter(|context| plan.cut.is_some() || self.context != Some(*context));
        let needed = usize::from(context.is_some()) + 1 + plan.pieces;
        if self.room() < needed {
            self.collect();
        }
        if self.room() < needed {
            return Err(Refusal::Full);
        }
        // Nothing counts before the end: until then `next` stands, and the device knows none of it.
        let mut at = self.next;
        if let Some(context) = context {
            self.write(at, context.words(), None);
            at = after(at);
        }
        let last = (self.next + needed - 1) % TRANSMIT_RING;
        let place = |index: usize| if index == last { Place::Last } else { Place::Before };
        let work = Work::of(&packet.offload, plan.cut.as_ref());
        let bus = self.copy_headers(at, packet, plan.cut.as_ref());
        let mut command = work.command(packet.header().len() as u32, place(at));
        self.write(at, data(bus, command, work), None);
        for piece in packet.payload().parts().flat_map(pieces) {
            let Some(bus) = platform.bus_address(core::ptr::NonNull::from_ref(&piece[0])) else {
                self.forget(needed);
                return Err(Refusal::Unsendable);
            };
            at = after(at);
            command = work.command(piece.len() as u32, place(at));
            self.write(at, data(bus, command, work), Some(piece));
        }
        debug_assert_eq!(at, last, "the pieces were counted before");
        self.commit(needed, command, plan.context.or(self.context));
        Ok(())
    }

    fn room(&self) -> usize {
        TRANSMIT_RING - 1 - self.in_flight
    }

    /// Copies the headers to the slot of descriptor `index`, made ready for what the device does not do.
    fn copy_headers(&mut self, index: usize, packet: &TxPacket<'_>, cut: Option<&Cut>) -> u64 {
        let slot = index * HEADER_SLOT;
        match cut {
            None => self.headers.write_bytes(slot, packet.header()),
            Some(cut) => {
                let mut front = [0; HEADER_ROOM];
                let front = &mut front[..packet.header().len()];
                front.copy_from_slice(packet.header());
                cut.prepare(front);
                self.headers.write_bytes(slot, front);
            }
        }
        self.headers.bus(slot)
    }

    fn write(&mut self, index: usize, words: [u32; 4], held: Option<Chunk>) {
        self.area.write_words(index * DESCRIPTOR, words);
        self.notes[index].held = held;
    }

    fn commit(&mut self, count: usize, command: u32, context: Option<Context>) {
        self.next = (self.next + count) % TRANSMIT_RING;
        self.in_flight += count;
        self.untold += count;
        self.open += count;
        self.last_command = command;
        self.context = context;
        if self.open >= RUN {
            self.close();
        }
    }

    /// Lets go what `count` descriptors from `next` on were to hold.
    fn forget(&mut self, count: usize) {
        for step in 0..count {
            self.notes[(self.next + step) % TRANSMIT_RING].held = None;
        }
    }

    /// Makes the last packet report. The device does not know of it yet: runs are closed before the tail is written.
    fn close(&mut self) {
        if self.open == 0 {
            return;
        }
        let last = (self.next + TRANSMIT_RING - 1) % TRANSMIT_RING;
        self.area.write32(last * DESCRIPTOR + 8, self.last_command | REPORT);
        let first = (self.next + TRANSMIT_RING - self.open) % TRANSMIT_RING;
        self.notes[first].run = self.open as u8;
        self.open = 0;
    }

    /// The tail register's new value, where packets were queued since it was written last.
    pub(super) fn tail(&mut self) -> Option<u32> {
        if self.untold == 0 {
            return None;
        }
        self.close();
        self.untold = 0;
        Some(self.next as u32)
    }

    /// Takes back what the device has sent.
    pub(super) fn collect(&mut self) {
        // What the device was not told of cannot be done, whatever stands there.
        while self.in_flight > self.untold {
            let run = usize::from(self.notes[self.oldest].run);
            let last = (self.oldest + run + TRANSMIT_RING - 1) % TRANSMIT_RING;
            if run == 0 || self.area.read32(last * DESCRIPTOR + 12) & DONE == 0 {
                return;
            }
            // The device's reads come before what the slots are used for next.
            settle_reads();
            self.notes[self.oldest].run = 0;
            for step in 0..run {
                self.notes[(self.oldest + step) % TRANSMIT_RING].held = None;
            }
            self.oldest = (self.oldest + run) % TRANSMIT_RING;
            self.in_flight -= run;
        }
    }

    /// Whether so few descriptors are free that a packet may find the ring full.
    pub(super) fn is_short(&self) -> bool {
        self.room() < MOST_DESCRIPTORS
    }

    /// Whether the device is done with packets that were not taken back yet.
    pub(super) fn has_done(&mut self) -> bool {
        let before = self.in_flight;
        self.collect();
        self.in_flight < before
    }

    /// Lets go what a device that has stopped held, and gives the notes of it back: the last call.
    pub(super) fn release(&mut self, platform: &impl Platform) {
        self.notes.release(platform);
        (self.in_flight, self.untold, self.open) = (0, 0, 0);
    }

    /// [`Transmitter::release`] of what a device may still use: that is not freed.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.notes.abandon(platform);
        (self.in_flight, self.untold, self.open) = (0, 0, 0);
    }
}

/// What a packet takes.
struct Plan {
    cut: Option<Cut>,
    context: Option<Context>,
    /// Descriptors of its payload.
    pieces: usize,
}

impl Plan {
    fn of(packet: &TxPacket<'_>) -> Result<Self, Uncuttable> {
        // The device takes a frame's addresses and type from its first buffer.
        if packet.header().len() < 14 {
            return Err(Uncuttable);
        }
        let cut = packet.offload.segmentation.map(|segmentation| Cut::of(packet, segmentation)).transpose()?;
        let context = match (&cut, packet.offload.checksum) {
            (Some(cut), _) => Some(Context::cutting(cut)),
            // It lies in the headers (`is_sendable`), which are shorter than 256 bytes.
            (None, Checksum::Fill { start, offset }) => Some(Context::filling(start as u8, offset)),
            (None, Checksum::Done) => None,
        };
        let pieces = packet.payload().parts().map(|part| part.bytes().len().div_ceil(MOST)).sum();
        if pieces > MOST_DESCRIPTORS - 2 {
            return Err(Uncuttable);
        }
        Ok(Self { cut, context, pieces })
    }
}

/// A part in pieces that a descriptor can take.
fn pieces(part: Part<'_>) -> impl Iterator<Item = Chunk> {
    let mut rest = part.hold();
    core::iter::from_fn(move || {
        let count = rest.len().min(MOST);
        (count > 0).then(|| if count == rest.len() { core::mem::take(&mut rest) } else { rest.split_to(count) })
    })
}

fn data(bus: u64, command: u32, work: Work) -> [u32; 4] {
    [bus as u32, (bus >> 32) as u32, command, work.options()]
}

fn after(index: usize) -> usize {
    (index + 1) % TRANSMIT_RING
}

impl<R: Registers> Hardware<R> {
    /// Tells the device how far its packets go.
    pub(super) fn write_transmit_tail(&self, tail: u32) {
        // The descriptors are written before the device hears of them.
        settle();
        self.write(register::TRANSMIT + register::TAIL, tail);
    }
}

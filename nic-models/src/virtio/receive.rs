//! The receive queue: slots of the receive pool, one descriptor each, filled by the device and handed up as they are.
//!
//! Invariant: a slot is the device's or the stack's, never both. The header lies in front of the frame in the same
//! slot; a frame over several slots becomes a packet of as many chunks (virtio 1.2 §5.1.6.4).

use lendwire_nic::{Chunk, ChunkMut, Fault, MAX_CHUNKS, Pool, RxPacket};
use zerocopy::FromBytes;

use super::bounce::Landing;
use super::features::Features;
use super::header::{HashReport, Header, LONGEST_HEADER, Plain, Senseless, header_len};
use super::ring::{Access, Buffer, Completed, Plainly, Ring};
use crate::long_packet::{LARGEST_FRAME, append, slots_for};
use crate::platform::Platform;

/// The receive side.
pub(super) struct Receiver {
    pub(super) ring: Ring<ChunkMut>,
    pool: &'static Pool,
    agreed: Features,
    /// Slots that a frame may span.
    most_buffers: u16,
    /// Bytes before a frame.
    before: usize,
    plain: Plain,
    is_starved: bool,
    /// Where frames land in bounce mode.
    landing: Option<Landing>,
}

/// Why there is no frame although the device completed something.
pub(super) enum Trouble {
    /// The frame is no good, and dropped.
    Dropped(Fault),
    /// The device is not to be trusted any more.
    Broken(Fault),
}

impl From<Fault> for Trouble {
    /// What the ring finds wrong concerns the whole device.
    fn from(fault: Fault) -> Self {
        Self::Broken(fault)
    }
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
    pub(super) fn new(ring: Ring<ChunkMut>, pool: &'static Pool, agreed: Features, landing: Option<Landing>) -> Self {
        let most_buffers = match slots_for(LARGEST_FRAME + LONGEST_HEADER, pool) {
            Some(slots) if agreed.intersects(Features::LARGE_RECEIVE) => slots.max(MAX_CHUNKS),
            Some(_) | None => MAX_CHUNKS,
        };
        let (before, plain) = (header_len(agreed), Plain::agreed(agreed));
        Self { ring, pool, agreed, most_buffers: most_buffers as u16, before, plain, is_starved: false, landing }
    }

    /// Gives the device every free slot that the ring has room for. While the pool is empty, frames wait in the device.
    #[inline(always)]
    pub(super) fn refill(&mut self, platform: &impl Platform) -> Refill {
        if self.ring.room() == 0 { Refill::Done } else { self.refill_now(platform) }
    }

    #[inline(never)]
    fn refill_now(&mut self, platform: &impl Platform) -> Refill {
        if let Some(landing) = &self.landing {
            while self.ring.room() > 0 {
                let bus = landing.bus(self.ring.next_head());
                let buffer = Buffer { bus, len: landing.slot() as u32, held: None };
                self.ring.push_one(Access::Write, buffer);
            }
            return Refill::Done;
        }
        for slot in self.pool.take_up_to(self.ring.room()) {
            let Some(bus) = platform.bus_address(slot.pointer()) else { return Refill::Unreachable };
            let buffer = Buffer { bus, len: slot.room() as u32, held: Some(slot) };
            self.ring.push_one(Access::Write, buffer);
        }
        let was_starved = core::mem::replace(&mut self.is_starved, self.ring.is_idle());
        if self.is_starved && !was_starved { Refill::Starved } else { Refill::Done }
    }

    /// The next frame, if it is the plainest: in one buffer that comes back in order, with nothing to be said of but whether
    /// its checksum was checked.
    #[inline(always)]
    pub(super) fn pop_plain<const PACKED: bool>(&mut self) -> Plainly<RxPacket> {
        let (slot, written) = match self.ring.plain::<PACKED>() {
            Plainly::Nothing => return Plainly::Nothing,
            Plainly::Done(done) => done,
            Plainly::Otherwise => return Plainly::Otherwise,
        };
        if written <= self.before || written > slot.room() {
            return Plainly::Otherwise;
        }
        let checksum = slot.bytes_mut().first_chunk().and_then(|header| self.plain.of(header));
        let Some(checksum) = checksum else { return Plainly::Otherwise };
        let Some(slot) = self.ring.complete_plain() else { return Plainly::Otherwise };
        let mut packet = RxPacket::new(slot.freeze_part(self.before..written));
        packet.checksum = checksum;
        Plainly::Done(packet)
    }

    /// The next frame, or what is wrong with it; `None` when there is none.
    pub(super) fn pop(&mut self) -> Result<Option<RxPacket>, Trouble> {
        let Some(first) = self.ring.complete()? else { return Ok(None) };
        let landed = self.landed(first).map_err(Trouble::Dropped)?;
        let Opened { header, hash, chunk } = opened(landed, self.agreed).map_err(Trouble::Dropped)?;
        let buffers = if self.agreed.contains(Features::MRG_RXBUF) { header.num_buffers.get() } else { 1 };
        let rest = buffers.checked_sub(1).ok_or(Trouble::Dropped(Fault::BadChain))?;
        if buffers > self.most_buffers {
            return Err(self.skip(rest, Fault::BadChain)?);
        }
        let mut packet = RxPacket::new(chunk);
        for left in (0..rest).rev() {
            // The device completes all buffers of a frame at once: those that are not there never come.
            let next = self.ring.complete()?.ok_or(Trouble::Dropped(Fault::BadChain))?;
            let chunk = self.landed(next).and_then(filled);
            if let Err(fault) = chunk.and_then(|chunk| append(&mut packet, chunk, self.pool)) {
                return Err(self.skip(left, fault)?);
            }
        }
        let verdict =
            header.received(packet.len(), self.agreed).map_err(|Senseless| Trouble::Dropped(Fault::BadHeader))?;
        (packet.checksum, packet.segment_size, packet.hash) = (verdict.checksum, verdict.segment_size, hash);
        Ok(Some(packet))
    }

    /// Bytes of `packet` that were copied.
    pub(super) fn copied(&self, packet: &RxPacket) -> u64 {
        if self.landing.is_some() { packet.len() as u64 } else { 0 }
    }

    /// The slot that a buffer's bytes are in; in bounce mode they are copied there.
    // As a call it takes and hands over slots in memory, a tenth of what a frame costs.
    #[inline(always)]
    fn landed(&self, completed: Completed<ChunkMut>) -> Result<Landed, Fault> {
        let written = completed.written;
        let slot = match (completed.first, &self.landing) {
            (Some(slot), _) => slot,
            (None, Some(landing)) => landing.copy(completed.head, written, self.pool)?,
            (None, None) => return Err(Fault::BadIndex),
        };
        Ok(Landed { slot, written })
    }

    /// Drops the buffers of a bad frame that are there, up to `count`.
    fn skip(&mut self, count: u16, fault: Fault) -> Result<Trouble, Fault> {
        for _ in 0..count {
            if self.ring.complete()?.is_none() {
                break;
            }
        }
        Ok(Trouble::Dropped(fault))
    }
}

/// A slot, and how much of it the device says it wrote.
struct Landed {
    slot: ChunkMut,
    written: usize,
}

/// A frame's first buffer.
struct Opened {
    header: Header,
    hash: Option<u32>,
    chunk: Chunk,
}

/// The headers and what follows them of a frame's first buffer.
fn opened(mut landed: Landed, agreed: Features) -> Result<Opened, Fault> {
    let (header, rest) = Header::read_from_prefix(landed.slot.bytes_mut()).map_err(|_| Fault::BadLength)?;
    let hash = match HashReport::read_from_prefix(rest) {
        Ok((report, _)) if agreed.contains(Features::HASH_REPORT) => report.hash(),
        Ok(_) | Err(_) => None,
    };
    // A first buffer with the header alone is no frame: the stack reads its headers in one piece.
    let before = header_len(agreed);
    if landed.written <= before {
        return Err(Fault::BadLength);
    }
    let mut chunk = filled(landed)?;
    chunk.advance(before);
    Ok(Opened { header, hash, chunk })
}

/// The bytes that the device wrote to a buffer.
fn filled(Landed { slot, written }: Landed) -> Result<Chunk, Fault> {
    if written == 0 || written > slot.room() {
        return Err(Fault::BadLength);
    }
    Ok(slot.freeze(written))
}

//! Data that waits to be sent or acknowledged.
//!
//! Invariant: the first byte of the queue is SND.UNA's, and SND.NXT stands at the front of a chunk (or at the end), for
//! a chunk is cut where a segment ends before the segment is sent. So a segment is a run of whole chunks, its sum is
//! the sum of theirs, and to send it again reads no payload.
//!
//! ```text
//!      una             nxt
//!       |  in flight    |   unsent     |
//!       [ chunk ][ chunk ][ chunk ][ ch…
//!                         ^ cursor
//! ```

use lendwire_nic::{Cells, Chunk, ChunkMut, Queue, Work};

use super::seq::Seq;
use super::shared::{Shared, Writers};
use crate::ip::Ip;

const NIL: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct SendQueue {
    queue: Queue,
    /// The cell that SND.NXT stands at, or `NIL` at the end.
    cursor: u32,
    /// What its chunks pin, more or less: see [`SendQueue::acknowledged`].
    charged: u32,
}

/// What a packet may hold.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// Payload parts.
    pub(crate) parts: usize,
    /// Whether sums will be needed.
    pub(crate) sums: Sums,
    /// Data bytes of a full segment.
    pub(crate) size: u32,
    /// Bytes that become segments in one go.
    pub(crate) run: u32,
    /// Who makes them.
    pub(crate) cuts: Cuts,
}

/// Who cuts a run into segments.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cuts {
    Device,
    /// See `train`.
    Stack,
}

/// Where a segment may end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ending {
    /// Anywhere: a chunk is cut.
    Exact,
    /// Behind a whole chunk, if one fits: what was sent before is sent again as it was, and nothing is read.
    AsBefore,
}

/// Who completes checksums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sums {
    /// Software: a sum is taken where none is known, and kept.
    Keep,
    /// The device: nobody reads.
    Skip,
}

impl Sums {
    /// What copying keeps, whose bytes are at hand: the sum, unless no device could ask for it.
    pub(super) fn of_copies(ip: &Ip<'_>) -> Self {
        if ip.devices_complete_checksums() { Self::Skip } else { Self::Keep }
    }

    fn copy(self, bytes: &[u8], slot: &mut ChunkMut, work: &mut Work) -> Chunk {
        match self {
            Self::Keep => slot.write(bytes, work),
            Self::Skip => slot.copy(bytes, work),
        }
    }

    fn cut(self, chunk: &mut Chunk, count: usize, work: &mut Work) -> Chunk {
        match self {
            Self::Keep => chunk.split_to_summed(count, work),
            Self::Skip => chunk.split_to(count),
        }
    }
}

impl SendQueue {
    pub(super) const NEW: Self = Self { queue: Queue::NEW, cursor: NIL, charged: 0 };

    pub(super) const fn bytes(&self) -> u32 {
        self.queue.bytes() as u32
    }

    /// The cell that the next new segment starts with.
    pub(super) const fn unsent(&self) -> Option<u32> {
        if self.cursor == NIL { None } else { Some(self.cursor) }
    }

    /// The cell that SND.UNA stands at.
    pub(super) const fn first(&self) -> Option<u32> {
        self.queue.first()
    }

    /// Lends `chunk` to the queue.
    pub(super) fn push(&mut self, chunk: Chunk, shared: &mut Shared<'_>) -> Result<(), Chunk> {
        let pinned = chunk.pinned() as u32;
        self.append(chunk, shared)?;
        self.charged += pinned;
        shared.queued.charge(pinned);
        Ok(())
    }

    fn append(&mut self, chunk: Chunk, shared: &mut Shared<'_>) -> Result<(), Chunk> {
        if !shared.has_cell() {
            return Err(chunk);
        }
        let cell = shared.cells.push_back(&mut self.queue, chunk).map_err(|no_cell| no_cell.0)?;
        if self.cursor == NIL {
            self.cursor = cell;
        }
        Ok(())
    }

    /// Copies as much of `bytes` as pool and cells allow, summing in the same step where that is asked for, in pieces that
    /// are whole segments of `mss` bytes where there is enough. Returns how much.
    pub(super) fn write(
        &mut self,
        bytes: &[u8],
        sums: Sums,
        mss: usize,
        writers: u32,
        shared: &mut Shared<'_>,
    ) -> usize {
        let mut written = 0;
        while written < bytes.len() && shared.has_cell() {
            let pool = shared.pool;
            let Some(Writers { send, filled, .. }) = shared.writers.by_index_mut(writers) else { break };
            // What counts as part of a segment may be more than one, now that the path is narrower.
            if self.cursor == NIL || *filled as usize >= mss {
                *filled = 0;
            }
            let wanted = (bytes.len() - written).min(mss - *filled as usize);
            // The rest of a slot is not worth splitting a segment that would fit into a slot of its own.
            if send.as_ref().is_none_or(|slot| slot.room() == 0 || (slot.room() < wanted && wanted <= pool.slot_size()))
            {
                *send = pool.take();
                let pinned = if send.is_some() { pool.slot_size() as u32 } else { 0 };
                self.charged += pinned;
                shared.queued.charge(pinned);
            }
            let Some(slot) = send else { break };
            let chunk = sums.copy(&bytes[written..written + wanted], slot, &mut shared.work);
            let count = chunk.len();
            *filled = (*filled + count as u32) % mss as u32;
            written += count;
            let joined = if self.cursor == NIL { Err(chunk) } else { self.join(chunk, mss, &mut shared.cells) };
            if let Err(chunk) = joined {
                self.append(chunk, shared).expect("a cell is available");
            }
        }
        written
    }

    fn join(&mut self, chunk: Chunk, mss: usize, cells: &mut Cells<'_>) -> Result<(), Chunk> {
        let last = self.queue.last().filter(|&last| cells.chunk(last).len() + chunk.len() <= mss);
        if last.is_none() {
            return Err(chunk);
        }
        cells.join(&mut self.queue, chunk)
    }

    /// The cell whose chunk begins with `number`, which is in flight; a chunk that goes over it is cut. `hint` is a cell
    /// that began with a number at or before it, and is there if that is not before `una`.
    pub(super) fn find(
        &mut self,
        hint: (u32, Seq),
        una: Seq,
        number: Seq,
        sums: Sums,
        shared: &mut Shared<'_>,
    ) -> Option<u32> {
        let Shared { cells, work, .. } = shared;
        let is_there = hint.0 != NIL && !hint.1.before(una) && !hint.1.after(number);
        let (mut cell, mut at) = if is_there { hint } else { (self.queue.first()?, una) };
        loop {
            let (len, before) = (cells.chunk(cell).len(), number.since(at) as usize);
            if before == 0 {
                return Some(cell);
            }
            if before < len {
                let cut = cells.split(&mut self.queue, cell, before, |chunk| sums.cut(chunk, before, work));
                return cells.next(cell).filter(|_| cut);
            }
            cell = cells.next(cell)?;
            at += len as u32;
        }
    }

    /// `bytes` more were acknowledged: their chunks go back. `beyond_next` when that reaches beyond SND.NXT. Chunks share
    /// slots, so what this frees is told by their share of all bytes; an empty queue pins nothing.
    pub(super) fn acknowledged(&mut self, bytes: u32, beyond_next: bool, shared: &mut Shared<'_>) {
        let all = u64::from(self.bytes().max(1));
        let share = (u64::from(self.charged) * u64::from(bytes)).div_ceil(all) as u32;
        self.charged -= share;
        shared.queued.release(share);
        shared.cells.advance(&mut self.queue, bytes as usize);
        if beyond_next {
            self.rewind();
        }
    }

    /// SND.NXT is SND.UNA.
    fn rewind(&mut self) {
        self.cursor = self.queue.first().unwrap_or(NIL);
    }

    /// Question: how many of the `want` bytes from the front of `cell` on, which were sent before, are segments of `size`
    /// bytes, and a last one that may be shorter, as they would go again one by one ([`Ending::AsBefore`]).
    pub(super) fn as_before(&self, cell: u32, want: usize, size: usize, cells: &Cells<'_>) -> usize {
        let (mut len, mut at) = (0, Some(cell));
        while let Some(cell) = at.filter(|_| len < want) {
            let (begun, chunk) = (len % size, cells.chunk(cell).len());
            if begun > 0 && begun + chunk > size.min(begun + want - len) {
                break;
            }
            len = want.min(len + chunk);
            at = cells.next(cell);
        }
        len
    }

    /// Makes the next `want` bytes from the front of `cell` a run of whole chunks, with sums where they are needed,
    /// and returns how many bytes that run has: fewer where parts or cells run out. What the queue holds stays the
    /// same, and a second call finds the work done.
    pub(super) fn prepare(
        &mut self,
        cell: u32,
        want: usize,
        ending: Ending,
        limits: Limits,
        shared: &mut Shared<'_>,
    ) -> usize {
        let Shared { cells, work, .. } = shared;
        let (mut len, mut parts, mut at) = (0, 0, Some(cell));
        while let Some(cell) = at.filter(|_| len < want && parts < limits.parts) {
            let left = want - len;
            if cells.chunk(cell).len() > left {
                if ending == Ending::AsBefore && len > 0 {
                    break;
                }
                let cut = cells.split(&mut self.queue, cell, left, |chunk| limits.sums.cut(chunk, left, work));
                if !cut {
                    break;
                }
            }
            let chunk = cells.chunk_mut(cell);
            if limits.sums == Sums::Keep {
                chunk.sum(work);
            }
            len += chunk.len();
            parts += 1;
            at = cells.next(cell);
        }
        len
    }

    /// [`SendQueue::prepare`] for full segments, as many as `want` bytes are, of which each has to have its sum: chunks are
    /// cut where segments end, but for those that keep the sums of their parts themselves.
    pub(super) fn prepare_each(&mut self, cell: u32, want: usize, limits: Limits, shared: &mut Shared<'_>) -> usize {
        let size = limits.size as usize;
        let Shared { cells, work, .. } = &mut *shared;
        let (mut len, mut parts, mut at) = (0, 0, Some(cell));
        while let Some(cell) = at.filter(|_| len < want && parts < limits.parts) {
            let chunk = cells.chunk(cell);
            let left = if chunk.keeps_cuts() { want - len } else { size - len % size };
            if chunk.len() > left
                && !cells.split(&mut self.queue, cell, left, |chunk| limits.sums.cut(chunk, left, work))
            {
                break;
            }
            let chunk = cells.chunk_mut(cell);
            if !chunk.keeps_cuts() {
                chunk.sum(work);
            }
            let before = len / size;
            len += chunk.len();
            parts = if len / size > before { usize::from(len % size > 0) } else { parts + 1 };
            at = cells.next(cell);
        }
        if len == want {
            return len;
        }
        // Parts or cells ran out, maybe within a segment.
        self.prepare(cell, if len > size { len - len % size } else { size }, Ending::Exact, limits, shared)
    }

    /// `len` bytes from SND.NXT, which `prepare` made whole chunks, were sent.
    pub(super) fn sent(&mut self, len: usize, cells: &Cells<'_>) {
        let mut left = len;
        while left > 0 {
            left -= cells.chunk(self.cursor).len();
            self.cursor = cells.next(self.cursor).unwrap_or(NIL);
        }
    }

    pub(super) fn clear(&mut self, shared: &mut Shared<'_>) {
        shared.cells.clear(&mut self.queue);
        shared.queued.release(core::mem::take(&mut self.charged));
        self.cursor = NIL;
    }
}

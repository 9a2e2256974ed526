//! Data in order, waiting to be read, and the memory it pins.
//!
//! Invariant: `charged` is what the unread chunks pin: whole slots, not bytes. A slow reader so closes its own window
//! and nobody else's. Of a run of small segments all but the first are copied together, so that they share slots; a small
//! one behind a large one is the end of something, and is lent like it. Once more than the budget is pinned, short segments
//! are copied together too.

use lendwire_nic::{Chunk, Queue};

use super::connection::Connection;
use super::shared::{COPY_BREAK, Shared};

/// Two such payloads share a slot that holds a full Ethernet frame.
pub(super) const HALF_A_SLOT: usize = 1024;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct RecvQueue {
    queue: Queue,
    charged: u32,
}

/// What a chunk costs its connection: the slot that it pins, or its bytes where it pins none.
pub(super) fn charge(chunk: &Chunk) -> u32 {
    chunk.pinned().max(chunk.len()) as u32
}

impl RecvQueue {
    pub(super) const NEW: Self = Self { queue: Queue::NEW, charged: 0 };

    pub(super) const fn bytes(&self) -> usize {
        self.queue.bytes()
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    pub(super) const fn charged(&self) -> u32 {
        self.charged
    }

    /// Adds `chunk` at the end, copied behind the last small one where `writers` are given. Gives it back when no cell
    /// is left.
    pub(super) fn push(&mut self, chunk: Chunk, writers: Option<u32>, shared: &mut Shared<'_>) -> Result<(), Chunk> {
        let gathered = match writers {
            Some(writers) => self.gather(chunk, writers, shared),
            None => Some(chunk),
        };
        let Some(chunk) = gathered else { return Ok(()) };
        if !shared.has_cell() {
            return Err(chunk);
        }
        let charged = charge(&chunk);
        shared.cells.push_back(&mut self.queue, chunk).map_err(|no_cell| no_cell.0)?;
        self.charged += charged;
        shared.received.charge(charged);
        Ok(())
    }

    /// Adds all of `from` at the end, which is charged already.
    pub(super) fn append(&mut self, from: &mut Self, shared: &mut Shared<'_>) {
        shared.cells.append(&mut self.queue, &mut from.queue);
        self.charged += core::mem::take(&mut from.charged);
    }

    /// Adds a chunk that has just given a cell back.
    pub(super) fn push_moved(&mut self, chunk: Chunk, shared: &mut Shared<'_>) {
        let charged = charge(&chunk);
        self.charged += charged;
        shared.received.charge(charged);
        shared.cells.push_back(&mut self.queue, chunk).expect("a cell has just come back");
    }

    /// Copies a chunk behind what was copied before, so that many small ones share a slot. Returns the chunk, or its
    /// copy, where it has to stand on its own.
    fn gather(&mut self, chunk: Chunk, writers: u32, shared: &mut Shared<'_>) -> Option<Chunk> {
        let Some(writers) = shared.writers.by_index_mut(writers) else { return Some(chunk) };
        if writers.receive.as_ref().is_none_or(|slot| slot.room() < chunk.len()) {
            writers.receive = shared.pool.take();
        }
        let Some(slot) = &mut writers.receive else { return Some(chunk) };
        let copy = slot.write(&chunk, &mut shared.work);
        shared.cells.join(&mut self.queue, copy).err()
    }

    /// Takes the first chunk.
    pub(super) fn pop(&mut self, shared: &mut Shared<'_>) -> Option<Chunk> {
        let chunk = shared.cells.pop_front(&mut self.queue)?;
        let charged = charge(&chunk);
        self.charged -= charged;
        shared.received.release(charged);
        Some(chunk)
    }

    /// Copies unread bytes into `to`; returns how many.
    pub(super) fn read(&mut self, to: &mut [u8], shared: &mut Shared<'_>) -> usize {
        let mut read = 0;
        while let Some(cell) = self.queue.first().filter(|_| read < to.len()) {
            let chunk = shared.cells.chunk(cell);
            let count = chunk.len().min(to.len() - read);
            to[read..read + count].copy_from_slice(&chunk[..count]);
            shared.work.copied += count as u64;
            read += count;
            let before = charge(chunk);
            let emptied = count == chunk.len();
            let pinned = chunk.pinned();
            shared.cells.advance(&mut self.queue, count);
            // A chunk that pins no slot is charged by its bytes.
            let released = if emptied { before } else { before - (before - count as u32).max(pinned as u32) };
            self.charged -= released;
            shared.received.release(released);
        }
        read
    }

    pub(super) fn clear(&mut self, shared: &mut Shared<'_>) {
        shared.cells.clear(&mut self.queue);
        shared.received.release(core::mem::take(&mut self.charged));
    }
}

impl Connection {
    /// Whether a segment of `len` bytes that comes now is to be copied: one of a run of small ones, or, when the
    /// connection's memory is under pressure, one that leaves half of its slot empty. To be asked once a segment.
    pub(super) fn gathers(&mut self, len: usize, shared: &Shared<'_>) -> bool {
        let is_pressed = self.charged(shared) > self.budget;
        let small = len <= COPY_BREAK;
        let after_small = core::mem::replace(&mut self.receive.after_small, small);
        !self.receive.queue.is_empty() && ((small && after_small) || (is_pressed && len <= HALF_A_SLOT))
    }
}

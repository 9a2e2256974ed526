//! Data that came before its time: blocks in sequence order, between holes.
//!
//! Invariant: blocks are sorted, and there is a hole between any two. What arrived first stays: new data only fills
//! holes. A block holds a queue of chunks, so nothing is copied; joining two relinks them. A FIN stands at the end of the
//! last block, which holds nothing else when it came alone; data behind it is none.

use lendwire_nic::{Chunk, Queue};

use super::recv_queue::charge;
use super::seq::Seq;
use super::shared::Shared;

const NIL: u32 = u32::MAX;

/// A run of contiguous data.
#[derive(Debug)]
pub struct Block {
    start: Seq,
    queue: Queue,
    next: u32,
    /// The peer's FIN comes next.
    fin: bool,
}

impl Block {
    fn end(&self) -> Seq {
        self.start + self.queue.bytes() as u32
    }
}

/// The blocks of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reassembly {
    first: u32,
    charged: u32,
}

/// No block or cell was left for a piece of data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Reassembly {
    pub(super) const NEW: Self = Self { first: NIL, charged: 0 };

    pub(super) const fn is_empty(&self) -> bool {
        self.first == NIL
    }

    /// What the blocks pin.
    pub(super) const fn charged(&self) -> u32 {
        self.charged
    }

    /// Keeps what of `chunk`, whose first byte is `start`, fills holes.
    pub(super) fn insert(&mut self, mut start: Seq, mut chunk: Chunk, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        let (mut previous, mut at) = (NIL, self.first);
        while at != NIL && !chunk.is_empty() {
            let block = shared.blocks.by_index(at).expect("a linked block lives");
            let (block_start, block_end, next) = (block.start, block.end(), block.next);
            if block.fin {
                let room = if start.before(block_end) { block_end.since(start) } else { 0 };
                chunk.truncate((room as usize).min(chunk.len()));
            }
            let mut here = at;
            if start.before(block_start) && !chunk.is_empty() {
                let hole = block_start.since(start).min(chunk.len() as u32);
                // A piece that fills the hole takes the block `at` in; a shorter one was the last.
                here = self.place(previous, start, chunk.split_to(hole as usize), shared)?;
                start += hole;
            }
            if !chunk.is_empty() && start.before(block_end) {
                // What the block covers is here already.
                let covered = block_end.since(start).min(chunk.len() as u32);
                chunk.advance(covered as usize);
                start += covered;
            }
            (previous, at) = (here, next);
        }
        if !chunk.is_empty() {
            self.place(previous, start, chunk, shared)?;
        }
        Ok(())
    }

    /// Keeps a FIN of number `at`, unless data came that lies behind it. Says whether there was room.
    pub(super) fn insert_fin(&mut self, at: Seq, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        let (mut last, mut walk) = (NIL, self.first);
        while let Some(block) = shared.blocks.by_index(walk).filter(|_| walk != NIL) {
            (last, walk) = (walk, block.next);
        }
        if let Some(block) = shared.blocks.by_index_mut(last).filter(|_| last != NIL) {
            block.fin |= block.end() == at;
            if block.fin || at.before(block.end()) {
                return Ok(());
            }
        }
        let alone = Block { start: at, queue: Queue::NEW, next: NIL, fin: true };
        let key = shared.blocks.insert(alone).map_err(|_| NoRoom)?;
        match shared.blocks.by_index_mut(last).filter(|_| last != NIL) {
            Some(block) => block.next = key.index,
            None => self.first = key.index,
        }
        Ok(())
    }

    /// Whether the FIN is number `next`, all data before it being gone by [`Self::pop`].
    pub(super) fn has_fin(&self, next: Seq, shared: &Shared<'_>) -> bool {
        let first = shared.blocks.by_index(self.first).filter(|_| self.first != NIL);
        first.is_some_and(|block| block.fin && block.queue.is_empty() && block.start == next)
    }

    /// Takes the next chunk of the data that begins at or before `next`; what lies before `next` is dropped.
    pub(super) fn pop(&mut self, next: Seq, shared: &mut Shared<'_>) -> Option<Chunk> {
        loop {
            let block = shared.blocks.by_index_mut(self.first).filter(|_| self.first != NIL)?;
            if block.start.after(next) || (block.start == next && block.queue.is_empty()) {
                return None;
            }
            let start = block.start;
            let popped = shared.cells.pop_front(&mut block.queue);
            block.start += popped.as_ref().map_or(0, Chunk::len) as u32;
            // A FIN alone, and data came in its place; or the last chunk of a block without one.
            if block.queue.is_empty() && (popped.is_none() || !block.fin) {
                let next = block.next;
                let key = shared.blocks.key(self.first).expect("the first block lives");
                self.first = next;
                shared.blocks.remove(key);
            }
            let Some(mut chunk) = popped else { continue };
            self.charged = self.charged.saturating_sub(charge(&chunk));
            let seen = next.since(start).min(chunk.len() as u32);
            chunk.advance(seen as usize);
            if !chunk.is_empty() {
                return Some(chunk);
            }
        }
    }

    pub(super) fn clear(&mut self, shared: &mut Shared<'_>) {
        while let Some(key) = shared.blocks.key(self.first).filter(|_| self.first != NIL) {
            let mut block = shared.blocks.remove(key).expect("the first block lives");
            shared.cells.clear(&mut block.queue);
            self.first = block.next;
        }
        self.charged = 0;
    }

    /// Puts `piece`, which fits a hole, behind the block `previous`, and joins it to its neighbours where they touch.
    /// Returns the block that it is in now.
    fn place(&mut self, previous: u32, start: Seq, piece: Chunk, shared: &mut Shared<'_>) -> Result<u32, NoRoom> {
        let end = start + piece.len() as u32;
        if !shared.has_cell() {
            return Err(NoRoom);
        }
        let before = shared.blocks.by_index(previous).filter(|_| previous != NIL);
        let after = before.map_or(self.first, |block| block.next);
        let placed = if before.is_some_and(|block| block.end() == start) {
            previous
        } else {
            let key = shared
                .blocks
                .insert(Block { start, queue: Queue::NEW, next: after, fin: false })
                .map_err(|_| NoRoom)?;
            match shared.blocks.by_index_mut(previous).filter(|_| previous != NIL) {
                Some(block) => block.next = key.index,
                None => self.first = key.index,
            }
            key.index
        };
        self.charged += charge(&piece);
        let block = shared.blocks.by_index_mut(placed).expect("it was just placed");
        shared.cells.push_back(&mut block.queue, piece).expect("a cell is available");
        if shared.blocks.by_index(after).is_some_and(|block| after != NIL && block.start == end) {
            let key = shared.blocks.key(after).expect("it was just seen");
            let mut joined = shared.blocks.remove(key).expect("it was just seen");
            let block = shared.blocks.by_index_mut(placed).expect("it was just placed");
            shared.cells.append(&mut block.queue, &mut joined.queue);
            (block.next, block.fin) = (joined.next, joined.fin);
        }
        Ok(placed)
    }
}

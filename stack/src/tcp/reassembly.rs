//! Data that came before its time: blocks in sequence order, between holes.
//!
//! Invariant: there is a hole between any two blocks. What arrived first stays: new data only fills holes, and nothing that
//! was shown as received is given up while the connection lasts (RFC 2018 §8 would allow it). A block holds a queue of
//! chunks, so nothing is copied; joining two relinks them. A FIN stands at the end of the last block, which holds nothing
//! else when it came alone; data behind it is none. Beyond its memory, a connection has no more than a quarter of all blocks.

use lendwire_nic::Chunk;

use super::blocks::{Block, Blocks, NoRoom};
use super::recv_queue::charge;
use super::repeated::Repeated;
use super::seq::Seq;
use super::shared::Shared;

/// The blocks of one connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reassembly {
    pub(super) blocks: Blocks,
    /// What came twice, to be told to its sender once.
    pub(super) repeated: Repeated,
    charged: u32,
    bytes: u32,
}

impl Reassembly {
    pub(super) const NEW: Self = Self { blocks: Blocks::NONE, repeated: Repeated::NOTHING, charged: 0, bytes: 0 };

    pub(super) const fn is_empty(&self) -> bool {
        self.blocks.len() == 0
    }

    /// Blocks that a peer can be told of.
    pub(super) const fn told(&self) -> u32 {
        self.blocks.len() + !self.repeated.is_nothing() as u32
    }

    /// What the blocks pin.
    pub(super) const fn charged(&self) -> u32 {
        self.charged
    }

    /// What they hold.
    pub(super) const fn bytes(&self) -> u32 {
        self.bytes
    }

    /// Keeps what of `chunk`, whose first byte is `start`, fills holes.
    pub(super) fn insert(&mut self, mut start: Seq, mut chunk: Chunk, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        let mut at = self.blocks.find(start, &shared.blocks);
        loop {
            if let Some((place, block)) = at.and_then(|at| Some((at, shared.blocks.by_index(at)?))) {
                let (end, fin) = (block.end(), block.fin);
                if start.before(end) {
                    // What the block covers is here already.
                    let covered = end.since(start).min(chunk.len() as u32);
                    chunk.advance(covered as usize);
                    self.repeated.add(start, start + covered);
                    self.blocks.touch(place, &mut shared.blocks);
                    start += covered;
                }
                if fin {
                    return Ok(());
                }
            }
            if chunk.is_empty() {
                return Ok(());
            }
            let next = self.blocks.behind(at, &shared.blocks);
            let hole = next.and_then(|next| shared.blocks.by_index(next)).map(|block| block.start.since(start));
            at = match hole.map_or(chunk.len(), |hole| chunk.len().min(hole as usize)) {
                0 => next,
                hole => {
                    let placed = self.place(at, start, chunk.split_to(hole), shared)?;
                    start += hole as u32;
                    Some(placed)
                }
            };
        }
    }

    /// Keeps a FIN of number `at`, unless data came that lies behind it. Says whether there was room.
    pub(super) fn insert_fin(&mut self, at: Seq, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        let last = self.blocks.last();
        if let Some((place, block)) = last.and_then(|last| Some((last, shared.blocks.by_index_mut(last)?))) {
            block.fin |= block.end() == at;
            if block.fin || at.before(block.end()) {
                self.blocks.touch(place, &mut shared.blocks);
                return Ok(());
            }
        }
        let mut block = Block::new(at);
        block.fin = true;
        self.blocks.insert(last, block, &mut shared.blocks).map(|_| ())
    }

    /// Whether the FIN is number `next`, all data before it being gone by [`Self::pop`].
    pub(super) fn has_fin(&self, next: Seq, shared: &Shared<'_>) -> bool {
        let first = self.blocks.first().and_then(|first| shared.blocks.by_index(first));
        first.is_some_and(|block| block.fin && block.queue.is_empty() && block.start == next)
    }

    /// Takes the next chunk of the data that begins at or before `next`; what lies before `next` is dropped.
    pub(super) fn pop(&mut self, next: Seq, shared: &mut Shared<'_>) -> Option<Chunk> {
        loop {
            let first = self.blocks.first()?;
            let block = shared.blocks.by_index_mut(first)?;
            if block.start.after(next) || (block.start == next && block.queue.is_empty()) {
                return None;
            }
            let start = block.start;
            let popped = shared.cells.pop_front(&mut block.queue);
            block.start += popped.as_ref().map_or(0, Chunk::len) as u32;
            // A FIN alone, and data came in its place; or the last chunk of a block without one.
            if block.queue.is_empty() && (popped.is_none() || !block.fin) {
                self.blocks.remove(first, &mut shared.blocks);
            }
            let Some(mut chunk) = popped else { continue };
            let charged = charge(&chunk);
            self.charged -= charged;
            self.bytes -= chunk.len() as u32;
            shared.received.release(charged);
            let seen = next.since(start).min(chunk.len() as u32);
            if seen > 0 {
                chunk.advance(seen as usize);
                self.repeated.add(start, start + seen);
            }
            if !chunk.is_empty() {
                return Some(chunk);
            }
        }
    }

    pub(super) fn clear(&mut self, shared: &mut Shared<'_>) {
        while let Some(first) = self.blocks.first() {
            let mut block = self.blocks.remove(first, &mut shared.blocks).expect("the first block lives");
            shared.cells.clear(&mut block.queue);
        }
        shared.received.release(core::mem::take(&mut self.charged));
        self.bytes = 0;
    }

    /// Puts `piece`, which fits a hole, behind the block in place `at`, and joins it to its neighbours where they touch.
    /// Returns the place of the block that it is in now.
    fn place(&mut self, at: Option<u32>, start: Seq, piece: Chunk, shared: &mut Shared<'_>) -> Result<u32, NoRoom> {
        let end = start + piece.len() as u32;
        if !shared.has_cell() {
            return Err(NoRoom);
        }
        let after = self.blocks.behind(at, &shared.blocks);
        let touched = at.filter(|&at| shared.blocks.by_index(at).is_some_and(|block| block.end() == start));
        let placed = match touched {
            Some(touched) => touched,
            None if self.blocks.len() as usize >= (shared.blocks.capacity() / 4).max(4) => return Err(NoRoom),
            None => self.blocks.insert(at, Block::new(start), &mut shared.blocks)?,
        };
        self.blocks.touch(placed, &mut shared.blocks);
        let charged = charge(&piece);
        self.charged += charged;
        self.bytes += piece.len() as u32;
        shared.received.charge(charged);
        let block = shared.blocks.by_index_mut(placed).expect("it was just placed");
        shared.cells.push_back(&mut block.queue, piece).expect("a cell is available");
        let joined = after.filter(|&after| shared.blocks.by_index(after).is_some_and(|block| block.start == end));
        if let Some(mut joined) = joined.and_then(|joined| self.blocks.remove(joined, &mut shared.blocks)) {
            let block = shared.blocks.by_index_mut(placed).expect("it was just placed");
            shared.cells.append(&mut block.queue, &mut joined.queue);
            block.fin = joined.fin;
        }
        Ok(placed)
    }
}

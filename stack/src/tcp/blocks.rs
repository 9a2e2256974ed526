//! The blocks of a connection, in two orders: by their numbers, and by when they last changed.
//!
//! Invariant: both orders hold the same blocks, and so does `block_tree`, by which a block is found in few steps whatever a
//! peer has made of them (CVE-2018-5390).

use lendwire_nic::Queue;

use super::block_tree::{BlockTree, Links};
use super::seq::Seq;
use crate::slab::Slab;

/// No block.
pub(super) const NIL: u32 = u32::MAX;

/// A run of contiguous data.
#[derive(Debug)]
pub struct Block {
    pub(super) start: Seq,
    pub(super) queue: Queue,
    /// The peer's FIN comes next.
    pub(super) fin: bool,
    next: u32,
    previous: u32,
    /// The one that changed last before this one, and first after it.
    older: u32,
    newer: u32,
    pub(super) links: Links,
}

impl Block {
    pub(super) const fn new(start: Seq) -> Self {
        let (next, previous, older, newer) = (NIL, NIL, NIL, NIL);
        Self { start, queue: Queue::NEW, fin: false, next, previous, older, newer, links: Links::LEAF }
    }

    /// The number behind its data.
    pub(super) fn end(&self) -> Seq {
        self.start + self.queue.bytes() as u32
    }
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Blocks {
    first: u32,
    last: u32,
    newest: u32,
    tree: BlockTree,
    count: u32,
}

/// No block or cell was left for a piece of data.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoRoom;

impl Blocks {
    pub(super) const NONE: Self = Self { first: NIL, last: NIL, newest: NIL, tree: BlockTree::NONE, count: 0 };

    pub(super) const fn len(&self) -> u32 {
        self.count
    }

    /// The place of the first block.
    pub(super) const fn first(&self) -> Option<u32> {
        if self.first == NIL { None } else { Some(self.first) }
    }

    /// The place of the last block.
    pub(super) const fn last(&self) -> Option<u32> {
        if self.last == NIL { None } else { Some(self.last) }
    }

    /// The place behind `at`, or the first one.
    pub(super) fn behind(&self, at: Option<u32>, table: &Slab<'_, Block>) -> Option<u32> {
        match at {
            Some(at) => table.by_index(at).map(|block| block.next).filter(|&next| next != NIL),
            None => self.first(),
        }
    }

    #[cfg(test)]
    pub(super) const fn tree(&self) -> &BlockTree {
        &self.tree
    }

    /// The blocks from the one that changed last on.
    pub(super) fn by_age<'t>(&self, table: &'t Slab<'_, Block>) -> impl Iterator<Item = &'t Block> {
        let newest = table.by_index(self.newest);
        core::iter::successors(newest, |block| table.by_index(block.older))
    }

    /// The last block that begins at or before `start`, if there is one.
    pub(super) fn find(&self, start: Seq, table: &Slab<'_, Block>) -> Option<u32> {
        // What is new comes behind all others.
        let is_last = table.by_index(self.last).is_some_and(|last| !last.start.after(start));
        if is_last { Some(self.last) } else { self.tree.find(start, table) }
    }

    /// Puts `block` behind the one in place `at`, or first. It is the newest.
    pub(super) fn insert(
        &mut self,
        at: Option<u32>,
        mut block: Block,
        table: &mut Slab<'_, Block>,
    ) -> Result<u32, NoRoom> {
        let next = self.behind(at, table).unwrap_or(NIL);
        let previous = at.unwrap_or(NIL);
        (block.next, block.previous) = (next, previous);
        let place = table.insert(block).map_err(|_| NoRoom)?.index;
        match table.by_index_mut(previous) {
            Some(block) => block.next = place,
            None => self.first = place,
        }
        match table.by_index_mut(next) {
            Some(block) => block.previous = place,
            None => self.last = place,
        }
        self.count += 1;
        self.tree.insert(previous, place, next, table);
        self.make_newest(place, table);
        Ok(place)
    }

    /// The block in place `at` has changed.
    pub(super) fn touch(&mut self, at: u32, table: &mut Slab<'_, Block>) {
        if at != self.newest {
            self.age_out(at, table);
            self.make_newest(at, table);
        }
    }

    pub(super) fn remove(&mut self, at: u32, table: &mut Slab<'_, Block>) -> Option<Block> {
        self.age_out(at, table);
        let next = table.by_index(at)?.next;
        self.tree.remove(at, next, table);
        let block = table.key(at).and_then(|key| table.remove(key))?;
        match table.by_index_mut(block.previous) {
            Some(previous) => previous.next = block.next,
            None => self.first = block.next,
        }
        match table.by_index_mut(block.next) {
            Some(next) => next.previous = block.previous,
            None => self.last = block.previous,
        }
        self.count -= 1;
        Some(block)
    }

    fn make_newest(&mut self, at: u32, table: &mut Slab<'_, Block>) {
        let before = core::mem::replace(&mut self.newest, at);
        if let Some(block) = table.by_index_mut(at) {
            (block.older, block.newer) = (before, NIL);
        }
        if let Some(block) = table.by_index_mut(before) {
            block.newer = at;
        }
    }

    fn age_out(&mut self, at: u32, table: &mut Slab<'_, Block>) {
        let Some((older, newer)) = table.by_index(at).map(|block| (block.older, block.newer)) else { return };
        match table.by_index_mut(newer) {
            Some(block) => block.older = older,
            None => self.newest = older,
        }
        if let Some(block) = table.by_index_mut(older) {
            block.newer = newer;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::slab::Slot;

    /// Blocks that begin at each of `starts`, in that order; a plain list says what each order must be.
    fn filled<'t>(starts: &[u32], table: &mut Slab<'t, Block>) -> (Blocks, Vec<u32>) {
        let (mut blocks, mut ages) = (Blocks::NONE, Vec::new());
        for &start in starts {
            let at = blocks.find(Seq(start), table);
            match at.filter(|&at| table.by_index(at).is_some_and(|block| block.start == Seq(start))) {
                Some(same) => blocks.touch(same, table),
                None => drop(blocks.insert(at, Block::new(Seq(start)), table).expect("the table has room")),
            }
            ages.retain(|&other| other != start);
            ages.insert(0, start);
        }
        (blocks, ages)
    }

    fn in_order(blocks: &Blocks, table: &Slab<'_, Block>) -> Vec<u32> {
        let mut at = blocks.first();
        let places = core::iter::from_fn(|| {
            let place = at?;
            at = blocks.behind(at, table);
            Some(place)
        });
        places.map(|place| table.by_index(place).expect("it is linked").start.0).collect()
    }

    proptest! {
        #[test]
        fn both_orders_hold_whatever_comes_changes_and_goes(
            starts in prop::collection::vec(0u32..60, 1..120),
            gone in prop::collection::vec(0u32..60, 0..60),
        ) {
            let mut slots = [const { Slot::EMPTY }; 60];
            let mut table = Slab::new(&mut slots);
            let (mut blocks, mut ages) = filled(&starts, &mut table);
            for start in gone {
                let at = blocks.find(Seq(start), &table);
                if let Some(at) = at.filter(|&at| table.by_index(at).is_some_and(|block| block.start == Seq(start))) {
                    blocks.remove(at, &mut table);
                    ages.retain(|&other| other != start);
                }
            }
            let mut sorted = ages.clone();
            sorted.sort_unstable();
            prop_assert_eq!(in_order(&blocks, &table), sorted);
            prop_assert_eq!(blocks.by_age(&table).map(|block| block.start.0).collect::<Vec<_>>(), &ages[..]);
            prop_assert_eq!(blocks.len() as usize, ages.len());
            prop_assert_eq!(table.len(), ages.len());
            let last = blocks.last().and_then(|last| table.by_index(last)).map(|block| block.start.0);
            prop_assert_eq!(last, ages.iter().copied().max());
        }
    }

    #[test]
    fn every_place_is_found_however_many_blocks_there_are() {
        let mut slots = [const { Slot::EMPTY }; 1000];
        let mut table = Slab::new(&mut slots);
        let (blocks, _) = filled(&(0..1000).map(|number| number * 10).collect::<Vec<_>>(), &mut table);
        for number in 0..1000 {
            for start in [number * 10, number * 10 + 9] {
                let found = blocks.find(Seq(start), &table).and_then(|at| table.by_index(at));
                assert_eq!(found.map(|block| block.start.0), Some(number * 10));
            }
        }
        assert_eq!(blocks.find(Seq(0) - 1, &table), None);
    }
}

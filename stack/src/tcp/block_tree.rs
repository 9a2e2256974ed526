//! The blocks of a connection as a search tree, so that the place of what comes is found whatever a peer has made of them.
//!
//! Invariant: numbers rise from left to right, and the two sides of a block differ by one level at the most (Adelson-Velsky
//! and Landis), so that a walk between the root and a leaf takes no more than 1.44 log₂ n steps. A hash of places would
//! do with less, but the peer would choose the order of what is hashed.

use super::blocks::{Block, NIL};
use super::seq::Seq;
use crate::slab::Slab;

/// The sides of a block.
const LEFT: usize = 0;
const RIGHT: usize = 1;

/// Where a block stands in the tree.
#[derive(Clone, Copy, Debug)]
pub(super) struct Links {
    up: u32,
    below: [u32; 2],
    /// Levels from here to the farthest leaf.
    height: u8,
}

impl Links {
    pub(super) const LEAF: Self = Self { up: NIL, below: [NIL; 2], height: 1 };
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct BlockTree {
    root: u32,
}

impl BlockTree {
    pub(super) const NONE: Self = Self { root: NIL };

    /// The last block that begins at or before `start`, if there is one.
    pub(super) fn find(&self, start: Seq, table: &Slab<'_, Block>) -> Option<u32> {
        let (mut at, mut found) = (self.root, None);
        while let Some(block) = table.by_index(at) {
            let begins = !block.start.after(start);
            if begins {
                found = Some(at);
            }
            at = block.links.below[usize::from(begins)];
        }
        found
    }

    /// The block in `place`, a leaf, now comes between `previous` and `next`, which were neighbours.
    pub(super) fn insert(&mut self, previous: u32, place: u32, next: u32, table: &mut Slab<'_, Block>) {
        // Of two neighbours one is below the other, so there is room on one of the sides where they face each other.
        let is_free = table.by_index(previous).is_some_and(|block| block.links.below[RIGHT] == NIL);
        let (above, side) = if is_free { (previous, RIGHT) } else { (next, LEFT) };
        self.hang(above, side, place, table);
        self.balance(above, table);
    }

    /// The block in `place`, which `next` follows, leaves.
    pub(super) fn remove(&mut self, place: u32, next: u32, table: &mut Slab<'_, Block>) {
        let Some(Links { up, below, height }) = table.by_index(place).map(|block| block.links) else { return };
        if below[LEFT] == NIL || below[RIGHT] == NIL {
            let only = if below[LEFT] == NIL { below[RIGHT] } else { below[LEFT] };
            self.replace(up, place, only, table);
            return self.balance(up, table);
        }
        // The one behind it is the leftmost on its right, and takes its place.
        let Some(Links { up: above_next, below: of_next, .. }) = table.by_index(next).map(|block| block.links) else {
            return;
        };
        let changed = if above_next == place { next } else { above_next };
        self.replace(above_next, next, of_next[RIGHT], table);
        // Its right side may have been that one.
        let below = table.by_index(place).map_or(below, |block| block.links.below);
        self.replace(up, place, next, table);
        if let Some(block) = table.by_index_mut(next) {
            block.links.height = height;
        }
        self.hang(next, LEFT, below[LEFT], table);
        self.hang(next, RIGHT, below[RIGHT], table);
        self.balance(changed, table);
    }

    /// Puts `below`, if it is one, on a side of `above`, or makes it the root.
    fn hang(&mut self, above: u32, side: usize, below: u32, table: &mut Slab<'_, Block>) {
        match table.by_index_mut(above) {
            Some(block) => block.links.below[side] = below,
            None => self.root = below,
        }
        if let Some(block) = table.by_index_mut(below) {
            block.links.up = above;
        }
    }

    /// Puts `new` where `old` is below `above`.
    fn replace(&mut self, above: u32, old: u32, new: u32, table: &mut Slab<'_, Block>) {
        let side = table.by_index(above).map_or(LEFT, |block| usize::from(block.links.below[RIGHT] == old));
        self.hang(above, side, new, table);
    }

    /// Something below `at` is new or gone, or `at` took another place.
    fn balance(&mut self, mut at: u32, table: &mut Slab<'_, Block>) {
        while let Some(links) = table.by_index(at).map(|block| block.links) {
            let heights = links.below.map(|below| height(below, table));
            let high = usize::from(heights[RIGHT] > heights[LEFT]);
            let (before, mut top) = (links.height, at);
            if heights[high] > heights[1 - high] + 1 {
                let child = links.below[high];
                let of_child = table.by_index(child).map_or([0; 2], |it| it.links.below.map(|it| height(it, table)));
                if of_child[1 - high] > of_child[high] {
                    self.lift(child, 1 - high, table);
                }
                top = self.lift(at, high, table);
            }
            measure(top, table);
            let Some(links) = table.by_index(top).map(|block| block.links) else { return };
            if top == at && links.height == before {
                return;
            }
            at = links.up;
        }
    }

    /// The block on a `side` of `at` takes its place, and `at` the other side below it. Returns who is on top now.
    fn lift(&mut self, at: u32, side: usize, table: &mut Slab<'_, Block>) -> u32 {
        let Some(Links { up, below, .. }) = table.by_index(at).map(|block| block.links) else { return at };
        let top = below[side];
        let inner = table.by_index(top).map_or(NIL, |block| block.links.below[1 - side]);
        self.replace(up, at, top, table);
        self.hang(at, side, inner, table);
        self.hang(top, 1 - side, at, table);
        measure(at, table);
        measure(top, table);
        top
    }
}

fn height(at: u32, table: &Slab<'_, Block>) -> u8 {
    table.by_index(at).map_or(0, |block| block.links.height)
}

/// Notes how high the block in place `at` is by what is below it.
fn measure(at: u32, table: &mut Slab<'_, Block>) {
    let Some(below) = table.by_index(at).map(|block| block.links.below) else { return };
    let [left, right] = below.map(|below| height(below, table));
    if let Some(block) = table.by_index_mut(at) {
        block.links.height = left.max(right) + 1;
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::slab::Slot;
    use crate::tcp::blocks::Blocks;

    /// Says how many levels there are from `at` on, having seen that nobody's sides differ by more than one.
    fn levels(at: u32, up: u32, table: &Slab<'_, Block>) -> u8 {
        let Some(Links { up: above, below, height }) = table.by_index(at).map(|block| block.links) else { return 0 };
        assert_eq!(above, up);
        let [left, right] = below.map(|below| levels(below, at, table));
        assert!(left.abs_diff(right) <= 1, "{left} and {right} levels");
        assert_eq!(height, left.max(right) + 1);
        height
    }

    proptest! {
        #[test]
        fn neither_side_grows_much_higher_than_the_other(
            steps in prop::collection::vec((any::<bool>(), 0u32..200), 1..400),
        ) {
            let mut slots = [const { Slot::EMPTY }; 200];
            let mut table = Slab::new(&mut slots);
            let (mut blocks, mut starts) = (Blocks::NONE, Vec::new());
            for (comes, start) in steps {
                let before = starts.iter().copied().filter(|&other| other <= start).max();
                let at = blocks.tree().find(Seq(start), &table);
                prop_assert_eq!(at.and_then(|at| table.by_index(at)).map(|block| block.start.0), before);
                match (comes, at) {
                    (true, at) if before != Some(start) => {
                        blocks.insert(at, Block::new(Seq(start)), &mut table).expect("the table has room");
                        starts.push(start);
                    }
                    (false, Some(at)) => {
                        blocks.remove(at, &mut table);
                        starts.retain(|&other| Some(other) != before);
                    }
                    (true | false, _) => {}
                }
                levels(blocks.tree().root, NIL, &table);
            }
        }
    }

    #[test]
    fn a_thousand_in_order_are_ten_levels() {
        let mut slots = [const { Slot::EMPTY }; 1023];
        let mut table = Slab::new(&mut slots);
        let mut blocks = Blocks::NONE;
        for start in 0..1023 {
            let last = blocks.last();
            blocks.insert(last, Block::new(Seq(start)), &mut table).expect("the table has room");
        }
        assert_eq!(levels(blocks.tree().root, NIL, &table), 10);
    }
}

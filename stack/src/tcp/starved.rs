//! Connections whose application found no memory: it is told when there is some again.
//!
//! Invariant: who was refused a cell or a slot that all share stands here until one is free. Its own acknowledgments
//! cannot tell it, for others may hold all there is.

use super::shared::Shared;
use crate::list::{Links, List};

/// See the module.
#[derive(Debug)]
pub(super) struct Starved<'s> {
    cell_links: Links<'s>,
    of_cells: List,
    slot_links: Links<'s>,
    of_slots: List,
}

impl<'s> Starved<'s> {
    pub(super) fn new(cell_links: &'s mut [u32], slot_links: &'s mut [u32]) -> Self {
        Self {
            cell_links: Links::new(cell_links),
            of_cells: List::EMPTY,
            slot_links: Links::new(slot_links),
            of_slots: List::EMPTY,
        }
    }

    /// The connection in place `index` was refused for want of whatever `shared` has none of now.
    pub(super) fn push(&mut self, index: u32, shared: &Shared<'_>) {
        if shared.has_cell() {
            self.slot_links.push_back(&mut self.of_slots, index);
        } else {
            self.cell_links.push_back(&mut self.of_cells, index);
        }
    }

    /// Whether nobody stands here.
    pub(super) fn is_empty(&self) -> bool {
        self.of_cells.is_empty() && self.of_slots.is_empty()
    }

    /// A connection for which there is memory now.
    pub(super) fn pop(&mut self, shared: &Shared<'_>) -> Option<u32> {
        if !self.of_cells.is_empty() && shared.has_cell() {
            return self.cell_links.pop_front(&mut self.of_cells);
        }
        if !self.of_slots.is_empty() && shared.has_cell() && shared.pool.take().is_some() {
            return self.slot_links.pop_front(&mut self.of_slots);
        }
        None
    }
}

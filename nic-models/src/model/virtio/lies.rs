//! The raw steps: what only a hostile or a broken device does.

use super::net::VirtioNetModel;
use super::queue::{Chain, Queue};
use super::state::{BY_CONFIG, BY_QUEUE};

impl VirtioNetModel {
    /// Tells the driver that `ahead` more is done than is: a used index that jumps, or descriptors marked used.
    pub fn publish_ahead(&self, queue: usize, ahead: u16) {
        let state = &mut *self.state_mut();
        state.queues[queue].publish_ahead(&state.memory, ahead);
    }

    /// Overwrites the descriptors of `queue` with `byte`.
    pub fn scribble_descriptors(&self, queue: usize, byte: u8) {
        let state = &mut *self.state_mut();
        state.queues[queue].scribble(&state.memory, byte);
    }

    /// Overwrites the indirect tables of `chain`, which it took from `queue`, with `byte`.
    pub fn scribble_tables(&self, queue: usize, chain: &Chain, byte: u8) {
        let state = &mut *self.state_mut();
        state.queues[queue].scribble_tables(&state.memory, chain, byte);
    }

    /// Writes `bytes` at `offset` of an area of `queue`: descriptors, what the driver writes, what the device writes.
    /// What lies outside of the driver's memory is not written.
    pub fn scribble(&self, queue: usize, area: usize, offset: u64, bytes: &[u8]) {
        let state = &mut *self.state_mut();
        let Some(bus) = state.queues.get(queue).and_then(|queue| queue.bus[area].checked_add(offset)) else { return };
        if state.memory.is_dma(bus, bytes.len()) {
            // It may lead beyond the ring, into another queue's rings or tables.
            state.queues.iter_mut().for_each(Queue::mark_dishonest);
            state.memory.write(bus, bytes);
        }
    }

    /// Interrupts for `queue`, without a cause.
    pub fn interrupt(&self, queue: usize) {
        let mut state = self.state_mut();
        let vector = state.queues[queue].vector;
        state.raise(vector, BY_QUEUE);
    }

    /// Interrupts for a change of the configuration, without one.
    pub fn interrupt_for_config(&self) {
        let mut state = self.state_mut();
        let vector = state.config_vector;
        state.raise(vector, BY_CONFIG);
    }

    /// Says that it cannot go on.
    pub fn need_reset(&self) {
        self.state_mut().need_reset();
    }

    /// Sets bits of the device status register that are not its to set.
    pub fn set_status(&self, status: u8) {
        self.state_mut().status = status;
    }

    /// Changes what it offers and how it misbehaves; what was agreed on stands until a reset.
    pub fn change(&self, change: impl FnOnce(&mut super::Offer)) {
        change(&mut self.state_mut().offer);
    }

    /// Is unplugged: every register reads as ones.
    pub fn unplug(&self) {
        self.state_mut().is_gone = true;
    }
}

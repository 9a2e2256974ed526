//! What is behind the registers, whichever way they are laid out (virtio 1.2 §2.1, §2.6.1, §5.1.4).

use alloc::vec;
use alloc::vec::Vec;

use super::control::Orders;
use super::offer::{Offer, feature};
use super::queue::{Layout, Queue};
use crate::model::{ConfigModel, Memory};
use crate::platform::Message;

/// Everything that the device knows.
pub(super) struct State {
    pub(super) memory: Memory,
    pub(super) offer: Offer,
    pub(super) config: ConfigModel,
    pub(super) driver_features: u64,
    /// The halves that are looked at and written, device's and driver's.
    pub(super) feature_select: [u32; 2],
    looks_at_features: u32,
    pub(super) queue_select: u16,
    pub(super) status: u8,
    generation: u32,
    pub(super) config_vector: u16,
    pub(super) is_link_up: bool,
    pub(super) wants_announcement: bool,
    pub(super) is_gone: bool,
    pub(super) queues: Vec<Queue>,
    pub(super) orders: Orders,
    pub(super) accesses: u64,
    pub(super) notifications: Vec<u64>,
    /// Four words a vector.
    pub(super) msix: Vec<u32>,
    pub(super) raised: Vec<Message>,
    /// Why the interrupt line is asserted, if it is (§4.1.4.5, §4.2.2).
    pub(super) interrupt_status: u8,
}

pub(super) const NO_VECTOR: u16 = 0xffff;
pub(super) const BY_QUEUE: u8 = 1;
pub(super) const BY_CONFIG: u8 = 2;
const DRIVER_OK: u8 = 4;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;

impl State {
    pub(super) fn new(memory: &Memory, offer: Offer) -> Self {
        let queues = Self::idle_queues(&offer);
        Self {
            memory: memory.clone(),
            config: ConfigModel::virtio_net(offer.vectors),
            driver_features: 0,
            feature_select: [0; 2],
            looks_at_features: 0,
            queue_select: 0,
            status: 0,
            generation: 0,
            config_vector: NO_VECTOR,
            is_link_up: true,
            wants_announcement: false,
            is_gone: false,
            orders: Orders::default(),
            accesses: 0,
            notifications: vec![0; queues.len()],
            queues,
            msix: vec![0; 4 * usize::from(offer.vectors)],
            raised: Vec::new(),
            interrupt_status: 0,
            offer,
        }
    }

    fn idle_queues(offer: &Offer) -> Vec<Queue> {
        let control = usize::from(offer.features & feature::CTRL_VQ != 0);
        (0..2 * usize::from(offer.pairs) + control).map(|_| Queue::idle(offer.queue_size)).collect()
    }

    pub(super) fn need_reset(&mut self) {
        self.status |= NEEDS_RESET;
        self.change_config();
    }

    pub(super) fn is_running(&self) -> bool {
        self.status & DRIVER_OK != 0
    }

    fn reset(&mut self) {
        self.status = 0;
        self.driver_features = 0;
        self.config_vector = NO_VECTOR;
        self.queues = Self::idle_queues(&self.offer);
        self.orders = Orders::default();
        self.interrupt_status = 0;
    }

    /// Tells the driver that the configuration is another one.
    pub(super) fn change_config(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.raise(self.config_vector, BY_CONFIG);
    }

    /// Tells the driver of what `queue` completed, with an interrupt where it wants one.
    pub(super) fn publish(&mut self, queue: usize) {
        if self.queues[queue].is_enabled && self.queues[queue].publish(&self.memory) {
            self.raise(self.queues[queue].vector, BY_QUEUE);
        }
    }

    /// Interrupts by `vector`, or by the line where the driver has turned MSI-X off.
    pub(super) fn raise(&mut self, vector: u16, cause: u8) {
        if !self.config.is_msix_enabled() {
            self.interrupt_status |= cause;
            return;
        }
        let Some(entry) = self.msix.get(4 * usize::from(vector)..4 * usize::from(vector) + 4) else { return };
        if entry[3] & 1 == 0 {
            let address = u64::from(entry[1]) << 32 | u64::from(entry[0]);
            self.raised.push(Message { address, data: entry[2] });
        }
    }

    /// Byte `at` of virtio_net_config.
    pub(super) fn config_byte(&self, at: u64) -> u8 {
        let mut config = [0; 24];
        config[..6].copy_from_slice(&self.offer.address);
        config[6] = u8::from(self.is_link_up) | u8::from(self.wants_announcement) << 1;
        let pairs = self.offer.claimed_pairs.unwrap_or(self.offer.pairs);
        config[8..10].copy_from_slice(&pairs.to_le_bytes());
        config[10..12].copy_from_slice(&self.offer.mtu.to_le_bytes());
        config[17] = self.offer.rss_key;
        config[18..20].copy_from_slice(&self.offer.rss_table.to_le_bytes());
        config[20..].copy_from_slice(&self.offer.hash_types.to_le_bytes());
        config.get(at as usize).copied().unwrap_or(0)
    }

    pub(super) fn generation(&mut self) -> u32 {
        self.generation = self.generation.wrapping_add(u32::from(self.offer.never_settles));
        self.generation
    }

    /// The queue that the driver selected.
    pub(super) fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    /// The selected half of what the device offers.
    pub(super) fn offered(&mut self) -> u32 {
        // Two halves make a look.
        let is_odd = self.looks_at_features / 2 % 2 == 1;
        self.looks_at_features += 1;
        let features = self.offer.features & !if is_odd { self.offer.flickering } else { 0 };
        match self.feature_select[0] {
            half @ 0..2 => (features >> (32 * half)) as u32,
            _ => 0,
        }
    }

    /// Takes the selected half of what the driver accepts.
    pub(super) fn accept(&mut self, half: u32) {
        assert!(self.status & FEATURES_OK == 0, "features are settled once");
        let shift = 32 * self.feature_select[1].min(1);
        self.driver_features = self.driver_features & !(0xffff_ffff << shift) | u64::from(half) << shift;
    }

    /// Takes half of an address of the selected queue.
    pub(super) fn set_address(&mut self, area: usize, shift: u32, half: u32) {
        let Some(queue) = self.queue() else { return };
        assert!(!queue.is_enabled, "a running queue is not changed");
        let address = &mut queue.bus[area];
        *address = *address & !(0xffff_ffff << shift) | u64::from(half) << shift;
    }

    pub(super) fn set_size(&mut self, size: u32) {
        let limit = self.offer.queue_size;
        let Some(queue) = self.queue() else { return };
        assert!(!queue.is_enabled, "a running queue is not changed");
        assert!(size <= u32::from(limit), "a queue of {size} where {limit} is offered");
        queue.size = size as u16;
    }

    pub(super) fn enable(&mut self, value: u32) {
        let event_index = self.driver_features & feature::EVENT_IDX != 0;
        let packed = self.driver_features & feature::RING_PACKED != 0;
        let hurries = self.offer.hurries && !self.is_running();
        let memory = self.memory.clone();
        let Some(queue) = self.queue().filter(|_| value == 1) else { return };
        queue.enable(if packed { Layout::Packed } else { Layout::Split }, event_index);
        if hurries {
            queue.complete(&memory, 0, 64);
            queue.publish(&memory);
        }
    }

    /// Stops the selected queue alone (§2.6.1).
    pub(super) fn reset_queue(&mut self) {
        assert!(self.driver_features & feature::RING_RESET != 0, "the reset of a queue was not agreed on");
        let size = self.offer.queue_size;
        let ignores = self.offer.ignores_queue_reset;
        if let Some(queue) = self.queue().filter(|_| !ignores) {
            *queue = Queue::idle(size);
        }
    }

    /// What the driver reads of a queue that it asked to stop: whether it has not yet.
    pub(super) fn is_resetting(&mut self) -> u32 {
        let ignores = self.offer.ignores_queue_reset;
        u32::from(self.queue().is_some_and(|queue| queue.is_enabled) && ignores)
    }

    pub(super) fn write_status(&mut self, status: u8) {
        if status == 0 && self.offer.ignores_reset {
            // It was running before the driver came, and goes on.
            self.status |= 1;
            return;
        }
        if status == 0 {
            return self.reset();
        }
        assert!(status & self.status & 0x3f == self.status & 0x3f, "status bits are only added");
        self.status = status | self.status & NEEDS_RESET;
        if self.offer.refuses_features || self.driver_features & !self.offer.features != 0 {
            self.status &= !FEATURES_OK;
        }
    }

    /// The driver rings for `queue`.
    pub(super) fn notify(&mut self, queue: usize) {
        self.notifications[queue] += 1;
        if queue == self.control_queue() && self.is_running() {
            self.answer();
        }
    }
}

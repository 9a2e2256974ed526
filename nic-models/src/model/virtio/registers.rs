//! The registers of the virtio network device: what the driver's reads and writes do (virtio 1.2 §4.1.4).

use std::cell::RefCell;
use std::rc::Rc;

use super::net::{Offer, feature};
use super::queue::Queue;
use crate::model::ConfigModel;
use crate::pci::Region;
use crate::platform::Message;
use crate::registers::Registers;

/// Everything behind the registers.
pub(super) struct State {
    pub(super) offer: Offer,
    pub(super) driver_features: u64,
    pub(super) feature_select: [u32; 2],
    pub(super) queue_select: u16,
    pub(super) status: u8,
    pub(super) generation: u8,
    pub(super) config_vector: u16,
    pub(super) is_link_up: bool,
    pub(super) is_gone: bool,
    pub(super) queues: [Queue; 2],
    pub(super) accesses: u64,
    pub(super) notifications: [u64; 2],
    /// Four words a vector.
    pub(super) msix: Vec<u32>,
    pub(super) raised: Vec<Message>,
}

const NO_VECTOR: u16 = 0xffff;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;

impl State {
    pub(super) fn new(offer: Offer) -> Self {
        Self {
            driver_features: 0,
            feature_select: [0; 2],
            queue_select: 0,
            status: 0,
            generation: 0,
            config_vector: NO_VECTOR,
            is_link_up: true,
            is_gone: false,
            queues: Self::idle_queues(&offer),
            accesses: 0,
            notifications: [0; 2],
            msix: vec![0; 4 * usize::from(offer.vectors)],
            raised: Vec::new(),
            offer,
        }
    }

    pub(super) fn need_reset(&mut self) {
        self.status |= NEEDS_RESET;
        self.change_config();
    }

    fn idle_queues(offer: &Offer) -> [Queue; 2] {
        std::array::from_fn(|_| Queue::idle(offer.queue_size))
    }

    pub(super) fn reset(&mut self) {
        self.status = 0;
        self.driver_features = 0;
        self.config_vector = NO_VECTOR;
        self.queues = Self::idle_queues(&self.offer);
    }

    pub(super) fn change_config(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.raise(self.config_vector);
    }

    pub(super) fn raise(&mut self, vector: u16) {
        let Some(entry) = self.msix.get(4 * usize::from(vector)..4 * usize::from(vector) + 4) else { return };
        if entry[3] & 1 == 0 {
            let address = u64::from(entry[1]) << 32 | u64::from(entry[0]);
            self.raised.push(Message { address, data: entry[2] });
        }
    }

    /// Byte `at` of virtio_net_config.
    fn config_byte(&self, at: u64) -> u8 {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&self.offer.address);
        config[6] = u8::from(self.is_link_up);
        config[8] = 1;
        config[10..].copy_from_slice(&self.offer.mtu.to_le_bytes());
        config.get(at as usize).copied().unwrap_or(0)
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    fn read_common(&mut self, at: u64) -> u32 {
        let shift = 32 * self.feature_select[0].min(1);
        match at {
            4 => (self.offer.features >> shift) as u32,
            16 => u32::from(self.config_vector),
            18 => 2,
            20 => u32::from(self.status),
            21 => {
                if self.offer.never_settles {
                    self.generation = self.generation.wrapping_add(1);
                }
                u32::from(self.generation)
            }
            22 => u32::from(self.queue_select),
            24 => u32::from(self.queue().map_or(0, |queue| queue.size)),
            26 => u32::from(self.queue().map_or(NO_VECTOR, |queue| queue.vector)),
            28 => u32::from(self.queue().is_some_and(|queue| queue.is_enabled)),
            30 => u32::from(self.offer.notify_offset.unwrap_or(self.queue_select)),
            _ => panic!("the driver reads byte {at} of the common configuration"),
        }
    }

    fn write_common(&mut self, at: u64, value: u32) {
        let vectors = self.offer.vectors;
        let granted = |vector: u32| if vector < u32::from(vectors) { vector as u16 } else { NO_VECTOR };
        match at {
            0 => self.feature_select[0] = value,
            8 => self.feature_select[1] = value,
            12 => {
                let shift = 32 * self.feature_select[1].min(1);
                self.driver_features = self.driver_features & !(0xffff_ffff << shift) | u64::from(value) << shift;
            }
            16 => self.config_vector = granted(value),
            20 => self.write_status(value as u8),
            22 => self.queue_select = value as u16,
            24..56 => self.write_queue(at, value),
            _ => panic!("the driver writes byte {at} of the common configuration"),
        }
    }

    fn write_queue(&mut self, at: u64, value: u32) {
        let event_index = self.driver_features & feature::EVENT_IDX != 0;
        let granted = if value < u32::from(self.offer.vectors) { value as u16 } else { NO_VECTOR };
        let Some(queue) = self.queue() else { return };
        assert!(!queue.is_enabled, "a running queue is not changed");
        match at {
            24 => queue.size = value as u16,
            26 => queue.vector = granted,
            28 => (queue.is_enabled, queue.event_index) = (value == 1, event_index),
            32..56 => {
                let address = &mut queue.bus[(at as usize - 32) / 8];
                let shift = if at.is_multiple_of(8) { 0 } else { 32 };
                *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
            }
            _ => panic!("the driver writes byte {at} of the common configuration"),
        }
    }

    fn write_status(&mut self, status: u8) {
        if status == 0 && self.offer.ignores_reset {
            // It was running before the driver came, and goes on.
            self.status |= 1;
            return;
        }
        if status == 0 {
            return self.reset();
        }
        self.status = status;
        if self.offer.refuses_features || self.driver_features & !self.offer.features != 0 {
            self.status &= !FEATURES_OK;
        }
    }
}

/// A window of the device's registers.
pub struct ModelRegisters {
    state: Rc<RefCell<State>>,
    physical: u64,
    len: usize,
}

impl ModelRegisters {
    pub(super) fn new(state: Rc<RefCell<State>>, region: Region) -> Self {
        Self { state, physical: region.physical, len: region.len }
    }

    fn read(&self, offset: usize, width: usize) -> u32 {
        assert!(offset + width <= self.len && offset.is_multiple_of(width), "a register lies in its window");
        let mut state = self.state.borrow_mut();
        state.accesses += 1;
        if state.is_gone {
            return u32::MAX >> (32 - 8 * width);
        }
        let at = self.physical + offset as u64;
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.read_common(at),
            Some(at @ 0x2000..0x3000) => (0..width as u64)
                .fold(0, |value, byte| value | u32::from(state.config_byte(at - 0x2000 + byte)) << (8 * byte)),
            _ => panic!("the driver reads a register at {at:#x}"),
        }
    }

    fn write(&self, offset: usize, width: usize, value: u32) {
        assert!(offset + width <= self.len && offset.is_multiple_of(width), "a register lies in its window");
        let mut state = self.state.borrow_mut();
        state.accesses += 1;
        if state.is_gone {
            return;
        }
        let at = self.physical + offset as u64;
        if let Some(at) = at.checked_sub(ConfigModel::MSIX_TABLE).filter(|at| *at < 0x1000) {
            state.msix[at as usize / 4] = value;
            return;
        }
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.write_common(at, value),
            Some(0x3000..0x4000) => state.notifications[value as usize] += 1,
            _ => panic!("the driver writes a register at {at:#x}"),
        }
    }
}

impl Registers for ModelRegisters {
    fn read8(&self, offset: usize) -> u8 {
        self.read(offset, 1) as u8
    }

    fn read16(&self, offset: usize) -> u16 {
        self.read(offset, 2) as u16
    }

    fn read32(&self, offset: usize) -> u32 {
        self.read(offset, 4)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, 1, u32::from(value));
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, 2, u32::from(value));
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, 4, value);
    }
}

//! The register file on PCI: what the driver's reads and writes do (virtio 1.2 §4.1.4).

use alloc::rc::Rc;
use core::cell::RefCell;

use super::mmio;
use super::state::{NO_VECTOR, State};
use crate::model::ConfigModel;
use crate::pci::Region;
use crate::registers::Registers;

impl State {
    fn read_common(&mut self, at: u64) -> u32 {
        match at {
            4 => self.offered(),
            16 => u32::from(self.config_vector),
            18 => self.queues.len() as u32,
            20 => u32::from(self.status),
            21 => self.generation() & 0xff,
            22 => u32::from(self.queue_select),
            24 => u32::from(self.queue().map_or(0, |queue| queue.size)),
            26 => u32::from(self.queue().map_or(NO_VECTOR, |queue| queue.vector)),
            28 => u32::from(self.queue().is_some_and(|queue| queue.is_enabled)),
            30 => u32::from(self.offer.notify_offset.unwrap_or(self.queue_select)),
            58 => self.is_resetting(),
            _ => panic!("the driver reads byte {at} of the common configuration"),
        }
    }

    fn write_common(&mut self, at: u64, value: u32) {
        let granted = if value < u32::from(self.offer.vectors) { value as u16 } else { NO_VECTOR };
        match at {
            0 => self.feature_select[0] = value,
            8 => self.feature_select[1] = value,
            12 => self.accept(value),
            16 => self.config_vector = granted,
            20 => self.write_status(value as u8),
            22 => self.queue_select = value as u16,
            24 => self.set_size(value),
            26 => {
                let Some(queue) = self.queue() else { return };
                queue.vector = granted;
            }
            28 => self.enable(value),
            32..56 => {
                let shift = if at.is_multiple_of(8) { 0 } else { 32 };
                self.set_address((at as usize - 32) / 8, shift, value);
            }
            58 if value == 1 => self.reset_queue(),
            _ => panic!("the driver writes byte {at} of the common configuration"),
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
        if let Some(at) = at.checked_sub(mmio::REGISTERS).filter(|at| *at < mmio::LEN as u64) {
            return mmio::read(&mut state, at, width);
        }
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.read_common(at),
            // Reading lets go of the line.
            Some(0x1000) => u32::from(core::mem::take(&mut state.interrupt_status)),
            Some(at @ 0x2000..0x3000) => config(&state, at - 0x2000, width),
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
        if let Some(at) = at.checked_sub(mmio::REGISTERS).filter(|at| *at < mmio::LEN as u64) {
            return mmio::write(&mut state, at, width, value);
        }
        if let Some(at) = at.checked_sub(ConfigModel::MSIX_TABLE).filter(|at| *at < 0x1000) {
            state.msix[at as usize / 4] = value;
            return;
        }
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.write_common(at, value),
            Some(0x3000..0x4000) => state.notify(value as usize),
            _ => panic!("the driver writes a register at {at:#x}"),
        }
    }
}

/// `width` bytes of the device's configuration, which may be read at any width.
pub(super) fn config(state: &State, at: u64, width: usize) -> u32 {
    (0..width as u64).fold(0, |value, byte| value | u32::from(state.config_byte(at + byte)) << (8 * byte))
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

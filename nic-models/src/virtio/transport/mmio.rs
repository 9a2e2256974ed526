//! virtio over memory-mapped registers, version 2 (virtio 1.2 §4.2.2).
//!
//! Left out: version 1, and shared memory regions, which a network device does not have.

use super::{Config, Doorbell, NO_VECTOR};
use crate::registers::Registers;
use crate::virtio::probe::ProbeError;

/// The window of one device.
pub(in crate::virtio) struct MmioTransport<R> {
    registers: R,
    len: usize,
}

/// "virt", and the device that this driver is for (§5).
const MAGIC: u32 = 0x7472_6976;
const MODERN: u32 = 2;
const LEGACY: u32 = 1;
const NETWORK: u32 = 1;

const MAGIC_VALUE: usize = 0x000;
const VERSION: usize = 0x004;
const DEVICE_ID: usize = 0x008;
const DEVICE_FEATURES: usize = 0x010;
const DEVICE_FEATURES_SELECT: usize = 0x014;
const DRIVER_FEATURES: usize = 0x020;
const DRIVER_FEATURES_SELECT: usize = 0x024;
const QUEUE_SELECT: usize = 0x030;
const QUEUE_SIZE_MAX: usize = 0x034;
const QUEUE_SIZE: usize = 0x038;
const QUEUE_READY: usize = 0x044;
const QUEUE_NOTIFY: usize = 0x050;
const INTERRUPT_STATUS: usize = 0x060;
const INTERRUPT_ACKNOWLEDGE: usize = 0x064;
const STATUS: usize = 0x070;
const QUEUE_ADDRESSES: [usize; 3] = [0x080, 0x090, 0x0a0];
const QUEUE_RESET: usize = 0x0c0;
const CONFIG_GENERATION: usize = 0x0fc;
const CONFIG: usize = 0x100;

impl<R: Registers> MmioTransport<R> {
    /// Looks at what is behind `registers`, a window of `len` bytes.
    pub(in crate::virtio) fn find(registers: R, len: usize) -> Result<Self, ProbeError> {
        if len < CONFIG {
            return Err(ProbeError::ShortRegisters);
        }
        if registers.read32(MAGIC_VALUE) != MAGIC {
            return Err(ProbeError::NotMine);
        }
        match registers.read32(VERSION) {
            MODERN => {}
            LEGACY => return Err(ProbeError::Legacy),
            _ => return Err(ProbeError::NotMine),
        }
        // Zero is a place without a device (§4.2.2.2).
        if registers.read32(DEVICE_ID) != NETWORK {
            return Err(ProbeError::NotMine);
        }
        Ok(Self { registers, len })
    }

    pub(super) fn status(&self) -> u8 {
        self.registers.read32(STATUS) as u8
    }

    pub(super) fn write_status(&self, status: u8) {
        self.registers.write32(STATUS, u32::from(status));
    }

    pub(super) fn offered_features(&self, select: u32) -> u32 {
        self.registers.write32(DEVICE_FEATURES_SELECT, select);
        self.registers.read32(DEVICE_FEATURES)
    }

    pub(super) fn accept_features(&self, select: u32, features: u32) {
        self.registers.write32(DRIVER_FEATURES_SELECT, select);
        self.registers.write32(DRIVER_FEATURES, features);
    }

    pub(super) fn queue_size(&self, queue: u16) -> u16 {
        self.registers.write32(QUEUE_SELECT, u32::from(queue));
        let most = self.registers.read32(QUEUE_SIZE_MAX);
        // §2.7: a queue has at most 32,768 descriptors. What is more is no size.
        u16::try_from(most).unwrap_or(0)
    }

    pub(super) fn enable_queue(
        &self,
        queue: u16,
        size: u16,
        bus: [u64; 3],
        vector: u16,
    ) -> Result<Doorbell, ProbeError> {
        if vector != NO_VECTOR {
            return Err(ProbeError::NoVector);
        }
        let registers = &self.registers;
        registers.write32(QUEUE_SELECT, u32::from(queue));
        registers.write32(QUEUE_SIZE, u32::from(size));
        for (register, address) in QUEUE_ADDRESSES.into_iter().zip(bus) {
            registers.write32(register, address as u32);
            registers.write32(register + 4, (address >> 32) as u32);
        }
        registers.write32(QUEUE_READY, 1);
        Ok(Doorbell { queue, offset: QUEUE_NOTIFY })
    }

    /// Asks for queue `queue` to stop. Returns whether there is a register for it.
    pub(super) fn reset_queue(&self, queue: u16) -> bool {
        self.registers.write32(QUEUE_SELECT, u32::from(queue));
        self.registers.write32(QUEUE_RESET, 1);
        true
    }

    /// Whether the queue of [`Self::reset_queue`] has yet to stop: zero or one.
    pub(super) fn queue_reset(&self) -> u32 {
        self.registers.read32(QUEUE_RESET)
    }

    pub(super) fn ring(&self, doorbell: Doorbell) {
        self.registers.write32(doorbell.offset, u32::from(doorbell.queue));
    }

    /// Takes the two bits of what happened.
    pub(super) fn take_interrupts(&self) -> u8 {
        let happened = self.registers.read32(INTERRUPT_STATUS);
        if happened & 0b11 != 0 {
            self.registers.write32(INTERRUPT_ACKNOWLEDGE, happened & 0b11);
        }
        happened as u8
    }

    pub(super) fn generation(&self) -> u32 {
        self.registers.read32(CONFIG_GENERATION)
    }

    pub(super) fn config(&self) -> (Config<'_, R>, usize) {
        (Config { registers: &self.registers, start: CONFIG }, self.len - CONFIG)
    }
}

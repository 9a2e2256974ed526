//! How the driver reaches a device's registers, and the steps of the device's life (virtio 1.2 §2.1, §3.1).
//!
//! | file | what it is |
//! |---|---|
//! | `pci` | registers behind capabilities of a PCI function (§4.1) |
//! | `mmio` | registers in one window of memory, version 2 (§4.2) |
//!
//! Invariant: every loop over a register has an end, and a device that is gone (all ones) is not waited for.

mod mmio;
mod pci;

pub(super) use self::mmio::MmioTransport;
pub(super) use self::pci::{PciTransport, program_interrupts};
use super::probe::ProbeError;
use crate::driver::Causes;
use crate::registers::Registers;

/// The registers of one device.
pub(super) enum Transport<R> {
    Pci(PciTransport<R>),
    Mmio(MmioTransport<R>),
}

/// How far the driver has come (virtio 1.2 §2.1).
pub(super) mod status {
    pub(in crate::virtio) const ACKNOWLEDGE: u8 = 1;
    pub(in crate::virtio) const DRIVER: u8 = 2;
    pub(in crate::virtio) const DRIVER_OK: u8 = 4;
    pub(in crate::virtio) const FEATURES_OK: u8 = 8;
    pub(in crate::virtio) const NEEDS_RESET: u8 = 64;
    pub(in crate::virtio) const FAILED: u8 = 128;
}

/// What the status of a device that is gone reads as.
pub(super) const GONE: u8 = 0xff;

/// A device confirmed its reset: it uses no memory any more.
pub(super) struct Stopped(());

/// No interrupt (virtio 1.2 §4.1.5.1.2).
pub(super) const NO_VECTOR: u16 = 0xffff;

/// Looks at the status before a reset is given up; each look is an exit to the hypervisor.
const RESET_LOOKS: u32 = if cfg!(miri) { 100 } else { 100_000 };
/// Tries to read a configuration that does not change under the reader.
const GENERATION_TRIES: u32 = 16;

/// Where a queue is rung.
#[derive(Clone, Copy, Debug)]
pub(super) struct Doorbell {
    queue: u16,
    offset: usize,
}

impl Doorbell {
    /// Of a queue that the device has not been given.
    pub(super) const NONE: Self = Self { queue: 0, offset: 0 };
}

impl<R: Registers> Transport<R> {
    /// Stops the device, if it says that it has stopped.
    pub(super) fn reset(&self) -> Option<Stopped> {
        self.write_status(0);
        for _ in 0..RESET_LOOKS {
            match self.status() {
                0 => return Some(Stopped(())),
                // All ones is what a device that is gone reads as; it never was a status.
                GONE => return None,
                _ => core::hint::spin_loop(),
            }
        }
        None
    }

    pub(super) fn status(&self) -> u8 {
        match self {
            Self::Pci(device) => device.status(),
            Self::Mmio(device) => device.status(),
        }
    }

    pub(super) fn add_status(&self, bits: u8) {
        self.write_status(self.status() | bits);
    }

    fn write_status(&self, status: u8) {
        match self {
            Self::Pci(device) => device.write_status(status),
            Self::Mmio(device) => device.write_status(status),
        }
    }

    pub(super) fn offered_features(&self) -> u64 {
        let half = |select: u32| {
            u64::from(match self {
                Self::Pci(device) => device.offered_features(select),
                Self::Mmio(device) => device.offered_features(select),
            })
        };
        half(0) | half(1) << 32
    }

    pub(super) fn accept_features(&self, features: u64) {
        for select in 0..2 {
            let half = (features >> (32 * select)) as u32;
            match self {
                Self::Pci(device) => device.accept_features(select, half),
                Self::Mmio(device) => device.accept_features(select, half),
            }
        }
    }

    /// The size that the device gives queue `queue`; zero where there is none.
    pub(super) fn queue_size(&self, queue: u16) -> u16 {
        match self {
            Self::Pci(device) => device.queue_size(queue),
            Self::Mmio(device) => device.queue_size(queue),
        }
    }

    /// Hands a queue to the device. Returns where its doorbell is.
    pub(super) fn enable_queue(
        &self,
        queue: u16,
        size: u16,
        bus: [u64; 3],
        vector: u16,
    ) -> Result<Doorbell, ProbeError> {
        match self {
            Self::Pci(device) => device.enable_queue(queue, size, bus, vector),
            Self::Mmio(device) => device.enable_queue(queue, size, bus, vector),
        }
    }

    /// Stops one queue, where that was agreed on (RING_RESET, §2.6.1). Returns whether the device says that it has
    /// stopped.
    pub(super) fn reset_queue(&self, queue: u16) -> bool {
        let is_there = match self {
            Self::Pci(device) => device.reset_queue(queue),
            Self::Mmio(device) => device.reset_queue(queue),
        };
        let looks = if is_there { RESET_LOOKS } else { 0 };
        for _ in 0..looks {
            let is_resetting = match self {
                Self::Pci(device) => u32::from(device.queue_reset()),
                Self::Mmio(device) => device.queue_reset(),
            };
            match is_resetting {
                0 => return true,
                1 => core::hint::spin_loop(),
                // The device is gone.
                _ => return false,
            }
        }
        false
    }

    /// Which vector tells of configuration changes. A line tells of everything.
    pub(super) fn set_config_vector(&self, vector: u16) -> Result<(), ProbeError> {
        match self {
            Self::Pci(device) => device.set_config_vector(vector),
            Self::Mmio(_) => Ok(()),
        }
    }

    /// Tells the device that a queue has news.
    pub(super) fn ring(&self, doorbell: Doorbell) {
        match self {
            Self::Pci(device) => device.ring(doorbell),
            Self::Mmio(device) => device.ring(doorbell),
        }
    }

    /// Why the device asserts its line, which it lets go of then; nothing where it has no line.
    pub(super) fn acknowledge(&self) -> Causes {
        let bits = match self {
            Self::Pci(device) => device.take_interrupts(),
            Self::Mmio(device) => device.take_interrupts(),
        };
        // §4.1.4.5 and §4.2.2 number them alike.
        let mut causes = Causes::empty();
        causes.set(Causes::FRAMES, bits & 1 != 0);
        causes.set(Causes::CONFIGURATION, bits & 2 != 0);
        causes
    }

    /// Reads the first `len` bytes' worth of device configuration by `read`, again if it changed meanwhile (§2.5.1).
    pub(super) fn read_config<T>(&self, len: usize, read: impl Fn(Config<'_, R>) -> T) -> Result<T, ProbeError> {
        let (config, room) = match self {
            Self::Pci(device) => device.config(),
            Self::Mmio(device) => device.config(),
        };
        if room < len {
            return Err(ProbeError::ShortRegisters);
        }
        for _ in 0..GENERATION_TRIES {
            let before = self.generation();
            let value = read(config);
            if self.generation() == before {
                return Ok(value);
            }
        }
        Err(ProbeError::Unsettled)
    }

    fn generation(&self) -> u32 {
        match self {
            Self::Pci(device) => device.generation(),
            Self::Mmio(device) => device.generation(),
        }
    }
}

/// The device's own configuration: registers from `start` of a window on.
#[derive(Debug)]
pub(super) struct Config<'a, R> {
    registers: &'a R,
    start: usize,
}

impl<R> Clone for Config<'_, R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Config<'_, R> {}

impl<R: Registers> Config<'_, R> {
    pub(super) fn read8(&self, offset: usize) -> u8 {
        self.registers.read8(self.start + offset)
    }

    pub(super) fn read16(&self, offset: usize) -> u16 {
        self.registers.read16(self.start + offset)
    }

    pub(super) fn read32(&self, offset: usize) -> u32 {
        self.registers.read32(self.start + offset)
    }
}

//! Where a virtio device's registers are on PCI, and the steps of its life (virtio 1.2 §4.1.4, §3.1).
//!
//! Left out: the legacy interface, the interrupt line and its status register (MSI-X or polling only).

use super::probe::ProbeError;
use crate::pci::{self, Bars, Capability, Msix, Region};
use crate::platform::{ConfigSpace, Message};
use crate::registers::Registers;

/// The registers of one device.
pub(super) struct Transport<R> {
    common: R,
    notify: R,
    notify_len: usize,
    notify_multiplier: u32,
    device: R,
    device_len: usize,
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

/// No interrupt (virtio 1.2 §4.1.5.1.2).
pub(super) const NO_VECTOR: u16 = 0xffff;

const VENDOR_CAPABILITY: u8 = 0x09;
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const DEVICE: u8 = 4;

/// virtio_pci_common_cfg, in bytes from its start (§4.1.4.3).
const DEVICE_FEATURE_SELECT: usize = 0;
const DEVICE_FEATURE: usize = 4;
const DRIVER_FEATURE_SELECT: usize = 8;
const DRIVER_FEATURE: usize = 12;
const CONFIG_VECTOR: usize = 16;
const STATUS: usize = 20;
const GENERATION: usize = 21;
const QUEUE_SELECT: usize = 22;
const QUEUE_SIZE: usize = 24;
const QUEUE_VECTOR: usize = 26;
const QUEUE_ENABLE: usize = 28;
const QUEUE_NOTIFY: usize = 30;
const QUEUE_ADDRESSES: [usize; 3] = [32, 40, 48];
const COMMON_LEN: usize = 56;

/// Looks at the status before a reset is given up; each look is an exit to the hypervisor.
const RESET_LOOKS: u32 = 100_000;
/// Tries to read a configuration that does not change under the reader.
const GENERATION_TRIES: u32 = 16;

impl<R: Registers> Transport<R> {
    /// Finds and maps the registers.
    pub(super) fn find(
        config: &dyn ConfigSpace,
        bars: &Bars,
        map: &mut dyn FnMut(Region) -> Option<R>,
    ) -> Result<Self, ProbeError> {
        let mut window = |found: Found, least: usize| {
            if (found.len as usize) < least {
                return Err(ProbeError::ShortRegisters);
            }
            let region = bars.region(found.bar, found.offset, found.len)?;
            Ok((map(region).ok_or(ProbeError::NotMapped)?, region.len))
        };
        let common = Found::of(config, COMMON)?.ok_or(ProbeError::Legacy)?;
        let notify = Found::of(config, NOTIFY)?.ok_or(ProbeError::Legacy)?;
        let device = Found::of(config, DEVICE)?.ok_or(ProbeError::Legacy)?;
        // notify_off_multiplier stands behind the structure that the capability shares with the others (§4.1.4.4).
        let notify_multiplier = notify.capability.word(config, 16)?;
        let (common, _) = window(common, COMMON_LEN)?;
        let (notify, notify_len) = window(notify, 2)?;
        let (device, device_len) = window(device, 1)?;
        Ok(Self { common, notify, notify_len, notify_multiplier, device, device_len })
    }

    /// Stops the device. Returns whether it says that it has stopped.
    pub(super) fn reset(&self) -> bool {
        self.common.write8(STATUS, 0);
        for _ in 0..RESET_LOOKS {
            match self.common.read8(STATUS) {
                0 => return true,
                // All ones is what a device that is gone reads as; it never was a status.
                0xff => return false,
                _ => core::hint::spin_loop(),
            }
        }
        false
    }

    pub(super) fn status(&self) -> u8 {
        self.common.read8(STATUS)
    }

    pub(super) fn add_status(&self, bits: u8) {
        self.common.write8(STATUS, self.status() | bits);
    }

    pub(super) fn offered_features(&self) -> u64 {
        let half = |select: u32| {
            self.common.write32(DEVICE_FEATURE_SELECT, select);
            u64::from(self.common.read32(DEVICE_FEATURE))
        };
        half(0) | half(1) << 32
    }

    pub(super) fn accept_features(&self, features: u64) {
        for select in 0..2 {
            self.common.write32(DRIVER_FEATURE_SELECT, select);
            self.common.write32(DRIVER_FEATURE, (features >> (32 * select)) as u32);
        }
    }

    /// The size that the device gives queue `queue`; zero where there is none.
    pub(super) fn queue_size(&self, queue: u16) -> u16 {
        self.common.write16(QUEUE_SELECT, queue);
        self.common.read16(QUEUE_SIZE)
    }

    /// Hands a queue to the device. Returns where its doorbell is.
    pub(super) fn enable_queue(
        &self,
        queue: u16,
        size: u16,
        bus: [u64; 3],
        vector: u16,
    ) -> Result<Doorbell, ProbeError> {
        let common = &self.common;
        common.write16(QUEUE_SELECT, queue);
        common.write16(QUEUE_SIZE, size);
        for (register, address) in QUEUE_ADDRESSES.into_iter().zip(bus) {
            common.write32(register, address as u32);
            common.write32(register + 4, (address >> 32) as u32);
        }
        common.write16(QUEUE_VECTOR, vector);
        // A device without resources for a vector says so here (§4.1.5.1.2.2).
        if common.read16(QUEUE_VECTOR) != vector {
            return Err(ProbeError::NoVector);
        }
        let offset = u64::from(common.read16(QUEUE_NOTIFY)) * u64::from(self.notify_multiplier);
        let offset = usize::try_from(offset).ok().filter(|&offset| {
            offset.is_multiple_of(2) && offset.checked_add(2).is_some_and(|end| end <= self.notify_len)
        });
        let offset = offset.ok_or(ProbeError::ShortRegisters)?;
        common.write16(QUEUE_ENABLE, 1);
        Ok(Doorbell { queue, offset })
    }

    pub(super) fn set_config_vector(&self, vector: u16) -> Result<(), ProbeError> {
        self.common.write16(CONFIG_VECTOR, vector);
        if self.common.read16(CONFIG_VECTOR) == vector { Ok(()) } else { Err(ProbeError::NoVector) }
    }

    /// Tells the device that a queue has news.
    pub(super) fn ring(&self, doorbell: Doorbell) {
        self.notify.write16(doorbell.offset, doorbell.queue);
    }

    /// Reads the first `len` bytes' worth of device configuration by `read`, again if it changed meanwhile (§2.5.1).
    pub(super) fn read_config<T>(&self, len: usize, read: impl Fn(&R) -> T) -> Result<T, ProbeError> {
        if self.device_len < len {
            return Err(ProbeError::ShortRegisters);
        }
        for _ in 0..GENERATION_TRIES {
            let before = self.common.read8(GENERATION);
            let value = read(&self.device);
            if self.common.read8(GENERATION) == before {
                return Ok(value);
            }
        }
        Err(ProbeError::Unsettled)
    }
}

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

/// Programs MSI-X with `messages`, as many as the table has; returns how many.
pub(super) fn program_interrupts<R: Registers>(
    config: &dyn ConfigSpace,
    bars: &Bars,
    map: &mut dyn FnMut(Region) -> Option<R>,
    messages: &[Message],
) -> Result<u16, ProbeError> {
    if messages.is_empty() {
        return Ok(0);
    }
    let msix = Msix::find(config, bars)?.ok_or(ProbeError::NoVector)?;
    let messages = &messages[..messages.len().min(usize::from(msix.vectors()))];
    let table = map(msix.table()).ok_or(ProbeError::NotMapped)?;
    msix.program(config, &table, messages);
    Ok(messages.len() as u16)
}

/// A `virtio_pci_cap` (§4.1.4).
struct Found {
    capability: Capability,
    bar: u8,
    offset: u32,
    len: u32,
}

impl Found {
    /// The first capability of `kind`: the device lists the one it prefers first.
    fn of(config: &dyn ConfigSpace, kind: u8) -> Result<Option<Self>, ProbeError> {
        for capability in pci::capabilities(config).filter(|capability| capability.id == VENDOR_CAPABILITY) {
            if (capability.word(config, 0)? >> 24) as u8 != kind {
                continue;
            }
            let bar = capability.word(config, 4)? as u8;
            let (offset, len) = (capability.word(config, 8)?, capability.word(config, 12)?);
            return Ok(Some(Self { capability, bar, offset, len }));
        }
        Ok(None)
    }
}

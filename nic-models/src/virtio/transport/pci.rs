//! virtio over PCI: registers that capabilities of the function lead to (virtio 1.2 §4.1.4).
//!
//! Left out: the legacy interface, and access through configuration space.

use super::{Config, Doorbell};
use crate::pci::{self, Bars, Capability, Msix, Region};
use crate::platform::{ConfigSpace, Message, Wiring};
use crate::registers::Registers;
use crate::virtio::probe::ProbeError;

/// The registers of one function.
pub(in crate::virtio) struct PciTransport<R> {
    common: R,
    common_len: usize,
    notify: R,
    notify_len: usize,
    notify_multiplier: u32,
    device: R,
    device_len: usize,
    /// What a device on a line is asked; reading it makes the device let go.
    interrupt_status: Option<R>,
}

const VENDOR_CAPABILITY: u8 = 0x09;
const COMMON: u8 = 1;
const NOTIFY: u8 = 2;
const INTERRUPT_STATUS: u8 = 3;
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
/// What every device has of it; the rest came later.
const COMMON_LEN: usize = 56;
const QUEUE_RESET: usize = 58;

impl<R: Registers> PciTransport<R> {
    /// Finds and maps the registers.
    pub(in crate::virtio) fn find(
        config: &dyn ConfigSpace,
        bars: &Bars,
        map: &mut dyn FnMut(Region) -> Option<R>,
        wiring: Wiring<'_>,
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
        let (common, common_len) = window(common, COMMON_LEN)?;
        let (notify, notify_len) = window(notify, 2)?;
        let (device, device_len) = window(device, 1)?;
        let interrupt_status = match wiring {
            Wiring::Line => {
                let found = Found::of(config, INTERRUPT_STATUS)?.ok_or(ProbeError::NoLine)?;
                Some(window(found, 1)?.0)
            }
            Wiring::Polled | Wiring::Messages(_) => None,
        };
        Ok(Self { common, common_len, notify, notify_len, notify_multiplier, device, device_len, interrupt_status })
    }

    pub(super) fn status(&self) -> u8 {
        self.common.read8(STATUS)
    }

    pub(super) fn write_status(&self, status: u8) {
        self.common.write8(STATUS, status);
    }

    pub(super) fn offered_features(&self, select: u32) -> u32 {
        self.common.write32(DEVICE_FEATURE_SELECT, select);
        self.common.read32(DEVICE_FEATURE)
    }

    pub(super) fn accept_features(&self, select: u32, features: u32) {
        self.common.write32(DRIVER_FEATURE_SELECT, select);
        self.common.write32(DRIVER_FEATURE, features);
    }

    pub(super) fn queue_size(&self, queue: u16) -> u16 {
        self.common.write16(QUEUE_SELECT, queue);
        self.common.read16(QUEUE_SIZE)
    }

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

    /// Asks for queue `queue` to stop. Returns whether there is a register for it.
    pub(super) fn reset_queue(&self, queue: u16) -> bool {
        let is_there = self.common_len >= QUEUE_RESET + 2;
        if is_there {
            self.common.write16(QUEUE_SELECT, queue);
            self.common.write16(QUEUE_RESET, 1);
        }
        is_there
    }

    /// Whether the queue of [`Self::reset_queue`] has yet to stop: zero or one.
    pub(super) fn queue_reset(&self) -> u16 {
        self.common.read16(QUEUE_RESET)
    }

    pub(super) fn set_config_vector(&self, vector: u16) -> Result<(), ProbeError> {
        self.common.write16(CONFIG_VECTOR, vector);
        if self.common.read16(CONFIG_VECTOR) == vector { Ok(()) } else { Err(ProbeError::NoVector) }
    }

    pub(super) fn ring(&self, doorbell: Doorbell) {
        self.notify.write16(doorbell.offset, doorbell.queue);
    }

    /// Takes the bits of what happened: a read clears them (§4.1.4.5).
    pub(super) fn take_interrupts(&self) -> u8 {
        self.interrupt_status.as_ref().map_or(0, |status| status.read8(0))
    }

    pub(super) fn generation(&self) -> u32 {
        u32::from(self.common.read8(GENERATION))
    }

    pub(super) fn config(&self) -> (Config<'_, R>, usize) {
        (Config { registers: &self.device, start: 0 }, self.device_len)
    }
}

/// Programs MSI-X with `messages`, as many as the table has; returns how many.
pub(in crate::virtio) fn program_interrupts<R: Registers>(
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

//! PCI configuration space in memory (PCI Express Base 5.0 §7.2.2 "ECAM"), and the addresses that PCI devices may have.

use core::ops::Range;

use lendwire_drivers::registers::{Mapped, Registers};
use spin::{Mutex, Once};

use super::pci_host::PciHost;
use crate::arch::paging;
use crate::arch::pci::Function;

/// Bytes of configuration space of one bus.
const BUS: usize = 1 << 20;
const ABSENT: u32 = 0xffff_ffff;

static HOST: Once<Option<Host>> = Once::new();

/// A bridge, and the part of its configuration space that is mapped: the root bus, behind which nobody numbers others.
struct Host {
    bridge: PciHost,
    root_bus: Mutex<Mapped>,
}

/// Memory for the registers of PCI devices; `None` where there is no PCI.
pub(in crate::arch) fn window() -> Option<Range<u64>> {
    Some(host()?.bridge.window.clone())
}

/// The 32-bit register at byte `offset`, a multiple of 4 below 256.
pub(in crate::arch) fn read(function: Function, offset: u16) -> u32 {
    match (host(), function.bus) {
        (Some(host), 0) => host.root_bus.lock().read32(address(function) as usize + usize::from(offset)),
        (Some(_), _) | (None, _) => ABSENT,
    }
}

/// Writes the 32-bit register at byte `offset`, a multiple of 4 below 256.
pub(in crate::arch) fn write(function: Function, offset: u16, value: u32) {
    if let (Some(host), 0) = (host(), function.bus) {
        host.root_bus.lock().write32(address(function) as usize + usize::from(offset), value);
    }
}

/// The words of the interrupt that a function's `pin` (1 is INTA) leads to, as its controller counts.
pub(in crate::arch) fn interrupt(function: Function, pin: u8) -> Option<&'static [u32]> {
    // In an interrupt map a function stands where it does in configuration space, without the 12 bits of its registers.
    host()?.bridge.interrupt(address(function) >> 4, pin)
}

fn address(function: Function) -> u32 {
    u32::from(function.bus) << 20 | u32::from(function.device) << 15 | u32::from(function.function) << 12
}

fn host() -> Option<&'static Host> {
    let host = HOST.call_once(|| {
        let bridge = PciHost::find()?;
        if bridge.ecam.end - bridge.ecam.start < BUS as u64 {
            return None;
        }
        let registers = paging::map_registers(bridge.ecam.start, BUS)?;
        // SAFETY: the mapping reaches configuration space, which the tree says is at least that long, and is never undone.
        let root_bus = unsafe { Mapped::new(registers, BUS) };
        Some(Host { bridge, root_bus: Mutex::new(root_bus) })
    });
    host.as_ref()
}

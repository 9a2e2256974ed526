//! PCI configuration space through two I/O ports, and the addresses that PCI devices may have.
//!
//! (PCI Local Bus 3.0, §3.2.2.3.2 "configuration mechanism #1".)

use core::ops::Range;

use ::x86_64::instructions::port::Port;

use crate::arch::pci::Function;

const CONFIG_ADDRESS: u16 = 0xcf8;
const CONFIG_DATA: u16 = 0xcfc;

/// Where QEMU's PCs route memory accesses to PCI whatever the firmware does: above the most RAM that they place below
/// 4 GiB, below the interrupt controllers.
pub(in crate::arch) fn window() -> Option<Range<u64>> {
    Some(0xc000_0000..0xfec0_0000)
}

/// The 32-bit register at byte `offset`, a multiple of 4 below 256.
pub(in crate::arch) fn read(function: Function, offset: u16) -> u32 {
    select(function, offset);
    // SAFETY: the data port of configuration mechanism #1; reading configuration space touches no memory.
    unsafe { Port::new(CONFIG_DATA).read() }
}

/// Writes the 32-bit register at byte `offset`, a multiple of 4 below 256.
pub(in crate::arch) fn write(function: Function, offset: u16, value: u32) {
    select(function, offset);
    // SAFETY: the data port of configuration mechanism #1; what the write makes a device do is the driver's
    // business, which owns the function.
    unsafe { Port::new(CONFIG_DATA).write(value) }
}

fn select(function: Function, offset: u16) {
    let address = 1 << 31
        | u32::from(function.bus) << 16
        | u32::from(function.device) << 11
        | u32::from(function.function) << 8
        | u32::from(offset & 0xfc);
    // SAFETY: the address port of configuration mechanism #1 only latches.
    unsafe { Port::new(CONFIG_ADDRESS).write(address) }
}

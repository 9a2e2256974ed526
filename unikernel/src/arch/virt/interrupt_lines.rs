//! Which line of the machine a PCI function is on: what the bridge's interrupt map says.

use lendwire_drivers::platform::ConfigSpace;

use super::config_space;
use crate::arch::interrupts;
use crate::arch::pci::Function;

const INTERRUPT: u16 = 0x3c;

/// The line; `None` where the function has no pin, or the map none for it.
pub(crate) fn of(function: Function) -> Option<u32> {
    let pin = (function.read(INTERRUPT) >> 8) as u8;
    interrupts::line(config_space::interrupt(function, pin)?)
}

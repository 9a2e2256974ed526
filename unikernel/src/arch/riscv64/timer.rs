//! The time counter and the firmware's timer (RISC-V Unprivileged ISA, "Zicntr"; Privileged ISA, §4.1.3 `sie`).

use core::arch::asm;

use super::sbi;
pub(crate) use crate::arch::virt::clock::{Calibration, Clock, stall};
use crate::arch::virt::device_tree::{tree, words};

/// The timer's bit in `sie`.
const TIMER: u64 = 1 << 5;

/// The counter.
pub(in crate::arch) fn counter() -> u64 {
    let value;
    // SAFETY: reads a counter that supervisor mode may read.
    unsafe { asm!("rdtime {}", out(reg) value, options(nostack, nomem)) };
    value
}

/// Ticks a second, as the device tree says; zero where it does not.
pub(in crate::arch) fn rate() -> u64 {
    let rate = |node| words(node, "timebase-frequency").first().copied().map(u64::from);
    tree().named("cpus").and_then(rate).unwrap_or(0)
}

/// Interrupts once the counter reaches `moment`.
pub(super) fn start(moment: u64) {
    sbi::set_timer(moment);
    // SAFETY: with interrupts masked for good, this only lets the timer end a sleep.
    unsafe { asm!("csrs sie, {}", in(reg) TIMER, options(nostack)) };
}

/// Does not interrupt any more.
pub(super) fn stop() {
    // SAFETY: as in `start`.
    unsafe { asm!("csrc sie, {}", in(reg) TIMER, options(nostack)) };
}

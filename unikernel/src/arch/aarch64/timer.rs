//! The virtual counter and its timer (Arm ARM, D12 "The Generic Timer in AArch64 state").

use core::arch::asm;

pub(crate) use crate::arch::virt::clock::{Calibration, Clock, stall};

/// The virtual timer's private interrupt (Arm Base System Architecture §B_PPI).
pub(super) const INTERRUPT: u32 = 27;

const ENABLED: u64 = 1;

/// The counter.
pub(in crate::arch) fn counter() -> u64 {
    let value;
    // SAFETY: EL1 may always read the counter; the barrier keeps it from being read early.
    unsafe { asm!("isb", "mrs {}, cntvct_el0", out(reg) value, options(nostack, nomem)) };
    value
}

/// Ticks a second.
pub(in crate::arch) fn rate() -> u64 {
    let value: u64;
    // SAFETY: every processor with a generic timer has the register.
    unsafe { asm!("mrs {}, cntfrq_el0", out(reg) value, options(nostack, nomem)) };
    value & 0xffff_ffff
}

/// Interrupts once the counter reaches `moment`.
pub(super) fn start(moment: u64) {
    // SAFETY: the timer's comparison and control registers touch no memory.
    unsafe { asm!("msr cntv_cval_el0, {}", "msr cntv_ctl_el0, {}", in(reg) moment, in(reg) ENABLED, options(nostack)) };
}

/// Does not interrupt any more.
pub(super) fn stop() {
    // SAFETY: as in `start`.
    unsafe { asm!("msr cntv_ctl_el0, xzr", options(nostack)) };
}

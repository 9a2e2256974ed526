//! Sleep: no instruction runs until an interrupt or the deadline.

use super::interrupts;
use super::timer::{self, Clock};

/// Sleeps until a device interrupts or the clock reaches `deadline` (microseconds since entry), or a little earlier;
/// `None` waits for a device alone. The caller asks again what there is to do.
///
/// Arm the devices and look at them once more before calling: an interrupt that came after the look is pending, and
/// `wfi` does not wait with one pending (Arm ARM, D1.6 "Wait for Interrupt").
pub(crate) fn sleep(clock: &Clock, deadline: Option<u64>) {
    match deadline {
        None => timer::stop(),
        Some(deadline) if deadline <= clock.now() => return,
        Some(deadline) => timer::start(clock.counter_at(deadline)),
    }
    // SAFETY: waits; with interrupts masked nothing else runs meanwhile. The barrier lets the timer's registers and all
    // stores take effect first.
    unsafe { core::arch::asm!("isb", "dsb sy", "wfi", options(nostack)) };
    interrupts::take();
}

/// Takes an interrupt that waits, without sleeping: for a loop that never does.
pub(crate) fn glance() {
    interrupts::take();
}

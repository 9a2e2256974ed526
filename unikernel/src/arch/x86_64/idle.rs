//! Sleep: no instruction runs until an interrupt or the deadline.

use ::x86_64::instructions::interrupts;

use super::local_apic;
use super::timer::Clock;

/// Sleeps until a device interrupts or the clock reaches `deadline` (microseconds since entry), or a little earlier;
/// `None` waits for a device alone. The caller asks again what there is to do.
///
/// Arm the devices and look at them once more before calling: interrupts are off until the very instruction that
/// halts, so one that came after the look is still pending and ends the sleep at once.
pub(crate) fn sleep(clock: &Clock, deadline: Option<u64>) {
    let ticks = match deadline {
        None => 0,
        Some(deadline) => match deadline.checked_sub(clock.now()) {
            None | Some(0) => return,
            Some(micros) => clock.timer_ticks(micros),
        },
    };
    local_apic::start_timer(ticks);
    // `sti` takes effect after the next instruction, which is `hlt` (SDM volume 2, "STI").
    interrupts::enable_and_hlt();
    interrupts::disable();
}

/// Takes the interrupts that wait, without sleeping: for a loop that never does.
pub(crate) fn glance() {
    interrupts::enable();
    // Interrupts are taken from the instruction behind the one that follows `sti`.
    ::x86_64::instructions::nop();
    interrupts::disable();
}

//! Calls to the firmware (RISC-V Supervisor Binary Interface 1.0).

use core::arch::asm;

/// The timer extension (§6): its name as a number, and its one function.
const TIME: usize = 0x5449_4d45;
const SET_TIMER: usize = 0;

/// Makes the supervisor's timer interrupt pending once the counter reaches `moment`, and not before.
pub(super) fn set_timer(moment: u64) {
    // SAFETY: the call changes nothing but a0 and a1, and touches no memory (§3 "binary encoding").
    unsafe {
        asm!("ecall", inlateout("a0") moment => _, out("a1") _, in("a6") SET_TIMER, in("a7") TIME, options(nostack));
    }
}

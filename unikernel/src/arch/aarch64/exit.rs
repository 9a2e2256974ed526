//! The way out: a processor exception's report, and semihosting's exit, by which QEMU ends with a status.

use core::arch::{asm, global_asm};
use core::sync::atomic::{AtomicBool, Ordering};

use super::serial;

/// xtask starts QEMU with `-semihosting-config enable=on,target=native`. (Arm "Semihosting for AArch32 and AArch64",
/// §6.8 "SYS_EXIT".)
const SYS_EXIT: u64 = 0x18;
/// ADP_Stopped_ApplicationExit: the word that follows is the status.
const APPLICATION_EXIT: u64 = 0x2_0026;
/// The status of every architecture's failed run.
const FAILURE: u64 = 3;
/// PSCI's SYSTEM_OFF (Arm DEN0022, §5.10), for a machine without semihosting.
const SYSTEM_OFF: u64 = 0x8400_0008;

static IS_ENDING: AtomicBool = AtomicBool::new(false);

/// Ends the machine because of a panic, a processor exception, or a command line that cannot be obeyed; where there is
/// no way to, stops it for good.
pub(crate) fn fail() -> ! {
    // Without semihosting the instruction that asks for it is an exception, which comes here again.
    if !IS_ENDING.swap(true, Ordering::Relaxed) {
        let parameters = [APPLICATION_EXIT, FAILURE];
        // SAFETY: semihosting reads the two words, and does not return from this call.
        unsafe { asm!("hlt #0xf000", in("x0") SYS_EXIT, in("x1") parameters.as_ptr(), options(nostack)) };
    }
    // SAFETY: switches the machine off, or says that there is no such call.
    unsafe { asm!("hvc #0", inout("x0") SYSTEM_OFF => _, out("x1") _, out("x2") _, out("x3") _, options(nostack)) };
    loop {
        // SAFETY: with interrupts masked and nobody to look at them, this waits for ever.
        unsafe { asm!("wfi", options(nostack)) };
    }
}

// Sixteen entries of 128 bytes (Arm ARM, D1.3.1.5 "Exception vectors"); none of them returns.
global_asm!(
    ".section .text.exception_vectors, \"ax\"",
    ".balign 2048",
    ".global exception_vectors",
    "exception_vectors:",
    ".set vector, 0",
    ".rept 16",
    ".balign 128",
    "sub sp, sp, #256",
    "stp x0, x1, [sp]",
    "mov x0, #vector",
    "b exception_entry",
    ".set vector, vector + 1",
    ".endr",
    "exception_entry:",
    "stp x2, x3, [sp, #16]; stp x4, x5, [sp, #32]; stp x6, x7, [sp, #48]; stp x8, x9, [sp, #64]",
    "stp x10, x11, [sp, #80]; stp x12, x13, [sp, #96]; stp x14, x15, [sp, #112]; stp x16, x17, [sp, #128]",
    "stp x18, x19, [sp, #144]; stp x20, x21, [sp, #160]; stp x22, x23, [sp, #176]; stp x24, x25, [sp, #192]",
    "stp x26, x27, [sp, #208]; stp x28, x29, [sp, #224]; str x30, [sp, #240]",
    "mrs x1, sp_el0",
    "str x1, [sp, #248]",
    "mov x1, sp",
    "bl {on_exception}",
    "brk #0",
    on_exception = sym on_exception,
);

/// `registers` is x0 to x30, and the stack pointer that was in use.
extern "C" fn on_exception(vector: u64, registers: &[u64; 32]) -> ! {
    if IS_ENDING.load(Ordering::Relaxed) {
        fail();
    }
    let (syndrome, fault, link, state): (u64, u64, u64, u64);
    // SAFETY: EL1 may read what its own exception left.
    unsafe {
        asm!("mrs {}, esr_el1", "mrs {}, far_el1", "mrs {}, elr_el1", "mrs {}, spsr_el1",
            out(reg) syndrome, out(reg) fault, out(reg) link, out(reg) state, options(nostack, nomem));
    }
    serial::line(format_args!(
        "panic: exception {vector} ({}) esr {syndrome:#x} pc {link:#x} sp {:#x} pstate {state:#x} far {fault:#x}",
        exception_name(syndrome),
        registers[31],
    ));
    for (index, values) in registers.as_chunks::<8>().0.iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = values;
        serial::line(format_args!(
            "lendwire: x{} to x{} = {a:x} {b:x} {c:x} {d:x} {e:x} {f:x} {g:x} {h:x}",
            index * 8,
            index * 8 + 7
        ));
    }
    fail()
}

/// What the exception class says (Arm ARM, "ESR_EL1").
fn exception_name(syndrome: u64) -> &'static str {
    match syndrome >> 26 & 0x3f {
        0x00 => "unknown instruction",
        0x07 => "vector registers used",
        0x21 => "instruction abort",
        0x22 => "program counter alignment",
        0x25 => "data abort",
        0x26 => "stack pointer alignment",
        0x2f => "system error",
        0x3c => "breakpoint instruction",
        _ => "see the Arm ARM, ESR_EL1",
    }
}

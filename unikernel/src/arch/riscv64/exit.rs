//! The way out: a trap's report, and the test device of `virt`, by which QEMU ends with a status.

use core::arch::{asm, global_asm};
use core::ptr;

use super::serial;

/// Where `virt` has SiFive's test device. A panic may come before the device tree was read.
const TEST_DEVICE: usize = 0x10_0000;
/// What it is told: to fail, with a status in the upper half. QEMU's own exit status is that one.
const FAIL: u32 = 0x3333;
/// The status of every architecture's failed run.
const FAILURE: u32 = 3;

/// Ends the machine because of a panic, a trap, or a command line that cannot be obeyed; where there is no test device,
/// stops it for good.
pub(crate) fn fail() -> ! {
    let device = ptr::with_exposed_provenance_mut::<u32>(TEST_DEVICE);
    // SAFETY: the test device's register, or nobody's, which traps and comes here again.
    unsafe { device.write_volatile(FAILURE << 16 | FAIL) };
    loop {
        // SAFETY: with interrupts masked and nobody to look at them, this waits for ever.
        unsafe { asm!("wfi", options(nostack)) };
    }
}

// On the stack for exceptions: 31 registers, x1 first, with the stack pointer of before in the place of x2.
global_asm!(
    ".section .text.exception_entry, \"ax\"",
    ".balign 4",
    ".global exception_entry",
    "exception_entry:",
    "csrrw sp, sscratch, sp",
    "addi sp, sp, -256",
    "sd x1, 0(sp); sd x3, 16(sp); sd x4, 24(sp); sd x5, 32(sp); sd x6, 40(sp); sd x7, 48(sp); sd x8, 56(sp)",
    "sd x9, 64(sp); sd x10, 72(sp); sd x11, 80(sp); sd x12, 88(sp); sd x13, 96(sp); sd x14, 104(sp)",
    "sd x15, 112(sp); sd x16, 120(sp); sd x17, 128(sp); sd x18, 136(sp); sd x19, 144(sp); sd x20, 152(sp)",
    "sd x21, 160(sp); sd x22, 168(sp); sd x23, 176(sp); sd x24, 184(sp); sd x25, 192(sp); sd x26, 200(sp)",
    "sd x27, 208(sp); sd x28, 216(sp); sd x29, 224(sp); sd x30, 232(sp); sd x31, 240(sp)",
    "csrr t0, sscratch",
    "sd t0, 8(sp)",
    "sd zero, 248(sp)",
    "mv a0, sp",
    "call {on_exception}",
    "unimp",
    on_exception = sym on_exception,
);

/// `registers` is x1 to x31.
extern "C" fn on_exception(registers: &[u64; 32]) -> ! {
    let (cause, value, counter): (u64, u64, u64);
    // SAFETY: supervisor mode may read what its own trap left.
    unsafe {
        asm!("csrr {}, scause", "csrr {}, stval", "csrr {}, sepc",
            out(reg) cause, out(reg) value, out(reg) counter, options(nostack, nomem));
    }
    serial::line(format_args!(
        "panic: exception {cause} ({}) pc {counter:#x} sp {:#x} value {value:#x}",
        exception_name(cause),
        registers[1],
    ));
    for (index, values) in registers.as_chunks::<8>().0.iter().enumerate() {
        let [a, b, c, d, e, f, g, h] = values;
        serial::line(format_args!("lendwire: x{} on = {a:x} {b:x} {c:x} {d:x} {e:x} {f:x} {g:x} {h:x}", index * 8 + 1));
    }
    fail()
}

/// RISC-V Privileged ISA, table 4.2.
fn exception_name(cause: u64) -> &'static str {
    match cause {
        0 => "instruction address misaligned",
        1 => "instruction access fault",
        2 => "illegal instruction",
        3 => "breakpoint",
        4 => "load address misaligned",
        5 => "load access fault",
        6 => "store address misaligned",
        7 => "store access fault",
        _ => "see the RISC-V Privileged ISA, table 4.2",
    }
}

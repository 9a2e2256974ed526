//! The processor's own interrupt controller, through its memory-mapped registers (Intel SDM volume 3, chapter 11).

use core::ptr;

use ::x86_64::registers::model_specific::Msr;

use super::interrupts::{SPURIOUS_VECTOR, TIMER_VECTOR};

const BASE: usize = 0xfee0_0000;
/// Writing zero here ends an interrupt.
pub(super) const END_OF_INTERRUPT: u32 = BASE as u32 + 0xb0;

const BASE_REGISTER: Msr = Msr::new(0x1b);
const GLOBALLY_ENABLED: u64 = 1 << 11;
const X2APIC: u64 = 1 << 10;

const ID: usize = 0x20;
const TASK_PRIORITY: usize = 0x80;
const SPURIOUS: usize = 0xf0;
const TIMER_ENTRY: usize = 0x320;
const TIMER_INITIAL: usize = 0x380;
const TIMER_CURRENT: usize = 0x390;
const TIMER_DIVIDE: usize = 0x3e0;

const SOFTWARE_ENABLED: u32 = 1 << 8;
const DIVIDE_BY_16: u32 = 0b0011;

/// Switches the controller on, its timer one-shot and stopped.
pub(super) fn enable() {
    // SAFETY: every x86_64 processor has IA32_APIC_BASE.
    let base = unsafe { BASE_REGISTER.read() };
    assert!(base & X2APIC == 0, "the firmware left the local APIC in x2APIC mode: start QEMU with -cpu max,-x2apic");
    let enabled = base & 0xfff | BASE as u64 | GLOBALLY_ENABLED;
    let mut register = BASE_REGISTER;
    // SAFETY: moves the registers to their reset address, where the identity map reaches them and no RAM lies.
    unsafe { register.write(enabled) };
    write(SPURIOUS, SOFTWARE_ENABLED | u32::from(SPURIOUS_VECTOR));
    write(TASK_PRIORITY, 0);
    write(TIMER_DIVIDE, DIVIDE_BY_16);
    write(TIMER_ENTRY, u32::from(TIMER_VECTOR));
    write(TIMER_INITIAL, 0);
}

/// This processor's number among the interrupt destinations.
pub(super) fn id() -> u8 {
    (read(ID) >> 24) as u8
}

/// Starts the one-shot timer: one interrupt after `ticks` (none for zero).
pub(super) fn start_timer(ticks: u32) {
    write(TIMER_INITIAL, ticks);
}

/// The ticks left before the timer's interrupt.
pub(super) fn timer_left() -> u32 {
    read(TIMER_CURRENT)
}

fn read(register: usize) -> u32 {
    let register = ptr::with_exposed_provenance::<u32>(BASE + register);
    // SAFETY: the controller's registers lie here, identity-mapped; those that are read have no side effect.
    unsafe { register.read_volatile() }
}

fn write(register: usize, value: u32) {
    let register = ptr::with_exposed_provenance_mut::<u32>(BASE + register);
    // SAFETY: the controller's registers lie here, identity-mapped; they touch no memory.
    unsafe { register.write_volatile(value) }
}

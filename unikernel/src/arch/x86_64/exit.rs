//! The way out: QEMU's `isa-debug-exit` device, and what a panic says before it.

use core::panic::PanicInfo;

use ::x86_64::instructions::{hlt, interrupts, port::Port};

use super::serial;

/// Where xtask puts the device: `-device isa-debug-exit,iobase=0xf4,iosize=1`.
const DEBUG_EXIT: u16 = 0xf4;

/// How a run ended. QEMU's own exit status is `2 * value + 1`.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Verdict {
    /// All went as it should.
    Success = 0,
    /// A panic, a processor exception, or a command line that cannot be obeyed.
    Failure = 1,
}

/// Ends the machine; where there is no exit device, stops it for good.
pub(crate) fn exit(verdict: Verdict) -> ! {
    // SAFETY: port 0xf4 is the exit device's, or nobody's, and then the write goes nowhere.
    unsafe { Port::<u8>::new(DEBUG_EXIT).write(verdict as u8) };
    interrupts::disable();
    loop {
        hlt();
    }
}

#[panic_handler]
fn on_panic(panic: &PanicInfo<'_>) -> ! {
    match panic.location() {
        Some(place) => serial::line(format_args!("panic: {} ({place})", panic.message())),
        None => serial::line(format_args!("panic: {}", panic.message())),
    }
    exit(Verdict::Failure)
}

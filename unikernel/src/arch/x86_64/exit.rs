//! The way out: QEMU's `isa-debug-exit` device.

use ::x86_64::instructions::{hlt, interrupts, port::Port};

/// Where xtask puts the device: `-device isa-debug-exit,iobase=0xf4,iosize=1`.
const DEBUG_EXIT: u16 = 0xf4;

/// What the device is told. QEMU's own exit status is `2 * value + 1`.
const FAILURE: u8 = 1;
#[cfg(feature = "counts")]
const SUCCESS: u8 = 0;

/// Ends the machine because of a panic, a processor exception, or a command line that cannot be obeyed; where there is
/// no exit device, stops it for good.
pub(crate) fn fail() -> ! {
    end(FAILURE)
}

/// Ends the machine because it is done.
#[cfg(feature = "counts")]
pub(crate) fn leave() -> ! {
    end(SUCCESS)
}

fn end(value: u8) -> ! {
    // SAFETY: port 0xf4 is the exit device's, or nobody's, and then the write goes nowhere.
    unsafe { Port::<u8>::new(DEBUG_EXIT).write(value) };
    interrupts::disable();
    loop {
        hlt();
    }
}

//! The image's one way to speak: a 16550 UART whose registers lie in memory, polled (its manual, "Register descriptions").

use core::fmt::{self, Write};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Where `virt` has it, until the device tree says otherwise: a panic before that is still heard.
static BASE: AtomicUsize = AtomicUsize::new(0x1000_0000);

const DATA: usize = 0;
const INTERRUPT_ENABLE: usize = 1;
const FIFO_CONTROL: usize = 2;
const LINE_CONTROL: usize = 3;
const LINE_STATUS: usize = 5;

/// The transmit FIFO is empty: the next 16 bytes need no look at the status.
const TRANSMITTER_EMPTY: u8 = 0x20;
const FIFO_BYTES: usize = 16;
/// A transmitter that stays busy this many looks is not there; its bytes are lost rather than the machine.
const PATIENCE: u32 = 1_000_000;

/// Writes one line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    // `Uart` never fails; what it cannot send it drops.
    let _ = Uart.write_fmt(text);
    let _ = Uart.write_str("\n");
}

/// 8 data bits, FIFOs on, no interrupts; the firmware has set the speed. At `base` if the device tree named one.
pub(super) fn initialize(base: Option<u64>) {
    if let Some(base) = base {
        BASE.store(base as usize, Ordering::Relaxed);
    }
    write(INTERRUPT_ENABLE, 0);
    write(LINE_CONTROL, 0x03);
    write(FIFO_CONTROL, 0x07);
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for burst in text.as_bytes().chunks(FIFO_BYTES) {
            wait_until_empty();
            for byte in burst {
                write(DATA, *byte);
            }
        }
        Ok(())
    }
}

fn wait_until_empty() {
    for _ in 0..PATIENCE {
        if read(LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

fn read(register: usize) -> u8 {
    let register = ptr::with_exposed_provenance::<u8>(BASE.load(Ordering::Relaxed) + register);
    // SAFETY: the UART's registers lie here, untranslated; reading its status changes nothing but its error flags.
    unsafe { register.read_volatile() }
}

fn write(register: usize, value: u8) {
    let register = ptr::with_exposed_provenance_mut::<u8>(BASE.load(Ordering::Relaxed) + register);
    // SAFETY: as for `read`; the UART has no access to memory.
    unsafe { register.write_volatile(value) }
}

//! COM1: the image's one way to speak. A 16550 UART, polled (its manual, "Register descriptions").

use core::fmt::{self, Write};

use ::x86_64::instructions::port::Port;

const DATA: u16 = 0x3f8;
const INTERRUPT_ENABLE: u16 = DATA + 1;
const FIFO_CONTROL: u16 = DATA + 2;
const LINE_CONTROL: u16 = DATA + 3;
const MODEM_CONTROL: u16 = DATA + 4;
const LINE_STATUS: u16 = DATA + 5;

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

/// 115200 baud, 8 data bits, no parity, one stop bit, FIFOs on, no interrupts.
pub(super) fn initialize() {
    outb(INTERRUPT_ENABLE, 0);
    // The divisor latch lies over the first two registers while bit 7 of the line control is set.
    outb(LINE_CONTROL, 0x80);
    outb(DATA, 1);
    outb(INTERRUPT_ENABLE, 0);
    outb(LINE_CONTROL, 0x03);
    outb(FIFO_CONTROL, 0x07);
    outb(MODEM_CONTROL, 0x03);
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for burst in text.as_bytes().chunks(FIFO_BYTES) {
            wait_until_empty();
            for byte in burst {
                outb(DATA, *byte);
            }
        }
        Ok(())
    }
}

fn wait_until_empty() {
    for _ in 0..PATIENCE {
        if inb(LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

fn outb(port: u16, value: u8) {
    // SAFETY: every port this file names belongs to COM1, which has no access to memory.
    unsafe { Port::new(port).write(value) }
}

fn inb(port: u16) -> u8 {
    // SAFETY: as for `outb`; reading a UART's status changes nothing but its error flags.
    unsafe { Port::new(port).read() }
}

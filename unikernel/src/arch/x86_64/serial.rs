//! COM1: the image's one way to speak.

use core::fmt;

use ::x86_64::instructions::port;

use crate::arch::uart_16550::{self, DATA, FIFO_CONTROL, INTERRUPT_ENABLE, LINE_CONTROL, Port as _};

const BASE: u16 = 0x3f8;
const MODEM_CONTROL: u16 = 4;

/// Writes one line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    uart_16550::line::<Com1>(text);
}

/// 115200 baud, 8 data bits, no parity, one stop bit, FIFOs on, no interrupts.
pub(super) fn initialize() {
    Com1::write(INTERRUPT_ENABLE, 0);
    // The divisor latch lies over the first two registers while bit 7 of the line control is set.
    Com1::write(LINE_CONTROL, 0x80);
    Com1::write(DATA, 1);
    Com1::write(INTERRUPT_ENABLE, 0);
    Com1::write(LINE_CONTROL, 0x03);
    Com1::write(FIFO_CONTROL, 0x07);
    Com1::write(MODEM_CONTROL, 0x03);
}

struct Com1;

impl uart_16550::Port for Com1 {
    fn read(register: u16) -> u8 {
        // SAFETY: as for `write`; reading a UART's status changes nothing but its error flags.
        unsafe { port::Port::new(BASE + register).read() }
    }

    fn write(register: u16, value: u8) {
        // SAFETY: the registers that are named here and in `uart_16550` belong to COM1, which has no access to memory.
        unsafe { port::Port::new(BASE + register).write(value) }
    }
}

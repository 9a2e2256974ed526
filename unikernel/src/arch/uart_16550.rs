//! A 16550 UART, polled, however a machine reaches its registers (its manual, "Register descriptions").

use core::fmt::{self, Write};
use core::marker::PhantomData;

pub(super) const DATA: u16 = 0;
pub(super) const INTERRUPT_ENABLE: u16 = 1;
pub(super) const FIFO_CONTROL: u16 = 2;
pub(super) const LINE_CONTROL: u16 = 3;
const LINE_STATUS: u16 = 5;

/// The transmit FIFO is empty: the next 16 bytes need no look at the status.
const TRANSMITTER_EMPTY: u8 = 0x20;
const FIFO_BYTES: usize = 16;
/// A transmitter that stays busy this many looks is not there; its bytes are lost rather than the machine.
const PATIENCE: u32 = 1_000_000;

/// Where the registers are.
pub(super) trait Port {
    /// Reads a register by its number.
    fn read(register: u16) -> u8;
    /// Writes one.
    fn write(register: u16, value: u8);
}

/// Writes one line.
pub(super) fn line<P: Port>(text: fmt::Arguments<'_>) {
    let mut uart = Uart::<P>(PhantomData);
    // `Uart` never fails; what it cannot send it drops.
    let _ = uart.write_fmt(text);
    let _ = uart.write_str("\n");
}

struct Uart<P>(PhantomData<P>);

impl<P: Port> Write for Uart<P> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for burst in text.as_bytes().chunks(FIFO_BYTES) {
            wait_until_empty::<P>();
            for byte in burst {
                P::write(DATA, *byte);
            }
        }
        Ok(())
    }
}

fn wait_until_empty<P: Port>() {
    for _ in 0..PATIENCE {
        if P::read(LINE_STATUS) & TRANSMITTER_EMPTY != 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

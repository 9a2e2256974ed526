//! The image's one way to speak: a PL011 UART, polled (Arm DDI 0183 "PrimeCell UART (PL011)", chapter 3).

use core::fmt::{self, Write};
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

/// Where `virt` has it, until the device tree says otherwise: a panic before that is still heard.
static BASE: AtomicUsize = AtomicUsize::new(0x0900_0000);

const DATA: usize = 0x00;
const FLAGS: usize = 0x18;
const LINE_CONTROL: usize = 0x2c;
const CONTROL: usize = 0x30;

/// Of the flags: the transmit FIFO takes no more.
const TRANSMIT_FULL: u32 = 1 << 5;
/// 8 data bits, FIFOs on.
const EIGHT_BITS_WITH_FIFO: u32 = 0b111 << 4;
/// UART and transmitter on.
const TRANSMITTING: u32 = 1 << 8 | 1;
/// A transmitter that stays full this many looks is not there; its bytes are lost rather than the machine.
const PATIENCE: u32 = 1_000_000;

/// Writes one line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    // `Uart` never fails; what it cannot send it drops.
    let _ = Uart.write_fmt(text);
    let _ = Uart.write_str("\n");
}

/// Switches the transmitter on, at `base` if the device tree named one below 1 GiB, where devices are mapped.
pub(super) fn initialize(base: Option<u64>) {
    if let Some(base) = base.filter(|base| *base < 1 << 30) {
        BASE.store(base as usize, Ordering::Relaxed);
    }
    write(CONTROL, 0);
    write(LINE_CONTROL, EIGHT_BITS_WITH_FIFO);
    write(CONTROL, TRANSMITTING);
}

struct Uart;

impl Write for Uart {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for byte in text.bytes() {
            wait_until_there_is_room();
            write(DATA, u32::from(byte));
        }
        Ok(())
    }
}

fn wait_until_there_is_room() {
    for _ in 0..PATIENCE {
        if read(FLAGS) & TRANSMIT_FULL == 0 {
            return;
        }
        core::hint::spin_loop();
    }
}

fn read(register: usize) -> u32 {
    let register = ptr::with_exposed_provenance::<u32>(BASE.load(Ordering::Relaxed) + register);
    // SAFETY: the UART's registers lie here, mapped as a device; reading its flags changes nothing.
    unsafe { register.read_volatile() }
}

fn write(register: usize, value: u32) {
    let register = ptr::with_exposed_provenance_mut::<u32>(BASE.load(Ordering::Relaxed) + register);
    // SAFETY: as for `read`; the UART has no access to memory.
    unsafe { register.write_volatile(value) }
}

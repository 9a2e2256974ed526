//! The image's one way to speak: a 16550 UART whose registers lie in memory.

use core::fmt;
use core::ptr;
use core::sync::atomic::{AtomicUsize, Ordering};

use crate::arch::uart_16550::{self, FIFO_CONTROL, INTERRUPT_ENABLE, LINE_CONTROL, Port as _};

/// Where `virt` has it, until the device tree says otherwise: a panic before that is still heard.
static BASE: AtomicUsize = AtomicUsize::new(0x1000_0000);

/// Writes one line.
pub(crate) fn line(text: fmt::Arguments<'_>) {
    uart_16550::line::<Uart>(text);
}

/// 8 data bits, FIFOs on, no interrupts; the firmware has set the speed. At `base` if the device tree named one.
pub(super) fn initialize(base: Option<u64>) {
    if let Some(base) = base {
        BASE.store(base as usize, Ordering::Relaxed);
    }
    Uart::write(INTERRUPT_ENABLE, 0);
    Uart::write(LINE_CONTROL, 0x03);
    Uart::write(FIFO_CONTROL, 0x07);
}

struct Uart;

impl uart_16550::Port for Uart {
    fn read(register: u16) -> u8 {
        let register = ptr::with_exposed_provenance::<u8>(BASE.load(Ordering::Relaxed) + usize::from(register));
        // SAFETY: the UART's registers lie here, untranslated; reading its status changes nothing but its error flags.
        unsafe { register.read_volatile() }
    }

    fn write(register: u16, value: u8) {
        let register = ptr::with_exposed_provenance_mut::<u8>(BASE.load(Ordering::Relaxed) + usize::from(register));
        // SAFETY: as for `read`; the UART has no access to memory.
        unsafe { register.write_volatile(value) }
    }
}

//! The interrupt controller for lines, where every PC has it, microvm included (Intel 82093AA data sheet, §3).
//!
//! Invariant: no pin is open but the one that was connected last. Its handler closes it, so that a line which stays
//! asserted interrupts once; [`reopen`] follows when the device has let go of it.
//!
//! Left out: a second controller, several lines at once, edges. All lines are level-triggered and active high: QEMU's
//! are, whatever a real PC's are.

use core::ptr;
use core::sync::atomic::{AtomicU32, Ordering};

/// The register that chooses a register.
pub(super) const SELECT: u32 = 0xfec0_0000;
/// The register so chosen.
pub(super) const WINDOW: u32 = SELECT + 0x10;

const VERSION: u32 = 1;
/// The low half of pin 0's entry; the high half follows, then the next pin's.
const FIRST_ENTRY: u32 = 0x10;

const LEVEL: u32 = 1 << 15;
const CLOSED: u32 = 1 << 16;

/// What the handler writes to [`SELECT`] and then to [`WINDOW`] to close the connected pin.
pub(super) static CONNECTED_ENTRY: AtomicU32 = AtomicU32::new(FIRST_ENTRY);
pub(super) static CONNECTED_CLOSED: AtomicU32 = AtomicU32::new(CLOSED);

/// Opens `pin` alone, to interrupt the processor with this local APIC id by `vector`. Whether there is such a pin.
pub(super) fn connect(pin: u32, vector: u8, processor: u8) -> bool {
    let pins = (read(VERSION) >> 16 & 0xff) + 1;
    if pin >= pins {
        return false;
    }
    close();
    let entry = FIRST_ENTRY + 2 * pin;
    CONNECTED_ENTRY.store(entry, Ordering::Relaxed);
    CONNECTED_CLOSED.store(CLOSED | LEVEL | u32::from(vector), Ordering::Relaxed);
    close();
    write(entry + 1, u32::from(processor) << 24);
    reopen();
    true
}

/// Opens the connected pin again. An assertion that is still there interrupts again.
pub(super) fn reopen() {
    write(CONNECTED_ENTRY.load(Ordering::Relaxed), CONNECTED_CLOSED.load(Ordering::Relaxed) & !CLOSED);
}

fn close() {
    write(CONNECTED_ENTRY.load(Ordering::Relaxed), CONNECTED_CLOSED.load(Ordering::Relaxed));
}

fn read(register: u32) -> u32 {
    select(register);
    let window = ptr::with_exposed_provenance::<u32>(WINDOW as usize);
    // SAFETY: the controller's registers lie here, identity-mapped; reading them has no side effect.
    unsafe { window.read_volatile() }
}

fn write(register: u32, value: u32) {
    select(register);
    let window = ptr::with_exposed_provenance_mut::<u32>(WINDOW as usize);
    // SAFETY: the controller's registers lie here, identity-mapped; they touch no memory.
    unsafe { window.write_volatile(value) }
}

fn select(register: u32) {
    let select = ptr::with_exposed_provenance_mut::<u32>(SELECT as usize);
    // SAFETY: as in `write`; handlers use it too, but none runs while interrupts are off.
    unsafe { select.write_volatile(register) }
}

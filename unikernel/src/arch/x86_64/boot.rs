//! The way in: the PVH note, page tables and the switch to long mode (`boot.s`), then what must stand before the
//! program runs.

use super::{descriptors, interrupts, paging, ram, serial, start_info, timer};
use crate::arch::Machine;

core::arch::global_asm!(include_str!("boot.s"), start = sym start, options(att_syntax));

/// Where `boot.s` arrives: 64-bit, on the image's own stack, interrupts off.
extern "sysv64" fn start(start_info: u64, tsc_at_entry: u64) -> ! {
    serial::initialize();
    descriptors::load();
    interrupts::load();
    let calibration = timer::Calibration::start(tsc_at_entry);
    // The loader may leave its tables in page zero, so they are read before the holes open.
    let handed_over = start_info::read(start_info);
    paging::open_holes();
    let ram = ram::claim(&handed_over);
    crate::image::run(Machine { calibration, command_line: handed_over.command_line, ram })
}

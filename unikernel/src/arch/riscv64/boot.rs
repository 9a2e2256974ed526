//! The way in: stacks (`boot.s`), then what must stand before the program runs.

use super::{interrupts, serial, timer};
use crate::arch::virt::clock::Calibration;
use crate::arch::virt::device_tree;
use crate::arch::{Machine, memory};

core::arch::global_asm!(include_str!("boot.s"), start = sym start);

/// Where `boot.s` arrives: on the image's own stack, interrupts masked.
extern "C" fn start(hart: u64, device_tree: usize, counter_at_entry: u64) -> ! {
    // SAFETY: the firmware passes the address of a device tree, which nothing writes to; there is no translation.
    let tree = unsafe { device_tree::load(device_tree) };
    serial::initialize(tree.console());
    let mut ram = 0;
    tree.each_free_region(|region| {
        // SAFETY: the tree says that it is RAM above the image that nobody holds.
        ram += unsafe { memory::claim(region) };
    });
    interrupts::load(hart);
    let calibration = Calibration::of(counter_at_entry, timer::rate());
    crate::image::run(Machine { calibration, command_line: tree.command_line(), ram })
}

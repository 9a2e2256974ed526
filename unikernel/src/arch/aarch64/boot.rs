//! The way in: translation and stacks (`boot.s`), then what must stand before the program runs.

use super::{interrupts, paging, serial, timer};
use crate::arch::virt::clock::Calibration;
use crate::arch::virt::device_tree;
use crate::arch::{Machine, memory};

core::arch::global_asm!(
    include_str!("boot.s"),
    start = sym start,
    device = const paging::DEVICE,
    memory = const paging::MEMORY,
);

/// Where RAM starts, and there QEMU's device tree.
const DEVICE_TREE: usize = 0x4000_0000;

/// Where `boot.s` arrives: translation on, on the image's own stack, interrupts masked.
extern "C" fn start(counter_at_entry: u64) -> ! {
    // SAFETY: `boot.s` maps the first gigabyte of RAM; the image lies 4 MiB above the tree, and nothing writes there.
    let tree = unsafe { device_tree::load(DEVICE_TREE) };
    serial::initialize(tree.console());
    let mut ram = 0;
    tree.each_free_region(|region| {
        if paging::map_memory(&region) {
            // SAFETY: the tree says that it is RAM above the image that nobody holds, and it was just mapped.
            ram += unsafe { memory::claim(region) };
        }
    });
    interrupts::load();
    let calibration = Calibration::of(counter_at_entry, timer::rate());
    crate::image::run(Machine { calibration, command_line: tree.command_line(), ram })
}

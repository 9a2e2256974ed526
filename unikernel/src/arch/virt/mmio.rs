//! Devices that no bus leads to: the places for virtio devices that the device tree names, most of them empty.

use lendwire_unikernel::command_line::MmioDevice;

use super::device_tree::{region, tree, words};
use crate::arch::interrupts;

/// Each place that has registers and a line.
pub(crate) fn devices() -> impl Iterator<Item = MmioDevice> {
    tree().compatible("virtio,mmio").into_iter().filter_map(|node| {
        let registers = region(node)?;
        let line = interrupts::line(&words(node, "interrupts"))?;
        Some(MmioDevice { physical: registers.physical, len: registers.len, line })
    })
}

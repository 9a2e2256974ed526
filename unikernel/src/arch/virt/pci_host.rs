//! The PCI host bridge of the device tree: where configuration space is, which addresses devices may have, and whom a
//! function's interrupt pin interrupts (Devicetree Specification 0.4 §2.4.3; IEEE 1275 PCI Bus Binding 2.1 §2.2.1).

use alloc::vec::Vec;
use core::ops::Range;

use super::device_tree::{registers, tree, words};

const GENERIC: &str = "pci-host-ecam-generic";
/// Of the first word of a PCI address: which space it is in.
const SPACE: u32 = 0x0300_0000;
const MEMORY_32: u32 = 0x0200_0000;
/// A PCI address takes three words in the tree, a pin one.
const CHILD_WORDS: usize = 4;

/// The bridge.
pub(in crate::arch) struct PciHost {
    /// Configuration space, 1 MiB a bus.
    pub(super) ecam: Range<u64>,
    /// Memory whose addresses are the same for processor and bus.
    pub(super) window: Range<u64>,
    map_mask: Vec<u32>,
    routes: Vec<Route>,
}

/// One line of `interrupt-map`.
struct Route {
    /// The function's address and the pin, masked.
    child: [u32; CHILD_WORDS],
    /// The interrupt, as its controller counts.
    interrupt: Vec<u32>,
}

impl PciHost {
    /// The first bridge of the tree.
    pub(super) fn find() -> Option<Self> {
        let node = tree().compatible(GENERIC).into_iter().next()?;
        Some(Self {
            ecam: registers(node).next()?,
            window: words(node, "ranges").chunks_exact(7).find_map(window)?,
            map_mask: words(node, "interrupt-map-mask"),
            routes: routes(&words(node, "interrupt-map")),
        })
    }

    /// What `pin` (1 is INTA) of the function whose address in configuration space is `function` leads to: the
    /// interrupt's words, as its controller counts.
    pub(in crate::arch) fn interrupt(&self, function: u32, pin: u8) -> Option<&[u32]> {
        let asked = [function, 0, 0, u32::from(pin)];
        let is_same = |route: &&Route| {
            let halves = asked.iter().zip(&route.child).zip(&self.map_mask);
            halves.into_iter().all(|((asked, listed), mask)| asked & mask == listed & mask)
        };
        self.routes.iter().find(is_same).map(|route| &*route.interrupt)
    }
}

/// A line of `ranges`: PCI address, processor's address, size. Devices get 32-bit addresses, which need no translation
/// where both are the same.
fn window(range: &[u32]) -> Option<Range<u64>> {
    let wide = |high: u32, low: u32| u64::from(high) << 32 | u64::from(low);
    let &[space, bus_high, bus_low, high, low, size_high, size_low] = range else { return None };
    let (bus, start, size) = (wide(bus_high, bus_low), wide(high, low), wide(size_high, size_low));
    (space & SPACE == MEMORY_32 && bus == start).then_some(start..start.checked_add(size)?)
}

fn routes(map: &[u32]) -> Vec<Route> {
    let mut routes = Vec::new();
    let mut rest = map;
    while let Some((child, controller)) = rest.split_first_chunk::<CHILD_WORDS>() {
        let Some((handle, words)) = controller.split_first() else { break };
        let Some(node) = tree().by_handle(*handle) else { break };
        let count = |property| super::device_tree::words(node, property).first().copied().unwrap_or(0) as usize;
        let (address_words, interrupt_words) = (count("#address-cells"), count("#interrupt-cells"));
        let Some(interrupt) = words.get(address_words..address_words + interrupt_words) else { break };
        routes.push(Route { child: *child, interrupt: interrupt.to_vec() });
        rest = &words[address_words + interrupt_words..];
    }
    routes
}

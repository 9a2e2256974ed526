//! The device tree: what the machine says of itself (Devicetree Specification 0.4).
//!
//! Invariant: the tree stays where the loader put it, and the heap leaves it out; so what is read of it lives as long as
//! the image.
//!
//! Left out: address translation by `ranges` other than the empty one, which says that there is none to do.

use alloc::vec::Vec;
use core::ops::Range;

use dtoolkit::fdt::{Fdt, FdtNode};
use dtoolkit::standard::NodeStandard;
use dtoolkit::{Node, Property};
use lendwire_drivers::pci::Region;
use spin::Once;

use crate::arch::command_line::CommandLine;
use crate::arch::memory;

static TREE: Once<DeviceTree> = Once::new();

/// The machine's device tree.
#[derive(Clone, Copy)]
pub(in crate::arch) struct DeviceTree {
    fdt: Fdt<'static>,
}

/// Reads the tree at `address`; from then on everybody finds it in [`tree`].
///
/// # Panics
/// When there is none.
///
/// # Safety
/// `address` is mapped, and if a tree is there, all of it is, and nothing writes to it.
pub(in crate::arch) unsafe fn load(address: usize) -> &'static DeviceTree {
    let start = core::ptr::with_exposed_provenance::<u8>(address);
    // SAFETY: the caller vouches for the memory; the tree's header is checked before its length is believed.
    let fdt = unsafe { Fdt::from_raw(start) };
    let Ok(fdt) = fdt else { panic!("there is no device tree at {address:#x}: boot this image with QEMU's -kernel") };
    TREE.call_once(|| DeviceTree { fdt })
}

/// The tree.
///
/// # Panics
/// Before [`load`].
pub(in crate::arch) fn tree() -> &'static DeviceTree {
    TREE.get().expect("start-up loads the tree first")
}

impl DeviceTree {
    /// `/chosen/bootargs`.
    pub(in crate::arch) fn command_line(&self) -> CommandLine {
        let text = self.chosen("bootargs").unwrap_or_default();
        CommandLine::of(text.iter().copied().take_while(|byte| *byte != 0))
    }

    /// The first bytes of `/chosen/rng-seed`.
    pub(super) fn seed(&self) -> Option<[u8; 16]> {
        self.chosen("rng-seed")?.first_chunk().copied()
    }

    /// Where the registers of `/chosen/stdout-path` are.
    pub(in crate::arch) fn console(&self) -> Option<u64> {
        let path = self.chosen("stdout-path")?.split(|byte| matches!(byte, 0 | b':')).next()?;
        Some(registers(self.fdt.find_node(core::str::from_utf8(path).ok()?)?).next()?.start)
    }

    /// Calls `found` with each run of memory above the image that nobody holds.
    pub(in crate::arch) fn each_free_region(&self, mut found: impl FnMut(Range<u64>)) {
        let root = self.fdt.root();
        let is_memory = |node: &FdtNode<'static>| {
            node.property("device_type").is_some_and(|kind| kind.value_as::<&str>() == Ok("memory"))
        };
        for region in root.children().filter(is_memory).flat_map(registers) {
            let mut start = region.start.max(memory::image_end());
            while start < region.end {
                let in_the_way = self.held().filter(|held| held.start < region.end && held.end > start);
                let next = in_the_way.min_by_key(|held| held.start).unwrap_or(region.end..region.end);
                if next.start > start {
                    found(start..next.start);
                }
                start = next.end;
            }
        }
    }

    /// Memory that is somebody's: this tree's, and what firmware keeps.
    fn held(&self) -> impl Iterator<Item = Range<u64>> {
        let tree = self.fdt.data().as_ptr_range();
        let tree = tree.start.addr() as u64..tree.end.addr() as u64;
        let reserved = self.named("reserved-memory");
        let reserved = reserved.into_iter().flat_map(|node| node.children()).flat_map(registers);
        reserved.chain([tree])
    }

    /// A child of the root, by its name without an address.
    pub(in crate::arch) fn named(&self, name: &str) -> Option<FdtNode<'static>> {
        self.fdt.root().child(name)
    }

    /// Every device that is compatible with `kind`.
    pub(in crate::arch) fn compatible(&self, kind: &str) -> Vec<FdtNode<'static>> {
        self.nodes().into_iter().filter(|node| node.is_compatible(kind)).collect()
    }

    /// The node that others call `handle`.
    pub(in crate::arch) fn by_handle(&self, handle: u32) -> Option<FdtNode<'static>> {
        self.nodes().into_iter().find(|node| node.phandle() == Ok(Some(handle)))
    }

    /// All nodes, each before its children.
    fn nodes(&self) -> Vec<FdtNode<'static>> {
        let mut nodes: Vec<_> = self.fdt.root().children().collect();
        let mut next = 0;
        while next < nodes.len() {
            let children: Vec<_> = nodes[next].children().collect();
            nodes.extend(children);
            next += 1;
        }
        nodes
    }

    fn chosen(&self, property: &str) -> Option<&'static [u8]> {
        self.named("chosen")?.property(property)?.value_as().ok()
    }
}

/// The runs of `reg`, by the addresses of the node's parent.
pub(in crate::arch) fn registers(node: FdtNode<'static>) -> impl Iterator<Item = Range<u64>> {
    node.reg().ok().flatten().into_iter().flatten().filter_map(|reg| {
        let (start, len): (u64, u64) = (reg.address().ok()?, reg.size().ok()?);
        Some(start..start.checked_add(len)?)
    })
}

/// The first run of `reg`, as a driver maps it.
pub(in crate::arch) fn region(node: FdtNode<'static>) -> Option<Region> {
    let first = registers(node).next()?;
    Some(Region { physical: first.start, len: usize::try_from(first.end - first.start).ok()? })
}

/// The 32-bit words of a property; none where there is no such property.
pub(in crate::arch) fn words(node: FdtNode<'static>, property: &str) -> Vec<u32> {
    let value = node.property(property).and_then(|property| property.value_as::<&'static [u8]>().ok());
    value.unwrap_or_default().as_chunks().0.iter().map(|word| u32::from_be_bytes(*word)).collect()
}

//! What a PVH loader hands over: `hvm_start_info`, the memory map and the command line (Xen's
//! `xen/include/public/arch-x86/hvm/start_info.h`).
//!
//! Invariant: everything is copied before any memory is handed out, so it does not matter where the loader left it.

use crate::arch::command_line::{self, CommandLine};

const MAGIC: u32 = 0x336e_c578;
/// The memory map came with version 1.
const VERSION_WITH_MEMORY_MAP: u32 = 1;
const USABLE: u32 = 1;

/// Runs of usable memory that are kept; PCs report a handful.
const REGION_ROOM: usize = 16;

/// The loader's words, copied.
pub(super) struct HandedOver {
    /// The usable memory, as far as it was kept.
    regions: [Region; REGION_ROOM],
    region_count: usize,
    pub(super) command_line: CommandLine,
}

/// A run of usable physical memory.
#[derive(Clone, Copy)]
pub(super) struct Region {
    pub(super) start: u64,
    pub(super) len: u64,
}

impl HandedOver {
    pub(super) fn regions(&self) -> &[Region] {
        &self.regions[..self.region_count]
    }
}

#[repr(C)]
#[derive(Clone, Copy)]
struct StartInfo {
    magic: u32,
    version: u32,
    flags: u32,
    module_count: u32,
    modules: u64,
    command_line: u64,
    rsdp: u64,
    memory_map: u64,
    memory_map_entries: u32,
    reserved: u32,
}

#[repr(C)]
#[derive(Clone, Copy)]
struct MemoryMapEntry {
    address: u64,
    size: u64,
    kind: u32,
    reserved: u32,
}

/// Reads what the loader left at physical address `address`.
///
/// # Panics
/// When there is no `hvm_start_info` with a memory map there: the image was not booted by a PVH loader.
pub(super) fn read(address: u64) -> HandedOver {
    // SAFETY: the PVH ABI puts the structure at `address`, below 4 GiB, where the boot page tables map all memory.
    let info = unsafe { core::ptr::with_exposed_provenance::<StartInfo>(address as usize).read_unaligned() };
    assert!(info.magic == MAGIC, "no PVH start information: boot this image with QEMU's -kernel");
    assert!(info.version >= VERSION_WITH_MEMORY_MAP, "the PVH loader gave no memory map: use QEMU 4.0 or newer");

    let mut handed_over = HandedOver {
        regions: [Region { start: 0, len: 0 }; REGION_ROOM],
        region_count: 0,
        command_line: read_command_line(info.command_line),
    };
    let map = core::ptr::with_exposed_provenance::<MemoryMapEntry>(info.memory_map as usize);
    for index in 0..info.memory_map_entries as usize {
        let entry = map.wrapping_add(index);
        // SAFETY: the loader vouches for `memory_map_entries` entries from `memory_map`, below 4 GiB.
        let entry = unsafe { entry.read_unaligned() };
        if entry.kind != USABLE || handed_over.region_count == REGION_ROOM {
            continue;
        }
        handed_over.regions[handed_over.region_count] = Region { start: entry.address, len: entry.size };
        handed_over.region_count += 1;
    }
    handed_over
}

fn read_command_line(address: u64) -> CommandLine {
    let text = core::ptr::with_exposed_provenance::<u8>(address as usize);
    let byte = |at: usize| {
        // SAFETY: the string is NUL-terminated (start_info.h), and no more is asked for once its NUL was seen.
        unsafe { text.wrapping_add(at).read() }
    };
    let len = if address == 0 { 0 } else { (0..command_line::ROOM).take_while(|at| byte(*at) != 0).count() };
    CommandLine::of((0..len).map(byte))
}

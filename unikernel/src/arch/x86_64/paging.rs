//! The page tables after boot: holes where nothing may be touched, and device registers mapped uncached.
//!
//! Invariant: every mapping maps an address to itself. (Intel SDM volume 3, §4.5 "4-level paging".)

use core::ptr::{self, NonNull};

use lendwire_drivers::platform::Platform;

use crate::arch::memory::Kernel;

const PRESENT: u64 = 1 << 0;
const WRITABLE: u64 = 1 << 1;
/// Write-through and cache-disable together choose the strongest uncached type of the reset PAT (§11.12.4).
const UNCACHED: u64 = 1 << 3 | 1 << 4;
/// In a directory: the entry maps 2 MiB itself.
const LARGE: u64 = 1 << 7;
const ADDRESS: u64 = 0x000f_ffff_ffff_f000;

const SMALL_PAGE: u64 = 4096;
const LARGE_PAGE: u64 = 2 << 20;
/// What this code maps; above it the address would need sign extension.
const CANONICAL_END: u64 = 1 << 47;

unsafe extern "C" {
    static mut boot_pml4: Table;
    static mut boot_first_pages: Table;
    /// The page below the stack (`image.ld`).
    static __guard_page: u8;
}

#[repr(C, align(4096))]
struct Table([u64; 512]);

/// Unmaps page zero, so that a null pointer faults, and the page below the stack, so that an overflow does.
pub(super) fn open_holes() {
    for hole in [0, (&raw const __guard_page).addr()] {
        let entry = entry(&raw mut boot_first_pages, hole / SMALL_PAGE as usize);
        // SAFETY: the entry lies in a live page table, which only this code writes, with one processor running.
        unsafe { entry.write_volatile(0) };
        ::x86_64::instructions::tlb::flush(::x86_64::VirtAddr::new(hole as u64));
    }
}

/// Maps the registers at `physical` to themselves, uncached, in pages of 2 MiB.
///
/// `None` when the range is empty, touches the first 2 MiB (where RAM is), or needs page tables and there is no
/// memory for them.
pub(in crate::arch) fn map_registers(physical: u64, len: usize) -> Option<NonNull<u8>> {
    let end = physical.checked_add(len as u64)?;
    if len == 0 || physical < LARGE_PAGE || end > CANONICAL_END {
        return None;
    }
    let mut page = physical & !(LARGE_PAGE - 1);
    while page < end {
        map_large_page(page)?;
        page += LARGE_PAGE;
    }
    NonNull::new(ptr::with_exposed_provenance_mut(physical as usize))
}

fn map_large_page(page: u64) -> Option<()> {
    let index = |level: u32| (page >> (12 + 9 * level)) as usize & 511;
    let pointers = table_below(entry(&raw mut boot_pml4, index(3)))?;
    let directory = table_below(entry(pointers, index(2)))?;
    let slot = entry(directory, index(1));
    // SAFETY: the slot lies in a live page table, which only this code writes, with one processor running.
    unsafe { slot.write_volatile(page | LARGE | UNCACHED | WRITABLE | PRESENT) };
    ::x86_64::instructions::tlb::flush(::x86_64::VirtAddr::new(page));
    Some(())
}

/// The table that `entry` points to; a new one where it points to none.
fn table_below(entry: *mut u64) -> Option<*mut Table> {
    // SAFETY: the entry lies in a live page table.
    let value = unsafe { entry.read_volatile() };
    if value & PRESENT != 0 {
        return Some(ptr::with_exposed_provenance_mut((value & ADDRESS) as usize));
    }
    let table = Kernel.dma(size_of::<Table>(), align_of::<Table>())?;
    // SAFETY: as above; a zeroed table maps nothing, so the processor may see it at once.
    unsafe { entry.write_volatile(table.bus | WRITABLE | PRESENT) };
    Some(table.pointer.as_ptr().cast())
}

fn entry(table: *mut Table, index: usize) -> *mut u64 {
    table.cast::<u64>().wrapping_add(index)
}

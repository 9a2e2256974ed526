//! The translation tables after boot: more memory, and device registers, a gigabyte at a time.
//!
//! Invariant: every mapping maps an address to itself. (Arm ARM, D8.3 "Translation table descriptor formats".)

use core::arch::asm;
use core::ops::Range;
use core::ptr::{self, NonNull};

/// A block that is valid and was accessed: Device-nGnRE (index 0 of `boot.s`'s MAIR), never executed.
pub(super) const DEVICE: u64 = 1 | 1 << 10 | 0b11 << 53;
/// The same for Normal memory (index 1), inner shareable, not executed at EL0.
pub(super) const MEMORY: u64 = 1 | 1 << 2 | 0b11 << 8 | 1 << 10 | 1 << 54;

const GIGABYTE: u64 = 1 << 30;
/// The first gigabyte that `boot.s` leaves unmapped.
const FIRST_FREE: u64 = 2;
const REGIONS: u64 = 512;
/// Of a block's descriptor: the index into MAIR.
const KIND: u64 = 0b111 << 2;

unsafe extern "C" {
    static mut boot_regions: [u64; REGIONS as usize];
}

/// Maps RAM; `false` where something else is mapped there, or the addresses are beyond the tables.
pub(super) fn map_memory(region: &Range<u64>) -> bool {
    gigabytes(region).all(|gigabyte| match gigabyte {
        0 => false,
        1 => true,
        FIRST_FREE.. => map(gigabyte, MEMORY),
    })
}

/// Maps the registers at `physical` to themselves, as a device.
///
/// `None` when the range is empty, lies where memory is or at zero, or is beyond the tables.
pub(in crate::arch) fn map_registers(physical: u64, len: usize) -> Option<NonNull<u8>> {
    let region = physical..physical.checked_add(len as u64)?;
    let is_mapped = !region.is_empty()
        && gigabytes(&region).all(|gigabyte| match gigabyte {
            0 => true,
            1 => false,
            FIRST_FREE.. => map(gigabyte, DEVICE),
        });
    if !is_mapped {
        return None;
    }
    NonNull::new(ptr::with_exposed_provenance_mut(physical as usize))
}

fn gigabytes(region: &Range<u64>) -> impl Iterator<Item = u64> {
    region.start / GIGABYTE..region.end.div_ceil(GIGABYTE)
}

/// Maps a gigabyte that is not mapped yet, or is as it should be.
fn map(gigabyte: u64, kind: u64) -> bool {
    if gigabyte >= REGIONS {
        return false;
    }
    let entry = (&raw mut boot_regions).cast::<u64>().wrapping_add(gigabyte as usize);
    // SAFETY: the entry lies in the live table, which only this code writes, with one processor running.
    let old = unsafe { entry.read_volatile() };
    if old != 0 {
        return old & KIND == kind & KIND;
    }
    // SAFETY: as above; the entry was invalid, so no translation of it is cached.
    unsafe { entry.write_volatile((gigabyte * GIGABYTE) | kind) };
    // SAFETY: the barriers let the table walker see the entry before anything uses it.
    unsafe { asm!("dsb ishst", "isb", options(nostack)) };
    true
}

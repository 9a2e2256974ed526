//! Device registers: nothing has to be mapped, for there is no translation.

use core::ptr::{self, NonNull};

/// The registers at `physical`; `None` when the range is empty, or at zero.
pub(in crate::arch) fn map_registers(physical: u64, len: usize) -> Option<NonNull<u8>> {
    physical.checked_add(len as u64).filter(|end| *end > physical)?;
    NonNull::new(ptr::with_exposed_provenance_mut(physical as usize))
}

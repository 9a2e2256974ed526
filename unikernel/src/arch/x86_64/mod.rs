//! x86_64 under a PVH loader: one processor, identity-mapped, interrupts off except while it sleeps.
//!
//! Invariant: `RFLAGS.IF` is set by nothing but [`idle::sleep`], so no code here or above ever races with a handler;
//! an interrupt does no more than count itself and end a sleep.
//!
//! Left out: other processors, RAM above 4 GiB.

mod boot;
mod bytes;
pub(super) mod config_space;
#[cfg(feature = "counts")]
pub(crate) mod counting;
mod descriptors;
pub(crate) mod entropy;
pub(crate) mod exit;
pub(crate) mod idle;
pub(crate) mod interrupt_lines;
pub(crate) mod interrupts;
mod io_apic;
mod local_apic;
pub(crate) mod mmio;
pub(super) mod paging;
mod ram;
pub(crate) mod serial;
mod start_info;
pub(crate) mod timer;

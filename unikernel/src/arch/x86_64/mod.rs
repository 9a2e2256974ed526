//! x86_64 under a PVH loader: one processor, identity-mapped, interrupts off except while it sleeps.
//!
//! Invariant: `RFLAGS.IF` is set by nothing but [`idle::sleep`], so no code here or above ever races with a handler;
//! an interrupt does no more than count itself and end a sleep.
//!
//! Left out: other processors, RAM above 4 GiB, INTx routing.

mod boot;
mod bytes;
mod descriptors;
pub(crate) mod entropy;
pub(crate) mod exit;
pub(crate) mod idle;
pub(crate) mod interrupts;
mod local_apic;
pub(crate) mod memory;
mod paging;
pub(crate) mod pci;
pub(crate) mod serial;
mod start_info;
pub(crate) mod timer;

/// What start-up found, handed to the program once.
pub(crate) struct Machine {
    /// The time-stamp counter when the loader jumped to the image.
    pub(crate) tsc_at_entry: u64,
    /// Runs since the first instruction of Rust; finish it after the work that must be done anyway.
    pub(crate) calibration: timer::Calibration,
    /// The kernel command line.
    pub(crate) command_line: start_info::CommandLine,
    /// Bytes of RAM that the heap was given.
    pub(crate) ram: usize,
}

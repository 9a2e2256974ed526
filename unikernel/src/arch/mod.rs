//! The machine under the image: one folder an architecture, all with the same face.
//!
//! | an architecture's room has | for |
//! |---|---|
//! | `exit::fail` | ending a run that cannot be, with QEMU's status 3 |
//! | `serial::line` | the one way to speak |
//! | `timer::{Calibration, Clock}` | microseconds since entry |
//! | `timer::stall` | a short wait, at any time |
//! | `idle::sleep` | no instruction until a device interrupts or a moment of the clock |
//! | `idle::glance` | the interrupts that wait, for a loop that never sleeps |
//! | `interrupts::{messages, taken}` | how devices interrupt, where the machine has messages, and how often they did |
//! | `interrupts::{connect_line, reopen_line}` | the one line that a device without messages is on |
//! | `interrupt_lines::of` | which line a PCI function is on |
//! | `mmio::devices` | where virtio devices may be that are on no bus |
//! | `paging::map_registers` | what [`memory`] needs to show a driver its device |
//! | `entropy::secret` | 16 secret bytes, and where they came from |
//! | `config_space::{read, write, window}` | what [`pci`] needs to look at the bus |
//!
//! It begins by itself, makes a [`Machine`] and hands it to `image::run`. One processor, memory mapped to itself;
//! interrupts are off except while the machine sleeps, so nothing above ever races with a handler.

#[cfg(target_arch = "aarch64")]
mod aarch64;
mod command_line;
pub(crate) mod memory;
mod panic;
pub(crate) mod pci;
#[cfg(target_arch = "riscv64")]
mod riscv64;
#[cfg(any(target_arch = "riscv64", target_arch = "x86_64"))]
mod uart_16550;
#[cfg(any(target_arch = "aarch64", target_arch = "riscv64"))]
mod virt;
#[cfg(target_arch = "x86_64")]
mod x86_64;

#[cfg(target_arch = "aarch64")]
pub(crate) use self::aarch64::*;
#[cfg(target_arch = "riscv64")]
pub(crate) use self::riscv64::*;
#[cfg(target_arch = "x86_64")]
pub(crate) use self::x86_64::*;

/// What start-up found, handed to the program once.
pub(crate) struct Machine {
    /// Begun at entry; finish it after the work that must be done anyway.
    pub(crate) calibration: timer::Calibration,
    /// The kernel command line.
    pub(crate) command_line: command_line::CommandLine,
    /// Bytes of RAM that the heap was given.
    pub(crate) ram: usize,
}

/// Interrupts taken since boot, as `interrupts::taken` counts them.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    /// From devices, by messages about frames: none where there are lines only.
    pub(crate) device: u64,
    /// From devices, by messages about their configuration: none where there are lines only.
    pub(crate) configuration: u64,
    /// From the device on the connected line.
    pub(crate) line: u64,
}

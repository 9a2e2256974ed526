//! riscv64 on QEMU's `virt` machine: one hart in supervisor mode, interrupts masked for good.
//!
//! Invariant: no interrupt is ever *taken*. `wfi` ends when one is pending, masked or not, and the sleeper then asks the
//! controller which it was. So nothing interrupts Rust code, and no handler saves registers, floating-point ones least.
//! The compiler's own `memcpy` and `memset` go a word at a time, and are used as they are: bulk is lent, not copied.
//!
//! There are no page tables: without translation memory is cached and devices are not, by the physical memory attributes
//! of the machine, and unaligned accesses work. What page tables would add is a fault on a null pointer and below the
//! stack; no memory lies at zero, and the stack ends at the firmware's own, which is guarded (`image.ld`).
//!
//! It is supervisor mode under SBI firmware, not machine mode, because that is what boards have: the same image boots
//! wherever the firmware keeps the standard.
//!
//! Left out: other harts, messages (the PLIC has none).

mod boot;
pub(crate) mod exit;
pub(crate) mod idle;
pub(crate) mod interrupts;
pub(super) mod paging;
mod sbi;
pub(crate) mod serial;
pub(crate) mod timer;

pub(super) use super::virt::config_space;
pub(crate) use super::virt::{entropy, interrupt_lines, mmio};

//! aarch64 on QEMU's `virt` machine with a GICv2: one processor at EL1, identity-mapped, interrupts masked for good.
//!
//! Invariant: no interrupt is ever *taken*. `wfi` ends when one is pending, masked or not, and the sleeper then asks the
//! controller which it was. So nothing interrupts Rust code, no handler saves registers, and the compiler may use the
//! vector registers as it likes: the target is the one with NEON, not the soft-float one.
//!
//! The compiler's own `memcpy` and `memset` go a word at a time, and are used as they are: bulk is lent, not copied.
//!
//! Left out: other processors, starting at EL2 (`virtualization=on`) or EL3 (`secure=on`), GICv3.

mod boot;
pub(crate) mod exit;
pub(crate) mod idle;
pub(crate) mod interrupts;
pub(super) mod paging;
pub(crate) mod serial;
pub(crate) mod timer;

pub(super) use super::virt::config_space;
pub(crate) use super::virt::{entropy, interrupt_lines, mmio};

//! What the `virt` machines of aarch64 and riscv64 share: a device tree that says what there is, a counter of known
//! rate, and PCI whose configuration space lies in memory.
//!
//! | file | what it is |
//! |---|---|
//! | `device_tree` | the tree: memory, command line, seed, devices and their interrupts |
//! | `pci_host` | the PCI host bridge that the tree names |
//! | `config_space` | its configuration space, as `arch::pci` wants it |
//! | `interrupt_lines` | whom a PCI function interrupts |
//! | `mmio` | places for virtio devices that no bus leads to |
//! | `clock` | time from a counter |
//! | `entropy` | the tree's seed |

pub(super) mod clock;
pub(super) mod config_space;
pub(super) mod device_tree;
pub(crate) mod entropy;
pub(crate) mod interrupt_lines;
pub(crate) mod mmio;
pub(super) mod pci_host;

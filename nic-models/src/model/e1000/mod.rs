//! The e1000 family behind its registers: 82540EM, 82545EM, 82544GC (PCI) and 82574L (PCI Express).
//!
//! Sources: Intel's PCI/PCI-X Family of Gigabit Ethernet Controllers Software Developer's Manual (317453, "SDM"), the
//! 82574L datasheet ("DS"), and what QEMU 7.2 makes of both, where a driver can tell the difference.
//!
//! Invariant: a driver that touches what there is not (a register, a descriptor outside its ring, memory that it did not
//! share) panics the test. Time does not pass: moderation is a value that a test can look at, and nothing is delayed by
//! it. Left out: the PHY behind MDIC, the bit-banged EEPROM, packet split, the second pair of rings, flow control,
//! wake-up, management.
//!
//! | file | what it is |
//! |---|---|
//! | `kind` | [`Kind`]: what differs in the family |
//! | `config` | configuration space |
//! | `map` | which registers there are |
//! | `registers` | what the driver's accesses do |
//! | `interrupts` | causes, masks, the line and the messages |
//! | `ring` | descriptors in memory |
//! | `transmit`, `offload` | what leaves: contexts, checksums, segmentation, tags |
//! | `receive`, `filter`, `inspect` | what arrives: who it is for, where it lies, what is said of it |
//! | `device` | [`E1000Model`]: what a test makes the device do |
//! | `hostile` | what only a device does that lies |

mod config;
mod device;
mod filter;
mod hostile;
mod inspect;
mod interrupts;
mod kind;
mod map;
mod offload;
mod receive;
mod registers;
mod ring;
mod transmit;

pub use device::{Counts, E1000Model, Eeprom, Offer, Reset, Transmits};
pub use hostile::Claim;
pub use interrupts::cause;
pub use kind::Kind;
pub use map::register;
pub use receive::status;
pub use registers::E1000Registers;
pub use transmit::Sent;

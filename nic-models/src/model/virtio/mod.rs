//! The virtio network device in software (virtio 1.2).
//!
//! | file | what it is |
//! |---|---|
//! | `net` | [`VirtioNetModel`]: what a test makes an honest device do |
//! | `lies` | what it makes a hostile one do |
//! | `offer` | [`Offer`]: what a device offers, and how it misbehaves by itself |
//! | `queue`, `split`, `packed` | a virtqueue from the device's side, in both layouts |
//! | `control` | [`Orders`]: what the driver told the device to do |
//! | `state` | what is behind the registers |
//! | `registers`, `mmio` | what the driver's accesses do, on PCI and mapped to memory |

mod control;
mod lies;
mod mmio;
mod net;
mod offer;
mod packed;
mod queue;
mod registers;
mod split;
mod state;

pub use control::{Orders, Spread};
pub use net::{MMIO, RECEIVE, Sent, TRANSMIT, VirtioNetModel};
pub use offer::{ControlManner, Offer, feature};
pub use queue::Chain;
pub use registers::ModelRegisters;

//! The virtio network device in software (virtio 1.2).
//!
//! | file | what it is |
//! |---|---|
//! | `net` | [`VirtioNetModel`]: what a test makes the device do |
//! | `queue` | the split virtqueue from the device's side |
//! | `registers` | what the driver's accesses do |

mod net;
mod queue;
mod registers;

pub use net::{Offer, RECEIVE, Sent, TRANSMIT, VirtioNetModel, feature};
pub use queue::Chain;
pub use registers::ModelRegisters;

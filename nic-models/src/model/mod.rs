//! The device's side, in software: unmodified drivers run against it on a host, Miri included.
//!
//! A model does nothing by itself: registers act when the driver touches them, and a test says when the device takes or
//! completes something. Beside the honest steps there are raw ones, with which a test makes the device lie.
//!
//! | file | what it is |
//! |---|---|
//! | `memory` | [`Memory`]: what the device can reach; the only `unsafe` |
//! | `config_space` | [`ConfigModel`]: a function's configuration space |
//! | `queue` | the split virtqueue from the device's side |
//! | `virtio_net` | [`VirtioNetModel`]: what a test makes the device do |
//! | `registers` | what the driver's accesses do |

mod config_space;
mod memory;
mod queue;
mod registers;
mod virtio_net;

pub use config_space::ConfigModel;
pub use memory::Memory;
pub use queue::Chain;
pub use registers::ModelRegisters;
pub use virtio_net::{Offer, RECEIVE, Sent, TRANSMIT, VirtioNetModel, feature};

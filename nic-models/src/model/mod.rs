//! The device's side, in software: unmodified drivers run against it on a host, Miri included.
//!
//! A model does nothing by itself: registers act when the driver touches them, and a test says when the device takes or
//! completes something. Beside the honest steps there are raw ones, with which a test makes the device lie.
//!
//! | file | what it is |
//! |---|---|
//! | `memory` | [`Memory`]: what the device can reach; the only `unsafe` |
//! | `config_space` | [`ConfigModel`]: a function's configuration space |
//! | [`e1000`] | [`e1000::E1000Model`]: the e1000 family |
//! | `virtio` | [`VirtioNetModel`]: the virtio network device |

mod config_space;
pub mod e1000;
mod memory;
mod virtio;

pub use config_space::ConfigModel;
pub use memory::Memory;
pub use virtio::{
    Chain, ControlManner, MMIO, ModelRegisters, Offer, Orders, RECEIVE, Sent, Spread, TRANSMIT, VirtioNetModel, feature,
};

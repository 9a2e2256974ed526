//! A `no_std` TCP/IP stack that lends buffers to the wire instead of copying them.
#![no_std]
#![forbid(unsafe_code)]
#[cfg(feature = "alloc")]
extern crate alloc;

mod drops;
mod slab;
pub mod time;
pub mod wire;

pub use drops::{Drops, Reason};
pub use slab::Slot;

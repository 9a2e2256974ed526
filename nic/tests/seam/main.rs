//! The seam through its public face.
#![cfg(not(loom))]

mod chunk;
mod content;
mod memory;
mod packet;
mod payload;
mod pool;
mod queue;
mod sum;
mod train;

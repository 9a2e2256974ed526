//! The seam between a TCP/IP stack and its network drivers.
//!
//! **Borrow through the layers; count only where a device reads or writes by itself.** A [`Chunk`] is a counted,
//! read-only view of bytes that stay put until its last holder drops it; a [`TxPacket`] borrows a socket's queue of
//! them for the length of one call; a driver that will read later clones the chunks it needs. A [`Sum`] travels beside
//! the bytes, so that no payload byte is summed twice.
//!
//! | type | what it is |
//! |---|---|
//! | [`Pool`], [`ChunkMut`], [`Chunk`], [`Content`] | memory: slots, their one writer, counted views, static pages with kept sums |
//! | [`Sum`], [`Work`] | the running checksum, and the count of payload bytes that were read or moved |
//! | [`Cells`], [`Queue`], [`Payload`] | queues of chunks, and the view of one that a packet borrows |
//! | [`TxPacket`], [`Train`], [`RxPacket`], [`Offload`] | packets as both sides of the seam see them |
//! | [`Nic`], [`NicInfo`] | what a driver is |
//!
//! `unsafe` lives in `chunk`, `pool`, `slot_list`, `content` and the checksum kernels only.
#![cfg_attr(not(any(test, feature = "std")), no_std)]
#[cfg(feature = "alloc")]
extern crate alloc;

mod chunk;
mod content;
mod nic;
mod offload;
mod packet;
mod payload;
mod pool;
mod queue;
mod slot_list;
pub mod sum;
mod sync;
mod train;
mod work;

pub use chunk::{Chunk, ChunkMut};
pub use content::{Content, Mark};
pub use nic::{
    Fault, Full, Interrupts, Link, MacAddress, MulticastFilter, Nic, NicInfo, NicStatistics, Pending, VlanFilter,
};
pub use offload::{Checksum, Offload, Offloads, Received, Segmentation};
pub use packet::{HEADER_ROOM, INLINE_CHUNKS, MAX_CHUNKS, RxPacket, TooManyChunks, TxPacket};
pub use payload::{Part, Parts, Payload};
pub use pool::{Pool, PoolError, Taken};
pub use queue::{Cell, Cells, NoCell, Queue};
pub use sum::Sum;
pub use sync::Word;
pub use train::{Differing, Train};
pub use work::Work;

//! Received packets of more chunks than lie inline: segments that a device made one large one of.
//!
//! Invariant: the list of a long packet takes one slot of the pool that its bytes came from, for as long as it lives.

use lendwire_nic::{Chunk, Fault, MAX_CHUNKS, Pool, RxPacket, TooManyChunks};

/// Bytes of the largest frame: a TCP segment of 64 KiB behind Ethernet's header (virtio 1.2 §5.1.6.3.1 without its own
/// header).
pub(crate) const LARGEST_FRAME: usize = 65_550;

/// Slots of `pool` that `len` bytes take; `None` where no packet holds as many, or the pool does not have them and one
/// for their list.
pub(crate) fn slots_for(len: usize, pool: &Pool) -> Option<usize> {
    let slots = len.div_ceil(pool.slot_size());
    (slots <= most_chunks(pool) && slots < pool.slots()).then_some(slots)
}

/// Chunks of a packet whose list may lie in a slot of `pool`.
pub(crate) fn most_chunks(pool: &Pool) -> usize {
    // One entry less than there is room for, should the pool's memory start between two.
    (pool.slot_size() / size_of::<Chunk>()).saturating_sub(1).max(MAX_CHUNKS)
}

/// Adds `chunk`, with a slot of `pool` for the list when it gets too long.
pub(crate) fn append(packet: &mut RxPacket, chunk: Chunk, pool: &'static Pool) -> Result<(), Fault> {
    let Err(TooManyChunks(chunk)) = packet.push(chunk) else { return Ok(()) };
    packet.spill(pool.take().ok_or(Fault::NoSlot)?);
    packet.push(chunk).map_err(|_| Fault::BadChain)
}

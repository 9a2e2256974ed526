//! The transmit queue: each packet is a chain of one header buffer and the packet's own parts, in a table beside the ring
//! where they are many.
//!
//! Invariant: header bytes are copied to the slot of the chain's first descriptor, which nobody writes until the chain
//! is back; payload bytes are never copied, and stay held as long.

use lendwire_nic::{Chunk, Fault, HEADER_ROOM, TxPacket};
use zerocopy::IntoBytes;

use super::features::Features;
use super::header::{Header, LONGEST_HEADER, header_len};
use super::ring::{Buffer, Refused, Ring, TABLE_SIZE};
use crate::dma::Area;
use crate::platform::Platform;

/// Payload parts that a packet may have: 64 KiB of received segments of 1448 bytes, sent again as they are, take 46.
const MAX_PARTS: usize = 48;
// A table takes the header too.
const _: () = assert!(MAX_PARTS < TABLE_SIZE);

/// Tables beside the ring: as many large segments again as the longest ring holds.
pub(super) const TABLES: usize = 8;

/// Bytes of a descriptor's header slot: both headers, in whole cache lines.
pub(super) const HEADER_SLOT: usize = (LONGEST_HEADER + HEADER_ROOM).next_multiple_of(64);

/// The transmit side.
pub(super) struct Transmitter {
    pub(super) ring: Ring<Chunk, TABLES>,
    /// A slot for each descriptor.
    headers: Area,
    /// Bytes before a frame.
    header_len: usize,
}

/// Why a packet was not queued.
pub(super) enum Refusal {
    /// It can be tried again.
    Full,
    /// The device cannot reach its payload.
    Unreachable,
    /// The device is not to be trusted any more.
    Broken(Fault),
}

impl Transmitter {
    pub(super) fn new(ring: Ring<Chunk, TABLES>, headers: Area, agreed: Features) -> Self {
        Self { ring, headers, header_len: header_len(agreed) }
    }

    /// Queues `packet`, which was found sendable.
    pub(super) fn push(&mut self, packet: &TxPacket<'_>, platform: &impl Platform) -> Result<(), Refusal> {
        let needed = 1 + packet.payload().parts().count();
        if !self.ring.fits(needed) {
            self.collect().map_err(Refusal::Broken)?;
        }
        if !self.ring.fits(needed) {
            return Err(Refusal::Full);
        }
        let slot = self.ring.next_head() * HEADER_SLOT;
        let header = packet.header();
        // Between the two, where hashes are reported: zeros, which nobody ever writes over.
        self.headers.write_bytes(slot, Header::of(&packet.offload, header.len()).as_bytes());
        self.headers.write_bytes(slot + self.header_len, header);

        let front = Buffer { bus: self.headers.bus(slot), len: (self.header_len + header.len()) as u32, held: None };
        let parts = packet.payload().parts().map(|part| {
            let held = part.hold();
            let bus = platform.bus_address(core::ptr::NonNull::from_ref(&held[0]))?;
            Some(Buffer { bus, len: held.len() as u32, held: Some(held) })
        });
        self.ring.push_readable(needed, core::iter::once(Some(front)).chain(parts)).map_err(|refused| match refused {
            Refused::Full => Refusal::Full,
            Refused::Unreachable => Refusal::Unreachable,
        })
    }

    /// Takes back what the device has sent.
    pub(super) fn collect(&mut self) -> Result<(), Fault> {
        while self.ring.complete()?.is_some() {}
        Ok(())
    }

    /// Whether so few descriptors are free that a packet may find the ring full.
    pub(super) fn is_short(&self) -> bool {
        self.ring.room() < (self.ring.size() / 4).max(1 + self.max_parts())
    }

    /// Payload parts that a packet may have in this ring.
    pub(super) fn max_parts(&self) -> usize {
        MAX_PARTS.min(self.ring.size() - 1)
    }
}

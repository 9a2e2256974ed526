//! The transmit queue: each packet is a chain of one header buffer and the packet's own parts, in a table beside the ring
//! where they are many.
//!
//! Invariant: header bytes are copied to the slot of the chain's first descriptor, which nobody writes until the chain
//! is back; payload bytes are never copied, and stay held as long. In bounce mode they are copied behind the headers.

use lendwire_nic::{Chunk, Fault, HEADER_ROOM, Part, TxPacket};
use zerocopy::IntoBytes;

use super::bounce::Route;
use super::features::Features;
use super::header::{Header, LONGEST_HEADER, header_len};
use super::ring::{Access, Buffer, Refused, Ring, TABLE_SIZE};
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
    slots: TransmitSlots,
    /// Bytes before a frame.
    header_len: usize,
}

/// A slot for each descriptor.
pub(super) struct TransmitSlots {
    area: Area,
    len: usize,
    route: Route,
}

impl TransmitSlots {
    /// Slots of `len` bytes.
    pub(super) fn new(area: Area, len: usize, route: Route) -> Self {
        Self { area, len, route }
    }
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

impl From<Refused> for Refusal {
    fn from(refused: Refused) -> Self {
        match refused {
            Refused::Full => Self::Full,
            Refused::Unreachable => Self::Unreachable,
        }
    }
}

impl Transmitter {
    pub(super) fn new(ring: Ring<Chunk, TABLES>, slots: TransmitSlots, agreed: Features) -> Self {
        Self { ring, slots, header_len: header_len(agreed) }
    }

    /// Queues `packet`, which was found sendable. Returns how many bytes of payload were copied.
    pub(super) fn push(&mut self, packet: &TxPacket<'_>, platform: &impl Platform) -> Result<u64, Refusal> {
        let needed = match self.slots.route {
            Route::Lent => 1 + packet.payload().part_count(),
            Route::Copied => 1,
        };
        if !self.ring.fits(needed) {
            self.collect().map_err(Refusal::Broken)?;
            if !self.ring.fits(needed) {
                return Err(Refusal::Full);
            }
        }
        let slot = self.ring.next_head() * self.slots.len;
        let header = packet.header();
        // Between the two, where hashes are reported: zeros, which nobody ever writes over.
        self.slots.area.write_bytes(slot, Header::of(&packet.offload, header.len()).as_bytes());
        self.slots.area.write_bytes(slot + self.header_len, header);

        let mut front =
            Buffer { bus: self.slots.area.bus(slot), len: (self.header_len + header.len()) as u32, held: None };
        if self.slots.route == Route::Copied {
            front.len += self.copy_payload(packet, slot + front.len as usize)?;
            self.ring.push(Access::Read, front, core::iter::empty())?;
            return Ok(packet.payload().len() as u64);
        }
        let lend = |part: Part<'_>| {
            let held = part.hold();
            let bus = platform.bus_address(core::ptr::NonNull::from_ref(&held[0]))?;
            Some(Buffer { bus, len: held.len() as u32, held: Some(held) })
        };
        match packet.payload().only_part() {
            Some(part) => self.ring.push(Access::Read, front, core::iter::once(lend(part)))?,
            None => self.ring.push_readable(needed, front, packet.payload().parts().map(lend))?,
        }
        Ok(0)
    }

    /// Copies the payload to `at`, behind the headers in its slot; returns its length.
    fn copy_payload(&mut self, packet: &TxPacket<'_>, at: usize) -> Result<u32, Refusal> {
        if self.header_len + packet.len() > self.slots.len {
            return Err(Refusal::Unreachable);
        }
        let mut next = at;
        for part in packet.payload().parts() {
            self.slots.area.write_bytes(next, part.bytes());
            next += part.bytes().len();
        }
        Ok((next - at) as u32)
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

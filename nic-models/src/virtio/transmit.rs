//! The transmit queue: each packet is a chain of one header buffer and the packet's own parts, in a table beside the ring
//! where they are many.
//!
//! Invariant: header bytes are copied to the slot of the chain's first descriptor, at its end, which nobody writes until the chain
//! is back; payload bytes are never copied, and stay held as long. In bounce mode they are copied behind the headers.

use core::ptr::NonNull;

use lendwire_nic::{Checksum, Chunk, Fault, HEADER_ROOM, Offload, Part, Train, TxPacket};
use zerocopy::IntoBytes;

use super::bounce::Route;
use super::features::Features;
use super::header::{HEADER_LEN, Header, LONGEST_HEADER, header_len};
use super::ring::{Access, Buffer, Refused, Ring, TABLE_SIZE};
use crate::dma::{Area, Slot, Slots};
use crate::platform::Platform;

/// Payload parts that a packet may have: 64 KiB of received segments of 1448 bytes, sent again as they are, take 46.
const MAX_PARTS: usize = 48;
// A table takes the header too.
const _: () = assert!(MAX_PARTS < TABLE_SIZE);

/// Tables beside the ring: as many large segments again as the longest ring holds.
pub(super) const TABLES: usize = 8;

/// Bytes of a descriptor's header slot: both headers, in whole cache lines.
pub(super) const HEADER_SLOT: usize = (LONGEST_HEADER + HEADER_ROOM).next_multiple_of(64);

/// Where the array of a packet's headers lies in its slot; the device's header is right in front of what of it is used.
const HEADERS: usize = LONGEST_HEADER;
/// Most packets have no more bytes of headers: then only the end of the array is copied.
const SHORT: usize = 80;

/// The transmit side.
pub(super) struct Transmitter {
    pub(super) ring: Ring<Chunk, TABLES>,
    slots: TransmitSlots,
    /// Bytes before a frame.
    header_len: usize,
    /// Whether the device completes checksums.
    completes: bool,
}

/// A slot for each descriptor.
pub(super) enum TransmitSlots {
    /// For headers.
    Lent(Slots<HEADER_SLOT>),
    /// For whole frames, of so many bytes.
    Copied(Area, usize),
}

impl TransmitSlots {
    /// Slots of `len` bytes.
    pub(super) fn new(area: Area, len: usize, route: Route) -> Self {
        match route {
            Route::Lent => Self::Lent(Slots::new(area)),
            Route::Copied => Self::Copied(area, len),
        }
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
        let completes = agreed.contains(Features::CSUM);
        Self { ring, slots, header_len: header_len(agreed), completes }
    }

    /// Queues `packet`, which is no longer than a frame, if it is of one part or none, needs nothing of the device but its
    /// checksum, and finds room in the ring. Otherwise nothing has changed.
    #[inline(always)]
    pub(super) fn push_plain(&mut self, packet: &TxPacket<'_>, platform: &impl Platform) -> Option<()> {
        let TransmitSlots::Lent(slots) = &mut self.slots else { return None };
        let front = Front::plain(packet, self.completes, self.header_len)?;
        let payload = packet.payload();
        if self.ring.room() < 2 {
            return None;
        }
        if payload.is_empty() {
            let (bus, len) = front.write(slots.slot(self.ring.next_head()), packet);
            self.ring.push_one(Access::Read, Buffer { bus, len, held: None });
            return Some(());
        }
        let part = payload.only_part()?;
        let bus = platform.bus_address(part.pointer())?;
        let front = front.write(slots.slot(self.ring.next_head()), packet);
        self.ring.push_two([front, (bus, part.len() as u32)], || part.hold());
        Some(())
    }

    /// [`Transmitter::push_plain`] for the packets of `train`, until one is not so.
    #[inline(always)]
    pub(super) fn push_train(&mut self, train: &mut Train<'_>, platform: &impl Platform) {
        let TransmitSlots::Lent(slots) = &mut self.slots else { return };
        let front = train.packet().and_then(|first| Front::plain(first, self.completes, self.header_len));
        let Some(front) = front else { return };
        while self.ring.room() >= 2
            && let Some(packet) = train.packet()
            && let Some(part) = packet.payload().only_part()
            && let Some(bus) = platform.bus_address(part.pointer())
        {
            let front = front.write(slots.slot(self.ring.next_head()), packet);
            self.ring.push_two([front, (bus, part.len() as u32)], || part.hold());
            train.advance();
        }
    }

    /// Queues `packet`, which was found sendable. Returns how many bytes of payload were copied.
    pub(super) fn push(&mut self, packet: &TxPacket<'_>, platform: &impl Platform) -> Result<u64, Refusal> {
        let needed = match self.slots {
            TransmitSlots::Lent(_) => 1 + packet.payload().part_count(),
            TransmitSlots::Copied(..) => 1,
        };
        if !self.ring.fits(needed) {
            self.ring.collect().map_err(Refusal::Broken)?;
            if !self.ring.fits(needed) {
                return Err(Refusal::Full);
            }
        }
        let head = self.ring.next_head();
        let slots = match &mut self.slots {
            TransmitSlots::Lent(slots) => slots,
            TransmitSlots::Copied(area, len) => {
                let (bus, len) = write_copy(area, head * *len, *len, packet, self.header_len)?;
                self.ring.push(Access::Read, Buffer { bus, len, held: None }, core::iter::empty())?;
                return Ok(packet.payload().len() as u64);
            }
        };
        let (bus, len) = Front::of(packet, self.header_len).write(slots.slot(head), packet);
        let lend = |part: Part<'_>| {
            let held = part.hold();
            let bus = platform.bus_address(NonNull::from_ref(&held[0]))?;
            Some(Buffer { bus, len: held.len() as u32, held: Some(held) })
        };
        let front = Buffer { bus, len, held: None };
        self.ring.push_readable(needed, front, packet.payload().parts().map(lend))?;
        Ok(0)
    }

    /// Takes back what the device has sent.
    #[inline(always)]
    pub(super) fn collect(&mut self) -> Result<(), Fault> {
        self.ring.collect()
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

/// What stands before a packet's payload: the device's header and the packet's own.
struct Front {
    /// The device's, in two words.
    header: ([u8; 8], [u8; HEADER_LEN - 8]),
    /// Bytes of the device's with what is behind it, and of the packet's.
    before: usize,
    len: usize,
}

impl Front {
    fn of(packet: &TxPacket<'_>, before: usize) -> Self {
        let len = packet.header().len();
        Self { header: zerocopy::transmute!(Header::of(&packet.offload, len)), before, len }
    }

    /// That of a packet that needs nothing of the device but its checksum, where the device takes care of it.
    #[inline(always)]
    fn plain(packet: &TxPacket<'_>, completes: bool, before: usize) -> Option<Self> {
        let Offload { checksum, segmentation: None, vlan: None } = packet.offload else { return None };
        let len = packet.header().len();
        let header = match checksum {
            Checksum::Done => ([0; 8], [0; HEADER_LEN - 8]),
            // A device given an offset outside the frame would write there.
            Checksum::Fill { start, offset } if completes && usize::from(start) + usize::from(offset) + 2 <= len => {
                Header::filled_words(start, offset)
            }
            Checksum::Fill { .. } => return None,
        };
        Some(Self { header, before, len })
    }

    /// Writes it to `slot`; where it lies for the device, and how long it is. What of the array is not used is copied
    /// along, for a length that is known costs less than fewer bytes.
    #[inline(always)]
    fn write(&self, mut slot: Slot<'_, HEADER_SLOT>, packet: &TxPacket<'_>) -> (u64, u32) {
        let array = packet.header_room();
        match array.last_chunk::<SHORT>() {
            Some(short) if self.len <= SHORT => slot.write(HEADERS + HEADER_ROOM - SHORT, short),
            Some(_) | None => slot.write(HEADERS, array),
        }
        let at = HEADERS + HEADER_ROOM - self.len - self.before;
        slot.write(at, &self.header.0);
        slot.write(at + 8, &self.header.1);
        if self.before == LONGEST_HEADER {
            // Nothing is to be hashed for the device.
            slot.write(at + HEADER_LEN, &[0; LONGEST_HEADER - HEADER_LEN]);
        }
        (slot.bus(at), (self.before + self.len) as u32)
    }
}

/// Copies all of `packet` to the slot of `room` bytes at `slot`; where it lies for the device, and how long it is.
fn write_copy(
    area: &mut Area,
    slot: usize,
    room: usize,
    packet: &TxPacket<'_>,
    before: usize,
) -> Result<(u64, u32), Refusal> {
    let (header, len) = (packet.header(), before + packet.len());
    if len > room {
        return Err(Refusal::Unreachable);
    }
    // Between the two, where hashes are reported: zeros, which nobody ever writes over.
    area.write_bytes(slot, Header::of(&packet.offload, header.len()).as_bytes());
    area.write_bytes(slot + before, header);
    let mut next = slot + before + header.len();
    for part in packet.payload().parts() {
        area.write_bytes(next, part.bytes());
        next += part.bytes().len();
    }
    Ok((area.bus(slot), len as u32))
}

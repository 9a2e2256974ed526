//! A virtqueue from the device's side, whichever way the ring is laid out (virtio 1.2 §2.6).

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use super::packed::PackedRing;
use super::split::SplitRing;
use crate::model::Memory;

/// One queue as the driver set it up.
#[derive(Clone)]
pub(super) struct Queue {
    /// What the device offers, and then what the driver chose.
    pub(super) size: u16,
    pub(super) vector: u16,
    pub(super) is_enabled: bool,
    /// Descriptor area, driver area, device area.
    pub(super) bus: [u64; 3],
    ring: Ring,
    /// The chains that it has.
    outstanding: BTreeSet<u16>,
    /// Until it wrote where it must not, or completed what it does not have: what it reads from then on is nothing that
    /// the driver did wrong.
    is_honest: bool,
}

#[derive(Clone)]
enum Ring {
    Split(SplitRing),
    Packed(PackedRing),
}

/// How the driver wants a queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Layout {
    Split,
    Packed,
}

/// A chain of descriptors.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Chain {
    /// What the device gives back: its first descriptor in a split ring, the buffer's number in a packed one.
    pub head: u16,
    /// Address and length of each part that the device reads.
    pub readable: Vec<(u64, u32)>,
    /// Address and length of each part that the device writes.
    pub writable: Vec<(u64, u32)>,
    /// Address and length of the indirect tables that describe it.
    pub tables: Vec<(u64, u32)>,
}

/// Why a chain makes no sense: what the driver did wrong.
pub(super) type Complaint = String;

impl Queue {
    /// A queue that the driver has not set up, without a vector.
    pub(super) fn idle(size: u16) -> Self {
        let ring = Ring::Split(SplitRing::new(false));
        Self {
            size,
            vector: 0xffff,
            is_enabled: false,
            bus: [0; 3],
            ring,
            outstanding: BTreeSet::new(),
            is_honest: true,
        }
    }

    /// The driver lets the device use it.
    pub(super) fn enable(&mut self, layout: Layout, event_index: bool) {
        self.is_enabled = true;
        self.ring = match layout {
            Layout::Split => Ring::Split(SplitRing::new(event_index)),
            Layout::Packed => Ring::Packed(PackedRing::new(event_index)),
        };
    }

    /// Chains that the driver offers and the device has not taken.
    pub(super) fn available(&self, memory: &Memory) -> u16 {
        if !self.is_enabled {
            return 0;
        }
        match &self.ring {
            Ring::Split(ring) => ring.available(memory, self.bus),
            Ring::Packed(ring) => ring.available(memory, self.bus, self.size),
        }
    }

    /// Takes the next chain, and asks to be told of the one after it.
    ///
    /// # Panics
    /// If the driver made one that makes no sense.
    pub(super) fn take(&mut self, memory: &Memory) -> Option<Chain> {
        if !self.is_enabled {
            return None;
        }
        let taken = match &mut self.ring {
            Ring::Split(ring) => ring.take(memory, self.bus, self.size),
            Ring::Packed(ring) => ring.take(memory, self.bus, self.size),
        };
        let chain = match taken {
            Ok(chain) => chain,
            Err(complaint) => {
                assert!(!self.is_honest, "{complaint}");
                None
            }
        }?;
        let is_new = self.outstanding.insert(chain.head);
        assert!(is_new || !self.is_honest, "chain {} is the device's already", chain.head);
        let parts = || chain.readable.iter().chain(&chain.writable);
        // Where the device itself wrote, addresses may lead anywhere.
        let is_sound = self.is_honest || parts().all(|&(bus, len)| memory.reaches(bus, len as usize));
        is_sound.then_some(chain)
    }

    /// Asks to be told when the driver offers what it counts as `index`: chains in a split ring, descriptors in a packed
    /// one.
    pub(super) fn ask_at(&self, memory: &Memory, index: u16) {
        match &self.ring {
            Ring::Split(_) => SplitRing::ask_at(memory, self.bus, self.size, index),
            Ring::Packed(_) => PackedRing::ask_at(memory, self.bus, self.size, u64::from(index)),
        }
    }

    /// Writes a used entry; the driver does not see it before [`Queue::publish`].
    pub(super) fn complete(&mut self, memory: &Memory, id: u32, len: u32) {
        self.is_honest &= u16::try_from(id).is_ok_and(|id| self.outstanding.remove(&id));
        match &mut self.ring {
            Ring::Split(ring) => ring.complete(memory, self.bus, self.size, id, len),
            Ring::Packed(ring) => ring.complete(id, len),
        }
    }

    /// Tells the driver of all that is written; returns whether it wants an interrupt for it.
    pub(super) fn publish(&mut self, memory: &Memory) -> bool {
        let published = match &mut self.ring {
            Ring::Split(ring) => Ok(ring.publish(memory, self.bus, self.size, 0)),
            Ring::Packed(ring) => ring.publish(memory, self.bus, self.size),
        };
        published.unwrap_or_else(|complaint| {
            assert!(!self.is_honest, "{complaint}");
            false
        })
    }

    /// Tells the driver of `ahead` more than is written.
    pub(super) fn publish_ahead(&mut self, memory: &Memory, ahead: u16) {
        if !self.is_enabled {
            return;
        }
        self.is_honest = false;
        match &mut self.ring {
            Ring::Split(ring) => drop(ring.publish(memory, self.bus, self.size, ahead)),
            Ring::Packed(ring) => ring.mark_ahead(memory, self.bus, self.size, ahead.min(self.size)),
        }
    }

    /// Overwrites the descriptors.
    pub(super) fn scribble(&mut self, memory: &Memory, byte: u8) {
        if self.is_enabled {
            self.is_honest = false;
            memory.write(self.bus[0], &vec![byte; 16 * usize::from(self.size)]);
        }
    }

    /// Whether what the device reads of it is what the driver wrote.
    pub(super) fn is_honest(&self) -> bool {
        self.is_honest
    }

    /// What the device reads of it may be its own words from now on.
    pub(super) fn mark_dishonest(&mut self) {
        self.is_honest = false;
    }

    /// Overwrites the indirect tables of `chain`.
    pub(super) fn scribble_tables(&mut self, memory: &Memory, chain: &Chain, byte: u8) {
        self.is_honest &= chain.tables.is_empty();
        for &(bus, len) in &chain.tables {
            memory.write(bus, &vec![byte; len as usize]);
        }
    }
}

pub(super) const NEXT: u16 = 1;
pub(super) const WRITE: u16 = 2;
pub(super) const INDIRECT: u16 = 4;

/// A descriptor of either ring; `last` is the link of a split one, the number of a packed one.
#[derive(Clone, Copy)]
pub(super) struct Descriptor {
    pub(super) bus: u64,
    pub(super) len: u32,
    pub(super) flags: u16,
    pub(super) last: u16,
}

/// Where a descriptor's 16-bit fields stand, which is the one thing that the rings do differently (§2.7.5, §2.8.13).
#[derive(Clone, Copy)]
pub(super) struct Fields {
    pub(super) flags: usize,
    pub(super) last: usize,
}

impl Descriptor {
    pub(super) fn read(memory: &Memory, bus: u64, fields: Fields) -> Result<Self, Complaint> {
        if !memory.reaches(bus, 16) {
            return Err(format!("the device cannot reach a descriptor at {bus:#x}"));
        }
        let bytes = memory.read(bus, 16);
        let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
        Ok(Self {
            bus: u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes")),
            len: u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes")),
            flags: word(fields.flags),
            last: word(fields.last),
        })
    }
}

impl Chain {
    /// Adds what a descriptor that is no table describes.
    pub(super) fn push(&mut self, descriptor: Descriptor) -> Result<(), Complaint> {
        let part = (descriptor.bus, descriptor.len);
        if descriptor.len == 0 {
            return Err("the driver made a part of no bytes".into());
        }
        if descriptor.flags & WRITE != 0 {
            self.writable.push(part);
        } else if self.writable.is_empty() {
            self.readable.push(part);
        } else {
            return Err("readable parts come first".into());
        }
        Ok(())
    }

    /// Follows a table that lies elsewhere (§2.7.5.3, §2.8.7): `Ok(entries)`.
    pub(super) fn table(&mut self, descriptor: Descriptor) -> Result<u32, Complaint> {
        if descriptor.flags & (NEXT | WRITE) != 0 {
            return Err("a table's descriptor has no other flag".into());
        }
        if descriptor.len == 0 || !descriptor.len.is_multiple_of(16) {
            return Err(format!("a table of {} bytes", descriptor.len));
        }
        self.tables.push((descriptor.bus, descriptor.len));
        Ok(descriptor.len / 16)
    }
}

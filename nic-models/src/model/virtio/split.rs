//! The split virtqueue from the device's side (virtio 1.2 §2.7).

use alloc::format;

use super::queue::{Chain, Complaint, Descriptor, Fields, INDIRECT, NEXT};
use crate::model::Memory;

/// How far the device has come in a split ring.
#[derive(Clone)]
pub(super) struct SplitRing {
    event_index: bool,
    /// Available entries taken so far.
    taken: u16,
    /// Used entries written so far.
    written: u16,
    /// The used index that the driver was last told.
    published: u16,
}

const FIELDS: Fields = Fields { flags: 12, last: 14 };

impl SplitRing {
    pub(super) fn new(event_index: bool) -> Self {
        Self { event_index, taken: 0, written: 0, published: 0 }
    }

    pub(super) fn available(&self, memory: &Memory, bus: [u64; 3]) -> u16 {
        memory.read16(bus[1] + 2).wrapping_sub(self.taken)
    }

    pub(super) fn take(&mut self, memory: &Memory, bus: [u64; 3], size: u16) -> Result<Option<Chain>, Complaint> {
        let waiting = self.available(memory, bus);
        if waiting == 0 {
            return Ok(None);
        }
        if waiting > size {
            return Err(format!("the driver offers {waiting} chains in a ring of {size}"));
        }
        let head = memory.read16(bus[1] + 4 + 2 * u64::from(self.taken & (size - 1)));
        self.taken = self.taken.wrapping_add(1);
        if self.event_index {
            Self::ask_at(memory, bus, size, self.taken);
        }
        chain(memory, bus[0], size, head).map(Some)
    }

    pub(super) fn ask_at(memory: &Memory, bus: [u64; 3], size: u16, index: u16) {
        memory.write16(bus[2] + 4 + 8 * u64::from(size), index);
    }

    pub(super) fn complete(&mut self, memory: &Memory, bus: [u64; 3], size: u16, id: u32, len: u32) {
        let at = bus[2] + 4 + 8 * u64::from(self.written & (size - 1));
        memory.write(at, &id.to_le_bytes());
        memory.write(at + 4, &len.to_le_bytes());
        self.written = self.written.wrapping_add(1);
    }

    pub(super) fn publish(&mut self, memory: &Memory, bus: [u64; 3], size: u16, ahead: u16) -> bool {
        let index = self.written.wrapping_add(ahead);
        memory.write16(bus[2] + 2, index);
        let old = core::mem::replace(&mut self.published, index);
        if !self.event_index {
            return memory.read16(bus[1]) & 1 == 0 && index != old;
        }
        // Widened, so that the model does not share the driver's arithmetic.
        let event = u32::from(memory.read16(bus[1] + 4 + 2 * u64::from(size)));
        let distance = (event + 65_536 - u32::from(old)) % 65_536;
        distance < u32::from(index.wrapping_sub(old))
    }
}

fn chain(memory: &Memory, table: u64, size: u16, head: u16) -> Result<Chain, Complaint> {
    let mut chain = Chain { head, ..Chain::default() };
    let mut index = head;
    for _ in 0..size {
        let descriptor = entry(memory, table, u32::from(size), index)?;
        if descriptor.flags & INDIRECT != 0 {
            let entries = chain.table(descriptor)?;
            follow(memory, descriptor.bus, entries, &mut chain)?;
            return Ok(chain);
        }
        chain.push(descriptor)?;
        if descriptor.flags & NEXT == 0 {
            return Ok(chain);
        }
        index = descriptor.last;
    }
    Err("the driver made a chain that loops".into())
}

/// The entries of an indirect table, which are linked as those of the ring are.
fn follow(memory: &Memory, table: u64, entries: u32, chain: &mut Chain) -> Result<(), Complaint> {
    let mut index = 0;
    for _ in 0..entries {
        let descriptor = entry(memory, table, entries, index)?;
        if descriptor.flags & INDIRECT != 0 {
            return Err("a table in a table".into());
        }
        chain.push(descriptor)?;
        if descriptor.flags & NEXT == 0 {
            return Ok(());
        }
        index = descriptor.last;
    }
    Err("the driver made a table that loops".into())
}

fn entry(memory: &Memory, table: u64, entries: u32, index: u16) -> Result<Descriptor, Complaint> {
    if u32::from(index) >= entries {
        return Err(format!("the driver names descriptor {index} of {entries}"));
    }
    Descriptor::read(memory, table + 16 * u64::from(index), FIELDS)
}

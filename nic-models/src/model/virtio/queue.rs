//! The split virtqueue from the device's side (virtio 1.2 §2.7).

use crate::model::Memory;

/// One queue as the driver set it up.
#[derive(Clone, Default)]
pub(super) struct Queue {
    /// What the device offers, and then what the driver chose.
    pub(super) size: u16,
    pub(super) vector: u16,
    pub(super) is_enabled: bool,
    /// Descriptor table, available ring, used ring.
    pub(super) bus: [u64; 3],
    pub(super) event_index: bool,
    /// Available entries taken so far.
    taken: u16,
    /// Used entries written so far.
    written: u16,
    /// The used index that the driver was last told.
    published: u16,
}

/// A chain of descriptors.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chain {
    /// Its first descriptor.
    pub head: u16,
    /// Address and length of each part that the device reads.
    pub readable: Vec<(u64, u32)>,
    /// Address and length of each part that the device writes.
    pub writable: Vec<(u64, u32)>,
}

const NEXT: u16 = 1;
const WRITE: u16 = 2;

impl Queue {
    /// A queue that the driver has not set up, without a vector.
    pub(super) fn idle(size: u16) -> Self {
        Self { size, vector: 0xffff, ..Self::default() }
    }

    /// Chains that the driver offers and the device has not taken.
    pub(super) fn available(&self, memory: &Memory) -> u16 {
        memory.read16(self.bus[1] + 2).wrapping_sub(self.taken)
    }

    /// Takes the next chain, and asks to be told of the one after it.
    pub(super) fn take(&mut self, memory: &Memory) -> Option<Chain> {
        if self.available(memory) == 0 {
            return None;
        }
        let head = memory.read16(self.bus[1] + 4 + 2 * u64::from(self.taken & (self.size - 1)));
        self.taken = self.taken.wrapping_add(1);
        if self.event_index {
            self.ask_at(memory, self.taken);
        }
        Some(self.chain(memory, head))
    }

    /// Gives the last chain that was taken back to the queue.
    pub(super) fn untake(&mut self) {
        self.taken = self.taken.wrapping_sub(1);
    }

    /// Asks to be told when the available index passes `index`.
    pub(super) fn ask_at(&self, memory: &Memory, index: u16) {
        memory.write16(self.bus[2] + 4 + 8 * u64::from(self.size), index);
    }

    /// Writes a used entry; the driver does not see it before [`Queue::publish`].
    pub(super) fn complete(&mut self, memory: &Memory, id: u32, len: u32) {
        let at = self.bus[2] + 4 + 8 * u64::from(self.written & (self.size - 1));
        memory.write(at, &id.to_le_bytes());
        memory.write(at + 4, &len.to_le_bytes());
        self.written = self.written.wrapping_add(1);
    }

    /// Tells the driver of all that is written; returns whether it wants an interrupt for it.
    pub(super) fn publish(&mut self, memory: &Memory) -> bool {
        self.publish_index(memory, self.written)
    }

    /// Tells the driver a used index, true or not.
    pub(super) fn publish_index(&mut self, memory: &Memory, index: u16) -> bool {
        memory.write16(self.bus[2] + 2, index);
        let old = core::mem::replace(&mut self.published, index);
        if !self.event_index {
            return memory.read16(self.bus[1]) & 1 == 0 && index != old;
        }
        // Widened, so that the model does not share the driver's arithmetic.
        let event = u32::from(memory.read16(self.bus[1] + 4 + 2 * u64::from(self.size)));
        let ahead = (event + 65_536 - u32::from(old)) % 65_536;
        ahead < u32::from(index.wrapping_sub(old))
    }

    /// Used entries written so far.
    pub(super) fn written(&self) -> u16 {
        self.written
    }

    fn chain(&self, memory: &Memory, head: u16) -> Chain {
        let mut chain = Chain { head, readable: Vec::new(), writable: Vec::new() };
        let mut index = head;
        for _ in 0..self.size {
            assert!(index < self.size, "the driver names descriptor {index} of {}", self.size);
            let bytes = memory.read(self.bus[0] + 16 * u64::from(index), 16);
            let word = |at: usize| u16::from_le_bytes([bytes[at], bytes[at + 1]]);
            let address = u64::from_le_bytes(bytes[..8].try_into().expect("eight bytes"));
            let len = u32::from_le_bytes(bytes[8..12].try_into().expect("four bytes"));
            let flags = word(12);
            if flags & WRITE == 0 {
                assert!(chain.writable.is_empty(), "readable parts come first");
                chain.readable.push((address, len));
            } else {
                chain.writable.push((address, len));
            }
            if flags & NEXT == 0 {
                return chain;
            }
            index = word(14);
        }
        panic!("the driver made a chain that loops");
    }
}

//! The packed virtqueue from the device's side (virtio 1.2 §2.8).
//!
//! Positions are counted from the start and never wrap: a position's place in the ring is its remainder, its lap says
//! which way the wrap counter stands.

use alloc::borrow::ToOwned as _;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use super::queue::{Chain, Complaint, Descriptor, Fields, INDIRECT, NEXT, WRITE};
use crate::model::Memory;

/// How far the device has come in a packed ring.
#[derive(Clone)]
pub(super) struct PackedRing {
    event_index: bool,
    /// The position of the next descriptor to take.
    taken: u64,
    /// The position of the next used descriptor.
    used: u64,
    /// Descriptors of each buffer that was taken.
    lengths: BTreeMap<u16, u64>,
    /// Numbers and lengths that are completed and not yet published.
    completed: Vec<(u16, u32)>,
}

const FIELDS: Fields = Fields { flags: 14, last: 12 };
const AVAILABLE: u16 = 1 << 7;
const USED: u16 = 1 << 15;
/// Event suppression (§2.8.10).
const EVENT_DISABLE: u16 = 1;
const EVENT_DESCRIPTOR: u16 = 2;

impl PackedRing {
    pub(super) fn new(event_index: bool) -> Self {
        Self { event_index, taken: 0, used: 0, lengths: BTreeMap::new(), completed: Vec::new() }
    }

    pub(super) fn available(&self, memory: &Memory, bus: [u64; 3], size: u16) -> u16 {
        let (mut at, mut chains) = (self.taken, 0);
        while at < self.taken + u64::from(size) {
            let Some(descriptor) = offered(memory, bus, size, at) else { break };
            at += 1;
            chains += u16::from(descriptor.flags & NEXT == 0);
        }
        chains
    }

    pub(super) fn take(&mut self, memory: &Memory, bus: [u64; 3], size: u16) -> Result<Option<Chain>, Complaint> {
        if offered(memory, bus, size, self.taken).is_none() {
            return Ok(None);
        }
        let mut chain = Chain::default();
        for count in 1..=u64::from(size) {
            let at = self.taken + count - 1;
            let descriptor =
                offered(memory, bus, size, at).ok_or("the driver offers a chain before it is complete".to_owned())?;
            if descriptor.flags & INDIRECT != 0 {
                let entries = chain.table(descriptor)?;
                follow(memory, descriptor.bus, entries, &mut chain)?;
            } else {
                chain.push(descriptor)?;
            }
            if descriptor.flags & NEXT == 0 {
                // The number of the last one counts (§2.8.6).
                chain.head = descriptor.last;
                self.taken += count;
                if self.event_index {
                    Self::ask_at(memory, bus, size, self.taken);
                }
                self.lengths.insert(chain.head, count);
                return Ok(Some(chain));
            }
        }
        Err("the driver made a chain longer than the ring".into())
    }

    pub(super) fn ask_at(memory: &Memory, bus: [u64; 3], size: u16, at: u64) {
        memory.write16(bus[2], place(at, size) as u16 | u16::from(lap(at, size)) << 15);
        memory.write16(bus[2] + 2, EVENT_DESCRIPTOR);
    }

    pub(super) fn complete(&mut self, id: u32, len: u32) {
        self.completed.push((id as u16, len));
    }

    pub(super) fn publish(&mut self, memory: &Memory, bus: [u64; 3], size: u16) -> Result<bool, Complaint> {
        let old = self.used;
        for (id, len) in core::mem::take(&mut self.completed) {
            let count = self.lengths.get(&id).copied().unwrap_or(1);
            mark_used(memory, bus, size, self.used, id, len);
            self.used += count;
        }
        let (event, flags) = (memory.read16(bus[1]), memory.read16(bus[1] + 2));
        let passed = || (old..self.used).any(|at| place(at, size) as u16 | u16::from(lap(at, size)) << 15 == event);
        match flags {
            EVENT_DISABLE => Ok(false),
            EVENT_DESCRIPTOR if self.event_index => Ok(passed()),
            0 => Ok(self.used != old),
            flags => Err(format!("the driver writes event flags {flags:#x}")),
        }
    }

    /// Marks `count` descriptors used that it did not complete.
    pub(super) fn mark_ahead(&mut self, memory: &Memory, bus: [u64; 3], size: u16, count: u16) {
        for at in self.used..self.used + u64::from(count) {
            let number = memory.read16(bus[0] + 16 * place(at, size) + 12);
            mark_used(memory, bus, size, at, number, 0);
        }
    }
}

/// The descriptor at a position, if the driver offers it (§2.8.1).
fn offered(memory: &Memory, bus: [u64; 3], size: u16, at: u64) -> Option<Descriptor> {
    let descriptor = Descriptor::read(memory, bus[0] + 16 * place(at, size), FIELDS).expect("the ring can be reached");
    let (available, used) = (descriptor.flags & AVAILABLE != 0, descriptor.flags & USED != 0);
    (available == lap(at, size) && used != lap(at, size)).then_some(descriptor)
}

/// The entries of an indirect table, which follow each other (§2.8.7).
fn follow(memory: &Memory, table: u64, entries: u32, chain: &mut Chain) -> Result<(), Complaint> {
    for index in 0..u64::from(entries) {
        let descriptor = Descriptor::read(memory, table + 16 * index, FIELDS)?;
        if descriptor.flags & INDIRECT != 0 {
            return Err("a table in a table".into());
        }
        chain.push(descriptor)?;
    }
    Ok(())
}

fn mark_used(memory: &Memory, bus: [u64; 3], size: u16, at: u64, id: u16, len: u32) {
    let descriptor = bus[0] + 16 * place(at, size);
    memory.write(descriptor + 8, &len.to_le_bytes());
    memory.write16(descriptor + 12, id);
    let written = if len > 0 { WRITE } else { 0 };
    memory.write16(descriptor + 14, written | if lap(at, size) { AVAILABLE | USED } else { 0 });
}

fn place(at: u64, size: u16) -> u64 {
    at % u64::from(size)
}

/// The wrap counter at a position: it starts at one.
fn lap(at: u64, size: u16) -> bool {
    (at / u64::from(size)).is_multiple_of(2)
}

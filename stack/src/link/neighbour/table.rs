//! The table behind the cache: a hash table with lists, every entry in order of its last use, free places in a list.
//!
//! Invariant: a place is either free or on exactly one list of the hash table and once in the order of use.

use core::net::IpAddr;

use lendwire_nic::MacAddress;

use super::{EVICTION_REACH, NIL, Neighbour, NeighbourSlot, Neighbours, State, Timing};
use crate::link::InterfaceId;
use crate::time::Instant;

impl Neighbours<'_> {
    pub(super) fn find(&self, interface: InterfaceId, address: IpAddr) -> Option<u32> {
        // Mostly packets go to who was sent to last: the gateway.
        let is = |index: u32| {
            self.slots
                .get(index as usize)
                .and_then(|slot| slot.neighbour.as_ref())
                .is_some_and(|neighbour| neighbour.address == address && neighbour.interface == interface)
        };
        if is(self.newest) {
            return Some(self.newest);
        }
        let mut index = self.slots.get(self.bucket(interface, address))?.bucket;
        while index != NIL {
            if is(index) {
                return Some(index);
            }
            index = self.slots[index as usize].next;
        }
        None
    }

    fn bucket(&self, interface: InterfaceId, address: IpAddr) -> usize {
        let mut key = [0; 17];
        key[0] = interface.index() as u8;
        match address {
            IpAddr::V4(address) => key[1..5].copy_from_slice(&address.octets()),
            IpAddr::V6(address) => key[1..].copy_from_slice(&address.octets()),
        }
        let hash = self.hasher.hash(&key) as u32;
        ((u64::from(hash) * self.slots.len() as u64) >> 32) as usize
    }

    pub(super) fn neighbour(&self, index: u32) -> &Neighbour {
        self.slots[index as usize].neighbour.as_ref().expect("lists only lead to places that are taken")
    }

    pub(super) fn neighbour_mut(&mut self, index: u32) -> &mut Neighbour {
        self.slots[index as usize].neighbour.as_mut().expect("lists only lead to places that are taken")
    }

    /// Makes an entry that was never used, or says that no place can be had.
    pub(super) fn insert(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        timing: Timing,
        now: Instant,
    ) -> Option<u32> {
        if self.free == NIL {
            self.evict(now)?;
        }
        let index = self.free;
        let bucket = self.bucket(interface, address);
        let next = core::mem::replace(&mut self.slots[bucket].bucket, index);
        let slot = &mut self.slots[index as usize];
        self.free = core::mem::replace(&mut slot.next, next);
        slot.neighbour = Some(Neighbour {
            interface,
            address,
            mac: MacAddress::default(),
            state: State::Incomplete { asked: 1 },
            deadline: now + timing.retransmission,
            used: None,
            retransmission: timing.retransmission,
            is_router: false,
        });
        // It goes where the next one to be evicted is looked for: who only speaks to us does not push out who we use.
        slot.older = NIL;
        slot.newer = core::mem::replace(&mut self.oldest, index);
        match slot.newer {
            NIL => self.newest = index,
            newer => self.slots[newer as usize].older = index,
        }
        Some(index)
    }

    fn evict(&mut self, now: Instant) -> Option<()> {
        let mut index = self.oldest;
        for _ in 0..EVICTION_REACH {
            if index == NIL {
                return None;
            }
            if !self.neighbour(index).is_pinned(now) {
                self.remove(index);
                return Some(());
            }
            index = self.slots[index as usize].newer;
        }
        None
    }

    fn remove(&mut self, index: u32) {
        let neighbour = self.neighbour(index);
        let bucket = self.bucket(neighbour.interface, neighbour.address);
        let next = self.slots[index as usize].next;
        if self.slots[bucket].bucket == index {
            self.slots[bucket].bucket = next;
        } else {
            let mut before = self.slots[bucket].bucket;
            while self.slots[before as usize].next != index {
                before = self.slots[before as usize].next;
            }
            self.slots[before as usize].next = next;
        }
        self.unlink(index);
        self.silences += 1;
        let slot = &mut self.slots[index as usize];
        slot.neighbour = None;
        slot.next = core::mem::replace(&mut self.free, index);
    }

    /// Makes an entry the one that was used last.
    pub(super) fn touch(&mut self, index: u32, now: Instant) {
        self.neighbour_mut(index).used = Some(now);
        if self.newest == index {
            return;
        }
        self.unlink(index);
        let older = core::mem::replace(&mut self.newest, index);
        let slot = &mut self.slots[index as usize];
        (slot.newer, slot.older) = (NIL, older);
        match older {
            NIL => self.oldest = index,
            older => self.slots[older as usize].newer = index,
        }
    }

    fn unlink(&mut self, index: u32) {
        let NeighbourSlot { newer, older, .. } = self.slots[index as usize];
        match newer {
            NIL => self.newest = older,
            newer => self.slots[newer as usize].older = older,
        }
        match older {
            NIL => self.oldest = newer,
            older => self.slots[older as usize].newer = newer,
        }
    }
}

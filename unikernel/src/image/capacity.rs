//! How much of everything the machine's memory has room for.
//!
//! Invariant: pools and tables together take less than a third of it, from 2 MiB up.

use alloc::boxed::Box;

use lendwire::Capacities;
use lendwire_nic::{Pool, Word};

use crate::arch::memory;

/// A frame of Ethernet's MTU with the device's header, in the power of two that a slot is.
const SLOT: usize = 2048;
/// What a connection takes in all tables together, and what it is likely to queue.
const MEMORY_A_CONNECTION: usize = 128 << 10;

/// The sizes of pools and tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    receive_slots: usize,
    transmit_slots: usize,
    pub(super) connections: usize,
}

/// The two pools: a full transmit side cannot stop reception.
#[derive(Clone, Copy)]
pub(super) struct Pools {
    pub(super) receive: &'static Pool,
    pub(super) transmit: &'static Pool,
}

impl Capacity {
    /// For a machine with `ram` bytes for its heap.
    pub(super) fn of(ram: usize) -> Self {
        Self {
            receive_slots: (ram / 16 / SLOT).clamp(64, 4096),
            transmit_slots: (ram / 32 / SLOT).clamp(32, 2048),
            connections: (ram / MEMORY_A_CONNECTION).clamp(16, 1024),
        }
    }

    pub(super) fn pools(&self) -> Pools {
        Pools { receive: pool(self.receive_slots), transmit: pool(self.transmit_slots) }
    }

    pub(super) fn tables(&self) -> Capacities {
        let connections = self.connections;
        Capacities {
            interfaces: 1,
            neighbours: 64,
            routes: 16,
            replies: 64,
            sockets: 4,
            // A datagram that waits pins a slot.
            datagrams: (self.receive_slots / 8).min(128),
            listeners: 8,
            handshakes: connections,
            connections,
            time_waits: connections,
            // Every slot may be queued, and static content beside them.
            cells: self.receive_slots + self.transmit_slots + 8 * connections,
        }
    }
}

fn pool(slots: usize) -> &'static Pool {
    let bytes = memory::uncleared(slots * SLOT).expect("pools take less than a tenth of the memory");
    let words = Box::leak((0..Pool::words(slots)).map(|_| Word::new(0)).collect());
    Box::leak(Box::new(Pool::new(bytes, SLOT, words).expect("the slots are of a legal size and number")))
}

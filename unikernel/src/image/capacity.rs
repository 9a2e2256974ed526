//! How much of everything the machine's memory has room for.
//!
//! Invariant: pools and tables together take less than a third of it, but for the smallest machines; and no four
//! connections can hold all slots that frames arrive in.

use alloc::boxed::Box;

use lendwire::Capacities;
use lendwire::tcp::TcpConfig;
use lendwire_nic::{Pool, Word};

use crate::arch::memory;

/// A frame of Ethernet's MTU with the device's header, in the power of two that a slot is.
const SLOT: usize = 2048;
/// Frames that a device made one of many fill longer slots: it takes some hundreds of instructions to give a slot to the
/// device and to take it back, however long it is.
const LONGEST_SLOT: usize = 16384;
/// Memory from which on frames arrive in the longest slots: a short frame wastes most of one.
const MUCH_MEMORY: usize = 128 << 20;
/// Slots that a device's rings are likely to hold, which so are not there for what waits to be read.
const RINGS: usize = 512;
/// The same where there is no room for so many: what a virtio device holds, whose ring is half as long as an e1000's.
const SHORT_RINGS: usize = 256;
/// Memory below which rings are short.
const LITTLE_MEMORY: usize = 2 << 20;
/// Slots without which nothing can be received while something waits to be read.
const FEWEST_WAITING: usize = 16;
/// The most slots that one connection holds of what it receives: what a fast link carries in a few milliseconds.
const LONGEST_WINDOW: usize = 512;
/// What a connection takes in all tables together, and what it is likely to queue.
const MEMORY_A_CONNECTION: usize = 128 << 10;

/// The sizes of pools and tables.
#[derive(Clone, Copy, Debug)]
pub(super) struct Capacity {
    receive_slot: usize,
    receive_slots: usize,
    /// Of them, those that are not the device's.
    waiting_slots: usize,
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
        let receive_slot = if ram < MUCH_MEMORY { SLOT } else { LONGEST_SLOT };
        let share = if ram < MUCH_MEMORY { 16 } else { 8 };
        let waiting_slots = (ram / share / receive_slot).clamp(48, 4096);
        let rings = if ram < LITTLE_MEMORY { SHORT_RINGS } else { RINGS };
        Self {
            receive_slot,
            receive_slots: rings + waiting_slots,
            waiting_slots,
            transmit_slots: (ram / 32 / SLOT).clamp(32, 2048),
            connections: (ram / MEMORY_A_CONNECTION).clamp(16, 1024),
        }
    }

    pub(super) fn pools(&self) -> Pools {
        Pools { receive: pool(self.receive_slots, self.receive_slot), transmit: pool(self.transmit_slots, SLOT) }
    }

    /// The same once a device has filled its rings from `receive`: one with many queues leaves less to wait in. None when
    /// that is too little to serve with.
    pub(super) fn beside_device(self, receive: &Pool) -> Option<Self> {
        let waiting_slots = receive.available();
        (waiting_slots >= FEWEST_WAITING).then_some(Self { waiting_slots, ..self })
    }

    /// See [`lendwire_unikernel::apps::Supplies::receive_reserve`].
    pub(super) fn receive_reserve(&self) -> usize {
        self.waiting_slots / 4
    }

    /// The settings of TCP: what one connection may hold of what it receives is an eighth of what all can, so that a
    /// burst is worth its interrupt and its doorbells; of what it sends, a sixteenth.
    pub(super) fn tcp(&self) -> TcpConfig {
        let waiting = self.waiting_slots * self.receive_slot;
        let share = (waiting / 16) as u32;
        let send_budget = TcpConfig::DEFAULT.send_budget;
        let longest = (LONGEST_WINDOW * self.receive_slot) as u32;
        TcpConfig {
            receive_memory: Some(waiting - waiting / 4),
            receive_budget: longest.min((2 * share).max(8 << 10)),
            // A page with counters is queued whole.
            send_budget: send_budget.min(share.max(16 << 10)),
            ..TcpConfig::DEFAULT
        }
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
            flights: connections,
            runs: 4 * connections,
            batches: 8,
            servers: 64,
        }
    }
}

fn pool(slots: usize, slot: usize) -> &'static Pool {
    let bytes = memory::uncleared(slots * slot).expect("there is memory for the least of pools");
    let words = Box::leak((0..Pool::words(slots)).map(|_| Word::new(0)).collect());
    Box::leak(Box::new(Pool::new(bytes, slot, words).expect("the slots are of a legal size and number")))
}

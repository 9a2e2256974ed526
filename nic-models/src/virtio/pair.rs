//! One receive queue and one transmit queue: what packets need of a device, and what it shares with no other pair.
//!
//! Invariant: a pair's rings and headers lie in a run of their own, which goes back only after the device has stopped;
//! the notes of what it holds lie elsewhere, where it sees nothing.

use lendwire_nic::{Fault, Pool};

use super::bounce::{BOUNCE_RING, Route, transmit_slot};
use super::features::Features;
use super::probe::{Memory, ProbeError, Run, shape};
use super::receive::{Receiver, Refill};
use super::ring::{Ring, Shape, Wish};
use super::transmit::{HEADER_SLOT, TransmitSlots, Transmitter};
use super::transport::{Doorbell, NO_VECTOR, Stopped, Transport};
use crate::platform::Platform;
use crate::registers::Registers;

/// One of a pair's queues.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Side {
    Receive,
    Transmit,
}

/// What a ring of the device cannot have completed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Lie {
    pub(super) side: Side,
    pub(super) fault: Fault,
}

impl Side {
    pub(super) fn lied(self, fault: Fault) -> Lie {
        Lie { side: self, fault }
    }
}

/// What a pair receives into, and how long its frames are.
#[derive(Clone, Copy)]
pub(super) struct Intake {
    pub(super) pool: &'static Pool,
    /// Slots of the pool that it may have.
    pub(super) share: usize,
    pub(super) mtu: u16,
}

/// The queues.
pub(super) struct Pair {
    pub(super) receiver: Receiver,
    pub(super) transmitter: Transmitter,
    /// The numbers of both, as the device counts them.
    queues: [u16; 2],
    shapes: [Shape; 2],
    vectors: [u16; 2],
    doorbells: [Doorbell; 2],
    /// The run behind both rings and the header slots.
    memory: Run,
}

impl Pair {
    /// Sets aside the memory of pair `number`; the device, which is stopped, hears of it in [`Pair::connect`].
    pub(super) fn new<R: Registers>(
        number: u16,
        transport: &Transport<R>,
        features: Features,
        platform: &impl Platform,
        Intake { pool, share, mtu }: Intake,
        stopped: &Stopped,
    ) -> Result<Self, ProbeError> {
        // virtio 1.2 §5.1.2: receiveqN is 2N, transmitqN is 2N+1, both from zero.
        let queues = [2 * number, 2 * number + 1];
        let shapes = [shape(transport, queues[0], features)?.for_slots(share), shape(transport, queues[1], features)?];
        let route = Route::of(platform, pool);
        let (shapes, slot, landing) = match route {
            Route::Lent => (shapes, HEADER_SLOT, None),
            Route::Copied => {
                (shapes.map(|shape| shape.at_most(BOUNCE_RING)), transmit_slot(mtu), Some(pool.slot_size()))
            }
        };
        let mut memory = Memory::take(platform, shapes, slot, landing).ok_or(ProbeError::NoMemory)?;
        let receive_ring = Ring::new(platform, memory.receive, shapes[0]);
        let transmit_ring = Ring::new(platform, memory.transmit, shapes[1]);
        let (receive_ring, transmit_ring) = match (receive_ring, transmit_ring) {
            (Some(receive), Some(transmit)) => (receive, transmit),
            (receive, transmit) => {
                receive.into_iter().for_each(|mut ring| ring.release(platform));
                transmit.into_iter().for_each(|mut ring| ring.release(platform));
                memory.run.release(platform, stopped);
                return Err(ProbeError::NoMemory);
            }
        };
        Ok(Self {
            receiver: Receiver::new(receive_ring, pool, features, memory.landing),
            transmitter: Transmitter::new(transmit_ring, TransmitSlots::new(memory.headers, slot, route), features),
            queues,
            shapes,
            vectors: [NO_VECTOR; 2],
            doorbells: [Doorbell::NONE; 2],
            memory: memory.run,
        })
    }

    /// Hands both queues to the device, and gives it slots to receive into. `vectors` are for frames that arrived, and
    /// for those that left.
    pub(super) fn connect<R: Registers>(
        &mut self,
        transport: &Transport<R>,
        vectors: [u16; 2],
        platform: &impl Platform,
    ) -> Result<(), ProbeError> {
        self.vectors = vectors;
        let rings = [self.receiver.ring.bus(), self.transmitter.ring.bus()];
        for (index, bus) in rings.into_iter().enumerate() {
            // A device may have shrunk since it was looked at.
            if transport.queue_size(self.queues[index]) < self.shapes[index].size {
                return Err(ProbeError::BadQueue);
            }
            self.doorbells[index] =
                transport.enable_queue(self.queues[index], self.shapes[index].size, bus, vectors[index])?;
        }
        match self.receiver.refill(platform) {
            Refill::Done | Refill::Starved => Ok(()),
            Refill::Unreachable => Err(ProbeError::PoolUnreachable),
        }
    }

    /// Stops one of the queues, drops what it held, and hands it to the device as new. Returns whether it could be.
    pub(super) fn restart_queue<R: Registers>(
        &mut self,
        side: Side,
        transport: &Transport<R>,
        platform: &impl Platform,
    ) -> bool {
        let index = side as usize;
        if !transport.reset_queue(self.queues[index]) {
            return false;
        }
        let bus = match side {
            Side::Receive => {
                self.receiver.ring.reset();
                self.receiver.ring.bus()
            }
            Side::Transmit => {
                self.transmitter.ring.reset();
                self.transmitter.ring.bus()
            }
        };
        let size = self.shapes[index].size;
        let enabled = transport.enable_queue(self.queues[index], size, bus, self.vectors[index]);
        let Ok(doorbell) = enabled else { return false };
        self.doorbells[index] = doorbell;
        self.receiver.refill(platform) != Refill::Unreachable
    }

    /// As new, after the device was reset: what the queues held is dropped.
    pub(super) fn reset(&mut self) {
        self.receiver.ring.reset();
        self.transmitter.ring.reset();
    }

    /// Rings for what was queued since the last time.
    pub(super) fn kick<R: Registers>(&mut self, transport: &Transport<R>) -> Rung {
        let wanted = [self.receiver.ring.must_kick(), self.transmitter.ring.must_kick()];
        for (doorbell, _) in self.doorbells.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            transport.ring(*doorbell);
        }
        let [receive, transmit] = wanted.map(u64::from);
        Rung { receive, transmit }
    }

    /// Whether a flush would find nothing to do: nothing was queued, sent or received since the last one.
    #[inline(always)]
    pub(super) fn is_quiet(&self) -> bool {
        let (receive, transmit) = (&self.receiver.ring, &self.transmitter.ring);
        receive.room() == 0 && receive.is_settled() && transmit.is_settled() && !transmit.is_done()
    }

    /// Once a burst: [`Pair::kick`], and what was asked of interrupts is asked again where it does not last.
    #[inline(always)]
    pub(super) fn flush<R: Registers>(&mut self, transport: &Transport<R>) -> Rung {
        self.receiver.ring.keep_masked();
        self.transmitter.ring.keep_masked();
        if self.receiver.ring.is_shown() && self.transmitter.ring.is_shown() {
            return Rung::default();
        }
        self.kick(transport)
    }

    /// Rings for the receive queue, whether there is news or not; returns how often.
    pub(super) fn ring_receive<R: Registers>(&self, transport: &Transport<R>) -> u64 {
        transport.ring(self.doorbells[0]);
        1
    }

    /// Asks for an interrupt at the next frame, and for one when a short transmit ring is long again. Returns whether
    /// there is work already.
    pub(super) fn arm(&mut self) -> Result<bool, Lie> {
        let received = self.receiver.ring.arm(Wish::Next).map_err(|fault| Side::Receive.lied(fault))?;
        if !self.transmitter.is_short() {
            self.transmitter.ring.mask();
            return Ok(received);
        }
        let sent = self.transmitter.ring.arm(Wish::Most).map_err(|fault| Side::Transmit.lied(fault))?;
        Ok(sent || received)
    }

    pub(super) fn mask(&mut self) {
        self.receiver.ring.mask();
        self.transmitter.ring.mask();
    }

    /// Lets go what the queues held, and gives their memory back.
    pub(super) fn release(&mut self, platform: &impl Platform, stopped: &Stopped) {
        self.receiver.ring.release(platform);
        self.transmitter.ring.release(platform);
        self.memory.release(platform, stopped);
    }

    /// Gives up what a device that did not stop may still use.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.receiver.ring.abandon(platform);
        self.transmitter.ring.abandon(platform);
        self.memory.abandon();
    }
}

/// How often doorbells were rung.
#[derive(Clone, Copy, Default)]
pub(super) struct Rung {
    pub(super) receive: u64,
    transmit: u64,
}

impl Rung {
    pub(super) fn and(self, other: Self) -> Self {
        Self { receive: self.receive + other.receive, transmit: self.transmit + other.transmit }
    }

    pub(super) fn count(self) -> u64 {
        self.receive + self.transmit
    }
}

/// The vectors of pair `number`, of `vectors` that there are: the first three are pair 0's and the configuration's, the
/// others follow two by two. What is missing is told by the one before.
pub(super) fn pair_vectors(number: u16, vectors: u16) -> [u16; 2] {
    let vector = |wanted: u16, otherwise: u16| if wanted < vectors { wanted } else { otherwise };
    let first = vector(0, NO_VECTOR);
    let receive = if number == 0 { first } else { vector(2 * number + 1, first) };
    let transmit = if number == 0 { vector(1, first) } else { vector(2 * number + 2, receive) };
    [receive, transmit]
}

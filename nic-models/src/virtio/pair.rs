//! One receive queue and one transmit queue: what packets need of a device, and what it shares with no other pair.
//!
//! Invariant: a pair's rings and headers lie in a run of their own, which goes back only after the device has stopped.

use lendwire_nic::{Fault, Pool};

use super::features::Features;
use super::probe::{Memory, ProbeError, shape};
use super::receive::{Receiver, Refill};
use super::ring::{Ring, Shape, Wish};
use super::transmit::Transmitter;
use super::transport::{Doorbell, NO_VECTOR, Transport};
use crate::platform::{Dma, Platform};
use crate::registers::Registers;

/// The queues.
pub(super) struct Pair {
    pub(super) receiver: Receiver,
    pub(super) transmitter: Transmitter,
    /// The numbers of both, as the device counts them.
    queues: [u16; 2],
    shapes: [Shape; 2],
    doorbells: [Doorbell; 2],
    /// The run behind both rings and the header slots; `None` once it was given back.
    memory: Option<Dma>,
}

impl Pair {
    /// Sets aside the memory of pair `number`; the device hears of it in [`Pair::connect`].
    pub(super) fn new<R: Registers>(
        number: u16,
        transport: &Transport<R>,
        features: Features,
        platform: &impl Platform,
        receive: &'static Pool,
    ) -> Result<Self, ProbeError> {
        // virtio 1.2 §5.1.2: receiveqN is 2N, transmitqN is 2N+1, both from zero.
        let queues = [2 * number, 2 * number + 1];
        let shapes = [shape(transport, queues[0], features)?, shape(transport, queues[1], features)?];
        let memory = Memory::take(platform, shapes).ok_or(ProbeError::NoMemory)?;
        let receive_ring = Ring::new(memory.receive, shapes[0]);
        let transmit_ring = Ring::new(memory.transmit, shapes[1]);
        Ok(Self {
            receiver: Receiver::new(receive_ring, receive, features),
            transmitter: Transmitter::new(transmit_ring, memory.headers),
            queues,
            shapes,
            doorbells: [Doorbell::NONE; 2],
            memory: Some(memory.run),
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
        let rings = [self.receiver.ring.bus(), self.transmitter.ring.bus()];
        for (index, bus) in rings.into_iter().enumerate() {
            self.doorbells[index] =
                transport.enable_queue(self.queues[index], self.shapes[index].size, bus, vectors[index])?;
        }
        match self.receiver.refill(platform) {
            Refill::Done | Refill::Starved => Ok(()),
            Refill::Unreachable => Err(ProbeError::PoolUnreachable),
        }
    }

    /// Rings for what was queued since the last time; returns how often.
    pub(super) fn kick<R: Registers>(&mut self, transport: &Transport<R>) -> u64 {
        let wanted = [self.receiver.ring.must_kick(), self.transmitter.ring.must_kick()];
        for (doorbell, _) in self.doorbells.iter().zip(wanted).filter(|(_, wanted)| *wanted) {
            transport.ring(*doorbell);
        }
        wanted.into_iter().map(u64::from).sum()
    }

    /// Asks for an interrupt at the next frame, and for one when a short transmit ring is long again. Returns whether
    /// there is work already.
    pub(super) fn arm(&mut self) -> Result<bool, Fault> {
        let received = self.receiver.ring.arm(Wish::Next)?;
        if !self.transmitter.is_short() {
            self.transmitter.ring.mask();
            return Ok(received);
        }
        Ok(self.transmitter.ring.arm(Wish::Most)? || received)
    }

    pub(super) fn mask(&mut self) {
        self.receiver.ring.mask();
        self.transmitter.ring.mask();
    }

    pub(super) fn keep_masked(&mut self) {
        self.receiver.ring.keep_masked();
        self.transmitter.ring.keep_masked();
    }

    /// Lets go what the queues held, and gives their memory back.
    ///
    /// # Safety
    /// The device has stopped, or was never given the queues. They are not used again.
    pub(super) unsafe fn release(&mut self, platform: &impl Platform) {
        self.receiver.ring.reset();
        self.transmitter.ring.reset();
        let Some(memory) = self.memory.take() else { return };
        // SAFETY: the caller's promise covers device and driver.
        unsafe { platform.release(memory) };
    }

    /// Gives up what a device that did not stop may still use.
    pub(super) fn abandon(&mut self) {
        self.receiver.ring.abandon();
        self.transmitter.ring.abandon();
        self.memory = None;
    }
}

/// The vectors of a pair whose messages begin at `first`, of `vectors` that there are.
pub(super) fn pair_vectors(first: u16, vectors: u16) -> [u16; 2] {
    let vector = |wanted: u16, otherwise: u16| if wanted < vectors { wanted } else { otherwise };
    let receive = vector(first, NO_VECTOR);
    [receive, vector(first + 1, receive)]
}

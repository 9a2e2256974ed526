//! The control queue: one command at a time, and what the device says to it (virtio 1.2 §5.1.6.5).
//!
//! Invariant: a command is waited for in a bounded number of looks. A device that has not answered by then is given no
//! further command, for the answer may still come: packets pass as before, and it is counted once.

use lendwire_nic::Fault;

use super::features::Features;
use super::probe::{Memory, ProbeError, Run, pairs, shape};
use super::ring::{Access, Buffer, Ring, Shape};
use super::transport::{Doorbell, NO_VECTOR, Stopped, Transport, status};
use crate::dma::Area;
use crate::platform::Platform;
use crate::registers::Registers;

/// What the device is told to do: class and command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    /// To receive what is for others too, or not (one byte).
    Promiscuous,
    /// To receive what is for any group, or not (one byte).
    AllMulticast,
    /// To receive for these further addresses and groups (two counted lists).
    Addresses,
    /// To have this address.
    Address,
    /// To receive from this VLAN.
    AddVlan,
    /// To receive from it no more.
    RemoveVlan,
    /// To take note that addresses were announced.
    Announced,
    /// To use this many pairs of queues.
    Pairs,
    /// To spread frames over pairs of queues by their hash.
    Spread,
    /// To report the hash of each frame.
    Hash,
    /// To hand up frames in these ways only (8 bytes of features).
    GuestOffloads,
}

impl Order {
    const fn code(self) -> [u8; 2] {
        match self {
            Self::Promiscuous => [0, 0],
            Self::AllMulticast => [0, 1],
            Self::Addresses => [1, 0],
            Self::Address => [1, 1],
            Self::AddVlan => [2, 0],
            Self::RemoveVlan => [2, 1],
            Self::Announced => [3, 0],
            Self::Pairs => [4, 0],
            Self::Spread => [4, 1],
            Self::Hash => [4, 2],
            Self::GuestOffloads => [5, 0],
        }
    }
}

/// Why a command was not obeyed. Each is counted once, where it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unheard {
    /// The device cannot do it, or not this way.
    Refused,
    /// The device does not answer, or answers what it was not asked.
    Mute(Fault),
    /// There is no control queue, or it was given up before.
    NotAsked,
}

/// The queue.
pub(super) struct Control {
    ring: Ring<()>,
    /// The command, and behind it the answer.
    buffer: Area,
    shape: Shape,
    doorbell: Doorbell,
    is_given_up: bool,
    /// Doorbells rung since [`Control::take_kicks`].
    kicks: u64,
    memory: Run,
}

/// Bytes of the longest command: a MAC table with 64 groups.
const COMMAND_LEN: usize = 512;
/// Where the answer stands.
const ANSWER: usize = COMMAND_LEN;
const BUFFER_LEN: usize = COMMAND_LEN + 8;
/// What stands there until the device writes.
const NO_ANSWER: u32 = 0xff;
const OK: u32 = 0;

/// Descriptors that the queue has at most: a command takes two.
const SIZE: u16 = 16;

/// Looks at the queue before a device is given up. Most devices answer while they are told; after the first looks each
/// goes with a pause, for a hypervisor's other threads may have to wait for a processor: a second in all.
const LOOKS: u32 = if cfg!(miri) { 200 } else { 20_000 };
const LOOKS_AT_ONCE: u32 = 100;
const PAUSE_MICROS: u32 = 50;

impl Control {
    /// Sets aside the memory of the control queue, where there is one.
    pub(super) fn new<R: Registers>(
        transport: &Transport<R>,
        features: Features,
        platform: &impl Platform,
        stopped: &Stopped,
    ) -> Result<Self, ProbeError> {
        if !features.contains(Features::CTRL_VQ) {
            return Err(ProbeError::BadQueue);
        }
        let shape = shape(transport, Self::number(transport, features)?, features)?.at_most(SIZE);
        let (mut memory, ring, buffer) = Memory::of_control(platform, shape, BUFFER_LEN).ok_or(ProbeError::NoMemory)?;
        let Some(ring) = Ring::new(platform, ring, shape) else {
            memory.release(platform, stopped);
            return Err(ProbeError::NoMemory);
        };
        Ok(Self { ring, buffer, shape, doorbell: Doorbell::NONE, is_given_up: false, kicks: 0, memory })
    }

    /// The number of the queue: it comes after those of all pairs that the device has (§5.1.2).
    pub(super) fn number<R: Registers>(transport: &Transport<R>, features: Features) -> Result<u16, ProbeError> {
        let pairs = pairs(transport, features)?;
        pairs.checked_mul(2).ok_or(ProbeError::BadQueue)
    }

    /// Hands queue number `queue` to the device. Nothing is ever waited for by interrupt.
    pub(super) fn connect<R: Registers>(&mut self, queue: u16, transport: &Transport<R>) -> Result<(), ProbeError> {
        self.doorbell = transport.enable_queue(queue, self.shape.size, self.ring.bus(), NO_VECTOR)?;
        Ok(())
    }

    /// Gives one order with what belongs to it, and waits for the answer.
    pub(super) fn give<R: Registers>(
        &mut self,
        transport: &Transport<R>,
        platform: &impl Platform,
        order: Order,
        data: &[&[u8]],
    ) -> Result<(), Unheard> {
        if self.is_given_up {
            return Err(Unheard::NotAsked);
        }
        self.buffer.write_bytes(0, &order.code());
        let mut len = 2;
        for data in data {
            self.buffer.write_bytes(len, data);
            len += data.len();
        }
        self.buffer.write32(ANSWER, NO_ANSWER);
        let command = Buffer { bus: self.buffer.bus(0), len: len as u32, held: None };
        let answer = Buffer { bus: self.buffer.bus(ANSWER), len: 1, held: None };
        let queued = self.ring.push(Access::Answered, command, core::iter::once(Some(answer)));
        debug_assert_eq!(queued, Ok(()), "the queue is empty between two commands");
        if self.ring.must_kick() {
            transport.ring(self.doorbell);
            self.kicks += 1;
        }
        match self.wait(transport, platform) {
            Ok(()) if self.buffer.read32(ANSWER) & 0xff == OK => Ok(()),
            Ok(()) => Err(Unheard::Refused),
            Err(fault) => {
                self.is_given_up = true;
                Err(Unheard::Mute(fault))
            }
        }
    }

    /// Doorbells rung since the last call.
    pub(super) fn take_kicks(&mut self) -> u64 {
        core::mem::take(&mut self.kicks)
    }

    fn wait<R: Registers>(&mut self, transport: &Transport<R>, platform: &impl Platform) -> Result<(), Fault> {
        for look in 0..LOOKS {
            if self.ring.complete()?.is_some() {
                return Ok(());
            }
            if look >= LOOKS_AT_ONCE {
                platform.stall(PAUSE_MICROS);
            }
            // A device that is gone, or gave up, answers nothing any more; all ones has this bit too.
            if transport.status() & status::NEEDS_RESET != 0 {
                break;
            }
        }
        Err(Fault::Unheard)
    }

    /// As new, after the device was reset; what was given up stays so.
    pub(super) fn reset(&mut self) {
        self.ring.reset();
    }

    /// Gives its memory back.
    pub(super) fn release(&mut self, platform: &impl Platform, stopped: &Stopped) {
        self.is_given_up = true;
        self.ring.release(platform);
        self.memory.release(platform, stopped);
    }

    /// Leaves its memory to a device that did not stop.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.is_given_up = true;
        self.ring.abandon(platform);
        self.memory.abandon();
    }
}

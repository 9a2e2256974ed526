//! Bounce mode: a device that may not see the guest's memory works on copies in memory that was set aside for it.
//!
//! A guest whose memory is encrypted, or a device behind a translation that maps only DMA memory, has no other way. The
//! platform says so by having no bus address for the receive pool. Every byte that is copied is counted
//! ([`NicStatistics::copied`](lendwire_nic::NicStatistics)).
//!
//! Invariant: a driver is in this mode from its start or never; out of it there is no memory to copy to. Bytes are
//! copied out once, and only the copy is looked at: the device may write on.

use lendwire_nic::{ChunkMut, Fault, Pool};

use super::header::LONGEST_HEADER;
use crate::dma::Area;
use crate::platform::Platform;

/// Descriptors of a ring in this mode: each has a buffer of its own.
pub(super) const BOUNCE_RING: u16 = 64;

/// How bytes pass between stack and device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// The device reads and writes the stack's own memory.
    Lent,
    /// It reads and writes copies.
    Copied,
}

impl Route {
    pub(super) fn of(platform: &impl Platform, receive: &Pool) -> Self {
        match platform.bus_address(receive.memory().0) {
            Some(_) => Self::Lent,
            None => Self::Copied,
        }
    }
}

/// Bytes of a transmit buffer in this mode: all headers, and a frame of `mtu` bytes behind Ethernet's.
pub(super) fn transmit_slot(mtu: u16) -> usize {
    (LONGEST_HEADER + 18 + usize::from(mtu)).next_multiple_of(64)
}

/// Where a device in this mode puts frames: a buffer for each descriptor, of the size of a pool's slot.
pub(super) struct Landing {
    area: Area,
    slot: usize,
}

impl Landing {
    pub(super) fn new(area: Area, slot: usize) -> Self {
        Self { area, slot }
    }

    /// The buffer of descriptor `head`.
    pub(super) fn bus(&self, head: usize) -> u64 {
        self.area.bus(head * self.slot)
    }

    pub(super) fn slot(&self) -> usize {
        self.slot
    }

    /// Copies the first `written` bytes of the buffer of descriptor `head` to a slot of `pool`.
    pub(super) fn copy(&self, head: usize, written: usize, pool: &'static Pool) -> Result<ChunkMut, Fault> {
        if written > self.slot {
            return Err(Fault::BadLength);
        }
        let mut slot = pool.take().ok_or(Fault::NoSlot)?;
        self.area.read_bytes(head * self.slot, &mut slot.bytes_mut()[..written]);
        Ok(slot)
    }
}

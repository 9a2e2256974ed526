//! A driver for the simplest card there could be: one register each for what it must know, and two rings of descriptors.
//!
//! A descriptor is 16 bytes: the address of a buffer (8), its length (4), flags (2). The driver gives the card all
//! descriptors up to an index, by writing the index to a register; the card works through them in order and sets `DONE`
//! in each, and in a received one the length that it wrote. `LAST` ends a packet.

use core::sync::atomic::Ordering;

use lendwire_drivers::dma::Area;
use lendwire_drivers::platform::{Dma, Platform};
use lendwire_drivers::registers::Registers;
use lendwire_drivers::sendable::is_sendable;
use lendwire_nic::{
    Chunk, ChunkMut, Fault, Full, Interrupts, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool,
    RxPacket, TxPacket,
};

pub(crate) mod register {
    pub(crate) const ADDRESS: usize = 0x00;
    /// Where a ring lies, and the index that its descriptors are given up to: receive, transmit.
    pub(crate) const RING: [usize; 2] = [0x08, 0x10];
    pub(crate) const GIVEN: [usize; 2] = [0x18, 0x1c];
    /// 1 runs the card, 0 stops it.
    pub(crate) const RUN: usize = 0x20;
    /// 1 lets it interrupt.
    pub(crate) const INTERRUPT: usize = 0x24;
}
pub(crate) const ENTRIES: usize = 64;
pub(crate) const ENTRY: usize = 16;
pub(crate) const DONE: u16 = 1;
pub(crate) const LAST: u16 = 2;

/// One ring. What the card may be using is held here, in memory that it cannot reach, and let go when it is done.
struct Ring<H> {
    area: Area,
    held: [Option<H>; ENTRIES],
    given: usize,
    taken: usize,
}

impl<H> Ring<H> {
    fn new(area: Area) -> Self {
        Self { area, held: [const { None }; ENTRIES], given: 0, taken: 0 }
    }

    fn room(&self) -> usize {
        ENTRIES - (self.given - self.taken)
    }

    fn give(&mut self, bus: u64, len: usize, flags: u16, held: H) {
        let index = self.given % ENTRIES;
        self.area.write64(index * ENTRY, bus);
        self.area.write32(index * ENTRY + 8, len as u32);
        self.area.write16(index * ENTRY + 12, flags, Ordering::Release);
        self.held[index] = Some(held);
        self.given += 1;
    }

    fn is_done(&self) -> bool {
        let flags = self.area.read16(self.taken % ENTRIES * ENTRY + 12, Ordering::Acquire);
        self.taken < self.given && flags & DONE != 0
    }

    /// The next descriptor that the card is done with: what it held, and the length that stands there now.
    fn take(&mut self) -> Option<(H, usize)> {
        if !self.is_done() {
            return None;
        }
        let index = self.taken % ENTRIES;
        self.taken += 1;
        let len = self.area.read32(index * ENTRY + 8) as usize;
        Some((self.held[index].take()?, len))
    }
}

pub(crate) struct FirstNic<P: Platform, R: Registers> {
    platform: P,
    registers: R,
    memory: Option<Dma>,
    receive: Ring<ChunkMut>,
    transmit: Ring<Chunk>,
    pool: &'static Pool,
    headers: &'static Pool,
    info: NicInfo,
    statistics: NicStatistics,
}

impl<P: Platform, R: Registers> FirstNic<P, R> {
    /// Starts the card. Frames arrive in `pool`; `headers` has slots for the headers of what is sent. `None`: no memory.
    pub(crate) fn start(platform: P, registers: R, pool: &'static Pool, headers: &'static Pool) -> Option<Self> {
        let memory = platform.dma(2 * ENTRIES * ENTRY, 64)?;
        // SAFETY: the run is given back only in `drop`, after the card was stopped; the two halves do not overlap.
        let area = |half: usize| unsafe { Area::of(&memory, half * ENTRIES * ENTRY, ENTRIES * ENTRY) };
        let (receive, transmit) = (Ring::new(area(0)), Ring::new(area(1)));
        for (ring, bus) in register::RING.into_iter().zip([receive.area.bus(0), transmit.area.bus(0)]) {
            registers.write32(ring, bus as u32);
            registers.write32(ring + 4, (bus >> 32) as u32);
        }
        registers.write32(register::RUN, 1);
        let address = MacAddress(core::array::from_fn(|byte| registers.read8(register::ADDRESS + byte)));
        let offloads = Offloads::empty();
        let info = NicInfo { name: "first", address, mtu: 1500, offloads, max_parts: 16, queues: 1 };
        let statistics = NicStatistics::default();
        let memory = Some(memory);
        let mut nic = Self { platform, registers, memory, receive, transmit, pool, headers, info, statistics };
        nic.flush();
        Some(nic)
    }

    fn bus(&self, bytes: &[u8]) -> Option<u64> {
        self.platform.bus_address(core::ptr::NonNull::from_ref(bytes.first()?))
    }
}

impl<P: Platform, R: Registers> Nic for FirstNic<P, R> {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        // What can never be sent is dropped and counted, or it would block the queue for ever.
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        // All or nothing: look for room before anything changes.
        if self.transmit.room() < 1 + packet.payload().parts().count() {
            return Err(Full);
        }
        // Headers are copied, for the stack will write the next ones in the same place; payload is held, not copied.
        let mut slot = self.headers.take().ok_or(Full)?;
        slot.bytes_mut()[..packet.header().len()].copy_from_slice(packet.header());
        let header = slot.freeze(packet.header().len());
        let parts = packet.payload().parts().map(|part| part.hold());
        let mut chunks = core::iter::once(header).chain(parts).peekable();
        while let Some(chunk) = chunks.next() {
            let last = if chunks.peek().is_none() { LAST } else { 0 };
            let bus = self.bus(&chunk).expect("the kernel of this example shares all of its memory");
            self.transmit.give(bus, chunk.len(), last, chunk);
        }
        self.statistics.sent += 1;
        self.statistics.sent_bytes += packet.len() as u64;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        // Every descriptor is looked at once at the most, whatever the card says.
        for _ in 0..ENTRIES {
            let (slot, len) = self.receive.take()?;
            // The card's word: checked once, here.
            if len == 0 || len > slot.room() {
                self.statistics.count(Fault::BadLength);
                continue;
            }
            self.statistics.received += 1;
            self.statistics.received_bytes += len as u64;
            return Some(RxPacket::new(slot.freeze(len)));
        }
        None
    }

    fn flush(&mut self) {
        while self.transmit.take().is_some() {}
        while self.receive.room() > 0 {
            let Some(slot) = self.pool.take() else { break };
            let bus = self.platform.bus_address(slot.pointer()).expect("the pool is shared with the card");
            self.receive.give(bus, slot.room(), 0, slot);
        }
        for (register, given) in register::GIVEN.into_iter().zip([self.receive.given, self.transmit.given]) {
            self.registers.write32(register, given as u32);
            self.statistics.kicks += 1;
        }
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        let armed = interrupts == Interrupts::Armed;
        self.registers.write32(register::INTERRUPT, u32::from(armed));
        // A frame that came before the card was armed interrupts nobody: look again.
        if armed && self.receive.is_done() { Pending::Work } else { Pending::Nothing }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

impl<P: Platform, R: Registers> Drop for FirstNic<P, R> {
    fn drop(&mut self) {
        self.registers.write32(register::RUN, 0);
        if let Some(memory) = self.memory.take() {
            // SAFETY: the card has stopped, and nothing of this driver lives on.
            unsafe { self.platform.release(memory) };
        }
    }
}

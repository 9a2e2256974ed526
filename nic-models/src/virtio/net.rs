//! [`VirtioNet`]: the driver as the kernel and the stack see it.

use lendwire_nic::{Fault, Full, Interrupts, Link, Nic, NicInfo, NicStatistics, Pending, Pool, RxPacket, TxPacket};

use super::features::Features;
use super::pci::{Doorbell, NO_VECTOR, Transport, status};
use super::probe::{CONFIG_STATUS, Mappings, Memory, ProbeError, STATUS_LINK_UP, negotiate, queue_size};
use super::receive::{Receiver, Refill, Trouble};
use super::ring::{RING_SIZE, SplitRing};
use super::transmit::{Refusal, Transmitter};
use crate::driver::{Causes, Driver, Events, Unstoppable};
use crate::pci::Region;
use crate::platform::{ConfigSpace, Dma, Platform, Wiring};
use crate::registers::{Mapped, Registers};
use crate::sendable::is_sendable;

/// A running virtio network device.
///
/// Dropping it stops the device, as [`Driver::quiesce`] does.
pub struct VirtioNet<P: Platform, R: Registers = Mapped> {
    platform: P,
    transport: Transport<R>,
    /// The run behind both rings and the header slots; `None` once it was given back.
    memory: Option<Dma>,
    receiver: Receiver,
    receive_doorbell: Doorbell,
    transmitter: Transmitter,
    transmit_doorbell: Doorbell,
    has_link_status: bool,
    link: Link,
    is_broken: bool,
    info: NicInfo,
    statistics: NicStatistics,
}

impl<P: Platform> VirtioNet<P, Mapped> {
    /// Starts the device behind `config`.
    ///
    /// `receive` is the pool that frames arrive in. Messages of `wiring` are for received frames, then transmit
    /// completions (armed only when the ring runs short), then configuration changes; with one message the first two
    /// share it. Interrupts start masked.
    ///
    /// # Errors
    /// See [`ProbeError`]; the device is then left stopped.
    pub fn probe(
        config: &dyn ConfigSpace,
        platform: P,
        receive: &'static Pool,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        let mut map = |region: Region| {
            let pointer = platform.map(region.physical, region.len)?;
            // SAFETY: `Platform::map` returns a pointer through which accesses inside `len` reach the registers; the
            // mapping is never undone.
            Some(unsafe { Mapped::new(pointer, region.len) })
        };
        let mapped = Mappings::of(config, &mut map, wiring.messages())?;
        Self::start(mapped, platform, receive)
    }
}

impl<P: Platform, R: Registers> VirtioNet<P, R> {
    /// [`VirtioNet::probe`] for registers that are reached in another way: `map` opens the window at a region.
    ///
    /// # Errors
    /// As for [`VirtioNet::probe`].
    pub fn probe_with(
        config: &dyn ConfigSpace,
        platform: P,
        mut map: impl FnMut(Region) -> Option<R>,
        receive: &'static Pool,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        Self::start(Mappings::of(config, &mut map, wiring.messages())?, platform, receive)
    }

    /// The steps of virtio 1.2 §3.1.1.
    fn start(mapped: Mappings<R>, platform: P, receive: &'static Pool) -> Result<Self, ProbeError> {
        let Mappings { transport, vectors } = mapped;
        if !transport.reset() {
            return Err(ProbeError::NoReset);
        }
        let started = negotiate(&transport, receive).and_then(|terms| {
            let sizes = [queue_size(&transport, 0)?, queue_size(&transport, 1)?];
            let memory = Memory::take(&platform, sizes).ok_or(ProbeError::NoMemory)?;
            Ok((terms, sizes, memory))
        });
        let (terms, sizes, memory) = match started {
            Ok(started) => started,
            Err(error) => {
                transport.add_status(status::FAILED);
                return Err(error);
            }
        };
        let event_index = terms.features.contains(Features::EVENT_IDX);
        let mergeable = terms.features.contains(Features::MRG_RXBUF);
        let checked = terms.features.contains(Features::GUEST_CSUM);
        let receive_ring = SplitRing::new(memory.receive, sizes[0], event_index);
        let transmit_ring = SplitRing::new(memory.transmit, sizes[1], event_index);
        let mut driver = Self {
            platform,
            transport,
            memory: Some(memory.run),
            receiver: Receiver::new(receive_ring, receive, mergeable, checked),
            receive_doorbell: Doorbell::NONE,
            transmitter: Transmitter::new(transmit_ring, memory.headers),
            transmit_doorbell: Doorbell::NONE,
            has_link_status: terms.features.contains(Features::STATUS),
            link: Link::Up,
            is_broken: false,
            info: terms.info,
            statistics: NicStatistics::default(),
        };
        // From here on a failure drops the driver, which stops the device.
        driver.connect(vectors, sizes)?;
        Ok(driver)
    }

    /// Hands the queues to the device and lets it run.
    fn connect(&mut self, vectors: u16, sizes: [u16; 2]) -> Result<(), ProbeError> {
        let vector = |wanted: u16, otherwise: u16| if wanted < vectors { wanted } else { otherwise };
        let first = vector(0, NO_VECTOR);
        let transport = &self.transport;
        self.receive_doorbell = transport.enable_queue(0, sizes[0], self.receiver.ring.bus(), first)?;
        let second = vector(1, first);
        self.transmit_doorbell = transport.enable_queue(1, sizes[1], self.transmitter.ring.bus(), second)?;
        transport.set_config_vector(vector(2, NO_VECTOR))?;
        if self.receiver.refill(&self.platform) == Refill::Unreachable {
            return Err(ProbeError::PoolUnreachable);
        }
        self.transport.add_status(status::DRIVER_OK);
        self.kick();
        self.read_link();
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Unstoppable> {
        let Some(memory) = self.memory.take() else { return Ok(()) };
        if !self.transport.reset() {
            self.receiver.ring.abandon();
            self.transmitter.ring.abandon();
            return Err(Unstoppable);
        }
        self.receiver.ring.clear();
        self.transmitter.ring.clear();
        // SAFETY: the device confirmed its reset, so it uses no memory any more; the areas inside are not reached
        // again, for every path to them looks at `memory` or ends with the driver.
        unsafe { self.platform.release(memory) };
        Ok(())
    }

    fn kick(&mut self) {
        if self.receiver.ring.must_kick() {
            self.transport.ring(self.receive_doorbell);
            self.statistics.kicks += 1;
        }
        if self.transmitter.ring.must_kick() {
            self.transport.ring(self.transmit_doorbell);
            self.statistics.kicks += 1;
        }
    }

    fn refill(&mut self) {
        match self.receiver.refill(&self.platform) {
            Refill::Done => {}
            Refill::Starved => self.statistics.count(Fault::NoSlot),
            Refill::Unreachable => self.fail(Fault::Broken),
        }
    }

    fn read_link(&mut self) {
        if !self.has_link_status {
            return;
        }
        match self.transport.read_config(8, |device| device.read16(CONFIG_STATUS)) {
            Ok(status) => self.link = if status & STATUS_LINK_UP == 0 { Link::Down } else { Link::Up },
            Err(_) => self.fail(Fault::Broken),
        }
    }

    /// Marks the device broken: it is not listened to any more.
    fn fail(&mut self, fault: Fault) {
        if core::mem::replace(&mut self.is_broken, true) {
            return;
        }
        self.statistics.count(fault);
        if fault != Fault::Broken {
            self.statistics.count(Fault::Broken);
        }
        self.transport.add_status(status::FAILED);
    }

    fn arm(&mut self) -> Result<bool, Fault> {
        let received = self.receiver.ring.arm(0)?;
        if !self.transmitter.is_short() {
            self.transmitter.ring.mask();
            return Ok(received);
        }
        // Most of what is in flight should come back before the processor is woken for it.
        let most = self.transmitter.ring.in_flight() / 4 * 3;
        Ok(self.transmitter.ring.arm(most)? || received)
    }
}

impl<P: Platform, R: Registers> Nic for VirtioNet<P, R> {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if self.is_broken {
            self.statistics.count(Fault::Broken);
            return Ok(());
        }
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        match self.transmitter.push(packet, &self.platform) {
            Ok(()) => {
                self.statistics.sent += 1;
                self.statistics.sent_bytes += packet.len() as u64;
            }
            Err(Refusal::Full) => return Err(Full),
            Err(Refusal::Unreachable) => self.statistics.count(Fault::Unsendable),
            Err(Refusal::Broken(fault)) => self.fail(fault),
        }
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        // Bad frames are dropped on the way; there cannot be more of them than buffers.
        for _ in 0..RING_SIZE {
            if self.is_broken {
                return None;
            }
            match self.receiver.pop() {
                Ok(packet) => {
                    let packet = packet?;
                    self.statistics.received += 1;
                    self.statistics.received_bytes += packet.len() as u64;
                    return Some(packet);
                }
                Err(Trouble::Dropped(fault)) => self.statistics.count(fault),
                Err(Trouble::Broken(fault)) => self.fail(fault),
            }
        }
        None
    }

    fn flush(&mut self) {
        if self.is_broken {
            return;
        }
        if let Err(fault) = self.transmitter.collect() {
            return self.fail(fault);
        }
        self.refill();
        self.receiver.ring.keep_masked();
        self.transmitter.ring.keep_masked();
        self.kick();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        if self.is_broken {
            return Pending::Nothing;
        }
        match interrupts {
            Interrupts::Masked => {
                self.receiver.ring.mask();
                self.transmitter.ring.mask();
                Pending::Nothing
            }
            Interrupts::Armed => {
                // Nothing wakes a processor for frames that the device has no buffer for.
                self.refill();
                self.kick();
                match self.arm() {
                    Ok(true) => Pending::Work,
                    Ok(false) => Pending::Nothing,
                    Err(fault) => {
                        self.fail(fault);
                        Pending::Nothing
                    }
                }
            }
        }
    }

    fn link(&self) -> Link {
        if self.is_broken { Link::Down } else { self.link }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

impl<P: Platform, R: Registers> Driver for VirtioNet<P, R> {
    fn on_interrupts(&mut self, count: u64) {
        self.statistics.interrupts += count;
    }

    fn acknowledge(&mut self) -> Causes {
        Causes::empty()
    }

    fn on_configuration_change(&mut self) -> Events {
        let (was_broken, link_before) = (self.is_broken, self.link());
        if self.transport.status() & status::NEEDS_RESET != 0 {
            self.fail(Fault::Broken);
        }
        self.read_link();
        let mut events = Events::empty();
        events.set(Events::LINK, self.link() != link_before);
        events.set(Events::BROKEN, self.is_broken && !was_broken);
        events
    }

    fn quiesce(&mut self) -> Result<(), Unstoppable> {
        self.is_broken = true;
        self.stop()
    }
}

impl<P: Platform, R: Registers> Drop for VirtioNet<P, R> {
    fn drop(&mut self) {
        // A device that does not stop keeps its memory; there is nothing else left to do about it here.
        let _ = self.stop();
    }
}

//! [`VirtioNet`]: the driver as the kernel and the stack see it.

use lendwire_nic::{Fault, Full, Interrupts, Link, Nic, NicInfo, NicStatistics, Pending, Pool, RxPacket, TxPacket};

use super::features::Features;
use super::pair::{Pair, pair_vectors};
use super::probe::{CONFIG_STATUS, Mappings, ProbeError, STATUS_LINK_UP, negotiate};
use super::receive::{Refill, Trouble};
use super::ring::RING_SIZE;
use super::transmit::Refusal;
use super::transport::{NO_VECTOR, Transport, status};
use crate::driver::{Causes, Driver, Events, Unstoppable};
use crate::pci::Region;
use crate::platform::{ConfigSpace, Platform, Wiring};
use crate::registers::{Mapped, Registers};
use crate::sendable::is_sendable;

/// A running virtio network device.
///
/// Dropping it stops the device, as [`Driver::quiesce`] does.
pub struct VirtioNet<P: Platform, R: Registers = Mapped> {
    platform: P,
    transport: Transport<R>,
    pair: Pair,
    has_link_status: bool,
    link: Link,
    is_broken: bool,
    /// It was stopped, and everything given back.
    is_stopped: bool,
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
        let mapped = Mappings::of(config, &mut |region| mapped(&platform, region), wiring)?;
        Self::start(mapped, platform, receive)
    }

    /// Starts the device whose registers are the memory at `window` (virtio over MMIO, version 2). It has a line or is
    /// polled.
    ///
    /// # Errors
    /// As for [`VirtioNet::probe`].
    pub fn probe_mmio(
        window: Region,
        platform: P,
        receive: &'static Pool,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        let registers = mapped(&platform, window).ok_or(ProbeError::NotMapped)?;
        Self::probe_mmio_with(registers, window.len, platform, receive, wiring)
    }
}

/// The registers at `region`, as the kernel maps them.
fn mapped(platform: &impl Platform, region: Region) -> Option<Mapped> {
    let pointer = platform.map(region.physical, region.len)?;
    // SAFETY: `Platform::map` returns a pointer through which accesses inside `len` reach the registers; the mapping is
    // never undone.
    Some(unsafe { Mapped::new(pointer, region.len) })
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
        Self::start(Mappings::of(config, &mut map, wiring)?, platform, receive)
    }

    /// [`VirtioNet::probe_mmio`] for a window of `len` bytes that is reached in another way.
    ///
    /// # Errors
    /// As for [`VirtioNet::probe`].
    pub fn probe_mmio_with(
        registers: R,
        len: usize,
        platform: P,
        receive: &'static Pool,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        Self::start(Mappings::of_window(registers, len, wiring)?, platform, receive)
    }

    /// The steps of virtio 1.2 §3.1.1.
    fn start(mapped: Mappings<R>, platform: P, receive: &'static Pool) -> Result<Self, ProbeError> {
        let Mappings { transport, vectors } = mapped;
        if !transport.reset() {
            return Err(ProbeError::NoReset);
        }
        let started = negotiate(&transport, receive).and_then(|terms| {
            let pair = Pair::new(0, &transport, terms.features, &platform, receive)?;
            Ok((terms, pair))
        });
        let (terms, pair) = match started {
            Ok(started) => started,
            Err(error) => {
                transport.add_status(status::FAILED);
                return Err(error);
            }
        };
        let info = NicInfo { max_parts: pair.transmitter.max_parts() as u16, ..terms.info };
        let mut driver = Self {
            platform,
            transport,
            pair,
            has_link_status: terms.features.contains(Features::STATUS),
            link: Link::Up,
            is_broken: false,
            is_stopped: false,
            info,
            statistics: NicStatistics::default(),
        };
        // From here on a failure drops the driver, which stops the device.
        driver.connect(vectors)?;
        Ok(driver)
    }

    /// Hands the queues to the device and lets it run.
    fn connect(&mut self, vectors: u16) -> Result<(), ProbeError> {
        self.pair.connect(&self.transport, pair_vectors(0, vectors), &self.platform)?;
        self.transport.set_config_vector(if vectors > 2 { 2 } else { NO_VECTOR })?;
        self.transport.add_status(status::DRIVER_OK);
        self.kick();
        self.read_link();
        Ok(())
    }

    fn stop(&mut self) -> Result<(), Unstoppable> {
        if core::mem::replace(&mut self.is_stopped, true) {
            return Ok(());
        }
        if !self.transport.reset() {
            self.pair.abandon();
            return Err(Unstoppable);
        }
        // SAFETY: the device confirmed its reset, so it uses no memory any more; the queues are not reached again, for
        // every path to them looks at `is_broken` or ends with the driver.
        unsafe { self.pair.release(&self.platform) };
        Ok(())
    }

    fn kick(&mut self) {
        self.statistics.kicks += self.pair.kick(&self.transport);
    }

    fn refill(&mut self) {
        match self.pair.receiver.refill(&self.platform) {
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
        match self.pair.transmitter.push(packet, &self.platform) {
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
            match self.pair.receiver.pop() {
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
        if let Err(fault) = self.pair.transmitter.collect() {
            return self.fail(fault);
        }
        self.refill();
        self.pair.keep_masked();
        self.kick();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        if self.is_broken {
            return Pending::Nothing;
        }
        match interrupts {
            Interrupts::Masked => {
                self.pair.mask();
                Pending::Nothing
            }
            Interrupts::Armed => {
                // Nothing wakes a processor for frames that the device has no buffer for.
                self.refill();
                self.kick();
                match self.pair.arm() {
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
        self.transport.acknowledge()
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

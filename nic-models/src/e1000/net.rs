//! [`E1000`]: the driver as the kernel and the stack see it.

use lendwire_nic::{
    Fault, Full, Interrupts, Link, MulticastFilter, Nic, NicInfo, NicStatistics, Pending, Pool, RxPacket, TxPacket,
    VlanFilter,
};

use super::counters::HardwareStatistics;
use super::family::Bus;
use super::filter::Filters;
use super::hardware::Hardware;
use super::interrupt::{Route, Wanted};
use super::probe::{Mappings, Memory, ProbeError, RECEIVE_RING, Settings, Terms};
use super::receive::{Receiver, Refill};
use super::receive_descriptor::Format;
use super::register;
use super::transmit::{Refusal, Transmitter};
use crate::driver::{Causes, Driver, Events, Unstoppable};
use crate::pci::Region;
use crate::platform::{ConfigSpace, Dma, Platform, Wiring};
use crate::registers::{Mapped, Registers};
use crate::sendable::is_sendable;

/// A running device of the e1000 family.
///
/// Dropping it stops the device, as [`Driver::quiesce`] does.
pub struct E1000<P: Platform, R: Registers = Mapped> {
    platform: P,
    hardware: Hardware<R>,
    /// The run behind both rings and the header slots; `None` once it was given back.
    memory: Option<Dma>,
    receiver: Receiver,
    transmitter: Transmitter,
    filters: Filters,
    route: Route,
    is_armed: bool,
    link: Link,
    is_broken: bool,
    /// What the kernel was last told of the link, and whether it knows that the device is broken.
    told: (Link, bool),
    info: NicInfo,
    statistics: NicStatistics,
    hardware_statistics: HardwareStatistics,
}

// A kernel moves it where it likes, over small stacks: the notes of its rings lie elsewhere.
const _: () = assert!(size_of::<E1000<&dyn Platform>>() <= 2048);

impl<P: Platform> E1000<P, Mapped> {
    /// Starts the device behind `config` with [`Settings::default`].
    ///
    /// `receive` is the pool that frames arrive in. An 82574L takes messages: for received frames, then transmit
    /// completions (armed only when the ring runs short), then link changes; with one message the first two share it. The
    /// others have a line. Interrupts for frames start masked.
    ///
    /// # Errors
    /// See [`ProbeError`]; the device is then left stopped.
    pub fn probe(
        config: &dyn ConfigSpace,
        platform: P,
        receive: &'static Pool,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        Self::probe_as(config, platform, receive, wiring, Settings::default())
    }

    /// [`E1000::probe`] with other settings.
    ///
    /// # Errors
    /// As for [`E1000::probe`].
    pub fn probe_as(
        config: &dyn ConfigSpace,
        platform: P,
        receive: &'static Pool,
        wiring: Wiring<'_>,
        settings: Settings,
    ) -> Result<Self, ProbeError> {
        let mut map = |region: Region| {
            let pointer = platform.map(region.physical, region.len)?;
            // SAFETY: `Platform::map` returns a pointer through which accesses inside `len` reach the registers; the
            // mapping is never undone.
            Some(unsafe { Mapped::new(pointer, region.len) })
        };
        let mapped = Mappings::of(config, &mut map, wiring)?;
        Self::start(mapped, platform, receive, settings)
    }
}

impl<P: Platform, R: Registers> E1000<P, R> {
    /// [`E1000::probe_as`] for registers that are reached in another way: `map` opens the window at a region.
    ///
    /// # Errors
    /// As for [`E1000::probe`].
    pub fn probe_with(
        config: &dyn ConfigSpace,
        platform: P,
        mut map: impl FnMut(Region) -> Option<R>,
        receive: &'static Pool,
        wiring: Wiring<'_>,
        settings: Settings,
    ) -> Result<Self, ProbeError> {
        Self::start(Mappings::of(config, &mut map, wiring)?, platform, receive, settings)
    }

    /// The steps of 8254x §14 and 82574 §4.6.
    fn start(mapped: Mappings<R>, platform: P, receive: &'static Pool, settings: Settings) -> Result<Self, ProbeError> {
        let Mappings { hardware, route } = mapped;
        if !hardware.reset() {
            return Err(ProbeError::NoReset);
        }
        let terms = Terms::of(&hardware, settings, receive)?;
        let memory = Memory::take(&platform).ok_or(ProbeError::NoMemory)?;
        let format = match hardware.family.bus {
            Bus::Pci => Format::Legacy,
            Bus::Express => Format::Extended,
        };
        let receiver = Receiver::new(memory.receive, memory.received, format, receive, &terms);
        let transmitter = Transmitter::new(memory.transmit, memory.headers, memory.sent);
        hardware.set_up(&terms, receiver.base(), transmitter.base());
        let filters = Filters::open(&hardware, terms.info.address);
        let mut driver = Self {
            platform,
            hardware,
            memory: Some(memory.run),
            receiver,
            transmitter,
            filters,
            route,
            is_armed: false,
            link: Link::Down,
            is_broken: false,
            told: (Link::Down, false),
            info: terms.info,
            statistics: NicStatistics::default(),
            hardware_statistics: HardwareStatistics::default(),
        };
        // From here on a failure drops the driver, which stops the device.
        if driver.receiver.refill(&driver.platform) == Refill::Unreachable {
            return Err(ProbeError::PoolUnreachable);
        }
        driver.ring();
        // What was counted before belongs to nobody.
        HardwareStatistics::default().collect(&driver.hardware);
        driver.route.set_up(&driver.hardware, terms.interrupt_interval);
        driver.hardware.open(&terms);
        driver.read_link();
        driver.told = (driver.link(), false);
        Ok(driver)
    }

    /// What the device itself has counted. Its registers hold 32 bits and stop when they are full: ask now and then.
    pub fn hardware_statistics(&mut self) -> HardwareStatistics {
        if !self.is_broken {
            let mut counted = self.hardware_statistics;
            counted.collect(&self.hardware);
            // What a device says that has left meanwhile is ones, and no counts.
            if !self.fail_if_gone() {
                self.hardware_statistics = counted;
            }
        }
        self.hardware_statistics
    }

    fn stop(&mut self) -> Result<(), Unstoppable> {
        let Some(memory) = self.memory.take() else { return Ok(()) };
        if !self.hardware.reset() {
            self.receiver.abandon(&self.platform);
            self.transmitter.abandon(&self.platform);
            return Err(Unstoppable);
        }
        self.hardware.let_go();
        self.receiver.release(&self.platform);
        self.transmitter.release(&self.platform);
        // SAFETY: the device confirmed its reset, so it uses no memory any more; the areas inside are not reached
        // again, for every path to them looks at `is_broken`, which is set, or ends with the driver.
        unsafe { self.platform.release(memory) };
        Ok(())
    }

    /// Tells the device of new buffers and packets.
    fn ring(&mut self) {
        if let Some(tail) = self.transmitter.tail() {
            self.hardware.write_transmit_tail(tail);
            self.statistics.kicks += 1;
        }
        if let Some(tail) = self.receiver.tail() {
            self.hardware.write_receive_tail(tail);
            self.statistics.kicks += 1;
        }
    }

    fn refill(&mut self) {
        match self.receiver.refill(&self.platform) {
            Refill::Done => {}
            Refill::Starved => self.statistics.count(Fault::NoSlot),
            Refill::Unreachable => self.fail(),
        }
    }

    fn read_link(&mut self) {
        if !self.fail_if_gone() {
            self.link = if self.hardware.is_link_up() { Link::Up } else { Link::Down };
        }
    }

    fn fail_if_gone(&mut self) -> bool {
        let is_gone = self.hardware.is_gone();
        if is_gone {
            self.fail();
        }
        is_gone
    }

    /// Marks the device broken: it is not listened to any more.
    fn fail(&mut self) {
        if !core::mem::replace(&mut self.is_broken, true) {
            // Its line may be another device's as well.
            self.hardware.write(register::IMC, u32::MAX);
            self.statistics.count(Fault::Broken);
        }
    }

    /// Arms interrupts; whether there is work already.
    fn arm(&mut self) -> Pending {
        let is_short = self.transmitter.is_short();
        self.route.arm(&self.hardware, if is_short { Wanted::ReceivedAndSent } else { Wanted::Received });
        self.is_armed = true;
        // A look at a register orders the wish before the looks at the rings; and a device that has left the bus will not
        // wake anybody.
        if self.fail_if_gone() {
            return Pending::Nothing;
        }
        let has_room = is_short && self.transmitter.has_done();
        if has_room || self.receiver.is_ready() { Pending::Work } else { Pending::Nothing }
    }
}

impl<P: Platform, R: Registers> Nic for E1000<P, R> {
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
            // A ring that stays full may be that of a device that has left.
            Err(Refusal::Full) if self.fail_if_gone() => {}
            Err(Refusal::Full) => return Err(Full),
            Err(Refusal::Unsendable) => self.statistics.count(Fault::Unsendable),
        }
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        // Bad frames are dropped on the way; there cannot be more of them than buffers.
        for _ in 0..RECEIVE_RING {
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
                Err(fault) => self.statistics.count(fault),
            }
        }
        None
    }

    fn flush(&mut self) {
        if self.is_broken {
            return;
        }
        self.transmitter.collect();
        self.refill();
        self.ring();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        if self.is_broken {
            return Pending::Nothing;
        }
        match interrupts {
            Interrupts::Masked => {
                if core::mem::take(&mut self.is_armed) {
                    self.route.mask(&self.hardware);
                }
                Pending::Nothing
            }
            Interrupts::Armed => {
                // Nothing wakes a processor for frames that the device has no buffer for.
                self.refill();
                self.ring();
                self.arm()
            }
        }
    }

    fn set_multicast(&mut self, filter: MulticastFilter<'_>) {
        if !self.is_broken {
            self.filters.set_multicast(&self.hardware, filter);
        }
    }

    fn set_vlans(&mut self, filter: VlanFilter<'_>) {
        if !self.is_broken {
            self.filters.set_vlans(&self.hardware, filter);
        }
    }

    fn link(&self) -> Link {
        if self.is_broken { Link::Down } else { self.link }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

impl<P: Platform, R: Registers> Driver for E1000<P, R> {
    fn on_interrupts(&mut self, count: u64) {
        self.statistics.interrupts += count;
    }

    fn acknowledge(&mut self) -> Causes {
        if self.is_broken || self.route != Route::Line {
            return Causes::empty();
        }
        let causes = self.hardware.read(register::ICR);
        // Some bits of the register are reserved, and read as zero.
        if causes == u32::MAX {
            self.fail();
            return Causes::CONFIGURATION;
        }
        self.route.meaning(causes)
    }

    fn on_configuration_change(&mut self) -> Events {
        if !self.is_broken {
            self.route.forget_configuration(&self.hardware);
            self.read_link();
        }
        let now = (self.link(), self.is_broken);
        let before = core::mem::replace(&mut self.told, now);
        let mut events = Events::empty();
        events.set(Events::LINK, now.0 != before.0);
        events.set(Events::BROKEN, now.1 && !before.1);
        events
    }

    fn quiesce(&mut self) -> Result<(), Unstoppable> {
        self.is_broken = true;
        self.told.1 = true;
        self.stop()
    }
}

impl<P: Platform, R: Registers> Drop for E1000<P, R> {
    fn drop(&mut self) {
        // A device that does not stop keeps its memory; there is nothing else left to do about it here.
        let _ = self.stop();
    }
}

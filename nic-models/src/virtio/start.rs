//! How a device is started and stopped (virtio 1.2 §3.1.1, §3.3).
//!
//! Invariant: what was set aside for a device goes back when it has confirmed its reset, and never otherwise.

use lendwire_nic::{Link, NicInfo, NicStatistics, Pool};

use super::bounce::Route;
use super::control::Control;
use super::features::Features;
use super::net::{Health, VirtioNet};
use super::orders::Orders;
use super::pairs::{PairStorage, Pairs};
use super::probe::{Mappings, ProbeError, agree, agree_again, choose, inform, pairs};
use super::spread::Spread;
use super::transport::{NO_VECTOR, Stopped, Transport, status};
use crate::driver::{Events, Unstoppable};
use crate::pci::Region;
use crate::platform::{ConfigSpace, Platform, Wiring};
use crate::registers::{Mapped, Registers};

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
        let parts =
            Parts::of(&transport, Features::all() - Features::SEVERAL, &platform, receive, PairStorage::none())?;
        let mut driver = Self {
            platform,
            transport,
            vectors,
            receive,
            features: parts.features,
            pairs: parts.pairs,
            control: parts.control,
            orders: Orders::new(),
            link: Link::Up,
            health: Health::Running,
            setbacks: 0,
            refusals: 0,
            events: Events::empty(),
            info: parts.info,
            statistics: NicStatistics::default(),
        };
        // From here on a failure drops the driver, which stops the device.
        driver.connect()?;
        Ok(driver)
    }

    /// Pairs of queues that the device says it has, from 1 to 32,767: how much storage to hand to [`VirtioNet::widen`], up
    /// to what there is use for.
    #[must_use]
    pub fn pairs(&self) -> u16 {
        let offered = Features::from_bits_truncate(self.transport.offered_features()).consistent();
        if self.is_running() { pairs(&self.transport, offered).unwrap_or(1) } else { 1 }
    }

    /// Starts the device anew with as many pairs of queues as it has and `storage` has room for beside the first, and
    /// lets it spread frames over them by a hash with `key`, which should be random. Returns how many pairs there are
    /// then: one, where the device has no more. What was in its queues is lost.
    ///
    /// All pairs are polled together, and packets leave by their [`lendwire_nic::TxPacket::flow`]. Messages after the
    /// third are for them, two each: received frames and transmit completions.
    ///
    /// # Errors
    /// See [`ProbeError`]; the device is then left stopped, and the driver does nothing any more.
    pub fn widen(&mut self, storage: impl Into<PairStorage>, key: [u8; 40]) -> Result<u16, ProbeError> {
        if self.stop().is_err() {
            return Err(ProbeError::NoReset);
        }
        let parts = Parts::of(&self.transport, Features::all(), &self.platform, self.receive, storage.into())?;
        (self.features, self.info) = (parts.features, parts.info);
        (self.pairs, self.control) = (parts.pairs, parts.control);
        self.orders.spread = Some(Spread { key });
        self.health = Health::Running;
        if let Err(error) = self.connect() {
            // A device that does not stop either keeps its memory.
            let _ = self.stop();
            return Err(error);
        }
        Ok(self.pairs.used())
    }

    /// Settles on the same features as before with a device that was reset, and hands it the same queues.
    pub(super) fn reconnect(&mut self) -> Result<(), ProbeError> {
        agree_again(&self.transport, self.features)?;
        let told = inform(&self.transport, self.features, self.receive)?;
        // What was set aside was for frames of the first length.
        let mtu = told.mtu.min(self.info.mtu);
        self.info = NicInfo { mtu, max_parts: self.info.max_parts, ..told };
        self.connect()
    }

    /// Hands the queues to the device, lets it run, and tells it what is wanted.
    fn connect(&mut self) -> Result<(), ProbeError> {
        self.pairs.connect(&self.transport, self.vectors, &self.platform)?;
        if let Some(control) = &mut self.control {
            control.connect(Control::number(&self.transport, self.features)?, &self.transport)?;
        }
        self.transport.set_config_vector(if self.vectors > 2 { 2 } else { NO_VECTOR })?;
        self.transport.add_status(status::DRIVER_OK);
        self.kick();
        self.read_link();
        self.restore();
        Ok(())
    }

    /// Stops the device and gives everything back.
    pub(super) fn stop(&mut self) -> Result<(), Unstoppable> {
        if core::mem::replace(&mut self.health, Health::Stopped) == Health::Stopped {
            return Ok(());
        }
        let Some(stopped) = self.transport.reset() else {
            self.pairs.abandon(&self.platform);
            if let Some(control) = &mut self.control {
                control.abandon(&self.platform);
            }
            return Err(Unstoppable);
        };
        self.pairs.release(&self.platform, &stopped);
        if let Some(control) = &mut self.control {
            control.release(&self.platform, &stopped);
        }
        Ok(())
    }
}

/// What is agreed on and set aside for one device.
struct Parts {
    features: Features,
    info: NicInfo,
    pairs: Pairs,
    control: Option<Control>,
}

impl Parts {
    /// The device is reset; what fails leaves nothing taken, and the device knows of it.
    fn of<R: Registers>(
        transport: &Transport<R>,
        known: Features,
        platform: &impl Platform,
        receive: &'static Pool,
        more: PairStorage,
    ) -> Result<Self, ProbeError> {
        let stopped = transport.reset().ok_or(ProbeError::NoReset)?;
        let parts = Self::set_aside(transport, known, platform, receive, more, &stopped);
        parts.inspect_err(|_| transport.add_status(status::FAILED))
    }

    fn set_aside<R: Registers>(
        transport: &Transport<R>,
        known: Features,
        platform: &impl Platform,
        receive: &'static Pool,
        more: PairStorage,
        stopped: &Stopped,
    ) -> Result<Self, ProbeError> {
        let known = match Route::of(platform, receive) {
            Route::Lent => known,
            // A slot holds one frame.
            Route::Copied => known - Features::LARGE_TRANSMIT,
        };
        let features = choose(transport, known, receive)?;
        agree(transport, features)?;
        let info = inform(transport, features, receive)?;
        let mut pairs = Pairs::new(transport, features, platform, receive, more, info.mtu, stopped)?;
        let info = NicInfo { max_parts: pairs.pair(0).transmitter.max_parts() as u16, ..info };
        // A device whose control queue is no good is not told anything.
        let control = Control::new(transport, features, platform, stopped).ok();
        Ok(Self { features, info, pairs, control })
    }
}

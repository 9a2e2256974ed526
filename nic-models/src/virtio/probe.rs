//! What is looked at, agreed on and set aside before a device runs (virtio 1.2 §3.1.1).

use lendwire_nic::{MAX_CHUNKS, MacAddress, NicInfo, Pool};

use super::bounce::Landing;
use super::features::Features;
use super::header::LONGEST_HEADER;
use super::ring::{Format, RING_SIZE, Shape};
use super::transmit::TABLES;
use super::transport::{MmioTransport, PciTransport, Stopped, Transport, program_interrupts, status};
use crate::dma::Area;
use crate::long_packet::{LARGEST_FRAME, slots_for};
use crate::pci::{self, Bars, PciError, PciId, Region};
use crate::platform::{ConfigSpace, Dma, Platform, Wiring};
use crate::registers::Registers;

/// The functions this driver is for: virtio network devices, modern and transitional (virtio 1.2 §4.1.2, §5.1.1).
pub const VIRTIO_NET_IDS: &[PciId] =
    &[PciId { vendor: 0x1af4, device: 0x1041 }, PciId { vendor: 0x1af4, device: 0x1000 }];

/// Why a device was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// The function is not in [`VIRTIO_NET_IDS`], or the window has no virtio network device behind it.
    NotMine,
    /// The device has only the legacy interface: start it with `disable-legacy=on`, or `force-legacy=false`.
    Legacy,
    /// Configuration space makes no sense.
    Pci(PciError),
    /// The kernel did not map the registers.
    NotMapped,
    /// A register window is too short, or a doorbell lies outside it.
    ShortRegisters,
    /// The device does not stop, or is gone.
    NoReset,
    /// The device does not accept a subset of the features it offers.
    FeaturesRefused,
    /// The device has no MAC address of its own.
    NoAddress,
    /// A queue is missing or of one descriptor, or its split ring's size is not a power of two.
    BadQueue,
    /// The device has no vectors for the messages that were handed in.
    NoVector,
    /// The device cannot be asked why it asserts its line.
    NoLine,
    /// The device's configuration never settles.
    Unsettled,
    /// The device's MTU is below 68 or beyond what [`MAX_CHUNKS`] slots hold.
    BadMtu,
    /// A slot of the receive pool cannot take a whole frame, and the device cannot spread it.
    SmallSlots,
    /// There is no memory for the rings.
    NoMemory,
    /// The device can reach a part of the receive pool only.
    PoolUnreachable,
}

impl From<PciError> for ProbeError {
    fn from(error: PciError) -> Self {
        Self::Pci(error)
    }
}

/// virtio_net_config (virtio 1.2 §5.1.4).
pub(super) const CONFIG_STATUS: usize = 6;
const CONFIG_PAIRS: usize = 8;
const CONFIG_MTU: usize = 10;
pub(super) const CONFIG_HASH_KEY: usize = 17;
pub(super) const CONFIG_HASH_TABLE: usize = 18;
pub(super) const CONFIG_HASH_TYPES: usize = 20;
pub(super) const STATUS_LINK_UP: u16 = 1;
pub(super) const STATUS_ANNOUNCE: u16 = 2;

/// What the kernel's part of a probe gives.
pub(super) struct Mappings<R> {
    pub(super) transport: Transport<R>,
    pub(super) vectors: u16,
}

impl<R: Registers> Mappings<R> {
    pub(super) fn of(
        config: &dyn ConfigSpace,
        map: &mut dyn FnMut(Region) -> Option<R>,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        if !PciId::of(config).is_some_and(|id| id.is_in(VIRTIO_NET_IDS)) {
            return Err(ProbeError::NotMine);
        }
        let bars = Bars::of(config);
        let transport = PciTransport::find(config, &bars, map, wiring)?;
        pci::enable(config);
        match wiring {
            Wiring::Line => pci::enable_line(config),
            Wiring::Polled | Wiring::Messages(_) => {}
        }
        let vectors = program_interrupts(config, &bars, map, wiring.messages())?;
        Ok(Self { transport: Transport::Pci(transport), vectors })
    }

    /// Of a device whose registers are one window of `len` bytes.
    pub(super) fn of_window(registers: R, len: usize, wiring: Wiring<'_>) -> Result<Self, ProbeError> {
        if !wiring.messages().is_empty() {
            return Err(ProbeError::NoVector);
        }
        Ok(Self { transport: Transport::Mmio(MmioTransport::find(registers, len)?), vectors: 0 })
    }
}

/// What to use of what the device offers: everything in `known`; what is not here is not accepted.
pub(super) fn choose<R: Registers>(
    transport: &Transport<R>,
    known: Features,
    receive: &Pool,
) -> Result<Features, ProbeError> {
    transport.add_status(status::ACKNOWLEDGE | status::DRIVER);
    let mut features = (Features::from_bits_truncate(transport.offered_features()) & known).consistent();
    if !features.contains(Features::VERSION_1) {
        return Err(ProbeError::Legacy);
    }
    if !features.contains(Features::MAC) {
        return Err(ProbeError::NoAddress);
    }
    // A device with a frame that no ring of buffers holds would wait for ever.
    let slots = slots_for(LARGEST_FRAME + LONGEST_HEADER, receive);
    if slots.is_none_or(|slots| slots > usize::from(transport.queue_size(0)).min(RING_SIZE)) {
        features -= Features::LARGE_RECEIVE;
    }
    Ok(features)
}

/// Settles on `features`.
pub(super) fn agree<R: Registers>(transport: &Transport<R>, features: Features) -> Result<(), ProbeError> {
    transport.accept_features(features.bits());
    transport.add_status(status::FEATURES_OK);
    if transport.status() & status::FEATURES_OK == 0 { Err(ProbeError::FeaturesRefused) } else { Ok(()) }
}

/// Settles once more on `features` with a device that was reset.
pub(super) fn agree_again<R: Registers>(transport: &Transport<R>, features: Features) -> Result<(), ProbeError> {
    transport.add_status(status::ACKNOWLEDGE | status::DRIVER);
    if !Features::from_bits_truncate(transport.offered_features()).contains(features) {
        return Err(ProbeError::FeaturesRefused);
    }
    agree(transport, features)
}

/// What the device says of itself, now that `features` are settled. How many parts a packet may have is the ring's to
/// say.
pub(super) fn inform<R: Registers>(
    transport: &Transport<R>,
    features: Features,
    receive: &Pool,
) -> Result<NicInfo, ProbeError> {
    let address = transport.read_config(6, |device| core::array::from_fn(|index| device.read8(index)))?;
    let mtu = if features.contains(Features::MTU) {
        transport.read_config(CONFIG_MTU + 2, |device| device.read16(CONFIG_MTU))?
    } else {
        1500
    };
    let frame = LONGEST_HEADER + 18 + usize::from(mtu);
    if mtu < 68 || frame > receive.slot_size() * MAX_CHUNKS {
        return Err(ProbeError::BadMtu);
    }
    if !features.contains(Features::MRG_RXBUF) && frame > receive.slot_size() {
        return Err(ProbeError::SmallSlots);
    }
    let (address, offloads) = (MacAddress(address), features.offloads());
    let name = if features.contains(Features::RING_PACKED) {
        "virtio-net with packed rings"
    } else {
        "virtio-net with split rings"
    };
    Ok(NicInfo { name, address, mtu, offloads, max_parts: 0, queues: 1 })
}

/// Pairs of queues that the device has.
pub(super) fn pairs<R: Registers>(transport: &Transport<R>, features: Features) -> Result<u16, ProbeError> {
    if !features.intersects(Features::MQ | Features::RSS) {
        return Ok(1);
    }
    let pairs = transport.read_config(CONFIG_PAIRS + 2, |device| device.read16(CONFIG_PAIRS))?;
    // §5.1.4.1: from 1 to 0x8000. So many that their queues could not be counted are none.
    Ok(if pairs < 0x8000 { pairs.max(1) } else { 1 })
}

/// The ring of queue `queue`: of the size that the device allows, or what the driver has room for.
pub(super) fn shape<R: Registers>(
    transport: &Transport<R>,
    queue: u16,
    features: Features,
) -> Result<Shape, ProbeError> {
    let size = transport.queue_size(queue);
    let format = if features.contains(Features::RING_PACKED) { Format::Packed } else { Format::Split };
    // §2.8: a packed ring may have any number of descriptors.
    if size < 2 || (format == Format::Split && !size.is_power_of_two()) {
        return Err(ProbeError::BadQueue);
    }
    let event_index = features.contains(Features::EVENT_IDX);
    let indirect = features.contains(Features::INDIRECT_DESC);
    Ok(Shape { format, size: size.min(RING_SIZE as u16), event_index, indirect })
}

/// A run of memory that a device uses; `None` once it was given back, or given up.
pub(super) struct Run(Option<Dma>);

impl Run {
    /// Gives it back.
    pub(super) fn release(&mut self, platform: &impl Platform, _: &Stopped) {
        let Some(run) = self.0.take() else { return };
        // SAFETY: the device confirmed its reset, so it uses no memory any more. The areas in the run are not reached
        // again: the driver that calls this looks at no queue afterwards (`Health::Stopped`).
        unsafe { platform.release(run) };
    }

    /// Leaves it to a device that did not stop.
    pub(super) fn abandon(&mut self) {
        self.0 = None;
    }
}

/// Both rings and the header slots, in one run.
pub(super) struct Memory {
    pub(super) run: Run,
    pub(super) receive: Area,
    pub(super) transmit: Area,
    /// Transmit slots.
    pub(super) headers: Area,
    /// Where frames land that are copied from there.
    pub(super) landing: Option<Landing>,
}

impl Memory {
    /// `slot` is the length of a transmit slot, `landing` that of a buffer to receive into, where they are copied.
    pub(super) fn take(
        platform: &impl Platform,
        shapes: [Shape; 2],
        slot: usize,
        landing: Option<usize>,
    ) -> Option<Self> {
        let (receive_len, transmit_len) = (shapes[0].len(0), shapes[1].len(TABLES));
        let headers_len = usize::from(shapes[1].size).next_power_of_two() * slot;
        let before = receive_len + transmit_len + headers_len;
        let landing_len = usize::from(shapes[0].size) * landing.unwrap_or(0);
        let run = platform.dma(before + landing_len, 64)?;
        // SAFETY: the run is kept until the driver is stopped, and no other area covers these bytes.
        let receive = unsafe { Area::of(&run, 0, receive_len) };
        // SAFETY: as above; it begins where the last one ends.
        let transmit = unsafe { Area::of(&run, receive_len, transmit_len) };
        // SAFETY: as above.
        let headers = unsafe { Area::of(&run, receive_len + transmit_len, headers_len) };
        // SAFETY: as above.
        let landing = landing.map(|slot| Landing::new(unsafe { Area::of(&run, before, landing_len) }, slot));
        Some(Self { run: Run(Some(run)), receive, transmit, headers, landing })
    }

    /// The control queue's ring, and `buffer` bytes behind it, in a run of their own.
    pub(super) fn of_control(platform: &impl Platform, shape: Shape, buffer: usize) -> Option<(Run, Area, Area)> {
        let ring_len = shape.len(0).next_multiple_of(8);
        let run = platform.dma(ring_len + buffer, 64)?;
        // SAFETY: the run is kept until the driver is stopped, and no other area covers these bytes.
        let ring = unsafe { Area::of(&run, 0, ring_len) };
        // SAFETY: as above; it begins where the last one ends.
        let buffer = unsafe { Area::of(&run, ring_len, buffer) };
        Some((Run(Some(run)), ring, buffer))
    }
}

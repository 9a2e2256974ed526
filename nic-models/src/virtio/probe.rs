//! What is looked at, agreed on and set aside before a device runs (virtio 1.2 §3.1.1).

use lendwire_nic::{MAX_CHUNKS, MacAddress, NicInfo, Pool};

use super::features::Features;
use super::header::HEADER_LEN;
use super::ring::{Format, RING_SIZE, Shape};
use super::transmit::HEADER_SLOT;
use super::transport::{MmioTransport, PciTransport, Transport, program_interrupts, status};
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
    /// The device cannot reach the receive pool.
    PoolUnreachable,
}

impl From<PciError> for ProbeError {
    fn from(error: PciError) -> Self {
        Self::Pci(error)
    }
}

/// virtio_net_config (virtio 1.2 §5.1.4).
pub(super) const CONFIG_STATUS: usize = 6;
const CONFIG_MTU: usize = 10;
pub(super) const STATUS_LINK_UP: u16 = 1;

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

/// What driver and device agreed on. How many parts a packet may have is the ring's to say.
pub(super) struct Terms {
    pub(super) features: Features,
    pub(super) info: NicInfo,
}

pub(super) fn negotiate<R: Registers>(transport: &Transport<R>, receive: &Pool) -> Result<Terms, ProbeError> {
    // Every feature that `Features` names is used where it is offered; what is not here is not accepted.
    let mut features = agree(transport, Features::all())?;
    // A device with a frame that no ring of buffers holds would wait for ever.
    let slots = slots_for(LARGEST_FRAME + HEADER_LEN, receive);
    let is_roomy = slots.is_some_and(|slots| slots <= usize::from(transport.queue_size(0)).min(RING_SIZE));
    if features.intersects(Features::LARGE_RECEIVE) && !is_roomy {
        if !transport.reset() {
            return Err(ProbeError::NoReset);
        }
        features = agree(transport, Features::all() - Features::LARGE_RECEIVE)?;
    }
    let address = transport.read_config(6, |device| core::array::from_fn(|index| device.read8(index)))?;
    let mtu = if features.contains(Features::MTU) {
        transport.read_config(CONFIG_MTU + 2, |device| device.read16(CONFIG_MTU))?
    } else {
        1500
    };
    let frame = HEADER_LEN + 18 + usize::from(mtu);
    if mtu < 68 || frame > receive.slot_size() * MAX_CHUNKS {
        return Err(ProbeError::BadMtu);
    }
    if !features.contains(Features::MRG_RXBUF) && frame > receive.slot_size() {
        return Err(ProbeError::SmallSlots);
    }
    let (address, offloads) = (MacAddress(address), features.offloads());
    Ok(Terms { features, info: NicInfo { name: "virtio-net", address, mtu, offloads, max_parts: 0, queues: 1 } })
}

/// Accepts what of `wanted` the device offers.
fn agree<R: Registers>(transport: &Transport<R>, wanted: Features) -> Result<Features, ProbeError> {
    transport.add_status(status::ACKNOWLEDGE | status::DRIVER);
    let features = (Features::from_bits_truncate(transport.offered_features()) & wanted).consistent();
    if !features.contains(Features::VERSION_1) {
        return Err(ProbeError::Legacy);
    }
    if !features.contains(Features::MAC) {
        return Err(ProbeError::NoAddress);
    }
    transport.accept_features(features.bits());
    transport.add_status(status::FEATURES_OK);
    if transport.status() & status::FEATURES_OK == 0 {
        return Err(ProbeError::FeaturesRefused);
    }
    Ok(features)
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
    Ok(Shape { format, size: size.min(RING_SIZE as u16), event_index })
}

/// Both rings and the header slots, in one run.
pub(super) struct Memory {
    pub(super) run: Dma,
    pub(super) receive: Area,
    pub(super) transmit: Area,
    pub(super) headers: Area,
}

impl Memory {
    pub(super) fn take(platform: &impl Platform, shapes: [Shape; 2]) -> Option<Self> {
        let [receive_len, transmit_len] = shapes.map(Shape::len);
        let headers_len = usize::from(shapes[1].size) * HEADER_SLOT;
        let run = platform.dma(receive_len + transmit_len + headers_len, 64)?;
        // SAFETY: the run is kept until the driver is stopped, and no other area covers these bytes.
        let receive = unsafe { Area::of(&run, 0, receive_len) };
        // SAFETY: as above; it begins where the last one ends.
        let transmit = unsafe { Area::of(&run, receive_len, transmit_len) };
        // SAFETY: as above.
        let headers = unsafe { Area::of(&run, receive_len + transmit_len, headers_len) };
        Some(Self { run, receive, transmit, headers })
    }
}

//! What is looked at and set aside before a device runs.

use lendwire_nic::{Chunk, ChunkMut, MAX_CHUNKS, NicInfo, Offloads, Pool};

use super::family::Family;
use super::hardware::Hardware;
use super::interrupt::Route;
use super::receive::buffer_size;
use super::register;
use super::transmit::{HEADER_SLOT, MAX_PARTS, Note};
use crate::dma::Area;
use crate::pci::{self, Bars, Msix, PciError, Region};
use crate::platform::{ConfigSpace, Dma, Platform, Wiring};
use crate::private::Table;
use crate::registers::Registers;

/// Descriptors of the receive ring. One of a ring is never the device's: head and tail would meet, which says that the
/// ring is empty.
pub(super) const RECEIVE_RING: usize = if cfg!(miri) { 64 } else { 512 };
/// Descriptors of the transmit ring.
pub(super) const TRANSMIT_RING: usize = if cfg!(miri) { 128 } else { 256 };
/// Bytes of a descriptor.
pub(super) const DESCRIPTOR: usize = 16;

/// How the device is to run.
///
/// ```
/// use lendwire_drivers::e1000::Settings;
/// let jumbo = Settings { mtu: 9000, ..Settings::default() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// What the device may do for the stack; what it cannot do anyway makes no difference. VLAN tags are inserted and
    /// stripped, or neither.
    pub offloads: Offloads,
    /// Who checks and removes the frame check sequence of received frames.
    pub frame_check: FrameCheck,
    /// The shortest time between two interrupts, in nanoseconds; zero for as many as come.
    pub interrupt_interval: u32,
}

impl Default for Settings {
    /// Frames of 1500 bytes, every offload, checks by the device, and up to 20,000 interrupts a second.
    fn default() -> Self {
        let frame_check = FrameCheck::ByDevice;
        Self { mtu: 1500, offloads: Offloads::all(), frame_check, interrupt_interval: 50_000 }
    }
}

/// Who checks and removes the frame check sequence of received frames.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameCheck {
    /// The device.
    ByDevice,
    /// The device too, but it leaves the sequence on, and the driver checks again what arrived in memory. VLAN tags are
    /// then left on as well: the sequence covers them. For hardware: QEMU leaves four bytes that check nothing.
    ByDriver,
}

/// Why a device was not started.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ProbeError {
    /// The function is not in [`E1000_IDS`](super::E1000_IDS).
    NotMine,
    /// Configuration space makes no sense.
    Pci(PciError),
    /// The kernel did not map the registers.
    NotMapped,
    /// The device does not stop, or is gone.
    NoReset,
    /// The device has no MAC address, neither in its registers nor in its EEPROM.
    NoAddress,
    /// The device has no MSI-X for the messages that were handed in: wire its line, or poll it.
    NoVector,
    /// The MTU is below 68, or beyond the device's longest frame.
    BadMtu,
    /// A slot of the receive pool is smaller than 256 bytes, the device's smallest buffer, or the longest frame takes more
    /// slots than a packet has room for.
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

/// The device, its registers mapped and its interrupts routed.
pub(super) struct Mappings<R> {
    pub(super) hardware: Hardware<R>,
    pub(super) route: Route,
}

impl<R: Registers> Mappings<R> {
    pub(super) fn of(
        config: &dyn ConfigSpace,
        map: &mut dyn FnMut(Region) -> Option<R>,
        wiring: Wiring<'_>,
    ) -> Result<Self, ProbeError> {
        let family = Family::of(config).ok_or(ProbeError::NotMine)?;
        let bars = Bars::of(config);
        let region = bars.region(0, 0, register::END)?;
        let registers = map(region).ok_or(ProbeError::NotMapped)?;
        pci::enable(config);
        let route = match wiring {
            Wiring::Polled | Wiring::Messages([]) => Route::Polled,
            Wiring::Line => {
                pci::enable_line(config);
                Route::Line
            }
            Wiring::Messages(messages) => {
                let msix = Msix::find(config, &bars)?.ok_or(ProbeError::NoVector)?;
                let table = map(msix.table()).ok_or(ProbeError::NotMapped)?;
                msix.program(config, &table, messages);
                Route::Messages { count: messages.len().min(usize::from(msix.vectors())) }
            }
        };
        Ok(Self { hardware: Hardware::new(registers, family), route })
    }
}

/// What the device will do, as `settings` and `family` allow.
pub(super) struct Terms {
    pub(super) info: NicInfo,
    pub(super) frame_check: FrameCheck,
    /// Bytes of a receive buffer.
    pub(super) buffer_size: usize,
    pub(super) interrupt_interval: u32,
}

/// An Ethernet header, a VLAN tag and a frame check sequence.
pub(super) const FRAME_OVERHEAD: u16 = 14 + 4 + 4;

impl Terms {
    pub(super) fn of<R: Registers>(
        hardware: &Hardware<R>,
        settings: Settings,
        receive: &Pool,
    ) -> Result<Self, ProbeError> {
        let Settings { mtu, offloads, frame_check, interrupt_interval } = settings;
        let family = hardware.family;
        if mtu < 68 || mtu > family.longest_frame - FRAME_OVERHEAD {
            return Err(ProbeError::BadMtu);
        }
        let buffer_size = buffer_size(receive.slot_size()).ok_or(ProbeError::SmallSlots)?;
        // A list that has outgrown its packet lies in a slot, aligned.
        let most_chunks = (receive.slot_size() / size_of::<Chunk>() - 1).max(MAX_CHUNKS);
        if usize::from(mtu + FRAME_OVERHEAD) > buffer_size * most_chunks {
            return Err(ProbeError::SmallSlots);
        }
        let address = hardware.address().ok_or(ProbeError::NoAddress)?;
        let info = NicInfo {
            name: family.name,
            address,
            mtu,
            offloads: abilities(family, frame_check, offloads),
            max_parts: MAX_PARTS,
            queues: 1,
        };
        Ok(Self { info, frame_check, buffer_size, interrupt_interval })
    }

    /// Whether tags are inserted and stripped: one bit is for both (CTRL.VME).
    pub(super) fn has_vlan(&self) -> bool {
        self.info.offloads.contains(VLAN)
    }
}

const VLAN: Offloads = Offloads::VLAN_INSERT.union(Offloads::VLAN_STRIP);

/// What the device can do, and may. A segment with CWR would keep it on every piece (8254x §3.5): no ECN.
fn abilities(family: &Family, frame_check: FrameCheck, allowed: Offloads) -> Offloads {
    let able = Offloads::TX_CHECKSUM
        | family.segments
        | Offloads::RX_CHECKSUM
        | match frame_check {
            FrameCheck::ByDevice => VLAN,
            FrameCheck::ByDriver => Offloads::empty(),
        };
    let abilities = able & allowed;
    if abilities.contains(VLAN) { abilities } else { abilities - VLAN }
}

/// Both rings and the header slots, in one run, and the notes of what both rings hold.
pub(super) struct Memory {
    pub(super) run: Dma,
    pub(super) receive: Area,
    pub(super) transmit: Area,
    pub(super) headers: Area,
    pub(super) received: Table<Option<ChunkMut>>,
    pub(super) sent: Table<Note>,
}

impl Memory {
    pub(super) fn take(platform: &impl Platform) -> Option<Self> {
        let mut received = Table::new(platform, RECEIVE_RING, |_| None)?;
        let Some(mut sent) = Table::new(platform, TRANSMIT_RING, |_| Note::FREE) else {
            received.release(platform);
            return None;
        };
        let (receive_len, transmit_len) = (RECEIVE_RING * DESCRIPTOR, TRANSMIT_RING * DESCRIPTOR);
        let headers_len = TRANSMIT_RING * HEADER_SLOT;
        // Rings start on a multiple of 16; header slots are whole cache lines.
        let Some(run) = platform.dma(receive_len + transmit_len + headers_len, 64) else {
            received.release(platform);
            sent.release(platform);
            return None;
        };
        // SAFETY: the run is kept until the driver is stopped, and no other area covers these bytes.
        let receive = unsafe { Area::of(&run, 0, receive_len) };
        // SAFETY: as above; it begins where the last one ends.
        let transmit = unsafe { Area::of(&run, receive_len, transmit_len) };
        // SAFETY: as above.
        let headers = unsafe { Area::of(&run, receive_len + transmit_len, headers_len) };
        Some(Self { run, receive, transmit, headers, received, sent })
    }
}

//! A virtio network device behind PCI registers (virtio 1.2 §4.1.4, §5.1).

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use super::config_space::ConfigModel;
use super::memory::Memory;
use super::queue::{Chain, Queue};
use crate::pci::Region;
use crate::platform::Message;
use crate::registers::Registers;

/// The queue that the driver receives from.
pub const RECEIVE: usize = 0;
/// The queue that the driver transmits to.
pub const TRANSMIT: usize = 1;

/// Feature bits, as the specification numbers them.
pub mod feature {
    /// The device completes transport checksums.
    pub const CSUM: u64 = 1;
    /// The driver takes frames whose checksum was not completed.
    pub const GUEST_CSUM: u64 = 1 << 1;
    /// The device says its MTU.
    pub const MTU: u64 = 1 << 3;
    /// The device has an address.
    pub const MAC: u64 = 1 << 5;
    /// A frame may span several buffers.
    pub const MRG_RXBUF: u64 = 1 << 15;
    /// The device says whether the link is up.
    pub const STATUS: u64 = 1 << 16;
    /// Notifications by index.
    pub const EVENT_IDX: u64 = 1 << 29;
    /// A modern device.
    pub const VERSION_1: u64 = 1 << 32;
}

/// What a device offers, and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Feature bits.
    pub features: u64,
    /// Its address.
    pub address: [u8; 6],
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// The largest size of each queue.
    pub queue_size: u16,
    /// MSI-X vectors.
    pub vectors: u16,
    /// It takes no feature set.
    pub refuses_features: bool,
    /// It never stops.
    pub ignores_reset: bool,
    /// Its configuration changes with every look.
    pub never_settles: bool,
    /// What each queue says of where its doorbell is.
    pub notify_offset: Option<u16>,
}

impl Default for Offer {
    /// QEMU's over TAP without segmentation: merged buffers, event index, checksums, status, MTU 1500.
    fn default() -> Self {
        use feature::{CSUM, EVENT_IDX, GUEST_CSUM, MAC, MRG_RXBUF, STATUS, VERSION_1};
        Self {
            features: MAC | STATUS | MRG_RXBUF | EVENT_IDX | VERSION_1 | CSUM | GUEST_CSUM,
            address: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            mtu: 1500,
            queue_size: 256,
            vectors: 3,
            refuses_features: false,
            ignores_reset: false,
            never_settles: false,
            notify_offset: None,
        }
    }
}

/// The device. Clones are the same device.
#[derive(Clone)]
pub struct VirtioNetModel {
    memory: Memory,
    state: Rc<RefCell<State>>,
}

/// A packet that the driver transmitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sent {
    /// The chain's first descriptor: what the device gives back.
    pub head: u16,
    /// The virtio header.
    pub header: [u8; 12],
    /// The frame.
    pub frame: Vec<u8>,
    /// Address and length of the chain's parts.
    pub parts: Vec<(u64, u32)>,
}

struct State {
    offer: Offer,
    driver_features: u64,
    feature_select: [u32; 2],
    queue_select: u16,
    status: u8,
    generation: u8,
    config_vector: u16,
    is_link_up: bool,
    is_gone: bool,
    queues: [Queue; 2],
    notifications: [u64; 2],
    /// Four words a vector.
    msix: Vec<u32>,
    raised: Vec<Message>,
}

const NO_VECTOR: u16 = 0xffff;
const HEADER: usize = 12;
const FEATURES_OK: u8 = 8;
const NEEDS_RESET: u8 = 64;

impl VirtioNetModel {
    /// A device that has just been powered on and reaches `memory`.
    #[must_use]
    pub fn new(memory: &Memory, offer: Offer) -> Self {
        let state = State {
            driver_features: 0,
            feature_select: [0; 2],
            queue_select: 0,
            status: 0,
            generation: 0,
            config_vector: NO_VECTOR,
            is_link_up: true,
            is_gone: false,
            queues: State::idle_queues(&offer),
            notifications: [0; 2],
            msix: vec![0; 4 * usize::from(offer.vectors)],
            raised: Vec::new(),
            offer,
        };
        Self { memory: memory.clone(), state: Rc::new(RefCell::new(state)) }
    }

    /// Its configuration space.
    #[must_use]
    pub fn config_space(&self) -> ConfigModel {
        ConfigModel::virtio_net(self.state().offer.vectors)
    }

    /// The registers at `region`: what a driver maps.
    #[must_use]
    pub fn registers(&self, region: Region) -> Option<ModelRegisters> {
        Some(ModelRegisters { device: self.clone(), physical: region.physical, len: region.len })
    }

    /// Doorbells that the driver rang for `queue`.
    #[must_use]
    pub fn notifications(&self, queue: usize) -> u64 {
        self.state().notifications[queue]
    }

    /// The interrupts raised since the last call.
    #[must_use]
    pub fn interrupts(&self) -> Vec<Message> {
        core::mem::take(&mut self.state_mut().raised)
    }

    /// The features that the driver accepted.
    #[must_use]
    pub fn accepted_features(&self) -> u64 {
        self.state().driver_features
    }

    /// The device status register.
    #[must_use]
    pub fn status(&self) -> u8 {
        self.state().status
    }

    /// Chains of `queue` that wait for the device.
    #[must_use]
    pub fn available(&self, queue: usize) -> u16 {
        self.state().queues[queue].available(&self.memory)
    }

    /// Takes the next packet that the driver transmitted, and keeps it.
    #[must_use]
    pub fn take_sent(&self) -> Option<Sent> {
        let chain = self.take(TRANSMIT)?;
        assert!(chain.writable.is_empty(), "a transmitted packet has nothing to write to");
        let bytes: Vec<u8> =
            chain.readable.iter().flat_map(|&(bus, len)| self.memory.read(bus, len as usize)).collect();
        let (header, frame) = bytes.split_first_chunk::<HEADER>().expect("a packet begins with a header");
        Some(Sent { head: chain.head, header: *header, frame: frame.to_vec(), parts: chain.readable })
    }

    /// Sends everything that waits, and gives it back to the driver.
    pub fn send_all(&self) -> Vec<Sent> {
        let sent: Vec<Sent> = std::iter::from_fn(|| self.take_sent()).collect();
        for packet in &sent {
            self.complete(TRANSMIT, u32::from(packet.head), 0);
        }
        self.publish(TRANSMIT);
        sent
    }

    /// Receives `frame` for the driver. Returns whether there were buffers for it.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.deliver_with([0; HEADER], frame)
    }

    /// Receives `frame` with the first ten bytes of `header`, over as many buffers as it takes.
    pub fn deliver_with(&self, header: [u8; HEADER], frame: &[u8]) -> bool {
        let mut chains = Vec::new();
        let mut room = 0;
        while room < HEADER + frame.len() {
            let Some(chain) = self.take(RECEIVE) else {
                for _ in &chains {
                    self.state_mut().queues[RECEIVE].untake();
                }
                return false;
            };
            room += chain.writable.iter().map(|&(_, len)| len as usize).sum::<usize>();
            chains.push(chain);
        }
        let mut bytes = header.to_vec();
        bytes[10..].copy_from_slice(&(chains.len() as u16).to_le_bytes());
        bytes.extend_from_slice(frame);
        let mut rest = &bytes[..];
        for chain in chains {
            let len = self.fill(&chain, rest);
            rest = &rest[len..];
            self.complete(RECEIVE, u32::from(chain.head), len as u32);
        }
        self.publish(RECEIVE);
        true
    }

    /// Takes a chain of `queue` and keeps it.
    #[must_use]
    pub fn take(&self, queue: usize) -> Option<Chain> {
        self.state_mut().queues[queue].take(&self.memory)
    }

    /// Writes `bytes`, as far as they fit, to the buffers of `chain`; returns how many did.
    pub fn fill(&self, chain: &Chain, bytes: &[u8]) -> usize {
        let mut written = 0;
        for &(bus, len) in &chain.writable {
            let part = &bytes[written..bytes.len().min(written + len as usize)];
            self.memory.write(bus, part);
            written += part.len();
        }
        written
    }

    /// Writes a used entry, true or not; the driver does not see it before [`VirtioNetModel::publish`].
    pub fn complete(&self, queue: usize, id: u32, len: u32) {
        self.state_mut().queues[queue].complete(&self.memory, id, len);
    }

    /// Tells the driver of the used entries, with an interrupt where it wants one.
    pub fn publish(&self, queue: usize) {
        let mut state = self.state_mut();
        if state.queues[queue].publish(&self.memory) {
            let vector = state.queues[queue].vector;
            state.raise(vector);
        }
    }

    /// Tells the driver a used index that is `ahead` of the true one.
    pub fn publish_ahead(&self, queue: usize, ahead: u16) {
        let queue = &mut self.state_mut().queues[queue];
        let index = queue.written().wrapping_add(ahead);
        queue.publish_index(&self.memory, index);
    }

    /// Asks to be told of nothing but the available index `index` of `queue`.
    pub fn ask_at(&self, queue: usize, index: u16) {
        self.state().queues[queue].ask_at(&self.memory, index);
    }

    /// Overwrites the descriptor table of `queue` with `byte`, as only a hostile device does.
    pub fn scribble_descriptors(&self, queue: usize, byte: u8) {
        let queue = &self.state().queues[queue];
        self.memory.write(queue.bus[0], &vec![byte; 16 * usize::from(queue.size)]);
    }

    /// Pulls the cable, or puts it in, and says so.
    pub fn set_link(&self, is_up: bool) {
        let mut state = self.state_mut();
        state.is_link_up = is_up;
        state.change_config();
    }

    /// Says that it cannot go on.
    pub fn need_reset(&self) {
        let mut state = self.state_mut();
        state.status |= NEEDS_RESET;
        state.change_config();
    }

    /// Stops ignoring resets.
    pub fn heed_reset(&self) {
        self.state_mut().offer.ignores_reset = false;
    }

    /// Is unplugged: every register reads as ones.
    pub fn unplug(&self) {
        self.state_mut().is_gone = true;
    }

    fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

impl State {
    fn idle_queues(offer: &Offer) -> [Queue; 2] {
        std::array::from_fn(|_| Queue::idle(offer.queue_size))
    }

    fn reset(&mut self) {
        self.status = 0;
        self.driver_features = 0;
        self.config_vector = NO_VECTOR;
        self.queues = Self::idle_queues(&self.offer);
    }

    fn change_config(&mut self) {
        self.generation = self.generation.wrapping_add(1);
        self.raise(self.config_vector);
    }

    fn raise(&mut self, vector: u16) {
        let Some(entry) = self.msix.get(4 * usize::from(vector)..4 * usize::from(vector) + 4) else { return };
        if entry[3] & 1 == 0 {
            let address = u64::from(entry[1]) << 32 | u64::from(entry[0]);
            self.raised.push(Message { address, data: entry[2] });
        }
    }

    /// Byte `at` of virtio_net_config.
    fn config_byte(&self, at: u64) -> u8 {
        let mut config = [0; 12];
        config[..6].copy_from_slice(&self.offer.address);
        config[6] = u8::from(self.is_link_up);
        config[8] = 1;
        config[10..].copy_from_slice(&self.offer.mtu.to_le_bytes());
        config.get(at as usize).copied().unwrap_or(0)
    }

    fn queue(&mut self) -> Option<&mut Queue> {
        self.queues.get_mut(usize::from(self.queue_select))
    }

    fn read_common(&mut self, at: u64) -> u32 {
        let shift = 32 * self.feature_select[0].min(1);
        match at {
            4 => (self.offer.features >> shift) as u32,
            16 => u32::from(self.config_vector),
            18 => 2,
            20 => u32::from(self.status),
            21 => {
                if self.offer.never_settles {
                    self.generation = self.generation.wrapping_add(1);
                }
                u32::from(self.generation)
            }
            22 => u32::from(self.queue_select),
            24 => u32::from(self.queue().map_or(0, |queue| queue.size)),
            26 => u32::from(self.queue().map_or(NO_VECTOR, |queue| queue.vector)),
            28 => u32::from(self.queue().is_some_and(|queue| queue.is_enabled)),
            30 => u32::from(self.offer.notify_offset.unwrap_or(self.queue_select)),
            _ => panic!("the driver reads byte {at} of the common configuration"),
        }
    }

    fn write_common(&mut self, at: u64, value: u32) {
        let vectors = self.offer.vectors;
        let granted = |vector: u32| if vector < u32::from(vectors) { vector as u16 } else { NO_VECTOR };
        match at {
            0 => self.feature_select[0] = value,
            8 => self.feature_select[1] = value,
            12 => {
                let shift = 32 * self.feature_select[1].min(1);
                self.driver_features = self.driver_features & !(0xffff_ffff << shift) | u64::from(value) << shift;
            }
            16 => self.config_vector = granted(value),
            20 => self.write_status(value as u8),
            22 => self.queue_select = value as u16,
            24..56 => self.write_queue(at, value),
            _ => panic!("the driver writes byte {at} of the common configuration"),
        }
    }

    fn write_queue(&mut self, at: u64, value: u32) {
        let event_index = self.driver_features & feature::EVENT_IDX != 0;
        let granted = if value < u32::from(self.offer.vectors) { value as u16 } else { NO_VECTOR };
        let Some(queue) = self.queue() else { return };
        assert!(!queue.is_enabled, "a running queue is not changed");
        match at {
            24 => queue.size = value as u16,
            26 => queue.vector = granted,
            28 => (queue.is_enabled, queue.event_index) = (value == 1, event_index),
            32..56 => {
                let address = &mut queue.bus[(at as usize - 32) / 8];
                let shift = if at.is_multiple_of(8) { 0 } else { 32 };
                *address = *address & !(0xffff_ffff << shift) | u64::from(value) << shift;
            }
            _ => panic!("the driver writes byte {at} of the common configuration"),
        }
    }

    fn write_status(&mut self, status: u8) {
        if status == 0 {
            if !self.offer.ignores_reset {
                self.reset();
            }
            return;
        }
        self.status = status;
        if self.offer.refuses_features || self.driver_features & !self.offer.features != 0 {
            self.status &= !FEATURES_OK;
        }
    }
}

/// A window of the device's registers.
pub struct ModelRegisters {
    device: VirtioNetModel,
    physical: u64,
    len: usize,
}

impl ModelRegisters {
    fn read(&self, offset: usize, width: usize) -> u32 {
        assert!(offset + width <= self.len && offset.is_multiple_of(width), "a register lies in its window");
        let mut state = self.device.state_mut();
        if state.is_gone {
            return u32::MAX >> (32 - 8 * width);
        }
        let at = self.physical + offset as u64;
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.read_common(at),
            Some(at @ 0x2000..0x3000) => (0..width as u64)
                .fold(0, |value, byte| value | u32::from(state.config_byte(at - 0x2000 + byte)) << (8 * byte)),
            _ => panic!("the driver reads a register at {at:#x}"),
        }
    }

    fn write(&self, offset: usize, width: usize, value: u32) {
        assert!(offset + width <= self.len && offset.is_multiple_of(width), "a register lies in its window");
        let mut state = self.device.state_mut();
        if state.is_gone {
            return;
        }
        let at = self.physical + offset as u64;
        if let Some(at) = at.checked_sub(ConfigModel::MSIX_TABLE).filter(|at| *at < 0x1000) {
            state.msix[at as usize / 4] = value;
            return;
        }
        match at.checked_sub(ConfigModel::REGISTERS) {
            Some(at @ 0..0x1000) => state.write_common(at, value),
            Some(0x3000..0x4000) => state.notifications[value as usize] += 1,
            _ => panic!("the driver writes a register at {at:#x}"),
        }
    }
}

impl Registers for ModelRegisters {
    fn read8(&self, offset: usize) -> u8 {
        self.read(offset, 1) as u8
    }

    fn read16(&self, offset: usize) -> u16 {
        self.read(offset, 2) as u16
    }

    fn read32(&self, offset: usize) -> u32 {
        self.read(offset, 4)
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, 1, u32::from(value));
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, 2, u32::from(value));
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, 4, value);
    }
}

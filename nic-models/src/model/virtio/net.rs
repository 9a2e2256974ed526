//! A virtio network device behind PCI registers (virtio 1.2 §4.1.4, §5.1).

use std::cell::{Ref, RefCell, RefMut};
use std::rc::Rc;

use super::queue::Chain;
use super::registers::{ModelRegisters, State};
use crate::model::ConfigModel;
use crate::model::Memory;
use crate::pci::Region;
use crate::platform::Message;

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

const HEADER: usize = 12;

impl VirtioNetModel {
    /// A device that has just been powered on and reaches `memory`.
    #[must_use]
    pub fn new(memory: &Memory, offer: Offer) -> Self {
        Self { memory: memory.clone(), state: Rc::new(RefCell::new(State::new(offer))) }
    }

    /// Its configuration space.
    #[must_use]
    pub fn config_space(&self) -> ConfigModel {
        ConfigModel::virtio_net(self.state().offer.vectors)
    }

    /// The registers at `region`: what a driver maps.
    #[must_use]
    pub fn registers(&self, region: Region) -> Option<ModelRegisters> {
        Some(ModelRegisters::new(Rc::clone(&self.state), region))
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

    /// Register accesses so far.
    #[must_use]
    pub fn accesses(&self) -> u64 {
        self.state().accesses
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
        self.state_mut().need_reset();
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

//! [`VirtioNetModel`]: what a test makes an honest device do (virtio 1.2 §5.1).

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Ref, RefCell, RefMut};

use super::control::Orders;
use super::mmio;
use super::offer::{Offer, feature};
use super::queue::Chain;
use super::registers::ModelRegisters;
use super::state::State;
use crate::model::ConfigModel;
use crate::model::Memory;
use crate::pci::Region;
use crate::platform::Message;

/// The queue that the driver receives from, of the first pair; those of the others follow two by two.
pub const RECEIVE: usize = 0;
/// The queue that the driver transmits to.
pub const TRANSMIT: usize = 1;

/// The device. Clones are the same device.
#[derive(Clone)]
pub struct VirtioNetModel {
    memory: Memory,
    state: Rc<RefCell<State>>,
}

/// Where the registers are when they are mapped to memory instead of PCI.
pub const MMIO: Region = Region { physical: mmio::REGISTERS, len: mmio::LEN };

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
        Self { memory: memory.clone(), state: Rc::new(RefCell::new(State::new(memory, offer))) }
    }

    /// Its configuration space: always the same one.
    #[must_use]
    pub fn config_space(&self) -> ConfigModel {
        self.state().config.clone()
    }

    /// The registers at `region`, of PCI or [`MMIO`]: what a driver maps.
    #[must_use]
    pub fn registers(&self, region: Region) -> Option<ModelRegisters> {
        Some(ModelRegisters::new(Rc::clone(&self.state), region))
    }

    /// Queues that it has.
    #[must_use]
    pub fn queues(&self) -> usize {
        self.state().queues.len()
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
        self.take_sent_on(TRANSMIT)
    }

    /// [`VirtioNetModel::take_sent`] for another pair's queue.
    #[must_use]
    pub fn take_sent_on(&self, queue: usize) -> Option<Sent> {
        let chain = self.take(queue)?;
        let parts: Vec<_> = chain.readable.iter().map(|&(bus, len)| self.memory.read(bus, len as usize)).collect();
        let bytes = parts.concat();
        let header = bytes.first_chunk::<HEADER>();
        let (Some(header), Some(frame), []) = (header, bytes.get(self.header_len()..), &chain.writable[..]) else {
            assert!(!self.state().queues[queue].is_honest(), "a packet is a whole header, a frame and no more");
            return None;
        };
        Some(Sent { head: chain.head, header: *header, frame: frame.to_vec(), parts: chain.readable })
    }

    /// Sends everything that waits, and gives it back to the driver.
    pub fn send_all(&self) -> Vec<Sent> {
        self.send_all_on(TRANSMIT)
    }

    /// [`VirtioNetModel::send_all`] for another pair's queue.
    pub fn send_all_on(&self, queue: usize) -> Vec<Sent> {
        let sent: Vec<Sent> = core::iter::from_fn(|| self.take_sent_on(queue)).collect();
        for packet in &sent {
            self.complete(queue, u32::from(packet.head), 0);
        }
        self.publish(queue);
        sent
    }

    /// Receives `frame` for the driver. Returns whether there were buffers for it.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.deliver_with([0; HEADER], frame)
    }

    /// Receives `frame` with the first ten bytes of `header`, over as many buffers as it takes.
    pub fn deliver_with(&self, header: [u8; HEADER], frame: &[u8]) -> bool {
        self.deliver_on(RECEIVE, header, [0; 8], frame)
    }

    /// [`VirtioNetModel::deliver_with`] for another pair's queue. `hash` is what follows the header where the hash is
    /// reported: its value, what it was taken over, padding.
    pub fn deliver_on(&self, queue: usize, header: [u8; HEADER], hash: [u8; 8], frame: &[u8]) -> bool {
        let len = self.header_len();
        let before = self.state().queues[queue].clone();
        let mut chains = Vec::new();
        let mut room = 0;
        while room < len + frame.len() {
            let Some(chain) = self.take(queue) else {
                self.state_mut().queues[queue] = before;
                return false;
            };
            room += chain.writable.iter().map(|&(_, len)| len as usize).sum::<usize>();
            chains.push(chain);
        }
        let mut bytes = [&header[..], &hash].concat();
        bytes.truncate(len);
        bytes[10..12].copy_from_slice(&(chains.len() as u16).to_le_bytes());
        bytes.extend_from_slice(frame);
        let mut rest = &bytes[..];
        for chain in chains {
            let len = self.fill(&chain, rest);
            rest = &rest[len..];
            self.complete(queue, u32::from(chain.head), len as u32);
        }
        self.publish(queue);
        true
    }

    /// Bytes before each frame.
    fn header_len(&self) -> usize {
        if self.accepted_features() & feature::HASH_REPORT == 0 { HEADER } else { HEADER + 8 }
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
        let queue = &mut self.state_mut().queues[queue];
        if queue.is_enabled {
            queue.complete(&self.memory, id, len);
        }
    }

    /// Tells the driver of the used entries, with an interrupt where it wants one.
    pub fn publish(&self, queue: usize) {
        self.state_mut().publish(queue);
    }

    /// Asks to be told of nothing but the available index `index` of `queue`.
    pub fn ask_at(&self, queue: usize, index: u16) {
        self.state().queues[queue].ask_at(&self.memory, index);
    }

    /// Pulls the cable, or puts it in, and says so.
    pub fn set_link(&self, is_up: bool) {
        let mut state = self.state_mut();
        state.is_link_up = is_up;
        state.change_config();
    }

    /// Asks for the driver's addresses to be announced, as after a migration.
    pub fn ask_for_announcement(&self) {
        let mut state = self.state_mut();
        state.wants_announcement = true;
        state.change_config();
    }

    /// What the driver told it to do, since the last reset.
    #[must_use]
    pub fn orders(&self) -> Orders {
        self.state().orders.clone()
    }

    /// Why the interrupt line is asserted: bit 0 for queues, bit 1 for the configuration. Zero where it is not.
    #[must_use]
    pub fn line(&self) -> u8 {
        self.state().interrupt_status
    }

    pub(super) fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    pub(super) fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

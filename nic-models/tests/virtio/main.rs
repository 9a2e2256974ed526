//! The virtio-net driver against the device model, honest and hostile.
//!
//! Under Miri the same tests run with fewer rounds.

mod bounce;
mod control;
mod frames;
mod hostile;
mod indirect;
mod large;
mod life;
mod notification;
mod pairs;
mod recovery;
mod traffic;
mod transport;

use lendwire_drivers::driver::{Driver as _, Events};
use lendwire_drivers::model::{ControlManner, MMIO, Memory, ModelRegisters, Offer, TRANSMIT, VirtioNetModel, feature};
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::virtio::{ProbeError, VirtioNet};
use lendwire_nic::{Checksum, Chunk, Fault, Nic, Payload, Pool, RxPacket, TxPacket};

type Driver = VirtioNet<Memory, ModelRegisters>;

const MESSAGES: [Message; 3] = [
    Message { address: 0xfee0_0000, data: 0x40 },
    Message { address: 0xfee0_0000, data: 0x41 },
    Message { address: 0xfee0_0000, data: 0x42 },
];

/// A machine with a running driver.
struct Bench {
    device: VirtioNetModel,
    driver: Driver,
    pool: &'static Pool,
    transmit_pool: &'static Pool,
    memory: Memory,
}

fn small() -> Offer {
    Offer { queue_size: 8, ..Offer::default() }
}

fn without(features: u64) -> Offer {
    Offer { features: Offer::default().features & !features, ..small() }
}

/// `offer` with these features too.
fn with(offer: Offer, features: u64) -> Offer {
    Offer { features: offer.features | features, ..offer }
}

/// A kind of device: what it offers, and how it is reached.
#[derive(Clone, Debug)]
struct Kind {
    offer: Offer,
    reached: Reached,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reached {
    Pci,
    Mmio,
}

/// A small device of each kind: both rings, both ways to ask for notifications, PCI and MMIO. Under Miri each of these
/// once.
fn kinds() -> Vec<Kind> {
    let [split, split_flags, packed, packed_flags] = every_ring();
    let kind = |offer: &Offer, reached| Kind { offer: offer.clone(), reached };
    if cfg!(miri) {
        return vec![kind(&split, Reached::Pci), kind(&packed_flags, Reached::Mmio)];
    }
    let all = [split, split_flags, packed, packed_flags];
    all.iter().flat_map(|offer| [Reached::Pci, Reached::Mmio].map(|reached| kind(offer, reached))).collect()
}

impl Reached {
    fn probe(self, device: &VirtioNetModel, memory: &Memory, pool: &'static Pool) -> Result<Driver, ProbeError> {
        match self {
            Self::Pci => probe(device, memory, pool),
            Self::Mmio => probe_mmio(device, memory, pool),
        }
    }
}

impl Kind {
    fn with(mut self, features: u64) -> Self {
        self.offer.features |= features;
        self
    }

    fn manner(mut self, manner: ControlManner) -> Self {
        self.offer.control = manner;
        self
    }
}

impl Bench {
    #[track_caller]
    fn new(offer: Offer) -> Self {
        Self::with_slots(offer, 16, 2048)
    }

    #[track_caller]
    fn of(kind: Kind) -> Self {
        Self::set_up(kind, 16, 2048)
    }

    #[track_caller]
    fn with_slots(offer: Offer, slots: usize, slot_size: usize) -> Self {
        Self::set_up(Kind { offer, reached: Reached::Pci }, slots, slot_size)
    }

    /// A machine whose device reaches nothing but what the driver set aside.
    #[track_caller]
    fn out_of_reach(offer: Offer, slots: usize) -> Self {
        let memory = Memory::new();
        let (pool, transmit_pool) = (Pool::leaked(slots, 2048).unwrap(), Pool::leaked(64, 2048).unwrap());
        let device = VirtioNetModel::new(&memory, offer);
        let driver = probe(&device, &memory, pool).expect("the device is sound");
        Self { device, driver, pool, transmit_pool, memory }
    }

    #[track_caller]
    fn set_up(kind: Kind, slots: usize, slot_size: usize) -> Self {
        let memory = Memory::new();
        let pool = Pool::leaked(slots, slot_size).unwrap();
        let transmit_pool = Pool::leaked(64, 2048).unwrap();
        memory.share_pool(pool);
        memory.share_pool(transmit_pool);
        let device = VirtioNetModel::new(&memory, kind.offer);
        let driver = kind.reached.probe(&device, &memory, pool).expect("the device is sound");
        Self { device, driver, pool, transmit_pool, memory }
    }

    /// A chunk of `len` bytes `fill` in memory that the device reaches.
    fn chunk(&self, fill: u8, len: usize) -> Chunk {
        let mut slot = self.transmit_pool.take().unwrap();
        slot.bytes_mut()[..len].fill(fill);
        slot.freeze(len)
    }

    fn fault(&self, fault: Fault) -> u64 {
        self.driver.statistics().faults[fault as usize]
    }

    /// No frame, one fault of this kind more, and the driver goes on: the next frame arrives.
    #[track_caller]
    fn assert_dropped(&mut self, fault: Fault) {
        let before = self.fault(fault);
        assert!(self.driver.receive().is_none());
        assert_eq!(self.fault(fault), before + 1);
        assert_eq!(self.fault(Fault::Broken), 0);
        self.driver.flush();
        assert!(self.device.deliver(&[7; 64]));
        assert_eq!(bytes(&self.driver.receive().expect("the driver goes on")), [7; 64]);
    }

    /// One fault of this kind, and the device was started anew for it: frames pass both ways again, and nothing is lost.
    #[track_caller]
    fn assert_restarted(mut self, fault: Fault) {
        while self.driver.receive().is_some() {}
        self.driver.flush();
        let statistics = self.driver.statistics();
        assert_eq!((self.fault(fault), statistics.recoveries, self.fault(Fault::Broken)), (1, 1, 0));
        assert_eq!(self.driver.on_configuration_change(), Events::RESTARTED);
        assert_eq!(self.driver.link(), lendwire_nic::Link::Up);
        self.assert_passes();
        self.assert_returns_everything();
    }

    /// The device sends all that waits, and gives it back in another order, by `round`. Returns how many packets.
    fn give_back_turned(&mut self, round: usize) -> usize {
        let mut sent: Vec<_> = core::iter::from_fn(|| self.device.take_sent()).collect();
        let count = sent.len();
        sent.rotate_left(round % count);
        for sent in sent {
            self.device.complete(TRANSMIT, u32::from(sent.head), 0);
        }
        self.device.publish(TRANSMIT);
        self.driver.flush();
        count
    }

    /// A packet of bytes `fill` goes out, and the same frame comes in.
    #[track_caller]
    fn assert_comes_back(&mut self, fill: u8) {
        let payload = [self.chunk(fill, 60)];
        self.driver.transmit(&packet(&payload)).unwrap();
        self.driver.flush();
        let sent = self.device.send_all();
        assert_eq!((sent.len(), sent[0].frame[34]), (1, fill));
        assert!(self.device.deliver(&sent[0].frame));
        assert_eq!(bytes(&self.driver.receive().unwrap()), sent[0].frame);
        self.driver.flush();
    }

    /// The device is not listened to any more, and nothing is lost for it.
    #[track_caller]
    fn assert_broken(mut self) {
        assert_eq!(self.fault(Fault::Broken), 1);
        assert_eq!(self.driver.link(), lendwire_nic::Link::Down);
        let accesses = self.device.accesses();
        let _ = self.driver.set_interrupts(lendwire_nic::Interrupts::Armed);
        self.driver.transmit(&packet(&[])).unwrap();
        self.driver.flush();
        assert!(self.driver.receive().is_none());
        self.driver.set_multicast(lendwire_nic::MulticastFilter::All);
        assert_eq!(self.device.accesses(), accesses, "a broken device is left alone");
        self.assert_returns_everything();
    }

    /// Frames pass both ways.
    #[track_caller]
    fn assert_passes(&mut self) {
        self.assert_passes_after(0);
    }

    /// Frames pass both ways, and `queued` that are queued already.
    #[track_caller]
    fn assert_passes_after(&mut self, queued: usize) {
        self.driver.transmit(&packet(&[])).unwrap();
        self.driver.flush();
        assert_eq!(self.device.send_all().len(), queued + 1);
        self.driver.flush();
        assert!(self.device.deliver(&[7; 64]));
        assert_eq!(bytes(&self.driver.receive().expect("the driver goes on")), [7; 64]);
    }

    /// Stopping the device gives back every slot and all memory.
    #[track_caller]
    fn assert_returns_everything(mut self) {
        self.driver.quiesce().unwrap();
        let (pool, transmit_pool) = (self.pool, self.transmit_pool);
        assert_eq!((pool.available(), transmit_pool.available()), (pool.slots(), transmit_pool.slots()));
        assert_eq!(self.memory.taken(), 0);
    }
}

fn probe(device: &VirtioNetModel, memory: &Memory, pool: &'static Pool) -> Result<Driver, ProbeError> {
    let windows = device.clone();
    let map = move |region| windows.registers(region);
    VirtioNet::probe_with(&device.config_space(), memory.clone(), map, pool, Wiring::Messages(&MESSAGES))
}

fn probe_mmio(device: &VirtioNetModel, memory: &Memory, pool: &'static Pool) -> Result<Driver, ProbeError> {
    let registers = device.registers(MMIO).expect("the window is there");
    VirtioNet::probe_mmio_with(registers, MMIO.len, memory.clone(), pool, Wiring::Line)
}

fn packet(payload: &[Chunk]) -> TxPacket<'_> {
    let mut packet = TxPacket::new(Payload::of(payload));
    packet.push(20).fill(0x20);
    packet.push(14).fill(0x14);
    packet
}

fn bytes(packet: &RxPacket) -> Vec<u8> {
    packet.chunks().iter().map(|chunk| &chunk[..]).collect::<Vec<_>>().concat()
}

fn rounds(full: usize, under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { full }
}

fn filled(start: u16, offset: u16) -> TxPacket<'static> {
    let mut packet = packet(&[]);
    packet.offload.checksum = Checksum::Fill { start, offset };
    packet
}

/// A virtio header with these flags, gso_type, csum_start and csum_offset.
fn header(flags: u8, gso_type: u8, start: u16, offset: u16) -> [u8; 12] {
    let mut header = [0; 12];
    (header[0], header[1]) = (flags, gso_type);
    header[6..8].copy_from_slice(&start.to_le_bytes());
    header[8..10].copy_from_slice(&offset.to_le_bytes());
    header
}

/// `len` bytes of which no two slots have the same; whole runs are copied, for an interpreter's sake.
fn pattern(len: usize) -> Vec<u8> {
    let run: Vec<u8> = (0..=250).collect();
    let mut bytes = run.repeat(len.div_ceil(run.len()));
    bytes.truncate(len);
    bytes
}

/// A small device with each kind of ring, asked for notifications by index or not. Under Miri the two that
/// [`kinds`] leaves out.
fn rings() -> Vec<Offer> {
    let [split, split_flags, packed, packed_flags] = every_ring();
    if cfg!(miri) { vec![split_flags, packed] } else { vec![split, split_flags, packed, packed_flags] }
}

fn every_ring() -> [Offer; 4] {
    let offer =
        |added: u64, removed: u64| Offer { features: (Offer::default().features | added) & !removed, ..small() };
    let (packed, event_index) = (feature::RING_PACKED, feature::EVENT_IDX);
    [offer(0, 0), offer(0, event_index), offer(packed, 0), offer(packed, event_index)]
}

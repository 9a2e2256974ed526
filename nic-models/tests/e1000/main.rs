//! The e1000 driver against the device model, honest and hostile.
//!
//! What both sorts of device do alike is tested on both. Under Miri the same tests run with fewer rounds, and those
//! without a receive descriptor to look at on one sort.

mod claims;
mod filter;
mod frames;
mod hostile;
mod interrupts;
mod life;
mod receive;
mod removal;
mod transmit;

use lendwire_drivers::driver::Driver as _;
use lendwire_drivers::e1000::{E1000, ProbeError, Settings};
use lendwire_drivers::model::Memory;
use lendwire_drivers::model::e1000::{E1000Model, E1000Registers, Kind, Offer, Transmits};
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_nic::{Chunk, Fault, Nic, Payload, Pool, RxPacket, TxPacket};

use crate::frames::{OWN, PEER, plain};

type Driver = E1000<Memory, E1000Registers>;

const MESSAGES: [Message; 3] = [
    Message { address: 0xfee0_0000, data: 0x40 },
    Message { address: 0xfee0_0000, data: 0x41 },
    Message { address: 0xfee0_0000, data: 0x42 },
];

/// A machine before its driver starts.
struct Setup {
    offer: Offer,
    settings: Settings,
    wiring: Wiring<'static>,
    slots: usize,
    slot_size: usize,
}

impl Setup {
    fn of(kind: Kind) -> Self {
        let wiring = if kind.is_express() { Wiring::Messages(&MESSAGES) } else { Wiring::Line };
        let slots = rounds(64, 24);
        Self { offer: Offer::honest(kind), settings: Settings::default(), wiring, slots, slot_size: 2048 }
    }

    /// Packets leave when the test says so.
    fn slow(kind: Kind) -> Self {
        let setup = Self::of(kind);
        Self { offer: Offer { transmits: Transmits::WhenAsked, ..setup.offer }, ..setup }
    }

    fn jumbo(kind: Kind, slot_size: usize) -> Self {
        Self { settings: Settings { mtu: 9000, ..Settings::default() }, slot_size, ..Self::of(kind) }
    }

    #[track_caller]
    fn start(self) -> Bench {
        let memory = Memory::new();
        let pool = Pool::leaked(self.slots, self.slot_size).unwrap();
        let transmit_pool = Pool::leaked(128, 2048).unwrap();
        memory.share_pool(pool);
        memory.share_pool(transmit_pool);
        let device = E1000Model::new(&memory, self.offer);
        let driver = probe(&device, &memory, pool, self.wiring, self.settings).expect("the device is sound");
        Bench { device, driver, pool, transmit_pool, memory }
    }
}

/// A machine with a running driver.
struct Bench {
    device: E1000Model,
    driver: Driver,
    pool: &'static Pool,
    transmit_pool: &'static Pool,
    memory: Memory,
}

impl Bench {
    #[track_caller]
    fn new(kind: Kind) -> Self {
        Setup::of(kind).start()
    }

    /// Forgets the interrupt that told of the link coming up.
    fn settled(mut self) -> Self {
        self.driver.acknowledge();
        self.driver.on_configuration_change();
        self.device.messages();
        self
    }

    /// A chunk of these bytes in memory that the device reaches.
    fn chunk(&self, bytes: &[u8]) -> Chunk {
        let mut slot = self.transmit_pool.take().unwrap();
        slot.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
        slot.freeze(bytes.len())
    }

    /// `bytes` in chunks of up to `len`.
    fn chunks(&self, bytes: &[u8], len: usize) -> Vec<Chunk> {
        bytes.chunks(len).map(|bytes| self.chunk(bytes)).collect()
    }

    fn fault(&self, fault: Fault) -> u64 {
        self.driver.statistics().faults[fault as usize]
    }

    /// What `packet` becomes on the wire.
    #[track_caller]
    fn sent(&mut self, packet: &TxPacket<'_>) -> Vec<Vec<u8>> {
        self.driver.transmit(packet).unwrap();
        self.driver.flush();
        let sent = self.device.sent();
        assert_eq!(sent.len(), 1, "one packet goes out for one");
        sent.into_iter().next().expect("there is one").frames
    }

    /// `frame` as the driver receives it.
    #[track_caller]
    fn received(&mut self, frame: &[u8]) -> RxPacket {
        assert!(self.device.deliver(frame), "the device takes the frame");
        let packet = self.driver.receive().expect("the driver hands it up");
        self.driver.flush();
        packet
    }

    /// The driver goes on: the next frame arrives.
    #[track_caller]
    fn assert_alive(&mut self) {
        assert_eq!(self.fault(Fault::Broken), 0);
        self.driver.flush();
        let frame = plain(OWN, 64);
        assert_eq!(bytes(&self.received(&frame)), frame);
    }

    /// No frame, one fault of this kind more, and the driver goes on.
    #[track_caller]
    fn assert_dropped(&mut self, fault: Fault) {
        let before = self.fault(fault);
        assert!(self.driver.receive().is_none());
        assert_eq!(self.fault(fault), before + 1);
        self.assert_alive();
    }

    /// Stops the driver: everything that was lent is back.
    #[track_caller]
    fn assert_nothing_leaks(mut self) {
        self.driver.quiesce().unwrap();
        drop(self.driver);
        let (pool, transmit_pool) = (self.pool, self.transmit_pool);
        assert_eq!((pool.available(), transmit_pool.available()), (pool.slots(), transmit_pool.slots()));
        assert_eq!(self.memory.taken(), 0);
    }
}

fn probe(
    device: &E1000Model,
    memory: &Memory,
    pool: &'static Pool,
    wiring: Wiring<'_>,
    settings: Settings,
) -> Result<Driver, ProbeError> {
    let windows = device.clone();
    let map = move |region| windows.registers(region);
    E1000::probe_with(&device.config_space(), memory.clone(), map, pool, wiring, settings)
}

/// A packet of a kind that no offload is for.
fn packet(payload: &[Chunk]) -> TxPacket<'_> {
    let mut packet = TxPacket::new(Payload::of(payload));
    packet.push(50).fill(0x20);
    packet.push(14).copy_from_slice(&[&PEER[..], &OWN, &[0x88, 0xb5]].concat());
    packet
}

fn bytes(packet: &RxPacket) -> Vec<u8> {
    packet.chunks().iter().map(|chunk| &chunk[..]).collect::<Vec<_>>().concat()
}

/// One of each sort; under Miri the 82574L alone, for what takes the same ways through memory on both.
fn both() -> &'static [Kind] {
    if cfg!(miri) { &[Kind::E82574L] } else { &Kind::BOTH }
}

/// Every kind; under Miri one of each sort.
fn every_kind() -> &'static [Kind] {
    if cfg!(miri) { &Kind::BOTH } else { &Kind::ALL }
}

fn rounds(full: usize, under_miri: usize) -> usize {
    if cfg!(miri) { under_miri } else { full }
}

//! An impaired wire between two ends, in virtual time: what happens to a frame follows from the seed alone.
//!
//! Every frame carries a real frame check sequence (CRC-32, IEEE 802.3 §3.2.9); a damaged one is dropped by the
//! receiving end and counted ([`Fault::BadFrameCheck`]), as a real device does, unless [`Impairments::undetected`].
//! Bytes are copied here, as a device's DMA copies them; no stack is charged for it.

mod line;

use std::cell::RefCell;
use std::rc::Rc;

use lendwire_nic::{
    Checksum, Fault, Full, Interrupts, MAX_CHUNKS, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool,
    Received, RxPacket, TxPacket,
};

use self::line::{Frame, Line};
use crate::long_packet::append;
use crate::sendable::{complete_checksum, is_sendable};

/// What one direction of a wire does to frames. The default does nothing to them.
#[derive(Clone, Copy, Debug, Default)]
pub struct Impairments {
    /// A frame vanishes.
    pub loss: Chance,
    /// A frame arrives twice.
    pub duplication: Chance,
    /// A frame is held back by [`Impairments::held_back`], so that later ones overtake it.
    pub reordering: Chance,
    /// How long a reordered frame is held back, in microseconds.
    pub held_back: u64,
    /// Bits of a frame flip: one to eight of them, or exactly one with [`Impairments::undetected`].
    pub damage: Chance,
    /// Damaged frames are handed up, as by a device with bad memory behind its check. One bit is always seen by an
    /// internet checksum that covers it.
    pub undetected: bool,
    /// How long every frame takes, in microseconds.
    pub delay: u64,
    /// Up to so many microseconds more, evenly spread. Order is kept.
    pub jitter: u64,
    /// Bytes a second that the wire carries; it takes any number without.
    pub rate: Option<u64>,
    /// Frames that may wait for a rate-limited wire; more are lost. Zero: no bound.
    pub backlog: usize,
}

/// A probability, in millionths.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Chance(u32);

impl Chance {
    /// It does not happen.
    pub const NEVER: Self = Self(0);
    /// It always happens.
    pub const ALWAYS: Self = Self(1_000_000);

    /// So many times in a hundred.
    #[must_use]
    pub const fn percent(percent: u32) -> Self {
        Self::per_million(percent * 10_000)
    }

    /// So many times in a million.
    ///
    /// # Panics
    /// If it is more than a million.
    #[must_use]
    pub const fn per_million(times: u32) -> Self {
        assert!(times <= 1_000_000, "nothing happens more often than always");
        Self(times)
    }
}

/// How the two ends look to their stacks.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// Of these, `TX_CHECKSUM` (the end completes a checksum) and `RX_CHECKSUM` (frames whose checksum was completed
    /// and that came unharmed are [`Received::Checked`]) have a meaning.
    pub offloads: Offloads,
    /// Frames an end takes between two flushes, before [`Full`].
    pub capacity: usize,
    /// Frames that may wait to be received; more are dropped ([`Fault::NoSlot`]).
    pub waiting: usize,
    /// The ends' addresses.
    pub addresses: [MacAddress; 2],
}

impl Default for Options {
    /// Ethernet's MTU, no offloads, 256 frames each way, and the locally administered addresses `02:…:01`, `02:…:02`.
    fn default() -> Self {
        Self {
            mtu: 1500,
            offloads: Offloads::empty(),
            capacity: 256,
            waiting: 256,
            addresses: [MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2])],
        }
    }
}

/// The wire itself: its clock. Its ends are [`End`]s.
///
/// ```
/// use lendwire_drivers::impaired::{Chance, Impaired, Impairments, Options};
/// use lendwire_nic::{Chunk, Nic, Payload, Pool, TxPacket};
///
/// let pool = Pool::leaked(16, 2048)?;
/// let wire = Impaired::new(7, Impairments { delay: 1_500, ..Impairments::default() });
/// let (mut here, mut there) = wire.ends(&Options::default(), pool);
///
/// let content = [Chunk::from_static(b"payload")];
/// let mut packet = TxPacket::new(Payload::of(&content));
/// packet.push(14);
/// here.transmit(&packet).unwrap();
/// here.flush();
/// assert!(there.receive().is_none());
/// wire.advance(wire.next_arrival().unwrap());
/// assert_eq!(there.receive().unwrap().len(), 21);
/// # Ok::<(), lendwire_nic::PoolError>(())
/// ```
pub struct Impaired {
    shared: Rc<RefCell<Shared>>,
}

impl Impaired {
    /// A wire that does the same both ways.
    #[must_use]
    pub fn new(seed: u64, impairments: Impairments) -> Self {
        Self::asymmetric(seed, [impairments; 2])
    }

    /// A wire with its own impairments from the first end to the second, and back.
    #[must_use]
    pub fn asymmetric(seed: u64, [there, back]: [Impairments; 2]) -> Self {
        // Directions draw from streams of their own: what one carries does not change the other's fate.
        let lines = [Line::new(seed, there), Line::new(!seed, back)];
        Self { shared: Rc::new(RefCell::new(Shared { now: 0, lines })) }
    }

    /// The two ends. Frames arrive in slots of `pool`.
    #[must_use]
    pub fn ends(&self, options: &Options, pool: &'static Pool) -> (End, End) {
        let end = |side: usize| End {
            shared: Rc::clone(&self.shared),
            side,
            pool,
            ring: Vec::with_capacity(options.capacity),
            options: *options,
            info: NicInfo {
                name: "impaired",
                address: options.addresses[side],
                mtu: options.mtu,
                offloads: options.offloads & (Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM),
                max_parts: u16::MAX,
                queues: 1,
            },
            statistics: NicStatistics::default(),
        };
        (end(0), end(1))
    }

    /// Moves the wire's clock to `now`, in microseconds: frames due by then can be received. It never goes back.
    pub fn advance(&self, now: u64) {
        let mut shared = self.shared.borrow_mut();
        shared.now = shared.now.max(now);
    }

    /// When the next frame that is still under way arrives, at either end, in microseconds; `None` when none is.
    ///
    /// Frames that have arrived and wait to be received do not count.
    #[must_use]
    pub fn next_arrival(&self) -> Option<u64> {
        let shared = self.shared.borrow();
        shared.lines.iter().filter_map(|line| line.next_after(shared.now)).min()
    }

    /// What the wire did so far, from the first end to the second, and back.
    #[must_use]
    pub fn fates(&self) -> [Fates; 2] {
        self.shared.borrow().lines.each_ref().map(|line| line.fates)
    }
}

/// What became of the frames in one direction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Fates {
    /// Put on the wire.
    pub carried: u64,
    /// Vanished, or too many for a limited rate.
    pub lost: u64,
    /// Arrived once more.
    pub duplicated: u64,
    /// Held back.
    pub reordered: u64,
    /// Damaged.
    pub damaged: u64,
}

/// One end of an [`Impaired`] wire.
pub struct End {
    shared: Rc<RefCell<Shared>>,
    side: usize,
    pool: &'static Pool,
    ring: Vec<Frame>,
    options: Options,
    info: NicInfo,
    statistics: NicStatistics,
}

impl Nic for End {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        if self.ring.len() >= self.options.capacity {
            return Err(Full);
        }
        let checked = packet.offload.checksum != Checksum::Done && self.info.offloads.contains(Offloads::RX_CHECKSUM);
        self.ring.push(Frame { bytes: assemble(packet), checked });
        self.statistics.sent += 1;
        self.statistics.sent_bytes += packet.len() as u64;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        loop {
            let mut shared = self.shared.borrow_mut();
            let now = shared.now;
            let line = &mut shared.lines[1 - self.side];
            let undetected = line.impairments.undetected;
            for _ in 0..line.arrive(now, self.options.waiting) {
                self.statistics.count(Fault::NoSlot);
            }
            let frame = line.arrived.front()?;
            let (content, check) = frame.bytes.split_last_chunk::<4>().map_or((&[][..], [0; 4]), |(c, f)| (c, *f));
            if !undetected && crc32fast::hash(content) != u32::from_le_bytes(check) {
                self.statistics.count(Fault::BadFrameCheck);
                line.arrived.pop_front();
                continue;
            }
            if content.len() > self.pool.slot_size() * MAX_CHUNKS {
                self.statistics.count(Fault::BadChain);
                line.arrived.pop_front();
                continue;
            }
            let mut packet = into_slots(content, self.pool)?;
            if frame.checked {
                packet.checksum = Received::Checked;
            }
            line.arrived.pop_front();
            self.statistics.received += 1;
            self.statistics.received_bytes += packet.len() as u64;
            return Some(packet);
        }
    }

    fn flush(&mut self) {
        let mut shared = self.shared.borrow_mut();
        let now = shared.now;
        for frame in self.ring.drain(..) {
            shared.lines[self.side].carry(frame, now);
        }
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        let shared = self.shared.borrow();
        match interrupts {
            Interrupts::Armed if shared.lines[1 - self.side].has_arrived(shared.now) => Pending::Work,
            Interrupts::Armed | Interrupts::Masked => Pending::Nothing,
        }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

/// A frame's bytes as a device would put them on the wire, its check sequence last.
fn assemble(packet: &TxPacket<'_>) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(packet.len() + 4);
    bytes.extend_from_slice(packet.header());
    complete_checksum(&mut bytes, packet);
    for part in packet.payload().parts() {
        bytes.extend_from_slice(part.bytes());
    }
    let check = crc32fast::hash(&bytes);
    bytes.extend_from_slice(&check.to_le_bytes());
    bytes
}

/// `content` in as many slots as it takes, or `None` while the pool has too few.
fn into_slots(content: &[u8], pool: &'static Pool) -> Option<RxPacket> {
    let mut packet: Option<RxPacket> = None;
    for piece in content.chunks(pool.slot_size()) {
        let mut slot = pool.take()?;
        slot.bytes_mut()[..piece.len()].copy_from_slice(piece);
        let chunk = slot.freeze(piece.len());
        match &mut packet {
            None => packet = Some(RxPacket::new(chunk)),
            Some(packet) => append(packet, chunk, pool).ok()?,
        }
    }
    packet
}

struct Shared {
    now: u64,
    lines: [Line; 2],
}

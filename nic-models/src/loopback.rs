//! Two ends joined in memory. A frame's headers are copied into a slot; its payload is lent to the other end.
//!
//! Invariant: no payload byte is copied or read. The receiver sees the headers contiguous in its first chunk and one
//! chunk for every payload part, without the sums that the sender knew: a wire does not carry them.

#[cfg(feature = "host")]
use std::sync::Arc;

use lendwire_nic::{
    Checksum, Fault, Full, HEADER_ROOM, Interrupts, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool,
    Received, RxPacket, TxPacket,
};
use spin::Mutex;

use crate::long_packet::{append, most_chunks};
use crate::sendable::{complete_checksum, is_sendable};

/// How the two ends of a [`Loopback`] look to their stacks.
#[derive(Clone, Copy, Debug)]
pub struct Options {
    /// Bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// Checksums and segmentation have a meaning. With `TX_CHECKSUM` and `RX_CHECKSUM`, a checksum that is left to the
    /// device is never taken ([`Received::Local`]); with the first alone it is taken on the way. With both and
    /// `RX_COALESCE`, the `TX_SEGMENT_*` that are asked for let large segments cross as one packet.
    pub offloads: Offloads,
    /// Frames in flight each way, before [`Full`].
    pub capacity: usize,
    /// The ends' addresses.
    pub addresses: [MacAddress; 2],
}

impl Default for Options {
    /// Ethernet's MTU, both checksum offloads, 256 frames, and the locally administered addresses `02:…:01`, `02:…:02`.
    fn default() -> Self {
        Self {
            mtu: 1500,
            offloads: Offloads::TX_CHECKSUM.union(Offloads::RX_CHECKSUM),
            capacity: 256,
            addresses: [MacAddress([2, 0, 0, 0, 0, 1]), MacAddress([2, 0, 0, 0, 0, 2])],
        }
    }
}

impl Options {
    /// The offloads that work together.
    fn agreed(&self) -> Offloads {
        let checksums = Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM;
        let segments = Offloads::TX_SEGMENT_V4 | Offloads::TX_SEGMENT_V6 | Offloads::TX_SEGMENT_ECN;
        let known = self.offloads & (checksums | segments | Offloads::RX_COALESCE);
        let is_whole = known.contains(checksums | Offloads::RX_COALESCE) && known.intersects(segments);
        if is_whole { known } else { known & checksums }
    }
}

/// A place for a frame in flight: what a [`Wire`]'s storage is made of.
pub type Place = Option<RxPacket>;

/// The frames between two [`Loopback`] ends.
pub struct Wire {
    toward: [Mutex<Frames>; 2],
}

impl Wire {
    /// A wire over storage that is handed in: one slice of places toward each end.
    #[must_use]
    pub const fn new([toward_first, toward_second]: [&'static mut [Place]; 2]) -> Self {
        Self { toward: [Frames::new(Places::Given(toward_first)), Frames::new(Places::Given(toward_second))] }
    }
}

/// One end of a wire in memory. A packet of more parts than lie inline takes a slot of `headers` for their list. The ends may be polled from one thread or from two.
pub struct Loopback {
    wire: Handle,
    side: usize,
    headers: &'static Pool,
    capacity: usize,
    info: NicInfo,
    statistics: NicStatistics,
}

impl Loopback {
    /// Two ends whose wire is on the heap. Headers in flight take slots of `headers`.
    ///
    /// # Panics
    /// If a slot of `headers` is smaller than [`HEADER_ROOM`].
    #[cfg(feature = "host")]
    #[must_use]
    pub fn pair(options: &Options, headers: &'static Pool) -> (Self, Self) {
        let places = || Places::Owned((0..options.capacity).map(|_| None).collect());
        let wire = Arc::new(Wire { toward: [Frames::new(places()), Frames::new(places())] });
        Self::ends(&Handle::Shared(wire), options, headers)
    }

    /// Two ends on a wire that lives for ever. No more frames are in flight than its storage or `options` allows.
    ///
    /// # Panics
    /// If a slot of `headers` is smaller than [`HEADER_ROOM`].
    #[must_use]
    pub fn over(wire: &'static Wire, options: &Options, headers: &'static Pool) -> (Self, Self) {
        Self::ends(&Handle::Static(wire), options, headers)
    }

    fn ends(wire: &Handle, options: &Options, headers: &'static Pool) -> (Self, Self) {
        assert!(headers.slot_size() >= HEADER_ROOM, "a slot holds all headers of a packet");
        let end = |side: usize| Self {
            wire: wire.clone(),
            side,
            headers,
            capacity: options.capacity,
            info: NicInfo {
                name: "loopback",
                address: options.addresses[side],
                mtu: options.mtu,
                offloads: options.agreed(),
                // One chunk is the headers'.
                max_parts: most_chunks(headers) as u16 - 1,
                queues: 1,
            },
            statistics: NicStatistics::default(),
        };
        (end(0), end(1))
    }
}

impl Nic for Loopback {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if !is_sendable(packet, &self.info) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        let mut frames = self.wire.get().toward[1 - self.side].lock();
        if frames.len >= self.capacity.min(frames.places.len()) {
            return Err(Full);
        }
        let mut slot = self.headers.take().ok_or(Full)?;
        let header = packet.header();
        let front = &mut slot.bytes_mut()[..header.len()];
        front.copy_from_slice(header);
        let checksum = match packet.offload.checksum {
            Checksum::Done => Received::Unchecked,
            Checksum::Fill { start, offset } if self.info.offloads.contains(Offloads::RX_CHECKSUM) => {
                Received::Local { start, offset }
            }
            Checksum::Fill { .. } => {
                complete_checksum(front, packet);
                Received::Unchecked
            }
        };
        let mut arriving = RxPacket::new(slot.freeze(header.len()));
        arriving.checksum = checksum;
        arriving.segment_size = packet.offload.segmentation.map(|cut| cut.size);
        for part in packet.payload().parts() {
            // What is refused for want of a slot was not seen by the other end: nothing has changed.
            append(&mut arriving, part.hold().unsummed(), self.headers).map_err(|_| Full)?;
        }
        frames.push(arriving);
        self.statistics.sent += 1;
        self.statistics.sent_bytes += packet.len() as u64;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let packet = self.wire.get().toward[self.side].lock().pop()?;
        self.statistics.received += 1;
        self.statistics.received_bytes += packet.len() as u64;
        Some(packet)
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        let waiting = self.wire.get().toward[self.side].lock().len > 0;
        match interrupts {
            Interrupts::Armed if waiting => Pending::Work,
            Interrupts::Armed | Interrupts::Masked => Pending::Nothing,
        }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

#[derive(Clone)]
enum Handle {
    Static(&'static Wire),
    #[cfg(feature = "host")]
    Shared(Arc<Wire>),
}

impl Handle {
    fn get(&self) -> &Wire {
        match self {
            Self::Static(wire) => wire,
            #[cfg(feature = "host")]
            Self::Shared(wire) => wire,
        }
    }
}

/// Frames toward one end: a ring of places.
struct Frames {
    places: Places,
    first: usize,
    len: usize,
}

enum Places {
    Given(&'static mut [Place]),
    #[cfg(feature = "host")]
    Owned(Box<[Place]>),
}

impl Places {
    fn len(&self) -> usize {
        match self {
            Self::Given(places) => places.len(),
            #[cfg(feature = "host")]
            Self::Owned(places) => places.len(),
        }
    }

    fn at(&mut self, index: usize) -> &mut Place {
        match self {
            Self::Given(places) => &mut places[index],
            #[cfg(feature = "host")]
            Self::Owned(places) => &mut places[index],
        }
    }
}

impl Frames {
    const fn new(places: Places) -> Mutex<Self> {
        Mutex::new(Self { places, first: 0, len: 0 })
    }

    /// The caller has seen that a place is free.
    fn push(&mut self, packet: RxPacket) {
        let index = (self.first + self.len) % self.places.len();
        *self.places.at(index) = Some(packet);
        self.len += 1;
    }

    fn pop(&mut self) -> Option<RxPacket> {
        if self.len == 0 {
            return None;
        }
        let packet = self.places.at(self.first).take();
        self.first = (self.first + 1) % self.places.len();
        self.len -= 1;
        packet
    }
}

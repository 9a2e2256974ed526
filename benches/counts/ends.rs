//! Two ends of a wire: the one whose instructions are counted, and its peer.

use alloc::vec::Vec;
use core::net::{IpAddr, Ipv4Addr, SocketAddr};

use lendwire::tcp::{ListenerHandle, TcpConfig, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, InterfaceId, Stack, Storage};
use lendwire_drivers::model::{Memory, Offer, TRANSMIT, VirtioNetModel, feature};
use lendwire_drivers::platform::Wiring;
use lendwire_drivers::virtio::VirtioNet;
use lendwire_nic::{Chunk, Content, Nic, NicInfo, Offloads, Pool};

use crate::Machine;
use crate::peer::{Frame, Line};

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const THERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2));
/// Where both ends listen.
const PORT: u16 = 80;
/// Frames that one poll takes, and segments that it sends.
const BUDGET: usize = 64;
/// Connections that the other end opens to one port.
const PER_PORT: usize = 25_000;
/// How long a frame travels.
const TRIP: Span = Span::from_micros(100);

/// What the cards of both ends do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Card {
    /// Carry frames.
    Plain,
    /// Take checksums, too.
    Checksums,
    /// Take checksums, cut long segments and join what arrives.
    Segments,
}

impl Card {
    /// What the driver of the end that is counted is offered, beside what every device has.
    fn features(self) -> u64 {
        let checksums = feature::CSUM | feature::GUEST_CSUM;
        match self {
            Self::Plain => 0,
            Self::Checksums => checksums,
            Self::Segments => checksums | feature::HOST_TSO4 | feature::GUEST_TSO4,
        }
    }

    /// What the other end's card does.
    fn offloads(self) -> Offloads {
        let checksums = Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM;
        match self {
            Self::Plain => Offloads::empty(),
            Self::Checksums => checksums,
            Self::Segments => checksums | Offloads::TX_SEGMENT_V4,
        }
    }

    /// The header of a frame that the device received (virtio 1.2 §5.1.6).
    fn header(self, segment_size: u16) -> [u8; 12] {
        const DATA_VALID: u8 = 2;
        const GSO_TCPV4: u8 = 1;
        let mut header = [0; 12];
        if self != Self::Plain {
            header[0] = DATA_VALID;
        }
        if segment_size > 0 {
            header[1] = GSO_TCPV4;
            header[4..6].copy_from_slice(&segment_size.to_le_bytes());
        }
        header
    }
}

/// How two ends are made.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Shape {
    pub(crate) mtu: u16,
    pub(crate) card: Card,
    /// Connections that there are, beside some room.
    pub(crate) connections: usize,
}

/// See the module.
pub(crate) struct Ends<M: Machine> {
    pub(crate) here: Stack<'static>,
    pub(crate) nic: VirtioNet<M::Platform, M::Registers>,
    pub(crate) interface: InterfaceId,
    pub(crate) device: VirtioNetModel,
    pub(crate) there: Stack<'static>,
    pub(crate) line: Line,
    pub(crate) now: Instant,
    /// The ends of each connection, here and there.
    pub(crate) connections: Vec<[TcpHandle; 2]>,
    /// Where the end that is counted listens.
    pub(crate) listeners: Vec<ListenerHandle>,
    there_listener: ListenerHandle,
    card: Card,
    content: &'static Content,
}

impl<M: Machine> Ends<M> {
    /// Two ends, and the connections between them, which the peer opened.
    pub(crate) fn new(shape: &Shape) -> Self {
        let now = Instant::from_micros(1_000_000);
        let memory = Memory::new();
        let pool = |slot| Pool::leaked(1024, slot).expect("a pool of this size can be made");
        let (receive, transmit) = (pool(2048), pool(2048));
        memory.share_pool(receive);
        memory.share_pool(transmit);
        let bytes: &'static [u8] = (0..1usize << 18).map(|at| (at * 151) as u8).collect::<Vec<_>>().leak();
        memory.share(bytes);

        let mut offer = Offer { mtu: shape.mtu, ..Offer::default() };
        offer.features &= !(feature::CSUM | feature::GUEST_CSUM);
        offer.features |= feature::MTU | shape.card.features();
        let device = VirtioNetModel::new(&memory, offer);
        let windows = device.clone();
        let map = move |region| windows.registers(region).map(M::registers);
        let config = device.config_space();
        let nic = VirtioNet::probe_with(&config, M::platform(memory), map, receive, Wiring::Polled)
            .expect("the device is sound");
        let line = Line::new(shape.mtu, shape.card.offloads(), pool_there(shape));

        let (mut here, interface) = stack(shape, 1, HERE, nic.info(), transmit, now);
        let (mut there, _) = stack(shape, 2, THERE, line.info(), pool(2048), now);
        let last = (shape.connections - 1) / PER_PORT;
        let listeners = (0..=last).map(|number| here.listen(SocketAddr::new(HERE, port(number)), 128));
        let listeners = listeners.map(|listener| listener.expect("there is room for a listener")).collect();
        let there_listener = there.listen(SocketAddr::new(THERE, PORT), 128).expect("there is room for a listener");
        let content = Content::leaked(bytes);
        let connections = Vec::with_capacity(shape.connections);
        let card = shape.card;
        let mut ends = Self {
            here,
            nic,
            interface,
            device,
            there,
            line,
            now,
            connections,
            listeners,
            there_listener,
            card,
            content,
        };
        // RFC 5227: the address is probed for, then announced twice, seconds apart.
        for _ in 0..10 {
            ends.now += Span::from_secs(1);
            ends.settle();
        }
        ends.connect(shape.connections);
        ends
    }

    /// Opens connections, some at a time.
    fn connect(&mut self, count: usize) {
        let numbers: Vec<usize> = (0..count).collect();
        for numbers in numbers.chunks(BUDGET) {
            let mut opened = Vec::with_capacity(BUDGET);
            for number in numbers {
                let (to, local_port) = (SocketAddr::new(HERE, port(number / PER_PORT)), 1024 + number % PER_PORT);
                let there = self.there.connect(to, Some(local_port as u16), self.now);
                opened.push((number / PER_PORT, there.expect("there is room for a connection")));
            }
            self.settle();
            for (listener, there) in opened {
                let here = self.here.accept(self.listeners[listener]).expect("the connection has arrived");
                let (local, remote) = self.there.ends(there).expect("the connection is open");
                assert_eq!(self.here.ends(here), Some((remote, local)), "connections are accepted in order");
                self.connections.push([here, there]);
            }
        }
    }

    /// `len` bytes that are kept with their sums, which the device reaches.
    pub(crate) fn content(&self, len: usize) -> Chunk {
        let mut chunk = self.content.chunk();
        chunk.truncate(len);
        chunk
    }

    /// The first connection's ends, here and there.
    pub(crate) fn first(&self) -> [TcpHandle; 2] {
        self.connections[0]
    }

    /// The ends of a connection that is chosen by chance, which `number` stands for.
    pub(crate) fn some(&self, number: usize) -> [TcpHandle; 2] {
        // Knuth's multiplier.
        self.connections[number.wrapping_mul(2_654_435_761) % self.connections.len()]
    }

    /// Where the end that is counted listens.
    pub(crate) fn here_at(&self) -> SocketAddr {
        SocketAddr::new(HERE, PORT)
    }

    /// Where the other end listens.
    pub(crate) fn there_at(&self) -> SocketAddr {
        SocketAddr::new(THERE, PORT)
    }

    /// A connection that the other end did not know of.
    pub(crate) fn accept_there(&mut self) -> TcpHandle {
        self.there.accept(self.there_listener).expect("the connection has arrived")
    }

    /// A poll of the end that is counted.
    #[inline(always)]
    pub(crate) fn poll(&mut self) {
        self.here.poll(&mut [&mut self.nic], self.now, BUDGET);
    }

    /// Output of the end that is counted, without input.
    #[inline(always)]
    pub(crate) fn transmit(&mut self) {
        self.here.transmit(&mut [&mut self.nic], self.now, BUDGET);
        self.nic.flush();
    }

    /// Takes what was sent off the device.
    pub(crate) fn sent(&mut self) -> Vec<Frame> {
        let frames = self.device.send_all().into_iter().map(|sent| {
            let segment_size = u16::from_le_bytes([sent.header[4], sent.header[5]]);
            Frame { bytes: sent.frame, segment_size }
        });
        frames.collect()
    }

    /// Frames in the device that were not sent yet.
    pub(crate) fn waiting(&self) -> usize {
        usize::from(self.device.available(TRANSMIT))
    }

    /// What was sent here reaches the other end, and its answers the device; returns how many those are.
    pub(crate) fn over(&mut self) -> usize {
        self.now += TRIP;
        let frames = self.sent();
        self.take(frames);
        self.deliver()
    }

    /// The other end takes `frames`, all at once.
    pub(crate) fn take(&mut self, frames: impl IntoIterator<Item = Frame>) {
        self.line.inward.extend(frames);
        self.poll_there();
    }

    /// A poll of the other end.
    pub(crate) fn poll_there(&mut self) {
        while self.there.poll(&mut [&mut self.line], self.now, BUDGET).again {}
    }

    /// What the other end has sent reaches the device; returns how many frames.
    pub(crate) fn deliver(&mut self) -> usize {
        let frames: Vec<_> = self.line.outward.drain(..).collect();
        for Frame { bytes, segment_size } in &frames {
            let header = self.card.header(*segment_size);
            assert!(self.device.deliver_with(header, bytes), "the device has buffers for each frame");
        }
        frames.len()
    }

    /// Frames go both ways until there are none; what was sent is read. Takes as long as the slowest delayed
    /// acknowledgment.
    pub(crate) fn settle(&mut self) {
        let mut quiet = 0;
        while quiet < 3 {
            self.now += TRIP;
            self.poll();
            let frames = self.sent();
            let mut moved = frames.len();
            self.take(frames);
            self.read_all_there();
            self.poll_there();
            moved += self.deliver();
            if moved == 0 {
                // Acknowledgments may be delayed.
                quiet += 1;
                self.now += Span::from_millis(25);
            } else {
                quiet = 0;
            }
        }
        while self.here.next_event().is_some() {}
    }

    /// The other end reads all that has come.
    fn read_all_there(&mut self) {
        while let Some(event) = self.there.next_event() {
            self.read_there(event.0);
        }
    }

    /// The other end reads what has come on a connection; how many bytes that is.
    pub(crate) fn read_there(&mut self, connection: TcpHandle) -> usize {
        let chunks = core::iter::from_fn(|| self.there.read_chunk(connection).ok().flatten());
        chunks.map(|chunk| chunk.len()).sum()
    }
}

/// The other end's pool for what arrives: a frame is one slot.
fn pool_there(shape: &Shape) -> &'static Pool {
    const LONGEST: usize = 1 << 17;
    let slot = if shape.card == Card::Segments { LONGEST } else { usize::from(shape.mtu).next_power_of_two() };
    Pool::leaked((4 << 20) / slot, slot).expect("a pool of this size can be made")
}

/// The port of listener `number`.
fn port(number: usize) -> u16 {
    PORT + number as u16
}

fn stack(
    shape: &Shape,
    secret: u8,
    address: IpAddr,
    info: &NicInfo,
    pool: &'static Pool,
    now: Instant,
) -> (Stack<'static>, InterfaceId) {
    let connections = shape.connections + 64;
    let capacities = Capacities { connections, ..Capacities::default() };
    // Every path is done often enough to be counted without the first acknowledgments of a connection.
    let tcp = TcpConfig { quick_acks: 0, ..TcpConfig::DEFAULT };
    let mut config = Config::new([secret; 16]);
    config.tcp = tcp;
    let mut stack = Stack::new(Storage::leaked(&capacities), config, pool, now);
    let config = InterfaceConfig { autoconfigure: false, loopback: false };
    let interface = stack.add_interface(info, config, now).expect("there is room for an interface");
    let cidr = Cidr::new(address, 24).expect("the prefix fits the address");
    stack.add_address(interface, cidr, now).expect("there is room for an address");
    (stack, interface)
}

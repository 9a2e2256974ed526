//! Our stack on an end of `lendwire_drivers::loopback`.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::rc::Rc;

use lendwire::tcp::{Bucket, Entry, ListenerHandle, State, TcpConfig, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire::udp::UdpHandle;
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, Slot, Stack, Storage, Timer};
use lendwire_drivers::loopback::{self, Loopback};
use lendwire_nic::{Chunk, Full, Interrupts, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool, RxPacket, TxPacket};

use crate::host::{Acknowledged, Checksums, Host, Pass, Pattern, Setup};

/// Frames that a poll takes in, and that it sends.
const BURST: usize = 64;
/// Frames on the link each way.
const RING: usize = 256;

/// See the module.
pub struct Ours {
    stack: Stack<'static>,
    nic: Tap,
    socket: Option<UdpHandle>,
    local: IpAddr,
    remote: IpAddr,
    listeners: Vec<(u16, ListenerHandle)>,
    /// What it sends from, and the headers on the link.
    _pools: (Lent, Rc<Lent>),
}

impl Ours {
    const ADDRESSES: [IpAddr; 2] = [IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1)), IpAddr::V4(Ipv4Addr::new(192, 0, 2, 2))];

    fn new(setup: &Setup, link: Loopback, side: usize, headers: Rc<Lent>) -> Self {
        // A full segment fits into one slot.
        let slot = usize::from(setup.mtu).next_power_of_two();
        // A connection that has written a little keeps its slot until that is acknowledged.
        let crowd = 2 * setup.connections.min(16 << 10);
        let pool = Lent::new((2 * setup.window / slot + 512 + crowd).next_power_of_two(), slot);
        let nic = Tap { link, headers: headers.0, injected: VecDeque::new(), last: None };
        let now = Instant::from_micros(0);
        let storage = Storage::leaked(&capacities(setup));
        let mut config = Config::new([7 + side as u8; 16]);
        config.tcp = tcp(setup);
        let mut stack = Stack::new(storage, config, pool.0, now);
        let addressed = InterfaceConfig { autoconfigure: false, loopback: false };
        let interface = stack.add_interface(nic.info(), addressed, now).expect("there is a place for an interface");
        let cidr = Cidr::new(Self::ADDRESSES[side], 24).expect("a prefix of IPv4");
        stack.add_address(interface, cidr, now).expect("there is a place for an address");
        let [local, remote] = [Self::ADDRESSES[side], Self::ADDRESSES[1 - side]];
        Self { stack, nic, local, remote, listeners: Vec::new(), socket: None, _pools: (pool, headers) }
    }

    /// The stack, for what only ours is asked.
    #[must_use]
    pub fn stack(&self) -> &Stack<'static> {
        &self.stack
    }
}

fn capacities(setup: &Setup) -> Capacities {
    let flights = setup.connections.min(4096);
    Capacities {
        interfaces: 1,
        neighbours: 8,
        routes: 4,
        replies: 64,
        sockets: 4,
        datagrams: 256,
        listeners: setup.listeners,
        handshakes: setup.connections.min(1024),
        connections: setup.connections,
        time_waits: setup.time_waits,
        // A chunk for each segment in the window, at both ends of a cut; some for each of a crowd.
        cells: 1024 + 8 * setup.window / usize::from(setup.mtu - 52) + 4 * flights,
        flights,
        runs: 8 * flights,
        batches: 8,
        servers: 8,
    }
}

fn tcp(setup: &Setup) -> TcpConfig {
    // The window is some five eighths of the budget.
    let budget = u32::try_from(setup.window * 8 / 5).expect("a window of less than 2 GiB");
    TcpConfig {
        receive_budget: budget,
        receive_budget_start: budget,
        receive_memory: Some(usize::MAX),
        send_budget: setup.window as u32,
        send_budget_start: setup.window as u32,
        send_memory: Some(usize::MAX),
        ack_delay: match setup.acknowledged {
            Acknowledged::AsUsual => TcpConfig::DEFAULT.ack_delay,
            Acknowledged::AtOnce => Span::ZERO,
        },
        ..TcpConfig::DEFAULT
    }
}

thread_local! {
    static FREE: RefCell<Vec<&'static Pool>> = const { RefCell::new(Vec::new()) };
}

/// A pool that is the holder's alone. Pools are never given back to the heap, so works use them one after the other.
struct Lent(&'static Pool);

impl Lent {
    fn new(slots: usize, slot: usize) -> Self {
        let fits = |pool: &&'static Pool| (pool.slots(), pool.available(), pool.slot_size()) == (slots, slots, slot);
        let free = FREE.with_borrow_mut(|free| free.iter().position(fits).map(|at| free.swap_remove(at)));
        Self(free.unwrap_or_else(|| Pool::leaked(slots, slot).expect("a pool of this size can be made")))
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        FREE.with_borrow_mut(|free| free.push(self.0));
    }
}

impl Host for Ours {
    const NAME: &'static str = "lendwire";
    type Connection = TcpHandle;

    fn pair(setup: &Setup) -> [Self; 2] {
        let options = loopback::Options {
            mtu: setup.mtu,
            offloads: match setup.checksums {
                Checksums::Software => Offloads::empty(),
                Checksums::Device => Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM,
            },
            capacity: RING,
            ..loopback::Options::default()
        };
        // What is on the link, and of what arrived the headers that nobody has looked at yet.
        let headers = Rc::new(Lent::new(4 * RING, 2048));
        let (here, there) = Loopback::pair(&options, headers.0);
        [Self::new(setup, here, 0, headers.clone()), Self::new(setup, there, 1, headers)]
    }

    fn poll(&mut self, now: u64) -> bool {
        let sent = self.nic.statistics().sent;
        let polled = self.stack.poll(&mut [&mut self.nic], Instant::from_micros(now), BURST);
        polled.received > 0 || self.nic.statistics().sent != sent
    }

    fn next_deadline(&mut self, _: u64) -> Option<u64> {
        self.stack.next_deadline().map(Instant::micros)
    }

    fn listen(&mut self, port: u16, backlog: usize) {
        let local = SocketAddr::new(self.local, port);
        let listener = self.stack.listen(local, backlog).expect("the port is free");
        self.listeners.push((port, listener));
    }

    fn accept(&mut self, port: u16) -> Option<TcpHandle> {
        let (_, listener) = self.listeners.iter().find(|(it, _)| *it == port)?;
        self.stack.accept(*listener)
    }

    fn connect(&mut self, port: u16, now: u64) -> TcpHandle {
        let remote = SocketAddr::new(self.remote, port);
        self.stack.connect(remote, None, Instant::from_micros(now)).expect("a connection can be opened")
    }

    fn is_open(&mut self, connection: TcpHandle) -> bool {
        self.stack.state(connection) == State::Established
    }

    fn set_nodelay(&mut self, connection: TcpHandle) {
        self.stack.set_nodelay(connection, true);
    }

    fn write(&mut self, connection: TcpHandle, bytes: &[u8]) -> usize {
        self.stack.write(connection, bytes).expect("the connection is open")
    }

    fn lend(&mut self, connection: TcpHandle, pattern: &'static Pattern, at: u64, _: Pass) -> usize {
        let piece = pattern.from(at);
        let chunk = Chunk::from_static(piece);
        if self.stack.push(connection, chunk).is_ok() { piece.len() } else { 0 }
    }

    fn read(&mut self, connection: TcpHandle, to: &mut [u8]) -> usize {
        self.stack.read(connection, to).unwrap_or(0)
    }

    fn take<F: FnMut(&[u8])>(&mut self, connection: TcpHandle, mut look: F) -> usize {
        let mut taken = 0;
        while let Ok(Some(chunk)) = self.stack.read_chunk(connection) {
            look(&chunk);
            taken += chunk.len();
        }
        taken
    }

    fn close(&mut self, connection: TcpHandle, now: u64) {
        self.stack.close(connection, Instant::from_micros(now));
    }

    fn udp_bind(&mut self, port: u16) {
        self.socket = Some(self.stack.udp_bind(None, port).expect("the port is free"));
    }

    fn udp_send(&mut self, port: u16, bytes: &[u8]) -> bool {
        let socket = self.socket.expect("a socket was made");
        self.stack.udp_send(socket, SocketAddr::new(self.remote, port), bytes).is_ok()
    }

    fn udp_read(&mut self, to: &mut [u8]) -> Option<usize> {
        let received = self.stack.udp_read(self.socket?)?;
        let mut len = 0;
        for chunk in received.packet.chunks() {
            to[len..len + chunk.len()].copy_from_slice(chunk);
            len += chunk.len();
        }
        Some(len)
    }

    fn sent(&self) -> u64 {
        self.nic.statistics().sent
    }

    fn last_sent(&mut self) -> Vec<u8> {
        self.nic.last.get_or_insert_default().clone()
    }

    fn inject(&mut self, frame: &[u8]) {
        let mut slot = self.nic.headers.take().expect("a slot is free");
        slot.bytes_mut()[..frame.len()].copy_from_slice(frame);
        self.nic.injected.push_back(RxPacket::new(slot.freeze(frame.len())));
    }

    /// Its place in the tables that every connection has one in: two buckets, a timer, six links. Writers and settings
    /// (72 and 160 bytes) are for those who have any, though [`Capacities`] makes as many of them.
    fn idle_bytes() -> usize {
        size_of::<Slot<Entry>>() + 2 * size_of::<Bucket>() + size_of::<Timer>() + 6 * size_of::<u32>()
    }
}

/// An end of the loopback that keeps the last frame where it is asked to, and takes frames from aside.
struct Tap {
    link: Loopback,
    headers: &'static Pool,
    injected: VecDeque<RxPacket>,
    last: Option<Vec<u8>>,
}

impl Nic for Tap {
    fn info(&self) -> &NicInfo {
        self.link.info()
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        if let Some(last) = &mut self.last {
            last.clear();
            last.extend_from_slice(packet.header());
            packet.payload().parts().for_each(|part| last.extend_from_slice(part.bytes()));
        }
        self.link.transmit(packet)
    }

    fn receive(&mut self) -> Option<RxPacket> {
        self.injected.pop_front().or_else(|| self.link.receive())
    }

    fn flush(&mut self) {
        self.link.flush();
    }

    fn set_interrupts(&mut self, interrupts: Interrupts) -> Pending {
        self.link.set_interrupts(interrupts)
    }

    fn statistics(&self) -> NicStatistics {
        self.link.statistics()
    }
}

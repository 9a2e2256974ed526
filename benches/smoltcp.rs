//! smoltcp, as its users would tune it: an interface that knows what it needs, no congestion control, acknowledgments
//! without delay (one for each burst), and a device of queues whose buffers are used again.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use smoltcp::iface::{Config, Interface, SocketHandle, SocketSet, SocketStorage};
use smoltcp::phy::{ChecksumCapabilities, Device, DeviceCapabilities, Medium, RxToken, TxToken};
use smoltcp::socket::tcp::{Socket, SocketBuffer, State};
use smoltcp::socket::udp;
use smoltcp::time::Instant;
use smoltcp::wire::{EthernetAddress, IpAddress, IpCidr, Ipv4Address};

use crate::host::{Checksums, Host, Pass, Pattern, Setup};

/// Frames on the link each way.
const RING: usize = 256;

/// See the module.
pub struct Smoltcp {
    interface: Interface,
    device: Link,
    sockets: SocketSet<'static>,
    remote: Ipv4Address,
    window: usize,
    /// Listening sockets by port.
    listening: Vec<(u16, SocketHandle)>,
    next_port: u16,
    /// Sockets that were closed, the oldest first, and how many of them are left in TIME-WAIT.
    closed: VecDeque<SocketHandle>,
    time_waits: usize,
    datagrams: Option<SocketHandle>,
}

impl Smoltcp {
    const ADDRESSES: [Ipv4Address; 2] = [Ipv4Address::new(192, 0, 2, 1), Ipv4Address::new(192, 0, 2, 2)];

    fn new(setup: &Setup, mut device: Link, side: usize) -> Self {
        let mac = EthernetAddress([2, 0, 0, 0, 0, side as u8 + 1]);
        let mut config = Config::new(mac.into());
        config.random_seed = 7 + side as u64;
        let mut interface = Interface::new(config, &mut device, Instant::ZERO);
        interface.update_ip_addrs(|addresses| {
            let cidr = IpCidr::new(IpAddress::Ipv4(Self::ADDRESSES[side]), 24);
            addresses.push(cidr).expect("there is a place for an address");
        });
        Self {
            interface,
            device,
            sockets: SocketSet::new(Vec::new()),
            remote: Self::ADDRESSES[1 - side],
            window: setup.window,
            listening: Vec::new(),
            next_port: 49152,
            closed: VecDeque::new(),
            time_waits: setup.time_waits,
            datagrams: None,
        }
    }

    fn socket(&self) -> Socket<'static> {
        let buffer = || SocketBuffer::new(vec![0; self.window]);
        let mut socket = Socket::new(buffer(), buffer());
        socket.set_ack_delay(None);
        socket.set_tsval_generator(Some(milliseconds));
        socket
    }

    fn listening(&mut self, port: u16) -> SocketHandle {
        let handle = self.unused();
        self.tcp(handle).listen(port).expect("a port that is not zero");
        handle
    }

    /// A socket to open: one that was closed, without going to the heap or through the set, or a new one.
    fn unused(&mut self) -> SocketHandle {
        let Some(&oldest) = self.closed.front() else {
            let socket = self.socket();
            return self.sockets.add(socket);
        };
        let is_over = self.tcp(oldest).state() == State::Closed;
        let gives_way = self.tcp(oldest).state() == State::TimeWait && self.closed.len() > self.time_waits;
        if !is_over && !gives_way {
            let socket = self.socket();
            return self.sockets.add(socket);
        }
        self.closed.pop_front();
        self.tcp(oldest).abort();
        oldest
    }

    fn tcp(&mut self, handle: SocketHandle) -> &mut Socket<'static> {
        self.sockets.get_mut(handle)
    }
}

/// RFC 7323's clock. It has no argument, so it stands still: nothing here measures a round trip.
fn milliseconds() -> u32 {
    1
}

impl Host for Smoltcp {
    const NAME: &'static str = "smoltcp";
    type Connection = SocketHandle;

    /// Each poll visits each socket, which takes some 10 ns of every segment.
    fn can(setup: &Setup) -> bool {
        setup.connections + setup.time_waits <= 2000
    }

    fn pair(setup: &Setup) -> [Self; 2] {
        let wires = [Rc::default(), Rc::default()];
        [0, 1].map(|side| Self::new(setup, Link::new(setup, &wires, side), side))
    }

    fn poll(&mut self, now: u64) -> bool {
        let moved = (self.device.received, self.device.sent);
        self.interface.poll(Instant::from_micros(now as i64), &mut self.device, &mut self.sockets);
        (self.device.received, self.device.sent) != moved
    }

    fn next_deadline(&mut self, now: u64) -> Option<u64> {
        let at = self.interface.poll_at(Instant::from_micros(now as i64), &self.sockets)?;
        Some(at.total_micros() as u64)
    }

    fn listen(&mut self, port: u16, _: usize) {
        let handle = self.listening(port);
        self.listening.push((port, handle));
    }

    fn accept(&mut self, port: u16) -> Option<SocketHandle> {
        let at = self.listening.iter().position(|(it, _)| *it == port)?;
        let handle = self.listening[at].1;
        if self.tcp(handle).state() != State::Established {
            return None;
        }
        self.listening[at].1 = self.listening(port);
        Some(handle)
    }

    fn connect(&mut self, port: u16, _: u64) -> SocketHandle {
        let handle = self.unused();
        let local = self.next_port;
        self.next_port = self.next_port.checked_add(1).unwrap_or(49152);
        let remote = (IpAddress::Ipv4(self.remote), port);
        let socket = self.sockets.get_mut::<Socket<'_>>(handle);
        socket.connect(self.interface.context(), remote, local).expect("a connection can be opened");
        handle
    }

    fn is_open(&mut self, connection: SocketHandle) -> bool {
        self.tcp(connection).state() == State::Established
    }

    fn set_nodelay(&mut self, connection: SocketHandle) {
        self.tcp(connection).set_nagle_enabled(false);
    }

    fn write(&mut self, connection: SocketHandle, bytes: &[u8]) -> usize {
        self.tcp(connection).send_slice(bytes).expect("the connection is open")
    }

    /// The ring is the only memory that smoltcp sends from, so an application without a copy makes its bytes in place. What
    /// that costs is not smoltcp's: while it is timed the room is taken as it is.
    fn lend(&mut self, connection: SocketHandle, pattern: &'static Pattern, at: u64, pass: Pass) -> usize {
        let fill = |room: &mut [u8]| {
            let len = room.len().min(Pattern::PERIOD);
            if pass == Pass::Checked {
                room[..len].copy_from_slice(&pattern.from(at)[..len]);
            }
            (len, len)
        };
        self.tcp(connection).send(fill).expect("the connection is open")
    }

    fn read(&mut self, connection: SocketHandle, to: &mut [u8]) -> usize {
        self.tcp(connection).recv_slice(to).unwrap_or(0)
    }

    fn take<F: FnMut(&[u8])>(&mut self, connection: SocketHandle, mut look: F) -> usize {
        let mut taken = 0;
        let socket = self.tcp(connection);
        while socket.can_recv() {
            let shown = socket.recv(|bytes| {
                look(bytes);
                (bytes.len(), bytes.len())
            });
            taken += shown.unwrap_or(0);
        }
        taken
    }

    fn close(&mut self, connection: SocketHandle, _: u64) {
        self.tcp(connection).close();
        self.closed.push_back(connection);
    }

    fn udp_bind(&mut self, port: u16) {
        let buffer = || udp::PacketBuffer::new(vec![udp::PacketMetadata::EMPTY; RING], vec![0; RING * 1536]);
        let mut socket = udp::Socket::new(buffer(), buffer());
        socket.bind(port).expect("a port that is not zero");
        self.datagrams = Some(self.sockets.add(socket));
    }

    fn udp_send(&mut self, port: u16, bytes: &[u8]) -> bool {
        let handle = self.datagrams.expect("a socket was made");
        let remote = (IpAddress::Ipv4(self.remote), port);
        self.sockets.get_mut::<udp::Socket<'_>>(handle).send_slice(bytes, remote).is_ok()
    }

    fn udp_read(&mut self, to: &mut [u8]) -> Option<usize> {
        let (len, _) = self.sockets.get_mut::<udp::Socket<'_>>(self.datagrams?).recv_slice(to).ok()?;
        Some(len)
    }

    fn sent(&self) -> u64 {
        self.device.sent
    }

    fn last_sent(&mut self) -> Vec<u8> {
        self.device.last.get_or_insert_default().clone()
    }

    fn inject(&mut self, frame: &[u8]) {
        let mut wire = self.device.inward.borrow_mut();
        let mut buffer = wire.free.pop().unwrap_or_default();
        buffer.clear();
        buffer.extend_from_slice(frame);
        wire.frames.push_back(buffer);
    }

    fn idle_bytes() -> usize {
        size_of::<SocketStorage<'_>>()
    }
}

/// Frames on their way to one end, and buffers that are free.
#[derive(Default)]
struct Wire {
    frames: VecDeque<Vec<u8>>,
    free: Vec<Vec<u8>>,
}

/// An end of two wires.
struct Link {
    out: Rc<RefCell<Wire>>,
    inward: Rc<RefCell<Wire>>,
    capabilities: DeviceCapabilities,
    received: u64,
    sent: u64,
    last: Option<Vec<u8>>,
}

impl Link {
    fn new(setup: &Setup, wires: &[Rc<RefCell<Wire>>; 2], side: usize) -> Self {
        let mut capabilities = DeviceCapabilities::default();
        capabilities.medium = Medium::Ethernet;
        capabilities.max_transmission_unit = usize::from(setup.mtu) + 14;
        if setup.checksums == Checksums::Device {
            capabilities.checksum = ChecksumCapabilities::ignored();
        }
        Self {
            out: wires[1 - side].clone(),
            inward: wires[side].clone(),
            capabilities,
            received: 0,
            sent: 0,
            last: None,
        }
    }
}

impl Device for Link {
    type RxToken<'a> = Arrived<'a>;
    type TxToken<'a> = Leaving<'a>;

    fn receive(&mut self, _: Instant) -> Option<(Arrived<'_>, Leaving<'_>)> {
        let frame = self.inward.borrow_mut().frames.pop_front()?;
        self.received += 1;
        Some((
            Arrived { frame, wire: &self.inward },
            Leaving { wire: &self.out, sent: &mut self.sent, last: &mut self.last },
        ))
    }

    fn transmit(&mut self, _: Instant) -> Option<Leaving<'_>> {
        if self.out.borrow().frames.len() >= RING {
            return None;
        }
        Some(Leaving { wire: &self.out, sent: &mut self.sent, last: &mut self.last })
    }

    fn capabilities(&self) -> DeviceCapabilities {
        self.capabilities.clone()
    }
}

struct Arrived<'a> {
    frame: Vec<u8>,
    wire: &'a RefCell<Wire>,
}

impl RxToken for Arrived<'_> {
    fn consume<R, F: FnOnce(&[u8]) -> R>(self, read: F) -> R {
        let result = read(&self.frame);
        self.wire.borrow_mut().free.push(self.frame);
        result
    }
}

struct Leaving<'a> {
    wire: &'a RefCell<Wire>,
    sent: &'a mut u64,
    last: &'a mut Option<Vec<u8>>,
}

impl TxToken for Leaving<'_> {
    fn consume<R, F: FnOnce(&mut [u8]) -> R>(self, len: usize, fill: F) -> R {
        let mut frame = self.wire.borrow_mut().free.pop().unwrap_or_default();
        // Nothing is cleared but what a longer frame adds.
        frame.resize(len, 0);
        let result = fill(&mut frame);
        if let Some(last) = self.last {
            last.clone_from(&frame);
        }
        self.wire.borrow_mut().frames.push_back(frame);
        *self.sent += 1;
        result
    }
}

//! A host with the services and a host with clients, joined in memory.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use lendwire::tcp::{ReadError, State, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire::wire::address::Cidr;
use lendwire::{Capacities, Config, InterfaceConfig, InterfaceId, Stack};
use lendwire_drivers::loopback::{Loopback, Options};
use lendwire_nic::{Chunk, Content, Nic, Offloads, Pool};
use lendwire_unikernel::apps::{Link, Place, Server, Storage, Supplies};
use lendwire_unikernel::http::{ONE_KIBIBYTE, ONE_MEBIBYTE};

const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
const CLIENT: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
const BUDGET: usize = 64;
const CONNECTIONS: usize = 128;

/// The checksum offload that either device has.
pub(crate) const OFFLOADS: [Offloads; 2] = [Offloads::empty(), Offloads::TX_CHECKSUM.union(Offloads::RX_CHECKSUM)];

pub(crate) struct World {
    pub(crate) server: Host,
    pub(crate) client: Host,
    pub(crate) services: Server<'static>,
    pub(crate) now: Instant,
    pub(crate) pools: [&'static Pool; 2],
}

pub(crate) struct Host {
    pub(crate) stack: Stack<'static>,
    nic: Loopback,
    interface: InterfaceId,
}

impl Host {
    fn new(nic: Loopback, address: Ipv4Addr, seed: u8, config: Config, pool: &'static Pool, now: Instant) -> Self {
        let capacities = Capacities { connections: CONNECTIONS, ..Capacities::default() };
        let mut stack =
            Stack::new(lendwire::Storage::leaked(&capacities), Config { secret: [seed; 16], ..config }, pool, now);
        let config = InterfaceConfig { autoconfigure: false, loopback: false };
        let interface = stack.add_interface(nic.info(), config, now).expect("there is room for one");
        let cidr = Cidr::new(address.into(), 24).expect("24 bits fit");
        stack.add_address(interface, cidr, now).expect("it is the first");
        Self { stack, nic, interface }
    }

    /// Frames that passed, either way.
    fn frames(&self) -> u64 {
        self.nic.statistics().sent + self.nic.statistics().received
    }
}

fn leaked<T: Clone>(value: T, count: usize) -> &'static mut [T] {
    Vec::leak(vec![value; count])
}

impl World {
    pub(crate) fn new(offloads: Offloads) -> Self {
        Self::with(offloads, Config::new([0; 16]))
    }

    /// A world whose clients are run by `config`.
    pub(crate) fn with(offloads: Offloads, config: Config) -> Self {
        let now = Instant::from_micros(1_000_000);
        let pool = |slots| Pool::leaked(slots, 2048).expect("the size is a power of two");
        let pools = [pool(4096), pool(1024)];
        let options = Options { offloads, ..Options::default() };
        let (server_nic, client_nic) = Loopback::pair(&options, pool(1024));
        let mut server = Host::new(server_nic, SERVER, 1, Config::new([0; 16]), pools[1], now);
        let client = Host::new(client_nic, CLIENT, 2, config, pool(4096), now);
        let storage = Storage {
            places: Vec::leak((0..CONNECTIONS).map(|_| Place::EMPTY).collect()),
            patience: leaked(Link::OUT, CONNECTIONS),
            starved: leaked(Link::OUT, CONNECTIONS),
            stalled: leaked(Link::OUT, CONNECTIONS),
        };
        let supplies = Supplies {
            one_kibibyte: Content::leaked(&ONE_KIBIBYTE),
            one_mebibyte: Content::leaked(&ONE_MEBIBYTE),
            receive_pool: pools[0],
            receive_reserve: pools[0].slots() / 4,
            transmit_pool: pools[1],
        };
        let services = Server::start(&mut server.stack, storage, supplies).expect("the ports are free");
        Self { server, client, services, now, pools }
    }

    /// One round of both hosts; whether anything moved.
    fn step(&mut self) -> bool {
        let before = [self.server.frames(), self.client.frames()];
        let Host { stack, nic, interface } = &mut self.server;
        let served = self.services.poll(stack, nic, *interface, self.now, BUDGET, 0);
        let Host { stack, nic, .. } = &mut self.client;
        let polled = stack.poll(&mut [nic], self.now, BUDGET);
        served.again || polled.again || before != [self.server.frames(), self.client.frames()]
    }

    /// Rounds until nothing moves, without time passing.
    pub(crate) fn settle(&mut self) {
        for _ in 0..1_000_000 {
            if !self.step() {
                return;
            }
        }
        let hosts = [&self.server, &self.client];
        panic!("the hosts never come to rest: {:?}", hosts.map(|host| host.stack.tcp_statistics()));
    }

    /// Lets `span` pass, with everything that becomes due meanwhile.
    pub(crate) fn pass(&mut self, span: Span) {
        let end = self.now + span;
        self.settle();
        while let Some(next) = self.next_deadline().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.settle();
        }
        self.now = end;
        self.settle();
    }

    fn next_deadline(&self) -> Option<Instant> {
        let stacks = [self.server.stack.next_deadline(), self.client.stack.next_deadline()];
        stacks.into_iter().chain([self.services.next_deadline()]).flatten().min()
    }

    /// A client whose connection stands.
    pub(crate) fn connect(&mut self, port: u16) -> Client {
        let client = self.connecting(port);
        self.settle();
        assert_eq!(self.state(&client), State::Established);
        client
    }

    pub(crate) fn server_at(port: u16) -> SocketAddr {
        SocketAddr::new(IpAddr::V4(SERVER), port)
    }

    pub(crate) fn connecting(&mut self, port: u16) -> Client {
        let handle =
            self.client.stack.connect(Self::server_at(port), None, self.now).expect("there is a route and room");
        self.client.stack.set_nodelay(handle, true);
        Client { handle, got: Vec::new(), ended: None }
    }

    pub(crate) fn state(&self, client: &Client) -> State {
        self.client.stack.state(client.handle)
    }

    /// Sends all of `bytes`, reading meanwhile.
    pub(crate) fn say(&mut self, client: &mut Client, bytes: &[u8]) {
        let mut left = bytes;
        for _ in 0..100_000 {
            let written = self.client.stack.write(client.handle, left).expect("the connection stands");
            left = &left[written..];
            while self.step() {
                self.listen(client);
            }
            if left.is_empty() {
                return;
            }
            if written == 0 {
                self.pass(Span::from_millis(1));
            }
        }
        panic!("the server does not take it");
    }

    pub(crate) fn say_without_listening(&mut self, client: &Client, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            let written = self.client.stack.write(client.handle, left).expect("the connection stands");
            left = &left[written..];
            self.pass(Span::from_millis(1));
        }
    }

    pub(crate) fn lend(&mut self, client: &Client, chunk: Chunk) {
        self.client.stack.push(client.handle, chunk).expect("there is room");
    }

    /// Reads what is there; remembers the end.
    pub(crate) fn listen(&mut self, client: &mut Client) {
        loop {
            match self.client.stack.read_chunk(client.handle) {
                Ok(Some(chunk)) => client.got.extend_from_slice(&chunk),
                Ok(None) => client.ended = Some(End::Closed),
                Err(ReadError::Empty) => return,
                Err(_) => client.ended = client.ended.or(Some(End::Reset)),
            }
            if client.ended.is_some() {
                return;
            }
        }
    }

    /// Reads whatever comes as it comes, until nothing does for as long as a retransmission may take.
    pub(crate) fn hear(&mut self, client: &mut Client) {
        loop {
            let before = (client.got.len(), client.ended);
            while self.step() {
                self.listen(client);
            }
            self.pass(Span::from_millis(300));
            self.listen(client);
            if before == (client.got.len(), client.ended) {
                return;
            }
        }
    }

    pub(crate) fn shut(&mut self, client: &Client) {
        self.client.stack.shutdown(client.handle, self.now).expect("the connection stands");
        self.settle();
    }

    /// One request on a connection of its own kind of patience; the whole answer.
    pub(crate) fn ask(&mut self, client: &mut Client, request: &str) -> Vec<u8> {
        client.got.clear();
        self.say(client, request.as_bytes());
        self.hear(client);
        std::mem::take(&mut client.got)
    }
}

/// One client's connection and what it has read.
pub(crate) struct Client {
    pub(crate) handle: TcpHandle,
    pub(crate) got: Vec<u8>,
    pub(crate) ended: Option<End>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
}

/// Cuts the first response off `bytes`: status line, then body by its Content-Length.
#[track_caller]
pub(crate) fn response(bytes: &mut Vec<u8>) -> (String, Vec<u8>) {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(512)]).into_owned();
    let end = text.find("\r\n\r\n").unwrap_or_else(|| panic!("no whole head: {text:?}"));
    let head = &text[..end];
    let field = head.split("\r\n").find_map(|line| line.strip_prefix("Content-Length: "));
    let len: usize = field.and_then(|len| len.parse().ok()).expect("every response has a length");
    // The head is ASCII, so it has as many bytes as characters.
    let head_len = head.len() + 4;
    assert!(bytes.len() >= head_len + len, "the body is cut: {} of {len} bytes", bytes.len() - head_len);
    let body = bytes[head_len..head_len + len].to_vec();
    bytes.drain(..head_len + len);
    (head.split("\r\n").next().unwrap_or_default().to_owned(), body)
}

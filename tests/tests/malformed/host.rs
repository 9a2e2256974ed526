//! The stack that a row's frame is sent to: both versions, a listener, a connection, a UDP socket, known neighbours,
//! and nothing left to say.

use std::net::{Ipv6Addr, SocketAddr};

use lendwire::tcp::{ListenerHandle, State, SynCookies, TcpHandle, TcpUsage};
use lendwire::time::{Instant, Span};
use lendwire::udp::{SocketError, UdpHandle};
use lendwire::wire::address::Cidr;
use lendwire::{AddressState, Capacities, Config, Drops, InterfaceConfig, InterfaceId, Stack, Storage};
use lendwire_nic::{NicInfo, Offloads, Pool};
use lendwire_tests::cable::{Cable, Hand};
use lendwire_tests::frame::{ARP, ICMPV6, IPV4, TCP};
use lendwire_tests::segment::flag::{ACK, SYN};

use crate::wire::{
    AT_V4_BODY, AT_V6_BODY, Frame, ICMP, MAC, OWN, OWN6, PEER, PEER_LOCAL, PEER_MAC, PEER6, UDP, arp, ethertype, ndp,
    packet,
};

/// Where the listener listens.
pub(crate) const PORT: u16 = 80;
/// Where the peer's connection comes from.
pub(crate) const PEER_PORT: u16 = 40_000;
/// The number of the peer's SYN: data crosses the wrap.
const PEER_START: u32 = u32::MAX - 2;
/// Datagrams that one UDP socket keeps.
pub(crate) const SOCKET_QUEUE: usize = 64;
/// Connections that wait for the application, and handshakes that wait for their end.
pub(crate) const BACKLOG: usize = 2;

/// See the module.
pub(crate) struct Host {
    pub(crate) stack: Stack<'static>,
    pub(crate) hand: Hand,
    pub(crate) now: Instant,
    pub(crate) interface: InterfaceId,
    pub(crate) listener: ListenerHandle,
    pub(crate) connection: TcpHandle,
    pub(crate) udp: UdpHandle,
    /// The next number of the peer, and of the stack, in the connection.
    pub(crate) peer_next: u32,
    pub(crate) own_next: u32,
    /// The number of the stack's last SYN.
    pub(crate) own_start: u32,
    /// The transaction of the DHCP client, once it asked.
    pub(crate) transaction: [u8; 4],
    pub(crate) receive: &'static Pool,
    transmit: &'static Pool,
    nic: Cable,
}

/// What a frame may change.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Observed {
    addresses: Vec<(Cidr, AddressState)>,
    usage: TcpUsage,
    connection: State,
    unread: usize,
    unacknowledged: usize,
    datagrams: bool,
    udp_error: Option<SocketError>,
    lease: Option<Cidr>,
    free_slots: (usize, usize),
}

/// What the stack said: the kind of frame, as far as rows ask for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Arp { operation: u8 },
    Icmp { kind: u8, code: u8 },
    Icmp6 { kind: u8, code: u8 },
    Tcp { flags: u8 },
    Udp,
    Other,
}

impl Host {
    pub(crate) fn new() -> Self {
        Self::with(|_| {})
    }

    /// With less memory than it would have.
    pub(crate) fn with(lessen: impl FnOnce(&mut Storage<'static>)) -> Self {
        let pool = |slots| Pool::leaked(slots, 2048).expect("a pool of this size can be made");
        let (receive, transmit) = (pool(128), pool(8));
        let offloads = Offloads::empty();
        let info = NicInfo { name: "cable", address: MAC, mtu: 1500, offloads, max_parts: 7, queues: 1 };
        let (nic, hand) = Cable::new(info, receive);
        let capacities = Capacities {
            interfaces: 1,
            neighbours: 8,
            routes: 16,
            replies: 16,
            sockets: 2,
            datagrams: 2 * SOCKET_QUEUE,
            listeners: 2,
            handshakes: 4,
            connections: 4,
            time_waits: 4,
            cells: 64,
            flights: 4,
            runs: 16,
            batches: 2,
            servers: 2,
        };
        let now = Instant::from_micros(1_000_000);
        let mut settings = Config::new([9; 16]);
        settings.tcp.receive_memory = Some(1 << 20);
        // A cookie would be no drop.
        settings.tcp.syn_cookies = SynCookies::Off;
        let mut storage = Storage::leaked(&capacities);
        lessen(&mut storage);
        let mut stack = Stack::new(storage, settings, transmit, now);
        let config = InterfaceConfig { autoconfigure: true, loopback: false };
        let interface = stack.add_interface(&info, config, now).expect("there is a place");
        for (address, prefix) in [(OWN.into(), 24), (OWN6.into(), 64)] {
            let cidr = Cidr::new(address, prefix).expect("the prefix fits");
            stack.add_address(interface, cidr, now).expect("there is a place");
        }
        let any = SocketAddr::new(Ipv6Addr::UNSPECIFIED.into(), PORT);
        let listener = stack.listen(any, BACKLOG).expect("the port is free");
        let udp = stack.udp_bind(None, 7).expect("the port is free");
        let connection = stack.connect((PEER, 1).into(), None, now).expect("there is a place");
        stack.abort(connection);
        let mut host = Self {
            stack,
            hand,
            now,
            interface,
            listener,
            connection,
            udp,
            peer_next: PEER_START,
            own_next: 0,
            own_start: 0,
            transaction: [0; 4],
            receive,
            transmit,
            nic,
        };
        // Duplicate address detection, announcements and questions for routers are over.
        host.passes(Span::from_secs(20));
        host.meets_its_neighbours();
        host.is_connected();
        host
    }

    /// The peer asks for the stack's addresses, so that the stack need not ask for the peer's.
    pub(crate) fn meets_its_neighbours(&mut self) {
        self.sends(arp(MAC, 1, PEER_MAC, PEER, OWN));
        for source in [PEER_LOCAL, PEER6] {
            let question = [&[135, 0, 0, 0, 0, 0, 0, 0][..], &OWN6.octets(), &[1, 1], &PEER_MAC.0].concat();
            self.sends(ndp(source, OWN6, &question));
        }
    }

    fn is_connected(&mut self) {
        let selective = [1, 1, 4, 2];
        let syn = segment(PEER_PORT, PORT, self.peer_next, self.own_next, SYN, &selective, b"");
        let said = self.sends(packet(PEER, OWN, TCP, &syn));
        self.notes_syn_ack(&said);
        self.sends(self.segment(ACK, b""));
        self.connection = self.stack.accept(self.listener).expect("the handshake is complete");
    }

    /// The frame of a SYN-ACK tells where the stack's numbers begin.
    pub(crate) fn notes_syn_ack(&mut self, said: &[Vec<u8>]) {
        let segment = &said.last().expect("a SYN is answered")[AT_V4_BODY..];
        self.own_start = u32::from_be_bytes(*segment[4..].first_chunk().expect("four bytes"));
        self.own_next = self.own_start.wrapping_add(1);
        self.peer_next = self.peer_next.wrapping_add(1);
    }

    /// A segment of the peer's connection with the next numbers.
    pub(crate) fn segment(&self, flags: u8, payload: &[u8]) -> Frame {
        self.segment_from(PEER_PORT, flags, payload)
    }

    /// The same with another port of the peer.
    pub(crate) fn segment_from(&self, port: u16, flags: u8, payload: &[u8]) -> Frame {
        packet(PEER, OWN, TCP, &segment(port, PORT, self.peer_next, self.own_next, flags, &[], payload))
    }

    /// Hands the stack a frame, and returns what it says.
    pub(crate) fn sends(&mut self, frame: Frame) -> Vec<Vec<u8>> {
        self.stack.receive(self.interface, frame.packet(self.receive), self.now);
        self.says()
    }

    /// What the stack has to say now.
    pub(crate) fn says(&mut self) -> Vec<Vec<u8>> {
        let mut said = Vec::new();
        while self.stack.poll(&mut [&mut self.nic], self.now, 64).again {}
        while let Some(frame) = self.hand.take() {
            said.push(frame);
        }
        said
    }

    /// Lets time pass, from deadline to deadline. Returns what the stack said meanwhile.
    pub(crate) fn passes(&mut self, span: Span) -> Vec<Vec<u8>> {
        let end = self.now + span;
        let mut said = self.says();
        while let Some(next) = self.stack.next_deadline().filter(|next| *next <= end) {
            self.now = self.now.max(next);
            said.extend(self.says());
        }
        self.now = end;
        said
    }

    pub(crate) fn drops(&self) -> Drops {
        self.stack.drops()
    }

    pub(crate) fn observe(&mut self) -> Observed {
        Observed {
            addresses: self.stack.addresses(self.interface).collect(),
            usage: self.stack.tcp_usage(),
            connection: self.stack.state(self.connection),
            unread: self.stack.unread(self.connection),
            unacknowledged: self.stack.unacknowledged(self.connection),
            datagrams: self.stack.udp_has_datagram(self.udp),
            udp_error: self.stack.udp_take_error(self.udp),
            lease: self.stack.lease(self.interface).map(|lease| lease.cidr()),
            free_slots: self.free_slots(),
        }
    }

    /// Free slots of the receive and of the transmit pool.
    pub(crate) fn free_slots(&self) -> (usize, usize) {
        (self.receive.available(), self.transmit.available())
    }

    /// Slots that somebody holds.
    pub(crate) fn held_slots(&self) -> usize {
        self.receive.slots() + self.transmit.slots() - self.receive.available() - self.transmit.available()
    }
}

/// A TCP segment; its checksum is for the packet to complete. `options` are a multiple of 4 bytes.
pub(crate) fn segment(from: u16, to: u16, seq: u32, ack: u32, flags: u8, options: &[u8], payload: &[u8]) -> Vec<u8> {
    let ack = if flags & ACK == 0 { 0 } else { ack };
    let mut bytes = [from.to_be_bytes(), to.to_be_bytes()].concat();
    bytes.extend_from_slice(&seq.to_be_bytes());
    bytes.extend_from_slice(&ack.to_be_bytes());
    bytes.extend_from_slice(&[((20 + options.len()) as u8 / 4) << 4, flags, 0xff, 0xff, 0, 0, 0, 0]);
    [&bytes, options, payload].concat()
}

/// The kind of a frame that the stack sent.
pub(crate) fn kind(frame: &[u8]) -> Said {
    let (protocol, body) = match ethertype(frame) {
        ARP => return Said::Arp { operation: frame[21] },
        IPV4 => (frame[23], &frame[AT_V4_BODY..]),
        _ => (frame[20], &frame[AT_V6_BODY..]),
    };
    match protocol {
        ICMP => Said::Icmp { kind: body[0], code: body[1] },
        ICMPV6 => Said::Icmp6 { kind: body[0], code: body[1] },
        TCP => Said::Tcp { flags: body[13] },
        UDP => Said::Udp,
        _ => Said::Other,
    }
}

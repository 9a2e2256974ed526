//! A stack with the test's own hand on the other end of the wire.
//!
//! The peer answers ARP and neighbour solicitations by itself; everything else it does is written in the test.

mod turning;

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use lendwire::Stack;
use lendwire::tcp::{ListenerHandle, State, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire_nic::{Nic, Received};

use crate::cable::{Arriving, Cable, Hand};
use crate::clock::Clock;
use crate::frame::{self, Opened};
use crate::segment::{self, Came, Segment, flag};
use crate::setup::{Pools, Setup, Side, Version, nic_info, stack_on};

/// How much later than its time a timer may fire: the wheel's tick, twice.
pub const TOLERANCE: Span = Span::from_micros(2_100);

/// See the module.
pub struct Peer {
    /// The stack under test.
    pub stack: Stack<'static>,
    /// The other end of the stack's cable.
    pub hand: Hand,
    /// The time.
    pub clock: Clock,
    /// The stack's memory.
    pub pools: Pools,
    /// Segments that the stack sent and nobody asked for yet, of all flows.
    pub inbox: VecDeque<Came>,
    nic: Cable,
    version: Version,
    answers_neighbours: bool,
    /// Neighbours that were asked for while nobody answered.
    questions: Vec<Opened>,
    flows: Vec<Flow>,
    current: usize,
}

/// What the peer knows of one pair of ports.
#[derive(Clone, Copy, Debug)]
struct Flow {
    /// The stack's port, then the peer's.
    ports: [u16; 2],
    /// The number of the peer's SYN.
    iss: u32,
    /// The number of the stack's SYN, once it came.
    irs: Option<u32>,
    /// The peer's next number, relative.
    next: u32,
    /// The stack's next number, relative.
    expected: u32,
}

impl Flow {
    const fn new(ports: [u16; 2]) -> Self {
        // Close to the wrap, so that every test with some data crosses it.
        Self { ports, iss: u32::MAX - 500, irs: None, next: 0, expected: 0 }
    }
}

impl Default for Peer {
    fn default() -> Self {
        Self::new()
    }
}

/// The making of peers and connections.
impl Peer {
    /// The stack's port.
    pub const PORT: u16 = 80;
    /// The peer's port, until [`Peer::uses_port`] says otherwise.
    pub const OWN_PORT: u16 = 40_000;

    /// A stack over IPv4 with the settings of [`Setup::new`].
    #[must_use]
    pub fn new() -> Self {
        Self::with(&Setup::new())
    }

    /// A stack made as `setup` says.
    #[must_use]
    pub fn with(setup: &Setup) -> Self {
        let clock = Clock::new();
        let pools = setup.pools[0];
        let (nic, hand) = Cable::new(nic_info(setup, Side::First, "cable"), pools.receive);
        let (stack, _) = stack_on(setup, Side::First, nic.info(), clock.now());
        let mut peer = Self {
            stack,
            hand,
            clock,
            pools,
            inbox: VecDeque::new(),
            nic,
            version: setup.version,
            answers_neighbours: true,
            questions: Vec::new(),
            flows: vec![Flow::new([Self::PORT, Self::OWN_PORT])],
            current: 0,
        };
        // Duplicate address detection and announcements are over before the script begins.
        peer.waits(Span::from_secs(5));
        peer
    }

    /// A listener on [`Peer::PORT`] with room for 4.
    #[track_caller]
    pub fn listen(&mut self) -> ListenerHandle {
        self.stack.listen(SocketAddr::new(self.stack_address(), Self::PORT), 4).expect("the port is free")
    }

    /// A connection that the peer opened: `offer` is its SYN. The listener is gone again.
    #[track_caller]
    pub fn opens(&mut self, offer: Segment) -> TcpHandle {
        let listener = self.listen();
        let clock = offer.timestamps;
        self.sends(offer);
        let answer = self.expects(segment::syn_ack().seq(0).ack(1));
        self.sends(match (clock, answer.timestamps) {
            (Some((value, _)), Some((echo, _))) => segment::ack().timestamps(value, echo),
            (Some(_), None) | (None, Some(_)) | (None, None) => segment::ack(),
        });
        self.expects_nothing();
        let connection = self.stack.accept(listener).expect("the handshake is complete");
        self.stack.unlisten(listener);
        assert_eq!(self.stack.state(connection), State::Established);
        connection
    }

    /// [`Peer::opens`] with the offer of most hosts: Ethernet's MSS, no scaling, a window of 65535.
    #[track_caller]
    pub fn established(&mut self) -> TcpHandle {
        let mss = match self.version {
            Version::V4 => 1460,
            Version::V6 => 1440,
        };
        self.opens(segment::syn().mss(mss))
    }

    /// Begins an active open to the peer's port from [`Peer::PORT`].
    #[track_caller]
    pub fn connects(&mut self) -> TcpHandle {
        let remote = SocketAddr::new(self.address(), self.flow().ports[1]);
        let port = self.flow().ports[0];
        self.stack.connect(remote, Some(port), self.now()).expect("a connection is to be had")
    }
}

/// What the peer does.
impl Peer {
    /// Sends a segment. Without a number it takes the peer's next ones; with one, the peer's next number stays.
    #[track_caller]
    pub fn sends(&mut self, segment: Segment) {
        let ports = self.flow().ports;
        self.sends_from(segment, [ports[1], ports[0]]);
        self.turn();
    }

    /// Puts a segment on the wire without letting the stack see it yet.
    #[track_caller]
    pub fn queues(&mut self, segment: Segment) {
        let ports = self.flow().ports;
        self.sends_from(segment, [ports[1], ports[0]]);
    }

    /// [`Peer::sends`] with other ports: the peer's, then the stack's.
    #[track_caller]
    pub fn sends_from(&mut self, segment: Segment, ports: [u16; 2]) {
        let frame = self.frame_of(segment, ports, self.address());
        self.hand.put(frame);
    }

    /// [`Peer::queues`] as it would come from another host, the ports and numbers of this one.
    #[track_caller]
    pub fn queues_from(&mut self, source: IpAddr, segment: Segment) {
        let ports = self.flow().ports;
        let frame = self.frame_of(segment, [ports[1], ports[0]], source);
        self.hand.put(frame);
    }

    /// [`Peer::queues`] as a device hands it up that has made one of segments of `size` bytes, and checked them.
    #[track_caller]
    pub fn queues_coalesced(&mut self, segment: Segment, size: u16) {
        let ports = self.flow().ports;
        let frame = self.frame_of(segment, [ports[1], ports[0]], self.address());
        self.hand.put(Arriving { frame, checksum: Received::Checked, segment_size: Some(size) });
    }

    /// A segment's frame. See [`Peer::sends`] for the numbers.
    fn frame_of(&mut self, segment: Segment, ports: [u16; 2], source: IpAddr) -> Vec<u8> {
        let flow = *self.flow();
        if segment.flags & flag::SYN != 0 && segment.seq.is_none() {
            self.flow_mut().next = 0;
        }
        let flow_next = self.flow().next;
        let seq = flow.iss.wrapping_add(segment.seq.unwrap_or(flow_next));
        let has_ack = segment.flags & flag::ACK != 0;
        let ack = if has_ack { flow.irs.unwrap_or(0).wrapping_add(segment.ack.unwrap_or(flow.expected)) } else { 0 };
        if segment.seq.is_none() {
            self.flow_mut().next = flow_next.wrapping_add(segment.sequence_len());
        }
        let mut bytes = segment.encode(ports, seq, ack);
        let pseudo = frame::pseudo(source, self.stack_address(), frame::TCP, bytes.len());
        let checksum = !frame::sum(&[&pseudo, &bytes]) ^ u16::from(segment.breaks_checksum);
        bytes[16..18].copy_from_slice(&checksum.to_be_bytes());
        let (ethertype, mut packet) = frame::ip(source, self.stack_address(), frame::TCP, 64, &bytes);
        frame::set_traffic_class(&mut packet, segment.traffic_class);
        frame::ethernet(Side::First.mac(), Side::Second.mac(), ethertype, &packet)
    }

    /// Sends any frame.
    pub fn sends_frame(&mut self, frame: Vec<u8>) {
        self.hand.put(frame);
        self.turn();
    }

    /// From now on the segments are those between `port` of the peer and [`Peer::PORT`].
    pub fn uses_port(&mut self, port: u16) {
        let ports = [Self::PORT, port];
        self.current = self.flows.iter().position(|flow| flow.ports == ports).unwrap_or_else(|| {
            self.flows.push(Flow::new(ports));
            self.flows.len() - 1
        });
    }

    /// Starts the current flow over: as if the ports had never been used, the peer's SYN being number `iss`.
    pub fn starts_over(&mut self, iss: u32) {
        let ports = self.flow().ports;
        *self.flow_mut() = Flow { iss, ..Flow::new(ports) };
    }

    /// The peer's next number, relative to its SYN, as if it had sent everything before.
    pub fn stands_at(&mut self, next: u32) {
        self.flow_mut().next = next;
    }

    /// An option of selective acknowledgments (RFC 2018): of what the stack sent from a first number up to one behind it,
    /// relative to its SYN.
    #[must_use]
    pub fn blocks(&self, blocks: &[(u32, u32)]) -> Vec<u8> {
        let irs = self.flow().irs.expect("the stack has sent a SYN");
        let mut option = vec![1, 1, 5, 2 + 8 * blocks.len() as u8];
        for (first, behind) in blocks {
            option.extend([first, behind].map(|edge| irs.wrapping_add(*edge).to_be_bytes()).concat());
        }
        option
    }

    /// From now on ARP and neighbour solicitations are answered, or not.
    pub fn answers_neighbours(&mut self, answers: bool) {
        self.answers_neighbours = answers;
        if answers {
            for question in std::mem::take(&mut self.questions) {
                self.answer(&question);
            }
            self.turn();
        }
    }

    /// Lets `span` pass: every deadline in it is kept. What the stack sends waits in the inbox.
    pub fn waits(&mut self, span: Span) {
        let end = self.now() + span;
        self.turn();
        while let Some(next) = self.stack.next_deadline().filter(|&next| next <= end) {
            self.clock.advance_to(next);
            self.turn();
        }
        self.clock.advance_to(end);
        self.turn();
    }
}

/// What the peer asks for.
impl Peer {
    /// The next segment of this flow is there now, and is as asked. Returns it.
    #[track_caller]
    pub fn expects(&mut self, expected: Segment) -> Came {
        self.turn();
        let Some(came) = self.take() else {
            panic!("nothing came, but was expected: {expected:?}");
        };
        let differences = expected.differences(&came);
        assert!(differences.is_empty(), "{}\n  in {came:?}", differences.join("\n"));
        came
    }

    /// No segment of this flow is there.
    #[track_caller]
    pub fn expects_nothing(&mut self) {
        self.turn();
        if let Some(came) = self.take() {
            panic!("nothing was expected, but this came: {came:?}");
        }
    }

    /// No segment of this flow comes for `span`.
    #[track_caller]
    pub fn expects_nothing_for(&mut self, span: Span) {
        self.waits(span);
        self.expects_nothing();
    }

    /// The next segment comes when `span` has passed, [`TOLERANCE`] late at the most, and is as asked.
    #[track_caller]
    pub fn expects_after(&mut self, span: Span, expected: Segment) -> Came {
        let start = self.now();
        let came = self.expects_within(Span::from_micros(span.micros() + TOLERANCE.micros()), expected);
        let took = came.at.since(start);
        assert!(took >= span, "it came after {} us, not {}", took.micros(), span.micros());
        came
    }

    /// The next segment comes before `span` has passed, and is as asked.
    #[track_caller]
    pub fn expects_within(&mut self, span: Span, expected: Segment) -> Came {
        let end = self.now() + span;
        self.turn();
        while self.inbox.iter().all(|came| came.ports != self.flow().ports) {
            let Some(next) = self.stack.next_deadline().filter(|&next| next <= end) else { break };
            self.clock.advance_to(next);
            self.turn();
        }
        self.expects(expected)
    }

    /// The next segment of this flow, if one is there.
    pub fn take(&mut self) -> Option<Came> {
        let place = self.inbox.iter().position(|came| came.ports == self.flow().ports)?;
        let mut came = self.inbox.remove(place)?;
        let flow = self.flow_mut();
        if came.flags & flag::SYN != 0 {
            flow.irs = Some(came.seq);
            flow.expected = flow.expected.min(1);
        }
        came.seq = came.seq.wrapping_sub(flow.irs.unwrap_or(0));
        came.ack = if came.flags & flag::ACK != 0 { came.ack.wrapping_sub(flow.iss) } else { 0 };
        if came.seq == flow.expected {
            flow.expected += came.sequence_len();
        }
        Some(came)
    }

    /// Takes all segments of this flow that are there.
    pub fn takes_all(&mut self) -> Vec<Came> {
        self.turn();
        std::iter::from_fn(|| self.take()).collect()
    }
}

/// What is true.
impl Peer {
    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// The peer's address.
    #[must_use]
    pub const fn address(&self) -> IpAddr {
        self.version.address(Side::Second)
    }

    /// The stack's address.
    #[must_use]
    pub const fn stack_address(&self) -> IpAddr {
        self.version.address(Side::First)
    }

    /// Everything unread of `connection`, read now.
    #[track_caller]
    pub fn reads(&mut self, connection: TcpHandle) -> Vec<u8> {
        let mut bytes = vec![0; self.stack.unread(connection)];
        if !bytes.is_empty() {
            let read = self.stack.read(connection, &mut bytes).expect("it is unread");
            assert_eq!(read, bytes.len());
        }
        bytes
    }

    fn flow(&self) -> &Flow {
        &self.flows[self.current]
    }

    fn flow_mut(&mut self) -> &mut Flow {
        &mut self.flows[self.current]
    }
}

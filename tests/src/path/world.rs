//! Stacks, flows, and the loop that lets time pass.
//!
//! Invariant: time stands still while anybody has something to do, then jumps to the next arrival, deadline or start.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire::tcp::{State, TcpConfig, TcpInfo, TcpStatistics};
use lendwire::time::{Instant, Span};
use lendwire::{Capacities, Stack, Tables};
use lendwire_nic::Nic as _;

use super::delays::Delays;
use super::flow::{Demand, Flow};
use super::link::{Link, LinkConfig, LinkCounts};
use super::port::{Port, Wire};
use super::trace::{Sample, Trace};
use crate::clock::Clock;
use crate::setup::{self, Setup, Side};

/// The way of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the senders to the receivers.
    Forward,
    /// Back.
    Backward,
}

impl From<usize> for Direction {
    /// The way of what host `host` sends.
    fn from(host: usize) -> Self {
        if host.is_multiple_of(2) { Self::Forward } else { Self::Backward }
    }
}

/// A flow before the start.
#[derive(Clone, Copy, Debug)]
pub struct FlowConfig {
    /// Settings of TCP at both ends.
    pub tcp: TcpConfig,
    /// How long after the beginning it connects.
    pub start: Span,
    /// What is to be sent.
    pub demand: Demand,
}

/// A path and who uses it.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// The bytes of a frame behind the Ethernet header.
    pub mtu: u16,
    /// The bottlenecks: forward, backward.
    pub links: [LinkConfig; 2],
    /// Who shares them: each flow has a sender and a receiver of its own.
    pub flows: Vec<FlowConfig>,
    /// Where all chance comes from.
    pub seed: u64,
}

/// Steps without the time moving.
const STANDING: u32 = 10_000;
/// The port that receivers listen on.
const PORT: u16 = 80;
/// Segments, in and out, that a host's poll is given.
const BUDGET: usize = 64;

struct Host<'s> {
    stack: Stack<'s>,
    port: Port,
    deadline: Option<Instant>,
    is_awake: bool,
}

/// A path that runs.
pub struct World<'s> {
    /// The flows, in the order of the scenario.
    pub flows: Vec<Flow>,
    /// Senders at even places, receivers at odd ones.
    hosts: Vec<Host<'s>>,
    wire: Rc<RefCell<Wire>>,
    clock: Clock,
    /// Steps since the clock last moved.
    standing: u32,
    seed: u64,
}

/// The most that a window can say (RFC 7323 §2.3).
pub const MOST_WINDOW: u64 = 65_535 << 14;

/// Settings of TCP whose windows may grow to `window` bytes, however small the pools of a test are.
#[must_use]
pub fn roomy(window: u64) -> TcpConfig {
    let window = window.min(MOST_WINDOW);
    // What memory it is taken to need.
    let (receive, memory) = ((window * 8 / 5) as u32, Some(usize::MAX / 4));
    TcpConfig {
        send_budget: window as u32,
        send_memory: memory,
        receive_budget: receive,
        receive_memory: memory,
        ..TcpConfig::DEFAULT
    }
}

impl Scenario {
    /// The same with `bytes` to send for each flow.
    #[must_use]
    pub fn sending(mut self, bytes: u64) -> Self {
        for flow in &mut self.flows {
            flow.demand = Demand::Bytes(bytes);
        }
        self
    }

    /// The same with another way to the receivers.
    #[must_use]
    pub fn forward(mut self, change: impl FnOnce(&mut LinkConfig)) -> Self {
        change(&mut self.links[0]);
        self
    }

    /// Runs `body` on the path; its memory is given back afterwards.
    pub fn run<R>(&self, body: impl FnOnce(&mut World<'_>) -> R) -> R {
        let mut tables: Vec<_> =
            self.flows.iter().flat_map(|flow| [(); 2].map(|()| Tables::new(&self.capacities(&flow.tcp)))).collect();
        body(&mut World::new(self, &mut tables))
    }

    /// A place for each segment that may be queued, and, for one connection may have a quarter of them only, four for each
    /// that may come before its time.
    fn capacities(&self, tcp: &TcpConfig) -> Capacities {
        let segments = tcp.send_budget.max(tcp.receive_budget) as usize / (usize::from(self.mtu) - 100);
        Capacities { cells: segments * 4 + 4096, runs: segments / 2 + 4096, ..Setup::new().capacities }
    }
}

impl<'s> World<'s> {
    fn new(scenario: &Scenario, tables: &'s mut [Tables]) -> Self {
        let clock = Clock::new();
        let hosts = tables.len();
        let [forward, backward] = scenario.links;
        let wire = Rc::new(RefCell::new(Wire {
            links: [Link::new(forward, scenario.seed), Link::new(backward, scenario.seed ^ 1 << 40)],
            arrived: (0..hosts).map(|_| VecDeque::new()).collect(),
            now: clock.now().micros() * 1000,
            trace: None,
        }));
        let mut world = Self { flows: Vec::new(), hosts: Vec::new(), wire, clock, standing: 0, seed: scenario.seed };
        for (host, tables) in tables.iter_mut().enumerate() {
            let setup = Setup {
                mtu: scenario.mtu,
                // What lies in a link's queue is in no pool.
                tcp: TcpConfig {
                    receive_memory: Some(usize::MAX),
                    send_memory: Some(usize::MAX),
                    ..scenario.flows[host / 2].tcp
                },
                secret: (scenario.seed as u8).wrapping_add(host as u8),
                ..Setup::new()
            };
            let port = Port::new(&world.wire, host, scenario.mtu, setup.pools[0].receive);
            let side = if host.is_multiple_of(2) { Side::First } else { Side::Second };
            let (stack, _) = setup::stack_over(tables.lend(), &setup, side, port.info(), clock.now());
            world.hosts.push(Host { stack, port, deadline: None, is_awake: true });
        }
        for (place, flow) in scenario.flows.iter().enumerate() {
            let address = setup::Version::V4.address(Side::Second);
            let receiver = &mut world.hosts[2 * place + 1].stack;
            let listener = receiver.listen((address, PORT).into(), 8).expect("the port is free");
            world.flows.push(Flow {
                demand: flow.demand,
                reads: true,
                sender: None,
                receiver: None,
                written: 0,
                received: 0,
                received_at: clock.now(),
                start: clock.now() + flow.start,
                listener,
            });
        }
        world
    }

    /// Begins to note every segment and what the senders say of themselves.
    pub fn trace(&mut self) {
        self.wire.borrow_mut().trace = Some(Trace::default());
    }

    /// What was noted, if it was asked for.
    #[must_use]
    pub fn take_trace(&mut self) -> Option<Trace> {
        self.wire.borrow_mut().trace.take()
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// How long the path has run.
    #[must_use]
    pub fn elapsed(&self) -> Span {
        self.clock.elapsed()
    }

    /// What TCP at the sender of `flow` has done.
    #[must_use]
    pub fn statistics(&self, flow: usize) -> TcpStatistics {
        self.hosts[2 * flow].stack.tcp_statistics()
    }

    /// What the sender of `flow` knows of its path.
    #[must_use]
    pub fn info(&self, flow: usize) -> Option<TcpInfo> {
        self.hosts[2 * flow].stack.info(self.flows[flow].sender?)
    }

    /// Whether the sender of `flow` may send.
    #[must_use]
    pub fn is_established(&self, flow: usize) -> bool {
        self.flows[flow].is_established(&self.hosts[2 * flow].stack)
    }

    /// What a direction has done.
    #[must_use]
    pub fn counts(&self, direction: Direction) -> LinkCounts {
        self.wire.borrow().links[direction as usize].counts
    }

    /// How long frames waited in a direction's queue since this was last asked.
    #[must_use]
    pub fn take_delays(&mut self, direction: Direction) -> Delays {
        std::mem::take(&mut self.wire.borrow_mut().links[direction as usize].waited)
    }

    /// Lets another path take the place of this one: what is on its way stays on it.
    pub fn set_link(&mut self, direction: Direction, config: LinkConfig) {
        self.wire.borrow_mut().links[direction as usize].set(config);
    }

    /// Lets `span` pass.
    #[track_caller]
    pub fn run_for(&mut self, span: Span) {
        let end = self.now() + span;
        self.wake();
        while self.step(end) {}
    }

    /// Lets time pass until `done` says so; asks it after each instant at which something happened.
    ///
    /// # Panics
    /// When `patience` is over first; the message has the seed and what is known of the flows.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, patience: Span, mut done: impl FnMut(&Self) -> bool) {
        let end = self.now() + patience;
        self.wake();
        while !done(self) {
            assert!(self.step(end), "never came: {what}\n{}", self.describe());
        }
    }

    /// What a failed test prints.
    #[must_use]
    pub fn describe(&self) -> String {
        use std::fmt::Write as _;
        let mut text = format!("seed {}, {} us of virtual time", self.seed, self.elapsed().micros());
        for (place, flow) in self.flows.iter().enumerate() {
            let _ = write!(
                text,
                "\n  flow {place}: {} bytes of {} received, {:?}; {:?}",
                flow.received,
                flow.written,
                self.info(place),
                self.statistics(place),
            );
            for (name, host) in [("sender", 2 * place), ("receiver", 2 * place + 1)] {
                let stack = &self.hosts[host].stack;
                let drops = stack.drops();
                let drops: Vec<_> = drops.iter().filter(|(_, n)| *n > 0).map(|(why, n)| (why.name(), n)).collect();
                let _ = write!(text, "\n    {name}: {:?}, dropped {drops:?}", stack.tcp_usage());
            }
        }
        let [forward, backward] = [Direction::Forward, Direction::Backward].map(|way| self.counts(way));
        let _ = write!(text, "\n  forward: {forward:?}\n  backward: {backward:?}");
        text
    }

    /// Whoever runs a path may have given its applications something to do.
    fn wake(&mut self) {
        self.hosts.iter_mut().for_each(|host| host.is_awake = true);
    }

    /// On to the next event before `end`, and all that follows from it at that time. Says whether there was one.
    fn step(&mut self, end: Instant) -> bool {
        let next = self.next_event();
        if next.is_none_or(|next| next > end) {
            self.clock.advance_to(end);
            return false;
        }
        self.standing = if next == Some(self.now()) { self.standing + 1 } else { 0 };
        assert!(self.standing < STANDING, "the stacks turn without moving: {}", self.describe());
        self.clock.jump([next]);
        self.deliver();
        let now = self.now();
        for host in 0..self.hosts.len() {
            let is_due = self.hosts[host].deadline.is_some_and(|deadline| deadline <= now);
            let begins = host.is_multiple_of(2) && self.begins(host / 2);
            if is_due || begins || std::mem::take(&mut self.hosts[host].is_awake) {
                self.attend(host);
            }
        }
        true
    }

    fn next_event(&self) -> Option<Instant> {
        if self.hosts.iter().any(|host| host.is_awake) {
            return Some(self.now());
        }
        let wire = self.wire.borrow();
        let arrivals = wire.links.iter().filter_map(Link::next_arrival);
        let arrivals = arrivals.map(|nanos| Instant::from_micros(nanos.div_ceil(1000)));
        let deadlines = self.hosts.iter().filter_map(|host| host.deadline);
        let starts = self.flows.iter().filter(|flow| flow.sender.is_none()).map(|flow| flow.start);
        arrivals.chain(deadlines).chain(starts).min()
    }

    fn deliver(&mut self) {
        let wire = &mut *self.wire.borrow_mut();
        wire.now = self.clock.now().micros() * 1000;
        for link in &mut wire.links {
            while let Some((host, frame)) = link.take(wire.now) {
                wire.arrived[host].push_back(frame);
                self.hosts[host].is_awake = true;
            }
        }
    }

    /// Whether the flow has to connect now, for the first time or because the first try came to nothing.
    fn begins(&mut self, place: usize) -> bool {
        let (now, flow, host) = (self.clock.now(), &mut self.flows[place], &mut self.hosts[2 * place]);
        if flow.sender.is_some_and(|sender| flow.written == 0 && host.stack.state(sender) == State::Closed) {
            flow.sender = None;
        }
        if flow.sender.is_some() || flow.start > now {
            return false;
        }
        let remote = (setup::Version::V4.address(Side::Second), PORT).into();
        flow.sender = Some(host.stack.connect(remote, None, now).expect("a connection is to be had"));
        true
    }

    /// Polls a host and lets its application work until both have nothing to do.
    fn attend(&mut self, place: usize) {
        let (now, flow, host) = (self.clock.now(), &mut self.flows[place / 2], &mut self.hosts[place]);
        loop {
            let polled = host.stack.poll(&mut [&mut host.port], now, BUDGET);
            match Direction::from(place) {
                Direction::Forward => flow.write(&mut host.stack),
                Direction::Backward => flow.read(&mut host.stack, now),
            }
            if !polled.again && !host.stack.has_output() {
                break;
            }
        }
        host.deadline = host.stack.next_deadline();
        if let (0, Some(trace)) = (place % 2, &mut self.wire.borrow_mut().trace)
            && let Some(info) = flow.sender.and_then(|sender| host.stack.info(sender))
        {
            trace.samples.push(Sample { at: now.micros() * 1000, flow: place / 2, info });
        }
    }
}

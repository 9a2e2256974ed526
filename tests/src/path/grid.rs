//! The grid: rates × round trips × loss × what else a path does, and how near to the ideal TCP comes.
//!
//! Slow start is not measured: a cell runs for a while before bytes are counted, and then for as long as it takes to
//! see some hundred losses, where there are any. From 1 Gbit/s on, frames are of 9000 bytes.

use std::fmt;

use lendwire::tcp::{Algorithm, TcpConfig};
use lendwire::time::Span;

use super::ideal::{self, Facts, Law};
use super::{
    Delays, Demand, Direction, FlowConfig, LinkConfig, Loss, MOST_WINDOW, Policer, Reordering, Scenario, World, roomy,
};

/// Bits a second.
pub const RATES: [u64; 5] = [1_000_000, 10_000_000, 100_000_000, 1_000_000_000, 10_000_000_000];
/// Milliseconds of a round trip.
pub const ROUND_TRIPS: [u64; 4] = [1, 10, 100, 300];
/// Frames lost of a thousand.
pub const LOSSES: [u32; 4] = [0, 1, 10, 30];
/// What a cell has to reach of its ideal.
pub const ENOUGH: f64 = 0.9;

/// What a path does beside carrying and losing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// Nothing. Its queue holds what a round trip carries.
    Plain,
    /// A hundredth of the frames arrives an eighth of a round trip late.
    Reordered,
    /// Its queue holds ten times as much.
    Bloated,
    /// A policer lets pass half of the rate, and at once what a round trip of it carries.
    Policed,
}

impl Shape {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Plain, Self::Reordered, Self::Bloated, Self::Policed];

    /// Its name in the table.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Reordered => "reordered",
            Self::Bloated => "bloated",
            Self::Policed => "policed",
        }
    }
}

/// A congestion control under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Control {
    /// Its name in the table.
    pub name: &'static str,
    /// What it answers to.
    pub law: Law,
    algorithm: Algorithm,
}

impl Control {
    /// All that the stack has.
    pub const ALL: [Self; 3] = [
        Self { name: "cubic", law: Law::Cubic, algorithm: Algorithm::Cubic },
        Self { name: "bbr", law: Law::Model, algorithm: Algorithm::Bbr },
        Self { name: "reno", law: Law::Reno, algorithm: Algorithm::Reno },
    ];
}

/// A place in the grid.
#[derive(Clone, Copy, Debug)]
pub struct Cell {
    /// Whose goodput.
    pub control: Control,
    /// Bits a second.
    pub rate: u64,
    /// Milliseconds.
    pub round_trip: u64,
    /// Of a thousand frames.
    pub loss: u32,
    /// What else.
    pub shape: Shape,
}

impl fmt::Display for Cell {
    /// Words in columns, each of which [`Cell::is_called`] by.
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [control, rate, round_trip, loss, shape] = self.words();
        write!(out, "{control:<7} {rate:>4} {round_trip:>5} {loss:>4} {shape:<9}")
    }
}

/// What a cell gave.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Where.
    pub cell: Cell,
    /// Bytes a second that its response function allows.
    pub ideal: f64,
    /// Bytes a second that the receiver read.
    pub goodput: f64,
    /// Seconds that were counted.
    pub seconds: f64,
    /// Segments that were sent, since the beginning.
    pub segments: u64,
    /// Those of them that were sent again.
    pub retransmissions: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Time in the queue.
    pub delays: Delays,
}

impl Measured {
    /// The share of the ideal that was reached.
    #[must_use]
    pub fn ratio(&self) -> f64 {
        self.goodput / self.ideal
    }

    /// Whether it is enough.
    #[must_use]
    pub fn is_enough(&self) -> bool {
        self.ratio() >= ENOUGH
    }

    /// The names of the columns of [`Measured`]'s lines.
    pub const HEAD: &'static str = "control rate   rtt loss path      | ideal Mbit/s   goodput  ratio |  segments     again \
                                    timeouts | queue p50  p99 ms";
}

impl fmt::Display for Measured {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let megabits = |bytes: f64| bytes * 8.0 / 1e6;
        let millis = |percent| self.delays.percentile(percent) as f64 / 1e6;
        write!(
            out,
            "{} | {:>12.3} {:>9.3} {:>5.1}% | {:>9} {:>9} {:>8} | {:>9.2} {:>7.2} {}",
            self.cell,
            megabits(self.ideal),
            megabits(self.goodput),
            100.0 * self.ratio(),
            self.segments,
            self.retransmissions,
            self.timeouts,
            millis(50),
            millis(99),
            if self.is_enough() { "" } else { " BELOW" },
        )
    }
}

impl Cell {
    /// Every cell.
    pub fn all() -> impl Iterator<Item = Self> {
        let cells = Control::ALL.into_iter().flat_map(|control| RATES.map(|rate| (control, rate)));
        let cells = cells.flat_map(|(control, rate)| ROUND_TRIPS.map(|round_trip| (control, rate, round_trip)));
        cells.flat_map(|(control, rate, round_trip)| {
            LOSSES
                .into_iter()
                .flat_map(move |loss| Shape::ALL.map(|shape| Self { control, rate, round_trip, loss, shape }))
        })
    }

    fn words(&self) -> [String; 5] {
        let rate = match self.rate {
            1_000_000_000.. => format!("{}G", self.rate / 1_000_000_000),
            _ => format!("{}M", self.rate / 1_000_000),
        };
        let loss = format!("{}%", f64::from(self.loss) / 10.0);
        [self.control.name.into(), rate, format!("{}ms", self.round_trip), loss, self.shape.name().into()]
    }

    /// Whether `word` is one of its line: `reno`, `10G`, `300ms`, `0.1%`, `bloated`.
    #[must_use]
    pub fn is_called(&self, word: &str) -> bool {
        self.words().iter().any(|mine| mine == word)
    }

    /// Whether it belongs to the few that are run for a first look.
    #[must_use]
    pub fn is_smoke(&self) -> bool {
        self.rate == 10_000_000 && [10, 100].contains(&self.round_trip) && [0, 10].contains(&self.loss)
    }

    /// Bytes of a frame behind the Ethernet header.
    #[must_use]
    pub const fn mtu(&self) -> u16 {
        if self.rate >= 1_000_000_000 { 9000 } else { 1500 }
    }

    /// Bytes of a full frame.
    const fn frame(&self) -> u64 {
        self.mtu() as u64 + 14
    }

    /// Bytes that a round trip carries at `rate`.
    const fn product(&self, rate: u64) -> u64 {
        rate / 8 * self.round_trip / 1000
    }

    fn queue(&self) -> u64 {
        let rounds = if self.shape == Shape::Bloated { 10 } else { 1 };
        (self.product(self.rate) * rounds).max(20 * self.frame())
    }

    fn policer(&self) -> Option<Policer> {
        let rate = self.rate / 2;
        let burst = self.product(rate).max(20 * self.frame());
        (self.shape == Shape::Policed).then_some(Policer { rate, burst })
    }

    fn reordering(&self) -> Option<Reordering> {
        let extra = Span::from_micros(self.round_trip().micros() / 8);
        (self.shape == Shape::Reordered).then_some(Reordering { share: 0.01, extra })
    }

    fn round_trip(&self) -> Span {
        Span::from_millis(self.round_trip)
    }

    /// The path, with one flow that never ends.
    #[must_use]
    pub fn scenario(&self, seed: u64) -> Scenario {
        let delay = Span::from_micros(self.round_trip().micros() / 2);
        let backward = LinkConfig::new(self.rate, delay, self.queue());
        let forward = LinkConfig {
            loss: if self.loss == 0 { Loss::None } else { Loss::Independent(f64::from(self.loss) / 1000.0) },
            reordering: self.reordering(),
            policer: self.policer(),
            ..backward
        };
        let tcp = TcpConfig { congestion: self.control.algorithm, ..roomy(self.window()) };
        let flow = FlowConfig { tcp, start: Span::ZERO, demand: Demand::Endless };
        Scenario { mtu: self.mtu(), links: [forward, backward], flows: vec![flow], seed }
    }

    /// Bytes that may be under way or wait for one that is missing: twice what the path holds, for what is sent while a loss
    /// is mended; where what is sent again is lost again, that takes some round trips more.
    fn window(&self) -> u64 {
        let rounds = if self.loss == 0 { 2 } else { 4 };
        (rounds * (self.product(self.rate) + self.queue()) + (1 << 18)).min(MOST_WINDOW)
    }

    /// Segments a second that the control may send, in the long run.
    fn ideal(&self, seed: u64) -> f64 {
        let frames = |bits: u64| bits as f64 / 8.0 / self.frame() as f64;
        let serialized = 1.0 / frames(self.rate);
        let facts = Facts {
            rate: frames(self.rate),
            rtt: self.round_trip as f64 / 1000.0 + serialized,
            queue: self.queue() as f64 / self.frame() as f64,
            // Addresses, ports, and timestamps.
            window: self.window() as f64 / f64::from(self.mtu() - 52),
            loss: f64::from(self.loss) / 1000.0,
            policer: self.policer().map(|policer| (frames(policer.rate), policer.burst as f64 / self.frame() as f64)),
            reorders: self.shape == Shape::Reordered,
        };
        ideal::goodput(self.control.law, &facts, seed)
    }

    /// Runs it.
    #[must_use]
    pub fn measure(&self, seed: u64) -> Measured {
        let segments = self.ideal(seed);
        let (warm, counted) = self.durations(segments);
        self.scenario(seed).run(|world| {
            world.run_until("the connection stands", Span::from_secs(300), |world| world.is_established(0));
            world.run_for(warm);
            self.counted(world, segments, counted)
        })
    }

    fn counted(&self, world: &mut World<'_>, segments: f64, span: Span) -> Measured {
        let _ = world.take_delays(Direction::Forward);
        let before = world.flows[0].received;
        world.run_for(span);
        let seconds = span.micros() as f64 / 1e6;
        let statistics = world.statistics(0);
        let payload = world.info(0).map_or(0, |info| info.mss);
        Measured {
            cell: *self,
            ideal: segments * f64::from(payload),
            goodput: (world.flows[0].received - before) as f64 / seconds,
            seconds,
            segments: statistics.segments_sent,
            retransmissions: statistics.retransmissions,
            timeouts: statistics.timeouts,
            delays: world.take_delays(Direction::Forward),
        }
    }

    /// Where only the queue loses, CUBIC takes K seconds from one loss to the next (RFC 9438 §4.2), and Reno and BBR as many
    /// are given: less would be a matter of where in it one looks. Two million segments are as much as anybody waits for.
    fn epoch(&self) -> Span {
        let frames = |bytes: u64| bytes as f64 / self.frame() as f64;
        let window = frames(self.product(self.rate) + self.queue());
        let most = 2e6 / frames(self.rate / 8);
        let seconds = if self.loss == 0 { (window * 0.3 / 0.4).cbrt().min(most) } else { 0.0 };
        Span::from_micros((seconds * 1e6) as u64)
    }

    /// How long before counting, and how long counted.
    fn durations(&self, segments: f64) -> (Span, Span) {
        let rounds = |count: u64| Span::from_micros(self.round_trip().micros() * count);
        // Those of a thousand are dear: enough for some 5 %, else for 3.
        let wanted = if self.loss == 1 { 300.0 } else { 1000.0 };
        let losses = if self.loss == 0 { 0.0 } else { wanted / (segments * f64::from(self.loss) / 1000.0) };
        let losses = Span::from_micros((losses * 1e6) as u64);
        let enough = Span::from_micros((3000.0 / segments * 1e6) as u64);
        let counted = losses.max(rounds(40)).max(enough).max(self.epoch());
        let warm = rounds(40).max(Span::from_secs(2)).max(Span::from_micros(losses.micros() / 8)).max(enough);
        (warm.max(self.epoch()), counted)
    }
}

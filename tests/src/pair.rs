//! Two stacks on a wire, in virtual time.
//!
//! ```
//! use lendwire_tests::pair::Pair;
//! use lendwire_tests::setup::Setup;
//!
//! let mut pair = Pair::loopback(&Setup::new());
//! let (here, there) = pair.connected();
//! pair.here.stack.write(here, b"hello").unwrap();
//! pair.run_until("the bytes are there", |pair| pair.there.stack.unread(there) == 5);
//! ```

use lendwire::tcp::{State, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire_drivers::impaired::{self, Impaired, Impairments};
use lendwire_drivers::loopback::{self, Loopback};
use lendwire_nic::{NicStatistics, Offloads};

use crate::clock::Clock;
use crate::setup::{End, Pools, Setup, Side};

/// Two stacks and what joins them.
pub struct Pair {
    /// The first end: the one that connects.
    pub here: End,
    /// The second end: the one that listens.
    pub there: End,
    /// The time.
    pub clock: Clock,
    /// Virtual time that one [`Pair::run_until`] may take.
    pub patience: Span,
    wire: Wire,
    seed: Option<u64>,
}

enum Wire {
    Loopback,
    Impaired(Impaired),
}

/// Polls that one [`Pair::run_until`] may take.
const STEPS: u64 = 5_000_000;
/// Polls without the clock or a frame moving.
const STANDING: u32 = 10_000;

impl Pair {
    /// The port that [`Pair::connected`] listens on.
    pub const PORT: u16 = 80;

    /// Two stacks joined in memory.
    #[must_use]
    pub fn loopback(setup: &Setup) -> Self {
        let options = loopback::Options {
            mtu: setup.mtu,
            offloads: setup.offloads,
            capacity: setup.ring,
            addresses: [Side::First.mac(), Side::Second.mac()],
        };
        let (first, second) = Loopback::pair(&options, setup.pools[1].receive);
        Self::start(setup, [Box::new(first), Box::new(second)], Wire::Loopback, None)
    }

    /// Two stacks on an impaired wire. What happens follows from `seed` alone.
    #[must_use]
    pub fn impaired(setup: &Setup, seed: u64, impairments: [Impairments; 2]) -> Self {
        let wire = Impaired::asymmetric(seed, impairments);
        let options = impaired::Options {
            mtu: setup.mtu,
            offloads: setup.offloads & (Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM),
            capacity: setup.ring,
            waiting: 1024,
            addresses: [Side::First.mac(), Side::Second.mac()],
        };
        let (first, second) = wire.ends(&options, setup.pools[1].receive);
        let setup = Setup { secret: setup.secret.wrapping_add(seed as u8), ..*setup };
        Self::start(&setup, [Box::new(first), Box::new(second)], Wire::Impaired(wire), Some(seed))
    }

    fn start(setup: &Setup, nics: [Box<dyn lendwire_nic::Nic>; 2], wire: Wire, seed: Option<u64>) -> Self {
        let clock = Clock::new();
        let [first, second] = nics;
        let mut pair = Self {
            here: End::new(setup, Side::First, first, clock.now()),
            there: End::new(setup, Side::Second, second, clock.now()),
            clock,
            patience: Span::from_secs(3600),
            wire,
            seed,
        };
        pair.run_until("both addresses are usable", |pair| pair.here.is_ready() && pair.there.is_ready());
        pair
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.clock.now()
    }

    /// A connection from `here` to a fresh listener on [`Pair::PORT`] of `there`: both ends of it.
    #[track_caller]
    pub fn connected(&mut self) -> (TcpHandle, TcpHandle) {
        let listener = self.there.stack.listen(self.there.socket(Self::PORT), 8).expect("the port is free");
        let ends = self.connected_to(listener);
        self.there.stack.unlisten(listener);
        ends
    }

    /// A connection from `here` to `listener`, which listens on [`Pair::PORT`] of `there`.
    #[track_caller]
    pub fn connected_to(&mut self, listener: lendwire::tcp::ListenerHandle) -> (TcpHandle, TcpHandle) {
        let mut there = None;
        let here = (0..20).find_map(|_| {
            let (remote, now) = (self.there.socket(Self::PORT), self.now());
            let here = self.here.stack.connect(remote, None, now).expect("a connection is to be had");
            self.run_until("the connection is decided", |pair| {
                there = there.or_else(|| pair.there.stack.accept(listener));
                match pair.here.stack.state(here) {
                    State::Established => there.is_some(),
                    State::Closed => true,
                    _ => false,
                }
            });
            if self.here.stack.state(here) == State::Established {
                return Some(here);
            }
            // On a bad wire a neighbour may not be found at the first try; an application tries again later.
            self.here.stack.close(here, self.now());
            self.run_for(Span::from_secs(10));
            None
        });
        let Some(here) = here else { self.fail("the connection stands", "twenty tries") };
        self.here.watch("the client", here);
        let there = there.expect("it was accepted");
        self.there.watch("the server", there);
        (here, there)
    }

    /// One poll of both ends at the present time. Says whether a frame moved or more is to be done at once.
    pub fn poll(&mut self) -> bool {
        if let Wire::Impaired(wire) = &self.wire {
            wire.advance(self.now().micros());
        }
        let before = self.moved();
        let now = self.now();
        let again = self.here.poll(now).again | self.there.poll(now).again;
        again || self.moved() != before
    }

    fn moved(&self) -> [u64; 4] {
        let of = |statistics: NicStatistics| [statistics.sent, statistics.received];
        let ([a, b], [c, d]) = (of(self.here.nic.statistics()), of(self.there.nic.statistics()));
        [a, b, c, d]
    }

    /// Asks `done`, polls, and lets time pass while nobody has anything to do, until `done` says so. `done` may do what
    /// an application does: read, write, close.
    ///
    /// # Panics
    /// When [`Pair::patience`] is over, when nothing will ever happen again, or when the stacks do not come to rest;
    /// the message has the seed, the virtual time and both ends' states.
    #[track_caller]
    pub fn run_until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let end = self.now() + self.patience;
        let mut standing = 0;
        for _ in 0..STEPS {
            if done(self) {
                return;
            }
            let before = (self.now(), self.moved());
            let busy = self.poll() || self.here.stack.has_output() || self.there.stack.has_output();
            let ever = busy || self.pass();
            standing = if before == (self.now(), self.moved()) { standing + 1 } else { 0 };
            if !ever && standing > 2 {
                self.fail(what, "nothing will ever happen again");
            }
            if standing > STANDING {
                self.fail(what, "the stacks turn without moving");
            }
            if self.now() > end {
                self.fail(what, "the patience is over");
            }
        }
        self.fail(what, "too many steps");
    }

    /// Lets `span` pass, whatever happens meanwhile.
    #[track_caller]
    pub fn run_for(&mut self, span: Span) {
        let end = self.now() + span;
        let mut turns = 0;
        loop {
            if !self.poll() {
                let next = self.deadlines().into_iter().flatten().min();
                if next.is_none_or(|next| next > end) {
                    return self.clock.advance_to(end);
                }
                self.pass();
            }
            turns += 1;
            if turns > STEPS {
                self.fail("time passes", "too many steps");
            }
        }
    }

    /// On to the next deadline, if there is one.
    fn pass(&mut self) -> bool {
        let deadlines = self.deadlines();
        self.clock.jump(deadlines)
    }

    fn deadlines(&self) -> [Option<Instant>; 3] {
        let arrival = match &self.wire {
            Wire::Loopback => None,
            Wire::Impaired(wire) => wire.next_arrival().map(Instant::from_micros),
        };
        [self.here.stack.next_deadline(), self.there.stack.next_deadline(), arrival]
    }

    /// Slots that somebody at either end still holds.
    #[must_use]
    pub fn held(&self) -> usize {
        [self.here.pools, self.there.pools].iter().map(Pools::held).sum()
    }

    /// # Panics
    /// Always, with everything that is known.
    #[track_caller]
    pub fn fail(&self, what: &str, why: &str) -> ! {
        let seed = self.seed.map_or_else(|| "no seed".to_owned(), |seed| format!("seed {seed}"));
        let fates = match &self.wire {
            Wire::Loopback => String::new(),
            Wire::Impaired(wire) => format!("\n  wire:  {:?}", wire.fates()),
        };
        panic!(
            "never came: {what} ({why}); {seed}, {} us of virtual time\n  here:  {}\n  there: {}{fates}",
            self.clock.elapsed().micros(),
            self.here.describe(),
            self.there.describe(),
        );
    }
}

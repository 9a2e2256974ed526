//! What a segment costs while many connections stand: an acknowledgment that says nothing new, and a message.

use std::time::Duration;

use crate::host::{Acknowledged, Host, Pair, Pattern, Setup};
use crate::measure::timed;

/// Which connection comes next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Always the same one.
    Single,
    /// Another one each time, in no order.
    Random,
}

/// Connections of one port, at the most.
const PER_PORT: usize = 10_000;
const FIRST_PORT: u16 = 1000;
/// Frames that lie in front of a host at once.
const BURST: usize = 32;

/// So many connections between two hosts.
struct Crowd<H: Host> {
    pair: Pair<H>,
    connections: Vec<(H::Connection, H::Connection)>,
    /// The acknowledgment that ended each handshake.
    acks: Vec<Vec<u8>>,
}

/// What hosts need for it.
#[must_use]
pub fn setup(connections: usize) -> Setup {
    let listeners = connections.div_ceil(PER_PORT);
    let acknowledged = Acknowledged::AtOnce;
    Setup { window: 16 << 10, acknowledged, connections: connections + 4, listeners, time_waits: 0, ..Setup::new() }
}

impl<H: Host> Crowd<H> {
    fn new(count: usize) -> Self {
        let mut pair = Pair::<H>::new(&setup(count));
        (0..count.div_ceil(PER_PORT)).for_each(|port| pair.there.listen(FIRST_PORT + port as u16, 4));
        pair.here.last_sent();
        let mut acks = Vec::new();
        let connections = (0..count).map(|index| {
            let ends = pair.connect(FIRST_PORT + (index / PER_PORT) as u16);
            pair.settle();
            acks.push(pair.here.last_sent());
            ends
        });
        let connections: Vec<_> = connections.collect();
        let is_open = |(here, there)| pair.here.is_open(here) && pair.there.is_open(there);
        assert!(connections.iter().copied().all(is_open), "{} lost a connection", H::NAME);
        Self { pair, connections, acks }
    }

    /// The places of all connections, each once, in the order they are to be visited in.
    fn order(&self, order: Order) -> Vec<usize> {
        let count = self.connections.len();
        let mut places: Vec<usize> = (0..count).collect();
        match order {
            Order::Single => places = vec![count / 2; BURST],
            Order::Random => {
                let mut state = 0x1234_5678_9abc_def1_u64;
                for at in (1..count).rev() {
                    state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    places.swap(at, (state >> 33) as usize % (at + 1));
                }
                // Bursts are whole.
                places.extend_from_within(..(BURST - count % BURST).min(count));
                let once = places.clone();
                while places.len() < BURST {
                    places.extend_from_slice(&once);
                }
            }
        }
        places
    }
}

/// Acknowledgments in front of a host, in bursts.
pub struct Acks<H: Host> {
    crowd: Crowd<H>,
    /// One behind the other, as they are taken, so that finding them costs nobody anything.
    frames: Vec<u8>,
    len: usize,
    at: usize,
}

impl<H: Host> Acks<H> {
    /// So many connections, and an acknowledgment for each.
    ///
    /// # Panics
    /// If a host answers one: then it was not one that says nothing new.
    #[must_use]
    pub fn new(count: usize, order: Order) -> Self {
        let crowd = Crowd::<H>::new(count);
        let len = crowd.acks[0].len();
        assert!((54..=66).contains(&len), "{} ended a handshake by {len} bytes", H::NAME);
        // Now and then the frame that left last was not of the handshake, but asked for the neighbour again.
        let order = crowd.order(order);
        let whole = order.iter().map(|place| &crowd.acks[*place]).filter(|ack| ack.len() == len);
        let frames: Vec<u8> = whole.flatten().copied().collect();
        assert!(frames.len() >= order.len() * len / 100 * 99, "{} ends its handshakes otherwise", H::NAME);
        let mut acks = Self { crowd, frames, len, at: 0 };
        acks.crowd.pair.there.last_sent();
        let before = acks.crowd.pair.there.last_sent();
        acks.run(4 * BURST as u64);
        assert!(acks.crowd.pair.there.last_sent() == before, "{} answers a pure acknowledgment", H::NAME);
        acks
    }

    /// Takes in at least `units` of them, whole bursts.
    pub fn run(&mut self, units: u64) -> Duration {
        let bursts = units.div_ceil(BURST as u64);
        let took = timed(|| (0..bursts).for_each(|_| self.burst()));
        took.mul_f64(units as f64 / (bursts * BURST as u64) as f64)
    }

    fn burst(&mut self) {
        let pair = &mut self.crowd.pair;
        for _ in 0..BURST {
            pair.there.inject(&self.frames[self.at..self.at + self.len]);
            self.at = (self.at + self.len) % self.frames.len();
        }
        pair.now += 1;
        pair.there.poll(pair.now);
    }
}

/// Messages of 64 bytes, each on another connection, and what acknowledges them.
pub struct Messages<H: Host> {
    crowd: Crowd<H>,
    order: Vec<usize>,
    at: usize,
}

impl<H: Host> Messages<H> {
    /// So many connections.
    #[must_use]
    pub fn new(count: usize, order: Order) -> Self {
        let mut crowd = Crowd::<H>::new(count);
        for (here, _) in &crowd.connections {
            crowd.pair.here.set_nodelay(*here);
        }
        let order = crowd.order(order);
        let mut messages = Self { crowd, order, at: 0 };
        messages.run(100);
        messages
    }

    /// Carries `units` messages.
    pub fn run(&mut self, units: u64) -> Duration {
        timed(|| (0..units).for_each(|_| self.carry()))
    }

    fn carry(&mut self) {
        let message = &Pattern::shared().from(self.at as u64)[..64];
        let (here, there) = self.crowd.connections[self.order[self.at % self.order.len()]];
        self.at += 1;
        let mut buffer = [0; 64];
        let pair = &mut self.crowd.pair;
        // Timers turn by the millisecond: what is to be acknowledged at once must not wait for thousands of messages.
        pair.now += 10;
        assert_eq!(pair.here.write(here, message), 64, "{} has no room", H::NAME);
        pair.turn();
        assert_eq!(pair.there.read(there, &mut buffer), 64, "{} did not carry a message", H::NAME);
        assert!(buffer == *message, "{} changed a message", H::NAME);
        pair.turn();
    }
}

//! Datagrams, one way, in bursts: sent, carried and read.

use std::time::Duration;

use crate::host::{Host, Pair, Pattern, Setup};
use crate::measure::timed;

/// Two sockets.
pub struct Udp<H: Host> {
    pair: Pair<H>,
    len: usize,
    batch: u64,
    sent: u64,
}

const PORT: u16 = 4000;
/// Every datagram begins with its number.
const NUMBER: usize = 8;

impl<H: Host> Udp<H> {
    /// Two sockets whose hosts know of each other.
    #[must_use]
    pub fn new(setup: &Setup, len: usize, batch: u64) -> Self {
        let mut pair = Pair::<H>::new(setup);
        pair.here.udp_bind(PORT);
        pair.there.udp_bind(PORT);
        let mut udp = Self { pair, len, batch: 1, sent: 0 };
        // The first one waits for the neighbour's address.
        udp.run(1);
        udp.batch = batch;
        udp.run(10 * batch);
        udp
    }

    /// Carries at least `units` datagrams, whole bursts.
    pub fn run(&mut self, units: u64) -> Duration {
        let bursts = units.div_ceil(self.batch);
        let took = timed(|| (0..bursts).for_each(|_| self.burst()));
        // What is told is the time of `units`.
        took.mul_f64(units as f64 / (bursts * self.batch) as f64)
    }

    fn burst(&mut self) {
        let mut datagram = [0; 1472];
        datagram[..self.len].copy_from_slice(&Pattern::shared().from(0)[..self.len]);
        for number in self.sent..self.sent + self.batch {
            datagram[..NUMBER].copy_from_slice(&number.to_be_bytes());
            assert!(self.pair.here.udp_send(PORT, &datagram[..self.len]), "there is room for a burst");
        }
        let end = self.sent + self.batch;
        for _ in 0..10 {
            self.pair.turn();
            while self.sent < end && self.take() {
                self.sent += 1;
            }
            if self.sent == end {
                return;
            }
        }
        panic!("{} lost a datagram", H::NAME);
    }

    /// The next datagram, if it has come. Its number and its end are looked at.
    fn take(&mut self) -> bool {
        let mut buffer = [0; 1472];
        let Some(len) = self.pair.there.udp_read(&mut buffer) else { return false };
        let is_whole = len == self.len && buffer[len - 1] == Pattern::shared().from(0)[len - 1];
        assert!(is_whole && buffer[..NUMBER] == self.sent.to_be_bytes(), "{} changed a datagram", H::NAME);
        true
    }
}

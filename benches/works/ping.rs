//! A question and an answer of 64 bytes each, one at a time, over one connection.

use std::time::Duration;

use crate::host::{Host, Pair, Pattern, Setup};
use crate::measure::timed;

const LEN: usize = 64;

/// The connection.
pub struct Ping<H: Host> {
    pair: Pair<H>,
    here: H::Connection,
    there: H::Connection,
    asked: u64,
}

impl<H: Host> Ping<H> {
    /// A connection.
    #[must_use]
    pub fn new(setup: &Setup) -> Self {
        let mut pair = Pair::<H>::new(setup);
        let (here, there) = pair.connected();
        pair.here.set_nodelay(here);
        pair.there.set_nodelay(there);
        let mut ping = Self { pair, here, there, asked: 0 };
        ping.run(1000);
        ping
    }

    /// Asks and answers `units` times.
    pub fn run(&mut self, units: u64) -> Duration {
        timed(|| (0..units).for_each(|_| self.ask()))
    }

    /// The answer is the question, read and written again.
    fn ask(&mut self) {
        let question = &Pattern::shared().from(self.asked)[..LEN];
        let mut buffer = [0; LEN];
        let (pair, here, there) = (&mut self.pair, self.here, self.there);
        assert_eq!(pair.here.write(here, question), LEN, "there is room for a question");
        until("a question", || {
            pair.now += 1;
            pair.here.poll(pair.now);
            pair.there.poll(pair.now);
            pair.there.read(there, &mut buffer) == LEN
        });
        assert_eq!(pair.there.write(there, &buffer), LEN, "there is room for an answer");
        buffer.fill(0);
        until("an answer", || {
            pair.now += 1;
            pair.there.poll(pair.now);
            pair.here.poll(pair.now);
            pair.here.read(here, &mut buffer) == LEN
        });
        assert!(buffer == *question, "{} changed what it carried", H::NAME);
        self.asked += 1;
    }
}

/// What is written goes out at a poll of the one end and in at one of the other: once each is enough for all.
fn until(what: &str, mut came: impl FnMut() -> bool) {
    assert!((0..10).any(|_| came()), "{what} never came");
}

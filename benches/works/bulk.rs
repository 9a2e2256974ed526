//! Bulk TCP: one connection, one way, as much as goes.

use std::time::Duration;

use crate::host::{Host, Pair, Pass, Pattern, Setup};
use crate::measure::timed;

/// How the application gives and takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// `write` and `read`.
    Copying,
    /// Whatever the stack has that spares the application's copies.
    Lending,
}

/// What an application writes and reads at once.
const PIECE: usize = Pattern::PERIOD;
/// Bytes of one unit.
pub const UNIT: u64 = 1 << 20;

/// The connection, and how far it is.
pub struct Bulk<H: Host> {
    pair: Pair<H>,
    from: H::Connection,
    to: H::Connection,
    api: Api,
    sent: u64,
    received: u64,
    into: Box<[u8]>,
}

impl<H: Host> Bulk<H> {
    /// A connection that has carried some windows of data, each byte of which was looked at.
    #[must_use]
    pub fn new(setup: &Setup, api: Api) -> Self {
        let mut pair = Pair::<H>::new(setup);
        let (from, to) = pair.connected();
        let mut bulk = Self { pair, from, to, api, sent: 0, received: 0, into: vec![0; PIECE].into() };
        bulk.carry(4 * setup.window as u64 + 3 * PIECE as u64, Pass::Checked);
        bulk.look_at_segments(usize::from(setup.mtu) - 52);
        bulk
    }

    /// Who cuts otherwise does another work. Where hardly a segment fits into the window, it is a stack's own affair.
    fn look_at_segments(&mut self, full: usize) {
        let before = self.pair.here.sent();
        self.carry(4 * UNIT, Pass::Checked);
        let (sent, fewest) = (self.pair.here.sent() - before, 4 * UNIT / full as u64);
        let most = if full < 10_000 { fewest * 6 / 5 } else { fewest * 3 };
        assert!(sent <= most, "{} sent {sent} frames where {fewest} would do", H::NAME);
    }

    /// Carries `units` times [`UNIT`].
    ///
    /// # Panics
    /// If it waited for timers: that would be another work.
    pub fn run(&mut self, units: u64) -> Duration {
        let stalls = self.pair.stalls;
        let took = timed(|| self.carry(units * UNIT, Pass::Timed));
        let stalls = self.pair.stalls - stalls;
        // Nothing waits to be acknowledged while others have their turn.
        self.pair.settle();
        // With a window of few segments a peer waits for its own acknowledgment now and then; passing time costs nothing.
        assert!(stalls <= units + 8, "{} waited for a timer {stalls} times in {units} MiB", H::NAME);
        took
    }

    fn carry(&mut self, bytes: u64, pass: Pass) {
        let end = self.received + bytes;
        let mut still = 0;
        while self.received < end {
            while self.sent < end {
                match self.give(end, pass) {
                    0 => break,
                    given => self.sent += given as u64,
                }
            }
            let moved = self.pair.turn();
            let before = self.received;
            while self.take(pass) > 0 {}
            still = if moved || self.received > before { 0 } else { still + 1 };
            if still > 2 {
                self.pair.pass();
            }
            assert!(still < 1000, "{} stands still after {} of {} bytes", H::NAME, self.received, self.sent);
        }
    }

    fn give(&mut self, end: u64, pass: Pass) -> usize {
        let pattern = Pattern::shared();
        match self.api {
            Api::Copying => {
                let len = (end - self.sent).min(PIECE as u64) as usize;
                self.pair.here.write(self.from, &pattern.from(self.sent)[..len])
            }
            // What is lent may reach beyond the end: the next round begins with it.
            Api::Lending => self.pair.here.lend(self.from, pattern, self.sent, pass),
        }
    }

    fn take(&mut self, pass: Pass) -> usize {
        let received = self.received;
        let mut at = received;
        let mut look = |bytes: &[u8]| {
            let is_right = pass == Pass::Timed || Pattern::shared().is_at(at, bytes);
            assert!(is_right, "{} changed what it carried, at {at}", H::NAME);
            at += bytes.len() as u64;
        };
        let taken = match self.api {
            Api::Copying => {
                let taken = self.pair.there.read(self.to, &mut self.into);
                look(&self.into[..taken]);
                taken
            }
            Api::Lending => self.pair.there.take(self.to, look),
        };
        self.received += taken as u64;
        taken
    }
}

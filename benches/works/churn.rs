//! Connections that are opened, accepted and closed again, with nothing in between.

use std::time::Duration;

use crate::host::{Host, Pair, Setup};
use crate::measure::timed;

/// Two hosts.
pub struct Churn<H: Host> {
    pair: Pair<H>,
    ports: u16,
    opened: u64,
}

/// The first port that is listened on.
const FIRST_PORT: u16 = 1000;

/// What hosts need for it.
#[must_use]
pub fn setup(time_waits: usize, ports: u16) -> Setup {
    // A peer may need a socket for each of its listeners.
    Setup { window: 16 << 10, time_waits, listeners: usize::from(ports), ..Setup::new() }
}

impl<H: Host> Churn<H> {
    /// Two hosts, one of which listens on `ports` ports while the other one keeps `time_waits` connections in TIME-WAIT.
    #[must_use]
    pub fn new(time_waits: usize, ports: u16) -> Self {
        let mut pair = Pair::<H>::new(&setup(time_waits, ports));
        (0..ports).for_each(|port| pair.there.listen(FIRST_PORT + port, 4));
        let mut churn = Self { pair, ports, opened: 0 };
        churn.run(time_waits as u64 + 100);
        churn
    }

    /// Opens and closes `units` connections.
    pub fn run(&mut self, units: u64) -> Duration {
        timed(|| (0..units).for_each(|_| self.open_and_close()))
    }

    fn open_and_close(&mut self) {
        // Another port each time, and none in the order of its making.
        let port = FIRST_PORT + (self.opened * 7919 % u64::from(self.ports)) as u16;
        let (here, there) = self.pair.connect(port);
        self.pair.here.close(here, self.pair.now);
        // The FIN, and its acknowledgment.
        self.pair.turn();
        self.pair.there.close(there, self.pair.now);
        // The other FIN, which takes a poll of that host first, and the end of it.
        self.pair.turn();
        self.pair.turn();
        self.opened += 1;
    }
}

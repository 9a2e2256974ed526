//! Two machines with a card each, a wire between them, and a stack on either driver.

use lendwire::time::Span;
use lendwire_drivers::model::Memory;
use lendwire_nic::{Fault, Pool};
use lendwire_tests::clock::Clock;
use lendwire_tests::setup::{End, Setup, Side};
use lendwire_tests::stream::{self, Check};

use crate::card::Card;
use crate::driver::FirstNic;

/// Rounds that a transfer may take.
const ROUNDS: u32 = 100_000;

pub(crate) struct World {
    pub(crate) here: End,
    pub(crate) there: End,
    pub(crate) cards: [Card; 2],
    memories: [Memory; 2],
    /// The pools of either end's headers.
    headers: [&'static Pool; 2],
    clock: Clock,
}

impl World {
    pub(crate) fn new() -> Self {
        let (setup, clock) = (Setup::new(), Clock::new());
        let memories = [Memory::new(), Memory::new()];
        let cards = Card::pair([&memories[0], &memories[1]]);
        let headers = [0; 2].map(|_| Pool::leaked(128, 128).expect("128 slots of 128 bytes are a pool"));
        let [here, there] = [Side::First, Side::Second].map(|side| {
            let (memory, card) = (&memories[side as usize], &cards[side as usize]);
            let (pools, headers) = (setup.pools[side as usize], headers[side as usize]);
            for pool in [pools.transmit, pools.receive, headers] {
                memory.share_pool(pool);
            }
            memory.share(stream::content().bytes());
            let nic = FirstNic::start(memory.clone(), card.clone(), pools.receive, headers).expect("there is memory");
            End::new(&setup, side, Box::new(nic), clock.now())
        });
        Self { here, there, cards, memories, headers, clock }
    }

    /// Lends at least `len` bytes over a connection, compares what comes, and says how many came.
    pub(crate) fn carry(&mut self, len: u64) -> u64 {
        let port = self.there.socket(7);
        let listener = self.there.stack.listen(port, 1).expect("the port is free");
        let client = self.here.stack.connect(port, None, self.clock.now()).expect("a connection is to be had");
        let (mut server, mut gone, mut came) = (None, 0, Check::default());
        for _ in 0..ROUNDS {
            self.round();
            while gone < len && self.here.stack.push(client, stream::content().chunk()).is_ok() {
                gone += stream::PERIOD as u64;
            }
            server = server.or_else(|| self.there.stack.accept(listener));
            let Some(server) = server else { continue };
            while let Ok(Some(chunk)) = self.there.stack.read_chunk(server) {
                came.accept(&chunk);
            }
            if came.place() >= len {
                return came.place();
            }
        }
        panic!("{} of {len} bytes came", came.place());
    }

    /// Goes on connecting until the second machine's driver has counted a bad length.
    pub(crate) fn connect_until_caught(&mut self) {
        let port = self.there.socket(9);
        self.here.stack.connect(port, None, self.clock.now()).expect("a connection is to be had");
        for _ in 0..ROUNDS {
            self.round();
            if self.there.nic.statistics().faults[Fault::BadLength as usize] > 0 {
                return;
            }
        }
        panic!("the card's lie was never counted");
    }

    /// Polls both stacks, lets the cards work, and a millisecond pass.
    pub(crate) fn round(&mut self) {
        let now = self.clock.now();
        self.here.poll(now);
        self.there.poll(now);
        self.cards.iter().for_each(Card::run);
        self.clock.advance_to(now + Span::from_millis(1));
    }

    /// Payload bytes that either stack copied.
    pub(crate) fn copied(&self) -> u64 {
        self.here.stack.work().copied + self.there.stack.work().copied
    }

    /// Stops both machines, and says how many slots and runs of memory somebody still holds.
    pub(crate) fn stop(self) -> usize {
        let Self { here, there, memories, headers, .. } = self;
        let pools = [here.pools, there.pools];
        drop((here, there));
        let held = |pool: &Pool| pool.slots() - pool.available();
        pools.iter().map(|pools| pools.held()).sum::<usize>()
            + headers.iter().map(|pool| held(pool)).sum::<usize>()
            + memories.iter().map(Memory::taken).sum::<usize>()
    }
}

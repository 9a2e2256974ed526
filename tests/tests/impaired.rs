//! Two stacks over a wire that loses, repeats, reorders and damages: what went in comes out, and nothing is left over.
//!
//! 1,000 seeds, shared among four tests so that they run side by side. See `lendwire_tests::seeds`.

use lendwire::tcp::{PushRefused, ReadError, State, TcpHandle, WriteError};
use lendwire_drivers::impaired::{Chance, Impairments};
use lendwire_nic::Offloads;
use lendwire_tests::pair::Pair;
use lendwire_tests::seeds::Seeds;
use lendwire_tests::setup::{End, Pools, Setup, Version};
use lendwire_tests::stream::{self, Check, PERIOD};

#[test]
fn all_arrives_over_ipv4() {
    Seeds::new("impaired", "all_arrives_over_ipv4", 0, 250).run(|seed| both_ways(seed, Version::V4, Offloads::empty()));
}

#[test]
fn all_arrives_over_ipv6() {
    Seeds::new("impaired", "all_arrives_over_ipv6", 1000, 250)
        .run(|seed| both_ways(seed, Version::V6, Offloads::empty()));
}

#[test]
fn all_arrives_with_checksums_left_to_the_device() {
    let offloads = Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM;
    Seeds::new("impaired", "all_arrives_with_checksums_left_to_the_device", 2000, 250)
        .run(|seed| both_ways(seed, Version::V4, offloads));
}

#[test]
fn all_arrives_with_checksums_left_to_the_device_one_way_only() {
    Seeds::new("impaired", "all_arrives_with_checksums_left_to_the_device_one_way_only", 3000, 250)
        .run(|seed| both_ways(seed, if seed % 2 == 0 { Version::V4 } else { Version::V6 }, Offloads::TX_CHECKSUM));
}

/// One seed: a connection, 10 to 200 KB each way by lending and copying in turn, an orderly close by both.
fn both_ways(seed: u64, version: Version, offloads: Offloads) {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let setup = Setup { version, ..Setup::new().offloads(offloads) };
    let held = setup.pools.iter().map(Pools::held).sum::<usize>();
    assert_eq!(held, 0, "an earlier seed left slots behind");
    let mut pair = Pair::impaired(&setup, seed, [impairments(&mut random), impairments(&mut random)]);
    let (here, there) = pair.connected();
    let mut ends = [
        Application::new(here, random.between(10_000, 200_000)),
        Application::new(there, random.between(10_000, 200_000)),
    ];
    match random.next() % 3 {
        0 => ends[0].closes_at_end_of_data = true,
        1 => ends[1].closes_at_end_of_data = true,
        _ => ends.iter_mut().for_each(|end| end.closes_at_end_of_data = true),
    }
    let expected = [ends[1].len, ends[0].len];
    pair.run_until("both have read everything and closed", |pair| {
        let now = pair.now();
        let [first, second] = &mut ends;
        first.turn(&mut pair.here, &mut random, now);
        second.turn(&mut pair.there, &mut random, now);
        first.is_closed && second.is_closed
    });
    assert_eq!(ends.map(|end| end.came.place()), expected);
    // FINs, acknowledgments and TIME-WAIT go on without the applications.
    pair.run_until("nothing is left", |pair| {
        pair.held() == 0
            && pair.here.stack.state(here) == State::Closed
            && pair.there.stack.state(there) == State::Closed
    });
    pair.run_for(lendwire::time::Span::from_secs(180));
    for end in [&mut pair.here, &mut pair.there] {
        assert_eq!(end.stack.next_event(), None, "a closed handle has no events");
        assert!(end.stack.next_deadline().is_none_or(|at| at > pair.clock.now()), "{}", end.describe());
    }
    nothing_was_leaked(&mut pair, &setup);
}

/// Whatever the transfer used is there again: as many connections as at first, and as many cells.
fn nothing_was_leaked(pair: &mut Pair, setup: &Setup) {
    let now = pair.now();
    let nobody = [pair.there.socket(9), pair.here.socket(9)];
    for (end, remote) in [&mut pair.here, &mut pair.there].into_iter().zip(nobody) {
        let mut handles = Vec::new();
        while let Ok(handle) = end.stack.connect(remote, None, now) {
            handles.push(handle);
        }
        assert_eq!(handles.len(), setup.capacities.connections, "every place is free again");
        handles.into_iter().for_each(|handle| end.stack.abort(handle));
    }
    let (here, there) = pair.connected();
    for (end, connection) in [(&mut pair.here, here), (&mut pair.there, there)] {
        let one = || stream::content().chunk().slice(0..1);
        let queued = (0..).take_while(|_| end.stack.push(connection, one()).is_ok()).count();
        assert_eq!(queued, setup.capacities.cells - setup.capacities.cells / 8, "every cell is free again");
        end.stack.abort(connection);
    }
}

/// What an application does with one end.
struct Application {
    connection: TcpHandle,
    /// Bytes that it sends.
    len: u64,
    gone: u64,
    came: Check,
    closes_at_end_of_data: bool,
    has_shut_down: bool,
    has_read_all: bool,
    is_closed: bool,
}

impl Application {
    fn new(connection: TcpHandle, len: u64) -> Self {
        Self {
            connection,
            len,
            gone: 0,
            came: Check::default(),
            closes_at_end_of_data: false,
            has_shut_down: false,
            has_read_all: false,
            is_closed: false,
        }
    }

    fn turn(&mut self, end: &mut End, random: &mut Random, now: lendwire::time::Instant) {
        while end.stack.next_event().is_some() {}
        if self.is_closed {
            return;
        }
        self.write(end, random, now);
        self.read(end, random);
        if self.has_read_all && self.has_shut_down {
            end.stack.close(self.connection, now);
            self.is_closed = true;
        }
    }

    fn write(&mut self, end: &mut End, random: &mut Random, now: lendwire::time::Instant) {
        // Not more than a few pieces at a time, so that the two directions mix.
        for _ in 0..4 {
            if self.has_shut_down {
                return;
            }
            if self.gone == self.len {
                // Whoever does not close first waits for the other's end.
                if self.closes_at_end_of_data || self.has_read_all {
                    end.stack.shutdown(self.connection, now).expect("the writing side is open");
                    self.has_shut_down = true;
                }
                return;
            }
            let want = random.between(1, 5000).min(self.len - self.gone) as usize;
            let at = (self.gone % PERIOD as u64) as usize;
            let want = want.min(PERIOD - at);
            let went = if random.next().is_multiple_of(2) {
                match end.stack.push(self.connection, stream::content().chunk().slice(at..at + want)) {
                    Ok(()) => want,
                    Err(error) => {
                        assert_eq!(error.reason, PushRefused::Full);
                        return;
                    }
                }
            } else {
                let written = end.stack.write(self.connection, &stream::content().bytes()[at..at + want]);
                written.unwrap_or_else(|error: WriteError| panic!("{error}: {}", end.describe()))
            };
            self.gone += went as u64;
            if went < want {
                return;
            }
        }
    }

    fn read(&mut self, end: &mut End, random: &mut Random) {
        while !self.has_read_all {
            let result = if random.next().is_multiple_of(2) {
                end.stack.read_chunk(self.connection).map(|chunk| match chunk {
                    Some(chunk) => self.came.accept(&chunk),
                    None => self.has_read_all = true,
                })
            } else {
                let mut bytes = [0; 3000];
                let want = random.between(1, 3000) as usize;
                end.stack.read(self.connection, &mut bytes[..want]).map(|read| {
                    self.came.accept(&bytes[..read]);
                    self.has_read_all = read == 0;
                })
            };
            match result {
                Ok(()) => {}
                Err(ReadError::Empty) => return,
                Err(error) => panic!("{error} after {} bytes: {}", self.came.place(), end.describe()),
            }
            // A reader that stops in between now and then.
            if random.next().is_multiple_of(16) {
                return;
            }
        }
    }
}

fn impairments(random: &mut Random) -> Impairments {
    let percent = |random: &mut Random, most: u64| Chance::per_million(random.between(0, most * 10_000) as u32);
    Impairments {
        loss: percent(random, 20),
        duplication: percent(random, 10),
        reordering: percent(random, 20),
        held_back: random.between(0, 20_000),
        damage: percent(random, 5),
        delay: random.between(0, 30_000),
        jitter: random.between(0, 5_000),
        ..Impairments::default()
    }
}

/// xorshift64 (Marsaglia 2003).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 >> 11
    }

    fn between(&mut self, least: u64, most: u64) -> u64 {
        least + self.next() % (most - least + 1)
    }
}

//! BBR on small simulated paths: one bottleneck with a queue, a policer, random losses, or another flow's queue.

extern crate std;

use std::collections::VecDeque;

use proptest::prelude::*;

use super::super::RateSample;
use super::*;
use crate::tcp::seq::Seq;

const MSS: u32 = 1000;

/// A path: bytes a second, microseconds, bytes.
#[derive(Clone, Copy)]
struct Path {
    rate: u64,
    round_trip: u64,
    buffer: u64,
    /// One in so many segments is lost whatever happens.
    loss: Option<u32>,
    /// A token bucket of this many bytes at `rate`, instead of a queue.
    policer: Option<u64>,
}

struct Departed {
    sent_at: u64,
    acked_at: u64,
    arrives: bool,
    delivered: u64,
    delivered_at: u64,
    first_sent_at: u64,
    in_flight: u32,
    lost: u32,
}

/// A sender and its path.
struct World {
    path: Path,
    bbr: Bbr,
    share: Share,
    now: u64,
    next_send: u64,
    busy_until: u64,
    tokens: u64,
    tokens_at: u64,
    chance: u32,
    air: VecDeque<Departed>,
    flight: u32,
    delivered: u64,
    delivered_at: u64,
    first_sent_at: u64,
    lost: u32,
    sent: u32,
    /// The most and the sum of queueing delays, and of how many.
    most_queued: u64,
    queued: (u64, u64),
}

impl World {
    fn new(path: Path) -> Self {
        Self {
            path,
            bbr: Bbr::new(12_345),
            share: Share { window: 10 * MSS, threshold: u32::MAX },
            now: 1,
            next_send: 1,
            busy_until: 0,
            tokens: path.policer.unwrap_or(0),
            tokens_at: 0,
            chance: 1,
            air: VecDeque::new(),
            flight: 0,
            delivered: 0,
            delivered_at: 1,
            first_sent_at: 1,
            lost: 0,
            sent: 0,
            most_queued: 0,
            queued: (0, 0),
        }
    }

    /// Runs for `seconds` and says how many bytes a second arrived.
    fn run(&mut self, seconds: u64) -> u64 {
        let (end, before) = (self.now + seconds * 1_000_000, self.delivered);
        while self.now < end {
            self.step();
        }
        (self.delivered - before) / seconds
    }

    /// The next thing that happens.
    fn step(&mut self) {
        let acked_at = self.air.front().map_or(u64::MAX, |departed| departed.acked_at);
        if self.flight + MSS <= self.share.window && self.next_send <= acked_at {
            self.now = self.now.max(self.next_send);
            self.send();
        } else {
            self.now = self.now.max(acked_at);
            self.acknowledge();
        }
    }

    fn send(&mut self) {
        if self.flight == 0 {
            (self.delivered_at, self.first_sent_at) = (self.now, self.now);
        }
        self.flight += MSS;
        self.sent = self.sent.wrapping_add(MSS);
        let arrives_at = self.now + self.path.round_trip / 2;
        let (arrives, leaves_at) = self.pass(arrives_at);
        self.air.push_back(Departed {
            sent_at: self.now,
            acked_at: leaves_at + self.path.round_trip / 2,
            arrives,
            delivered: self.delivered,
            delivered_at: self.delivered_at,
            first_sent_at: self.first_sent_at,
            in_flight: self.flight,
            lost: self.lost,
        });
        let rate = self.bbr.pacing_rate().unwrap_or(u64::MAX);
        self.next_send = self.now + u64::from(MSS) * 1_000_000 / rate;
    }

    /// Whether a segment gets through the bottleneck, and when.
    fn pass(&mut self, at: u64) -> (bool, u64) {
        self.chance = self.chance.wrapping_mul(1_103_515_245).wrapping_add(12_345);
        if self.path.loss.is_some_and(|one_in| (self.chance >> 8).is_multiple_of(one_in)) {
            return (false, at.max(self.busy_until));
        }
        let takes = u64::from(MSS) * 1_000_000 / self.path.rate;
        if let Some(bucket) = self.path.policer {
            let more = (at - self.tokens_at) * self.path.rate / 1_000_000;
            (self.tokens, self.tokens_at) = ((self.tokens + more).min(bucket), at);
            let passes = self.tokens >= u64::from(MSS);
            self.tokens -= if passes { u64::from(MSS) } else { 0 };
            return (passes, at);
        }
        let waits = self.busy_until.saturating_sub(at);
        if waits * self.path.rate / 1_000_000 > self.path.buffer {
            return (false, self.busy_until);
        }
        self.most_queued = self.most_queued.max(waits);
        self.queued = (self.queued.0 + waits, self.queued.1 + 1);
        self.busy_until = self.busy_until.max(at) + takes;
        (true, self.busy_until)
    }

    fn acknowledge(&mut self) {
        let Some(departed) = self.air.pop_front() else { return };
        let before = self.flight;
        self.flight -= MSS;
        if !departed.arrives {
            self.lost += MSS;
            let stand = Stand { flight: before, mss: MSS as u16 };
            self.bbr.on_congestion(&mut self.share, Signal::Loss, &stand);
        } else {
            self.delivered += u64::from(MSS);
            self.delivered_at = self.now;
            self.first_sent_at = departed.sent_at;
        }
        let sending = departed.sent_at - departed.first_sent_at;
        let acknowledging = self.now - departed.delivered_at;
        let rate = departed.arrives.then(|| RateSample {
            delivered: (self.delivered - departed.delivered) as u32,
            interval: Span::from_micros(sending.max(acknowledging).max(1)),
            prior_delivered: departed.delivered,
            in_flight: departed.in_flight,
            lost: self.lost - departed.lost,
            limited_by_application: false,
        });
        let rtt = Span::from_micros(self.now - departed.sent_at);
        let limited = before + MSS > self.share.window;
        self.bbr.on_ack(
            &mut self.share,
            &Acked {
                now: Instant::from_micros(self.now),
                bytes: if departed.arrives { MSS } else { 0 },
                lost: if departed.arrives { 0 } else { MSS },
                flight: self.flight,
                rtt: departed.arrives.then_some(rtt),
                smoothed: Some(rtt),
                una: Seq(self.sent - self.flight),
                max: Seq(self.sent),
                delivered: self.delivered,
                rate,
                limited,
                ..Acked::NOTHING
            },
        );
    }
}

const PATH: Path = Path { rate: 12_500_000, round_trip: 40_000, buffer: 1_000_000, loss: None, policer: None };

#[track_caller]
fn carries(path: Path, percent: u64) {
    let mut world = World::new(path);
    world.run(3);
    let share = world.run(20) * 100 / path.rate;
    assert!(share >= percent, "{share} % of the path, not {percent}: {:?}, {:?}", world.share, world.bbr);
}

#[test]
fn a_path_is_filled() {
    carries(PATH, 93);
    carries(Path { round_trip: 1_000, ..PATH }, 93);
    carries(Path { round_trip: 300_000, buffer: 10_000_000, ..PATH }, 85);
    carries(Path { rate: 125_000, buffer: 50_000, ..PATH }, 90);
}

#[test]
fn a_deep_queue_stays_short() {
    let mut world = World::new(Path { buffer: 100_000_000, ..PATH });
    world.run(3);
    world.queued = (0, 0);
    world.run(20);
    let mean = world.queued.0 / world.queued.1;
    assert!(mean < 20_000, "{mean} microseconds in the queue on the average");
}

#[test]
fn random_losses_below_the_threshold_are_not_taken_for_congestion() {
    carries(Path { loss: Some(1000), ..PATH }, 90);
    carries(Path { loss: Some(100), ..PATH }, 90);
    carries(Path { loss: Some(33), ..PATH }, 85);
    // A pipe of 80 segments loses two and three in a round now and then, by chance.
    carries(Path { rate: 2_000_000, loss: Some(100), ..PATH }, 90);
}

#[test]
fn a_shallow_queue_does_not_make_it_collapse() {
    // A tenth and a fiftieth of the bandwidth-delay product of 500 kB.
    carries(Path { buffer: 50_000, ..PATH }, 75);
    carries(Path { buffer: 10_000, ..PATH }, 60);
}

#[test]
fn a_policer_does_not_make_it_collapse_nor_does_it_keep_losing() {
    let path = Path { policer: Some(100_000), ..PATH };
    carries(path, 70);
    let mut world = World::new(path);
    world.run(5);
    let (lost, delivered) = (world.lost, world.delivered);
    world.run(20);
    let percent = u64::from(world.lost - lost) * 100 / (world.delivered - delivered);
    assert!(percent < 10, "{percent} % lost");
}

#[test]
fn startup_finds_the_bandwidth_in_rounds_by_the_logarithm() {
    let mut world = World::new(PATH);
    world.run(1);
    assert!(world.bbr.model.full, "25 rounds, of which it takes some ten");
    assert!(world.bbr.model.bandwidth().abs_diff(PATH.rate) < PATH.rate / 10, "{}", world.bbr.model.bandwidth());
}

#[test]
fn a_path_that_grows_is_found_and_one_that_shrinks_is_left() {
    let mut world = World::new(PATH);
    world.run(5);
    world.path.rate = 50_000_000;
    world.path.buffer = 4_000_000;
    world.run(25);
    let rate = world.run(10);
    assert!(rate > 37_500_000, "{rate} of 50 MB/s");
    world.path.rate = 5_000_000;
    world.run(15);
    world.queued = (0, 0);
    let rate = world.run(10);
    assert!((4_000_000..=5_100_000).contains(&rate), "{rate} of 5 MB/s");
}

#[test]
fn phases_of_two_connections_differ() {
    let waits = |seed| {
        let mut world = World::new(PATH);
        world.bbr = Bbr::new(seed);
        world.run(5);
        world.bbr.probe_wait
    };
    assert_ne!(waits(1), waits(2));
    assert!((2_000_000..3_000_000).contains(&waits(1)));
}

#[test]
fn the_window_comes_down_every_five_seconds_to_see_the_path_alone() {
    let mut world = World::new(PATH);
    let mut least = u32::MAX;
    world.run(2);
    for _ in 0..700 {
        let end = world.now + 10_000;
        while world.now < end {
            world.step();
        }
        least = least.min(world.share.window);
    }
    // Half of 500 kB, rounded.
    assert!((200_000..300_000).contains(&least), "{least}");
}

#[test]
fn a_path_that_shrinks_without_losing_is_noticed_when_its_cycles_are_over() {
    let mut world = World::new(Path { buffer: 100_000_000, ..PATH });
    world.run(5);
    world.path.rate = 2_500_000;
    world.run(20);
    let bandwidth = world.bbr.model.bandwidth();
    assert!(bandwidth < 2_750_000, "{bandwidth} of 2.5 MB/s");
}

#[test]
fn what_is_in_flight_is_bounded_by_twice_the_product() {
    let mut world = World::new(Path { buffer: 100_000_000, ..PATH });
    world.run(3);
    for _ in 0..200_000 {
        world.step();
        // Twice and a quarter in Up, of 500 kB, and three goes.
        assert!(world.share.window <= 1_250_000, "{} in {:?}", world.share.window, world.bbr.phase);
    }
}

#[test]
fn what_was_too_much_bounds_the_window_and_room_that_is_new_is_found() {
    let mut world = World::new(Path { buffer: 10_000, ..PATH });
    world.run(10);
    let bound = world.bbr.model.inflight_hi;
    assert!(bound < 700_000, "the path and its queue hold 510 kB: {bound}");
    for _ in 0..200_000 {
        world.step();
        let is_bound = matches!(world.bbr.phase, Phase::Down | Phase::Refill | Phase::Up);
        assert!(!is_bound || world.share.window <= world.bbr.model.inflight_hi.max(4 * MSS));
    }
    world.path.buffer = 2_000_000;
    world.path.round_trip = 80_000;
    let rate = world.run(40) * 100 / PATH.rate;
    assert!(world.bbr.model.inflight_hi > bound, "{}", world.bbr.model.inflight_hi);
    assert!(rate > 75, "{rate} % of a path that grew long");
}

#[test]
fn the_window_is_what_it_was_after_the_look_at_the_path_alone() {
    let mut world = World::new(PATH);
    world.run(2);
    let mut before = 0;
    for _ in 0..1_000_000 {
        let was = world.bbr.phase;
        let window = world.share.window;
        world.step();
        match (was == Phase::ProbeRtt, world.bbr.phase == Phase::ProbeRtt) {
            (false, true) => before = window,
            (true, false) => {
                assert!(before > 0 && world.share.window + 2 * MSS >= before, "{} of {before}", world.share.window);
                return;
            }
            (true, true) | (false, false) => {}
        }
    }
    panic!("it never looked");
}

#[test]
fn what_losses_have_shown_bounds_the_window_until_the_next_probe() {
    let mut world = World::new(PATH);
    world.run(3);
    while world.bbr.phase != Phase::Cruise {
        world.step();
    }
    world.bbr.model.inflight_lo = 200 * MSS;
    while world.air.len() > 200 {
        world.step();
    }
    while world.bbr.phase == Phase::Cruise {
        assert!(world.share.window <= 200 * MSS, "{}", world.share.window);
        world.step();
    }
}

#[test]
fn what_a_probe_has_lost_lowers_no_bound_behind_it() {
    let mut world = World::new(Path { policer: Some(100_000), ..PATH });
    world.run(5);
    let mut probes = 0;
    for _ in 0..400_000 {
        let was = world.bbr.phase;
        world.step();
        if was == Phase::Down && world.bbr.probe_edge == Edge::Ends {
            assert_eq!(world.bbr.model.inflight_lo, UNBOUND, "{:?}", world.bbr.model);
            probes += u32::from(world.bbr.phase == Phase::Down);
        }
    }
    assert!(probes > 3, "{probes}");
}

proptest! {
    #[test]
    fn nothing_overflows_and_the_rate_is_never_zero(
        inputs in prop::collection::vec((any::<[u32; 4]>(), any::<[u64; 3]>(), 0u8..9, 1u16..), 1..200),
    ) {
        let mut bbr = Bbr::new(1);
        let mut share = Share { window: 14_600, threshold: u32::MAX };
        let mut now = 0u64;
        for ([bytes, lost, flight, other], [micros, delivered, interval], what, mss) in inputs {
            now = now.saturating_add(micros >> (other % 64));
            let stand = Stand { flight, mss };
            match what {
                0 => bbr.on_congestion(&mut share, Signal::Loss, &stand),
                1 => bbr.on_congestion(&mut share, Signal::Timeout, &stand),
                2 => bbr.on_recovered(&mut share, &stand),
                3 => bbr.on_idle(&mut share, &Idle { lasted: Span::from_micros(micros), rto: Span::from_millis(200), mss }),
                _ => {
                    bbr.on_ack(&mut share, &Acked {
                        now: Instant::from_micros(now),
                        bytes,
                        lost,
                        flight,
                        mss,
                        rtt: Some(Span::from_micros(micros)),
                        smoothed: Some(Span::from_micros(interval)),
                        delivered,
                        rate: Some(RateSample {
                            delivered: bytes,
                            interval: Span::from_micros(interval >> (other % 64)),
                            prior_delivered: delivered / 2,
                            in_flight: flight,
                            lost,
                            limited_by_application: other % 3 == 0,
                        }),
                        limited: other % 2 == 0,
                        ..Acked::NOTHING
                    });
                    prop_assert!(bbr.pacing_rate().is_some_and(|rate| rate > 0));
                    prop_assert!(share.window >= 4 * u32::from(mss));
                }
            }
            prop_assert!(share.window > 0);
        }
    }
}

//! Simulated paths in virtual time: what a few cells of the grid reach, and facts of single paths.
//!
//! `cargo xtask simulate` runs the whole grid.

use lendwire::tcp::{Algorithm, Ecn, TcpConfig};
use lendwire::time::Span;
use lendwire_tests::path::grid::Cell;
use lendwire_tests::path::{
    Demand, Direction, FlowConfig, LinkConfig, Loss, Policer, Reordering, Scenario, World, roomy,
};

/// Bits a second, and bytes that a round trip of the paths here carries.
const RATE: u64 = 20_000_000;
const DELAY: Span = Span::from_millis(20);
const PRODUCT: u64 = 100_000;

/// A path of 20 Mbit/s and 40 ms with a queue of one round trip, and `flows` that always have something to send.
fn path(flows: usize) -> Scenario {
    let link = LinkConfig::new(RATE, DELAY, PRODUCT);
    let flow = FlowConfig { tcp: roomy(4 << 20), start: Span::ZERO, demand: Demand::Endless };
    Scenario { mtu: 1500, links: [link; 2], flows: vec![flow; flows], seed: 1 }
}

/// Runs until the first flow has sent all; returns how long it took.
fn finish(world: &mut World<'_>) -> Span {
    world.run_until("all has arrived", Span::from_secs(600), |world| match world.flows[0].demand {
        Demand::Bytes(bytes) => world.flows[0].received == bytes,
        Demand::Endless => false,
    });
    world.elapsed()
}

/// Bits a second that flow `place` gets in the next `span`.
fn goodput(world: &mut World<'_>, place: usize, span: Span) -> f64 {
    let before = world.flows[place].received;
    world.run_for(span);
    (world.flows[place].received - before) as f64 * 8e6 / span.micros() as f64
}

#[test]
fn a_few_cells_of_the_grid_reach_their_ideal() {
    let is_told_by_others = |cell: &Cell| {
        cell.is_called("reno") && !cell.is_called("plain") || cell.is_called("1%") && cell.is_called("bloated")
    };
    for cell in Cell::all().filter(|cell| cell.is_smoke() && !is_told_by_others(cell)) {
        let measured = cell.measure(1);
        assert!(measured.is_enough(), "{measured}");
    }
}

#[test]
fn the_same_seed_is_the_same_run() {
    let run = |seed| {
        let scenario = path(1).forward(|link| link.loss = Loss::Independent(0.01));
        Scenario { seed, ..scenario }.run(|world| {
            world.run_for(Span::from_secs(10));
            (world.flows[0].received, world.statistics(0), world.counts(Direction::Backward))
        })
    };
    assert_eq!(run(3), run(3));
    assert_ne!(run(3), run(4));
}

#[test]
fn a_path_carries_its_rate_and_no_more_and_takes_its_time() {
    let mut scenario = path(1).forward(|link| link.queue = 4 * PRODUCT);
    // More than a round trip carries, less than the queue holds with it.
    scenario.flows[0].tcp.send_budget = 2 * PRODUCT as u32;
    scenario.run(|world| {
        world.run_for(Span::from_secs(5));
        let rate = goodput(world, 0, Span::from_secs(5)) / RATE as f64;
        assert!((0.95..=1448.0 / 1514.0 + 0.01).contains(&rate), "{rate}");
    });
    // Half a round trip for the receiver's announcement of its address, one for the handshake, half for the data.
    let took = path(1).sending(1000).run(finish);
    assert!((80_000..82_000).contains(&took.micros()), "{took:?}");
}

#[test]
fn a_policer_does_not_collapse_goodput() {
    let policer = Policer { rate: RATE / 2, burst: PRODUCT / 2 };
    path(1).forward(|link| link.policer = Some(policer)).run(|world| {
        world.run_for(Span::from_secs(10));
        let rate = goodput(world, 0, Span::from_secs(30)) / (RATE / 2) as f64;
        assert!((0.7..1.0).contains(&rate), "{rate}");
        assert!(world.counts(Direction::Forward).policed > 0);
    });
}

#[test]
fn a_queue_of_ten_round_trips_causes_no_timeout() {
    path(1).forward(|link| link.queue = 10 * PRODUCT).run(|world| {
        world.run_for(Span::from_secs(60));
        assert!(world.take_delays(Direction::Forward).percentile(99) > 200_000_000, "the queue has filled");
        assert_eq!(world.statistics(0).timeouts, 0, "{}", world.describe());
    });
}

#[test]
fn rfc6298_a_loss_on_a_long_path_is_mended_before_the_timer_expires() {
    let mut scenario = path(1).sending(4_000_000);
    for link in &mut scenario.links {
        link.delay = Span::from_millis(150);
    }
    scenario.forward(|link| (link.loss, link.queue) = (Loss::Independent(0.03), 1 << 30)).run(|world| {
        finish(world);
        // What is left are segments that were lost when they were sent again, and tails.
        let statistics = world.statistics(0);
        assert!(statistics.retransmissions > 50, "{}", world.describe());
        assert!(statistics.timeouts * 10 < statistics.retransmissions, "{}", world.describe());
    });
}

#[test]
fn rfc8985_6_2_reordering_below_the_window_causes_no_retransmission_once_it_is_known() {
    let reordering = Reordering { share: 0.01, extra: Span::from_millis(5) };
    path(1).forward(|link| (link.reordering, link.queue) = (Some(reordering), 1 << 30)).run(|world| {
        // RFC 8985 §6.2 step 4: until it is seen, three duplicates are a loss.
        world.run_for(Span::from_secs(2));
        assert!(world.info(0).expect("it is open").reordering, "{}", world.describe());
        let before = world.statistics(0).retransmissions;
        world.run_for(Span::from_secs(20));
        assert!(world.counts(Direction::Forward).reordered > 200);
        assert_eq!(world.statistics(0).retransmissions, before, "{}", world.describe());
    });
}

#[test]
fn rfc5681_3_2_where_segments_are_always_late_a_loss_costs_what_it_does_elsewhere() {
    let reordering = Reordering { share: 0.3, extra: Span::from_millis(9) };
    let lost = Loss::Exactly(&[3000]);
    path(1).forward(|link| (link.reordering, link.loss, link.queue) = (Some(reordering), lost, 1 << 30)).run(|world| {
        world.run_for(Span::from_millis(500));
        let (mut before, mut losses) = (world.info(0).expect("it is open"), 0);
        for _ in 0..1000 {
            world.run_for(Span::from_millis(5));
            let info = world.info(0).expect("it is open");
            if info.slow_start_threshold < before.slow_start_threshold {
                losses += 1;
                let least = before.congestion_window / 100 * 45;
                assert!(info.slow_start_threshold >= least, "{least}: {}", world.describe());
            }
            before = info;
        }
        assert!(losses > 0, "{}", world.describe());
    });
}

#[test]
fn rfc3042_2_there_may_be_a_hole_for_four_gigabytes() {
    let (rate, product) = (10_000_000_000, 12_500_000);
    let mut scenario = path(1);
    scenario.mtu = 65_000;
    scenario.links = [LinkConfig::new(rate, Span::from_millis(5), 10 * product); 2];
    scenario.flows[0].tcp = roomy(4 * product);
    let late = Reordering { share: 0.5, extra: Span::from_millis(2) };
    scenario.forward(|link| link.reordering = Some(late)).run(|world| {
        world.run_for(Span::from_secs(5));
        assert!(world.flows[0].received > 9 << 29, "{}", world.describe());
    });
}

#[test]
fn rfc8985_7_2_a_lost_tail_is_mended_before_the_timer_expires() {
    // Of ten segments the last two: no acknowledgment tells of them. A probe two round trips later does; were it but one,
    // the probe would wait for an acknowledgment that may be delayed, too.
    let whole = path(1).sending(14_480).run(finish);
    let mended = path(1).sending(14_480).forward(|link| link.loss = Loss::Exactly(&[8, 9])).run(|world| {
        let end = finish(world);
        assert_eq!(world.statistics(0).timeouts, 0, "{}", world.describe());
        end
    });
    let more = mended.micros() - whole.micros();
    assert!(more < 5 * 40_000, "{more} us more");
}

/// A sender that models the path, over `rate` bits a second, 300 ms and a loss of three in a hundred.
fn lossy(rate: u64) -> Scenario {
    let queue = rate / 8 * 3 / 10;
    let mut scenario = path(1);
    scenario.links = [LinkConfig::new(rate, Span::from_millis(150), queue); 2];
    scenario.flows[0].tcp = TcpConfig { congestion: Algorithm::Bbr, ..roomy(8 * queue) };
    scenario.forward(|link| link.loss = Loss::Independent(0.03))
}

#[test]
fn a_model_bears_three_losses_of_a_hundred_and_each_goes_again_once() {
    let rate = 50_000_000;
    lossy(rate).run(|world| {
        world.run_for(Span::from_secs(15));
        let before = world.flows[0].received;
        for _ in 0..300 {
            world.run_for(Span::from_millis(50));
            // What the peer holds beyond a hole takes no room from what is to follow.
            assert!(world.info(0).expect("it is open").unsent > 0, "{}", world.describe());
        }
        let goodput = (world.flows[0].received - before) as f64 * 8.0 / 15.0;
        assert!(goodput > 0.8 * rate as f64, "{goodput}: {}", world.describe());
        let (counts, statistics) = (world.counts(Direction::Forward), world.statistics(0));
        let lost = counts.lost + counts.overflowed;
        assert!(statistics.retransmissions < lost + lost / 10, "{}", world.describe());
    });
}

#[test]
fn a_window_that_stops_a_sender_who_has_more_is_no_want_of_data_and_ends_the_startup_of_bbr() {
    // draft-ietf-ccwg-bbr §4.1.2.4: only who has less than a segment to send is limited by the application.
    let mut scenario = path(1);
    scenario.flows[0].tcp = TcpConfig { congestion: Algorithm::Bbr, ..roomy(PRODUCT / 2) };
    scenario.run(|world| {
        world.run_for(Span::from_secs(4));
        let rate = goodput(world, 0, Span::from_secs(4));
        let info = world.info(0).expect("it is open");
        let pace = info.pacing_rate.expect("it paces") as f64 * 8.0;
        assert!(info.unsent > 0 && rate < 0.6 * RATE as f64, "{rate}: {}", world.describe());
        assert!(pace < 1.5 * rate, "{pace} of {rate}: {}", world.describe());
    });
}

#[test]
fn rfc3522_3_2_what_an_earlier_recovery_sent_again_takes_no_later_one_back() {
    lossy(20_000_000).run(|world| {
        world.run_for(Span::from_secs(40));
        assert_eq!(world.statistics(0).undone, 0, "{}", world.describe());
    });
}

#[test]
fn rfc6298_4_round_trips_are_measured_while_one_recovery_follows_the_other() {
    lossy(20_000_000).run(|world| {
        world.run_for(Span::from_secs(20));
        for way in [Direction::Forward, Direction::Backward] {
            let link = LinkConfig::new(20_000_000, Span::from_millis(250), 1 << 30);
            world.set_link(way, LinkConfig { loss: Loss::Independent(0.03), ..link });
        }
        world.run_for(Span::from_secs(4));
        let info = world.info(0).expect("it is open");
        assert!(info.rtt.is_some_and(|rtt| rtt > Span::from_millis(400)), "{}", world.describe());
    });
}

/// Bits a second that the cell of `words` gets, in `span` after as long, with other settings of TCP.
fn cell(words: [&str; 5], span: Span, set: impl FnOnce(&mut TcpConfig)) -> f64 {
    let cell = Cell::all().find(|cell| words.iter().all(|word| cell.is_called(word))).expect("there is one");
    let mut scenario = cell.scenario(1);
    set(&mut scenario.flows[0].tcp);
    scenario.run(|world| {
        world.run_for(span);
        goodput(world, 0, span)
    })
}

#[test]
fn rfc8985_7_2_behind_a_narrow_policer_no_timer_has_to_expire() {
    // Two segments are a window, and where the second one is lost again nothing is in flight that could tell: half of this.
    let rate = cell(["cubic", "10M", "1ms", "0%", "policed"], Span::from_secs(10), |_| {});
    assert!(rate > 4.5e6, "{rate} of 5 Mbit/s");
}

#[test]
fn rfc7323_5_2_what_a_repetition_overtakes_is_no_loss() {
    // Where it is dropped for its timestamp, it goes again and overtakes the next: a third of this.
    let rate = cell(["cubic", "1G", "100ms", "0%", "reordered"], Span::from_secs(6), |_| {});
    assert!(rate > 9.5e8, "{rate} of 1 Gbit/s");
}

#[test]
fn rfc5681_3_1_what_was_late_counts_when_the_hole_before_it_is_filled() {
    let grown = |reordering| {
        let loss = Loss::Exactly(&[400]);
        let mut scenario =
            path(1).forward(|link| (link.reordering, link.loss, link.queue) = (reordering, loss, 4 * PRODUCT));
        scenario.flows[0].tcp.congestion = Algorithm::Reno;
        scenario.run(|world| {
            let window = |world: &World<'_>| world.info(0).expect("it is open").congestion_window;
            world.run_for(Span::from_secs(2));
            let (before, again) = (window(world), world.statistics(0).retransmissions);
            world.run_for(Span::from_secs(2));
            assert_eq!(world.statistics(0).retransmissions, again, "{}", world.describe());
            window(world) - before
        })
    };
    let (orderly, reordered) = (grown(None), grown(Some(Reordering { share: 0.1, extra: Span::from_millis(5) })));
    assert!(reordered > orderly / 10 * 9, "{reordered}, {orderly} without");
}

/// Runs a path that marks above `above` bytes, and says how full it was, and how long 99 of 100 frames waited, in
/// microseconds. Nothing is lost, and nothing sent again.
#[track_caller]
fn marked(algorithm: Algorithm, ecn: Ecn, above: u64) -> (f64, u64) {
    let mut scenario = path(1).forward(|link| (link.mark_above, link.queue) = (Some(above), 4 * PRODUCT));
    scenario.flows[0].tcp = TcpConfig { congestion: algorithm, ecn, ..scenario.flows[0].tcp };
    scenario.run(|world| {
        world.run_for(Span::from_secs(10));
        let _ = world.take_delays(Direction::Forward);
        let rate = goodput(world, 0, Span::from_secs(20)) / (RATE as f64 * 1448.0 / 1514.0);
        let counts = world.counts(Direction::Forward);
        assert!(counts.marked > 0 && counts.lost + counts.overflowed == 0, "{}", world.describe());
        assert_eq!(world.statistics(0).retransmissions, 0, "{}", world.describe());
        (rate, world.take_delays(Direction::Forward).percentile(99) / 1000)
    })
}

#[test]
fn rfc3168_marks_take_the_place_of_losses() {
    // What is left of a window that fills the path and half of a round trip's queue fills the path still.
    for (algorithm, ecn) in [(Algorithm::Cubic, Ecn::Classic), (Algorithm::Cubic, Ecn::Accurate)] {
        let (rate, waited) = marked(algorithm, ecn, PRODUCT / 2);
        assert!(rate > 0.9, "{algorithm:?}, {ecn:?}: {rate}");
        // It takes a round trip for a mark to be answered: half of one in the queue, and what a window grows by meanwhile.
        assert!(waited < 25_000, "{algorithm:?}, {ecn:?}: {waited} us");
    }
}

#[test]
fn rfc8257_4_2_a_queue_of_a_quarter_of_a_round_trip_is_enough_for_dctcp() {
    let (rate, waited) = marked(Algorithm::Dctcp, Ecn::Accurate, PRODUCT / 4);
    assert!(rate > 0.97, "{rate}");
    assert!(waited < 12_000, "{waited} us");
    // Half of a window at each mark, as others have it, keeps less busy.
    let (others, _) = marked(Algorithm::Reno, Ecn::Accurate, PRODUCT / 4);
    assert!(others < rate - 0.02, "{others} and {rate}");
}

#[test]
fn acknowledgments_that_are_lost_cost_little() {
    let mut scenario = path(1).forward(|link| link.queue = 4 * PRODUCT);
    scenario.flows[0].tcp.send_budget = 2 * PRODUCT as u32;
    scenario.links[1].loss = Loss::Independent(0.1);
    scenario.run(|world| {
        world.run_for(Span::from_secs(5));
        let rate = goodput(world, 0, Span::from_secs(20)) / RATE as f64;
        assert!(rate > 0.9, "{rate}: {}", world.describe());
        assert!(world.counts(Direction::Backward).lost > 500);
        assert_eq!(world.statistics(0).retransmissions, 0);
    });
}

#[test]
fn two_flows_share_a_bottleneck() {
    path(2).run(|world| {
        world.run_for(Span::from_secs(20));
        assert_fair_for(world, Span::from_secs(60));
    });
}

#[test]
fn a_flow_that_comes_late_gets_its_share() {
    let mut scenario = path(2);
    scenario.flows[1].start = Span::from_secs(20);
    scenario.run(|world| {
        world.run_for(Span::from_secs(60));
        assert_fair_for(world, Span::from_secs(60));
    });
}

#[test]
fn a_sender_goes_on_after_ten_minutes_of_silence() {
    path(1).sending(2_000_000).run(|world| {
        finish(world);
        world.run_for(Span::from_secs(600));
        let (begin, lost) = (world.elapsed(), world.counts(Direction::Forward).overflowed);
        world.flows[0].demand = Demand::Bytes(4_000_000);
        // RFC 5681 §4.1: it does not begin with the window of before, which nothing clocks any more.
        world.run_for(Span::from_millis(30));
        assert!(world.info(0).expect("it is open").in_flight <= 14_600, "{}", world.describe());
        world.run_for(Span::from_millis(90));
        assert_eq!(world.counts(Direction::Forward).overflowed, lost, "{}", world.describe());
        let took = finish(world).micros() - begin.micros();
        assert!(took < 2_000_000, "{took} us for 2 MB");
    });
}

#[test]
fn a_receiver_that_stops_reading_gets_all_when_it_goes_on() {
    path(1).sending(20_000_000).run(|world| {
        world.flows[0].reads = false;
        world.run_for(Span::from_secs(100));
        assert_eq!(world.info(0).expect("it is open").send_window, 0);
        assert!(world.statistics(0).timeouts > 3, "probes are sent");
        world.flows[0].reads = true;
        finish(world);
    });
}

/// For `span` from now on each flow gets its share.
fn assert_fair_for(world: &mut World<'_>, span: Span) {
    let before = world.flows.iter().map(|flow| flow.received).collect::<Vec<_>>();
    world.run_for(span);
    let shares = world.flows.iter().zip(before).map(|(flow, before)| (flow.received - before) as f64);
    let fairness = jain(&shares.collect::<Vec<_>>());
    assert!(fairness >= 0.9, "{fairness}: {}", world.describe());
}

/// Jain's index of fairness: 1 where all get the same, 1/n where one gets all.
fn jain(shares: &[f64]) -> f64 {
    let (sum, squares) = (shares.iter().sum::<f64>(), shares.iter().map(|share| share * share).sum::<f64>());
    sum * sum / (shares.len() as f64 * squares)
}

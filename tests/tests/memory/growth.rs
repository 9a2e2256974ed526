//! Budgets grow with what is read and with the congestion window, and not without need.

use lendwire::tcp::{Algorithm, TcpConfig};
use lendwire::time::Span;
use lendwire_tests::path::{Demand, FlowConfig, LinkConfig, Loss, Scenario, World, roomy};

/// 20 Mbit/s and 200 ms: half a megabyte on its way, three times the window that a connection starts with.
const RATE: u64 = 20_000_000;
const DELAY: Span = Span::from_millis(100);
const PRODUCT: u64 = 500_000;
const START: u64 = 160 << 10;

/// Nothing is lost on it.
fn path(tcp: TcpConfig) -> Scenario {
    let link = LinkConfig::new(RATE, DELAY, 16 * PRODUCT);
    let flow = FlowConfig { tcp, start: Span::ZERO, demand: Demand::Endless };
    Scenario { mtu: 1500, links: [link; 2], flows: vec![flow], seed: 1 }
}

/// The share of the path that a flow uses after ten seconds.
fn share(tcp: TcpConfig) -> f64 {
    path(tcp).run(|world| {
        world.run_for(Span::from_secs(10));
        let before = world.flows[0].received;
        world.run_for(Span::from_secs(10));
        (world.flows[0].received - before) as f64 * 8.0 / 10.0 / RATE as f64
    })
}

fn send_window(world: &World<'_>) -> u64 {
    world.info(0).map_or(0, |info| u64::from(info.send_window))
}

#[test]
fn a_window_grows_to_what_the_path_needs() {
    let grown = share(TcpConfig::DEFAULT);
    assert!(grown > 0.9, "{grown}");
    let without_timestamps = share(TcpConfig { timestamps: false, ..TcpConfig::DEFAULT });
    assert!(without_timestamps > 0.9, "{without_timestamps}");
}

#[test]
fn each_side_that_may_not_grow_holds_the_path_back() {
    let start = TcpConfig::DEFAULT.receive_budget_start;
    let narrow = share(TcpConfig { receive_budget: start, ..TcpConfig::DEFAULT });
    assert!((0.25..0.4).contains(&narrow), "a third of the product is under way: {narrow}");
    let start = TcpConfig::DEFAULT.send_budget_start;
    let narrow = share(TcpConfig { send_budget: start, ..TcpConfig::DEFAULT });
    assert!((0.4..0.6).contains(&narrow), "half of the product is queued: {narrow}");
}

#[test]
fn what_waits_behind_holes_shows_the_need_of_a_window_as_what_is_read_does() {
    // 1 Gbit/s and 100 ms, three of a hundred lost: some hole is always there.
    let link = LinkConfig::new(1_000_000_000, Span::from_millis(50), 1 << 27);
    let lossy = LinkConfig { loss: Loss::Independent(0.03), ..link };
    let tcp = TcpConfig { congestion: Algorithm::Bbr, ..roomy(1 << 26) };
    let flow = FlowConfig { tcp, start: Span::ZERO, demand: Demand::Endless };
    Scenario { mtu: 9000, links: [lossy, link], flows: vec![flow], seed: 1 }.run(|world| {
        world.run_for(Span::from_millis(1_500));
        assert!(send_window(world) > 25_000_000, "{}", world.describe());
    });
}

#[test]
fn slow_start_is_never_stopped_by_the_window() {
    path(TcpConfig::DEFAULT).run(|world| {
        let mut stopped = 0;
        world.run_until("the path is full", Span::from_secs(20), |world| {
            let Some(info) = world.info(0) else { return false };
            let is_limited = info.in_flight + u32::from(info.mss) > info.send_window && info.in_flight > 0;
            stopped += u32::from(is_limited && info.congestion_window > info.send_window);
            u64::from(info.in_flight) > PRODUCT
        });
        assert_eq!(stopped, 0, "instants at which only the window held data back");
    });
}

#[test]
fn a_sender_that_needs_no_more_gets_no_more() {
    path(TcpConfig::DEFAULT).sending(0).run(|world| {
        for number in 1..200 {
            world.flows[0].demand = Demand::Bytes(number * 10_000);
            world.run_for(Span::from_millis(100));
        }
        world.run_for(Span::from_secs(1));
        assert_eq!(world.flows[0].received, world.flows[0].written);
        // Its first round trips may have looked like slow start.
        assert!(send_window(world) < 2 * START, "{}", send_window(world));
    });
}

#[test]
fn a_reader_that_does_not_read_gets_no_more() {
    path(TcpConfig::DEFAULT).run(|world| {
        world.flows[0].reads = false;
        world.run_for(Span::from_secs(10));
        assert_eq!(send_window(world), 0);
        assert!(world.info(0).is_some_and(|info| info.in_flight <= 1));
        // It reads again, and all goes on.
        world.flows[0].reads = true;
        world.run_for(Span::from_secs(30));
        let before = world.flows[0].received;
        world.run_for(Span::from_secs(5));
        let share = (world.flows[0].received - before) as f64 * 8.0 / 5.0 / RATE as f64;
        assert!(share > 0.9, "{share}");
    });
}

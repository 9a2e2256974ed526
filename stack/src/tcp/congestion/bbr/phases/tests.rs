//! Where one phase ends and the next begins, to the byte, the microsecond and the round (draft-ietf-ccwg-bbr §5.3).

use super::super::super::{Control as _, Idle, RateSample, Signal, Stand};
use super::super::model::Model;
use super::*;
use crate::time::{Instant, Span};

/// A path of 1 MB/s and 10 ms: ten segments a round trip.
const PRODUCT: u32 = 10_000;

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// A sample of `delivered` bytes in a round trip.
fn sample(delivered: u32) -> RateSample {
    RateSample {
        delivered,
        interval: Span::from_millis(10),
        prior_delivered: 0,
        in_flight: PRODUCT,
        lost: 0,
        limited_by_application: false,
    }
}

fn acked(now: u64) -> Acked {
    Acked { now: at(now), bytes: 1000, rate: Some(sample(PRODUCT)), ..Acked::NOTHING }
}

/// In `phase`, the path being known since the first millisecond.
fn bbr(phase: Phase) -> Bbr {
    let mut bbr = Bbr::new(1);
    bbr.model.on_ack(&acked(1_000), false, PRODUCT);
    bbr.model.on_round_trip(&Acked { rtt: Some(Span::from_millis(10)), ..acked(1_000) });
    bbr.model.round_start = false;
    (bbr.phase, bbr.phase_at, bbr.model.full) = (phase, at(1_000), true);
    bbr
}

fn share(window: u32) -> Share {
    Share { window, threshold: u32::MAX }
}

#[test]
fn the_look_at_the_path_alone_lasts_a_fifth_of_a_second_and_a_round_from_when_half_of_it_is_in_flight() {
    let mut bbr = bbr(Phase::ProbeRtt);
    let mut share = share(PRODUCT);
    // The round trip is from long ago all the while.
    let begin = 6_000_000;
    let end = begin + 200_000;
    bbr.probe_round_trip(&mut share, &Acked { flight: PRODUCT / 2 + 1, ..acked(begin - 1) });
    assert_eq!(bbr.probe_rtt_ends, NEVER);
    bbr.probe_round_trip(&mut share, &Acked { flight: PRODUCT / 2, ..acked(begin) });
    assert_eq!(bbr.probe_rtt_ends, at(end));
    // The time without a round, a round without the time, and both.
    for (now, round_start, phase) in
        [(end, false, Phase::ProbeRtt), (end - 1, true, Phase::ProbeRtt), (end, false, Phase::Cruise)]
    {
        bbr.model.round_start = round_start;
        bbr.probe_round_trip(&mut share, &acked(now));
        assert_eq!(bbr.phase, phase, "at {now}");
    }
}

#[test]
fn who_has_just_rested_needs_no_look_at_the_path_alone() {
    let mut bbr = bbr(Phase::Cruise);
    bbr.idle_restart = true;
    let mut share = share(PRODUCT);
    bbr.probe_round_trip(&mut share, &Acked { bytes: 0, ..acked(7_000_000) });
    assert!(bbr.phase == Phase::Cruise && bbr.idle_restart);
    bbr.probe_round_trip(&mut share, &acked(7_000_000));
    assert!(bbr.phase == Phase::Cruise && !bbr.idle_restart);
    bbr.probe_round_trip(&mut share, &acked(7_000_000));
    assert_eq!(bbr.phase, Phase::ProbeRtt);
}

#[test]
fn a_round_trip_that_is_no_shorter_is_no_newer() {
    let mut bbr = bbr(Phase::Cruise);
    let measured = |now| Acked { rtt: Some(Span::from_millis(10)), ..acked(now) };
    assert!(!bbr.model.on_round_trip(&measured(4_000_000)));
    assert!(!bbr.model.on_round_trip(&acked(5_001_000)));
    assert!(bbr.model.on_round_trip(&acked(5_001_001)));
    // Nothing is old before anything was measured.
    assert!(!{ Model::NEW }.on_round_trip(&acked(9_000_000)));
}

#[test]
fn a_probe_comes_after_its_wait_or_after_as_many_rounds_as_there_are_segments() {
    let mut bbr = bbr(Phase::Cruise);
    bbr.probe_wait = 2_000_000;
    let roomy = share(u32::MAX);
    assert!(!bbr.is_time_to_probe(&roomy, &acked(2_001_000)));
    assert!(bbr.is_time_to_probe(&roomy, &acked(2_001_001)));
    bbr.rounds_since_probe = 9;
    assert!(!bbr.is_time_to_probe(&roomy, &acked(2_000)));
    bbr.rounds_since_probe = 10;
    assert!(bbr.is_time_to_probe(&roomy, &acked(2_000)));
}

#[test]
fn a_probe_ends_when_the_rate_has_stopped_to_grow_unless_the_bound_held_it() {
    let mut bbr = bbr(Phase::Up);
    (bbr.model.full_now, bbr.model.inflight_hi) = (true, 2 * PRODUCT);
    let limited = Acked { limited: true, ..acked(2_000) };
    assert!(bbr.has_probed(&share(2 * PRODUCT - 1), &limited));
    assert!(bbr.has_probed(&share(2 * PRODUCT), &Acked { limited: false, ..limited }));
    assert!(!bbr.has_probed(&share(2 * PRODUCT), &limited));
    assert!(!bbr.model.full_now);
}

#[test]
fn the_bound_rises_with_what_is_acknowledged_while_it_limits() {
    let mut bbr = bbr(Phase::Up);
    (bbr.model.inflight_hi, bbr.up_per_segment) = (2 * PRODUCT, 5_000);
    let limited = Acked { bytes: 5_000, limited: true, ..acked(2_000) };
    bbr.raise_upper_bound(&share(2 * PRODUCT - 1), &limited);
    bbr.raise_upper_bound(&share(2 * PRODUCT), &Acked { limited: false, ..limited });
    assert_eq!(bbr.model.inflight_hi, 2 * PRODUCT);
    bbr.raise_upper_bound(&share(2 * PRODUCT), &limited);
    assert_eq!(bbr.model.inflight_hi, 2 * PRODUCT + 1000);
}

#[test]
fn a_lossy_probe_bounds_what_is_in_flight_only_where_the_application_kept_up() {
    let lossy = RateSample { lost: 9_000, ..sample(PRODUCT) };
    for (limited_by_application, phase, bound, then) in [
        (false, Phase::Up, PRODUCT, Phase::Down),
        (true, Phase::Up, UNBOUND, Phase::Down),
        (false, Phase::Refill, PRODUCT, Phase::Refill),
    ] {
        let mut bbr = bbr(phase);
        bbr.probe_samples = true;
        let rate = Some(RateSample { limited_by_application, ..lossy });
        bbr.adapt_upper_bound(&share(PRODUCT), &Acked { rate, ..acked(2_000) });
        assert_eq!((bbr.model.inflight_hi, bbr.phase, bbr.probe_samples), (bound, then, false));
    }
}

#[test]
fn losses_that_are_found_when_little_is_in_flight_bound_it_at_what_was() {
    let mut bbr = bbr(Phase::Cruise);
    (bbr.probe_samples, bbr.model.flight) = (true, 2 * PRODUCT);
    let rate = Some(RateSample { lost: 9_000, in_flight: PRODUCT / 2, ..sample(PRODUCT / 2) });
    bbr.adapt_upper_bound(&share(PRODUCT / 2), &Acked { rate, ..acked(2_000) });
    assert_eq!(bbr.model.inflight_hi, 2 * PRODUCT);
}

#[test]
fn bandwidth_is_forgotten_after_two_cycles_that_the_application_filled() {
    for (limited_by_application, phase, left) in
        [(false, Phase::Down, 100_000), (true, Phase::Down, 1_000_000), (false, Phase::ProbeRtt, 1_000_000)]
    {
        let mut bbr = bbr(phase);
        let cycle = |bbr: &mut Bbr, rate: RateSample| {
            (bbr.probe_edge, bbr.model.round_start) = (Edge::Ends, true);
            bbr.adapt_upper_bound(&share(PRODUCT), &Acked { rate: Some(rate), ..acked(2_000) });
        };
        cycle(&mut bbr, RateSample { limited_by_application, ..sample(1_000) });
        bbr.phase = Phase::Down;
        bbr.model.on_ack(&Acked { rate: Some(sample(1_000)), ..acked(2_000) }, false, PRODUCT);
        cycle(&mut bbr, sample(1_000));
        assert_eq!(bbr.model.bandwidth(), left);
    }
}

#[test]
fn what_a_probe_sent_comes_in_during_the_first_round_of_the_phase_behind_it() {
    for (phase, edge, ends) in [
        (Phase::Drain, Edge::None, true),
        (Phase::Down, Edge::Ends, true),
        (Phase::Down, Edge::None, false),
        (Phase::Cruise, Edge::Ends, false),
    ] {
        let mut bbr = bbr(phase);
        bbr.probe_edge = edge;
        assert_eq!(bbr.is_ending_probe(), ends);
    }
}

#[test]
fn what_startup_has_lost_lowers_no_bound_while_it_drains() {
    for (phase, bandwidth) in [(Phase::Drain, 1_000_000), (Phase::Cruise, 700_000)] {
        let mut bbr = bbr(phase);
        bbr.model.forget_round();
        bbr.probe_wait = 2_000_000;
        // Half of the rate came, for less was sent since; what is found lost is a product of before.
        let rate = Some(RateSample { lost: PRODUCT, ..sample(PRODUCT / 2) });
        let heard = Acked { rate, lost: PRODUCT, flight: 3 * PRODUCT, ..acked(2_000) };
        bbr.on_ack(&mut share(2 * PRODUCT), &heard);
        assert_eq!((bbr.phase, bbr.model.bandwidth()), (phase, bandwidth));
    }
}

#[test]
fn the_queue_is_gone_when_no_more_than_the_product_is_in_flight_and_the_headroom_is_free() {
    let mut drains = bbr(Phase::Drain);
    drains.leave_startup(&Acked { flight: PRODUCT + 1, ..acked(2_000) });
    assert_eq!(drains.phase, Phase::Drain);
    drains.leave_startup(&Acked { flight: PRODUCT, ..acked(2_000) });
    assert_eq!(drains.phase, Phase::Down);
    let mut bbr = bbr(Phase::Down);
    (bbr.model.inflight_hi, bbr.probe_wait) = (PRODUCT, 2_000_000);
    // Fifteen hundredths are for others.
    bbr.cycle(&share(2 * PRODUCT), &Acked { flight: 8_501, ..acked(2_000) });
    assert_eq!(bbr.phase, Phase::Down);
    bbr.cycle(&share(2 * PRODUCT), &Acked { flight: 8_500, ..acked(2_000) });
    assert_eq!(bbr.phase, Phase::Cruise);
}

#[test]
fn after_a_rest_a_known_path_is_used_at_its_rate_and_one_that_is_not_known_as_before() {
    for (phase, rate) in [(Phase::Cruise, 990_000), (Phase::Startup, 7)] {
        let mut bbr = bbr(phase);
        bbr.rate = 7;
        let idle = Idle { lasted: Span::from_secs(1), rto: Span::from_secs(1), mss: 1000 };
        bbr.on_idle(&mut share(PRODUCT), &idle);
        assert_eq!(bbr.pacing_rate(), Some(rate));
    }
}

#[test]
fn a_loss_during_the_look_at_the_path_alone_is_not_how_large_the_window_was() {
    for (phase, prior) in [(Phase::ProbeRtt, 2 * PRODUCT), (Phase::Cruise, PRODUCT / 2)] {
        let mut bbr = bbr(phase);
        bbr.prior_window = 2 * PRODUCT;
        bbr.on_congestion(&mut share(PRODUCT / 2), Signal::Loss, &Stand { flight: PRODUCT, mss: 1000 });
        assert_eq!(bbr.prior_window, prior);
    }
}

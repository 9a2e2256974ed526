//! CUBIC by hand, and against the formulas of RFC 9438 in floating point.

use proptest::prelude::*;

use super::*;
use crate::tcp::seq::Seq;

const MSS: u32 = 1000;
const CUBIC: Cubic = Cubic::NEW;

fn share(window: u32) -> Share {
    Share { window, threshold: window }
}

fn at(micros: u64) -> Instant {
    Instant::from_micros(micros)
}

/// One acknowledgment of one segment.
fn one(micros: u64, round_trip: u64) -> Acked {
    Acked { now: at(micros), bytes: MSS, smoothed: Some(Span::from_micros(round_trip)), ..Acked::NOTHING }
}

/// Congestion avoidance for `seconds`, each window's worth of acknowledgments spread evenly over a round trip.
fn run(cubic: &mut Cubic, share: &mut Share, from: u64, seconds: u64, round_trip: u64) -> u64 {
    let mut micros = from;
    while micros < from + seconds * 1_000_000 {
        let acknowledgments = u64::from(share.window / MSS);
        for ack in 0..acknowledgments {
            cubic.on_ack(share, &one(micros + round_trip * ack / acknowledgments, round_trip));
        }
        micros += round_trip;
    }
    micros
}

fn loses(cubic: &mut Cubic, share: &mut Share) {
    cubic.on_congestion(share, Signal::Loss, &Stand { flight: share.window, ..Stand::NOWHERE });
}

#[test]
fn rfc9438_4_6_a_loss_takes_three_tenths() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    loses(&mut cubic, &mut share);
    assert_eq!((share.window, share.threshold), (70 * MSS, 70 * MSS));
    // And never leaves less than two segments.
    share.window = 2 * MSS;
    loses(&mut cubic, &mut share);
    assert_eq!(share.window, 2 * MSS);
}

#[test]
fn rfc9438_4_6_echoes_of_congestion_lower_the_window_to_one_segment() {
    let (mut cubic, mut share) = (CUBIC, share(10 * MSS));
    for _ in 0..10 {
        let flight = share.window;
        cubic.on_congestion(&mut share, Signal::Ecn, &Stand { flight, ..Stand::NOWHERE });
    }
    assert_eq!((share.window, share.threshold), (MSS, 2 * MSS));
}

#[test]
fn rfc9438_4_6_what_was_not_in_flight_proves_nothing() {
    let (mut cubic, mut window) = (CUBIC, share(15_900));
    // Fifteen segments are all that fits.
    cubic.on_congestion(&mut window, Signal::Loss, &Stand { flight: 15 * MSS, ..Stand::NOWHERE });
    assert_eq!(window.window, 11_130);
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    cubic.on_congestion(&mut share, Signal::Ecn, &Stand { flight: 50 * MSS, ..Stand::NOWHERE });
    assert_eq!(share.window, 35 * MSS);
}

#[test]
fn rfc9438_4_6_a_window_in_use_counts_with_its_fraction_of_a_segment() {
    let (mut cubic, mut share) = (CUBIC, share(10_900));
    cubic.on_congestion(&mut share, Signal::Loss, &Stand { flight: 10 * MSS, ..Stand::NOWHERE });
    assert_eq!(share.window, 7630);
}

#[test]
fn rfc9438_4_2_the_window_is_back_where_it_was_after_k() {
    let (mut cubic, mut share) = (CUBIC, share(1000 * MSS));
    loses(&mut cubic, &mut share);
    cubic.on_ack(&mut share, &one(0, 100_000));
    // K = cbrt(300 / 0.4) = cbrt(750) = 9.085603 s.
    assert_eq!(cubic.epoch.k, 9_085_602);
    assert!(cubic.epoch.at(9_085_603, u64::from(MSS)).abs_diff(1000 * MSS) <= 1);
    // 2 s before it 0.4 * 8 = 3.2 segments less, 10 s behind it 400 more.
    assert!(cubic.epoch.at(7_085_603, u64::from(MSS)).abs_diff(996_800) <= 1);
    assert!(cubic.epoch.at(19_085_603, u64::from(MSS)).abs_diff(1_400_000) <= 1);
}

#[test]
fn rfc9438_4_4_4_5_growth_is_concave_then_flat_then_convex() {
    let (mut cubic, mut share) = (CUBIC, share(1000 * MSS));
    loses(&mut cubic, &mut share);
    let mut windows = [0; 15];
    let mut now = 0;
    for window in &mut windows {
        now = run(&mut cubic, &mut share, now, 1, 100_000);
        *window = share.window / MSS;
    }
    // 1000 + 0.4 (t - 9.0856)^3 for t = 1, 2, …, 15, a round trip and its rounding ahead or behind.
    let expected = [788, 857, 907, 947, 973, 988, 996, 999, 1000, 1000, 1003, 1010, 1024, 1048, 1083];
    for (second, (window, expected)) in windows.into_iter().zip(expected).enumerate() {
        assert!(window.abs_diff(expected) <= 3, "after {} s: {window}, not {expected}", second + 1);
    }
}

#[test]
fn rfc9438_4_7_a_flow_that_had_not_come_back_makes_room() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    loses(&mut cubic, &mut share);
    assert_eq!(cubic.epoch.w_max, 100 * MSS);
    loses(&mut cubic, &mut share);
    // (1 + 0.7) / 2 of 70 segments.
    assert_eq!((cubic.epoch.w_max, cubic.epoch.prior), (59_500, 70 * MSS));
}

#[test]
fn rfc9438_4_7_what_lowers_the_window_twice_in_one_recovery_makes_room_once() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    loses(&mut cubic, &mut share);
    let flight = share.window;
    cubic.on_congestion(&mut share, Signal::LossAgain, &Stand { flight, ..Stand::NOWHERE });
    assert_eq!((share.window, cubic.epoch.w_max), (49 * MSS, 100 * MSS));
}

#[test]
fn rfc9438_4_8_a_timeout_forgets_where_the_window_was() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    cubic.on_congestion(&mut share, Signal::Timeout, &Stand { flight: 100 * MSS, ..Stand::NOWHERE });
    assert_eq!((share.window, share.threshold), (MSS, 70 * MSS));
    cubic.on_congestion(&mut share, Signal::TimeoutAgain, &Stand { flight: MSS, ..Stand::NOWHERE });
    assert_eq!((share.window, share.threshold), (MSS, 70 * MSS));
    for _ in 0..69 {
        cubic.on_ack(&mut share, &one(0, 100_000));
    }
    assert_eq!(share.window, 70 * MSS, "slow start ends at the threshold");
    cubic.on_ack(&mut share, &one(5_000_000, 100_000));
    assert_eq!((cubic.epoch.k, cubic.epoch.w_max), (0, 70 * MSS));
}

#[test]
fn rfc9438_4_10_slow_start_stops_at_the_threshold() {
    let (mut cubic, mut share) = (CUBIC, Share { window: 9_500, threshold: 10_000 });
    cubic.on_ack(&mut share, &one(0, 100_000));
    assert_eq!(share.window, 10_000);
}

#[test]
fn rfc9438_4_10_where_slow_start_ended_without_a_loss_the_window_is_the_plateau() {
    let (mut cubic, mut share) = (CUBIC, share(50 * MSS));
    cubic.on_ack(&mut share, &one(3_000_000, 100_000));
    assert_eq!((cubic.epoch.k, cubic.epoch.w_max, cubic.epoch.since), (0, 50 * MSS, at(3_000_000)));
}

#[test]
fn rfc9406_4_3_slow_start_after_a_timeout_takes_no_look_at_round_trips() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    cubic.on_congestion(&mut share, Signal::Timeout, &Stand { flight: 100 * MSS, ..Stand::NOWHERE });
    let mut sent = 1;
    for round in 0..6 {
        // Each round takes half as long again: conservative slow start would grow by a quarter.
        let round_trip = 40_000 * 3u64.pow(round) / 2u64.pow(round);
        for _ in 0..share.window / MSS {
            sent += 1;
            let numbers = (Seq(sent * MSS), Seq(sent * MSS + share.window));
            let acked =
                Acked { rtt: Some(Span::from_micros(round_trip)), una: numbers.0, max: numbers.1, ..one(0, 40_000) };
            cubic.on_ack(&mut share, &acked);
        }
    }
    assert_eq!(share.window, 64 * MSS);
}

#[test]
fn rfc9438_5_8_idle_time_does_not_count() {
    let grow = |idle: u64| {
        let (mut cubic, mut share) = (CUBIC, share(1000 * MSS));
        loses(&mut cubic, &mut share);
        let now = run(&mut cubic, &mut share, 0, 2, 100_000);
        let lasted = Span::from_micros(idle);
        cubic.on_idle(&mut share, &Idle { lasted, rto: Span::from_secs(60), mss: MSS as u16 });
        run(&mut cubic, &mut share, now + idle, 1, 100_000);
        share.window
    };
    assert!(grow(5_000_000).abs_diff(grow(0)) < 2 * MSS);
}

#[test]
fn what_a_division_leaves_over_is_kept() {
    // W_cubic is 0.53 MB ahead after a round trip, and 100 bytes are a small part of a window of 280 MB: a fifth of a byte
    // each, 19 for all.
    let (mut cubic, mut share) = (CUBIC, share(400_000 * MSS));
    loses(&mut cubic, &mut share);
    for _ in 0..100 {
        cubic.on_ack(&mut share, &Acked { bytes: 100, ..one(0, 100_000) });
    }
    assert!((18..=20).contains(&(share.window - 280_000 * MSS)), "{}", share.window);
}

#[test]
fn rfc9438_4_9_2_a_spurious_loss_is_undone() {
    let (mut cubic, mut share) = (CUBIC, share(1000 * MSS));
    loses(&mut cubic, &mut share);
    run(&mut cubic, &mut share, 0, 4, 100_000);
    let before = cubic.epoch;
    loses(&mut cubic, &mut share);
    cubic.undo();
    assert_eq!((cubic.epoch.w_max, cubic.epoch.k), (before.w_max, before.k));
    assert_eq!((cubic.epoch.since, cubic.epoch.w_est), (before.since, before.w_est));
}

#[test]
fn rfc9438_4_3_a_small_window_grows_as_reno_would() {
    let (mut cubic, mut share) = (CUBIC, share(20 * MSS));
    loses(&mut cubic, &mut share);
    // Of 14 segments back to 20: 9/17 of a segment a round trip, W_cubic is behind for all of it at 10 ms.
    let mut now = 0;
    let mut rounds = 0;
    while share.window < 20 * MSS {
        now = run(&mut cubic, &mut share, now, 0, 10_000) + 10_000;
        for _ in 0..share.window / MSS {
            cubic.on_ack(&mut share, &one(now, 10_000));
        }
        rounds += 1;
    }
    // 6 segments at 9/17 each: 11.3 rounds. A round's acknowledgments are whole segments, so a little more.
    assert!((11..=13).contains(&rounds), "{rounds} rounds");
    let from = share.window;
    for _ in 0..5 {
        now += 10_000;
        for _ in 0..share.window / MSS {
            cubic.on_ack(&mut share, &one(now, 10_000));
        }
    }
    // Alpha is 1 from here on.
    assert!((share.window - from).abs_diff(5 * MSS) <= MSS, "{} bytes in five rounds", share.window - from);
}

#[test]
fn rfc9438_5_8_time_in_which_the_window_is_not_in_use_does_not_count() {
    let grow = |pause: u64, limited: bool| {
        let (mut cubic, mut share) = (CUBIC, share(1000 * MSS));
        loses(&mut cubic, &mut share);
        let now = run(&mut cubic, &mut share, 0, 2, 100_000);
        cubic.on_ack(&mut share, &Acked { limited, ..one(now, 100_000) });
        run(&mut cubic, &mut share, now + pause, 1, 100_000);
        share.window
    };
    assert!(grow(5_000_000, false).abs_diff(grow(0, true)) < 2 * MSS);
    assert!(grow(5_000_000, true) > grow(0, true) + 20 * MSS);
}

#[test]
fn rfc9438_4_2_growth_is_at_most_half_of_the_window_in_a_round_trip() {
    let (mut cubic, mut share) = (CUBIC, share(100 * MSS));
    cubic.on_ack(&mut share, &one(0, 100_000));
    // An hour later W_cubic is beyond all bounds.
    for _ in 0..100 {
        cubic.on_ack(&mut share, &one(3_600_000_000, 100_000));
    }
    assert!(share.window <= 151 * MSS + MSS / 2 * 13, "{}", share.window);
}

/// RFC 9438 as it is written, in segments and seconds.
struct Reference {
    window: f64,
    w_max: f64,
    k: f64,
    since: f64,
    w_est: f64,
    prior: f64,
}

impl Reference {
    fn after_loss(window: f64, now: f64) -> Self {
        let reduced = window * 0.7;
        let k = ((window - reduced) / 0.4).cbrt();
        Self { window: reduced, w_max: window, k, since: now, w_est: reduced, prior: window }
    }

    fn w_cubic(&self, t: f64) -> f64 {
        0.4 * (t - self.k).powi(3) + self.w_max
    }

    fn on_ack(&mut self, now: f64, round_trip: f64) {
        let t = now - self.since;
        let alpha = if self.w_est < self.prior { 3.0 * 0.3 / 1.7 } else { 1.0 };
        self.w_est += alpha / self.window;
        if self.w_cubic(t) < self.w_est {
            self.window = self.window.max(self.w_est);
            return;
        }
        let target = self.w_cubic(t + round_trip).clamp(self.window, 1.5 * self.window);
        self.window += (target - self.window) / self.window;
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]

    #[test]
    fn the_window_follows_the_formulas_in_floating_point(
        segments in 4u32..3_000,
        round_trip in 1_000u64..300_000,
        seconds in 1u64..20,
    ) {
        let (mut cubic, mut share) = (CUBIC, share(segments * MSS));
        loses(&mut cubic, &mut share);
        let mut reference = Reference::after_loss(f64::from(segments), 0.0);
        // The reduced window is whole bytes.
        let (mut micros, mut acks) = (0u64, 0u32);
        while micros < seconds * 1_000_000 && acks < 200_000 {
            let window = u64::from(share.window / MSS).max(1);
            for ack in 0..window {
                let now = micros + round_trip * ack / window;
                cubic.on_ack(&mut share, &one(now, round_trip));
                reference.on_ack(now as f64 / 1e6, round_trip as f64 / 1e6);
                acks += 1;
            }
            micros += round_trip;
        }
        let (window, expected) = (f64::from(share.window) / f64::from(MSS), reference.window);
        prop_assert!((window - expected).abs() <= 0.001 * expected + 0.05, "{window} segments, not {expected}");
    }

    #[test]
    fn nothing_overflows_and_the_window_holds_a_segment(
        inputs in prop::collection::vec((any::<u32>(), any::<u32>(), any::<u64>(), 0u8..8, 1u16..), 1..100),
    ) {
        let (mut cubic, mut share) = (CUBIC, Share { window: 14_600, threshold: u32::MAX });
        let mut now = 0u64;
        for (bytes, number, micros, what, mss) in inputs {
            now = now.saturating_add(micros >> (number % 64));
            let stand = Stand { flight: bytes, mss };
            match what {
                0 => cubic.on_congestion(&mut share, Signal::Loss, &stand),
                1 => cubic.on_congestion(&mut share, Signal::Timeout, &stand),
                2 => cubic.on_recovered(&mut share, &stand),
                3 => {
                    let lasted = Span::from_micros(micros);
                    cubic.on_idle(&mut share, &Idle { lasted, rto: Span::from_millis(200), mss });
                }
                _ => cubic.on_ack(&mut share, &Acked {
                    now: at(now),
                    bytes,
                    mss,
                    rtt: Some(Span::from_micros(micros)),
                    smoothed: Some(Span::from_micros(micros)),
                    una: Seq(number),
                    max: Seq(number.wrapping_add(bytes)),
                    limited: what % 2 == 0,
                    ..Acked::NOTHING
                }),
            }
            prop_assert!(share.window > 0);
        }
    }
}

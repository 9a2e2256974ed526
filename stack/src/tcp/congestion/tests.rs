//! What all algorithms have in common.

use super::*;

const WINDOWED: [Algorithm; 3] = [Algorithm::Reno, Algorithm::Cubic, Algorithm::Dctcp];

/// A window of `segments` in congestion avoidance.
fn grown(algorithm: Algorithm, segments: u32) -> Congestion {
    let mut congestion = Congestion::new(algorithm, 1000, 7);
    congestion.share = Share { window: segments * 1000, threshold: segments * 1000 };
    congestion
}

fn after_one(algorithm: Algorithm, acked: &Acked) -> u32 {
    let mut congestion = Congestion::new(algorithm, 1000, 7);
    congestion.on_ack(acked);
    congestion.window()
}

#[test]
fn rfc6928_2_the_initial_window_is_ten_segments_or_one_after_two_lost_syns() {
    assert_eq!(initial_window(1460), 14_600);
    assert_eq!(initial_window(8960), 17_920);
    assert_eq!(initial_window(536), 5_360);
    let mut congestion = Congestion::new(Algorithm::Cubic, 1000, 7);
    congestion.begin_with_one_segment(1000);
    assert_eq!((congestion.window(), congestion.threshold()), (1000, u32::MAX));
}

#[test]
fn rfc3465_2_3_a_stretched_acknowledgment_makes_no_burst_where_nothing_paces() {
    let acked = Acked { bytes: 10_000, ..Acked::NOTHING };
    assert_eq!(after_one(Algorithm::Reno, &acked), 12_000);
    assert_eq!(after_one(Algorithm::Cubic, &acked), 18_000);
    let paced = Acked { paced: true, ..acked };
    assert_eq!(after_one(Algorithm::Reno, &paced), 20_000);
    assert_eq!(after_one(Algorithm::Cubic, &paced), 20_000);
}

#[test]
fn rfc7661_4_a_window_that_is_not_in_use_does_not_grow() {
    for algorithm in WINDOWED {
        let acked = Acked { bytes: 1000, limited: false, ..Acked::NOTHING };
        assert_eq!(after_one(algorithm, &acked), 10_000, "{algorithm:?}");
        let mut congestion = grown(algorithm, 20);
        for _ in 0..100 {
            congestion.on_ack(&acked);
        }
        assert_eq!(congestion.window(), 20_000, "{algorithm:?}");
    }
}

#[test]
fn a_window_that_follows_losses_does_not_grow_during_recovery() {
    for algorithm in WINDOWED {
        let acked = Acked { bytes: 1000, recovering: true, ..Acked::NOTHING };
        assert_eq!(after_one(algorithm, &acked), 10_000, "{algorithm:?}");
    }
}

#[test]
fn rfc5681_4_1_an_idle_time_beyond_the_timeout_leaves_the_restart_window() {
    let rto = Span::from_millis(300);
    for algorithm in WINDOWED {
        let mut congestion = grown(algorithm, 100);
        congestion.on_idle(&Idle { lasted: rto, rto, mss: 1000 });
        assert_eq!(congestion.window(), 100_000, "{algorithm:?}");
        congestion.on_idle(&Idle { lasted: Span::from_millis(301), rto, mss: 1000 });
        assert_eq!((congestion.window(), congestion.threshold()), (10_000, 100_000), "{algorithm:?}");
        // RFC 2861 §3.2: slow start comes back to three quarters of what the window was.
        let mut congestion = grown(algorithm, 100);
        congestion.share.threshold = 20_000;
        congestion.on_idle(&Idle { lasted: Span::from_secs(1), rto, mss: 1000 });
        assert_eq!(congestion.threshold(), 75_000, "{algorithm:?}");
        let mut small = grown(algorithm, 4);
        small.on_idle(&Idle { lasted: Span::from_secs(10), rto, mss: 1000 });
        assert_eq!(small.window(), 4_000, "no idle time makes a window larger");
    }
}

#[test]
fn rfc4015_what_was_spurious_is_undone() {
    for algorithm in WINDOWED {
        for signal in [Signal::Loss, Signal::Timeout] {
            let mut congestion = grown(algorithm, 100);
            congestion.on_congestion(signal, &Stand { flight: 100_000, ..Stand::NOWHERE });
            assert!(congestion.window() < 100_000);
            congestion.on_congestion(Signal::TimeoutAgain, &Stand { flight: 1000, ..Stand::NOWHERE });
            congestion.undo();
            assert_eq!((congestion.window(), congestion.threshold()), (100_000, 100_000), "{algorithm:?}");
        }
    }
}

#[test]
fn rfc9438_4_9_2_what_is_undone_never_lowers_a_window_that_has_grown_since() {
    for algorithm in WINDOWED {
        let mut congestion = grown(algorithm, 100);
        congestion.on_congestion(Signal::Loss, &Stand { flight: 100_000, ..Stand::NOWHERE });
        congestion.share = Share { window: 130_000, threshold: 120_000 };
        congestion.undo();
        assert_eq!((congestion.window(), congestion.threshold()), (130_000, 120_000), "{algorithm:?}");
    }
}

#[test]
fn rfc9438_4_9_2_an_echo_of_congestion_is_never_undone() {
    for algorithm in WINDOWED {
        let mut congestion = grown(algorithm, 100);
        congestion.on_congestion(Signal::Loss, &Stand { flight: 100_000, ..Stand::NOWHERE });
        let flight = congestion.window();
        congestion.on_congestion(Signal::Ecn, &Stand { flight, ..Stand::NOWHERE });
        let (window, threshold) = (congestion.window(), congestion.threshold());
        assert!(window < flight);
        congestion.undo();
        assert_eq!((congestion.window(), congestion.threshold()), (window, threshold), "{algorithm:?}");
    }
}

#[test]
fn the_pace_is_twice_the_window_in_slow_start_and_six_fifths_of_it_afterwards() {
    let smoothed = Some(Span::from_millis(100));
    let start = Congestion::new(Algorithm::Cubic, 1000, 7);
    assert_eq!(start.pacing_rate(Paced::Always, smoothed), Some(200_000));
    assert_eq!(start.pacing_rate(Paced::Always, None), None);
    assert_eq!(start.pacing_rate(Paced::WhereItMust, smoothed), None);
    assert_eq!(grown(Algorithm::Reno, 100).pacing_rate(Paced::Always, smoothed), Some(1_200_000));
}

//! What the model makes of single samples: its bounds, to the byte.

use super::*;
use crate::tcp::seq::Seq;

const MSS: u32 = 1000;
/// Bytes a second of a path of 100 ms that holds 100 segments.
const RATE: u64 = 1_000_000;

/// A model, and what it has seen delivered.
struct Told {
    model: Model,
    delivered: u64,
    micros: u64,
}

/// A round trip's sample: bytes delivered in 100 ms, in flight and lost.
#[derive(Clone, Copy)]
struct Round {
    delivered: u32,
    in_flight: u32,
    lost: u32,
}

const FULL: Round = Round { delivered: 100 * MSS, in_flight: 100 * MSS, lost: 0 };

impl Told {
    /// The path has been seen to carry [`RATE`].
    fn new() -> Self {
        let mut told = Self { model: Model::NEW, delivered: 0, micros: 1_000_000 };
        told.round(FULL, false, 100 * MSS);
        told
    }

    fn acked(&mut self, round: Round) -> Acked {
        let prior_delivered = self.delivered;
        self.delivered += u64::from(round.delivered);
        self.micros += 100_000;
        Acked {
            now: Instant::from_micros(self.micros),
            bytes: MSS,
            lost: round.lost,
            rtt: Some(Span::from_millis(100)),
            una: Seq(self.delivered as u32),
            delivered: self.delivered,
            rate: Some(RateSample {
                delivered: round.delivered,
                interval: Span::from_millis(100),
                prior_delivered,
                in_flight: round.in_flight,
                lost: round.lost,
                limited_by_application: false,
            }),
            ..Acked::NOTHING
        }
    }

    /// A round that one acknowledgment tells of.
    fn round(&mut self, round: Round, is_probing: bool, window: u32) {
        let acked = self.acked(round);
        self.model.on_ack(&acked, is_probing, window);
        self.model.on_round_trip(&acked);
        self.model.end_ack(&acked);
    }

    fn bounds(&self) -> (u64, u32) {
        (self.model.low_bandwidth, self.model.inflight_lo)
    }
}

#[test]
fn a_round_with_too_many_losses_takes_three_tenths_of_both_lower_bounds() {
    let mut told = Told::new();
    let thin = Round { delivered: 50 * MSS, lost: 50 * MSS, ..FULL };
    told.round(Round { lost: 0, ..thin }, false, 200 * MSS);
    told.round(thin, false, 200 * MSS);
    assert_eq!(told.bounds(), (RATE / 10 * 7, 140 * MSS));
    assert_eq!(told.model.bandwidth(), RATE / 10 * 7);
    // From what they are, not from what the window is.
    told.round(thin, false, 500 * MSS);
    assert_eq!(told.bounds(), (500_000, 98 * MSS));
}

#[test]
fn what_came_through_is_no_less_than_the_lower_bounds() {
    let mut told = Told::new();
    told.round(Round { delivered: 90 * MSS, ..FULL }, false, 100 * MSS);
    told.round(Round { delivered: 80 * MSS, lost: 20 * MSS, ..FULL }, false, 100 * MSS);
    assert_eq!(told.bounds(), (900_000, 90 * MSS));
    // Nor do they grow, whatever comes through.
    told.round(FULL, false, 100 * MSS);
    assert_eq!(told.bounds(), (900_000, 90 * MSS));
    assert_eq!(told.model.bandwidth(), 900_000);
    told.model.unbind_lower();
    assert_eq!((told.bounds(), told.model.bandwidth()), ((NO_BANDWIDTH, UNBOUND), RATE));
}

#[test]
fn losses_up_to_five_of_a_hundred_and_three_segments_bind_nothing() {
    let lossy = |lost| {
        let mut told = Told::new();
        told.round(Round { lost, ..FULL }, false, 100 * MSS);
        told.bounds() != (NO_BANDWIDTH, UNBOUND)
    };
    assert!(!lossy(8 * MSS));
    assert!(lossy(8 * MSS + 1));
}

#[test]
fn who_probes_is_not_bound_and_marks_bind_without_a_loss() {
    let mut told = Told::new();
    told.round(Round { delivered: 50 * MSS, lost: 50 * MSS, ..FULL }, true, 100 * MSS);
    assert_eq!(told.bounds(), (NO_BANDWIDTH, UNBOUND));
    told.model.marked = true;
    told.round(Round { delivered: 80 * MSS, ..FULL }, false, 100 * MSS);
    assert_eq!(told.bounds(), (800_000, 80 * MSS));
    // One round of marks counts once.
    told.round(Round { delivered: 50 * MSS, ..FULL }, false, 100 * MSS);
    assert_eq!(told.bounds(), (800_000, 80 * MSS));
}

#[test]
fn only_the_end_of_a_round_binds_and_what_was_lost_in_it_before_counts() {
    let mut told = Told::new();
    // In the round's midst: what it acknowledges was sent before the round began.
    let mut acked = told.acked(Round { delivered: 40 * MSS, lost: 40 * MSS, ..FULL });
    acked.rate = acked.rate.map(|sample| RateSample { prior_delivered: 0, ..sample });
    told.model.on_ack(&acked, false, 100 * MSS);
    told.model.end_ack(&acked);
    assert_eq!(told.bounds(), (NO_BANDWIDTH, UNBOUND));
    told.round(FULL, false, 100 * MSS);
    assert_eq!(told.bounds(), (RATE, 100 * MSS));
}

#[test]
fn losses_are_weighed_by_the_flight_that_they_may_have_belonged_to() {
    let mut told = Told::new();
    // 7.5 segments of what 100 leave a round later, and three.
    let small = Round { delivered: 20 * MSS, in_flight: 20 * MSS, lost: 0 };
    let sample = |told: &mut Told, lost| told.acked(Round { lost, ..small }).rate.expect("it is there");
    for (lost, is_lossy) in [(6_750, false), (6_751, true)] {
        let sample = sample(&mut told, lost);
        assert_eq!(told.model.is_lossy(&sample, MSS as u16), is_lossy, "{lost}");
    }
    for _ in 0..10 {
        told.round(small, false, 100 * MSS);
    }
    for (lost, is_lossy) in [(4_000, false), (4_001, true)] {
        let sample = sample(&mut told, lost);
        assert_eq!(told.model.is_lossy(&sample, MSS as u16), is_lossy, "{lost}");
    }
}

#[test]
fn headroom_is_a_segment_or_fifteen_of_a_hundred_and_leaves_four_segments() {
    let headroom = |bound| Model { inflight_hi: bound, ..Model::NEW }.headroom(MSS as u16);
    assert_eq!(headroom(UNBOUND), UNBOUND);
    assert_eq!(headroom(100 * MSS), 85 * MSS);
    assert_eq!(headroom(6 * MSS), 5 * MSS);
    assert_eq!(headroom(4 * MSS), 4 * MSS);
}

#[test]
fn startup_ends_by_losses_that_are_too_many_and_six_segments() {
    let ends = |lost, in_flight| {
        let mut told = Told::new();
        let acked = told.acked(Round { delivered: 50 * MSS, in_flight, lost });
        told.model.on_ack(&acked, true, 100 * MSS);
        told.model.watch_startup_losses(&acked);
        (told.model.full, told.model.inflight_hi)
    };
    assert_eq!(ends(9 * MSS, 100 * MSS), (true, 100 * MSS));
    assert_eq!(ends(8 * MSS, 100 * MSS), (false, UNBOUND));
    assert_eq!(ends(6 * MSS - 1, 20 * MSS), (false, UNBOUND));
    assert_eq!(ends(6 * MSS, 20 * MSS), (true, 100 * MSS));
}

#[test]
fn the_pipe_is_full_after_three_rounds_without_a_quarter_more() {
    let round = |told: &mut Told, segments| told.round(Round { delivered: segments * MSS, ..FULL }, true, 100 * MSS);
    let mut told = Told::new();
    round(&mut told, 124);
    round(&mut told, 124);
    assert!(!told.model.full);
    // Just a quarter more than the first 100.
    round(&mut told, 125);
    round(&mut told, 150);
    round(&mut told, 150);
    assert!(!told.model.full);
    round(&mut told, 150);
    assert!(told.model.full && told.model.full_now);
}

#[test]
fn what_the_application_limits_neither_lowers_nor_fills_and_raises_what_it_exceeds() {
    let mut told = Told::new();
    for _ in 0..5 {
        let mut acked = told.acked(Round { delivered: 60 * MSS, ..FULL });
        acked.rate = acked.rate.map(|sample| RateSample { limited_by_application: true, ..sample });
        told.model.on_ack(&acked, true, 100 * MSS);
    }
    assert!(!told.model.full);
    assert_eq!(told.model.max_bandwidth, [0, RATE]);
    let mut acked = told.acked(Round { delivered: 130 * MSS, ..FULL });
    acked.rate = acked.rate.map(|sample| RateSample { limited_by_application: true, ..sample });
    told.model.on_ack(&acked, true, 100 * MSS);
    assert_eq!(told.model.bandwidth(), 1_300_000);
}

#[test]
fn the_bandwidth_is_that_of_this_cycle_and_the_one_before() {
    let mut told = Told::new();
    told.model.advance_filter();
    told.round(Round { delivered: 60 * MSS, ..FULL }, true, 100 * MSS);
    assert_eq!(told.model.bandwidth(), RATE);
    told.model.advance_filter();
    assert_eq!(told.model.bandwidth(), 600_000);
    // A cycle that saw nothing pushes nothing out.
    told.model.advance_filter();
    assert_eq!(told.model.bandwidth(), 600_000);
}

#[test]
fn a_round_trip_counts_for_ten_seconds_and_asks_for_a_look_after_five() {
    let mut told = Told::new();
    let mut look = |seconds: u64, millis: u64| {
        let now = Instant::from_micros(1_100_000 + seconds * 1_000_000);
        let acked = Acked { now, rtt: Some(Span::from_millis(millis)), ..Acked::NOTHING };
        (told.model.on_round_trip(&acked), told.model.least_round_trip)
    };
    assert_eq!(look(5, 150), (false, 100_000));
    assert_eq!(look(6, 150), (true, 100_000));
    assert_eq!(look(7, 140), (false, 100_000));
    assert_eq!(look(10, 160), (false, 100_000));
    assert_eq!(look(11, 160), (false, 140_000));
    assert_eq!(look(12, 90), (false, 90_000));
}

//! HyStart++ (RFC 9406): leaving slow start when the round-trip time grows, before something is lost.
//!
//! Invariant: conservative slow start (CSS) lasts five rounds at the most; afterwards slow start is over. Rounds are told
//! by sequence numbers. It serves a connection's first slow start only (§4.3): once there is a threshold, nobody asks.

use super::Acked;
use crate::tcp::seq::Seq;

/// §4.3, in microseconds.
const MIN_RTT_THRESH: u32 = 4_000;
const MAX_RTT_THRESH: u32 = 16_000;
const MIN_RTT_DIVISOR: u32 = 8;
const N_RTT_SAMPLE: u8 = 8;
const CSS_GROWTH_DIVISOR: u32 = 4;
const CSS_ROUNDS: u8 = 5;
/// Segments of growth for each acknowledgment, where nothing paces what they let out.
const L: u32 = 8;

/// No round-trip time is known.
const UNKNOWN: u32 = u32::MAX;

/// Rounds and their least round-trip times, in microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct HyStart {
    /// The round ends when this number is acknowledged.
    window_end: Option<Seq>,
    last: u32,
    current: u32,
    /// What CSS began with.
    baseline: u32,
    samples: u8,
    /// Rounds of CSS, the one under way included; none in slow start.
    css_rounds: u8,
}

/// What an acknowledgment in slow start lets the window do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Growth {
    /// Grow by this many bytes.
    By(u32),
    /// Grow by this many bytes, and no more: the threshold is here.
    Last(u32),
}

impl HyStart {
    pub(super) const NEW: Self =
        Self { window_end: None, last: UNKNOWN, current: UNKNOWN, baseline: UNKNOWN, samples: 0, css_rounds: 0 };

    /// An acknowledgment in the first slow start.
    pub(super) fn on_ack(&mut self, acked: &Acked) -> Growth {
        let is_over = self.begins_round(acked) && self.css_rounds > CSS_ROUNDS;
        if let Some(rtt) = acked.rtt {
            self.current = self.current.min(rtt.micros().min(u64::from(UNKNOWN - 1)) as u32);
            self.samples = self.samples.saturating_add(acked.acknowledgments.min(u32::from(u8::MAX)) as u8);
        }
        if self.samples >= N_RTT_SAMPLE {
            self.judge();
        }
        let bytes = acked.bytes_of(L);
        match (is_over, self.css_rounds) {
            (true, _) => Growth::Last(bytes / CSS_GROWTH_DIVISOR),
            (false, 0) => Growth::By(bytes),
            (false, _) => Growth::By(bytes / CSS_GROWTH_DIVISOR),
        }
    }

    /// §4.2: at the start of each round.
    fn begins_round(&mut self, acked: &Acked) -> bool {
        if self.window_end.is_some_and(|end| acked.una.before(end)) {
            return false;
        }
        if self.css_rounds > 0 {
            self.css_rounds += 1;
        }
        self.window_end = Some(acked.max);
        self.last = self.current;
        self.current = UNKNOWN;
        self.samples = 0;
        true
    }

    /// §4.2: whether the delay has grown, or CSS was entered for nothing.
    fn judge(&mut self) {
        if self.current == UNKNOWN {
            return;
        }
        if self.css_rounds > 0 {
            if self.current < self.baseline {
                (self.baseline, self.css_rounds) = (UNKNOWN, 0);
            }
            return;
        }
        if self.last == UNKNOWN {
            return;
        }
        let threshold = (self.last / MIN_RTT_DIVISOR).clamp(MIN_RTT_THRESH, MAX_RTT_THRESH);
        if self.current >= self.last.saturating_add(threshold) {
            // The round under way counts towards the five.
            (self.baseline, self.css_rounds) = (self.current, 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Span;

    /// A round of ten acknowledgments with the given round-trip time, and what the window may do all told.
    fn round(hystart: &mut HyStart, number: u32, millis: u64) -> (u32, bool) {
        let (mut bytes, mut last) = (0, false);
        for ack in 1..=10 {
            let acked = Acked {
                bytes: 1000,
                rtt: Some(Span::from_millis(millis)),
                una: Seq(number * 10_000 + ack * 1000),
                max: Seq((number + 1) * 10_000 + ack * 1000),
                ..Acked::NOTHING
            };
            match hystart.on_ack(&acked) {
                Growth::By(more) => bytes += more,
                Growth::Last(more) => {
                    bytes += more;
                    last = true;
                }
            }
        }
        (bytes, last)
    }

    #[test]
    fn rfc9406_4_2_a_delay_that_does_not_grow_leaves_slow_start_alone() {
        let mut hystart = HyStart::NEW;
        for number in 0..20 {
            // Up to the threshold: an eighth of 40 ms is 5 ms.
            assert_eq!(round(&mut hystart, number, 40 + u64::from(number % 2) * 4), (10_000, false));
        }
    }

    #[test]
    fn rfc9406_4_2_a_delay_that_grows_makes_growth_a_quarter_for_five_rounds() {
        let mut hystart = HyStart::NEW;
        round(&mut hystart, 0, 40);
        // The eighth sample of the round tells: 7 grow whole, 3 by a quarter.
        assert_eq!(round(&mut hystart, 1, 45), (7 * 1000 + 3 * 250, false));
        for number in 2..6 {
            assert_eq!(round(&mut hystart, number, 45), (2_500, false), "round {number}");
        }
        assert!(round(&mut hystart, 6, 45).1, "the partial round was the first of five");
    }

    #[test]
    fn rfc9406_4_2_css_entered_for_nothing_goes_back_to_slow_start() {
        let mut hystart = HyStart::NEW;
        round(&mut hystart, 0, 40);
        round(&mut hystart, 1, 60);
        assert_eq!(round(&mut hystart, 2, 41), (7 * 250 + 3 * 1000, false));
        assert_eq!(round(&mut hystart, 3, 41), (10_000, false));
    }

    #[test]
    fn rfc9406_4_3_the_threshold_lies_between_4_and_16_ms() {
        for (first, second, enters) in
            [(8, 11, false), (8, 12, true), (400, 415, false), (400, 416, true), (80, 89, false), (80, 90, true)]
        {
            let mut hystart = HyStart::NEW;
            round(&mut hystart, 0, first);
            round(&mut hystart, 1, second);
            assert_eq!(hystart.css_rounds > 0, enters, "{first} ms, then {second} ms");
        }
    }

    #[test]
    fn rfc9406_4_2_fewer_than_eight_samples_tell_nothing() {
        let mut hystart = HyStart::NEW;
        round(&mut hystart, 0, 40);
        for ack in 1..=7 {
            let acked = Acked {
                rtt: Some(Span::from_millis(100)),
                una: Seq(10_000 + ack * 1000),
                max: Seq(20_000),
                ..Acked::NOTHING
            };
            hystart.on_ack(&acked);
        }
        assert_eq!(hystart.css_rounds, 0);
    }

    #[test]
    fn rfc9406_4_2_an_acknowledgment_counts_for_eight_segments_unless_paced() {
        let stretched = Acked { bytes: 20_000, ..Acked::NOTHING };
        let mut hystart = HyStart::NEW;
        assert_eq!(hystart.on_ack(&stretched), Growth::By(8_000));
        assert_eq!(hystart.on_ack(&Acked { paced: true, ..stretched }), Growth::By(20_000));
    }
}

//! Pacing: spreading over a round trip what a window lets out.
//!
//! Invariant: over time no more leaves than the rate, and what could not leave in time may leave later at once, up to
//! [`CREDIT`]: the timer wheel wakes a connection once in a tick, and a tick's worth of data then goes in one go. A
//! connection without a rate is never held back.

use crate::time::{Instant, Span};

/// Two ticks of the timer wheel: it may fire one late, and a busy poll be late by another.
const CREDIT: Span = Span::from_micros(2 * 1024);
/// Time is kept in parts of a microsecond: at high rates a segment takes less than one.
const FRACTION_BITS: u32 = 10;
/// What goes in one go at most, as with one segment the device is to cut.
const MOST_AT_ONCE: u64 = 1 << 16;

/// When the next segment may leave.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pacer {
    /// Bytes a second, zero for no limit.
    rate: u64,
    /// The time from which on something may leave, with its fraction.
    next: u64,
    /// What goes in one go.
    quantum: u32,
    /// Something waits for that time.
    waits: bool,
}

impl Pacer {
    pub(super) const OFF: Self = Self { rate: 0, next: 0, quantum: u32::MAX, waits: false };

    /// Question: bytes a second, if there is a limit.
    pub(super) const fn rate(&self) -> Option<u64> {
        if self.rate == 0 { None } else { Some(self.rate) }
    }

    /// Question: what may leave now in one go.
    pub(super) const fn allowance(&self, now: Instant) -> u32 {
        if self.is_ahead(now) { 0 } else { self.quantum }
    }

    const fn is_ahead(&self, now: Instant) -> bool {
        self.next > now.micros() << FRACTION_BITS
    }

    /// Question: when something may leave that waits for it.
    pub(super) fn deadline(&self) -> Option<Instant> {
        // Rounded up: not a fraction early.
        self.waits.then(|| Instant::from_micros((self.next + (1 << FRACTION_BITS) - 1) >> FRACTION_BITS))
    }

    /// Command: takes a rate, or none.
    pub(super) fn follow(&mut self, rate: Option<u64>, mss: u16) {
        match rate {
            None => *self = Self::OFF,
            Some(rate) => {
                self.rate = rate.max(1);
                // A millisecond's worth: fewer, longer runs cost less.
                self.quantum = (self.rate / 1_000).min(MOST_AT_ONCE).max(u64::from(mss)) as u32;
            }
        }
    }

    /// Input: something waits that only the time holds back. Says whether it does.
    pub(super) fn hold(&mut self, now: Instant) -> bool {
        self.waits = self.is_ahead(now);
        self.waits
    }

    /// Input: time has passed. Whoever waited is to look again.
    pub(super) fn on_deadline(&mut self, now: Instant) {
        self.waits &= self.is_ahead(now);
    }

    /// Input: `bytes` have left.
    pub(super) fn sent(&mut self, bytes: u32, now: Instant) {
        if self.rate == 0 {
            return;
        }
        let now = now.micros() << FRACTION_BITS;
        let took = (u64::from(bytes) * (1_000_000 << FRACTION_BITS)) / self.rate;
        self.next = self.next.max(now.saturating_sub(CREDIT.micros() << FRACTION_BITS)).saturating_add(took);
        self.waits = false;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    fn paced(rate: u64, mss: u16) -> Pacer {
        let mut pacer = Pacer::OFF;
        pacer.follow(Some(rate), mss);
        pacer
    }

    /// Sends as much as may leave at `now`.
    fn drain(pacer: &mut Pacer, now: u64) -> u64 {
        let mut sent = 0;
        while pacer.allowance(at(now)) > 0 {
            let bytes = pacer.allowance(at(now)).min(1000);
            pacer.sent(bytes, at(now));
            sent += u64::from(bytes);
        }
        sent
    }

    #[test]
    fn without_a_rate_nothing_is_held_back() {
        let mut pacer = Pacer::OFF;
        pacer.sent(1 << 30, at(5));
        assert_eq!(pacer.allowance(at(5)), u32::MAX);
        assert!(!pacer.hold(at(5)));
        assert_eq!(pacer.deadline(), None);
    }

    #[test]
    fn a_segment_leaves_when_the_one_before_has_had_its_time() {
        // 1 MB/s: 1000 bytes are a millisecond.
        let mut pacer = paced(1_000_000, 1000);
        drain(&mut pacer, 1_000_000);
        assert!(pacer.hold(at(1_000_000)));
        let next = pacer.deadline().unwrap().micros();
        assert!((1_000_001..=1_001_000).contains(&next), "{next}");
        assert_eq!(pacer.allowance(at(next - 1)), 0);
        assert_eq!(drain(&mut pacer, next), 1000);
    }

    #[test]
    fn a_time_that_has_come_is_no_deadline_any_more() {
        let mut pacer = paced(1_000_000, 1000);
        drain(&mut pacer, 1_000_000);
        pacer.hold(at(1_000_000));
        let deadline = pacer.deadline().unwrap();
        pacer.on_deadline(at(1_000_000));
        assert_eq!(pacer.deadline(), Some(deadline));
        pacer.on_deadline(deadline);
        assert_eq!(pacer.deadline(), None);
    }

    #[test]
    fn what_a_late_wake_up_missed_leaves_at_once_and_no_more() {
        let mut pacer = paced(10_000_000, 1000);
        drain(&mut pacer, 1_000_000);
        // A millisecond's worth is 10 segments; a second's is not 10,000.
        assert_eq!(drain(&mut pacer, 1_001_000), 10_000);
        assert!(drain(&mut pacer, 2_000_000) <= 21_480);
    }

    #[test]
    fn a_go_is_a_millisecond_within_a_segment_and_64_kib() {
        assert_eq!(paced(100_000, 1460).allowance(at(1)), 1460);
        assert_eq!(paced(10_000_000, 1460).allowance(at(1)), 10_000);
        assert_eq!(paced(1_250_000_000, 1460).allowance(at(1)), 65_536);
        assert_eq!(paced(1, 40_000).allowance(at(1)), 40_000);
    }

    proptest! {
        #[test]
        fn the_rate_is_kept_whenever_it_is_looked_at(
            rate in 1_000u64..10_000_000_000,
            steps in prop::collection::vec(1u64..2_000, 1..400),
        ) {
            let mut pacer = paced(rate, 1000);
            let (mut now, mut sent) = (1_000_000, 0);
            // The first go is on credit.
            drain(&mut pacer, now);
            let start = now;
            for step in steps {
                now += step;
                while pacer.allowance(at(now)) > 0 {
                    let bytes = pacer.allowance(at(now));
                    pacer.sent(bytes, at(now));
                    sent += u128::from(bytes);
                }
            }
            let most = u128::from(rate) * u128::from(now - start) / 1_000_000;
            let quantum = u128::from(pacer.quantum);
            // Times are kept to a thousandth of a microsecond, so of the highest rates a thousandth is lost.
            prop_assert!(sent <= most + most / 500 + quantum, "{sent} of {most}");
            prop_assert!(sent + quantum + 1000 >= most, "{sent} of {most}");
        }
    }
}

//! How often one peer may have an acknowledgment of us for what is no part of the conversation (RFC 5961 §7).
//!
//! Invariant: a connection answers [`TcpConfig::challenge_burst`] such segments at once, and one more each
//! [`TcpConfig::challenge_interval`]. Each connection counts for itself: a count that all shared would tell one peer what
//! another does (CVE-2016-5696). It also ends the loop of two ends that each find the other's acknowledgment
//! unacceptable.

use super::shared::{Shared, TcpConfig};
use crate::time::{Instant, Span};

/// A tick is 2^15 microseconds, so that a word of 16 bits spans 35 minutes.
const TICK_BITS: u32 = 15;

/// A token bucket as the point in time at which it will be full again, in 2 bytes. A point that lies further ahead than
/// an empty bucket's can is one of long ago.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct ChallengeLimit {
    full_at: u16,
}

impl ChallengeLimit {
    /// Takes a token. False says that the segment is to be dropped without an answer.
    #[must_use]
    pub(super) fn allows(&mut self, now: Instant, shared: &mut Shared<'_>) -> bool {
        let allowed = self.take(now, &shared.config);
        let statistics = &mut shared.statistics;
        *(if allowed { &mut statistics.challenges } else { &mut statistics.challenges_withheld }) += 1;
        allowed
    }

    fn take(&mut self, now: Instant, config: &TcpConfig) -> bool {
        let interval = ticks(config.challenge_interval);
        if interval == 0 {
            return true;
        }
        let now = (now.micros() >> TICK_BITS) as u16;
        let most = interval.saturating_mul(u16::from(config.challenge_burst.max(1))).min(u16::MAX / 2);
        let owed = self.full_at.wrapping_sub(now);
        let owed = if owed <= most { owed } else { 0 };
        if owed > 0 && owed + interval > most {
            return false;
        }
        self.full_at = now.wrapping_add(owed + interval);
        true
    }
}

fn ticks(span: Span) -> u16 {
    if span == Span::ZERO { 0 } else { ((span.micros() >> TICK_BITS).clamp(1, 1 << 12)) as u16 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(limit: &mut ChallengeLimit, config: &TcpConfig, at: u64) -> usize {
        (0..100).filter(|_| limit.take(Instant::from_micros(at), config)).count()
    }

    #[test]
    fn rfc5961_7_ten_at_once_and_two_a_second_later_on() {
        let config = TcpConfig::DEFAULT;
        let mut limit = ChallengeLimit::default();
        assert_eq!(taken(&mut limit, &config, 1_000_000), 10);
        assert_eq!(taken(&mut limit, &config, 1_400_000), 0);
        assert_eq!(taken(&mut limit, &config, 1_550_000), 1);
        assert_eq!(taken(&mut limit, &config, 2_550_000), 2);
        assert_eq!(taken(&mut limit, &config, 60_000_000), 10);
    }

    #[test]
    fn a_bucket_that_was_not_asked_for_half_an_hour_is_full() {
        let config = TcpConfig::DEFAULT;
        for minutes in 1..200 {
            let mut limit = ChallengeLimit::default();
            assert_eq!(taken(&mut limit, &config, 1_000_000), 10);
            // Where the word has come round, the bucket may be found half empty for the five seconds it once took to
            // fill it; never for longer.
            let later = 1_000_000 + minutes * 60_000_000;
            let best = taken(&mut limit.clone(), &config, later).max(taken(&mut limit, &config, later + 6_000_000));
            assert_eq!(best, 10, "{minutes} minutes later");
        }
    }

    #[test]
    fn no_interval_is_no_limit() {
        let config = TcpConfig { challenge_interval: Span::ZERO, ..TcpConfig::DEFAULT };
        assert_eq!(taken(&mut ChallengeLimit::default(), &config, 5), 100);
    }
}

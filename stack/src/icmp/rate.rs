//! A token bucket, so that errors cost a bounded share of the link (RFC 4443 §2.4 f).

use crate::time::{Instant, Span};

/// Errors that may go out at once.
const BURST: u8 = 10;
/// How long a token takes to come back: a hundred errors a second.
const REFILL: Span = Span::from_millis(10);

/// Tokens that come back one by one.
#[derive(Debug)]
pub(super) struct TokenBucket {
    tokens: u8,
    /// Up to when tokens have been given back.
    filled: Instant,
}

impl TokenBucket {
    pub(super) const fn full(now: Instant) -> Self {
        Self { tokens: BURST, filled: now }
    }

    /// Takes a token, if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let earned = now.since(self.filled).micros() / REFILL.micros();
        if earned >= u64::from(BURST - self.tokens) {
            self.tokens = BURST;
            self.filled = now;
        } else {
            self.tokens += earned as u8;
            self.filled += Span::from_micros(earned * REFILL.micros());
        }
        if self.tokens == 0 {
            return false;
        }
        self.tokens -= 1;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Instant = Instant::from_micros(1_000_000);

    #[test]
    fn rfc4443_a_burst_passes_and_then_one_a_refill() {
        let mut bucket = TokenBucket::full(START);
        assert!((0..BURST).all(|_| bucket.take(START)));
        assert!(!bucket.take(START + Span::from_millis(9)));
        assert!(bucket.take(START + Span::from_millis(10)));
        assert!(!bucket.take(START + Span::from_millis(19)));
        assert!(bucket.take(START + Span::from_millis(20)));
    }

    #[test]
    fn a_long_rest_gives_one_burst_and_no_more() {
        let mut bucket = TokenBucket::full(START);
        let later = START + Span::from_secs(3600);
        assert_eq!((0..100).filter(|_| bucket.take(later)).count(), usize::from(BURST));
    }
}

//! The retransmission timeout (RFC 6298), in microseconds and integers.
//!
//! Invariant: `rto` lies between the configured floor and 60 s, backed off or not. Karn's rule (§3) is kept by the
//! caller: a segment that was sent twice is never timed.

use crate::time::Span;

/// §2.5 (MAY): the upper bound.
const MAX_RTO: u32 = 60_000_000;
/// §2.1: before any sample.
const INITIAL_RTO: u32 = 1_000_000;
/// The clock's granularity G: the timer wheel's tick, rounded up.
const GRANULARITY: u32 = 2_000;

/// Smoothed round-trip time, its variation, and what follows.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Rtt {
    /// Eight times SRTT, so that its eighths are not lost.
    srtt_8: u32,
    /// Four times RTTVAR.
    rttvar_4: u32,
    rto: u32,
}

impl Rtt {
    pub(crate) const NEW: Self = Self { srtt_8: 0, rttvar_4: 0, rto: INITIAL_RTO };

    /// Takes one sample.
    pub(crate) fn sample(&mut self, took: Span, floor: Span) {
        let sample = took.micros().clamp(1, u64::from(MAX_RTO)) as u32;
        if self.srtt_8 == 0 {
            // §2.2: the first sample.
            self.srtt_8 = sample * 8;
            self.rttvar_4 = sample * 2;
        } else {
            // §2.3: RTTVAR first, with the old SRTT; alpha 1/8, beta 1/4.
            let srtt = self.srtt_8 / 8;
            self.rttvar_4 = self.rttvar_4 - self.rttvar_4 / 4 + srtt.abs_diff(sample);
            self.srtt_8 = self.srtt_8 - srtt + sample;
        }
        self.settle(floor);
    }

    /// The timeout of the last samples, without backoff.
    pub(crate) fn settle(&mut self, floor: Span) {
        if self.srtt_8 == 0 {
            self.rto = INITIAL_RTO;
            return;
        }
        let rto = (self.srtt_8 / 8).saturating_add(self.rttvar_4.max(GRANULARITY));
        // §2.4 asks for a floor of 1 s; like every stack of today we take a lower one, configurable.
        self.rto = rto.clamp((floor.micros() as u32).min(MAX_RTO), MAX_RTO);
    }

    /// §5.5: the timer has expired.
    pub(crate) fn back_off(&mut self) {
        self.rto = self.rto.saturating_mul(2).min(MAX_RTO);
    }

    /// §5.7: data after a handshake whose SYN was sent again starts from 3 s.
    pub(crate) fn after_lost_syn(&mut self) {
        self.rto = 3_000_000;
    }

    pub(crate) const fn rto(&self) -> Span {
        Span::from_micros(self.rto as u64)
    }

    /// SRTT, once there is one.
    pub(crate) const fn smoothed(&self) -> Option<Span> {
        if self.srtt_8 == 0 { None } else { Some(Span::from_micros(self.srtt_8 as u64 / 8)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FLOOR: Span = Span::from_millis(200);

    #[test]
    fn rfc6298_2_2_the_first_sample_sets_both() {
        let mut rtt = Rtt::NEW;
        assert_eq!(rtt.rto(), Span::from_secs(1));
        rtt.sample(Span::from_millis(100), FLOOR);
        // SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 * RTTVAR.
        assert_eq!(rtt.rto(), Span::from_millis(300));
        assert_eq!(rtt.smoothed(), Some(Span::from_millis(100)));
    }

    #[test]
    fn rfc6298_2_3_later_samples_are_smoothed() {
        let mut rtt = Rtt::NEW;
        rtt.sample(Span::from_millis(100), FLOOR);
        rtt.sample(Span::from_millis(180), FLOOR);
        // RTTVAR = 3/4 * 50 + 1/4 * 80 = 57.5 ms; SRTT = 7/8 * 100 + 1/8 * 180 = 110 ms.
        assert_eq!(rtt.rto(), Span::from_micros(110_000 + 230_000));
    }

    #[test]
    fn rfc6298_5_5_backoff_doubles_up_to_a_minute_and_a_floor_holds() {
        let mut rtt = Rtt::NEW;
        rtt.sample(Span::from_micros(50), FLOOR);
        assert_eq!(rtt.rto(), FLOOR);
        for _ in 0..20 {
            rtt.back_off();
        }
        assert_eq!(rtt.rto(), Span::from_secs(60));
        rtt.settle(FLOOR);
        assert_eq!(rtt.rto(), FLOOR);
    }
}

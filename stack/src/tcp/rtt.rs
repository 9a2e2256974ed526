//! The retransmission timeout (RFC 6298), in microseconds and integers.
//!
//! Invariant: `rto` lies between the configured floor above SRTT and the ceiling, backed off or not. Karn's rule (§3) is
//! kept by the caller: a segment that was sent twice is timed by what the peer echoes (RFC 7323 §4), or not at all.

use super::shared::TcpConfig;
use crate::time::Span;

/// The longest round trip that is believed.
const LONGEST: u32 = 60_000_000;
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
    pub(crate) fn new(config: &TcpConfig) -> Self {
        let mut rtt = Self { srtt_8: 0, rttvar_4: 0, rto: 0 };
        rtt.settle(config);
        rtt
    }

    /// Takes one sample of as many as come in a round trip.
    pub(crate) fn sample(&mut self, took: Span, of: u32, config: &TcpConfig) {
        let sample = took.micros().clamp(1, u64::from(LONGEST)) as u32;
        if self.srtt_8 == 0 {
            // §2.2: the first sample.
            self.srtt_8 = sample * 8;
            self.rttvar_4 = sample * 2;
        } else {
            // §2.3: RTTVAR first, with the old SRTT; alpha 1/8, beta 1/4. RFC 7323 appendix G: both divided by the
            // samples of a round trip, so that together they weigh what one would.
            let (srtt, of) = (self.srtt_8 / 8, of.max(1));
            self.rttvar_4 = moved(self.rttvar_4, self.rttvar_4 / 4, srtt.abs_diff(sample), of);
            self.srtt_8 = moved(self.srtt_8, srtt, sample, of);
        }
        self.settle(config);
    }

    /// Takes the first sample of what was sent after a timeout for nothing; `before` is what was known before that (RFC
    /// 4015 §3.1 step 11). What was sampled in between is a delay that may be over, or the path's new one.
    pub(crate) fn adapt(&mut self, before: &Self, took: Span, config: &TcpConfig) {
        let sample = took.micros().clamp(1, u64::from(LONGEST)) as u32;
        self.srtt_8 = (before.srtt_8 + 8 * 2 * GRANULARITY).max(sample * 8);
        self.rttvar_4 = before.rttvar_4.max(sample * 2);
        self.settle(config);
    }

    /// The timeout of the last samples, without backoff.
    pub(crate) fn settle(&mut self, config: &TcpConfig) {
        if self.srtt_8 == 0 {
            self.rto = micros(config.initial_rto).min(micros(config.max_rto));
            return;
        }
        // §2.4 asks for a floor of 1 s; like every stack of today we take a lower one, configurable. It is one for the
        // time above SRTT: on a long, steady path RTTVAR goes to nothing, and a timeout of SRTT alone would expire
        // whenever an acknowledgment is delayed.
        let above = self.rttvar_4.max(GRANULARITY).max(micros(config.min_rto));
        self.rto = (self.srtt_8 / 8).saturating_add(above).min(micros(config.max_rto));
    }

    /// §5.5: the timer has expired.
    pub(crate) fn back_off(&mut self, config: &TcpConfig) {
        self.rto = self.rto.saturating_mul(2).min(micros(config.max_rto));
    }

    /// §5.7: data after a handshake whose SYN was sent again starts from 3 s.
    pub(crate) fn after_lost_syn(&mut self) {
        self.rto = 3_000_000;
    }

    pub(crate) const fn rto(&self) -> Span {
        Span::from_micros(self.rto as u64)
    }

    /// RTTVAR.
    pub(crate) const fn variation(&self) -> Span {
        Span::from_micros(self.rttvar_4 as u64 / 4)
    }

    /// SRTT, once there is one.
    pub(crate) const fn smoothed(&self) -> Option<Span> {
        if self.srtt_8 == 0 { None } else { Some(Span::from_micros(self.srtt_8 as u64 / 8)) }
    }
}

/// A scaled mean `scaled` of value `mean` after one of `of` samples.
fn moved(scaled: u32, mean: u32, sample: u32, of: u32) -> u32 {
    match sample.checked_sub(mean) {
        Some(above) => scaled + above / of,
        None => scaled - (mean - sample) / of,
    }
}

fn micros(span: Span) -> u32 {
    u32::try_from(span.micros()).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONFIG: TcpConfig = TcpConfig::DEFAULT;

    #[test]
    fn rfc6298_2_2_the_first_sample_sets_both() {
        let mut rtt = Rtt::new(&CONFIG);
        assert_eq!(rtt.rto(), Span::from_secs(1));
        rtt.sample(Span::from_millis(100), 1, &CONFIG);
        // SRTT = R, RTTVAR = R/2, RTO = SRTT + 4 * RTTVAR.
        assert_eq!(rtt.rto(), Span::from_millis(300));
        assert_eq!(rtt.smoothed(), Some(Span::from_millis(100)));
    }

    #[test]
    fn rfc6298_2_3_later_samples_are_smoothed() {
        let mut rtt = Rtt::new(&CONFIG);
        rtt.sample(Span::from_millis(100), 1, &CONFIG);
        rtt.sample(Span::from_millis(180), 1, &CONFIG);
        // RTTVAR = 3/4 * 50 + 1/4 * 80 = 57.5 ms; SRTT = 7/8 * 100 + 1/8 * 180 = 110 ms.
        assert_eq!(rtt.rto(), Span::from_micros(110_000 + 230_000));
    }

    #[test]
    fn rfc6298_5_5_backoff_doubles_up_to_a_minute_and_a_floor_holds() {
        let mut rtt = Rtt::new(&CONFIG);
        rtt.sample(Span::from_micros(50), 1, &CONFIG);
        assert_eq!(rtt.rto(), Span::from_micros(50 + 200_000));
        for _ in 0..20 {
            rtt.back_off(&CONFIG);
        }
        assert_eq!(rtt.rto(), Span::from_secs(60));
        rtt.settle(&CONFIG);
        assert_eq!(rtt.rto(), Span::from_micros(50 + 200_000));
    }

    #[test]
    fn rfc6298_2_4_on_a_long_and_steady_path_the_floor_stands_above_the_round_trip() {
        let mut rtt = Rtt::new(&CONFIG);
        (0..100).for_each(|_| rtt.sample(Span::from_millis(300), 1, &CONFIG));
        // An acknowledgment may be delayed, and the path is as it was.
        assert_eq!(rtt.rto(), Span::from_millis(300 + 200));
    }

    #[test]
    fn rfc7323_g_many_samples_of_a_round_trip_weigh_what_one_does() {
        let (mut one, mut many) = (Rtt::new(&CONFIG), Rtt::new(&CONFIG));
        for rtt in [&mut one, &mut many] {
            rtt.sample(Span::from_millis(100), 1, &CONFIG);
        }
        one.sample(Span::from_millis(180), 1, &CONFIG);
        for _ in 0..10 {
            many.sample(Span::from_millis(180), 10, &CONFIG);
        }
        let apart = one.smoothed().expect("it has a sample").micros().abs_diff(many.smoothed().unwrap().micros());
        assert!(apart < 1_000, "{one:?} {many:?}");
    }

    #[test]
    fn rfc6298_2_the_bounds_are_the_settings() {
        let config = TcpConfig {
            initial_rto: Span::from_secs(3),
            min_rto: Span::from_secs(2),
            max_rto: Span::from_secs(5),
            ..CONFIG
        };
        let mut rtt = Rtt::new(&config);
        assert_eq!(rtt.rto(), Span::from_secs(3));
        rtt.back_off(&config);
        assert_eq!(rtt.rto(), Span::from_secs(5));
        rtt.sample(Span::from_millis(1), 1, &config);
        assert_eq!(rtt.rto(), Span::from_millis(2001));
    }
}

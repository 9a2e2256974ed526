//! Slow start, congestion avoidance and the response to loss (RFC 5681), in bytes.

use super::{Acked, Control, Idle, Share, Signal, Stand};

/// What Reno knows beside its window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reno {
    /// Bytes acknowledged in congestion avoidance since the window last grew (§3.1, RFC 3465).
    acked: u32,
}

impl Reno {
    pub(super) const NEW: Self = Self { acked: 0 };
}

impl Control for Reno {
    fn on_ack(&mut self, share: &mut Share, acked: &Acked) {
        if acked.recovering || !acked.limited {
            return;
        }
        let mss = u32::from(acked.mss);
        if share.window < share.threshold {
            // §3.1 (2), with RFC 3465's limit of two segments an ACK against the bursts of stretched ones.
            share.window = share.window.saturating_add(acked.bytes_of(2));
            return;
        }
        self.acked = self.acked.saturating_add(acked.bytes);
        if self.acked >= share.window {
            self.acked -= share.window;
            share.window = share.window.saturating_add(mss);
        }
    }

    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand) {
        match signal {
            // §3.2 (2), and RFC 3168 §6.1.2: as for a loss.
            Signal::Loss | Signal::LossAgain | Signal::Ecn => {
                share.threshold = half(stand);
                share.window = share.threshold;
            }
            // §3.1 (7): start over with one segment. The threshold is set at a segment's first timeout only.
            Signal::Timeout => {
                share.threshold = half(stand);
                share.window = u32::from(stand.mss);
            }
            Signal::TimeoutAgain => share.window = u32::from(stand.mss),
        }
        self.acked = 0;
    }

    fn on_recovered(&mut self, share: &mut Share, stand: &Stand) {
        share.window = stand.after_recovery(share.threshold);
        self.acked = 0;
    }

    fn on_idle(&mut self, share: &mut Share, idle: &Idle) {
        share.restart(idle);
    }

    fn undo(&mut self) {
        self.acked = 0;
    }
}

/// Equation 4 of RFC 5681.
fn half(stand: &Stand) -> u32 {
    (stand.flight / 2).max(2 * u32::from(stand.mss))
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: Share = Share { window: 10_000, threshold: u32::MAX };

    fn ten_segments(reno: &mut Reno, share: &mut Share) {
        for _ in 0..10 {
            reno.on_ack(share, &Acked { bytes: 1000, mss: 1000, ..Acked::NOTHING });
        }
    }

    #[test]
    fn rfc5681_3_1_slow_start_doubles_then_avoidance_adds_one_segment_a_round() {
        let (mut reno, mut share) = (Reno::NEW, START);
        ten_segments(&mut reno, &mut share);
        assert_eq!(share.window, 20_000);
        reno.on_congestion(&mut share, Signal::Loss, &Stand { flight: 20_000, ..Stand::NOWHERE });
        assert_eq!((share.threshold, share.window), (10_000, 10_000));
        reno.on_recovered(&mut share, &Stand { flight: 30_000, ..Stand::NOWHERE });
        assert_eq!(share.window, 10_000);
        ten_segments(&mut reno, &mut share);
        assert_eq!(share.window, 11_000);
    }

    #[test]
    fn rfc5681_3_1_a_timeout_starts_over_with_one_segment() {
        let (mut reno, mut share) = (Reno::NEW, START);
        reno.on_congestion(&mut share, Signal::Timeout, &Stand { flight: 10_000, ..Stand::NOWHERE });
        assert_eq!((share.window, share.threshold), (1000, 5000));
        reno.on_congestion(&mut share, Signal::TimeoutAgain, &Stand { flight: 1000, ..Stand::NOWHERE });
        assert_eq!(share.threshold, 5000);
    }
}

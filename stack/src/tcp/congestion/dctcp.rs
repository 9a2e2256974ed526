//! The response of DCTCP (RFC 8257) to marks: as large as the share of bytes that were marked.
//!
//! It is for networks whose switches mark by a low threshold, and for peers that feed every mark back. Growth and the
//! response to loss are Reno's (§3.4, §3.5). Left out: nothing of the sender's side; the receiver's is ECN's.

use super::reno::Reno;
use super::{Acked, Control, Idle, Share, Signal, Stand};
use crate::tcp::seq::Seq;

/// A fraction of one, in parts of 2^20: with them the estimate can fall below a thousandth (§3.3).
const ONE: u32 = 1 << 20;
/// The weight of a new round in the estimate: g = 1/16 (§4.2).
const G_BITS: u32 = 4;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Dctcp {
    reno: Reno,
    /// DCTCP.Alpha, the share of bytes that were marked, smoothed.
    alpha: u32,
    /// DCTCP.WindowEnd: the observation window ends when this number is acknowledged.
    window_end: Option<Seq>,
    acked: u32,
    marked: u32,
}

impl Dctcp {
    /// §3.3 (1): the first response is a conservative one.
    pub(super) const NEW: Self = Self { reno: Reno::NEW, alpha: ONE, window_end: None, acked: 0, marked: 0 };

    /// §3.3: one observation window after the other.
    fn observe(&mut self, acked: &Acked) {
        self.acked = self.acked.saturating_add(acked.bytes);
        self.marked = self.marked.saturating_add(acked.marked.min(acked.bytes));
        match self.window_end {
            // §3.3 (4).
            Some(end) if acked.una.before(end) => return,
            Some(_) if self.acked > 0 => {
                let share = (u64::from(self.marked) * u64::from(ONE) / u64::from(self.acked)) as u32;
                self.alpha = self.alpha - (self.alpha >> G_BITS) + (share >> G_BITS);
            }
            Some(_) | None => {}
        }
        (self.window_end, self.acked, self.marked) = (Some(acked.max), 0, 0);
    }
}

impl Control for Dctcp {
    fn on_ack(&mut self, share: &mut Share, acked: &Acked) {
        self.observe(acked);
        self.reno.on_ack(share, acked);
    }

    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand) {
        match signal {
            // §3.3 (9): cwnd * (1 - alpha / 2).
            Signal::Ecn => {
                let reduction = u64::from(share.window) * u64::from(self.alpha) / u64::from(2 * ONE);
                share.window = (share.window - reduction as u32).max(2 * u32::from(stand.mss));
                share.threshold = share.window;
            }
            Signal::Loss | Signal::LossAgain | Signal::Timeout | Signal::TimeoutAgain => {
                self.reno.on_congestion(share, signal, stand);
            }
        }
    }

    fn on_recovered(&mut self, share: &mut Share, stand: &Stand) {
        self.reno.on_recovered(share, stand);
    }

    fn on_idle(&mut self, share: &mut Share, idle: &Idle) {
        self.reno.on_idle(share, idle);
    }

    fn undo(&mut self) {
        self.reno.undo();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One observation window of ten segments, of which the first `marked` came marked.
    fn window(dctcp: &mut Dctcp, share: &mut Share, number: u32, marked: u32) {
        for ack in 1..=10 {
            let una = Seq(number * 10_000 + ack * 1000);
            let marked = if ack <= marked { 1000 } else { 0 };
            let max = una + 10_000;
            dctcp.on_ack(share, &Acked { bytes: 1000, marked, una, max, recovering: true, ..Acked::NOTHING });
        }
    }

    #[test]
    fn rfc8257_3_3_the_estimate_follows_the_share_of_marked_bytes() {
        let (mut dctcp, mut share) = (Dctcp::NEW, Share { window: 100_000, threshold: u32::MAX });
        // The first acknowledgment opens the first window, which the eleventh closes: the same one of the next ten.
        window(&mut dctcp, &mut share, 0, 0);
        assert_eq!(dctcp.alpha, ONE);
        window(&mut dctcp, &mut share, 1, 0);
        assert_eq!(dctcp.alpha, ONE / 16 * 15);
        for number in 2..100 {
            window(&mut dctcp, &mut share, number, 5);
        }
        assert!(dctcp.alpha.abs_diff(ONE / 2) < ONE / 500, "{}", dctcp.alpha);
        for number in 100..300 {
            window(&mut dctcp, &mut share, number, 0);
        }
        assert!(dctcp.alpha < ONE / 1000, "small fractions are kept: {}", dctcp.alpha);
    }

    #[test]
    fn rfc8257_3_3_the_window_shrinks_by_half_of_the_estimate() {
        let (mut dctcp, mut share) = (Dctcp::NEW, Share { window: 100_000, threshold: u32::MAX });
        let stand = Stand { flight: 100_000, ..Stand::NOWHERE };
        dctcp.on_congestion(&mut share, Signal::Ecn, &stand);
        assert_eq!(share.window, 50_000);
        dctcp.alpha = ONE / 4;
        dctcp.on_congestion(&mut share, Signal::Ecn, &stand);
        assert_eq!((share.window, share.threshold), (43_750, 43_750));
    }

    #[test]
    fn rfc8257_3_5_loss_halves_as_ever() {
        let (mut dctcp, mut share) = (Dctcp::NEW, Share { window: 100_000, threshold: u32::MAX });
        dctcp.alpha = 0;
        dctcp.on_congestion(&mut share, Signal::Loss, &Stand { flight: 80_000, ..Stand::NOWHERE });
        assert_eq!(share.window, 40_000);
    }
}

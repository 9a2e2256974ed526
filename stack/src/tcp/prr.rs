//! Proportional Rate Reduction (RFC 9937): how much each acknowledgment lets out while lost data is sent again.
//!
//! Invariant: over a recovery what is sent follows what is delivered, in the proportion of the window afterwards to the
//! flight before, and what is in flight approaches the threshold from whichever side it is on.

/// A recovery under way.
#[derive(Clone, Copy, Debug)]
pub(super) struct Prr {
    threshold: u32,
    /// RecoverFS.
    flight: u32,
    delivered: u32,
    out: u32,
    /// sndcnt, less what was sent since.
    allowance: u32,
}

/// What an acknowledgment says.
#[derive(Clone, Copy, Debug)]
pub(super) struct Progress {
    /// DeliveredData.
    pub(super) delivered: u32,
    /// In the network afterwards.
    pub(super) in_flight: u32,
    /// SafeACK: SND.UNA has moved, and no more loss shows.
    pub(super) safe: bool,
    pub(super) mss: u32,
}

impl Prr {
    /// `flight` is what was outstanding when the recovery began, without what the peer held by then.
    pub(super) fn new(threshold: u32, flight: u32) -> Self {
        Self { threshold, flight: flight.max(1), delivered: 0, out: 0, allowance: 0 }
    }

    /// Question: how much may be sent now.
    pub(super) const fn allowance(&self) -> u32 {
        self.allowance
    }

    /// Recovery begins without an acknowledgment: the fast retransmit goes.
    pub(super) fn begin(&mut self, mss: u32) {
        if self.out == 0 {
            self.allowance = self.allowance.max(mss);
        }
    }

    /// An acknowledgment has come (§6).
    pub(super) fn on_ack(&mut self, progress: Progress) {
        let Progress { delivered, in_flight, safe, mss } = progress;
        if delivered == 0 {
            return;
        }
        self.delivered = self.delivered.saturating_add(delivered);
        let mut count = if in_flight > self.threshold {
            let due = u64::from(self.delivered) * u64::from(self.threshold);
            let out = due.div_ceil(u64::from(self.flight)).min(u64::from(u32::MAX)) as u32;
            out.saturating_sub(self.out)
        } else {
            // PRR-CRB, or PRR-SSRB where recovery goes well: a segment more.
            let kept = self.delivered.saturating_sub(self.out).max(delivered);
            let grown = if safe { kept.saturating_add(mss) } else { kept };
            grown.min(self.threshold - in_flight)
        };
        if self.out == 0 {
            // The fast retransmit itself never waits.
            count = count.max(mss);
        }
        self.allowance = count;
    }

    /// `bytes` were sent, new or again.
    pub(super) fn on_sent(&mut self, bytes: u32) {
        self.out = self.out.saturating_add(bytes);
        self.allowance = self.allowance.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ack(delivered: u32, in_flight: u32, safe: bool) -> Progress {
        Progress { delivered, in_flight, safe, mss: 1000 }
    }

    #[test]
    fn rfc9937_6_above_the_threshold_what_leaves_is_in_proportion() {
        let mut prr = Prr::new(7_000, 10_000);
        prr.on_ack(ack(1000, 8_000, false));
        // 700 would do; the retransmission that recovery begins with goes at once.
        assert_eq!(prr.allowance(), 1000);
        prr.on_sent(1000);
        prr.on_ack(ack(1000, 8_000, false));
        assert_eq!(prr.allowance(), 400);
        prr.on_ack(ack(1000, 7_500, false));
        assert_eq!(prr.allowance(), 1100);
    }

    #[test]
    fn rfc9937_6_below_it_packets_are_conserved_until_recovery_goes_well() {
        let mut prr = Prr::new(7_000, 10_000);
        prr.on_ack(ack(1000, 2_000, false));
        prr.on_sent(1000);
        prr.on_ack(ack(1000, 2_000, false));
        assert_eq!(prr.allowance(), 1000);
        prr.on_sent(1000);
        prr.on_ack(ack(1000, 2_000, true));
        assert_eq!(prr.allowance(), 2000);
        // Not beyond the threshold.
        prr.on_ack(ack(5000, 6_500, true));
        assert_eq!(prr.allowance(), 500);
    }

    #[test]
    fn rfc9937_6_what_delivers_nothing_changes_nothing() {
        let mut prr = Prr::new(7_000, 10_000);
        prr.on_ack(ack(1000, 8_000, false));
        prr.on_sent(1000);
        prr.on_ack(ack(0, 1_000, true));
        assert_eq!(prr.allowance(), 0);
    }
}

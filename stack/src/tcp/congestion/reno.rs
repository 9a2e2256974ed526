//! Slow start, congestion avoidance and the response to loss (RFC 5681), in bytes.

/// The congestion window and what moves it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Reno {
    window: u32,
    threshold: u32,
    /// Bytes acknowledged in congestion avoidance since the window last grew (§3.1, RFC 3465).
    acked: u32,
}

impl Reno {
    /// The initial window of RFC 6928 §2: ten segments, within 14,600 bytes or two segments.
    pub(crate) fn new(mss: u16) -> Self {
        let mss = u32::from(mss);
        Self { window: (10 * mss).min((2 * mss).max(14_600)), threshold: u32::MAX, acked: 0 }
    }

    pub(crate) const fn window(&self) -> u32 {
        self.window
    }

    pub(crate) const fn threshold(&self) -> u32 {
        self.threshold
    }

    /// `bytes` were acknowledged, while the window was in use.
    pub(crate) fn on_ack(&mut self, bytes: u32, mss: u16) {
        let mss = u32::from(mss);
        if self.window < self.threshold {
            // §3.1 (2), with RFC 3465's limit of two segments an ACK against stretched ones.
            self.window = self.window.saturating_add(bytes.min(2 * mss));
            return;
        }
        self.acked = self.acked.saturating_add(bytes);
        if self.acked >= self.window {
            self.acked -= self.window;
            self.window = self.window.saturating_add(mss);
        }
    }

    /// Fast retransmit: half of what was in flight, and the three segments that left the network (§3.2 (2), (3)).
    pub(crate) fn on_loss(&mut self, flight: u32, mss: u16) {
        self.halve(flight, mss);
        self.window = self.threshold + 3 * u32::from(mss);
    }

    /// The timer expired: start over with one segment (§3.1 (7)).
    pub(crate) fn on_timeout(&mut self, flight: u32, mss: u16, first: bool) {
        // RFC 5681 §3.1: the threshold is set at a segment's first timeout only.
        if first {
            self.halve(flight, mss);
        }
        self.window = u32::from(mss);
        self.acked = 0;
    }

    /// One more duplicate: one more segment has left the network (§3.2 (4)).
    pub(crate) fn inflate(&mut self, mss: u16) {
        self.window = self.window.saturating_add(u32::from(mss));
    }

    /// A partial acknowledgment during recovery (RFC 6582 §3.2 (3)).
    pub(crate) fn deflate(&mut self, acked: u32, mss: u16) {
        let mss = u32::from(mss);
        self.window = self.window.saturating_sub(acked);
        if acked >= mss {
            self.window += mss;
        }
        self.window = self.window.max(mss);
    }

    /// Recovery is over (RFC 6582 §3.2 (3), full acknowledgment, option 1: no burst).
    pub(crate) fn on_recovered(&mut self, flight: u32, mss: u16) {
        let mss = u32::from(mss);
        self.window = self.threshold.min(flight.max(mss) + mss);
        self.acked = 0;
    }

    fn halve(&mut self, flight: u32, mss: u16) {
        // Equation 4 of RFC 5681.
        self.threshold = (flight / 2).max(2 * u32::from(mss));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6928_the_initial_window_is_ten_segments() {
        assert_eq!(Reno::new(1460).window(), 14_600);
        assert_eq!(Reno::new(8960).window(), 17_920);
        assert_eq!(Reno::new(536).window(), 5_360);
    }

    #[test]
    fn rfc5681_3_1_slow_start_doubles_then_avoidance_adds_one_segment_a_round() {
        let mut reno = Reno::new(1000);
        for _ in 0..10 {
            reno.on_ack(1000, 1000);
        }
        assert_eq!(reno.window(), 20_000);
        reno.on_loss(20_000, 1000);
        assert_eq!((reno.threshold(), reno.window()), (10_000, 13_000));
        reno.on_recovered(30_000, 1000);
        assert_eq!(reno.window(), 10_000);
        for _ in 0..10 {
            reno.on_ack(1000, 1000);
        }
        assert_eq!(reno.window(), 11_000);
    }

    #[test]
    fn rfc5681_3_1_a_timeout_starts_over_with_one_segment() {
        let mut reno = Reno::new(1000);
        reno.on_timeout(10_000, 1000, true);
        assert_eq!((reno.window(), reno.threshold()), (1000, 5000));
        reno.on_timeout(1000, 1000, false);
        assert_eq!(reno.threshold(), 5000);
    }
}

//! The phases: how BBR looks for bandwidth, and for the round trip without a queue.
//!
//! Invariant: what was sent faster than the path carried is known by its round, so a loss among it lowers the upper
//! bound once, and no sample of it counts for the phase behind it.

use super::super::{Acked, Share};
use super::model::UNBOUND;
use super::{Bbr, Edge, NEVER, PROBE_RTT_LASTS, PROBE_RTT_WINDOW, Phase};

impl Bbr {
    pub(super) const fn is_probing_bandwidth(&self) -> bool {
        matches!(self.phase, Phase::Startup | Phase::Refill | Phase::Up)
    }

    /// What was sent in Startup or in Up still comes in: its losses are the probe's, not those of the pace that follows it.
    pub(super) fn is_ending_probe(&self) -> bool {
        self.phase == Phase::Drain || (self.phase == Phase::Down && self.probe_edge == Edge::Ends)
    }

    pub(super) const fn is_in_cycle(&self) -> bool {
        matches!(self.phase, Phase::Down | Phase::Cruise | Phase::Refill | Phase::Up)
    }

    pub(super) fn leave_startup(&mut self, acked: &Acked) {
        if self.phase == Phase::Startup && self.model.full {
            self.phase = Phase::Drain;
        }
        if self.phase == Phase::Drain && acked.flight <= self.model.inflight(100, acked.mss) {
            self.start_down(acked);
        }
    }

    fn start_down(&mut self, acked: &Acked) {
        self.model.forget_round();
        self.up_per_segment = u32::MAX;
        // The phases of flows that share a path are to differ: 2 to 3 s, and none or one round.
        self.seed = self.seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.rounds_since_probe = (self.seed >> 31) as u8;
        self.probe_wait = 2_000_000 + (u64::from(self.seed >> 8) * 1_000_000 / (1 << 24)) as u32;
        self.probe_edge = Edge::Ends;
        self.enter(Phase::Down, acked);
    }

    fn start_refill(&mut self, acked: &Acked) {
        self.model.unbind_lower();
        (self.up_rounds, self.up_acked) = (0, 0);
        self.probe_edge = Edge::None;
        self.enter(Phase::Refill, acked);
    }

    fn start_up(&mut self, share: &Share, acked: &Acked) {
        self.probe_edge = Edge::Begins;
        self.probe_samples = true;
        self.model.forget_growth();
        self.enter(Phase::Up, acked);
        self.steepen(share, acked);
    }

    fn enter(&mut self, phase: Phase, acked: &Acked) {
        self.phase = phase;
        self.phase_at = acked.now;
        self.model.start_round(acked);
    }

    /// One step of the cycle that probes for bandwidth.
    pub(super) fn cycle(&mut self, share: &Share, acked: &Acked) {
        self.adapt_upper_bound(share, acked);
        match self.phase {
            Phase::Down | Phase::Cruise if self.is_time_to_probe(share, acked) => self.start_refill(acked),
            Phase::Down if acked.flight <= self.model.headroom(acked.mss).min(self.model.inflight(100, acked.mss)) => {
                self.phase = Phase::Cruise;
            }
            Phase::Refill if self.model.round_start => self.start_up(share, acked),
            Phase::Up => {
                if self.has_probed(share, acked) {
                    self.start_down(acked);
                }
            }
            Phase::Startup | Phase::Drain | Phase::Down | Phase::Cruise | Phase::Refill | Phase::ProbeRtt => {}
        }
    }

    /// After two to three seconds, or as many rounds as Reno would take to grow by what is lost of its window.
    fn is_time_to_probe(&self, share: &Share, acked: &Acked) -> bool {
        let waited = acked.now.since(self.phase_at).micros() > u64::from(self.probe_wait);
        let segments = self.target(share, acked.mss) / u32::from(acked.mss).max(1);
        waited || u32::from(self.rounds_since_probe) >= segments.clamp(1, 63)
    }

    /// Whether the pipe is seen to be full: the rate has stopped to grow with the queue there, or the bound was reached.
    fn has_probed(&mut self, share: &Share, acked: &Acked) -> bool {
        if acked.limited && share.window >= self.model.inflight_hi {
            // The bound limits, not the path: that the rate does not grow proves nothing.
            self.model.forget_growth();
            return false;
        }
        self.model.full_now
    }

    /// How much is to be in flight: the bandwidth-delay product, or what the window leaves of it.
    fn target(&self, share: &Share, mss: u16) -> u32 {
        self.model.inflight(100, mss).min(share.window)
    }

    fn adapt_upper_bound(&mut self, share: &Share, acked: &Acked) {
        let Some(sample) = acked.rate else { return };
        if self.model.round_start {
            match self.probe_edge {
                Edge::Begins => self.probe_edge = Edge::None,
                // The cycle's samples are all in: the oldest cycle's are forgotten.
                Edge::Ends => {
                    (self.probe_edge, self.probe_samples) = (Edge::None, false);
                    self.model.forget_losses();
                    if self.is_in_cycle() && !sample.limited_by_application {
                        self.model.advance_filter();
                    }
                }
                Edge::None => {}
            }
        }
        if self.model.is_lossy(&sample, acked.mss) {
            if self.probe_samples {
                self.probe_samples = false;
                if !sample.limited_by_application {
                    // What is found late was lost of a flight before, when more was in flight than since.
                    let borne = self.model.flight.max(sample.in_flight);
                    self.model.inflight_hi = borne.max(self.target(share, acked.mss) / 10 * 7);
                }
                if self.phase == Phase::Up {
                    self.start_down(acked);
                }
            }
            return;
        }
        if self.model.inflight_hi == UNBOUND {
            return;
        }
        self.model.inflight_hi = self.model.inflight_hi.max(sample.in_flight);
        if self.phase == Phase::Up {
            self.raise_upper_bound(share, acked);
        }
    }

    fn raise_upper_bound(&mut self, share: &Share, acked: &Acked) {
        if !acked.limited || share.window < self.model.inflight_hi {
            return;
        }
        let mss = u32::from(acked.mss);
        self.up_acked = self.up_acked.saturating_add(acked.bytes);
        if self.up_acked >= self.up_per_segment {
            let segments = self.up_acked / self.up_per_segment;
            self.up_acked -= segments * self.up_per_segment;
            self.model.inflight_hi = self.model.inflight_hi.saturating_add(segments.saturating_mul(mss));
        }
        if self.model.round_start {
            self.steepen(share, acked);
        }
    }

    /// One segment in the first round, two in the second, four in the third.
    fn steepen(&mut self, share: &Share, acked: &Acked) {
        let growth = 1 << self.up_rounds.min(30);
        self.up_rounds = (self.up_rounds + 1).min(30);
        self.up_per_segment = (share.window / growth).max(u32::from(acked.mss));
    }

    /// Every five seconds without a shorter round trip, the queue is let go so that the path itself shows.
    pub(super) fn probe_round_trip(&mut self, share: &mut Share, acked: &Acked) {
        let is_stale = self.model.on_round_trip(acked);
        if is_stale && self.phase != Phase::ProbeRtt && !self.idle_restart {
            self.prior_window = share.window;
            self.probe_rtt_ends = NEVER;
            self.probe_edge = Edge::Ends;
            self.enter(Phase::ProbeRtt, acked);
        }
        if acked.bytes > 0 {
            self.idle_restart = false;
        }
        if self.phase != Phase::ProbeRtt {
            return;
        }
        if self.probe_rtt_ends == NEVER {
            if acked.flight <= self.probe_rtt_window(acked.mss) {
                self.probe_rtt_ends = acked.now + PROBE_RTT_LASTS;
                self.probe_rtt_round = false;
                self.model.start_round(acked);
            }
            return;
        }
        self.probe_rtt_round |= self.model.round_start;
        if self.probe_rtt_round && acked.now >= self.probe_rtt_ends {
            self.model.round_trip_at = acked.now;
            share.window = share.window.max(self.prior_window);
            self.model.unbind_lower();
            if self.model.full {
                self.start_down(acked);
                self.phase = Phase::Cruise;
            } else {
                self.enter(Phase::Startup, acked);
            }
        }
    }

    pub(super) fn probe_rtt_window(&self, mss: u16) -> u32 {
        self.model.inflight(PROBE_RTT_WINDOW, mss)
    }
}

#[cfg(test)]
mod tests;

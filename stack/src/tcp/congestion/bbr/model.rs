//! What is known of the path: how much it carries, how long it takes, and how much in flight it bore.
//!
//! Invariant: bandwidth is the most that was delivered in the last two cycles of probing, no more than what losses have
//! shown since; the round-trip time is the least of ten seconds.

use super::super::{Acked, RateSample};
use super::{MIN_SEGMENTS, PROBE_RTT_INTERVAL};
use crate::time::{Instant, Span};

/// No bound is known.
pub(super) const UNBOUND: u32 = u32::MAX;
const NO_BANDWIDTH: u64 = u64::MAX;
/// How long a round-trip time counts.
const MIN_RTT_LASTS: Span = Span::from_secs(10);
/// More losses than this many in a hundred bytes, and this many segments, are too many to be chance.
const LOSS_PERCENT: u64 = 5;
const LOST_SEGMENTS: u64 = 3;
/// What stays free for others.
const HEADROOM_PERCENT: u32 = 15;

/// See the module. Bandwidth is bytes a second, the rest bytes and microseconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Model {
    /// The most of this cycle of probing and of the one before.
    max_bandwidth: [u64; 2],
    latest_bandwidth: u64,
    low_bandwidth: u64,
    /// What the bandwidth has to outgrow for the pipe not to be full, and for how many rounds it did not.
    full_bandwidth: u64,
    full_rounds: u8,
    /// [`Acked::delivered`] at which rounds end: of the model, and of the look at losses.
    round_end: u64,
    loss_round_end: u64,
    round_trip: u32,
    least_round_trip: u32,
    /// When the two were measured.
    least_round_trip_at: Instant,
    pub(super) round_trip_at: Instant,
    latest_inflight: u32,
    /// The most that was in flight in this round, or three quarters of that in the one before.
    pub(super) flight: u32,
    pub(super) inflight_lo: u32,
    pub(super) inflight_hi: u32,
    pub(super) round_start: bool,
    loss_round_start: bool,
    loss_in_round: bool,
    /// Of some round trip that ended in the round more was lost than is taken for chance.
    lossy_round: bool,
    /// The peer saw marks.
    pub(super) marked: bool,
    /// The pipe is full; it was at the end of startup.
    pub(super) full_now: bool,
    pub(super) full: bool,
}

impl Model {
    pub(super) const NEW: Self = Self {
        max_bandwidth: [0; 2],
        latest_bandwidth: 0,
        low_bandwidth: NO_BANDWIDTH,
        full_bandwidth: 0,
        full_rounds: 0,
        round_end: 0,
        loss_round_end: 0,
        round_trip: u32::MAX,
        least_round_trip: u32::MAX,
        least_round_trip_at: Instant::from_micros(0),
        round_trip_at: Instant::from_micros(0),
        latest_inflight: 0,
        flight: 0,
        inflight_lo: UNBOUND,
        inflight_hi: UNBOUND,
        round_start: false,
        loss_round_start: false,
        loss_in_round: false,
        lossy_round: false,
        marked: false,
        full_now: false,
        full: false,
    };

    /// Question: what the path carries.
    pub(super) fn bandwidth(&self) -> u64 {
        self.max_bandwidth().min(self.low_bandwidth)
    }

    fn max_bandwidth(&self) -> u64 {
        self.max_bandwidth[0].max(self.max_bandwidth[1])
    }

    /// Question: `gain` hundredths of the bandwidth-delay product, and four segments at least.
    pub(super) fn inflight(&self, gain: u64, mss: u16) -> u32 {
        if self.least_round_trip == u32::MAX || self.bandwidth() == 0 {
            return super::initial_window(mss);
        }
        let product = u128::from(self.bandwidth()) * u128::from(self.least_round_trip) / 1_000_000;
        let bytes = product.saturating_mul(u128::from(gain)) / 100;
        (bytes.min(u128::from(u32::MAX)) as u32).max(MIN_SEGMENTS * u32::from(mss))
    }

    /// Question: the upper bound, less what is left to others.
    pub(super) fn headroom(&self, mss: u16) -> u32 {
        if self.inflight_hi == UNBOUND {
            return UNBOUND;
        }
        let free = (self.inflight_hi / 100 * HEADROOM_PERCENT).max(u32::from(mss));
        self.inflight_hi.saturating_sub(free).max(MIN_SEGMENTS * u32::from(mss))
    }

    /// An acknowledgment, before anybody decides by it.
    pub(super) fn on_ack(&mut self, acked: &Acked, is_probing: bool, window: u32) {
        (self.round_start, self.loss_round_start) = (false, false);
        self.loss_in_round |= acked.lost > 0;
        let Some(sample) = acked.rate else { return };
        self.flight = self.flight.max(sample.in_flight);
        self.lossy_round |= self.is_lossy(&sample, acked.mss);
        if sample.prior_delivered >= self.round_end {
            self.start_round(acked);
            self.round_start = true;
        }
        let bandwidth = sample.bandwidth();
        if bandwidth >= self.max_bandwidth() || !sample.limited_by_application {
            self.max_bandwidth[1] = self.max_bandwidth[1].max(bandwidth);
        }
        self.latest_bandwidth = self.latest_bandwidth.max(bandwidth);
        self.latest_inflight = self.latest_inflight.max(sample.delivered);
        if sample.prior_delivered >= self.loss_round_end {
            self.loss_round_end = acked.delivered;
            self.loss_round_start = true;
            let is_congested = self.marked || (self.loss_in_round && self.lossy_round);
            if is_congested && !is_probing {
                self.bind_lower(window);
            }
        }
        self.watch_growth(&sample, bandwidth);
    }

    /// The pipe is full when the rate has not grown by a quarter for three rounds.
    fn watch_growth(&mut self, sample: &RateSample, bandwidth: u64) {
        if self.full_now || !self.round_start || sample.limited_by_application {
            return;
        }
        if bandwidth >= self.full_bandwidth.saturating_add(self.full_bandwidth / 4) {
            self.forget_growth();
            self.full_bandwidth = bandwidth;
            return;
        }
        self.full_rounds += 1;
        self.full_now = self.full_rounds >= 3;
        self.full |= self.full_now;
    }

    pub(super) fn forget_growth(&mut self) {
        (self.full_bandwidth, self.full_rounds, self.full_now) = (0, 0, false);
    }

    /// Startup ends too when a round has lost too much, in more than a few segments.
    pub(super) fn watch_startup_losses(&mut self, acked: &Acked) {
        let Some(sample) = acked.rate.filter(|_| self.loss_round_start && self.loss_in_round) else { return };
        if self.is_lossy(&sample, acked.mss) && sample.lost >= 6 * u32::from(acked.mss) {
            (self.full, self.full_now) = (true, true);
            self.inflight_hi = self.inflight(100, acked.mss).max(self.latest_inflight);
        }
    }

    /// A round with too many losses, or marks: three tenths less, but not less than what came through.
    fn bind_lower(&mut self, window: u32) {
        let bandwidth = if self.low_bandwidth == NO_BANDWIDTH { self.max_bandwidth() } else { self.low_bandwidth };
        let inflight = if self.inflight_lo == UNBOUND { window } else { self.inflight_lo };
        self.low_bandwidth = self.latest_bandwidth.max(bandwidth / 10 * 7);
        self.inflight_lo = self.latest_inflight.max(inflight / 10 * 7);
    }

    pub(super) fn unbind_lower(&mut self) {
        (self.low_bandwidth, self.inflight_lo) = (NO_BANDWIDTH, UNBOUND);
    }

    /// The latest signals no longer count: those of a probe are no sign for what comes after it.
    pub(super) fn forget_round(&mut self) {
        (self.loss_in_round, self.lossy_round, self.marked) = (false, false, false);
        (self.latest_bandwidth, self.latest_inflight) = (0, 0);
    }

    /// What was lost of a probe says nothing of the pace behind it.
    pub(super) fn forget_losses(&mut self) {
        (self.loss_in_round, self.lossy_round) = (false, false);
    }

    /// A cycle of probing is over: what the one before the last one saw is forgotten.
    pub(super) fn advance_filter(&mut self) {
        if self.max_bandwidth[1] > 0 {
            self.max_bandwidth = [self.max_bandwidth[1], 0];
        }
    }

    pub(super) fn start_round(&mut self, acked: &Acked) {
        self.round_end = acked.delivered;
        self.flight -= self.flight / 4;
    }

    /// Question: whether more was lost since the sample was sent than a path that is not overfull loses. What is given time
    /// to arrive late is found lost some rounds later: it was part of a flight before.
    pub(super) fn is_lossy(&self, sample: &RateSample, mss: u16) -> bool {
        let flight = self.flight.max(sample.in_flight);
        let chance = u64::from(flight) * LOSS_PERCENT + LOST_SEGMENTS * u64::from(mss) * 100;
        u64::from(sample.lost) * 100 > chance
    }

    /// After everything was decided.
    pub(super) fn end_ack(&mut self, acked: &Acked) {
        let Some(sample) = acked.rate.filter(|_| self.loss_round_start) else { return };
        (self.loss_in_round, self.lossy_round, self.marked) = (false, false, false);
        self.latest_bandwidth = sample.bandwidth();
        self.latest_inflight = sample.delivered;
    }

    /// Takes a round-trip time, and says whether the least of five seconds is too old.
    pub(super) fn on_round_trip(&mut self, acked: &Acked) -> bool {
        let is_stale = acked.now.since(self.round_trip_at) > PROBE_RTT_INTERVAL && self.round_trip != u32::MAX;
        if let Some(rtt) = acked.rtt {
            let rtt = rtt.micros().clamp(1, u64::from(u32::MAX - 1)) as u32;
            if rtt < self.round_trip || is_stale {
                (self.round_trip, self.round_trip_at) = (rtt, acked.now);
            }
            let is_old = acked.now.since(self.least_round_trip_at) > MIN_RTT_LASTS;
            if self.round_trip < self.least_round_trip || is_old {
                (self.least_round_trip, self.least_round_trip_at) = (self.round_trip, self.round_trip_at);
            }
        }
        is_stale
    }
}

impl RateSample {
    /// Bytes a second.
    fn bandwidth(&self) -> u64 {
        u64::from(self.delivered) * 1_000_000 / self.interval.micros().max(1)
    }
}

#[cfg(test)]
mod tests;

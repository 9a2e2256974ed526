//! BBR: control by a model of the path, its bandwidth and its round-trip time, instead of by losses
//! (draft-ietf-ccwg-bbr).
//!
//! Invariant: once it is known, the pacing rate is never zero, and the window never below four segments but after a
//! timeout. `model` is what is known of the path, this file what is done with it: a state machine that sends faster at
//! times, to see whether there is more, and slower at others, to see the path without its queue.
//!
//! ```text
//! Startup ── the rate no longer grows, or losses are many ──► Drain ── the queue is gone ──► Down
//! Down ── below the headroom ──► Cruise ── 2 to 3 s, or as often as Reno ──► Refill ── a round ──► Up ── it fills ──► Down
//! any ── no shorter round trip for 5 s ──► ProbeRtt ── 200 ms and a round ──► Cruise, or Startup
//! ```
//!
//! Unlike there, rounds with losses below the threshold leave the lower bounds alone: a path that loses one in a hundred by
//! chance would be left, a bit more each round, until the next probe.
//!
//! Left out: the extra window for acknowledgments that come in lumps (twice the bandwidth-delay product holds a round of
//! them), and packet conservation in the first round of a recovery, where pacing at a bound rate does as much.

mod model;

use self::model::{Model, UNBOUND};
use super::{Acked, Control, Idle, Share, Signal, Stand, initial_window};
use crate::time::{Instant, Span};

/// Gains in parts of 100.
const STARTUP_PACING: u64 = 277;
const DRAIN_PACING: u64 = 35;
const DOWN_PACING: u64 = 90;
const UP_PACING: u64 = 125;
const WINDOW: u64 = 200;
const UP_WINDOW: u64 = 225;
/// Below the bandwidth by a hundredth, so that a queue that formed goes away.
const MARGIN: u64 = 99;
/// The window in ProbeRtt, of the bandwidth-delay product.
const PROBE_RTT_WINDOW: u64 = 50;

const PROBE_RTT_INTERVAL: Span = Span::from_secs(5);
const PROBE_RTT_LASTS: Span = Span::from_millis(200);
const MIN_SEGMENTS: u32 = 4;
const NEVER: Instant = Instant::from_micros(u64::MAX);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Startup,
    Drain,
    /// Slower than the path, until the queue is gone.
    Down,
    /// As fast as the path, with headroom for others.
    Cruise,
    /// As fast as the path, without headroom: the pipe is filled for a round before more is tried.
    Refill,
    /// Faster than the path.
    Up,
    ProbeRtt,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bbr {
    model: Model,
    /// Bytes a second; none yet.
    rate: u64,
    /// The window before ProbeRtt or a recovery.
    prior_window: u32,
    phase: Phase,
    /// When the phase of the cycle began.
    phase_at: Instant,
    /// When the window may grow again in ProbeRtt; see [`NEVER`].
    probe_rtt_ends: Instant,
    probe_rtt_round: bool,
    /// How long Down and Cruise last, in microseconds.
    probe_wait: u32,
    rounds_since_probe: u8,
    /// Rounds of Up: the bound grows twice as fast in each.
    up_rounds: u8,
    /// Bytes acknowledged since the bound last grew, and for how many it grows by a segment.
    up_acked: u32,
    up_per_segment: u32,
    /// Samples of what Refill and Up sent still come in.
    probe_samples: bool,
    /// They began, or are about to end, with the next round.
    probe_edge: Edge,
    /// Sending began again after a pause.
    idle_restart: bool,
    /// The state of the generator that spreads phases.
    seed: u32,
}

/// What a round's start means for samples of a probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Edge {
    None,
    /// Samples of faster sending begin.
    Begins,
    /// The last ones came.
    Ends,
}

impl Bbr {
    pub(super) const fn new(seed: u32) -> Self {
        Self {
            model: Model::NEW,
            rate: 0,
            prior_window: 0,
            phase: Phase::Startup,
            phase_at: Instant::from_micros(0),
            probe_rtt_ends: NEVER,
            probe_rtt_round: false,
            probe_wait: 0,
            rounds_since_probe: 0,
            up_rounds: 0,
            up_acked: 0,
            up_per_segment: u32::MAX,
            probe_samples: false,
            probe_edge: Edge::None,
            idle_restart: false,
            seed,
        }
    }

    /// Question: bytes a second, once the path is known.
    pub(super) const fn pacing_rate(&self) -> Option<u64> {
        if self.rate == 0 { None } else { Some(self.rate) }
    }

    const fn is_probing_bandwidth(&self) -> bool {
        matches!(self.phase, Phase::Startup | Phase::Refill | Phase::Up)
    }

    const fn is_in_cycle(&self) -> bool {
        matches!(self.phase, Phase::Down | Phase::Cruise | Phase::Refill | Phase::Up)
    }

    /// How fast the phase sends, and how much it lets be in flight, of the model's.
    const fn gains(&self) -> (u64, u64) {
        match self.phase {
            Phase::Startup => (STARTUP_PACING, WINDOW),
            Phase::Drain => (DRAIN_PACING, WINDOW),
            Phase::Down => (DOWN_PACING, WINDOW),
            Phase::Cruise | Phase::Refill => (100, WINDOW),
            Phase::Up => (UP_PACING, UP_WINDOW),
            Phase::ProbeRtt => (100, PROBE_RTT_WINDOW),
        }
    }

    fn leave_startup(&mut self, acked: &Acked) {
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
    fn cycle(&mut self, share: &Share, acked: &Acked) {
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
                    if self.is_in_cycle() && !sample.limited_by_application {
                        self.model.advance_filter();
                    }
                }
                Edge::None => {}
            }
        }
        if sample.is_lossy() {
            if self.probe_samples {
                self.probe_samples = false;
                if !sample.limited_by_application {
                    self.model.inflight_hi = sample.in_flight.max(self.target(share, acked.mss) / 10 * 7);
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
    fn probe_round_trip(&mut self, share: &mut Share, acked: &Acked) {
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

    fn probe_rtt_window(&self, mss: u16) -> u32 {
        self.model.inflight(PROBE_RTT_WINDOW, mss)
    }

    fn set_rate(&mut self, share: &Share, acked: &Acked) {
        let (gain, _) = self.gains();
        let bandwidth = self.model.bandwidth();
        if bandwidth == 0 {
            // Before the first sample: the initial window a round trip.
            let round_trip = acked.smoothed.map_or(1_000, |span| span.micros().max(1));
            self.rate = (u64::from(share.window) * 1_000_000 / round_trip * STARTUP_PACING / 100).max(1);
            return;
        }
        let rate = (u128::from(bandwidth) * u128::from(gain * MARGIN) / 10_000).min(u128::from(u64::MAX)) as u64;
        // What is known of a path at first is less than it has.
        if self.model.full || rate > self.rate {
            self.rate = rate.max(1);
        }
    }

    fn set_window(&mut self, share: &mut Share, acked: &Acked) {
        let (_, gain) = self.gains();
        let most = self.most_in_flight(gain, acked.mss);
        let grown = share.window.saturating_add(acked.bytes);
        if self.model.full {
            share.window = grown.min(most);
        } else if share.window < most || acked.delivered < u64::from(initial_window(acked.mss)) {
            share.window = grown;
        }
        let least = MIN_SEGMENTS * u32::from(acked.mss);
        let bound = match self.phase {
            Phase::ProbeRtt => self.probe_rtt_window(acked.mss).min(self.model.headroom(acked.mss)),
            Phase::Cruise => self.model.headroom(acked.mss),
            Phase::Down | Phase::Refill | Phase::Up => self.model.inflight_hi,
            Phase::Startup | Phase::Drain => UNBOUND,
        };
        share.window = share.window.min(bound.min(self.model.inflight_lo).max(least)).max(least);
    }

    /// The gain's part of the bandwidth-delay product, and what sending in bursts takes on top.
    fn most_in_flight(&self, gain: u64, mss: u16) -> u32 {
        let burst = 3 * self.burst(mss);
        let up = if self.phase == Phase::Up { 2 * u32::from(mss) } else { 0 };
        self.model.inflight(gain, mss).saturating_add(burst).saturating_add(up)
    }

    /// A millisecond of the rate, within two segments and 64 KiB.
    fn burst(&self, mss: u16) -> u32 {
        (self.rate / 1_000).min(1 << 16).max(2 * u64::from(mss)) as u32
    }
}

impl Control for Bbr {
    fn on_ack(&mut self, share: &mut Share, acked: &Acked) {
        self.model.on_ack(acked, self.is_probing_bandwidth(), share.window);
        if self.model.round_start {
            self.rounds_since_probe = self.rounds_since_probe.saturating_add(1);
        }
        if self.phase == Phase::Startup {
            self.model.watch_startup_losses(acked);
        }
        self.leave_startup(acked);
        if self.model.full {
            self.cycle(share, acked);
        }
        self.probe_round_trip(share, acked);
        self.model.end_ack(acked);
        self.set_rate(share, acked);
        self.set_window(share, acked);
    }

    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand) {
        match signal {
            // The model hears of losses with each acknowledgment.
            Signal::Loss => self.save(share),
            Signal::Ecn => self.model.marked = true,
            Signal::Timeout | Signal::TimeoutAgain => {
                self.save(share);
                share.window = u32::from(stand.mss);
            }
        }
    }

    fn on_recovered(&mut self, share: &mut Share, _stand: &Stand) {
        share.window = share.window.max(self.prior_window);
    }

    fn on_idle(&mut self, _share: &mut Share, _idle: &Idle) {
        self.idle_restart = true;
        if self.is_in_cycle() {
            // At the path's rate: nothing is known of what the others do now.
            self.rate = (self.model.bandwidth() / 100 * MARGIN).max(1);
        }
    }

    fn undo(&mut self) {
        self.model.unbind_lower();
    }
}

impl Bbr {
    fn save(&mut self, share: &Share) {
        if self.phase != Phase::ProbeRtt {
            self.prior_window = share.window;
        }
    }
}

#[cfg(test)]
mod tests;

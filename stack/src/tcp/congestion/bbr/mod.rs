//! BBR: control by a model of the path, its bandwidth and its round-trip time, instead of by losses
//! (draft-ietf-ccwg-bbr).
//!
//! Invariant: once it is known, the pacing rate is never zero, and the window never below four segments but after a
//! timeout. `model` is what is known of the path, `phases` a state machine that sends faster at times, to see whether
//! there is more, and slower at others, to see the path without its queue; this file makes a rate and a window of both.
//!
//! ```text
//! Startup ── the rate no longer grows, or losses are many ──► Drain ── the queue is gone ──► Down
//! Down ── below the headroom ──► Cruise ── 2 to 3 s, or as often as Reno ──► Refill ── a round ──► Up ── full ──► Down
//! any ── no shorter round trip for 5 s ──► ProbeRtt ── 200 ms and a round ──► Cruise, or Startup
//! ```
//!
//! Unlike there, losses tell of congestion from one in twenty on, and not from one in fifty, and a few in a round never do,
//! nor do they lower any bound: a path that loses three in a hundred by chance would be left, a bit more each round, until
//! the next probe.
//!
//! Left out: the extra window for acknowledgments that come in lumps (twice the bandwidth-delay product holds a round of
//! them), and packet conservation in the first round of a recovery, where pacing at a bound rate does as much.

mod model;
mod phases;

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

    fn set_rate(&mut self, share: &Share, acked: &Acked) {
        let (gain, _) = self.gains();
        let bandwidth = self.model.bandwidth();
        if bandwidth == 0 || self.rate == 0 {
            // Before the first sample, and not less after it: the initial window a round trip.
            let round_trip = acked.smoothed.map_or(1_000, |span| span.micros().max(1));
            self.rate = (u64::from(share.window) * 1_000_000 / round_trip * STARTUP_PACING / 100).max(1);
        }
        if bandwidth == 0 {
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
        self.model.on_ack(acked, self.is_probing_bandwidth() || self.is_ending_probe(), share.window);
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
            // Every loss is heard of when it is found.
            Signal::LossAgain => {}
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

//! CUBIC (RFC 9438): a window that grows by the time since the last congestion, not by round trips.
//!
//! Invariant: all of it is integers. Times are microseconds, windows bytes, and what a division leaves over is kept for
//! the next one, so that the smallest steps add up.

use super::cube_root::cube_root;
use super::hystart::{Growth, HyStart};
use super::{Acked, Control, Idle, Share, Signal, Stand};
use crate::time::{Instant, Span};

/// What is remembered of the time before a reduction (§4.9.2).
#[derive(Clone, Copy, Debug)]
struct Epoch {
    /// When it began, or [`NOT_YET`].
    since: Instant,
    /// W_max: the window before the last reduction, or what fast convergence made of it.
    w_max: u32,
    /// K: how many microseconds after the beginning the window is W_max again.
    k: u32,
    /// W_est: what Reno's window would be.
    w_est: u32,
    /// cwnd_prior: the window before the last reduction.
    prior: u32,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cubic {
    hystart: HyStart,
    epoch: Epoch,
    before: Epoch,
    /// What is left over from divisions by the window: of the window's growth, and of that of W_est.
    window_rest: u32,
    estimate_rest: u64,
    /// How long the epoch had lasted when the window was last in use, if it is not now (§5.8).
    paused: Option<u32>,
}

const _: () = assert!(size_of::<Cubic>() <= 96);

const NOT_YET: Instant = Instant::from_micros(u64::MAX);

/// C of §5, 2/5 for a cubic second, for a cubic microsecond and scaled by 2^93: see [`cube`].
const C: u128 = (2 << 93) / 5_000_000_000_000_000_000;

impl Cubic {
    pub(super) const NEW: Self = Self {
        hystart: HyStart::NEW,
        epoch: Epoch::NEW,
        before: Epoch::NEW,
        window_rest: 0,
        estimate_rest: 0,
        paused: None,
    };

    /// §4.10: slow start, the first one with HyStart++.
    fn slow_start(&mut self, share: &mut Share, acked: &Acked) {
        if share.threshold != u32::MAX {
            share.window = share.window.saturating_add(acked.bytes_of(2)).min(share.threshold);
            return;
        }
        match self.hystart.on_ack(acked) {
            Growth::By(bytes) if acked.limited => share.window = share.window.saturating_add(bytes),
            Growth::By(_) => {}
            Growth::Last(bytes) => {
                share.window = share.window.saturating_add(bytes);
                share.threshold = share.window;
            }
        }
    }

    /// §4.2 to §4.5: congestion avoidance.
    fn avoid(&mut self, share: &mut Share, acked: &Acked) {
        let window = u64::from(share.window);
        let mss = u64::from(acked.mss);
        if self.epoch.since == NOT_YET {
            self.begin(share.window, acked);
        }
        let elapsed = acked.now.since(self.epoch.since);
        let later = elapsed.micros().saturating_add(acked.smoothed.unwrap_or(Span::ZERO).micros());
        // §4.3: alpha is 3 (1 - beta) / (1 + beta) = 9/17, and 1 from where Reno has caught up.
        let alpha_17 = if self.epoch.w_est < self.epoch.prior { 9 } else { 17 };
        let grown = self.estimate_rest + u64::from(acked.bytes.min(1 << 30)) * mss * alpha_17;
        let estimate = u64::from(self.epoch.w_est) + grown / (17 * window);
        self.epoch.w_est = estimate.min(u64::from(u32::MAX)) as u32;
        self.estimate_rest = grown % (17 * window);
        if self.epoch.at(elapsed.micros(), mss) < self.epoch.w_est {
            share.window = share.window.max(self.epoch.w_est);
            return;
        }
        // §4.2: never more than half of the window in a round trip.
        let target = u64::from(self.epoch.at(later, mss)).clamp(window, window + window / 2);
        let grown = u64::from(self.window_rest) + (target - window) * u64::from(acked.bytes.min(1 << 30));
        share.window = (window + grown / window).min(u64::from(u32::MAX)) as u32;
        self.window_rest = (grown % window) as u32;
    }

    /// §5.8: time in which the window is not in use does not count.
    fn count_time(&mut self, acked: &Acked) {
        if self.epoch.since == NOT_YET {
            return;
        }
        let now = acked.now.micros();
        match (acked.limited, self.paused) {
            (true, Some(lasted)) => {
                self.epoch.since = Instant::from_micros(now.saturating_sub(u64::from(lasted)));
                self.paused = None;
            }
            (false, None) => {
                self.paused = Some(acked.now.since(self.epoch.since).micros().min(u64::from(u32::MAX)) as u32);
            }
            (true, None) | (false, Some(_)) => {}
        }
    }

    /// §4.2: a stage of congestion avoidance begins.
    fn begin(&mut self, window: u32, acked: &Acked) {
        let epoch = &mut self.epoch;
        epoch.since = acked.now;
        epoch.w_est = window;
        // K = cbrt((W_max - cwnd_epoch) / C), in segments and seconds. §4.8, §4.10: without a W_max it is zero.
        if window < epoch.w_max {
            let cube = u128::from(epoch.w_max - window) * 5_000_000_000_000_000_000 / (2 * u128::from(acked.mss));
            epoch.k = cube_root(cube).min(u64::from(u32::MAX)) as u32;
        } else {
            (epoch.k, epoch.w_max) = (0, window);
        }
        (self.window_rest, self.estimate_rest, self.paused) = (0, 0, None);
    }

    /// §4.6, §4.7: seven tenths, and room for others where the window had not come as far as before. Returns what is left
    /// of the window, be it less than the threshold's two segments.
    fn reduce(&mut self, share: &mut Share, stand: &Stand) -> u32 {
        let window = share.window;
        let converges = window < self.epoch.w_max;
        self.epoch.w_max = if converges { (u64::from(window) * 17 / 20) as u32 } else { window };
        self.epoch.prior = window;
        self.epoch.since = NOT_YET;
        // The flight is whole segments, and the window is not. One that was in use counts in full: of some ten segments,
        // half of one at each loss is a tenth of what can be had.
        let mss = u32::from(stand.mss);
        let used = if stand.flight.saturating_add(mss) > window { window } else { stand.flight };
        let reduced = (u64::from(used) * 7 / 10) as u32;
        share.threshold = reduced.max(2 * mss);
        reduced
    }
}

impl Control for Cubic {
    fn on_ack(&mut self, share: &mut Share, acked: &Acked) {
        if acked.recovering {
            return;
        }
        if share.window < share.threshold {
            // HyStart++ wants to hear of every round trip.
            if acked.limited || share.threshold == u32::MAX {
                self.slow_start(share, acked);
            }
            return;
        }
        // §5.8: the time in which the window is not in use does not count.
        self.count_time(acked);
        if acked.limited {
            self.avoid(share, acked);
        }
    }

    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand) {
        match signal {
            Signal::Loss => {
                self.before = self.epoch;
                self.reduce(share, stand);
                share.window = share.threshold;
            }
            // It is lowered twice, but for one event: that the window is below W_max is not because others came (§4.7).
            Signal::LossAgain => {
                let w_max = self.epoch.w_max;
                self.reduce(share, stand);
                self.epoch.w_max = w_max;
                share.window = share.threshold;
            }
            // §4.6: down to one segment. §4.9.2: never undone.
            Signal::Ecn => {
                share.window = self.reduce(share, stand).max(u32::from(stand.mss));
                self.before = self.epoch;
            }
            // §4.8: as Reno, with CUBIC's factor; the stage after it knows no W_max.
            Signal::Timeout => {
                self.before = self.epoch;
                self.reduce(share, stand);
                self.epoch.w_max = 0;
                share.window = u32::from(stand.mss);
            }
            Signal::TimeoutAgain => share.window = u32::from(stand.mss),
        }
    }

    fn on_recovered(&mut self, share: &mut Share, stand: &Stand) {
        share.window = stand.after_recovery(share.threshold);
    }

    fn on_idle(&mut self, share: &mut Share, idle: &Idle) {
        share.restart(idle);
        // §5.8: idle time does not count.
        if self.epoch.since != NOT_YET {
            self.epoch.since += idle.lasted;
        }
    }

    fn undo(&mut self) {
        self.epoch = self.before;
    }
}

impl Epoch {
    const NEW: Self = Self { since: NOT_YET, w_max: 0, k: 0, w_est: 0, prior: 0 };

    /// W_cubic, `micros` after the beginning (§4.2, figure 1).
    fn at(&self, micros: u64, mss: u64) -> u32 {
        let k = u64::from(self.k);
        let distance = cube(micros.abs_diff(k), mss);
        if micros < k { self.w_max.saturating_sub(distance) } else { self.w_max.saturating_add(distance) }
    }
}

/// C times the cube of `micros`, in bytes of segments of `mss`. Multiplications only: of the 93 bits that C is scaled by,
/// 33 are taken off before and 60 after.
fn cube(micros: u64, mss: u64) -> u32 {
    let micros = u128::from(micros.min(u64::from(u32::MAX)));
    let bytes = (((micros * micros * micros) >> 33) * u128::from(mss) * C) >> 60;
    bytes.min(u128::from(u32::MAX)) as u32
}

#[cfg(test)]
mod tests;

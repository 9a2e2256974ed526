//! Recent acknowledgment (RFC 8985 §5, §6): what was sent well before something that has arrived is lost.
//!
//! Invariant: the time to wait for what may only be reordered is nothing until reordering is seen, a quarter of the
//! smallest round trip afterwards, longer where the peer says that waiting was too short (D-SACK), never longer than SRTT.
//!
//! Segments are runs here: those of one run left together, and the same is known of them. A run that is coarse counts as
//! sent when its last byte was.

use super::runs::Runs;
use super::scoreboard::{Arrived, Scoreboard};
use super::seq::Seq;
use crate::time::{Instant, Span};

/// §6.2 step 4: recoveries after which a widened window is the normal one again.
const PERSIST: u8 = 16;

/// How long the smallest round trip is believed: paths change.
const MIN_RTT_LASTS: Span = Span::from_secs(300);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rack {
    /// RACK.xmit_ts and RACK.end_seq: what was sent last of all that has arrived.
    sent_at: Instant,
    end: Seq,
    /// RACK.rtt, in microseconds; zero until something has arrived.
    rtt: u32,
    min_rtt: u32,
    min_rtt_at: Instant,
    reordering: bool,
    /// RACK.reo_wnd_mult, RACK.reo_wnd_persist, RACK.dsack_round.
    multiplier: u8,
    persist: u8,
    round: Option<Seq>,
}

/// Where the connection stands, for the time that reordering is given.
#[derive(Clone, Copy, Debug)]
pub(super) struct Patience {
    pub(super) recovering: bool,
    /// The peer holds so much beyond a hole that RFC 5681 would take it for lost.
    pub(super) threshold_reached: bool,
    pub(super) smoothed: Option<Span>,
    /// When the window was last lowered for a loss.
    pub(super) lowered_at: Instant,
}

/// What looking for losses has found.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Found {
    /// Bytes.
    pub(super) lost: u32,
    /// Some of it had been sent again since the window was last lowered.
    pub(super) again: bool,
    /// How long to wait before looking again at what may yet be lost.
    pub(super) wait: Option<Span>,
}

impl Rack {
    pub(super) const NEW: Self = Self {
        sent_at: Instant::from_micros(0),
        end: Seq(0),
        rtt: 0,
        min_rtt: 0,
        min_rtt_at: Instant::from_micros(0),
        reordering: false,
        multiplier: 1,
        persist: 0,
        round: None,
    };

    /// Question: the smallest round trip of late.
    pub(super) const fn min_rtt(&self) -> Option<Span> {
        if self.min_rtt == 0 { None } else { Some(Span::from_micros(self.min_rtt as u64)) }
    }

    /// What the handshake, or an earlier flight, has shown of the path.
    pub(super) fn begin(&mut self, smoothed: Option<Span>, now: Instant) {
        if let Some(smoothed) = smoothed {
            (self.min_rtt, self.min_rtt_at) = (u32::try_from(smoothed.micros()).unwrap_or(u32::MAX), now);
        }
    }

    /// Question: whether data was seen to arrive in another order than it was sent.
    pub(super) const fn reordering(&self) -> bool {
        self.reordering
    }

    /// Steps 1 to 3: something has arrived. `echoes_older` says that what the peer echoes was sent before the run was. Says
    /// whether something was sent again that only was late.
    pub(super) fn on_arrived(&mut self, arrived: &Arrived, echoes_older: bool, now: Instant) -> bool {
        let run = &arrived.run;
        // Of a coarse run nobody knows when this part was sent: early, so that others are not taken for late.
        let sent_at = run.first_sent_at();
        let took = u32::try_from(now.since(sent_at).micros()).unwrap_or(u32::MAX).max(1);
        if run.marks.repeated {
            // Step 2: it may have been what was sent first that arrived.
            if echoes_older || took < self.min_rtt {
                return arrived.is_below_highest;
            }
        } else {
            // A run that left over some time has no one round trip.
            if run.spread == 0 && (self.min_rtt == 0 || took <= self.min_rtt || self.is_stale(now)) {
                (self.min_rtt, self.min_rtt_at) = (took, now);
            }
            self.reordering |= arrived.is_below_highest;
        }
        self.rtt = took;
        if self.is_behind(sent_at, run.end) {
            (self.sent_at, self.end) = (sent_at, run.end);
        }
        false
    }

    fn is_stale(&self, now: Instant) -> bool {
        now.since(self.min_rtt_at) > MIN_RTT_LASTS
    }

    /// A recovery was for nothing but reordering.
    pub(super) fn on_reordering(&mut self) {
        self.reordering = true;
    }

    /// Step 4: the peer had received something that was sent again, so patience was too short.
    pub(super) fn on_duplicate_data(&mut self, una: Seq, nxt: Seq) {
        if self.round.is_some_and(|round| !una.before(round)) {
            self.round = None;
        }
        if self.round.is_none() {
            self.round = Some(nxt);
            self.multiplier = self.multiplier.saturating_add(1);
            self.persist = PERSIST;
        }
    }

    /// Step 4: a recovery has ended.
    pub(super) fn on_recovered(&mut self) {
        self.persist = self.persist.saturating_sub(1);
        if self.persist == 0 {
            self.multiplier = 1;
        }
    }

    /// Step 4: RACK.reo_wnd, in microseconds.
    fn window(&self, patience: &Patience) -> u64 {
        if !self.reordering && (patience.recovering || patience.threshold_reached) {
            return 0;
        }
        let window = u64::from(self.multiplier) * u64::from(self.min_rtt) / 4;
        window.min(patience.smoothed.map_or(u64::MAX, Span::micros))
    }

    /// Step 5: takes for lost what was sent so long before something that has arrived.
    pub(super) fn detect(
        &self,
        board: &mut Scoreboard,
        runs: &mut Runs<'_>,
        patience: &Patience,
        now: Instant,
    ) -> Found {
        let mut found = Found::default();
        if self.rtt == 0 {
            return found;
        }
        let allowed = u64::from(self.rtt) + self.window(patience);
        let mut at = board.first();
        while let Some(&run) = runs.at(at) {
            let index = at;
            at = run.after;
            if run.marks.sacked || run.marks.is_due() || self.is_behind(run.sent_at, run.end) {
                continue;
            }
            match allowed.checked_sub(now.since(run.sent_at).micros()).filter(|&left| left > 0) {
                None => {
                    found.again |= run.marks.again && run.first_sent_at() >= patience.lowered_at;
                    found.lost += board.lose_run(runs, index);
                }
                Some(left) => found.wait = found.wait.max(Some(Span::from_micros(left))),
            }
        }
        found
    }

    /// §6.3: the timer has expired. The first run is lost, and what was sent so long ago that it would have arrived.
    pub(super) fn detect_at_timeout(
        &self,
        board: &mut Scoreboard,
        runs: &mut Runs<'_>,
        patience: &Patience,
        now: Instant,
    ) {
        let allowed = u64::from(self.rtt) + self.window(patience);
        let mut at = board.first();
        while let Some(&run) = runs.at(at) {
            if at == board.first() || now.since(run.sent_at).micros() >= allowed {
                board.lose_run(runs, at);
            }
            at = run.after;
        }
    }

    /// RACK_sent_after: whether what has arrived was sent before something that was sent at `sent_at` and ends at `end`.
    fn is_behind(&self, sent_at: Instant, end: Seq) -> bool {
        sent_at > self.sent_at || (sent_at == self.sent_at && end.after(self.end))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT_FIRST: Patience = Patience {
        recovering: false,
        threshold_reached: false,
        smoothed: Some(Span::from_millis(100)),
        lowered_at: Instant::from_micros(0),
    };

    #[test]
    fn rfc8985_6_2_patience_lasts_for_16_recoveries() {
        let mut rack = Rack::NEW;
        rack.begin(Some(Span::from_millis(100)), Instant::from_micros(0));
        assert_eq!(rack.window(&AT_FIRST), 25_000);
        // Two reports of one round are one.
        rack.on_duplicate_data(Seq(1), Seq(1001));
        rack.on_duplicate_data(Seq(501), Seq(2001));
        assert_eq!(rack.window(&AT_FIRST), 50_000);
        for _ in 0..15 {
            rack.on_recovered();
            assert_eq!(rack.window(&AT_FIRST), 50_000);
        }
        rack.on_recovered();
        assert_eq!(rack.window(&AT_FIRST), 25_000);
    }
}

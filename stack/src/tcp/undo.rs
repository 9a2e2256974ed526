//! Losses that were none: a recovery whose cause turns out to be delay or reordering is taken back.
//!
//! Invariant: only evidence about this recovery counts. An original that arrives shows it by its time (Eifel, RFC 3522);
//! the peer's reports show it when they cover all that was sent again (RFC 3708, RFC 2883); after a timeout, data that was
//! never sent again shows it by arriving (F-RTO, RFC 5682). Of those that need no original, one that is really lost keeps
//! the recovery: its repetition is never reported.
//!
//! What follows is RFC 4015's: nothing is lost, the window is given back, and the timer starts from what new data shows of
//! the path.

use super::delivery::{Acknowledgment, Delivery};
use super::recovery::{Detection, Recovery, RecoveryPhase};
use super::rtt::Rtt;
use super::seq::Seq;
use crate::time::Instant;

/// What is known of the last recovery.
#[derive(Clone, Copy, Debug)]
pub(super) struct Undo {
    /// SND.UNA when it began, until it was taken back.
    from: Option<Seq>,
    /// When something was first sent again for it.
    first_at: Option<Instant>,
    /// Bytes that were sent again and not reported as received twice.
    unreported: u32,
    forward: Forward,
    before: Option<Before>,
    /// The same of a timeout that was for nothing, until something that was sent after it has measured the path.
    late: Option<Before>,
}

/// What held when a timer expired.
#[derive(Clone, Copy, Debug)]
struct Before {
    /// RFC 4015 §3.1 step 0: SRTT_prev, RTTVAR_prev.
    rtt: Rtt,
    /// The number behind all that had been sent.
    max: Seq,
}

/// Forward RTO-recovery (RFC 5682 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forward {
    Off,
    /// Step 2: the first acknowledgment after the timeout will tell. The first segment went again up to `end`.
    Armed {
        end: Seq,
    },
    /// Step 2 (b): new data is sent, and nothing again, until step 3.
    NewData,
}

/// What an acknowledgment shows of a recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Nothing,
    /// It was for nothing.
    Spurious,
    /// RFC 5682: its timeout was not for nothing, as far as this can tell, and the window has `segments` at the most.
    Due {
        segments: u8,
    },
}

impl Undo {
    pub(super) const NONE: Self =
        Self { from: None, first_at: None, unreported: 0, forward: Forward::Off, before: None, late: None };

    /// A recovery begins.
    pub(super) const fn begin(una: Seq) -> Self {
        Self { from: Some(una), ..Self::NONE }
    }

    /// The timer has expired, for the first time since something was acknowledged, while `recovery` stood as it does. What
    /// a recovery before it had sent again still counts.
    pub(super) fn on_timeout(&mut self, at: &Acknowledgment, recovery: &Recovery, rtt: Rtt) {
        if self.from.is_none() || self.first_at.is_none() {
            *self = Self::begin(at.una);
        }
        // RFC 5682 §3.1 step 1, RFC 4015 §3.1: not while an earlier recovery is under way. The timer of the same segment
        // may expire again: then this stays as it is.
        let is_first = recovery.phase == RecoveryPhase::Open;
        self.forward = if is_first { Forward::Armed { end: at.una } } else { Forward::Off };
        if is_first {
            self.before = Some(Before { rtt, max: at.nxt });
        }
    }

    /// The recovery is taken back.
    pub(super) const fn taken_back(&mut self) {
        *self = Self { late: self.before, ..Self::NONE };
    }

    /// What the timer knew before a timeout that was for nothing, for the first sample since of what was sent after it.
    pub(super) fn before_late(&mut self, ack: Seq) -> Option<Rtt> {
        self.late.take_if(|before| ack.after(before.max)).map(|before| before.rtt)
    }

    /// Something of `bytes`, up to `end`, was sent again.
    pub(super) fn on_sent_again(&mut self, end: Seq, bytes: u32, now: Instant) {
        if let Forward::Armed { end: before } = &mut self.forward {
            *before = before.later(end);
        }
        self.first_at = self.first_at.or(Some(now));
        self.unreported = self.unreported.saturating_add(bytes);
    }

    /// Question: whether what is lost waits while new data tells.
    pub(super) fn holds(&self) -> bool {
        self.forward == Forward::NewData
    }

    /// No new data can be sent: step 3 has nothing to tell with.
    pub(super) const fn on_no_new_data(&mut self) {
        self.forward = Forward::Off;
    }

    /// The peer had what is between `start` and `end` twice.
    pub(super) fn on_report(&mut self, start: Seq, end: Seq) {
        if self.from.is_some_and(|from| !start.before(from)) {
            self.unreported = self.unreported.saturating_sub(end.since(start));
        }
    }

    /// Input: an acknowledgment.
    pub(super) fn on_ack(&mut self, ack: &Acknowledgment, delivery: &Delivery, recovery: &Recovery) -> Shown {
        let Some(at) = self.first_at.filter(|_| self.from.is_some()) else { return Shown::Nothing };
        // RFC 3522 §3.2 (5): what is acknowledged was sent before it was sent again. What an earlier recovery had sent again
        // is older than this one, too, and says nothing.
        let by_time = delivery.overtaken && recovery.phase != RecoveryPhase::Open && ack.echoes_before(at);
        let is_forward = recovery.phase == RecoveryPhase::Timeout;
        let shown = if is_forward { self.go_forward(ack, delivery, recovery) } else { Shown::Nothing };
        if by_time || self.unreported == 0 { Shown::Spurious } else { shown }
    }

    /// RFC 5682 §3.1, steps 2 and 3, and §2.1 for peers without SACK.
    fn go_forward(&mut self, ack: &Acknowledgment, delivery: &Delivery, recovery: &Recovery) -> Shown {
        let verdict = |is_spurious| if is_spurious { Shown::Spurious } else { Shown::Due { segments: 3 } };
        let (next, shown) = match (self.forward, ack.detection) {
            (Forward::Off, _) => (Forward::Off, Shown::Nothing),
            // Step 2: blocks are noted, and no more.
            (Forward::Armed { .. }, Detection::Counting | Detection::Time) if ack.advance == 0 => {
                return Shown::Nothing;
            }
            (Forward::Armed { .. }, Detection::Duplicates) if ack.advance == 0 => (Forward::Off, Shown::Nothing),
            // Step 2 (a): all of it is there, by what was sent again or not.
            (Forward::Armed { .. }, _) if !ack.una.before(recovery.recover) => {
                (Forward::Off, Shown::Due { segments: 2 })
            }
            // §2.1 step 2 (a): not even all of what was sent again.
            (Forward::Armed { end }, Detection::Duplicates) if ack.una.before(end) => (Forward::Off, Shown::Nothing),
            // Step 2 (b), as far as there is new data.
            (Forward::Armed { .. }, _) => (Forward::NewData, Shown::Nothing),
            // §2.1 step 3: beyond what was sent again may be what had arrived before.
            (Forward::NewData, Detection::Duplicates) => {
                (Forward::Off, verdict(delivery.original && !delivery.repeated))
            }
            // Step 3: what was sent before the timeout arrives, and nothing that was sent after it.
            (Forward::NewData, _) => (Forward::Off, verdict(delivery.original && !delivery.late)),
        };
        self.forward = next;
        shown
    }
}

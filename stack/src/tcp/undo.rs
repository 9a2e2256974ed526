//! Losses that were none: a recovery whose cause turns out to be delay or reordering is taken back.
//!
//! Invariant: only evidence about this recovery counts. An original that arrives shows it by its time (Eifel, RFC 3522);
//! the peer's reports show it when they cover all that was sent again (RFC 3708, RFC 2883); after a timeout, data that was
//! never sent again shows it by arriving (F-RTO, RFC 5682). Of those that need no original, one that is really lost keeps
//! the recovery: its repetition is never reported.
//!
//! Left out: RFC 4015 §3.2's conservative timer; a round trip that was sampled meanwhile has the same effect.

use super::delivery::{Acknowledgment, Delivery};
use super::recovery::{Detection, RecoveryPhase};
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
}

/// Forward RTO-recovery (RFC 5682 §3.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Forward {
    Off,
    /// Step 2: the first acknowledgment after the timeout will tell.
    Armed,
    /// Step 2 (b): new data is sent, and nothing again, until step 3.
    NewData,
}

impl Undo {
    pub(super) const NONE: Self = Self { from: None, first_at: None, unreported: 0, forward: Forward::Off };

    /// A recovery begins.
    pub(super) const fn begin(una: Seq) -> Self {
        Self { from: Some(una), ..Self::NONE }
    }

    /// The timer has expired, for the first time. What a recovery before it had sent again still counts.
    pub(super) fn on_timeout(&mut self, una: Seq) {
        if self.from.is_none() || self.first_at.is_none() {
            *self = Self::begin(una);
        }
        self.forward = Forward::Armed;
    }

    /// The timer has expired once more: the first time was no accident.
    pub(super) fn on_further_timeout(&mut self) {
        self.forward = Forward::Off;
    }

    /// Something of `bytes` was sent again.
    pub(super) fn on_sent_again(&mut self, bytes: u32, now: Instant) {
        self.first_at = self.first_at.or(Some(now));
        self.unreported = self.unreported.saturating_add(bytes);
    }

    /// Question: whether what is lost waits while new data tells.
    pub(super) fn holds(&self) -> bool {
        self.forward == Forward::NewData
    }

    /// The peer had what is between `start` and `end` twice.
    pub(super) fn on_report(&mut self, start: Seq, end: Seq) {
        if self.from.is_some_and(|from| !start.before(from)) {
            self.unreported = self.unreported.saturating_sub(end.since(start));
        }
    }

    /// Whether an acknowledgment shows that the recovery was for nothing.
    pub(super) fn is_spurious(&mut self, ack: &Acknowledgment, delivery: &Delivery, phase: RecoveryPhase) -> bool {
        let Some(at) = self.first_at.filter(|_| self.from.is_some()) else { return false };
        // RFC 3522 §3.2 (5): what is acknowledged was sent before it was sent again.
        let by_time = ack.advance > 0 && phase != RecoveryPhase::Open && ack.echoes_before(at);
        by_time || self.unreported == 0 || (phase == RecoveryPhase::Timeout && self.goes_forward(ack, delivery))
    }

    /// RFC 5682 §3.1, steps 2 and 3.
    fn goes_forward(&mut self, ack: &Acknowledgment, delivery: &Delivery) -> bool {
        // Without SACK an acknowledgment beyond what was sent again may be for what had arrived before (§2.1).
        let original = match ack.detection {
            Detection::Duplicates => delivery.original && !delivery.repeated,
            Detection::Counting | Detection::Time => delivery.original,
        };
        match self.forward {
            Forward::Off => false,
            Forward::Armed | Forward::NewData if original => true,
            Forward::Armed if ack.advance > 0 && ack.has_new_data => {
                self.forward = Forward::NewData;
                false
            }
            // Step 2 (a), step 3 (a): a duplicate, or nothing to tell with.
            Forward::Armed | Forward::NewData => {
                self.forward = Forward::Off;
                false
            }
        }
    }
}

//! Tail loss probes (RFC 8985 §7): after two silent round trips the last segment goes again, or one that is new, so that
//! the peer's answer shows what is lost before the timer has to.
//!
//! Invariant: there is one probe for each silence, and the retransmission timer starts over when it leaves. It is sent
//! whatever the congestion window is, and a loss that only it has mended still counts as one.
//!
//! In a recovery §7.2 leaves silences to the timer. But where all that is in flight is lost again no answer comes that could
//! tell, and a small window is often all in flight. So there too one segment goes, of what is known to be lost or new: its
//! answer tells. Nothing is taken for lost by the silence alone.

use super::connection::{Connection, Deadline, Outcome};
use super::flight::Flight;
use super::recovery::RecoveryPhase;
use super::seq::Seq;
use super::shared::Shared;
use crate::time::{Instant, Span};

/// §7.2: the probe timeout before any round trip was measured.
const FIRST_TIMEOUT: Span = Span::from_secs(1);

/// §7.2, TLP.max_ack_delay: a lone segment's acknowledgment may be delayed for so long.
const LONGEST_ACK_DELAY: Span = Span::from_millis(200);

/// Two round trips of a fast link are over before a peer, or this host, was given a processor: such a silence says
/// nothing. §7.2 leaves a floor to the implementation.
const SHORTEST_TIMEOUT: Span = Span::from_millis(2);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct TailProbe {
    /// When the silence has lasted long enough.
    pub(super) at: Deadline,
    /// It has: a probe is to be sent.
    pub(super) is_due: bool,
    /// A round trip was measured since the last probe left (§7.3, condition 2).
    pub(super) is_measured: bool,
    /// A probe is out.
    out: Option<Out>,
}

/// A probe whose answer is awaited.
#[derive(Clone, Copy, Debug)]
struct Out {
    /// TLP.end_seq: what was sent, the probe included.
    end: Seq,
    /// TLP.is_retrans.
    is_again: bool,
}

impl TailProbe {
    pub(super) const NEW: Self = Self { at: Deadline::NEVER, is_due: false, is_measured: false, out: None };

    /// §7.1: a recovery begins, and asks by itself.
    pub(super) const fn on_recovery(&mut self) {
        *self = Self { is_measured: self.is_measured, ..Self::NEW };
    }

    /// A probe was sent, and `end` is the number behind all that was.
    pub(super) fn on_sent(&mut self, end: Seq, is_again: bool) {
        *self = Self { out: Some(Out { end, is_again }), ..Self::NEW };
    }

    /// §7.4.2: an acknowledgment up to `una` has come; `report` is what it says that the peer had twice. Says whether the
    /// probe has mended a loss.
    pub(super) fn on_ack(&mut self, una: Seq, report: Option<(Seq, Seq)>) -> bool {
        let Some(out) = self.out.filter(|out| !una.before(out.end)) else { return false };
        let twice = report.is_some_and(|(_, end)| end == out.end);
        // Case 1: both of them have arrived. Or the probe was no repetition.
        let is_harmless = !out.is_again || twice;
        let is_loss = !is_harmless && una.after(out.end);
        if is_harmless || is_loss {
            self.out = None;
        }
        is_loss
    }

    /// §7.4.2, case 2: a duplicate up to `una` and without any block says that both have arrived, too. It comes when nothing
    /// is in flight any more, and so is no duplicate to anybody else.
    pub(super) fn on_duplicate(&mut self, una: Seq) {
        self.out = self.out.filter(|out| una.before(out.end));
    }
}

impl Flight {
    /// §7.2: something new was sent or acknowledged: a silence may begin.
    pub(super) fn expect_answer(&mut self, smoothed: Option<Span>, mss: u16, now: Instant) {
        let board = &self.board;
        let is_unanswered = match self.recovery.phase {
            RecoveryPhase::Open => board.sacked() == 0 && self.tail.out.is_none(),
            RecoveryPhase::Fast => self.sees_blocks,
            RecoveryPhase::Timeout => false,
        };
        let may_probe = is_unanswered && board.in_flight() > 0;
        self.tail.is_due &= may_probe;
        if !may_probe {
            self.tail.at = Deadline::NEVER;
            return;
        }
        let twice = |smoothed: Span| Span::from_micros(2 * smoothed.micros()).max(SHORTEST_TIMEOUT);
        let timeout = smoothed.map_or(FIRST_TIMEOUT, twice);
        // RFC 5681 §4.2: what fills a hole, or lies beyond one, is acknowledged at once.
        let is_alone = board.in_flight() <= u32::from(mss) && self.recovery.phase == RecoveryPhase::Open;
        let delay = if is_alone && smoothed.is_some() { LONGEST_ACK_DELAY } else { Span::ZERO };
        self.tail.at = Deadline::at(now + timeout + delay);
    }
}

impl Flight {
    /// The silence has lasted: says whether there is a probe. `has_new` is whether there is new data.
    fn probe(&mut self, has_new: bool) -> bool {
        let Self { tail, recovery, board, .. } = self;
        if recovery.phase != RecoveryPhase::Open && board.is_due() {
            // What is known to be lost tells as well as what is new.
            recovery.urgent = core::mem::take(&mut tail.is_measured);
            return recovery.urgent;
        }
        tail.is_due = tail.is_measured && (has_new || recovery.phase == RecoveryPhase::Open);
        tail.is_due
    }
}

impl Connection {
    /// Whether tail losses are probed for: the answer must be able to show them.
    pub(super) fn probes_tail(&self, shared: &Shared<'_>) -> bool {
        self.sack && shared.config.rack
    }

    /// §7.3: the silence has lasted. Where the last probe was answered without a round trip that could be measured, the
    /// timer has to find out, and what the path has become.
    pub(super) fn on_tail_deadline(&mut self, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        let (rto, has_new) = (self.rtt.rto(), self.send.queue.unsent().is_some());
        if let Some(flight) = self.flight_mut(shared) {
            flight.tail.at = Deadline::NEVER;
            let probes = flight.probe(has_new);
            if probes || flight.recovery.phase == RecoveryPhase::Open {
                flight.rto_at = Deadline::at(now + rto);
            }
        }
        self.run_timer(now, shared);
        Outcome::Open
    }

    /// The number that the last segment of what is in flight began with, if it can go again.
    pub(super) fn tail(&self, shared: &Shared<'_>) -> Option<Seq> {
        let flight = self.flight(shared)?;
        let last = shared.flights.runs().at(flight.board.last())?;
        let mss = self.full_size(shared);
        let begun = (last.len() - 1) / mss * mss;
        Some(last.start + begun)
    }
}

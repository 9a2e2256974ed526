//! Loss recovery: what an acknowledgment or a timeout means for what is in flight.
//!
//! Invariant: congestion control hears of loss once for all that was sent before it was noticed, and what is lost is sent
//! again once for each time that it was found to be. SND.NXT never goes back: the scoreboard says what goes again.
//!
//! Peers with SACK: `rack`, `prr` (RFC 8985, RFC 9937), or RFC 6675's rules where the first is switched off. Peers without:
//! fast retransmit and NewReno's fast recovery (RFC 5681 §3.2, RFC 6582), limited transmit (RFC 3042).

use super::congestion::{Acked, Signal, Stand};
use super::connection::Deadline;
use super::delivery::{Acknowledgment, Delivery};
use super::flight::Flight;
use super::prr::{Progress, Prr};
use super::rack::Patience;
use super::rtt::Rtt;
use super::runs::Runs;
use super::sack::{self, Blocks};
use super::seq::Seq;
use super::undo::{Shown, Undo};
use crate::time::{Instant, Span};

/// RFC 5681 §3.2: so many duplicates are no reordering.
const THRESHOLD: u8 = 3;

/// Where loss recovery stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecoveryPhase {
    /// Nothing that is in flight is known to be lost.
    Open,
    /// Something was found lost by what the peer acknowledges.
    Fast,
    /// The timer has expired.
    Timeout,
}

/// What tells of loss.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Detection {
    /// Duplicates: the peer gives no selective acknowledgments.
    Duplicates,
    /// SACK, by counting (RFC 6675).
    Counting,
    /// SACK, by time (RFC 8985).
    Time,
}

/// What an acknowledgment has shown.
#[derive(Clone, Copy, Debug)]
pub(super) struct Heard {
    /// The last recovery was for nothing.
    pub(super) undone: bool,
    /// The round trip of data that lies beyond a hole, and was sent once.
    pub(super) round_trip: Option<Span>,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    pub(super) phase: RecoveryPhase,
    /// RFC 6582 "recover", RFC 6675 RecoveryPoint: the highest number sent when loss was last noticed.
    pub(super) recover: Seq,
    duplicates: u8,
    /// What is to be sent again goes whatever the congestion window is: the first of it after loss was noticed.
    pub(super) urgent: bool,
    /// The end of what was sent has gone again (RFC 6675 §4, RescueRxt).
    pub(super) rescued: bool,
    /// When the window was last lowered for a loss.
    lowered_at: Instant,
    /// What has left the network during recovery, on top of the congestion window (RFC 5681 §3.2 (3), (4)).
    inflation: u32,
    /// What limited transmit has added to the flight.
    limited: u32,
    /// The recovery of a peer with SACK.
    prr: Option<Prr>,
}

impl Recovery {
    pub(super) const fn new(una: Seq) -> Self {
        Self {
            phase: RecoveryPhase::Open,
            recover: una,
            duplicates: 0,
            urgent: false,
            rescued: false,
            lowered_at: Instant::from_micros(0),
            inflation: 0,
            limited: 0,
            prr: None,
        }
    }

    /// Whether what is acknowledged up to `ack` may have been sent twice: it was sent before the last loss was noticed.
    pub(super) fn repeats(&self, ack: Seq) -> bool {
        !ack.after(self.recover)
    }

    /// Whether no acknowledgment hints at a loss.
    pub(super) fn sees_nothing(&self) -> bool {
        self.phase == RecoveryPhase::Open && self.duplicates == 0
    }

    /// RFC 3042 §2: a segment of new data for each of the first two duplicates. RFC 6582 §3.2 (2): duplicates of what was
    /// sent before the last loss do not count.
    fn limited_transmit(&self, mss: u32) -> u32 {
        if self.phase == RecoveryPhase::Open { u32::from(self.duplicates.min(THRESHOLD - 1)) * mss } else { 0 }
    }
}

impl Flight {
    /// Question: what may be in flight, by congestion control and by what recovery knows.
    pub(super) fn window(&self) -> u32 {
        match self.recovery.prr {
            Some(prr) => self.board.in_flight().saturating_add(prr.allowance()),
            None => self.congestion.window().saturating_add(self.recovery.inflation),
        }
    }

    /// Question: how much more may be sent.
    pub(super) fn room(&self, mss: u16) -> u32 {
        let window = self.window().saturating_add(self.recovery.limited_transmit(u32::from(mss)));
        window.saturating_sub(self.board.in_flight())
    }

    /// Where congestion control has to see the flight of a connection that has sent what is before `nxt`.
    fn stand(&self, una: Seq, nxt: Seq, mss: u16) -> Stand {
        // RFC 5681 §3.2 (2): without what limited transmit has added.
        let flight = nxt.since(una).saturating_sub(self.added());
        // Whole segments leave a crumb of the window, which was in use all the same.
        let window = self.congestion.window();
        let is_full = flight <= window && window - flight < u32::from(mss);
        Stand { flight: if is_full { window } else { flight }, mss }
    }

    /// What limited transmit has added to the flight. With selective acknowledgments no more than the peer holds: on a path
    /// that reorders there may always be a hole, and what was sent since the first one is all that is in flight, and more.
    fn added(&self) -> u32 {
        let (limited, held) = (self.recovery.limited, self.board.sacked());
        if held > 0 { limited.min(held) } else { limited }
    }

    /// Input: an acknowledgment of something, or a duplicate, or one with blocks.
    pub(super) fn on_ack(&mut self, runs: &mut Runs<'_>, ack: &Acknowledgment, blocks: &Blocks) -> Heard {
        let mut delivery = Delivery::default();
        let before = self.recovery.phase;
        let was_fast = before == RecoveryPhase::Fast;
        let (recover, held) = (self.recovery.recover, self.board.sacked());
        let Self { board, rack, .. } = self;
        board.on_acknowledged(runs, ack.una, |arrived| delivery.take(arrived, ack, recover, rack));
        sack::take(board, runs, ack, blocks, |arrived| delivery.take(arrived, ack, recover, rack));
        if delivery.reordered && was_fast {
            // Reordering, which RFC 8985 §6.2 step 3 alone does not see where each late segment is sent again before it
            // comes. After a timeout it may be the timeout that was early.
            rack.on_reordering();
        }
        if let Some((start, end)) = blocks.duplicate {
            rack.on_duplicate_data(ack.una, ack.nxt);
            self.undo.on_report(start, end);
        }
        let shown = self.undo.on_ack(ack, &delivery, &self.recovery);
        let undone = shown == Shown::Spurious;
        if undone {
            self.take_back(runs, ack);
        }
        if ack.advance > 0 {
            self.on_advance(ack.una);
            self.fits.acknowledged(ack.una);
            self.on_progress(runs, ack);
        } else if ack.is_duplicate && ack.detection == Detection::Duplicates {
            self.on_duplicate(runs, ack);
        }
        let lost = self.detect(runs, ack);
        if self.tail.on_ack(ack.una, blocks.duplicate) {
            // RFC 8985 §7.4.2: only the probe has mended the loss; the path was congested all the same.
            let stand = self.stand(ack.una, ack.nxt, ack.mss);
            self.on_congestion(Signal::Loss, &stand, ack.nxt);
        }
        // RFC 9937 §6, RecoverFS: what was outstanding before this, without what the peer held by then.
        self.notice(runs, ack, (ack.nxt.since(ack.una) + ack.advance).saturating_sub(held));
        // What is beyond a hole, or fills the last one, makes no window grow; nor does what tells of marks (RFC 3168 §6.1.2).
        let is_fast = was_fast || self.recovery.phase == RecoveryPhase::Fast;
        // RFC 4015 §3.4: nor by what gives the window back.
        let recovering = is_fast || ack.advance == 0 || ack.marked > 0 || undone;
        // RFC 5681 §3.1, RFC 9438 §4.3: a window that follows losses grows by what is acknowledged. What lay beyond a hole
        // that was only late counts when that is filled, but not what a timeout left there (RFC 3465 §2.3).
        let is_open = before == RecoveryPhase::Open && self.congestion.follows_losses();
        let counts = if is_open { ack.advance } else { delivery.bytes };
        self.tell_congestion(ack, &delivery, lost, (!recovering).then_some(counts));
        if let Shown::Due { segments } = shown {
            self.congestion.narrow_to(u32::from(segments) * u32::from(ack.mss));
        }
        if let Some(prr) = &mut self.recovery.prr {
            let safe = ack.advance > 0 && lost == 0;
            let in_flight = self.board.in_flight();
            prr.on_ack(Progress { delivered: delivery.bytes, in_flight, safe, mss: ack.mss.into() });
        }
        // Behind a hole that is filled late nothing else measures round trips, and the queue goes on growing.
        let is_behind_hole = ack.advance == 0 && self.recovery.phase == RecoveryPhase::Fast;
        Heard { undone, round_trip: delivery.most_rtt.filter(|_| is_behind_hole) }
    }

    /// The last recovery was for nothing: nothing is lost, and congestion control forgets it (RFC 4015 §3.1).
    fn take_back(&mut self, runs: &mut Runs<'_>, ack: &Acknowledgment) {
        if self.recovery.phase != RecoveryPhase::Timeout {
            // What came before its time let others seem lost.
            self.rack.on_reordering();
        }
        self.board.lose_nothing(runs);
        if ack.marked == 0 {
            // Step 9: a mark is congestion all the same.
            self.congestion.undo();
        }
        self.recovery = Recovery::new(self.recovery.recover);
        self.undo.taken_back();
    }

    /// SND.UNA has moved.
    fn on_progress(&mut self, runs: &mut Runs<'_>, ack: &Acknowledgment) {
        self.recovery.duplicates = 0;
        if self.board.sacked() == 0 {
            self.recovery.limited = 0;
        }
        if self.recovery.phase == RecoveryPhase::Open {
            return;
        }
        if !ack.una.before(self.recovery.recover) {
            return self.on_recovered(ack);
        }
        if self.recovery.phase == RecoveryPhase::Fast && ack.detection == Detection::Duplicates {
            // RFC 6582 §3.2 (3): a hole is filled, the next one shows.
            let mss = u32::from(ack.mss);
            self.recovery.inflation = self.recovery.inflation.saturating_sub(ack.advance);
            if ack.advance >= mss {
                self.recovery.inflation += mss;
            }
            self.board.lose(runs, ack.una, ack.una + mss);
            self.recovery.urgent = true;
        }
    }

    /// Everything that was sent before the loss was noticed has arrived.
    fn on_recovered(&mut self, ack: &Acknowledgment) {
        let was_fast = self.recovery.phase == RecoveryPhase::Fast;
        self.recovery = Recovery::new(self.recovery.recover);
        self.rack.on_recovered();
        if was_fast && ack.detection == Detection::Duplicates {
            self.congestion.on_recovered(&self.stand(ack.una, ack.nxt, ack.mss));
        }
    }

    /// RFC 5681 §3.2: a duplicate of a peer that gives no selective acknowledgments.
    fn on_duplicate(&mut self, runs: &mut Runs<'_>, ack: &Acknowledgment) {
        let recovery = &mut self.recovery;
        recovery.duplicates = recovery.duplicates.saturating_add(1);
        match recovery.phase {
            // §3.2 (4): one more segment has left the network.
            RecoveryPhase::Fast => recovery.inflation = recovery.inflation.saturating_add(ack.mss.into()),
            RecoveryPhase::Open if recovery.duplicates == THRESHOLD => {
                self.board.lose(runs, ack.una, ack.una + self.search.lost_at(ack.una, ack.mss));
            }
            RecoveryPhase::Open | RecoveryPhase::Timeout => {}
        }
    }

    /// Takes for lost what the scoreboard shows to be. Returns how many bytes that are.
    fn detect(&mut self, runs: &mut Runs<'_>, ack: &Acknowledgment) -> u32 {
        match ack.detection {
            Detection::Duplicates => 0,
            Detection::Counting => sack::detect(&mut self.board, runs, ack.mss),
            Detection::Time => {
                let patience = self.patience(ack);
                let found = self.rack.detect(&mut self.board, runs, &patience, ack.now);
                self.reordering_at = found.wait.map_or(Deadline::NEVER, |wait| Deadline::at(ack.now + wait));
                if found.again && self.recovery.phase != RecoveryPhase::Open {
                    self.lower_again(ack, found.lost);
                }
                found.lost
            }
        }
    }

    /// RFC 8985 §9.3, RFC 5681 §4.3: what was sent again since the window was lowered is among the `lost` bytes, too: a
    /// second sign of congestion, and it is lowered again. What is lost thereafter was sent later, so this is once a round.
    fn lower_again(&mut self, ack: &Acknowledgment, lost: u32) {
        let window = self.congestion.window();
        if !self.congestion.follows_losses() || window <= 2 * u32::from(ack.mss) {
            return;
        }
        self.on_congestion(Signal::LossAgain, &Stand { flight: window, mss: ack.mss }, ack.nxt);
        self.recovery.lowered_at = ack.now;
        self.recovery.prr = Some(Prr::new(self.congestion.threshold(), self.board.in_flight() + lost));
    }

    /// Input: time has passed, in which what was only reordered would have arrived (RFC 8985 §6.2 step 5).
    pub(super) fn on_reordering_deadline(&mut self, runs: &mut Runs<'_>, at: &Acknowledgment) {
        let outstanding = at.nxt.since(at.una) - self.board.sacked();
        let lost = self.detect(runs, at);
        self.rate.lost = self.rate.lost.wrapping_add(lost);
        self.notice(runs, at, outstanding);
        if let Some(prr) = &mut self.recovery.prr {
            prr.begin(at.mss.into());
        }
    }

    /// Input: the path takes shorter segments only. All goes again, and the congestion window has nothing to do with it.
    pub(super) fn on_narrowed(&mut self, runs: &mut Runs<'_>, nxt: Seq) {
        self.board.lose_all(runs);
        self.timed = None;
        self.recovery = Recovery { phase: RecoveryPhase::Timeout, urgent: true, ..Recovery::new(nxt) };
    }

    /// Input: the retransmission timer has expired.
    pub(super) fn on_timeout(&mut self, runs: &mut Runs<'_>, at: &Acknowledgment, signal: Signal, rtt: Rtt) {
        let stand = self.stand(at.una, at.nxt, at.mss);
        self.on_congestion(signal, &stand, at.nxt);
        if runs.at(self.board.first()).is_some_and(|run| run.marks.sacked) {
            // RFC 2018 §8: it would have acknowledged what it holds there.
            self.board.forget_sacked(runs);
        }
        match at.detection {
            Detection::Duplicates | Detection::Counting => self.board.lose_all(runs),
            Detection::Time => {
                let patience = self.patience(at);
                self.rack.detect_at_timeout(&mut self.board, runs, &patience, at.now);
            }
        }
        match signal {
            Signal::TimeoutAgain => {}
            Signal::Timeout | Signal::Loss | Signal::LossAgain | Signal::Ecn => {
                self.undo.on_timeout(at, &self.recovery, rtt);
            }
        }
        self.reordering_at = Deadline::NEVER;
        self.tail.on_recovery();
        self.timed = None;
        self.recovery =
            Recovery { phase: RecoveryPhase::Timeout, urgent: true, lowered_at: at.now, ..Recovery::new(at.nxt) };
    }

    fn patience(&self, ack: &Acknowledgment) -> Patience {
        Patience {
            recovering: self.recovery.phase != RecoveryPhase::Open,
            threshold_reached: self.board.sacked() >= u32::from(THRESHOLD) * u32::from(ack.mss),
            smoothed: ack.smoothed,
            lowered_at: self.recovery.lowered_at,
        }
    }

    /// Something was found lost while nothing was known to be: recovery begins. `flight` is what was outstanding before
    /// the acknowledgment that shows it, without what the peer held by then.
    fn notice(&mut self, runs: &Runs<'_>, ack: &Acknowledgment, flight: u32) {
        let is_noticed = self.recovery.phase != RecoveryPhase::Open || !self.board.is_due();
        if is_noticed || self.only_probe_is_lost(runs, ack) {
            return;
        }
        let stand = self.stand(ack.una, ack.nxt, ack.mss);
        self.on_congestion(Signal::Loss, &stand, ack.nxt);
        self.undo = Undo::begin(ack.una);
        self.tail.on_recovery();
        self.timed = None;
        let inflation = match ack.detection {
            // RFC 5681 §3.2 (3): three segments have left the network.
            Detection::Duplicates => u32::from(THRESHOLD) * u32::from(ack.mss),
            Detection::Counting | Detection::Time => 0,
        };
        let prr = (ack.detection != Detection::Duplicates && self.congestion.follows_losses())
            .then(|| Prr::new(self.congestion.threshold(), flight));
        self.recovery = Recovery {
            phase: RecoveryPhase::Fast,
            urgent: true,
            lowered_at: ack.now,
            inflation,
            prr,
            ..Recovery::new(ack.nxt)
        };
    }

    /// New data of `bytes` was sent.
    pub(super) fn on_new_sent(&mut self, bytes: u32, mss: u16) {
        if self.recovery.phase == RecoveryPhase::Open && (self.recovery.duplicates > 0 || self.board.sacked() > 0) {
            self.recovery.limited = self.recovery.limited.saturating_add(bytes);
        }
        self.on_any_sent(bytes, mss);
    }

    /// Something of `bytes` was sent, new or again.
    pub(super) fn on_any_sent(&mut self, bytes: u32, mss: u16) {
        // Seen here and not when acknowledgments come: of those a poll takes in many before anything is sent.
        self.limited = self.is_limited(self.board.in_flight(), mss.into());
        if let Some(prr) = &mut self.recovery.prr {
            prr.on_sent(bytes);
        }
    }

    /// `grows` is what a window may grow by, unless recovery is under way.
    fn tell_congestion(&mut self, ack: &Acknowledgment, delivery: &Delivery, lost: u32, grows: Option<u32>) {
        self.rate.lost = self.rate.lost.wrapping_add(lost);
        let Some(newest) = &delivery.newest else { return };
        let rate = self.rate.on_delivered(delivery.bytes, newest, ack.now);
        self.congestion.on_ack(&Acked {
            now: ack.now,
            bytes: grows.unwrap_or(delivery.bytes),
            lost,
            marked: ack.marked.min(delivery.bytes),
            acknowledgments: ack.acknowledgments,
            flight: self.board.in_flight(),
            mss: ack.mss,
            rtt: delivery.rtt,
            smoothed: ack.smoothed,
            una: ack.una,
            max: ack.nxt,
            delivered: self.rate.delivered,
            rate,
            limited: self.limited,
            recovering: grows.is_none(),
            paced: self.pacer.rate().is_some(),
        });
    }
}

//! The sending half's timer, and what happens when it fires: the retransmission timeout (RFC 6298 §5), the persist timer
//! (RFC 9293 §3.8.6.1), the reordering timer (RFC 8985 §6.2).
//!
//! Invariant: there is one timer, set for what comes first. The retransmission timeout is kept beside it, so that a tail
//! loss probe does not put it off; the reordering timer does.

use super::congestion::Signal;
use super::connection::{Connection, Deadline, Ended, Outcome, Owed, Waiting};
use super::flight::Flight;
use super::shared::Shared;
use crate::time::Instant;

impl Connection {
    /// RFC 6298 §5.1 to §5.3: the timer runs while something is in flight.
    pub(super) fn run_timer(&mut self, now: Instant, shared: &mut Shared<'_>) {
        if matches!(self.send.waiting, Waiting::Window | Waiting::Fin) && self.send.timer != Deadline::NEVER {
            return;
        }
        let (rto, is_idle) = (self.rtt.rto(), self.in_flight() == 0);
        let Some(flight) = self.flight_mut(shared) else {
            self.send.timer = Deadline::NEVER;
            return;
        };
        if is_idle {
            flight.rto_at = Deadline::NEVER;
            flight.reordering_at = Deadline::NEVER;
            flight.tail.at = Deadline::NEVER;
        } else if flight.rto_at == Deadline::NEVER {
            flight.rto_at = Deadline::at(now + rto);
        }
        (self.send.waiting, self.send.timer) = flight.next_timer();
    }

    /// The turn is over.
    pub(super) fn pass(&mut self, now: Instant, shared: &mut Shared<'_>) {
        self.wait_for_window(now, shared);
        if self.in_flight() == 0 {
            shared.flights.rest(self.flight);
        }
    }

    /// Nothing more can be sent now: if data waits and nothing is in flight whose acknowledgment could change that, a
    /// probe will have to ask.
    fn wait_for_window(&mut self, now: Instant, shared: &mut Shared<'_>) {
        let (waits, in_flight) = (self.send.queue.unsent().is_some(), self.in_flight());
        let stuck = self.flight.is_some() && waits && in_flight == 0 && self.ended.is_none();
        if waits && self.is_corked(shared) {
            return self.hold_corked(now, shared);
        }
        // Only the pace may hold it back: then a time is set.
        let holds = |flight: &mut Flight| (waits || flight.board.is_due()) && flight.pacer.hold(now);
        if self.flight_mut(shared).is_some_and(holds) {
            return;
        }
        if stuck && (self.send.timer == Deadline::NEVER || self.send.waiting != Waiting::Window) {
            self.wait(Waiting::Window, self.rtt.rto(), now);
        }
        let mss = self.send.mss;
        // Only who has nothing to send is limited by the application; who has, by the peer's window, sends as fast as he may.
        if let Some(flight) = self.flight_mut(shared).filter(|_| in_flight > 0 && !waits) {
            flight.on_nothing_to_send(mss);
        }
    }

    /// What was waited for is to be waited for anew.
    pub(super) fn stop_timers(&mut self, shared: &mut Shared<'_>) {
        (self.send.waiting, self.send.timer) = (Waiting::Acknowledgment, Deadline::NEVER);
        if let Some(flight) = self.flight_mut(shared) {
            (flight.rto_at, flight.reordering_at, flight.tail.at) = (Deadline::NEVER, Deadline::NEVER, Deadline::NEVER);
        }
    }

    /// The segment could not be sent and nobody knows when it can be: the timer tries again.
    pub(super) fn try_later(&mut self, now: Instant) {
        if self.send.timer == Deadline::NEVER {
            self.wait(Waiting::Acknowledgment, self.rtt.rto(), now);
        }
    }

    /// Input: time has passed. Says whether the connection lives on.
    pub(super) fn on_deadline(&mut self, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        if let Some(flight) = self.flight_mut(shared) {
            flight.pacer.on_deadline(now);
        }
        if self.ack_at.is_due(now) {
            self.ack_at = Deadline::NEVER;
            if self.receive.owed == Owed::Later {
                self.receive.owed = Owed::Now;
            }
        }
        if let Some(outcome) = self.on_settings_deadline(now, shared) {
            return outcome;
        }
        if !self.send.timer.is_due(now) {
            return Outcome::Open;
        }
        self.send.timer = Deadline::NEVER;
        if self.is_early() {
            self.wait(self.send.waiting, self.rtt.rto(), now);
            return Outcome::Open;
        }
        match self.send.waiting {
            Waiting::Fin => Outcome::Ended(Ended::Closed),
            Waiting::Tail => self.on_tail_deadline(now, shared),
            Waiting::Reordering => self.on_reordering_deadline(now, shared),
            Waiting::Acknowledgment | Waiting::Window => self.on_timeout(now, shared),
        }
    }

    fn on_reordering_deadline(&mut self, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        let standing = self.standing(now, shared);
        if let Some((flight, runs)) = shared.flights.with_runs(self.flight) {
            flight.on_reordering_deadline(runs, &standing);
            if flight.rto_at.is_due(now) {
                // It was put off, and what goes now is to have its time.
                flight.rto_at = Deadline::NEVER;
            }
        }
        self.run_timer(now, shared);
        Outcome::Open
    }

    /// RFC 6298 §5.4 to §5.6, or the persist timer.
    fn on_timeout(&mut self, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        // RFC 9293 MUST-20, R2; a peer that answers probes of a closed window is alive (MUST-36).
        self.send.timeouts = self.send.timeouts.saturating_add(1);
        if self.send.timeouts > shared.config.retries && self.counts_timeouts(shared) {
            return Outcome::Ended(Ended::TimedOut);
        }
        shared.statistics.timeouts += 1;
        self.rtt.back_off(&shared.config);
        // A probe is for when nothing else is in flight: what is must come again by itself.
        if self.in_flight() == 0 {
            self.send.probe = self.send.waiting == Waiting::Window;
            return Outcome::Open;
        }
        self.doubt_path(now, shared);
        let signal = if self.send.timeouts == 1 { Signal::Timeout } else { Signal::TimeoutAgain };
        let standing = self.standing(now, shared);
        let closed = self.send.window == 0;
        // The window closed over what is in flight: from now on this is probing (RFC 9293 §3.8.6.1). A FIN takes no
        // memory of the peer's, so it goes again by itself.
        self.send.probe = closed && self.send.queue.bytes() > 0;
        let probes = self.send.probe;
        if let Some((flight, runs)) = shared.flights.with_runs(self.flight) {
            // What waits for a window to open is in nobody's network: that a probe is not answered says nothing of it.
            if flight.board.in_flight() > 0 || !closed {
                flight.on_timeout(runs, &standing, signal, self.rtt);
            }
            flight.recovery.urgent = !probes;
            // RFC 6298 §5.6: the timer runs on even if the ring is full now.
            flight.rto_at = Deadline::at(now + self.rtt.rto());
        }
        let waiting = if closed { Waiting::Window } else { Waiting::Acknowledgment };
        self.wait(waiting, self.rtt.rto(), now);
        Outcome::Open
    }
}

impl Flight {
    /// What comes first, and when.
    fn next_timer(&self) -> (Waiting, Deadline) {
        if self.reordering_at != Deadline::NEVER {
            // RFC 8985 §8: it stands for all others. What it waits for has been on its way for a round trip already.
            (Waiting::Reordering, self.reordering_at)
        } else if self.tail.at != Deadline::NEVER {
            // RFC 8985 §7.2: not later than the timeout.
            (Waiting::Tail, self.tail.at.min(self.rto_at))
        } else {
            (Waiting::Acknowledgment, self.rto_at)
        }
    }

    /// The application has nothing more to send for now.
    fn on_nothing_to_send(&mut self, mss: u16) {
        if self.room(mss) >= u32::from(mss) && !self.board.is_due() {
            self.rate.on_limited(self.board.in_flight());
        }
    }
}

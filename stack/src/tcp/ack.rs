//! The fifth step: what an acknowledgment says to the sending half.
//!
//! Invariant: after it SND.UNA has not moved back, everything below it is given back, and the timer runs exactly if
//! something is in flight or waits for a window.

use core::ops::ControlFlow;

use super::congestion::{Acked, Signal, Stand};
use super::connection::{Connection, Deadline, OurFin, Waiting};
use super::flight::Flight;
use super::input::{DONE, Step};
use super::recovery::Verdict;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::Shared;
use super::timestamps::Stamps;
use crate::drops::Reason;
use crate::time::{Instant, Span};
use crate::wire::tcp::Flags;

impl Connection {
    /// Fifth: the ACK field.
    pub(super) fn check_ack(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        let Some(ack) = segment.ack else {
            shared.drops.count(Reason::TcpAck);
            return DONE;
        };
        // RFC 5961 §5.2: neither of the future nor from longer ago than the largest window; and nothing that was never
        // sent, which who has guessed our numbers from a spoofed SYN would acknowledge.
        if ack.after(self.send.max) || ack.before(self.send.oldest) {
            shared.drops.count(Reason::TcpAck);
            self.challenge(now, shared);
            return DONE;
        }
        let window = u32::from(segment.window) << self.send.scale;
        let (marked, stand) = (self.ecn.told(segment, self.moves_on(segment, ack)), self.stand());
        if ack.after(self.send.una) {
            self.on_advance(segment, ack, marked, now, shared);
        } else if self.is_duplicate(segment, ack, window) {
            self.on_duplicate(shared);
        }
        if marked > 0 {
            self.on_marks(&stand, shared);
        }
        self.update_window(segment, ack, window, shared);
        self.run_timer(now);
        ControlFlow::Continue(())
    }

    /// RFC 5681 §2: the definition of a duplicate acknowledgment, (a) to (e).
    fn is_duplicate(&self, segment: &Arrival, ack: Seq, window: u32) -> bool {
        self.in_flight() > 0
            && !self.is_probing()
            && segment.payload.is_empty()
            && !segment.flags.intersects(Flags::SYN | Flags::FIN)
            && ack == self.send.una
            && window == self.send.window
    }

    fn on_advance(&mut self, segment: &Arrival, ack: Seq, marked: u32, now: Instant, shared: &mut Shared<'_>) {
        let acked = ack.since(self.send.una);
        let end = self.end_of_data();
        let bytes = acked.min(self.send.queue.bytes());
        if self.send.fin == OurFin::Queued && ack.after(end) {
            self.send.fin = OurFin::Acknowledged;
        }
        self.send.una = ack;
        self.send.oldest = self.send.oldest.later(ack - self.send.max_window);
        let beyond_next = ack.after(self.send.nxt);
        self.send.queue.acknowledged(bytes, beyond_next, shared);
        if beyond_next {
            self.send.nxt = ack;
        }
        let rtt = self.take_sample(segment, ack, acked, now, shared);
        let (mss, max, in_flight, smoothed) = (self.send.mss, self.send.max, self.in_flight(), self.rtt.smoothed());
        if let Some(flight) = self.flight_mut(shared) {
            flight.on_advance(ack);
            flight.fits.acknowledged(ack);
            let Flight { recovery, congestion, limited, pacer, .. } = flight;
            let verdict = recovery.on_advance(ack, bytes, mss);
            congestion.on_ack(&Acked {
                now,
                bytes,
                lost: 0,
                // RFC 9768 appendix A.3: bytes, from packets of full size. A classic peer means the whole.
                marked: if self.ecn.says_reduced() { bytes * marked } else { (marked * u32::from(mss)).min(bytes) },
                flight: in_flight,
                mss,
                rtt,
                smoothed,
                una: ack,
                max,
                delivered: 0,
                rate: None,
                limited: *limited,
                recovering: verdict != Verdict::Normal,
                paced: pacer.rate().is_some(),
            });
            match verdict {
                Verdict::Recovered => congestion.on_recovered(&Stand { flight: in_flight, mss }),
                Verdict::Normal | Verdict::Entered | Verdict::Inflate | Verdict::Partial => {}
            }
        }
        self.pace(shared);
        if in_flight == 0 {
            shared.flights.rest(self.flight);
        }
        self.progress(now, shared);
        self.send.timeouts = 0;
        // RFC 6298 §5.3: new data acknowledged restarts the timer.
        self.send.timer = Deadline::NEVER;
    }

    /// Whether `segment`, which acknowledges `ack`, is newer than all before it.
    fn moves_on(&self, segment: &Arrival, ack: Seq) -> bool {
        let is_newer = |stamps: Stamps| segment.timestamps.is_some_and(|theirs| stamps.is_newer(theirs.value));
        ack.after(self.send.una) || (ack == self.send.una && self.stamps.is_some_and(is_newer))
    }

    /// RFC 3168 §6.1.2: the network marked what was sent: the window is cut, once for all marks of a window. `stand` is from
    /// before the acknowledgment, for what it acknowledges was in flight when that happened.
    fn on_marks(&self, stand: &Stand, shared: &mut Shared<'_>) {
        let max = self.send.max;
        if let Some(flight) = self.flight_mut(shared).filter(|flight| !flight.has_reduced()) {
            flight.on_congestion(Signal::Ecn, stand, max);
        }
    }

    /// Whether the next new data says that the window was cut.
    pub(super) fn owes_cwr(&self, shared: &Shared<'_>) -> bool {
        self.ecn.says_reduced() && self.flight(shared).is_some_and(|flight| flight.owes_cwr)
    }

    fn on_duplicate(&mut self, shared: &mut Shared<'_>) {
        let (una, max, mss, stand) = (self.send.una, self.send.max, self.send.mss, self.stand());
        let Some(flight) = self.flight_mut(shared) else { return };
        match flight.recovery.on_duplicate(una, max, mss) {
            Verdict::Entered => {
                flight.timed = None;
                flight.on_congestion(Signal::Loss, &stand, max);
            }
            Verdict::Normal | Verdict::Inflate | Verdict::Partial | Verdict::Recovered => {}
        }
    }

    /// Where congestion control has to see the connection.
    pub(super) fn stand(&self) -> Stand {
        Stand { flight: self.in_flight(), mss: self.send.mss }
    }

    /// Whether a round trip is being measured.
    pub(super) fn is_timed(&self, shared: &Shared<'_>) -> bool {
        self.flight(shared).is_some_and(|flight| flight.timed.is_some())
    }

    fn take_sample(
        &mut self,
        segment: &Arrival,
        ack: Seq,
        acked: u32,
        now: Instant,
        shared: &mut Shared<'_>,
    ) -> Option<Span> {
        if let Some((took, of)) = self.round_trip(segment, ack, acked, now, shared) {
            self.rtt.sample(took, of, &shared.config);
            return Some(took);
        }
        if self.send.timeouts > 0 {
            // RFC 6298 §5.7 and Linux's way: an acknowledgment of new data ends the backoff.
            self.rtt.settle(&shared.config);
        }
        None
    }

    /// RFC 6298 §3: one segment at a time is timed, to the microsecond, never one that was sent twice. Of those what the
    /// peer echoes says which time it answers (RFC 7323 §4), to the millisecond. With how many samples come in a round
    /// trip: RFC 7323 appendix G counts one for every second segment of a window.
    fn round_trip(
        &self,
        segment: &Arrival,
        ack: Seq,
        acked: u32,
        now: Instant,
        shared: &mut Shared<'_>,
    ) -> Option<(Span, u32)> {
        let flight = self.flight_mut(shared)?;
        match flight.timed {
            Some((end, since)) if !ack.before(end) => {
                flight.timed = None;
                Some((now.since(since), 1))
            }
            Some(_) => None,
            None if !flight.recovery.repeats(ack) => None,
            None => {
                let window = self.in_flight() + acked;
                Some((self.echoed(segment, now)?, window.div_ceil(2 * u32::from(self.send.mss))))
            }
        }
    }

    /// How long ago that was sent which `segment` echoes.
    pub(super) fn echoed(&self, segment: &Arrival, now: Instant) -> Option<Span> {
        self.stamps?.since_echoed(segment.timestamps?.echo, now)
    }

    /// RFC 9293 §3.10.7.4: only a newer segment moves the window.
    fn update_window(&mut self, segment: &Arrival, ack: Seq, window: u32, shared: &Shared<'_>) {
        // What is old of a segment was cut off.
        let seq = segment.newest.later(segment.seq);
        let newer = self.send.wl1.before(seq) || (self.send.wl1 == seq && !ack.before(self.send.wl2));
        if ack.before(self.send.una) || !newer {
            return;
        }
        if self.is_probing() {
            // RFC 9293 MUST-36, MUST-37: a peer that answers probes is alive, however long its window stays closed.
            self.send.timeouts = 0;
            if window > self.send.window {
                self.send.timer = Deadline::NEVER;
                self.send.probe = false;
                self.rtt.settle(&shared.config);
            }
        }
        self.send.window = window;
        self.send.max_window = self.send.max_window.max(window);
        self.send.wl1 = seq;
        self.send.wl2 = ack;
    }

    /// RFC 6298 §5.1 to §5.3: the timer runs while something is in flight.
    pub(super) fn run_timer(&mut self, now: Instant) {
        if self.in_flight() == 0 {
            if self.send.waiting == Waiting::Acknowledgment {
                self.send.timer = Deadline::NEVER;
            }
            return;
        }
        if self.send.timer == Deadline::NEVER {
            self.wait(Waiting::Acknowledgment, self.rtt.rto(), now);
        }
    }

    /// Whether the timer runs for a window (or a probe has just become due).
    fn is_probing(&self) -> bool {
        self.send.waiting == Waiting::Window && (self.send.timer != Deadline::NEVER || self.send.probe)
    }
}

//! A segment for a connection: RFC 9293 §3.10.7.4, one function a step.
//!
//! Invariant: the steps run in the RFC's order, and the first that ends the segment's way says so. Nothing is sent
//! here: an acknowledgment that is owed is noted.

use core::ops::ControlFlow;

use super::connection::{Connection, Ended, OurFin, Outcome, PeerFin};
use super::ecn::Due;
use super::intake::Intake;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::Shared;
use super::totals;
use super::window::Order;
use crate::drops::Reason;
use crate::time::Instant;
use crate::wire::tcp::Flags;

/// How a step ends: the segment goes on to the next one, or its way is over.
pub(super) type Step = ControlFlow<Outcome>;

/// The segment's way ends; the connection's does not.
pub(super) const DONE: Step = ControlFlow::Break(Outcome::Open);

impl Connection {
    /// Input: a segment for this connection.
    pub(super) fn on_segment(&mut self, mut segment: Arrival, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        self.hear(now, shared);
        self.segments.on_received(segment.segments());
        match self.steps(&mut segment, now, shared) {
            // Also a segment whose way ended early may have acknowledged our FIN.
            ControlFlow::Break(Outcome::Open) | ControlFlow::Continue(()) => self.settled(),
            ControlFlow::Break(outcome) => outcome,
        }
    }

    /// Input: the segment that made this a connection, for what else it brings.
    pub(super) fn on_first_segment(&mut self, mut segment: Arrival, now: Instant, shared: &mut Shared<'_>) -> Outcome {
        if !segment.has(Flags::SYN) {
            return self.on_segment(segment, now, shared);
        }
        // RFC 9293 §3.10.7.3, fourth: the SYN and what it acknowledges have been looked at, and are acknowledged; the
        // segment goes on at the sixth step.
        self.owe_now();
        self.segments.on_received(1);
        segment.flags.remove(Flags::SYN);
        segment.seq += 1;
        match self.steps_behind_ack(&mut segment, now, shared) {
            ControlFlow::Break(outcome) => outcome,
            ControlFlow::Continue(()) => self.settled(),
        }
    }

    fn steps_behind_ack(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        self.check_sequence(segment, now, shared)?;
        self.trim(segment, shared);
        self.check_urgent(segment, shared);
        self.take_text(segment, now, shared)?;
        self.check_fin(segment, shared);
        ControlFlow::Continue(())
    }

    fn steps(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        self.check_timestamps(segment, now, shared)?;
        let start = segment.seq;
        self.check_sequence(segment, now, shared)?;
        self.check_reset(segment, now, shared)?;
        self.check_syn(segment, now, shared)?;
        self.trim(segment, shared);
        self.check_ack(segment, now, shared)?;
        self.record_timestamps(start, segment, now);
        if self.ecn.on_segment(segment) == Due::Now {
            self.owe_now();
        }
        self.count_bytes(segment, shared);
        self.check_urgent(segment, shared);
        self.take_text(segment, now, shared)?;
        self.check_fin(segment, shared);
        ControlFlow::Continue(())
    }

    /// Where acknowledgments and FINs that went both ways leave the connection.
    fn settled(&self) -> Outcome {
        match (self.send.fin, self.receive.fin) {
            (OurFin::Acknowledged, PeerFin::AfterOurs) => Outcome::TimeWait,
            (OurFin::Acknowledged, PeerFin::BeforeOurs) => Outcome::Ended(Ended::Closed),
            (OurFin::None | OurFin::Queued, _) | (OurFin::Acknowledged, PeerFin::None) => Outcome::Open,
        }
    }

    /// RFC 7323 §5.3 R1, before all else (§5.3 says in which order): a segment from before one that was taken. What has
    /// no timestamps cannot be told from one (§3.2). A reset is not asked (§5.2).
    fn check_timestamps(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        let Some(stamps) = self.stamps.filter(|_| !segment.has(Flags::RST)) else { return ControlFlow::Continue(()) };
        let Some(theirs) = segment.timestamps else {
            shared.drops.count(Reason::TcpNoTimestamps);
            return DONE;
        };
        if !stamps.is_old(theirs.value, now) {
            return ControlFlow::Continue(());
        }
        if self.is_overtaken(segment, theirs.value, shared) {
            // R3: its time is not recorded. What it echoes is old, too, and measures nothing.
            segment.timestamps = None;
            return ControlFlow::Continue(());
        }
        shared.drops.count(Reason::TcpOld);
        self.refuse_old(segment, now, shared);
        DONE
    }

    /// Whether `segment`, of a time `value` that is before TS.Recent, brings new data that may have been sent before what
    /// has overtaken it was sent again.
    fn is_overtaken(&self, segment: &Arrival, value: u32, shared: &Shared<'_>) -> bool {
        let next = self.receive.nxt;
        let is_new = !segment.payload.is_empty() && (segment.seq + segment.len()).after(next);
        let covers = |intake: &Intake| {
            let came = intake.need.since_last_but_one(next, intake.reassembly.bytes());
            intake.overtaken.covers(value, self.recent(), came)
        };
        is_new && self.intake(shared).is_some_and(covers)
    }

    /// RFC 7323 §5.3 R3, §4.3: of a segment that began at or below what was last acknowledged, so that of several that
    /// one acknowledgment answers the first one's time is echoed. Later than the RFC has it, when the acknowledgment has
    /// been found good, too: nobody who only guesses numbers shall move the clock (RFC 5961 §5).
    fn record_timestamps(&mut self, start: Seq, segment: &Arrival, now: Instant) {
        if let (Some(stamps), Some(theirs)) = (&mut self.stamps, segment.timestamps)
            && !start.after(self.receive.acknowledged)
        {
            stamps.record(theirs.value, now);
        }
    }

    /// First: is any of the segment in the window?
    fn check_sequence(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        let (next, window) = (self.receive.nxt, self.receive.edge.since(self.receive.nxt));
        if segment.is_acceptable(next, window) {
            return ControlFlow::Continue(());
        }
        // RFC 9293 §3.10.7.4: into a window of zero no text comes, but an acknowledgment does.
        let acknowledges = segment.ack.is_some() && !segment.flags.intersects(Flags::SYN | Flags::RST);
        if window == 0 && segment.seq == next && acknowledges {
            self.owe_now();
            return ControlFlow::Continue(());
        }
        shared.drops.count(Reason::TcpOutOfWindow);
        if segment.has(Flags::RST) {
            return DONE;
        }
        self.refuse_old(segment, now, shared);
        DONE
    }

    /// Cuts off what lies outside of the window. A FIN right behind it takes no memory, and stays: its sender would give
    /// up asking long before a slow reader reads.
    fn trim(&mut self, segment: &mut Arrival, shared: &mut Shared<'_>) {
        if segment.seq.before(self.receive.nxt) {
            self.note_repeated(segment, shared);
            let old = self.receive.nxt.since(segment.seq) as usize;
            segment.payload.advance(old.min(segment.payload.len()));
            segment.seq = self.receive.nxt;
            segment.cut = true;
        }
        let room = self.receive.edge.since(segment.seq);
        if segment.payload.len() as u32 > room {
            segment.payload.truncate(room as usize);
            segment.flags.remove(Flags::FIN);
            segment.cut = true;
        }
    }

    /// A segment that is not acceptable is answered by where we stand.
    fn refuse_old(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) {
        // Data that comes again shows that an acknowledgment was lost, and cannot be part of a loop of them.
        if segment.len() > 0 && !segment.has(Flags::SYN) {
            self.note_repeated(segment, shared);
            self.owe_now();
        } else {
            if segment.has(Flags::SYN) && segment.ack == Some(self.send.una) && segment.seq + 1 == self.receive.nxt {
                self.ecn.on_syn_ack_again(segment);
            }
            // Also the answer to a keep-alive probe (§3.8.4).
            self.challenge(now, shared);
        }
    }

    /// Second: RFC 5961 §3.2: only an exact reset ends the connection, one in the window is challenged.
    fn check_reset(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        if !segment.has(Flags::RST) {
            return ControlFlow::Continue(());
        }
        if segment.seq != self.receive.nxt {
            shared.drops.count(Reason::TcpReset);
            self.challenge(now, shared);
            return DONE;
        }
        ControlFlow::Break(Outcome::Ended(Ended::Reset))
    }

    /// Fourth (the third, security, is no more): RFC 5961 §4.2: a SYN is challenged.
    fn check_syn(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        if !segment.has(Flags::SYN) {
            return ControlFlow::Continue(());
        }
        shared.drops.count(Reason::TcpSyn);
        self.challenge(now, shared);
        DONE
    }

    /// Seventh (for the sixth, see `urgent`): the segment's text.
    fn take_text(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        if segment.payload.is_empty() {
            return ControlFlow::Continue(());
        }
        if self.receive.fin != PeerFin::None {
            shared.drops.count(Reason::TcpLateData);
            return DONE;
        }
        if !self.held {
            // RFC 9293 SHLD-3: nobody will read it, and the peer ought to know.
            shared.drops.count(Reason::TcpLateData);
            return ControlFlow::Break(Outcome::Abort(Ended::Reset));
        }
        let order = if segment.seq == self.receive.nxt { Order::Next } else { Order::Ahead };
        if !self.has_room(order, shared) {
            shared.drops.count(Reason::TcpNoRoom);
            self.owe_now();
            return DONE;
        }
        match order {
            Order::Next => self.take_in_order(segment, now, shared),
            Order::Ahead => self.take_out_of_order(segment, now, shared),
        }
    }

    fn take_in_order(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        let fills_hole = self.has_holes(shared);
        let gathers = self.gathers(segment.size(), shared);
        let (segments, before) = (segment.segments(), self.receive.nxt);
        self.learn_size(segment.size().min(usize::from(u16::MAX)) as u16, segments);
        let writers = if gathers { self.writers(shared) } else { None };
        let kept = self.kept(shared);
        while let Some(chunk) = segment.payload.pop() {
            let len = chunk.len() as u32;
            if len == 0 {
                continue;
            }
            // Each chunk asks anew: what came as one may be long.
            if !self.has_room_beside(kept, Order::Next, shared)
                || self.receive.queue.push(chunk, writers, shared).is_err()
            {
                // What came before it is kept and acknowledged; the rest will be sent again.
                shared.drops.count(Reason::TcpNoRoom);
                segment.flags.remove(Flags::FIN);
                segment.payload.truncate(0);
                self.owe_now();
                break;
            }
            self.receive.nxt += len;
            segment.seq += len;
        }
        while let Some(chunk) = self.next_kept(shared) {
            self.receive.nxt += chunk.len() as u32;
            self.receive.queue.push_moved(chunk, shared);
        }
        let laps = totals::laps(self.receive.first, before, self.receive.nxt);
        self.receive.laps = self.receive.laps.wrapping_add(laps);
        // RFC 5681 §4.2: what repeats or fills a hole is acknowledged at once.
        self.owe(segments, fills_hole || segment.cut, now, shared);
        self.look_at_need(segment.timestamps.map(|theirs| theirs.echo), now, shared);
        ControlFlow::Continue(())
    }

    fn take_out_of_order(&mut self, segment: &mut Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        self.owe_duplicates(segment.segments(), shared);
        let mut start = segment.seq;
        while let Some(chunk) = segment.payload.pop() {
            let len = chunk.len() as u32;
            if self.keep(start, chunk, shared).is_err() {
                shared.drops.count(Reason::TcpNoRoom);
                return DONE;
            }
            start += len;
        }
        segment.seq = start;
        self.look_at_need(segment.timestamps.map(|theirs| theirs.echo), now, shared);
        ControlFlow::Continue(())
    }

    /// RFC 5961: an acknowledgment tells a peer that is one where we stand.
    pub(super) fn challenge(&mut self, now: Instant, shared: &mut Shared<'_>) {
        if self.challenges.allows(now, shared) {
            self.owe_now();
        }
    }

    /// Eighth: the FIN, this segment's or one that came before its time.
    fn check_fin(&mut self, segment: &Arrival, shared: &mut Shared<'_>) {
        if self.receive.fin != PeerFin::None {
            return;
        }
        let comes_next = segment.seq == self.receive.nxt;
        if segment.has(Flags::FIN) && !comes_next {
            // RFC 5681 §4.2: a duplicate acknowledgment at once tells its sender of the hole before it.
            self.owe_now();
            // SHLD-31: it is held as data is.
            if segment.seq.after(self.receive.nxt) && self.keep_fin(segment.seq, shared).is_err() {
                shared.drops.count(Reason::TcpNoRoom);
            }
        }
        let came = (segment.has(Flags::FIN) && comes_next) || self.has_kept_fin(shared);
        if !came {
            return;
        }
        // What pretends to lie behind it would wait for ever.
        self.drop_kept(shared);
        self.receive.nxt += 1;
        self.receive.duplicates = 0;
        // It takes no memory: the window behind it is what it was.
        self.receive.edge += 1;
        self.receive.fin = match self.send.fin {
            OurFin::None => PeerFin::BeforeOurs,
            OurFin::Queued | OurFin::Acknowledged => PeerFin::AfterOurs,
        };
        self.owe_now();
    }
}

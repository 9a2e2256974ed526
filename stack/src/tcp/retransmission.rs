//! What is sent again, or to ask: what is lost, and the probe after a silence.
//!
//! Invariant: as for all that is planned ([`super::output`]), nothing changes until the NIC took it. What goes again goes
//! as it was cut before, where that can be, so that no payload is read for it.

use super::connection::Connection;
use super::flight::Flight;
use super::output::{Kind, LEAST_CUT, Plan};
use super::recovery::{Detection, RecoveryPhase};
use super::runs::Run;
use super::send_queue::{Cuts, Ending, Limits};
use super::seq::Seq;
use super::shared::Shared;
use crate::time::Instant;
use crate::wire::tcp::Flags;

impl Connection {
    /// The first segment of what is lost, or a run of them, as far as both windows allow.
    pub(super) fn plan_again(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        let mss = self.send.mss;
        let (run, urgent, room) = {
            let flight = self.flight(shared)?;
            if flight.undo.holds() {
                return None;
            }
            let room = flight.room(mss).min(flight.pacer.allowance(now));
            (flight.board.first_due(shared.flights.runs())?, flight.recovery.urgent, room)
        };
        // What goes whatever the window is goes alone.
        let row = if urgent { None } else { self.plan_run_again(&run, room, limits, shared) };
        row.or_else(|| self.plan_part(&run, urgent, room, Kind::Again, limits, shared))
    }

    /// Several segments in a row, from the front of `run` on, as they would go one by one.
    fn plan_run_again(&mut self, run: &Run, room: u32, limits: Limits, shared: &mut Shared<'_>) -> Option<Plan> {
        let size = limits.size;
        let most = room.min(self.window_from(run.start)).min(limits.run);
        // Who cuts a run clears CWR in all but its first segment, also where it is a counter's bit.
        let is_plain = !self.is_urgent(shared) && !self.ecn.flags(size).contains(Flags::CWR);
        let by_device = limits.cuts == Cuts::Device;
        if most <= size || size < LEAST_CUT || !is_plain || !(by_device || self.may_cut(size)) {
            return None;
        }
        let end = self.flight(shared)?.board.due_end(shared.flights.runs(), run, size, most);
        let data = end.earlier(self.end_of_data()).since(run.start);
        let want = if by_device && data <= most { data } else { data.min(most) / size * size };
        let cell = self.send.queue.find(run.cell, self.send.una, run.start, limits.sums, shared)?;
        let same = self.send.queue.as_before(cell, want as usize, size as usize, &shared.cells) as u32;
        let same = if by_device { same } else { same - same % size };
        let len = if same > size { self.prepare_next(cell, same, limits, shared) } else { 0 };
        (len > size).then(|| self.plan_of(run.start, Some(cell), len, Kind::Again, limits, shared))
    }

    /// What the peer's window has room for from `start` on, which is in flight: RFC 9293 SHLD-16: what lies beyond a window
    /// that has shrunk waits.
    fn window_from(&self, start: Seq) -> u32 {
        let edge = self.send.una + self.send.window;
        if start.after(edge) { 0 } else { edge.since(start) }
    }

    /// `run`, or its first segment, again, as far as both windows allow.
    fn plan_part(
        &mut self,
        run: &Run,
        urgent: bool,
        room: u32,
        kind: Kind,
        limits: Limits,
        shared: &mut Shared<'_>,
    ) -> Option<Plan> {
        let len = self.again_len(run, urgent, room, limits.size)?;
        let data = len.min(self.end_of_data().since(run.start));
        if data == 0 {
            // Only the FIN is left.
            return Some(self.plan_of(run.start, None, 0, kind, limits, shared));
        }
        let cell = self.send.queue.find(run.cell, self.send.una, run.start, limits.sums, shared)?;
        // It goes as it was cut before: nothing is read for it.
        let len = self.prepare(cell, data, Ending::AsBefore, limits, shared);
        (len > 0).then(|| self.plan_of(run.start, Some(cell), len, kind, limits, shared))
    }

    /// What could be lost, while there is room and neither new data nor anything that is known to be lost: a hole, or the
    /// end of what was sent, once in a recovery (RFC 6675 §4, NextSeg() rules 3 and 4).
    pub(super) fn plan_spare(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        let (mss, size) = (self.send.mss, limits.size);
        let is_counting = self.detection(shared) == Detection::Counting;
        let flight = self.flight(shared).filter(|_| is_counting)?;
        if flight.recovery.phase != RecoveryPhase::Fast || flight.board.is_due() {
            return None;
        }
        let room = flight.room(mss).min(flight.pacer.allowance(now));
        let runs = shared.flights.runs();
        let hole = flight.board.first_hole(runs).map(|run| (run, Kind::Again));
        let (run, kind) = hole.or_else(|| {
            // Where that has gone again in this recovery, it is on its way.
            let last = flight.board.last_missing(runs).filter(|run| !flight.recovery.rescued && !run.marks.again)?;
            let start = last.start + (last.len() - 1) / size * size;
            Some((Run { start, ..last }, Kind::Rescue))
        })?;
        self.plan_part(&run, false, room, kind, limits, shared)
    }

    /// What is lost, after all: no new data can be sent to tell whether the timeout was for nothing (RFC 5682 §3.1 step 2).
    pub(super) fn plan_held(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        let nxt = self.send.nxt;
        let is_stuck = |flight: &&mut Flight| {
            flight.undo.holds() && flight.recovery.recover == nxt && flight.pacer.allowance(now) > 0
        };
        self.flight_mut(shared).filter(is_stuck)?.undo.on_no_new_data();
        self.plan_again(limits, now, shared)
    }

    /// The probe after a silence (RFC 8985 §7.3): new data, if the peer's window has room, or what was sent last.
    pub(super) fn plan_tail(&mut self, limits: Limits, shared: &mut Shared<'_>) -> Option<Plan> {
        self.flight(shared).filter(|flight| flight.tail.is_due)?;
        let (nxt, room) = (self.send.nxt, self.send.window.saturating_sub(self.in_flight()));
        let want = self.end_of_data().since(nxt).min(limits.size);
        // RFC 9293 §3.8.6.2.1: the rest of a window is no segment, here either; and what is corked stays.
        let fits = room >= want && (want == limits.size || !self.is_corked(shared));
        if let Some(cell) = self.send.queue.unsent().filter(|_| fits && nxt == self.send.max) {
            let len = self.prepare(cell, want, Ending::Exact, limits, shared);
            return (len > 0).then(|| self.plan_of(nxt, Some(cell), len, Kind::Next, limits, shared));
        }
        self.flight(shared).filter(|flight| flight.recovery.phase == RecoveryPhase::Open)?;
        let start = self.tail(shared)?;
        let data = self.end_of_data().since(start).min(limits.size);
        if data == 0 {
            return self.fin_sent().then(|| self.plan_of(start, None, 0, Kind::Tail, limits, shared));
        }
        let hint = shared.flights.runs().at(self.flight(shared)?.board.last())?.cell;
        let cell = self.send.queue.find(hint, self.send.una, start, limits.sums, shared)?;
        let len = self.prepare(cell, data.min(nxt.since(start)), Ending::Exact, limits, shared);
        (len > 0).then(|| self.plan_of(start, Some(cell), len, Kind::Tail, limits, shared))
    }

    /// How much of `run`, which is lost, the next segment takes.
    fn again_len(&self, run: &Run, urgent: bool, room: u32, size: u32) -> Option<u32> {
        let len = run.len().min(size);
        // A closed window is probed.
        let window = self.window_from(run.start);
        let len = if window > 0 { len.min(window) } else { len };
        let allowed = if urgent { run.start == self.send.una || window > 0 } else { room >= len && window >= len };
        (allowed && len > 0).then_some(len)
    }
}

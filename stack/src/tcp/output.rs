//! What to send next: plan, borrow, commit.
//!
//! Invariant: [`Connection::plan`] changes nothing that a peer or an application could see (it may cut a queued chunk
//! in two), [`Connection::packet`] borrows the queue, and only [`Connection::sent`] records what the NIC took. A full
//! ring or an unresolved neighbour so leaves everything as it was. Where the device cuts (TCP segmentation offload), a
//! plan is a run of segments that could each be sent now; nothing waits for a run to grow longer.

use lendwire_nic::{Payload, Segmentation, TxPacket};

use super::connection::{Connection, Deadline, OurFin, Owed, Waiting};
use super::ecn;
use super::flight::Flight;
use super::header::{self, Fields};
use super::path_search::Turn;
use super::recovery::RecoveryPhase;
use super::runs::NIL;
use super::scoreboard::Sent;
use super::send_queue::{Cuts, Ending, Limits};
use super::seq::Seq;
use super::shared::Shared;
use crate::time::Instant;
use crate::wire::tcp::Flags;
use crate::wire::tcp_options::{SegmentOptions, Timestamps};

/// Devices are not asked to cut shorter segments: it saves little, and some are not made for it.
pub(super) const LEAST_CUT: u32 = 256;

/// A segment that could be sent now, or a run of them for the device or for us to cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Plan {
    seq: Seq,
    pub(super) flags: Flags,
    /// Where the payload begins.
    pub(super) cell: Option<u32>,
    pub(super) len: u32,
    /// Data bytes of a full segment.
    pub(super) size: u32,
    kind: Kind,
    /// The window field.
    window: u16,
}

impl Plan {
    /// How many segments it is on the wire.
    pub(super) fn segments(&self) -> u32 {
        let is_one = self.len <= self.size || self.kind == Kind::Longer;
        if is_one { 1 } else { self.len.div_ceil(self.size) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// Data and FIN from SND.NXT.
    Next,
    /// Data from SND.NXT, more than a full segment holds: see `path_search`.
    Longer,
    /// Something that is lost, again.
    Again,
    /// The end of what was sent, again, once in a recovery (RFC 6675 §4).
    Rescue,
    /// What was sent last, again, to be answered.
    Tail,
    /// Something beyond a closed window (RFC 9293 §3.8.6.1).
    Probe,
    /// An acknowledgment alone.
    Bare,
    /// One with an old number, so that it is answered.
    KeepAlive,
}

impl Kind {
    fn is_new(self) -> bool {
        matches!(self, Self::Next | Self::Longer)
    }
}

impl Connection {
    /// Question: the next segment, if one can be sent.
    pub(super) fn plan(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        if self.ended.is_some() {
            return None;
        }
        let numbered = if self.take_flight(now, shared) { self.plan_numbered(limits, now, shared) } else { None };
        if numbered.is_some() {
            return numbered;
        }
        let wants_keep_alive = self.wants_keep_alive(shared);
        if !wants_keep_alive && self.receive.owed != Owed::Now {
            return None;
        }
        let bare = Limits { size: self.full_size(shared), ..limits };
        if wants_keep_alive {
            // RFC 9293 §3.8.4, SHLD-12: a number that the peer has acknowledged makes it answer; no data.
            return Some(self.plan_of(self.send.una - 1, None, 0, Kind::KeepAlive, bare, shared));
        }
        Some(self.plan_of(self.bare_seq(), None, 0, Kind::Bare, bare, shared))
    }

    /// Question: the next segment with data or a FIN, from a connection that has a flight.
    fn plan_numbered(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        let flight = self.flight(shared)?;
        let is_plain = !flight.tail.is_due && !flight.board.is_due();
        let limits = Limits { size: self.full_size(shared), ..limits };
        let mut again = None;
        if !is_plain {
            again = self.plan_tail(limits, shared).or_else(|| self.plan_again(limits, now, shared));
        }
        again
            .or_else(|| self.plan_next(limits, now, shared))
            .or_else(|| self.plan_held(limits, now, shared))
            .or_else(|| self.plan_spare(limits, now, shared))
            .or_else(|| self.plan_probe(limits, shared))
    }

    /// Question: whether it can be told at a glance that [`Connection::plan`] finds nothing: all that was given is sent, and
    /// nothing of it is missed.
    pub(super) fn is_quiet(&self, shared: &Shared<'_>) -> bool {
        let send = &self.send;
        let misses_nothing =
            |flight: &Flight| flight.recovery.sees_nothing() && !flight.board.is_due() && !flight.tail.is_due;
        self.receive.owed != Owed::Now
            && send.queue.unsent().is_none()
            && send.fin == OurFin::None
            && !send.probe
            && send.timeouts == 0
            && self.settings.is_none()
            && self.ended.is_none()
            && self.flight(shared).is_none_or(misses_nothing)
    }

    /// The number of a segment without data: the highest that was sent, but not beyond the peer's window, where a probe
    /// may have reached. The peer would drop it, and two ends with closed windows would correct each other for ever.
    pub(super) fn bare_seq(&self) -> Seq {
        let edge = self.send.una + self.send.window;
        if self.send.max.after(edge) { edge } else { self.send.max }
    }

    /// New data, as far as both windows allow.
    fn plan_next(&mut self, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Option<Plan> {
        let nxt = self.send.nxt;
        let Some(cell) = self.send.queue.unsent() else {
            let fin_due = self.send.fin == OurFin::Queued && nxt == self.end_of_data();
            return fin_due.then(|| self.plan_of(nxt, None, 0, Kind::Next, limits, shared));
        };
        match self.search_turn(cell, limits, now, shared) {
            Turn::Pass => {}
            Turn::Wait => return None,
            Turn::Probe(len) => return Some(self.plan_of(nxt, Some(cell), len, Kind::Longer, limits, shared)),
        }
        let want = self.next_len(limits, now, shared)?;
        let len = self.prepare_next(cell, want, limits, shared);
        (len > 0).then(|| self.plan_of(nxt, Some(cell), len, Kind::Next, limits, shared))
    }

    /// [`super::send_queue::SendQueue::prepare`], where a run for which parts or cells run out ends with a full segment.
    pub(super) fn prepare(
        &mut self,
        cell: u32,
        want: u32,
        ending: Ending,
        limits: Limits,
        shared: &mut Shared<'_>,
    ) -> u32 {
        let (mss, mut want) = (limits.size, want);
        loop {
            let len = self.send.queue.prepare(cell, want as usize, ending, limits, shared) as u32;
            if len == want || len <= mss {
                return len;
            }
            want = len - len % mss;
        }
    }

    /// What the windows of the peer and of the network leave for new data, and the pace.
    fn usable(&self, now: Instant, shared: &Shared<'_>) -> u32 {
        let send = &self.send;
        let Some(flight) = self.flight(shared) else { return 0 };
        let room = send.window.saturating_sub(self.in_flight()).min(flight.room(send.mss));
        room.min(flight.pacer.allowance(now))
    }

    /// How much of the unsent data the next segment takes, by the sender's silly-window avoidance (RFC 9293
    /// §3.8.6.2.1) and Nagle's algorithm (§3.7.4).
    fn next_len(&self, limits: Limits, now: Instant, shared: &Shared<'_>) -> Option<u32> {
        let send = &self.send;
        let unsent = self.end_of_data().since(send.nxt);
        let mss = limits.size;
        let usable = self.usable(now, shared);
        // Who cuts a run clears CWR in all but its first segment (RFC 3168 §6.1.2), also where it is a counter's bit.
        let has_cwr = self.ecn.flags(mss).contains(Flags::CWR) || self.owes_cwr(shared);
        if !self.is_urgent(shared)
            && !has_cwr
            && let Some(run) = self.run_len(unsent, usable, limits, shared)
        {
            return Some(run);
        }
        let len = unsent.min(usable).min(mss);
        let last = len == unsent;
        let idle = self.in_flight() == 0;
        let corked = self.is_corked(shared);
        let worth_it = len == mss
            || (last && (self.may_be_short(shared) || (idle && !corked)))
            || (!corked && len > 0 && len >= send.max_window / 2);
        (len > 0 && worth_it).then_some(len)
    }

    /// Whether the end of the data may go in a segment that it does not fill, while others are on their way: Nagle's
    /// algorithm as Minshall has it, where full segments hold nothing back.
    fn may_be_short(&self, shared: &Shared<'_>) -> bool {
        let send = &self.send;
        let no_small_one = || self.flight(shared).is_some_and(|flight| !flight.small.after(send.una));
        !self.is_corked(shared) && (send.nodelay || send.fin == OurFin::Queued || no_small_one())
    }

    /// How much of it a device, or we, may cut: full segments, and from a device a short one behind them that would follow
    /// at once.
    fn run_len(&self, unsent: u32, usable: u32, limits: Limits, shared: &Shared<'_>) -> Option<u32> {
        let mss = limits.size;
        let most = unsent.min(usable).min(limits.run);
        if most <= mss || mss < LEAST_CUT || (limits.cuts == Cuts::Stack && !self.may_cut(mss)) {
            return None;
        }
        let has_end = limits.cuts == Cuts::Device && most == unsent && self.may_be_short(shared);
        let run = if has_end { most } else { most - most % mss };
        (run > mss).then_some(run)
    }

    /// The persist timer has fired: what the window allows, or a byte beyond it.
    fn plan_probe(&mut self, limits: Limits, shared: &mut Shared<'_>) -> Option<Plan> {
        if !self.send.probe {
            return None;
        }
        let (una, left) = (self.send.una, self.send.queue.bytes());
        if self.in_flight() == 0 && self.send.window > 0 {
            // RFC 9293 §3.8.6.2.1: the override of silly-window avoidance. It is within the window, so no probe.
            let (cell, want) = (self.send.queue.unsent()?, self.send.window.min(limits.size).min(left));
            let len = self.prepare(cell, want, Ending::Exact, limits, shared);
            return (len > 0).then(|| self.plan_of(una, Some(cell), len, Kind::Next, limits, shared));
        }
        let cell = self.send.queue.first()?;
        Some(self.plan_of(una, Some(cell), 1, Kind::Probe, limits, shared))
    }

    pub(super) fn plan_of(
        &self,
        seq: Seq,
        cell: Option<u32>,
        len: u32,
        kind: Kind,
        limits: Limits,
        shared: &Shared<'_>,
    ) -> Plan {
        let end = seq + len;
        let mut flags = Flags::ACK | self.ecn.flags(len);
        let last = end == self.end_of_data();
        let has_fin = self.send.fin == OurFin::Queued
            && last
            && matches!(kind, Kind::Next | Kind::Again | Kind::Rescue | Kind::Tail);
        flags.set(Flags::FIN, has_fin && (kind == Kind::Next || self.fin_sent()));
        // RFC 9293 MUST-60..62: the end of what the application gave is pushed.
        flags.set(Flags::PSH, len > 0 && last);
        // RFC 3168 §6.1.2: the first new data after the window was cut says so.
        if len > 0 && kind.is_new() && seq == self.send.max && self.owes_cwr(shared) {
            flags |= Flags::CWR;
        }
        flags.set(Flags::URG, kind != Kind::KeepAlive && self.urgent_pointer(seq, shared).is_some());
        let window = self.window_field(self.next_edge(shared));
        Plan { seq, flags, cell, len, size: limits.size, kind, window }
    }

    /// What IP is to say of the segment of `plan`: ECT on new data, and on nothing else (RFC 3168 §6.1.4 to §6.1.6).
    pub(super) fn codepoint(&self, plan: &Plan) -> u8 {
        let is_new_data = plan.len > 0 && plan.kind.is_new() && plan.seq == self.send.max;
        if is_new_data && self.ecn.is_capable() { ecn::ECT_0 } else { 0 }
    }

    /// The segment that `plan` describes, or the run for a device, as a borrow of the queue.
    pub(super) fn packet<'q>(&self, plan: &Plan, now: Instant, shared: &'q Shared<'_>) -> TxPacket<'q> {
        let mut packet = self.headed(plan, plan.flags, self.payload(plan, shared), now, shared);
        if plan.segments() > 1 {
            let ipv6 = self.tuple.remote().is_ipv6();
            packet.offload.segmentation = Some(Segmentation { size: plan.size as u16, ipv6, ecn: false });
        }
        packet
    }

    /// `payload` behind the header of the segment of `plan`, with `flags`.
    pub(super) fn headed<'q>(
        &self,
        plan: &Plan,
        flags: Flags,
        payload: Payload<'q>,
        now: Instant,
        shared: &Shared<'_>,
    ) -> TxPacket<'q> {
        let mut packet = TxPacket::new(payload);
        let has_urgent = flags.contains(Flags::URG);
        let urgent = if has_urgent { self.urgent_pointer(plan.seq, shared).unwrap_or(0) } else { 0 };
        let fields = Fields { seq: plan.seq, ack: self.receive.nxt, flags, window: plan.window, urgent };
        let timestamps = self.stamps.map(|stamps| stamps.of_now(now));
        if plan.size == u32::from(self.send.mss) {
            // As long as they can be: nothing else takes room from the data.
            header::push(&mut packet, &self.tuple, fields, &timestamps);
        } else {
            let (sack, byte_counts) = (self.sack_blocks(shared), self.byte_counts(shared));
            header::push(&mut packet, &self.tuple, fields, &SegmentOptions { timestamps, sack, byte_counts });
        }
        packet
    }

    /// Bytes of options that every segment has.
    pub(super) fn fixed_options_len(&self) -> u16 {
        self.stamps.map_or(0, |_| Timestamps::LEN as u16)
    }

    pub(super) fn payload<'q>(&self, plan: &Plan, shared: &'q Shared<'_>) -> Payload<'q> {
        plan.cell.map_or(Payload::EMPTY, |cell| Payload::of_queue(shared.cells.storage(), cell, plan.len as usize))
    }

    /// The window field for `edge`, rounded up so that rounding never moves the edge left.
    pub(super) fn window_field(&self, edge: Seq) -> u16 {
        let window = edge.since(self.receive.nxt);
        let scaled = window.div_ceil(1 << self.receive.scale);
        scaled.min(0xffff) as u16
    }

    /// Commits: the NIC has taken the segment of `plan`.
    pub(super) fn sent(&mut self, plan: &Plan, now: Instant, shared: &mut Shared<'_>) {
        let fin = u32::from(plan.flags.contains(Flags::FIN));
        let end = plan.seq + plan.len + fin;
        if plan.seq.before(self.send.max) && plan.seq != end {
            shared.statistics.retransmissions += u64::from(plan.segments());
            self.repeated.on_sent(plan.len.min(self.send.max.since(plan.seq)));
        }
        if plan.seq != end {
            self.took_off(plan, end, now, shared);
        }
        match plan.kind {
            Kind::Next | Kind::Longer => {
                self.send.queue.sent(plan.len as usize, &shared.cells);
                self.send.nxt = end;
                self.send.probe = false;
            }
            Kind::Probe => self.send.probe = false,
            Kind::KeepAlive => self.kept_alive(shared),
            Kind::Again | Kind::Rescue | Kind::Tail | Kind::Bare => {}
        }
        if plan.seq != end {
            self.stall(now, shared);
        }
        self.ecn.sent();
        self.send.max = self.send.max.later(end);
        if plan.kind == Kind::Probe {
            self.wait(Waiting::Window, self.rtt.rto(), now);
        } else {
            self.run_timer(now, shared);
        }
        self.receive.edge = self.receive.nxt + (u32::from(plan.window) << self.receive.scale);
        let segments = plan.segments();
        self.segments.on_sent(segments);
        shared.statistics.segments_sent += u64::from(segments);
        self.acknowledgment_sent(plan.len, shared);
    }

    /// What the flight learns of a segment up to `end` that was sent.
    fn took_off(&self, plan: &Plan, end: Seq, now: Instant, shared: &mut Shared<'_>) {
        let (len, mss) = (end.since(plan.seq), plan.size);
        let is_run = plan.segments() > 1;
        let (repeated, probes_tail) = (plan.seq.before(self.send.max), self.probes_tail(shared));
        let Some((flight, runs)) = shared.flights.with_runs(self.flight) else { return };
        let departure = flight.rate.on_sent(flight.board.in_flight(), len, now);
        let sent =
            Sent { start: plan.seq, len, cell: (plan.cell.unwrap_or(NIL), plan.seq), at: now, departure, repeated };
        if plan.len >= mss && plan.kind != Kind::Longer {
            flight.fits.sent(plan.seq + mss);
        }
        match plan.kind {
            Kind::Next | Kind::Longer => {
                let tolerance = self.rtt.smoothed().map_or(0, |smoothed| smoothed.micros() / 32);
                flight.board.on_sent(runs, &sent, tolerance);
                flight.on_new_sent(len, self.send.mss);
                if flight.tail.is_due {
                    flight.tail.on_sent(end, false);
                    shared.statistics.tail_probes += 1;
                } else if probes_tail {
                    flight.expect_answer(self.rtt.smoothed(), self.send.mss, now);
                }
                flight.owes_cwr &= repeated || plan.len == 0;
                if plan.kind != Kind::Longer && !plan.len.is_multiple_of(mss) {
                    flight.small = end;
                    flight.shortest.sent(plan.len % mss);
                }
            }
            Kind::Again | Kind::Rescue => {
                if plan.kind == Kind::Rescue {
                    flight.recovery.rescued = true;
                }
                flight.board.on_sent_again(runs, &sent);
                flight.search.on_sent_again(plan.seq, len);
                flight.recovery.urgent = false;
                if plan.seq == self.send.una && flight.recovery.phase == RecoveryPhase::Fast {
                    // The timer gives what was sent again a round trip, too, as everybody's does: finding the loss may
                    // have taken more than one, and RFC 6298 §5 counts from the last acknowledgment of new data.
                    flight.rto_at = Deadline::NEVER;
                }
                flight.undo.on_sent_again(end, len, now);
                flight.on_any_sent(len, self.send.mss);
                if probes_tail {
                    flight.expect_answer(self.rtt.smoothed(), self.send.mss, now);
                }
            }
            Kind::Tail => {
                flight.board.on_sent_again(runs, &sent);
                flight.search.on_sent_again(plan.seq, len);
                flight.tail.on_sent(self.send.nxt, true);
                flight.on_any_sent(len, self.send.mss);
                shared.statistics.tail_probes += 1;
            }
            Kind::Probe | Kind::Bare | Kind::KeepAlive => {}
        }
        // RFC 6298 §3: what was sent twice is not timed; of a run, the first segment is, for its acknowledgment need not
        // wait for the last one's.
        let timed = Some((if is_run { plan.seq + mss } else { end }, now));
        flight.sent_at = now;
        flight.pacer.sent(plan.len, now);
        flight.timed = if repeated || plan.kind == Kind::Probe { None } else { flight.timed.or(timed) };
        if plan.kind == Kind::Longer {
            self.probe_sent(plan.seq, plan.len, shared);
        }
    }

    /// What is in flight goes again, as the window opens.
    pub(super) fn send_again(&mut self, shared: &mut Shared<'_>) {
        if let Some((flight, runs)) = shared.flights.with_runs(self.flight) {
            flight.on_narrowed(runs, self.send.nxt);
        }
    }
}

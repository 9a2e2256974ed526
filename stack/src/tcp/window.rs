//! The window that a connection shows, and how it grows (RFC 9293 §3.8.6; dynamic right-sizing, Feng and others 2003).
//!
//! Invariant: the right edge never moves left (SHLD-14), and moves on by a full segment or half of what it could, or not at
//! all (§3.8.6.2.2). A window is shown in bytes and paid in slots, which data fills by some five eighths.
//!
//! A connection starts with [`TcpConfig::receive_budget_start`]. Once a round trip it looks how much its application has
//! read since the last look, or cannot read yet for a hole before it; a window that holds twice that never stops a sender that
//! is as quick, and one that grows from round to round, as in slow start, has its growth added twice over. The round trip is the receiver's own: it starts as the
//! handshake's, an echoed timestamp corrects it, and so does a window that is filled in less. A budget grows as far as
//! [`TcpConfig::receive_budget`], while the memory of all has plenty (see `budget`), and shrinks only where the application
//! says so. An application that does not read keeps its window as small as it is.

use super::budget::Level;
use super::connection::Connection;
use super::intake::Intake;
use super::seq::Seq;
use super::shared::{Shared, TcpConfig};
use crate::time::{Instant, Span};

/// What a connection has seen of the need for a larger window.
#[derive(Clone, Copy, Debug)]
pub(super) struct Need {
    /// Microseconds; zero while nobody knows.
    round_trip: u32,
    /// When the last look was, in microseconds that come round every 71 minutes: a look too early or too late does no harm.
    looked_at: u32,
    /// The first number that was not read then and as much farther as waited behind holes, and the right edge.
    come: Seq,
    edge: Seq,
    /// How far the first moved between the last two looks.
    before: u32,
}

impl Need {
    /// A window's worth of data cannot come in less than a round trip.
    fn is_filled(&mut self, next: Seq, took: u32) {
        if !next.before(self.edge) && (self.round_trip == 0 || took < self.round_trip) {
            self.round_trip = took.max(1);
        }
    }

    /// Takes what an echoed timestamp says of the round trip. A millisecond is what a clock of milliseconds says of any
    /// shorter one.
    fn correct(&mut self, echoed: Span) {
        let echoed = echoed.micros().min(u64::from(u32::MAX)) as u32;
        if self.round_trip == 0 || echoed < self.round_trip {
            self.round_trip = echoed;
        } else if echoed > 1_000 {
            // An echo may be as old as what its sender last heard: up goes slowly.
            self.round_trip += (echoed - self.round_trip) / 8;
        }
    }

    /// How much came since the last look but one, when the first number to come is `next` and `ahead` wait behind holes.
    pub(super) fn since_last_but_one(&self, next: Seq, ahead: u32) -> u32 {
        (next + ahead).since(self.come).saturating_add(self.before)
    }

    /// The window for a sender of which `count` bytes came within a round trip, and `ahead` wait behind holes.
    fn wanted(&self, count: u32, ahead: u32) -> u32 {
        let (count, before) = (u64::from(count), u64::from(self.before.max(1)));
        // What has grown by half may grow by half again, twice, before the next look.
        let grows = count.saturating_sub(before).saturating_mul(4).saturating_mul(count) / before;
        (2 * count + grows.min(4 * count) + u64::from(ahead)).min(u64::from(u32::MAX)) as u32
    }
}

impl Connection {
    /// What is known when the first data comes: the handshake's round trip, or that of what was sent since.
    pub(super) fn fresh_need(&self) -> Need {
        let round_trip = self.rtt.smoothed().map_or(0, |span| span.micros().clamp(1, u64::from(u32::MAX)) as u32);
        let read = self.read();
        Need { round_trip, looked_at: 0, come: read, edge: read, before: 0 }
    }

    /// The first number that is not read.
    fn read(&self) -> Seq {
        self.receive.nxt - self.receive.queue.bytes() as u32
    }

    /// Data has arrived, which echoes `echo`: has a round trip passed, and does the sender need more room?
    pub(super) fn look_at_need(&mut self, echo: Option<u32>, at: Instant, shared: &mut Shared<'_>) {
        let (next, edge) = (self.receive.nxt, self.receive.edge);
        let (read, recent, stamps) = (self.read(), self.recent(), self.stamps);
        let now = at.micros() as u32;
        let Some(Intake { need, reassembly, overtaken, .. }) = self.take_intake(shared) else { return };
        let took = now.wrapping_sub(need.looked_at);
        if need.edge == need.come {
            // The first data: there was no look yet.
            (need.looked_at, need.edge) = (now, edge);
            return;
        }
        need.is_filled(next, took);
        if need.round_trip == 0 || took < need.round_trip {
            return;
        }
        if let Some(echoed) = stamps.zip(echo).and_then(|(stamps, echo)| stamps.since_echoed(echo, at)) {
            need.correct(echoed);
        }
        overtaken.on_round(recent);
        let ahead = reassembly.bytes();
        // What no longer waits behind a hole may not be read yet: it counted once.
        let come = (read + ahead).later(need.come);
        let count = come.since(need.come);
        let wanted = budget_of(need.wanted(count, ahead));
        (need.looked_at, need.come, need.edge, need.before) = (now, come, edge, count);
        let is_said = self.settings(shared).is_some_and(|asked| asked.receive_budget.is_some());
        if shared.received.level() == Level::Plenty && !is_said {
            self.budget = self.budget.max(wanted.min(shared.config.receive_budget));
        }
    }

    /// What the connection may pin before its window closes, as far as the memory of all goes.
    fn reach(&self, shared: &Shared<'_>) -> u32 {
        let said = self.settings(shared).and_then(|asked| asked.receive_budget);
        let budget = said.unwrap_or(self.budget);
        match shared.received.level() {
            Level::Plenty => budget,
            Level::Pressed => budget.min(shared.config.receive_budget_start),
            Level::Full => 0,
        }
    }

    /// A segment that may be ours or the peer's.
    fn segment(&self) -> u32 {
        u32::from(self.send.mss.max(self.receive.mss))
    }

    /// The window that memory allows now, and that can be shown. Who holds nothing has one of a segment.
    fn memory_window(&self, reach: u32, shared: &Shared<'_>) -> u32 {
        let (kept, ahead) = self.kept_and_ahead(shared);
        let charged = self.receive.queue.charged() + kept;
        let least = if charged == 0 { self.segment() } else { 0 };
        // What came before its time has its place in the window already, and takes none from what is yet to come.
        let open = window_of(reach.saturating_sub(charged)).saturating_add(ahead).min(window_of(reach));
        open.max(least).min(0xffff << self.receive.scale)
    }

    /// RFC 9293 §3.8.6.2.2: the least that an edge moves: a full segment or half of what there is.
    fn step(&self, reach: u32) -> u32 {
        u32::from(self.send.mss).min((window_of(reach) / 2).max(1))
    }

    /// The right edge to show the peer in a segment that is sent now.
    pub(super) fn next_edge(&self, shared: &Shared<'_>) -> Seq {
        let reach = self.reach(shared);
        let edge = self.receive.nxt + self.memory_window(reach, shared);
        let enough = edge.after(self.receive.edge) && edge.since(self.receive.edge) >= self.step(reach);
        if enough { edge } else { self.receive.edge }
    }

    /// Whether reading has freed so much that the peer ought to hear of it without asking: two segments or half of the
    /// buffer, and no less than the window that it still has; or, when all is read and no later reading would tell, a
    /// segment where none could come.
    pub(super) fn window_opened(&self, shared: &Shared<'_>) -> bool {
        let left = self.receive.edge.since(self.receive.nxt);
        // At most the whole window less what is left of it opens, and that would have to be as much as is left.
        let whole = window_of(self.reach(shared)).max(self.segment());
        if left >= self.segment() && left > whole / 2 {
            return false;
        }
        let opened = self.next_edge(shared).since(self.receive.edge);
        let stopped = left < self.segment() && left + opened >= self.segment();
        let worth_it = (2 * u32::from(self.send.mss)).min((window_of(self.reach(shared)) / 2).max(1));
        opened > 0 && ((stopped && self.charged(shared) == 0) || (opened >= worth_it && opened >= left))
    }

    /// What the connection may pin before its data is refused. Short segments fill slots badly: beyond the budget those in
    /// order are copied together, and twice the budget holds a window of them. Data that came before its time was promised
    /// nothing that may not come later.
    pub(super) fn has_room(&self, order: Order, shared: &Shared<'_>) -> bool {
        self.has_room_beside(self.kept(shared), order, shared)
    }

    /// [`Connection::has_room`] where `kept` is what waits behind holes.
    pub(super) fn has_room_beside(&self, kept: u32, order: Order, shared: &Shared<'_>) -> bool {
        let (budget, is_full) = (self.budget, shared.received.level() == Level::Full);
        let charged = self.receive.queue.charged() + kept;
        match order {
            // What is read ends any want of memory; what waits behind a hole does not.
            Order::Next => {
                charged <= budget.saturating_mul(2)
                    && !(is_full && self.receive.queue.charged() >= u32::from(self.receive.mss))
            }
            Order::Ahead => charged <= budget.saturating_add(budget / 4) && !is_full,
        }
    }
}

/// Where data stands to what came before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Order {
    Next,
    Ahead,
}

/// The window that `budget` bytes of pinned memory are worth.
pub(super) const fn window_of(budget: u32) -> u32 {
    budget / 2 + budget / 8
}

/// The memory that a window of `bytes` may come to pin.
const fn budget_of(bytes: u32) -> u32 {
    (bytes / 5).saturating_mul(8)
}

/// The window that a SYN shows, which no scale applies to (RFC 7323 §2.2).
pub(super) fn initial_window(config: &TcpConfig) -> u32 {
    window_of(config.receive_budget_start).min(0xffff)
}

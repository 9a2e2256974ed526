//! The fifth step: what an acknowledgment says to the sending half.
//!
//! Invariant: after it SND.UNA has not moved back, everything below it is given back, and the timer runs exactly if
//! something is in flight or waits for a window.

use core::ops::ControlFlow;

use super::congestion::{Signal, Stand};
use super::connection::{Connection, Deadline, OurFin, Waiting};
use super::delivery::Acknowledgment;
use super::flight::Flight;
use super::input::{DONE, Step};
use super::recovery::Detection;
use super::sack::{Blocks, Bounds};
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::{Shared, TcpConfig};
use super::timestamps::Stamps;
use super::totals;
use crate::drops::Reason;
use crate::time::{Instant, Span};
use crate::wire::tcp::Flags;

/// What an acknowledgment says beside its number.
pub(super) struct Means {
    pub(super) is_duplicate: bool,
    /// Bytes that the network marked.
    pub(super) marked: u32,
    pub(super) blocks: Blocks,
    /// How many acknowledgments it was on the wire.
    pub(super) acknowledgments: u32,
}

impl Means {
    pub(super) const NOTHING_ELSE: Self =
        Self { is_duplicate: false, marked: 0, blocks: Blocks::NONE, acknowledgments: 1 };
}

impl Connection {
    /// Fifth: the ACK field.
    pub(super) fn check_ack(&mut self, segment: &Arrival, now: Instant, shared: &mut Shared<'_>) -> Step {
        let Some(ack) = segment.ack else {
            shared.drops.count(Reason::TcpAck);
            return DONE;
        };
        // RFC 5961 §5.2: neither of the future nor from longer ago than the largest window; and nothing that was never
        // sent, which who has guessed our numbers from a spoofed SYN would acknowledge.
        if ack.after(self.send.max) || ack.before(self.oldest()) {
            shared.drops.count(Reason::TcpAck);
            self.challenge(now, shared);
            return DONE;
        }
        let window = u32::from(segment.window) << self.send.scale;
        let stand = self.stand();
        // What was overtaken tells of marks that were told since.
        let is_overtaken = ack.before(self.send.una);
        let moves_on = self.moves_on(segment, ack);
        let marked = if is_overtaken { 0 } else { self.ecn.told(segment, moves_on) };
        let marked = self.marked_bytes(segment, marked, moves_on, shared);
        let blocks = self.blocks(segment, ack);
        if blocks.has_refused {
            shared.drops.count(Reason::TcpSack);
        }
        let says_no_more = self.says_no_more(segment, ack, window);
        let is_duplicate = says_no_more && self.in_flight() > 0;
        if says_no_more
            && blocks.is_empty()
            && let Some(flight) = self.flight_mut(shared)
        {
            flight.tail.on_duplicate(ack);
        }
        if ack.after(self.send.una) || is_duplicate || !blocks.is_empty() {
            let echo = segment.timestamps.map(|theirs| theirs.echo);
            self.on_ack(ack, echo, &Means { is_duplicate, marked, blocks, acknowledgments: 1 }, now, shared);
        }
        if marked > 0 {
            self.on_marks(&stand, shared);
        }
        self.update_window(segment, ack, window, shared);
        self.run_timer(now, shared);
        ControlFlow::Continue(())
    }

    /// The oldest number that may still be acknowledged: nothing from before our SYN.
    fn oldest(&self) -> Seq {
        let since_first = totals::passed(self.send.first, self.send.laps, self.send.una);
        self.send.una - since_first.min(self.send.max_window.into()) as u32
    }

    /// RFC 5681 §2: the definition of a duplicate acknowledgment, (b) to (e). By (a) it is one if something is in flight.
    fn says_no_more(&self, segment: &Arrival, ack: Seq, window: u32) -> bool {
        !self.is_probing()
            && segment.payload.is_empty()
            && !segment.flags.intersects(Flags::SYN | Flags::FIN)
            && ack == self.send.una
            && window == self.send.window
    }

    /// The selective acknowledgments of `segment`, if the peer said that it would give them.
    fn blocks(&self, segment: &Arrival, ack: Seq) -> Blocks {
        if self.sack && !segment.sack.is_empty() {
            let (oldest, send) = (self.oldest(), &self.send);
            Blocks::new(&segment.sack, ack, &Bounds { oldest, una: send.una, nxt: send.nxt, max: send.max })
        } else {
            Blocks::default()
        }
    }

    /// An acknowledgment that says something of what is in flight.
    pub(super) fn on_ack(&mut self, ack: Seq, echo: Option<u32>, means: &Means, now: Instant, shared: &mut Shared<'_>) {
        let &Means { is_duplicate, marked, ref blocks, acknowledgments } = means;
        let advance = if ack.after(self.send.una) { self.advance(ack, shared) } else { 0 };
        let echo = self.stamps.zip(echo);
        let probes_tail = self.probes_tail(shared);
        // One lookup for all that is asked of the flight.
        let Shared { flights, config, statistics, .. } = &mut *shared;
        let mut found = flights.with_runs(self.flight);
        if advance > 0 {
            self.take_sample(echo, advance, found.as_mut().map(|(flight, _)| &mut **flight), now, config);
        }
        if let Some((flight, runs)) = found {
            flight.sees_blocks |= !blocks.is_empty();
            let standing = self.standing_of(Some(flight), now, config);
            let acknowledgment = Acknowledgment { advance, is_duplicate, marked, echo, acknowledgments, ..standing };
            let heard = flight.on_ack(runs, &acknowledgment, blocks);
            statistics.undone += u64::from(heard.undone);
            if let Some(took) = heard.round_trip {
                self.rtt.sample(took, flight.board.in_flight().div_ceil(self.send.mss.into()), config);
                flight.tail.is_measured = true;
            }
            if probes_tail {
                flight.expect_answer(acknowledgment.smoothed, acknowledgment.mss, now);
            }
            if advance > 0 {
                // RFC 6298 §5.3: new data acknowledged restarts the timer.
                flight.rto_at = Deadline::NEVER;
                if let Some(mss) = flight.judge_probe(&acknowledgment) {
                    self.send.mss = self.send.mss.max(mss);
                    statistics.paths_widened += 1;
                }
                flight.pace(config.paced, self.rtt.smoothed(), self.send.mss);
            }
        }
        if advance == 0 {
            return;
        }
        if self.in_flight() == 0 {
            shared.flights.rest(self.flight);
            self.rest(shared);
        }
        self.progress(now, shared);
        self.send.timeouts = 0;
        self.send.timer = Deadline::NEVER;
    }

    /// SND.UNA moves to `ack`: what is below it goes back. Returns how far it moved.
    fn advance(&mut self, ack: Seq, shared: &mut Shared<'_>) -> u32 {
        let acked = ack.since(self.send.una);
        let end = self.end_of_data();
        let bytes = acked.min(self.send.queue.bytes());
        if self.send.fin == OurFin::Queued && ack.after(end) {
            self.send.fin = OurFin::Acknowledged;
        }
        let laps = totals::laps(self.send.first, self.send.una, ack);
        self.send.laps = self.send.laps.wrapping_add(laps);
        self.send.una = ack;
        // What probed a closed window was taken.
        let beyond_next = ack.after(self.send.nxt);
        self.send.queue.acknowledged(bytes, beyond_next, shared);
        if beyond_next {
            self.send.nxt = ack;
        }
        acked
    }

    /// Whether `segment`, which acknowledges `ack`, is newer than all before it.
    fn moves_on(&self, segment: &Arrival, ack: Seq) -> bool {
        let is_newer = |stamps: Stamps| segment.timestamps.is_some_and(|theirs| stamps.is_newer(theirs.value));
        ack.after(self.send.una) || (ack == self.send.una && self.stamps.is_some_and(is_newer))
    }

    /// RFC 3168 §6.1.2: the network marked what was sent: the window is cut, once for all marks of a window. `stand` is from
    /// before the acknowledgment, for what it acknowledges was in flight when that happened.
    fn on_marks(&self, stand: &Stand, shared: &mut Shared<'_>) {
        let nxt = self.send.nxt;
        if let Some(flight) = self.flight_mut(shared).filter(|flight| !flight.has_reduced()) {
            flight.on_congestion(Signal::Ecn, stand, nxt);
        }
    }

    /// Where congestion control has to see the connection.
    fn stand(&self) -> Stand {
        Stand { flight: self.in_flight(), mss: self.send.mss }
    }

    /// Whether the next new data says that the window was cut.
    pub(super) fn owes_cwr(&self, shared: &Shared<'_>) -> bool {
        self.ecn.says_reduced() && self.flight(shared).is_some_and(|flight| flight.owes_cwr)
    }

    /// Where the connection stands, as an acknowledgment finds it.
    pub(super) fn standing(&self, now: Instant, shared: &Shared<'_>) -> Acknowledgment {
        self.standing_of(self.flight(shared), now, &shared.config)
    }

    fn standing_of(&self, flight: Option<&Flight>, now: Instant, config: &TcpConfig) -> Acknowledgment {
        Acknowledgment {
            now,
            una: self.send.una,
            advance: 0,
            nxt: self.send.nxt,
            mss: self.send.mss,
            is_duplicate: false,
            detection: detection(flight, config),
            marked: 0,
            acknowledgments: 1,
            echo: None,
            smoothed: self.rtt.smoothed(),
        }
    }

    /// See [`detection`].
    pub(super) fn detection(&self, shared: &Shared<'_>) -> Detection {
        detection(self.flight(shared), &shared.config)
    }

    /// Whether a round trip is being measured.
    pub(super) fn is_timed(&self, shared: &Shared<'_>) -> bool {
        self.flight(shared).is_some_and(|flight| flight.timed.is_some())
    }

    /// An acknowledgment has moved SND.UNA on by `acked`.
    fn take_sample(
        &mut self,
        echo: Option<(Stamps, u32)>,
        acked: u32,
        flight: Option<&mut Flight>,
        now: Instant,
        config: &TcpConfig,
    ) {
        let una = self.send.una;
        let window = self.in_flight() + acked;
        let found = flight.and_then(|flight| {
            let (took, of) = flight.round_trip(una, echo, now, || window.div_ceil(2 * u32::from(self.send.mss)))?;
            flight.tail.is_measured = true;
            Some((took, of, flight.undo.before_late(una)))
        });
        match found {
            Some((took, _, Some(before))) => self.rtt.adapt(&before, took, config),
            Some((took, of, None)) => self.rtt.sample(took, of, config),
            // RFC 6298 §5.7 and Linux's way: an acknowledgment of new data ends the backoff.
            None if self.send.timeouts > 0 => self.rtt.settle(config),
            None => {}
        }
    }

    /// RFC 9293 §3.10.7.4: only a newer segment moves the window.
    fn update_window(&mut self, segment: &Arrival, ack: Seq, window: u32, shared: &Shared<'_>) {
        // What is old of a segment was cut off.
        let seq = segment.newest.later(segment.seq);
        // What acknowledges SND.UNA acknowledges SND.WL2, which was SND.UNA once.
        if ack.before(self.send.una) || self.send.wl1.after(seq) {
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
    }

    /// Whether the timer runs for a window (or a probe has just become due).
    pub(super) fn is_probing(&self) -> bool {
        self.send.waiting == Waiting::Window && (self.send.timer != Deadline::NEVER || self.send.probe)
    }
}

impl Flight {
    /// RFC 6298 §3: one segment at a time is timed, to the microsecond, never one that was sent twice. Of those what the
    /// peer echoes says which time it answers (RFC 7323 §4), to the millisecond. With how many samples come in a round
    /// trip: RFC 7323 appendix G counts one for every second segment of a window, which are `of`.
    fn round_trip(
        &mut self,
        una: Seq,
        echo: Option<(Stamps, u32)>,
        now: Instant,
        of: impl FnOnce() -> u32,
    ) -> Option<(Span, u32)> {
        match self.timed {
            Some((end, since)) if !una.before(end) => {
                self.timed = None;
                Some((now.since(since), 1))
            }
            Some(_) | None if !self.recovery.repeats(una) => None,
            // While one recovery follows the other no segment is timed for long enough.
            Some(_) | None => {
                let (stamps, echo) = echo?;
                Some((stamps.since_echoed(echo, now)?, of()))
            }
        }
    }
}

/// How the peer's acknowledgments tell of loss. One that agreed on blocks and sends none, or loses them on the way, is as
/// one without.
fn detection(flight: Option<&Flight>, config: &TcpConfig) -> Detection {
    match (flight.is_some_and(|flight| flight.sees_blocks), config.rack) {
        (false, _) => Detection::Duplicates,
        (true, false) => Detection::Counting,
        (true, true) => Detection::Time,
    }
}

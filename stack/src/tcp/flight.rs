//! What a connection holds while it has data on the way: the side table that keeps an idle connection small.
//!
//! Invariant: a connection with something in flight has a [`Flight`] that nobody else can take. One with nothing in
//! flight rests: it keeps its flight, and what that knows of the path, until another connection needs the place; the one
//! that has rested longest gives way. It then starts over from the initial window, as RFC 5681 §4.1 asks after an idle
//! time anyway. Connections that find no place stand in line until one rests.

use super::byte_counts::{Heard, Shortest};
use super::congestion::{Congestion, Idle, Paced, Signal, Stand};
use super::connection::Deadline;
use super::pacing::Pacer;
use super::path_mtu::Fits;
use super::path_search::Search;
use super::rack::Rack;
use super::rate::Rate;
use super::recovery::Recovery;
use super::runs::{Run, Runs};
use super::scoreboard::Scoreboard;
use super::seq::Seq;
use super::tail_probe::TailProbe;
use super::undo::Undo;
use crate::slab::{Key, Slab, Slot};
use crate::time::{Instant, Span};

const NIL: u32 = u32::MAX;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Flight {
    pub(super) congestion: Congestion,
    pub(super) recovery: Recovery,
    pub(super) board: Scoreboard,
    pub(super) rack: Rack,
    pub(super) tail: TailProbe,
    pub(super) undo: Undo,
    pub(super) rate: Rate,
    /// The peer has sent selective acknowledgments.
    pub(super) sees_blocks: bool,
    /// When the retransmission timer expires (RFC 6298), if it runs.
    pub(super) rto_at: Deadline,
    /// When what may be reordered counts as lost (RFC 8985 §6.2).
    pub(super) reordering_at: Deadline,
    /// The segment end that is being timed, and since when.
    pub(super) timed: Option<(Seq, Instant)>,
    /// The congestion window had no room for one more segment when data was last sent.
    pub(super) limited: bool,
    /// The end of the last segment that was not full.
    pub(super) small: Seq,
    /// When something was last sent.
    pub(super) sent_at: Instant,
    /// The congestion window was cut when all up to here had been sent.
    reduced: Option<Seq>,
    /// No new data was sent since (RFC 3168 §6.1.2).
    pub(super) owes_cwr: bool,
    pub(super) pacer: Pacer,
    /// Whether full segments arrive, and whether longer ones would.
    pub(super) fits: Fits,
    pub(super) search: Search,
    /// Packets that the peer has said were marked, where it counts them.
    pub(super) marked: u32,
    /// What the peer has told of marked bytes.
    pub(super) heard: Heard,
    pub(super) shortest: Shortest,
    rest: Rest,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Flight>() <= 640);

/// Whether a flight rests, and between which others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Rest {
    Busy,
    /// It has rested for less time than `before`, and for more than `after`.
    Since {
        before: u32,
        after: u32,
    },
}

impl Flight {
    /// For a connection whose next number is `nxt`.
    pub(super) const fn new(congestion: Congestion, nxt: Seq, now: Instant) -> Self {
        Self {
            congestion,
            recovery: Recovery::new(nxt),
            board: Scoreboard::NEW,
            rack: Rack::NEW,
            tail: TailProbe::NEW,
            undo: Undo::NONE,
            rate: Rate::NEW,
            sees_blocks: false,
            rto_at: Deadline::NEVER,
            reordering_at: Deadline::NEVER,
            timed: None,
            limited: false,
            small: nxt,
            fits: Fits::NEW,
            search: Search::NEW,
            marked: 0,
            heard: Heard::Nothing,
            shortest: Shortest::new(nxt),
            sent_at: now,
            reduced: None,
            owes_cwr: false,
            pacer: Pacer::OFF,
            rest: Rest::Busy,
        }
    }

    /// Nothing is in flight, and something is to be sent.
    pub(super) fn on_idle(&mut self, rto: Span, mss: u16, now: Instant) {
        self.congestion.on_idle(&Idle { lasted: now.since(self.sent_at), rto, mss });
        // What was idle time once is not so twice, should nothing be sent now.
        self.sent_at = now;
    }

    /// The path is congested. `max` is the highest number that was sent.
    pub(super) fn on_congestion(&mut self, signal: Signal, stand: &Stand, max: Seq) {
        self.congestion.on_congestion(signal, stand);
        (self.reduced, self.owes_cwr) = (Some(max), true);
    }

    /// All up to `una` is acknowledged.
    pub(super) fn on_advance(&mut self, una: Seq) {
        self.reduced = self.reduced.filter(|&reduced| !una.after(reduced));
    }

    /// Whether the window was cut for what is being acknowledged.
    pub(super) const fn has_reduced(&self) -> bool {
        self.reduced.is_some()
    }

    /// The window or what is known of the path has changed: so does the pace.
    pub(super) fn pace(&mut self, paced: Paced, smoothed: Option<Span>, mss: u16) {
        self.pacer.follow(self.congestion.pacing_rate(paced, smoothed), mss);
    }

    /// Whether the window limits, `sent` bytes being in flight. Slow start that is paced is on its way to filling the
    /// window; half of it says as much.
    pub(super) fn is_limited(&self, sent: u32, mss: u32) -> bool {
        let paced_start = self.pacer.rate().is_some() && self.congestion.is_in_slow_start();
        sent + mss > self.window() || (paced_start && sent > self.window() / 2)
    }
}

/// The table; storage is handed in.
#[derive(Debug)]
pub(super) struct Flights<'s> {
    slab: Slab<'s, Flight>,
    runs: Runs<'s>,
    /// The one that has rested longest, and the one that began last.
    first: u32,
    last: u32,
}

impl<'s> Flights<'s> {
    /// # Panics
    /// If there are fewer than three runs a flight.
    pub(super) fn new(slots: &'s mut [Slot<Flight>], runs: &'s mut [Slot<Run>]) -> Self {
        let runs = Runs::new(runs, slots.len());
        Self { slab: Slab::new(slots), runs, first: NIL, last: NIL }
    }

    /// The flight of a connection that holds `key`, unless it was given to another.
    pub(super) fn of(&self, key: Option<Key>) -> Option<&Flight> {
        self.slab.at(key?)
    }

    pub(super) fn of_mut(&mut self, key: Option<Key>) -> Option<&mut Flight> {
        self.slab.at_mut(key?)
    }

    /// The same, with the table that its scoreboard's runs are in.
    pub(super) fn with_runs(&mut self, key: Option<Key>) -> Option<(&mut Flight, &mut Runs<'s>)> {
        Some((self.slab.at_mut(key?)?, &mut self.runs))
    }

    pub(super) const fn runs(&self) -> &Runs<'s> {
        &self.runs
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    /// Whether [`Flights::take`] would find a place for who has none.
    pub(super) fn has_place(&self) -> bool {
        self.first != NIL || !self.slab.is_full()
    }

    /// Makes the flight under `key` a busy one, or finds a place for `fresh`.
    pub(super) fn take(&mut self, key: Option<Key>, fresh: impl FnOnce() -> Flight) -> Option<Key> {
        if let Some(key) = key.filter(|&key| self.slab.at(key).is_some()) {
            self.wake(key.index);
            return Some(key);
        }
        if self.slab.is_full() && self.first != NIL {
            let longest = self.slab.key(self.first)?;
            self.give_back(longest);
        }
        self.slab.insert(fresh()).ok()
    }

    /// Nothing of the connection is in flight any more: others may have the place.
    pub(super) fn rest(&mut self, key: Option<Key>) {
        let last = self.last;
        let Some((key, flight)) = key.and_then(|key| Some((key, self.slab.at_mut(key)?))) else { return };
        if flight.rest != Rest::Busy {
            return;
        }
        flight.rest = Rest::Since { before: last, after: NIL };
        self.join(last, key.index);
        self.last = key.index;
    }

    /// The connection is over.
    pub(super) fn give_back(&mut self, key: Key) {
        if self.slab.at(key).is_some() {
            self.wake(key.index);
            if let Some(mut flight) = self.slab.remove(key) {
                flight.board.clear(&mut self.runs);
            }
        }
    }

    /// Takes a flight out of the line of those that rest.
    fn wake(&mut self, index: u32) {
        let Some(flight) = self.slab.by_index_mut(index) else { return };
        let Rest::Since { before, after } = core::mem::replace(&mut flight.rest, Rest::Busy) else { return };
        self.join(before, after);
        match self.slab.by_index_mut(after) {
            Some(flight) => flight.set_before(before),
            None => self.last = before,
        }
    }

    /// Makes `after` follow `before`, or come first.
    fn join(&mut self, before: u32, after: u32) {
        match self.slab.by_index_mut(before).map(|flight| &mut flight.rest) {
            Some(Rest::Since { after: next, .. }) => *next = after,
            Some(Rest::Busy) | None => self.first = after,
        }
    }
}

impl Flight {
    fn set_before(&mut self, place: u32) {
        if let Rest::Since { before, .. } = &mut self.rest {
            *before = place;
        }
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::tcp::Algorithm;

    fn fresh() -> Flight {
        Flight::new(Congestion::new(Algorithm::Reno, 1460, 0), Seq(0), Instant::from_micros(0))
    }

    proptest! {
        /// Connections 0 to 5 take and rest at random; a plain list says who must give way.
        #[test]
        fn the_one_that_has_rested_longest_gives_way(steps in prop::collection::vec((0usize..6, 0..3), 1..200)) {
            let mut slots = [const { Slot::EMPTY }; 4];
            let mut runs = [const { Slot::EMPTY }; 12];
            let mut flights = Flights::new(&mut slots, &mut runs);
            let mut keys = [None; 6];
            let mut resting = Vec::new();
            let mut busy = Vec::new();
            for (who, what) in steps {
                match what {
                    0 => {
                        let key = flights.take(keys[who], fresh);
                        let is_new = !busy.contains(&who) && !resting.contains(&who);
                        if is_new && busy.len() + resting.len() == 4 && !resting.is_empty() {
                            resting.remove(0);
                        }
                        let fits = !is_new || busy.len() + resting.len() < 4;
                        prop_assert_eq!(key.is_some(), fits);
                        if fits {
                            keys[who] = key;
                            resting.retain(|&other| other != who);
                            if !busy.contains(&who) {
                                busy.push(who);
                            }
                        }
                    }
                    1 => {
                        flights.rest(keys[who]);
                        if let Some(at) = busy.iter().position(|&other| other == who) {
                            busy.remove(at);
                            resting.push(who);
                        }
                    }
                    _ => {
                        if let Some(key) = keys[who].take() {
                            flights.give_back(key);
                        }
                        resting.retain(|&other| other != who);
                        busy.retain(|&other| other != who);
                    }
                }
                for (other, &key) in keys.iter().enumerate() {
                    let has = resting.contains(&other) || busy.contains(&other);
                    prop_assert_eq!(flights.of(key).is_some(), has);
                }
                prop_assert_eq!(flights.has_place(), busy.len() < 4);
                prop_assert_eq!(flights.len(), busy.len() + resting.len());
            }
        }
    }
}

//! Runs of bytes that were sent, in one table for all connections: what a [`super::scoreboard`] is made of.
//!
//! Invariant: each connection with something in flight finds a place for its first [`GUARANTEED`] runs. So a scoreboard
//! may grow coarse where the table is small, but it always covers what is in flight.

use super::rate::Departure;
use super::seq::Seq;
use crate::slab::{Slab, Slot};
use crate::time::Instant;

/// The end of a list.
pub(super) const NIL: u32 = u32::MAX;

/// Runs that a flight finds a place for whatever others hold: what comes again, what is lost, and what is new.
pub(super) const GUARANTEED: usize = 3;

/// Runs of one flight: what a peer can make us walk.
const MOST: u16 = 8192;

/// Bytes next to each other that left at one time, and of which the same is known.
#[derive(Clone, Copy, Debug)]
pub struct Run {
    pub(super) start: Seq,
    /// The number behind the last.
    pub(super) end: Seq,
    pub(super) before: u32,
    pub(super) after: u32,
    /// A cell of the send queue, and the number that its chunk begins with: at `start` or before it, if it is still
    /// there.
    pub(super) cell: (u32, Seq),
    /// When it was last sent: the last of it, where it was sent over some time.
    pub(super) sent_at: Instant,
    /// How many microseconds earlier the first of it was sent.
    pub(super) spread: u32,
    pub(super) departure: Departure,
    pub(super) marks: Marks,
}

const _: () = assert!(size_of::<Run>() <= 64);

/// What is known of a run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Marks {
    /// The peer holds it (RFC 2018).
    pub(super) sacked: bool,
    /// What was sent first is taken for lost.
    pub(super) lost: bool,
    /// It was sent again, and that is not taken for lost.
    pub(super) again: bool,
    /// It was sent more than once.
    pub(super) repeated: bool,
}

impl Marks {
    /// Whether it is to be sent again.
    pub(super) const fn is_due(self) -> bool {
        self.lost && !self.again
    }
}

impl Run {
    pub(super) fn len(&self) -> u32 {
        self.end.since(self.start)
    }

    /// When the first of it was sent.
    pub(super) fn first_sent_at(&self) -> Instant {
        Instant::from_micros(self.sent_at.micros().saturating_sub(u64::from(self.spread)))
    }

    /// Whether one run can stand for this one and `next`, which follows it.
    fn goes_with(&self, next: &Self) -> bool {
        let as_old = self.sent_at == next.sent_at && self.spread == 0 && next.spread == 0;
        // When what has arrived was sent is of no use any more.
        self.marks == next.marks && (as_old || self.marks.sacked)
    }
}

/// The table; storage is handed in.
#[derive(Debug)]
pub(super) struct Runs<'s> {
    slab: Slab<'s, Run>,
    /// Places that only a flight's first runs may take.
    reserve: usize,
}

/// A flight's runs, in sequence order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct RunList {
    pub(super) first: u32,
    pub(super) last: u32,
    pub(super) count: u16,
}

impl<'s> Runs<'s> {
    /// # Panics
    /// If there are fewer places than so many flights need.
    pub(super) fn new(slots: &'s mut [Slot<Run>], flights: usize) -> Self {
        let reserve = flights * GUARANTEED;
        assert!(slots.len() >= reserve, "three runs a flight");
        Self { slab: Slab::new(slots), reserve }
    }

    pub(super) fn len(&self) -> usize {
        self.slab.len()
    }

    pub(super) fn at(&self, index: u32) -> Option<&Run> {
        self.slab.by_index(index)
    }

    pub(super) fn at_mut(&mut self, index: u32) -> Option<&mut Run> {
        self.slab.by_index_mut(index)
    }

    fn has_place(&self, list: &RunList) -> bool {
        let free = self.slab.capacity() - self.slab.len();
        usize::from(list.count) < GUARANTEED || (list.count < MOST && free > self.reserve)
    }
}

impl RunList {
    pub(super) const EMPTY: Self = Self { first: NIL, last: NIL, count: 0 };

    /// Puts `run` behind `before`, or in front of all. Returns its place, if there is one for it.
    pub(super) fn insert(&mut self, runs: &mut Runs<'_>, before: u32, run: Run) -> Option<u32> {
        if !runs.has_place(self) {
            return None;
        }
        let after = runs.at(before).map_or(self.first, |run| run.after);
        let index = runs.slab.insert(Run { before, after, ..run }).ok()?.index;
        self.link(runs, before, index);
        self.link(runs, index, after);
        self.count += 1;
        Some(index)
    }

    pub(super) fn remove(&mut self, runs: &mut Runs<'_>, index: u32) {
        let Some(run) = runs.slab.key(index).and_then(|key| runs.slab.remove(key)) else { return };
        self.link(runs, run.before, run.after);
        self.count -= 1;
    }

    /// Makes `after` follow `before`.
    fn link(&mut self, runs: &mut Runs<'_>, before: u32, after: u32) {
        match runs.at_mut(before) {
            Some(run) => run.after = after,
            None => self.first = after,
        }
        match runs.at_mut(after) {
            Some(run) => run.before = before,
            None => self.last = before,
        }
    }

    pub(super) fn clear(&mut self, runs: &mut Runs<'_>) {
        while self.first != NIL {
            self.remove(runs, self.first);
        }
    }

    /// Cuts run `index` in two at `at`, a number inside of it. Returns whether there was a place for the second part.
    pub(super) fn split(&mut self, runs: &mut Runs<'_>, index: u32, at: Seq) -> bool {
        let Some(&run) = runs.at(index) else { return false };
        debug_assert!(run.start.before(at) && at.before(run.end));
        if self.insert(runs, index, Run { start: at, ..run }).is_none() {
            return false;
        }
        if let Some(run) = runs.at_mut(index) {
            run.end = at;
        }
        true
    }

    /// Joins run `index` with its neighbours where they are alike. Returns where it stands now.
    pub(super) fn settle(&mut self, runs: &mut Runs<'_>, index: u32) -> u32 {
        let Some(&Run { before, after, .. }) = runs.at(index) else { return index };
        self.join(runs, index, after, Run::goes_with);
        if self.join(runs, before, index, Run::goes_with) { before } else { index }
    }

    /// Joins the first two neighbours of which the same is known, whenever they were sent: they count as sent when the
    /// later was, so nothing is taken for lost too early.
    pub(super) fn coarsen(&mut self, runs: &mut Runs<'_>) -> bool {
        let mut at = self.first;
        while let Some(&Run { after, .. }) = runs.at(at) {
            if self.join(runs, at, after, |run, next| run.marks == next.marks) {
                return true;
            }
            at = after;
        }
        false
    }

    fn join(
        &mut self,
        runs: &mut Runs<'_>,
        first: u32,
        second: u32,
        goes_with: impl FnOnce(&Run, &Run) -> bool,
    ) -> bool {
        let (Some(&run), Some(&next)) = (runs.at(first), runs.at(second)) else { return false };
        if !goes_with(&run, &next) {
            return false;
        }
        if let Some(run) = runs.at_mut(first) {
            run.end = next.end;
            run.take_time(next.sent_at, next.spread);
        }
        self.remove(runs, second);
        true
    }
}

impl Run {
    /// Something that was sent at `sent_at` and for `spread` before it becomes part of the run.
    pub(super) fn take_time(&mut self, sent_at: Instant, spread: u32) {
        let first = |at: Instant, spread: u32| at.micros().saturating_sub(u64::from(spread));
        let earliest = first(self.sent_at, self.spread).min(first(sent_at, spread));
        self.sent_at = self.sent_at.max(sent_at);
        self.spread = u32::try_from(self.sent_at.micros() - earliest).unwrap_or(u32::MAX);
    }
}

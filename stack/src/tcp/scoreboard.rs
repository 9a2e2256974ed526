//! What is known of the bytes in flight: when they were sent, and what of them has arrived, is lost, or was sent again.
//!
//! Invariant: the runs cover exactly what was sent and not acknowledged, in order and without overlap, and the counts are
//! theirs. Where the table is full a scoreboard grows coarse: runs count as sent when their last byte was, and a SACK
//! block that would need a place is not noted, so loss is found later, and never where there is none.
//!
//! RFC 6675 §4 (Update, SetPipe), RFC 8985 §5.2 (what is kept for each segment). An acknowledgment without blocks
//! touches the runs that it covers and the one behind them; one with blocks walks at most all runs of its connection,
//! which [`super::runs`] bounds.

use super::rate::Departure;
use super::runs::{Marks, NIL, Run, RunList, Runs};
use super::seq::Seq;
use crate::time::Instant;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scoreboard {
    list: RunList,
    /// Bytes in all runs.
    bytes: u32,
    /// How many of them are marked so.
    sacked: u32,
    lost: u32,
    again: u32,
    /// How many are lost and not sent again.
    due: u32,
    /// The number behind the highest that the peer holds, while it holds some: RFC 6675's HighData of the peer.
    highest: Seq,
}

/// Something that was sent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    pub(super) start: Seq,
    pub(super) len: u32,
    /// Where its data begins, and with which number.
    pub(super) cell: (u32, Seq),
    pub(super) at: Instant,
    pub(super) departure: Departure,
    /// Some of it had been sent before, to probe a window.
    pub(super) repeated: bool,
}

/// Bytes that have arrived.
#[derive(Clone, Copy, Debug)]
pub(super) struct Arrived {
    /// As it was in flight, cut to what has arrived.
    pub(super) run: Run,
    /// Whether the peer holds something behind it already.
    pub(super) is_below_highest: bool,
}

impl Scoreboard {
    pub(super) const NEW: Self =
        Self { list: RunList::EMPTY, bytes: 0, sacked: 0, lost: 0, again: 0, due: 0, highest: Seq(0) };

    /// Question: how much is in the network, as far as anybody knows (RFC 6675 §4, SetPipe).
    pub(super) const fn in_flight(&self) -> u32 {
        self.bytes - self.sacked - self.lost + self.again
    }

    /// Question: how much the peer holds beyond what it has acknowledged.
    pub(super) const fn sacked(&self) -> u32 {
        self.sacked
    }

    /// Question: how much is taken for lost.
    pub(super) const fn lost(&self) -> u32 {
        self.lost
    }

    /// Question: how much of what was sent again is in the network.
    pub(super) const fn again(&self) -> u32 {
        self.again
    }

    /// Question: whether something is to be sent again.
    pub(super) const fn is_due(&self) -> bool {
        self.due > 0
    }

    /// Question: the number behind the highest that the peer holds.
    pub(super) const fn highest(&self) -> Option<Seq> {
        if self.sacked > 0 { Some(self.highest) } else { None }
    }

    /// Question: whether there are more runs than segments of `mss` in flight would need: the peer holds crumbs of them.
    pub(super) fn is_crumbled(&self, mss: u16) -> bool {
        u32::from(self.list.count) > self.bytes / u32::from(mss) + u32::from(FINE)
    }

    /// Question: where the first run stands.
    pub(super) const fn first(&self) -> u32 {
        self.list.first
    }

    /// Question: where the last run stands.
    pub(super) const fn last(&self) -> u32 {
        self.list.last
    }

    /// Question: the first run that is to be sent again.
    pub(super) fn first_due(&self, runs: &Runs<'_>) -> Option<Run> {
        if self.due == 0 {
            return None;
        }
        self.iter(runs).map(|(_, run)| run).find(|run| run.marks.is_due()).copied()
    }

    /// Question: where what is to be sent again from `run` on ends: with the first run that is not, or that begins within a
    /// segment of `size` bytes, or `most` bytes further or more.
    pub(super) fn due_end(&self, runs: &Runs<'_>, run: &Run, size: u32, most: u32) -> Seq {
        let (mut end, mut at) = (run.end, run.after);
        while let Some(next) = runs.at(at).filter(|next| next.marks.is_due()) {
            let len = end.since(run.start);
            if len >= most || !len.is_multiple_of(size) {
                break;
            }
            (end, at) = (next.end, next.after);
        }
        end
    }

    /// Question: the first run below what the peer holds that it does not hold, and that was sent once.
    pub(super) fn first_hole(&self, runs: &Runs<'_>) -> Option<Run> {
        let highest = self.highest()?;
        let below = self.iter(runs).map(|(_, run)| run).take_while(|run| run.start.before(highest));
        below.into_iter().find(|run| !run.marks.sacked && !run.marks.repeated).copied()
    }

    /// Question: the last run that the peer does not hold.
    pub(super) fn last_missing(&self, runs: &Runs<'_>) -> Option<Run> {
        self.iter(runs).map(|(_, run)| run).filter(|run| !run.marks.sacked).last().copied()
    }

    /// Question: the runs in sequence order, with their places.
    pub(super) fn iter<'r>(&self, runs: &'r Runs<'_>) -> impl Iterator<Item = (u32, &'r Run)> {
        let mut at = self.list.first;
        core::iter::from_fn(move || {
            let (index, run) = (at, runs.at(at)?);
            at = run.after;
            Some((index, run))
        })
    }

    /// New bytes were sent. Where there are many runs already, what left within `tolerance` microseconds is one.
    pub(super) fn on_sent(&mut self, runs: &mut Runs<'_>, sent: &Sent, tolerance: u64) {
        let marks = Marks { repeated: sent.repeated, ..Marks::default() };
        let mut run = sent.run(marks);
        self.bytes += sent.len;
        let tolerance = if self.list.count >= FINE { tolerance } else { 0 };
        if self.extend(runs, &run, tolerance) || self.list.insert(runs, self.list.last, run).is_some() {
            return;
        }
        if self.list.coarsen(runs) && self.list.insert(runs, self.list.last, run).is_some() {
            return;
        }
        // There is no place, and no two neighbours are alike: the last run forgets what it was.
        let Some(last) = runs.at(self.list.last) else { return };
        run.marks.repeated |= last.marks.repeated;
        self.mark(runs, self.list.last, run.marks);
        self.extend(runs, &run, u64::MAX);
    }

    /// Makes `run` part of the last one, if that is like it.
    fn extend(&mut self, runs: &mut Runs<'_>, run: &Run, tolerance: u64) -> bool {
        let Some(last) = runs.at_mut(self.list.last).filter(|last| last.marks == run.marks) else { return false };
        let gap = run.sent_at.since(last.sent_at).micros();
        if gap > 0 && gap + u64::from(last.spread) > tolerance {
            return false;
        }
        last.end = run.end;
        last.take_time(run.sent_at, 0);
        true
    }

    /// The peer has everything before `una`. `on` hears of what had not arrived yet.
    pub(super) fn on_acknowledged(&mut self, runs: &mut Runs<'_>, una: Seq, mut on: impl FnMut(&Arrived)) {
        while let Some(run) = runs.at_mut(self.list.first).filter(|run| run.start.before(una)) {
            let whole = !run.end.after(una);
            let mut piece = *run;
            if !whole {
                piece.end = una;
                run.start = una;
            }
            self.forget(&piece);
            if !piece.marks.sacked {
                let is_below_highest = self.sacked > 0 && piece.end.before(self.highest);
                on(&Arrived { run: piece, is_below_highest });
            }
            if !whole {
                return;
            }
            self.list.remove(runs, self.list.first);
        }
    }

    /// The peer holds what is between `start` and `end`, both within what is in flight. `on` hears of what is new.
    pub(super) fn on_sacked(&mut self, runs: &mut Runs<'_>, start: Seq, end: Seq, mut on: impl FnMut(&Arrived)) {
        let mut at = self.list.first;
        while let Some(&run) = runs.at(at).filter(|run| run.start.before(end)) {
            let (index, to) = (at, run.end.earlier(end));
            at = run.after;
            if !run.end.after(start) || run.marks.sacked {
                continue;
            }
            let mut piece = Run { start: run.start.later(start), end: to, ..run };
            let highest = self.highest();
            if !self.grow(runs, &piece) {
                let Some(carved) = self.carve(runs, index, piece.start, to) else { continue };
                self.mark(runs, carved, SACKED);
                let joined = self.list.settle(runs, carved);
                at = runs.at(joined).map_or(NIL, |run| run.after);
                piece.spread = if piece.len() == run.len() { 0 } else { run.spread };
            }
            let is_below_highest = highest.is_some_and(|highest| piece.end.before(highest));
            self.highest = highest.map_or(to, |highest| highest.later(to));
            on(&Arrived { run: piece, is_below_highest });
        }
    }

    /// Gives `piece`, the beginning of a run, to the SACKed run before it, if there is one: no place is needed for it.
    fn grow(&mut self, runs: &mut Runs<'_>, piece: &Run) -> bool {
        let before = runs.at(piece.before).filter(|run| run.marks.sacked && run.end == piece.start);
        let Some(index) = before.map(|run| run.after) else { return false };
        let Some(run) = runs.at_mut(index).filter(|run| run.start == piece.start && run.end.after(piece.end)) else {
            return false;
        };
        run.start = piece.end;
        self.forget(piece);
        self.count(&Run { marks: SACKED, ..*piece });
        if let Some(run) = runs.at_mut(piece.before) {
            run.end = piece.end;
        }
        true
    }

    /// Bytes from where a run begins were sent again.
    pub(super) fn on_sent_again(&mut self, runs: &mut Runs<'_>, sent: &Sent) {
        let end = sent.start + sent.len;
        let mut start = sent.start;
        while start.before(end) {
            let Some(reached) = self.on_part_sent_again(runs, start, end, sent) else { return };
            start = reached;
        }
    }

    /// Those from `start` on up to `end` that are in one run. Returns where they end.
    fn on_part_sent_again(&mut self, runs: &mut Runs<'_>, start: Seq, end: Seq, sent: &Sent) -> Option<Seq> {
        let carved = self.carve_between(runs, start, end).or_else(|| {
            // A coarser board is better than one that is wrong.
            self.list.coarsen(runs);
            self.carve_between(runs, start, end).or_else(|| self.place_of(runs, start))
        });
        let (index, run) = carved.and_then(|index| Some((index, runs.at_mut(index)?)))?;
        let reached = run.end;
        (run.sent_at, run.spread, run.departure) = (sent.at, 0, sent.departure);
        if run.start == sent.start {
            run.cell = sent.cell;
        }
        let marks = Marks { again: true, repeated: true, ..run.marks };
        self.mark(runs, index, marks);
        self.list.settle(runs, index);
        Some(reached)
    }

    /// What is between `start` and `end`, in one run, is taken for lost. Returns how many bytes that are.
    pub(super) fn lose(&mut self, runs: &mut Runs<'_>, start: Seq, end: Seq) -> u32 {
        let carved = self.carve_between(runs, start, end).or_else(|| {
            self.list.coarsen(runs);
            self.carve_between(runs, start, end).or_else(|| self.place_of(runs, start))
        });
        carved.map_or(0, |index| self.lose_run(runs, index))
    }

    /// A run of what lies between `from` and `to`, or of what one run has of it.
    fn carve_between(&mut self, runs: &mut Runs<'_>, from: Seq, to: Seq) -> Option<u32> {
        let index = self.place_of(runs, from)?;
        let end = runs.at(index)?.end;
        self.carve(runs, index, from, to.earlier(end))
    }

    /// Run `index` is taken for lost, also what was sent of it again. Returns how many bytes that are.
    pub(super) fn lose_run(&mut self, runs: &mut Runs<'_>, index: u32) -> u32 {
        let Some(&run) = runs.at(index) else { return 0 };
        if run.marks.sacked || run.marks.is_due() {
            return 0;
        }
        self.mark(runs, index, Marks { lost: true, again: false, ..run.marks });
        run.len()
    }

    /// What was sent first of run `index` is taken for lost, and what was sent of it again is not. Returns how many bytes
    /// that are.
    pub(super) fn lose_original(&mut self, runs: &mut Runs<'_>, index: u32) -> u32 {
        let Some(&run) = runs.at(index).filter(|run| run.marks.again && !run.marks.lost) else { return 0 };
        self.mark(runs, index, Marks { lost: true, ..run.marks });
        run.len()
    }

    /// Everything that has not arrived is taken for lost.
    pub(super) fn lose_all(&mut self, runs: &mut Runs<'_>) {
        let mut at = self.list.first;
        while let Some(run) = runs.at(at) {
            let after = run.after;
            self.lose_run(runs, at);
            at = after;
        }
    }

    /// Nothing is lost, after all: neither what was sent again nor what was to be.
    pub(super) fn lose_nothing(&mut self, runs: &mut Runs<'_>) {
        let mut at = self.list.first;
        while let Some(run) = runs.at(at) {
            let (index, marks) = (at, run.marks);
            at = run.after;
            self.mark(runs, index, Marks { lost: false, ..marks });
        }
    }

    /// The peer no longer holds what it said it did (RFC 2018 §8).
    pub(super) fn forget_sacked(&mut self, runs: &mut Runs<'_>) {
        let mut at = self.list.first;
        while let Some(run) = runs.at(at) {
            let (index, marks) = (at, run.marks);
            at = run.after;
            // What of it was sent twice is no longer known.
            self.mark(runs, index, Marks { sacked: false, repeated: marks.repeated || marks.sacked, ..marks });
        }
    }

    /// Nothing is in flight any more.
    pub(super) fn clear(&mut self, runs: &mut Runs<'_>) {
        self.list.clear(runs);
        *self = Self::NEW;
    }

    /// The run that holds `number`.
    pub(super) fn place_of(&self, runs: &Runs<'_>, number: Seq) -> Option<u32> {
        let found = self.iter(runs).find(|(_, run)| run.end.after(number))?;
        Some(found.0).filter(|_| !found.1.start.after(number))
    }

    /// Makes what run `index` has between `from` and `to` a run of its own.
    fn carve(&mut self, runs: &mut Runs<'_>, index: u32, from: Seq, to: Seq) -> Option<u32> {
        let mut index = index;
        let run = *runs.at(index)?;
        if from != run.start {
            self.cut(runs, index, from)?;
            index = runs.at(index)?.after;
        }
        if to != run.end {
            self.cut(runs, index, to)?;
        }
        Some(index)
    }

    fn cut(&mut self, runs: &mut Runs<'_>, index: u32, at: Seq) -> Option<()> {
        self.list.split(runs, index, at).then_some(())
    }

    /// Sets what is known of run `index`.
    fn mark(&mut self, runs: &mut Runs<'_>, index: u32, marks: Marks) {
        let Some(run) = runs.at_mut(index) else { return };
        let before = *run;
        run.marks = marks;
        let after = *run;
        self.forget(&before);
        self.count(&after);
    }

    fn count(&mut self, run: &Run) {
        let (len, marks) = (run.len(), run.marks);
        self.bytes += len;
        self.sacked += if marks.sacked { len } else { 0 };
        self.lost += if marks.lost { len } else { 0 };
        self.again += if marks.again { len } else { 0 };
        self.due += if marks.is_due() { len } else { 0 };
    }

    fn forget(&mut self, run: &Run) {
        let (len, marks) = (run.len(), run.marks);
        self.bytes -= len;
        self.sacked -= if marks.sacked { len } else { 0 };
        self.lost -= if marks.lost { len } else { 0 };
        self.again -= if marks.again { len } else { 0 };
        self.due -= if marks.is_due() { len } else { 0 };
    }
}

impl Sent {
    fn run(&self, marks: Marks) -> Run {
        Run {
            start: self.start,
            end: self.start + self.len,
            before: NIL,
            after: NIL,
            cell: self.cell,
            sent_at: self.at,
            spread: 0,
            departure: self.departure,
            marks,
        }
    }
}

const SACKED: Marks = Marks { sacked: true, lost: false, again: false, repeated: false };

/// From how many runs on those that left nearly at one time are one.
const FINE: u16 = 64;

#[cfg(test)]
mod tests {
    extern crate std;

    use std::collections::BTreeMap;
    use std::vec::Vec;

    use proptest::prelude::*;

    use super::*;
    use crate::slab::Slot;
    use crate::tcp::rate::Rate;

    /// Near the wrap, so that it happens.
    const START: Seq = Seq(u32::MAX - 300);

    /// What a byte in flight is, by the plainest book-keeping.
    #[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
    struct Byte {
        sacked: bool,
        lost: bool,
        again: bool,
    }

    #[derive(Clone, Debug)]
    enum Step {
        Send(u32),
        Acknowledge(u32),
        Sack(u32, u32),
        LoseAll,
        Lose(u32, u32),
        SendAgain(u32),
        Renege,
        LoseNothing,
    }

    fn steps() -> impl Strategy<Value = Vec<Step>> {
        let step = prop_oneof![
            4 => (1u32..60).prop_map(Step::Send),
            2 => (1u32..60).prop_map(Step::Acknowledge),
            4 => (0u32..200, 1u32..60).prop_map(|(from, len)| Step::Sack(from, len)),
            1 => Just(Step::LoseAll),
            2 => (0u32..200, 1u32..60).prop_map(|(from, len)| Step::Lose(from, len)),
            4 => (1u32..40).prop_map(Step::SendAgain),
            1 => Just(Step::Renege),
            1 => Just(Step::LoseNothing),
        ];
        prop::collection::vec(step, 1..120)
    }

    /// A board, and the same as a map of bytes by their distance from the start.
    struct Pair<'s> {
        board: Scoreboard,
        runs: Runs<'s>,
        bytes: BTreeMap<u32, Byte>,
        nxt: u32,
        now: u64,
    }

    impl Pair<'_> {
        fn una(&self) -> u32 {
            self.bytes.keys().next().copied().unwrap_or(self.nxt)
        }

        fn sent(&self, start: u32, len: u32) -> Sent {
            let (at, mut rate) = (Instant::from_micros(self.now), Rate::NEW);
            let departure = rate.on_sent(0, len, at);
            Sent { start: START + start, len, cell: (NIL, START), at, departure, repeated: false }
        }

        /// Does `step` to both. Says how many bytes each heard to have arrived.
        fn step(&mut self, step: &Step) -> (u32, u32) {
            self.now += 1;
            let (una, nxt) = (self.una(), self.nxt);
            let (mut heard, mut expected) = (0, 0);
            match *step {
                Step::Send(len) => {
                    let sent = self.sent(nxt, len);
                    self.board.on_sent(&mut self.runs, &sent, 0);
                    self.bytes.extend((nxt..nxt + len).map(|at| (at, Byte::default())));
                    self.nxt += len;
                }
                Step::Acknowledge(len) => {
                    let to = (una + len).min(nxt);
                    self.board.on_acknowledged(&mut self.runs, START + to, |arrived| heard += arrived.run.len());
                    let rest = self.bytes.split_off(&to);
                    expected = self.bytes.values().filter(|byte| !byte.sacked).count() as u32;
                    self.bytes = rest;
                }
                Step::Sack(from, len) => {
                    let (from, to) = ((una + 1 + from).min(nxt), (una + 1 + from + len).min(nxt));
                    let on = |arrived: &Arrived| heard += arrived.run.len();
                    self.board.on_sacked(&mut self.runs, START + from, START + to, on);
                    for (_, byte) in self.bytes.range_mut(from..to).filter(|(_, byte)| !byte.sacked) {
                        *byte = Byte { sacked: true, ..Byte::default() };
                        expected += 1;
                    }
                }
                Step::LoseAll => {
                    self.board.lose_all(&mut self.runs);
                    self.bytes.values_mut().filter(|byte| !byte.sacked).for_each(lose);
                }
                Step::Lose(from, len) => {
                    let from = una + from;
                    let place = self.board.place_of(&self.runs, START + from);
                    let Some(&run) = place.and_then(|place| self.runs.at(place)) else { return (0, 0) };
                    self.board.lose(&mut self.runs, START + from, START + from + len);
                    let to = (from + len).min(run.end.since(START));
                    self.bytes.range_mut(from..to).filter(|(_, byte)| !byte.sacked).for_each(|(_, byte)| lose(byte));
                }
                Step::SendAgain(len) => {
                    let Some(run) = self.board.first_due(&self.runs) else { return (0, 0) };
                    let (start, len) = (run.start.since(START), len.min(run.len()));
                    let sent = self.sent(start, len);
                    self.board.on_sent_again(&mut self.runs, &sent);
                    self.bytes.range_mut(start..start + len).for_each(|(_, byte)| byte.again = true);
                }
                Step::Renege => {
                    self.board.forget_sacked(&mut self.runs);
                    self.bytes.values_mut().for_each(|byte| byte.sacked = false);
                }
                Step::LoseNothing => {
                    self.board.lose_nothing(&mut self.runs);
                    self.bytes.values_mut().for_each(|byte| byte.lost = false);
                }
            }
            (heard, expected)
        }

        fn count(&self, is: impl Fn(&Byte) -> bool) -> u32 {
            self.bytes.values().filter(|byte| is(byte)).count() as u32
        }

        /// The runs cover what is in flight without a gap, and the counts are theirs.
        fn check(&self) {
            let mut at = START + self.una();
            let (mut sacked, mut lost, mut again, mut count) = (0, 0, 0, 0);
            for (_, run) in self.board.iter(&self.runs) {
                assert_eq!(run.start, at);
                assert!(run.end.after(run.start) && !(run.marks.sacked && (run.marks.lost || run.marks.again)));
                at = run.end;
                sacked += if run.marks.sacked { run.len() } else { 0 };
                lost += if run.marks.lost { run.len() } else { 0 };
                again += if run.marks.again { run.len() } else { 0 };
                count += 1;
            }
            assert_eq!(at, START + self.nxt);
            assert_eq!((self.board.sacked, self.board.lost, self.board.again), (sacked, lost, again));
            assert_eq!(usize::from(self.board.list.count), count);
            assert_eq!(self.board.in_flight(), self.nxt - self.una() - sacked - lost + again);
        }
    }

    fn lose(byte: &mut Byte) {
        if !byte.lost || byte.again {
            (byte.lost, byte.again) = (true, false);
        }
    }

    fn each(places: usize, steps: &[Step], mut on: impl FnMut(&Pair<'_>, (u32, u32))) {
        let mut slots: Vec<_> = (0..places).map(|_| Slot::EMPTY).collect();
        let runs = Runs::new(&mut slots, 1);
        let mut pair = Pair { board: Scoreboard::NEW, runs, bytes: BTreeMap::new(), nxt: 0, now: 0 };
        for step in steps {
            let heard = pair.step(step);
            pair.check();
            on(&pair, heard);
        }
    }

    proptest! {
        /// With places enough the board says of each byte what the model says.
        #[test]
        fn a_board_is_what_a_map_of_bytes_is(steps in steps()) {
            each(260, &steps, |pair, (heard, expected)| {
                assert_eq!(heard, expected);
                for (_, run) in pair.board.iter(&pair.runs) {
                    for at in run.start.since(START)..run.end.since(START) {
                        let Marks { sacked, lost, again, .. } = run.marks;
                        assert_eq!(pair.bytes[&at], Byte { sacked, lost, again }, "{at}");
                    }
                }
                assert_eq!(pair.board.in_flight(), pair.count(|byte| !byte.sacked && !byte.lost) + pair.count(|byte| byte.again));
            });
        }

        /// With few it is coarse, but covers what is in flight, and takes nothing for arrived that has not.
        #[test]
        fn a_board_without_places_is_coarse_and_never_wrong(steps in steps(), places in 3usize..8) {
            each(places, &steps, |pair, _| {
                for (_, run) in pair.board.iter(&pair.runs).filter(|(_, run)| run.marks.sacked) {
                    for at in run.start.since(START)..run.end.since(START) {
                        assert!(pair.bytes[&at].sacked, "{at}");
                    }
                }
            });
        }
    }
}

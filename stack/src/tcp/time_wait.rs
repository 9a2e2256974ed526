//! TIME-WAIT as a small object: what is left of a connection that both sides closed, this one first.
//!
//! Invariant: entries stand in the order in which they expire, for all wait equally long. When the table is full the
//! one that expires first gives way. An entry ends by its time, by a new connection that comes after it (RFC 6191), or
//! so, and never by a reset, nor does old data or an old acknowledgment get further than here (RFC 1337). RFC 9293
//! §3.6.1.

use super::challenge::ChallengeLimit;
use super::connection::Connection;
use super::demux::Tuple;
use super::segment::Arrival;
use super::seq::Seq;
use crate::chain::{Chain, Chained, Neighbours};
use crate::ip::{Dscp, InterfaceId};
use crate::slab::{Slab, Slot};
use crate::time::{Instant, Span};
use crate::wire::tcp::Flags;

/// One entry. Where our clock begins follows from the tuple.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    pub(super) tuple: Tuple,
    pub(super) send_next: Seq,
    pub(super) receive_next: Seq,
    /// TS.Recent, if there were timestamps: a new connection must come after it (RFC 6191 §2).
    timestamp: u32,
    /// In microseconds, their lower half: no wait is longer than [`LONGEST`].
    expires: u32,
    neighbours: Neighbours,
    /// The window field to show: what was promised is not taken back (RFC 9293 §3.8.6, SHLD-14).
    pub(super) window: u16,
    /// By how much it is shifted.
    scale: u8,
    pub(super) challenges: ChallengeLimit,
    pub(super) interface: Option<InterfaceId>,
    /// What the connection's packets said of the service that they want.
    pub(super) dscp: Dscp,
    has_timestamps: bool,
}

const _: () = assert!(size_of::<TimeWait>() <= 68 && size_of::<Slot<TimeWait>>() <= 76);

/// The half of a turn of the 32 bits that an entry keeps of its end.
const LONGEST: Span = Span::from_micros(i32::MAX as u64);

impl TimeWait {
    pub(super) fn new(connection: &Connection) -> Self {
        let stamps = connection.stamps;
        Self {
            tuple: connection.tuple,
            send_next: connection.send.una,
            receive_next: connection.receive.nxt,
            timestamp: stamps.map_or(0, |stamps| stamps.recent()),
            expires: 0,
            neighbours: Neighbours::NONE,
            window: connection.window_field(connection.receive.edge),
            scale: connection.receive.scale,
            challenges: ChallengeLimit::default(),
            interface: connection.interface,
            dscp: connection.dscp,
            has_timestamps: stamps.is_some(),
        }
    }

    /// TS.Recent, if there were timestamps.
    pub(super) fn timestamp(&self) -> Option<u32> {
        self.has_timestamps.then_some(self.timestamp)
    }

    /// When it is over.
    pub(super) fn expires(&self, now: Instant) -> Instant {
        let left = self.expires.wrapping_sub(now.micros() as u32) as i32;
        Instant::from_micros(now.micros().saturating_add_signed(left.into()))
    }

    fn starts(&mut self, wait: Span, now: Instant) {
        self.expires = (now + wait.min(LONGEST)).micros() as u32;
    }

    /// RFC 6191 §2: whether a SYN comes after everything that this connection saw. By its timestamp, if it has one, which
    /// no later connection's is before; else by its number.
    fn comes_before(&self, syn: &Arrival) -> bool {
        let by_number = syn.seq.after(self.receive_next);
        match (self.timestamp(), syn.timestamps) {
            (Some(last), Some(theirs)) if theirs.value == last => by_number,
            (Some(last), Some(theirs)) => (theirs.value.wrapping_sub(last) as i32) > 0,
            (None, Some(_)) => true,
            (Some(_) | None, None) => by_number,
        }
    }

    /// RFC 9293 §3.10.7.4, first: whether any of it is in the window that was shown.
    fn accepts(&self, segment: &Arrival) -> bool {
        segment.is_acceptable(self.receive_next, u32::from(self.window) << self.scale)
    }

    /// RFC 7323 §5.3: the last timestamp is that of the last segment which may be the peer's.
    fn note_clock(&mut self, segment: &Arrival) {
        if let (Some(last), Some(theirs)) = (self.timestamp(), segment.timestamps)
            && (theirs.value.wrapping_sub(last) as i32) > 0
            && segment.seq + segment.len() == self.receive_next
        {
            self.timestamp = theirs.value;
        }
    }
}

impl Chained for TimeWait {
    fn neighbours(&mut self) -> &mut Neighbours {
        &mut self.neighbours
    }
}

/// What a segment to a TIME-WAIT leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A new connection may take the place (RFC 9293 §3.10.7.4, MAY-2; RFC 6191). It has to begin beyond the number here,
    /// unless both have timestamps, which tell the two apart.
    Reopen {
        /// The largest number that this one used.
        beyond: Option<Seq>,
    },
    /// The last acknowledgment again; the peer's FIN came once more, so the wait starts over.
    AcknowledgeAndRestart,
    /// The last acknowledgment again.
    Acknowledge,
    /// Nothing: it was a reset.
    Drop,
    /// Nothing: it acknowledges nothing.
    Silent,
    /// Nothing: it is in order, and two ends in TIME-WAIT must not keep answering each other.
    InOrder,
}

/// All entries.
#[derive(Debug)]
pub(super) struct TimeWaits<'s> {
    entries: Slab<'s, TimeWait>,
    chain: Chain,
    /// The latest moment that was heard of: entries expire near it.
    latest: Instant,
}

impl<'s> TimeWaits<'s> {
    pub(super) fn new(entries: &'s mut [Slot<TimeWait>]) -> Self {
        Self { entries: Slab::new(entries), chain: Chain::EMPTY, latest: Instant::from_micros(0) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry. Returns its place, and the entry that had to give way.
    pub(super) fn insert(
        &mut self,
        mut entry: TimeWait,
        wait: Span,
        now: Instant,
    ) -> (Option<u32>, Option<(u32, Tuple)>) {
        let evicted = if self.entries.is_full() { self.remove_oldest() } else { None };
        self.latest = self.latest.max(now);
        entry.starts(wait, now);
        let Ok(key) = self.entries.insert(entry) else { return (None, evicted) };
        self.chain.push(&mut self.entries, key.index);
        (Some(key.index), evicted)
    }

    pub(super) fn get(&self, index: u32) -> Option<&TimeWait> {
        self.entries.by_index(index)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut TimeWait> {
        self.entries.by_index_mut(index)
    }

    pub(super) fn restart(&mut self, index: u32, wait: Span, now: Instant) {
        self.latest = self.latest.max(now);
        if let Some(entry) = self.entries.by_index_mut(index) {
            entry.starts(wait, now);
            self.chain.take(&mut self.entries, index);
            self.chain.push(&mut self.entries, index);
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<TimeWait> {
        let key = self.entries.key(index)?;
        self.chain.take(&mut self.entries, index);
        self.entries.remove(key)
    }

    /// The next entry that has expired, removed, with the place it had.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(u32, Tuple)> {
        self.latest = self.latest.max(now);
        self.next_deadline().filter(|&deadline| deadline <= now)?;
        self.remove_oldest()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.by_index(self.chain.oldest()?).map(|entry| entry.expires(self.latest))
    }

    /// RFC 9293 §3.10.7.4 for TIME-WAIT.
    pub(super) fn on_segment(&mut self, index: u32, segment: &Arrival) -> Verdict {
        let Some(entry) = self.entries.by_index_mut(index) else { return Verdict::Drop };
        // RFC 1337 §3: a reset does not end it.
        if segment.has(Flags::RST) {
            return Verdict::Drop;
        }
        if segment.has(Flags::SYN) {
            let opens = segment.ack.is_none() && entry.comes_before(segment);
            let has_both = entry.has_timestamps && segment.timestamps.is_some();
            let beyond = Some(entry.send_next).filter(|_| !has_both);
            return if opens { Verdict::Reopen { beyond } } else { Verdict::Acknowledge };
        }
        if segment.ack.is_none() {
            // Fifth: "if the ACK bit is off, drop the segment"; before that, the first step answers what is not acceptable.
            return if entry.accepts(segment) { Verdict::Silent } else { Verdict::Acknowledge };
        }
        entry.note_clock(segment);
        if segment.has(Flags::FIN) {
            return Verdict::AcknowledgeAndRestart;
        }
        let in_order = segment.payload.is_empty() && segment.seq == entry.receive_next;
        if in_order { Verdict::InOrder } else { Verdict::Acknowledge }
    }

    fn remove_oldest(&mut self) -> Option<(u32, Tuple)> {
        let index = self.chain.oldest()?;
        self.remove(index).map(|entry| (index, entry.tuple))
    }
}

//! TIME-WAIT as a small object: what is left of a connection that both sides closed, this one first.
//!
//! Invariant: entries stand in the order in which they expire, for all wait equally long. When the table is full the
//! one that expires first gives way. RFC 9293 §3.6.1, RFC 1337, RFC 6191.

use super::connection::Connection;
use super::demux::Tuple;
use super::segment::Arrival;
use super::seq::Seq;
use super::timestamps::Stamps;
use crate::ip::InterfaceId;
use crate::slab::{Key, Slab, Slot};
use crate::time::{Instant, Span};
use crate::wire::tcp::Flags;

const NIL: u32 = u32::MAX;

/// One entry.
#[derive(Clone, Copy, Debug)]
pub struct TimeWait {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) send_next: Seq,
    pub(super) receive_next: Seq,
    /// The window field to show: what was promised is not taken back (RFC 9293 §3.8.6, SHLD-14).
    pub(super) window: u16,
    /// With TS.Recent: a new connection must come after it (RFC 6191 §2).
    pub(super) stamps: Option<Stamps>,
    expires: Instant,
    previous: u32,
    next: u32,
}

impl TimeWait {
    pub(super) fn new(connection: &Connection) -> Self {
        Self {
            tuple: connection.tuple,
            interface: connection.interface,
            send_next: connection.send.una,
            receive_next: connection.receive.nxt,
            window: connection.window_field(connection.receive.edge),
            stamps: connection.stamps,
            expires: Instant::from_micros(0),
            previous: NIL,
            next: NIL,
        }
    }
}

/// What a segment to a TIME-WAIT leads to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// A new connection may take the place (RFC 9293 §3.10.7.4, MAY-2; RFC 6191).
    Reopen,
    /// The last acknowledgment again; the peer's FIN came once more, so the wait starts over.
    AcknowledgeAndRestart,
    /// The last acknowledgment again.
    Acknowledge,
    /// Nothing: it was a reset.
    Drop,
    /// Nothing: it is in order, and two ends in TIME-WAIT must not keep answering each other.
    InOrder,
}

/// All entries.
#[derive(Debug)]
pub(super) struct TimeWaits<'s> {
    entries: Slab<'s, TimeWait>,
    oldest: u32,
    newest: u32,
}

impl<'s> TimeWaits<'s> {
    pub(super) fn new(entries: &'s mut [Slot<TimeWait>]) -> Self {
        Self { entries: Slab::new(entries), oldest: NIL, newest: NIL }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Adds an entry. Returns its place, and the entry that had to give way.
    pub(super) fn insert(&mut self, entry: TimeWait, wait: Span, now: Instant) -> (Option<u32>, Option<(u32, Tuple)>) {
        let evicted = if self.entries.is_full() { self.remove_oldest() } else { None };
        let Ok(key) = self.entries.insert(TimeWait { expires: now + wait, ..entry }) else {
            return (None, evicted);
        };
        self.link(key.index);
        (Some(key.index), evicted)
    }

    pub(super) fn get(&self, index: u32) -> Option<&TimeWait> {
        self.entries.by_index(index)
    }

    pub(super) fn restart(&mut self, index: u32, wait: Span, now: Instant) {
        self.unlink(index);
        if let Some(entry) = self.entries.by_index_mut(index) {
            entry.expires = now + wait;
            self.link(index);
        }
    }

    pub(super) fn remove(&mut self, index: u32) -> Option<TimeWait> {
        let key = self.entries.key(index)?;
        self.unlink(index);
        self.entries.remove(key)
    }

    /// The next entry that has expired, removed, with the place it had.
    pub(super) fn expire(&mut self, now: Instant) -> Option<(u32, Tuple)> {
        self.entries.by_index(self.oldest).filter(|entry| self.oldest != NIL && entry.expires <= now)?;
        self.remove_oldest()
    }

    pub(super) fn next_deadline(&self) -> Option<Instant> {
        self.entries.by_index(self.oldest).filter(|_| self.oldest != NIL).map(|entry| entry.expires)
    }

    /// RFC 9293 §3.10.7.4 for TIME-WAIT. RFC 1337 §3: a reset does not end it.
    pub(super) fn on_segment(&self, index: u32, segment: &Arrival) -> Verdict {
        let Some(entry) = self.entries.by_index(index) else { return Verdict::Drop };
        if segment.has(Flags::RST) {
            return Verdict::Drop;
        }
        if segment.has(Flags::SYN) {
            let fresh = segment.ack.is_none() && segment.seq.after(entry.receive_next);
            return if fresh { Verdict::Reopen } else { Verdict::Acknowledge };
        }
        if segment.has(Flags::FIN) {
            return Verdict::AcknowledgeAndRestart;
        }
        let in_order = segment.payload.is_empty() && segment.seq == entry.receive_next;
        if in_order { Verdict::InOrder } else { Verdict::Acknowledge }
    }

    fn remove_oldest(&mut self) -> Option<(u32, Tuple)> {
        let index = self.oldest;
        let key: Key = self.entries.key(index).filter(|_| index != NIL)?;
        self.unlink(index);
        self.entries.remove(key).map(|entry| (index, entry.tuple))
    }

    fn link(&mut self, index: u32) {
        let newest = self.newest;
        match self.entries.by_index_mut(newest).filter(|_| newest != NIL) {
            Some(entry) => entry.next = index,
            None => self.oldest = index,
        }
        self.newest = index;
        if let Some(entry) = self.entries.by_index_mut(index) {
            (entry.previous, entry.next) = (newest, NIL);
        }
    }

    fn unlink(&mut self, index: u32) {
        let Some(&TimeWait { previous, next, .. }) = self.entries.by_index(index) else { return };
        match self.entries.by_index_mut(previous).filter(|_| previous != NIL) {
            Some(entry) => entry.next = next,
            None => self.oldest = next,
        }
        match self.entries.by_index_mut(next).filter(|_| next != NIL) {
            Some(entry) => entry.previous = previous,
            None => self.newest = previous,
        }
    }
}

//! How connections end, and what of them stays.
//!
//! Invariant: whatever ends a connection goes through [`Tcp::settle`] or [`Tcp::abort`]. Segments no longer lead to it
//! afterwards; what its application may still read stays until the handle is closed.

use super::connection::{Outcome, Owed, State};
use super::demux::Entity;
use super::reply::Reply;
use super::timestamps::Stamps;
use super::{Ended, Entry, Tcp, TimeWait};
use crate::time::Instant;
use crate::wire::tcp::Flags;

impl Tcp<'_> {
    /// What `outcome` means for the connection in place `index`: the one place where connections end.
    pub(super) fn settle(&mut self, index: u32, outcome: Outcome, now: Instant) {
        match outcome {
            Outcome::Open => self.attend_open(index, now),
            Outcome::TimeWait => self.enter_time_wait(index, now),
            Outcome::Ended(ended) => self.end(index, ended),
            Outcome::Abort(ended) => self.abort(index, ended),
        }
        self.retry_grounded();
    }

    /// RFC 9293 §3.6.1: the connection becomes a TIME-WAIT. What is unread stays with the handle.
    fn enter_time_wait(&mut self, index: u32, now: Instant) {
        let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) else { return };
        let tuple = connection.tuple;
        let owes = connection.receive.owed != Owed::Nothing;
        let entry = TimeWait::new(connection);
        let (place, evicted) = self.time_waits.insert(entry, self.shared.config.time_wait, now);
        if let Some((gone, tuple)) = evicted {
            self.demux.remove(self.hash(&tuple), Entity::TimeWait(gone));
        }
        let hash = self.hash(&tuple);
        match place {
            Some(place) => self.demux.replace(hash, Entity::Connection(index), Entity::TimeWait(place)),
            None => self.demux.remove(hash, Entity::Connection(index)),
        }
        if owes {
            self.acknowledge_time_wait(place, now);
        }
        self.finish(index, Ended::Closed);
    }

    /// The acknowledgment of the peer's FIN.
    pub(super) fn acknowledge_time_wait(&mut self, place: Option<u32>, now: Instant) {
        let Some(&entry) = place.and_then(|place| self.time_waits.get(place)) else { return };
        let TimeWait { tuple, interface, send_next, receive_next, window, dscp, .. } = entry;
        let stamps = entry.timestamp().map(|recent| Stamps::new(self.clock_start(&tuple), recent, now));
        let reply = Reply::acknowledgment(tuple, interface, send_next, receive_next, window, stamps);
        self.reply(Some(Reply { dscp: Some(dscp), ..reply }));
    }

    /// A new connection takes the place of the TIME-WAIT in place `index`.
    pub(super) fn forget_time_wait(&mut self, index: u32) {
        if let Some(entry) = self.time_waits.remove(index) {
            self.demux.remove(self.hash(&entry.tuple), Entity::TimeWait(index));
        }
    }

    /// The connection in place `index` is over for the network.
    fn end(&mut self, index: u32, ended: Ended) {
        let Some(Entry::Open(connection)) = self.connections.by_index(index) else { return };
        let hash = self.hash(&connection.tuple);
        self.demux.remove(hash, Entity::Connection(index));
        self.finish(index, ended);
    }

    /// [`Tcp::end`], and the peer is told by a reset (RFC 9293 §3.10.5).
    pub(super) fn abort(&mut self, index: u32, ended: Ended) {
        let Some(Entry::Open(connection)) = self.connections.by_index(index) else { return };
        if connection.ended.is_some() {
            return;
        }
        // RFC 9293 §3.10.5: in CLOSING and LAST-ACK, where the FIN is out, nothing is sent.
        let is_silent = matches!(connection.state(), State::Closing | State::LastAck) && connection.fin_sent();
        if !is_silent {
            let mut reset = Reply::acknowledgment(
                connection.tuple,
                connection.interface,
                connection.bare_seq(),
                connection.receive.nxt,
                0,
                connection.stamps,
            );
            reset.flags |= Flags::RST;
            reset.dscp = Some(connection.dscp);
            self.reply(Some(reset));
        }
        self.end(index, ended);
    }

    /// Keeps what the application may still read, or frees the place.
    fn finish(&mut self, index: u32, ended: Ended) {
        self.wheel.disarm(index);
        let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) else { return };
        connection.ended = Some(ended);
        let early = connection.is_early().then_some(connection.tuple);
        connection.send.queue.clear(&mut self.shared);
        connection.leave_intake(&mut self.shared);
        connection.land(&mut self.shared);
        connection.rest(&mut self.shared);
        if connection.held {
            self.tell(index);
        } else {
            self.free(index);
        }
        if let Some(tuple) = early {
            self.end_early(&tuple);
        }
    }

    pub(super) fn free(&mut self, index: u32) {
        self.wheel.disarm(index);
        if let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) {
            connection.release(&mut self.shared);
        }
        if let Some(key) = self.connections.key(index) {
            self.connections.remove(key);
        }
        self.retry_grounded();
    }

    /// The active open in place `index` came to nothing.
    pub(super) fn fail(&mut self, index: u32, ended: Ended) {
        self.wheel.disarm(index);
        let Some(entry) = self.connections.by_index_mut(index) else { return };
        let Entry::Opening(opening) = entry else { return };
        opening.release(&mut self.shared);
        let tuple = opening.handshake.tuple;
        *entry = Entry::Failed(ended);
        self.demux.remove(self.hash(&tuple), Entity::Connection(index));
        self.tell(index);
    }
}

//! A segment's way in: checked, found its entity, and what that says is done.
//!
//! Invariant: a segment that matches nothing can cause one reset, or one place in a bounded SYN queue, and no more.

use super::demux::{Entity, Tuple};
use super::handshake::{Handshake, Progress};
use super::reply::Reply;
use super::segment::Arrival;
use super::time_wait::Verdict;
use super::trouble::Trouble;
use super::{Ended, Entry, Tcp};
use crate::drops::Reason;
use crate::ip::{Datagram, ErrorKind, Ip, TransportError, Unreachable};
use crate::time::Instant;

impl Tcp<'_> {
    /// Input: a datagram of protocol TCP. It may be held until [`Tcp::end_burst`].
    pub(crate) fn receive(&mut self, datagram: Datagram, ip: &mut Ip<'_>, now: Instant) {
        self.forget_newest();
        match Arrival::parse(datagram, &mut self.shared.work) {
            Ok(segment) => {
                self.shared.statistics.segments_received += u64::from(segment.segments());
                self.coalesce(segment, ip, now);
            }
            Err(reason) => {
                self.shared.statistics.segments_received += 1;
                self.shared.drops.count(reason);
            }
        }
    }

    pub(super) fn on_segment(&mut self, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        self.shared.statistics.arrivals += 1;
        let found = self.last_if(&segment.tuple).or_else(|| self.find(&segment.tuple));
        match found {
            Some(Entity::Connection(index)) => {
                let (interface, goes_on) = (segment.interface, self.last == index);
                self.last = index;
                self.on_connection_segment(index, segment, ip, now);
                if goes_on {
                    self.predict(index, interface, ip);
                }
            }
            Some(Entity::Handshake(index)) => self.on_handshake_segment(index, segment, ip, now),
            Some(Entity::TimeWait(index)) => self.on_time_wait_segment(index, segment, ip, now),
            Some(Entity::Listener(_)) | None => self.on_listener_segment(segment, ip, now),
        }
    }

    /// The connection that a segment came for last, if `tuple` leads there again: one compare instead of a hash. What has
    /// ended is not asked, for a TIME-WAIT may stand for it.
    fn last_if(&self, tuple: &Tuple) -> Option<Entity> {
        let Some(Entry::Open(connection)) = self.connections.by_index(self.last) else { return None };
        let is_it = connection.ended.is_none() && connection.tuple == *tuple;
        is_it.then_some(Entity::Connection(self.last))
    }

    /// The entity that `tuple` leads to.
    pub(super) fn find(&self, tuple: &Tuple) -> Option<Entity> {
        self.demux.find(self.hash(tuple), |entity| match entity {
            Entity::Connection(index) => match self.connections.by_index(index) {
                Some(Entry::Open(connection)) => connection.tuple == *tuple,
                Some(Entry::Opening(opening)) => opening.handshake.tuple == *tuple,
                Some(Entry::Failed(_)) | None => false,
            },
            // That of an early connection stands behind it.
            Entity::Handshake(index) => {
                self.handshakes.get(index).is_some_and(|entry| entry.tuple == *tuple && !entry.is_early())
            }
            Entity::TimeWait(index) => self.time_waits.get(index).is_some_and(|entry| entry.tuple == *tuple),
            Entity::Listener(index) => self.listeners.by_index(index).is_some_and(|entry| entry.tuple == *tuple),
        })
    }

    pub(super) fn on_connection_segment(&mut self, index: u32, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        match self.connections.by_index_mut(index) {
            Some(Entry::Open(connection)) if connection.is_early() => self.on_early_segment(index, segment, ip, now),
            Some(Entry::Open(connection)) => {
                let (una, was_timed) = (connection.send.una, connection.is_timed(&self.shared));
                let (remote, held) = (connection.tuple.remote(), connection.held);
                let outcome = connection.on_segment(segment, now, &mut self.shared);
                if connection.send.una != una && was_timed && !connection.is_timed(&self.shared) {
                    // RFC 4861 §7.3.1: an acknowledgment of new data shows that the next hop forwards. Once a round trip
                    // is often enough to say so.
                    ip.confirm(remote, now);
                }
                if held {
                    self.tell(index);
                }
                self.settle(index, outcome, now);
            }
            Some(Entry::Opening(opening)) => {
                let progress = opening.handshake.on_segment(&segment, now, &self.shared.config);
                self.on_opening_progress(index, progress, segment, ip, now);
            }
            Some(Entry::Failed(_)) | None => {}
        }
    }

    fn on_opening_progress(&mut self, index: u32, progress: Progress, segment: Arrival, ip: &Ip<'_>, now: Instant) {
        match progress {
            Progress::Dropped(reason) => self.shared.drops.count(reason),
            Progress::Answer => self.attend(index),
            Progress::Challenge(reason) => {
                self.shared.drops.count(reason);
                if let Some(Entry::Opening(opening)) = self.connections.by_index_mut(index)
                    && opening.handshake.challenges.allows(now, &mut self.shared)
                {
                    let handshake = opening.handshake;
                    self.challenge(&handshake, now);
                }
            }
            Progress::Failed(ended) => self.fail(index, ended),
            Progress::Refused => {
                self.reply(Reply::reset(&segment));
                self.fail(index, Ended::Refused);
            }
            Progress::Reset => self.refuse(&segment),
            Progress::Established(agreed) => {
                let Some(&Entry::Opening(opening)) = self.connections.by_index(index) else { return };
                self.note_answer(&opening, &agreed, &segment, now);
                let mut connection = opening.establish(&agreed, &mut self.shared);
                connection.heed(ip.path_mtu(connection.tuple.remote(), now));
                let outcome = connection.on_first_segment(segment, now, &mut self.shared);
                self.shared.statistics.connected += 1;
                if let Some(entry) = self.connections.by_index_mut(index) {
                    *entry = Entry::Open(connection);
                }
                self.tell(index);
                self.settle(index, outcome, now);
            }
        }
    }

    fn on_time_wait_segment(&mut self, index: u32, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        match self.time_waits.on_segment(index, &segment) {
            Verdict::Drop => self.shared.drops.count(Reason::TcpReset),
            Verdict::Silent => self.shared.drops.count(Reason::TcpAck),
            Verdict::InOrder => {}
            Verdict::Acknowledge => self.challenge_time_wait(index, now),
            Verdict::AcknowledgeAndRestart => {
                self.time_waits.restart(index, self.shared.config.time_wait, now);
                self.challenge_time_wait(index, now);
            }
            Verdict::Reopen { beyond } => {
                let (iss, listens) = (self.initial_sequence(&segment.tuple, now), self.listener_for(&segment.tuple));
                if listens.is_none() || beyond.is_some_and(|beyond| !iss.after(beyond)) {
                    return self.challenge_time_wait(index, now);
                }
                self.forget_time_wait(index);
                self.on_listener_segment(segment, ip, now);
            }
        }
    }

    /// RFC 5961 §7 holds here, too: two ends in TIME-WAIT must not answer each other for ever.
    fn challenge_time_wait(&mut self, index: u32, now: Instant) {
        let Some(entry) = self.time_waits.get_mut(index) else { return };
        if entry.challenges.allows(now, &mut self.shared) {
            self.acknowledge_time_wait(Some(index), now);
        }
    }

    /// RFC 9293 §3.5.2: a segment that acknowledges what this handshake has not sent.
    pub(super) fn refuse(&mut self, segment: &Arrival) {
        self.shared.drops.count(Reason::TcpAck);
        self.reply(Reply::reset(segment));
    }

    /// RFC 5961 §3.2, §4.2, for a connection that is not one yet.
    pub(super) fn challenge(&mut self, handshake: &Handshake, now: Instant) {
        let window = handshake.window(&self.shared.config) as u16;
        let (seq, ack) = (handshake.send_next(), handshake.receive_next());
        let reply =
            Reply::acknowledgment(handshake.tuple, handshake.interface, seq, ack, window, handshake.stamps(now));
        self.reply(Some(reply));
    }

    /// Input: an ICMP error about a segment of ours (RFC 5927: believed only if it quotes what is in flight).
    pub(crate) fn on_error(&mut self, error: &TransportError, ip: &mut Ip<'_>, now: Instant) {
        let Some(Entity::Connection(index)) = self.find(&Tuple::new(error.local, error.remote)) else { return };
        match self.connections.by_index_mut(index) {
            Some(Entry::Opening(opening)) if error.sequence == opening.handshake.iss.0 => {
                if let ErrorKind::TooBig { mtu } = error.kind
                    && let Some(mtu) = opening.on_too_big(error, mtu, &self.shared)
                {
                    ip.learn_path_mtu(error.remote.ip(), mtu, now);
                    return self.attend(index);
                }
            }
            Some(Entry::Open(connection)) => {
                if let ErrorKind::TooBig { mtu } = error.kind {
                    if let Some(mtu) = connection.on_too_big(error, mtu, now, &mut self.shared) {
                        ip.learn_path_mtu(error.remote.ip(), mtu, now);
                    }
                    return self.attend(index);
                }
                if !connection.has_sent(error.sequence) {
                    return;
                }
                // RFC 9293 MUST-56 for soft errors; RFC 5927 §5.2: hard ones too, once a connection stands.
                return self.trouble(index, Trouble::of(error.kind));
            }
            Some(Entry::Opening(_) | Entry::Failed(_)) | None => return,
        }
        match error.kind {
            ErrorKind::Unreachable(Unreachable::Port | Unreachable::Protocol) => {
                self.note_silence(index, now);
                self.fail(index, Ended::Refused);
            }
            ErrorKind::Unreachable(Unreachable::Prohibited) => {
                self.note_silence(index, now);
                self.fail(index, Ended::Unreachable);
            }
            // RFC 9293 §3.9.2.2 (MUST-56): soft errors (no route, no host, a source route that failed) abort nothing.
            ErrorKind::Unreachable(Unreachable::Network | Unreachable::Host | Unreachable::Other)
            | ErrorKind::TooBig { .. }
            | ErrorKind::TimeExceeded
            | ErrorKind::ParameterProblem => self.trouble(index, Trouble::of(error.kind)),
        }
    }
}

//! A segment's way in: checked, found its entity, and what that says is done.
//!
//! Invariant: a segment that matches nothing can cause one reset, or one place in a bounded SYN queue, and no more.

use core::net::{IpAddr, Ipv6Addr, SocketAddr};

use super::connection::Connection;
use super::demux::{Entity, Tuple};
use super::handshake::{Agreed, Handshake, Progress, Role};
use super::reply::Reply;
use super::segment::Arrival;
use super::time_wait::Verdict;
use super::trouble::Trouble;
use super::{Ended, Entry, Tcp};
use crate::drops::Reason;
use crate::ip::{Datagram, ErrorKind, Ip, TransportError, Unreachable};
use crate::slab::Key;
use crate::time::Instant;
use crate::wire::tcp::Flags;

impl Tcp<'_> {
    /// Input: a datagram of protocol TCP. It may be held until [`Tcp::end_burst`].
    pub(crate) fn receive(&mut self, datagram: Datagram, ip: &mut Ip<'_>, now: Instant) {
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
        match self.find(&segment.tuple) {
            Some(Entity::Connection(index)) => self.on_connection_segment(index, segment, ip, now),
            Some(Entity::Handshake(index)) => self.on_handshake_segment(index, segment, now),
            Some(Entity::TimeWait(index)) => self.on_time_wait_segment(index, segment, ip, now),
            Some(Entity::Listener(_)) | None => self.on_listener_segment(segment, ip, now),
        }
    }

    /// The entity that `tuple` leads to.
    pub(super) fn find(&self, tuple: &Tuple) -> Option<Entity> {
        self.demux.find(self.hash(tuple), |entity| match entity {
            Entity::Connection(index) => match self.connections.by_index(index) {
                Some(Entry::Open(connection)) => connection.tuple == *tuple,
                Some(Entry::Opening(handshake)) => handshake.tuple == *tuple,
                Some(Entry::Failed(_)) | None => false,
            },
            Entity::Handshake(index) => self.handshakes.by_index(index).is_some_and(|entry| entry.tuple == *tuple),
            Entity::TimeWait(index) => self.time_waits.get(index).is_some_and(|entry| entry.tuple == *tuple),
            Entity::Listener(index) => self.listeners.by_index(index).is_some_and(|entry| entry.tuple == *tuple),
        })
    }

    fn on_connection_segment(&mut self, index: u32, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        match self.connections.by_index_mut(index) {
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
            Some(Entry::Opening(handshake)) => {
                let progress = handshake.on_segment(&segment, now, &self.shared.config);
                self.on_opening_progress(index, progress, segment, now);
            }
            Some(Entry::Failed(_)) | None => {}
        }
    }

    fn on_opening_progress(&mut self, index: u32, progress: Progress, segment: Arrival, now: Instant) {
        match progress {
            Progress::Dropped(reason) => self.shared.drops.count(reason),
            Progress::Answer => self.attend(index),
            Progress::Challenge(reason) => self.challenge(&segment, reason, now),
            Progress::Failed(ended) => self.fail(index, ended),
            Progress::Reset => self.refuse(&segment),
            Progress::Established(agreed) => {
                let mut connection = Connection::new(&agreed, &self.shared.config);
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

    fn on_handshake_segment(&mut self, index: u32, segment: Arrival, now: Instant) {
        let Some(handshake) = self.handshakes.by_index_mut(index) else { return };
        let progress = handshake.on_segment(&segment, now, &self.shared.config);
        let role = handshake.role;
        match progress {
            Progress::Dropped(reason) => self.shared.drops.count(reason),
            Progress::Answer => self.look_at(self.timer_of(Entity::Handshake(index))),
            Progress::Challenge(reason) => self.challenge(&segment, reason, now),
            Progress::Failed(_) => self.remove_handshake(index),
            Progress::Reset => self.refuse(&segment),
            Progress::Established(agreed) => self.complete(index, role, &agreed, segment, now),
        }
    }

    /// The third step of a passive open: the connection gets its place, and stands in line to be accepted.
    fn complete(&mut self, handshake: u32, role: Role, agreed: &Agreed, segment: Arrival, now: Instant) {
        let Role::Passive(key) = role else { return };
        let Some(listener) = self.listeners.at(key) else {
            // Nobody listens any more: as if nobody ever had.
            self.remove_handshake(handshake);
            self.shared.drops.count(Reason::TcpNoConnection);
            return self.reply(Reply::reset(&segment));
        };
        if !listener.has_room_for_connection() {
            // The handshake stays: the peer's next segment, or our SYN-ACK again, gives it another chance.
            self.shared.drops.count(Reason::TcpBacklog);
            return;
        };
        let mut accept = listener.accept;
        let connection = Connection::new(agreed, &self.shared.config);
        let Ok(connection) = self.connections.insert(Entry::Open(connection)) else {
            self.shared.drops.count(Reason::TcpBacklog);
            return;
        };
        self.remove_handshake(handshake);
        if !self.demux.insert(self.hash(&agreed.tuple), Entity::Connection(connection.index)) {
            self.connections.remove(connection);
            return;
        }
        self.accept_links.push_back(&mut accept, connection.index);
        if let Some(listener) = self.listeners.at_mut(key) {
            listener.accept = accept;
        }
        self.shared.statistics.accepted += 1;
        let Some(Entry::Open(connection_entry)) = self.connections.by_index_mut(connection.index) else { return };
        // What came with the acknowledgment: data, a FIN.
        let outcome = connection_entry.on_first_segment(segment, now, &mut self.shared);
        self.settle(connection.index, outcome, now);
    }

    fn on_time_wait_segment(&mut self, index: u32, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        match self.time_waits.on_segment(index, &segment) {
            Verdict::Drop => self.shared.drops.count(Reason::TcpReset),
            Verdict::InOrder => {}
            Verdict::Acknowledge => self.acknowledge_time_wait(Some(index)),
            Verdict::AcknowledgeAndRestart => {
                self.time_waits.restart(index, self.shared.config.time_wait, now);
                self.acknowledge_time_wait(Some(index));
            }
            Verdict::Reopen if self.listener_for(&segment.tuple).is_some() => {
                if let Some(entry) = self.time_waits.remove(index) {
                    self.demux.remove(self.hash(&entry.tuple), Entity::TimeWait(index));
                }
                self.on_listener_segment(segment, ip, now);
            }
            Verdict::Reopen => self.acknowledge_time_wait(Some(index)),
        }
    }

    /// RFC 9293 §3.10.7.1 and §3.10.7.2: a segment without a connection.
    fn on_listener_segment(&mut self, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        let Some(listener) = self.listener_for(&segment.tuple) else {
            self.shared.drops.count(Reason::TcpNoConnection);
            self.reply(Reply::reset(&segment));
            return;
        };
        if segment.has(Flags::RST) {
            return self.shared.drops.count(Reason::TcpNoConnection);
        }
        if segment.ack.is_some() {
            self.shared.drops.count(Reason::TcpNoConnection);
            return self.reply(Reply::reset(&segment));
        }
        // Third: the SYN. Text and a FIN that come with it are not kept; their sender sends them again.
        if !segment.has(Flags::SYN) {
            return self.shared.drops.count(Reason::TcpFlags);
        }
        let (remote, local) = (segment.tuple.remote(), segment.tuple.local());
        let Ok(path) = ip.route(remote, Some(local)) else {
            return self.shared.drops.count(Reason::NoRoute);
        };
        let has_room = self.listeners.at(listener).is_some_and(|listener| listener.has_room_for_handshake());
        if !has_room || self.handshakes.is_full() {
            return self.shared.drops.count(Reason::TcpBacklog);
        }
        let iss = self.initial_sequence(&segment.tuple, now);
        let scope = super::emit::scope(remote, segment.interface);
        let clock = self.clock_start(&segment.tuple);
        let handshake = Handshake::new(segment.tuple, scope, iss, clock, path.mtu);
        let handshake = handshake.passive(&segment, listener, &self.shared.config);
        let Ok(key) = self.handshakes.insert(handshake) else {
            return self.shared.drops.count(Reason::TcpBacklog);
        };
        if !self.demux.insert(self.hash(&segment.tuple), Entity::Handshake(key.index)) {
            self.handshakes.remove(key);
            return self.shared.drops.count(Reason::TcpBacklog);
        }
        if let Some(listener) = self.listeners.at_mut(listener) {
            listener.handshakes += 1;
        }
        self.look_at(self.timer_of(Entity::Handshake(key.index)));
    }

    /// The listener on the segment's address, or the one on every address.
    fn listener_for(&self, tuple: &Tuple) -> Option<Key> {
        let exact = Tuple::listening(tuple.local_socket());
        let any = Tuple::listening(SocketAddr::new(IpAddr::V6(Ipv6Addr::UNSPECIFIED), tuple.local_port));
        match self.find(&exact).or_else(|| self.find(&any)) {
            Some(Entity::Listener(index)) => self.listeners.key(index),
            Some(Entity::Connection(_) | Entity::Handshake(_) | Entity::TimeWait(_)) | None => None,
        }
    }

    /// RFC 9293 §3.5.2: a segment that acknowledges what this handshake has not sent.
    fn refuse(&mut self, segment: &Arrival) {
        self.shared.drops.count(Reason::TcpAck);
        self.reply(Reply::reset(segment));
    }

    /// RFC 5961 §3.2, §4.2, for a connection that is not one yet.
    fn challenge(&mut self, segment: &Arrival, reason: Reason, now: Instant) {
        self.shared.drops.count(reason);
        let handshake = match self.find(&segment.tuple) {
            Some(Entity::Handshake(index)) => self.handshakes.by_index(index),
            Some(Entity::Connection(index)) => match self.connections.by_index(index) {
                Some(Entry::Opening(handshake)) => Some(handshake),
                Some(Entry::Open(_) | Entry::Failed(_)) | None => None,
            },
            Some(Entity::TimeWait(_) | Entity::Listener(_)) | None => None,
        };
        let Some(handshake) = handshake else { return };
        let window = super::window::initial_window(&self.shared.config) as u16;
        let (seq, ack) = (handshake.iss + 1, handshake.receive_next());
        let reply =
            Reply::acknowledgment(handshake.tuple, handshake.interface, seq, ack, window, handshake.stamps(now));
        self.reply(Some(reply));
    }

    /// Input: an ICMP error about a segment of ours (RFC 5927: believed only if it quotes what is in flight).
    pub(crate) fn on_error(&mut self, error: &TransportError) {
        let Some(Entity::Connection(index)) = self.find(&Tuple::new(error.local, error.remote)) else { return };
        match self.connections.by_index(index) {
            Some(Entry::Opening(handshake)) if error.sequence == handshake.iss.0 => {}
            Some(Entry::Open(connection)) if connection.has_sent(error.sequence) => {
                // RFC 9293 MUST-56 for soft errors; RFC 5927 §5.2: hard ones too, once a connection stands.
                return self.trouble(index, Trouble::of(error.kind));
            }
            Some(Entry::Opening(_) | Entry::Open(_) | Entry::Failed(_)) | None => return,
        }
        match error.kind {
            ErrorKind::Unreachable(Unreachable::Port | Unreachable::Protocol) => self.fail(index, Ended::Refused),
            ErrorKind::Unreachable(Unreachable::Prohibited) => self.fail(index, Ended::Unreachable),
            // RFC 9293 §3.9.2.2 (MUST-56): soft errors (no route, no host, a source route that failed) abort nothing.
            ErrorKind::Unreachable(Unreachable::Network | Unreachable::Host | Unreachable::Other)
            | ErrorKind::TooBig { .. }
            | ErrorKind::TimeExceeded
            | ErrorKind::ParameterProblem => self.trouble(index, Trouble::of(error.kind)),
        }
    }
}

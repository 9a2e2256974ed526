//! A peer's open: from its SYN to a connection that waits to be accepted.
//!
//! Invariant: until the third step has come a peer costs one place in the SYN cache, bounded by its listener's backlog,
//! or none, where it is answered by a cookie. RFC 9293 §3.10.7.1, §3.10.7.2, and §3.10.7.4 for SYN-RECEIVED.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use super::connection::Connection;
use super::cookie::{self, SynCookies};
use super::demux::{Entity, Tuple};
use super::handshake::{Agreed, Handshake, Progress};
use super::negotiation::{Negotiation, Opener};
use super::options;
use super::reply::Reply;
use super::segment::Arrival;
use super::syn_cache::{Offer, SynReceived};
use super::window::initial_window;
use super::{Ended, Entry, Tcp};
use crate::drops::Reason;
use crate::ip::{Ip, Path};
use crate::slab::Key;
use crate::time::Instant;
use crate::wire::tcp::Flags;

impl Tcp<'_> {
    /// RFC 9293 §3.10.7.1 and §3.10.7.2: a segment without a connection.
    pub(super) fn on_listener_segment(&mut self, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        let Some(listener) = self.listener_for(&segment.tuple) else {
            self.shared.drops.count(Reason::TcpNoConnection);
            return self.reply(Reply::reset(&segment));
        };
        if segment.has(Flags::RST) {
            return self.shared.drops.count(Reason::TcpNoConnection);
        }
        if segment.ack.is_some() {
            return self.on_third_step(segment, listener, ip, now);
        }
        // Third: the SYN. Text and a FIN that come with it are not kept, unless `fast_open` says so; their sender sends them
        // again.
        if !segment.has(Flags::SYN) {
            return self.shared.drops.count(Reason::TcpFlags);
        }
        if let Some(path) = self.path_to(&segment, ip) {
            self.take_syn(segment, listener, path, ip, now);
        }
    }

    fn take_syn(&mut self, syn: Arrival, key: Key, path: Path, ip: &Ip<'_>, now: Instant) {
        let Some(listener) = self.listeners.at(key) else { return };
        let has_room = self.handshakes.has_room(listener);
        match self.shared.config.syn_cookies {
            SynCookies::Always => self.answer_with_cookie(&syn, key, path, now),
            SynCookies::WhenFull if !has_room => self.answer_with_cookie(&syn, key, path, now),
            SynCookies::Off if !has_room => {
                self.shared.drops.count(Reason::TcpBacklog);
                if let Some(oldest) = listener.handshakes.oldest() {
                    self.give_up_handshake(oldest, Ended::TimedOut, now);
                    self.keep(&syn, key, Offer::Nothing);
                }
            }
            SynCookies::Off | SynCookies::WhenFull => self.admit(syn, key, path, ip, now),
        }
    }

    /// Answers a SYN and forgets it. Where its connection could not be accepted now, no promise is made.
    fn answer_with_cookie(&mut self, syn: &Arrival, key: Key, path: Path, now: Instant) {
        let Some(listener) = self.listeners.at_mut(key).filter(|listener| listener.has_room_for_connection()) else {
            return self.shared.drops.count(Reason::TcpBacklog);
        };
        listener.cookies_until = now + cookie::LIFETIME;
        let (config, remote) = (&self.shared.config, syn.tuple.remote());
        let theirs = cookie::kept(options::taken(syn.options, config));
        let ecn = Negotiation::of_cookie(syn, config.ecn);
        let clock = cookie::clock(self.clock_start(&syn.tuple), &theirs, ecn, now);
        let mss = theirs.mss.unwrap_or(options::default_mss(remote));
        let number = cookie::number(&syn.tuple, syn.seq, mss, &self.secret, now);
        let ecn = if theirs.timestamps.is_some() { ecn } else { Negotiation::NONE };
        let offer = options::ours(path.mtu, remote, config, Some(theirs), clock);
        let reply = Reply::syn_ack(syn, number, initial_window(config) as u16, ecn.syn_ack(), offer);
        self.shared.statistics.cookies_sent += 1;
        self.reply(Some(reply));
    }

    /// An acknowledgment for a listener: of a cookie, or of nothing that was sent.
    fn on_third_step(&mut self, segment: Arrival, key: Key, ip: &Ip<'_>, now: Instant) {
        let expects = self.listeners.at(key).is_some_and(|listener| now < listener.cookies_until);
        let Some(mut handshake) = expects.then(|| self.shown(&segment, ip, now)).flatten() else {
            self.shared.statistics.cookies_rejected += u64::from(expects);
            self.shared.drops.count(Reason::TcpNoConnection);
            return self.reply(Reply::reset(&segment));
        };
        match handshake.on_segment(&segment, now, &self.shared.config) {
            Progress::Established(agreed) => self.complete(None, key.index, &agreed, segment, ip, now),
            Progress::Dropped(reason) | Progress::Challenge(reason) => self.shared.drops.count(reason),
            Progress::Answer | Progress::Failed(_) | Progress::Refused | Progress::Reset => self.refuse(&segment),
        }
    }

    /// The handshake whose cookie `segment` shows.
    fn shown(&mut self, segment: &Arrival, ip: &Ip<'_>, now: Instant) -> Option<Handshake> {
        let (tuple, irs, iss) = (segment.tuple, segment.seq - 1, segment.ack? - 1);
        let mss = cookie::size(&tuple, irs, iss, &self.secret, now).filter(|_| !segment.has(Flags::SYN))?;
        let path = self.path_to(segment, ip)?;
        let (scope, clock) = (super::emit::scope(tuple.remote(), segment.interface), self.clock_start(&tuple));
        let theirs = options::taken(cookie::theirs(clock, segment, mss), &self.shared.config);
        let ecn = cookie::ecn(clock, segment);
        let opener = Opener::Peer;
        Some(Handshake {
            theirs: Some((irs, theirs)),
            opener,
            ecn,
            ..Handshake::new(tuple, scope, iss, clock, path.mtu)
        })
    }

    /// The way back to the sender of `segment`.
    fn path_to(&mut self, segment: &Arrival, ip: &Ip<'_>) -> Option<Path> {
        let path = ip.route(segment.tuple.remote(), Some(segment.tuple.local())).ok();
        if path.is_none() {
            self.shared.drops.count(Reason::NoRoute);
        }
        path
    }

    /// Gives a SYN its place in the SYN cache, and returns it.
    pub(super) fn keep(&mut self, syn: &Arrival, key: Key, offer: Offer) -> Option<u32> {
        let listener = self.listeners.at_mut(key)?;
        let scope = super::emit::scope(syn.tuple.remote(), syn.interface);
        let entry = SynReceived::new(syn, scope, key.index, &self.shared.config).offering(offer);
        let index = self.handshakes.insert(entry, listener)?;
        if !self.demux.insert(self.hash(&syn.tuple), Entity::Handshake(index)) {
            self.remove_handshake(index);
            self.shared.drops.count(Reason::TcpBacklog);
            return None;
        }
        self.look_at(self.timer_of(Entity::Handshake(index)));
        Some(index)
    }

    /// The handshake in place `index` of the SYN cache, over a path with this MTU.
    pub(super) fn unpacked(&self, index: u32, mtu: u16, now: Instant) -> Option<Handshake> {
        let entry = self.handshakes.get(index)?;
        let iss = self.initial_sequence(&entry.tuple, entry.started(now));
        let handshake = entry.unpack(iss, self.clock_start(&entry.tuple), mtu, now, &self.shared.config);
        let handshake = match entry.offers() {
            Offer::Cookie(form) if entry.tries() == 0 => {
                handshake.giving(form, self.cookie_of(entry.listener(), &entry.tuple, now))
            }
            Offer::Cookie(_) | Offer::Nothing => handshake,
        };
        match self.early_connection(index) {
            Some((_, connection)) => Some(handshake.of_early(connection)),
            None => Some(handshake),
        }
    }

    pub(super) fn on_handshake_segment(&mut self, index: u32, segment: Arrival, ip: &Ip<'_>, now: Instant) {
        let Some(path) = self.path_to(&segment, ip) else { return };
        let Some(mut handshake) = self.unpacked(index, path.mtu, now) else { return };
        let progress = handshake.on_segment(&segment, now, &self.shared.config);
        let Some(entry) = self.handshakes.get_mut(index) else { return };
        entry.update(&handshake);
        match (progress, entry.listener()) {
            (Progress::Established(agreed), Some(listener)) => {
                self.complete(Some(index), listener, &agreed, segment, ip, now);
            }
            (progress, _) => self.on_handshake_progress(index, progress, &handshake, &segment, now),
        }
    }

    /// What a segment does to the handshake in place `index`, unless that makes it a connection.
    pub(super) fn on_handshake_progress(
        &mut self,
        index: u32,
        progress: Progress,
        handshake: &Handshake,
        segment: &Arrival,
        now: Instant,
    ) {
        match progress {
            Progress::Dropped(reason) => self.shared.drops.count(reason),
            Progress::Answer => self.look_at(self.timer_of(Entity::Handshake(index))),
            Progress::Challenge(reason) => {
                self.shared.drops.count(reason);
                let Some(entry) = self.handshakes.get_mut(index) else { return };
                if entry.allows_challenge(&mut self.shared) {
                    self.challenge(handshake, now);
                }
            }
            Progress::Failed(_) => self.remove_handshake(index),
            Progress::Refused => {
                self.remove_handshake(index);
                self.reply(Reply::reset(segment));
            }
            Progress::Reset => self.refuse(segment),
            Progress::Established(_) => {}
        }
    }

    /// The third step: the connection gets its place, and stands in line to be accepted. Where there is none the
    /// handshake stays: the peer's next segment, or our SYN-ACK again, gives it another chance.
    fn complete(
        &mut self,
        handshake: Option<u32>,
        place: u32,
        agreed: &Agreed,
        segment: Arrival,
        ip: &Ip<'_>,
        now: Instant,
    ) {
        let Some(listener) = self.listeners.by_index(place) else { return };
        if !listener.has_room_for_connection() {
            return self.shared.drops.count(Reason::TcpBacklog);
        };
        let mut connection = Connection::new(agreed, &self.shared.config);
        connection.heed(ip.path_mtu(agreed.tuple.remote(), now));
        let Ok(connection) = self.connections.insert(Entry::Open(connection)) else {
            return self.shared.drops.count(Reason::TcpBacklog);
        };
        match handshake {
            Some(handshake) => self.remove_handshake(handshake),
            None => self.shared.statistics.cookies_accepted += 1,
        }
        if !self.demux.insert(self.hash(&agreed.tuple), Entity::Connection(connection.index)) {
            self.connections.remove(connection);
            return;
        }
        self.line_up(place, connection.index);
        self.shared.statistics.accepted += 1;
        let Some(Entry::Open(connection_entry)) = self.connections.by_index_mut(connection.index) else { return };
        // What came with the acknowledgment: data, a FIN.
        let outcome = connection_entry.on_first_segment(segment, now, &mut self.shared);
        self.settle(connection.index, outcome, now);
    }

    /// The connection in place `connection` waits to be accepted from the listener in place `listener`.
    pub(super) fn line_up(&mut self, listener: u32, connection: u32) {
        if let Some(listener) = self.listeners.by_index_mut(listener) {
            self.accept_links.push_back(&mut listener.accept, connection);
        }
    }

    /// The listener on the segment's address; else the one on every address of its version, or of both.
    pub(super) fn listener_for(&self, tuple: &Tuple) -> Option<Key> {
        let own_version = match tuple.local() {
            IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::UNSPECIFIED),
            IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::UNSPECIFIED),
        };
        let on = |address| self.find(&Tuple::listening(SocketAddr::new(address, tuple.local_port)));
        let found = on(tuple.local()).or_else(|| on(own_version)).or_else(|| on(IpAddr::V6(Ipv6Addr::UNSPECIFIED)));
        match found {
            Some(Entity::Listener(index)) => self.listeners.key(index),
            Some(Entity::Connection(_) | Entity::Handshake(_) | Entity::TimeWait(_)) | None => None,
        }
    }

    /// Input: time has passed for the handshake in place `index`.
    pub(super) fn on_handshake_deadline(&mut self, index: u32, now: Instant) {
        // Nothing is sent here, so the path does not matter.
        let Some(mut handshake) = self.unpacked(index, 0, now) else { return };
        if !handshake.on_deadline(now, &self.shared.config) {
            return self.give_up_handshake(index, Ended::TimedOut, now);
        }
        if let Some(entry) = self.handshakes.get_mut(index) {
            entry.update(&handshake);
        }
        self.look_at(self.timer_of(Entity::Handshake(index)));
    }

    pub(super) fn remove_handshake(&mut self, index: u32) {
        self.wheel.disarm(self.timer_of(Entity::Handshake(index)));
        let Some(entry) = self.handshakes.get(index) else { return };
        let is_early = entry.is_early();
        let mut listener = entry.listener().and_then(|place| self.listeners.by_index_mut(place));
        let removed = self.handshakes.remove(index, listener.as_deref_mut());
        if let Some(offered) = listener.and_then(|listener| listener.fast_open.as_mut()).filter(|_| is_early) {
            offered.end();
        }
        if let Some(entry) = removed {
            self.demux.remove(self.hash(&entry.tuple), Entity::Handshake(index));
        }
    }
}

//! Fast Open, the server's side: data that comes with a SYN is read, and answered, before the handshake is complete
//! (RFC 7413 §4.2.2).
//!
//! Invariant: a listener that was not told to takes no notice of cookies. An early connection, one whose SYN-ACK nobody has
//! acknowledged yet, stands twice in the table: as a connection, to which its segments go, and as an entry of the SYN cache,
//! which sends its SYN-ACK again and counts against the listener's limit. Each ends the other.
//!
//! What the client could not send from a forged address it does not get: without a cookie of this server it finds the usual
//! handshake. Nor is it if too many are early already, which [`FastOpen::limit`] says; those that were reset count on for a
//! minute or two, for the resets of a forged address's owner must not make room for more (§5.1). Left out: data in the SYN-ACK,
//! which goes at once, and servers without cookies (§7.3).

use super::connection::{Connection, Outcome};
use super::demux::{Entity, Tuple};
use super::fast_open_cookie::{FastOpenKeys, Worth};
use super::handshake::{Agreed, Handshake, Progress};
use super::origin::Origin;
use super::reply::Reply;
use super::segment::Arrival;
use super::shared::{Shared, TcpConfig};
use super::syn_cache::Offer;
use super::{Ended, Entry, ListenerHandle, Tcp};
use crate::ip::{Ip, Path};
use crate::slab::Key;
use crate::time::Instant;
use crate::wire::fast_open::{Cookie, FastOpenOption, Form};

/// What a listener offers of Fast Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FastOpen {
    /// How many of its connections may be open before their handshake is complete. Beyond, the usual handshake is done.
    pub limit: u16,
    /// What its cookies are made with.
    pub keys: FastOpenKeys,
}

/// A listener's Fast Open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Offered {
    by: FastOpen,
    /// RFC 7413 §4.2: PendingFastOpenRequests.
    pending: u16,
    /// Those that were reset in this minute and in the one before.
    resets: [u16; 2],
    minute: u64,
}

impl Offered {
    const fn new(by: FastOpen) -> Self {
        Self { by, pending: 0, resets: [0; 2], minute: 0 }
    }

    fn has_room(&mut self, now: Instant) -> bool {
        self.turn(now);
        let [now, before] = self.resets.map(u32::from);
        u32::from(self.pending) + now + before < u32::from(self.by.limit)
    }

    /// One was reset by its peer.
    fn note_reset(&mut self, now: Instant) {
        self.turn(now);
        self.resets[0] = self.resets[0].saturating_add(1);
    }

    fn turn(&mut self, now: Instant) {
        let minute = now.micros() / 60_000_000;
        self.resets = match minute.saturating_sub(self.minute) {
            0 => self.resets,
            1 => [0, self.resets[0]],
            _ => [0; 2],
        };
        self.minute = minute;
    }

    pub(super) fn end(&mut self) {
        self.pending = self.pending.saturating_sub(1);
    }
}

/// How a SYN is met.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Welcome {
    /// What of Fast Open the SYN-ACK has.
    offer: Offer,
    /// Its data counts now.
    is_early: bool,
}

impl Tcp<'_> {
    /// Command: what a listener offers of Fast Open from now on. Says whether there is such a listener.
    pub(crate) fn set_fast_open(&mut self, listener: ListenerHandle, fast_open: Option<FastOpen>) -> bool {
        let Some(listener) = self.listeners.at_mut(listener.0) else { return false };
        listener.fast_open = match (listener.fast_open, fast_open) {
            (_, None) => None,
            (None, Some(by)) => Some(Offered::new(by)),
            (Some(offered), Some(by)) => Some(Offered { by, ..offered }),
        };
        true
    }

    /// A SYN for which the SYN cache has a place (RFC 7413 §4.2.2, "Receiving SYN and responding with SYN-ACK").
    pub(super) fn admit(&mut self, syn: Arrival, key: Key, path: Path, ip: &Ip<'_>, now: Instant) {
        let welcome = self.welcome(&syn, key, now);
        let Some(entry) = self.keep(&syn, key, welcome.offer) else { return };
        if welcome.is_early {
            self.open_early(entry, key, syn, path, ip, now);
        }
    }

    /// Steps 1 to 3.
    fn welcome(&mut self, syn: &Arrival, key: Key, now: Instant) -> Welcome {
        const USUAL: Welcome = Welcome { offer: Offer::Nothing, is_early: false };
        let has_place = !self.connections.is_full();
        let Some(listener) = self.listeners.at_mut(key) else { return USUAL };
        let has_place = has_place && listener.has_room_for_connection();
        let (Some(offered), Some(option)) = (&mut listener.fast_open, syn.options.fast_open) else { return USUAL };
        if !offered.has_room(now) {
            self.shared.statistics.fast_opens_withheld += 1;
            return USUAL;
        }
        let offer = Offer::Cookie(option.form);
        let keys = offered.by.keys;
        match option.cookie.map(|cookie| keys.worth(cookie, &syn.tuple, &self.secret, now)) {
            Some(Worth::Current | Worth::Before) if !has_place => Welcome { offer, is_early: false },
            Some(Worth::Current) => Welcome { offer: Offer::Nothing, is_early: true },
            Some(Worth::Before) => Welcome { offer, is_early: true },
            Some(Worth::Nothing) => {
                self.shared.statistics.fast_opens_refused += 1;
                Welcome { offer, is_early: false }
            }
            None => Welcome { offer, is_early: false },
        }
    }

    /// Steps 4 to 6: the connection gets its place, takes the data and stands in line to be accepted.
    fn open_early(&mut self, entry: u32, key: Key, syn: Arrival, path: Path, ip: &Ip<'_>, now: Instant) {
        let Some(handshake) = self.unpacked(entry, path.mtu, now) else { return };
        let mut connection =
            Connection::new(&handshake.agreed_early(&syn, now, &self.shared.config), &self.shared.config);
        connection.origin.insert(Origin::EARLY);
        connection.heed(ip.path_mtu(handshake.tuple.remote(), now));
        let Ok(place) = self.connections.insert(Entry::Open(connection)) else { return };
        if !self.demux.insert(self.hash(&handshake.tuple), Entity::Connection(place.index)) {
            self.connections.remove(place);
            return;
        }
        if let Some(entry) = self.handshakes.get_mut(entry) {
            entry.set_early();
        }
        self.shared.statistics.fast_opens_accepted += 1;
        if let Some(offered) = self.listeners.at_mut(key).and_then(|listener| listener.fast_open.as_mut()) {
            offered.pending += 1;
        }
        self.line_up(key.index, place.index);
        let Some(Entry::Open(connection)) = self.connections.by_index_mut(place.index) else { return };
        let outcome = connection.on_first_segment(syn, now, &mut self.shared);
        connection.origin.set(Origin::SYN_DATA, !connection.receive.queue.is_empty());
        // The SYN-ACK says what was taken.
        connection.receive.duplicates = 0;
        connection.acknowledgment_sent(0, &mut self.shared);
        self.settle(place.index, outcome, now);
    }

    /// A segment for the early connection in place `index`: until its SYN-ACK is acknowledged it is the handshake's.
    pub(super) fn on_early_segment(&mut self, index: u32, segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        let Some(entry) = self.early_entry(&segment.tuple) else { return };
        // Nothing is sent here, so the path does not matter.
        let Some(mut handshake) = self.unpacked(entry, 0, now) else { return };
        let progress = handshake.on_segment(&segment, now, &self.shared.config);
        if let Some(entry) = self.handshakes.get_mut(entry) {
            entry.update(&handshake);
        }
        match progress {
            Progress::Failed(_) => {
                self.note_early_reset(entry, now);
                self.settle(index, Outcome::Ended(Ended::Reset), now);
            }
            Progress::Established(agreed) => {
                self.complete_early(index, entry, &agreed);
                self.on_connection_segment(index, segment, ip, now);
            }
            Progress::Refused => {
                self.reply(Reply::reset(&segment));
                self.settle(index, Outcome::Ended(Ended::Reset), now);
            }
            Progress::Dropped(_) | Progress::Answer | Progress::Challenge(_) | Progress::Reset => {
                self.on_handshake_progress(entry, progress, &handshake, &segment, now);
            }
        }
    }

    /// RFC 7413 §4.2.2, "Server: Receiving ACK".
    fn complete_early(&mut self, index: u32, entry: u32, agreed: &Agreed) {
        self.remove_handshake(entry);
        self.shared.statistics.accepted += 1;
        if let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) {
            connection.grow_up(agreed, &mut self.shared);
        }
    }

    /// A connection that ends early takes its handshake along.
    pub(super) fn end_early(&mut self, tuple: &Tuple) {
        if let Some(entry) = self.early_entry(tuple) {
            self.remove_handshake(entry);
        }
    }

    /// The handshake in place `entry` came to nothing, and so has the connection that was opened early by it.
    pub(super) fn give_up_handshake(&mut self, entry: u32, ended: Ended, now: Instant) {
        match self.early_connection(entry) {
            Some((index, _)) => self.settle(index, Outcome::Ended(ended), now),
            None => self.remove_handshake(entry),
        }
    }

    fn note_early_reset(&mut self, entry: u32, now: Instant) {
        let listener = self.handshakes.get(entry).and_then(|entry| entry.listener());
        let listener = listener.and_then(|place| self.listeners.by_index_mut(place));
        if let Some(offered) = listener.and_then(|listener| listener.fast_open.as_mut()) {
            offered.note_reset(now);
        }
    }

    /// The entry of the SYN cache that belongs to an early connection.
    fn early_entry(&self, tuple: &Tuple) -> Option<u32> {
        let is_it = |entity| match entity {
            Entity::Handshake(index) => {
                self.handshakes.get(index).is_some_and(|entry| entry.is_early() && entry.tuple == *tuple)
            }
            Entity::Connection(_) | Entity::TimeWait(_) | Entity::Listener(_) => false,
        };
        match self.demux.find(self.hash(tuple), is_it) {
            Some(Entity::Handshake(index)) => Some(index),
            Some(Entity::Connection(_) | Entity::TimeWait(_) | Entity::Listener(_)) | None => None,
        }
    }

    /// The early connection that the handshake in place `entry` belongs to, and its place.
    pub(super) fn early_connection(&self, entry: u32) -> Option<(u32, &Connection)> {
        let entry = self.handshakes.get(entry).filter(|entry| entry.is_early())?;
        let Some(Entity::Connection(index)) = self.find(&entry.tuple) else { return None };
        match self.connections.by_index(index)? {
            Entry::Open(connection) => Some((index, connection)),
            Entry::Opening(_) | Entry::Failed(_) => None,
        }
    }

    /// The cookie that the listener in place `place` gives the peer of `tuple`.
    pub(super) fn cookie_of(&self, place: Option<u32>, tuple: &Tuple, now: Instant) -> Option<Cookie> {
        let offered = self.listeners.by_index(place?)?.fast_open?;
        Some(offered.by.keys.cookie(tuple, &self.secret, now))
    }
}

impl Handshake {
    /// What the SYN alone lets an early connection begin with.
    fn agreed_early(&self, syn: &Arrival, now: Instant, config: &TcpConfig) -> Agreed {
        Agreed { round_trip: None, ..self.agreed(syn, 0, now, config) }
    }

    /// With the cookie that it gives. RFC 7413 §4.2.2: what goes again has none.
    pub(super) fn giving(self, form: Form, cookie: Option<Cookie>) -> Self {
        Self { fast_open: cookie.map(|cookie| FastOpenOption { cookie: Some(cookie), form }), ..self }
    }

    /// Of an early connection: what it took with the SYN, and what it has sent behind the SYN-ACK.
    pub(super) fn of_early(self, connection: &Connection) -> Self {
        let (una, iss) = (connection.send.una, connection.send.una - 1);
        Self {
            iss,
            taken: connection.receive.nxt.since(self.receive_next()),
            beyond: connection.send.max.since(una),
            ..self
        }
    }
}

impl Connection {
    /// The SYN-ACK was acknowledged: what `agreed` knows of the path counts, and so do timers from now on.
    fn grow_up(&mut self, agreed: &Agreed, shared: &mut Shared<'_>) {
        self.origin.remove(Origin::EARLY);
        self.origin.set(Origin::LOST_SYNS, agreed.lost_syns);
        if let Some(took) = agreed.round_trip {
            self.rtt.sample(took, 1, &shared.config);
        }
        if agreed.repeated {
            self.rtt.after_lost_syn();
        }
        self.stop_timers(shared);
    }

    /// Whether its SYN-ACK is yet to be acknowledged. Until then nothing else is sent again: a peer that has not seen it takes
    /// nothing behind it.
    pub(super) fn is_early(&self) -> bool {
        self.origin.contains(Origin::EARLY)
    }
}

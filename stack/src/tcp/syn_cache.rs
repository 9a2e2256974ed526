//! The SYN cache: passive opens that wait for their third step, 64 bytes each (RFC 9293 §3.10.7.4 for SYN-RECEIVED,
//! RFC 4987 §3.4).
//!
//! Invariant: an entry owns no buffer, and stands in its listener's chain, oldest first. It is a [`Handshake`] without
//! what can be had again: our number and clock follow from the tuple and the moment of our first SYN-ACK, the deadline
//! from that moment and the count of tries, our own options from theirs and the path.
//!
//! A listener has its backlog of entries at most. Beyond that, or where the table is full, a SYN is answered by a
//! cookie; without cookies the oldest entry of the same listener gives way, so that a flood on one port
//! takes nothing from another one. An entry sends its SYN-ACK [`TcpConfig::syn_retries`] times again, each time after
//! twice as long, and then is forgotten. A passive open that failed sends nothing.

use core::num::{NonZeroU16, NonZeroU32};

use super::demux::Tuple;
use super::handshake::{self, Handshake};
use super::listen::Listener;
use super::negotiation::{Negotiation, Opener};
use super::options;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::{Shared, TcpConfig};
use crate::chain::{Chained, Neighbours};
use crate::ip::InterfaceId;
use crate::slab::{Slab, Slot};
use crate::time::{Instant, Span};
use crate::wire::fast_open::Form;
use crate::wire::tcp_options::{HandshakeOptions, Timestamps};

/// No window scale was offered; those that are end at 14 (RFC 7323 §2.3).
const NO_SCALE: u8 = 0x0f;
const SACK: u8 = 1 << 4;
const TIMESTAMPS: u8 = 1 << 5;
/// Our SYN-ACK was sent more than once, so that nobody knows which one is answered (Karn's rule).
const REPEATED: u8 = 1 << 7;

/// SYN-ACKs that one entry sends by itself, and challenges (RFC 5961) that it answers: half a byte each. An entry does not
/// live long enough to be given more.
const MOST: u8 = 15;
const NO_INTERFACE: u8 = u8::MAX;
/// RFC 9293 §3.7.1: none is not the same as a small one. No segment is so large.
const NO_MSS: NonZeroU16 = NonZeroU16::MAX;
const DUE: u8 = 1 << 7;
/// Of `offer`: the SYN-ACK has a Fast Open cookie.
const COOKIE: u8 = 1 << 6;
/// Of `listener`: in the form of the experiment.
const EXPERIMENTAL: u16 = 1 << 15;
/// Of `state`, beside what is said of ECN: it belongs to a connection, which it opened early.
const EARLY: u8 = 1 << 6;
/// An entry whose listener has gone.
const NO_LISTENER: u16 = EXPERIMENTAL - 1;

/// What a SYN-ACK has of Fast Open (RFC 7413).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Offer {
    Nothing,
    Cookie(Form),
}

/// A passive open that was answered, or is about to be.
#[derive(Clone, Copy, Debug)]
pub struct SynReceived {
    pub(super) tuple: Tuple,
    /// The number of the peer's SYN.
    irs: Seq,
    /// The time on its clock.
    timestamp: u32,
    /// When our SYN-ACK was first sent, on the clock of RFC 6528.
    started: u32,
    neighbours: Neighbours,
    /// What the peer asked for.
    mss: NonZeroU16,
    /// Its place among listeners. When a listener goes its entries go with it, but those of connections.
    listener: u16,
    /// The scale in the lower half, and what else was offered.
    offer: u8,
    /// Tries in the lower half, challenges in the upper one.
    counts: u8,
    interface: u8,
    /// What was said of ECN, and whether a SYN-ACK is to be sent.
    state: u8,
}

const _: () = assert!(size_of::<SynReceived>() <= 64 && size_of::<Slot<SynReceived>>() <= 72);

impl SynReceived {
    /// What is to be kept of a SYN that came to the listener in place `listener`.
    pub(super) fn new(syn: &Arrival, interface: Option<InterfaceId>, listener: u32, config: &TcpConfig) -> Self {
        let HandshakeOptions { mss, window_scale, sack_permitted, timestamps, fast_open: _, tells_bytes: _ } =
            options::taken(syn.options, config);
        let ecn = Negotiation::of_syn(syn, config.ecn);
        let mut offer = window_scale.unwrap_or(NO_SCALE);
        offer |= if sack_permitted { SACK } else { 0 };
        offer |= if timestamps.is_some() { TIMESTAMPS } else { 0 };
        Self {
            tuple: syn.tuple,
            irs: syn.seq,
            timestamp: timestamps.map_or(0, |theirs| theirs.value),
            started: 0,
            neighbours: Neighbours::NONE,
            mss: mss.map_or(NO_MSS, |mss| NonZeroU16::new(mss.min(u16::MAX - 1)).unwrap_or(NonZeroU16::MIN)),
            listener: listener as u16,
            offer,
            counts: 0,
            interface: interface.map_or(NO_INTERFACE, |interface| interface.index() as u8),
            state: ecn.packed() | DUE,
        }
    }

    /// With what its SYN-ACK has of Fast Open.
    pub(super) fn offering(self, offer: Offer) -> Self {
        match offer {
            Offer::Nothing => self,
            Offer::Cookie(Form::Assigned) => Self { offer: self.offer | COOKIE, ..self },
            Offer::Cookie(Form::Experimental) => {
                Self { offer: self.offer | COOKIE, listener: self.listener | EXPERIMENTAL, ..self }
            }
        }
    }

    /// See [`SynReceived::offering`].
    pub(super) fn offers(&self) -> Offer {
        match (self.offer & COOKIE != 0, self.listener & EXPERIMENTAL != 0) {
            (false, _) => Offer::Nothing,
            (true, false) => Offer::Cookie(Form::Assigned),
            (true, true) => Offer::Cookie(Form::Experimental),
        }
    }

    /// It has opened a connection.
    pub(super) fn set_early(&mut self) {
        self.state |= EARLY;
    }

    pub(super) fn is_early(&self) -> bool {
        self.state & EARLY != 0
    }

    /// The place of its listener, unless that has gone.
    pub(super) fn listener(&self) -> Option<u32> {
        Some(self.listener & !EXPERIMENTAL).filter(|&listener| listener != NO_LISTENER).map(u32::from)
    }

    /// The moment that our number comes from (RFC 6528): that of the first SYN-ACK, or now if there was none.
    pub(super) fn started(&self, now: Instant) -> Instant {
        if self.tries() == 0 {
            return now;
        }
        let ago = clock(now).wrapping_sub(self.started);
        Instant::from_micros((now.micros() / CLOCK_MICROS).saturating_sub(ago.into()) * CLOCK_MICROS)
    }

    /// The handshake that this is, with what was not kept: our number, where our clock begins, and the path's MTU.
    pub(super) fn unpack(&self, iss: Seq, clock: NonZeroU32, mtu: u16, now: Instant, config: &TcpConfig) -> Handshake {
        let theirs = HandshakeOptions {
            mss: Some(self.mss).filter(|&mss| mss != NO_MSS).map(NonZeroU16::get),
            window_scale: Some(self.offer & NO_SCALE).filter(|&scale| scale != NO_SCALE),
            sack_permitted: self.offer & SACK != 0,
            timestamps: (self.offer & TIMESTAMPS != 0).then_some(Timestamps { value: self.timestamp, echo: 0 }),
            fast_open: None,
            tells_bytes: false,
        };
        let (tries, due) = (self.tries(), self.state & DUE != 0);
        Handshake {
            opener: Opener::Peer,
            theirs: Some((self.irs, theirs)),
            ecn: Negotiation::unpacked(self.state & !DUE),
            tries,
            due,
            sent_at: (tries > 0).then(|| self.started(now)),
            repeated: self.offer & REPEATED != 0,
            // One that has fired waits for what it made due.
            deadline: self.deadline(now, config).filter(|&deadline| deadline > now || !due),
            ..Handshake::new(self.tuple, InterfaceId::new(self.interface.into()), iss, clock, mtu)
        }
    }

    /// Keeps what of the handshake has changed.
    pub(super) fn update(&mut self, handshake: &Handshake) {
        if let Some((_, HandshakeOptions { timestamps: Some(theirs), .. })) = handshake.theirs {
            self.timestamp = theirs.value;
        }
        if let (0, Some(sent_at)) = (self.tries(), handshake.sent_at) {
            self.started = clock(sent_at);
        }
        self.state = self.state & EARLY | handshake.ecn.packed() | if handshake.due { DUE } else { 0 };
        self.offer |= if handshake.repeated { REPEATED } else { 0 };
        self.counts = self.counts & !MOST | handshake.tries.min(MOST);
    }

    /// When the SYN-ACK is to be sent again, once it was sent.
    fn deadline(&self, now: Instant, config: &TcpConfig) -> Option<Instant> {
        let waits = (1..=self.tries()).map(|tries| handshake::timeout(tries, config).micros()).sum();
        (self.tries() > 0).then(|| self.started(now) + Span::from_micros(waits))
    }

    /// RFC 5961 §7: whether one more challenge is to be answered.
    pub(super) fn allows_challenge(&mut self, shared: &mut Shared<'_>) -> bool {
        let given = self.counts >> 4;
        let is_free = shared.config.challenge_interval == Span::ZERO;
        let allowed = is_free || given < shared.config.challenge_burst.clamp(1, MOST);
        self.counts += if allowed && given < MOST { 1 << 4 } else { 0 };
        let statistics = &mut shared.statistics;
        *(if allowed { &mut statistics.challenges } else { &mut statistics.challenges_withheld }) += 1;
        allowed
    }

    pub(super) fn tries(&self) -> u8 {
        self.counts & MOST
    }
}

/// RFC 6528 §3: a clock of 4 microseconds.
const CLOCK_MICROS: u64 = 4;

fn clock(now: Instant) -> u32 {
    (now.micros() / CLOCK_MICROS) as u32
}

impl Chained for SynReceived {
    fn neighbours(&mut self) -> &mut Neighbours {
        &mut self.neighbours
    }
}

/// All entries.
#[derive(Debug)]
pub(super) struct SynCache<'s> {
    entries: Slab<'s, SynReceived>,
}

impl<'s> SynCache<'s> {
    pub(super) fn new(entries: &'s mut [Slot<SynReceived>]) -> Self {
        Self { entries: Slab::new(entries) }
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether `listener` may have one more.
    pub(super) fn has_room(&self, listener: &Listener) -> bool {
        listener.handshakes.len() < listener.backlog && !self.entries.is_full()
    }

    pub(super) fn get(&self, index: u32) -> Option<&SynReceived> {
        self.entries.by_index(index)
    }

    pub(super) fn get_mut(&mut self, index: u32) -> Option<&mut SynReceived> {
        self.entries.by_index_mut(index)
    }

    /// Adds an entry of `listener`, where there is room. Returns its place.
    pub(super) fn insert(&mut self, entry: SynReceived, listener: &mut Listener) -> Option<u32> {
        let index = self.entries.insert(entry).ok()?.index;
        listener.handshakes.push(&mut self.entries, index);
        Some(index)
    }

    /// The listener goes, and the entry in place `index`, which is its, stays.
    pub(super) fn leave(&mut self, index: u32, listener: &mut Listener) {
        listener.handshakes.take(&mut self.entries, index);
        if let Some(entry) = self.entries.by_index_mut(index) {
            entry.listener = NO_LISTENER;
        }
    }

    /// Removes the entry in place `index`, which is `listener`'s, if any has it still.
    pub(super) fn remove(&mut self, index: u32, listener: Option<&mut Listener>) -> Option<SynReceived> {
        let key = self.entries.key(index)?;
        if let Some(listener) = listener {
            listener.handshakes.take(&mut self.entries, index);
        }
        self.entries.remove(key)
    }
}

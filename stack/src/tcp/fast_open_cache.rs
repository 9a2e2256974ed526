//! What a client knows of the Fast Open of servers: cookies, and where it is not to be tried for a while (RFC 7413 §4.1.3).
//!
//! Invariant: there is one cookie at the most for a pair of addresses, the newest; refusals are of one port of the server. A
//! look-up sees [`WAYS`] places, whatever strangers made us remember, and where they are all taken the one that was used
//! longest ago gives way.

use super::demux::Tuple;
use crate::time::{Instant, Span};
use crate::wire::fast_open::{Cookie, Form};

/// Places that a server's entry may have.
const WAYS: usize = 4;

/// What keeps this use of the secret apart from the others: see [`Tuple::hash`].
const PURPOSE: u8 = 7;

/// How long Fast Open is not tried with a server that did not take part in it; twice as long each time, up to 64 times.
const PAUSE: Span = Span::from_secs(15 * 60);
const MOST_DOUBLINGS: u8 = 6;

/// What is known of a server, or nothing; storage is handed in as a slice of these.
#[derive(Clone, Copy, Debug)]
pub struct ServerSlot(Option<Entry>);

impl ServerSlot {
    /// A free place.
    pub const EMPTY: Self = Self(None);
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    /// Our address, and the server's address and port: 0 where it is about all of them.
    about: Tuple,
    known: Known,
    used_at: Instant,
}

#[derive(Clone, Copy, Debug)]
enum Known {
    Cookie(Bearing),
    /// It did not take part, so many times in a row, and is not to be asked before that.
    Refused {
        times: u8,
        until: Instant,
    },
}

/// A cookie, and what goes with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bearing {
    pub(super) cookie: Cookie,
    pub(super) form: Form,
    /// The MSS that the server last said.
    pub(super) mss: u16,
}

/// What is to be done with a server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Advice {
    /// Nothing is known: ask for a cookie.
    Ask,
    Show(Bearing),
    /// It is not to be tried now.
    Wait,
}

/// The table.
#[derive(Debug)]
pub(super) struct Servers<'s> {
    slots: &'s mut [ServerSlot],
}

impl<'s> Servers<'s> {
    pub(super) fn new(slots: &'s mut [ServerSlot]) -> Self {
        slots.fill(ServerSlot::EMPTY);
        Self { slots }
    }

    /// What is known for a connection of `tuple`.
    pub(super) fn advice(&self, tuple: &Tuple, secret: &[u8; 16], now: Instant) -> Advice {
        if let Some(Known::Refused { until, .. }) = self.known(&tuple.toward(), secret)
            && now < until
        {
            return Advice::Wait;
        }
        match self.known(&tuple.between_hosts(), secret) {
            Some(Known::Cookie(bearing)) => Advice::Show(bearing),
            // RFC 7413 §4.1.3: without a place to keep one there is no use in asking.
            Some(Known::Refused { .. }) | None if self.slots.is_empty() => Advice::Wait,
            Some(Known::Refused { .. }) | None => Advice::Ask,
        }
    }

    /// The server has given a cookie.
    pub(super) fn keep(&mut self, tuple: &Tuple, bearing: Bearing, secret: &[u8; 16], now: Instant) {
        self.put(tuple.between_hosts(), Known::Cookie(bearing), secret, now);
        self.forgive(tuple, secret);
    }

    /// The server has taken the cookie that it gave, and says `mss`, if anything.
    pub(super) fn confirm(&mut self, tuple: &Tuple, mss: Option<u16>, secret: &[u8; 16], now: Instant) {
        if let Some(Known::Cookie(bearing)) = self.known(&tuple.between_hosts(), secret) {
            self.keep(tuple, Bearing { mss: mss.unwrap_or(bearing.mss), ..bearing }, secret, now);
        }
    }

    /// The server does not take part, or something on the way keeps it from doing so (RFC 7413 §4.1.3.1).
    pub(super) fn refuse(&mut self, tuple: &Tuple, secret: &[u8; 16], now: Instant) {
        let about = tuple.toward();
        let before = match self.known(&about, secret) {
            Some(Known::Refused { times, .. }) => times,
            Some(Known::Cookie(_)) | None => 0,
        };
        let until = now + Span::from_micros(PAUSE.micros() << before.min(MOST_DOUBLINGS));
        self.put(about, Known::Refused { times: before.saturating_add(1), until }, secret, now);
    }

    fn forgive(&mut self, tuple: &Tuple, secret: &[u8; 16]) {
        let about = tuple.toward();
        for slot in self.set(&about, secret) {
            if slot.0.is_some_and(|entry| entry.about == about) {
                *slot = ServerSlot::EMPTY;
            }
        }
    }

    fn known(&self, about: &Tuple, secret: &[u8; 16]) -> Option<Known> {
        let at = self.at(about, secret);
        let set = &self.slots[at..self.slots.len().min(at + WAYS)];
        set.iter().filter_map(|slot| slot.0).find(|entry| entry.about == *about).map(|entry| entry.known)
    }

    fn put(&mut self, about: Tuple, known: Known, secret: &[u8; 16], now: Instant) {
        let set = self.set(&about, secret);
        let is_it = |slot: &ServerSlot| slot.0.is_some_and(|entry| entry.about == about);
        let place = match set.iter().position(is_it) {
            Some(place) => Some(place),
            None => (0..set.len()).min_by_key(|&place| set[place].0.map(|entry| entry.used_at)),
        };
        if let Some(place) = place {
            set[place] = ServerSlot(Some(Entry { about, known, used_at: now }));
        }
    }

    /// The places that `about` may have.
    fn set(&mut self, about: &Tuple, secret: &[u8; 16]) -> &mut [ServerSlot] {
        let at = self.at(about, secret);
        let end = self.slots.len().min(at + WAYS);
        &mut self.slots[at..end]
    }

    fn at(&self, about: &Tuple, secret: &[u8; 16]) -> usize {
        let sets = self.slots.len().div_ceil(WAYS).max(1) as u64;
        (about.hash(secret, PURPOSE) % sets) as usize * WAYS
    }
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::*;

    const SECRET: [u8; 16] = [7; 16];

    fn tuple(server: u8, port: u16) -> Tuple {
        Tuple::new("192.0.2.1:1".parse().unwrap(), SocketAddr::from(([198, 51, 100, server], port)))
    }

    fn bearing(byte: u8) -> Bearing {
        Bearing { cookie: Cookie::new(&[byte; 8]).unwrap(), form: Form::Assigned, mss: 1460 }
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn rfc7413_4_1_3_the_newest_cookie_counts_for_all_ports_of_a_server() {
        let mut slots = [ServerSlot::EMPTY; 8];
        let mut servers = Servers::new(&mut slots);
        servers.keep(&tuple(1, 80), bearing(1), &SECRET, at(0));
        servers.keep(&tuple(1, 81), bearing(2), &SECRET, at(1));
        assert_eq!(servers.advice(&tuple(1, 82), &SECRET, at(2)), Advice::Show(bearing(2)));
        assert_eq!(servers.advice(&tuple(2, 80), &SECRET, at(2)), Advice::Ask);
        servers.confirm(&tuple(1, 80), Some(900), &SECRET, at(3));
        let Advice::Show(found) = servers.advice(&tuple(1, 80), &SECRET, at(4)) else { panic!("it is there") };
        assert_eq!((found.cookie, found.mss), (bearing(2).cookie, 900));
    }

    #[test]
    fn rfc7413_4_1_3_1_a_refusal_is_of_one_port_and_lasts_longer_each_time() {
        let mut slots = [ServerSlot::EMPTY; 8];
        let mut servers = Servers::new(&mut slots);
        servers.keep(&tuple(1, 80), bearing(1), &SECRET, at(0));
        let mut now = 0;
        for pause in [900, 1800, 3600, 7200, 14_400, 28_800, 57_600, 57_600] {
            servers.refuse(&tuple(1, 80), &SECRET, at(now));
            assert_eq!(servers.advice(&tuple(1, 80), &SECRET, at(now + pause - 1)), Advice::Wait, "{pause}");
            assert_eq!(servers.advice(&tuple(1, 81), &SECRET, at(now)), Advice::Show(bearing(1)));
            now += pause;
            assert_eq!(servers.advice(&tuple(1, 80), &SECRET, at(now)), Advice::Show(bearing(1)));
        }
        servers.confirm(&tuple(1, 80), None, &SECRET, at(now));
        servers.refuse(&tuple(1, 80), &SECRET, at(now));
        assert_eq!(servers.advice(&tuple(1, 80), &SECRET, at(now + 900)), Advice::Show(bearing(1)));
    }

    #[test]
    fn what_was_used_longest_ago_gives_way_and_no_place_is_no_fault() {
        let mut slots = [ServerSlot::EMPTY; 4];
        let mut servers = Servers::new(&mut slots);
        for server in 1..=4 {
            servers.keep(&tuple(server, 80), bearing(server), &SECRET, at(server.into()));
        }
        servers.confirm(&tuple(1, 80), None, &SECRET, at(5));
        servers.keep(&tuple(5, 80), bearing(5), &SECRET, at(6));
        for (server, advice) in [(2, Advice::Ask), (1, Advice::Show(bearing(1))), (5, Advice::Show(bearing(5)))] {
            assert_eq!(servers.advice(&tuple(server, 80), &SECRET, at(7)), advice, "{server}");
        }
        let mut none = Servers::new(&mut []);
        none.keep(&tuple(1, 80), bearing(1), &SECRET, at(0));
        none.refuse(&tuple(1, 80), &SECRET, at(0));
        assert_eq!(none.advice(&tuple(1, 80), &SECRET, at(0)), Advice::Wait);
    }
}

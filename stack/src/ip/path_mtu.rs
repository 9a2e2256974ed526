//! What is known of the MTUs of paths (RFC 1191, RFC 8201): a small cache by destination.
//!
//! Invariant: an entry lowers what the interface allows and never raises it, is no less than its version's least, and is
//! forgotten after ten minutes, so that a path that has become wider is found again (RFC 1191 §6.3, RFC 8201 §4). Only a
//! transport that has checked the report against what it sent may teach (RFC 5927 §7). Destinations are placed by a
//! keyed hash, four to a set, so that a peer cannot choose whose entry it displaces; the oldest of a set gives way.

use core::hash::Hasher;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::Ip;
use crate::time::{Instant, Span};

/// RFC 1191 §6.3, RFC 8201 §5.3: how long an estimate is kept.
const KEPT: Span = Span::from_secs(600);
const WAYS: usize = 4;

/// Room for one destination.
#[derive(Clone, Copy, Debug)]
pub struct PathMtuSlot(Option<Entry>);

impl PathMtuSlot {
    /// An empty place.
    pub const EMPTY: Self = Self(None);
}

#[derive(Clone, Copy, Debug)]
struct Entry {
    destination: IpAddr,
    mtu: u16,
    expires: Instant,
}

/// The cache; storage is handed in.
#[derive(Debug)]
pub(super) struct PathMtus<'s> {
    slots: &'s mut [PathMtuSlot],
    is_empty: bool,
}

impl<'s> PathMtus<'s> {
    pub(super) fn new(slots: &'s mut [PathMtuSlot]) -> Self {
        slots.fill(PathMtuSlot::EMPTY);
        Self { slots, is_empty: true }
    }

    fn set(&self, destination: IpAddr, secret: &[u8; 16]) -> core::ops::Range<usize> {
        let mut hasher = SipHasher13::new_with_key(secret);
        match destination {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
        let ways = WAYS.min(self.slots.len());
        let sets = (self.slots.len() / ways.max(1)).max(1);
        let first = hasher.finish() as usize % sets * ways;
        first..first + ways
    }

    fn find(&self, destination: IpAddr, secret: &[u8; 16], now: Instant) -> Option<u16> {
        if self.is_empty {
            return None;
        }
        let entries = self.slots[self.set(destination, secret)].iter().filter_map(|slot| slot.0);
        let mut fresh = entries.filter(|entry| entry.destination == destination && entry.expires > now);
        fresh.next().map(|entry| entry.mtu)
    }

    fn learn(&mut self, destination: IpAddr, mtu: u16, secret: &[u8; 16], now: Instant) {
        let set = self.set(destination, secret);
        let entry = Entry { destination, mtu, expires: now + KEPT };
        // Its own place, or the oldest one's; an empty one is older than any.
        let age = |slot: &&mut PathMtuSlot| match slot.0 {
            Some(entry) if entry.destination == destination => None,
            Some(entry) => Some(Some(entry.expires)),
            None => Some(None),
        };
        if let Some(slot) = self.slots[set].iter_mut().min_by_key(age) {
            slot.0 = Some(entry);
            self.is_empty = false;
        }
    }
}

impl Ip<'_> {
    /// Question: what was learned of the path to `destination`, in bytes of an IP packet.
    pub(crate) fn path_mtu(&self, destination: IpAddr, now: Instant) -> Option<u16> {
        self.path_mtus.find(destination, &self.secret, now)
    }

    /// Input: a transport has found that packets to `destination` may have no more than `mtu` bytes.
    pub(crate) fn learn_path_mtu(&mut self, destination: IpAddr, mtu: u16, now: Instant) {
        self.path_mtus.learn(destination, mtu, &self.secret, now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 16] = [7; 16];

    fn host(number: u8) -> IpAddr {
        IpAddr::from([192, 0, 2, number])
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn rfc1191_6_3_an_estimate_is_forgotten_after_ten_minutes() {
        let mut slots = [PathMtuSlot::EMPTY; 8];
        let mut mtus = PathMtus::new(&mut slots);
        assert_eq!(mtus.find(host(1), &SECRET, at(0)), None);
        mtus.learn(host(1), 1400, &SECRET, at(0));
        assert_eq!(mtus.find(host(1), &SECRET, at(599)), Some(1400));
        assert_eq!(mtus.find(host(2), &SECRET, at(1)), None);
        assert_eq!(mtus.find(host(1), &SECRET, at(600)), None);
        mtus.learn(host(1), 1300, &SECRET, at(700));
        mtus.learn(host(1), 1200, &SECRET, at(701));
        assert_eq!(mtus.find(host(1), &SECRET, at(702)), Some(1200));
    }

    #[test]
    fn the_oldest_of_a_set_gives_way() {
        let mut slots = [PathMtuSlot::EMPTY; 4];
        let mut mtus = PathMtus::new(&mut slots);
        for number in 1..=5 {
            mtus.learn(host(number), 1000 + u16::from(number), &SECRET, at(number.into()));
        }
        let found = [1, 2, 3, 4, 5].map(|number| mtus.find(host(number), &SECRET, at(6)));
        assert_eq!(found, [None, Some(1002), Some(1003), Some(1004), Some(1005)]);
    }

    #[test]
    fn without_storage_nothing_is_learned() {
        let mut mtus = PathMtus::new(&mut []);
        mtus.learn(host(1), 1400, &SECRET, at(0));
        assert_eq!(mtus.find(host(1), &SECRET, at(1)), None);
    }
}

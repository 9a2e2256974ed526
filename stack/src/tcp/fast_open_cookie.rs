//! The cookies that a server gives for Fast Open: GetCookie and IsCookieValid of RFC 7413 §4.1.2.
//!
//! Invariant: nothing is kept of a cookie or a client. One is a keyed hash of both addresses, so who wants one has to
//! receive at the address that it is for, and checking one costs two hashes at the most.
//!
//! A stack's own keys follow from its secret and the time: each gives cookies for [`PERIOD_SECONDS`] and has them accepted for
//! as long again. Hosts behind one balancer are given the same keys (§6.3.4); Linux hashes the same, so they may be mixed.

use core::hash::Hasher;
use core::net::IpAddr;

use siphasher::sip::{SipHasher13, SipHasher24};

use super::demux::Tuple;
use crate::time::Instant;
use crate::wire::fast_open::Cookie;

/// What keeps this use of the secret apart from the others: see [`Tuple::hash`].
const PURPOSE: u8 = 6;

/// How long a key of the stack's own gives cookies.
const PERIOD_SECONDS: u64 = 6 * 3600;

/// What cookies are made with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FastOpenKeys {
    /// Keys that follow from the stack's secret and change every six hours. The one before still counts.
    #[default]
    Own,
    /// Keys that other hosts have as well. Whoever gives them changes them.
    Shared {
        /// Makes cookies.
        current: [u8; 16],
        /// Its cookies still count.
        before: Option<[u8; 16]>,
    },
}

/// What a cookie is worth.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Worth {
    /// It is of the key that makes cookies now.
    Current,
    /// It is of the key before: its bearer ought to have a new one.
    Before,
    /// It is none of ours, or too old.
    Nothing,
}

impl FastOpenKeys {
    /// The cookie of the peer of `tuple`.
    pub(super) fn cookie(&self, tuple: &Tuple, secret: &[u8; 16], now: Instant) -> Cookie {
        let key = match self {
            Self::Own => own_key(secret, period(now)),
            Self::Shared { current, .. } => *current,
        };
        of_key(&key, tuple)
    }

    /// What `cookie` is worth from the peer of `tuple`.
    pub(super) fn worth(&self, cookie: Cookie, tuple: &Tuple, secret: &[u8; 16], now: Instant) -> Worth {
        if cookie == self.cookie(tuple, secret, now) {
            return Worth::Current;
        }
        let before = match self {
            Self::Own => period(now).checked_sub(1).map(|period| own_key(secret, period)),
            Self::Shared { before, .. } => *before,
        };
        match before {
            Some(key) if cookie == of_key(&key, tuple) => Worth::Before,
            Some(_) | None => Worth::Nothing,
        }
    }
}

/// Linux's, for IPv4 and IPv6: the client's address and then the server's.
fn of_key(key: &[u8; 16], tuple: &Tuple) -> Cookie {
    let mut hasher = SipHasher24::new_with_key(key);
    for address in [tuple.remote(), tuple.local()] {
        match address {
            IpAddr::V4(address) => hasher.write(&address.octets()),
            IpAddr::V6(address) => hasher.write(&address.octets()),
        }
    }
    Cookie::new(&hasher.finish().to_le_bytes()).expect("eight bytes are a cookie")
}

fn period(now: Instant) -> u64 {
    now.micros() / (PERIOD_SECONDS * 1_000_000)
}

fn own_key(secret: &[u8; 16], period: u64) -> [u8; 16] {
    let half = |half: u8| {
        let mut hasher = SipHasher13::new_with_key(secret);
        hasher.write(&period.to_be_bytes());
        hasher.write(&[half, PURPOSE]);
        u128::from(hasher.finish())
    };
    (half(0) << 64 | half(1)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use core::net::SocketAddr;

    use super::*;

    const SECRET: [u8; 16] = [7; 16];

    fn tuple(client: [u8; 4], port: u16) -> Tuple {
        Tuple::new("192.168.0.1:8080".parse().unwrap(), SocketAddr::from((client, port)))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn rfc7413_4_1_2_a_cookie_counts_for_its_own_address_alone_and_for_each_of_its_ports() {
        let cookie = FastOpenKeys::Own.cookie(&tuple([192, 0, 2, 1], 1), &SECRET, at(5));
        let worth = |tuple, secret| FastOpenKeys::Own.worth(cookie, &tuple, secret, at(5));
        assert_eq!(worth(tuple([192, 0, 2, 1], 1), &SECRET), Worth::Current);
        assert_eq!(worth(tuple([192, 0, 2, 1], 2), &SECRET), Worth::Current);
        assert_eq!(worth(tuple([192, 0, 2, 2], 1), &SECRET), Worth::Nothing);
        assert_eq!(worth(tuple([192, 0, 2, 1], 1), &[8; 16]), Worth::Nothing);
    }

    #[test]
    fn rfc7413_4_1_2_a_cookie_counts_for_one_period_and_the_next() {
        let client = tuple([192, 0, 2, 1], 1);
        let (first, period) = (PERIOD_SECONDS + 5, PERIOD_SECONDS);
        let cookie = FastOpenKeys::Own.cookie(&client, &SECRET, at(first));
        let rows = [
            (first, Worth::Current),
            (2 * period - 1, Worth::Current),
            (2 * period, Worth::Before),
            (3 * period - 1, Worth::Before),
            (3 * period, Worth::Nothing),
            (1, Worth::Nothing),
        ];
        for (seconds, worth) in rows {
            assert_eq!(FastOpenKeys::Own.worth(cookie, &client, &SECRET, at(seconds)), worth, "after {seconds} s");
        }
    }

    #[test]
    fn rfc7413_6_3_4_hosts_with_the_same_keys_take_each_others_cookies() {
        let current = *b"\xa1\xa1\xa1\xa1\xb2\xb2\xb2\xb2\xc3\xc3\xc3\xc3\xd4\xd4\xd4\xd4";
        let client = tuple([192, 0, 2, 1], 1);
        let keys = FastOpenKeys::Shared { current, before: None };
        // What Linux gives for this key and these addresses.
        let cookie = Cookie::new(&[0x30, 0x21, 0xb9, 0xd8, 0x89, 0x01, 0x7e, 0xeb]).unwrap();
        assert_eq!(keys.cookie(&client, &SECRET, at(0)), cookie);
        assert_eq!(keys.worth(cookie, &client, &[0; 16], at(1 << 30)), Worth::Current);
        let next = FastOpenKeys::Shared { current: [1; 16], before: Some(current) };
        assert_eq!(next.worth(cookie, &client, &SECRET, at(0)), Worth::Before);
        let last = FastOpenKeys::Shared { current: [2; 16], before: Some([1; 16]) };
        assert_eq!(last.worth(cookie, &client, &SECRET, at(0)), Worth::Nothing);
    }
}

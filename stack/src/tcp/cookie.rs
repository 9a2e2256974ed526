//! SYN cookies: a handshake that the peer keeps for us, in the numbers it acknowledges (RFC 4987 §3.6).
//!
//! Invariant: a cookie is worth something for the tuple and the SYN that it was made for, between one and two
//! [`PERIOD_SECONDS`], and only who sees our SYN-ACK can show it. Checking one costs one hash, right or wrong.
//!
//! ```text
//!  31                                                    4   3  2         0
//! +--------------------------------------------------------+---+-----------+
//! |  SipHash of tuple, the SYN's number, period, MSS       | p |  MSS      |   our number in the SYN-ACK
//! +--------------------------------------------------------+---+-----------+
//!                                     6  5  4  3         0
//! +------------------------------------+--+--+-------------+
//! |  milliseconds                      |E |S |  scale      |   our clock, where the peer has one (RFC 7323)
//! +---------------------------------------+----+-----------+
//! ```
//!
//! p is the last bit of the period. An MSS is one of eight, never larger than the peer's. Scale, SACK and classic
//! ECN come back in the echo of our clock; a peer without timestamps has none of them. Left out: accurate ECN.

use core::num::NonZeroU32;

use super::demux::Tuple;
use super::negotiation::Negotiation;
use super::segment::Arrival;
use super::seq::Seq;
use super::timestamps;
use crate::time::{Instant, Span};
use crate::wire::tcp_options::HandshakeOptions;

/// When SYNs are answered by a cookie instead of being kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SynCookies {
    /// Never: where there is no place for a SYN the oldest one of the same listener gives way.
    Off,
    /// Where there is no place for one.
    #[default]
    WhenFull,
    /// Always: the SYN cache stays empty.
    Always,
}

const PERIOD_SECONDS: u64 = 64;
/// How long a listener that has sent a cookie looks for one in acknowledgments.
pub(super) const LIFETIME: Span = Span::from_secs(2 * PERIOD_SECONDS);

/// The least that RFC 791 leaves, a dial-up line, the defaults of IPv4 and IPv6, tunnels, Ethernet over IPv6 and IPv4,
/// jumbo frames.
const SIZES: [u16; 8] = [48, 256, 536, 1220, 1360, 1440, 1460, 8940];

const SIZE_BITS: u32 = 3;
const PERIOD_BIT: u32 = 1 << SIZE_BITS;
const HASH_BITS: u32 = !(2 * PERIOD_BIT - 1);

const SCALE: u32 = 0x0f;
const SACK: u32 = 1 << 4;
const ECN: u32 = 1 << 5;
const OFFER: u32 = SCALE | SACK | ECN;

/// Our number in answer to the SYN number `irs` of a peer that takes segments of `mss`.
pub(super) fn number(tuple: &Tuple, irs: Seq, mss: u16, secret: &[u8; 16], now: Instant) -> Seq {
    let size = SIZES.iter().rposition(|&size| size <= mss).unwrap_or(0) as u32;
    let period = period(now);
    Seq(hash(tuple, irs, period, size, secret) | (period & 1) << SIZE_BITS | size)
}

/// The MSS that the cookie `number` stands for, if it is one of ours and still counts.
pub(super) fn size(tuple: &Tuple, irs: Seq, number: Seq, secret: &[u8; 16], now: Instant) -> Option<u16> {
    let (size, current) = (number.0 & (PERIOD_BIT - 1), period(now));
    let is_current = current << SIZE_BITS & PERIOD_BIT == number.0 & PERIOD_BIT;
    let period = if is_current { current } else { current.wrapping_sub(1) };
    let matches = hash(tuple, irs, period, size, secret) == number.0 & HASH_BITS;
    matches.then_some(SIZES[size as usize])
}

fn hash(tuple: &Tuple, irs: Seq, period: u32, size: u32, secret: &[u8; 16]) -> u32 {
    // Periods are counted from a start of this machine, so that their upper half has room for the size.
    let about = u64::from(irs.0) << 32 | u64::from(period << SIZE_BITS | size);
    tuple.hash_about(secret, 4, about) as u32 & HASH_BITS
}

fn period(now: Instant) -> u32 {
    (now.micros() / (PERIOD_SECONDS * 1_000_000)) as u32
}

/// TSval with what `theirs` offers in it: never ahead of our clock, so that the connection's own goes on from there.
pub(super) fn clock(start: NonZeroU32, theirs: &HandshakeOptions, ecn: Negotiation, now: Instant) -> u32 {
    let sack = if theirs.sack_permitted { SACK } else { 0 };
    let ecn = if ecn == Negotiation::NONE { 0 } else { ECN };
    let offer = theirs.window_scale.map_or(SCALE, u32::from) | sack | ecn;
    let ticks = timestamps::clock(start, now).wrapping_sub(start.get());
    let with = ticks & !OFFER | offer;
    start.get().wrapping_add(if with > ticks { with.wrapping_sub(OFFER + 1) } else { with })
}

/// What the SYN offered, as far as `third`, the third step, and the cookie's `mss` tell.
pub(super) fn theirs(start: NonZeroU32, third: &Arrival, mss: u16) -> HandshakeOptions {
    let Some(timestamps) = third.timestamps else {
        return HandshakeOptions { mss: Some(mss), ..HandshakeOptions::default() };
    };
    let offer = timestamps.echo.wrapping_sub(start.get());
    HandshakeOptions {
        mss: Some(mss),
        window_scale: Some((offer & SCALE) as u8).filter(|&scale| scale <= 14),
        sack_permitted: offer & SACK != 0,
        timestamps: Some(timestamps),
        fast_open: None,
        tells_bytes: false,
    }
}

/// What the SYN said of ECN, as far as the third step tells.
pub(super) fn ecn(start: NonZeroU32, third: &Arrival) -> Negotiation {
    match third.timestamps {
        Some(timestamps) if timestamps.echo.wrapping_sub(start.get()) & ECN != 0 => Negotiation::CLASSIC,
        Some(_) | None => Negotiation::NONE,
    }
}

/// What of `theirs` survives in a cookie.
pub(super) fn kept(theirs: HandshakeOptions) -> HandshakeOptions {
    match theirs.timestamps {
        Some(_) => theirs,
        None => HandshakeOptions { mss: theirs.mss, ..HandshakeOptions::default() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: [u8; 16] = [7; 16];

    fn tuple(port: u16) -> Tuple {
        Tuple::new("192.0.2.1:80".parse().unwrap(), core::net::SocketAddr::from(([192, 0, 2, 2], port)))
    }

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn a_cookie_gives_back_the_largest_size_that_the_peer_takes() {
        for (mss, size_kept) in [(0, 48), (536, 536), (1219, 536), (1400, 1360), (1460, 1460), (9000, 8940)] {
            let cookie = number(&tuple(1), Seq(5), mss, &SECRET, at(1000));
            assert_eq!(size(&tuple(1), Seq(5), cookie, &SECRET, at(1000)), Some(size_kept), "of {mss}");
        }
    }

    #[test]
    fn a_cookie_counts_for_one_period_and_the_next() {
        let cookie = number(&tuple(1), Seq(5), 1460, &SECRET, at(64));
        for (seconds, counts) in [(64, true), (127, true), (191, true), (192, false), (256, false), (10_000, false)] {
            assert_eq!(size(&tuple(1), Seq(5), cookie, &SECRET, at(seconds)).is_some(), counts, "after {seconds}");
        }
    }

    #[test]
    fn a_cookie_counts_for_its_tuple_its_syn_and_its_secret_alone() {
        let cookie = number(&tuple(1), Seq(5), 1460, &SECRET, at(64));
        assert_eq!(size(&tuple(2), Seq(5), cookie, &SECRET, at(64)), None);
        assert_eq!(size(&tuple(1), Seq(6), cookie, &SECRET, at(64)), None);
        assert_eq!(size(&tuple(1), Seq(5), cookie, &[8; 16], at(64)), None);
        for bit in 0..32 {
            assert_eq!(size(&tuple(1), Seq(5), Seq(cookie.0 ^ 1 << bit), &SECRET, at(64)), None, "bit {bit}");
        }
    }

    #[test]
    fn scale_and_sack_come_back_in_the_clock_which_never_runs_ahead() {
        let start = NonZeroU32::new(u32::MAX - 20).unwrap();
        for millis in 0..200 {
            let now = Instant::from_micros(millis * 1_000 + 1_000_000);
            for (scale, sack) in [(None, false), (Some(0), true), (Some(7), false), (Some(14), true)] {
                let offered =
                    HandshakeOptions { window_scale: scale, sack_permitted: sack, ..HandshakeOptions::default() };
                let value = clock(start, &offered, Negotiation::CLASSIC, now);
                let behind = timestamps::clock(start, now).wrapping_sub(value);
                assert!(behind < 64, "{behind} behind");
                let offer = value.wrapping_sub(start.get());
                assert_eq!(Some((offer & SCALE) as u8).filter(|&scale| scale <= 14), scale);
                assert_eq!(offer & SACK != 0, sack);
            }
        }
    }
}

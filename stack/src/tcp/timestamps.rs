//! The timestamps of a connection that agreed on them (RFC 7323 §3 to §5): our clock, and what of the peer's was seen.
//!
//! Invariant: TS.Recent never goes back, but where the peer was silent for so long that its clock may have come round
//! (§5.5). Our clock ticks once a millisecond (§5.4), from a point that is the tuple's own and that only we can know
//! (§7.1), so it tells nobody how long this host has been up, and a later connection of the same tuple goes on from
//! where this one stopped (RFC 6191).
//!
//! What is sent again takes TS.Recent forward, past data that was sent before it and is still on its way: on a path that
//! reorders, PAWS would drop a late segment for each repetition that overtakes it, the sender would take that for another
//! loss, and send again. §5.2 leaves open which time old segments are held against, as long as it never goes back and is
//! less than a window behind. For data it is [`Overtaken`]'s here.

use core::num::NonZeroU32;

use crate::time::{Instant, Span};
use crate::wire::tcp_options::Timestamps;

/// §5.5: within so many seconds no clock of the slowest tick that is allowed has turned half round.
const VALID_SECONDS: u32 = 24 * 24 * 60 * 60;

/// See the module. Being never zero, the clock's start makes an `Option` of it cost nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stamps {
    start: NonZeroU32,
    /// TS.Recent.
    recent: u32,
    /// When it was recorded, in seconds.
    recent_at: u32,
}

impl Stamps {
    /// `value` is what the peer's SYN carried.
    pub(super) fn new(start: NonZeroU32, value: u32, now: Instant) -> Self {
        Self { start, recent: value, recent_at: seconds(now) }
    }

    /// The option of a segment that is sent now.
    pub(super) fn of_now(&self, now: Instant) -> Timestamps {
        Timestamps { value: clock(self.start, now), echo: self.recent }
    }

    /// TS.Recent: what a new connection of the same tuple must come after (RFC 6191 §2).
    pub(super) const fn recent(&self) -> u32 {
        self.recent
    }

    /// RFC 7323 §5.3 R1: `value` is older than what was seen, and what was seen still counts.
    pub(super) fn is_old(&self, value: u32, now: Instant) -> bool {
        let is_before = (value.wrapping_sub(self.recent) as i32) < 0;
        is_before && seconds(now).wrapping_sub(self.recent_at) < VALID_SECONDS
    }

    /// Whether `value` comes after what was seen.
    pub(super) const fn is_newer(&self, value: u32) -> bool {
        value.wrapping_sub(self.recent) as i32 > 0
    }

    /// RFC 7323 §5.3 R3: a segment with `value` was taken that began at or below what was last acknowledged.
    pub(super) fn record(&mut self, value: u32, now: Instant) {
        (self.recent, self.recent_at) = (value, seconds(now));
    }

    /// Whether what `echo` answers was sent before `at`.
    pub(super) fn is_before(&self, echo: u32, at: Instant) -> bool {
        echo != 0 && (echo.wrapping_sub(clock(self.start, at)) as i32) < 0
    }

    /// How long ago what `echo` answers was sent. A zero is what some send who have nothing to echo, and nobody can
    /// answer what is still to be sent.
    pub(super) fn since_echoed(&self, echo: u32, now: Instant) -> Option<Span> {
        let ticks = clock(self.start, now).wrapping_sub(echo);
        let is_past = ticks <= u32::MAX / 2;
        // Less than a tick is a tick: the clock cannot tell.
        (echo != 0 && is_past).then(|| Span::from_millis(u64::from(ticks.max(1))))
    }
}

/// TS.Recent of one to two round trips ago: what is no older than that may have been overtaken by what is newer.
///
/// Invariant: it never goes back, and is never after TS.Recent.
#[derive(Clone, Copy, Debug)]
pub(super) struct Overtaken {
    since: u32,
    next: u32,
}

/// So many bytes after it was recorded a time says nothing any more: an old duplicate of a number that has come round is
/// 2^32 bytes old, less a window of 2^30 that it may be ahead, and another one that it may have been sent behind.
const REACH: u32 = 1 << 30;

impl Overtaken {
    /// Nothing is known of times before `recent`.
    pub(super) const fn new(recent: u32) -> Self {
        Self { since: recent, next: recent }
    }

    /// A round trip has passed.
    pub(super) const fn on_round(&mut self, recent: u32) {
        (self.since, self.next) = (self.next, recent);
    }

    /// Whether a segment of `value`, older than `recent`, may be one that was overtaken. `bytes` came since.
    pub(super) const fn covers(&self, value: u32, recent: u32, bytes: u32) -> bool {
        bytes < REACH && recent.wrapping_sub(value) <= recent.wrapping_sub(self.since)
    }
}

/// TSval at `now` of a clock that began at `start`.
pub(super) fn clock(start: NonZeroU32, now: Instant) -> u32 {
    start.get().wrapping_add((now.micros() / 1_000) as u32)
}

fn seconds(now: Instant) -> u32 {
    (now.micros() / 1_000_000) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Instant {
        Instant::from_micros(seconds * 1_000_000)
    }

    #[test]
    fn rfc7323_5_3_older_is_less_than_half_the_circle_back() {
        let stamps = Stamps::new(NonZeroU32::MIN, 10, at(0));
        let is_old = |value| stamps.is_old(value, at(1));
        assert!(is_old(9) && is_old(u32::MAX) && is_old(10 + (1 << 31)));
        assert!(!is_old(10) && !is_old(11) && !is_old(9 + (1 << 31)));
    }

    #[test]
    fn rfc7323_5_5_after_24_days_anything_is_new() {
        let stamps = Stamps::new(NonZeroU32::MIN, 10, at(100));
        assert!(stamps.is_old(9, at(99 + 24 * 86_400)));
        assert!(!stamps.is_old(9, at(100 + 24 * 86_400)));
    }

    #[test]
    fn rfc7323_5_2_what_was_overtaken_is_of_the_last_two_round_trips() {
        let mut overtaken = Overtaken::new(u32::MAX);
        assert!(!overtaken.covers(u32::MAX - 1, u32::MAX, 0), "nothing is known of what was before");
        overtaken.on_round(100);
        let (since, past) = (u32::MAX, u32::MAX - 1);
        assert!(overtaken.covers(since, 200, 0) && overtaken.covers(150, 200, 0) && !overtaken.covers(past, 200, 0));
        // Numbers may have come round.
        assert!(overtaken.covers(150, 200, REACH - 1) && !overtaken.covers(150, 200, REACH));
        overtaken.on_round(300);
        assert!(overtaken.covers(100, 300, 0) && !overtaken.covers(99, 300, 0));
    }

    #[test]
    fn rfc7323_4_1_an_echo_says_how_long_ago_unless_it_cannot() {
        let stamps = Stamps::new(NonZeroU32::new(u32::MAX - 1).expect("it is not zero"), 0, at(0));
        let sent = stamps.of_now(at(1)).value;
        assert_eq!(stamps.since_echoed(sent, at(3)), Some(Span::from_secs(2)));
        assert_eq!(stamps.since_echoed(sent, at(1)), Some(Span::from_millis(1)));
        assert_eq!(stamps.since_echoed(sent + 1, at(1)), None);
        assert_eq!(stamps.since_echoed(0, at(3)), None);
    }
}

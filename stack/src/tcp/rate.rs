//! How fast the path delivers: delivery-rate estimation (draft-cheng-iccrg-delivery-rate-estimation).
//!
//! Invariant: a sample spans the longer of the time in which its data was sent and the time in which it was
//! acknowledged, so acknowledgments that come in a heap never make a path look faster than it was fed.

use super::congestion::RateSample;
use crate::time::{Instant, Span};

/// What a connection has delivered.
#[derive(Clone, Copy, Debug)]
pub(super) struct Rate {
    /// Bytes, since the flight began.
    pub(super) delivered: u64,
    /// When that last grew.
    delivered_at: Instant,
    /// When the first of what is being sampled was sent.
    first_sent_at: Instant,
    /// Up to this count of `delivered` the application had nothing more to send; zero where it always had.
    limited_until: u64,
    /// Bytes found lost, since the flight began.
    pub(super) lost: u32,
}

/// [`Rate`] when something was sent; times as microseconds before then.
#[derive(Clone, Copy, Debug)]
pub(super) struct Departure {
    /// The low half of the count.
    delivered: u32,
    since_delivered: u32,
    since_first: u32,
    /// Bytes in flight, with those sent then.
    in_flight: u32,
    lost: u32,
    limited: bool,
}

/// What was sent last of what an acknowledgment delivers.
#[derive(Clone, Copy, Debug)]
pub(super) struct Newest {
    pub(super) departure: Departure,
    pub(super) sent_at: Instant,
}

impl Rate {
    pub(super) const NEW: Self = Self {
        delivered: 0,
        delivered_at: Instant::from_micros(0),
        first_sent_at: Instant::from_micros(0),
        limited_until: 0,
        lost: 0,
    };

    /// Something leaves; `before` is what was in flight before it.
    pub(super) fn on_sent(&mut self, before: u32, bytes: u32, now: Instant) -> Departure {
        if before == 0 {
            self.delivered_at = now;
            self.first_sent_at = now;
        }
        Departure {
            delivered: self.delivered as u32,
            since_delivered: micros(now.since(self.delivered_at)),
            since_first: micros(now.since(self.first_sent_at)),
            in_flight: before.saturating_add(bytes),
            lost: self.lost,
            limited: self.limited_until != 0,
        }
    }

    /// There is nothing more to send, though `in_flight` leaves room for it.
    pub(super) fn on_limited(&mut self, in_flight: u32) {
        self.limited_until = (self.delivered + u64::from(in_flight)).max(1);
    }

    /// An acknowledgment delivers `bytes`, of which `newest` was sent last.
    pub(super) fn on_delivered(&mut self, bytes: u32, newest: &Newest, now: Instant) -> Option<RateSample> {
        self.delivered += u64::from(bytes);
        self.delivered_at = now;
        if self.limited_until != 0 && self.delivered > self.limited_until {
            self.limited_until = 0;
        }
        let Newest { departure, sent_at } = *newest;
        self.first_sent_at = self.first_sent_at.max(sent_at);
        let delivered = (self.delivered as u32).wrapping_sub(departure.delivered);
        let acknowledging = now.since(sent_at).micros() + u64::from(departure.since_delivered);
        let interval = acknowledging.max(u64::from(departure.since_first));
        (interval > 0).then(|| RateSample {
            delivered,
            interval: Span::from_micros(interval),
            prior_delivered: self.delivered - u64::from(delivered),
            in_flight: departure.in_flight,
            lost: self.lost.wrapping_sub(departure.lost),
            limited_by_application: departure.limited,
        })
    }
}

impl Newest {
    pub(super) fn is_later(&self, other: &Self) -> bool {
        self.sent_at > other.sent_at
    }
}

fn micros(span: Span) -> u32 {
    u32::try_from(span.micros()).unwrap_or(u32::MAX)
}

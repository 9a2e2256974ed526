//! Keep-alives: an idle peer is asked whether it is still there (RFC 9293 §3.8.4, RFC 1122 §4.2.3.6).
//!
//! Invariant: a connection is asked only if its application wants so (MUST-24, MUST-25), and only while it is silent both
//! ways (MUST-26). No single probe that stays unanswered ends it (MUST-29).

use super::connection::{Connection, Deadline, Ended, Outcome};
use super::shared::Shared;
use crate::time::{Instant, Span};

/// When a peer that says nothing is asked, and when it counts as gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeepAlive {
    /// Silence before the first probe.
    pub idle: Span,
    /// Between probes.
    pub interval: Span,
    /// Probes without an answer after which the connection is reset; at least 2 are sent (RFC 9293 MUST-29).
    pub probes: u8,
}

impl KeepAlive {
    /// The field's defaults: after two hours (RFC 9293 MUST-28), every 75 s, 9 times.
    pub const DEFAULT: Self = Self { idle: Span::from_secs(7200), interval: Span::from_secs(75), probes: 9 };
}

impl Default for KeepAlive {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// Where asking stands.
#[derive(Clone, Copy, Debug)]
pub(super) struct KeepAliveState {
    pub(super) wish: KeepAlive,
    /// When to look next.
    pub(super) due: Deadline,
    /// When the peer was last heard.
    heard: Instant,
    unanswered: u8,
    /// A probe is to be sent.
    pub(super) probe: bool,
}

impl KeepAliveState {
    pub(super) fn new(wish: KeepAlive, now: Instant) -> Self {
        Self { wish, due: Deadline::at(now + wish.idle), heard: now, unanswered: 0, probe: false }
    }
}

impl Connection {
    /// A segment has come.
    pub(super) fn hear(&self, now: Instant, shared: &mut Shared<'_>) {
        if let Some(state) = self.settings_mut(shared).and_then(|settings| settings.keep_alive.as_mut()) {
            // The deadline stays where it is and moves when it comes: a busy connection pays a store.
            (state.heard, state.unanswered, state.probe) = (now, 0, false);
        }
    }

    /// Part of [`Connection::on_settings_deadline`].
    pub(super) fn on_keep_alive_deadline(&mut self, now: Instant, shared: &mut Shared<'_>) -> Option<Outcome> {
        let waits_otherwise = self.in_flight() > 0 || self.send.queue.bytes() > 0;
        let settings = self.settings_mut(shared)?;
        let user_timeout = settings.user_timeout;
        let state = settings.keep_alive.as_mut().filter(|state| state.due.is_due(now))?;
        if waits_otherwise {
            // MUST-26: what is in flight has a timer of its own.
            state.due = Deadline::at(now + state.wish.idle);
            return None;
        }
        let silent_until = state.heard + state.wish.idle;
        if state.unanswered == 0 && silent_until > now {
            state.due = Deadline::at(silent_until);
            return None;
        }
        let is_gone = match user_timeout {
            Some(span) => state.unanswered > 0 && now.since(state.heard) >= span,
            None => state.unanswered >= state.wish.probes.max(2),
        };
        if is_gone {
            return Some(Outcome::Abort(Ended::TimedOut));
        }
        state.unanswered = state.unanswered.saturating_add(1);
        state.probe = true;
        state.due = Deadline::at(now + state.wish.interval);
        None
    }

    pub(super) fn wants_keep_alive(&self, shared: &Shared<'_>) -> bool {
        self.settings(shared).and_then(|settings| settings.keep_alive).is_some_and(|state| state.probe)
    }

    /// A probe was sent.
    pub(super) fn kept_alive(&self, shared: &mut Shared<'_>) {
        if let Some(state) = self.settings_mut(shared).and_then(|settings| settings.keep_alive.as_mut()) {
            state.probe = false;
        }
    }
}

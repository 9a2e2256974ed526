//! What an application asked for one connection beyond what all have: BSD's socket options, and what they keep count of.
//!
//! Invariant: a connection for which nobody asked anything has no [`Settings`], and nothing here costs it more than a
//! look at whether it has. The four deadlines here are the connection's own, beside retransmission and delayed
//! acknowledgment.

use super::connection::{Connection, Deadline, Ended, OurFin, Outcome};
use super::keep_alive::KeepAliveState;
use super::seq::Seq;
use super::shared::Shared;
use crate::slab::Place;
use crate::time::{Instant, Span};

/// Linux's bound on how long a corked segment is held.
const CORKED: Span = Span::from_millis(200);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Settings {
    pub(super) keep_alive: Option<KeepAliveState>,
    /// How long sent data may stay unacknowledged (RFC 9293 §3.8.3's R2 as a time, RFC 5482).
    pub(super) user_timeout: Option<Span>,
    /// Since when an acknowledgment or a window is waited for in vain.
    stalled: Option<Instant>,
    /// How long the stack goes on alone after `close`.
    pub(super) linger: Option<Span>,
    linger_at: Deadline,
    pub(super) cork: Cork,
    /// Bytes of slots that unread data may pin, and bytes that may wait to be sent, where they are not to grow.
    pub(super) receive_budget: Option<u32>,
    pub(super) send_budget: Option<u32>,
    /// SND.UP, while urgent data is unacknowledged.
    pub(super) send_urgent: Option<Seq>,
    /// RCV.UP, once the peer has said something is urgent.
    pub(super) receive_urgent: Option<Seq>,
}

/// Whether a segment that is not full is held back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Cork {
    Out,
    In,
    /// It is, and a segment has been held since [`CORKED`] before this.
    Holding(Deadline),
    /// It was held long enough.
    Leaking,
}

impl Settings {
    /// Nothing is asked for.
    pub(super) const NEW: Self = Self {
        keep_alive: None,
        user_timeout: None,
        stalled: None,
        linger: None,
        linger_at: Deadline::NEVER,
        cork: Cork::Out,
        receive_budget: None,
        send_budget: None,
        send_urgent: None,
        receive_urgent: None,
    };

    fn next_deadline(&self) -> Deadline {
        let keep_alive = self.keep_alive.map_or(Deadline::NEVER, |state| state.due);
        let cork = match self.cork {
            Cork::Holding(until) => until,
            Cork::Out | Cork::In | Cork::Leaking => Deadline::NEVER,
        };
        self.user_timeout_at().min(self.linger_at).min(keep_alive).min(cork)
    }

    fn user_timeout_at(&self) -> Deadline {
        let at = self.user_timeout.zip(self.stalled).map(|(span, since)| since + span);
        at.map_or(Deadline::NEVER, Deadline::at)
    }
}

impl Connection {
    /// What was asked for this connection.
    pub(super) fn settings<'s>(&self, shared: &'s Shared<'_>) -> Option<&'s Settings> {
        shared.settings.by_index(self.settings?.index())
    }

    pub(super) fn settings_mut<'s>(&self, shared: &'s mut Shared<'_>) -> Option<&'s mut Settings> {
        shared.settings.by_index_mut(self.settings?.index())
    }

    /// The settings, taken now if the connection has none; `None` when all are taken.
    pub(super) fn take_settings<'s>(&mut self, shared: &'s mut Shared<'_>) -> Option<&'s mut Settings> {
        if self.settings.is_none() {
            self.settings = shared.settings.insert(Settings::NEW).ok().map(Place::of);
        }
        self.settings_mut(shared)
    }

    /// Gives them back.
    pub(super) fn drop_settings(&mut self, shared: &mut Shared<'_>) {
        if let Some(key) = self.settings.take().and_then(|place| shared.settings.key(place.index())) {
            shared.settings.remove(key);
        }
    }

    /// When something that was asked for is due.
    pub(super) fn settings_deadline(&self, shared: &Shared<'_>) -> Deadline {
        self.settings(shared).map_or(Deadline::NEVER, Settings::next_deadline)
    }

    /// Input: time has passed. Says how the connection ends, if it does.
    pub(super) fn on_settings_deadline(&mut self, now: Instant, shared: &mut Shared<'_>) -> Option<Outcome> {
        let is_waiting = self.in_flight() > 0 || self.send.queue.bytes() > 0;
        let settings = self.settings_mut(shared)?;
        if is_waiting && settings.user_timeout_at().is_due(now) {
            // RFC 9293 §3.10.8: the user timeout ends the connection, and nobody is told but its user.
            return Some(Outcome::Ended(Ended::TimedOut));
        }
        if settings.linger_at.is_due(now) {
            settings.linger_at = Deadline::NEVER;
            return Some(Outcome::Abort(Ended::TimedOut));
        }
        if let Cork::Holding(until) = settings.cork
            && until.is_due(now)
        {
            settings.cork = Cork::Leaking;
        }
        self.on_keep_alive_deadline(now, shared)
    }

    /// Something with a number was sent: the user timeout runs from the first that nothing answers.
    pub(super) fn stall(&self, now: Instant, shared: &mut Shared<'_>) {
        if let Some(settings) = self.settings_mut(shared) {
            settings.stalled = settings.stalled.or(Some(now));
            // What is held from now on is held anew.
            if settings.cork != Cork::Out {
                settings.cork = Cork::In;
            }
        }
    }

    /// SND.UNA has moved.
    pub(super) fn progress(&self, now: Instant, shared: &mut Shared<'_>) {
        let (una, is_waiting) = (self.send.una, self.in_flight() > 0);
        if let Some(settings) = self.settings_mut(shared) {
            settings.stalled = Some(now).filter(|_| is_waiting);
            settings.send_urgent = settings.send_urgent.filter(|urgent| urgent.after(una));
        }
    }

    /// Whether timeouts are counted: a user timeout is a bound by itself (RFC 9293 MUST-21).
    pub(super) fn counts_timeouts(&self, shared: &Shared<'_>) -> bool {
        self.settings(shared).is_none_or(|settings| settings.user_timeout.is_none())
    }

    /// The application has left: from now on its wish counts how long the stack goes on.
    pub(super) fn linger(&self, now: Instant, shared: &mut Shared<'_>) {
        if let Some(settings) = self.settings_mut(shared)
            && let Some(span) = settings.linger
        {
            settings.linger_at = Deadline::at(now + span);
        }
    }

    /// Whether what does not fill a segment is held.
    pub(super) fn is_corked(&self, shared: &Shared<'_>) -> bool {
        self.send.fin == OurFin::None
            && self.settings(shared).is_some_and(|settings| matches!(settings.cork, Cork::In | Cork::Holding(_)))
    }

    /// Data is held; not for ever.
    pub(super) fn hold_corked(&self, now: Instant, shared: &mut Shared<'_>) {
        if let Some(settings) = self.settings_mut(shared)
            && settings.cork == Cork::In
        {
            settings.cork = Cork::Holding(Deadline::at(now + CORKED));
        }
    }
}

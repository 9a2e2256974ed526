//! The earliest of many deadlines, without a list of them.
//!
//! Invariant: it never rings later than the earliest deadline it was told of; it may ring when nothing is due, for
//! deadlines are not taken back. Who hears it looks at all of its timers and tells it what is left.

use crate::time::Instant;

/// When to look at a small table of timers again.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Alarm(Option<Instant>);

impl Alarm {
    /// Never.
    pub(crate) const OFF: Self = Self(None);

    /// Rings at `deadline` or before.
    pub(crate) fn set(&mut self, deadline: Instant) {
        self.0 = Some(self.0.map_or(deadline, |earlier| earlier.min(deadline)));
    }

    /// When it rings.
    pub(crate) const fn next(self) -> Option<Instant> {
        self.0
    }

    /// Whether it rings at `now`; it is off then.
    pub(crate) fn ring(&mut self, now: Instant) -> bool {
        let rings = self.0.is_some_and(|deadline| deadline <= now);
        if rings {
            self.0 = None;
        }
        rings
    }
}

//! Virtual time: it stands still while anybody has something to do, then jumps to the earliest deadline.

use lendwire::time::{Instant, Span};

/// A clock that only moves when it is told to, and never back.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    now: Instant,
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock {
    /// A clock that starts at one second, so that a span taken off does not fall below zero unnoticed.
    #[must_use]
    pub const fn new() -> Self {
        Self { now: Instant::from_micros(1_000_000) }
    }

    /// The time.
    #[must_use]
    pub const fn now(&self) -> Instant {
        self.now
    }

    /// How long it has run.
    #[must_use]
    pub fn elapsed(&self) -> Span {
        self.now.since(Self::new().now)
    }

    /// Goes on to `instant`; one that has passed already changes nothing.
    pub fn advance_to(&mut self, instant: Instant) {
        self.now = self.now.max(instant);
    }

    /// Goes on to the earliest of `deadlines`, and says whether there was any.
    pub fn jump(&mut self, deadlines: impl IntoIterator<Item = Option<Instant>>) -> bool {
        let earliest = deadlines.into_iter().flatten().min();
        if let Some(earliest) = earliest {
            self.advance_to(earliest);
        }
        earliest.is_some()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_jumps_to_the_earliest_deadline_and_never_back() {
        let mut clock = Clock::new();
        let at = Instant::from_micros;
        assert!(clock.jump([Some(at(5_000_000)), None, Some(at(3_000_000))]));
        assert_eq!(clock.now(), at(3_000_000));
        assert!(clock.jump([Some(at(1))]));
        assert_eq!(clock.now(), at(3_000_000));
        assert!(!clock.jump([None]));
        assert_eq!(clock.elapsed(), Span::from_secs(2));
    }
}

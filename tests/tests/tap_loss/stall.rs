//! The longest time in which nothing came.

use std::time::{Duration, Instant};

/// Between two steps of something that goes on.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Stall {
    last: Option<Instant>,
    longest: Duration,
}

impl Stall {
    /// It went on.
    pub(crate) fn progress(&mut self, now: Instant) {
        if let Some(last) = self.last {
            self.longest = self.longest.max(now - last);
        }
        self.last = Some(now);
    }

    pub(crate) const fn longest(&self) -> Duration {
        self.longest
    }
}

#[test]
fn the_longest_pause_is_kept() {
    let (start, mut stall) = (Instant::now(), Stall::default());
    for millis in [500, 510, 810, 820] {
        stall.progress(start + Duration::from_millis(millis));
    }
    assert_eq!(stall.longest(), Duration::from_millis(300));
}

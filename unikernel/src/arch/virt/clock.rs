//! Time from a counter whose rate the machine tells: nothing has to be measured.

use lendwire::time::Instant;

use crate::arch::timer;

/// Monotonic time since the loader jumped to the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    at_entry: u64,
    /// Ticks a second.
    rate: u64,
}

impl Clock {
    /// Microseconds since entry.
    pub(crate) fn now(&self) -> u64 {
        let ticks = timer::counter().saturating_sub(self.at_entry);
        (u128::from(ticks) * 1_000_000 / u128::from(self.rate)) as u64
    }

    /// [`Clock::now`] as the stack has it.
    pub(crate) fn instant(&self) -> Instant {
        Instant::from_micros(self.now())
    }

    /// The rate of the counter in kHz.
    pub(crate) fn counter_khz(&self) -> u64 {
        self.rate / 1_000
    }

    /// What the counter says `micros` after entry; a moment beyond its range is cut to it.
    pub(in crate::arch) fn counter_at(&self, micros: u64) -> u64 {
        let ticks = u128::from(micros) * u128::from(self.rate) / 1_000_000;
        u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(self.at_entry)
    }
}

/// Entry, and the rate of the counter; there is nothing to wait for.
pub(crate) struct Calibration {
    at_entry: u64,
    rate: u64,
}

impl Calibration {
    /// `at_entry` is what the counter said, `rate` its ticks a second.
    ///
    /// # Panics
    /// When the rate is zero: firmware has not set it.
    pub(in crate::arch) fn of(at_entry: u64, rate: u64) -> Self {
        assert!(rate > 0, "the machine does not say how fast its counter runs: use QEMU's virt machine");
        Self { at_entry, rate }
    }

    /// The clock.
    pub(crate) fn finish(self) -> Clock {
        Clock { at_entry: self.at_entry, rate: self.rate }
    }
}

/// Waits for `micros` microseconds.
pub(crate) fn stall(micros: u32) {
    let end = timer::counter() + u64::from(micros) * timer::rate() / 1_000_000;
    while timer::counter() < end {
        core::hint::spin_loop();
    }
}

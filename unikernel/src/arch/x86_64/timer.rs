//! Time: the time-stamp counter read as microseconds since entry, and how fast the local APIC's timer runs.
//!
//! Both are measured against the 8254, which every PC has (microvm too) and which runs at a known rate; the measurement runs beside
//! the rest of start-up, so it costs waiting only when start-up is shorter than [`SHORTEST_MICROS`].

use core::arch::x86_64::_rdtsc;

use ::x86_64::instructions::port::Port;
use lendwire::time::Instant;

use super::local_apic;

/// The 8254's input clock.
const PIT_HZ: u64 = 1_193_182;
/// Long enough that one tick of the 8254 (0.84 µs) is less than one part in a thousand.
const SHORTEST_MICROS: u64 = 2_000;
const SHORTEST_TICKS: u16 = (SHORTEST_MICROS * PIT_HZ / 1_000_000) as u16;

/// Monotonic time since the loader jumped to the image.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    tsc_at_entry: u64,
    /// Microseconds a tick, times 2³².
    micros_per_tick: u64,
    /// Local APIC timer ticks a microsecond, times 2¹⁶.
    timer_ticks_per_micro: u64,
}

impl Clock {
    /// Microseconds since entry.
    pub(crate) fn now(&self) -> u64 {
        let ticks = tsc().saturating_sub(self.tsc_at_entry);
        ((u128::from(ticks) * u128::from(self.micros_per_tick)) >> 32) as u64
    }

    /// [`Clock::now`] as the stack has it.
    pub(crate) fn instant(&self) -> Instant {
        Instant::from_micros(self.now())
    }

    /// The rate of the time-stamp counter in kHz.
    pub(crate) fn counter_khz(&self) -> u64 {
        (1_000 << 32) / self.micros_per_tick
    }

    /// The local APIC timer's ticks in `micros`; a span beyond the timer's range is cut to it, so that the sleeper
    /// wakes early and asks again.
    pub(super) fn timer_ticks(&self, micros: u64) -> u32 {
        let ticks = (u128::from(micros) * u128::from(self.timer_ticks_per_micro)) >> 16;
        // Zero would stop the timer instead of firing it.
        ticks.clamp(1, u128::from(u32::MAX)) as u32
    }
}

/// A measurement under way: the 8254's channel 0 and the local APIC's timer both count down.
pub(crate) struct Calibration {
    tsc_at_entry: u64,
    start: Sample,
}

impl Calibration {
    /// Starts the counters. The local APIC must be on by the time of [`Calibration::finish`].
    pub(super) fn start(tsc_at_entry: u64) -> Self {
        start_pit();
        local_apic::start_timer(u32::MAX);
        Self { tsc_at_entry, start: Sample::take() }
    }

    /// Ends the measurement, after waiting until it is long enough.
    pub(crate) fn finish(self) -> Clock {
        let tsc_at_entry = self.tsc_at_entry;
        // Once round, the 8254 no longer says how much time went by.
        let start = if pit_is_round() { Self::start(tsc_at_entry).start } else { self.start };
        let end = loop {
            let end = Sample::take();
            if start.pit.wrapping_sub(end.pit) >= SHORTEST_TICKS {
                break end;
            }
        };
        local_apic::start_timer(0);

        let pit_ticks = u128::from(start.pit.wrapping_sub(end.pit));
        let tsc_ticks = u128::from(end.tsc.saturating_sub(start.tsc).max(1));
        let timer_ticks = u128::from(start.timer.saturating_sub(end.timer));
        Clock {
            tsc_at_entry,
            micros_per_tick: (((pit_ticks * 1_000_000) << 32) / (tsc_ticks * u128::from(PIT_HZ))) as u64,
            timer_ticks_per_micro: (((timer_ticks * u128::from(PIT_HZ)) << 16) / (pit_ticks * 1_000_000)) as u64,
        }
    }
}

/// All three counters at one moment.
struct Sample {
    pit: u16,
    tsc: u64,
    timer: u32,
}

impl Sample {
    /// The tightest of a few tries: on a shared host any one of them may be interrupted half way.
    fn take() -> Self {
        let (mut best, mut best_width) = Self::once();
        for _ in 0..3 {
            let (sample, width) = Self::once();
            if width < best_width {
                (best, best_width) = (sample, width);
            }
        }
        best
    }

    fn once() -> (Self, u64) {
        let before = tsc();
        latch_pit();
        let timer = local_apic::timer_left();
        let after = tsc();
        let width = after - before;
        (Self { pit: latched_pit(), tsc: before + width / 2, timer }, width)
    }
}

/// The time-stamp counter after an access to a device, whose length nobody can tell beforehand.
pub(super) fn slow_sample() -> u64 {
    inb(PIT_CHANNEL_0);
    tsc()
}

/// Ticks of the fastest time-stamp counter in a microsecond: a wait may be needed before the rate is measured.
const MOST_TICKS: u64 = 5_000;

/// Waits for `micros` microseconds at least.
pub(crate) fn stall(micros: u32) {
    let end = tsc() + u64::from(micros) * MOST_TICKS;
    while tsc() < end {
        core::hint::spin_loop();
    }
}

/// The time-stamp counter.
pub(super) fn tsc() -> u64 {
    // SAFETY: every x86_64 processor has the counter, and nothing here forbids reading it.
    unsafe { _rdtsc() }
}

/// Intel 8254 data sheet: channel 0, low then high byte, mode 0 (count down once), binary. Channel 2 would interrupt
/// nobody, but microvm has no gate for it; channel 0's line is masked.
const CHANNEL_0_MODE_0: u8 = 0x30;
/// Latch channel 0's count.
const LATCH_CHANNEL_0: u8 = 0x00;
/// The read-back command: latch channel 0's status, whose bit 7 is its output.
const STATUS_OF_CHANNEL_0: u8 = 0xe2;
const PIT_CHANNEL_0: u16 = 0x40;
const PIT_COMMAND: u16 = 0x43;

fn start_pit() {
    outb(PIT_COMMAND, CHANNEL_0_MODE_0);
    outb(PIT_CHANNEL_0, 0xff);
    outb(PIT_CHANNEL_0, 0xff);
}

fn pit_is_round() -> bool {
    outb(PIT_COMMAND, STATUS_OF_CHANNEL_0);
    inb(PIT_CHANNEL_0) & 1 << 7 != 0
}

fn latch_pit() {
    outb(PIT_COMMAND, LATCH_CHANNEL_0);
}

fn latched_pit() -> u16 {
    let low = inb(PIT_CHANNEL_0);
    u16::from_le_bytes([low, inb(PIT_CHANNEL_0)])
}

fn outb(port: u16, value: u8) {
    // SAFETY: every port this file names belongs to the timer, which has no access to memory.
    unsafe { Port::new(port).write(value) }
}

fn inb(port: u16) -> u8 {
    // SAFETY: as for `outb`.
    unsafe { Port::new(port).read() }
}

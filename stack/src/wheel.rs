//! A hierarchical timer wheel (Varghese and Lauck 1987): arming and firing cost the same with one timer or a million.
//!
//! Invariant: a timer never fires before its deadline's tick, and at most one tick of 1.024 ms late. Four levels of 64
//! slots reach 4.7 hours; what lies beyond waits in the last slot and is sorted again. A timer that is armed for a
//! later time than before is left where it is: its owner finds at the early firing that it is not due, and arms again.

use crate::time::Instant;

const NIL: u32 = u32::MAX;
const LEVELS: usize = 4;
const SLOT_BITS: u32 = 6;
const SLOTS: usize = 1 << SLOT_BITS;
/// A tick is 2^10 microseconds.
const TICK_BITS: u32 = 10;
/// The list of timers whose time has come.
const DUE: u16 = (LEVELS * SLOTS) as u16;
const IDLE: u16 = u16::MAX;

/// One timer; storage is handed in as a slice of these.
#[derive(Clone, Copy, Debug)]
pub struct Timer {
    next: u32,
    previous: u32,
    /// The low half of the tick it is due at.
    tick: u32,
    /// The list it is on.
    list: u16,
}

impl Timer {
    /// A timer that is not armed.
    pub const IDLE: Self = Self { next: NIL, previous: NIL, tick: 0, list: IDLE };
}

/// The wheel: timers are named by their index in the storage.
#[derive(Debug)]
pub(crate) struct Wheel<'s> {
    timers: &'s mut [Timer],
    heads: [u32; LEVELS * SLOTS + 1],
    occupied: [u64; LEVELS],
    /// The tick up to which everything has fired.
    current: u64,
}

impl<'s> Wheel<'s> {
    pub(crate) fn new(timers: &'s mut [Timer], now: Instant) -> Self {
        timers.fill(Timer::IDLE);
        Self { timers, heads: [NIL; LEVELS * SLOTS + 1], occupied: [0; LEVELS], current: now.micros() >> TICK_BITS }
    }

    /// Makes timer `index` fire at `deadline`, or earlier if it was armed for earlier.
    pub(crate) fn arm(&mut self, index: u32, deadline: Instant) {
        // Rounded up: never early.
        let tick = (deadline.micros() + ((1 << TICK_BITS) - 1)) >> TICK_BITS;
        let timer = self.timers[index as usize];
        if timer.list == DUE || (timer.list != IDLE && self.whole(timer.tick) <= tick) {
            return;
        }
        self.disarm(index);
        self.place(index, tick);
    }

    pub(crate) fn disarm(&mut self, index: u32) {
        let timer = self.timers[index as usize];
        if timer.list == IDLE {
            return;
        }
        match timer.previous {
            NIL => self.heads[usize::from(timer.list)] = timer.next,
            previous => self.timers[previous as usize].next = timer.next,
        }
        if timer.next != NIL {
            self.timers[timer.next as usize].previous = timer.previous;
        }
        if timer.list != DUE && self.heads[usize::from(timer.list)] == NIL {
            self.occupied[usize::from(timer.list) / SLOTS] &= !(1 << (usize::from(timer.list) % SLOTS));
        }
        self.timers[index as usize] = Timer::IDLE;
    }

    /// The next timer that is due at `now`, disarmed.
    pub(crate) fn fire(&mut self, now: Instant) -> Option<u32> {
        let now = now.micros() >> TICK_BITS;
        loop {
            let due = self.heads[usize::from(DUE)];
            if due != NIL {
                self.disarm(due);
                return Some(due);
            }
            let Some((tick, list)) = self.earliest().filter(|&(tick, _)| tick <= now) else {
                self.current = self.current.max(now);
                return None;
            };
            self.current = self.current.max(tick);
            self.sort(list);
        }
    }

    /// When [`Wheel::fire`] has to be called next; never later than the earliest deadline's tick.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        if self.heads[usize::from(DUE)] != NIL {
            return Some(Instant::from_micros(self.current << TICK_BITS));
        }
        self.earliest().map(|(tick, _)| Instant::from_micros(tick << TICK_BITS))
    }

    /// The occupied slot that begins first: one rotation and one bit scan a level.
    fn earliest(&self) -> Option<(u64, u16)> {
        (0..LEVELS)
            .filter(|&level| self.occupied[level] != 0)
            .map(|level| {
                let position = self.current >> (SLOT_BITS * level as u32);
                let from_here = self.occupied[level].rotate_right((position % SLOTS as u64) as u32);
                let ahead = u64::from(from_here.trailing_zeros());
                let slot = ((position + ahead) % SLOTS as u64) as u16;
                ((position + ahead) << (SLOT_BITS * level as u32), (level * SLOTS) as u16 + slot)
            })
            .min()
    }

    /// Spreads a slot whose time has begun over the lower levels.
    fn sort(&mut self, list: u16) {
        while self.heads[usize::from(list)] != NIL {
            let index = self.heads[usize::from(list)];
            let tick = self.whole(self.timers[index as usize].tick);
            self.disarm(index);
            if tick <= self.current {
                self.link(index, tick, DUE);
            } else {
                self.place(index, tick);
            }
        }
    }

    fn place(&mut self, index: u32, tick: u64) {
        // The furthest place that the wheel has: a later deadline is sorted again when it gets there.
        let last = ((self.current >> (SLOT_BITS * 3)) + SLOTS as u64 - 1) << (SLOT_BITS * 3);
        let at = tick.clamp(self.current, last);
        let level = (0..LEVELS as u32)
            .find(|level| (at >> (SLOT_BITS * level)) - (self.current >> (SLOT_BITS * level)) < SLOTS as u64)
            .expect("`at` lies within the last level");
        let slot = ((at >> (SLOT_BITS * level)) % SLOTS as u64) as u16;
        self.occupied[level as usize] |= 1 << slot;
        self.link(index, tick, level as u16 * SLOTS as u16 + slot);
    }

    fn link(&mut self, index: u32, tick: u64, list: u16) {
        let next = self.heads[usize::from(list)];
        self.timers[index as usize] = Timer { next, previous: NIL, tick: tick as u32, list };
        if next != NIL {
            self.timers[next as usize].previous = index;
        }
        self.heads[usize::from(list)] = index;
    }

    /// The tick whose low half is `low`: deadlines lie within 2^31 ticks (24 days) of now.
    fn whole(&self, low: u32) -> u64 {
        let ahead = low.wrapping_sub(self.current as u32) as i32;
        self.current.saturating_add_signed(i64::from(ahead))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn at(micros: u64) -> Instant {
        Instant::from_micros(micros)
    }

    #[test]
    fn a_timer_armed_later_stays_and_fires_early_for_its_owner_to_arm_again() {
        let mut storage = [Timer::IDLE; 1];
        let mut wheel = Wheel::new(&mut storage, at(0));
        wheel.arm(0, at(5_000));
        wheel.arm(0, at(9_000_000));
        assert_eq!(wheel.fire(at(6_000)), Some(0));
        assert_eq!(wheel.fire(at(20_000_000)), None);
    }

    proptest! {
        #[test]
        fn every_timer_fires_once_in_its_tick(
            start in 0u64..1 << 50,
            delays in prop::collection::vec(0u64..40_000_000_000, 1..40),
            step in 1u64..10_000_000,
        ) {
            let mut storage = [Timer::IDLE; 40];
            let mut wheel = Wheel::new(&mut storage, at(start));
            for (index, &delay) in (0..).zip(&delays) {
                wheel.arm(index, at(start + delay));
            }
            let (mut fired, mut now) = (0, start);
            while fired < delays.len() {
                // Alternate between the wheel's own deadline and blind steps.
                let next = wheel.next_deadline().expect("timers are left");
                now = if fired % 2 == 0 { now.max(next.micros()) } else { (now + step).min(next.micros().max(now)) };
                while let Some(index) = wheel.fire(at(now)) {
                    let deadline = start + delays[index as usize];
                    prop_assert!(now >= deadline, "fired {} early", deadline - now);
                    fired += 1;
                }
                for (index, &delay) in (0u32..).zip(&delays) {
                    let late = now.saturating_sub(start + delay) >= 2 << TICK_BITS;
                    prop_assert!(!late || wheel.timers[index as usize].list == IDLE, "late by over a tick");
                }
            }
            prop_assert_eq!(wheel.next_deadline(), None);
        }
    }
}

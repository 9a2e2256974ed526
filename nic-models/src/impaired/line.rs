//! One direction of a wire: decides each frame's fate and keeps it until it arrives.

use std::collections::{BTreeMap, VecDeque};

use super::{Chance, Fates, Impairments};

/// A frame with its check sequence.
pub(super) struct Frame {
    pub(super) bytes: Vec<u8>,
    /// Whether its transport checksum was completed on the way in, and no bit flipped since.
    pub(super) checked: bool,
}

/// One direction.
pub(super) struct Line {
    pub(super) impairments: Impairments,
    random: Random,
    /// Frames under way, by arrival and then by the order of sending.
    flying: BTreeMap<(u64, u64), Frame>,
    pub(super) arrived: VecDeque<Frame>,
    next_order: u64,
    /// When the wire has carried what it was given, for a limited rate.
    idle_from: u64,
    /// The latest arrival of a frame that kept its place.
    latest: u64,
    pub(super) fates: Fates,
}

impl Line {
    pub(super) fn new(seed: u64, impairments: Impairments) -> Self {
        Self {
            impairments,
            random: Random(seed),
            flying: BTreeMap::new(),
            arrived: VecDeque::new(),
            next_order: 0,
            idle_from: 0,
            latest: 0,
            fates: Fates::default(),
        }
    }

    /// Decides a frame's fate. Every frame draws the same number of times, so that one knob does not turn another.
    pub(super) fn carry(&mut self, mut frame: Frame, now: u64) {
        let knobs = self.impairments;
        let is_lost = self.random.happens(knobs.loss);
        let is_doubled = self.random.happens(knobs.duplication);
        let is_late = self.random.happens(knobs.reordering);
        let is_damaged = self.random.happens(knobs.damage);
        let (jitter, flips) = (self.random.below(knobs.jitter.saturating_add(1)), self.random.next());
        self.fates.carried += 1;

        let Some(departure) = self.depart(frame.bytes.len(), now) else {
            self.fates.lost += 1;
            return;
        };
        if is_lost {
            self.fates.lost += 1;
            return;
        }
        if is_damaged {
            self.fates.damaged += 1;
            frame.damage(flips, knobs.undetected);
        }
        let mut arrival = departure + knobs.delay + jitter;
        if is_late {
            self.fates.reordered += 1;
            arrival += knobs.held_back;
        } else {
            arrival = arrival.max(self.latest);
            self.latest = arrival;
        }
        if is_doubled {
            self.fates.duplicated += 1;
            self.fly(Frame { bytes: frame.bytes.clone(), checked: frame.checked }, arrival);
        }
        self.fly(frame, arrival);
    }

    /// When the last byte is on the wire, or `None` when too many wait for it.
    fn depart(&mut self, len: usize, now: u64) -> Option<u64> {
        let Some(rate) = self.impairments.rate else { return Some(now) };
        let takes = (len as u64 * 1_000_000).div_ceil(rate.max(1));
        let start = self.idle_from.max(now);
        let backlog = self.impairments.backlog as u64;
        if backlog > 0 && start - now > backlog * takes {
            return None;
        }
        self.idle_from = start + takes;
        Some(self.idle_from)
    }

    fn fly(&mut self, frame: Frame, arrival: u64) {
        self.flying.insert((arrival, self.next_order), frame);
        self.next_order += 1;
    }

    /// Moves what is due to where it waits to be received; returns how many frames found no room there.
    pub(super) fn arrive(&mut self, now: u64, room: usize) -> usize {
        let mut dropped = 0;
        while self.has_flown(now) {
            let Some((_, frame)) = self.flying.pop_first() else { break };
            if self.arrived.len() < room {
                self.arrived.push_back(frame);
            } else {
                dropped += 1;
            }
        }
        dropped
    }

    pub(super) fn has_arrived(&self, now: u64) -> bool {
        !self.arrived.is_empty() || self.has_flown(now)
    }

    fn has_flown(&self, now: u64) -> bool {
        self.flying.first_key_value().is_some_and(|((arrival, _), _)| *arrival <= now)
    }

    pub(super) fn next_after(&self, now: u64) -> Option<u64> {
        let after = (now.checked_add(1)?, 0);
        self.flying.range(after..).next().map(|((arrival, _), _)| *arrival)
    }
}

impl Frame {
    fn damage(&mut self, flips: u64, undetected: bool) {
        self.checked = false;
        let count = if undetected { 1 } else { 1 + flips % 8 };
        // The check sequence is part of the frame; a device that overlooks damage may have it anywhere else.
        let bits = (self.bytes.len() - if undetected { 4 } else { 0 }) as u64 * 8;
        let mut random = Random(flips);
        for _ in 0..count.min(bits) {
            let bit = random.below(bits);
            self.bytes[(bit / 8) as usize] ^= 1 << (bit % 8);
        }
    }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// Evenly spread below `bound`, which is not zero.
    fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    fn happens(&mut self, chance: Chance) -> bool {
        self.below(1_000_000) < u64::from(chance.0)
    }
}

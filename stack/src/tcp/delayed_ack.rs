//! When an acknowledgment is sent: RFC 9293 §3.8.6.3, RFC 1122 §4.2.3.2, RFC 5681 §4.2.
//!
//! Invariant: whatever came is acknowledged within the delay, and at once where the peer may wait for it: at every second
//! full segment (SHLD-19), when the window that it knows has no room for another, and when what came shows a
//! hole, fills one or repeats. Segments above a hole have a duplicate acknowledgment each, also those that one poll takes
//! in, so that a sender can count three of them.
//!
//! What a full segment is shows in what the peer sends, for its path may be narrower than its word. A batch that came as
//! one is as many segments as it was on the wire.
//!
//! The first segments of a connection, and four times as many that follow a hole, are acknowledged one by one
//! ([`super::TcpConfig::quick_acks`]): a sender in slow start counts acknowledgments, and one that has lost something has a
//! small window, of which an acknowledgment that waits for a second segment holds back a large part. An answer of ours to
//! what came shows a conversation, in which answers carry them, and ends that.

use super::connection::{Connection, Deadline, Owed};
use super::shared::Shared;
use crate::time::Instant;

/// What is shorter than the segment that every path carries (RFC 9293 MUST-15) says nothing of the peer's full ones.
const LEAST_FULL: u16 = 536;

/// Duplicate acknowledgments that may be owed at once: one turn's worth of segments.
const MOST_DUPLICATES: u32 = 16;

/// How many times [`super::TcpConfig::quick_acks`] are acknowledged one by one behind a hole: where one of a hundred is
/// lost, and windows are of some ten segments, most of what comes between two holes.
const BEHIND_A_HOLE: u8 = 4;

impl Connection {
    /// What a full segment of the peer's is: as long as ours until it shows, and shorter when two in a row are equally so.
    /// Where several came as one, a device or we saw how long each was: `seen` of `segments`.
    pub(super) fn learn_size(&mut self, seen: u16, segments: u32) {
        let before = core::mem::replace(&mut self.receive.last_size, seen);
        let repeated = segments > 1 || seen == before;
        if seen > self.receive.mss || (repeated && seen >= LEAST_FULL) {
            self.receive.mss = seen;
        }
    }

    /// Data has moved RCV.NXT on: `segments` of them, which may have filled a hole.
    pub(super) fn owe(&mut self, segments: u32, fills_hole: bool, now: Instant, shared: &Shared<'_>) {
        // Duplicates of an older number would now be duplicates of this one.
        self.receive.duplicates = 0;
        let left = self.receive.edge.since(self.receive.nxt);
        let second = segments > 1 || self.unacknowledged() >= 2 * u32::from(self.receive.mss);
        // No second full segment comes into a window that has no room for it.
        let last = left < u32::from(self.receive.mss);
        let quick = self.receive.quick > 0;
        self.receive.quick = self.receive.quick.saturating_sub(1);
        if fills_hole || second || last || quick {
            self.owe_now();
        } else if self.receive.owed == Owed::Nothing {
            self.receive.owed = Owed::Later;
            self.ack_at = Deadline::at(now + shared.config.ack_delay);
        }
    }

    pub(super) fn owe_now(&mut self) {
        self.receive.owed = Owed::Now;
    }

    /// `segments` came above a hole: RFC 5681 §4.2 asks for a duplicate acknowledgment for each.
    pub(super) fn owe_duplicates(&mut self, segments: u32, shared: &mut Shared<'_>) {
        self.receive.duplicates = (u32::from(self.receive.duplicates) + segments).min(MOST_DUPLICATES) as u8;
        self.receive.quick = shared.config.quick_acks.saturating_mul(BEHIND_A_HOLE);
        shared.above_holes = shared.above_holes.wrapping_add(u32::from(self.sack));
        self.owe_now();
    }

    /// What came since an acknowledgment was sent.
    fn unacknowledged(&self) -> u32 {
        self.receive.nxt.since(self.receive.acknowledged)
    }

    /// Commits: a segment with `len` bytes of data has carried an acknowledgment.
    pub(super) fn acknowledgment_sent(&mut self, len: u32, shared: &mut Shared<'_>) {
        if len > 0 && core::mem::take(&mut self.receive.last_size) > 0 {
            self.receive.quick = 0;
        }
        // RFC 5681 §2: what brings data, or acknowledges some, is no duplicate.
        if len == 0 && self.unacknowledged() == 0 {
            self.receive.duplicates = self.receive.duplicates.saturating_sub(1);
        }
        self.receive.acknowledged = self.receive.nxt;
        self.receive.owed = if self.receive.duplicates > 0 { Owed::Now } else { Owed::Nothing };
        self.ack_at = Deadline::NEVER;
        self.byte_counts_sent(shared);
        if let Some(intake) = shared.intakes.of_mut(self.intake) {
            intake.reassembly.repeated.told();
        }
    }
}

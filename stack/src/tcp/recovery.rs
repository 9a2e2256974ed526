//! Loss recovery: fast retransmit and NewReno's fast recovery (RFC 5681 §3.2, RFC 6582).
//!
//! Invariant: the head of the queue is sent again at most once for each hole that an acknowledgment reveals.

use super::seq::Seq;

/// Duplicates, and where recovery ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recovery {
    /// RFC 6582 "recover": the highest number sent when loss was last noticed.
    recover: Seq,
    duplicates: u8,
    active: bool,
    /// The segment at SND.UNA is to be sent again.
    pub(super) retransmit: bool,
    /// What has left the network during recovery, on top of the congestion window (RFC 5681 §3.2 (3), (4)).
    pub(super) inflation: u32,
}

/// What an acknowledgment means for recovery.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// Nothing is lost.
    Normal,
    /// The third duplicate: recovery begins.
    Entered,
    /// One more duplicate while recovering.
    Inflate,
    /// A hole is filled, the next one shows (RFC 6582 §3.2 (3)).
    Partial,
    /// Everything that was sent before the loss has arrived.
    Recovered,
}

impl Recovery {
    pub(super) const fn new(una: Seq) -> Self {
        Self { recover: una, duplicates: 0, active: false, retransmit: false, inflation: 0 }
    }

    /// A duplicate acknowledgment (RFC 5681 §2). `una` is what it acknowledges, `max` the highest number sent.
    pub(super) fn on_duplicate(&mut self, una: Seq, max: Seq, mss: u16) -> Verdict {
        self.duplicates = self.duplicates.saturating_add(1);
        if self.active {
            // RFC 5681 §3.2 (4): one more segment has left the network.
            self.inflation = self.inflation.saturating_add(u32::from(mss));
            return Verdict::Inflate;
        }
        // RFC 6582 §3.2 (2): duplicates of before the last loss do not count.
        if self.duplicates != 3 || una.before(self.recover) {
            return Verdict::Normal;
        }
        self.active = true;
        self.recover = max;
        self.retransmit = true;
        // RFC 5681 §3.2 (3): three segments have left the network.
        self.inflation = 3 * u32::from(mss);
        Verdict::Entered
    }

    /// An acknowledgment of `bytes` new ones, up to `una`.
    pub(super) fn on_advance(&mut self, una: Seq, bytes: u32, mss: u16) -> Verdict {
        self.duplicates = 0;
        self.retransmit = false;
        if !self.active {
            return Verdict::Normal;
        }
        if una.before(self.recover) {
            self.retransmit = true;
            self.deflate(bytes, mss);
            return Verdict::Partial;
        }
        self.active = false;
        self.inflation = 0;
        Verdict::Recovered
    }

    /// RFC 6582 §3.2 (3): what a partial acknowledgment covers was counted when it left, but for one segment.
    fn deflate(&mut self, bytes: u32, mss: u16) {
        self.inflation = self.inflation.saturating_sub(bytes);
        if bytes >= u32::from(mss) {
            self.inflation += u32::from(mss);
        }
    }

    /// Whether what is acknowledged up to `ack` may have been sent twice: it was sent before the last loss was noticed.
    pub(super) fn repeats(&self, ack: Seq) -> bool {
        !ack.after(self.recover)
    }

    /// The timer expired: everything is to be sent again (RFC 6582 §4, "retransmit timeouts").
    pub(super) fn on_timeout(&mut self, max: Seq) {
        *self = Self { recover: max, duplicates: 0, active: false, retransmit: false, inflation: 0 };
    }

    /// A third duplicate's room for new segments: limited transmit (RFC 3042) allows one for each of the first two.
    pub(super) fn limited_transmit(&self, mss: u16) -> u32 {
        if self.active { 0 } else { u32::from(self.duplicates.min(2)) * u32::from(mss) }
    }
}

//! What came twice, and what a peer is told of it and of what came before its time: D-SACK (RFC 2883) and SACK (RFC 2018).
//!
//! Invariant: what came twice is told once, in the first block of the next segment that has blocks at all. Behind it stand
//! the blocks that hold data, the one that changed last first (RFC 2018 §4), so that each is told at least three times
//! before newer ones displace it. A repetition that continues the last one is told with it; of others that come before
//! anything is sent the newest counts.

use super::connection::Connection;
use super::intake::Intake;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::Shared;
use crate::wire::tcp_options::SackBlocks;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(super) struct Repeated {
    start: Seq,
    len: u32,
}

impl Repeated {
    pub(super) const NOTHING: Self = Self { start: Seq(0), len: 0 };

    /// The numbers from `start` to `end` came again.
    pub(super) fn add(&mut self, start: Seq, end: Seq) {
        let continues = self.len > 0 && start == self.start + self.len;
        match continues {
            true => self.len += end.since(start),
            false => *self = Self { start, len: end.since(start) },
        }
    }

    pub(super) const fn is_nothing(&self) -> bool {
        self.len == 0
    }

    /// Commits: a segment has told of it.
    pub(super) fn told(&mut self) {
        *self = Self::NOTHING;
    }
}

impl Connection {
    /// What of `segment` lies below RCV.NXT came twice.
    pub(super) fn note_repeated(&mut self, segment: &Arrival, shared: &mut Shared<'_>) {
        let (start, next) = (segment.seq, self.receive.nxt);
        if self.sack && start.before(next) && !segment.payload.is_empty() {
            let len = next.since(start).min(segment.payload.len() as u32);
            if let Some(intake) = self.take_intake(shared) {
                intake.reassembly.repeated.add(start, start + len);
            }
        }
    }

    /// Question: data bytes of a full segment that is sent now, beside its blocks.
    pub(super) fn full_size(&self, shared: &Shared<'_>) -> u32 {
        let all = self.intake(shared).map_or(0, |intake| intake.reassembly.told());
        // RFC 2018 §3: beside timestamps there is room for three; two bytes, two of padding, and eight a block.
        let counts = self.byte_counts_len(shared);
        let most = SackBlocks::most_beside(usize::from(self.fixed_options_len()) + counts) as u32;
        let blocks = if self.sack { all.min(most) } else { 0 };
        let taken = if blocks > 0 { 4 + 8 * blocks } else { 0 };
        u32::from(self.send.mss) - taken - counts as u32
    }

    /// Question: the blocks that a segment which is sent now has.
    pub(super) fn sack_blocks(&self, shared: &Shared<'_>) -> SackBlocks {
        let mut told = SackBlocks::default();
        let Some(Intake { reassembly, .. }) = self.intake(shared).filter(|_| self.sack) else { return told };
        let repeated = reassembly.repeated;
        if !repeated.is_nothing() {
            told.push(repeated.start.0, (repeated.start + repeated.len).0);
        }
        for block in reassembly.blocks.by_age(&shared.blocks) {
            // A FIN has a number too.
            if !told.push(block.start.0, (block.end() + u32::from(block.fin)).0) {
                break;
            }
        }
        told
    }
}

//! Selective acknowledgments: what of a peer's blocks is believed, and what they show to be lost (RFC 2018, RFC 2883,
//! RFC 6675).
//!
//! Invariant: a block that is not within what is in flight changes nothing. A segment brings at most four, each of which
//! walks at most the runs of its connection, and crumbs make no more of these than there are segments in flight and a few.
//! So no peer makes us work without bound.

use super::delivery::Acknowledgment;
use super::runs::{NIL, Runs};
use super::scoreboard::{Arrived, Scoreboard};
use super::seq::Seq;
use crate::wire::tcp_options::SackBlocks;

/// The blocks of a segment in sequence order, and what of it was a report of duplicate data (RFC 2883).
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Blocks {
    blocks: [(Seq, Seq); SackBlocks::MOST],
    count: usize,
    pub(super) duplicate: Option<(Seq, Seq)>,
    /// Some block was none that an honest peer could send.
    pub(super) has_refused: bool,
}

/// Where a sender stands that is sent blocks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Bounds {
    /// The oldest number that may still be spoken of.
    pub(super) oldest: Seq,
    pub(super) una: Seq,
    pub(super) nxt: Seq,
    /// The number behind all that was sent, probes of a window included.
    pub(super) max: Seq,
}

impl Blocks {
    pub(super) const NONE: Self =
        Self { blocks: [(Seq(0), Seq(0)); SackBlocks::MOST], count: 0, duplicate: None, has_refused: false };

    /// What is believed of `option`, in a segment that acknowledges up to `ack`, by a sender that stands within `bounds`.
    pub(super) fn new(option: &SackBlocks, ack: Seq, bounds: &Bounds) -> Self {
        let mut found = Self::default();
        let una = bounds.una.later(ack);
        let mut blocks = option.iter().map(|(first, behind)| (Seq(first), Seq(behind)));
        let first = blocks.next();
        let second = option.iter().nth(1).map(|(first, behind)| (Seq(first), Seq(behind)));
        // RFC 2883 §4: the first block is below the acknowledgment, or part of the second one.
        found.duplicate = first.filter(|&(start, end)| {
            let is_old = !end.after(ack) && !start.before(bounds.oldest);
            let is_inside = second.is_some_and(|(from, to)| !start.before(from) && !end.after(to));
            start.before(end) && !end.after(bounds.max) && (is_old || is_inside)
        });
        let rest = first.filter(|_| found.duplicate.is_none()).into_iter().chain(blocks);
        for (start, end) in rest {
            // RFC 2018 §3: a block begins behind a hole, and ends where something was sent.
            if !start.before(end) || !start.after(ack) || end.after(bounds.max) {
                found.has_refused = true;
                continue;
            }
            // What is acknowledged already, by another segment, is no news.
            if start.after(una) && !end.after(bounds.nxt) {
                found.blocks[found.count] = (start, end);
                found.count += 1;
            }
        }
        found.blocks[..found.count].sort_unstable_by_key(|(start, _)| start.since(una));
        found
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.count == 0 && self.duplicate.is_none()
    }
}

/// Notes `blocks` on `board`. `on` hears of what is new.
pub(super) fn take(
    board: &mut Scoreboard,
    runs: &mut Runs<'_>,
    ack: &Acknowledgment,
    blocks: &Blocks,
    mut on: impl FnMut(&Arrived),
) {
    for &(start, end) in &blocks.blocks[..blocks.count] {
        if end.since(start) < ack.mss.into() && board.is_crumbled(ack.mss) {
            continue;
        }
        board.on_sacked(runs, start.later(ack.una), end, &mut on);
    }
}

/// RFC 6675 §4, IsLost(): takes for lost what more than two segments, or three blocks, beyond it have arrived. Returns how
/// many bytes that are.
pub(super) fn detect(board: &mut Scoreboard, runs: &mut Runs<'_>, mss: u16) -> u32 {
    let (mut bytes, mut blocks, mut lost) = (0, 0, 0);
    let mut at = if board.sacked() > 0 { board.last() } else { NIL };
    while let Some(&run) = runs.at(at) {
        if run.marks.sacked {
            bytes += run.len();
            blocks += 1;
        } else if bytes > 2 * u32::from(mss) || blocks >= 3 {
            // What was sent again and is lost once more only the timer finds.
            lost += if run.marks.repeated { board.lose_original(runs, at) } else { board.lose_run(runs, at) };
        }
        at = run.before;
    }
    lost
}

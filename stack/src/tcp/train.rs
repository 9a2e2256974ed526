//! Runs that no device cuts: planned, recorded and described by one header as one, and cut where they leave.
//!
//! Invariant: on the wire and in the books a run is what its segments would have been one by one. They are full ones of new
//! data, or of what is lost in a row, that differ in their numbers, and the last in its flags (RFC 9293 §3.9.1.2: the end of what was given is pushed).
//! What a NIC did not take of a run is as if it had never been planned. The queue is cut at the run's end; where sums are
//! to be kept, at each segment's, unless its chunk keeps them itself.

use lendwire_nic::Differing;

use super::connection::Connection;
use super::header;
use super::output::Plan;
use super::send_queue::{Cuts, Ending, Limits, Sums};
use super::shared::Shared;
use crate::ip::Cut;
use crate::time::Instant;
use crate::wire::tcp::{FLAGS_OFFSET, Flags, HEADER_LEN, SEQUENCE_OFFSET};

impl Connection {
    /// Question: whether runs of segments of `size` bytes may leave.
    pub(super) fn may_cut(&self, size: u32) -> bool {
        // Blocks change from segment to segment.
        size == u32::from(self.send.mss) && !self.ecn.is_first()
    }

    /// [`Connection::prepare`] for new data, a segment or a run.
    pub(super) fn prepare_next(&mut self, cell: u32, want: u32, limits: Limits, shared: &mut Shared<'_>) -> u32 {
        if want <= limits.size || limits.cuts == Cuts::Device {
            return self.prepare(cell, want, Ending::Exact, limits, shared);
        }
        let len = match limits.sums {
            Sums::Keep => self.send.queue.prepare_each(cell, want as usize, limits, shared) as u32,
            Sums::Skip => self.prepare(cell, want, Ending::Exact, limits, shared),
        };
        if len <= limits.size || shared.cells.available() > 0 {
            return len;
        }
        // What a full ring would leave of a run could not be cut off.
        self.prepare(cell, limits.size, Ending::Exact, limits, shared)
    }

    /// The segments of `plan`.
    pub(super) fn train<'q>(&self, plan: &Plan, now: Instant, shared: &'q Shared<'_>) -> Cut<'q> {
        let payload = self.payload(plan, shared);
        let one = payload.clone().split_to(plan.size as usize);
        let first = self.headed(plan, plan.flags.difference(Flags::PSH | Flags::FIN), one, now, shared);
        let len = HEADER_LEN + usize::from(self.fixed_options_len());
        let last = (FLAGS_OFFSET, header::offset_and_flags(len, plan.flags));
        Cut { first, payload, differing: Differing { number: SEQUENCE_OFFSET, checksum: None, last } }
    }

    /// Makes `plan` what its first `packets` segments are. Says whether there were more.
    pub(super) fn shorten(&mut self, plan: &mut Plan, packets: usize, limits: Limits, shared: &mut Shared<'_>) -> bool {
        let len = packets as u32 * plan.size;
        let Some(cell) = plan.cell.filter(|_| len < plan.len) else { return false };
        let prepared = self.send.queue.prepare(cell, len as usize, Ending::Exact, limits, shared);
        debug_assert_eq!(prepared, len as usize, "a cell was left for this cut");
        (plan.len, plan.flags) = (len, plan.flags.difference(Flags::PSH | Flags::FIN));
        true
    }
}

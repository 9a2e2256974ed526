//! Bytes that came with each ECN codepoint, told and heard by AccECN's options (RFC 9768 §3.2.3).
//!
//! Invariant: what is told never goes back. The counts live with what a connection holds while data arrives, so who loses
//! that tells none from then on, and the counter of packets in the header does alone. A connection without accurate feedback
//! looks at its mode and at nothing else here.
//!
//! An option goes with the first segment of each side, and with every one that has something new to tell: what nobody sends
//! data to tells nothing new. Left out: tests of whether options are dropped on their way (§3.2.3.2.1), but that a SYN-ACK
//! which goes again has none.

use super::connection::Connection;
use super::ecn::{self, Feedback};
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::{Shared, TcpConfig};
use crate::wire::accurate_ecn::{ByteCounts, MODULUS};
use crate::wire::tcp_options::{LONGEST, SackBlocks};

/// The counter of packets that a header shows goes round after so many.
const ROUND: u32 = 8;

/// r.e0b, r.ceb and r.e1b (RFC 9768 §3.2.1).
#[derive(Clone, Copy, Debug)]
pub(super) struct Told {
    ect_0: u32,
    marked: u32,
    ect_1: u32,
    /// The codepoint that was counted last.
    last: u8,
    /// All of it was told.
    is_told: bool,
}

impl Told {
    const START: Self = Self { ect_0: 1, marked: 0, ect_1: 1, last: ecn::NOT_CAPABLE, is_told: true };

    /// Counts `bytes` that came with `codepoint`. Says whether others had come before.
    fn count(&mut self, codepoint: u8, bytes: u32) -> bool {
        let counter = match codepoint {
            ecn::ECT_0 => &mut self.ect_0,
            ecn::ECT_1 => &mut self.ect_1,
            ecn::MARKED => &mut self.marked,
            _ => return false,
        };
        *counter = (*counter + bytes) % MODULUS;
        self.is_told = false;
        let last = core::mem::replace(&mut self.last, codepoint);
        last != codepoint && last != ecn::NOT_CAPABLE
    }

    /// The counter of ECT(1) is left out while nothing has come so: shorter options say the rest.
    fn option(&self) -> ByteCounts {
        let ect_1 = Some(self.ect_1).filter(|&count| count != Self::START.ect_1);
        ByteCounts { ect_0: Some(self.ect_0), marked: Some(self.marked), ect_1 }
    }
}

/// What the peer has told of marked bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// Nothing that what comes could be held against.
    Nothing,
    /// s.ceb, and s.cep as it stood then.
    Marked { bytes: u32, packets: u8 },
    /// §3.2.3.2.2: the path clears fields, so what they say means nothing.
    Ignored,
}

/// How short new segments are of which the next option may tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shortest {
    /// Of those that are not full.
    len: u32,
    /// Up to here full ones were shorter than they are now, and count, too.
    until: Seq,
}

impl Shortest {
    /// Of a flight that begins at `nxt`.
    pub(super) const fn new(nxt: Seq) -> Self {
        Self { len: u32::MAX, until: nxt }
    }

    /// One of `len` bytes, which is not full, was sent.
    pub(super) fn sent(&mut self, len: u32) {
        self.len = self.len.min(len);
    }

    /// What was full up to `nxt` had `mss` bytes at the most, and what follows may have more.
    pub(super) fn grows(&mut self, mss: u16, nxt: Seq) {
        (self.len, self.until) = (self.len.min(least_full(mss)), nxt);
    }
}

/// How short a full segment may be: all other options may stand in it.
fn least_full(mss: u16) -> u32 {
    u32::from(mss).saturating_sub(LONGEST as u32)
}

impl Connection {
    fn is_accurate(&self) -> bool {
        matches!(self.ecn, Feedback::Accurate(_))
    }

    /// The counts of a connection to which data comes for the first time.
    pub(super) fn fresh_told(&self, config: &TcpConfig) -> Option<Told> {
        (self.is_accurate() && config.ecn_option && self.bytes_received() == 0).then_some(Told::START)
    }

    /// What a connection that begins to send holds the peer's options against.
    pub(super) fn fresh_heard(&self) -> Heard {
        let is_first = self.send.una == self.send.first;
        let packets = self.ecn.packets_heard().filter(|_| is_first);
        packets.map_or(Heard::Nothing, |packets| Heard::Marked { bytes: 0, packets })
    }

    /// Data has come, and was found good.
    pub(super) fn count_bytes(&mut self, segment: &Arrival, shared: &mut Shared<'_>) {
        if !self.is_accurate() || segment.payload.is_empty() {
            return;
        }
        let (codepoint, bytes) = (segment.traffic_class & ecn::CODEPOINT, segment.payload.len() as u32);
        let Some(told) = self.take_intake(shared).and_then(|intake| intake.told.as_mut()) else { return };
        if told.count(codepoint, bytes) {
            // RFC 9768 §3.2.3.3: that another counter grows is told at once.
            self.owe_now();
        }
    }

    /// The option of a segment that is sent now.
    pub(super) fn byte_counts(&self, shared: &Shared<'_>) -> Option<ByteCounts> {
        if !self.is_accurate() {
            return None;
        }
        let told = self.intake(shared).and_then(|intake| intake.told.as_ref());
        match told.filter(|told| !told.is_told) {
            Some(told) => Some(told.option()).filter(|counts| self.leaves_blocks(counts.len(), shared)),
            // The last segment of our handshake: the peer learns that options arrive.
            None => Some(ByteCounts::START).filter(|_| shared.config.ecn_option && self.ecn.is_first()),
        }
    }

    /// RFC 9768 §3.2.3.3: beside an option of `len` bytes there is a place for two blocks, if there are as many.
    fn leaves_blocks(&self, len: usize, shared: &Shared<'_>) -> bool {
        let blocks = self.intake(shared).filter(|_| self.sack).map_or(0, |intake| intake.reassembly.told());
        SackBlocks::most_beside(usize::from(self.fixed_options_len()) + len) >= blocks.min(2) as usize
    }

    /// Bytes that the option takes.
    pub(super) fn byte_counts_len(&self, shared: &Shared<'_>) -> usize {
        self.byte_counts(shared).map_or(0, |counts| counts.len())
    }

    /// Commits: a segment was sent, and what it tells of blocks is not committed yet.
    pub(super) fn byte_counts_sent(&self, shared: &mut Shared<'_>) {
        if self.byte_counts(shared).is_some()
            && let Some(told) = shared.intakes.of_mut(self.intake).and_then(|intake| intake.told.as_mut())
        {
            told.is_told = true;
        }
    }

    /// How many bytes `segment` says were marked, where its header tells of `packets`; `moves_on` that none later was seen.
    pub(super) fn marked_bytes(
        &mut self,
        segment: &Arrival,
        packets: u32,
        moves_on: bool,
        shared: &mut Shared<'_>,
    ) -> u32 {
        if self.ecn.says_reduced() {
            // A classic peer means the whole.
            return packets.saturating_mul(u32::MAX);
        }
        if packets > 0
            && let Some(flight) = self.flight_mut(shared)
        {
            flight.marked = flight.marked.wrapping_add(packets);
        }
        let bytes =
            segment.byte_counts.filter(|_| moves_on).and_then(|counts| self.hear_counts(counts, segment.ack?, shared));
        // Appendix A.3: else from packets of full size. Of the two the larger word counts where one says nothing.
        bytes.filter(|&bytes| bytes > 0).unwrap_or(packets.saturating_mul(self.send.mss.into()))
    }

    fn hear_counts(&mut self, counts: ByteCounts, ack: Seq, shared: &mut Shared<'_>) -> Option<u32> {
        // Before it has come round no counter but that of marks can be zero.
        let is_young = self.bytes_acknowledged() < u64::from(MODULUS) - 1;
        let is_cleared = is_young && [counts.ect_0, counts.ect_1].contains(&Some(0));
        let (packets, full) = (self.ecn.packets_heard()?, least_full(self.send.mss));
        let flight = self.flight_mut(shared).filter(|flight| flight.heard != Heard::Ignored)?;
        if is_cleared {
            flight.heard = Heard::Ignored;
            return None;
        }
        let bytes = counts.marked?;
        let shortest = flight.shortest.len.min(full);
        if !flight.small.after(ack) && !flight.shortest.until.after(ack) {
            // All that the next option tells of is full.
            flight.shortest = Shortest::new(ack);
        }
        match core::mem::replace(&mut flight.heard, Heard::Marked { bytes, packets }) {
            Heard::Marked { bytes: before, packets: then } => {
                let more = Some(bytes.wrapping_sub(before) % MODULUS).filter(|&more| more < MODULUS / 2)?;
                // RFC 9768 §3.2.3.2.5: bytes of marked packets, and no packets. Eight would have led the three bits round
                // to where they stood; so many do not fit into these bytes.
                if more > 0 && packets == then && more < ROUND * shortest {
                    self.ecn.give_up();
                }
                Some(more)
            }
            Heard::Nothing | Heard::Ignored => None,
        }
    }
}

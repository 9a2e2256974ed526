//! The counters of stack, driver and image, gathered for the pages.

use lendwire::Reason;
use lendwire_nic::{Fault, Pool};

use super::{Supplies, Turn};
use crate::counters::{Counters, PoolUse};

/// The last counters that were gathered.
#[derive(Debug)]
pub(super) struct Report {
    drops: [(&'static str, u64); Reason::ALL.len() + Fault::ALL.len()],
}

impl Report {
    pub(super) const fn new() -> Self {
        Self { drops: [("", 0); Reason::ALL.len() + Fault::ALL.len()] }
    }

    pub(super) fn gather(&mut self, turn: &Turn<'_, '_>, supplies: &Supplies) -> Counters<'_> {
        let (stack, nic) = (&turn.stack, turn.surroundings.nic.statistics());
        let drops = stack.drops();
        let reasons = drops.iter().map(|(reason, count)| (reason.name(), count));
        let faults = Fault::ALL.into_iter().map(|fault| (fault.name(), nic.faults[fault as usize]));
        for (place, drop) in self.drops.iter_mut().zip(reasons.chain(faults)) {
            *place = drop;
        }
        let (work, tcp) = (stack.work(), stack.tcp_statistics());
        Counters {
            uptime_micros: turn.now.micros(),
            frames_received: nic.received,
            frames_sent: nic.sent,
            drops: &self.drops,
            payload_copied: work.copied + nic.copied,
            payload_summed: work.summed,
            payload_verified: work.verified,
            connections: tcp.accepted,
            segments_received: tcp.segments_received,
            segments_sent: tcp.segments_sent,
            retransmissions: tcp.retransmissions,
            timeouts: tcp.timeouts,
            resets: tcp.resets,
            kicks: nic.kicks,
            interrupts: nic.interrupts,
            allocations_after_start: turn.surroundings.allocations,
            receive_pool: pool_use(supplies.receive_pool),
            transmit_pool: pool_use(supplies.transmit_pool),
        }
    }
}

fn pool_use(pool: &Pool) -> PoolUse {
    PoolUse { slots: pool.slots() as u64, in_use: (pool.slots() - pool.available()) as u64 }
}

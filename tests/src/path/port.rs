//! The device that a stack on a path sees. It takes everything: what is too much is lost in the path's queue.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_nic::{Fault, Full, Interrupts, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool, RxPacket, TxPacket};

use super::frame::{Frame, PARTS};
use super::link::Link;
use super::trace::{Fate, Trace};
use super::world::Direction;
use crate::setup::Side;

/// Both directions, and what has arrived.
#[derive(Debug)]
pub(super) struct Wire {
    pub(super) links: [Link; 2],
    /// Frames that have arrived, by host.
    pub(super) arrived: Vec<VecDeque<Frame>>,
    /// The time, in nanoseconds.
    pub(super) now: u64,
    pub(super) trace: Option<Trace>,
}

/// One stack's device. Hosts with even numbers send forward, those with odd ones are their receivers.
pub(super) struct Port {
    wire: Rc<RefCell<Wire>>,
    host: usize,
    pool: &'static Pool,
    info: NicInfo,
    statistics: NicStatistics,
}

impl Port {
    pub(super) fn new(wire: &Rc<RefCell<Wire>>, host: usize, mtu: u16, pool: &'static Pool) -> Self {
        let side = if host.is_multiple_of(2) { Side::First } else { Side::Second };
        let info = NicInfo {
            name: "path",
            address: side.mac(),
            mtu,
            // What a checksum costs is measured elsewhere.
            offloads: Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM,
            max_parts: PARTS as u16,
            queues: 1,
        };
        Self { wire: Rc::clone(wire), host, pool, info, statistics: NicStatistics::default() }
    }
}

impl Nic for Port {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        let frame = Frame::of(packet);
        self.statistics.sent += 1;
        self.statistics.sent_bytes += u64::from(frame.len());
        let wire = &mut *self.wire.borrow_mut();
        let direction = Direction::from(self.host);
        let tapped = wire.trace.as_ref().and_then(|trace| trace.read(direction, self.host / 2, &frame));
        let fate = wire.links[direction as usize].offer(frame, self.host ^ 1, wire.now);
        if let (Some(trace), Some(segment), Direction::Forward) = (&mut wire.trace, tapped, direction) {
            trace.sent(wire.now, segment, Fate::from(fate));
        }
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let wire = &mut *self.wire.borrow_mut();
        let frame = wire.arrived[self.host].pop_front()?;
        if let (Some(trace), Direction::Forward) = (&mut wire.trace, Direction::from(self.host)) {
            trace.arrived(wire.now, self.host / 2, &frame);
        }
        self.statistics.received += 1;
        self.statistics.received_bytes += u64::from(frame.len());
        let packet = frame.arrive(self.pool);
        if packet.is_none() {
            self.statistics.count(Fault::NoSlot);
        }
        packet
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, _: Interrupts) -> Pending {
        if self.wire.borrow().arrived[self.host].is_empty() { Pending::Nothing } else { Pending::Work }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

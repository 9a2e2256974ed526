//! The device under a scripted peer: every frame is bytes, and the test decides how many the ring takes. Runs of
//! segments are cut on the way out where the device is one that does, and may arrive as one on the way in.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_nic::{
    Fault, Full, Interrupts, Nic, NicInfo, NicStatistics, Offload, Offloads, Pending, Pool, Received, RxPacket,
    TxPacket,
};

use crate::cutter;

/// The frames of both directions.
#[derive(Debug, Default)]
struct Shared {
    to_stack: VecDeque<Arriving>,
    from_stack: VecDeque<Vec<u8>>,
    taken: Vec<Taken>,
    /// Frames that the ring still takes; without a number it takes all.
    room: Option<usize>,
    refused: u64,
    tag: Option<u16>,
}

/// A frame on its way to the stack, and what the device will say of it.
#[derive(Debug)]
pub struct Arriving {
    /// From the Ethernet header on.
    pub frame: Vec<u8>,
    /// Whether its checksum was checked.
    pub checksum: Received,
    /// Payload bytes of each of the segments that it was made of.
    pub segment_size: Option<u16>,
}

impl From<Vec<u8>> for Arriving {
    /// As most devices hand it up: nothing is known of it.
    fn from(frame: Vec<u8>) -> Self {
        Self { frame, checksum: Received::Unchecked, segment_size: None }
    }
}

/// What the stack asked of the device for one packet.
#[derive(Clone, Copy, Debug)]
pub struct Taken {
    /// Its flow.
    pub flow: u32,
    /// Its offload.
    pub offload: Offload,
    /// Frames that it became.
    pub frames: usize,
}

/// The stack's end.
pub struct Cable {
    shared: Rc<RefCell<Shared>>,
    pool: &'static Pool,
    info: NicInfo,
    statistics: NicStatistics,
}

/// The test's end.
#[derive(Clone, Debug)]
pub struct Hand {
    shared: Rc<RefCell<Shared>>,
}

impl Cable {
    /// A cable whose frames arrive in slots of `pool`.
    #[must_use]
    pub fn new(info: NicInfo, pool: &'static Pool) -> (Self, Hand) {
        let shared = Rc::new(RefCell::new(Shared::default()));
        let hand = Hand { shared: Rc::clone(&shared) };
        (Self { shared, pool, info, statistics: NicStatistics::default() }, hand)
    }
}

impl Hand {
    /// Puts a frame on the wire toward the stack.
    pub fn put(&self, frame: impl Into<Arriving>) {
        self.shared.borrow_mut().to_stack.push_back(frame.into());
    }

    /// What the device was asked for since the last call, packet by packet.
    #[must_use]
    pub fn taken(&self) -> Vec<Taken> {
        std::mem::take(&mut self.shared.borrow_mut().taken)
    }

    /// Takes the next frame that the stack sent.
    #[must_use]
    pub fn take(&self) -> Option<Vec<u8>> {
        self.shared.borrow_mut().from_stack.pop_front()
    }

    /// Lets the ring take `room` more frames, or any number.
    pub fn set_room(&self, room: Option<usize>) {
        self.shared.borrow_mut().room = room;
    }

    /// What the device says from now on of an 802.1Q tag that it took off each frame.
    pub fn set_tag(&self, tag: Option<u16>) {
        self.shared.borrow_mut().tag = tag;
    }

    /// How often the ring was full.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.shared.borrow().refused
    }
}

impl Nic for Cable {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        let mut shared = self.shared.borrow_mut();
        if shared.room == Some(0) {
            shared.refused += 1;
            return Err(Full);
        }
        let (offload, offloads) = (packet.offload, self.info.offloads);
        let can_cut = offload.segmentation.is_none_or(|cut| {
            offloads.contains(if cut.ipv6 { Offloads::TX_SEGMENT_V6 } else { Offloads::TX_SEGMENT_V4 })
        });
        if !can_cut || packet.payload().parts().count() > usize::from(self.info.max_parts) {
            self.statistics.count(Fault::Unsendable);
            return Ok(());
        }
        shared.room = shared.room.map(|room| room - 1);
        let frames = cutter::frames(packet);
        shared.taken.push(Taken { flow: packet.flow, offload, frames: frames.len() });
        shared.from_stack.extend(frames);
        self.statistics.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let Arriving { frame, checksum, segment_size } = self.shared.borrow_mut().to_stack.pop_front()?;
        let mut packet: Option<RxPacket> = None;
        for piece in frame.chunks(self.pool.slot_size()) {
            let mut slot = self.pool.take().expect("the pool of a scripted test does not run out");
            slot.bytes_mut()[..piece.len()].copy_from_slice(piece);
            let chunk = slot.freeze(piece.len());
            match &mut packet {
                None => packet = Some(RxPacket::new(chunk)),
                Some(packet) => {
                    if packet.room() == 0 {
                        packet.spill(self.pool.take().expect("the pool of a scripted test does not run out"));
                    }
                    packet.push(chunk).expect("a frame has less than 64 pieces");
                }
            }
        }
        self.statistics.received += 1;
        let mut packet = packet?;
        (packet.checksum, packet.segment_size) = (checksum, segment_size);
        packet.vlan = self.shared.borrow().tag;
        Some(packet)
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, _: Interrupts) -> Pending {
        if self.shared.borrow().to_stack.is_empty() { Pending::Nothing } else { Pending::Work }
    }

    fn statistics(&self) -> NicStatistics {
        self.statistics
    }
}

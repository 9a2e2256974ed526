//! The device under a scripted peer: every frame is bytes, and the test decides how many the ring takes.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::rc::Rc;

use lendwire_nic::{
    Checksum, Full, Interrupts, Nic, NicInfo, NicStatistics, Pending, Pool, Received, RxPacket, TxPacket,
};

use crate::frame;

/// The frames of both directions.
#[derive(Debug, Default)]
struct Shared {
    to_stack: VecDeque<Vec<u8>>,
    from_stack: VecDeque<Vec<u8>>,
    /// Frames that the ring still takes; without a number it takes all.
    room: Option<usize>,
    refused: u64,
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
    pub fn put(&self, frame: Vec<u8>) {
        self.shared.borrow_mut().to_stack.push_back(frame);
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
        shared.room = shared.room.map(|room| room - 1);
        shared.from_stack.push_back(assemble(packet));
        self.statistics.sent += 1;
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let frame = self.shared.borrow_mut().to_stack.pop_front()?;
        let mut packet: Option<RxPacket> = None;
        for piece in frame.chunks(self.pool.slot_size()) {
            let mut slot = self.pool.take().expect("the pool of a scripted test does not run out");
            slot.bytes_mut()[..piece.len()].copy_from_slice(piece);
            let chunk = slot.freeze(piece.len());
            match &mut packet {
                None => packet = Some(RxPacket::new(chunk)),
                Some(packet) => packet.push(chunk).expect("a frame has few pieces"),
            }
        }
        self.statistics.received += 1;
        let mut packet = packet?;
        packet.checksum = Received::Unchecked;
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

/// The frame as a wire would carry it, its checksum completed where the stack left that to the device.
fn assemble(packet: &TxPacket<'_>) -> Vec<u8> {
    let mut bytes = packet.header().to_vec();
    for part in packet.payload().parts() {
        bytes.extend_from_slice(part.bytes());
    }
    if let Checksum::Fill { start, offset } = packet.offload.checksum {
        let (start, at) = (usize::from(start), usize::from(start) + usize::from(offset));
        // The field holds the pseudo-header's sum already (virtio 1.2 §5.1.6.2).
        let checksum = !frame::sum(&[&bytes[start..]]);
        bytes[at..at + 2].copy_from_slice(&checksum.to_be_bytes());
    }
    bytes
}

//! The other end's device: frames in two queues.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use lendwire_nic::{
    Full, Interrupts, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool, Received, RxPacket, TxPacket,
};

/// What travels.
pub(crate) struct Frame {
    pub(crate) bytes: Vec<u8>,
    /// Payload bytes of each of the segments that a device is to make of it, or made it of; 0 for a frame as it is.
    pub(crate) segment_size: u16,
}

/// See the module.
pub(crate) struct Line {
    info: NicInfo,
    pool: &'static Pool,
    /// Frames that arrive.
    pub(crate) inward: VecDeque<Frame>,
    /// Frames that left.
    pub(crate) outward: VecDeque<Frame>,
}

impl Line {
    /// A device that receives into `pool`.
    pub(crate) fn new(mtu: u16, offloads: Offloads, pool: &'static Pool) -> Self {
        let address = MacAddress([2, 0, 0, 0, 0, 2]);
        let info = NicInfo { name: "line", address, mtu, offloads, max_parts: 48, queues: 1 };
        Self { info, pool, inward: VecDeque::new(), outward: VecDeque::new() }
    }
}

impl Nic for Line {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        let mut bytes = packet.header().to_vec();
        packet.payload().parts().for_each(|part| bytes.extend_from_slice(part.bytes()));
        let segment_size = packet.offload.segmentation.map_or(0, |cut| cut.size);
        self.outward.push_back(Frame { bytes, segment_size });
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let Frame { bytes, segment_size } = self.inward.pop_front()?;
        let mut slot = self.pool.take().expect("the other end has memory for what arrives");
        slot.bytes_mut()[..bytes.len()].copy_from_slice(&bytes);
        let mut packet = RxPacket::new(slot.freeze(bytes.len()));
        packet.segment_size = (segment_size > 0).then_some(segment_size);
        if self.info.offloads.contains(Offloads::RX_CHECKSUM) {
            packet.checksum = Received::Checked;
        }
        Some(packet)
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, _: Interrupts) -> Pending {
        Pending::Nothing
    }

    fn statistics(&self) -> NicStatistics {
        NicStatistics::default()
    }
}

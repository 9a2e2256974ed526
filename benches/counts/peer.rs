//! The other end's device: frames in two queues.

use std::collections::VecDeque;

use lendwire_nic::{
    Full, Interrupts, MacAddress, Nic, NicInfo, NicStatistics, Offloads, Pending, Pool, Received, RxPacket, TxPacket,
};

/// See the module.
pub(crate) struct Line {
    info: NicInfo,
    pool: &'static Pool,
    /// Frames that arrive.
    pub(crate) inward: VecDeque<Vec<u8>>,
    /// Frames that left.
    pub(crate) outward: VecDeque<Vec<u8>>,
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
        let mut frame = packet.header().to_vec();
        packet.payload().parts().for_each(|part| frame.extend_from_slice(part.bytes()));
        self.outward.push_back(frame);
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        let frame = self.inward.pop_front()?;
        let mut slot = self.pool.take().expect("the other end has memory for what arrives");
        slot.bytes_mut()[..frame.len()].copy_from_slice(&frame);
        let mut packet = RxPacket::new(slot.freeze(frame.len()));
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

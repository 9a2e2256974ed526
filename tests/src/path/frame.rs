//! A frame on its way: its headers, and a view of the sender's payload.

use lendwire_nic::{Checksum, Chunk, HEADER_ROOM, Pool, Received, RxPacket, TxPacket};

/// Payload parts of one frame.
pub(super) const PARTS: usize = 3;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// See the module.
#[derive(Debug)]
pub(super) struct Frame {
    headers: [u8; HEADER_ROOM],
    header_len: u8,
    parts: [Chunk; PARTS],
    checksum: Received,
    len: u32,
}

impl Frame {
    /// What `packet` is on the wire. Its payload goes along as the receiver would see it, without the sender's sums.
    ///
    /// # Panics
    /// If it has more than [`PARTS`] parts, or is one that a device would have to cut.
    pub(super) fn of(packet: &TxPacket<'_>) -> Self {
        assert!(packet.offload.segmentation.is_none(), "a path cuts no segments");
        let header = packet.header();
        let mut headers = [0; HEADER_ROOM];
        headers[..header.len()].copy_from_slice(header);
        let mut parts = [const { Chunk::EMPTY }; PARTS];
        for (place, part) in packet.payload().parts().enumerate() {
            parts[place] = part.hold().unsummed();
        }
        let checksum = match packet.offload.checksum {
            Checksum::Done => Received::Unchecked,
            Checksum::Fill { start, offset } => Received::Local { start, offset },
        };
        Self { headers, header_len: header.len() as u8, parts, checksum, len: packet.len() as u32 }
    }

    /// Bytes, from the Ethernet header on.
    pub(super) const fn len(&self) -> u32 {
        self.len
    }

    /// The headers, outermost first.
    pub(super) fn header(&self) -> &[u8] {
        &self.headers[..usize::from(self.header_len)]
    }

    /// Bytes of payload.
    pub(super) fn payload_len(&self) -> u32 {
        self.len - u32::from(self.header_len)
    }

    /// Whether it is IP of either version: ARP is let pass by everything that loses.
    pub(super) fn is_ip(&self) -> bool {
        matches!(self.headers[12..ETHERNET], [0x08, 0x00] | [0x86, 0xdd])
    }

    /// Marks it as having met congestion, if its sender is one that listens (RFC 3168 §5); says whether it is.
    pub(super) fn mark(&mut self) -> bool {
        match self.headers[12..ETHERNET] {
            [0x08, 0x00] if self.headers[ETHERNET + 1] & 3 != 0 => {
                let ip = &mut self.headers[ETHERNET..ETHERNET + 20];
                ip[1] |= 3;
                ip[10..12].fill(0);
                let sum = ip.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1])).sum::<u32>();
                let sum = (sum & 0xffff) + (sum >> 16);
                let folded = ((sum & 0xffff) + (sum >> 16)) as u16;
                ip[10..12].copy_from_slice(&(!folded).to_be_bytes());
                true
            }
            // The traffic class begins in the low half of the first byte.
            [0x86, 0xdd] if self.headers[ETHERNET + 1] & 0x30 != 0 => {
                self.headers[ETHERNET + 1] |= 0x30;
                true
            }
            _ => false,
        }
    }

    /// What the receiving stack gets: the headers in a slot of `pool`, the payload where it lies. `None` without a slot.
    pub(super) fn arrive(self, pool: &'static Pool) -> Option<RxPacket> {
        let mut slot = pool.take()?;
        slot.bytes_mut()[..usize::from(self.header_len)].copy_from_slice(self.header());
        let mut packet = RxPacket::new(slot.freeze(usize::from(self.header_len)));
        packet.checksum = self.checksum;
        for part in self.parts {
            if packet.room() == 0 {
                packet.spill(pool.take()?);
            }
            packet.push(part).expect("a packet has room for more parts than a frame has");
        }
        Some(packet)
    }
}

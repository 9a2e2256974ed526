//! The rules every driver has in common for a packet: can it ever be sent, and how is its checksum completed in software.

use lendwire_nic::{Checksum, NicInfo, Offloads, Segmentation, Sum, TxPacket};

/// An Ethernet header and one 802.1Q tag.
const LINK_HEADER: usize = 18;

/// Whether a device as `info` describes it can send `packet` at all.
#[must_use]
pub fn is_sendable(packet: &TxPacket<'_>, info: &NicInfo) -> bool {
    let offload = &packet.offload;
    let has = |wanted| info.offloads.contains(wanted);
    let checksum = match offload.checksum {
        Checksum::Done => true,
        // A device given an offset outside the frame would write there.
        Checksum::Fill { start, offset } => {
            has(Offloads::TX_CHECKSUM) && usize::from(start) + usize::from(offset) + 2 <= packet.header().len()
        }
    };
    let segmentation = match &offload.segmentation {
        None => packet.len() <= longest_frame(info),
        Some(cut) => is_cuttable(packet, cut, info),
    };
    let vlan = offload.vlan.is_none() || has(Offloads::VLAN_INSERT);
    checksum && segmentation && vlan && packet.payload().part_count() <= usize::from(info.max_parts)
}

/// Bytes of a packet that no device has to cut.
pub(crate) fn longest_frame(info: &NicInfo) -> usize {
    usize::from(info.mtu) + LINK_HEADER
}

/// Whether the device cuts `packet` into frames that fit the link.
fn is_cuttable(packet: &TxPacket<'_>, cut: &Segmentation, info: &NicInfo) -> bool {
    let wanted = if cut.ipv6 { Offloads::TX_SEGMENT_V6 } else { Offloads::TX_SEGMENT_V4 };
    let wanted = if cut.ecn { wanted | Offloads::TX_SEGMENT_ECN } else { wanted };
    let frame = packet.header().len() + usize::from(cut.size);
    // Every segment gets a checksum of its own (virtio 1.2 §5.1.6.2.1), and lengths of IP have 16 bits.
    info.offloads.contains(wanted)
        && packet.offload.checksum != Checksum::Done
        && cut.size > 0
        && frame <= usize::from(info.mtu) + LINK_HEADER
        && packet.len() <= usize::from(u16::MAX) + LINK_HEADER
}

/// Does what [`Checksum::Fill`] leaves to a device: `front` is a copy of the packet's headers.
///
/// # Panics
/// If the packet is not [sendable](is_sendable).
pub fn complete_checksum(front: &mut [u8], packet: &TxPacket<'_>) {
    let Checksum::Fill { start, offset } = packet.offload.checksum else { return };
    let start = usize::from(start);
    let payload = packet.payload().parts().fold(Sum::ZERO, |sum, part| sum.then(Sum::of(part.bytes())));
    let checksum = match Sum::of(&front[start..]).then(payload).checksum() {
        // RFC 768: a transmitted zero says that there is no checksum; its other form says zero.
        0 => 0xffff,
        checksum => checksum,
    };
    front[start + usize::from(offset)..][..2].copy_from_slice(&checksum.to_be_bytes());
}

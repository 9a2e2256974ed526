//! Ethernet frames in and out (IEEE 802.3 §3.1.1).

use lendwire_nic::{MacAddress, RxPacket, TxPacket};
use zerocopy::IntoBytes;

use crate::drops::Reason;
use crate::wire::ethernet::{EtherType, HEADER_LEN, Header};

/// To how many a packet was sent, by its IP destination and by its frame's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Delivery {
    /// To this host alone.
    Unicast,
    /// By broadcast or multicast of either layer: no error may answer it (RFC 1122 §3.2.2, RFC 4443 §2.4 e).
    Group,
}

/// What a frame's header said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) source: MacAddress,
    pub(crate) ethertype: EtherType,
    pub(crate) delivery: Delivery,
}

/// Takes the header off a frame for the station `mine`. Whether a group is listened to is for the layer above to say:
/// many groups share a hardware address.
pub(crate) fn open(packet: &mut RxPacket, mine: MacAddress) -> Result<Frame, Reason> {
    let header = Header::parse(packet.front()).ok_or(Reason::EthernetShort)?;
    let (source, destination, ethertype) = (header.source(), header.destination(), header.ethertype());
    if source.is_multicast() {
        return Err(Reason::EthernetSource);
    }
    // A tag that a device stripped names another network, unless it only carries a priority (IEEE 802.1Q §9.6).
    if packet.vlan.is_some_and(|tag| tag & 0xfff != 0) {
        return Err(Reason::EthernetType);
    }
    let delivery = match destination {
        destination if destination == mine => Delivery::Unicast,
        destination if destination.is_multicast() => Delivery::Group,
        _ => return Err(Reason::EthernetDestination),
    };
    packet.advance(HEADER_LEN);
    Ok(Frame { source, ethertype, delivery })
}

/// Puts the header on.
pub(crate) fn close(packet: &mut TxPacket<'_>, destination: MacAddress, source: MacAddress, ethertype: EtherType) {
    packet.push(HEADER_LEN).copy_from_slice(Header::new(destination, source, ethertype).as_bytes());
}

/// Takes it off again.
pub(crate) fn reopen(packet: &mut TxPacket<'_>) {
    packet.pop(HEADER_LEN);
}

//! The way of a packet whose next hop is known: checksum, headers, ring.
//!
//! Invariant: a packet that is not sent is given back as it came. RFC 791, RFC 6864 (one identification for all that must
//! not be fragmented), RFC 8200.

use core::net::IpAddr;

use lendwire_nic::{Checksum, Differing, Full, MacAddress, Nic, Offloads, Payload, Sum, Train, TxPacket, Work};
use zerocopy::IntoBytes;

use super::envelope::{Envelope, NotSent};
use crate::link::{self, InterfaceId};
use crate::wire::ethernet::{self, EtherType};
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;
use crate::wire::{ipv4, ipv6};

/// The way to a destination, good for the packets of one burst: nothing of it changes while nothing is received.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Way {
    pub(super) interface: InterfaceId,
    /// Whose hardware address the frames get.
    pub(super) destination: MacAddress,
    pub(super) source: MacAddress,
    pub(super) offloads: Offloads,
}

/// Packets that are cut out of one payload. None of them is kept if it is not sent: what it is of stays with who cuts.
#[derive(Debug)]
pub(crate) struct Cut<'q> {
    /// The first, complete but for IP's part.
    pub(crate) first: TxPacket<'q>,
    /// What all of them carry.
    pub(crate) payload: Payload<'q>,
    /// By places in the transport's header; the checksum is the envelope's to tell.
    pub(crate) differing: Differing,
}

impl Way {
    /// Output: [`Ip::send`] with everything looked up.
    pub(crate) fn send(
        &self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        packet: &mut TxPacket<'_>,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        let nic = nics.get_mut(self.interface.index()).ok_or(NotSent::NoRoute)?;
        fill_checksum(envelope, packet, self.offloads, work);
        let (header_len, ethertype) = push_header(envelope, packet).ok_or(NotSent::NoRoute)?;
        link::close(packet, self.destination, self.source, ethertype);
        if nic.transmit(packet).is_ok() {
            return Ok(());
        }
        link::reopen(packet);
        packet.pop(header_len);
        clear_checksum(envelope, packet);
        Err(NotSent::Full(self.interface))
    }

    /// Output: packets behind one another that differ little from the first. Returns how many were sent; fewer than all,
    /// and at least one, where the ring was full then.
    pub(crate) fn send_train(
        &self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        cut: Cut<'_>,
        work: &mut Work,
    ) -> Result<usize, NotSent> {
        let nic = nics.get_mut(self.interface.index()).ok_or(NotSent::NoRoute)?;
        let Cut { mut first, payload, differing } = cut;
        fill_checksum(envelope, &mut first, self.offloads, work);
        let (header_len, ethertype) = push_header(envelope, &mut first).ok_or(NotSent::NoRoute)?;
        link::close(&mut first, self.destination, self.source, ethertype);
        let transport = ethernet::HEADER_LEN + header_len;
        let (at, word) = differing.last;
        let differing = Differing {
            number: transport + differing.number,
            checksum: envelope
                .checksum
                .filter(|_| first.offload.checksum == Checksum::Done)
                .map(|offset| transport + usize::from(offset)),
            last: (transport + at, word),
        };
        let mut train = Train::new(first, payload, differing);
        let result = nic.transmit_train(&mut train);
        *work += train.work();
        match (result, train.sent()) {
            (Err(Full), 0) => Err(NotSent::Full(self.interface)),
            (Ok(()) | Err(Full), sent) => Ok(sent),
        }
    }
}

fn fill_checksum(envelope: &Envelope, packet: &mut TxPacket<'_>, offloads: Offloads, work: &mut Work) {
    let Some(offset) = envelope.checksum else { return };
    let is_transport = matches!(envelope.protocol, Protocol::TCP | Protocol::UDP);
    let value = if is_transport && offloads.contains(Offloads::TX_CHECKSUM) {
        packet.offload.checksum = Checksum::Fill { start: 0, offset };
        pseudo_header(envelope.source, envelope.destination, envelope.protocol, packet.len()).value()
    } else {
        checksum_of(envelope, packet, 0, work)
    };
    checksum_field(packet, offset).copy_from_slice(&value.to_be_bytes());
}

/// The checksum of the transport packet whose header begins at `start` of the headers, its own field zero as yet.
fn checksum_of(envelope: &Envelope, packet: &TxPacket<'_>, start: usize, work: &mut Work) -> u16 {
    let Envelope { source, destination, protocol, .. } = *envelope;
    let pseudo = pseudo_header(source, destination, protocol, packet.len() - start);
    let sum = pseudo.then(Sum::of(&packet.header()[start..])).then(packet.payload().sum(work));
    match sum.checksum() {
        // RFC 768: zero would say that there is none.
        0 if protocol == Protocol::UDP => 0xffff,
        checksum => checksum,
    }
}

fn clear_checksum(envelope: &Envelope, packet: &mut TxPacket<'_>) {
    let Some(offset) = envelope.checksum else { return };
    packet.offload.checksum = Checksum::Done;
    checksum_field(packet, offset).fill(0);
}

fn checksum_field<'p>(packet: &'p mut TxPacket<'_>, offset: u16) -> &'p mut [u8] {
    &mut packet.header_mut()[usize::from(offset)..][..2]
}

/// Puts the IP header on, and returns its length; nothing if source and destination are of different versions.
fn push_header(envelope: &Envelope, packet: &mut TxPacket<'_>) -> Option<(usize, EtherType)> {
    let len = packet.len();
    let Envelope { protocol, hop_limit, traffic_class, .. } = *envelope;
    match (envelope.source, envelope.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            debug_assert!(len + ipv4::HEADER_LEN <= usize::from(u16::MAX));
            let total = (len + ipv4::HEADER_LEN) as u16;
            let header = ipv4::Header::new(source, destination, protocol, total, hop_limit, traffic_class);
            packet.push(ipv4::HEADER_LEN).copy_from_slice(header.as_bytes());
            Some((ipv4::HEADER_LEN, EtherType::IPV4))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            debug_assert!(len <= usize::from(u16::MAX));
            let header = ipv6::Header::new(source, destination, protocol, len as u16, hop_limit, traffic_class);
            packet.push(ipv6::HEADER_LEN).copy_from_slice(header.as_bytes());
            Some((ipv6::HEADER_LEN, EtherType::IPV6))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

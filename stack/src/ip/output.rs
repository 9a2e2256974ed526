//! The way down: route, neighbour, checksum, headers, ring.
//!
//! Invariant: a packet that is not sent is given back as it came, so it can be tried again (RFC 1122 §2.3.2.2 wants it
//! kept while its next hop is asked for: the transports keep it). RFC 791, RFC 6864 (one identification for all that
//! must not be fragmented), RFC 8200.

use core::net::IpAddr;

use lendwire_nic::{Checksum, MacAddress, Nic, Offloads, Sum, TxPacket, Work};
use zerocopy::IntoBytes;

use super::Ip;
use super::envelope::{Envelope, NotSent};
use super::interface::Interface;
use super::reply::{Message, Precedence};
use super::route::Hop;
use crate::link::{self, InterfaceId, Resolution, Solicit};
use crate::time::Instant;
use crate::wire::address::group_mac;
use crate::wire::ethernet::EtherType;
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;
use crate::wire::{arp, ipv4, ipv6};

impl Ip<'_> {
    /// Output: completes and sends a packet of up to 64 KiB. See [`NotSent`] for what happens otherwise.
    pub(crate) fn send(
        &mut self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        packet: &mut TxPacket<'_>,
        now: Instant,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        let hop =
            self.hop(envelope.destination, Some(envelope.source), envelope.interface).map_err(|_| NotSent::NoRoute)?;
        let destination = self.hardware_address(nics, hop, now, work)?;
        let state = self.interfaces.at(hop.interface).ok_or(NotSent::NoRoute)?;
        let nic = nics.get_mut(hop.interface.index()).ok_or(NotSent::NoRoute)?;
        fill_checksum(envelope, packet, state.offloads, work);
        let (header_len, ethertype) = push_header(envelope, packet).ok_or(NotSent::NoRoute)?;
        link::close(packet, destination, state.mac, ethertype);
        if nic.transmit(packet).is_ok() {
            return Ok(());
        }
        link::reopen(packet);
        packet.pop(header_len);
        clear_checksum(envelope, packet);
        Err(NotSent::Full(hop.interface))
    }

    /// Input: data of ours reached `destination`, so its next hop is alive (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, destination: IpAddr, now: Instant) {
        let Ok(hop) = self.hop(destination, None, None) else { return };
        let Some(timing) = self.interfaces.at(hop.interface).map(|state| state.timing) else { return };
        self.neighbours.confirm(hop.interface, hop.next_hop, timing, now);
    }

    /// Question: the hardware address of `interface`.
    pub(crate) fn mac(&self, interface: InterfaceId) -> Option<MacAddress> {
        self.interfaces.at(interface).map(|state| state.mac)
    }

    /// Whose hardware address the frame gets.
    fn hardware_address(
        &mut self,
        nics: &mut [&mut dyn Nic],
        hop: Hop,
        now: Instant,
        work: &mut Work,
    ) -> Result<MacAddress, NotSent> {
        let question = match self.neighbours.resolve(hop.interface, hop.next_hop, now) {
            Resolution::Known(mac) => return Ok(mac),
            Resolution::Silent => return Err(NotSent::Silent),
            Resolution::Asking => return Err(NotSent::Unresolved),
            Resolution::Ask(question) => Some(question),
            Resolution::Unknown => {
                let state = self.interfaces.at(hop.interface).ok_or(NotSent::NoRoute)?;
                if let Some(mac) = mapped(state, hop.next_hop) {
                    return Ok(mac);
                }
                self.neighbours.ask(hop.interface, hop.next_hop, state.timing, now)
            }
        };
        if let Some(question) = question {
            self.solicit(nics, question, now, work);
        }
        Err(NotSent::Unresolved)
    }

    /// Asks at once, so that the answer is on its way before this poll ends.
    fn solicit(&mut self, nics: &mut [&mut dyn Nic], question: Solicit, now: Instant, work: &mut Work) {
        let Some(message) = self.question(question) else { return };
        if self.emit(nics, question.interface, &message, now, work).is_err() {
            self.queue(question.interface, message, Precedence::Own);
        }
    }

    /// How a neighbour is asked for.
    pub(super) fn question(&self, question: Solicit) -> Option<Message> {
        let state = self.interfaces.at(question.interface)?;
        let source = state.asking_address(question.address);
        match (question.address, source) {
            (IpAddr::V4(target), source) => {
                let sender = match source {
                    Some(IpAddr::V4(source)) => source,
                    _ => core::net::Ipv4Addr::UNSPECIFIED,
                };
                let packet = arp::Packet::request(state.mac, sender, target);
                Some(Message::Arp { destination: question.to.unwrap_or(MacAddress::BROADCAST), packet })
            }
            (IpAddr::V6(target), Some(IpAddr::V6(source))) => {
                Some(super::ndp::question(state, source, target, question.to))
            }
            // Without an address nobody can be asked: the question ends in silence.
            (IpAddr::V6(_), _) => None,
        }
    }
}

/// The hardware address of a next hop that need not be asked for: a group, everybody, or this host.
fn mapped(state: &Interface, next_hop: IpAddr) -> Option<MacAddress> {
    match next_hop {
        _ if next_hop.is_multicast() => Some(group_mac(next_hop)),
        IpAddr::V4(next_hop) if state.is_broadcast(next_hop) => Some(MacAddress::BROADCAST),
        _ if state.has(next_hop) => Some(state.mac),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

fn fill_checksum(envelope: &Envelope, packet: &mut TxPacket<'_>, offloads: Offloads, work: &mut Work) {
    let Some(offset) = envelope.checksum else { return };
    let pseudo = pseudo_header(envelope.source, envelope.destination, envelope.protocol, packet.len());
    let is_transport = matches!(envelope.protocol, Protocol::TCP | Protocol::UDP);
    let value = if is_transport && offloads.contains(Offloads::TX_CHECKSUM) {
        packet.offload.checksum = Checksum::Fill { start: 0, offset };
        pseudo.value()
    } else {
        let sum = pseudo.then(Sum::of(packet.header())).then(packet.payload().sum(work));
        match sum.checksum() {
            // RFC 768: zero would say that there is none.
            0 if envelope.protocol == Protocol::UDP => 0xffff,
            checksum => checksum,
        }
    };
    checksum_field(packet, offset).copy_from_slice(&value.to_be_bytes());
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
    debug_assert!(len + ipv6::HEADER_LEN <= usize::from(u16::MAX));
    match (envelope.source, envelope.destination) {
        (IpAddr::V4(source), IpAddr::V4(destination)) => {
            let total = (len + ipv4::HEADER_LEN) as u16;
            let header = ipv4::Header::new(source, destination, protocol, total, hop_limit, traffic_class);
            packet.push(ipv4::HEADER_LEN).copy_from_slice(header.as_bytes());
            Some((ipv4::HEADER_LEN, EtherType::IPV4))
        }
        (IpAddr::V6(source), IpAddr::V6(destination)) => {
            let header = ipv6::Header::new(source, destination, protocol, len as u16, hop_limit, traffic_class);
            packet.push(ipv6::HEADER_LEN).copy_from_slice(header.as_bytes());
            Some((ipv6::HEADER_LEN, EtherType::IPV6))
        }
        (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => None,
    }
}

//! Frames that say what the last one said: most of a burst are for one connection, and their headers up to the transport's
//! differ in length, identification and checksum only. What was found of the last holds for them by one compare.
//!
//! Invariant: what is known stands for one header, which passed every check, and only until another one is looked at or
//! the burst ends: no address changes meanwhile. Left out: IPv6, and headers with options.

use core::net::IpAddr;

use lendwire_nic::{RxPacket, Sum};

use super::{Datagram, Ip};
use crate::link::{Delivery, InterfaceId};
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;
use crate::wire::{ethernet, ipv4};

/// Where the transport's header begins.
const OFFSET: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// The frame that was looked at last.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    interface: InterfaceId,
    said: Said,
    source: IpAddr,
    destination: IpAddr,
    traffic_class: u8,
    hop_limit: u8,
    /// The pseudo-header without the length.
    pseudo: Sum,
}

/// What a frame's headers say beside length, identification and checksum.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Said {
    /// Ethernet's header, version and traffic class.
    link: u128,
    /// Fragment, hop limit and protocol.
    middle: u32,
    addresses: u64,
}

impl Said {
    fn of(header: &[u8; OFFSET]) -> Self {
        let (link, rest) = header.split_first_chunk().expect("16 of 34 bytes");
        let middle = rest[4..].first_chunk().expect("4 of 14 bytes");
        let addresses = rest[10..].first_chunk().expect("8 of 8 bytes");
        Self {
            link: u128::from_ne_bytes(*link),
            middle: u32::from_ne_bytes(*middle),
            addresses: u64::from_ne_bytes(*addresses),
        }
    }
}

/// A frame whose headers say what the last one's said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Repeated {
    /// Bytes of headers in front of the transport's.
    pub(crate) offset: usize,
    /// Bytes of transport header and payload.
    pub(crate) len: usize,
    /// The sum of the pseudo-header.
    pub(crate) pseudo: Sum,
}

impl Ip<'_> {
    /// Question: whether `packet`, a frame, can be told to be what the last one was.
    #[inline]
    pub(crate) fn repeated(&self, interface: InterfaceId, packet: &RxPacket) -> Option<Repeated> {
        let known = self.known.as_ref()?;
        let header = packet.front().first_chunk::<OFFSET>()?;
        if Said::of(header) != known.said || known.interface != interface || packet.vlan.is_some() {
            return None;
        }
        let ip = &header[ethernet::HEADER_LEN..];
        let total_len = usize::from(u16::from_be_bytes([ip[2], ip[3]]));
        let len = total_len.checked_sub(ipv4::HEADER_LEN)?;
        let is_there = ethernet::HEADER_LEN + total_len <= packet.len();
        let pseudo = known.pseudo.then(Sum::of_word(len as u16));
        (is_there && Sum::of(ip).is_sound()).then_some(Repeated { offset: OFFSET, len, pseudo })
    }

    /// The header in front of `frame`, which passed every check, if what was found can stand for the next.
    pub(super) fn known_of(frame: Option<&[u8; OFFSET]>, datagram: &Datagram) -> Option<Known> {
        let has_options = datagram.transport_offset != ipv4::HEADER_LEN;
        if has_options || datagram.protocol != Protocol::TCP || !datagram.is_unicast() {
            return None;
        }
        let Datagram { interface, source, destination, traffic_class, hop_limit, .. } = *datagram;
        let pseudo = pseudo_header(source, destination, Protocol::TCP, 0);
        Some(Known { interface, said: Said::of(frame?), source, destination, traffic_class, hop_limit, pseudo })
    }

    /// Input: a frame that is `repeated`.
    #[inline]
    pub(crate) fn receive_repeated(&self, mut packet: RxPacket, repeated: &Repeated) -> Option<Datagram> {
        let known = self.known.as_ref()?;
        packet.truncate(repeated.offset + repeated.len);
        packet.advance(ethernet::HEADER_LEN);
        Some(Datagram {
            interface: known.interface,
            source: known.source,
            destination: known.destination,
            protocol: Protocol::TCP,
            transport_offset: ipv4::HEADER_LEN,
            traffic_class: known.traffic_class,
            hop_limit: known.hop_limit,
            delivery: Delivery::Unicast,
            packet,
        })
    }

    /// Input: the burst is over, and what is known of its frames may change.
    pub(crate) fn end_burst(&mut self) {
        self.known = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::Arrived;
    use crate::ip::harness::{Host, OWN, PEER, ipv4};

    #[test]
    fn only_what_says_the_same_is_taken_for_repeated() {
        let mut host = Host::new();
        let frame = ipv4(PEER, OWN, Protocol::TCP, &[0; 20]);
        assert!(host.ip.repeated(host.id(), &host.packet(&frame)).is_none(), "nothing is known yet");
        assert!(matches!(host.receive(&frame), Arrived::Tcp(_)));
        let found = host.ip.repeated(host.id(), &host.packet(&frame)).map(|it| (it.offset, it.len));
        assert_eq!(found, Some((OFFSET, 20)));
        // So is a longer one, and one with another identification. Each other byte says something else.
        let longer = ipv4(PEER, OWN, Protocol::TCP, &[0; 21]);
        assert_eq!(host.ip.repeated(host.id(), &host.packet(&longer)).map(|it| it.len), Some(21));
        for at in 0..OFFSET {
            let mut other = frame.clone();
            other[at] ^= 1;
            if !(24..26).contains(&at) {
                other[24..26].fill(0);
                let checksum = Sum::of(&other[14..OFFSET]).checksum();
                other[24..26].copy_from_slice(&checksum.to_be_bytes());
            }
            let is_repeated = host.ip.repeated(host.id(), &host.packet(&other)).is_some();
            assert_eq!(is_repeated, (18..20).contains(&at), "byte {at}");
        }
        assert!(host.ip.repeated(host.id(), &host.packet(&frame[..frame.len() - 1])).is_none(), "it is cut short");
    }

    #[test]
    fn nothing_is_known_behind_another_frame_or_the_end_of_a_burst() {
        let mut host = Host::new();
        let frame = ipv4(PEER, OWN, Protocol::TCP, &[0; 20]);
        for forget in [
            |host: &mut Host| host.ip.end_burst(),
            |host: &mut Host| {
                host.receive(&ipv4(PEER, OWN, Protocol::UDP, &[0; 20]));
            },
        ] {
            host.receive(&frame);
            assert!(host.ip.repeated(host.id(), &host.packet(&frame)).is_some());
            forget(&mut host);
            assert!(host.ip.repeated(host.id(), &host.packet(&frame)).is_none());
        }
    }
}

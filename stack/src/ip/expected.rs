//! The headers in front of a transport's, foretold: of a flow that goes on as it did all that they say is known before
//! they come, but for a length, an identification and a checksum.
//!
//! Invariant: what matches has passed every check of [`super::input_v4`] and of the link, or would. Each check is one of a
//! value that is compared here, or is made here, or was made of the addresses when the expectation was formed; and one that
//! was formed before an interface changed in any way matches nothing. RFC 791, RFC 1122 §3.2.1, RFC 894. Left out: IPv6,
//! options, tags.

use core::net::IpAddr;

use lendwire_nic::{RxPacket, Sum};

use super::Ip;
use super::input_v4::check_source;
use crate::link::InterfaceId;
use crate::wire::ethernet::{self, EtherType};
use crate::wire::ipv4;
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;

/// Bytes of headers in front of the transport's.
pub(crate) const FRONT: usize = ethernet::HEADER_LEN + ipv4::HEADER_LEN;

/// Of a frame's first eight bytes: the station that it is for, and whether it is from a group.
const STATION: u64 = u64::from_ne_bytes([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 0]);
/// Of the four behind the stations: all but the traffic class.
const KIND: u32 = u32::from_ne_bytes([0xff, 0xff, 0xff, 0]);
/// Of the four behind the identification: all that a fragment has, and the protocol.
const MIDDLE: u32 = u32::from_ne_bytes([0x3f, 0xff, 0, 0xff]);
const IS_TCP: u32 = u32::from_ne_bytes([0, 0, 0, Protocol::TCP.0]);

/// See the module.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expected {
    station: u64,
    /// EtherType, version and header length.
    kind: u32,
    addresses: u64,
    /// The pseudo-header without the length.
    pseudo: Sum,
    interface: InterfaceId,
    /// Of the interfaces, when it was formed.
    changes: u64,
}

/// What an expected frame leaves to be said.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Front {
    /// Bytes of transport header and payload.
    pub(crate) len: usize,
    /// The sum of the pseudo-header.
    pub(crate) pseudo: Sum,
}

impl Expected {
    /// Question: whether frames over `interface` can still be as expected.
    pub(crate) fn is_current(&self, interface: InterfaceId, ip: &Ip<'_>) -> bool {
        self.interface == interface && self.changes == ip.interfaces.changes()
    }

    /// Question: what `packet`, a frame that begins with `header`, leaves to be said, if the rest is as expected.
    #[inline]
    pub(crate) fn front(
        &self,
        interface: InterfaceId,
        packet: &RxPacket,
        header: &[u8; FRONT],
        ip: &Ip<'_>,
    ) -> Option<Front> {
        // The station is this interface's and the source no group, no option stands in the header, it is no fragment,
        // and the addresses are those which were found good.
        let is_expected = eight(header, 0) & STATION == self.station
            && four(header, 12) & KIND == self.kind
            && four(header, 20) & MIDDLE == IS_TCP
            && eight(header, 26) == self.addresses
            && self.is_current(interface, ip)
            // A tag says more than is compared here.
            && packet.vlan.is_none();
        if !is_expected {
            return None;
        }
        let total_len = usize::from(u16::from_be_bytes([header[16], header[17]]));
        let len = total_len.checked_sub(ipv4::HEADER_LEN)?;
        // RFC 1122 §3.2.1.2 asks for the checksum of each header.
        let is_whole =
            ethernet::HEADER_LEN + total_len <= packet.len() && Sum::of(&header[ethernet::HEADER_LEN..]).is_sound();
        is_whole.then(|| Front { len, pseudo: self.pseudo.then(Sum::of_word(len as u16)) })
    }
}

impl Ip<'_> {
    /// What the headers of segments from `remote` to `local` will say on `interface`, if they are taken there.
    pub(crate) fn expected(&self, interface: InterfaceId, local: IpAddr, remote: IpAddr) -> Option<Expected> {
        let (IpAddr::V4(destination), IpAddr::V4(source)) = (local, remote) else { return None };
        let state = self.interfaces.at(interface)?;
        if check_source(state, source).is_err() || !state.has(local) {
            return None;
        }
        let ([a, b, c, d, e, f], [g, h, i, j], [k, l, m, n]) = (state.mac.0, source.octets(), destination.octets());
        let [high, low] = EtherType::IPV4.0.to_be_bytes();
        Some(Expected {
            station: u64::from_ne_bytes([a, b, c, d, e, f, 0, 0]),
            kind: u32::from_ne_bytes([high, low, 0x45, 0]),
            addresses: u64::from_ne_bytes([g, h, i, j, k, l, m, n]),
            pseudo: pseudo_header(remote, local, Protocol::TCP, 0),
            interface,
            changes: self.interfaces.changes(),
        })
    }
}

fn eight(header: &[u8; FRONT], at: usize) -> u64 {
    header[at..].first_chunk().map_or(0, |bytes| u64::from_ne_bytes(*bytes))
}

fn four(header: &[u8; FRONT], at: usize) -> u32 {
    header[at..].first_chunk().map_or(0, |bytes| u32::from_ne_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ip::Arrived;
    use crate::ip::harness::{Host, OWN, PEER, ipv4};

    fn len_of(host: &Host, expected: &Expected, frame: &[u8]) -> Option<usize> {
        let packet = host.packet(frame);
        let header = packet.front().first_chunk()?;
        expected.front(host.id(), &packet, header, &host.ip).map(|front| front.len)
    }

    #[test]
    fn what_is_expected_the_long_way_takes_too_and_for_what_it_is() {
        let mut host = Host::new();
        let frame = ipv4(PEER, OWN, Protocol::TCP, &[0; 20]);
        let expected = host.ip.expected(host.id(), OWN.into(), PEER.into()).unwrap();
        assert_eq!(len_of(&host, &expected, &frame), Some(20));
        let mut taken = 0;
        for (at, bit) in (0..FRONT).flat_map(|at| (0..8).map(move |bit| (at, bit))) {
            let mut other = frame.clone();
            other[at] ^= 1 << bit;
            if !(24..26).contains(&at) {
                other[24..26].fill(0);
                let checksum = Sum::of(&other[14..FRONT]).checksum();
                other[24..26].copy_from_slice(&checksum.to_be_bytes());
            }
            let Some(len) = len_of(&host, &expected, &other) else { continue };
            let Arrived::Tcp(datagram) = host.receive(&other) else { panic!("byte {at}, bit {bit}") };
            assert_eq!((datagram.source, datagram.destination), (PEER.into(), OWN.into()));
            assert!(
                datagram.is_unicast()
                    && datagram.transport_offset == ipv4::HEADER_LEN
                    && datagram.transport_len() == len
            );
            taken += 1;
        }
        // Another source's station but a group, another service, length (shorter), identification, no wish not to be
        // fragmented and the bit beside it, hops: other numbers mean the same.
        assert_eq!(taken, 47 + 8 + 1 + 16 + 2 + 8);
        assert_eq!(len_of(&host, &expected, &frame[..frame.len() - 1]), None, "it is cut short");
    }

    #[test]
    fn nothing_is_expected_any_longer_when_an_interface_has_changed() {
        let mut host = Host::new();
        let frame = ipv4(PEER, OWN, Protocol::TCP, &[0; 20]);
        let expected = host.ip.expected(host.id(), OWN.into(), PEER.into()).unwrap();
        host.ip.end_burst();
        assert!(len_of(&host, &expected, &frame).is_some());
        host.ip.remove_address(host.id(), OWN.into());
        assert_eq!(len_of(&host, &expected, &frame), None);
        assert!(host.ip.expected(host.id(), OWN.into(), PEER.into()).is_none());
    }

    #[test]
    fn a_frame_whose_tag_was_taken_off_is_not_expected() {
        let host = Host::new();
        let expected = host.ip.expected(host.id(), OWN.into(), PEER.into()).unwrap();
        let mut packet = host.packet(&ipv4(PEER, OWN, Protocol::TCP, &[0; 20]));
        packet.vlan = Some(0);
        let header = *packet.front().first_chunk().unwrap();
        assert!(expected.front(host.id(), &packet, &header, &host.ip).is_none());
    }
}

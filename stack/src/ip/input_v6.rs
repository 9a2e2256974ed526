//! IPv6 on its way up: every check of RFC 8200 §3 and §4.
//!
//! Invariant: what gets out is one whole datagram for this host, and its extension headers have been walked. Left out:
//! reassembly, jumbograms.

use core::net::{IpAddr, Ipv6Addr};

use lendwire_nic::RxPacket;

use super::datagram::Datagram;
use super::interface::Interface;
use super::{Arrived, Ip, Refusal};
use crate::drops::Reason;
use crate::link::{Delivery, Frame, InterfaceId};
use crate::time::Instant;
use crate::wire::icmpv6;
use crate::wire::ipv6::{self, Extension, Header, Malformed, OptionFault};
use crate::wire::protocol::Protocol;

/// Extension headers that a packet may have; more are a waste of our time.
const MAX_EXTENSIONS: usize = 8;

impl Ip<'_> {
    pub(super) fn on_ipv6(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        mut packet: RxPacket,
        now: Instant,
    ) -> Result<Arrived, Reason> {
        let state = self.interfaces.at(interface).ok_or(Reason::Ipv6Destination)?;
        let header = *Header::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= ipv6::HEADER_LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::Ipv6Short,
            Malformed::Version => Reason::Ipv6Version,
        })?;
        let len = ipv6::HEADER_LEN + usize::from(header.payload_len.get());
        if len > packet.len() {
            return Err(Reason::Ipv6PayloadLength);
        }
        packet.truncate(len);
        check_source(state, header.source())?;
        let delivery = delivery(state, header.destination(), frame.delivery)?;
        let found = walk(&packet, header.next_header(), delivery)?;
        let datagram = Datagram {
            interface,
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: found.protocol,
            transport_offset: found.offset,
            traffic_class: header.traffic_class(),
            hop_limit: header.hop_limit,
            delivery,
            packet,
        };
        if let Some((reason, refusal)) = found.refusal {
            self.drops.count(reason);
            return Ok(Arrived::Refused(datagram, refusal));
        }
        if datagram.protocol == Protocol::ICMPV6 {
            return match datagram.transport().first() {
                Some(icmpv6::LISTENER_QUERY..=icmpv6::REDIRECT) => {
                    self.on_neighbour_discovery(&datagram, now).map(|()| Arrived::Nothing)
                }
                _ => Ok(Arrived::Icmp(datagram)),
            };
        }
        // RFC 4291 §2.5.2: only who has no address yet sends from the unspecified one, and only to discover.
        if header.source().is_unspecified() {
            return Err(Reason::Ipv6Source);
        }
        Ok(if datagram.protocol == Protocol::TCP { Arrived::Tcp(datagram) } else { Arrived::Udp(datagram) })
    }
}

/// RFC 4291 §2.7, §2.5.3, §2.5.5.2: a source is no group, not ours, and no IPv4 address in disguise.
fn check_source(state: &Interface, source: Ipv6Addr) -> Result<(), Reason> {
    let is_inner = source.is_loopback() || state.has(source.into());
    let is_nobody = source.is_multicast() || source.to_ipv4_mapped().is_some();
    if is_nobody || (is_inner && !state.config.loopback) { Err(Reason::Ipv6Source) } else { Ok(()) }
}

fn delivery(state: &Interface, destination: Ipv6Addr, frame: Delivery) -> Result<Delivery, Reason> {
    if state.has(IpAddr::V6(destination)) {
        return Ok(frame);
    }
    if destination.is_multicast() && state.listens(destination) {
        return Ok(Delivery::Group);
    }
    Err(Reason::Ipv6Destination)
}

/// Where the transport header stands, and what is to be said if it cannot be reached.
struct Found {
    protocol: Protocol,
    offset: usize,
    refusal: Option<(Reason, Refusal)>,
}

/// Walks the extension headers (RFC 8200 §4), which must lie together.
fn walk(packet: &RxPacket, first: Protocol, delivery: Delivery) -> Result<Found, Reason> {
    let front = packet.front();
    let cut = if front.len() < packet.len() { Reason::HeaderSplit } else { Reason::Ipv6Extension };
    let (mut protocol, mut offset) = (first, ipv6::HEADER_LEN);
    // Where the number of the header at `offset` stands.
    let mut pointer = 6;
    let refused = |protocol, offset, reason, code, pointer: usize| {
        let refusal = Refusal::Parameter { code, pointer: pointer as u32 };
        Ok(Found { protocol, offset, refusal: Some((reason, refusal)) })
    };
    for _ in 0..=MAX_EXTENSIONS {
        match protocol {
            Protocol::TCP | Protocol::UDP | Protocol::ICMPV6 => return Ok(Found { protocol, offset, refusal: None }),
            Protocol::NOTHING => return Err(Reason::Ipv6NextHeader),
            // RFC 8200 §4.1: hop-by-hop options stand first or nowhere.
            Protocol::HOP_BY_HOP if offset == ipv6::HEADER_LEN => {}
            Protocol::DESTINATION_OPTIONS | Protocol::ROUTING | Protocol::FRAGMENT => {}
            _ => {
                let code = icmpv6::parameter::NEXT_HEADER;
                return refused(protocol, offset, Reason::Ipv6NextHeader, code, pointer);
            }
        }
        let (extension, bytes) = Extension::parse(protocol, front.get(offset..).unwrap_or(&[])).ok_or(cut)?;
        match protocol {
            Protocol::HOP_BY_HOP | Protocol::DESTINATION_OPTIONS => match ipv6::check_options(bytes) {
                Ok(()) => {}
                Err(OptionFault::Length | OptionFault::Drop) => return Err(Reason::Ipv6Extension),
                Err(OptionFault::ReportUnicast(_)) if delivery == Delivery::Group => return Err(Reason::Ipv6Extension),
                Err(OptionFault::Report(at) | OptionFault::ReportUnicast(at)) => {
                    let code = icmpv6::parameter::OPTION;
                    return refused(protocol, offset, Reason::Ipv6Extension, code, offset + at);
                }
            },
            // RFC 8200 §4.4: no routing type is spoken; what has reached its last segment may pass.
            Protocol::ROUTING if extension.data[1] != 0 => {
                let code = icmpv6::parameter::FIELD;
                return refused(protocol, offset, Reason::Ipv6Extension, code, offset + 2);
            }
            // RFC 6946: a fragment that is the whole packet is none. Offset and M are all bits but two reserved ones.
            Protocol::FRAGMENT if u16::from_be_bytes([extension.data[0], extension.data[1]]) & 0xfff9 != 0 => {
                return Err(Reason::Ipv6Fragment);
            }
            _ => {}
        }
        pointer = offset;
        offset += bytes.len();
        protocol = Protocol(extension.next_header);
    }
    Err(Reason::Ipv6Extension)
}

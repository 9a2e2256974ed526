//! IPv4 on its way up: every check of RFC 791 and RFC 1122 §3.2.1.
//!
//! Invariant: what gets out is one whole datagram for this host. Left out: reassembly; every option but padding is
//! skipped, source routes are refused.

use core::net::{IpAddr, Ipv4Addr};

use lendwire_nic::RxPacket;

use super::datagram::Datagram;
use super::interface::Interface;
use super::{Arrived, Ip, Refusal};
use crate::drops::Reason;
use crate::link::{Delivery, Frame, InterfaceId};
use crate::wire::address::ALL_HOSTS;
use crate::wire::ipv4::{self, Malformed, OptionFault, Packet};
use crate::wire::protocol::Protocol;

impl Ip<'_> {
    pub(super) fn on_ipv4(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        mut packet: RxPacket,
    ) -> Result<Arrived, Reason> {
        let state = self.interfaces.at(interface).ok_or(Reason::Ipv4Destination)?;
        let view = Packet::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= ipv4::HEADER_LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::Ipv4Short,
            Malformed::Version => Reason::Ipv4Version,
            Malformed::HeaderLength if packet.len() > packet.front().len() => Reason::HeaderSplit,
            Malformed::HeaderLength => Reason::Ipv4HeaderLength,
        })?;
        let header = *view.header;
        let total_len = usize::from(header.total_len.get());
        if total_len < view.header_len() || total_len > packet.len() {
            return Err(Reason::Ipv4TotalLength);
        }
        if !view.is_sound() {
            return Err(Reason::Ipv4Checksum);
        }
        check_source(state, header.source())?;
        let delivery = delivery(state, header.destination(), frame.delivery)?;
        ipv4::check_options(view.options).map_err(|fault| match fault {
            OptionFault::Length => Reason::Ipv4Options,
            OptionFault::SourceRoute => Reason::Ipv4SourceRoute,
        })?;
        if header.is_fragment() {
            return Err(Reason::Ipv4Fragment);
        }
        let transport_offset = view.header_len();
        packet.truncate(total_len);
        let datagram = Datagram {
            interface,
            source: header.source().into(),
            destination: header.destination().into(),
            protocol: header.protocol(),
            transport_offset,
            traffic_class: header.traffic_class,
            hop_limit: header.hop_limit,
            delivery,
            packet,
        };
        Ok(match datagram.protocol {
            Protocol::TCP => Arrived::Tcp(datagram),
            Protocol::UDP => Arrived::Udp(datagram),
            Protocol::ICMPV4 => Arrived::Icmp(datagram),
            _ => {
                self.drops.count(Reason::Ipv4Protocol);
                Arrived::Refused(datagram, Refusal::Protocol)
            }
        })
    }
}

/// RFC 1122 §3.2.1.3: a source is one host's address, and not ours.
fn check_source(state: &Interface, source: Ipv4Addr) -> Result<(), Reason> {
    let first = source.octets()[0];
    let is_nobody = first == 0 || first >= 224 || state.is_broadcast(source);
    let is_inner = source.is_loopback() || state.has(source.into());
    if is_nobody || (is_inner && !state.config.loopback) { Err(Reason::Ipv4Source) } else { Ok(()) }
}

fn delivery(state: &Interface, destination: Ipv4Addr, frame: Delivery) -> Result<Delivery, Reason> {
    if state.has(IpAddr::V4(destination)) {
        // RFC 1122 §3.3.6: what the link sent to everybody, IP must have sent to everybody too.
        return if frame == Delivery::Unicast { Ok(Delivery::Unicast) } else { Err(Reason::Ipv4Destination) };
    }
    if state.is_broadcast(destination) || destination == ALL_HOSTS {
        return Ok(Delivery::Group);
    }
    Err(Reason::Ipv4Destination)
}

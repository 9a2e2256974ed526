//! One host on a simulated wire, for the tests of everything that runs over [`Ip`].

extern crate std;

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::boxed::Box;
use std::vec;
use std::vec::Vec;

use lendwire_nic::{
    Chunk, Full, Interrupts, MacAddress, MulticastFilter, Nic, NicInfo, NicStatistics, Offload, Offloads, Payload,
    Pending, Pool, RxPacket, Sum, TxPacket, Word, Work,
};
use zerocopy::IntoBytes;

use super::{
    Arrived, InterfaceConfig, InterfaceId, InterfaceSlot, Ip, NeighbourSlot, PathMtuSlot, ReplySlot, RouteSlot, Storage,
};
use super::{Envelope, NotSent};
use crate::drops::Reason;
use crate::time::{Instant, Span};
use crate::wire::address::Cidr;
use crate::wire::ethernet::{EtherType, Header as Ethernet};
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;
use crate::wire::{arp, ipv4, ipv6, udp};

pub(crate) const MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 1]);
pub(crate) const PEER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 2]);
pub(crate) const OTHER_MAC: MacAddress = MacAddress([2, 0, 0, 0, 0, 3]);
pub(crate) const OWN: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);
pub(crate) const PEER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 2);
pub(crate) const OWN6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 1);
pub(crate) const PEER6: Ipv6Addr = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 2);
pub(crate) const ROUTER6: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xff);
pub(crate) const SECRET: [u8; 16] = *b"sixteen secrets.";
pub(crate) const ETH0: usize = 0;

/// A NIC that keeps what it is given.
pub(crate) struct Wire {
    info: NicInfo,
    pub(crate) sent: Vec<Vec<u8>>,
    pub(crate) offloads: Vec<Offload>,
    pub(crate) room: usize,
    pub(crate) groups: Vec<MacAddress>,
}

impl Nic for Wire {
    fn info(&self) -> &NicInfo {
        &self.info
    }

    fn transmit(&mut self, packet: &TxPacket<'_>) -> Result<(), Full> {
        self.room = self.room.checked_sub(1).ok_or(Full)?;
        let mut frame = packet.header().to_vec();
        packet.payload().parts().for_each(|part| frame.extend_from_slice(part.bytes()));
        self.sent.push(frame);
        self.offloads.push(packet.offload);
        Ok(())
    }

    fn receive(&mut self) -> Option<RxPacket> {
        None
    }

    fn flush(&mut self) {}

    fn set_interrupts(&mut self, _: Interrupts) -> Pending {
        Pending::Nothing
    }

    fn set_multicast(&mut self, filter: MulticastFilter<'_>) {
        self.groups = match filter {
            MulticastFilter::All => Vec::new(),
            MulticastFilter::Only(groups) => groups.to_vec(),
        };
    }

    fn statistics(&self) -> NicStatistics {
        NicStatistics::default()
    }
}

pub(crate) fn leak<T>(count: usize, value: impl Fn() -> T) -> &'static mut [T] {
    Box::leak((0..count).map(|_| value()).collect())
}

pub(crate) fn pool(slots: usize) -> &'static Pool {
    let pool = Pool::new(leak(slots * 2048, || 0), 2048, leak(Pool::words(slots), || Word::new(0)));
    Box::leak(Box::new(pool.expect("the memory fits")))
}

pub(crate) struct Host {
    pub(crate) ip: Ip<'static>,
    pub(crate) wire: Wire,
    pub(crate) now: Instant,
    pub(crate) work: Work,
    pub(crate) pool: &'static Pool,
}

impl Host {
    /// A host without addresses.
    pub(crate) fn bare(config: InterfaceConfig, offloads: Offloads) -> Self {
        let storage = Storage {
            interfaces: leak(2, || InterfaceSlot::EMPTY),
            neighbours: leak(4, || NeighbourSlot::EMPTY),
            routes: leak(16, || RouteSlot::EMPTY),
            replies: leak(8, || ReplySlot::EMPTY),
            path_mtus: leak(4, || PathMtuSlot::EMPTY),
        };
        let info = NicInfo { name: "wire", address: MAC, mtu: 1500, offloads, max_parts: 8, queues: 1 };
        let now = Instant::from_micros(1_000_000);
        let mut ip = Ip::new(storage, SECRET);
        ip.add_interface(&info, config, now).expect("there is a place");
        let wire = Wire { info, sent: Vec::new(), offloads: Vec::new(), room: usize::MAX, groups: Vec::new() };
        Self { ip, wire, now, work: Work::default(), pool: pool(64) }
    }

    /// A host with [`OWN`] and [`OWN6`], both in use and announced.
    pub(crate) fn new() -> Self {
        Self::with_offloads(Offloads::empty())
    }

    pub(crate) fn with_offloads(offloads: Offloads) -> Self {
        let mut host = Self::bare(InterfaceConfig { autoconfigure: false, loopback: false }, offloads);
        for (address, prefix) in [(IpAddr::V4(OWN), 24), (IpAddr::V6(OWN6), 64)] {
            let cidr = Cidr::new(address, prefix).expect("the prefix is short");
            host.ip.add_address(host.id(), cidr, host.now).expect("there is a place");
            host.transmit();
        }
        host.pass(Span::from_secs(3));
        host.transmit();
        host.ip.take_resolved();
        host
    }

    /// [`Host::new`] that knows [`PEER`] and [`PEER6`].
    pub(crate) fn with_peer() -> Self {
        Self::with_peer_and(Offloads::empty())
    }

    pub(crate) fn with_peer_and(offloads: Offloads) -> Self {
        let mut host = Self::with_offloads(offloads);
        let timing = crate::link::Timing { reachable: Span::from_secs(30), retransmission: Span::from_secs(1) };
        for address in [IpAddr::V4(PEER), IpAddr::V6(PEER6)] {
            host.ip.neighbours.on_mention(host.id(), address, PEER_MAC, timing, host.now);
            host.ip.neighbours.confirm(host.id(), address, timing, host.now);
        }
        host
    }

    pub(crate) fn id(&self) -> InterfaceId {
        InterfaceId::new(ETH0).expect("zero is a number")
    }

    pub(crate) fn packet(&self, frame: &[u8]) -> RxPacket {
        let mut slot = self.pool.take().expect("a slot is free");
        slot.bytes_mut()[..frame.len()].copy_from_slice(frame);
        RxPacket::new(slot.freeze(frame.len()))
    }

    pub(crate) fn receive(&mut self, frame: &[u8]) -> Arrived {
        let packet = self.packet(frame);
        self.ip.receive(self.id(), packet, self.now)
    }

    /// Receives a frame that must be dropped, once, and says why.
    #[track_caller]
    pub(crate) fn dropped(&mut self, frame: &[u8]) -> Reason {
        let before = self.ip.drops.clone();
        let arrived = self.receive(frame);
        assert!(matches!(arrived, Arrived::Nothing | Arrived::Refused(..)), "{arrived:?}");
        self.reason_since(&before)
    }

    #[track_caller]
    pub(crate) fn reason_since(&self, before: &crate::drops::Drops) -> Reason {
        let mut struck = self.ip.drops.iter().filter(|&(reason, count)| count > before.of(reason));
        let (reason, count) = struck.next().expect("something is dropped");
        assert_eq!(count, before.of(reason) + 1);
        assert_eq!(struck.next(), None, "one reason only");
        reason
    }

    /// What the host sends now.
    pub(crate) fn transmit(&mut self) -> Vec<Vec<u8>> {
        self.ip.transmit(&mut [&mut self.wire], self.now, &mut self.work);
        self.take_sent()
    }

    pub(crate) fn take_sent(&mut self) -> Vec<Vec<u8>> {
        core::mem::take(&mut self.wire.sent)
    }

    /// Lets time pass, second by second.
    pub(crate) fn pass(&mut self, span: Span) {
        let end = self.now + span;
        while let Some(next) = self.ip.next_deadline().filter(|&next| next <= end) {
            self.now = self.now.max(next);
            self.ip.on_deadline(self.now);
        }
        self.now = end;
    }

    /// Sends `payload` with `protocol` from one of the host's addresses; a transport header of 8 bytes, the checksum
    /// in its bytes 6 and 7.
    pub(crate) fn send(&mut self, destination: IpAddr, payload: &[Chunk]) -> Result<(), NotSent> {
        let source = match destination {
            IpAddr::V4(_) => OWN.into(),
            IpAddr::V6(_) => OWN6.into(),
        };
        let mut packet = TxPacket::new(Payload::of(payload));
        packet.push(8).copy_from_slice(&[0, 1, 0, 2, 0, 3, 0, 0]);
        let envelope = Envelope::new(source, destination, Protocol::UDP, Some(6));
        let result = self.ip.send(&mut [&mut self.wire], &envelope, &mut packet, self.now, &mut self.work);
        if result.is_err() {
            assert_eq!(packet.header(), [0, 1, 0, 2, 0, 3, 0, 0], "a packet that is not sent stays as it was");
            assert_eq!(packet.offload, Offload::default());
        }
        result
    }
}

pub(crate) fn ethernet(destination: MacAddress, source: MacAddress, ethertype: EtherType, rest: &[u8]) -> Vec<u8> {
    [Ethernet::new(destination, source, ethertype).as_bytes(), rest].concat()
}

pub(crate) fn arp(destination: MacAddress, packet: arp::Packet) -> Vec<u8> {
    ethernet(destination, packet.sender_hardware(), EtherType::ARP, packet.as_bytes())
}

/// A frame from the peer to the host.
pub(crate) fn ipv4(source: Ipv4Addr, destination: Ipv4Addr, protocol: Protocol, rest: &[u8]) -> Vec<u8> {
    let header = ipv4::Header::new(source, destination, protocol, (20 + rest.len()) as u16, 64, 0);
    ethernet(MAC, PEER_MAC, EtherType::IPV4, &[header.as_bytes(), rest].concat())
}

pub(crate) fn ipv6(source: Ipv6Addr, destination: Ipv6Addr, protocol: Protocol, hops: u8, rest: &[u8]) -> Vec<u8> {
    let header = ipv6::Header::new(source, destination, protocol, rest.len() as u16, hops, 0);
    ethernet(MAC, PEER_MAC, EtherType::IPV6, &[header.as_bytes(), rest].concat())
}

/// Puts the checksum of a transport packet at `offset`.
pub(crate) fn checksummed(
    source: IpAddr,
    destination: IpAddr,
    protocol: Protocol,
    offset: usize,
    mut packet: Vec<u8>,
) -> Vec<u8> {
    packet[offset..offset + 2].fill(0);
    let pseudo = pseudo_header(source, destination, protocol, packet.len());
    let checksum = pseudo.then(Sum::of(&packet)).checksum();
    packet[offset..offset + 2].copy_from_slice(&checksum.to_be_bytes());
    packet
}

/// A whole ICMPv6 frame.
pub(crate) fn icmpv6(source: Ipv6Addr, destination: Ipv6Addr, hops: u8, message: &[u8]) -> Vec<u8> {
    let message = checksummed(source.into(), destination.into(), Protocol::ICMPV6, 2, message.to_vec());
    ipv6(source, destination, Protocol::ICMPV6, hops, &message)
}

/// A whole ICMPv4 frame.
pub(crate) fn icmpv4(source: Ipv4Addr, destination: Ipv4Addr, message: &[u8]) -> Vec<u8> {
    let message = checksummed(source.into(), destination.into(), Protocol::ICMPV4, 2, message.to_vec());
    ipv4(source, destination, Protocol::ICMPV4, &message)
}

/// A UDP header and payload with its checksum.
pub(crate) fn udp(source: (IpAddr, u16), destination: (IpAddr, u16), payload: &[u8]) -> Vec<u8> {
    let header = udp::Header::new(source.1, destination.1, (8 + payload.len()) as u16);
    let packet = [header.as_bytes(), payload].concat();
    checksummed(source.0, destination.0, Protocol::UDP, 6, packet)
}

/// Whether every checksum of a frame that carries UDP or ICMP is right.
#[track_caller]
pub(crate) fn assert_sound(frame: &[u8]) {
    let (source, destination, protocol, offset): (IpAddr, IpAddr, _, _) =
        match Ethernet::parse(frame).unwrap().ethertype() {
            EtherType::IPV4 => {
                let packet = ipv4::Packet::parse(&frame[14..]).unwrap();
                assert!(packet.is_sound());
                assert_eq!(usize::from(packet.header.total_len.get()), frame.len() - 14);
                (packet.header.source().into(), packet.header.destination().into(), packet.header.protocol(), 34)
            }
            _ => {
                let header = ipv6::Header::parse(&frame[14..]).unwrap();
                assert_eq!(usize::from(header.payload_len.get()), frame.len() - 54);
                let (protocol, offset) = match header.next_header() {
                    Protocol::HOP_BY_HOP => (Protocol(frame[54]), 62),
                    protocol => (protocol, 54),
                };
                (header.source().into(), header.destination().into(), protocol, offset)
            }
        };
    let pseudo = pseudo_header(source, destination, protocol, frame.len() - offset);
    assert!(pseudo.then(Sum::of(&frame[offset..])).is_sound(), "{frame:02x?}");
}

/// Bytes that are not all alike.
pub(crate) fn bytes(len: usize) -> Vec<u8> {
    let mut bytes = vec![0; len];
    bytes.iter_mut().zip(7u8..=255).for_each(|(byte, value)| *byte = value);
    bytes
}

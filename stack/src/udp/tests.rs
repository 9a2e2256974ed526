//! Sockets over one host on a simulated wire.

extern crate std;

use core::net::{Ipv6Addr, SocketAddrV6};
use std::vec::Vec;

use lendwire_nic::{Nic, NicInfo, Offloads, Received as Checked};
use zerocopy::IntoBytes;

use super::*;
use crate::ip::harness::{self, Host, OWN, OWN6, PEER, PEER_MAC, PEER6, assert_sound, bytes, leak};
use crate::ip::{Arrived, ErrorKind, InterfaceConfig, Unreachable};
use crate::time::Span;
use crate::wire::arp;
use crate::wire::protocol::Protocol;

const PORT: u16 = 5353;

struct Sockets {
    host: Host,
    udp: Udp<'static>,
}

impl Sockets {
    fn new(host: Host) -> Self {
        let storage = Storage {
            sockets: leak(4, || Slot::EMPTY),
            arrivals: leak(80, || Slot::EMPTY),
            departures: leak(80, || Slot::EMPTY),
            ports: leak(2, || PortBucket::EMPTY),
            links: leak(8, || 0),
        };
        let udp = Udp::new(storage, harness::SECRET, host.pool);
        Self { host, udp }
    }

    fn bind(&mut self, local: Option<IpAddr>, port: u16) -> Result<UdpHandle, BindError> {
        self.udp.bind(local, port, &self.host.ip)
    }

    fn send(&mut self, socket: UdpHandle, to: SocketAddr, payload: &[u8]) -> Result<(), SendError> {
        self.udp.send(socket, to, payload, &mut self.host.ip, &mut self.host.work)
    }

    /// Sends what is queued, once.
    fn transmit(&mut self) -> Vec<Vec<u8>> {
        self.transmit_up_to(1000);
        self.host.take_sent()
    }

    fn transmit_up_to(&mut self, mut left: usize) -> bool {
        let Host { ip, wire, now, work, .. } = &mut self.host;
        self.udp.transmit(&mut [wire], ip, *now, &mut left, work)
    }

    fn receive(&mut self, frame: &[u8]) -> Option<Datagram> {
        let packet = self.host.packet(frame);
        self.receive_packet(packet)
    }

    fn receive_packet(&mut self, packet: lendwire_nic::RxPacket) -> Option<Datagram> {
        let Host { ip, now, work, .. } = &mut self.host;
        let interface = ip.interface(0).unwrap();
        let Arrived::Udp(datagram) = ip.receive(interface, packet, *now) else { panic!("not UDP") };
        self.udp.receive(datagram, ip, work)
    }

    #[track_caller]
    fn drops(&mut self, frame: &[u8]) -> Reason {
        let before = self.host.ip.drops.clone();
        self.receive(frame);
        self.host.reason_since(&before)
    }

    fn read(&mut self, socket: UdpHandle) -> Option<Vec<u8>> {
        let received = self.udp.read(socket)?;
        Some(received.packet.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect())
    }
}

fn with_peer() -> Sockets {
    Sockets::new(Host::with_peer())
}

fn v4(port: u16, payload: &[u8]) -> Vec<u8> {
    harness::ipv4(PEER, OWN, Protocol::UDP, &harness::udp((PEER.into(), 9), (OWN.into(), port), payload))
}

fn v6(port: u16, payload: &[u8]) -> Vec<u8> {
    harness::ipv6(PEER6, OWN6, Protocol::UDP, 64, &harness::udp((PEER6.into(), 9), (OWN6.into(), port), payload))
}

fn peer() -> SocketAddr {
    (PEER, 9).into()
}

#[test]
fn rfc768_an_unbound_address_hears_both_versions() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    for (frame, from, to) in
        [(v4(PORT, b"four"), peer(), IpAddr::V4(OWN)), (v6(PORT, b"six"), (PEER6, 9).into(), IpAddr::V6(OWN6))]
    {
        assert!(sockets.receive(&frame).is_none());
        assert!(sockets.udp.has_datagram(socket));
        let received = sockets.udp.read(socket).unwrap();
        assert_eq!((received.from, received.to), (from, to));
    }
    assert!(!sockets.udp.has_datagram(socket));
}

#[test]
fn rfc768_a_datagram_leaves_with_its_checksum() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    for to in [peer(), (PEER6, 9).into()] {
        sockets.send(socket, to, &bytes(101)).unwrap();
        let frame = sockets.transmit().remove(0);
        assert_sound(&frame);
        assert_eq!(frame[frame.len() - 101..], bytes(101));
        assert_eq!(frame[frame.len() - 109..][..4], [0x14, 0xe9, 0, 9]);
    }
    assert_eq!(sockets.host.work, Work { copied: 202, summed: 0, verified: 0 }, "copied once, summed on the way");
}

#[test]
fn a_copy_is_summed_unless_every_device_completes_checksums() {
    for (first, second, known) in [
        (Offloads::TX_CHECKSUM, Offloads::TX_CHECKSUM, false),
        (Offloads::TX_CHECKSUM, Offloads::empty(), true),
        (Offloads::empty(), Offloads::TX_CHECKSUM, true),
    ] {
        let mut sockets = Sockets::new(Host::with_peer_and(first));
        let info = NicInfo { offloads: second, ..*sockets.host.wire.info() };
        sockets.host.ip.add_interface(&info, InterfaceConfig::default(), sockets.host.now).unwrap();
        let socket = sockets.bind(None, PORT).unwrap();
        sockets.send(socket, peer(), &bytes(101)).unwrap();
        let Udp { sockets: slots, departures, .. } = &mut sockets.udp;
        let departure = slots.at_mut(socket.0).unwrap().departures.pop(departures).unwrap();
        assert_eq!((&*departure.chunk, departure.chunk.known_sum().is_some()), (&bytes(101)[..], known));
        assert_eq!(sockets.host.work, Work { copied: 101, ..Work::default() });
    }
}

#[test]
fn what_is_lent_is_neither_copied_nor_read_twice() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    sockets.receive(&v4(PORT, &bytes(600)));
    assert_eq!(sockets.host.work, Work { copied: 0, summed: 0, verified: 600 });
    let mut received = sockets.udp.read(socket).unwrap();
    let chunk = received.packet.pop().unwrap();
    sockets.udp.push(socket, received.from, chunk, &mut sockets.host.ip).unwrap();
    assert_sound(&sockets.transmit()[0]);
    assert_eq!(sockets.host.work, Work { copied: 0, summed: 0, verified: 600 });
}

#[test]
fn a_datagram_that_left_gives_its_slot_back() {
    let mut sockets = with_peer();
    let free = sockets.host.pool.available();
    let socket = sockets.bind(None, PORT).unwrap();
    sockets.send(socket, peer(), b"x").unwrap();
    assert_eq!(sockets.host.pool.available(), free - 1);
    sockets.transmit();
    assert_eq!(sockets.host.pool.available(), free);
}

#[test]
fn rfc768_every_malformed_datagram_has_its_reason() {
    let sealed = |len: u16, payload: &[u8]| {
        let header = Header::new(9, PORT, len);
        let datagram = [header.as_bytes(), payload].concat();
        let datagram = harness::checksummed(PEER.into(), OWN.into(), Protocol::UDP, 6, datagram);
        harness::ipv4(PEER, OWN, Protocol::UDP, &datagram)
    };
    let mut damaged = v4(PORT, b"damaged");
    *damaged.last_mut().unwrap() ^= 1;
    let mut unsummed = v6(PORT, b"unsummed");
    unsummed[60..62].fill(0);
    let cases = [
        (harness::ipv4(PEER, OWN, Protocol::UDP, &[0; 7]), Reason::UdpLength),
        (sealed(7, b""), Reason::UdpLength),
        (sealed(10, b"x"), Reason::UdpLength),
        (sealed(0, b"x"), Reason::UdpLength),
        (v4(0, b""), Reason::UdpPort),
        (v4(PORT + 1, b""), Reason::UdpUnbound),
        (damaged, Reason::UdpChecksum),
        (unsummed, Reason::UdpNoChecksum),
    ];
    for (frame, reason) in cases {
        let mut sockets = with_peer();
        let socket = sockets.bind(None, PORT).unwrap();
        assert_eq!(sockets.drops(&frame), reason);
        assert_eq!((sockets.read(socket), sockets.udp.next_ready()), (None, None));
    }
}

#[test]
fn rfc768_no_checksum_is_no_fault_over_ipv4() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    let mut frame = v4(PORT, b"unsummed");
    frame[40..42].fill(0);
    sockets.receive(&frame);
    assert_eq!(sockets.read(socket).unwrap(), b"unsummed");
    assert_eq!(sockets.host.work, Work::default());
}

#[test]
fn rfc768_what_stands_behind_the_length_is_not_payload() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    let datagram = harness::udp((PEER.into(), 9), (OWN.into(), PORT), b"payload");
    let frame = harness::ipv4(PEER, OWN, Protocol::UDP, &[&datagram[..], b"surplus"].concat());
    sockets.receive(&frame);
    assert_eq!(sockets.read(socket).unwrap(), b"payload");
}

#[test]
fn a_datagram_for_nobody_comes_back_for_its_sender_to_be_told() {
    assert!(with_peer().receive(&v4(PORT, b"")).is_some());
}

#[test]
fn a_socket_bound_to_an_address_hears_only_that_and_hears_it_first() {
    let mut sockets = with_peer();
    let anywhere = sockets.bind(None, PORT).unwrap();
    let here = sockets.bind(Some(OWN.into()), PORT).unwrap();
    sockets.receive(&v4(PORT, b"four"));
    sockets.receive(&v6(PORT, b"six"));
    assert_eq!(sockets.read(here).unwrap(), b"four");
    assert_eq!(sockets.read(anywhere).unwrap(), b"six");
    assert_eq!(sockets.read(here), None);
}

#[test]
fn a_port_is_given_once_and_can_be_given_again() {
    let mut sockets = with_peer();
    let first = sockets.bind(None, PORT).unwrap();
    assert_eq!(sockets.bind(None, PORT), Err(BindError::InUse));
    assert_eq!(sockets.bind(Some(PEER.into()), PORT), Err(BindError::NotLocal));
    // The other ports share its list.
    let others = [PORT + 2, PORT + 4].map(|port| sockets.bind(None, port).unwrap());
    sockets.receive(&v4(PORT, b"lost"));
    assert!(sockets.udp.unbind(first) && !sockets.udp.unbind(first));
    assert_eq!(sockets.drops(&v4(PORT, b"")), Reason::UdpUnbound);
    let again = sockets.bind(None, PORT).unwrap();
    assert_ne!(first, again);
    assert_eq!((sockets.read(first), sockets.read(again)), (None, None));
    for (other, port) in others.into_iter().zip([PORT + 2, PORT + 4]) {
        sockets.receive(&v4(port, b"found"));
        assert_eq!(sockets.read(other).unwrap(), b"found");
    }
    sockets.bind(None, 1).unwrap();
    assert_eq!(sockets.bind(None, 2), Err(BindError::Full));
}

#[test]
fn rfc6056_a_port_nobody_asked_for_cannot_be_guessed() {
    let ports = |secret| {
        let host = Host::with_peer();
        let mut sockets = Sockets::new(host);
        sockets.udp.ports = Ports::new(leak(2, || PortBucket::EMPTY), secret);
        let handles: Vec<_> = (0..4).map(|_| sockets.bind(None, 0).unwrap()).collect();
        handles.iter().map(|&handle| sockets.udp.local_port(handle).unwrap()).collect::<Vec<_>>()
    };
    let (one, other) = (ports([1; 16]), ports([2; 16]));
    assert!(one.iter().all(|port| *port >= 49152));
    assert!(one.windows(2).all(|pair| pair[1] != pair[0] + 1), "{one:?}");
    assert_ne!(one, other);
}

#[test]
fn what_cannot_be_sent_is_refused_at_once() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    assert_eq!(sockets.send(socket, peer(), &[0; 1473]), Err(SendError::TooLong { most: 1472 }));
    assert_eq!(sockets.send(socket, (PEER6, 9).into(), &[0; 1453]), Err(SendError::TooLong { most: 1452 }));
    assert_eq!(sockets.send(socket, (PEER, 0).into(), b""), Err(SendError::NoPort));
    assert_eq!(sockets.send(socket, ([203, 0, 113, 1], 9).into(), b""), Err(SendError::NoRoute));
    let narrow = sockets.bind(Some(OWN.into()), PORT).unwrap();
    assert_eq!(sockets.send(narrow, (PEER6, 9).into(), b""), Err(SendError::NoRoute));
    sockets.udp.unbind(narrow);
    assert_eq!(sockets.send(narrow, peer(), b""), Err(SendError::NoSocket));
    let held: Vec<_> = core::iter::from_fn(|| sockets.host.pool.take()).collect();
    assert_eq!(sockets.send(socket, peer(), b"x"), Err(SendError::NoMemory));
    drop(held);
    assert_eq!(sockets.transmit().len(), 0);
    assert_eq!(sockets.send(socket, peer(), &[0; 1472]), Ok(()));
    assert_eq!(sockets.transmit()[0].len(), 1514);
}

#[test]
fn a_full_ring_keeps_the_order() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    for payload in [b"a", b"b", b"c"] {
        sockets.send(socket, peer(), payload).unwrap();
    }
    sockets.host.wire.room = 1;
    assert!(sockets.transmit_up_to(10));
    sockets.host.wire.room = 10;
    assert!(!sockets.transmit_up_to(10));
    let payloads: Vec<u8> = sockets.host.take_sent().iter().map(|frame| frame[42]).collect();
    assert_eq!(payloads, b"abc");
}

#[test]
fn sockets_take_turns() {
    let mut sockets = with_peer();
    let (one, other) = (sockets.bind(None, 1).unwrap(), sockets.bind(None, 2).unwrap());
    for _ in 0..2 {
        sockets.send(one, peer(), b"").unwrap();
    }
    sockets.send(other, peer(), b"").unwrap();
    assert!(sockets.transmit_up_to(2));
    let ports: Vec<u8> = sockets.transmit().iter().map(|frame| frame[35]).collect();
    assert_eq!(ports, [1, 2, 1]);
}

#[test]
fn a_socket_alone_sends_to_each_host_what_is_for_it() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, 1).unwrap();
    let to: [SocketAddr; 4] = [peer(), peer(), (PEER6, 9).into(), peer()];
    for (number, to) in to.into_iter().enumerate() {
        sockets.send(socket, to, &[number as u8; 20]).unwrap();
    }
    // As many as may be in one turn, and no more.
    assert!(sockets.transmit_up_to(3));
    let frames = sockets.transmit();
    frames.iter().for_each(|frame| assert_sound(frame));
    let sent: Vec<_> = frames.iter().map(|frame| (frame[12], frame[frame.len() - 1])).collect();
    assert_eq!(sent, [(0x08, 0), (0x08, 1), (0x86, 2), (0x08, 3)]);
}

#[test]
fn a_host_that_does_not_answer_holds_back_its_socket_only_from_there_on() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, 1).unwrap();
    let stranger: std::net::Ipv4Addr = [192, 0, 2, 3].into();
    for to in [peer(), (stranger, 9).into(), peer()] {
        sockets.send(socket, to, b"").unwrap();
    }
    let sent = sockets.transmit();
    assert_eq!(sent.iter().map(|frame| frame[13]).collect::<Vec<_>>(), [0, 6], "a datagram, and a question");
    assert!(!sockets.udp.has_output());
    let answer = arp::Packet::reply(PEER_MAC, stranger, harness::MAC, OWN);
    sockets.host.receive(&harness::arp(harness::MAC, answer));
    assert!(sockets.host.ip.take_resolved());
    sockets.udp.retry_waiting();
    assert_eq!(sockets.transmit().len(), 2);
}

#[test]
fn rfc1122_a_socket_that_waits_for_a_neighbour_waits_alone() {
    let mut sockets = with_peer();
    let (stuck, free) = (sockets.bind(None, 1).unwrap(), sockets.bind(None, 2).unwrap());
    let stranger: std::net::Ipv4Addr = [192, 0, 2, 3].into();
    sockets.send(stuck, (stranger, 9).into(), b"").unwrap();
    sockets.send(free, peer(), b"").unwrap();
    let sent = sockets.transmit();
    assert_eq!(sent.iter().map(|frame| frame[13]).collect::<Vec<_>>(), [6, 0], "a question, and the other datagram");
    assert!(!sockets.udp.has_output());
    let answer = arp::Packet::reply(PEER_MAC, stranger, harness::MAC, OWN);
    sockets.host.receive(&harness::arp(harness::MAC, answer));
    assert!(sockets.host.ip.take_resolved());
    sockets.udp.retry_waiting();
    assert_eq!(sockets.transmit()[0][35], 1);
}

#[test]
fn rfc1122_a_neighbour_that_never_answers_is_an_error() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    sockets.send(socket, ([192, 0, 2, 3], 9).into(), b"").unwrap();
    sockets.send(socket, peer(), b"next").unwrap();
    sockets.transmit();
    sockets.host.pass(Span::from_secs(3));
    assert!(sockets.host.ip.take_resolved());
    sockets.udp.retry_waiting();
    assert_eq!(sockets.transmit().len(), 1, "the next datagram leaves");
    assert_eq!(sockets.udp.next_ready(), Some(socket));
    assert_eq!(sockets.udp.take_error(socket), Some(SocketError::NoAnswer));
    assert_eq!(sockets.udp.take_error(socket), None);
    assert_eq!(sockets.host.ip.drops.of(Reason::NeighbourSilent), 1);
}

#[test]
fn rfc1122_an_icmp_error_reaches_the_socket_that_sent() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    let kind = ErrorKind::Unreachable(Unreachable::Port);
    let error = TransportError {
        protocol: Protocol::UDP,
        local: (OWN, PORT).into(),
        remote: peer(),
        sequence: 0,
        packet_len: 100,
        kind,
    };
    sockets.udp.on_error(&error);
    sockets.udp.on_error(&TransportError { local: (OWN, PORT + 1).into(), ..error });
    assert_eq!((sockets.udp.next_ready(), sockets.udp.next_ready()), (Some(socket), None));
    assert_eq!(sockets.udp.take_error(socket), Some(SocketError::Reported { remote: peer(), kind }));
}

#[test]
fn a_full_socket_drops_without_reading() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    for _ in 0..60 {
        sockets.receive(&v4(PORT, b""));
    }
    // Empty payloads pin no slot; a full queue does not even look at the checksum.
    for _ in 60..QUEUE_LIMIT {
        sockets.receive(&v4(PORT, b""));
    }
    let before = sockets.host.work;
    assert_eq!(sockets.drops(&v4(PORT, &bytes(100))), Reason::UdpQueueFull);
    assert_eq!(sockets.host.work, before);
    assert!(sockets.udp.read(socket).is_some());
    sockets.receive(&v4(PORT, &bytes(100)));
    assert_eq!(sockets.host.work.verified, 100);
}

#[test]
fn one_socket_leaves_the_others_room_in_the_tables() {
    let mut sockets = with_peer();
    let (greedy, other) = (sockets.bind(None, 1).unwrap(), sockets.bind(None, 2).unwrap());
    (0..100).for_each(|_| drop(sockets.receive(&v4(1, b""))));
    sockets.receive(&v4(2, b"heard"));
    assert_eq!(sockets.read(other).unwrap(), b"heard");
    let taken = (0..100).filter(|_| sockets.send(greedy, peer(), b"").is_ok()).count();
    assert_eq!(taken, QUEUE_LIMIT);
    assert!(!sockets.udp.can_send(greedy) && sockets.udp.can_send(other));
    assert_eq!(sockets.send(greedy, peer(), b""), Err(SendError::QueueFull));
}

#[test]
fn a_socket_with_news_is_named_once_until_there_are_more() {
    let mut sockets = with_peer();
    let (one, other) = (sockets.bind(None, 1).unwrap(), sockets.bind(None, 2).unwrap());
    for port in [2, 1, 2] {
        sockets.receive(&v4(port, b""));
    }
    assert_eq!([sockets.udp.next_ready(), sockets.udp.next_ready()], [Some(other), Some(one)]);
    assert_eq!(sockets.udp.next_ready(), None);
    sockets.receive(&v4(2, b""));
    assert_eq!(sockets.udp.next_ready(), Some(other));
}

#[test]
fn a_full_socket_is_named_when_it_has_room_again() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    (0..QUEUE_LIMIT).for_each(|_| sockets.send(socket, peer(), b"").unwrap());
    assert_eq!(sockets.udp.next_ready(), None);
    sockets.transmit_up_to(1);
    assert_eq!(sockets.udp.next_ready(), Some(socket));
    sockets.transmit_up_to(1);
    assert_eq!(sockets.udp.next_ready(), None);
}

#[test]
fn rfc4007_a_link_local_sender_can_be_answered() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    let local: Ipv6Addr = "fe80::2".parse().unwrap();
    let datagram = harness::udp((local.into(), 9), (OWN6.into(), PORT), b"hello");
    sockets.receive(&harness::ipv6(local, OWN6, Protocol::UDP, 64, &datagram));
    let from = sockets.udp.read(socket).unwrap().from;
    assert_eq!(from, SocketAddrV6::new(local, 9, 0, 1).into());
    assert_eq!(sockets.send(socket, from, b""), Ok(()));
    let elsewhere = SocketAddrV6::new(local, 9, 0, 2).into();
    assert_eq!(sockets.send(socket, elsewhere, b""), Err(SendError::NoRoute));
}

#[test]
fn a_device_that_checked_spares_the_reading() {
    let mut sockets = with_peer();
    let socket = sockets.bind(None, PORT).unwrap();
    let mut packet = sockets.host.packet(&v6(PORT, &bytes(700)));
    packet.checksum = Checked::Checked;
    sockets.receive_packet(packet);
    let mut received = sockets.udp.read(socket).unwrap();
    let chunk = received.packet.pop().unwrap();
    sockets.udp.push(socket, received.from, chunk, &mut sockets.host.ip).unwrap();
    assert_sound(&sockets.transmit()[0]);
    assert_eq!(sockets.host.work, Work::default());
}

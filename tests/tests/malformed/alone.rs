//! Reasons that no single frame causes: they are about how many came, or about what the stack itself wants to say.

use std::net::{Ipv4Addr, SocketAddr};

use lendwire::Reason;
use lendwire::time::Span;
use lendwire::udp::SocketError;
use lendwire_tests::frame::{ARP, TCP};
use lendwire_tests::segment::flag::{ACK, SYN, URG};

use crate::host::{Host, Said, kind, segment};
use crate::wire::{AT_V4_BODY, Frame, ICMP, MAC, OWN, PEER, PEER_MAC, arp, echo, ethertype, icmp, packet, udp};

/// Each has a test of its own here.
pub(crate) const REASONS: [Reason; 5] =
    [Reason::IcmpRateLimited, Reason::ReplyQueueFull, Reason::NeighbourSilent, Reason::TcpUrgent, Reason::TcpPathMtu];

/// The upper byte of the sequence number, behind the IPv4 header and the ports.
const AT_SEQUENCE_IN_QUOTE: usize = 20 + 4;

/// What was counted since.
#[track_caller]
fn counted(host: &Host, before: &lendwire::Drops, wanted: &[(Reason, u64)]) {
    let drops = host.drops();
    let since = drops.iter().map(|(reason, count)| (reason, count - before.of(reason))).filter(|(_, n)| *n > 0);
    assert_eq!(since.collect::<Vec<_>>(), wanted);
}

/// A datagram to a closed port.
fn unwanted() -> Frame {
    let mut frame = udp();
    frame.set(AT_V4_BODY + 2, &[0, 9]);
    frame.repair();
    frame
}

#[test]
fn rfc4443_errors_beyond_the_rate_are_held_back() {
    let mut host = Host::new();
    let before = host.drops();
    let answered = (0..30).filter(|_| !host.sends(unwanted()).is_empty()).count() as u64;
    assert!((5..=20).contains(&answered), "a burst of {answered}");
    counted(&host, &before, &[(Reason::IcmpRateLimited, 30 - answered), (Reason::UdpUnbound, 30)]);
    host.passes(Span::from_secs(1));
    assert_eq!(host.sends(unwanted()).len(), 1, "errors are sent again later");
}

#[test]
fn replies_that_find_no_place_are_counted_and_the_others_are_sent_later() {
    let mut host = Host::new();
    let (before, free) = (host.drops(), host.free_slots());
    host.hand.set_room(Some(0));
    // Echoes leave a quarter of the line to what the stack itself must say.
    for _ in 0..20 {
        host.stack.receive(host.interface, echo().packet(host.receive), host.now);
    }
    counted(&host, &before, &[(Reason::ReplyQueueFull, 8)]);
    for _ in 0..6 {
        let request = arp(MAC, 1, PEER_MAC, PEER, OWN);
        host.stack.receive(host.interface, request.packet(host.receive), host.now);
    }
    counted(&host, &before, &[(Reason::ReplyQueueFull, 10)]);
    host.hand.set_room(None);
    let said = host.says();
    assert_eq!(said.iter().filter(|frame| kind(frame) == Said::Icmp { kind: 0, code: 0 }).count(), 12);
    assert_eq!(said.iter().filter(|frame| ethertype(frame) == ARP).count(), 4);
    assert_eq!(host.free_slots(), free, "every slot came back");
}

#[test]
fn resets_that_find_no_place_are_counted() {
    let mut host = Host::new();
    let before = host.drops();
    host.hand.set_room(Some(0));
    for port in 0..20 {
        let syn = packet(PEER, OWN, TCP, &segment(41_000 + port, 81, 1, 0, SYN, &[], b""));
        host.stack.receive(host.interface, syn.packet(host.receive), host.now);
    }
    counted(&host, &before, &[(Reason::TcpNoConnection, 20), (Reason::ReplyQueueFull, 4)]);
    host.hand.set_room(None);
    assert_eq!(host.says().len(), 16);
}

#[test]
fn rfc1122_a_neighbour_that_never_answers_costs_the_packet_and_no_more() {
    let mut host = Host::new();
    let (before, free) = (host.drops(), host.free_slots());
    let silent = SocketAddr::from(([192, 0, 2, 55], 9000));
    host.stack.udp_send(host.udp, silent, b"hello").expect("there is room");
    let said = host.passes(Span::from_secs(10));
    assert!(said.iter().any(|frame| ethertype(frame) == ARP && frame[38..42] == [192, 0, 2, 55]), "it is asked for");
    assert!(said.iter().all(|frame| kind(frame) != Said::Udp), "nothing is sent to nobody");
    counted(&host, &before, &[(Reason::NeighbourSilent, 1)]);
    assert_eq!(host.stack.udp_take_error(host.udp), Some(SocketError::NoAnswer));
    assert_eq!(host.free_slots(), free);
}

#[test]
fn rfc1122_an_echo_from_who_never_answers_costs_its_reply_and_no_more() {
    let mut host = Host::new();
    let (before, free) = (host.drops(), host.free_slots());
    host.sends(packet(Ipv4Addr::new(192, 0, 2, 55), OWN, ICMP, &icmp(8, 0, [0; 4], b"hello")));
    assert_ne!(host.free_slots(), free, "the reply waits, with the request's payload");
    host.passes(Span::from_secs(10));
    counted(&host, &before, &[(Reason::NeighbourSilent, 1)]);
    assert_eq!(host.free_slots(), free);
}

#[test]
fn an_urgent_mark_without_room_for_it_costs_the_mark_and_not_the_data() {
    for (room, counts) in [(true, &[][..]), (false, &[(Reason::TcpUrgent, 1)][..])] {
        let mut host = Host::with(|storage| {
            if !room {
                storage.tcp.settings = &mut [];
            }
        });
        let before = host.drops();
        let mut marked = host.segment(ACK | URG, b"hello");
        marked.set(AT_V4_BODY + 18, &[0, 5]);
        marked.repair();
        host.sends(marked);
        counted(&host, &before, counts);
        assert_eq!(host.stack.unread(host.connection), 5);
        assert_eq!(host.stack.urgent(host.connection), Some(5).filter(|_| room));
    }
}

#[test]
fn rfc5927_a_report_about_what_is_not_in_flight_is_counted() {
    let mut host = Host::new();
    host.stack.push(host.connection, lendwire_nic::Chunk::from_static(&[7; 1000])).expect("there is room");
    let sent = host.says();
    let quoted = &sent.first().expect("it is sent")[14..14 + 28];
    let report = |mtu: [u8; 2], shift: u8| {
        let mut quoted = quoted.to_vec();
        quoted[AT_SEQUENCE_IN_QUOTE] = quoted[AT_SEQUENCE_IN_QUOTE].wrapping_add(shift);
        packet(PEER, OWN, ICMP, &icmp(3, 4, [0, 0, mtu[0], mtu[1]], &quoted))
    };
    for (mtu, shift, counts) in [([2, 40], 1, 1), ([4, 16], 0, 1), ([2, 40], 0, 0)] {
        let before = host.drops();
        host.sends(report(mtu, shift));
        let counts = [(Reason::TcpPathMtu, counts)];
        counted(&host, &before, &counts[..counts[0].1 as usize]);
    }
    assert_eq!(host.stack.info(host.connection).map(|info| info.mss), Some(552 - 40));
}

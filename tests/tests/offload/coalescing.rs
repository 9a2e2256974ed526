//! Segments that come together are looked at together, and nobody can tell but by the counts.

use std::net::{IpAddr, Ipv4Addr};

use lendwire::Reason;
use lendwire::tcp::TcpHandle;
use lendwire::time::Span;
use lendwire_tests::segment::{Segment, ack, data, flag, rst, segment, syn};
use lendwire_tests::setup::Pools;

use super::*;

const MSS: usize = 1000;

fn opened(peer: &mut Peer) -> TcpHandle {
    peer.opens(syn().mss(MSS as u16).window_scale(7))
}

/// Full segment number `place` of a stream that begins behind the SYN.
fn full(place: usize) -> Segment {
    data(&stream::bytes((place * MSS) as u64, MSS)).seq((1 + place * MSS) as u32)
}

fn arrivals(peer: &Peer) -> u64 {
    peer.stack.tcp_statistics().arrivals
}

/// How often TCP looks at a burst of `segments`.
#[track_caller]
fn looks(peer: &mut Peer, segments: Vec<Segment>) -> u64 {
    let before = arrivals(peer);
    segments.into_iter().for_each(|segment| peer.queues(segment));
    peer.turn();
    arrivals(peer) - before
}

#[test]
fn rfc9293_3_8_6_3_a_burst_of_32_segments_is_looked_at_once_and_acknowledged_once() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, Offloads::empty());
        let connection = opened(&mut peer);
        let (before, received) = (peer.stack.work(), peer.stack.tcp_statistics().segments_received);
        assert_eq!(looks(&mut peer, (0..32).map(full).collect()), 1);
        assert_eq!(peer.stack.tcp_statistics().segments_received - received, 32);
        let work = since(peer.stack.work(), before);
        assert_eq!(work, Work { verified: 32_000, ..Work::default() });
        // At once, and for all: one acknowledgment a batch.
        peer.expects(ack().ack(32_001));
        peer.expects_nothing_for(Span::from_secs(1));
        assert!(peer.reads(connection) == stream::bytes(0, 32_000));
        assert_eq!(peer.pools.held(), 0);
    }
}

#[test]
fn what_was_coalesced_is_lent_on_with_the_sums_that_were_taken_to_check_it() {
    let mut peer = peer_with(Version::V4, Offloads::empty());
    let connection = opened(&mut peer);
    assert_eq!(looks(&mut peer, (0..20).map(full).collect()), 1);
    let before = peer.stack.work();
    let mut chunks = 0;
    while let Ok(Some(chunk)) = peer.stack.read_chunk(connection) {
        assert!(chunk.known_sum().is_some() && chunk.len() == MSS, "a segment's slot, as it came");
        peer.stack.push(connection, chunk).unwrap();
        chunks += 1;
    }
    assert_eq!(chunks, 20);
    peer.takes_all();
    assert_eq!(since(peer.stack.work(), before), Work::default());
}

#[test]
fn a_push_ends_a_batch() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let burst = (0..9).map(|place| full(place).push(place % 3 == 2)).collect();
    assert_eq!(looks(&mut peer, burst), 3);
    assert_eq!(peer.reads(connection).len(), 9 * MSS);
}

#[test]
fn a_shorter_segment_ends_a_batch_and_a_longer_one_does_not_join_it() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let piece = |at: usize, len| data(&stream::bytes(at as u64, len)).seq(1 + at as u32);
    let burst = vec![piece(0, 600), piece(600, 600), piece(1200, 599), piece(1799, 600), piece(2399, 700)];
    assert_eq!(looks(&mut peer, burst), 3);
    assert!(peer.reads(connection) == stream::bytes(0, 3099));
}

#[test]
fn small_segments_are_not_batched_so_that_they_share_slots() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let burst = (0..20).map(|at| data(&stream::bytes(at * 100, 100)).seq(1 + 100 * at as u32)).collect();
    assert_eq!(looks(&mut peer, burst), 20);
    assert!(peer.pools.held() < 5);
    assert!(peer.reads(connection) == stream::bytes(0, 2000));
}

#[test]
fn acknowledgments_and_windows_in_a_batch_may_move_on_and_the_last_ones_count() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    peer.stack.push(connection, lent(3000)).unwrap();
    peer.takes_all();
    let burst = vec![
        full(0).ack(1).window(100),
        full(1).ack(1001).window(90),
        full(2).ack(1001).window(80),
        full(3).ack(2001).window(70),
    ];
    assert_eq!(looks(&mut peer, burst), 1);
    let info = peer.stack.info(connection).unwrap();
    assert_eq!((info.in_flight, info.send_window), (1000, 70 << 7));
}

#[test]
fn rfc7323_4_3_of_a_batch_the_first_ones_time_is_echoed_and_none_is_older_than_what_it_follows() {
    let mut peer = Peer::new();
    peer.opens(syn().mss(MSS as u16).timestamps(500, 0));
    let at = |place, value| full(place).timestamps(value, 1);
    assert_eq!(looks(&mut peer, vec![at(0, 500), at(1, 501), at(2, 501), at(3, 600)]), 1);
    assert_eq!(peer.expects(ack().ack(4001)).timestamps.map(|(_, echo)| echo), Some(500));
    // The second is old, and is not hidden by the first.
    assert_eq!(looks(&mut peer, vec![at(4, 700), at(5, 499)]), 2);
    assert_eq!(peer.stack.drops().of(Reason::TcpOld), 1);
    // What has no time is dropped, and does not join.
    assert_eq!(looks(&mut peer, vec![at(5, 702), full(6)]), 2);
    assert_eq!(peer.stack.drops().of(Reason::TcpNoTimestamps), 1);
}

#[test]
fn rfc9293_3_10_7_4_the_window_of_a_batch_is_as_new_as_its_last_segment() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    assert_eq!(looks(&mut peer, vec![full(1).window(100), full(2).window(90), full(3).window(80)]), 1);
    // Ahead of a hole, so that what is older than the last one is still in the window.
    peer.sends(full(2).window(999));
    assert_eq!(peer.stack.info(connection).unwrap().send_window, 80 << 7);
    peer.sends(full(4).window(70));
    assert_eq!(peer.stack.info(connection).unwrap().send_window, 70 << 7);
}

#[test]
fn rfc3168_5_3_a_congestion_mark_is_not_made_one_with_what_has_none() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, Offloads::empty());
        let connection = opened(&mut peer);
        let burst = (0..6).map(|place| full(place).traffic_class(if place / 2 == 1 { 3 } else { 2 })).collect();
        assert_eq!(looks(&mut peer, burst), 3);
        assert_eq!(peer.reads(connection).len(), 6 * MSS);
    }
}

#[test]
fn rfc3168_6_1_what_segments_say_of_congestion_is_the_same_in_a_batch() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let (echo, reduced) = (|place| full(place).with(flag::ECE), |place| full(place).with(flag::CWR));
    assert_eq!(looks(&mut peer, vec![echo(0), echo(1), echo(2)]), 1);
    assert_eq!(looks(&mut peer, vec![full(3), echo(4), reduced(5), full(6)]), 4);
    assert!(peer.reads(connection) == stream::bytes(0, 7 * MSS));
}

#[test]
fn a_batch_is_no_longer_than_a_packet_can_be() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let burst = (0..50).map(|place| data(&stream::bytes(place * 1400, 1400)).seq(1 + 1400 * place as u32)).collect();
    assert_eq!(looks(&mut peer, burst), 2);
    assert!(peer.reads(connection) == stream::bytes(0, 65_535), "as far as a SYN's window goes");
}

#[test]
fn an_acknowledgment_that_goes_back_is_not_taken_into_a_batch() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    peer.stack.push(connection, lent(2000)).unwrap();
    peer.takes_all();
    assert_eq!(looks(&mut peer, vec![full(0).ack(1001), full(1).ack(1), full(2).ack(1001)]), 2);
    assert_eq!(peer.stack.info(connection).unwrap().in_flight, 1000);
    assert_eq!(peer.reads(connection).len(), 3 * MSS);
}

#[test]
fn whatever_is_out_of_the_ordinary_ends_a_batch_and_goes_its_own_way_behind_it() {
    let odd: [(&str, Segment, u64); 7] = [
        ("a FIN", full(2).with(flag::FIN), 2),
        ("urgent data", full(2).with(flag::URG), 2),
        ("an option", full(2).options(&[1, 1, 1, 1]), 2),
        ("a SYN", segment(flag::SYN | flag::ACK).seq(2001), 2),
        ("a bare acknowledgment", ack().seq(2001), 2),
        ("a hole", full(3), 2),
        ("a repetition", full(1), 2),
    ];
    for (what, odd, expected) in odd {
        let mut peer = Peer::new();
        let connection = opened(&mut peer);
        assert_eq!(looks(&mut peer, vec![full(0), full(1), odd]), expected, "{what}");
        let read = peer.reads(connection);
        assert!(read[..2000] == stream::bytes(0, 2000), "{what}");
    }
}

#[test]
fn rfc5961_3_2_a_reset_behind_a_batch_finds_the_batch_taken_in() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    peer.queues(full(0));
    peer.queues(full(1));
    peer.queues(rst().seq(2001));
    peer.turn();
    assert_eq!(peer.stack.state(connection), lendwire::tcp::State::Closed, "the reset was exact");
    assert_eq!(peer.stack.drops().of(Reason::TcpReset), 0);
}

#[test]
fn another_hosts_segment_never_joins_whatever_came_before_it() {
    let other = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 77));
    for before in [full(1).with_bad_checksum(), full(1), segment(flag::RST)] {
        let mut peer = Peer::new();
        let connection = opened(&mut peer);
        peer.queues(full(0));
        peer.queues_from(other, before.clone());
        // By its ports and its number it would follow.
        peer.queues_from(other, full(1));
        peer.turn();
        assert!(peer.reads(connection) == stream::bytes(0, MSS), "{before:?}");
    }
}

#[test]
fn rfc9293_must_3_a_bad_checksum_never_joins() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    let burst = vec![full(0), full(1), full(2).with_bad_checksum(), full(2), full(3)];
    assert_eq!(looks(&mut peer, burst), 1, "as if the bad one had never come");
    assert_eq!(peer.stack.drops().of(Reason::TcpChecksum), 1);
    assert!(peer.reads(connection) == stream::bytes(0, 4000));
}

#[test]
fn rfc5681_4_2_a_batch_behind_a_hole_is_kept_and_acknowledged_at_once() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    assert_eq!(looks(&mut peer, vec![full(1), full(2), full(3)]), 1);
    // One for each of the three, so that the sender can count them.
    for _ in 0..3 {
        peer.expects(ack().ack(1));
    }
    peer.expects_nothing();
    peer.sends(full(0));
    peer.expects(ack().ack(4001));
    assert!(peer.reads(connection) == stream::bytes(0, 4000));
}

#[test]
fn flows_are_kept_apart_and_the_first_gives_way_when_there_are_too_many() {
    // Three flows by turns: with room for three each is looked at once, with room for two each segment.
    for (batches, expected) in [(3, 3), (2, 12), (0, 12)] {
        let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.batches = batches));
        let connections = [1, 2, 3].map(|port| {
            peer.uses_port(port);
            opened(&mut peer)
        });
        let before = arrivals(&peer);
        for place in 0..4 {
            for port in [1, 2, 3] {
                peer.uses_port(port);
                peer.queues(full(place));
            }
        }
        peer.turn();
        assert_eq!(arrivals(&peer) - before, expected, "room for {batches}");
        for connection in connections {
            assert!(peer.reads(connection) == stream::bytes(0, 4000));
        }
    }
}

#[test]
fn without_a_slot_for_its_list_a_batch_is_as_long_as_fits_inline() {
    let pools = Pools::leaked(64);
    // As if what the device receives in were larger.
    let mut setup = Setup::new().tcp(|tcp| tcp.receive_memory = Some(1 << 20));
    setup.pools[0] = pools;
    let mut peer = Peer::with(&setup);
    let connection = opened(&mut peer);
    let all: Vec<_> = std::iter::from_fn(|| pools.transmit.take()).collect();
    assert_eq!(looks(&mut peer, (0..32).map(full).collect()), 16);
    assert!(peer.reads(connection) == stream::bytes(0, 32_000));
    drop(all);
    assert_eq!(pools.held(), 0);
}

#[test]
fn a_batch_beyond_the_window_is_cut_where_the_window_ends() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 16 * 1024));
    let connection = peer.opens(syn().mss(MSS as u16));
    assert_eq!(looks(&mut peer, (0..14).map(full).collect()), 1);
    assert!(peer.reads(connection) == stream::bytes(0, 10_240));
}

#[test]
fn segments_that_a_device_made_one_are_acknowledged_at_once_and_counted() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, CUTS | Offloads::RX_COALESCE);
        let connection = opened(&mut peer);
        let before = peer.stack.tcp_statistics();
        peer.queues_coalesced(data(&stream::bytes(0, 60_500)), 1000);
        peer.turn();
        peer.expects(ack().ack(60_501));
        let after = peer.stack.tcp_statistics();
        assert_eq!(after.segments_received - before.segments_received, 61);
        assert_eq!(after.arrivals - before.arrivals, 1);
        assert!(peer.reads(connection) == stream::bytes(0, 60_500));
        assert_eq!(peer.stack.work().verified, 0, "the device has checked it");
        // Two that hold less than two of ours are two.
        peer.queues_coalesced(data(&stream::bytes(60_500, 700)), 400);
        peer.turn();
        peer.expects(ack().ack(61_201));
    }
}

#[test]
fn rfc9293_shld_18_after_a_device_showed_how_long_they_are_every_second_full_segment_is_acknowledged() {
    let mut peer = peer_with(Version::V4, CUTS | Offloads::RX_COALESCE);
    opened(&mut peer);
    peer.queues_coalesced(data(&stream::bytes(0, 1800)), 600);
    peer.expects(ack().ack(1801));
    peer.sends(data(&stream::bytes(1800, 600)));
    peer.expects_nothing();
    peer.sends(data(&stream::bytes(2400, 600)));
    peer.expects(ack().ack(3001));
}

#[test]
fn rfc9293_3_8_6_3_one_segment_is_one_whatever_its_device_says() {
    for size in [0, 1000, 1001, u16::MAX] {
        let mut peer = peer_with(Version::V4, CUTS | Offloads::RX_COALESCE);
        let connection = opened(&mut peer);
        peer.queues_coalesced(data(&stream::bytes(0, 1000)), size);
        peer.expects_nothing();
        peer.expects_within(Span::from_millis(45), ack().ack(1001));
        assert_eq!(peer.reads(connection).len(), 1000);
        peer.sends(full(1));
        peer.sends(full(2));
        peer.expects(ack().ack(3001));
    }
}

#[test]
fn what_a_device_coalesced_joins_a_batch_of_segments_as_long() {
    let mut peer = peer_with(Version::V4, CUTS | Offloads::RX_COALESCE);
    let connection = opened(&mut peer);
    let before = arrivals(&peer);
    peer.queues_coalesced(data(&stream::bytes(0, 4000)), 1000);
    peer.queues(data(&stream::bytes(4000, 1000)));
    peer.queues_coalesced(data(&stream::bytes(5000, 2500)), 1000);
    peer.turn();
    assert_eq!(arrivals(&peer) - before, 1);
    peer.queues_coalesced(data(&stream::bytes(7500, 2000)), 1000);
    peer.queues_coalesced(data(&stream::bytes(9500, 2000)), 500);
    peer.turn();
    assert_eq!(arrivals(&peer) - before, 3, "others do not");
    assert!(peer.reads(connection) == stream::bytes(0, 11_500));
}

#[test]
fn an_unchecked_packet_of_many_slots_is_checked_as_it_stands() {
    let mut peer = Peer::new();
    let connection = opened(&mut peer);
    peer.queues(data(&stream::bytes(0, 50_000)));
    peer.turn();
    assert!(peer.reads(connection) == stream::bytes(0, 50_000));
    peer.queues(data(&stream::bytes(50_000, 50_000)).with_bad_checksum());
    peer.turn();
    assert_eq!((peer.stack.unread(connection), peer.stack.drops().of(Reason::TcpChecksum)), (0, 1));
}

#[test]
fn what_many_slots_hold_is_charged_by_the_slot() {
    let mut peer = peer_with(Version::V4, CUTS | Offloads::RX_COALESCE);
    let connection = opened(&mut peer);
    let window = |peer: &Peer| peer.stack.info(connection).unwrap().receive_window;
    peer.queues_coalesced(data(&stream::bytes(0, 60_000)), 1000);
    peer.turn();
    let held = peer.pools.held();
    // 60,054 bytes in slots of 2 KiB; their list's slot went back.
    assert_eq!(held, 60_054usize.div_ceil(Pools::SLOT));
    // The window is five eighths of what is left of the budget.
    peer.sends(ack());
    let left = 256 * 1024 - held * Pools::SLOT;
    assert!(window(&peer) as usize <= left / 8 * 5 || window(&peer) == 163_840 - 60_000, "{}", window(&peer));
}

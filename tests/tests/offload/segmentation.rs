//! A device that cuts gets large packets, and what is on the wire is what it would have been without.

use lendwire::tcp::PathSearch;
use lendwire::time::Span;
use lendwire_tests::segment::{Came, ack, any_data, flag, syn, syn_ack};

use super::*;

pub(super) const MSS: u16 = 1400;

/// A connection in whose congestion window `segments` fit, with nothing in flight.
pub(super) fn opened(peer: &mut Peer, segments: u32) -> lendwire::tcp::TcpHandle {
    let connection = peer.opens(syn().mss(MSS).window_scale(7));
    peer.sends(ack().window(u16::MAX));
    let window = |peer: &Peer| peer.stack.info(connection).expect("it is open").congestion_window;
    while window(peer) < segments * u32::from(MSS) {
        let len = window(peer) as usize;
        while peer.stack.unacknowledged(connection) < len {
            peer.stack.push(connection, lent(28_000)).expect("there is room");
        }
        acknowledges(peer);
    }
    while peer.stack.unacknowledged(connection) > 0 {
        acknowledges(peer);
    }
    let _ = peer.hand.taken();
    connection
}

/// Acknowledges each segment that is there.
fn acknowledges(peer: &mut Peer) {
    let came = peer.takes_all();
    assert!(!came.is_empty(), "something is on its way");
    for came in came {
        peer.queues(ack().ack(came.seq + came.payload.len() as u32).window(u16::MAX));
    }
    peer.turn();
}

pub(super) fn lens(came: &[Came]) -> Vec<usize> {
    came.iter().map(|segment| segment.payload.len()).collect()
}

pub(super) fn frames(peer: &Peer) -> Vec<usize> {
    peer.hand.taken().iter().map(|taken| taken.frames).collect()
}

#[test]
fn a_run_of_full_segments_is_one_packet_that_nobody_copies_or_reads() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, CUTS);
        let connection = opened(&mut peer, 40);
        let (before, sent) = (peer.stack.work(), peer.stack.tcp_statistics().segments_sent);
        peer.stack.push(connection, lent(40 * usize::from(MSS))).unwrap();
        let came = peer.takes_all();
        assert_eq!(lens(&came), [usize::from(MSS); 40]);
        let all: Vec<u8> = came.iter().flat_map(|segment| segment.payload.clone()).collect();
        assert!(all == stream::bytes(0, 40 * usize::from(MSS)));
        assert_eq!(frames(&peer), [40], "{version:?}");
        assert_eq!(since(peer.stack.work(), before), Work::default());
        assert_eq!(peer.stack.tcp_statistics().segments_sent - sent, 40, "each counts");
    }
}

#[test]
fn the_wire_carries_the_same_with_and_without() {
    // Odd pieces, an application that closes, windows that end inside of segments.
    for version in [Version::V4, Version::V6] {
        for window in [700, 1400, 5000, 9_999, 65_000] {
            let [with, without, by_software] = [CUTS, Offloads::TX_CHECKSUM, Offloads::empty()].map(|offloads| {
                let mut peer = peer_with(version, offloads);
                let connection = peer.opens(syn().mss(MSS).window(window));
                let mut story = Vec::new();
                for len in [10_000, 1, 1399, 1401, 4200, 333] {
                    peer.stack.push(connection, lent(len)).unwrap();
                    peer.turn();
                    story.extend(peer.takes_all());
                }
                peer.stack.shutdown(connection, peer.now()).unwrap();
                let mut end = 1;
                for _ in 0..400 {
                    story.extend(peer.takes_all());
                    end = story.last().map_or(end, |came| came.seq + came.sequence_len());
                    peer.sends(ack().ack(end).window(window));
                    peer.waits(Span::from_millis(5));
                }
                story
            });
            let shapes = |story: &[Came]| story.iter().map(|s| (s.seq, s.payload.len(), s.flags)).collect::<Vec<_>>();
            assert_eq!(shapes(&with), shapes(&without), "{version:?}, window {window}");
            assert!(with == without && with == by_software);
            assert!(with.last().is_some_and(|last| last.flags & flag::FIN != 0), "all of it came");
        }
    }
}

#[test]
fn rfc9293_must_60_and_rfc9293_3_10_4_push_and_fin_stand_in_the_last_segment_only() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened(&mut peer, 10);
    peer.stack.push(connection, lent(3 * usize::from(MSS) + 10)).unwrap();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    let came = peer.takes_all();
    assert_eq!(frames(&peer), [4], "the short end goes along, for the FIN lets it");
    assert_eq!(lens(&came), [1400, 1400, 1400, 10]);
    let closing = |came: &Came| came.flags & (flag::PSH | flag::FIN);
    assert_eq!(came.iter().map(closing).collect::<Vec<_>>(), [0, 0, 0, flag::PSH | flag::FIN]);
}

#[test]
fn rfc9293_3_7_4_a_short_end_waits_as_nagle_wants_and_goes_along_without_him() {
    for (nodelay, sent) in [(false, vec![1400, 1400]), (true, vec![1400, 1400, 99])] {
        let mut peer = peer_with(Version::V4, CUTS);
        let connection = opened(&mut peer, 10);
        peer.stack.set_nodelay(connection, nodelay);
        // Minshall: a short segment waits for a short one.
        peer.stack.push(connection, lent(1)).unwrap();
        assert_eq!(lens(&peer.takes_all()), [1]);
        peer.stack.push(connection, lent(2 * 1400 + 99)).unwrap();
        assert_eq!(lens(&peer.takes_all()), sent);
        assert_eq!(frames(&peer), [1, sent.len()]);
    }
}

#[test]
fn nothing_waits_for_a_run_to_grow() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened(&mut peer, 40);
    for _ in 0..5 {
        peer.stack.push(connection, lent(1400)).unwrap();
        peer.expects(any_data(1400));
    }
    assert_eq!(frames(&peer), [1; 5]);
    assert!(peer.hand.taken().iter().all(|taken| taken.offload.segmentation.is_none()));
}

#[test]
fn rfc5681_3_1_a_run_ends_where_the_congestion_window_does() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = peer.opens(syn().mss(MSS).window_scale(7));
    peer.sends(ack().window(u16::MAX));
    peer.stack.push(connection, lent(60_000)).unwrap();
    let came = peer.takes_all();
    assert_eq!(lens(&came), [1400; 10], "RFC 6928: ten segments");
    assert_eq!(frames(&peer).last(), Some(&10));
}

#[test]
fn no_packet_is_longer_than_ip_can_say() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, CUTS);
        let connection = opened(&mut peer, 100);
        peer.stack.push(connection, lent(65_000)).unwrap();
        peer.stack.push(connection, lent(65_000)).unwrap();
        assert_eq!(peer.takes_all().len(), 130_000_usize.div_ceil(1400));
        assert_eq!(frames(&peer), [46, 46, 1]);
    }
}

#[test]
fn rfc6298_the_first_segment_of_a_run_is_timed() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened(&mut peer, 10);
    peer.stack.push(connection, lent(4 * 1400)).unwrap();
    let first = peer.takes_all()[0].seq;
    let before = peer.stack.info(connection).unwrap();
    peer.waits(Span::from_millis(80));
    peer.sends(ack().ack(first + 1400).window(u16::MAX));
    let after = peer.stack.info(connection).unwrap();
    assert!(after.rtt > before.rtt, "its acknowledgment is a sample: {before:?}, {after:?}");
}

#[test]
fn what_is_lost_of_a_run_comes_again_alone() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, CUTS);
        let connection = opened(&mut peer, 20);
        let (before, again) = (peer.stack.work(), peer.stack.tcp_statistics().retransmissions);
        peer.stack.push(connection, lent(10 * 1400)).unwrap();
        let came = peer.takes_all();
        // The second and the seventh are lost: fast retransmit, then a partial acknowledgment (RFC 6582 §3.2).
        for _ in 0..4 {
            peer.sends(ack().ack(came[1].seq).window(u16::MAX));
        }
        assert_eq!(peer.expects(any_data(1400)).seq, came[1].seq);
        peer.sends(ack().ack(came[6].seq).window(u16::MAX));
        let second = peer.expects(any_data(1400));
        assert!((second.seq, &second.payload) == (came[6].seq, &came[6].payload));
        assert_eq!(frames(&peer), [10, 1, 1]);
        assert_eq!(peer.stack.tcp_statistics().retransmissions - again, 2);
        assert_eq!(since(peer.stack.work(), before), Work::default());
    }
}

#[test]
fn a_full_ring_changes_nothing_of_a_run() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened(&mut peer, 20);
    let before = peer.stack.tcp_statistics();
    peer.hand.set_room(Some(0));
    peer.stack.push(connection, lent(8 * 1400)).unwrap();
    peer.expects_nothing();
    assert!(peer.hand.refused() > 0);
    assert_eq!(peer.stack.tcp_statistics(), before);
    peer.hand.set_room(None);
    assert_eq!(lens(&peer.takes_all()), [1400; 8]);
    assert_eq!(frames(&peer), [8]);
}

#[test]
fn pieces_beyond_what_the_device_takes_end_a_run_behind_a_full_segment() {
    // The device takes 7 parts. 500 bytes each make 3500: two segments and a half.
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened(&mut peer, 40);
    for place in 0..28 {
        peer.stack.push(connection, stream::content().chunk().slice(place * 500..(place + 1) * 500)).unwrap();
    }
    let came = peer.takes_all();
    assert_eq!(lens(&came), [1400; 10]);
    let all: Vec<u8> = came.iter().flat_map(|segment| segment.payload.clone()).collect();
    assert!(all == stream::bytes(0, 14_000));
    assert!(frames(&peer).iter().all(|&frames| frames >= 2), "every packet is a run");
}

#[test]
fn a_device_that_cannot_complete_checksums_is_not_asked_to_cut() {
    let mut peer = peer_with(Version::V4, CUTS.difference(Offloads::TX_CHECKSUM));
    let connection = opened(&mut peer, 20);
    peer.stack.push(connection, lent(5 * 1400)).unwrap();
    assert_eq!(lens(&peer.takes_all()), [1400; 5]);
    assert_eq!(frames(&peer), [1; 5]);
}

#[test]
fn a_device_that_cuts_one_version_is_not_asked_to_cut_the_other() {
    for (cuts, version) in [(Offloads::TX_SEGMENT_V4, Version::V6), (Offloads::TX_SEGMENT_V6, Version::V4)] {
        let mut peer = peer_with(version, Offloads::TX_CHECKSUM | cuts);
        let connection = opened(&mut peer, 20);
        peer.stack.push(connection, lent(5 * 1400)).unwrap();
        assert_eq!(lens(&peer.takes_all()), [1400; 5]);
        assert_eq!(frames(&peer), [1; 5], "{version:?}");
    }
}

#[test]
fn segments_too_short_to_be_worth_it_are_not_cut_by_the_device() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = peer.opens(syn().mss(100));
    peer.stack.push(connection, lent(500)).unwrap();
    assert_eq!(lens(&peer.takes_all()), [100; 5]);
    assert!(peer.hand.taken().iter().all(|taken| taken.frames == 1));
}

#[test]
fn rfc3168_6_1_2_the_segment_that_says_that_the_window_was_cut_is_no_part_of_a_run() {
    let mut peer = peer_with(Version::V4, CUTS);
    let offer = syn().mss(1000).with(flag::ECE | flag::CWR);
    let listener = peer.listen();
    peer.sends(offer);
    peer.expects(syn_ack().with(flag::ECE));
    peer.sends(ack());
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.push(connection, lent(10_000)).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    peer.sends(ack().ack(10_001).with(flag::ECE));
    let _ = frames(&peer);
    peer.stack.push(connection, lent(5000)).unwrap();
    let came = peer.takes_all();
    let flags: Vec<_> = came.iter().map(|came| came.flags & flag::CWR != 0).collect();
    assert_eq!(flags, [true, false, false, false, false]);
    assert_eq!(frames(&peer), [1, 4]);
}

/// RFC 4821 §7.5: a probe is one packet of the size that is tried; the device is not to cut it, nor anything with it.
#[test]
fn a_probe_of_the_path_is_no_run_and_in_none() {
    for version in [Version::V4, Version::V6] {
        let setup = Setup { version, ..Setup::new().offloads(CUTS) };
        let mut peer = Peer::with(&setup.tcp(|tcp| tcp.path_search = PathSearch::Always));
        let connection = peer.opens(syn().mss(MSS).window_scale(7));
        let short = usize::from(peer.stack.info(connection).expect("it is open").mss);
        let _ = peer.hand.taken();
        peer.stack.push(connection, lent(20_000)).unwrap();
        let came = peer.takes_all();
        assert_eq!(lens(&came)[..4], [short + (usize::from(MSS) - short) / 2, short, short, short], "{version:?}");
        assert_eq!(frames(&peer), [1, came.len() - 1], "the probe, a run: {version:?}");
    }
}

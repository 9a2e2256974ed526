//! What is lost in a row goes again in a row: one packet for a device that cuts, headers taken over where none does. On
//! the wire it is what it would have been one by one.

use lendwire::tcp::TcpHandle;
use lendwire::time::Span;
use lendwire_tests::segment::{Came, ack, flag, syn, syn_ack};

use super::segmentation::{MSS, frames, lens, opened};
use super::*;

/// With a device that cuts, and without.
const BOTH: [Offloads; 2] = [CUTS, Offloads::TX_CHECKSUM];

fn full(count: usize) -> Vec<usize> {
    vec![usize::from(MSS); count]
}

const TRIP: Span = Span::from_millis(20);

/// A connection to a peer that gives selective acknowledgments, in whose congestion window 24 segments fit.
fn opened_with_sack(peer: &mut Peer) -> TcpHandle {
    let listener = peer.listen();
    peer.sends(syn().mss(MSS).window_scale(7).sack_permitted());
    peer.expects(syn_ack());
    peer.waits(TRIP);
    peer.sends(ack().window(u16::MAX));
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    for len in [10, 20].map(|segments| segments * usize::from(MSS)) {
        peer.stack.push(connection, lent(len)).expect("there is room");
        let came = peer.takes_all();
        peer.waits(TRIP);
        for came in came {
            peer.queues(ack().ack(came.seq + came.payload.len() as u32).window(u16::MAX));
        }
        peer.turn();
    }
    assert!(peer.stack.info(connection).expect("it is open").congestion_window >= 24 * u32::from(MSS));
    assert_eq!(peer.stack.unacknowledged(connection), 0);
    let _ = peer.hand.taken();
    connection
}

/// The peer holds all but the first `lost` of `came`, which stand in order, and says so.
fn loses(peer: &mut Peer, came: &[Came], lost: usize) {
    peer.waits(TRIP);
    let last = came.last().expect("some came");
    let block = peer.blocks(&[(came[lost].seq, last.seq + last.payload.len() as u32)]);
    peer.sends(ack().ack(came[0].seq).window(u16::MAX).options(&block));
}

/// Sends `segments` full ones at once.
fn sends(peer: &mut Peer, connection: TcpHandle, segments: usize) -> Vec<Came> {
    peer.stack.push(connection, lent(segments * usize::from(MSS))).unwrap();
    let came = peer.takes_all();
    assert_eq!(lens(&came), full(segments));
    let _ = frames(peer);
    came
}

#[track_caller]
fn assert_same(again: &[Came], first: &[Came]) {
    let is_same = |(again, first): (&Came, &Came)| again.seq == first.seq && again.payload == first.payload;
    assert_eq!(again.len(), first.len());
    assert!(again.iter().zip(first).all(is_same));
}

#[test]
fn a_row_is_one_packet_behind_the_first_and_nobody_reads_it() {
    for version in [Version::V4, Version::V6] {
        for offloads in [CUTS, Offloads::TX_CHECKSUM, Offloads::empty()] {
            let mut peer = peer_with(version, offloads);
            let connection = opened_with_sack(&mut peer);
            let first = sends(&mut peer, connection, 24);
            let (work, before) = (peer.stack.work(), peer.stack.tcp_statistics());
            loses(&mut peer, &first, 8);
            let again = peer.takes_all();
            assert_same(&again, &first[..8]);
            // RFC 9937: the fast retransmit goes whatever the window is, and alone.
            let packets = if offloads == CUTS { vec![1, 7] } else { vec![1; 8] };
            assert_eq!(frames(&peer), packets, "{version:?}");
            assert_eq!(since(peer.stack.work(), work), Work::default());
            let after = peer.stack.tcp_statistics();
            assert_eq!(after.retransmissions - before.retransmissions, 8, "each counts");
            assert_eq!(after.segments_sent - before.segments_sent, 8);
            assert_eq!(peer.stack.info(connection).unwrap().in_flight, 24 * u32::from(MSS));
            peer.expects_nothing_for(Span::from_millis(5));
        }
    }
}

#[test]
fn rfc9937_6_a_row_ends_where_proportional_rate_reduction_does() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened_with_sack(&mut peer);
        let first = sends(&mut peer, connection, 24);
        // Five have left the network, so five go.
        loses(&mut peer, &first, 19);
        assert_same(&peer.takes_all(), &first[..5]);
        assert_eq!(frames(&peer), if offloads == CUTS { vec![1, 4] } else { vec![1; 5] });
    }
}

#[test]
fn rfc6298_5_after_a_timeout_rows_grow_as_slow_start_lets_them() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened(&mut peer, 20);
        let first = sends(&mut peer, connection, 7);
        peer.waits(Span::from_millis(250));
        let mut again = peer.takes_all();
        for expected in [2, 4] {
            let end = again.last().map(|last: &Came| last.seq + u32::from(MSS)).expect("some came");
            peer.sends(ack().ack(end).window(u16::MAX));
            let came = peer.takes_all();
            assert_eq!(came.len(), expected);
            again.extend(came);
        }
        assert_same(&again, &first);
        assert_eq!(frames(&peer), if offloads == CUTS { vec![1, 2, 4] } else { vec![1; 7] });
    }
}

#[test]
fn what_left_at_several_times_is_one_row_when_it_is_lost() {
    let mut peer = peer_with(Version::V4, CUTS);
    let connection = opened_with_sack(&mut peer);
    let mut first = Vec::new();
    for _ in 0..4 {
        first.extend(sends(&mut peer, connection, 6));
        peer.waits(Span::from_millis(1));
    }
    loses(&mut peer, &first, 8);
    assert_same(&peer.takes_all(), &first[..8]);
    assert_eq!(frames(&peer), [1, 7]);
    // It is known of all of it that it went again: nothing goes a third time.
    let end = first[7].seq + u32::from(MSS);
    let block = peer.blocks(&[(end, first[23].seq + u32::from(MSS))]);
    peer.sends(ack().ack(first[1].seq).window(u16::MAX).options(&block));
    peer.expects_nothing();
}

#[test]
fn rfc2018_what_the_peer_holds_ends_a_row() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened_with_sack(&mut peer);
        let first = sends(&mut peer, connection, 24);
        peer.waits(TRIP);
        let end = first[23].seq + u32::from(MSS);
        let blocks = peer.blocks(&[(first[5].seq, first[6].seq), (first[10].seq, end)]);
        peer.sends(ack().ack(first[0].seq).window(u16::MAX).options(&blocks));
        let again = peer.takes_all();
        assert_same(&again, &[&first[..5], &first[6..10]].concat());
        assert_eq!(frames(&peer), if offloads == CUTS { vec![1, 4, 4] } else { vec![1; 9] });
    }
}

#[test]
fn rfc9293_shld_16_a_row_ends_where_a_window_that_has_shrunk_does() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened_with_sack(&mut peer);
        let first = sends(&mut peer, connection, 24);
        peer.waits(TRIP);
        let block = peer.blocks(&[(first[8].seq, first[23].seq + u32::from(MSS))]);
        // 4352 bytes: three segments, and a bit.
        peer.sends(ack().ack(first[0].seq).window(34).options(&block));
        let again = peer.takes_all();
        assert_same(&again[..3], &first[..3]);
        assert_eq!(lens(&again), [1400, 1400, 1400, 152]);
    }
}

#[test]
fn segments_of_other_sizes_go_again_as_they_went() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened_with_sack(&mut peer);
        peer.stack.set_nodelay(connection, true);
        for len in [3000, 1400, 1400, 200, 1200, 9800] {
            peer.stack.push(connection, lent(len)).unwrap();
            peer.turn();
        }
        let first = peer.takes_all();
        let _ = frames(&peer);
        assert_eq!(lens(&first), [1400, 1400, 200, 1400, 1400, 200, 1200, 1400, 1400, 1400, 1400, 1400, 1400, 1400]);
        loses(&mut peer, &first, 7);
        let again = peer.takes_all();
        let bytes = |came: &[Came]| came.iter().flat_map(|came| came.payload.clone()).collect::<Vec<_>>();
        assert!(bytes(&again) == bytes(&first[..7]));
        // What was short before is filled up from whole pieces, with the device and without.
        assert_eq!(lens(&again), [1400, 1400, 200, 1400, 1400, 1400]);
        assert_eq!(frames(&peer), if offloads == CUTS { vec![1, 2, 3] } else { vec![1; 6] });
    }
}

#[test]
fn short_ones_that_left_at_several_times_are_not_made_one() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened_with_sack(&mut peer);
        peer.stack.set_nodelay(connection, true);
        for len in [700, 700, 700, 700, 9800] {
            peer.stack.push(connection, lent(len)).unwrap();
            peer.waits(Span::from_millis(1));
        }
        let first = peer.takes_all();
        loses(&mut peer, &first, 4);
        assert_same(&peer.takes_all(), &first[..4]);
    }
}

#[test]
fn rfc9293_must_60_push_and_fin_stand_in_the_last_segment_of_a_row() {
    for offloads in BOTH {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened(&mut peer, 20);
        peer.stack.push(connection, lent(6 * usize::from(MSS) + 10)).unwrap();
        peer.stack.shutdown(connection, peer.now()).unwrap();
        let first = peer.takes_all();
        assert_eq!(lens(&first), [full(6), vec![10]].concat());
        peer.waits(Span::from_millis(250));
        let mut again = peer.takes_all();
        while again.len() < 7 {
            let end = again.last().map(|last: &Came| last.seq + u32::from(MSS)).expect("some came");
            peer.sends(ack().ack(end).window(u16::MAX));
            again.extend(peer.takes_all());
        }
        assert_same(&again, &first);
        let closing = |came: &Came| came.flags & (flag::PSH | flag::FIN);
        assert!(again[..6].iter().all(|came| closing(came) == 0));
        assert_eq!(closing(&again[6]), flag::PSH | flag::FIN);
    }
}

#[test]
fn a_ring_that_fills_half_way_has_sent_again_what_it_took() {
    let mut peer = peer_with(Version::V4, Offloads::TX_CHECKSUM);
    let connection = opened_with_sack(&mut peer);
    let first = sends(&mut peer, connection, 24);
    peer.hand.set_room(Some(3));
    loses(&mut peer, &first, 8);
    assert_same(&peer.takes_all(), &first[..3]);
    peer.hand.set_room(None);
    assert_same(&peer.takes_all(), &first[3..8]);
    peer.expects_nothing();
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 8);
}

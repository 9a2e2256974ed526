//! Without a device that cuts: segments that follow a full one take over its headers, and nobody can tell.

use lendwire_nic::Content;
use lendwire_tests::segment::{Came, ack, any_data, flag, syn};

use super::*;

const MSS: usize = 1400;

fn opened(peer: &mut Peer) -> lendwire::tcp::TcpHandle {
    peer.opens(syn().mss(MSS as u16))
}

fn bytes_of(came: &[Came]) -> Vec<u8> {
    came.iter().flat_map(|segment| segment.payload.clone()).collect()
}

#[test]
fn full_segments_in_a_row_differ_in_number_and_data_and_the_last_one_is_pushed() {
    // The peer checks every checksum.
    for (version, offloads) in [
        (Version::V4, Offloads::empty()),
        (Version::V6, Offloads::empty()),
        (Version::V4, Offloads::TX_CHECKSUM),
        (Version::V6, Offloads::TX_CHECKSUM),
    ] {
        let mut peer = peer_with(version, offloads);
        let connection = opened(&mut peer);
        // What arrives before is acknowledged by each of them.
        peer.sends(lendwire_tests::segment::data(b"question"));
        peer.stack.push(connection, lent(7 * MSS)).unwrap();
        let came = peer.takes_all();
        assert_eq!(came.iter().map(|segment| segment.payload.len()).collect::<Vec<_>>(), [MSS; 7]);
        assert!(bytes_of(&came) == stream::bytes(0, 7 * MSS));
        assert!(came.iter().all(|segment| segment.ack == 9 && segment.window == came[0].window));
        let pushed: Vec<_> = came.iter().map(|segment| segment.flags & flag::PSH != 0).collect();
        assert_eq!(pushed, [false, false, false, false, false, false, true]);
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
    }
}

#[test]
fn known_sums_are_carried_and_nothing_is_read_twice() {
    for offloads in [Offloads::empty(), Offloads::TX_CHECKSUM] {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened(&mut peer);
        // Its own content: one shared with other tests would keep their cuts, and give up these.
        let lent = Content::leaked(Vec::leak(stream::bytes(0, 9 * MSS)));
        let before = peer.stack.work();
        peer.stack.push(connection, lent.chunk()).unwrap();
        let mut chunks = peer.takes_all();
        let first = since(peer.stack.work(), before);
        assert_eq!(first.copied, 0);
        if offloads.is_empty() {
            // The content keeps the sums of its cuts: the second time nothing is read.
            let last = chunks.pop().expect("some came");
            peer.sends(ack().ack(last.seq + last.payload.len() as u32));
            let before = peer.stack.work();
            peer.stack.push(connection, lent.chunk()).unwrap();
            assert!(bytes_of(&peer.takes_all()) == stream::bytes(0, 9 * MSS));
            assert_eq!(since(peer.stack.work(), before), Work::default());
        } else {
            assert_eq!(first, Work::default());
        }
    }
}

#[test]
fn a_ring_that_fills_half_way_has_taken_what_went_and_nothing_else() {
    for offloads in [Offloads::empty(), Offloads::TX_CHECKSUM] {
        let mut peer = peer_with(Version::V4, offloads);
        let connection = opened(&mut peer);
        let sent = peer.stack.tcp_statistics().segments_sent;
        peer.hand.set_room(Some(3));
        peer.stack.push(connection, lent(8 * MSS)).unwrap();
        let front = peer.takes_all();
        assert_eq!((front.len(), peer.stack.tcp_statistics().segments_sent - sent), (3, 3));
        assert_eq!(peer.stack.info(connection).unwrap().in_flight as usize, 3 * MSS);
        peer.hand.set_room(None);
        let rest = peer.takes_all();
        assert!(bytes_of(&[front, rest].concat()) == stream::bytes(0, 8 * MSS));
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
    }
}

#[test]
fn rfc5681_3_1_the_congestion_window_ends_a_row() {
    let mut peer = peer_with(Version::V4, Offloads::empty());
    let connection = opened(&mut peer);
    peer.stack.push(connection, lent(40 * MSS)).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    peer.sends(ack().ack(1 + MSS as u32));
    peer.expects(any_data(MSS));
    peer.expects(any_data(MSS));
    peer.expects_nothing();
}

#[test]
fn rfc9293_3_8_6_the_peers_window_ends_a_row() {
    let mut peer = peer_with(Version::V4, Offloads::empty());
    let connection = opened(&mut peer);
    peer.sends(ack().window(5 * MSS as u16 + 100));
    peer.stack.push(connection, lent(40 * MSS)).unwrap();
    assert_eq!(peer.takes_all().len(), 5);
}

#[test]
fn a_short_segment_is_no_model_for_full_ones() {
    // The device takes seven parts: the first segment is short, and others follow.
    let mut peer = peer_with(Version::V4, Offloads::empty());
    let connection = opened(&mut peer);
    for place in 0..7 {
        peer.stack.push(connection, stream::content().chunk().slice(place * 100..(place + 1) * 100)).unwrap();
    }
    peer.stack.push(connection, stream::content().chunk().slice(700..700 + 4 * MSS)).unwrap();
    let came = peer.takes_all();
    assert_eq!(came.iter().map(|segment| segment.payload.len()).collect::<Vec<_>>(), [700, MSS, MSS, MSS, MSS]);
    assert!(bytes_of(&came) == stream::bytes(0, 700 + 4 * MSS));
}

#[test]
fn what_is_sent_again_goes_as_it_went_before() {
    let mut peer = peer_with(Version::V4, Offloads::empty());
    let connection = opened(&mut peer);
    peer.stack.set_nodelay(connection, true);
    let piece = |from, to| stream::content().chunk().slice(from..to);
    for (from, to) in [(0, 2 * MSS + 200), (2 * MSS + 200, 4 * MSS + 200)] {
        peer.stack.push(connection, piece(from, to)).unwrap();
        peer.turn();
    }
    let lens = |came: &[Came]| came.iter().map(|segment| segment.payload.len()).collect::<Vec<_>>();
    assert_eq!(lens(&peer.takes_all()), [MSS, MSS, 200, MSS, MSS]);
    peer.waits(lendwire::time::Span::from_millis(250));
    assert_eq!(lens(&peer.takes_all()), [MSS]);
    peer.sends(ack().ack(1 + MSS as u32));
    assert_eq!(lens(&peer.takes_all()), [MSS, 200]);
}

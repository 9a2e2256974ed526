//! RFC 9293 §3.8.6.3 (SHLD-18, SHLD-19), RFC 5681 §4.2: acknowledgments are rare, and never so rare that the
//! peer waits for one.

use lendwire::time::Span;
use lendwire_tests::pair::Pair;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, syn};
use lendwire_tests::setup::Setup;

const DELAY: Span = Span::from_millis(40);

/// A peer of segments of `mss` bytes; whether each is acknowledged at once, `count` of them one after the other.
fn answered_at_once(peer: &mut Peer, len: usize, count: usize) -> Vec<bool> {
    (0..count)
        .map(|_| {
            peer.sends(data(&vec![1; len]));
            !peer.takes_all().is_empty()
        })
        .collect()
}

fn jumbo() -> Setup {
    Setup { mtu: 9000, ..Setup::new() }
}

#[test]
fn shld_19_a_path_narrower_than_the_mss_has_its_second_segments_acknowledged() {
    // Both ends say 1460, and 1000 is what comes: two are two full segments.
    let mut peer = Peer::new();
    peer.established();
    let answered = answered_at_once(&mut peer, 1000, 8);
    assert_eq!(answered.iter().filter(|at_once| **at_once).count(), 4, "{answered:?}");
    // Wider again.
    let answered = answered_at_once(&mut peer, 1460, 6);
    assert!(answered.windows(2).all(|two| two[0] || two[1]), "{answered:?}");
}

#[test]
fn small_segments_do_not_make_full_ones_look_small() {
    let mut peer = Peer::new();
    peer.established();
    assert_eq!(answered_at_once(&mut peer, 100, 3), [false; 3]);
    peer.expects_after(DELAY, ack().ack(301));
    assert_eq!(answered_at_once(&mut peer, 1460, 2), [false, true]);
}

#[test]
fn shld_19_jumbo_frames_into_a_small_window_are_not_waited_for() {
    // A window of 10,240 bytes takes one segment of 8960: the second one that a delay would wait for cannot come.
    let mut peer = Peer::with(&jumbo().tcp(|tcp| tcp.receive_budget = 16 * 1024));
    let connection = peer.opens(syn().mss(8960));
    for round in 0..4 {
        peer.sends(data(&[1; 8960]));
        peer.expects(ack().ack(1 + 8960 * (round + 1)));
        peer.reads(connection);
        peer.takes_all();
    }
}

#[test]
fn a_transfer_of_jumbo_frames_through_small_windows_never_waits_for_a_delayed_acknowledgment() {
    for budget in [8, 12, 16, 24, 32, 48, 64, 104, 128] {
        let mut pair = Pair::loopback(&jumbo().tcp(|tcp| tcp.receive_budget = budget * 1024));
        let (here, there) = pair.connected();
        // Nagle's algorithm would wait for the acknowledgment of an odd segment before the short end, and be right.
        pair.here.stack.set_nodelay(here, true);
        let start = pair.now();
        let (mut written, mut read) = (0, 0);
        let mut bytes = vec![0; 65_536];
        pair.run_until("all is there", |pair| {
            written += pair.here.stack.write(here, &vec![1; 300_000 - written]).unwrap_or(0);
            while let Ok(count) = pair.there.stack.read(there, &mut bytes) {
                read += count;
            }
            read == 300_000
        });
        let took = pair.now().since(start);
        assert!(took < DELAY, "{budget} KiB: {} us on a wire without any delay", took.micros());
    }
}

#[test]
fn rfc5681_4_2_each_segment_above_a_hole_has_its_duplicate_though_one_poll_takes_them_in() {
    let mut peer = Peer::new();
    peer.established();
    for number in [2, 3, 4u32] {
        peer.queues(data(&[number as u8; 100]).seq(1 + number * 100));
    }
    for _ in 0..3 {
        peer.expects(ack().ack(1));
    }
    peer.expects_nothing();
    // One that moves the number, and three duplicates of that.
    peer.queues(data(&[0; 100]).seq(1));
    for number in [6, 7, 8u32] {
        peer.queues(data(&[number as u8; 100]).seq(1 + number * 100));
    }
    for _ in 0..4 {
        peer.expects(ack().ack(101));
    }
    peer.expects_nothing();
}

#[test]
fn rfc2018_4_each_block_of_a_burst_is_told_though_an_option_has_no_room_for_all() {
    let mut peer = Peer::new();
    peer.opens(syn().sack_permitted());
    // Every second one is lost, and one that moves the number comes between them.
    let numbers = [2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24u32];
    for number in [&numbers[..6], &[0], &numbers[6..]].concat() {
        peer.queues(data(&[1; 100]).seq(1 + number * 100));
    }
    let came = peer.takes_all();
    let newest = came.last().expect("they are acknowledged").sack[0].0;
    let mut told: Vec<u32> = came.iter().flat_map(|came| &came.sack).map(|it| newest.wrapping_sub(it.0)).collect();
    told.sort_unstable();
    told.dedup();
    let every: Vec<u32> = numbers.iter().rev().map(|number| (24 - *number) * 100).collect();
    assert_eq!(told, every);
}

#[test]
fn what_one_poll_puts_in_order_again_has_no_duplicates() {
    let mut peer = Peer::new();
    peer.established();
    for number in [1, 2, 3, 0u32] {
        peer.queues(data(&[number as u8; 100]).seq(1 + number * 100));
    }
    peer.expects(ack().ack(401));
    peer.expects_nothing();
}

#[test]
fn duplicates_are_bounded_and_data_of_ours_is_none_of_them() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for number in 1..50u32 {
        peer.queues(data(&[1; 100]).seq(1 + number * 100));
    }
    peer.stack.write(connection, b"ours").unwrap();
    let came = peer.takes_all();
    assert_eq!(came.iter().filter(|came| came.payload.is_empty()).count(), 16);
    assert_eq!(came.iter().filter(|came| came.payload == b"ours").count(), 1);
    assert!(came.iter().all(|came| came.ack == 1));
}

#[test]
fn the_first_segments_and_four_times_as_many_behind_a_hole_are_acknowledged_one_by_one() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.quick_acks = 3));
    peer.established();
    assert_eq!(answered_at_once(&mut peer, 100, 4), [true, true, true, false]);
    peer.expects_after(DELAY, ack().ack(401));
    peer.sends(data(&[1; 100]).seq(501));
    peer.expects(ack().ack(401));
    peer.sends(data(&[1; 100]).seq(401));
    peer.expects(ack().ack(601));
    peer.stands_at(601);
    let answered = answered_at_once(&mut peer, 100, 12);
    assert_eq!(
        answered.iter().position(|at_once| !at_once),
        Some(11),
        "with what filled the hole twelve: {answered:?}"
    );
}

#[test]
fn an_answer_shows_a_conversation_in_which_acknowledgments_ride() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.quick_acks = 16));
    let connection = peer.established();
    for round in 0..3u32 {
        peer.queues(data(b"question"));
        peer.turn();
        let first = peer.takes_all();
        assert_eq!(first.len(), usize::from(round == 0), "only before there was any answer");
        peer.stack.write(connection, b"answer").unwrap();
        peer.expects(data(b"answer").ack(1 + 8 * (round + 1)));
        peer.expects_nothing();
    }
}

//! RFC 6298 (timeouts), RFC 5681 §3.2, RFC 6582 (NewReno), RFC 3042 (limited transmit).

use lendwire::tcp::{Algorithm, TcpHandle};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, fin, syn, syn_ack};
use lendwire_tests::setup::Setup;

const FLOOR: Span = Span::from_millis(200);

/// A connection whose handshake took `round_trip`.
fn with_round_trip(millis: u64) -> (Peer, TcpHandle) {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1000));
    peer.expects(syn_ack());
    peer.waits(Span::from_millis(millis));
    peer.sends(ack());
    let connection = peer.stack.accept(listener).unwrap();
    (peer, connection)
}

#[test]
fn rfc6298_2_2_the_timeout_follows_the_round_trip_of_the_handshake() {
    // RTO = SRTT + 4 * RTTVAR = R + 4 * R/2.
    let (mut peer, connection) = with_round_trip(100);
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    peer.expects_after(Span::from_millis(300), data(b"x").seq(1));
}

#[test]
fn rfc6298_2_3_later_samples_are_smoothed() {
    let (mut peer, connection) = with_round_trip(100);
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    peer.waits(Span::from_millis(180));
    peer.sends(ack());
    peer.stack.write(connection, b"y").unwrap();
    peer.expects(data(b"y"));
    // RTTVAR = 3/4 * 50 + 1/4 * 80 = 57.5; SRTT = 7/8 * 100 + 1/8 * 180 = 110.
    peer.expects_after(Span::from_millis(340), data(b"y"));
}

#[test]
fn rfc6298_5_5_the_timeout_doubles_up_to_a_minute() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    let mut millis = 200;
    for _ in 0..12 {
        peer.expects_after(Span::from_millis(millis), data(b"x").seq(1));
        millis = (millis * 2).min(60_000);
    }
}

#[test]
fn rfc6298_2_4_the_floor_can_be_set() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.min_rto = Span::from_secs(1)));
    let connection = peer.established();
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    peer.expects_after(Span::from_secs(1), data(b"x"));
}

#[test]
fn rfc6298_3_karn_what_was_sent_twice_is_not_timed() {
    let (mut peer, connection) = with_round_trip(100);
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    peer.expects_after(Span::from_millis(300), data(b"x"));
    // Whichever this acknowledges, 800 ms or 500: it is no sample, and it ends the backoff.
    peer.waits(Span::from_millis(500));
    peer.sends(ack());
    peer.stack.write(connection, b"y").unwrap();
    peer.expects(data(b"y").seq(2));
    peer.expects_after(Span::from_millis(300), data(b"y").seq(2));
}

#[test]
fn rfc6298_5_3_an_acknowledgment_of_new_data_starts_the_timer_over() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[0; 2920]).unwrap();
    peer.takes_all();
    peer.waits(Span::from_millis(150));
    peer.sends(ack().ack(1461));
    // The round trip of 150 ms is a sample: RTTVAR = 75/2..., so only that it is later than the old timer is asked.
    let again = peer.expects_within(Span::from_secs(2), any_data(1460).seq(1461));
    assert!(again.payload.len() == 1460);
    let timeouts = peer.stack.tcp_statistics().timeouts;
    assert_eq!(timeouts, 1);
}

#[test]
fn rfc6298_5_2_when_all_is_acknowledged_nothing_comes_again() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[0; 2920]).unwrap();
    peer.takes_all();
    peer.sends(ack().ack(2921));
    peer.expects_nothing_for(Span::from_secs(100));
    assert_eq!(peer.stack.next_deadline(), None, "an idle connection has no timer");
}

#[test]
fn rfc6298_5_7_after_a_lost_syn_the_first_timeout_is_three_seconds() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.expects_after(Span::from_secs(1), syn());
    peer.sends(syn_ack().mss(1460));
    peer.expects(ack());
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    peer.expects_after(Span::from_secs(3), data(b"x"));
}

#[test]
fn rfc5681_3_1_after_a_timeout_one_segment_is_in_flight_then_two() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 8000]).unwrap();
    assert_eq!(peer.takes_all().len(), 8);
    peer.expects_after(FLOOR, any_data(1000).seq(1));
    peer.expects_nothing();
    peer.sends(ack().ack(1001));
    peer.expects(any_data(1000).seq(1001));
    peer.expects(any_data(1000).seq(2001));
    peer.expects_nothing();
    peer.sends(ack().ack(8001));
    peer.expects_nothing_for(Span::from_secs(10));
}

#[test]
fn rfc5681_3_2_the_third_duplicate_sends_again_and_not_the_second() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 5000]).unwrap();
    assert_eq!(peer.takes_all().len(), 5);
    peer.sends(ack().ack(1));
    peer.sends(ack().ack(1));
    peer.expects_nothing();
    peer.sends(ack().ack(1));
    peer.expects(any_data(1000).seq(1));
    peer.expects_nothing();
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    peer.expects_nothing();
    peer.sends(ack().ack(5001));
    peer.expects_nothing_for(Span::from_secs(10));
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 1);
}

#[test]
fn rfc5681_2_only_true_duplicates_count() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 5000]).unwrap();
    peer.takes_all();
    // With data, or with another window, an acknowledgment is no duplicate.
    for number in 0..5u16 {
        peer.sends(data(b"d").ack(1));
        peer.sends(ack().ack(1).window(60_000 + number));
    }
    let again = peer.takes_all().iter().filter(|came| !came.payload.is_empty()).count();
    assert_eq!(again, 0);
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
}

#[test]
fn rfc5681_2_duplicates_with_nothing_in_flight_are_nothing() {
    let (mut peer, connection) = with_round_trip(0);
    for _ in 0..5 {
        peer.sends(ack().ack(1));
    }
    peer.stack.write(connection, &[0; 5000]).unwrap();
    assert_eq!(peer.takes_all().len(), 5);
    peer.sends(ack().ack(1));
    peer.expects_nothing();
}

#[test]
fn rfc3042_each_of_the_first_two_duplicates_lets_one_new_segment_out() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 20_000]).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    peer.sends(ack().ack(1));
    peer.expects(any_data(1000).seq(10_001));
    peer.sends(ack().ack(1));
    peer.expects(any_data(1000).seq(11_001));
    peer.expects_nothing();
    peer.sends(ack().ack(1));
    peer.expects(any_data(1000).seq(1));
    peer.expects_nothing();
}

#[test]
fn rfc6582_3_2_a_partial_acknowledgment_shows_the_next_hole_and_a_full_one_ends_recovery() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 10_000]).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    // The first, the third and the fifth are lost.
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    peer.expects(any_data(1000).seq(1));
    peer.sends(ack().ack(2001));
    peer.expects(any_data(1000).seq(2001));
    peer.sends(ack().ack(4001));
    peer.expects(any_data(1000).seq(4001));
    peer.expects_nothing();
    peer.sends(ack().ack(10_001));
    peer.expects_nothing_for(Span::from_secs(10));
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.retransmissions, statistics.timeouts), (3, 0));
}

#[test]
fn rfc5681_3_2_recovery_halves_the_window() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 40_000]).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    // Two of twelve segments are out by limited transmit when recovery begins: the threshold is five.
    assert_eq!(peer.takes_all().len(), 3);
    peer.sends(ack().ack(12_001));
    // RFC 6582 §3.2 (3), option 1: at the end no burst beyond flight plus one; then growth to the threshold.
    let first = peer.takes_all().len();
    assert!(first <= 2, "{first} segments at once after recovery");
}

#[test]
fn rfc5681_3_2_more_duplicates_let_new_segments_out() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.set_congestion(connection, Algorithm::Reno);
    peer.stack.write(connection, &[0; 40_000]).unwrap();
    assert_eq!(peer.takes_all().len(), 10);
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    peer.takes_all();
    // Window 5 + 3 of 12 in flight; each duplicate adds one, the fifth more lets the first new one out.
    let mut new = 0;
    for _ in 0..6 {
        peer.sends(ack().ack(1));
        new += peer.takes_all().iter().filter(|came| came.seq > 12_000).count();
    }
    assert_eq!(new, 2);
}

#[test]
fn rfc6582_3_2_duplicates_of_before_a_timeout_do_not_start_recovery() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 5000]).unwrap();
    assert_eq!(peer.takes_all().len(), 5);
    peer.expects_after(FLOOR, any_data(1000).seq(1));
    for _ in 0..4 {
        peer.sends(ack().ack(1));
    }
    let again: Vec<_> = peer.takes_all().iter().map(|came| came.seq).collect();
    assert!(!again.contains(&1), "{again:?}");
}

#[test]
fn a_lost_fin_is_recovered_by_duplicates_of_the_data_before_it_or_by_the_timer() {
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 3000]).unwrap();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    assert_eq!(peer.takes_all().len(), 3);
    peer.sends(ack().ack(3001));
    peer.expects_after(FLOOR, fin().seq(3001));
    peer.sends(ack().ack(3002));
    peer.expects_nothing_for(Span::from_secs(10));
}

#[test]
fn an_acknowledgment_beyond_what_is_sent_again_is_believed() {
    // After a timeout SND.NXT goes back; the originals may have arrived after all.
    let (mut peer, connection) = with_round_trip(0);
    peer.stack.write(connection, &[0; 8000]).unwrap();
    assert_eq!(peer.takes_all().len(), 8);
    peer.expects_after(FLOOR, any_data(1000).seq(1));
    peer.sends(ack().ack(6001));
    let next: Vec<_> = peer.takes_all().iter().map(|came| came.seq).collect();
    assert_eq!(next, [6001, 7001]);
    peer.sends(ack().ack(8001));
    peer.expects_nothing_for(Span::from_secs(10));
    assert_eq!(peer.stack.unacknowledged(connection), 0);
}

#[test]
fn an_acknowledgment_in_the_middle_of_a_segment_is_believed() {
    let (mut peer, connection) = with_round_trip(0);
    let sent = lendwire_tests::stream::bytes(0, 3000);
    peer.stack.write(connection, &sent).unwrap();
    assert_eq!(peer.takes_all().len(), 3);
    peer.sends(ack().ack(1 + 1500));
    let mut came = sent[..1500].to_vec();
    for _ in 0..20 {
        peer.waits(Span::from_millis(500));
        for segment in peer.takes_all() {
            if segment.seq as usize == 1 + came.len() {
                came.extend(segment.payload);
            }
        }
        peer.sends(ack().ack(1 + came.len() as u32));
    }
    assert!(came == sent);
}

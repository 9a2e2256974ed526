//! RFC 9293 §3.8.6.3, RFC 5681 §4.2: when an acknowledgment is sent.

use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, fin, flag};

const DELAY: Span = Span::from_millis(40);

#[test]
fn must_40_a_single_segment_is_acknowledged_within_the_delay() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"one"));
    peer.expects_nothing();
    peer.expects_after(DELAY, ack().seq(1).ack(4));
    peer.expects_nothing_for(Span::from_secs(1));
    assert_eq!(peer.reads(connection), b"one");
}

#[test]
fn shld_19_every_second_full_segment_is_acknowledged_at_once() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for round in 0..5 {
        peer.sends(data(&[0; 1460]));
        peer.expects_nothing();
        peer.sends(data(&[0; 1460]));
        peer.expects(ack().ack(1 + 2920 * (round + 1)));
        peer.expects_nothing();
        peer.reads(connection);
        peer.takes_all();
    }
}

#[test]
fn data_carries_the_acknowledgment_and_none_follows() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"ping"));
    assert_eq!(peer.reads(connection), b"ping");
    peer.stack.write(connection, b"pong").unwrap();
    peer.expects(data(b"pong").seq(1).ack(5));
    peer.sends(ack());
    peer.expects_nothing_for(Span::from_secs(1));
}

#[test]
fn rfc5681_4_2_data_out_of_order_is_acknowledged_at_once_and_so_is_what_fills_the_hole() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"cc").seq(5));
    peer.expects(ack().ack(1));
    peer.sends(data(b"dd").seq(7));
    peer.expects(ack().ack(1));
    peer.sends(data(b"aa").seq(1));
    peer.expects(ack().ack(3));
    peer.sends(data(b"bb").seq(3));
    peer.expects(ack().ack(9));
    assert_eq!(peer.reads(connection), b"aabbccdd");
}

#[test]
fn rfc5681_4_2_data_that_comes_again_is_acknowledged_at_once() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"again"));
    peer.expects_after(DELAY, ack().ack(6));
    peer.sends(data(b"again").seq(1));
    peer.expects(ack().ack(6));
    // Half of it is new.
    peer.sends(data(b"ain and more").seq(3));
    peer.expects(ack().ack(15));
    assert_eq!(peer.reads(connection), b"again and more");
}

#[test]
fn a_fin_is_acknowledged_at_once() {
    let mut peer = Peer::new();
    peer.established();
    peer.sends(data(b"bye").with(flag::FIN));
    peer.expects(ack().ack(5));
    peer.expects_nothing_for(Span::from_secs(1));
}

#[test]
fn an_acknowledgment_is_never_acknowledged() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"x").unwrap();
    peer.expects(data(b"x"));
    for _ in 0..5 {
        peer.sends(ack());
    }
    peer.expects_nothing_for(Span::from_secs(1));
}

#[test]
fn the_delay_runs_from_the_first_segment() {
    let mut peer = Peer::new();
    peer.established();
    peer.sends(data(b"a"));
    peer.waits(Span::from_millis(30));
    peer.sends(data(b"b"));
    peer.expects_nothing();
    peer.expects_after(Span::from_millis(10), ack().ack(3));
}

#[test]
fn a_fin_of_ours_carries_the_acknowledgment_too() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"abc"));
    assert_eq!(peer.reads(connection), b"abc");
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(fin().seq(1).ack(4));
    peer.sends(ack());
    peer.expects_nothing_for(Span::from_secs(1));
}

//! RFC 9293 §3.6.1, §3.10.7.4 (TIME-WAIT), RFC 1337, RFC 6191.

use lendwire::tcp::State;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, fin, rst, rst_ack, syn, syn_ack};
use lendwire_tests::setup::Setup;

/// A stack whose connection has just entered TIME-WAIT: it stands at 2, the peer at 2.
fn in_time_wait() -> Peer {
    let mut peer = Peer::new();
    enters_time_wait(&mut peer);
    peer
}

fn enters_time_wait(peer: &mut Peer) {
    let connection = peer.established();
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1).ack(1));
    peer.sends(fin());
    peer.expects(ack().seq(2).ack(2));
    peer.expects_nothing();
}

#[test]
fn lasts_twice_the_segment_lifetime_and_then_knows_nothing() {
    let mut peer = in_time_wait();
    peer.waits(Span::from_millis(59_990));
    peer.sends(data(b"old").seq(1).ack(2));
    peer.expects(ack().seq(2).ack(2));
    peer.waits(Span::from_millis(20));
    peer.sends(ack());
    peer.expects(rst().seq(2));
    peer.expects_nothing_for(Span::from_secs(100));
    assert_eq!(peer.stack.next_deadline(), None);
}

#[test]
fn is_the_state_that_a_handle_shows_until_it_is_over() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.shutdown(connection, peer.now()).expect("it stands");
    peer.expects(fin().seq(1).ack(1));
    peer.sends(fin());
    peer.expects(ack().seq(2).ack(2));
    assert_eq!(peer.stack.state(connection), State::TimeWait);
    peer.waits(Span::from_secs(61));
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn starts_over_when_the_peers_fin_comes_again() {
    let mut peer = in_time_wait();
    peer.waits(Span::from_secs(40));
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
    peer.waits(Span::from_secs(59));
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
    peer.waits(Span::from_secs(61));
    peer.sends(fin().seq(1));
    peer.expects(rst().seq(2));
}

#[test]
fn rfc1337_a_reset_does_not_end_it() {
    let mut peer = in_time_wait();
    peer.sends(rst().seq(2));
    peer.sends(rst_ack().seq(2).ack(2));
    peer.expects_nothing();
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn an_acknowledgment_that_is_in_order_is_not_answered() {
    // Else two ends in TIME-WAIT would answer each other for ever.
    let mut peer = in_time_wait();
    peer.sends(ack().seq(2).ack(2));
    peer.expects_nothing();
}

#[test]
fn old_segments_are_acknowledged() {
    let mut peer = in_time_wait();
    peer.sends(data(b"old").seq(0).ack(2));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn a_syn_beyond_everything_seen_opens_a_new_connection() {
    // RFC 9293 MAY-2, RFC 6191.
    let mut peer = in_time_wait();
    let listener = peer.listen();
    // Our own number must lie beyond the old ones, too: the clock that it comes from moves on.
    peer.waits(Span::from_millis(1));
    peer.starts_over(100_000);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    peer.sends(ack());
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn an_old_syn_is_acknowledged_only() {
    let mut peer = in_time_wait();
    peer.listen();
    // Our number would be beyond the old one by now: it is the SYN's that is not.
    peer.waits(Span::from_secs(1));
    peer.sends(syn().seq(0));
    peer.expects(ack().seq(2).ack(2));
    // A SYN beyond, while nobody listens, opens nothing either.
    let mut peer = in_time_wait();
    peer.sends(syn().seq(1000));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn a_full_table_gives_up_the_one_that_would_end_first() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.time_waits = 2));
    for port in 1..=3 {
        peer.uses_port(port);
        enters_time_wait(&mut peer);
        peer.waits(Span::from_secs(1));
    }
    peer.uses_port(1);
    peer.sends(fin().seq(1).ack(2));
    peer.expects(rst().seq(2));
    for port in 2..=3 {
        peer.uses_port(port);
        peer.sends(fin().seq(1).ack(2));
        peer.expects(ack().seq(2).ack(2));
    }
}

#[test]
fn holds_no_place_among_connections() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.connections = 1));
    for port in 1..=5 {
        peer.uses_port(port);
        enters_time_wait(&mut peer);
    }
}

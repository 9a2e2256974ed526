//! Options of an active open: what is set before the connection stands counts once it does (RFC 9293 §3.9.1).

use lendwire::tcp::{Algorithm, Ended, KeepAlive, State, TcpHandle, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, flag, rst, syn};

/// The peer answers the SYN that is on its way.
#[track_caller]
fn is_established(peer: &mut Peer, connection: TcpHandle) {
    peer.expects(syn().seq(0));
    peer.sends(syn().with(flag::ACK).ack(1).mss(1460));
    peer.expects(ack().seq(1).ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
}

#[test]
fn nodelay_and_congestion_control_that_were_chosen_before_count() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.stack.set_nodelay(connection, true);
    peer.stack.set_congestion(connection, Algorithm::Bbr);
    peer.turn();
    is_established(&mut peer, connection);
    assert_eq!(peer.stack.info(connection).unwrap().congestion, Algorithm::Bbr);
    for letter in [b"a", b"b", b"c"] {
        peer.stack.write(connection, letter).unwrap();
        peer.turn();
        // Nothing waits for an acknowledgment (RFC 9293 §3.7.4).
        peer.expects(data(letter));
    }
}

#[test]
fn a_cork_holds_what_is_written_first() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.stack.set_cork(connection, true).unwrap();
    is_established(&mut peer, connection);
    peer.stack.write(connection, &[1; 1000]).unwrap();
    peer.expects_nothing();
    peer.stack.write(connection, &[2; 1000]).unwrap();
    peer.expects(any_data(1460));
    peer.expects_nothing();
    peer.stack.set_cork(connection, false).unwrap();
    peer.expects(any_data(540));
}

#[test]
fn rfc9293_must_21_a_user_timeout_counts_from_the_first_data_on() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(3))).unwrap();
    is_established(&mut peer, connection);
    peer.waits(Span::from_secs(10));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.stack.write(connection, b"lost").unwrap();
    peer.waits(Span::from_secs(4));
    assert_eq!(peer.stack.write(connection, b"!"), Err(WriteError::Ended(Ended::TimedOut)));
}

#[test]
fn rfc9293_must_24_a_keep_alive_that_was_wished_for_before_asks_a_silent_peer() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    let wish = KeepAlive { idle: Span::from_secs(20), interval: Span::from_secs(5), probes: 2 };
    let now = peer.now();
    peer.stack.set_keep_alive(connection, Some(wish), now).unwrap();
    is_established(&mut peer, connection);
    peer.expects_after(Span::from_secs(20), ack().seq(0).ack(1));
    peer.waits(Span::from_secs(20));
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn a_linger_of_no_time_that_was_set_before_makes_closing_a_reset() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.stack.set_linger(connection, Some(Span::ZERO)).unwrap();
    is_established(&mut peer, connection);
    let now = peer.now();
    peer.stack.close(connection, now);
    peer.expects(rst().with(flag::ACK).seq(1).ack(1));
}

#[test]
fn budgets_that_were_set_before_bound_what_is_written_and_what_comes() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.stack.set_send_budget(connection, 3000).unwrap();
    peer.stack.set_receive_budget(connection, 2 << 20).unwrap();
    is_established(&mut peer, connection);
    assert_eq!(peer.stack.write(connection, &[1; 9000]), Ok(3000));
}

#[test]
fn an_open_that_fails_gives_its_options_back() {
    let mut peer = Peer::new();
    // More often than there are places for options.
    for _ in 0..2000 {
        let connection = peer.connects();
        assert_eq!(peer.stack.set_cork(connection, true), Ok(()));
        peer.stack.abort(connection);
        peer.takes_all();
    }
}

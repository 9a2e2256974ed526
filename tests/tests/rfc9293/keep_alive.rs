//! RFC 9293 §3.8.4 (keep-alives) and §3.8.3 (user timeout), and what `close` leaves to the stack.

use lendwire::tcp::{Ended, KeepAlive, OptionError, ReadError, State, TcpHandle, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, anything, data, fin, flag, rst, rst_ack, syn};

const WISH: KeepAlive = KeepAlive { idle: Span::from_secs(100), interval: Span::from_secs(10), probes: 3 };

fn asked(peer: &mut Peer) -> TcpHandle {
    let connection = peer.established();
    peer.stack.set_keep_alive(connection, Some(WISH), peer.now()).unwrap();
    connection
}

#[track_caller]
fn ended(peer: &mut Peer, connection: TcpHandle) {
    assert_eq!(peer.stack.read(connection, &mut [0; 10]), Err(ReadError::Ended(Ended::TimedOut)));
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn must_25_nobody_is_asked_by_itself() {
    let mut peer = Peer::new();
    peer.established();
    peer.expects_nothing_for(Span::from_secs(100_000));
}

#[test]
fn must_24_and_must_27_who_wants_it_asks_after_the_time_it_chose() {
    let mut peer = Peer::new();
    let connection = asked(&mut peer);
    // SHLD-12: no data, and a number that was acknowledged.
    peer.expects_after(WISH.idle, ack().seq(0));
    peer.sends(ack());
    peer.expects_after(WISH.idle, ack().seq(0));
    peer.sends(ack());
    peer.stack.set_keep_alive(connection, None, peer.now()).unwrap();
    peer.expects_nothing_for(Span::from_secs(1000));
}

#[test]
fn must_28_the_default_is_two_hours() {
    assert_eq!(KeepAlive::DEFAULT.idle, Span::from_secs(7200));
    assert_eq!(KeepAlive::default(), KeepAlive::DEFAULT);
}

#[test]
fn must_26_whatever_comes_puts_the_probe_off() {
    let mut peer = Peer::new();
    let connection = asked(&mut peer);
    for _ in 0..3 {
        peer.expects_nothing_for(Span::from_secs(99));
        peer.sends(data(b"here"));
        peer.expects_within(Span::from_millis(500), ack().seq(1));
        peer.reads(connection);
    }
    peer.expects_within(Span::from_secs(101), ack().seq(0));
}

#[test]
fn must_26_what_is_in_flight_is_question_enough() {
    let mut peer = Peer::new();
    let connection = asked(&mut peer);
    peer.stack.write(connection, b"lost").unwrap();
    let mut numbers = Vec::new();
    for _ in 0..12 {
        numbers.push(peer.expects_within(Span::from_secs(61), any_data(4)).seq);
    }
    assert_eq!(numbers, [1; 12]);
}

#[test]
fn must_29_one_probe_without_an_answer_means_nothing_and_all_of_them_the_end() {
    let mut peer = Peer::new();
    let connection = asked(&mut peer);
    peer.expects_after(WISH.idle, ack().seq(0));
    peer.expects_after(WISH.interval, ack().seq(0));
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.expects_after(WISH.idle, ack().seq(0));
    peer.expects_after(WISH.interval, ack().seq(0));
    peer.expects_after(WISH.interval, ack().seq(0));
    peer.expects_after(WISH.interval, rst_ack().seq(1));
    ended(&mut peer, connection);
}

#[test]
fn must_21_the_user_timeout_ends_what_nobody_acknowledges() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(7))).unwrap();
    peer.expects_nothing_for(Span::from_secs(1000));
    peer.stack.write(connection, b"lost").unwrap();
    peer.expects(any_data(4));
    let start = peer.now();
    while peer.stack.state(connection) == State::Established {
        let next = peer.stack.next_deadline().expect("a timer runs");
        peer.waits(next.since(peer.now()));
    }
    let took = peer.now().since(start);
    assert!(took >= Span::from_secs(7) && took < Span::from_millis(7_010), "{took:?}");
    ended(&mut peer, connection);
}

#[test]
fn must_21_progress_starts_the_user_timeout_over() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(7))).unwrap();
    peer.stack.set_nodelay(connection, true);
    for end in 2..6 {
        peer.stack.write(connection, b"x").unwrap();
        peer.takes_all();
        peer.waits(Span::from_secs(6));
        peer.takes_all();
        peer.sends(ack().ack(end));
    }
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.expects_nothing_for(Span::from_secs(1000));
}

#[test]
fn must_21_a_longer_user_timeout_outlives_the_count_of_retries() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(7200))).unwrap();
    peer.stack.write(connection, b"lost").unwrap();
    peer.waits(Span::from_secs(7000));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.waits(Span::from_secs(300));
    ended(&mut peer, connection);
}

#[test]
fn the_user_timeout_also_bounds_a_window_that_stays_closed() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(0));
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(20))).unwrap();
    peer.stack.write(connection, b"waits").unwrap();
    for _ in 0..4 {
        peer.expects_within(Span::from_secs(20), any_data(1));
        peer.sends(ack().ack(1).window(0));
    }
    peer.waits(Span::from_secs(20));
    ended(&mut peer, connection);
}

#[test]
fn the_user_timeout_takes_the_place_of_the_count_of_probes() {
    let mut peer = Peer::new();
    let connection = asked(&mut peer);
    peer.stack.set_user_timeout(connection, Some(Span::from_secs(135))).unwrap();
    peer.expects_after(WISH.idle, ack().seq(0));
    for _ in 0..3 {
        peer.expects_after(WISH.interval, ack().seq(0));
    }
    peer.expects_after(WISH.interval, rst_ack());
    ended(&mut peer, connection);
}

#[test]
fn linger_of_zero_makes_close_a_reset() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_linger(connection, Some(Span::ZERO)).unwrap();
    peer.stack.write(connection, b"never arrives").unwrap();
    peer.stack.close(connection, peer.now());
    peer.expects(rst_ack().seq(1));
    peer.expects_nothing_for(Span::from_secs(100));
}

#[test]
fn linger_bounds_how_long_the_stack_goes_on_after_close() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_linger(connection, Some(Span::from_secs(5))).unwrap();
    peer.stack.write(connection, b"lost").unwrap();
    peer.stack.close(connection, peer.now());
    let start = peer.now();
    let last = loop {
        let came = peer.expects_within(Span::from_secs(10), anything());
        if came.flags & flag::RST != 0 {
            break came;
        }
    };
    assert!(last.at.since(start) >= Span::from_secs(5) && last.at.since(start) < Span::from_millis(5_010));
    assert_eq!(peer.stack.tcp_usage().connections, 0);
}

#[test]
fn linger_is_over_when_all_has_arrived() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_linger(connection, Some(Span::from_secs(5))).unwrap();
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1));
    peer.sends(ack().ack(2));
    peer.sends(fin());
    peer.expects(ack().seq(2));
    peer.expects_nothing_for(Span::from_secs(100));
}

#[test]
fn an_option_of_what_is_no_connection_is_refused() {
    let mut peer = Peer::new();
    let early = peer.connects();
    let refused = |error| Err(OptionError::Cannot(error));
    assert_eq!(peer.stack.mark_urgent(early), refused(WriteError::NotYet));
    peer.stack.abort(early);
    assert_eq!(peer.stack.set_user_timeout(early, None), refused(WriteError::NoSuchConnection));
    let over = peer.opens(syn());
    peer.sends(rst());
    assert_eq!(peer.stack.set_cork(over, true), refused(WriteError::Ended(Ended::Reset)));
    assert_eq!(peer.stack.mark_urgent(over), refused(WriteError::Ended(Ended::Reset)));
}

//! TIME-WAIT that gives way to a connection which comes after it (RFC 6191), and to nothing else (RFC 1337).

use lendwire::tcp::{ConnectError, State};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{Came, ack, data, fin, rst, syn, syn_ack};
use lendwire_tests::setup::Setup;

/// A stack in TIME-WAIT after a connection whose peer's clock stood at 1000. Returns our last clock.
fn with_timestamps() -> (Peer, u32) {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460).timestamps(900, 0));
    let (clock, _) = peer.expects(syn_ack()).timestamps.unwrap();
    peer.sends(ack().timestamps(950, clock));
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.close(connection, peer.now());
    let (clock, _) = peer.expects(fin().seq(1).ack(1)).timestamps.unwrap();
    peer.sends(fin().timestamps(1000, clock));
    let last = peer.expects(ack().seq(2).ack(2));
    assert_eq!(last.timestamps.unwrap().1, 1000);
    // The clock of RFC 6528 moves beyond the two numbers that were used.
    peer.waits(Span::from_millis(1));
    (peer, last.timestamps.unwrap().0)
}

fn without_timestamps() -> Peer {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1).ack(1));
    peer.sends(fin());
    peer.expects(ack().seq(2).ack(2));
    // The clock of RFC 6528 moves beyond the two numbers that were used.
    peer.waits(Span::from_millis(1));
    peer
}

/// What comes for a SYN.
#[track_caller]
fn answer(peer: &mut Peer) -> Came {
    peer.takes_all().pop().expect("an answer")
}

fn is_syn_ack(came: &Came) -> bool {
    came.flags == lendwire_tests::segment::flag::SYN | lendwire_tests::segment::flag::ACK
}

#[test]
fn rfc6191_2_a_later_timestamp_opens_whatever_the_number() {
    let (mut peer, _) = with_timestamps();
    peer.sends(syn().seq(0).mss(1460).timestamps(1001, 0));
    assert!(is_syn_ack(&answer(&mut peer)));
    assert_eq!(peer.stack.tcp_usage().time_waits, 0);
}

#[test]
fn rfc6191_2_an_equal_timestamp_opens_with_a_later_number() {
    for (seq, opens) in [(1, false), (2, false), (3, true), (100_000, true)] {
        let (mut peer, _) = with_timestamps();
        peer.sends(syn().seq(seq).mss(1460).timestamps(1000, 0));
        assert_eq!(is_syn_ack(&answer(&mut peer)), opens, "number {seq}");
    }
}

#[test]
fn rfc6191_2_an_earlier_timestamp_opens_nothing_whatever_the_number() {
    let (mut peer, _) = with_timestamps();
    peer.sends(syn().seq(100_000).mss(1460).timestamps(999, 0));
    peer.expects(ack().seq(2).ack(2));
    assert_eq!(peer.stack.tcp_usage().time_waits, 1);
}

#[test]
fn rfc6191_2_without_timestamps_the_number_decides() {
    for (seq, opens) in [(1, false), (2, false), (3, true)] {
        let (mut peer, _) = with_timestamps();
        peer.sends(syn().seq(seq).mss(1460));
        assert_eq!(is_syn_ack(&answer(&mut peer)), opens, "number {seq}");
        let mut peer = without_timestamps();
        peer.sends(syn().seq(seq).mss(1460));
        assert_eq!(is_syn_ack(&answer(&mut peer)), opens, "number {seq}");
    }
}

#[test]
fn rfc6191_2_who_had_no_timestamps_and_has_them_now_is_new() {
    let mut peer = without_timestamps();
    peer.sends(syn().seq(1).mss(1460).timestamps(5, 0));
    assert!(is_syn_ack(&answer(&mut peer)));
}

#[test]
fn rfc6191_2_the_fin_that_came_again_counts_as_seen() {
    let (mut peer, clock) = with_timestamps();
    peer.sends(fin().seq(1).ack(2).timestamps(1200, clock));
    let again = peer.expects(ack().seq(2).ack(2));
    assert_eq!(again.timestamps.unwrap().1, 1200);
    peer.sends(syn().seq(0).mss(1460).timestamps(1100, 0));
    peer.expects(ack().seq(2).ack(2));
    // A segment from anywhere does not count.
    peer.sends(data(b"forged").seq(5000).ack(2).timestamps(u32::MAX / 2, clock));
    peer.expects(ack().seq(2).ack(2));
    peer.sends(syn().seq(0).mss(1460).timestamps(1201, 0));
    assert!(is_syn_ack(&answer(&mut peer)));
}

#[test]
fn rfc1337_3_resets_old_data_and_old_acknowledgments_change_nothing() {
    let (mut peer, clock) = with_timestamps();
    peer.sends(rst().seq(2));
    peer.sends(rst().seq(1));
    peer.expects_nothing();
    peer.sends(data(b"old").seq(1).ack(1).timestamps(950, clock));
    peer.expects(ack().seq(2).ack(2));
    peer.sends(ack().seq(1).ack(1).timestamps(950, clock));
    peer.expects(ack().seq(2).ack(2));
    assert_eq!(peer.stack.tcp_usage().time_waits, 1);
}

#[test]
fn rfc5961_7_a_time_wait_answers_ten_at_once() {
    let (mut peer, clock) = with_timestamps();
    for _ in 0..100 {
        peer.sends(ack().seq(1).ack(1).timestamps(950, clock));
    }
    assert_eq!(peer.takes_all().len(), 10);
    peer.waits(Span::from_secs(1));
    peer.sends(fin().seq(1).ack(2).timestamps(1100, clock));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn rfc9293_3_10_7_4_our_number_is_beyond_the_old_connections_where_nothing_else_tells_them_apart() {
    // Faster than the clock of RFC 6528 (250,000 numbers a second), and closed at once.
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.send_budget = 1 << 21));
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    let connection = peer.stack.accept(listener).unwrap();
    let mut sent = 1;
    while sent < 1_000_000 {
        peer.stack.write(connection, &[7; 20_000]).unwrap();
        for came in peer.takes_all() {
            sent = sent.max(came.seq + came.sequence_len());
        }
        peer.sends(ack().ack(sent).window(65_535));
    }
    while peer.stack.unacknowledged(connection) > 0 {
        for came in peer.takes_all() {
            sent = sent.max(came.seq + came.sequence_len());
        }
        peer.sends(ack().ack(sent).window(65_535));
    }
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(sent).ack(1));
    peer.sends(fin().ack(sent + 1));
    peer.expects(ack().seq(sent + 1).ack(2));
    peer.sends(syn().seq(5).mss(1460));
    peer.expects(ack().seq(sent + 1).ack(2));
    // Four seconds later the clock has overtaken.
    peer.waits(Span::from_secs(5));
    peer.sends(syn().seq(5).mss(1460));
    assert!(is_syn_ack(&answer(&mut peer)));
}

/// A stack in TIME-WAIT after a connection of its own opening, with timestamps or without.
fn opened_and_closed(timestamps: bool) -> Peer {
    let mut peer = Peer::new();
    let connection = peer.connects();
    let (clock, _) = peer.expects(syn().seq(0)).timestamps.unwrap();
    let answer = syn_ack().mss(1460);
    peer.sends(if timestamps { answer.timestamps(1000, clock) } else { answer });
    peer.expects(ack().seq(1).ack(1));
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1).ack(1));
    peer.sends(if timestamps { fin().timestamps(1000, clock) } else { fin() });
    peer.expects(ack().seq(2).ack(2));
    peer
}

#[test]
fn an_open_of_our_own_takes_over_a_time_wait_that_timestamps_tell_apart() {
    let mut peer = opened_and_closed(true);
    let remote = std::net::SocketAddr::new(peer.address(), Peer::OWN_PORT);
    let early = peer.stack.connect(remote, Some(Peer::PORT), peer.now());
    assert_eq!(early, Err(ConnectError::InUse), "its clock may not have ticked yet");
    peer.waits(Span::from_millis(1_001));
    peer.starts_over(70_000);
    let connection = peer.connects();
    assert_eq!(peer.stack.tcp_usage().time_waits, 0);
    let (clock, _) = peer.expects(syn().seq(0)).timestamps.unwrap();
    peer.sends(syn_ack().mss(1460).timestamps(2200, clock));
    peer.expects(ack().seq(1).ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
}

#[test]
fn without_timestamps_or_by_wish_a_time_wait_keeps_its_port() {
    let mut peer = opened_and_closed(false);
    peer.waits(Span::from_secs(30));
    let remote = std::net::SocketAddr::new(peer.address(), Peer::OWN_PORT);
    assert_eq!(peer.stack.connect(remote, Some(Peer::PORT), peer.now()), Err(ConnectError::InUse));
    peer.waits(Span::from_secs(31));
    assert!(peer.stack.connect(remote, Some(Peer::PORT), peer.now()).is_ok());
}

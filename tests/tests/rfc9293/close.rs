//! RFC 9293 §3.6, §3.10.4, §3.10.7.4: connections end, in every order.

use lendwire::Reason;
use lendwire::tcp::{Ended, ReadError, State, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, fin, flag, rst, rst_ack, syn, syn_ack};

#[test]
fn figure_12_who_closes_first_goes_through_fin_wait_to_time_wait() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    assert_eq!(peer.stack.state(connection), State::FinWait1);
    peer.expects(fin().seq(1).ack(1));
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::FinWait2);
    peer.sends(fin());
    peer.expects(ack().seq(2).ack(2));
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0), "the peer's data has ended");
    peer.stack.close(connection, peer.now());
    // In TIME-WAIT the peer's FIN is acknowledged again.
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn a_fin_that_acknowledges_ours_goes_from_fin_wait_1_to_time_wait() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1).ack(1));
    peer.sends(fin());
    peer.expects(ack().seq(2).ack(2));
    peer.expects_nothing();
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn figure_12_who_closes_second_goes_through_close_wait_and_last_ack() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(fin());
    peer.expects(ack().seq(1).ack(2));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    assert_eq!(peer.stack.read_chunk(connection).unwrap().map(|chunk| chunk.len()), None);
    peer.stack.shutdown(connection, peer.now()).unwrap();
    assert_eq!(peer.stack.state(connection), State::LastAck);
    peer.expects(fin().seq(1).ack(2));
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0), "an orderly end");
    // Nothing is left: no TIME-WAIT on this side.
    peer.sends(fin().seq(1));
    peer.expects(rst().seq(2));
}

#[test]
fn figure_13_fins_that_cross_go_through_closing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(fin().seq(1).ack(1));
    // The peer's FIN does not know of ours.
    peer.sends(fin().ack(1));
    assert_eq!(peer.stack.state(connection), State::Closing);
    peer.expects(ack().seq(2).ack(2));
    peer.sends(ack().ack(2));
    assert_eq!(peer.stack.state(connection), State::TimeWait);
    peer.expects_nothing();
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(2).ack(2));
}

#[test]
fn two_stacks_that_close_at_once_fall_silent() {
    use lendwire_tests::pair::Pair;
    let mut pair = Pair::loopback(&lendwire_tests::setup::Setup::new());
    let (here, there) = pair.connected();
    let now = pair.now();
    pair.here.stack.close(here, now);
    pair.there.stack.close(there, now);
    pair.run_for(Span::from_secs(1));
    let segments = pair.here.stack.tcp_statistics().segments_sent + pair.there.stack.tcp_statistics().segments_sent;
    assert!(segments < 12, "{segments} segments for a handshake and a close");
    pair.run_for(Span::from_secs(200));
    assert_eq!(pair.here.stack.next_deadline(), None, "no TIME-WAIT is left");
    assert_eq!(pair.there.stack.next_deadline(), None);
}

#[test]
fn a_half_closed_connection_still_receives() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"last words").unwrap();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(data(b"last words").seq(1).with(flag::FIN));
    assert_eq!(peer.stack.write(connection, b"no more"), Err(WriteError::ShutDown));
    assert_eq!(peer.stack.shutdown(connection, peer.now()), Err(WriteError::ShutDown));
    peer.sends(data(&[1; 1460]));
    peer.sends(data(&[2; 1460]));
    assert_eq!(peer.reads(connection).len(), 2920);
    peer.expects(ack().seq(12).ack(2921));
    peer.sends(fin());
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
}

#[test]
fn after_the_peers_fin_we_still_send() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(fin());
    peer.expects(ack().ack(2));
    peer.stack.write(connection, &[9; 3000]).unwrap();
    peer.expects(any_data(1460).seq(1).ack(2));
    peer.expects(any_data(1460).seq(1461));
    peer.sends(ack());
    peer.expects(any_data(80));
    peer.sends(ack());
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(3001));
    peer.sends(ack());
    peer.expects_nothing();
}

#[test]
fn what_was_written_before_close_is_sent_and_sent_again_if_lost() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"do not forget").unwrap();
    peer.stack.close(connection, peer.now());
    assert_eq!(peer.stack.state(connection), State::Closed, "the handle is given up");
    peer.expects(data(b"do not forget").with(flag::FIN));
    peer.expects_after(Span::from_millis(200), data(b"do not forget").with(flag::FIN).seq(1));
    peer.sends(ack());
    peer.sends(fin());
    peer.expects(ack().seq(15).ack(2));
}

#[test]
fn a_lost_fin_is_sent_again() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(fin().seq(1));
    for millis in [200, 400, 800] {
        peer.expects_after(Span::from_millis(millis), fin().seq(1));
    }
    peer.sends(ack().ack(2));
    peer.expects_nothing_for(Span::from_secs(30));
    assert_eq!(peer.stack.state(connection), State::FinWait2);
}

#[test]
fn a_fin_ahead_of_missing_data_waits_for_it() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(fin().seq(12));
    peer.expects(ack().ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.sends(data(b"world").seq(7).with(flag::FIN));
    peer.expects(ack().ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
    assert_eq!(peer.stack.unread(connection), 0);
    peer.sends(data(b"hello ").seq(1));
    // SHLD-31: it was held, and does not have to come again.
    peer.expects(ack().ack(13));
    assert_eq!(peer.reads(connection), b"hello world");
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
    assert_eq!(peer.stack.tcp_usage().blocks, 0);
}

#[test]
fn shld_31_a_fin_is_held_wherever_it_stands_among_what_came_early() {
    // (data, is the FIN its last), in the order of coming; "abcdef" is the stream.
    let orders: &[&[(u32, &[u8], bool)]] = &[
        &[(7, b"", true), (1, b"abc", false), (4, b"def", false)],
        &[(7, b"", true), (4, b"def", false), (1, b"abc", false)],
        &[(4, b"def", false), (7, b"", true), (1, b"abc", false)],
        &[(3, b"cd", false), (7, b"", true), (1, b"ab", false), (5, b"ef", false)],
        &[(6, b"f", true), (3, b"cdef", true), (2, b"bc", false), (1, b"a", false)],
        // What lies behind a FIN is no data, and a FIN before data is none.
        &[(4, b"def", true), (7, b"??", false), (5, b"ef????", false), (1, b"abc", false)],
        &[(6, b"f", false), (4, b"d", true), (4, b"def", true), (1, b"abc", false)],
        // Data that came in order has the place.
        &[(4, b"", true), (1, b"abcdef", false), (7, b"", true)],
    ];
    for order in orders {
        let mut peer = Peer::new();
        let connection = peer.established();
        for &(seq, bytes, last) in *order {
            peer.sends(data(bytes).seq(seq).with(if last { flag::FIN } else { 0 }));
        }
        assert_eq!(peer.takes_all().last().map(|last| last.ack), Some(8), "{order:?}");
        assert_eq!(peer.stack.state(connection), State::CloseWait, "{order:?}");
        assert_eq!(peer.reads(connection), b"abcdef", "{order:?}");
        assert_eq!((peer.stack.tcp_usage().blocks, peer.pools.held()), (0, 0), "{order:?}");
    }
}

#[test]
fn what_waits_behind_a_fin_is_given_back_when_it_comes() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"???").seq(9));
    peer.sends(fin().seq(1));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    assert_eq!((peer.stack.tcp_usage().blocks, peer.pools.held()), (0, 0));
}

#[test]
fn a_fin_that_fills_the_hole_before_it_is_taken_at_once() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"lo").seq(4));
    peer.sends(data(b"hello").seq(1).with(flag::FIN));
    assert_eq!(peer.reads(connection), b"hello");
    peer.expects(ack().ack(1));
    peer.expects(ack().ack(7));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
}

#[test]
fn a_fin_that_comes_again_is_acknowledged_again() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for _ in 0..3 {
        peer.sends(fin().seq(1));
        peer.expects(ack().seq(1).ack(2));
    }
    assert_eq!(peer.stack.state(connection), State::CloseWait);
}

#[test]
fn nothing_is_read_beyond_a_fin() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"end").with(flag::FIN));
    peer.sends(data(b"?").seq(5));
    assert_eq!(peer.reads(connection), b"end");
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
    assert_eq!(peer.stack.drops().of(Reason::TcpLateData), 1);
}

#[test]
fn the_last_acknowledgment_counts_even_if_senseless_data_comes_with_it() {
    // A connection in LAST-ACK that did not end here would never end.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(fin());
    peer.expects(ack());
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1));
    peer.sends(data(b"beyond the FIN").ack(2));
    peer.takes_all();
    peer.sends(ack().seq(2).ack(2));
    peer.expects(rst().seq(2));
}

#[test]
fn data_for_a_closed_handle_is_reset() {
    // RFC 9293 §3.6.1, SHLD-3.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.close(connection, peer.now());
    peer.expects(fin().seq(1));
    peer.sends(ack());
    peer.sends(data(b"is anybody there?"));
    peer.expects(rst_ack().seq(2));
    peer.sends(data(b"?"));
    peer.expects(rst());
}

#[test]
fn rfc2525_2_17_closing_with_unread_data_is_a_reset() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"unread"));
    peer.stack.close(connection, peer.now());
    peer.expects(rst_ack().seq(1).ack(7));
    peer.expects_nothing();
    assert_eq!(peer.pools.held(), 0);
}

#[test]
fn an_abort_is_a_reset_behind_everything_sent() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[1; 1460]).unwrap();
    peer.expects(any_data(1460));
    peer.stack.abort(connection);
    peer.expects(rst_ack().seq(1461).ack(1));
    peer.expects_nothing_for(Span::from_secs(5));
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.pools.held(), 0);
}

#[test]
fn data_may_be_read_after_both_sides_have_closed() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"kept").with(flag::FIN));
    peer.expects(ack().ack(6));
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(fin().seq(1).ack(6));
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.reads(connection), b"kept");
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
    peer.stack.close(connection, peer.now());
    assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::NoSuchConnection));
    assert_eq!(peer.pools.held(), 0);
}

#[test]
fn a_closed_handle_waits_for_the_peers_fin_no_longer_than_set() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.close(connection, peer.now());
    peer.expects(fin());
    peer.sends(ack());
    peer.expects_nothing_for(Span::from_secs(59));
    peer.sends(ack());
    peer.expects_nothing();
    peer.waits(Span::from_secs(2));
    peer.sends(ack());
    peer.expects(rst().seq(2));
}

#[test]
fn a_half_closed_connection_that_is_held_waits_as_long_as_it_takes() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(fin());
    peer.sends(ack());
    peer.expects_nothing_for(Span::from_secs(10_000));
    peer.sends(data(b"at last"));
    assert_eq!(peer.reads(connection), b"at last");
}

#[test]
fn a_peer_that_vanishes_ends_the_connection_in_the_end() {
    // MUST-20: R2 is at least 100 seconds.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"hello?").unwrap();
    let start = peer.now();
    peer.waits(Span::from_secs(100));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.waits(Span::from_secs(1200));
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(Ended::TimedOut)));
    assert_eq!(peer.takes_all().len(), 16, "once and 15 times again");
    assert!(peer.now().since(start) > Span::from_secs(100));
}

#[test]
fn closing_twice_and_using_a_handle_of_the_past_touches_nobody_else() {
    let mut peer = Peer::new();
    let old = peer.established();
    peer.stack.abort(old);
    peer.takes_all();
    peer.starts_over(1);
    let new = peer.established();
    peer.stack.close(old, peer.now());
    peer.stack.abort(old);
    assert_eq!(peer.stack.write(old, b"?"), Err(WriteError::NoSuchConnection));
    assert_eq!(peer.stack.read(old, &mut [0]), Err(ReadError::NoSuchConnection));
    assert_eq!(peer.stack.state(old), State::Closed);
    peer.expects_nothing();
    assert_eq!(peer.stack.state(new), State::Established);
}

#[test]
fn places_come_back_as_often_as_they_are_taken() {
    // The table has 8 places; 50 connections use them, and close in every way.
    let mut peer = Peer::with(&lendwire_tests::setup::Setup::new().capacities(|capacities| capacities.time_waits = 50));
    for number in 0..50u16 {
        peer.uses_port(1000 + number);
        let connection = peer.opens(syn().mss(1460));
        match number % 4 {
            0 => peer.stack.abort(connection),
            1 => peer.sends(rst()),
            2 => {
                peer.stack.close(connection, peer.now());
                peer.expects(fin());
                peer.sends(fin());
            }
            _ => {
                peer.sends(fin());
                peer.stack.close(connection, peer.now());
                peer.turn();
                peer.sends(ack().ack(2));
            }
        }
        peer.stack.close(connection, peer.now());
        peer.takes_all();
    }
}

#[test]
fn closing_in_syn_received_after_crossed_syns_leaves_nothing_behind() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.stack.close(connection, peer.now());
    peer.takes_all();
    peer.sends(ack().seq(1).ack(1));
    let answer = peer.takes_all();
    assert!(
        answer.iter().any(|came| came.flags & (flag::RST | flag::FIN) != 0),
        "the peer learns that nobody is there: {answer:?}"
    );
}

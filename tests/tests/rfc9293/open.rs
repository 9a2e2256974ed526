//! RFC 9293 §3.5, §3.10.7.2 to §3.10.7.4: connections begin.

use lendwire::Reason;
use lendwire::tcp::{ConnectError, Ended, ReadError, State, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, fin, flag, rst, rst_ack, segment, syn, syn_ack};
use lendwire_tests::setup::Setup;

#[test]
fn a_passive_open_takes_three_steps_and_a_place_only_at_the_third() {
    for setup in [Setup::new(), Setup::new().v6()] {
        let mut peer = Peer::with(&setup);
        let listener = peer.listen();
        peer.sends(syn().mss(1400));
        assert_eq!(peer.stack.accept(listener), None);
        peer.expects(syn_ack().seq(0).ack(1));
        peer.expects_nothing();
        peer.sends(ack());
        peer.expects_nothing();
        let connection = peer.stack.accept(listener).expect("the handshake is complete");
        assert_eq!(peer.stack.state(connection), State::Established);
        let (local, remote) = peer.stack.ends(connection).expect("it stands");
        assert_eq!((local.ip(), local.port()), (peer.stack_address(), Peer::PORT));
        assert_eq!((remote.ip(), remote.port()), (peer.address(), Peer::OWN_PORT));
        assert_eq!(peer.stack.accept(listener), None, "it is accepted once");
    }
}

#[test]
fn an_active_open_takes_three_steps() {
    for setup in [Setup::new(), Setup::new().v6()] {
        let mut peer = Peer::with(&setup);
        let connection = peer.connects();
        assert_eq!(peer.stack.state(connection), State::SynSent);
        assert_eq!(peer.stack.write(connection, b"too early"), Err(WriteError::NotYet));
        peer.expects(syn().seq(0));
        peer.sends(syn_ack().mss(1400));
        peer.expects(ack().seq(1).ack(1));
        peer.expects_nothing();
        assert_eq!(peer.stack.state(connection), State::Established);
        assert!(peer.stack.next_event().is_some(), "the application hears of it");
    }
}

#[test]
fn figure_7_syns_that_cross_open_one_connection() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn().seq(0));
    peer.sends(syn().mss(1460));
    assert_eq!(peer.stack.state(connection), State::SynReceived);
    peer.expects(syn_ack().seq(0).ack(1));
    peer.sends(syn_ack().seq(0).ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.takes_all();
    assert_eq!(peer.stack.write(connection, b"ours"), Ok(4));
    peer.expects(data(b"ours").seq(1).ack(1));
    peer.sends(data(b"theirs"));
    assert_eq!(peer.reads(connection), b"theirs");
}

#[test]
fn figure_7_a_plain_acknowledgment_also_completes_crossed_syns() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack().seq(1).ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
}

#[test]
fn crossed_syns_are_sent_again_as_syn_ack() {
    let mut peer = Peer::new();
    peer.connects();
    peer.expects(syn());
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    peer.expects_within(Span::from_secs(5), syn_ack().seq(0).ack(1));
}

#[test]
fn must_23_a_syn_is_sent_again_with_backoff_for_three_minutes_then_given_up() {
    // RFC 6298 §2.1, §2.5, §5.5: from one second on, doubled each time, up to a minute.
    let mut peer = Peer::new();
    let start = peer.now();
    let connection = peer.connects();
    peer.expects(syn().seq(0));
    for seconds in [1, 2, 4, 8, 16, 32, 60] {
        peer.expects_after(Span::from_secs(seconds), syn().seq(0));
    }
    peer.expects_nothing_for(Span::from_secs(300));
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(Ended::TimedOut)));
    assert!(peer.now().since(start) >= Span::from_secs(180));
    assert_eq!(peer.stack.next_deadline(), None);
}

#[test]
fn must_23_an_attempt_lives_for_three_minutes_at_least() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.waits(Span::from_secs(180));
    assert_eq!(peer.stack.state(connection), State::SynSent);
}

#[test]
fn a_syn_ack_is_sent_again_and_in_the_end_forgotten() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    for seconds in [1, 2, 4, 8, 16, 32, 60] {
        // Counted from the first one: what the timer was late does not add up.
        peer.expects_nothing_for(Span::from_millis(seconds * 1000 - 10));
        peer.expects_within(Span::from_millis(20), syn_ack().seq(0).ack(1));
    }
    peer.expects_nothing_for(Span::from_secs(300));
    peer.sends(ack());
    peer.expects(rst().seq(1));
    assert_eq!(peer.stack.accept(listener), None);
}

#[test]
fn a_syn_that_comes_again_is_answered_again() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for _ in 0..3 {
        peer.sends(syn().seq(0).mss(1460));
        peer.expects(syn_ack().seq(0).ack(1));
        peer.expects_nothing();
    }
    peer.sends(ack().seq(1));
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn figure_8_a_refused_connection_says_so() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.sends(rst_ack().seq(0).ack(1));
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert!(peer.stack.next_event().is_some());
    assert_eq!(peer.stack.read_chunk(connection).unwrap_err(), ReadError::Ended(Ended::Refused));
    assert_eq!(peer.stack.write(connection, b"?"), Err(WriteError::Ended(Ended::Refused)));
    peer.stack.close(connection, peer.now());
    peer.expects_nothing_for(Span::from_secs(10));
}

#[test]
fn rfc5961_3_2_in_syn_sent_only_a_reset_of_our_syn_counts() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    for wrong in [rst().seq(0), rst().seq(1), rst_ack().seq(0).ack(0), rst_ack().seq(0).ack(2)] {
        peer.sends(wrong);
        peer.expects_nothing();
        assert_eq!(peer.stack.state(connection), State::SynSent);
    }
    assert_eq!(peer.stack.drops().of(Reason::TcpReset), 4);
}

#[test]
fn an_acknowledgment_that_is_not_of_our_syn_is_reset_and_the_attempt_goes_on() {
    // RFC 9293 §3.10.7.3, first; figure 9: a half-open connection is discovered.
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.sends(ack().seq(300).ack(100));
    peer.expects(rst().seq(100));
    peer.sends(syn_ack().seq(0).ack(7));
    peer.expects(rst().seq(7));
    assert_eq!(peer.stack.state(connection), State::SynSent);
    peer.sends(syn_ack().ack(1));
    peer.expects(ack().seq(1).ack(1));
    assert_eq!(peer.stack.state(connection), State::Established);
}

#[test]
fn in_syn_received_a_wrong_acknowledgment_is_reset_and_the_right_one_still_opens() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack().seq(1).ack(5));
    peer.expects(rst().seq(5));
    assert_eq!(peer.stack.accept(listener), None);
    peer.sends(ack().seq(1).ack(1));
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn rfc5961_3_2_in_syn_received_an_exact_reset_returns_to_listen_and_another_is_challenged() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(rst().seq(100));
    peer.expects(ack().seq(1).ack(1));
    peer.sends(rst().seq(1));
    peer.expects_nothing();
    peer.sends(ack().seq(1).ack(1));
    peer.expects(rst().seq(1));
    assert_eq!(peer.stack.accept(listener), None);
    // It listens again.
    peer.starts_over(77_777);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
}

#[test]
fn data_with_a_syn_is_not_kept_but_may_come_again() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(segment_with(b"early"));
    peer.expects(syn_ack().seq(0).ack(1));
    peer.sends(data(b"early").seq(1).ack(1));
    let connection = peer.stack.accept(listener).expect("the data acknowledges");
    assert_eq!(peer.reads(connection), b"early");

    fn segment_with(bytes: &[u8]) -> lendwire_tests::segment::Segment {
        data(bytes).seq(0).mss(1460).without(flag::ACK).with(flag::SYN)
    }
}

#[test]
fn rfc9293_3_10_7_3_a_syn_ack_may_carry_data_and_a_fin() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.sends(data(b"all at once").with(flag::SYN | flag::FIN).mss(1460));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    peer.expects(ack().seq(1).ack(13));
    assert_eq!(peer.reads(connection), b"all at once");
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
}

#[test]
fn figure_7_the_last_segment_of_a_simultaneous_open_may_carry_data() {
    for flags in [0, flag::SYN] {
        let mut peer = Peer::new();
        let connection = peer.connects();
        peer.expects(syn());
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack().seq(0).ack(1));
        peer.sends(data(b"early").seq(if flags == 0 { 1 } else { 0 }).with(flags));
        assert_eq!(peer.reads(connection), b"early");
        peer.expects_within(Span::from_millis(500), ack().seq(1).ack(6));
    }
}

#[test]
fn the_third_step_may_carry_data_and_a_fin() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(data(b"all at once").with(flag::FIN));
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    assert_eq!(peer.reads(connection), b"all at once");
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
    peer.expects(ack().seq(1).ack(13));
}

#[test]
fn a_lost_third_step_is_made_up_for_by_data() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    // Our ACK is lost; the peer thinks that the connection stands.
    peer.sends(data(b"first").seq(1));
    let connection = peer.stack.accept(listener).expect("the data acknowledges too");
    assert_eq!(peer.reads(connection), b"first");
}

#[test]
fn rfc6528_initial_sequence_numbers_differ_by_ports_and_grow_with_time() {
    let mut peer = Peer::new();
    peer.listen();
    let mut first_number = |port| {
        peer.uses_port(port);
        peer.sends(syn().seq(0).mss(1460));
        peer.inbox.pop_front().expect("a SYN-ACK").seq
    };
    let (one, other) = (first_number(1000), first_number(1001));
    assert!(one.abs_diff(other) > 1000, "{one} and {other} are too near");
    let mut later = Peer::new();
    later.listen();
    later.uses_port(1000);
    later.waits(Span::from_secs(4));
    later.sends(syn().seq(0).mss(1460));
    let grown = later.inbox.pop_front().expect("a SYN-ACK").seq.wrapping_sub(one);
    assert_eq!(grown, 1_000_000, "a clock of 4 microseconds");
}

#[test]
fn port_zero_is_nobodys() {
    let mut peer = Peer::new();
    let zero = std::net::SocketAddr::new(peer.address(), 0);
    assert_eq!(peer.stack.connect(zero, None, peer.now()), Err(ConnectError::PortZero));
    let own = std::net::SocketAddr::new(peer.stack_address(), 0);
    assert_eq!(peer.stack.listen(own, 1), Err(lendwire::tcp::ListenError::PortZero));
    peer.listen();
    peer.sends_from(syn().seq(0), [0, Peer::PORT]);
    peer.sends_from(syn().seq(0), [Peer::OWN_PORT, 0]);
    peer.turn();
    assert!(peer.inbox.is_empty());
    assert_eq!(peer.stack.drops().of(Reason::TcpPort), 2);
}

#[test]
fn must_46_only_one_host_can_be_connected_to() {
    let mut peer = Peer::new();
    for address in ["255.255.255.255", "224.0.0.1", "0.0.0.0", "ff02::1", "::"] {
        let remote = std::net::SocketAddr::new(address.parse().unwrap(), 80);
        let refused = peer.stack.connect(remote, None, peer.now());
        assert_eq!(refused, Err(ConnectError::NotUnicast), "{address}");
    }
}

#[test]
fn a_connection_that_exists_is_not_opened_twice() {
    let mut peer = Peer::new();
    peer.connects();
    let remote = std::net::SocketAddr::new(peer.address(), Peer::OWN_PORT);
    assert_eq!(peer.stack.connect(remote, Some(Peer::PORT), peer.now()), Err(ConnectError::InUse));
}

#[test]
fn closing_before_the_handshake_leaves_nothing_and_a_late_answer_is_reset() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn());
    peer.stack.close(connection, peer.now());
    peer.expects_nothing_for(Span::from_secs(10));
    peer.sends(syn_ack().seq(0).ack(1));
    peer.expects(rst().seq(1));
    assert_eq!(peer.stack.next_event(), None);
}

#[test]
fn rfc9293_3_10_7_2_a_syn_with_a_fin_opens_and_the_fin_comes_again() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().with(flag::FIN).mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    peer.sends(ack().seq(1));
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.sends(fin().seq(1));
    peer.expects(ack().seq(1).ack(2));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
}

#[test]
fn flags_that_make_no_sense_open_nothing() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for flags in [flag::FIN, 0, flag::PSH | flag::URG] {
        peer.sends(segment(flags).seq(0));
        peer.expects_nothing();
    }
    assert_eq!(peer.stack.drops().of(Reason::TcpFlags), 3);
    peer.sends(fin().seq(0).ack(9));
    peer.expects(rst().seq(9));
    assert_eq!(peer.stack.accept(listener), None);
}

//! RFC 9293 §3.10.7.4, second and fourth check, with RFC 5961: resets and SYNs that may be forged.

use lendwire::Reason;
use lendwire::tcp::{Ended, ReadError, State, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, fin, flag, rst, rst_ack, syn, syn_ack};
use lendwire_tests::setup::Setup;

#[test]
fn rfc5961_3_2_an_exact_reset_ends_the_connection() {
    for reset in [rst().seq(1), rst_ack().seq(1).ack(1)] {
        let mut peer = Peer::new();
        let connection = peer.established();
        peer.stack.write(connection, b"in flight").unwrap();
        peer.takes_all();
        peer.sends(reset);
        peer.expects_nothing();
        assert_eq!(peer.stack.state(connection), State::Closed);
        assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(Ended::Reset)));
        assert_eq!(peer.stack.write(connection, b"?"), Err(WriteError::Ended(Ended::Reset)));
        assert!(peer.stack.next_event().is_some(), "the application hears of it");
        assert_eq!(peer.pools.held(), 0, "nothing is kept for a peer that is gone");
        peer.expects_nothing_for(lendwire::time::Span::from_secs(100));
        assert_eq!(peer.stack.next_deadline(), None);
    }
}

#[test]
fn rfc5961_3_2_a_reset_in_the_window_is_challenged() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for seq in [2, 1000, 60_000] {
        peer.sends(rst().seq(seq));
        peer.expects(ack().seq(1).ack(1));
    }
    assert_eq!(peer.stack.state(connection), State::Established);
    assert_eq!(peer.stack.drops().of(Reason::TcpReset), 3);
}

#[test]
fn rfc5961_3_2_a_reset_outside_of_the_window_is_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for seq in [0, 1u32.wrapping_sub(1000), 1 << 31, 70_000] {
        peer.sends(rst().seq(seq));
        peer.expects_nothing();
    }
    assert_eq!(peer.stack.state(connection), State::Established);
    assert_eq!(peer.stack.drops().of(Reason::TcpOutOfWindow), 4);
}

#[test]
fn rfc5961_3_2_a_reset_whose_data_reaches_into_the_window_is_not_exact() {
    // Its number must be the next one, not be made so by cutting off what is old.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(&[0; 1000]));
    peer.takes_all();
    peer.sends(data(&[0; 1400]).seq(1).with(flag::RST));
    assert_eq!(peer.stack.state(connection), State::Established);
}

#[test]
fn unread_data_survives_a_reset_no_longer_than_its_handle() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"before the end"));
    peer.sends(rst());
    assert_eq!(peer.reads(connection), b"before the end");
    assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(Ended::Reset)));
    peer.stack.close(connection, peer.now());
    assert_eq!(peer.pools.held(), 0);
}

/// A connection in each synchronized state; the peer stands at the number returned.
fn in_state(state: State) -> (Peer, lendwire::tcp::TcpHandle, u32) {
    let mut peer = Peer::new();
    let connection = peer.established();
    let now = peer.now();
    let mut next = 1;
    match state {
        State::Established => {}
        State::FinWait1 => peer.stack.shutdown(connection, now).unwrap(),
        State::FinWait2 => {
            peer.stack.shutdown(connection, now).unwrap();
            peer.expects(fin());
            peer.sends(ack());
        }
        State::CloseWait => {
            peer.sends(fin());
            next = 2;
        }
        State::Closing => {
            peer.stack.shutdown(connection, now).unwrap();
            peer.turn();
            peer.sends(fin().ack(1));
            next = 2;
        }
        State::LastAck => {
            peer.sends(fin());
            peer.stack.shutdown(connection, now).unwrap();
            next = 2;
        }
        State::SynSent | State::SynReceived | State::TimeWait | State::Closed => panic!("not a state of these tests"),
    }
    peer.takes_all();
    assert_eq!(peer.stack.state(connection), state);
    (peer, connection, next)
}

const SYNCHRONIZED: [State; 6] =
    [State::Established, State::FinWait1, State::FinWait2, State::CloseWait, State::Closing, State::LastAck];

#[test]
fn an_exact_reset_ends_every_synchronized_state_and_no_other_reset_does() {
    for state in SYNCHRONIZED {
        let (mut peer, connection, next) = in_state(state);
        peer.sends(rst().seq(next + 1));
        assert_eq!(peer.stack.state(connection), state, "in the window");
        peer.expects(ack().ack(next));
        peer.sends(rst().seq(next.wrapping_sub(1)));
        assert_eq!(peer.stack.state(connection), state, "outside");
        peer.expects_nothing();
        peer.sends(rst().seq(next));
        assert_eq!(peer.stack.state(connection), State::Closed);
        peer.sends(ack().seq(next).ack(1));
        peer.expects(rst().seq(1));
        peer.expects_nothing_for(lendwire::time::Span::from_secs(100));
        assert_eq!(peer.stack.next_deadline(), None);
    }
}

#[test]
fn rfc5961_4_2_a_syn_is_challenged_in_every_synchronized_state() {
    for state in SYNCHRONIZED {
        let (mut peer, connection, next) = in_state(state);
        for seq in [next, next + 100, next.wrapping_sub(1), next.wrapping_sub(10_000), 1 << 31] {
            peer.sends(syn().seq(seq));
            peer.expects(ack().ack(next));
            peer.sends(syn_ack().seq(seq).ack(1));
            peer.expects(ack().ack(next));
            assert_eq!(peer.stack.state(connection), state);
        }
    }
}

#[test]
fn rfc5961_5_2_acknowledgments_of_the_future_and_from_too_long_ago_are_answered_and_dropped() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"0123456789").unwrap();
    peer.takes_all();
    // The largest window that the peer has shown is 65535, but nothing was sent before number 1.
    for wrong in [12, 1000, 1 << 31, 1u32.wrapping_sub(65_536), 0] {
        peer.sends(data(b"forged").ack(wrong).seq(1));
        peer.expects(ack().seq(11).ack(1));
    }
    assert_eq!(peer.stack.unread(connection), 0, "their data is not believed");
    assert_eq!(peer.stack.drops().of(Reason::TcpAck), 5);
    peer.sends(ack().ack(11));
    peer.sends(data(b"late but true").ack(1).seq(1));
    assert_eq!(peer.reads(connection), b"late but true");
}

#[test]
fn rfc5961_5_2_an_acknowledgment_older_than_the_largest_window_is_dropped_where_much_was_sent() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460).window(1000));
    peer.expects(syn_ack());
    peer.sends(ack().window(1000));
    let connection = peer.stack.accept(listener).unwrap();
    for sent in 1..=10u32 {
        peer.stack.write(connection, &[7; 1000]).unwrap();
        peer.takes_all();
        peer.sends(ack().ack(1 + 1000 * sent).window(1000));
    }
    peer.sends(data(b"forged").ack(9000).seq(1));
    peer.expects(ack().seq(10_001).ack(1));
    peer.sends(data(b"late but true").ack(9001).seq(1));
    assert_eq!(peer.reads(connection), b"late but true");
}

#[test]
fn rfc5961_7_challenges_are_limited_for_each_connection_by_itself() {
    let mut peer = Peer::new();
    peer.established();
    for number in 0..1000 {
        peer.sends(rst().seq(2 + number));
    }
    assert_eq!(peer.takes_all().len(), 10);
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.challenges, statistics.challenges_withheld), (10, 990));
    // CVE-2016-5696: what one connection has used up says nothing to another one.
    peer.uses_port(2);
    peer.established();
    for number in 0..10 {
        peer.sends(rst().seq(2 + number));
        peer.expects(ack().seq(1).ack(1));
    }
    // Nor does it keep what belongs to the connection from being answered.
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(data(b"ahead").seq(100));
    peer.expects(ack().seq(1).ack(1));
    // And after a while there is an answer again.
    peer.waits(Span::from_secs(1));
    for _ in 0..1000 {
        peer.sends(rst().seq(2));
    }
    assert_eq!(peer.takes_all().len(), 2);
}

#[test]
fn rfc5961_7_two_ends_that_find_each_other_unacceptable_do_not_answer_for_ever() {
    let mut peer = Peer::new();
    peer.established();
    let mut answers = 0;
    for _ in 0..2000 {
        // Each answer of ours comes back as one that we cannot accept.
        peer.sends(ack().seq(200_000).ack(1));
        answers += peer.takes_all().len();
        peer.clock.advance_to(peer.now() + Span::from_millis(1));
    }
    assert!((10..=15).contains(&answers), "{answers} answers in 2 seconds");
}

#[test]
fn a_segment_without_an_acknowledgment_is_dropped() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"x").without(flag::ACK).seq(1));
    assert_eq!(peer.stack.unread(connection), 0);
    assert_eq!(peer.stack.drops().of(Reason::TcpAck), 1);
    // Nor is there an answer when some of it is old, or does not fit.
    peer.sends(data(b"xx").without(flag::ACK).seq(0));
    peer.sends(data(b"xx").without(flag::ACK).seq(65_535));
    peer.expects_nothing();
    assert_eq!(peer.stack.drops().of(Reason::TcpAck), 3);
}

#[test]
fn rfc5961_3_2_a_reset_counts_by_its_number_alone() {
    // What it says of its reason is no part of the stream.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"I give up").with(flag::RST).seq(0));
    peer.expects_nothing();
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.sends(data(b"I give up").with(flag::RST).seq(1));
    peer.expects_nothing();
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn must_66_a_reset_with_text_ends_a_connection_whose_window_is_closed() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 2048));
    let connection = peer.established();
    peer.sends(data(&[0; 1280]));
    peer.expects(ack().ack(1281).window(0));
    peer.sends(data(b"I give up").with(flag::RST).seq(1281));
    peer.expects_nothing();
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn rfc5961_4_2_a_syn_is_challenged_whatever_of_it_is_new() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 2048));
    let connection = peer.established();
    peer.sends(data(b"new").with(flag::SYN).seq(0));
    peer.expects(ack().seq(1).ack(1));
    assert_eq!(peer.stack.unread(connection), 0);
    // Nor does a closed window take it for an acknowledgment.
    peer.stack.write(connection, b"in flight").unwrap();
    peer.takes_all();
    peer.sends(data(&[0; 1280]).seq(1).ack(1));
    peer.expects(ack().ack(1281).window(0));
    peer.sends(syn_ack().seq(1281).ack(10));
    peer.expects(ack().ack(1281));
    assert_eq!(peer.stack.unacknowledged(connection), 9);
}

#[test]
fn in_syn_received_a_reset_is_never_answered_and_a_part_in_the_window_is_enough() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(syn().with(flag::RST).seq(0));
    peer.expects_nothing();
    peer.sends(data(b"?new").seq(0).ack(1));
    let connection = peer.stack.accept(listener).expect("it acknowledges");
    assert_eq!(peer.reads(connection), b"new");
}

#[test]
fn a_wrong_checksum_is_nothing_at_all() {
    // MUST-3.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"damaged").seq(1).with_bad_checksum());
    peer.sends(rst().seq(1).with_bad_checksum());
    peer.expects_nothing();
    assert_eq!(peer.stack.unread(connection), 0);
    assert_eq!(peer.stack.state(connection), State::Established);
    assert_eq!(peer.stack.drops().of(Reason::TcpChecksum), 2);
}

#[test]
fn segments_outside_of_the_window_are_acknowledged_and_dropped() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for seq in [70_000, 1 << 31, 1u32.wrapping_sub(5)] {
        peer.sends(data(b"stray").seq(seq));
        peer.expects(ack().seq(1).ack(1));
    }
    assert_eq!(peer.stack.unread(connection), 0);
    assert_eq!(peer.stack.drops().of(Reason::TcpOutOfWindow), 3);
}

#[test]
fn keep_alive_probes_of_the_peer_are_answered() {
    // RFC 9293 §3.8.4: a number below the next one, with or without a byte.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"abc"));
    peer.waits(lendwire::time::Span::from_millis(100));
    peer.takes_all();
    peer.sends(ack().seq(3));
    peer.expects(ack().seq(1).ack(4));
    peer.sends(data(b"c").seq(3));
    peer.expects(ack().seq(1).ack(4));
    assert_eq!(peer.reads(connection), b"abc");
}

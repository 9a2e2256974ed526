//! RFC 9293 §3.10.7.1, §3.10.7.2: who listens, who does not, and how many may wait.

use lendwire::Reason;
use lendwire::tcp::{ListenError, State};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, fin, flag, rst, rst_ack, segment, syn, syn_ack};

#[test]
fn where_nobody_listens_every_segment_but_a_reset_is_reset() {
    let mut peer = Peer::new();
    // Without an ACK: the reset acknowledges all of the segment.
    peer.sends(syn().seq(0));
    peer.expects(rst_ack().seq(0).ack(1));
    peer.sends(data(b"12345").seq(10).without(flag::ACK));
    peer.expects(rst_ack().seq(0).ack(15));
    peer.sends(segment(flag::FIN).seq(10));
    peer.expects(rst_ack().ack(11));
    // With one: the reset has its number.
    peer.sends(ack().seq(10).ack(4711));
    peer.expects(rst().seq(4711));
    peer.sends(fin().seq(10).ack(4712));
    peer.expects(rst().seq(4712));
    peer.sends(syn_ack().seq(10).ack(4713));
    peer.expects(rst().seq(4713));
    peer.sends(rst().seq(10));
    peer.sends(rst_ack().seq(10).ack(5));
    peer.expects_nothing();
    assert_eq!(peer.stack.drops().of(Reason::TcpNoConnection), 8);
    assert_eq!(peer.stack.tcp_statistics().resets, 6);
}

#[test]
fn a_listener_ignores_resets_and_resets_acknowledgments() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(rst().seq(0));
    peer.expects_nothing();
    peer.sends(ack().seq(0).ack(99));
    peer.expects(rst().seq(99));
    peer.sends(syn_ack().seq(0).ack(98));
    peer.expects(rst().seq(98));
    assert_eq!(peer.stack.accept(listener), None);
}

#[test]
fn the_syn_queue_is_bounded_and_room_comes_back() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
    }
    peer.uses_port(5);
    peer.sends(syn().seq(0).mss(1460));
    peer.expects(syn_ack());
    assert_eq!((peer.stack.tcp_usage().handshakes, peer.stack.tcp_statistics().cookies_sent), (4, 1));
    // One of the four completes.
    peer.uses_port(1);
    peer.sends(ack());
    assert!(peer.stack.accept(listener).is_some());
    peer.uses_port(6);
    peer.sends(syn().seq(0).mss(1460));
    peer.expects(syn_ack());
    assert_eq!((peer.stack.tcp_usage().handshakes, peer.stack.tcp_statistics().cookies_sent), (4, 1));
}

#[test]
fn the_accept_queue_is_bounded_and_who_waits_outside_comes_in_later() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
    }
    peer.uses_port(5);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    assert_eq!(peer.stack.drops().of(Reason::TcpBacklog), 1);
    let first = peer.stack.accept(listener).expect("the oldest waits");
    assert_eq!(peer.stack.ends(first).unwrap().1.port(), 1, "first come, first served");
    // The SYN-ACK comes again; the answer to it completes.
    peer.expects_within(Span::from_secs(5), syn_ack().seq(0).ack(1));
    peer.sends(ack().seq(1).ack(1));
    let accepted: Vec<_> = std::iter::from_fn(|| peer.stack.accept(listener)).collect();
    let ports: Vec<_> = accepted.into_iter().map(|connection| peer.stack.ends(connection).unwrap().1.port()).collect();
    assert_eq!(ports, [2, 3, 4, 5]);
}

#[test]
fn a_connection_nobody_accepted_yet_takes_data_up_to_its_window() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    peer.sends(data(b"patience"));
    let connection = peer.stack.accept(listener).unwrap();
    assert_eq!(peer.reads(connection), b"patience");
}

#[test]
fn a_connection_that_is_reset_before_it_is_accepted_is_still_handed_out_and_tells_so() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    peer.sends(rst());
    let connection = peer.stack.accept(listener).unwrap();
    assert_eq!(peer.stack.state(connection), State::Closed);
    peer.stack.close(connection, peer.now());
}

#[test]
fn unlisten_resets_who_was_not_accepted_and_forgets_handshakes() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    peer.uses_port(2);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.stack.unlisten(listener);
    peer.uses_port(Peer::OWN_PORT);
    peer.expects(rst_ack().seq(1).ack(1));
    peer.uses_port(2);
    peer.sends(ack());
    peer.expects(rst().seq(1));
    peer.expects_nothing_for(Span::from_secs(10));
    peer.listen();
}

#[test]
fn one_address_and_port_has_one_listener() {
    let mut peer = Peer::new();
    peer.listen();
    let local = std::net::SocketAddr::new(peer.stack_address(), Peer::PORT);
    assert_eq!(peer.stack.listen(local, 1), Err(ListenError::InUse));
}

#[test]
fn a_listener_on_every_address_hears_both_versions_and_the_exact_one_goes_first() {
    for setup in [lendwire_tests::setup::Setup::new(), lendwire_tests::setup::Setup::new().v6()] {
        let mut peer = Peer::with(&setup);
        let every = peer.stack.listen("[::]:80".parse().unwrap(), 4).unwrap();
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
        assert!(peer.stack.accept(every).is_some());
        let exact = peer.listen();
        peer.uses_port(2);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
        assert!(peer.stack.accept(every).is_none());
        assert!(peer.stack.accept(exact).is_some());
    }
}

#[test]
fn syns_that_come_again_use_up_none_of_a_handshakes_tries() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for _ in 0..20 {
        peer.sends(syn().seq(0).mss(1460));
        peer.expects(syn_ack().ack(1));
    }
    // The SYN-ACK comes again in its own time, counted from the first one.
    peer.expects_after(Span::from_millis(1000), syn_ack().ack(1));
    peer.stands_at(1);
    peer.sends(ack());
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn must_42_one_can_listen_on_the_port_of_a_handshake_that_is_under_way() {
    let mut peer = Peer::new();
    let connection = peer.connects();
    peer.expects(syn().seq(0));
    let listener = peer.listen();
    assert_eq!(peer.stack.state(connection), State::SynSent, "must_41: it is not touched");
    // SYNs cross: SYN-RECEIVED. A second listener is not to be had, the first one goes and comes.
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    assert_eq!(peer.stack.state(connection), State::SynReceived);
    peer.stack.unlisten(listener);
    let listener = peer.listen();
    assert_eq!(peer.stack.state(connection), State::SynReceived);
    peer.uses_port(2);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    peer.sends(ack());
    let accepted = peer.stack.accept(listener).expect("the handshake is complete");
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(ack());
    assert_eq!([connection, accepted].map(|it| peer.stack.state(it)), [State::Established; 2]);
    assert_eq!(peer.stack.accept(listener), None, "who connected is not accepted");
}

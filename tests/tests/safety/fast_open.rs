//! Fast Open (RFC 7413), the server's side, under those who mean it ill: nothing without a cookie, and no more than its limit
//! with one.

use std::net::SocketAddr;

use lendwire::Reason;
use lendwire::tcp::{Ended, FastOpen, FastOpenKeys, ListenerHandle, ReadError, State, TcpHandle, WriteError};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{Segment, ack, any_data, data, fin, flag, rst, syn, syn_ack};
use lendwire_tests::setup::{Pools, Setup};

const OWN: FastOpenKeys = FastOpenKeys::Own;

/// A listener that offers Fast Open to `limit` peers at once, and a cookie for this one.
fn offers(limit: u16) -> (Peer, ListenerHandle, Vec<u8>) {
    let setup = Setup::new().capacities(|capacities| {
        capacities.connections = 16;
        capacities.handshakes = 16;
    });
    let mut peer = Peer::with(&Setup { pools: [Pools::leaked(256); 2], ..setup });
    let local = SocketAddr::new(peer.stack_address(), Peer::PORT);
    let listener = peer.stack.listen(local, 16).unwrap();
    assert!(peer.stack.set_fast_open(listener, Some(FastOpen { limit, keys: OWN })));
    let cookie = asks(&mut peer);
    (peer, listener, cookie)
}

/// What the listener gives who asks, from a port that nobody else uses.
fn asks(peer: &mut Peer) -> Vec<u8> {
    peer.uses_port(9);
    peer.sends(syn().mss(1460).fast_open(&[]));
    let given = peer.expects(syn_ack().ack(1)).fast_open.expect("a cookie was asked for");
    peer.sends(rst());
    peer.uses_port(10);
    given
}

fn syn_with(bytes: &[u8], cookie: &[u8]) -> Segment {
    data(bytes).without(flag::ACK).with(flag::SYN).mss(1460).fast_open(cookie)
}

/// The current port opens with `cookie` and data, and is accepted before it acknowledges anything.
#[track_caller]
fn opens_early(peer: &mut Peer, listener: ListenerHandle, cookie: &[u8]) -> TcpHandle {
    peer.sends(syn_with(b"hello", cookie));
    peer.expects(syn_ack().seq(0).ack(6));
    let connection = peer.stack.accept(listener).expect("its data is to be read now");
    assert_eq!(peer.stack.state(connection), State::SynReceived);
    connection
}

#[test]
fn rfc7413_4_2_2_data_is_lent_to_the_reader_before_the_handshake_is_complete() {
    let (mut peer, listener, cookie) = offers(4);
    assert_eq!(cookie.len(), 8);
    let connection = opens_early(&mut peer, listener, &cookie);
    let work = peer.stack.work();
    let chunk = peer.stack.read_chunk(connection).unwrap().expect("the data of the SYN");
    assert_eq!(&chunk[..], b"hello");
    assert_eq!(peer.stack.work().copied, work.copied, "it lies where the device put it");
    drop(chunk);
    assert_eq!(peer.stack.write(connection, b"and back"), Ok(8));
    peer.expects(data(b"and back").seq(1).ack(6));
    assert_eq!(peer.stack.tcp_usage().handshakes, 1);
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::Established);
    assert_eq!((peer.stack.unacknowledged(connection), peer.stack.tcp_usage().handshakes), (0, 0));
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.fast_opens_accepted, statistics.accepted, statistics.connected), (1, 1, 0));
    assert!(peer.stack.info(connection).unwrap().syn_data);
}

#[test]
fn rfc7413_4_1_2_the_stacks_own_keys_change_and_the_one_before_still_counts() {
    let (mut peer, listener, cookie) = offers(4);
    let hours = |hours: u64| Span::from_secs(hours * 3600);
    peer.waits(hours(6));
    peer.takes_all();
    let newer = asks(&mut peer);
    assert_ne!(cookie, newer);
    peer.uses_port(11);
    peer.sends(syn_with(b"hello", &cookie));
    let answer = peer.expects(syn_ack().ack(6));
    assert_eq!(answer.fast_open.as_ref(), Some(&newer), "who is late is given the new one");
    peer.sends(ack());
    peer.waits(hours(6));
    peer.takes_all();
    peer.uses_port(12);
    peer.sends(syn_with(b"hello", &cookie));
    let answer = peer.expects(syn_ack().ack(1));
    assert!(answer.fast_open.is_some_and(|given| given != cookie && given != newer));
    peer.uses_port(13);
    peer.sends(syn_with(b"hello", &newer));
    peer.expects(syn_ack().ack(6));
    assert_eq!(peer.stack.tcp_statistics().fast_opens_refused, 1);
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn rfc7413_5_1_a_flood_with_bad_cookies_opens_nothing_and_pins_nothing() {
    let (mut peer, listener, mut cookie) = offers(4);
    cookie[7] ^= 1;
    let (held, before) = (peer.pools.held(), peer.stack.tcp_usage());
    for port in 1000..4000 {
        peer.uses_port(port);
        peer.sends(syn_with(&[7; 1000], &cookie));
    }
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.connections, usage.unread_memory, usage.handshakes), (before.connections, 0, 16));
    assert_eq!(peer.pools.held(), held, "no data was kept");
    assert!(peer.stack.accept(listener).is_none());
    let statistics = peer.stack.tcp_statistics();
    // The SYN cache is full by then, and SYN cookies know nothing of Fast Open.
    assert_eq!((statistics.fast_opens_refused, statistics.fast_opens_accepted), (16, 0));
}

#[test]
fn rfc7413_5_1_a_flood_with_good_cookies_holds_the_limit_and_no_more() {
    let (mut peer, listener, cookie) = offers(4);
    for port in 1000..1012 {
        peer.uses_port(port);
        peer.sends(syn_with(&[7; 1000], &cookie));
    }
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.connections, peer.stack.tcp_statistics().fast_opens_accepted), (4, 4));
    assert_eq!(peer.stack.tcp_statistics().fast_opens_withheld, 8);
    // Resets of whom it pretended to be free the connections, and make no room for more.
    peer.takes_all();
    for port in 1000..1004 {
        peer.uses_port(port);
        peer.sends(rst().seq(1001));
    }
    while let Some(connection) = peer.stack.accept(listener) {
        assert_eq!(peer.stack.state(connection), State::Closed);
        let now = peer.now();
        peer.stack.close(connection, now);
    }
    assert_eq!(peer.stack.tcp_usage().connections, 0);
    peer.uses_port(2000);
    peer.sends(syn_with(b"hello", &cookie));
    peer.expects(syn_ack().ack(1));
    peer.sends(rst());
    peer.waits(Span::from_secs(120));
    peer.takes_all();
    peer.uses_port(2001);
    opens_early(&mut peer, listener, &cookie);
}

#[test]
fn rfc7413_4_2_2_what_nobody_acknowledges_is_given_up_with_all_it_held() {
    let (mut peer, listener, cookie) = offers(1);
    let held = peer.pools.held();
    let connection = opens_early(&mut peer, listener, &cookie);
    assert_eq!(peer.stack.write(connection, &[1; 5000]), Ok(5000));
    peer.waits(Span::from_secs(300));
    let sent = peer.takes_all();
    assert_eq!(sent.iter().filter(|came| came.flags & flag::SYN != 0).count(), 7);
    assert_eq!(sent.iter().map(|came| came.payload.len()).sum::<usize>(), 5000, "data goes once");
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.stack.write(connection, b"!"), Err(WriteError::Ended(Ended::TimedOut)));
    assert_eq!(peer.reads(connection), b"hello");
    assert_eq!(peer.stack.read(connection, &mut [0; 9]), Err(ReadError::Ended(Ended::TimedOut)));
    let now = peer.now();
    peer.stack.close(connection, now);
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.connections, usage.handshakes, usage.flights), (0, 0, 0));
    assert_eq!(peer.pools.held(), held);
    // It makes room for another.
    peer.uses_port(20);
    opens_early(&mut peer, listener, &cookie);
}

#[test]
fn an_application_that_aborts_early_leaves_nothing_and_the_next_one_finds_room() {
    let (mut peer, listener, cookie) = offers(1);
    let connection = opens_early(&mut peer, listener, &cookie);
    peer.stack.abort(connection);
    peer.expects(rst().with(flag::ACK).seq(1).ack(6));
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.connections, usage.handshakes, usage.unread_memory), (0, 0, 0));
    peer.uses_port(20);
    opens_early(&mut peer, listener, &cookie);
}

#[test]
fn without_a_place_for_the_connection_the_usual_handshake_is_done() {
    let (mut peer, listener, cookie) = offers(100);
    let mut open = Vec::new();
    for port in 1000..1016 {
        peer.uses_port(port);
        open.push(opens_early(&mut peer, listener, &cookie));
        peer.sends(ack());
    }
    peer.uses_port(2000);
    peer.sends(syn_with(b"hello", &cookie));
    let answer = peer.expects(syn_ack().ack(1));
    assert_eq!(answer.fast_open, Some(cookie), "it is as good as before");
    for connection in open {
        peer.stack.abort(connection);
    }
    peer.takes_all();
    peer.sends(data(b"hello").seq(1));
    let connection = peer.stack.accept(listener).expect("a place is free by now");
    assert_eq!(peer.reads(connection), b"hello");
}

#[test]
fn a_listener_that_offers_no_more_ignores_cookies_and_keeps_what_is_open() {
    let (mut peer, listener, cookie) = offers(4);
    let connection = opens_early(&mut peer, listener, &cookie);
    assert!(peer.stack.set_fast_open(listener, None));
    peer.sends(ack());
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.uses_port(20);
    peer.sends(syn_with(b"hello", &cookie));
    assert_eq!(peer.expects(syn_ack().ack(1)).fast_open, None);
    peer.stack.unlisten(listener);
    assert!(!peer.stack.set_fast_open(listener, Some(FastOpen { limit: 1, keys: OWN })));
}

#[test]
fn an_early_connection_is_deaf_to_what_is_not_its_peers() {
    let (mut peer, listener, cookie) = offers(4);
    let connection = opens_early(&mut peer, listener, &cookie);
    // RFC 5961 §3.2: a reset in the window is challenged, one outside is dropped.
    peer.sends(rst().seq(7));
    peer.expects(ack().seq(1).ack(6));
    peer.sends(rst().seq(6 + 70_000));
    peer.expects_nothing();
    // An acknowledgment of what was never sent.
    peer.sends(ack().seq(6).ack(2));
    peer.expects(rst().seq(2));
    peer.sends(ack().seq(6).ack(0));
    peer.expects(rst().seq(0));
    // Data without an acknowledgment.
    peer.sends(data(b"?").without(flag::ACK).seq(6));
    peer.expects_nothing();
    assert_eq!(peer.stack.state(connection), State::SynReceived);
    assert_eq!(peer.stack.drops().of(Reason::TcpAck), 3);
    // Data may come with the acknowledgment, and a FIN.
    peer.sends(data(b" world").seq(6).ack(1).with(flag::FIN));
    assert_eq!(peer.reads(connection), b"hello world");
    assert_eq!(peer.stack.state(connection), State::CloseWait);
}

#[test]
fn a_syn_of_a_connection_that_was_opened_fast_is_challenged_like_any_other() {
    let (mut peer, listener, cookie) = offers(4);
    let connection = opens_early(&mut peer, listener, &cookie);
    peer.sends(ack());
    peer.sends(syn_with(b"hello", &cookie).seq(0));
    peer.expects(ack().seq(1).ack(6));
    assert_eq!(peer.reads(connection), b"hello");
    assert_eq!(peer.stack.tcp_usage().connections, 1);
    peer.sends(fin().seq(6));
    peer.expects(any_data(0).ack(7));
}

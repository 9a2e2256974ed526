//! The SYN cache: how long it keeps a SYN, and who gives way (RFC 4987 §3.4).

use lendwire::Reason;
use lendwire::tcp::SynCookies;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, rst, syn, syn_ack};
use lendwire_tests::setup::Setup;

fn without_cookies() -> Peer {
    Peer::with(&Setup::new().tcp(|tcp| tcp.syn_cookies = SynCookies::Off))
}

/// A listener with a backlog of four, and a handshake from each of ports 1 to 4.
fn filled(peer: &mut Peer) -> lendwire::tcp::ListenerHandle {
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack().seq(0).ack(1));
    }
    listener
}

#[test]
fn rfc4987_3_4_without_cookies_the_oldest_of_a_listener_gives_way() {
    let mut peer = without_cookies();
    let listener = filled(&mut peer);
    peer.uses_port(5);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().seq(0).ack(1));
    assert_eq!(peer.stack.drops().of(Reason::TcpBacklog), 1);
    assert_eq!(peer.stack.tcp_usage().handshakes, 4);
    // The first one's third step finds nothing any more; the others' do.
    peer.uses_port(1);
    peer.sends(ack());
    peer.expects(rst().seq(1));
    for port in 2..=5 {
        peer.uses_port(port);
        peer.sends(ack());
        assert!(peer.stack.accept(listener).is_some(), "port {port}");
    }
    assert_eq!(peer.stack.tcp_statistics().cookies_sent, 0);
}

#[test]
fn a_flood_on_one_port_takes_nothing_from_another() {
    let mut peer = without_cookies();
    let local = std::net::SocketAddr::new(peer.stack_address(), 81);
    let other = peer.stack.listen(local, 4).unwrap();
    peer.sends_from(syn().mss(1460), [1000, 81]);
    filled(&mut peer);
    for port in 5..=200 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
    }
    assert_eq!(peer.stack.tcp_usage().handshakes, 5);
    let answer = peer.inbox.iter().find(|came| came.ports == [81, 1000]).expect("it was answered").clone();
    peer.sends_from(ack().seq(1).ack(answer.seq.wrapping_add(1)), [1000, 81]);
    peer.turn();
    assert!(peer.stack.accept(other).is_some());
}

#[test]
fn a_table_that_others_have_filled_drops_the_syn_and_takes_nothing_from_them() {
    let setup = Setup::new().tcp(|tcp| tcp.syn_cookies = SynCookies::Off).capacities(|it| it.handshakes = 4);
    let mut peer = Peer::with(&setup);
    let local = std::net::SocketAddr::new(peer.stack_address(), 81);
    peer.stack.listen(local, 4).unwrap();
    let listener = filled(&mut peer);
    peer.sends_from(syn().mss(1460), [1000, 81]);
    peer.turn();
    assert!(peer.inbox.iter().all(|came| came.ports != [81, 1000]));
    assert_eq!(peer.stack.drops().of(Reason::TcpBacklog), 1);
    peer.uses_port(1);
    peer.sends(ack());
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn rfc6298_5_5_a_syn_ack_comes_again_after_twice_as_long_each_time_and_then_no_more() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.syn_retries = 3));
    peer.listen();
    peer.sends(syn().mss(1460).window_scale(3));
    let first = peer.expects(syn_ack().seq(0).ack(1));
    for seconds in [1, 2, 4] {
        // Counted from the first one: the ticks that the others came late do not add up.
        peer.expects_nothing_for(Span::from_millis(seconds * 1000 - 5));
        let again = peer.expects_within(Span::from_millis(10), syn_ack().seq(0).ack(1).window(first.window));
        assert_eq!((again.mss, again.scale), (first.mss, first.scale));
    }
    peer.expects_nothing_for(Span::from_secs(100));
    assert_eq!(peer.stack.tcp_usage().handshakes, 0);
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 3);
}

#[test]
fn a_syn_ack_that_waits_for_its_next_hop_keeps_its_number() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.answers_neighbours(false);
    peer.sends(syn().mss(1460));
    peer.expects_nothing();
    peer.waits(Span::from_millis(300));
    peer.answers_neighbours(true);
    peer.expects(syn_ack().seq(0).ack(1));
    // The second one is due a second after the first one was sent, and has the same number.
    peer.expects_after(Span::from_secs(1), syn_ack().seq(0).ack(1));
    peer.sends(ack());
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn rfc5961_7_a_handshake_answers_ten_challenges_at_most() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    for _ in 0..100 {
        peer.sends(ack().seq(200_000).ack(1));
    }
    assert_eq!(peer.takes_all().len(), 10);
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.challenges, statistics.challenges_withheld), (10, 90));
    peer.stands_at(1);
    peer.sends(ack().ack(1));
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn a_connection_has_what_the_syn_offered() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1000).window_scale(7).sack_permitted().timestamps(500, 0));
    let answer = peer.expects(syn_ack().mss(1460).sack_permitted());
    let (clock, echo) = answer.timestamps.expect("timestamps were offered");
    assert_eq!((echo, answer.scale.is_some()), (500, true));
    peer.sends(ack().window(1000).timestamps(501, clock));
    let connection = peer.stack.accept(listener).unwrap();
    let info = peer.stack.info(connection).unwrap();
    assert_eq!((info.send_window, info.mss), (1000 << 7, 988));
}

#[test]
fn a_syn_that_comes_again_at_the_moment_of_the_timer_does_not_stop_it() {
    let mut peer = Peer::new();
    peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    // The deadline is over, and the tick that it fires in is not.
    peer.clock.advance_to(peer.now() + Span::from_micros(1_000_001));
    peer.queues(syn().seq(0).mss(1460));
    peer.turn();
    assert!(!peer.takes_all().is_empty());
    peer.expects_within(Span::from_millis(2_100), syn_ack());
    peer.expects_within(Span::from_millis(4_100), syn_ack());
}

//! What floods can pin: each table has its bound, memory comes back, and others are served all the while.

use lendwire::tcp::{ListenerHandle, State, TcpHandle};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, fin, rst, syn, syn_ack};
use lendwire_tests::setup::{Pools, Setup};

/// The port of the connection that must not suffer.
const VICTIM: u16 = 60_000;

/// A stack with room for 32 connections, 8 handshakes and 8 TIME-WAITs, a listener, and a connection with a good peer.
fn served() -> (Peer, ListenerHandle, TcpHandle) {
    let setup = Setup::new().capacities(|capacities| {
        capacities.connections = 32;
        capacities.handshakes = 8;
        capacities.time_waits = 8;
        capacities.cells = 1024;
    });
    let mut peer = Peer::with(&Setup { pools: [Pools::leaked(1024); 2], ..setup });
    let local = std::net::SocketAddr::new(peer.stack_address(), Peer::PORT);
    let listener = peer.stack.listen(local, 8).unwrap();
    peer.uses_port(VICTIM);
    let victim = opens(&mut peer, listener).expect("nobody else is there yet");
    (peer, listener, victim)
}

/// A connection of the current port to `listener`, if it comes about.
fn opens(peer: &mut Peer, listener: ListenerHandle) -> Option<TcpHandle> {
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    peer.stack.accept(listener)
}

/// The good peer says something, is heard, and hears the answer.
#[track_caller]
fn is_served(peer: &mut Peer, victim: TcpHandle) {
    peer.uses_port(VICTIM);
    peer.takes_all();
    peer.sends(data(b"still there?"));
    assert_eq!(peer.reads(victim), b"still there?");
    assert_eq!(peer.stack.write(victim, b"yes"), Ok(3));
    peer.expects(any_data(3));
    peer.sends(ack());
}

#[test]
fn syns_without_end_hold_the_syn_cache_and_no_more() {
    let (mut peer, listener, victim) = served();
    let held = peer.pools.held();
    for port in 1..=5000 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460).window_scale(7).timestamps(1, 0));
    }
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.handshakes, usage.connections), (8, 1));
    assert_eq!(peer.stack.tcp_statistics().cookies_sent, 4992);
    assert_eq!(peer.pools.held(), held, "a handshake pins no slot");
    is_served(&mut peer, victim);
    // Who answers gets through while the flood goes on, and when it is over nothing is left of it.
    peer.inbox.clear();
    peer.uses_port(50_000);
    let stranger = opens(&mut peer, listener).expect("a cookie opened it");
    peer.stack.abort(stranger);
    peer.waits(Span::from_secs(300));
    assert_eq!(peer.stack.tcp_usage().handshakes, 0);
    is_served(&mut peer, victim);
}

#[test]
fn connections_that_nobody_accepts_hold_the_backlog_and_no_more() {
    let (mut peer, listener, victim) = served();
    for port in 1..=100 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.takes_all();
        peer.sends(ack());
    }
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.handshakes, usage.connections), (8, 9));
    is_served(&mut peer, victim);
    assert_eq!(std::iter::from_fn(|| peer.stack.accept(listener)).count(), 8);
}

#[test]
fn peers_that_never_close_hold_a_place_for_a_minute() {
    let (mut peer, listener, victim) = served();
    for port in 1..=20 {
        peer.uses_port(port);
        let connection = opens(&mut peer, listener).expect("there is room");
        peer.stack.close(connection, peer.now());
        peer.expects(fin());
        peer.sends(ack());
    }
    assert_eq!(peer.stack.tcp_usage().connections, 21);
    is_served(&mut peer, victim);
    peer.waits(Span::from_secs(61));
    assert_eq!(peer.stack.tcp_usage().connections, 1);
    is_served(&mut peer, victim);
}

#[test]
fn connections_closed_without_end_hold_the_time_waits_and_no_more() {
    let (mut peer, listener, victim) = served();
    for port in 1..=200 {
        peer.uses_port(port);
        let connection = opens(&mut peer, listener).expect("there is room");
        peer.stack.close(connection, peer.now());
        peer.expects(fin());
        peer.sends(fin());
        peer.expects(ack());
    }
    let usage = peer.stack.tcp_usage();
    assert_eq!((usage.time_waits, usage.connections), (8, 1));
    is_served(&mut peer, victim);
}

#[test]
fn who_reads_slowly_pins_what_was_written_to_it_and_no_more() {
    let (mut peer, listener, victim) = served();
    let budget = lendwire::tcp::TcpConfig::DEFAULT.send_budget as usize;
    let mut written = 0;
    for port in 1..=3 {
        peer.uses_port(port);
        let connection = opens(&mut peer, listener).expect("there is room");
        peer.sends(ack().window(0));
        loop {
            let more = peer.stack.write(connection, &[1; 10_000]).unwrap();
            written += more;
            if more == 0 {
                break;
            }
        }
    }
    assert!(written <= 3 * budget, "{written}");
    assert!(peer.pools.held() <= written.div_ceil(1400) + 8, "{} slots for {written} bytes", peer.pools.held());
    // Minutes of a closed window, and of acknowledgments that keep it so, take nothing more.
    for _ in 0..60 {
        peer.waits(Span::from_secs(5));
        for port in 1..=3 {
            peer.uses_port(port);
            peer.takes_all();
            peer.sends(ack().window(0));
        }
    }
    is_served(&mut peer, victim);
}

#[test]
fn holes_without_end_pin_the_receive_budget_and_no_more() {
    let (mut peer, listener, victim) = served();
    let budget = lendwire::tcp::TcpConfig::DEFAULT.receive_budget as usize;
    for port in 1..=3 {
        peer.uses_port(port);
        opens(&mut peer, listener).expect("there is room");
        for number in 0..2000u32 {
            peer.sends(data(&[1; 8]).seq(2 + number * 16));
        }
        peer.takes_all();
    }
    // Each connection may go over by a quarter for what comes out of order.
    let most = 3 * (budget + budget / 4).div_ceil(Pools::SLOT) + 16;
    assert!(peer.pools.held() <= most, "{} slots, not {most}", peer.pools.held());
    is_served(&mut peer, victim);
    for port in 1..=3 {
        peer.uses_port(port);
        peer.sends(rst().seq(1));
    }
    assert_eq!(peer.stack.tcp_usage().blocks, 0);
}

#[test]
fn tiny_segments_pin_the_receive_budget_and_no_more() {
    let (mut peer, listener, victim) = served();
    let budget = lendwire::tcp::TcpConfig::DEFAULT.receive_budget as usize;
    for port in 1..=3 {
        peer.uses_port(port);
        opens(&mut peer, listener).expect("there is room");
        for _ in 0..3000 {
            peer.sends(data(b"x"));
            peer.takes_all();
        }
    }
    let most = 3 * 2 * budget.div_ceil(Pools::SLOT) + 16;
    assert!(peer.pools.held() <= most, "{} slots, not {most}", peer.pools.held());
    is_served(&mut peer, victim);
}

#[test]
fn forged_segments_of_every_kind_cost_an_established_connection_nothing() {
    let (mut peer, _, victim) = served();
    let held = peer.pools.held();
    for number in 0..2000u32 {
        let seq = number.wrapping_mul(0x9e37_79b1) | 1 << 20;
        for forged in [rst().seq(seq), syn().seq(seq), ack().seq(seq).ack(seq), data(b"x").seq(seq).ack(seq)] {
            peer.sends(forged);
        }
    }
    assert!(peer.takes_all().len() < 2100, "data is acknowledged, the rest is limited");
    assert_eq!(peer.stack.state(victim), State::Established);
    assert_eq!((peer.stack.unread(victim), peer.pools.held()), (0, held));
    is_served(&mut peer, victim);
}

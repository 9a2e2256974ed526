//! What all connections pin together is limited; who reads goes on.

use lendwire::Reason;
use lendwire::tcp::{Ecn, TcpHandle};
use lendwire::time::Span;
use lendwire_tests::pair::Pair;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, flag, syn, syn_ack};
use lendwire_tests::setup::{Pools, Setup};
use lendwire_tests::stream;

const LIMIT: usize = 512 << 10;
const READERS: u16 = 64;

fn crowd() -> Peer {
    let setup = Setup::new().tcp(|tcp| tcp.receive_memory = Some(LIMIT)).capacities(|capacities| {
        (capacities.connections, capacities.flights, capacities.cells) = (80, 80, 4096);
    });
    Peer::with(&setup)
}

/// Fills the window of the current flow, which nobody reads, or its share of the memory.
fn fills(peer: &mut Peer) {
    let (mut next, mut edge, mut refused) = (1u32, 1 + 65_535, 0);
    while next < edge && refused < 2 {
        peer.sends(data(&vec![1; (edge - next).min(1460) as usize]).seq(next));
        peer.waits(Span::from_millis(45));
        for came in peer.takes_all() {
            refused = if came.ack == next { refused + 1 } else { 0 };
            next = came.ack;
            edge = edge.max(came.ack + u32::from(came.window));
        }
    }
}

fn opened_on(peer: &mut Peer, port: u16) -> TcpHandle {
    peer.uses_port(port);
    peer.opens(syn().mss(1460))
}

/// 64 connections that nobody reads, each as full as it gets.
fn with_slow_readers() -> (Peer, Vec<TcpHandle>) {
    let mut peer = crowd();
    let readers = (1..=READERS).map(|port| opened_on(&mut peer, port)).collect();
    for port in 1..=READERS {
        peer.uses_port(port);
        fills(&mut peer);
    }
    (peer, readers)
}

#[test]
fn sixty_four_slow_readers_pin_no_more_than_the_limit_and_a_segment_each() {
    let (mut peer, readers) = with_slow_readers();
    let pinned = peer.pools.held() * Pools::SLOT;
    assert!(pinned >= LIMIT, "{pinned} bytes: the limit is reached");
    assert!(pinned <= LIMIT + usize::from(READERS) * Pools::SLOT, "{pinned} bytes are pinned");
    assert_eq!(peer.stack.tcp_usage().unread_memory, pinned, "what is counted is what is pinned");
    // All of it is given back.
    for reader in readers {
        assert!(!peer.reads(reader).is_empty(), "each has taken something");
    }
    assert_eq!((peer.stack.tcp_usage().unread_memory, peer.pools.held()), (0, 0));
}

#[test]
fn who_reads_goes_on_beside_sixty_four_who_do_not() {
    let (mut peer, _) = with_slow_readers();
    let quick = opened_on(&mut peer, 1000);
    for number in 0..200u32 {
        peer.sends(data(&stream::bytes(u64::from(number) * 1460, 1460)).seq(1 + number * 1460));
        peer.waits(Span::from_millis(45));
        let last = peer.takes_all().pop().expect("it is acknowledged");
        assert_eq!(last.ack, 1 + (number + 1) * 1460, "segment {number}");
        assert!(peer.reads(quick) == stream::bytes(u64::from(number) * 1460, 1460));
        let update = peer.takes_all().pop().map_or(last.window, |update| update.window);
        assert!(update >= 1460, "segment {number}: a window of {update}");
    }
}

#[test]
fn windows_open_again_when_others_have_read() {
    let (mut peer, readers) = with_slow_readers();
    for &reader in &readers {
        peer.reads(reader);
    }
    peer.takes_all();
    for (port, &reader) in (1..).zip(&readers) {
        peer.uses_port(port);
        let waiting = peer.takes_all().pop();
        peer.sends(ack());
        // It asks, as who has heard of nothing would.
        let next = waiting.map_or(1, |last| last.ack);
        peer.sends(data(&[1; 1000]).seq(next));
        peer.waits(Span::from_millis(45));
        if let Some(last) = peer.takes_all().pop() {
            assert!(last.window >= 1460, "port {port}: {}", last.window);
        }
        peer.reads(reader);
    }
}

#[test]
fn a_stack_of_64_slots_serves_three_flows_beside_one_that_nobody_reads() {
    let mut setup = Setup::new();
    setup.pools = [Pools::leaked(64), Pools::leaked(64)];
    let mut pair = Pair::loopback(&setup);
    let listener = pair.there.stack.listen(pair.there.socket(Pair::PORT), 8).expect("the port is free");
    let flows: Vec<_> = (0..4).map(|_| pair.connected_to(listener)).collect();
    let (mut written, mut read) = ([0u64; 4], [0u64; 4]);
    let mut bytes = vec![0; 4096];
    const ALL: u64 = 200_000;
    pair.run_until("three flows are through", |pair| {
        for (place, &(here, there)) in flows.iter().enumerate() {
            let left = (ALL - written[place]).min(4096) as usize;
            written[place] += pair.here.stack.write(here, &stream::bytes(written[place], left)).unwrap_or(0) as u64;
            while place > 0
                && let Ok(count @ 1..) = pair.there.stack.read(there, &mut bytes)
            {
                assert!(bytes[..count] == stream::bytes(read[place], count));
                read[place] += count as u64;
            }
        }
        read[1..] == [ALL; 3]
    });
    assert_eq!(pair.there.stack.drops().of(Reason::TcpNoRoom), 0, "nothing that was promised was refused");
}

#[test]
fn what_waits_to_be_sent_is_limited_too_and_each_may_send_a_segment() {
    let setup = Setup::new().tcp(|tcp| tcp.send_memory = Some(64 << 10));
    let mut peer = Peer::with(&setup);
    let greedy = opened_on(&mut peer, 1);
    while peer.stack.write(greedy, &[1; 10_000]).expect("it is open") > 0 {}
    let pinned = peer.stack.tcp_usage().queued_memory;
    assert!((64 << 10..=(64 << 10) + 2 * Pools::SLOT).contains(&pinned), "{pinned}");
    assert_eq!(peer.pools.held() * Pools::SLOT, pinned);
    let modest = opened_on(&mut peer, 2);
    assert_eq!(peer.stack.room(modest), 1460);
    assert_eq!(peer.stack.write(modest, &[2; 10_000]), Ok(1460));
    assert_eq!(peer.stack.room(modest), 0);
    // Its own acknowledgment makes room again.
    peer.takes_all();
    peer.sends(ack().ack(1461));
    assert_eq!(peer.stack.room(modest), 1460);
    peer.stack.abort(greedy);
    peer.stack.abort(modest);
    assert_eq!(peer.stack.tcp_usage().queued_memory, 0);
}

/// RFC 9768 §3.2.3: what is told of bytes never goes back. The counts live beside what arrives; who has lost them, because
/// others needed the place, tells none from then on.
#[test]
fn rfc9768_3_2_3_counts_of_bytes_that_are_forgotten_are_told_no_more() {
    const ECT_0: u8 = 2;
    let setup = Setup::new().tcp(|tcp| tcp.ecn = Ecn::Accurate).capacities(|capacities| capacities.flights = 1);
    let mut peer = Peer::with(&setup);
    let opens = |peer: &mut Peer, port| {
        peer.uses_port(port);
        let connection = peer.connects();
        peer.takes_all();
        peer.sends(syn_ack().mss(1460).with(flag::CWR));
        assert_eq!(peer.expects(ack().with(flag::CWR)).byte_counts, Some(vec![0, 0, 1, 0, 0, 0]), "the first counts");
        connection
    };
    let told = |peer: &mut Peer, connection| {
        peer.sends(data(&[1; 100]).with(flag::ECE).traffic_class(ECT_0));
        peer.stack.read(connection, &mut [0; 200]).expect("data has come");
        peer.waits(Span::from_millis(45));
        // The counter of marked packets begins at 5: AE, which this testkit does not see, and ECE.
        peer.expects(ack().with(flag::ECE)).byte_counts
    };
    let first = opens(&mut peer, 1001);
    assert_eq!(told(&mut peer, first), Some(vec![0, 0, 101, 0, 0, 0]));
    let second = opens(&mut peer, 1002);
    assert_eq!(told(&mut peer, second), Some(vec![0, 0, 101, 0, 0, 0]));
    peer.uses_port(1001);
    assert_eq!(told(&mut peer, first), None);
    peer.uses_port(1002);
    assert_eq!(told(&mut peer, second), None);
}

//! Acknowledgments of a peer that wants more than its share, or to confuse: in crumbs (RFC 3465 §2.1), ahead of the data
//! (RFC 5961 §5.2), and selective ones of what was never sent (RFC 2018 §8).

use lendwire::Reason;
use lendwire::tcp::{State, TcpHandle};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, syn, syn_ack};
use lendwire_tests::setup::Setup;

/// A connection that takes selective acknowledgments, and the number of our SYN.
fn with_sack(peer: &mut Peer) -> (TcpHandle, u32) {
    let listener = peer.listen();
    peer.sends(syn().mss(1000).sack_permitted());
    let iss = peer.inbox.front().expect("a SYN-ACK").seq;
    peer.expects(syn_ack().sack_permitted());
    peer.sends(ack());
    (peer.stack.accept(listener).expect("the handshake is complete"), iss)
}

#[test]
fn rfc3465_2_1_a_segment_acknowledged_byte_by_byte_opens_the_window_by_a_segment() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[7; 100_000]).unwrap();
    peer.takes_all();
    let before = peer.stack.info(connection).unwrap().congestion_window;
    for number in 1..=1460 {
        peer.sends(ack().ack(1 + number));
    }
    let grown = peer.stack.info(connection).unwrap().congestion_window - before;
    assert!(grown <= 1460, "1460 crumbs of one segment opened it by {grown}");
}

#[test]
fn acknowledgments_ahead_of_the_data_open_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[7; 100_000]).unwrap();
    let sent = peer.takes_all().iter().map(|came| came.seq + came.sequence_len()).max().expect("data went out");
    let before = peer.stack.info(connection).unwrap();
    for ahead in 1..100 {
        peer.sends(ack().ack(sent + ahead));
    }
    let after = peer.stack.info(connection).unwrap();
    assert_eq!(after.congestion_window, before.congestion_window);
    assert_eq!(after.in_flight, before.in_flight);
    assert_eq!(peer.stack.drops().of(Reason::TcpAck), 99);
    assert!(peer.takes_all().iter().all(|came| came.payload.is_empty()), "no data is drawn out");
}

#[test]
fn rfc2018_8_blocks_that_cannot_be_are_no_harm() {
    let mut peer = Peer::new();
    let (connection, iss) = with_sack(&mut peer);
    peer.stack.write(connection, &[7; 5000]).unwrap();
    peer.takes_all();
    let far = 1u32 << 31;
    let blocks = [
        // Beyond everything sent, in part and in whole; below everything unacknowledged; backwards; empty.
        (6001, 7001),
        (4001, 9001),
        (0u32.wrapping_sub(5000), 0u32.wrapping_sub(4000)),
        (0, 1),
        (3001, 2001),
        (2001, 2001),
        (1, far),
        (far, far + 1000),
        (1, 1u32.wrapping_sub(1)),
    ];
    for (first, behind) in blocks {
        let [a, b] = [first, behind].map(|number| iss.wrapping_add(number).to_be_bytes());
        let option = [&[1, 1, 5, 10], &a[..], &b].concat();
        for _ in 0..3 {
            peer.sends(ack().ack(1).options(&option));
        }
        for came in peer.takes_all() {
            assert!(came.seq + came.sequence_len() <= 5001, "{came:?} answers block {first} to {behind}");
        }
        assert_eq!(peer.stack.info(connection).unwrap().in_flight, 5000, "block {first} to {behind}");
    }
    peer.sends(ack().ack(5001));
    assert_eq!((peer.stack.unacknowledged(connection), peer.stack.state(connection)), (0, State::Established));
}

#[test]
fn rfc2018_8_crumbs_without_end_make_no_more_runs_than_segments_and_the_data_arrives() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| (capacities.flights, capacities.runs) = (4, 1024)));
    let (connection, iss) = with_sack(&mut peer);
    let data: Vec<u8> = (0..2_000_000u32).map(|at| at as u8).collect();
    let mut sent = peer.stack.write(connection, &data).unwrap();
    let (mut state, mut acknowledged) = (7u64, 0);
    let mut below = |most: u32| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((state >> 33) as u32) % most.max(1)
    };
    let mut most = 0;
    for _ in 0..20 {
        // Until as much is on its way as the peer's window lets out.
        acknowledged += peer.stack.info(connection).unwrap().in_flight;
        peer.sends(ack().ack(1 + acknowledged));
    }
    for round in 0..20_000u32 {
        // Anything from nothing to all, from anywhere a little below to anywhere a little beyond, and what was said before
        // is never said again.
        let flight = peer.stack.info(connection).unwrap().in_flight;
        let mut option = vec![1, 1, 5, 34];
        for _ in 0..4 {
            let first = (acknowledged + below(flight + 4000)).wrapping_sub(2000);
            let len = if below(8) == 0 { below(u32::MAX) } else { below(30) };
            for number in [first, first.wrapping_add(len)] {
                option.extend(iss.wrapping_add(1).wrapping_add(number).to_be_bytes());
            }
        }
        if round % 256 == 0 {
            acknowledged += flight.min(below(3000));
        }
        peer.sends(ack().ack(1 + acknowledged).options(&option));
        sent += peer.stack.write(connection, &data[sent..]).unwrap_or(0);
        let runs = peer.stack.tcp_usage().runs;
        // As many as segments, their holes, and 64 of which nothing is asked.
        assert!(runs <= 64 + 2 * 66, "{runs} runs in round {round}");
        most = most.max(runs);
        peer.inbox.clear();
    }
    assert!(most > 128, "the flood comes to {most} runs only");
    assert!(peer.stack.drops().of(Reason::TcpSack) > 10_000, "most of it could not be");
    // An honest peer from now on: it has nothing of what was in flight, and what it said is worth nothing.
    for _ in 0..2000 {
        if peer.stack.unacknowledged(connection) == 0 {
            break;
        }
        peer.waits(Span::from_secs(1));
        for came in peer.takes_all() {
            acknowledged = if came.seq == 1 + acknowledged { acknowledged + came.sequence_len() } else { acknowledged };
        }
        peer.sends(ack().ack(1 + acknowledged));
        sent += peer.stack.write(connection, &data[sent..]).unwrap_or(0);
    }
    assert_eq!((acknowledged as usize, sent), (2_000_000, 2_000_000));
    assert_eq!(peer.stack.tcp_usage().runs, 0);
}

//! Acknowledgments of a peer that wants more than its share, or to confuse: in crumbs (RFC 3465 §2.1), ahead of the data
//! (RFC 5961 §5.2), and selective ones of what was never sent (RFC 2018 §8).

use lendwire::Reason;
use lendwire::tcp::{State, TcpHandle};
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, syn, syn_ack};

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

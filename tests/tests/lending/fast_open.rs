//! Fast Open, the client's side (RFC 7413): data of a SYN is lent like any other, and comes back whatever becomes of it.

use std::net::SocketAddr;

use lendwire::tcp::{Ended, TcpHandle, WriteError};

use super::*;

/// A peer whose server has given the stack a cookie.
fn knows() -> Peer {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.servers = 4));
    let connection = fast(&mut peer, 1);
    peer.turn();
    assert_eq!(peer.expects(segment_of_syn(&[])).fast_open, Some(Vec::new()));
    peer.sends(syn().with(flag::ACK).ack(1).mss(1460).fast_open(&[7; 8]));
    peer.expects(ack().seq(1).ack(1));
    peer.stack.abort(connection);
    peer.expects(rst().with(flag::ACK).seq(1).ack(1));
    peer
}

fn segment_of_syn(bytes: &[u8]) -> Segment {
    data(bytes).without(flag::ACK).with(flag::SYN).seq(0)
}

/// Begins an open to `port` of the peer.
fn fast(peer: &mut Peer, port: u16) -> TcpHandle {
    peer.uses_port(port);
    let (remote, now) = (SocketAddr::new(peer.address(), port), peer.now());
    peer.stack.connect_fast_open(remote, Some(Peer::PORT), now).expect("a place is free")
}

#[test]
fn data_of_a_syn_is_lent_and_read_once_even_if_it_goes_again() {
    let mut peer = knows();
    let sent = stream::bytes(0, 3000);
    let connection = fast(&mut peer, 2);
    let chunk = in_pool(&peer.pools, &sent[..2000]);
    let before = peer.stack.work();
    peer.stack.push(connection, chunk).unwrap();
    peer.stack.push(connection, in_pool(&peer.pools, &sent[2000..])).unwrap();
    peer.turn();
    assert_eq!(peer.expects(segment_of_syn(&sent[..1420])).fast_open, Some(vec![7; 8]));
    peer.sends(syn().with(flag::ACK).ack(1).mss(1460).fast_open(&[7; 8]));
    assert_eq!(payload_of(&peer.takes_all()), sent, "all of it, and at once");
    let after = peer.stack.work();
    assert_eq!((after.copied - before.copied, after.summed - before.summed), (0, 3000));
    assert_eq!(peer.pools.held(), 2);
    peer.sends(ack().seq(1).ack(3001));
    assert_eq!((peer.pools.held(), peer.stack.unacknowledged(connection)), (0, 0));
}

#[test]
fn what_a_syn_ack_acknowledges_goes_back_at_once() {
    let mut peer = knows();
    let connection = fast(&mut peer, 2);
    peer.stack.push(connection, in_pool(&peer.pools, &[1; 1000])).unwrap();
    peer.stack.push(connection, in_pool(&peer.pools, &[2; 1000])).unwrap();
    peer.turn();
    peer.expects(any_data(1420).without(flag::ACK).with(flag::SYN));
    assert_eq!((peer.pools.held(), peer.stack.unacknowledged(connection)), (2, 2000));
    peer.sends(syn().with(flag::ACK).ack(1001).mss(1460));
    assert_eq!((peer.pools.held(), peer.stack.unacknowledged(connection)), (1, 1000));
    peer.expects(data(&[2; 1000]).seq(1001).ack(1));
    assert!(!peer.stack.info(connection).unwrap().syn_data, "not all of it");
}

#[test]
fn an_open_that_comes_to_nothing_gives_back_what_it_was_lent() {
    for ends in [Ended::Refused, Ended::TimedOut, Ended::Closed] {
        let mut peer = knows();
        let usage = peer.stack.tcp_usage();
        let connection = fast(&mut peer, 2);
        peer.stack.push(connection, in_pool(&peer.pools, &[1; 1000])).unwrap();
        assert_eq!(peer.stack.write(connection, b"and more"), Ok(8));
        peer.stack.set_cork(connection, true).unwrap();
        peer.turn();
        peer.expects(any_data(1008).without(flag::ACK).with(flag::SYN));
        match ends {
            Ended::Refused => peer.sends(rst().with(flag::ACK).ack(1009)),
            Ended::TimedOut => peer.waits(Span::from_secs(300)),
            Ended::Closed | Ended::Reset | Ended::Unreachable => {
                let now = peer.now();
                peer.stack.close(connection, now);
            }
        }
        if ends != Ended::Closed {
            assert_eq!(peer.stack.write(connection, b"!"), Err(WriteError::Ended(ends)));
            assert_eq!(peer.stack.room(connection), 0);
        }
        assert_eq!(peer.pools.held(), 0, "{ends:?}");
        let after = peer.stack.tcp_usage();
        assert_eq!((after.writers, after.free_cells), (usage.writers, usage.free_cells), "{ends:?}");
        assert_eq!(after.queued_memory, 0);
    }
}

#[test]
fn no_more_is_taken_ahead_than_may_wait() {
    let mut peer = knows();
    let connection = fast(&mut peer, 2);
    peer.stack.set_send_budget(connection, 2000).unwrap();
    assert_eq!(peer.stack.write(connection, &[1; 5000]), Ok(2000));
    assert_eq!((peer.stack.room(connection), peer.stack.write(connection, &[1; 10])), (0, Ok(0)));
    assert!(peer.stack.push(connection, lent(10)).is_err());
}

#[test]
fn without_a_place_for_cookies_nothing_is_asked_and_data_goes_behind_the_handshake() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.servers = 0));
    let connection = fast(&mut peer, 2);
    assert_eq!(peer.stack.write(connection, b"hello"), Ok(5));
    peer.turn();
    assert_eq!(peer.expects(segment_of_syn(&[])).fast_open, None);
    peer.sends(syn().with(flag::ACK).ack(1).mss(1460).fast_open(&[7; 8]));
    peer.expects(data(b"hello").seq(1).ack(1));
    let remote = SocketAddr::new(peer.address(), 1);
    assert_eq!(peer.stack.fast_open_room(remote, peer.now()), 0);
}

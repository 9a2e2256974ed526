//! Who waits for a neighbour changes nothing and holds up nobody.

use super::*;

#[test]
fn changes_nothing_until_it_answers() {
    let mut peer = Peer::new();
    peer.answers_neighbours(false);
    let connection = peer.connects();
    peer.expects_nothing_for(Span::from_millis(1500));
    assert_eq!(peer.stack.state(connection), State::SynSent);
    assert_eq!(peer.stack.tcp_statistics().segments_sent, 0);
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
    peer.answers_neighbours(true);
    peer.expects(syn().seq(0));
    peer.expects_nothing();
}

#[test]
fn that_never_answers_ends_the_attempt_with_a_reason() {
    let mut peer = Peer::new();
    peer.answers_neighbours(false);
    let connection = peer.connects();
    peer.waits(Span::from_secs(10));
    assert_eq!(peer.stack.state(connection), State::Closed);
    assert_eq!(peer.stack.read(connection, &mut [0]), Err(ReadError::Ended(lendwire::tcp::Ended::Unreachable)));
    assert!(peer.stack.drops().of(Reason::NeighbourSilent) >= 1);
}

#[test]
fn blocks_no_other_connection() {
    let mut peer = Peer::new();
    let good = peer.established();
    // A host on the link that does not exist.
    let absent = match peer.address() {
        std::net::IpAddr::V4(_) => std::net::IpAddr::from([192, 0, 2, 99]),
        std::net::IpAddr::V6(address) => address.into(),
    };
    let attempts: Vec<_> =
        (0..3).map(|_| peer.stack.connect(std::net::SocketAddr::new(absent, 80), None, peer.now()).unwrap()).collect();
    peer.turn();
    assert!(!peer.stack.has_output(), "who waits for a neighbour does not keep the stack busy");
    assert_eq!(peer.stack.write(good, b"not blocked"), Ok(11));
    peer.expects(data(b"not blocked"));
    peer.sends(data(b"answer"));
    assert_eq!(peer.reads(good), b"answer");
    for attempt in attempts {
        assert_eq!(peer.stack.state(attempt), State::SynSent);
    }
}

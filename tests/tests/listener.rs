//! Listeners that go away while somebody is on the way to them.

use lendwire::Reason;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, rst, syn, syn_ack};

/// RFC 9293 §3.10.7.1: what nobody listens to any more is answered as if nobody ever had.
#[test]
fn a_handshake_that_outlives_its_listener_ends_in_a_reset() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().ack(1));
    peer.stack.unlisten(listener);
    peer.sends(ack());
    peer.expects(rst());
    assert_eq!(peer.stack.drops().of(Reason::TcpNoConnection), 1);
    assert_eq!(peer.stack.tcp_usage().handshakes, 0);
}

/// A SYN-ACK is not sent again on behalf of nobody.
#[test]
fn an_unanswered_handshake_goes_with_its_listener() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().ack(1));
    peer.stack.unlisten(listener);
    peer.expects_nothing_for(Span::from_secs(2));
    assert_eq!(peer.stack.tcp_usage().handshakes, 0);
}

//! Listeners: which of them is asked, and those that go away while somebody is on the way to them.

use std::net::SocketAddr;

use lendwire::Reason;
use lendwire::tcp::ListenError;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, rst, syn, syn_ack};
use lendwire_tests::setup::{Setup, Version};

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

/// Which of the listeners on `addresses` gets a connection over `version`. `own` stands for the address that the peer
/// calls, `other` for one that it does not.
fn called(version: Version, addresses: &[&str]) -> Option<usize> {
    let setup = match version {
        Version::V4 => Setup::new(),
        Version::V6 => Setup::new().v6(),
    };
    let mut peer = Peer::with(&setup);
    let listeners: Vec<_> = addresses
        .iter()
        .map(|&address| {
            let address = match address {
                "own" => peer.stack_address(),
                "other" => "192.0.2.77".parse().expect("an address"),
                address => address.parse().expect("an address"),
            };
            peer.stack.listen(SocketAddr::new(address, Peer::PORT), 4).expect("no other has this address")
        })
        .collect();
    peer.sends(syn().mss(1400));
    peer.takes_all();
    peer.sends(ack());
    listeners.into_iter().position(|listener| peer.stack.accept(listener).is_some())
}

#[test]
fn the_unspecified_ipv4_address_hears_ipv4_and_nothing_else() {
    assert_eq!(called(Version::V4, &["0.0.0.0"]), Some(0));
    assert_eq!(called(Version::V6, &["0.0.0.0"]), None);
}

#[test]
fn the_unspecified_ipv6_address_hears_both_versions() {
    assert_eq!(called(Version::V4, &["::"]), Some(0));
    assert_eq!(called(Version::V6, &["::"]), Some(0));
}

#[test]
fn of_several_listeners_the_most_specific_is_asked() {
    for (version, addresses, expected) in [
        (Version::V4, ["::", "0.0.0.0", "own"], 2),
        (Version::V4, ["own", "0.0.0.0", "::"], 0),
        (Version::V4, ["::", "0.0.0.0", "other"], 1),
        (Version::V4, ["0.0.0.0", "other", "::"], 0),
        (Version::V6, ["::", "0.0.0.0", "own"], 2),
        (Version::V6, ["0.0.0.0", "other", "::"], 2),
    ] {
        assert_eq!(called(version, &addresses), Some(expected), "{version:?} {addresses:?}");
    }
}

/// The narrower one takes nothing with it when it goes.
#[test]
fn two_unspecified_addresses_are_two_listeners() {
    let mut peer = Peer::new();
    let [narrow, wide] = ["0.0.0.0:80", "[::]:80"].map(|address| address.parse().expect("an address"));
    let first = peer.stack.listen(narrow, 4).expect("the port is free");
    let second = peer.stack.listen(wide, 4).expect("another address");
    assert_eq!([narrow, wide].map(|address| peer.stack.listen(address, 4)), [Err(ListenError::InUse); 2]);
    peer.stack.unlisten(first);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().ack(1));
    peer.sends(ack());
    assert!(peer.stack.accept(second).is_some());
}

//! What of a connection an outsider has to guess: its port (RFC 6056) and its number (RFC 6528).

use std::net::SocketAddr;

use lendwire_tests::peer::Peer;
use lendwire_tests::setup::Setup;

/// The ports of `count` opens to `port` of the peer.
fn opens(peer: &mut Peer, port: u16, count: usize) -> Vec<u16> {
    let remote = SocketAddr::new(peer.address(), port);
    let handles: Vec<_> = (0..count).map(|_| peer.stack.connect(remote, None, peer.now()).unwrap()).collect();
    let ports = handles.iter().map(|&handle| peer.stack.ends(handle).unwrap().0.port()).collect();
    for handle in handles {
        peer.stack.abort(handle);
    }
    ports
}

#[test]
fn rfc6056_3_3_4_ports_of_one_destination_follow_each_other_so_that_none_comes_back_soon() {
    let mut peer = Peer::new();
    let ports = opens(&mut peer, 80, 5);
    assert!(ports.windows(2).all(|pair| pair[1] == pair[0] + 1 || pair[1] == 49_152), "{ports:?}");
    let next = opens(&mut peer, 80, 1)[0];
    assert!(next == ports[4] + 1 || next == 49_152);
}

#[test]
fn rfc6056_3_3_4_what_is_opened_to_one_destination_says_little_of_another() {
    // Sixteen counters: of a hundred destinations most share none with the first.
    let mut peer = Peer::new();
    let before: Vec<_> = (1000..1100).map(|port| opens(&mut peer, port, 1)[0]).collect();
    let mut peer = Peer::new();
    opens(&mut peer, 80, 5);
    let after: Vec<_> = (1000..1100).map(|port| opens(&mut peer, port, 1)[0]).collect();
    let alike = before.iter().zip(&after).filter(|(before, after)| before == after).count();
    assert!(alike > 70, "{alike} of 100 do not show the opens to port 80");
    assert!(alike < 100, "one counter of sixteen does");
}

#[test]
fn rfc6056_3_3_4_where_they_begin_depends_on_the_secret_and_the_destination() {
    let first = opens(&mut Peer::new(), 80, 1)[0];
    let other_host = opens(&mut Peer::with(&Setup { secret: 99, ..Setup::new() }), 80, 1)[0];
    let other_port = opens(&mut Peer::new(), 81, 1)[0];
    assert!(first.abs_diff(other_host) > 5 && first.abs_diff(other_port) > 5);
}

#[test]
fn a_port_that_is_taken_is_passed_over() {
    let mut peer = Peer::new();
    let next = opens(&mut peer, 80, 1)[0] + 1;
    let remote = SocketAddr::new(peer.address(), 80);
    peer.stack.connect(remote, Some(next), peer.now()).unwrap();
    assert_eq!(opens(&mut peer, 80, 1)[0], next + 1);
}

//! Packets of one flow have one number, so that a device with several queues keeps them in order.

use lendwire::time::Span;
use lendwire_tests::segment::{ack, any_data, data, fin, syn};

use super::*;

/// The flows of what the stack has sent since the last look, each once.
fn flows(peer: &mut Peer) -> Vec<u32> {
    peer.turn();
    let mut flows: Vec<u32> = peer.hand.taken().iter().map(|taken| taken.flow).collect();
    flows.dedup();
    flows
}

#[test]
fn a_connections_packets_have_one_number_from_its_handshake_to_its_last_acknowledgment() {
    for version in [Version::V4, Version::V6] {
        let mut peer = peer_with(version, Offloads::empty());
        let _ = flows(&mut peer);
        let connection = peer.opens(syn().mss(1000));
        peer.stack.write(connection, &[0; 3000]).unwrap();
        peer.turn();
        peer.waits(Span::from_millis(300));
        assert_eq!(peer.stack.tcp_statistics().retransmissions, 1);
        peer.takes_all();
        peer.sends(ack().ack(3001));
        peer.sends(data(b"answered by an acknowledgment"));
        peer.stack.shutdown(connection, peer.now()).unwrap();
        peer.turn();
        peer.sends(fin().ack(3002));
        // TIME-WAIT answers it again (RFC 9293 §3.10.7.4).
        peer.sends(fin().seq(30).ack(3002));
        let mut flows = flows(&mut peer);
        // The question for the peer's hardware address belongs to nobody.
        flows.retain(|&flow| flow != 0);
        assert_eq!(flows.len(), 1, "{flows:?}");
    }
}

#[test]
fn two_connections_have_two_numbers_and_questions_for_neighbours_none() {
    let mut peer = Peer::new();
    let first = peer.established();
    peer.uses_port(2);
    let second = peer.established();
    let _ = flows(&mut peer);
    peer.stack.write(first, b"a").unwrap();
    peer.stack.write(second, b"b").unwrap();
    let both = flows(&mut peer);
    assert_eq!(both.len(), 2, "{both:?}");
    peer.expects(any_data(1));
    let nobody = std::net::SocketAddr::from(([192, 0, 2, 77], 9));
    peer.stack.connect(nobody, None, peer.now()).unwrap();
    assert_eq!(flows(&mut peer), [0]);
}

#[test]
fn what_a_udp_socket_sends_has_one_number_wherever_it_goes() {
    let mut peer = Peer::new();
    let sockets = [peer.stack.udp_bind(None, 7).unwrap(), peer.stack.udp_bind(None, 8).unwrap()];
    let _ = flows(&mut peer);
    // An acknowledged connection makes the neighbour known.
    peer.established();
    let _ = flows(&mut peer);
    let mut seen = Vec::new();
    for socket in sockets {
        for port in [1, 2, 3] {
            let to = std::net::SocketAddr::new(peer.address(), port);
            peer.stack.udp_send(socket, to, b"datagram").unwrap();
        }
        let flows = flows(&mut peer);
        assert_eq!(flows.len(), 1, "{flows:?}");
        seen.extend(flows);
    }
    assert!(seen[0] != seen[1] && !seen.contains(&0), "{seen:?}");
}

//! What lending promises: a retransmission reads no payload, what a device or a neighbour does not take changes
//! nothing, static content is summed once, and a slow reader closes its own window only.

mod fast_open;
mod full_ring;
mod retransmission;
mod slow_reader;
mod static_content;
mod unresolved_neighbour;

use lendwire::Reason;
use lendwire::tcp::{PathSearch, ReadError, State};
use lendwire::time::Span;
use lendwire_nic::{Content, Offloads, Work};
use lendwire_tests::pair::Pair;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{Came, Segment, ack, any_data, data, fin, flag, rst, syn};
use lendwire_tests::setup::{Pools, Setup};
use lendwire_tests::stream;

/// The first timeout of a connection whose handshake took no time: the floor.
const RTO: Span = Span::from_millis(200);

fn lent(len: usize) -> lendwire_nic::Chunk {
    Content::leaked(Vec::leak(stream::bytes(0, len))).chunk()
}

/// A chunk in pool memory of which no sum is known.
fn in_pool(pools: &Pools, bytes: &[u8]) -> lendwire_nic::Chunk {
    let mut slot = pools.receive.take().expect("a slot is free");
    slot.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    slot.freeze(bytes.len())
}

fn payload_of(came: &[Came]) -> Vec<u8> {
    came.iter().flat_map(|segment| segment.payload.clone()).collect()
}

#[test]
fn a_cut_of_data_whose_sum_is_known_reads_its_shorter_side_only() {
    // What came in 1460 bytes, verified, goes on in segments of 1000: the sum of 460 gives both.
    let mut peer = Peer::new();
    let source = peer.established();
    peer.uses_port(2);
    let sink = peer.opens(syn().mss(1000));
    peer.stack.set_nodelay(sink, true);
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(data(&stream::bytes(0, 1460)));
    let came = peer.stack.read_chunk(source).unwrap().expect("it came");
    let before = peer.stack.work();
    peer.stack.push(sink, came).unwrap();
    peer.uses_port(2);
    assert_eq!(payload_of(&peer.takes_all()), stream::bytes(0, 1460));
    let after = peer.stack.work();
    assert_eq!((after.copied - before.copied, after.summed - before.summed), (0, 460));
}

#[test]
fn a_connection_that_only_writes_holds_nothing_between_two_messages() {
    let mut peer = Peer::new();
    let connection = peer.established();
    for message in 0..3u32 {
        let at = 1 + 100 * message;
        assert_eq!(peer.stack.write(connection, &[7; 100]), Ok(100));
        peer.turn();
        peer.expects(data(&[7; 100]).seq(at).ack(1));
        assert_eq!((peer.stack.tcp_usage().writers, peer.pools.held()), (1, 1));
        peer.sends(ack().seq(1).ack(at + 100));
        peer.turn();
        assert_eq!((peer.stack.tcp_usage().writers, peer.pools.held()), (0, 0), "message {message}");
    }
}

#[test]
fn lent_memory_outlives_its_connection_only_while_somebody_reads_it() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.push(connection, lent(100)).unwrap();
    peer.stack.push(connection, in_pool(&peer.pools, &[3; 1000])).unwrap();
    peer.sends(data(b"kept by the application"));
    let kept = peer.stack.read_chunk(connection).unwrap().expect("it came");
    peer.stack.abort(connection);
    peer.turn();
    assert_eq!(&kept[..], b"kept by the application");
    assert_eq!(peer.pools.held(), 1, "the application's chunk only");
    drop(kept);
    assert_eq!(peer.pools.held(), 0);
}

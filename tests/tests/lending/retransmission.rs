//! What is sent again is not read again.

use super::*;

/// Sends what is queued, loses all of it, and lets the timer send it again bit by bit. Returns the work that the
/// second time took.
fn work_of_a_timeout(peer: &mut Peer, sent: &[u8]) -> Work {
    let first = peer.takes_all();
    assert_eq!(payload_of(&first), sent);
    let before = peer.stack.work();
    let timeouts = peer.stack.tcp_statistics().timeouts;
    let mut again = Vec::new();
    let mut end = 1;
    while again.len() < sent.len() {
        // RFC 6298 §5.4, then slow start as acknowledgments come.
        if again.is_empty() {
            peer.waits(Span::from_millis(250));
        }
        for came in peer.takes_all() {
            assert_eq!(came.seq, end, "what is sent again stands in order");
            end += came.payload.len() as u32;
            again.extend(came.payload);
        }
        peer.sends(ack().ack(end));
    }
    assert_eq!(peer.stack.tcp_statistics().timeouts, timeouts + 1);
    assert_eq!(again, sent, "the second time is like the first");
    let after = peer.stack.work();
    Work { copied: after.copied - before.copied, summed: after.summed - before.summed, verified: 0 }
}

#[test]
fn of_whole_written_pieces_after_a_timeout_reads_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    let sent = stream::bytes(0, 5 * 1460);
    assert_eq!(peer.stack.write(connection, &sent), Ok(sent.len()));
    assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
}

#[test]
fn of_cut_pool_memory_after_a_timeout_reads_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    let sent = stream::bytes(0, 2000);
    let before = peer.stack.work().summed;
    peer.stack.push(connection, in_pool(&peer.pools, &sent)).unwrap();
    peer.turn();
    // 1460 bytes go at once; the rest waits for an acknowledgment (RFC 9293 §3.7.4).
    peer.stack.set_nodelay(connection, true);
    peer.turn();
    assert_eq!(peer.stack.work().summed - before, 2000, "each part was summed once");
    assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
}

#[test]
fn of_joined_small_pieces_after_a_timeout_reads_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    let sent = stream::bytes(0, 4 * 1460);
    // Odd pieces of every kind: copied, lent from a pool, lent from static memory.
    for (number, piece) in sent.chunks(97).enumerate() {
        match number % 3 {
            0 => assert_eq!(peer.stack.write(connection, piece), Ok(piece.len())),
            1 => peer.stack.push(connection, in_pool(&peer.pools, piece)).unwrap(),
            _ => {
                let at = number * 97;
                peer.stack.push(connection, stream::content().chunk().slice(at..at + piece.len())).unwrap();
            }
        }
    }
    peer.stack.set_nodelay(connection, true);
    assert_eq!(work_of_a_timeout(&mut peer, &sent), Work::default());
}

#[test]
fn of_a_fast_retransmit_reads_nothing() {
    // RFC 5681 §3.2.
    let mut peer = Peer::new();
    let connection = peer.established();
    let sent = stream::bytes(0, 6 * 1460);
    peer.stack.push(connection, in_pool(&peer.pools, &sent[..1460])).unwrap();
    peer.stack.push(connection, in_pool(&peer.pools, &sent[1460..3000])).unwrap();
    assert_eq!(peer.stack.write(connection, &sent[3000..]), Ok(sent.len() - 3000));
    assert_eq!(payload_of(&peer.takes_all()).len(), sent.len());
    let before = peer.stack.work();
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    let again = peer.expects(any_data(1460).seq(1));
    assert_eq!(again.payload, sent[..1460]);
    // A partial acknowledgment shows the next hole (RFC 6582 §3.2).
    peer.sends(ack().ack(1461));
    let again = peer.expects(any_data(1460).seq(1461));
    assert_eq!(again.payload, sent[1460..2920]);
    let after = peer.stack.work();
    assert_eq!((after.copied, after.summed), (before.copied, before.summed));
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 2);
    assert_eq!(peer.stack.tcp_statistics().timeouts, 0);
}

#[test]
fn rfc4821_7_6_2_of_a_lost_probe_reads_nothing() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| {
        (tcp.path_search, tcp.search_from) = (PathSearch::Always, 1000 + 40);
    }));
    let connection = peer.established();
    let sent = stream::bytes(0, 6000);
    for piece in sent.chunks(2000) {
        peer.stack.push(connection, in_pool(&peer.pools, piece)).unwrap();
    }
    let before = peer.stack.work();
    let lens: Vec<_> = peer.takes_all().iter().map(|came| came.payload.len()).collect();
    assert_eq!(lens, [1230, 1000, 1000, 1000, 1000, 770]);
    let after = peer.stack.work();
    assert!(after.summed - before.summed <= 6000, "each byte was summed once");
    for _ in 0..3 {
        peer.sends(ack().ack(1));
    }
    let again = [peer.expects(any_data(1000).seq(1)), peer.expects(any_data(230).seq(1001))];
    assert_eq!(payload_of(&again), sent[..1230]);
    assert_eq!((peer.stack.work().copied, peer.stack.work().summed), (after.copied, after.summed));
    assert_eq!(peer.stack.tcp_statistics().path_probes, 1);
}

#[test]
fn holds_its_slots_until_the_acknowledgment_and_gives_them_back_then() {
    let mut peer = Peer::new();
    let connection = peer.established();
    assert_eq!(peer.pools.held(), 0);
    peer.stack.push(connection, in_pool(&peer.pools, &[1; 500])).unwrap();
    peer.expects(any_data(500));
    peer.expects_after(RTO, any_data(500).seq(1));
    assert_eq!(peer.pools.held(), 1);
    peer.sends(ack());
    assert_eq!(peer.pools.held(), 0);
}

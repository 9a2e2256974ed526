//! What a full ring does not take is as if it had never been planned.

use super::*;

#[test]
fn changes_nothing_and_the_same_segment_comes_out_later() {
    let mut peer = Peer::new();
    let connection = peer.established();
    let sent = stream::bytes(0, 4000);
    assert_eq!(peer.stack.write(connection, &sent), Ok(4000));
    peer.hand.set_room(Some(1));
    let first = peer.expects(any_data(1460).seq(1));
    let told = |peer: &Peer| {
        let stack = &peer.stack;
        (stack.tcp_statistics(), stack.work(), stack.unacknowledged(connection), stack.state(connection))
    };
    let before = told(&peer);
    for _ in 0..10 {
        peer.turn();
    }
    assert!(peer.hand.refused() >= 10, "the ring was tried");
    assert_eq!(told(&peer), before, "and nothing came of it");
    assert!(peer.stack.has_output(), "the stack wants to be polled again");
    peer.hand.set_room(None);
    let rest = peer.takes_all();
    assert_eq!(rest[0].seq, 1461);
    assert_eq!([first.payload, payload_of(&rest[..])].concat(), sent[..1460 + payload_of(&rest).len()]);
    peer.sends(ack());
    let tail = payload_of(&peer.takes_all());
    assert_eq!(1460 + payload_of(&rest).len() + tail.len(), 4000);
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 0);
}

#[test]
fn keeps_back_acknowledgments_fins_and_answers_to_syns_without_losing_any() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.hand.set_room(Some(0));
    peer.sends(syn().mss(1460));
    peer.expects_nothing_for(Span::from_millis(10));
    peer.hand.set_room(None);
    peer.expects(lendwire_tests::segment::syn_ack().seq(0).ack(1));
    peer.sends(ack());
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    peer.hand.set_room(Some(0));
    peer.sends(data(b"question"));
    assert_eq!(peer.reads(connection), b"question");
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects_nothing_for(Span::from_millis(100));
    assert_eq!(peer.stack.state(connection), State::FinWait1);
    peer.hand.set_room(None);
    peer.expects(fin().seq(1).ack(9));
    peer.expects_nothing();
}

#[test]
fn holds_back_a_retransmission_that_then_comes_out_once() {
    let mut peer = Peer::new();
    let connection = peer.established();
    assert_eq!(peer.stack.write(connection, b"once"), Ok(4));
    peer.expects(data(b"once").seq(1));
    peer.hand.set_room(Some(0));
    peer.expects_nothing_for(Span::from_millis(300));
    let before = peer.stack.tcp_statistics().retransmissions;
    assert_eq!(before, 0, "what the ring did not take was not sent");
    peer.hand.set_room(None);
    peer.expects(data(b"once").seq(1));
    peer.expects_nothing();
    assert_eq!(peer.stack.tcp_statistics().retransmissions, 1);
}

#[test]
fn of_any_size_loses_and_doubles_nothing() {
    for ring in [1, 2, 3, 7] {
        let mut setup = Setup::new();
        setup.ring = ring;
        let mut pair = Pair::loopback(&setup);
        let (here, there) = pair.connected();
        let (mut gone, mut came) = (0usize, stream::Check::default());
        let whole = stream::content().bytes();
        pair.run_until("60 KB have come through a small ring", |pair| {
            gone += pair.here.stack.write(here, &whole[gone..60_000]).unwrap();
            while let Ok(Some(chunk)) = pair.there.stack.read_chunk(there) {
                came.accept(&chunk);
            }
            came.place() == 60_000
        });
        assert_eq!(pair.here.stack.tcp_statistics().retransmissions, 0, "ring of {ring}");
    }
}

//! When a table or a pool is used up: somebody waits, nothing is lost, and it goes on when there is room again.

use lendwire::Reason;
use lendwire::tcp::{ConnectError, ListenError, State};
use lendwire::time::Span;
use lendwire_nic::Chunk;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, syn, syn_ack};
use lendwire_tests::setup::{Pools, Setup};
use lendwire_tests::stream;

fn with_slots(transmit: usize) -> Peer {
    let [mut first, second] = Pools::of_this_thread();
    first.transmit = Pools::leaked(transmit).transmit;
    // TCP's own limit lets no connection take all of the pool.
    let without_limit = Setup::new().tcp(|tcp| (tcp.send_memory, tcp.receive_memory) = (Some(1 << 30), Some(1 << 30)));
    Peer::with(&Setup { pools: [first, second], ..without_limit })
}

#[test]
fn an_empty_transmit_pool_stops_writing_and_nothing_else() {
    let mut peer = with_slots(4);
    let connection = peer.established();
    let written = peer.stack.write(connection, &[1; 20_000]).unwrap();
    assert!((4 * 1460..=4 * Pools::SLOT).contains(&written), "{written}");
    assert_eq!(peer.stack.write(connection, &[1; 100]), Ok(0));
    // Lending needs no slot, and neither does receiving.
    peer.stack.push(connection, Chunk::from_static(&[2; 300])).unwrap();
    peer.sends(data(b"comes in"));
    assert_eq!(peer.reads(connection), b"comes in");
    while peer.stack.next_event().is_some() {}
    peer.takes_all();
    peer.sends(ack());
    assert!(peer.stack.next_event().is_some(), "the application hears that there is room");
    assert!(peer.stack.write(connection, &[1; 100]).unwrap() > 0);
}

#[test]
fn who_found_the_pool_empty_hears_when_somebody_else_gives_slots_back() {
    let mut peer = with_slots(4);
    let full = peer.established();
    peer.uses_port(2);
    let waits = peer.established();
    peer.uses_port(Peer::OWN_PORT);
    while peer.stack.write(full, &[1; 20_000]).unwrap() > 0 {}
    assert_eq!(peer.stack.write(waits, b"nothing of it"), Ok(0));
    peer.takes_all();
    while peer.stack.next_event().is_some() {}
    peer.sends(ack());
    let told: Vec<_> = std::iter::from_fn(|| peer.stack.next_event()).map(|event| event.0).collect();
    assert!(told.contains(&waits), "{told:?}");
    assert_eq!(peer.stack.write(waits, b"all of it"), Ok(9));
}

#[test]
fn a_stack_with_news_says_so_until_they_were_asked_for() {
    let mut peer = with_slots(4);
    let full = peer.established();
    peer.uses_port(2);
    let waits = peer.established();
    while peer.stack.next_event().is_some() {}
    assert!(!peer.stack.has_news());
    peer.sends(data(b"comes in"));
    assert!(peer.stack.has_news());
    assert!(peer.stack.next_event().is_some() && !peer.stack.has_news());
    assert_eq!(peer.reads(waits), b"comes in");
    // Who waits for memory is news until it has been told of some.
    peer.uses_port(Peer::OWN_PORT);
    while peer.stack.write(full, &[1; 20_000]).unwrap() > 0 {}
    assert_eq!(peer.stack.write(waits, b"nothing of it"), Ok(0));
    assert!(peer.stack.has_news() && peer.stack.next_event().is_none() && peer.stack.has_news());
    peer.takes_all();
    peer.sends(ack());
    while peer.stack.next_event().is_some() {}
    assert!(!peer.stack.has_news());
}

#[test]
fn who_found_no_cell_hears_when_somebody_else_gives_cells_back() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.cells = 16));
    let full = peer.established();
    peer.uses_port(2);
    let waits = peer.established();
    peer.uses_port(Peer::OWN_PORT);
    while peer.stack.push(full, Chunk::from_static(&[1; 400])).is_ok() {}
    assert!(peer.stack.push(waits, Chunk::from_static(&[1; 400])).is_err());
    peer.takes_all();
    while peer.stack.next_event().is_some() {}
    peer.sends(ack());
    let told: Vec<_> = std::iter::from_fn(|| peer.stack.next_event()).map(|event| event.0).collect();
    assert!(told.contains(&waits), "{told:?}");
    assert!(peer.stack.push(waits, Chunk::from_static(&[1; 400])).is_ok());
}

#[test]
fn data_that_found_no_cell_to_be_cut_is_sent_and_recovered_when_cells_come_back() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.cells = 8));
    // One connection waits with a long chunk for its window.
    let waits = peer.opens(syn().mss(1460));
    peer.sends(ack().window(0));
    peer.stack.push(waits, stream::content().chunk().slice(0..3000)).unwrap();
    peer.turn();
    // Another one cuts its own until no cell is left.
    peer.uses_port(2);
    let cuts = peer.opens(syn().mss(1000));
    peer.stack.push(cuts, Chunk::from_static(&[1; 60_000])).unwrap();
    assert_eq!(peer.takes_all().len(), 6, "as many as there are cells");
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(ack().window(65_535));
    peer.expects_nothing();
    peer.uses_port(2);
    peer.sends(ack().window(0));
    peer.uses_port(Peer::OWN_PORT);
    // Its timer looks again. What it sends then is lost, and its timer has to bring that back.
    peer.waits(Span::from_millis(300));
    assert_eq!(peer.takes_all().len(), 3);
    let mut came = 0;
    for _ in 0..10 {
        peer.waits(Span::from_secs(1));
        for segment in peer.takes_all() {
            if segment.seq == 1 + came {
                came += segment.payload.len() as u32;
            }
        }
        peer.sends(ack().ack(1 + came).window(65_535));
    }
    assert_eq!((came, peer.stack.unacknowledged(waits)), (3000, 0));
}

#[test]
fn a_full_table_of_connections_refuses_and_takes_again() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.connections = 2));
    let listener = peer.listen();
    let mut handles = Vec::new();
    for port in 1..=2 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
        handles.push(peer.stack.accept(listener).unwrap());
    }
    let remote = std::net::SocketAddr::new(peer.address(), 9);
    assert_eq!(peer.stack.connect(remote, None, peer.now()), Err(ConnectError::Full));
    peer.uses_port(3);
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(ack());
    assert_eq!(peer.stack.accept(listener), None);
    assert_eq!(peer.stack.drops().of(Reason::TcpBacklog), 1);
    peer.stack.abort(handles[0]);
    // The handshake was kept: the SYN-ACK comes again, and its answer completes.
    peer.expects_within(Span::from_secs(3), syn_ack());
    peer.sends(ack().seq(1).ack(1));
    assert!(peer.stack.accept(listener).is_some());
    assert_eq!(peer.stack.state(handles[1]), State::Established);
}

#[test]
fn a_full_table_of_handshakes_answers_with_cookies() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.handshakes = 2));
    peer.listen();
    for port in 1..=3 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
    }
    assert_eq!((peer.stack.tcp_usage().handshakes, peer.stack.tcp_statistics().cookies_sent), (2, 1));
}

#[test]
fn a_full_table_of_listeners_refuses() {
    let mut peer = Peer::new();
    for port in 1..=4 {
        peer.stack.listen(std::net::SocketAddr::new(peer.stack_address(), port), 1).unwrap();
    }
    let fifth = std::net::SocketAddr::new(peer.stack_address(), 5);
    assert_eq!(peer.stack.listen(fifth, 1), Err(ListenError::Full));
}

#[test]
fn resets_beyond_their_queue_are_dropped_and_counted() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.replies = 4));
    peer.hand.set_room(Some(0));
    for port in 1..=10 {
        peer.uses_port(port);
        peer.sends(ack().seq(1).ack(port.into()));
    }
    assert_eq!(peer.stack.drops().of(Reason::ReplyQueueFull), 6);
    peer.hand.set_room(None);
    peer.turn();
    assert_eq!(peer.inbox.len(), 4);
}

#[test]
fn out_of_order_data_that_uses_up_every_cell_does_not_stop_data_in_order() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.cells = 16));
    let hoards = peer.established();
    for number in 0..40 {
        peer.sends(data(&[1; 300]).seq(400 + number * 400));
    }
    assert!(peer.stack.drops().of(Reason::TcpNoRoom) > 0);
    // What is in order is acknowledged only if it is kept: here at least the sender is told to wait, not lied to.
    peer.uses_port(2);
    let other = peer.established();
    peer.sends(data(&[2; 1000]));
    let kept = peer.stack.unread(other);
    peer.waits(Span::from_millis(50));
    let told = peer.takes_all().pop().expect("an answer");
    assert_eq!(told.ack as usize, 1 + kept, "what is acknowledged is there");
    // When the hoard goes, all goes on.
    peer.stack.abort(hoards);
    peer.sends(data(&[2; 1000]).seq(1));
    assert_eq!(peer.reads(other).len(), 1000);
    peer.stack.write(other, &[1; 1460]).unwrap();
    let came = peer.takes_all();
    assert!(came.iter().any(|segment| segment.payload.len() == 1460), "{came:?}");
}

#[test]
fn who_finds_no_flight_sends_when_somebody_elses_data_has_arrived() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.flights = 2));
    let connections: Vec<_> = (1..=4)
        .map(|port| {
            peer.uses_port(port);
            peer.established()
        })
        .collect();
    for &connection in &connections {
        peer.stack.push(connection, Chunk::from_static(&[7; 100])).unwrap();
    }
    let came = |peer: &mut Peer, port| {
        peer.uses_port(port);
        peer.takes_all().len()
    };
    assert_eq!([1, 2, 3, 4].map(|port| came(&mut peer, port)), [1, 1, 0, 0], "two at a time, in order");
    for [has, waits] in [[1, 3], [2, 4]] {
        peer.uses_port(has);
        peer.sends(ack().ack(101));
        assert_eq!(came(&mut peer, waits), 1);
    }
    for port in [3, 4] {
        peer.uses_port(port);
        peer.sends(ack().ack(101));
    }
    assert!(connections.iter().all(|&connection| peer.stack.unacknowledged(connection) == 0));
    assert_eq!(peer.stack.tcp_usage().flights, 2);
}

#[test]
fn who_waits_for_a_window_keeps_no_flight_from_others() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.flights = 1));
    peer.uses_port(1);
    let closed = peer.established();
    peer.sends(ack().window(0));
    peer.stack.push(closed, Chunk::from_static(&[7; 100])).unwrap();
    assert_eq!(peer.takes_all().len(), 0);
    peer.uses_port(2);
    let open = peer.established();
    peer.stack.push(open, Chunk::from_static(&[8; 100])).unwrap();
    assert_eq!(peer.takes_all().len(), 1);
}

//! What a connection's own budget means.

use lendwire::Reason;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, syn};
use lendwire_tests::setup::Setup;
use lendwire_tests::stream;

#[test]
fn a_receive_budget_that_is_set_takes_nothing_back_and_gives_at_once() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_receive_budget(connection, 8_000).expect("it is open");
    // 65,535 bytes were promised with the handshake; 5000 is what it would be now.
    peer.sends(data(&[1; 1000]));
    peer.sends(data(&[1; 1460]));
    peer.waits(Span::from_millis(50));
    assert_eq!(peer.expects(ack().ack(2461)).window, 65_535 - 2460);
    peer.reads(connection);
    peer.expects_nothing();
    for number in 0..42u32 {
        peer.sends(data(&[1; 1460]));
        peer.reads(connection);
        let _ = number;
    }
    peer.waits(Span::from_millis(50));
    let last = peer.takes_all().pop().expect("it is acknowledged");
    assert!(last.window <= 5_000, "{}", last.window);
    peer.stack.set_receive_budget(connection, 64_000).expect("it is open");
    let update = peer.expects(ack());
    assert_eq!(update.window, 40_000);
}

#[test]
fn what_waits_behind_a_hole_takes_nothing_of_the_window_that_it_lies_in() {
    let mut peer = Peer::new();
    let connection = peer.opens(syn().mss(1460).window(65_535).window_scale(0));
    peer.stack.set_receive_budget(connection, 160_000).expect("it is open");
    let piece = |number: u32| data(&[1; 1460]).seq(1 + number * 1460);
    // The first one and the third are missing, and thirty wait behind them, within the hundred thousand bytes of a window.
    (1..33).filter(|&number| number != 2).for_each(|number| peer.sends(piece(number)));
    peer.takes_all();
    peer.sends(piece(0));
    assert_eq!(peer.reads(connection).len(), 2 * 1460);
    let window = |peer: &mut Peer| peer.takes_all().pop().expect("it is acknowledged").window;
    peer.sends(piece(0));
    // Five eighths of the budget, in sixteens.
    assert_eq!(window(&mut peer), 6_250);
    // What is there to be read does take from it.
    peer.sends(piece(2));
    peer.sends(piece(0));
    let left = window(&mut peer);
    assert!(left < 5_600, "{left}");
}

#[test]
fn a_send_budget_that_is_set_is_what_may_wait() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_send_budget(connection, 5_000).expect("it is open");
    assert_eq!(peer.stack.room(connection), 5_000);
    assert_eq!(peer.stack.write(connection, &[1; 10_000]), Ok(5_000));
    assert_eq!(peer.stack.write(connection, &[1; 10_000]), Ok(0));
}

#[test]
fn room_grows_with_the_congestion_window_to_twice_that() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.send_budget_start = 20_000));
    let connection = peer.opens(syn().mss(1460).window(65_535).window_scale(3));
    assert_eq!(peer.stack.write(connection, &[1; 100_000]), Ok(20_000));
    // Ten segments are on their way.
    let sent: u32 = peer.takes_all().iter().map(|came| came.payload.len() as u32).sum();
    assert_eq!(sent, 14_600);
    peer.sends(ack().ack(14_601));
    let window = peer.stack.info(connection).expect("it is open").congestion_window as usize;
    assert!(window > 14_600);
    assert_eq!(peer.stack.room(connection), 2 * window - 5_400);
}

#[test]
fn rfc2018_8_what_was_told_is_kept_when_memory_runs_short() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_memory = Some(64 << 10)));
    let connection = peer.opens(syn().mss(1460).sack_permitted());
    for number in 1..5u32 {
        peer.sends(data(&stream::bytes(u64::from(number) * 1000, 1000)).seq(1 + number * 1000));
    }
    assert_eq!(peer.takes_all().len(), 4);
    // Others take all there is.
    for port in 2..8 {
        peer.uses_port(port);
        peer.established();
        (0..8).for_each(|_| peer.sends(data(&[1; 1460])));
    }
    assert!(peer.stack.drops().of(Reason::TcpNoRoom) > 0, "memory has run out");
    // What comes before its time is not taken any more, and not told.
    peer.uses_port(Peer::OWN_PORT);
    peer.sends(data(&stream::bytes(6000, 1000)).seq(6001));
    peer.expects(ack().ack(1));
    peer.sends(data(&stream::bytes(0, 1000)).seq(1));
    peer.expects(ack().ack(5001));
    assert!(peer.reads(connection) == stream::bytes(0, 5000));
}

#[test]
fn one_byte_segments_with_holes_between_take_a_bounded_number_of_blocks() {
    // CVE-2018-5390, in an order in which no place is near the last one.
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_memory = Some(1 << 30)));
    let connection = peer.established();
    for number in 0..4000u32 {
        let place = number * 1259 % 4001;
        peer.queues(data(&[1]).seq(11 + place * 10));
        if number % 50 == 0 {
            peer.turn();
        }
    }
    peer.turn();
    let usage = peer.stack.tcp_usage();
    assert!(usage.blocks <= 64, "{} blocks: a quarter of 256", usage.blocks);
    peer.takes_all();
    // What comes in order is taken all the same.
    peer.sends(data(&stream::bytes(0, 10)).seq(1));
    assert!(peer.takes_all().iter().any(|came| came.ack >= 11));
    assert!(peer.stack.unread(connection) >= 10);
    peer.stack.abort(connection);
    assert_eq!(peer.stack.tcp_usage().blocks, 0);
    assert_eq!(peer.pools.held(), 0);
}

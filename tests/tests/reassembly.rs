//! RFC 9293 §3.10.7.4, seventh: data in any order, overlapping in any way, makes the same stream.

use lendwire::tcp::{State, TcpHandle};
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, flag};
use lendwire_tests::setup::{Pools, Setup};
use lendwire_tests::stream;

/// Sends pieces of one stream of `len` bytes; returns what the application reads.
fn delivered(peer: &mut Peer, connection: TcpHandle, pieces: &[(usize, usize)]) -> Vec<u8> {
    let end = pieces.iter().map(|&(_, end)| end).max().unwrap_or(0);
    let whole = stream::bytes(0, end);
    for &(start, end) in pieces {
        peer.queues(data(&whole[start..end]).seq(1 + start as u32));
    }
    peer.turn();
    peer.reads(connection)
}

/// Every order of `items`, by Heap's algorithm.
fn each_order<T: Clone>(items: &[T], mut visit: impl FnMut(&[T])) {
    let mut items = items.to_vec();
    let mut counts = vec![0; items.len()];
    visit(&items);
    let mut at = 0;
    while at < items.len() {
        if counts[at] < at {
            let with = if at % 2 == 0 { 0 } else { counts[at] };
            items.swap(with, at);
            visit(&items);
            counts[at] += 1;
            at = 0;
        } else {
            counts[at] = 0;
            at += 1;
        }
    }
}

/// All orders of `pieces`, each with a connection of its own; what they cover must come out whole, and nothing be left.
fn all_orders_deliver(pieces: &[(usize, usize)], orders: usize) {
    let setup = Setup::new();
    let len = pieces.iter().map(|&(_, end)| end).max().unwrap_or(0);
    let whole = stream::bytes(0, len);
    let mut peer = Peer::with(&setup);
    let mut count = 0u32;
    each_order(pieces, |order| {
        count += 1;
        peer.starts_over(count.wrapping_mul(0x0123_4567));
        let connection = peer.established();
        let came = delivered(&mut peer, connection, order);
        assert!(came == whole, "{order:?} delivered {} of {len} bytes", came.len());
        let last = peer.takes_all().pop().map(|last| last.ack);
        assert!(last.is_none_or(|ack| ack as usize <= 1 + len), "{order:?} acknowledged {last:?}");
        peer.stack.abort(connection);
        peer.takes_all();
        assert_eq!(peer.pools.held(), 0, "{order:?} left slots behind");
    });
    assert_eq!(count as usize, orders);
}

#[test]
fn six_segments_in_all_720_orders_make_one_stream() {
    all_orders_deliver(&[(0, 10), (10, 20), (20, 30), (30, 40), (40, 50), (50, 60)], 720);
}

#[test]
fn six_long_segments_in_all_720_orders_make_one_stream() {
    let pieces: Vec<_> = (0..6).map(|number| (number * 1460, (number + 1) * 1460)).collect();
    all_orders_deliver(&pieces, 720);
}

#[test]
fn overlapping_segments_in_all_orders_make_one_stream() {
    // Each reaches into its neighbours.
    all_orders_deliver(&[(0, 14), (8, 25), (20, 33), (28, 45), (40, 52), (49, 60)], 720);
}

#[test]
fn segments_within_segments_in_all_orders_make_one_stream() {
    all_orders_deliver(&[(0, 60), (10, 20), (15, 50), (0, 5), (55, 60), (30, 31)], 720);
}

#[test]
fn segments_that_end_or_begin_together_in_all_orders_make_one_stream() {
    all_orders_deliver(&[(0, 10), (0, 20), (10, 30), (20, 30), (5, 30), (29, 40)], 720);
}

#[test]
fn repeated_segments_in_all_orders_make_one_stream() {
    all_orders_deliver(&[(0, 10), (0, 10), (10, 20), (10, 20), (20, 30), (20, 30)], 720);
}

/// All orders of `pieces`, the last of which has a FIN: one segment at a time, each acknowledged up to what has come
/// without a hole and no further; in the end the whole stream is read, its end too, and nothing is held.
fn all_orders_deliver_and_close(pieces: &[(usize, usize)]) {
    let len = pieces.iter().map(|&(_, end)| end).max().unwrap_or(0);
    let whole = stream::bytes(0, len);
    let mut peer = Peer::new();
    let free_cells = peer.stack.tcp_usage().free_cells;
    let mut count = 0u32;
    each_order(pieces, |order| {
        count += 1;
        peer.starts_over(count.wrapping_mul(0x0123_4567));
        let connection = peer.established();
        let mut came = vec![false; len + 1];
        for &(start, end) in order {
            let last = end == len;
            peer.sends(data(&whole[start..end]).seq(1 + start as u32).with(if last { flag::FIN } else { 0 }));
            came[start..end + usize::from(last)].fill(true);
            let expected = came.iter().position(|came| !came).unwrap_or(len + 1);
            for seen in peer.takes_all() {
                assert_eq!(seen.ack as usize, 1 + expected, "{order:?}, behind {start}..{end}");
            }
            assert_eq!(peer.stack.unread(connection), expected.min(len), "{order:?}, behind {start}..{end}");
        }
        assert_eq!(peer.stack.state(connection), State::CloseWait, "{order:?}");
        assert!(peer.reads(connection) == whole, "{order:?} delivered other bytes");
        assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0), "{order:?}");
        let usage = peer.stack.tcp_usage();
        assert_eq!((usage.blocks, usage.writers, usage.free_cells), (0, 0, free_cells), "{order:?}");
        assert_eq!(peer.pools.held(), 0, "{order:?} left slots behind");
        peer.stack.abort(connection);
        peer.takes_all();
    });
    assert_eq!(count, 720);
}

#[test]
fn six_segments_and_a_fin_in_all_orders_make_one_stream_that_ends() {
    for pieces in [
        // Next to each other, of unlike lengths.
        [(0, 1), (1, 8), (8, 30), (30, 32), (32, 45), (45, 60)],
        // Exactly twice.
        [(0, 20), (0, 20), (20, 40), (20, 40), (40, 60), (40, 60)],
        // Reaching to the left, to the right, and both.
        [(0, 10), (5, 20), (15, 30), (25, 40), (35, 50), (45, 60)],
        [(0, 25), (10, 20), (18, 30), (29, 31), (30, 55), (40, 60)],
        // One contains all others, or lies within one other.
        [(0, 60), (10, 20), (15, 50), (0, 5), (55, 60), (30, 31)],
        [(0, 50), (10, 20), (10, 20), (30, 40), (45, 55), (55, 60)],
        // Beginning or ending together.
        [(0, 10), (0, 20), (10, 30), (20, 30), (5, 30), (29, 60)],
        [(0, 60), (20, 60), (40, 60), (0, 40), (0, 20), (59, 60)],
        // A FIN alone.
        [(0, 10), (10, 20), (20, 30), (30, 45), (45, 60), (60, 60)],
        [(0, 30), (20, 50), (40, 60), (10, 60), (60, 60), (60, 60)],
    ] {
        all_orders_deliver_and_close(&pieces);
    }
}

#[test]
fn six_long_segments_and_a_fin_in_all_orders_make_one_stream_that_ends() {
    let pieces: Vec<_> = (0..6).map(|at| at * 1453).map(|start| (start, start + 1460)).collect();
    all_orders_deliver_and_close(&pieces);
}

#[test]
fn every_pair_of_pieces_around_a_hole_is_joined_right() {
    // Two pieces anywhere in twelve bytes, then the whole: what came first must not be doubled or lost.
    let mut peer = Peer::with(&Setup::new());
    let whole = stream::bytes(0, 12);
    let pieces: Vec<_> = (0..12).flat_map(|start| (start + 1..=12).map(move |end| (start, end))).collect();
    let mut count = 0u32;
    for &first in &pieces {
        for &second in &pieces {
            count += 1;
            peer.starts_over(count.wrapping_mul(0x0765_4321));
            let connection = peer.established();
            let came = delivered(&mut peer, connection, &[first, second, (0, 12)]);
            assert!(came == whole, "{first:?} {second:?} delivered {came:?}");
            peer.stack.abort(connection);
            peer.takes_all();
        }
    }
    assert_eq!(count, 78 * 78);
}

#[test]
fn what_fills_holes_is_acknowledged_to_the_next_hole() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(&stream::bytes(10, 10)).seq(11));
    peer.expects(ack().ack(1));
    peer.sends(data(&stream::bytes(30, 10)).seq(31));
    peer.expects(ack().ack(1));
    peer.sends(data(&stream::bytes(0, 10)).seq(1));
    peer.expects(ack().ack(21));
    peer.sends(data(&stream::bytes(20, 10)).seq(21));
    peer.expects(ack().ack(41));
    assert_eq!(peer.reads(connection), stream::bytes(0, 40));
}

#[test]
fn of_a_thousand_holes_each_is_filled_in_whatever_order_they_are() {
    let setup = Setup { pools: [Pools::leaked(4096); 2], ..Setup::new() };
    let setup = setup.capacities(|capacities| capacities.cells = 1 << 15);
    let mut peer = Peer::with(&setup.tcp(|tcp| {
        (tcp.receive_budget, tcp.receive_budget_start, tcp.receive_memory) = (8 << 20, 8 << 20, Some(64 << 20));
    }));
    let connection = peer.established();
    let whole = stream::bytes(0, 2000);
    let piece = |number: usize| data(&whole[number..=number]).seq(1 + number as u32);
    (0..1000).for_each(|hole| peer.sends(piece(2 * hole + 1)));
    // Repetitions of repetitions come between repetitions of what was sent later: 389 and 1000 have no common divisor.
    for hole in 1..1000 {
        peer.sends(piece(hole * 389 % 1000 * 2));
    }
    assert_eq!(peer.stack.drops().of(lendwire::Reason::TcpNoRoom), 0);
    peer.sends(piece(0));
    assert!(peer.reads(connection) == whole);
}

#[test]
fn holes_that_outnumber_the_blocks_cost_data_that_comes_again_and_nothing_else() {
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.cells = 64));
    let connection = peer.established();
    let whole = stream::bytes(0, 400);
    for number in (1..200).step_by(2) {
        peer.sends(data(&whole[number * 2..number * 2 + 2]).seq(1 + number as u32 * 2));
    }
    assert!(peer.stack.drops().of(lendwire::Reason::TcpNoRoom) > 0);
    // The sender goes back and sends all of it again, until it is acknowledged.
    let mut came = Vec::new();
    for _ in 0..20 {
        let next = came.len();
        peer.sends(data(&whole[next..]).seq(1 + next as u32));
        came.extend(peer.reads(connection));
        if came.len() == 400 {
            break;
        }
    }
    assert!(came == whole, "{} bytes came", came.len());
}

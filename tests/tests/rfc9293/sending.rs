//! RFC 9293 §3.7.4 (Nagle), §3.9.1 (push), RFC 5681 §3.1 (how much at a time).

use lendwire::time::Span;
use lendwire_nic::Chunk;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, flag, syn};
use lendwire_tests::setup::Setup;

#[test]
fn nagle_a_small_segment_goes_at_once_only_when_nothing_is_in_flight() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"a").unwrap();
    peer.expects(data(b"a").seq(1));
    peer.stack.write(connection, b"b").unwrap();
    peer.stack.write(connection, b"c").unwrap();
    peer.expects_nothing();
    peer.sends(ack());
    peer.expects(data(b"bc").seq(2));
}

#[test]
fn nagle_a_full_segment_never_waits() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[0; 100]).unwrap();
    peer.expects(any_data(100));
    peer.stack.write(connection, &[0; 1460 + 100]).unwrap();
    peer.expects(any_data(1460));
    peer.expects_nothing();
    peer.stack.write(connection, &[0; 1360]).unwrap();
    peer.expects(any_data(1460));
    peer.expects_nothing();
}

#[test]
fn data_that_follows_part_of_a_segment_is_taken_when_the_path_has_become_narrower_than_that_part() {
    // Without a tail probe, which would send that part.
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.rack = false));
    let connection = peer.established();
    peer.stack.write(connection, &[5; 1460 + 100]).unwrap();
    peer.expects(any_data(1460).seq(1));
    peer.expects(any_data(100).seq(1461));
    peer.stack.write(connection, &[5; 1400]).unwrap();
    peer.expects_nothing();
    // Nobody answers, so a packet of 1400 bytes is tried (RFC 4821 §7.7): 1360 of data, where 1400 wait.
    for _ in 0..100 {
        if peer.stack.tcp_statistics().black_holes == 0 {
            peer.waits(Span::from_millis(100));
        }
    }
    assert_eq!(peer.stack.tcp_statistics().black_holes, 1);
    peer.takes_all();
    assert_eq!(peer.stack.write(connection, &[5; 1320]), Ok(1320));
    peer.sends(ack().ack(1561));
    peer.expects(any_data(1360).seq(1561));
}

#[test]
fn must_17_nagle_can_be_turned_off() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_nodelay(connection, true);
    for byte in [b"a", b"b", b"c"] {
        peer.stack.write(connection, byte).unwrap();
        peer.expects(data(byte));
    }
    peer.stack.set_nodelay(connection, false);
    peer.stack.write(connection, b"d").unwrap();
    peer.expects_nothing();
    // Turning it off sends what waits.
    peer.stack.set_nodelay(connection, true);
    peer.expects(data(b"d"));
}

#[test]
fn nagle_closing_sends_what_waits() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"a").unwrap();
    peer.expects(data(b"a"));
    peer.stack.write(connection, b"b").unwrap();
    peer.expects_nothing();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(data(b"b").with(flag::FIN).seq(2));
}

#[test]
fn must_60_the_last_segment_of_what_was_written_is_pushed() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[0; 2920]).unwrap();
    peer.expects(any_data(1460).push(false));
    peer.expects(any_data(1460).push(true));
}

#[test]
fn pieces_of_every_kind_make_full_segments_in_order() {
    let mut peer = Peer::new();
    let connection = peer.established();
    static LENT: [u8; 4000] = [b'l'; 4000];
    peer.stack.write(connection, &[b'w'; 700]).unwrap();
    peer.stack.push(connection, Chunk::from_static(&LENT)).unwrap();
    peer.stack.write(connection, &[b'x'; 1140]).unwrap();
    let came = peer.takes_all();
    assert_eq!(came.iter().map(|segment| segment.payload.len()).collect::<Vec<_>>(), [1460; 4]);
    let all: Vec<u8> = came.into_iter().flat_map(|segment| segment.payload).collect();
    assert_eq!(all, [&[b'w'; 700][..], &LENT, &[b'x'; 1140]].concat());
}

#[test]
fn an_empty_write_or_chunk_is_nothing() {
    let mut peer = Peer::new();
    let connection = peer.established();
    assert_eq!(peer.stack.write(connection, b""), Ok(0));
    peer.stack.push(connection, Chunk::EMPTY).unwrap();
    peer.expects_nothing_for(Span::from_secs(1));
    assert_eq!(peer.stack.unacknowledged(connection), 0);
}

#[test]
fn rfc6928_at_first_ten_segments_are_in_flight() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &vec![0; 100_000]).unwrap();
    let sent: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    assert_eq!(sent, 14_600);
}

#[test]
fn rfc5681_3_1_slow_start_doubles_what_is_in_flight_every_round() {
    let mut peer = Peer::new();
    let connection = peer.opens(syn().mss(1000).window_scale(7));
    let mut flights = Vec::new();
    for _ in 0..4 {
        peer.stack.write(connection, &vec![0; 200_000]).unwrap();
        let came = peer.takes_all();
        flights.push(came.len());
        let ends: Vec<_> = came.iter().map(|segment| segment.seq + segment.payload.len() as u32).collect();
        // One acknowledgment for each segment; what they release belongs to the next round.
        for end in ends {
            peer.queues(ack().ack(end).window(4000));
        }
    }
    assert_eq!(flights, [10, 20, 40, 80]);
}

#[test]
fn the_send_budget_bounds_what_is_taken_and_an_event_tells_of_room() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.send_budget = 3000));
    let connection = peer.established();
    assert_eq!(peer.stack.write(connection, &[0; 5000]), Ok(3000));
    assert_eq!(peer.stack.room(connection), 0);
    assert_eq!(peer.stack.write(connection, &[0; 5000]), Ok(0));
    peer.takes_all();
    while peer.stack.next_event().is_some() {}
    peer.sends(ack().ack(1461));
    assert!(peer.stack.next_event().is_some());
    assert_eq!(peer.stack.room(connection), 1460);
}

#[test]
fn a_window_of_any_size_and_segments_of_any_size_carry_the_same_stream() {
    for (mss, window) in [(48, 100), (536, 536), (537, 700), (1460, 65_535), (1000, 1001), (1460, 1)] {
        let mut peer = Peer::new();
        let connection = peer.opens(syn().mss(mss).window(window));
        let sent = lendwire_tests::stream::bytes(0, 3000);
        peer.stack.write(connection, &sent[..1111]).unwrap();
        peer.stack.push(connection, lendwire_tests::stream::content().chunk().slice(1111..3000)).unwrap();
        let mut came = Vec::new();
        for _ in 0..100_000 {
            if came.len() == sent.len() {
                break;
            }
            for segment in peer.takes_all() {
                if segment.seq as usize == 1 + came.len() {
                    came.extend(segment.payload);
                }
            }
            peer.sends(ack().ack(1 + came.len() as u32).window(window));
            peer.waits(Span::from_millis(10));
        }
        assert!(came == sent, "mss {mss}, window {window}: {} bytes came", came.len());
    }
}

#[test]
fn minshall_a_short_segment_waits_for_a_short_one_only() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[0; 2 * 1460 + 100]).unwrap();
    peer.expects(any_data(1460));
    peer.expects(any_data(1460));
    // Full ones are in flight, and hold nothing back.
    peer.expects(any_data(100));
    peer.stack.write(connection, b"waits").unwrap();
    peer.expects_nothing();
    // What is acknowledged in part may still hold the short one.
    peer.sends(ack().ack(1 + 2 * 1460));
    peer.expects_nothing();
    peer.sends(ack().ack(1 + 2 * 1460 + 100));
    peer.expects(data(b"waits"));
}

#[test]
fn a_cork_holds_what_fills_no_segment_for_200_ms_at_the_most() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.set_nodelay(connection, true);
    peer.stack.set_cork(connection, true).unwrap();
    peer.stack.write(connection, &[1; 1500]).unwrap();
    peer.expects(any_data(1460));
    peer.sends(ack());
    peer.expects_after(Span::from_millis(200), any_data(40));
    peer.sends(ack());
    peer.stack.write(connection, b"part").unwrap();
    peer.expects_nothing_for(Span::from_millis(100));
    peer.stack.set_cork(connection, false).unwrap();
    peer.expects(data(b"part"));
    // Closing pulls it too.
    peer.stack.set_cork(connection, true).unwrap();
    peer.stack.write(connection, b"end").unwrap();
    peer.expects_nothing();
    peer.stack.shutdown(connection, peer.now()).unwrap();
    peer.expects(data(b"end").with(flag::FIN));
}

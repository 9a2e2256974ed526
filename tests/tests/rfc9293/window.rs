//! RFC 9293 §3.8.6: windows, closed ones, probes, and silly ones on both sides.

use lendwire::Reason;
use lendwire::tcp::State;
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, fin, flag, syn};
use lendwire_tests::setup::Setup;

#[test]
fn no_more_is_sent_than_the_window_allows() {
    let mut peer = Peer::new();
    let connection = peer.opens(syn().mss(1460).window(65_535));
    peer.sends(ack().window(4000));
    peer.stack.write(connection, &[0; 20_000]).unwrap();
    let sent: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    assert_eq!(sent, 2920, "whole segments only");
    peer.sends(ack().window(10_000));
    let more: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    assert_eq!(more, 8760);
}

#[test]
fn the_window_is_moved_by_newer_segments_only() {
    // §3.10.7.4: SND.WL1 and SND.WL2.
    let mut peer = Peer::new();
    let connection = peer.established();
    // A segment from further on has come; one that was sent before it is late.
    peer.sends(data(b"newer").seq(100).window(60_000));
    peer.sends(ack().seq(1).window(0));
    peer.takes_all();
    peer.stack.write(connection, &[0; 1460]).unwrap();
    peer.expects(any_data(1460));
}

#[test]
fn must_35_a_closed_window_is_probed_with_backoff() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(0));
    peer.stack.write(connection, b"waiting").unwrap();
    peer.expects_nothing();
    for millis in [200, 400, 800, 1600] {
        let probe = peer.expects_after(Span::from_millis(millis), any_data(1).seq(1));
        assert_eq!(probe.payload, b"w");
        peer.sends(ack().ack(1).window(0));
        peer.expects_nothing();
    }
    peer.sends(ack().ack(1).window(1000));
    peer.expects(data(b"waiting").seq(1));
    peer.sends(ack().ack(8));
    peer.expects_nothing_for(Span::from_secs(60));
}

#[test]
fn a_probe_that_is_taken_counts_as_sent() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(0));
    peer.stack.write(connection, b"bit by bit").unwrap();
    peer.expects_after(Span::from_millis(200), data(b"b").seq(1));
    peer.sends(ack().ack(2).window(0));
    peer.expects_within(Span::from_secs(2), data(b"i").seq(2));
    peer.sends(ack().ack(3).window(100));
    peer.expects(data(b"t by bit").seq(3));
    peer.sends(ack().ack(11));
    peer.expects_nothing_for(Span::from_secs(10));
}

#[test]
fn must_36_a_peer_that_answers_probes_is_never_given_up() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(0));
    peer.stack.write(connection, b"patience").unwrap();
    for _ in 0..40 {
        peer.expects_within(Span::from_secs(61), any_data(1));
        peer.sends(ack().ack(1).window(0));
    }
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.sends(ack().ack(1).window(100));
    peer.expects(data(b"patience"));
}

#[test]
fn a_peer_that_does_not_answer_probes_is_given_up() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(0));
    peer.stack.write(connection, b"patience").unwrap();
    peer.waits(Span::from_secs(1500));
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn a_window_that_closes_over_what_is_in_flight_is_probed_until_it_opens() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[5; 2920]).unwrap();
    assert_eq!(peer.takes_all().len(), 2);
    peer.sends(ack().ack(1461).window(0));
    // The rest was dropped by the peer: it is asked for bit by bit.
    peer.expects_within(Span::from_secs(1), any_data(1).seq(1461));
    peer.sends(ack().ack(1461).window(0));
    peer.expects_within(Span::from_secs(2), any_data(1).seq(1461));
    peer.sends(ack().ack(1461).window(5000));
    peer.expects(any_data(1460).seq(1461));
    peer.sends(ack().ack(2921));
    peer.expects_nothing_for(Span::from_secs(10));
}

#[test]
fn a_probe_that_the_ring_held_back_is_forgotten_when_the_window_opens() {
    // Else the probe would go out behind the data, and its timer would stand where the data's belongs.
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.black_hole_timeouts = 0));
    let connection = peer.established();
    peer.stack.write(connection, &[5; 4380]).unwrap();
    assert_eq!(peer.takes_all().len(), 3);
    peer.sends(ack().ack(1).window(0));
    peer.hand.set_room(Some(0));
    // The timeout comes while the window is closed and the ring is full; then both open.
    peer.waits(Span::from_millis(250));
    peer.queues(ack().ack(1).window(1460));
    peer.hand.set_room(None);
    peer.expects(any_data(1460).seq(1));
    peer.expects_nothing();
    // That segment is lost. It comes again, and nothing beyond the window.
    for _ in 0..4 {
        peer.expects_within(Span::from_secs(20), any_data(1460).seq(1));
        peer.expects_nothing();
    }
    peer.sends(ack().ack(4381));
    peer.expects_nothing_for(Span::from_secs(100));
}

#[test]
fn a_window_that_shrinks_is_borne() {
    // SHLD-14: what was sent beyond it is not lost, and comes again once there is room.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, &[5; 8760]).unwrap();
    assert_eq!(peer.takes_all().len(), 6);
    peer.sends(ack().ack(1461).window(1460));
    peer.expects_nothing();
    let mut acked = 1461;
    for _ in 0..200 {
        if acked == 8761 {
            break;
        }
        peer.waits(Span::from_millis(500));
        for came in peer.takes_all() {
            if came.seq == acked {
                acked += came.payload.len() as u32;
            }
        }
        peer.sends(ack().ack(acked).window(1460));
    }
    assert_eq!(acked, 8761);
}

#[test]
fn shld_the_sender_avoids_silly_windows() {
    // §3.8.6.2.1: a window much smaller than a segment and than the largest seen is not filled at once.
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().window(300));
    peer.stack.write(connection, &[1; 5000]).unwrap();
    peer.expects_nothing();
    // But when nothing moves, what the window allows is sent.
    peer.expects_within(Span::from_secs(1), any_data(300).seq(1));
}

#[test]
fn a_window_of_half_the_largest_is_worth_a_segment() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460).window(1000));
    peer.expects(lendwire_tests::segment::syn_ack());
    peer.sends(ack().window(1000));
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.write(connection, &[1; 5000]).unwrap();
    peer.expects(any_data(1000).seq(1));
    peer.sends(ack().window(600));
    peer.expects(any_data(600));
}

#[test]
fn what_the_last_segment_leaves_of_a_congestion_window_is_not_filled_with_crumbs() {
    // §3.8.6.2.1 holds for what is sent again after a timeout too: 1460 bytes of congestion window hold one segment of
    // 700, and the next one waits.
    let mut peer = Peer::new();
    let connection = peer.opens(syn().mss(1460));
    peer.stack.set_nodelay(connection, true);
    for _ in 0..3 {
        peer.stack.write(connection, &[1; 700]).unwrap();
        peer.expects(any_data(700));
        // Kept apart, so that each is a segment of its own.
        peer.stack.push(connection, lendwire_nic::Chunk::from_static(&[2; 400])).unwrap();
        peer.expects(any_data(400));
    }
    peer.waits(Span::from_millis(250));
    for came in peer.takes_all() {
        assert!(came.payload.len() >= 400, "a crumb of {} bytes", came.payload.len());
    }
}

/// A stack with a small receive budget: 32 slots, a window of 40 KiB.
fn with_small_budget() -> Peer {
    Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 64 * 1024))
}

/// Fills the window of the connection: returns the peer's next number.
fn fills(peer: &mut Peer) -> u32 {
    let (mut next, mut edge) = (1u32, 1 + 40 * 1024);
    loop {
        let room = (edge - next).min(1460);
        if room == 0 {
            return next;
        }
        peer.sends(data(&vec![1; room as usize]));
        next += room;
        peer.waits(Span::from_millis(50));
        let last = peer.takes_all().pop().expect("an acknowledgment");
        assert_eq!(last.ack, next);
        let new_edge = last.ack + u32::from(last.window);
        assert!(new_edge >= edge, "SHLD-14: the right edge does not move left");
        edge = new_edge;
    }
}

#[test]
fn a_window_that_is_filled_closes_and_probes_are_answered() {
    let mut peer = with_small_budget();
    let connection = peer.established();
    let next = fills(&mut peer);
    for _ in 0..3 {
        peer.sends(data(b"p").seq(next));
        peer.expects(ack().seq(1).ack(next).window(0));
        peer.sends(data(&[9; 100]).seq(next));
        peer.expects(ack().seq(1).ack(next).window(0));
    }
    assert_eq!(peer.stack.unread(connection) as u32, next - 1, "nothing beyond the window is kept");
}

#[test]
fn must_66_a_closed_window_still_takes_acknowledgments() {
    let mut peer = with_small_budget();
    let connection = peer.established();
    let next = fills(&mut peer);
    peer.stack.write(connection, b"question").unwrap();
    peer.expects(data(b"question").seq(1));
    peer.sends(ack().seq(next));
    assert_eq!(peer.stack.unacknowledged(connection), 0);
    peer.stack.write(connection, b"another").unwrap();
    peer.expects(data(b"another").seq(9));
    // Also on a segment whose data does not fit.
    peer.sends(data(b"does not fit").seq(next));
    assert_eq!(peer.stack.unacknowledged(connection), 0);
    // And an exact reset.
    peer.sends(lendwire_tests::segment::rst().seq(next));
    assert_eq!(peer.stack.state(connection), State::Closed);
}

#[test]
fn shld_the_receiver_avoids_silly_windows() {
    // §3.8.6.2.2: small reads do not open a closed window by small steps.
    let mut peer = with_small_budget();
    let connection = peer.established();
    let next = fills(&mut peer);
    let mut byte = [0; 1];
    for _ in 0..1460 {
        assert_eq!(peer.stack.read(connection, &mut byte), Ok(1));
    }
    // One slot is free, which is worth less than a segment.
    peer.expects_nothing();
    peer.sends(data(b"p").seq(next));
    peer.expects(ack().ack(next).window(0));
    // A good part of it does, and the peer is told without asking.
    let mut bytes = [0; 8000];
    assert!(peer.stack.read(connection, &mut bytes).unwrap() > 4000);
    let update = peer.expects(ack().ack(next));
    assert!(update.window >= 1460, "{}", update.window);
}

#[test]
fn a_reader_with_a_tiny_budget_tells_when_it_has_read() {
    // The window is smaller than two segments; an update must come all the same.
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 4096));
    let connection = peer.established();
    let mut next = 1;
    for _ in 0..10 {
        peer.sends(data(&[1; 1280]).seq(next));
        next += 1280;
        peer.waits(Span::from_millis(50));
        if peer.takes_all().pop().is_some_and(|last| last.window == 0) {
            break;
        }
    }
    assert!(!peer.reads(connection).is_empty());
    let update = peer.expects(ack());
    assert!(update.window >= 1280, "{}", update.window);
}

#[test]
fn reading_announces_no_window_that_the_field_cannot_show() {
    // Without scaling a window of 64 KiB is all that can be shown, however much memory there is.
    let mut peer = Peer::new();
    let connection = peer.established();
    for number in 0..20 {
        peer.sends(data(b"small").seq(1 + number * 5));
        assert_eq!(peer.reads(connection), b"small");
        peer.expects_nothing();
        peer.expects_after(Span::from_millis(40), ack().ack(6 + number * 5));
    }
}

#[test]
fn two_closed_windows_do_not_keep_answering_each_other() {
    use lendwire_tests::pair::Pair;
    let mut pair = Pair::loopback(&Setup::new().tcp(|tcp| tcp.receive_budget = 16 * 1024));
    let (here, there) = pair.connected();
    // Nobody reads.
    let fill = [1; 65_536];
    pair.here.stack.write(here, &fill).unwrap();
    pair.there.stack.write(there, &fill).unwrap();
    pair.run_for(Span::from_secs(30));
    let sent =
        |pair: &Pair| pair.here.stack.tcp_statistics().segments_sent + pair.there.stack.tcp_statistics().segments_sent;
    let before = sent(&pair);
    pair.run_for(Span::from_secs(60));
    let more = sent(&pair) - before;
    assert!(more < 60, "{more} segments in a minute between two closed windows");
    // And then all of it comes.
    let mut came = [0; 2];
    pair.run_until("everything has come", |pair| {
        let mut bytes = [0; 4096];
        while let Ok(read) = pair.here.stack.read(here, &mut bytes) {
            came[0] += read;
        }
        while let Ok(read) = pair.there.stack.read(there, &mut bytes) {
            came[1] += read;
        }
        came == [65_536; 2]
    });
}

#[test]
fn a_fin_alone_is_taken_into_a_closed_window_and_one_behind_data_is_not() {
    let mut peer = with_small_budget();
    let connection = peer.established();
    let next = fills(&mut peer);
    peer.sends(data(b"no room").with(flag::FIN).seq(next));
    peer.expects(ack().ack(next).window(0));
    assert_eq!(peer.stack.state(connection), State::Established);
    peer.sends(fin().seq(next));
    peer.expects(ack().ack(next + 1).window(0));
    assert_eq!(peer.stack.state(connection), State::CloseWait);
    assert_eq!(peer.reads(connection).len() as u32, next - 1);
    assert_eq!(peer.stack.read(connection, &mut [0]), Ok(0));
}

#[test]
fn who_closes_on_a_reader_that_never_reads_still_closes() {
    use lendwire_tests::pair::Pair;
    let mut pair = Pair::loopback(&Setup::new().tcp(|tcp| tcp.receive_budget = 16 * 1024));
    let (here, there) = pair.connected();
    let window = 10 * 1024;
    assert_eq!(pair.here.stack.write(here, &vec![1; window]), Ok(window));
    pair.run_for(Span::from_secs(1));
    assert_eq!(pair.there.stack.unread(there), window, "its window is full");
    let now = pair.now();
    pair.here.stack.shutdown(here, now).unwrap();
    pair.run_for(Span::from_secs(3600));
    assert_eq!(pair.there.stack.state(there), State::CloseWait);
    assert_eq!(pair.here.stack.state(here), State::FinWait2);
}

#[test]
fn what_lies_beyond_the_window_is_cut_off() {
    let mut peer = with_small_budget();
    let connection = peer.established();
    // The window is 40 KiB: the last byte of it, and what is beyond, with a FIN.
    let edge = 1 + 40 * 1024;
    peer.sends(data(b"in-out").seq(edge - 2).with(flag::FIN));
    peer.expects(ack().ack(1));
    let mut at = 1;
    while at < edge - 2 {
        let len = (edge - 2 - at).min(1460);
        peer.sends(data(&vec![1; len as usize]).seq(at));
        at += len;
    }
    let all = peer.reads(connection);
    assert_eq!(all.len() as u32, edge - 1);
    assert_eq!(all[all.len() - 2..], *b"in");
    assert_eq!(peer.stack.state(connection), State::Established, "the FIN was not in the window");
    assert_eq!(peer.stack.drops().of(Reason::TcpNoRoom), 0);
}

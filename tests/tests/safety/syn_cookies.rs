//! SYN cookies (RFC 4987 §3.6): a flood costs no memory, and who answers gets through with what it offered.

use lendwire::Reason;
use lendwire::tcp::{ListenerHandle, State, SynCookies};
use lendwire::time::Span;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, data, flag, rst, syn, syn_ack};
use lendwire_tests::setup::Setup;

fn always() -> Peer {
    Peer::with(&Setup::new().tcp(|tcp| tcp.syn_cookies = SynCookies::Always))
}

/// A listener whose SYN queue is full.
fn flooded() -> (Peer, ListenerHandle) {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
    }
    peer.uses_port(5);
    (peer, listener)
}

#[test]
fn who_comes_when_the_queue_is_full_gets_through() {
    let (mut peer, listener) = flooded();
    peer.sends(syn().mss(1460).window_scale(7));
    let answer = peer.expects(syn_ack().seq(0).ack(1).mss(1460));
    assert_eq!(answer.scale, None, "without timestamps nobody would remember it");
    assert_eq!(peer.stack.tcp_usage().handshakes, 4);
    peer.sends(ack().window(1000));
    peer.expects_nothing();
    let connection = peer.stack.accept(listener).expect("the cookie opened it");
    let info = peer.stack.info(connection).unwrap();
    assert_eq!((info.state, info.mss, info.send_window), (State::Established, 1460, 1000));
    peer.sends(data(b"hello"));
    assert_eq!(peer.reads(connection), b"hello");
    peer.stack.write(connection, b"and back").unwrap();
    peer.expects(data(b"and back").seq(1).ack(6));
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.cookies_sent, statistics.cookies_accepted, statistics.cookies_rejected), (1, 1, 0));
}

#[test]
fn rfc7323_scale_and_sack_come_back_in_the_echoed_timestamp() {
    for (scale, sack) in [(Some(7), true), (Some(0), false), (None, true), (Some(14), true)] {
        let mut peer = always();
        let listener = peer.listen();
        let offer = syn().mss(1460).timestamps(1000, 0);
        let offer = if sack { offer.sack_permitted() } else { offer };
        peer.sends(scale.map_or(offer.clone(), |scale| offer.window_scale(scale)));
        let answer = peer.expects(syn_ack().ack(1));
        assert_eq!((answer.scale.is_some(), answer.sack_permitted), (scale.is_some(), sack));
        let (clock, echo) = answer.timestamps.expect("timestamps were offered");
        assert_eq!(echo, 1000);
        peer.waits(Span::from_millis(700));
        peer.sends(ack().window(100).timestamps(1700, clock));
        peer.expects_nothing();
        let connection = peer.stack.accept(listener).expect("the cookie opened it");
        let info = peer.stack.info(connection).unwrap();
        assert_eq!((info.send_window, info.mss), (100 << scale.unwrap_or(0), 1448), "{scale:?}");
        // Our clock goes on from there, and echoes the newest of theirs.
        peer.sends(data(b"?").timestamps(1701, clock));
        peer.stack.write(connection, b"!").unwrap();
        let (later, echo) = peer.expects(data(b"!").seq(1).ack(2)).timestamps.unwrap();
        assert_eq!(echo, 1701);
        assert!((700..800).contains(&later.wrapping_sub(clock)), "{} later", later.wrapping_sub(clock));
    }
}

#[test]
fn the_size_is_one_of_eight_and_never_larger_than_the_peers() {
    for (offered, sent) in [(Some(1460), 1460), (Some(1459), 1440), (Some(600), 536), (Some(100), 48), (None, 536)] {
        let mut peer = always();
        let listener = peer.listen();
        peer.sends(offered.map_or(syn(), |mss| syn().mss(mss)));
        peer.expects(syn_ack());
        peer.sends(ack());
        let connection = peer.stack.accept(listener).expect("the cookie opened it");
        assert_eq!(peer.stack.info(connection).unwrap().mss, sent, "{offered:?}");
    }
}

#[test]
fn the_third_step_may_bring_data_and_the_first_data_may_come_without_it() {
    let mut peer = always();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    peer.sends(data(b"at once"));
    let connection = peer.stack.accept(listener).expect("the cookie opened it");
    assert_eq!(peer.reads(connection), b"at once");
}

#[test]
fn a_cookie_counts_for_a_minute_or_two() {
    for (seconds, counts) in [(60, true), (129, false)] {
        let (mut peer, listener) = flooded();
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.waits(Span::from_secs(seconds));
        peer.takes_all();
        peer.sends(ack().seq(1).ack(1));
        assert_eq!(peer.stack.accept(listener).is_some(), counts, "after {seconds} s");
        if !counts {
            peer.expects(rst().seq(1));
        }
    }
}

#[test]
fn forged_cookies_are_reset_and_counted() {
    let (mut peer, listener) = flooded();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack());
    for forged in 1..1000u32 {
        peer.sends(ack().seq(1).ack(1u32.wrapping_add(forged << 3)));
        peer.expects(rst().seq(1u32.wrapping_add(forged << 3)));
    }
    assert_eq!(peer.stack.accept(listener), None);
    assert_eq!(peer.stack.tcp_statistics().cookies_rejected, 999);
    // Another SYN's number does not fit either; the right one does.
    peer.sends(ack().seq(2).ack(1));
    peer.expects(rst().seq(1));
    peer.sends(ack().seq(1).ack(1));
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn without_a_flood_lately_no_acknowledgment_opens_anything() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
        assert!(peer.stack.accept(listener).is_some());
    }
    peer.uses_port(9);
    peer.sends(ack().seq(1).ack(1));
    peer.expects(rst().seq(1));
    let statistics = peer.stack.tcp_statistics();
    assert_eq!((statistics.cookies_sent, statistics.cookies_rejected), (0, 0));
}

#[test]
fn no_cookie_is_promised_where_nobody_accepts() {
    let mut peer = always();
    let listener = peer.listen();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460));
        peer.expects(syn_ack());
        peer.sends(ack());
    }
    peer.uses_port(5);
    peer.sends(syn().mss(1460));
    peer.expects_nothing();
    assert_eq!(peer.stack.drops().of(Reason::TcpBacklog), 1);
    assert!(peer.stack.accept(listener).is_some());
    peer.sends(syn().seq(0).mss(1460));
    peer.expects(syn_ack());
}

#[test]
fn over_ipv6_too() {
    let mut peer = Peer::with(&Setup::new().v6().tcp(|tcp| tcp.syn_cookies = SynCookies::Always));
    let listener = peer.listen();
    peer.sends(syn().mss(1440));
    peer.expects(syn_ack().mss(1440));
    peer.sends(ack());
    let connection = peer.stack.accept(listener).expect("the cookie opened it");
    assert_eq!(peer.stack.info(connection).unwrap().mss, 1440);
}

#[test]
fn a_syn_that_comes_again_gets_the_same_cookie() {
    let mut peer = always();
    let listener = peer.listen();
    peer.sends(syn().mss(1460));
    let first = peer.expects(syn_ack());
    peer.waits(Span::from_secs(1));
    peer.sends(syn().seq(0).mss(1460));
    assert_eq!(peer.expects(syn_ack()).seq, first.seq);
    peer.sends(ack().seq(1).ack(1));
    assert!(peer.stack.accept(listener).is_some());
}

#[test]
fn rfc3168_classic_ecn_comes_back_in_the_echoed_timestamp() {
    for timestamps in [true, false] {
        let mut peer = always();
        let listener = peer.listen();
        let asks = syn().mss(1460).with(flag::ECE | flag::CWR);
        peer.sends(if timestamps { asks.timestamps(1000, 0) } else { asks });
        let answer = peer.takes_all().pop().expect("a SYN-ACK");
        assert_eq!(answer.flags & (flag::ECE | flag::CWR), if timestamps { flag::ECE } else { 0 });
        let stamped = |segment: lendwire_tests::segment::Segment, value| match answer.timestamps {
            Some((clock, _)) => segment.timestamps(value, clock),
            None => segment,
        };
        peer.sends(stamped(ack(), 1001));
        peer.stack.accept(listener).expect("the cookie opened it");
        // A mark is told to who agreed to hear of it.
        peer.sends(stamped(data(b"marked"), 1002).traffic_class(3));
        peer.waits(Span::from_millis(50));
        let told = peer.takes_all().pop().expect("an acknowledgment");
        assert_eq!(told.flags & flag::ECE != 0, timestamps);
    }
}

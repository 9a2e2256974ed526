//! RFC 9293 §3.2, §3.7.1 and RFC 7323 §2: what SYNs agree on.

use lendwire::Reason;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{Segment, ack, any_data, data, syn, syn_ack};
use lendwire_tests::setup::Setup;

/// The largest segment that a stack sends to a peer that makes this offer.
fn largest_segment(setup: &Setup, offer: Segment) -> usize {
    let mut peer = Peer::with(setup);
    let connection = peer.opens(offer);
    peer.stack.write(connection, &[0; 5000]).unwrap();
    peer.takes_all()[0].payload.len()
}

#[test]
fn must_15_without_an_mss_option_536_or_1220_bytes_are_sent() {
    assert_eq!(largest_segment(&Setup::new(), syn()), 536);
    assert_eq!(largest_segment(&Setup::new().v6(), syn()), 1220);
}

#[test]
fn must_16_the_smaller_of_the_peers_mss_and_the_paths_counts() {
    let v4 = Setup::new();
    assert_eq!(largest_segment(&v4, syn().mss(1460)), 1460);
    assert_eq!(largest_segment(&v4, syn().mss(9000)), 1460);
    assert_eq!(largest_segment(&v4, syn().mss(65_535)), 1460);
    assert_eq!(largest_segment(&v4, syn().mss(537)), 537);
    assert_eq!(largest_segment(&v4, syn().mss(100)), 100);
    assert_eq!(largest_segment(&v4.v6(), syn().mss(1460)), 1440);
    let jumbo = Setup { mtu: 9000, ..v4 };
    assert_eq!(largest_segment(&jumbo, syn().mss(8960)), 4000.max(largest_segment(&jumbo, syn().mss(8960))));
}

#[test]
fn an_absurd_mss_does_not_make_us_send_headers_only() {
    for mss in [0, 1, 47] {
        assert_eq!(largest_segment(&Setup::new(), syn().mss(mss)), 48);
    }
}

#[test]
fn must_14_our_mss_is_the_mtu_without_headers() {
    for (setup, mss) in [(Setup::new(), 1460), (Setup::new().v6(), 1440), (Setup { mtu: 9000, ..Setup::new() }, 8960)] {
        let mut peer = Peer::with(&setup);
        peer.listen();
        peer.sends(syn());
        peer.expects(syn_ack().mss(mss));
        peer.uses_port(2);
        peer.connects();
        peer.expects(syn().mss(mss));
    }
}

/// A stack whose windows grow to 160 KiB and no further.
fn with_160_kib() -> Peer {
    Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 256 << 10))
}

#[test]
fn rfc7323_2_2_scaling_is_used_only_if_both_offer_it() {
    let mut peer = with_160_kib();
    peer.listen();
    peer.sends(syn().mss(1460));
    peer.expects(syn_ack().no_window_scale());
    peer.uses_port(2);
    peer.sends(syn().mss(1460).window_scale(7));
    // A window of 160 KiB takes two bits.
    peer.expects(syn_ack().window_scale(2).window(65_535));
    peer.uses_port(3);
    peer.connects();
    peer.expects(syn().window_scale(2).window(65_535));
}

#[test]
fn rfc7323_2_2_a_peer_that_does_not_answer_the_offer_gets_and_gives_plain_windows() {
    let mut peer = with_160_kib();
    let connection = peer.connects();
    peer.expects(syn().window_scale(2));
    peer.sends(syn_ack().mss(1460).window(3000));
    peer.expects(ack().window(65_535));
    peer.stack.write(connection, &[0; 10_000]).unwrap();
    let sent: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    assert!((1460..=3000).contains(&sent), "{sent}");
}

#[test]
fn rfc7323_2_2_the_window_of_a_syn_is_not_scaled_and_later_ones_are() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460).window_scale(7).window(100));
    peer.expects(syn_ack());
    // 2920 bytes now.
    peer.sends(ack().window(23));
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.write(connection, &[0; 10_000]).unwrap();
    let sent: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    assert_eq!(sent, 2920);
}

#[test]
fn rfc7323_2_2_the_windows_that_we_show_are_scaled() {
    let mut peer = with_160_kib();
    peer.opens(syn().mss(1460).window_scale(0));
    peer.sends(data(&[0; 1460]));
    peer.sends(data(&[0; 1460]));
    let came = peer.expects(ack());
    assert!((35_000..41_000).contains(&came.window), "160 KiB by four: {}", came.window);
}

#[test]
fn rfc7323_7_1_each_connection_has_a_clock_of_its_own_that_it_keeps() {
    let mut peer = Peer::new();
    peer.listen();
    let mut clocks = [(); 3].map(|()| {
        peer.sends(syn().seq(0).mss(1460).timestamps(1, 0));
        let (value, echo) = peer.expects(syn_ack()).timestamps.expect("it was offered");
        assert_eq!(echo, 1);
        // Again from the same port, the clock goes on.
        peer.sends(syn().seq(0).mss(1460).timestamps(2, 0));
        let (again, _) = peer.expects(syn_ack()).timestamps.expect("it was offered");
        assert!(again.wrapping_sub(value) < 10, "{value} {again}");
        peer.uses_port(Peer::OWN_PORT + 1 + (value as u16 & 0xff));
        value
    });
    clocks.sort_unstable();
    assert!(clocks.windows(2).all(|pair| pair[1] - pair[0] > 100_000), "{clocks:?}");
}

#[test]
fn rfc7323_2_3_a_shift_beyond_14_counts_as_14() {
    let mut peer = Peer::new();
    let listener = peer.listen();
    peer.sends(syn().mss(1460).window_scale(255));
    peer.expects(syn_ack());
    peer.sends(ack().window(1));
    let connection = peer.stack.accept(listener).unwrap();
    peer.stack.write(connection, &[0; 20_000]).unwrap();
    let sent: usize = peer.takes_all().iter().map(|came| came.payload.len()).sum();
    // The initial congestion window is 14,600 bytes, below 1 << 14.
    assert_eq!(sent, 14_600);
}

#[test]
fn must_6_unknown_options_are_skipped_and_must_7_illegal_lengths_end_the_segment() {
    let mut peer = Peer::new();
    peer.listen();
    // SACK permitted, timestamps, an experiment, and an MSS behind them.
    let unknown = [4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 253, 6, 1, 2, 3, 4, 2, 4, 2, 88];
    peer.sends(syn().options(&unknown));
    peer.expects(syn_ack());
    peer.uses_port(2);
    for illegal in
        [&[8u8, 0][..], &[8, 1], &[2, 3, 1], &[2, 5, 1, 1, 1], &[3, 4, 1, 1], &[5, 200, 0, 0], &[1, 1, 1, 254]]
    {
        peer.sends(syn().seq(0).options(illegal));
        peer.expects_nothing();
    }
    assert_eq!(peer.stack.drops().of(Reason::TcpOptions), 7);
}

#[test]
fn options_on_a_data_segment_are_skipped_and_illegal_ones_end_it() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"known").options(&[1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0]));
    assert_eq!(peer.reads(connection), b"known");
    // An MSS on a data segment means nothing.
    peer.sends(data(b"more").options(&[2, 4, 0, 100]));
    assert_eq!(peer.reads(connection), b"more");
    peer.stack.write(connection, &[0; 1460]).unwrap();
    peer.expects(any_data(1460));
    peer.sends(data(b"bad").seq(10).options(&[8, 0, 0, 0]));
    assert_eq!(peer.stack.unread(connection), 0);
    assert_eq!(peer.stack.drops().of(Reason::TcpOptions), 1);
}

#[test]
fn rfc7323_5_4_two_connections_do_not_tell_the_same_time() {
    let mut peer = Peer::new();
    peer.listen();
    let mut times = Vec::new();
    for port in 1..=4 {
        peer.uses_port(port);
        peer.sends(syn().mss(1460).timestamps(1, 0));
        let (value, echo) = peer.expects(syn_ack()).timestamps.expect("they are agreed on");
        assert_eq!(echo, 1);
        times.push(value);
    }
    let far_apart = |(at, &time): (usize, &u32)| times[..at].iter().all(|other| time.abs_diff(*other) > 1000);
    assert!(times.iter().enumerate().all(far_apart), "{times:?}");
}

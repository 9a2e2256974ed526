//! RFC 9768 §3.3.4: devices that cut and what makes one of many keep the counter in the header and AccECN's options right.

use lendwire::tcp::{Ecn, TcpHandle};
use lendwire_tests::segment::{Came, Segment, ack, data, flag, syn};

use super::*;

const MSS: usize = 1400;
/// IP's two bits.
const ECT_0: u8 = 2;
const MARKED: u8 = 3;

/// A connection whose ends have agreed on accurate feedback and its options, to a peer that has counted nothing yet.
fn opened(version: Version, offloads: Offloads) -> (Peer, TcpHandle) {
    let setup = Setup { version, ..Setup::new().offloads(offloads) };
    let mut peer = Peer::with(&setup.tcp(|tcp| tcp.ecn = Ecn::Passive));
    let listener = peer.listen();
    peer.sends(syn().mss(MSS as u16).window_scale(7).with(flag::ECE | flag::CWR).accurate());
    let answer = peer.takes_all().remove(0);
    assert!(answer.byte_counts.is_some(), "options are agreed on");
    // The SYN-ACK came without ECT.
    peer.sends(ack().ack(1).with(flag::CWR));
    let connection = peer.stack.accept(listener).expect("the handshake is complete");
    let _ = peer.hand.taken();
    (peer, connection)
}

/// The header's counter stands at 5.
fn unmarked(segment: Segment) -> Segment {
    segment.with(flag::ECE).accurate()
}

fn full(place: usize, codepoint: u8) -> Segment {
    let segment = unmarked(data(&stream::bytes((place * 1000) as u64, 1000)).seq(1 + place as u32 * 1000).ack(1));
    segment.traffic_class(codepoint)
}

fn all_bytes(came: &[Came]) -> Vec<u8> {
    came.iter().flat_map(|segment| segment.payload.clone()).collect()
}

/// e0b and ceb.
fn counts(came: &Came) -> Option<(u32, u32)> {
    let number = |bytes: &[u8]| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
    came.byte_counts.as_ref().map(|fields| (number(fields), number(&fields[3..])))
}

#[test]
fn rfc9768_3_3_4_a_device_that_cuts_gives_each_segment_the_option_and_the_same_counter() {
    for version in [Version::V4, Version::V6] {
        for offloads in [CUTS, Offloads::TX_CHECKSUM, Offloads::empty()] {
            let (mut peer, connection) = opened(version, offloads);
            let len = 9 * MSS;
            peer.queues(unmarked(data(&[7; 100]).ack(1)).traffic_class(ECT_0));
            peer.stack.push(connection, lent(len)).unwrap();
            let came = peer.takes_all();
            assert!(all_bytes(&came) == stream::bytes(0, len), "{version:?}, {offloads:?}");
            assert_eq!(counts(&came[0]), Some((101, 0)));
            for segment in &came[..came.len() - 1] {
                // Three bytes a counter, two of the option's own, one of padding.
                let room = if segment.byte_counts.is_some() { MSS - 8 } else { MSS };
                assert_eq!(segment.payload.len(), room);
            }
            // 5 is AE and ECE.
            assert!(came.iter().all(|segment| segment.flags & (flag::ECE | flag::CWR) == flag::ECE));
            let packets: Vec<_> = peer.hand.taken().iter().map(|taken| taken.frames).collect();
            assert_eq!(packets.len() == 1, offloads == CUTS, "{packets:?}");
            assert_eq!(offloads == CUTS, came.iter().all(|segment| counts(segment) == Some((101, 0))));
        }
    }
}

#[test]
fn rfc9768_3_3_4_a_counter_with_the_bit_that_devices_clear_is_left_to_none() {
    for offloads in [CUTS, Offloads::TX_CHECKSUM] {
        let (mut peer, connection) = opened(Version::V4, offloads);
        peer.queues(unmarked(data(&[7; 100]).ack(1)).traffic_class(MARKED));
        peer.stack.push(connection, lent(6 * MSS)).unwrap();
        let came = peer.takes_all();
        assert_eq!(counts(&came[0]), Some((1, 100)));
        // 6 is AE and CWR, in every segment.
        assert!(came.iter().all(|segment| segment.flags & (flag::ECE | flag::CWR) == flag::CWR));
        assert!(all_bytes(&came) == stream::bytes(0, 6 * MSS));
        if offloads == CUTS {
            assert!(peer.hand.taken().iter().all(|taken| taken.frames == 1));
        }
    }
}

#[test]
fn a_burst_with_one_counter_is_looked_at_once_and_all_of_it_is_counted() {
    for version in [Version::V4, Version::V6] {
        let (mut peer, connection) = opened(version, Offloads::empty());
        let before = peer.stack.tcp_statistics().arrivals;
        (0..16).for_each(|place| peer.queues(full(place, ECT_0)));
        let came = peer.takes_all();
        assert_eq!(peer.stack.tcp_statistics().arrivals - before, 1);
        assert_eq!(counts(came.last().expect("an acknowledgment")), Some((16_001, 0)));
        assert!(peer.reads(connection) == stream::bytes(0, 16_000));
    }
}

#[test]
fn what_was_marked_is_in_no_batch_with_what_was_not_and_each_counts() {
    let (mut peer, connection) = opened(Version::V4, Offloads::empty());
    let before = peer.stack.tcp_statistics().arrivals;
    (0..12).for_each(|place| peer.queues(full(place, if (4..7).contains(&place) { MARKED } else { ECT_0 })));
    let came = peer.takes_all();
    assert_eq!(peer.stack.tcp_statistics().arrivals - before, 3);
    let last = came.last().expect("an acknowledgment");
    assert_eq!(counts(last), Some((9001, 3000)));
    // 5 and 3 marks: 8, of which the header has three bits.
    assert_eq!(last.flags & (flag::ECE | flag::CWR), 0);
    assert!(peer.reads(connection) == stream::bytes(0, 12_000));
}

#[test]
fn segments_with_options_are_heard_each_for_itself() {
    let (mut peer, connection) = opened(Version::V4, Offloads::empty());
    let before = peer.stack.tcp_statistics().arrivals;
    for place in 0..6 {
        // e0b 1, ceb 0, again and again.
        peer.queues(full(place, ECT_0).options(&[172, 8, 0, 0, 1, 0, 0, 0]));
    }
    let came = peer.takes_all();
    assert_eq!(peer.stack.tcp_statistics().arrivals - before, 6);
    assert_eq!(counts(came.last().expect("an acknowledgment")), Some((6001, 0)));
    assert!(peer.reads(connection) == stream::bytes(0, 6000));
}

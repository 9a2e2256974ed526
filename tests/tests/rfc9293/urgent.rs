//! RFC 9293 §3.8.5: the urgent pointer.

use lendwire::tcp::{OptionError, WriteError};
use lendwire_nic::Offloads;
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::{ack, any_data, data, flag};
use lendwire_tests::setup::Setup;

#[test]
fn must_30_and_must_62_the_pointer_is_the_number_behind_the_last_urgent_byte() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.write(connection, b"stop!").unwrap();
    peer.stack.mark_urgent(connection).unwrap();
    peer.expects(data(b"stop!").urgent(5));
    peer.stack.write(connection, b" go on").unwrap();
    peer.sends(ack());
    let after = peer.expects(data(b" go on"));
    assert_eq!((after.flags & flag::URG, after.urgent), (0, 0));
}

#[test]
fn must_31_urgent_data_may_be_longer_than_any_segment() {
    for offloads in [Offloads::empty(), Offloads::TX_CHECKSUM | Offloads::TX_SEGMENT_V4] {
        let mut peer = Peer::with(&Setup::new().offloads(offloads));
        let connection = peer.established();
        peer.stack.write(connection, &[7; 3 * 1460]).unwrap();
        peer.stack.mark_urgent(connection).unwrap();
        peer.stack.write(connection, &[8; 1460]).unwrap();
        for left in [3 * 1460, 2 * 1460, 1460] {
            peer.expects(any_data(1460).urgent(left));
        }
        assert_eq!(peer.expects(any_data(1460)).flags & flag::URG, 0);
    }
}

#[test]
fn a_mark_farther_away_than_the_pointer_reaches_is_shown_as_far_as_it_reaches() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.send_budget = 200_000));
    let connection = peer.established();
    let lent = lendwire_nic::Chunk::from_static(&[0; 100_000]);
    peer.stack.push(connection, lent).unwrap();
    peer.stack.mark_urgent(connection).unwrap();
    peer.expects(any_data(1460).urgent(u16::MAX));
}

#[test]
fn must_32_and_must_33_the_reader_hears_of_the_mark_and_how_far_it_is() {
    let mut peer = Peer::new();
    let connection = peer.established();
    while peer.stack.next_event().is_some() {}
    assert_eq!(peer.stack.urgent(connection), None);
    // The mark comes before the data that it is about.
    peer.sends(data(b"abc").urgent(6));
    assert!(peer.stack.next_event().is_some());
    assert_eq!(peer.stack.urgent(connection), Some(6));
    assert_eq!(peer.reads(connection), b"abc");
    assert_eq!(peer.stack.urgent(connection), Some(3));
    // A later segment with an earlier mark moves nothing back.
    peer.sends(data(b"def").urgent(1));
    assert_eq!(peer.stack.urgent(connection), Some(3));
    assert_eq!(peer.reads(connection), b"def");
    assert_eq!(peer.stack.urgent(connection), None);
}

#[test]
fn must_32_a_mark_that_moves_on_is_told_again() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(data(b"a").urgent(4));
    while peer.stack.next_event().is_some() {}
    peer.sends(ack().urgent(9));
    assert!(peer.stack.next_event().is_some());
    assert_eq!(peer.stack.urgent(connection), Some(10));
}

#[test]
fn must_66_a_mark_counts_when_the_window_is_closed() {
    let mut peer = Peer::with(&Setup::new().tcp(|tcp| tcp.receive_budget = 4096));
    let connection = peer.established();
    while peer.stack.info(connection).unwrap().receive_window > 0 {
        peer.sends(data(&[1; 500]));
        peer.takes_all();
    }
    let unread = peer.stack.unread(connection);
    // What did not fit into the window is still to be sent.
    peer.stands_at(1 + unread as u32);
    peer.sends(ack().urgent(20));
    assert_eq!(peer.stack.urgent(connection), Some(unread + 20));
}

#[test]
fn a_mark_far_beyond_any_window_is_none() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.sends(ack().seq(1).urgent(0));
    assert_eq!(peer.stack.urgent(connection), None);
}

#[test]
fn what_was_acknowledged_is_no_longer_urgent() {
    let mut peer = Peer::new();
    let connection = peer.established();
    peer.stack.mark_urgent(connection).unwrap();
    peer.stack.write(connection, b"calm").unwrap();
    assert_eq!(peer.expects(data(b"calm")).flags & flag::URG, 0);
    peer.stack.shutdown(connection, peer.now()).unwrap();
    assert_eq!(peer.stack.mark_urgent(connection), Err(OptionError::Cannot(WriteError::ShutDown)));
}

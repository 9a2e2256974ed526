//! Received frames that lie: about lengths, buffers, checksums and segments. Each is dropped and counted, costs no slot,
//! and the next frame arrives.
use lendwire_drivers::model::{Offer, RECEIVE, feature};
use lendwire_nic::{Fault, MAX_CHUNKS, Nic};

use crate::{Bench, bytes, header, kinds, rounds, small, without};

/// Receives into one buffer what `buffers` and `written` claim.
fn lie(bench: &Bench, buffers: u16, written: u32) {
    let chain = bench.device.take(RECEIVE).unwrap();
    let mut bytes = [0; 72];
    bytes[10..12].copy_from_slice(&buffers.to_le_bytes());
    bench.device.fill(&chain, &bytes);
    bench.device.complete(RECEIVE, u32::from(chain.head), written);
    bench.device.publish(RECEIVE);
}

#[test]
fn frames_in_buffers_that_come_back_in_another_order_are_those_frames() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for round in 0..rounds(20, 3) {
            let mut chains: Vec<_> = (0..4).map(|_| bench.device.take(RECEIVE).unwrap()).collect();
            chains.rotate_left(round % 4);
            for (chain, fill) in chains.iter().zip(1..) {
                let mut frame = [fill; 12 + 60];
                frame[..12].copy_from_slice(&[0; 12]);
                frame[10] = 1;
                let written = bench.device.fill(chain, &frame);
                bench.device.complete(RECEIVE, u32::from(chain.head), written as u32);
            }
            bench.device.publish(RECEIVE);
            for fill in 1..5 {
                assert_eq!(bytes(&bench.driver.receive().unwrap()), [fill; 60]);
            }
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn a_length_beyond_the_buffer_is_dropped() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for written in [2049, 0xffff, u32::MAX] {
            lie(&bench, 1, written);
            bench.assert_dropped(Fault::BadLength);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn a_length_below_the_header_is_dropped() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for written in [0, 1, 11, 12] {
            lie(&bench, 1, written);
            bench.assert_dropped(Fault::BadLength);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn no_buffers_and_too_many_are_dropped() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for buffers in [0, MAX_CHUNKS as u16 + 1, 0xffff] {
            lie(&bench, buffers, 72);
            bench.assert_dropped(Fault::BadChain);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn buffers_that_never_come_are_not_waited_for() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for buffers in 2..=MAX_CHUNKS as u16 {
            lie(&bench, buffers, 72);
            bench.assert_dropped(Fault::BadChain);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn all_buffers_of_a_frame_that_is_too_long_are_dropped_together() {
    for mut kind in kinds() {
        kind.offer.queue_size = 16;
        let mut bench = Bench::set_up(kind, 16, 256);
        // Nine buffers and one too many for a packet.
        assert!(bench.device.deliver(&[1; 256 * 8]));
        bench.assert_dropped(Fault::BadChain);
        bench.assert_returns_everything();
    }
}

#[test]
fn a_bad_length_in_a_later_buffer_drops_the_whole_frame() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for written in [0, 2049] {
            let chains: Vec<_> = (0..3).map(|_| bench.device.take(RECEIVE).unwrap()).collect();
            let mut bytes = [0; 72];
            bytes[10] = 3;
            bench.device.fill(&chains[0], &bytes);
            for (chain, len) in chains.iter().zip([2048, written, 2048]) {
                bench.device.complete(RECEIVE, u32::from(chain.head), len);
            }
            bench.device.publish(RECEIVE);
            bench.assert_dropped(Fault::BadLength);
        }
        bench.assert_returns_everything();
    }
}

#[test]
fn segments_that_were_not_agreed_on_are_dropped() {
    let mut bench = Bench::new(small());
    for gso_type in [1, 3, 4, 5, 0x80, 0x81, 0xff] {
        let mut header = header(1, gso_type, 34, 16);
        // 20 payload bytes a segment.
        header[4] = 20;
        assert!(bench.device.deliver_with(header, &[1; 60]));
        bench.assert_dropped(Fault::BadHeader);
    }
    bench.assert_returns_everything();
}

#[test]
fn segments_that_make_no_sense_are_dropped() {
    let features = Offer::default().features | feature::GUEST_TSO4;
    let mut bench = Bench::with_slots(Offer { features, queue_size: 64, ..small() }, 64, 2048);
    assert_ne!(bench.device.accepted_features() & feature::GUEST_TSO4, 0);
    // IPv6 and ECN were not agreed on, UDP and the rest cannot be; a segment has bytes.
    for (gso_type, size) in [(4, 20), (0x81, 20), (3, 20), (5, 20), (0x7f, 20), (0x80, 20), (1, 0)] {
        let mut header = header(1, gso_type, 34, 16);
        header[4] = size;
        assert!(bench.device.deliver_with(header, &[1; 60]));
        bench.assert_dropped(Fault::BadHeader);
    }
    bench.assert_returns_everything();
}

#[test]
fn a_checksum_outside_the_frame_is_dropped() {
    for kind in kinds() {
        let mut bench = Bench::of(kind);
        for (start, offset) in [(60, 0), (34, 25), (59, 0), (0, 59), (0xffff, 0xffff), (0xffff, 1)] {
            assert!(bench.device.deliver_with(header(1, 0, start, offset), &[1; 60]));
            bench.assert_dropped(Fault::BadHeader);
        }
        // The last place that is inside.
        assert!(bench.device.deliver_with(header(1, 0, 34, 24), &[1; 60]));
        assert!(bench.driver.receive().is_some());
        bench.assert_returns_everything();
    }
}

#[test]
fn checksums_that_were_not_agreed_on_are_dropped() {
    let mut bench = Bench::new(without(feature::GUEST_CSUM));
    assert!(bench.device.deliver_with(header(1, 0, 34, 16), &[1; 60]));
    bench.assert_dropped(Fault::BadHeader);
}

#[test]
fn a_flood_of_bad_frames_is_taken_in_turns_with_everything_else() {
    let mut bench = Bench::new(small());
    let floods = rounds(100, 3);
    for _ in 0..floods {
        while let Some(chain) = bench.device.take(RECEIVE) {
            bench.device.complete(RECEIVE, u32::from(chain.head), 1);
        }
        bench.device.publish(RECEIVE);
        assert!(bench.driver.receive().is_none());
        bench.driver.flush();
    }
    assert_eq!((bench.fault(Fault::BadLength), bench.fault(Fault::Broken)), (8 * floods as u64, 0));
    bench.assert_passes();
    bench.assert_returns_everything();
}

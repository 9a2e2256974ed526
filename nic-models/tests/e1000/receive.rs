//! What arrives: the bytes, where they lie, and what the device said of them.
use lendwire_drivers::e1000::{FrameCheck, Settings};
use lendwire_drivers::model::e1000::{Kind, register};
use lendwire_nic::{Fault, Nic, Received};

use crate::frames::{FIRST, OWN, VERSIONS, Version, pattern, plain, tagged, tcp_frame, udp_frame};
use crate::{Bench, Setup, bytes, every_kind, rounds};

fn checked_by_driver(kind: Kind) -> Setup {
    let settings = Settings { frame_check: FrameCheck::ByDriver, ..Settings::default() };
    Setup { settings, ..Setup::of(kind) }
}

#[test]
fn a_received_frame_lies_in_its_slot() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        for len in [60, 61, 1513, 1514] {
            let frame = plain(OWN, len);
            let received = bench.received(&frame);
            assert_eq!(bytes(&received), frame);
            let (start, pool_len) = bench.pool.memory();
            let at = received.front().as_ptr().addr() - start.addr().get();
            assert!(at < pool_len && at.is_multiple_of(2048), "the device wrote where the stack reads");
        }
        let statistics = bench.driver.statistics();
        assert_eq!((statistics.received, statistics.received_bytes), (4, 60 + 61 + 1513 + 1514));
        assert_eq!(statistics.copied, 0);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn frames_keep_their_order_over_a_burst() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        let burst = rounds(40, 10);
        for round in 0..rounds(50, 2) {
            for index in 0..burst {
                assert!(bench.device.deliver(&plain(OWN, 64 + index)), "round {round}");
            }
            for index in 0..burst {
                assert_eq!(bench.driver.receive().unwrap().len(), 64 + index);
            }
            assert!(bench.driver.receive().is_none());
            bench.driver.flush();
        }
    }
}

#[test]
fn nobody_is_told_of_buffers_one_by_one() {
    for kind in Kind::BOTH {
        let mut bench = Setup { slots: rounds(1024, 128), ..Setup::of(kind) }.start();
        let before = bench.device.counts().receive_tails;
        let count = rounds(2_000, 30);
        for _ in 0..count {
            bench.received(&plain(OWN, 60));
        }
        let tails = bench.device.counts().receive_tails - before;
        assert!(tails as usize <= count / 16 + 1, "{tails} writes of the tail for {count} frames");
    }
}

#[test]
fn frames_wait_for_a_slot_and_are_told_of_once() {
    for kind in Kind::BOTH {
        let mut bench = Setup { slots: 8, ..Setup::of(kind) }.start();
        let mut held: Vec<_> = (0..8)
            .map(|_| {
                assert!(bench.device.deliver(&plain(OWN, 60)));
                bench.driver.receive().unwrap()
            })
            .collect();
        bench.driver.flush();
        bench.driver.flush();
        assert_eq!(bench.fault(Fault::NoSlot), 1, "counted when it begins, not with every poll");
        assert_eq!(bench.device.receive_room(), 0);
        assert!(!bench.device.deliver(&plain(OWN, 60)), "head meets tail: there is no buffer");
        held.pop();
        // Few buffers are told of at once rather than held back.
        bench.driver.flush();
        assert_eq!(bench.device.receive_room(), 1);
        bench.assert_alive();
        drop(held);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_jumbo_frame_spans_descriptors() {
    for &kind in every_kind() {
        for slot_size in [2048, 1024, 4096, 16_384].into_iter().take(rounds(4, 1)) {
            let mut bench = Setup::jumbo(kind, slot_size).start();
            for len in [60, slot_size - 1, slot_size, slot_size + 1, 9014] {
                if len > 9014 {
                    continue;
                }
                let frame = plain(OWN, len);
                let received = bench.received(&frame);
                assert!(bytes(&received) == frame, "{kind:?} {slot_size} {len}");
                assert_eq!(received.chunks().len(), len.div_ceil(slot_size), "{kind:?} {slot_size} {len}");
            }
            bench.assert_nothing_leaks();
        }
    }
}

#[test]
fn a_frame_of_more_chunks_than_lie_inline_arrives_whole() {
    for kind in Kind::BOTH {
        let settings = Settings { mtu: 7000, ..Settings::default() };
        let mut bench = Setup { settings, slot_size: 512, ..Setup::of(kind) }.start();
        for _ in 0..rounds(30, 1) {
            let frame = plain(OWN, 7014);
            let received = bench.received(&frame);
            assert!(bytes(&received) == frame);
            assert_eq!(received.chunks().len(), 14);
        }
        assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_long_frame_that_finds_too_few_slots_is_dropped_whole() {
    for kind in Kind::BOTH {
        // 9 buffers and a slot for their list are more than there is.
        let mut bench = Setup { slots: 9, ..Setup::jumbo(kind, 1024) }.start();
        let given = bench.device.receive_room();
        for _ in 0..3 {
            bench.device.deliver(&plain(OWN, 9014));
            while bench.driver.receive().is_some() {}
            bench.driver.flush();
            assert_eq!(bench.device.receive_room(), given);
        }
        bench.assert_alive();
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_frame_beyond_the_mtu_does_not_come_in() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        assert!(!bench.device.deliver(&plain(OWN, 1519)));
        assert_eq!(bench.device.register(register::ROC), 1);
        bench.assert_alive();
    }
}

#[test]
fn without_receive_checksums_software_verifies() {
    let mut bench = Bench::new(Kind::E82540Em);
    let received = bench.received(&tcp_frame(Version::V4, OWN, FIRST, &[1; 100]));
    assert_eq!(received.checksum, Received::Unchecked, "IXSM: nothing was looked at");
}

#[test]
fn what_the_82574_found_right_needs_no_second_look() {
    for version in VERSIONS {
        let mut bench = Bench::new(Kind::E82574L);
        for frame in [tcp_frame(version, OWN, FIRST, &pattern(777)), udp_frame(version, OWN, &pattern(777))] {
            assert_eq!(bench.received(&frame).checksum, Received::Checked, "{version:?}");
            let mut damaged = frame.clone();
            *damaged.last_mut().unwrap() ^= 1;
            let received = bench.received(&damaged);
            assert_eq!((received.checksum, bytes(&received)), (Received::Unchecked, damaged));
        }
        assert_eq!(bench.received(&plain(OWN, 100)).checksum, Received::Unchecked);
    }
}

#[test]
fn a_wrong_header_checksum_is_the_stacks_to_find() {
    let mut bench = Bench::new(Kind::E82574L);
    let mut frame = tcp_frame(Version::V4, OWN, FIRST, &[1; 100]);
    frame[24] ^= 1;
    assert_eq!(bench.received(&frame).checksum, Received::Unchecked);
}

#[test]
fn a_datagram_without_checksum_was_not_checked() {
    let mut bench = Bench::new(Kind::E82574L);
    let mut frame = udp_frame(Version::V4, OWN, &[1; 100]);
    frame[40..42].fill(0);
    assert_eq!(bench.received(&frame).checksum, Received::Unchecked);
}

#[test]
fn flows_have_a_hash_that_tells_them_apart() {
    for version in VERSIONS {
        let mut bench = Bench::new(Kind::E82574L);
        let hash = |bench: &mut Bench, port: u8| {
            let mut frame = tcp_frame(version, OWN, FIRST, &[port; 100]);
            frame[14 + version.header_len() + 1] = port;
            bench.received(&frame).hash.expect("TCP is hashed")
        };
        let of_a_flow = hash(&mut bench, 1);
        assert_eq!(hash(&mut bench, 1), of_a_flow);
        assert_ne!(hash(&mut bench, 2), of_a_flow);
        assert_eq!(bench.received(&plain(OWN, 100)).hash, None);
    }
}

#[test]
fn the_hash_is_the_one_that_rss_specifies() {
    // The verification suite of the RSS specification: 66.9.149.187:2794 to 161.142.100.80:1766.
    let mut bench = Bench::new(Kind::E82574L);
    let mut frame = tcp_frame(Version::V4, OWN, FIRST, &[0; 20]);
    frame[26..34].copy_from_slice(&[66, 9, 149, 187, 161, 142, 100, 80]);
    frame[34..38].copy_from_slice(&[0x0a, 0xea, 0x06, 0xe6]);
    assert_eq!(bench.received(&frame).hash, Some(0x51cc_c178));
}

#[test]
fn a_tag_is_stripped_and_handed_up() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        let frame = plain(OWN, 200);
        for tag in [0x0000, 0x2001, 0xefff] {
            let received = bench.received(&tagged(&frame, tag));
            assert_eq!((bytes(&received), received.vlan), (frame.clone(), Some(tag)));
        }
        assert_eq!(bench.received(&frame).vlan, None);
    }
}

#[test]
fn a_tagged_jumbo_frame_has_one_tag() {
    for kind in Kind::BOTH {
        let mut bench = Setup::jumbo(kind, 2048).start();
        let frame = plain(OWN, 9014);
        let received = bench.received(&tagged(&frame, 5));
        assert_eq!((received.vlan, received.len()), (Some(5), 9014));
        assert!(bytes(&received) == frame);
    }
}

#[test]
fn the_check_sequence_is_stripped_by_the_device_or_by_the_driver() {
    for &kind in every_kind() {
        for setup in [Setup::of(kind), checked_by_driver(kind)] {
            let mut bench = setup.start();
            for len in [60, 61, 1514] {
                let frame = plain(OWN, len);
                assert_eq!(bytes(&bench.received(&frame)), frame);
            }
            // A tag lies under the sequence, and is checked with the rest.
            let frame = tagged(&plain(OWN, 100), 5);
            let received = bench.received(&frame);
            assert!(received.len() == 100 && received.vlan == Some(5) || bytes(&received) == frame);
        }
    }
}

#[test]
fn a_check_sequence_over_two_descriptors_is_found() {
    for kind in Kind::BOTH {
        let settings = Settings { mtu: 9000, frame_check: FrameCheck::ByDriver, ..Settings::default() };
        let mut bench = Setup { settings, slot_size: 1024, ..Setup::of(kind) }.start();
        for len in (1018..1030).step_by(rounds(1, 5)) {
            let frame = plain(OWN, len);
            let received = bench.received(&frame);
            assert!(bytes(&received) == frame, "{len}");
            assert_eq!(received.chunks().len(), len.div_ceil(1024), "{len}: no chunk is empty");
        }
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_damaged_frame_is_dropped_by_whoever_checks() {
    for kind in Kind::BOTH {
        let mut bench = Bench::new(kind);
        assert!(!bench.device.deliver_damaged(&plain(OWN, 100), 1));
        assert!(bench.driver.receive().is_none());
        assert_eq!(bench.driver.hardware_statistics().bad_frame_checks, 1);
        bench.assert_alive();
    }
}

//! What leaves: the bytes on the wire against what software makes, and what it costs.
use lendwire_drivers::e1000::Settings;
use lendwire_nic::{Checksum, Chunk, Fault, Full, Nic, Offloads, Payload, Segmentation};

use crate::frames::{FIRST, PEER, TCP, VERSIONS, Version, large_packet, pattern, segments, tagged, tcp_frame};
use crate::frames::{tcp_packet, udp_frame, udp_packet, versions_cut};
use crate::{Bench, Setup, both, every_kind, packet, rounds};

#[test]
fn a_packet_is_its_headers_and_its_own_parts() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        let payload = [bench.chunk(&[1; 100]), bench.chunk(&[2; 50])];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        let sent = bench.device.sent();
        assert_eq!(sent[0].frames, [[packet(&[]).header(), &[1; 100], &[2; 50]].concat()]);
        // The device reads the socket's own bytes.
        let addresses: Vec<u64> = payload.iter().map(|chunk| chunk.as_ptr().addr() as u64).collect();
        assert_eq!(sent[0].parts[1..], [(addresses[0], 100), (addresses[1], 50)]);
        let statistics = bench.driver.statistics();
        assert_eq!((statistics.copied, statistics.sent, statistics.sent_bytes), (0, 1, 214));
        drop(payload);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn payload_stays_held_until_the_device_is_done() {
    for &kind in both() {
        let mut bench = Setup::slow(kind).start();
        let payload = [bench.chunk(&[1; 100])];
        bench.driver.transmit(&packet(&payload)).unwrap();
        bench.driver.flush();
        drop(payload);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 127);
        bench.device.transmit(1);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 127, "the payload's descriptor is not done");
        bench.device.transmit(1);
        bench.driver.flush();
        assert_eq!(bench.transmit_pool.available(), 128);
    }
}

#[test]
fn a_full_ring_changes_nothing() {
    for &kind in both() {
        let mut bench = Setup::slow(kind).start();
        let chunk = bench.chunk(&[1; 100]);
        let mut queued = 0;
        while bench.driver.transmit(&packet(core::slice::from_ref(&chunk))).is_ok() {
            queued += 1;
            assert!(queued < 1000, "the ring ends");
        }
        bench.driver.flush();
        let before = bench.driver.statistics();
        assert_eq!(bench.driver.transmit(&packet(core::slice::from_ref(&chunk))), Err(Full));
        assert_eq!(bench.driver.statistics(), before);
        assert_eq!(before.sent, queued);
        bench.device.transmit(u32::MAX);
        assert_eq!(bench.device.sent().len() as u64, queued);
        bench.driver.transmit(&packet(&[])).unwrap();
        drop(chunk);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn a_burst_is_one_write_of_the_tail() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let before = bench.device.counts().transmit_tails;
        for _ in 0..32 {
            bench.driver.transmit(&packet(&[])).unwrap();
        }
        assert_eq!(bench.device.counts().transmit_tails, before);
        bench.driver.flush();
        bench.driver.flush();
        assert_eq!(bench.device.counts().transmit_tails, before + 1);
        assert_eq!(bench.device.sent().len(), 32);
        let counts = bench.device.counts();
        // The first write of each tail only says that its ring is empty.
        assert_eq!(bench.driver.statistics().kicks, counts.transmit_tails + counts.receive_tails - 2);
    }
}

#[test]
fn rings_wrap() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let count = rounds(5_000, 12);
        for round in 0..count {
            let payload = [bench.chunk(&[round as u8; 60])];
            let sent = bench.sent(&packet(&payload));
            assert_eq!(sent[0][64..], [round as u8; 60]);
            let frame = crate::frames::plain(crate::OWN, 60 + round % 8);
            assert_eq!(crate::bytes(&bench.received(&frame)), frame, "round {round}");
        }
        let statistics = bench.driver.statistics();
        assert_eq!(statistics.faults, [0; Fault::ALL.len()]);
        assert_eq!((statistics.sent, statistics.received), (count as u64, count as u64));
        bench.assert_nothing_leaks();
    }
}

#[test]
fn packets_of_any_number_of_descriptors_wrap() {
    for &kind in both() {
        let mut bench = Setup::slow(kind).start();
        let chunks: Vec<Chunk> = (0..7).map(|fill| bench.chunk(&[fill; 20])).collect();
        for round in 0..rounds(2_000, 16) {
            let mut expected = Vec::new();
            for burst in 0..1 + round % 5 {
                let queue = &chunks[..(round + burst) % 8];
                let packet = if burst % 2 == 0 { packet(queue) } else { tcp_packet(Version::V4, Payload::of(queue)) };
                bench.driver.transmit(&packet).unwrap();
                expected.push(packet.len());
            }
            bench.driver.flush();
            bench.device.transmit(u32::MAX);
            let lens: Vec<usize> = bench.device.sent().iter().map(|sent| sent.bytes.len()).collect();
            assert_eq!(lens, expected, "round {round}");
        }
        assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
        drop(chunks);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn transport_checksums_are_filled_in() {
    for &kind in every_kind() {
        for version in VERSIONS {
            let mut bench = Bench::new(kind);
            for len in [0, 1, 99, 1000, 1428].into_iter().take(rounds(5, 3)) {
                let bytes = pattern(len);
                let payload = bench.chunks(&bytes, rounds(333, 33));
                let sent = bench.sent(&tcp_packet(version, Payload::of(&payload)));
                assert_eq!(sent, [tcp_frame(version, PEER, FIRST, &bytes)], "{kind:?} {version:?} {len}");
                let mut expected = udp_frame(version, PEER, &bytes);
                expected.resize(expected.len().max(60), 0);
                assert_eq!(bench.sent(&udp_packet(version, Payload::of(&payload))), [expected]);
            }
        }
    }
}

#[test]
fn what_needs_nothing_and_what_needs_something_may_alternate() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let (part, size) = (rounds(1000, 100), rounds(700, 70));
        let bytes = pattern(3 * part);
        let payload = bench.chunks(&bytes, part);
        // Every order of two: a device keeps the last context, or one of each sort.
        for round in (0..16).step_by(rounds(1, 3)) {
            for choice in [round % 4, round / 4] {
                let one = Payload::of(&payload[..1]);
                match choice {
                    0 => {
                        let expected = [packet(&[]).header(), &bytes[..part]].concat();
                        assert_eq!(bench.sent(&packet(&payload[..1])), [expected]);
                    }
                    1 => {
                        let expected = tcp_frame(Version::V4, PEER, FIRST, &bytes[..part]);
                        assert_eq!(bench.sent(&tcp_packet(Version::V4, one)), [expected]);
                    }
                    2 => assert_eq!(
                        bench.sent(&udp_packet(Version::V6, one)),
                        [udp_frame(Version::V6, PEER, &bytes[..part])]
                    ),
                    _ => {
                        let sent = bench.sent(&large_packet(Version::V4, size as u16, Payload::of(&payload)));
                        assert_eq!(sent, segments(Version::V4, size, &bytes));
                    }
                }
            }
        }
    }
}

#[test]
fn a_context_is_written_once_for_packets_alike() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        for _ in 0..20 {
            bench.sent(&tcp_packet(Version::V4, Payload::of(&[])));
        }
        assert_eq!(bench.device.contexts_read(), 1);
        bench.sent(&tcp_packet(Version::V6, Payload::of(&[])));
        assert_eq!(bench.device.contexts_read(), 2);
    }
}

#[test]
fn every_packet_to_be_cut_has_a_context_of_its_own() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let payload = bench.chunks(&pattern(2000), 1000);
        for contexts in 1..4 {
            bench.sent(&large_packet(Version::V4, 700, Payload::of(&payload)));
            assert_eq!(bench.device.contexts_read(), contexts);
        }
    }
}

#[test]
fn a_packet_that_cannot_be_sent_holds_nothing() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let payload = [bench.chunk(&[1]), Chunk::from_static(b"out of the device's reach")];
        bench.driver.transmit(&packet(&payload)).unwrap();
        assert_eq!(bench.fault(Fault::Unsendable), 1);
        drop(payload);
        assert_eq!(bench.transmit_pool.available(), 128);
        assert_eq!(bench.sent(&packet(&[])), [packet(&[]).header()]);
    }
}

#[test]
fn large_segments_are_cut_as_software_cuts_them() {
    for &kind in every_kind() {
        for &version in versions_cut(kind) {
            let mut bench = Bench::new(kind);
            let size = rounds(1428, 142);
            // One byte, one segment, the edges around whole segments, an uneven tail, and as much as IP can say.
            let most = 0xffff - version.header_len() - TCP;
            for len in [1, size - 1, size, size + 1, 2 * size, 5 * size + 17, rounds(most, 4 * size + 1)] {
                let bytes = pattern(len);
                let payload = bench.chunks(&bytes, rounds(2000, 200));
                let sent = bench.sent(&large_packet(version, size as u16, Payload::of(&payload)));
                let expected = segments(version, size, &bytes);
                assert!(sent == expected, "{kind:?} {version:?} {len}: {} frames for {}", sent.len(), expected.len());
            }
            assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
            assert_eq!(bench.driver.statistics().copied, 0);
            bench.assert_nothing_leaks();
        }
    }
}

#[test]
fn parts_may_be_cut_anywhere() {
    for &kind in both() {
        for &version in versions_cut(kind) {
            let mut bench = Bench::new(kind);
            let bytes = pattern(rounds(2000, 250));
            for part in [1, 7, 99, 100, 101, 700, 2000].into_iter().take(rounds(7, 5)) {
                let bytes = &bytes[..bytes.len().min(part * 40)];
                let payload = bench.chunks(bytes, part);
                let sent = bench.sent(&large_packet(version, 100, Payload::of(&payload)));
                assert!(sent == segments(version, 100, bytes), "{kind:?} {version:?} {part}");
            }
        }
    }
}

#[test]
fn a_tag_is_inserted_by_the_device() {
    for &kind in every_kind() {
        let mut bench = Bench::new(kind);
        assert!(bench.driver.info().offloads.contains(Offloads::VLAN_INSERT | Offloads::VLAN_STRIP));
        let bytes = pattern(3000);
        let payload = bench.chunks(&bytes, 1000);
        let mut plain = packet(&payload[..1]);
        plain.offload.vlan = Some(0xa123);
        let frame = [packet(&[]).header(), &bytes[..1000]].concat();
        assert_eq!(bench.sent(&plain), [tagged(&frame, 0xa123)]);
        let version = *versions_cut(kind).last().unwrap();
        let mut large = large_packet(version, 700, Payload::of(&payload));
        large.offload.vlan = Some(0x0fff);
        let expected: Vec<_> = segments(version, 700, &bytes).iter().map(|frame| tagged(frame, 0x0fff)).collect();
        assert_eq!(bench.sent(&large), expected);
        // The next one is its own.
        assert_eq!(bench.sent(&packet(&payload[..1])), [frame]);
    }
}

#[test]
fn a_jumbo_frame_leaves_in_one_piece() {
    for &kind in both() {
        let mut bench = Setup::jumbo(kind, 2048).start();
        let bytes = pattern(rounds(9000, 3000) - 20 - TCP);
        let payload = bench.chunks(&bytes, 2048);
        let sent = bench.sent(&tcp_packet(Version::V4, Payload::of(&payload)));
        assert_eq!(sent, [tcp_frame(Version::V4, PEER, FIRST, &bytes)]);
    }
}

#[test]
fn what_can_never_be_sent_is_dropped_and_counted() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        let drop_one = |bench: &mut Bench, packet: &lendwire_nic::TxPacket<'_>| {
            let before = bench.fault(Fault::Unsendable);
            bench.driver.transmit(packet).unwrap();
            bench.driver.flush();
            assert_eq!(bench.fault(Fault::Unsendable), before + 1);
            assert_eq!(bench.device.sent(), []);
        };
        let long = [bench.chunk(&[1; 1470])];
        drop_one(&mut bench, &packet(&long));
        let most = usize::from(bench.driver.info().max_parts);
        let many: Vec<Chunk> = (0..=most).map(|_| bench.chunk(&[1])).collect();
        drop_one(&mut bench, &packet(&many));
        // The device cannot reach these bytes.
        let elsewhere = [bench.chunk(&[1]), Chunk::from_static(b"elsewhere")];
        drop_one(&mut bench, &packet(&elsewhere));
        // The checksum would be stored behind the headers.
        let mut outside = packet(&[]);
        outside.offload.checksum = Checksum::Fill { start: 14, offset: 49 };
        drop_one(&mut bench, &outside);
        // A segment without payload is nothing to cut, nor is one that is no TCP, nor one cut to nothing.
        drop_one(&mut bench, &large_packet(Version::V4, 100, Payload::of(&[])));
        let mut other = packet(&elsewhere[..1]);
        other.offload.segmentation = Some(Segmentation { size: 100, ipv6: false, ecn: false });
        drop_one(&mut bench, &other);
        drop_one(&mut bench, &large_packet(Version::V4, 0, Payload::of(&elsewhere[..1])));
        let mut wrong = large_packet(Version::V6, 100, Payload::of(&elsewhere[..1]));
        wrong.offload.segmentation = Some(Segmentation { size: 100, ipv6: false, ecn: false });
        drop_one(&mut bench, &wrong);
        drop((long, many, elsewhere));
        bench.driver.transmit(&packet(&[])).unwrap();
        bench.driver.flush();
        assert_eq!(bench.device.sent().len(), 1);
        bench.assert_nothing_leaks();
    }
}

#[test]
fn offloads_that_are_not_wanted_are_not_used() {
    for &kind in both() {
        let settings = Settings { offloads: Offloads::empty(), ..Settings::default() };
        let mut bench = Setup { settings, ..Setup::of(kind) }.start();
        assert_eq!(bench.driver.info().offloads, Offloads::empty());
        bench.driver.transmit(&tcp_packet(Version::V4, Payload::of(&[]))).unwrap();
        let mut with_tag = packet(&[]);
        with_tag.offload.vlan = Some(1);
        bench.driver.transmit(&with_tag).unwrap();
        let payload = [bench.chunk(&[1; 1000])];
        bench.driver.transmit(&large_packet(Version::V4, 100, Payload::of(&payload))).unwrap();
        bench.driver.flush();
        assert_eq!((bench.fault(Fault::Unsendable), bench.device.sent()), (3, vec![]));
        // A tag stays where it was on the wire, and nothing is said of checksums.
        let frame = tagged(&tcp_frame(Version::V4, crate::OWN, FIRST, &[1; 50]), 0x2005);
        let received = bench.received(&frame);
        assert_eq!((crate::bytes(&received), received.vlan), (frame, None));
        assert_eq!(received.checksum, lendwire_nic::Received::Unchecked);
    }
}

#[test]
fn static_content_is_lent_where_the_device_reaches_it() {
    for &kind in both() {
        let mut bench = Bench::new(kind);
        bench.memory.share(b"static content");
        let sent = bench.sent(&packet(&[Chunk::from_static(b"static content")]));
        assert_eq!(sent[0][64..], *b"static content");
    }
}

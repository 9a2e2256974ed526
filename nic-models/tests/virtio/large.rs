//! TCP segments of up to 64 KiB that cross the seam uncut (virtio 1.2 §5.1.6.2, §5.1.6.4).
use lendwire_drivers::model::{Offer, RECEIVE, feature};
use lendwire_nic::{Checksum, Chunk, Fault, Nic, Offloads, Payload, Received, Segmentation, TxPacket};

use crate::{Bench, bytes, pattern, rings, rounds, small, without};

const SEGMENTS: u64 = feature::HOST_TSO4 | feature::HOST_TSO6 | feature::HOST_ECN;
const COALESCED: u64 = feature::GUEST_TSO4 | feature::GUEST_TSO6 | feature::GUEST_ECN;

/// Both kinds of ring, long enough for a large segment, with everything that makes one.
fn large() -> impl Iterator<Item = Offer> {
    rings().into_iter().map(|offer| Offer { queue_size: 64, features: offer.features | SEGMENTS | COALESCED, ..offer })
}

/// An Ethernet, an IP and a TCP header, and what is to be cut by `cut`.
fn segment<'q>(payload: &'q [Chunk], cut: Segmentation) -> TxPacket<'q> {
    let mut packet = TxPacket::new(Payload::of(payload));
    packet.push(20).fill(6);
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
    packet.push(if cut.ipv6 { 40 } else { 20 }).fill(4);
    packet.push(14).fill(14);
    packet.offload.segmentation = Some(cut);
    packet
}

const CUT: Segmentation = Segmentation { size: 1448, ipv6: false, ecn: false };

#[test]
fn a_large_segment_is_left_to_the_device_in_its_own_words() {
    for offer in large() {
        let mut bench = Bench::with_slots(offer, 80, 2048);
        assert_eq!(bench.driver.info().offloads.bits(), 0b11_1111);
        let payload: Vec<Chunk> = (0..32).map(|fill| bench.chunk(fill, 2000)).collect();
        for (ipv6, ecn, gso_type, headers) in
            [(false, false, 1, 54), (true, false, 4, 74), (false, true, 0x81, 54), (true, true, 0x84, 74)]
        {
            bench.driver.transmit(&segment(&payload, Segmentation { size: 1400, ipv6, ecn })).unwrap();
            bench.driver.flush();
            let sent = bench.device.send_all().pop().unwrap();
            // flags, gso_type, hdr_len, gso_size, csum_start, csum_offset, num_buffers.
            assert_eq!(sent.header, [1, gso_type, headers, 0, 0x78, 0x05, headers - 20, 0, 16, 0, 0, 0]);
            assert_eq!(sent.frame.len(), usize::from(headers) + 64_000);
            assert_eq!(sent.frame[usize::from(headers) + 63_999], 31);
        }
        assert_eq!((bench.driver.statistics().sent, bench.driver.statistics().copied), (4, 0));
    }
}

#[test]
fn what_the_device_cannot_cut_is_dropped_and_counted() {
    let mut bench = Bench::new(Offer { queue_size: 64, ..without(0) });
    let payload = [bench.chunk(1, 2000), bench.chunk(2, 2000)];
    bench.driver.transmit(&segment(&payload, CUT)).unwrap();
    assert_eq!(bench.fault(Fault::Unsendable), 1);

    let features = Offer::default().features | feature::HOST_TSO4;
    let mut bench = Bench::new(Offer { features, queue_size: 64, ..small() });
    assert!(bench.driver.info().offloads.contains(Offloads::TX_SEGMENT_V4));
    let payload = [bench.chunk(1, 2000), bench.chunk(2, 2000)];
    for cut in [
        Segmentation { ipv6: true, ..CUT },
        Segmentation { ecn: true, ..CUT },
        Segmentation { size: 0, ..CUT },
        // Its frames would not fit the link.
        Segmentation { size: 1465, ..CUT },
    ] {
        bench.driver.transmit(&segment(&payload, cut)).unwrap();
    }
    // Nobody would write the segments' checksums.
    let mut summed = segment(&payload, CUT);
    summed.offload.checksum = Checksum::Done;
    bench.driver.transmit(&summed).unwrap();
    let far_too_long: Vec<Chunk> = (0..33).map(|_| bench.chunk(1, 2048)).collect();
    bench.driver.transmit(&segment(&far_too_long, CUT)).unwrap();
    assert_eq!((bench.fault(Fault::Unsendable), bench.driver.statistics().sent), (6, 0));
    bench.driver.transmit(&segment(&payload, Segmentation { size: 1464, ..CUT })).unwrap();
    assert_eq!(bench.driver.statistics().sent, 1);
}

#[test]
fn a_packet_of_as_many_parts_as_the_device_says_is_sent() {
    for (queue_size, parts) in [(8, 7), (64, 48)] {
        for offer in rings() {
            let mut bench = Bench::new(Offer { queue_size, ..offer });
            assert_eq!(bench.driver.info().max_parts, parts);
            let payload: Vec<Chunk> = (0..parts).map(|_| bench.chunk(1, 10)).collect();
            for _ in 0..rounds(3, 1) {
                bench.driver.transmit(&segment_of_one(&payload)).unwrap();
                bench.driver.flush();
                assert_eq!(bench.device.send_all().len(), 1);
            }
        }
    }
}

fn segment_of_one(payload: &[Chunk]) -> TxPacket<'_> {
    let mut packet = segment(payload, CUT);
    packet.offload.segmentation = None;
    packet
}

#[test]
fn segments_that_the_device_joined_arrive_as_one() {
    for offer in large() {
        let mut bench = Bench::with_slots(offer, 80, 2048);
        let frame = pattern(65_550);
        for (gso_type, flags, checksum) in [
            (1, 1, Received::Local { start: 34, offset: 16 }),
            (4, 2, Received::Checked),
            (0x81, 0, Received::Unchecked),
            (0x84, 2, Received::Checked),
        ]
        .into_iter()
        .take(rounds(4, 2))
        {
            let header = [flags, gso_type, 54, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0];
            assert!(bench.device.deliver_with(header, &frame));
            let packet = bench.driver.receive().unwrap();
            assert_eq!((packet.segment_size, packet.checksum), (Some(1448), checksum));
            assert_eq!((packet.len(), packet.chunks().len()), (65_550, 33));
            assert!(bytes(&packet) == frame);
            // 33 slots are the packet's and one its list's.
            bench.driver.flush();
            assert_eq!(bench.pool.available(), 0);
            drop(packet);
            assert_eq!(bench.pool.available(), 80 - 46);
            bench.driver.flush();
        }
        assert_eq!(bench.driver.statistics().faults, [0; Fault::ALL.len()]);
    }
}

#[test]
fn without_a_slot_for_its_list_a_long_packet_is_dropped() {
    for offer in large() {
        let mut bench = Bench::with_slots(offer, 34, 2048);
        let header = [1, 1, 54, 0, 0xa8, 0x05, 34, 0, 16, 0, 0, 0];
        assert!(bench.device.deliver_with(header, &[1; 60_000]));
        bench.assert_dropped(Fault::NoSlot);
    }
}

#[test]
fn senseless_segments_are_dropped() {
    for offer in rings() {
        let features = offer.features | feature::GUEST_TSO4;
        let mut bench = Bench::with_slots(Offer { queue_size: 64, features, ..offer }, 80, 2048);
        for (gso_type, size) in [
            // Over IPv6, or with CWR: not agreed on.
            (4, 1448u16),
            (0x81, 1448),
            // UDP, the mark alone, and what nobody has defined.
            (3, 1448),
            (5, 1448),
            (0x80, 1448),
            (2, 1448),
            (0x7f, 1448),
            // Nothing in a segment.
            (1, 0),
        ] {
            let [low, high] = size.to_le_bytes();
            assert!(bench.device.deliver_with([1, gso_type, 54, 0, low, high, 34, 0, 16, 0, 0, 0], &[1; 3000]));
            bench.assert_dropped(Fault::BadHeader);
        }
        // The checksum lies outside of the frame.
        assert!(bench.device.deliver_with([1, 1, 54, 0, 0xa8, 0x05, 0xb0, 0x0b, 16, 0, 0, 0], &[1; 3000]));
        bench.assert_dropped(Fault::BadHeader);
        // More buffers than the largest segment takes.
        let chain = bench.device.take(RECEIVE).unwrap();
        let mut header = [0; 72];
        header[10] = 34;
        bench.device.fill(&chain, &header);
        bench.device.complete(RECEIVE, u32::from(chain.head), 72);
        bench.device.publish(RECEIVE);
        bench.assert_dropped(Fault::BadChain);
    }
}

#[test]
fn large_segments_are_not_asked_for_where_they_cannot_lie() {
    let features = Offer::default().features | COALESCED;
    let offer = Offer { features, queue_size: 64, ..small() };
    assert_eq!(accepted(offer.clone(), 80, 2048), COALESCED);
    // A short ring, a small pool, slots of which too many were needed.
    assert_eq!(accepted(Offer { queue_size: 32, ..offer.clone() }, 80, 2048), 0);
    assert_eq!(accepted(offer.clone(), 33, 2048), 0);
    assert_eq!(accepted(Offer { queue_size: 256, ..offer.clone() }, 200, 1024), 0);
}

#[test]
fn what_needs_a_feature_that_is_not_there_is_not_accepted() {
    let features = Offer::default().features | COALESCED | SEGMENTS;
    let offer = |without: u64| Offer { features: features & !without, queue_size: 64, ..small() };
    assert_eq!(accepted(offer(feature::GUEST_CSUM), 80, 2048), SEGMENTS);
    assert_eq!(accepted(offer(feature::MRG_RXBUF), 80, 2048), SEGMENTS);
    assert_eq!(accepted(offer(feature::CSUM), 80, 2048), COALESCED);
    let four_and_six = feature::GUEST_TSO4 | feature::GUEST_TSO6;
    assert_eq!(accepted(offer(four_and_six), 80, 2048), SEGMENTS);
    assert_eq!(accepted(offer(feature::HOST_TSO4 | feature::HOST_TSO6), 80, 2048), COALESCED);
}

/// Which of the segmentation features the driver takes.
#[track_caller]
fn accepted(offer: Offer, slots: usize, slot_size: usize) -> u64 {
    let bench = Bench::with_slots(offer, slots, slot_size);
    assert_eq!(bench.device.status() & 4, 4);
    bench.device.accepted_features() & (COALESCED | SEGMENTS)
}

//! The loopback pair: what goes in at one end comes out at the other, lent.
use lendwire_drivers::loopback::{Loopback, Options};
use lendwire_nic::{
    Checksum, Chunk, Content, Fault, Full, Interrupts, Nic, Offloads, Payload, Pending, Pool, Received, Segmentation,
    Sum, TxPacket, Work,
};

fn options(offloads: Offloads, capacity: usize) -> Options {
    Options { offloads, capacity, ..Options::default() }
}

fn packet<'q>(payload: &'q [Chunk]) -> TxPacket<'q> {
    let mut packet = TxPacket::new(Payload::of(payload));
    packet.push(8).copy_from_slice(b"udp-head");
    packet.push(14).copy_from_slice(b"ethernet-head.");
    packet
}

#[test]
fn payload_is_lent_and_headers_lie_together() {
    let pool = Pool::leaked(4, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&Options::default(), pool);
    let payload = [Chunk::from_static(b"first "), Chunk::from_static(b"second")];
    a.transmit(&packet(&payload)).unwrap();
    assert_eq!(b.set_interrupts(Interrupts::Armed), Pending::Work);
    let received = b.receive().unwrap();
    assert_eq!(received.front(), b"ethernet-head.udp-head");
    assert_eq!(received.len(), 22 + 12);
    assert_eq!(received.chunks()[1].as_ptr(), payload[0].as_ptr());
    assert_eq!(received.chunks()[2].as_ptr(), payload[1].as_ptr());
    assert_eq!(pool.available(), 2, "the headers, and the list of three chunks");
    drop(received);
    assert_eq!(pool.available(), 4);
    assert!(a.receive().is_none());
    assert_eq!((a.statistics().sent_bytes, b.statistics().received_bytes, b.statistics().copied), (34, 34, 0));
}

#[test]
fn a_wire_carries_no_sums() {
    let pool = Pool::leaked(4, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&Options::default(), pool);
    let mut summed = Chunk::from_static(b"stored");
    summed.sum(&mut Work::default());
    let kept = Content::leaked(&[7; 2048]).chunk().slice(0..1024);
    a.transmit(&packet(&[summed, kept])).unwrap();
    let received = b.receive().unwrap();
    let mut work = Work::default();
    for chunk in &received.chunks()[1..] {
        assert_eq!(chunk.known_sum(), None);
        let _ = chunk.sum_now(&mut work);
    }
    assert_eq!(work.summed, 6 + 1024);
}

#[test]
fn a_full_wire_changes_nothing() {
    let pool = Pool::leaked(8, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(Offloads::empty(), 2), pool);
    a.transmit(&packet(&[])).unwrap();
    a.transmit(&packet(&[])).unwrap();
    let before = (a.statistics(), pool.available());
    assert_eq!(a.transmit(&packet(&[])), Err(Full));
    assert_eq!((a.statistics(), pool.available()), before);
    b.receive().unwrap();
    a.transmit(&packet(&[])).unwrap();
}

#[test]
fn frames_in_flight_are_bounded_by_header_slots() {
    let pool = Pool::leaked(1, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&Options::default(), pool);
    a.transmit(&packet(&[])).unwrap();
    assert_eq!(a.transmit(&packet(&[])), Err(Full));
    b.receive().unwrap();
    a.transmit(&packet(&[])).unwrap();
}

#[test]
fn order_is_kept_around_the_ring() {
    let pool = Pool::leaked(8, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(Offloads::empty(), 3), pool);
    let mut expected = 0;
    for number in 0..100u32 {
        let mut packet = TxPacket::new(Payload::EMPTY);
        packet.push(14)[..4].copy_from_slice(&number.to_be_bytes());
        a.transmit(&packet).unwrap();
        if number % 3 == 2 {
            while let Some(received) = b.receive() {
                assert_eq!(received.front()[..4], u32::to_be_bytes(expected));
                expected += 1;
            }
        }
    }
    assert_eq!(expected, 99);
}

#[track_caller]
fn filled(offloads: Offloads) -> lendwire_nic::RxPacket {
    let pool = Pool::leaked(2, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(offloads, 2), pool);
    let payload = [Chunk::from_static(b"odd"), Chunk::from_static(b"and even")];
    let mut packet = TxPacket::new(Payload::of(&payload));
    packet.push(8).copy_from_slice(&[1, 2, 3, 4, 5, 6, 0x12, 0x34]);
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 6 };
    packet.push(14);
    a.transmit(&packet).unwrap();
    b.receive().unwrap()
}

#[test]
fn a_checksum_left_to_both_ends_is_never_taken() {
    let packet = filled(Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM);
    assert_eq!(packet.checksum, Received::Local { start: 14, offset: 6 });
    assert_eq!(packet.front()[20..22], [0x12, 0x34]);
}

#[test]
fn a_checksum_left_to_the_sender_alone_is_completed() {
    let packet = filled(Offloads::TX_CHECKSUM);
    assert_eq!(packet.checksum, Received::Unchecked);
    let frame: Vec<u8> = packet.chunks().iter().flat_map(|chunk| chunk.iter().copied()).collect();
    // The seed was part of the sum, and is gone from the field: what is left is its complement.
    assert_eq!(Sum::of(&frame[14..]).value(), !0x1234);
}

#[test]
fn what_cannot_be_sent_is_dropped_and_counted() {
    let pool = Pool::leaked(4, 128).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(Offloads::empty(), 4), pool);
    let long = [Chunk::from_static(&[0; 1500])];
    a.transmit(&packet(&long)).unwrap();
    let many = [const { Chunk::from_static(b"x") }; 8];
    a.transmit(&packet(&many)).unwrap();
    let mut fill = packet(&[]);
    fill.offload.checksum = Checksum::Fill { start: 0, offset: 6 };
    a.transmit(&fill).unwrap();
    let mut tagged = packet(&[]);
    tagged.offload.vlan = Some(1);
    a.transmit(&tagged).unwrap();
    assert_eq!(a.statistics().faults[Fault::Unsendable as usize], 4);
    assert!(b.receive().is_none());
}

const SEGMENTS: Offloads = Offloads::TX_SEGMENT_V4.union(Offloads::TX_SEGMENT_V6).union(Offloads::RX_COALESCE);
const CHECKSUMS: Offloads = Offloads::TX_CHECKSUM.union(Offloads::RX_CHECKSUM);

/// 64 KB in 40 parts, to be cut.
fn segment(payload: &[Chunk]) -> TxPacket<'_> {
    let mut packet = packet(payload);
    packet.offload.checksum = Checksum::Fill { start: 14, offset: 6 };
    packet.offload.segmentation = Some(Segmentation { size: 1448, ipv6: false, ecn: false });
    packet
}

#[test]
fn a_large_segment_crosses_as_one_packet() {
    let pool = Pool::leaked(2, 2048).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(CHECKSUMS | SEGMENTS, 4), pool);
    assert_eq!((a.info().offloads, a.info().max_parts), (CHECKSUMS | SEGMENTS, 62));
    let payload = [const { Chunk::from_static(&[5; 1600]) }; 40];
    a.transmit(&segment(&payload)).unwrap();
    // Neither headers nor list find a slot: nothing has changed.
    assert_eq!(a.transmit(&segment(&payload)), Err(Full));
    let received = b.receive().unwrap();
    assert_eq!((received.len(), received.chunks().len(), received.segment_size), (64_022, 41, Some(1448)));
    assert_eq!(received.checksum, Received::Local { start: 14, offset: 6 });
    assert_eq!(received.chunks()[40].as_ptr(), payload[39].as_ptr());
    assert!(b.receive().is_none());
    drop(received);
    assert_eq!((pool.available(), a.statistics().sent), (2, 1));
}

#[test]
fn without_a_slot_for_its_list_a_segment_changes_nothing() {
    let pool = Pool::leaked(1, 2048).unwrap();
    let (mut a, mut b) = Loopback::pair(&options(CHECKSUMS | SEGMENTS, 4), pool);
    let payload = [const { Chunk::from_static(&[5; 1600]) }; 40];
    assert_eq!(a.transmit(&segment(&payload)), Err(Full));
    assert_eq!((pool.available(), a.statistics().sent, b.receive().is_none()), (1, 0, true));
    a.transmit(&packet(&[])).unwrap();
}

#[test]
fn segmentation_needs_the_offloads_that_it_stands_on() {
    let pool = Pool::leaked(2, 2048).unwrap();
    for missing in [Offloads::TX_CHECKSUM, Offloads::RX_CHECKSUM, Offloads::RX_COALESCE] {
        let asked = (CHECKSUMS | SEGMENTS) - missing;
        let (a, _) = Loopback::pair(&options(asked, 4), pool);
        assert_eq!(a.info().offloads, asked & CHECKSUMS);
    }
}

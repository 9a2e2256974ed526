//! `Train` against packets that are made one by one.

use lendwire_nic::{Checksum, Chunk, Differing, Payload, Sum, Train, TxPacket, Work};
use proptest::prelude::*;

use crate::memory::{bytes, cases, forever, naive};

const NUMBER: u32 = 0xffff_fffa;
/// Two bytes in front of what the checksum covers, then the number, a word that the last has of its own, the checksum.
const HEADER: usize = 10;
const DIFFERING: Differing = Differing { number: 2, checksum: Some(8), last: (6, 0x1018) };

/// The packet that carries `carried` as the one in place `place`.
fn alone(place: usize, size: usize, carried: &[u8], is_last: bool) -> Vec<u8> {
    let mut header = [0x45, 7, 0, 0, 0, 0, 0x10, 0x10, 0, 0];
    header[2..6].copy_from_slice(&NUMBER.wrapping_add((place * size) as u32).to_be_bytes());
    if is_last {
        header[7] = 0x18;
    }
    let sum = Sum::of(&header[2..]).then(Sum::of(carried));
    header[8..].copy_from_slice(&sum.checksum().to_be_bytes());
    [&header[..], carried].concat()
}

fn first<'q>(payload: &mut Payload<'q>, size: usize, carried: &[u8]) -> TxPacket<'q> {
    let mut packet = TxPacket::new(payload.split_to(size));
    packet.push(HEADER).copy_from_slice(&alone(0, size, carried, false)[..HEADER]);
    packet
}

fn shown(packet: &TxPacket<'_>) -> Vec<u8> {
    packet.payload().parts().fold(packet.header().to_vec(), |all, part| [&all, part.bytes()].concat())
}

#[test]
fn only_the_last_packet_has_the_last_word() {
    let chunks = [Chunk::from_static(b"abcdef")];
    for (count, size) in [(1, 6), (2, 3), (3, 2)] {
        let payload = Payload::of(&chunks);
        let mut train = Train::new(first(&mut payload.clone(), size, &b"abcdef"[..size]), payload, DIFFERING);
        for place in 0..count {
            let packet = train.packet().expect("it is not at its end");
            assert_eq!(packet.header()[7], if place + 1 == count { 0x18 } else { 0x10 }, "{place} of {count}");
            train.advance();
        }
        assert!(train.packet().is_none());
    }
}

#[test]
fn a_device_completes_a_checksum_that_is_not_told_of() {
    let chunks = [Chunk::from_static(b"abcdef")];
    let payload = Payload::of(&chunks);
    let mut packet = first(&mut payload.clone(), 3, b"abc");
    packet.offload.checksum = Checksum::Fill { start: 2, offset: 6 };
    let seed = packet.header()[8..].to_vec();
    let mut train = Train::new(packet, payload, Differing { checksum: None, ..DIFFERING });
    train.advance();
    let packet = train.packet().unwrap();
    assert_eq!((&packet.header()[8..], packet.offload.checksum), (&seed[..], Checksum::Fill { start: 2, offset: 6 }));
    assert_eq!((packet.header()[2..6].to_vec(), train.sent()), (NUMBER.wrapping_add(3).to_be_bytes().to_vec(), 1));
}

#[test]
fn what_is_stored_is_not_read() {
    let mut chunks = [Chunk::from_static(b"abc"), Chunk::from_static(b"def")];
    chunks.iter_mut().for_each(|chunk| {
        chunk.sum(&mut Work::default());
    });
    let payload = Payload::of(&chunks);
    let mut train = Train::new(first(&mut payload.clone(), 3, b"abc"), payload, DIFFERING);
    train.advance();
    assert_eq!((shown(train.packet().unwrap()), train.work()), (alone(1, 3, b"def", true), Work::default()));
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn its_packets_are_what_each_would_be_alone(
        runs in prop::collection::vec(bytes(40), 1..6),
        size in 1usize..30,
    ) {
        let chunks: Vec<_> = runs.iter().map(|run| Chunk::from_static(forever(run))).collect();
        let all = runs.concat();
        prop_assume!(all.len() >= size);
        let payload = Payload::of(&chunks);
        let mut train = Train::new(first(&mut payload.clone(), size, &all[..size]), payload, DIFFERING);
        let count = all.len() / size;
        for (place, carried) in all.chunks_exact(size).enumerate() {
            let packet = train.packet().expect("it is not at its end");
            prop_assert_eq!(shown(packet), alone(place, size, carried, place + 1 == count));
            prop_assert_eq!(packet.payload().sum(&mut Work::default()).value(), naive(carried));
            train.advance();
        }
        prop_assert!(train.packet().is_none());
        prop_assert_eq!(train.sent(), count);
    }

    #[test]
    fn a_payload_that_is_split_loses_nothing(
        runs in prop::collection::vec(bytes(40), 0..6),
        cuts in prop::collection::vec(0usize..50, 0..8),
    ) {
        let chunks: Vec<_> = runs.iter().map(|run| Chunk::from_static(forever(run))).collect();
        let (mut left, mut all) = (Payload::of(&chunks), runs.concat());
        for cut in cuts {
            let front = left.split_to(cut);
            let expected: Vec<u8> = all.drain(..cut.min(all.len())).collect();
            prop_assert_eq!(front.parts().map(|part| part.hold().to_vec()).collect::<Vec<_>>().concat(), expected);
            prop_assert_eq!(left.len(), all.len());
        }
        prop_assert_eq!(left.parts().map(|part| part.bytes()).collect::<Vec<_>>().concat(), all);
    }
}

//! `RxPacket` against a `Vec`, and the offsets of `TxPacket`.

use lendwire_nic::{Checksum, Chunk, HEADER_ROOM, INLINE_CHUNKS, Payload, RxPacket, Sum, TooManyChunks, TxPacket};
use proptest::prelude::*;

use crate::memory::{cases, filled, forever, pool, pool_behind};

#[test]
fn an_offload_moves_with_the_headers_in_front_of_it() {
    let mut packet = TxPacket::new(Payload::EMPTY);
    packet.push(20);
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
    packet.push(40);
    packet.push(14);
    assert_eq!(packet.offload.checksum, Checksum::Fill { start: 54, offset: 16 });
    packet.pop(14);
    assert_eq!((packet.offload.checksum, packet.len()), (Checksum::Fill { start: 40, offset: 16 }, 60));
    packet.push(18);
    assert_eq!(packet.offload.checksum, Checksum::Fill { start: 58, offset: 16 });
}

#[test]
fn a_popped_transport_header_takes_its_offload_along() {
    let mut packet = TxPacket::new(Payload::EMPTY);
    packet.push(20);
    packet.offload.checksum = Checksum::Fill { start: 0, offset: 16 };
    packet.push(14);
    packet.pop(34);
    assert_eq!((packet.offload.checksum, packet.len()), (Checksum::Done, 0));
}

#[test]
fn a_popped_header_leaves_zeros_for_the_next() {
    let mut packet = TxPacket::new(Payload::EMPTY);
    packet.push(4).copy_from_slice(b"inner".first_chunk::<4>().unwrap());
    packet.push(3).copy_from_slice(b"out");
    packet.pop(3);
    assert_eq!(packet.push(5), [0; 5]);
    assert_eq!(&packet.header()[5..], b"inne");
    packet.header_mut()[0] = 1;
    assert_eq!(packet.header()[0], 1);
}

#[test]
fn headers_fill_their_room_and_no_more() {
    let payload = [Chunk::from_static(b"xyz")];
    let mut packet = TxPacket::new(Payload::of(&payload));
    assert!(!packet.is_empty() && TxPacket::new(Payload::EMPTY).is_empty());
    packet.push(HEADER_ROOM);
    assert_eq!((packet.len(), packet.payload().len()), (HEADER_ROOM + 3, 3));
    let outgrown = std::panic::catch_unwind(move || packet.push(1).len());
    assert!(outgrown.is_err());
}

#[test]
fn bytes_never_hide_behind_an_empty_chunk() {
    let mut packet = RxPacket::new(Chunk::EMPTY);
    assert!(packet.chunks().is_empty() && packet.first_mut().is_none());
    packet.push(Chunk::from_static(b"gone")).unwrap();
    packet.truncate(0);
    packet.push(Chunk::EMPTY).unwrap();
    packet.push(Chunk::from_static(b"headers")).unwrap();
    assert_eq!((packet.front(), packet.chunks().len()), (&b"headers"[..], 1));
}

#[test]
fn a_packet_in_too_many_chunks_gives_the_last_one_back() {
    let mut packet = RxPacket::new(Chunk::from_static(b"a"));
    for _ in 1..INLINE_CHUNKS {
        packet.push(Chunk::from_static(b"b")).unwrap();
    }
    let TooManyChunks(chunk) = packet.push(Chunk::from_static(b"c")).unwrap_err();
    assert_eq!((&*chunk, packet.len(), packet.chunks().len()), (&b"c"[..], INLINE_CHUNKS, INLINE_CHUNKS));
}

#[test]
fn a_spilled_packet_has_room_for_as_many_chunks_as_the_slot() {
    let (chunks, lists) = (pool(64, 64), pool(2, 2048));
    let mut packet = RxPacket::new(filled(chunks, &[0; 10]));
    for value in 1..INLINE_CHUNKS as u8 {
        packet.push(filled(chunks, &[value; 10])).unwrap();
    }
    packet.advance(15);
    packet.spill(lists.take().unwrap());
    packet.spill(lists.take().expect("the first slot is the packet's"));
    assert_eq!(
        (packet.chunks().len(), packet.len(), lists.available()),
        (INLINE_CHUNKS - 1, 5, 1),
        "one slot is enough"
    );
    for value in INLINE_CHUNKS as u8..64 {
        packet.push(filled(chunks, &[value; 10])).unwrap();
    }
    let shown: Vec<u8> = packet.chunks().iter().map(|chunk| chunk[0]).collect();
    assert_eq!(shown, (1..64).collect::<Vec<_>>());
    packet.push(Chunk::from_static(b"x")).unwrap();
    assert!(packet.push(Chunk::from_static(b"y")).is_err());
    packet.truncate(100);
    assert_eq!((packet.chunks().len(), chunks.available()), (11, 64 - 11));
    assert_eq!(packet.pop().unwrap().len(), 5);
    drop(packet);
    assert_eq!((chunks.available(), lists.available()), (64, 2));
}

#[test]
fn room_is_what_can_be_pushed() {
    let lists = pool(1, 2048);
    let mut packet = RxPacket::new(Chunk::from_static(b"headers"));
    packet.advance(7);
    for spilled in [false, true] {
        if spilled {
            packet.spill(lists.take().unwrap());
        }
        for left in (0..packet.room()).rev() {
            packet.push(Chunk::from_static(b"a")).unwrap();
            assert_eq!(packet.room(), left);
        }
        assert!(packet.push(Chunk::from_static(b"b")).is_err());
    }
    packet.truncate(3);
    assert_eq!(packet.room(), 61);
}

#[test]
fn a_visit_shows_each_chunk_and_keeps_its_sum() {
    let mut packet = RxPacket::new(Chunk::from_static(b"gone"));
    packet.spill(pool(1, 2048).take().unwrap());
    packet.push(Chunk::from_static(b"ab")).unwrap();
    packet.push(Chunk::from_static(b"c")).unwrap();
    packet.advance(4);
    let mut seen = Vec::new();
    packet.visit_chunks(|chunk| {
        seen.push(chunk.to_vec());
        chunk.set_sum(Sum::of(chunk));
    });
    assert_eq!(seen, [b"ab".to_vec(), b"c".to_vec()]);
    assert!(packet.chunks().iter().all(|chunk| chunk.known_sum() == Some(Sum::of(chunk))));
}

#[test]
fn a_list_may_lie_in_a_slot_that_begins_anywhere() {
    for behind in [0, 1, 7, 8, 63] {
        let lists = pool_behind(behind, 1, 512);
        let mut packet = RxPacket::new(Chunk::from_static(b"a"));
        packet.spill(lists.take().unwrap());
        let room = packet.room();
        assert_eq!(room, if behind % 8 == 0 { 15 } else { 14 }, "{behind} bytes behind a cache line");
        for _ in 0..room {
            packet.push(Chunk::from_static(b"b")).unwrap();
        }
        assert!(packet.push(Chunk::from_static(b"c")).is_err());
        assert_eq!((packet.len(), packet.chunks().len()), (1 + room, 1 + room));
    }
}

#[test]
fn a_slot_that_held_a_list_can_be_written_again() {
    let lists = pool(1, 2048);
    let mut packet = RxPacket::new(Chunk::from_static(b"a"));
    packet.spill(lists.take().unwrap());
    drop(packet);
    let mut slot = lists.take().unwrap();
    assert!(slot.bytes_mut().iter().all(|byte| *byte == 0), "no pointer is left in what a device will be given");
}

#[test]
fn a_slot_with_no_more_room_than_inline_is_not_used() {
    let lists = pool(1, 64);
    let mut packet = RxPacket::new(Chunk::from_static(b"a"));
    packet.spill(lists.take().unwrap());
    assert_eq!((packet.front(), lists.available()), (&b"a"[..], 1));
}

#[test]
fn a_packet_frees_what_it_no_longer_shows() {
    let (pool, lists) = (pool(3, 64), pool(1, 2048));
    let mut packet = RxPacket::new(filled(pool, &[1; 10]));
    packet.spill(lists.take().unwrap());
    packet.push(filled(pool, &[2; 10])).unwrap();
    packet.push(filled(pool, &[3; 10])).unwrap();
    assert_eq!(packet.pinned(), 192);
    packet.advance(10);
    assert_eq!((pool.available(), packet.pinned(), packet.front()[0]), (1, 128, 2));
    packet.truncate(10);
    assert_eq!((pool.available(), packet.pinned()), (2, 64));
    packet.first_mut().unwrap().set_sum(Sum::of(&[2; 10]));
    assert_eq!(packet.pop().unwrap().known_sum(), Some(Sum::of(&[2; 10])));
    assert_eq!((pool.available(), packet.len()), (3, 0));
}

#[test]
#[should_panic(expected = "a packet cannot advance beyond its end")]
fn a_packet_does_not_advance_beyond_its_end() {
    RxPacket::new(Chunk::from_static(b"abc")).advance(4);
}

#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Advance(usize),
    Truncate(usize),
    Pop,
    Spill,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 1..20).prop_map(Step::Push),
        2 => any::<usize>().prop_map(Step::Advance),
        2 => any::<usize>().prop_map(Step::Truncate),
        1 => Just(Step::Pop),
        1 => Just(Step::Spill),
    ]
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_packet_shows_what_a_run_would(
        first in prop::collection::vec(any::<u8>(), 1..20),
        steps in prop::collection::vec(step(), 0..20),
    ) {
        let lists = pool(1, 1024);
        let mut packet = RxPacket::new(Chunk::from_static(forever(&first)));
        let mut model = first;
        for step in steps {
            match step {
                Step::Push(bytes) => {
                    if packet.push(Chunk::from_static(forever(&bytes))).is_ok() {
                        model.extend(bytes);
                    }
                }
                Step::Advance(count) => {
                    let count = count % (model.len() + 1);
                    packet.advance(count);
                    model.drain(..count);
                }
                Step::Truncate(len) => {
                    let len = len % (model.len() + 5);
                    packet.truncate(len);
                    model.truncate(len);
                }
                Step::Spill => lists.take().into_iter().for_each(|slot| packet.spill(slot)),
                Step::Pop => {
                    let chunk = packet.pop();
                    prop_assert_eq!(chunk.is_none(), model.is_empty());
                    if let Some(chunk) = chunk {
                        prop_assert_eq!(&*chunk, &model[..chunk.len()]);
                        model.drain(..chunk.len());
                    }
                }
            }
            prop_assert_eq!((packet.len(), packet.is_empty()), (model.len(), model.is_empty()));
            prop_assert_eq!(packet.chunks().concat_bytes(), &model[..]);
            prop_assert_eq!(packet.front().is_empty(), model.is_empty(), "headers are read at the front");
        }
    }
}

trait ConcatBytes {
    fn concat_bytes(&self) -> Vec<u8>;
}

impl ConcatBytes for [Chunk] {
    fn concat_bytes(&self) -> Vec<u8> {
        self.iter().flat_map(|chunk| chunk.to_vec()).collect()
    }
}

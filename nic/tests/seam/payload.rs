//! `Payload`: the parts a driver sees, and what their sums cost.

use lendwire_nic::{Cells, Chunk, Payload, Queue, Sum, Work};
use proptest::prelude::*;

use crate::memory::{bytes, cases, cells, content, filled, forever, naive, pattern, pool, summed};

#[test]
fn stored_sums_cost_nothing() {
    let (mut work, mut whole) = (Work::default(), Chunk::from_static(b"an odd run"));
    let front = whole.split_to_summed(3, &mut work);
    let back = whole.split_to_summed(7, &mut work);
    let (chunks, read) = ([front, Chunk::EMPTY, back], work);
    assert_eq!(Payload::of(&chunks).sum(&mut work), Sum::of(b"an odd run"));
    assert_eq!(work, read);
}

#[test]
fn a_part_of_content_is_looked_up() {
    let (bytes, mut work) = (pattern(3000), Work::default());
    let chunks = [content(&bytes).chunk()];
    let (mut storage, mut queue) = (cells(1), Queue::NEW);
    let mut cells = Cells::new(&mut storage);
    let [chunk] = chunks;
    let cell = cells.push_back(&mut queue, chunk).unwrap();
    let payload = Payload::of_queue(cells.storage(), cell, 1025);
    assert_eq!(payload.sum(&mut work).value(), naive(&bytes[..1025]));
    assert_eq!(work, summed(1));
}

#[test]
fn a_part_of_a_summed_chunk_reads_the_shorter_side() {
    let mut chunk = Chunk::from_static(b"an odd run");
    chunk.set_sum(Sum::of(b"an odd run"));
    let (mut storage, mut queue) = (cells(1), Queue::NEW);
    let mut cells = Cells::new(&mut storage);
    let cell = cells.push_back(&mut queue, chunk).unwrap();
    for (len, read) in [(0, 0), (3, 3), (5, 5), (7, 3), (9, 1), (10, 0)] {
        let mut work = Work::default();
        let sum = Payload::of_queue(cells.storage(), cell, len).sum(&mut work);
        assert_eq!((sum, work), (Sum::of(&b"an odd run"[..len]), summed(read)), "{len} bytes");
    }
}

#[test]
fn a_held_part_outlives_its_queue() {
    let pool = pool(1, 64);
    let chunks = vec![filled(pool, b"abcdef")];
    let held: Vec<_> = Payload::of(&chunks).parts().map(|part| part.hold()).collect();
    drop(chunks);
    assert_eq!((&*held[0], pool.available()), (&b"abcdef"[..], 0));
    drop(held);
    assert_eq!(pool.available(), 1);
}

#[test]
fn no_payload_has_no_parts() {
    assert!(Payload::EMPTY.is_empty());
    assert_eq!(Payload::EMPTY.parts().count(), 0);
    assert_eq!(Payload::of(&[Chunk::EMPTY, Chunk::EMPTY]).parts().count(), 0);
    assert_eq!(Payload::EMPTY.sum(&mut Work::default()), Sum::ZERO);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn parts_are_the_bytes_in_order(runs in prop::collection::vec(bytes(40), 0..6), len in any::<prop::sample::Index>()) {
        let chunks: Vec<_> = runs.iter().map(|run| Chunk::from_static(forever(run))).collect();
        let all = runs.concat();
        let payload = Payload::of(&chunks);
        prop_assert_eq!(payload.len(), all.len());
        prop_assert_eq!(payload.parts().map(|part| part.bytes()).collect::<Vec<_>>().concat(), &all[..]);
        prop_assert!(payload.parts().all(|part| !part.bytes().is_empty()));

        let (mut storage, mut queue) = (cells(6), Queue::NEW);
        let mut cells = Cells::new(&mut storage);
        for chunk in chunks {
            cells.push_back(&mut queue, chunk).unwrap();
        }
        let Some(first) = queue.first() else { return Ok(()) };
        let len = len.index(all.len() + 1);
        let (payload, mut work) = (Payload::of_queue(cells.storage(), first, len), Work::default());
        prop_assert_eq!(payload.parts().map(|part| part.bytes()).collect::<Vec<_>>().concat(), &all[..len]);
        prop_assert!(payload.parts().all(|part| *part.hold() == *part.bytes()));
        prop_assert_eq!(payload.sum(&mut work).value(), naive(&all[..len]));
        prop_assert_eq!(work, summed(len), "nothing is known of these, so each byte is read once");
    }
}

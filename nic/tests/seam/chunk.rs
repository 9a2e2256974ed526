//! `Chunk` and `ChunkMut`: views, their sums, and what they keep.

use lendwire_nic::{Chunk, Sum, Work};
use proptest::prelude::*;

use crate::memory::{bytes, cases, content, filled, forever, naive, pattern, pool, summed};

#[test]
fn an_empty_view_holds_no_slot() {
    let pool = pool(1, 64);
    let full = || filled(pool, b"abc");
    let empty: [fn(Chunk) -> Chunk; 5] = [
        |chunk| chunk.slice(1..1),
        |mut chunk| {
            chunk.advance(3);
            chunk
        },
        |mut chunk| {
            chunk.truncate(0);
            chunk
        },
        |mut chunk| chunk.split_to(0),
        |mut chunk| {
            drop(chunk.split_to(3));
            chunk
        },
    ];
    for (way, empty) in empty.into_iter().enumerate() {
        let chunk = empty(full());
        assert_eq!((chunk.len(), chunk.pinned(), pool.available()), (0, 0, 1), "way {way}");
    }
}

#[test]
fn a_slot_is_held_until_the_last_view_goes() {
    let pool = pool(1, 64);
    let chunk = filled(pool, b"abcdef");
    assert_eq!(chunk.pinned(), 64);
    let (copy, slice) = (chunk.clone(), chunk.slice(2..4));
    drop(chunk);
    assert_eq!((pool.available(), &*copy, &*slice), (0, &b"abcdef"[..], &b"cd"[..]));
    drop(copy);
    assert_eq!((pool.available(), &*slice), (0, &b"cd"[..]));
    drop(slice);
    assert_eq!(pool.available(), 1);
}

#[test]
fn moving_a_chunk_out_of_its_place_drops_nothing() {
    let pool = pool(2, 64);
    let mut place = filled(pool, b"first");
    let first = std::mem::replace(&mut place, filled(pool, b"second"));
    assert_eq!((pool.available(), &*first, &*place), (0, &b"first"[..], &b"second"[..]));
    let second = std::mem::take(&mut place);
    assert_eq!((pool.available(), place.len()), (0, 0));
    drop(first);
    drop(second);
    assert_eq!(pool.available(), 2);
}

#[test]
fn a_whole_slice_keeps_the_sum_and_a_part_does_not() {
    let mut work = Work::default();
    let mut chunk = Chunk::from_static(b"abcd");
    let sum = chunk.sum(&mut work);
    assert_eq!(chunk.slice(0..4).known_sum(), Some(sum));
    assert_eq!(chunk.slice(0..3).known_sum(), None);
    assert_eq!(chunk.slice(1..4).known_sum(), None);
    assert_eq!(chunk.sum(&mut work), sum);
    assert_eq!(work, summed(4), "read once, kept from then on");
}

#[test]
fn chunks_of_two_slots_do_not_join_though_they_touch() {
    let pool = pool(2, 64);
    let (mut low, mut high) = (filled(pool, &[1; 64]), filled(pool, &[2; 64]));
    if low.as_ptr() > high.as_ptr() {
        std::mem::swap(&mut low, &mut high);
    }
    assert_eq!(low.as_ptr_range().end, high.as_ptr_range().start);
    let high = low.join(high).expect_err("two slots are freed apart");
    assert_eq!((low.len(), high.len()), (64, 64));
}

#[test]
fn static_chunks_never_join() {
    let mut whole = Chunk::from_static(b"abcdef");
    let mut front = whole.split_to(3);
    assert_eq!(&*front.join(whole).unwrap_err(), b"def");
}

#[test]
fn neighbours_in_a_slot_join_and_are_counted_once() {
    let (pool, mut work) = (pool(1, 64), Work::default());
    let mut slot = pool.take().unwrap();
    let mut front = slot.write(b"abc", &mut work);
    let back = slot.write(b"defg", &mut work);
    drop(slot);
    let gap = back.slice(1..4);
    let gap = front.join(gap).expect_err("a byte lies between");
    front.join(back).unwrap();
    assert_eq!((&*front, front.known_sum()), (&b"abcdefg"[..], Some(Sum::of(b"abcdefg"))));
    drop(gap);
    assert_eq!((pool.available(), work.summed), (0, 0));
    drop(front);
    assert_eq!(pool.available(), 1);
}

#[test]
fn joining_to_bytes_without_a_sum_forgets_the_sum() {
    let pool = pool(1, 64);
    let mut slot = pool.take().unwrap();
    let mut front = slot.freeze_front(3);
    let back = slot.write(b"defg", &mut Work::default());
    front.join(back).unwrap();
    assert_eq!(front.known_sum(), None);
}

#[test]
fn a_writer_and_its_frozen_fronts_cover_disjoint_bytes() {
    let (pool, mut work) = (pool(1, 64), Work::default());
    let mut slot = pool.take().unwrap();
    let start = slot.pointer();
    slot.bytes_mut()[..3].copy_from_slice(b"abc");
    let front = slot.freeze_front(2);
    assert_eq!((slot.room(), slot.bytes_mut()[0]), (62, b'c'));
    assert_eq!(front.as_ptr(), start.as_ptr().cast_const());
    let copied = slot.write(b"xyz", &mut work);
    assert_eq!((&*front, &*copied, slot.room()), (&b"ab"[..], &b"xyz"[..], 59));
    assert_eq!((copied.known_sum(), work), (Some(Sum::of(b"xyz")), Work { copied: 3, ..Work::default() }));
    drop(slot);
    drop(front);
    assert_eq!((pool.available(), &*copied), (0, &b"xyz"[..]));
    drop(copied);
    assert_eq!(pool.available(), 1);
}

#[test]
fn a_copy_without_a_sum_is_summed_when_somebody_asks() {
    let pool = pool(1, 64);
    let (mut slot, mut work) = (pool.take().unwrap(), Work::default());
    let mut copied = slot.copy(&pattern(65), &mut work);
    assert_eq!((&copied[..], slot.room(), work), (&pattern(64)[..], 0, Work { copied: 64, ..Work::default() }));
    assert_eq!((copied.known_sum(), copied.sum(&mut work), work.summed), (None, Sum::of(&pattern(64)), 64));
}

#[test]
fn a_writer_takes_what_fits() {
    let (pool, mut work) = (pool(1, 64), Work::default());
    let mut slot = pool.take().unwrap();
    assert_eq!((slot.write(&pattern(65), &mut work).len(), slot.room(), work.copied), (64, 0, 64));
    let nothing = slot.write(b"more", &mut work);
    assert_eq!((nothing.len(), nothing.pinned(), work.copied), (0, 0, 64));
}

#[test]
fn freezing_moves_the_count_or_gives_the_slot_back() {
    let pool = pool(1, 64);
    drop(pool.take().unwrap().freeze(0));
    assert_eq!(pool.available(), 1);
    let chunk = pool.take().unwrap().freeze(64);
    assert_eq!((pool.available(), chunk.len()), (0, 64));
    drop(chunk);
    assert_eq!(pool.available(), 1);
}

#[test]
#[should_panic(expected = "only bytes that are there can be frozen")]
fn a_writer_freezes_no_byte_beyond_its_slot() {
    let _ = pool(2, 64).take().unwrap().freeze(65);
}

#[test]
#[should_panic(expected = "the range lies in the chunk")]
fn a_slice_lies_in_its_chunk() {
    let _ = Chunk::from_static(b"abc").slice(2..4);
}

#[test]
#[should_panic(expected = "a view cannot advance beyond its end")]
fn a_view_does_not_advance_beyond_its_end() {
    Chunk::from_static(b"abc").advance(4);
}

#[test]
fn what_a_chunk_prints_says_where_it_lives() {
    let chunks = [Chunk::from_static(b"abc"), content(b"abc").chunk(), filled(pool(1, 64), b"abc")];
    for (chunk, home) in chunks.iter().zip(["static", "content", "slot"]) {
        assert_eq!(format!("{chunk:?}"), format!("Chunk(3 bytes, {home}, None)"));
    }
}

/// Where the bytes of a test live.
#[derive(Clone, Copy, Debug)]
enum Home {
    Static,
    Slot,
    Content,
}

fn home() -> impl Strategy<Value = Home> {
    prop::sample::select(vec![Home::Static, Home::Slot, Home::Content])
}

fn chunk(home: Home, bytes: &[u8]) -> Chunk {
    match home {
        Home::Static => Chunk::from_static(forever(bytes)),
        Home::Slot => filled(pool(1, bytes.len().next_power_of_two().max(64)), bytes),
        Home::Content => content(bytes).chunk(),
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_view_shows_what_a_slice_would(
        home in home(),
        bytes in bytes(300),
        cuts in prop::collection::vec((0..4, any::<prop::sample::Index>()), 0..8),
    ) {
        let (mut view, mut model) = (chunk(home, &bytes), &bytes[..]);
        for (kind, at) in cuts {
            let at = at.index(model.len() + 1);
            match kind {
                0 => {
                    view.advance(at);
                    model = &model[at..];
                }
                1 => {
                    view.truncate(at);
                    model = &model[..at];
                }
                2 => {
                    prop_assert_eq!(&*view.split_to(at), &model[..at]);
                    model = &model[at..];
                }
                _ => {
                    view = view.slice(at / 2..at);
                    model = &model[at / 2..at];
                }
            }
            prop_assert_eq!(&*view, model);
            // Both zeros are right: content finds a sum by subtracting.
            prop_assert_eq!(view.sum_now(&mut Work::default()).value() % 0xffff, naive(model) % 0xffff);
        }
    }

    #[test]
    fn a_summed_split_reads_the_shorter_side_only(
        is_slot: bool,
        bytes in bytes(300),
        at in any::<prop::sample::Index>(),
        is_known: bool,
    ) {
        let mut back = chunk(if is_slot { Home::Slot } else { Home::Static }, &bytes);
        if is_known {
            back.set_sum(Sum::of(&bytes));
        }
        let (at, mut work) = (at.index(bytes.len() + 1), Work::default());
        let front = back.split_to_summed(at, &mut work);
        prop_assert_eq!(work, summed(if is_known { at.min(bytes.len() - at) } else { at }));
        prop_assert_eq!(front.known_sum(), Some(Sum::of(&bytes[..at])));
        prop_assert_eq!((&*front, &*back), bytes.split_at(at));
        if is_known {
            prop_assert_eq!(back.known_sum(), Some(Sum::of(&bytes[at..])));
            prop_assert_eq!(front.sum_now(&mut work).then(back.sum_now(&mut work)), Sum::of(&bytes));
        }
    }
}

//! `Content`: sums that are kept, and how little is read to complete them.

use lendwire_nic::{Content, Mark, Sum, Work};
use proptest::prelude::*;

use crate::memory::{bytes, cases, content, forever, naive, pattern, summed};

const BLOCK: usize = Content::BLOCK;

#[test]
#[cfg_attr(miri, ignore = "what refused content was given is leaked")]
fn too_few_marks_are_refused() {
    let bytes = forever(&pattern(2 * BLOCK));
    let marks = Vec::leak((0..2).map(|_| Mark::new()).collect());
    assert!(Content::new(bytes, marks).is_none());
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic over kilobytes: nothing for an interpreter to find")]
fn whole_blocks_are_never_read() {
    let bytes = pattern(4 * BLOCK);
    let (chunk, mut work) = (content(&bytes).chunk(), Work::default());
    for range in [0..0, 0..BLOCK, BLOCK..3 * BLOCK, 0..4 * BLOCK, 3 * BLOCK..4 * BLOCK] {
        assert_eq!(chunk.slice(range.clone()).sum_now(&mut work).value(), naive(&bytes[range]));
    }
    assert_eq!(work, Work::default());
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic over kilobytes: nothing for an interpreter to find")]
fn a_cut_reads_the_nearer_end_of_its_block() {
    let chunk = content(&pattern(4 * BLOCK)).chunk();
    let cuts = [
        (1, 1),
        (BLOCK / 2, BLOCK / 2),
        (2 * BLOCK - 1, 1),
        (BLOCK + BLOCK / 2 + 1, BLOCK / 2 - 1),
        // The last block is whole, so its end is known as well.
        (4 * BLOCK - 3, 3),
    ];
    for (cut, read) in cuts {
        let mut work = Work::default();
        let _ = chunk.slice(0..cut).sum_now(&mut work);
        assert_eq!(work, summed(read), "a cut at {cut}");
    }
}

#[test]
fn a_summed_split_looks_up_what_is_kept() {
    let bytes = pattern(3 * BLOCK);
    let mut work = Work::default();
    let mut back = content(&bytes).chunk();
    let front = back.split_to_summed(BLOCK, &mut work);
    assert_eq!((front.known_sum(), work), (Some(Sum::of(&bytes[..BLOCK])), Work::default()));
    assert_eq!(&*back, &bytes[BLOCK..]);
}

#[test]
#[cfg_attr(miri, ignore = "arithmetic over kilobytes: nothing for an interpreter to find")]
fn a_fourth_cut_in_a_block_replaces_an_older_one() {
    let bytes = pattern(2 * BLOCK);
    let chunk = content(&bytes).chunk();
    for cut in [100, 200, 301, 401, 100, 503, 200, 401, 401] {
        assert_eq!(chunk.slice(0..cut).sum_now(&mut Work::default()).value(), naive(&bytes[..cut]), "a cut at {cut}");
    }
    let mut work = Work::default();
    let _ = chunk.slice(0..401).sum_now(&mut work);
    assert_eq!(work, Work::default(), "the newest cut is kept");
}

#[test]
fn racing_readers_agree() {
    let bytes = pattern(BLOCK + 77);
    let content = content(&bytes);
    let cuts = if cfg!(miri) { 5 } else { 2000 };
    std::thread::scope(|scope| {
        for thread in 0..3 {
            let bytes = &bytes;
            scope.spawn(move || {
                for step in 0..cuts {
                    let cut = (step * 37 + thread * 11) % bytes.len();
                    let sum = content.chunk().slice(0..cut).sum_now(&mut Work::default());
                    assert_eq!(sum.value(), naive(&bytes[..cut]), "a cut at {cut}");
                }
            });
        }
    });
}

/// Places to cut `len` bytes, at most three to a block, in order.
fn cuts(len: usize, raw: &[prop::sample::Index]) -> Vec<usize> {
    let mut cuts: Vec<_> = raw.iter().map(|index| index.index(len + 1)).collect();
    cuts.sort_unstable();
    cuts.dedup();
    let mut kept = Vec::new();
    for cut in cuts {
        let in_block = kept.iter().filter(|&&other| other / BLOCK == cut / BLOCK).count();
        if in_block < 3 {
            kept.push(cut);
        }
    }
    kept
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    #[cfg_attr(miri, ignore = "arithmetic over kilobytes: nothing for an interpreter to find")]
    fn cuts_are_summed_right_from_half_a_block_and_free_the_second_time(
        seed in bytes(100),
        len in 0..9 * BLOCK,
        raw in prop::collection::vec(any::<prop::sample::Index>(), 0..30),
    ) {
        let bytes: Vec<u8> = seed.iter().copied().chain([1, 0, 0xff]).cycle().take(len).collect();
        let chunk = content(&bytes).chunk();
        let cuts = cuts(len, &raw);
        for is_first in [true, false] {
            let mut start = 0;
            for &cut in &cuts {
                let mut work = Work::default();
                let sum = chunk.slice(start..cut).sum_now(&mut work);
                prop_assert_eq!(sum.value() % 0xffff, naive(&bytes[start..cut]) % 0xffff);
                prop_assert_eq!(sum.is_odd(), (cut - start) % 2 == 1);
                // What is behind the last whole block has only one end that is known.
                let limit = if cut >= len - len % BLOCK { BLOCK } else { BLOCK / 2 };
                prop_assert!(work.summed as usize <= if is_first { limit } else { 0 }, "{} bytes read", work.summed);
                start = cut;
            }
        }
    }
}

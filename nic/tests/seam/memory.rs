//! Storage for tests: everything lives for ever, and a static knows it, so that a leak checker is content.

use std::any::Any;
use std::sync::Mutex;

use lendwire_nic::{Cell, Chunk, Content, Mark, Pool, Work};
use proptest::prelude::*;
use proptest::test_runner::Config;

static KEPT: Mutex<Vec<&'static (dyn Any + Send + Sync)>> = Mutex::new(Vec::new());

fn keep<T: Any + Send + Sync>(value: T) -> &'static T {
    let kept = Box::leak(Box::new(value));
    KEPT.lock().unwrap_or_else(|poisoned| poisoned.into_inner()).push(kept);
    kept
}

fn keep_slice<T: Send + 'static>(values: Vec<T>) -> &'static mut [T] {
    Vec::leak(values)
}

/// A pool of its own for each test. Its slots begin where a cache line does.
#[track_caller]
pub(crate) fn pool(slots: usize, slot_size: usize) -> &'static Pool {
    pool_behind(0, slots, slot_size)
}

/// The same with its first slot `behind` bytes behind the start of a cache line.
#[track_caller]
pub(crate) fn pool_behind(behind: usize, slots: usize, slot_size: usize) -> &'static Pool {
    let words = (0..Pool::words(slots)).map(|_| Default::default()).collect();
    let bytes = keep_slice(vec![0; slots * slot_size + 128]);
    let start = bytes.as_ptr().align_offset(64) + behind;
    keep(Pool::new(&mut bytes[start..][..slots * slot_size], slot_size, keep_slice(words)).unwrap())
}

/// Content that holds `bytes`.
#[track_caller]
pub(crate) fn content(bytes: &[u8]) -> &'static Content {
    let marks = (0..Content::marks(bytes.len())).map(|_| Mark::new()).collect();
    keep(Content::new(forever(bytes), keep_slice(marks)).unwrap())
}

/// A static copy of `bytes`.
pub(crate) fn forever(bytes: &[u8]) -> &'static [u8] {
    keep(bytes.to_vec())
}

/// Cells for an arena.
pub(crate) fn cells(count: usize) -> Vec<Cell> {
    (0..count).map(|_| Cell::NEW).collect()
}

/// A chunk of `bytes` in a slot of `pool`, without a sum.
#[track_caller]
pub(crate) fn filled(pool: &'static Pool, bytes: &[u8]) -> Chunk {
    let mut slot = pool.take().expect("the pool has a slot for the test");
    slot.bytes_mut()[..bytes.len()].copy_from_slice(bytes);
    slot.freeze(bytes.len())
}

/// The sum as RFC 1071 §1 tells it: word by word, every carry at once.
pub(crate) fn naive(bytes: &[u8]) -> u16 {
    bytes.chunks(2).fold(0, |sum: u16, pair| {
        let word = u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]);
        let (sum, carry) = sum.overflowing_add(word);
        sum + u16::from(carry)
    })
}

/// Bytes that differ from their neighbours.
pub(crate) fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|index| (index * 151 + index / 251 * 7 + 3) as u8).collect()
}

/// A `Work` that only summed.
pub(crate) fn summed(summed: usize) -> Work {
    Work { summed: summed as u64, ..Work::default() }
}

/// How often a property is tried: an interpreter is a thousand times slower, and has no files to keep failures in.
pub(crate) fn cases() -> Config {
    Config { cases: if cfg!(miri) { 3 } else { 256 }, failure_persistence: None, ..Config::default() }
}

/// Runs of up to `max` bytes, fewer under an interpreter; often of zeros or ones, where sums carry or vanish.
pub(crate) fn bytes(max: usize) -> impl Strategy<Value = Vec<u8>> {
    let max = if cfg!(miri) { max.min(50) } else { max };
    prop_oneof![
        4 => prop::collection::vec(any::<u8>(), 0..=max),
        1 => prop::collection::vec(prop::sample::select(vec![0u8, 0xff]), 0..=max),
        1 => (any::<u8>(), 0..=max).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

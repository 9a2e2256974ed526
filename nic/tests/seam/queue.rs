//! `Cells` and `Queue` against a `VecDeque` of `Vec`s.

use std::collections::VecDeque;

use lendwire_nic::{Cells, Chunk, ChunkMut, Payload, Pool, Queue, Work};
use proptest::prelude::*;

use crate::memory::{cases, cells, forever, naive, pool};

#[test]
fn an_arena_that_is_used_up_gives_the_chunk_back() {
    let (mut storage, mut queue) = (cells(2), Queue::NEW);
    let mut cells = Cells::new(&mut storage);
    let first = cells.push_back(&mut queue, Chunk::from_static(b"a")).unwrap();
    cells.push_back(&mut queue, Chunk::from_static(b"b")).unwrap();
    assert_eq!(&*cells.push_back(&mut queue, Chunk::from_static(b"c")).unwrap_err().0, b"c");
    assert_eq!(&*cells.insert_after(&mut queue, first, Chunk::from_static(b"d")).unwrap_err().0, b"d");
    assert!(!cells.split(&mut queue, first, 1, |_| unreachable!("nothing is cut without a cell")));
    assert_eq!((queue.len(), queue.bytes(), cells.available()), (2, 2, 0));
}

#[test]
fn an_arena_of_no_cells_is_full() {
    let mut queue = Queue::NEW;
    assert!(Cells::new(&mut []).push_back(&mut queue, Chunk::from_static(b"a")).is_err());
    assert!(queue.is_empty());
}

#[test]
#[cfg_attr(miri, ignore = "4096 chunks of a mebibyte, of which no byte is read, add nothing under an interpreter")]
fn a_queue_does_not_lose_count_at_four_gibibytes() {
    static MEBIBYTE: [u8; 1 << 20] = [0; 1 << 20];
    let (mut storage, mut queue) = (cells(4098), Queue::NEW);
    let mut cells = Cells::new(&mut storage);
    for _ in 0..4095 {
        cells.push_back(&mut queue, Chunk::from_static(&MEBIBYTE)).unwrap();
    }
    let last = queue.last().unwrap();
    assert!(cells.push_back(&mut queue, Chunk::from_static(&MEBIBYTE)).is_err());
    assert!(cells.insert_after(&mut queue, last, Chunk::from_static(&MEBIBYTE)).is_err());
    assert_eq!((queue.bytes(), queue.len(), cells.available()), (4095 << 20, 4095, 3));
    assert!(cells.split(&mut queue, last, 1, |chunk| chunk.split_to(1)), "which adds no byte");
    cells.clear(&mut queue);
    assert_eq!((queue.bytes(), cells.available()), (0, 4098));
}

#[test]
fn clearing_a_queue_frees_its_slots() {
    let pool = pool(2, 64);
    let (mut storage, mut queue) = (cells(4), Queue::NEW);
    let mut cells = Cells::new(&mut storage);
    for _ in 0..2 {
        cells.push_back(&mut queue, pool.take().unwrap().freeze(9)).unwrap();
    }
    cells.advance(&mut queue, 9);
    assert_eq!(pool.available(), 1);
    cells.clear(&mut queue);
    assert_eq!((pool.available(), cells.available(), queue.bytes(), queue.first()), (2, 4, 0, None));
}

#[test]
#[should_panic(expected = "a queue cannot advance beyond its end")]
fn a_queue_does_not_advance_beyond_its_end() {
    let (mut storage, mut queue) = (cells(1), Queue::NEW);
    Cells::new(&mut storage).advance(&mut queue, 1);
}

const CELLS: usize = 12;

/// What is done to one of two queues; numbers choose a place.
#[derive(Clone, Debug)]
enum Step {
    Push(Vec<u8>),
    Write(usize),
    InsertAfter(usize, Vec<u8>),
    Pop,
    Advance(usize),
    Split(usize, usize),
    Clear,
}

fn step() -> impl Strategy<Value = Step> {
    let bytes = || prop::collection::vec(any::<u8>(), 1..20);
    prop_oneof![
        4 => bytes().prop_map(Step::Push),
        4 => (1..20usize).prop_map(Step::Write),
        3 => (any::<usize>(), bytes()).prop_map(|(after, bytes)| Step::InsertAfter(after, bytes)),
        2 => Just(Step::Pop),
        3 => any::<usize>().prop_map(Step::Advance),
        4 => (any::<usize>(), any::<usize>()).prop_map(|(which, at)| Step::Split(which, at)),
        1 => Just(Step::Clear),
    ]
}

struct Model {
    queue: Queue,
    chunks: VecDeque<Vec<u8>>,
}

impl Model {
    fn bytes(&self) -> usize {
        self.chunks.iter().map(Vec::len).sum()
    }

    fn cell(&self, cells: &Cells<'_>, place: usize) -> u32 {
        let mut cell = self.queue.first().unwrap();
        for _ in 0..place {
            cell = cells.next(cell).unwrap();
        }
        cell
    }

    fn run(&mut self, step: Step, cells: &mut Cells<'_>, writer: &mut Writer) {
        let is_full = cells.available() == 0;
        match step {
            Step::Push(bytes) => {
                let pushed = cells.push_back(&mut self.queue, Chunk::from_static(forever(&bytes)));
                assert_eq!(pushed.is_err(), is_full);
                if let Ok(cell) = pushed {
                    assert_eq!(self.queue.last(), Some(cell));
                    self.chunks.push_back(bytes);
                }
            }
            Step::Write(count) => {
                let (chunk, bytes) = writer.write(count);
                let follows = self.queue.last().is_some_and(|last| {
                    let last = cells.chunk(last);
                    last.pinned() > 0 && last.as_ptr_range().end == chunk.as_ptr() && !writer.is_new
                });
                match cells.join(&mut self.queue, chunk) {
                    Ok(()) => {
                        assert!(follows);
                        self.chunks.back_mut().unwrap().extend(bytes);
                    }
                    Err(chunk) => {
                        assert!(!follows);
                        if cells.push_back(&mut self.queue, chunk).is_ok() {
                            self.chunks.push_back(bytes);
                        } else {
                            assert!(is_full);
                        }
                    }
                }
            }
            Step::InsertAfter(after, bytes) => {
                let Some(after) = after.checked_rem(self.chunks.len()) else { return };
                let cell = self.cell(cells, after);
                let chunk = Chunk::from_static(forever(&bytes));
                let inserted = cells.insert_after(&mut self.queue, cell, chunk);
                assert_eq!(inserted.is_err(), is_full);
                if inserted.is_ok() {
                    self.chunks.insert(after + 1, bytes);
                }
            }
            Step::Pop => {
                let (chunk, bytes) = (cells.pop_front(&mut self.queue), self.chunks.pop_front());
                assert_eq!(chunk.as_deref(), bytes.as_deref());
            }
            Step::Advance(count) => {
                let mut count = count % (self.bytes() + 1);
                cells.advance(&mut self.queue, count);
                while count > 0 {
                    let first = &mut self.chunks[0];
                    let gone = count.min(first.len());
                    first.drain(..gone);
                    if first.is_empty() {
                        self.chunks.pop_front();
                    }
                    count -= gone;
                }
            }
            Step::Split(which, at) => {
                let Some(which) = which.checked_rem(self.chunks.len()) else { return };
                if self.chunks[which].len() < 2 {
                    return;
                }
                let at = at % (self.chunks[which].len() - 1) + 1;
                let cell = self.cell(cells, which);
                let cut = |chunk: &mut Chunk| chunk.split_to_summed(at, &mut Work::default());
                assert_eq!(cells.split(&mut self.queue, cell, at, cut), !is_full);
                if !is_full {
                    let rest = self.chunks[which].split_off(at);
                    self.chunks.insert(which + 1, rest);
                }
            }
            Step::Clear => {
                cells.clear(&mut self.queue);
                self.chunks.clear();
            }
        }
    }

    fn check(&self, cells: &Cells<'_>) {
        assert_eq!((self.queue.bytes(), self.queue.len()), (self.bytes(), self.chunks.len()));
        assert_eq!(self.queue.is_empty(), self.chunks.is_empty());
        let mut at = self.queue.first();
        let mut last = None;
        for bytes in &self.chunks {
            let cell = at.expect("the queue is as long as the model");
            assert_eq!(&**cells.chunk(cell), &bytes[..]);
            (at, last) = (cells.next(cell), Some(cell));
        }
        assert_eq!((at, self.queue.last()), (None, last));
        let Some(first) = self.queue.first() else { return };
        let bytes: Vec<u8> = self.chunks.iter().flatten().copied().collect();
        for len in [0, 1, bytes.len() / 2, bytes.len()] {
            let payload = Payload::of_queue(cells.storage(), first, len);
            let seen: Vec<u8> = payload.parts().flat_map(|part| part.bytes().to_vec()).collect();
            assert_eq!(seen, bytes[..len]);
            assert_eq!(payload.sum(&mut Work::default()).value() % 0xffff, naive(&bytes[..len]) % 0xffff);
        }
    }
}

/// Writes runs that follow on each other in a slot, until it is full.
struct Writer {
    pool: &'static Pool,
    slot: ChunkMut,
    /// Whether the last run began a slot.
    is_new: bool,
    stamp: u8,
}

impl Writer {
    fn write(&mut self, count: usize) -> (Chunk, Vec<u8>) {
        self.is_new = self.slot.room() < count;
        if self.is_new {
            self.slot = self.pool.take().expect("no more slots can be held than there are cells");
        }
        self.stamp = self.stamp.wrapping_add(1);
        let bytes = vec![self.stamp; count];
        (self.slot.write(&bytes, &mut Work::default()), bytes)
    }
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn queues_hold_what_deques_would(
        steps in prop::collection::vec((0..2usize, step()), 0..if cfg!(miri) { 12 } else { 200 }),
    ) {
        let pool = pool(CELLS + 2, 64);
        let (mut storage, mut slot) = (cells(CELLS), Some(pool.take().unwrap()));
        let mut cells = Cells::new(&mut storage);
        let mut models = [const { Model { queue: Queue::NEW, chunks: VecDeque::new() } }; 2];
        let mut writer = Writer { pool, slot: slot.take().unwrap(), is_new: true, stamp: 0 };
        for (which, step) in steps {
            models[which].run(step, &mut cells, &mut writer);
            models.iter().for_each(|model| model.check(&cells));
            let used: usize = models.iter().map(|model| model.queue.len()).sum();
            prop_assert_eq!(cells.available() + used, CELLS, "every cell is on one list");
        }
        for model in &mut models {
            cells.clear(&mut model.queue);
        }
        drop(writer);
        prop_assert_eq!((cells.available(), pool.available()), (CELLS, pool.slots()));
    }
}

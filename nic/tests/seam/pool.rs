//! `Pool`: every slot that is taken comes back, once.

use std::collections::HashSet;

use lendwire_nic::{Chunk, ChunkMut, Pool, PoolError};
use proptest::prelude::*;

use crate::memory::{cases, filled, pool};

#[track_caller]
fn refused(bytes: usize, slot_size: usize, words: usize) -> PoolError {
    // A static needs no leak, and a pool that is refused writes nothing.
    assert!(bytes <= 256 && words <= 8);
    let words = Vec::leak((0..words).map(|_| Default::default()).collect());
    Pool::new(Vec::leak(vec![0; bytes]), slot_size, words).expect_err("this cannot be a pool")
}

#[test]
#[cfg_attr(miri, ignore = "what a refused pool was given is leaked")]
fn a_pool_is_refused_with_a_reason() {
    assert_eq!(refused(256, 32, 8), PoolError::SlotSize);
    assert_eq!(refused(256, 96, 8), PoolError::SlotSize);
    #[cfg(target_pointer_width = "64")]
    assert_eq!(refused(256, 1 << 32, 8), PoolError::SlotSize);
    assert_eq!(refused(63, 64, 8), PoolError::Slots);
    assert_eq!(refused(256, 64, 4), PoolError::Words);
}

#[test]
fn a_pool_that_is_used_up_says_so_and_recovers() {
    let pool = pool(33, 64);
    let mut taken: Vec<_> = (0..33).map(|_| pool.take().unwrap()).collect();
    assert!(pool.take().is_none());
    assert_eq!((pool.available(), pool.slots()), (0, 33));
    let slots: HashSet<_> = taken.iter().map(ChunkMut::pointer).collect();
    assert_eq!(slots.len(), 33, "no slot is given out twice");
    let last = taken.pop().unwrap().pointer();
    assert_eq!(pool.take().map(|slot| slot.pointer()), Some(last));
    drop(taken);
    assert_eq!(pool.available(), 33);
}

#[test]
fn whether_there_are_so_many_is_known_from_wherever_counting_begins() {
    let pool = pool(100, 64);
    let mut taken = Vec::new();
    for free in (0..=100).rev() {
        for asked in 0..=101 {
            assert_eq!(pool.has(asked), asked <= free, "{asked} of {free}");
        }
        taken.extend(pool.take());
    }
    // The hint moves to where a slot came back last.
    for slot in [70, 3, 40] {
        drop(taken.remove(slot));
    }
    assert!(pool.has(3) && !pool.has(4));
}

#[test]
fn slots_lie_side_by_side_in_the_memory_that_was_given() {
    let pool = pool(5, 128);
    let (start, len) = pool.memory();
    assert_eq!((len, pool.slot_size()), (640, 128));
    let mut places: Vec<_> = (0..5).map(|_| pool.take().unwrap()).map(|slot| slot.pointer()).collect();
    places.sort_unstable();
    places.dedup();
    for place in places {
        let offset = place.addr().get() - start.addr().get();
        assert!(offset.is_multiple_of(128) && offset < 640);
    }
}

#[cfg(feature = "alloc")]
#[test]
#[cfg_attr(miri, ignore = "a leaked pool is a leak")]
fn a_leaked_pool_starts_on_a_page() {
    let pool = Pool::leaked(3, 2048).unwrap();
    assert_eq!(pool.memory().0.addr().get() % 4096, 0);
    assert_eq!((pool.available(), pool.take().unwrap().room()), (3, 2048));
}

#[test]
fn slots_dropped_on_other_cores_come_back() {
    let pool = pool(8, 64);
    let rounds = if cfg!(miri) { 10 } else { 5000 };
    std::thread::scope(|scope| {
        for thread in 0..3u8 {
            scope.spawn(move || {
                for round in 0..rounds {
                    let Some(mut slot) = pool.take() else { continue };
                    slot.bytes_mut().fill(thread);
                    let front = slot.freeze_front(round % 63 + 1);
                    let copy = front.clone();
                    drop((slot, front));
                    assert!(copy.iter().all(|&byte| byte == thread), "a slot has one writer");
                }
            });
        }
    });
    assert_eq!(pool.available(), 8);
}

const SLOTS: usize = 5;
const SLOT_SIZE: usize = 64;

/// What is done to a pool; numbers choose among what is held.
#[derive(Clone, Debug)]
enum Step {
    Take,
    FreezeFront(usize, usize),
    Freeze(usize, usize),
    DropWriter(usize),
    Clone(usize),
    Split(usize, usize),
    Join(usize, usize),
    DropView(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let (one, two) = (any::<usize>(), (any::<usize>(), any::<usize>()));
    prop_oneof![
        4 => Just(Step::Take),
        2 => two.prop_map(|(which, count)| Step::FreezeFront(which, count)),
        1 => two.prop_map(|(which, count)| Step::Freeze(which, count)),
        1 => one.prop_map(Step::DropWriter),
        2 => one.prop_map(Step::Clone),
        1 => two.prop_map(|(which, at)| Step::Split(which, at)),
        2 => two.prop_map(|(front, back)| Step::Join(front, back)),
        3 => one.prop_map(Step::DropView),
    ]
}

/// A pool, and what a simple mind would know of it.
struct Model {
    pool: &'static Pool,
    writers: Vec<ChunkMut>,
    views: Vec<(Chunk, Vec<u8>)>,
    stamp: u8,
}

impl Model {
    fn slot_of(&self, address: usize) -> usize {
        (address - self.pool.memory().0.addr().get()) / SLOT_SIZE
    }

    /// The slots in somebody's hands.
    fn held(&self) -> HashSet<usize> {
        // A writer with no room left points one past its slot: it is known by its debug text alone.
        let writers = self.writers.iter().map(|writer| {
            let text = format!("{writer:?}");
            text[text.find("slot ").unwrap() + 5..text.len() - 1].parse().unwrap()
        });
        let views = self.views.iter().filter(|(view, _)| !view.is_empty());
        writers.chain(views.map(|(view, _)| self.slot_of(view.as_ptr().addr()))).collect()
    }

    fn run(&mut self, step: Step) {
        match step {
            Step::Take => {
                let held = self.held();
                match self.pool.take() {
                    Some(slot) => {
                        assert!(!held.contains(&self.slot_of(slot.pointer().addr().get())), "the slot was free");
                        assert_eq!(slot.room(), SLOT_SIZE);
                        self.writers.push(slot);
                    }
                    None => assert_eq!(held.len(), SLOTS, "none is free"),
                }
            }
            Step::FreezeFront(which, count) => {
                let Some(which) = which.checked_rem(self.writers.len()) else { return };
                self.stamp = self.stamp.wrapping_add(1);
                let writer = &mut self.writers[which];
                writer.bytes_mut().fill(self.stamp);
                let count = count % (writer.room() + 1);
                self.views.push((writer.freeze_front(count), vec![self.stamp; count]));
            }
            Step::Freeze(which, count) => {
                let Some(which) = which.checked_rem(self.writers.len()) else { return };
                self.stamp = self.stamp.wrapping_add(1);
                let mut writer = self.writers.swap_remove(which);
                writer.bytes_mut().fill(self.stamp);
                let count = count % (writer.room() + 1);
                self.views.push((writer.freeze(count), vec![self.stamp; count]));
            }
            Step::DropWriter(which) => {
                let Some(which) = which.checked_rem(self.writers.len()) else { return };
                drop(self.writers.swap_remove(which));
            }
            Step::Clone(which) => {
                let Some(which) = which.checked_rem(self.views.len()) else { return };
                let copy = self.views[which].clone();
                self.views.push(copy);
            }
            Step::Split(which, at) => {
                let Some(which) = which.checked_rem(self.views.len()) else { return };
                let (view, bytes) = &mut self.views[which];
                let at = at % (view.len() + 1);
                let front = view.split_to(at);
                let back = bytes.split_off(at);
                let front_bytes = std::mem::replace(bytes, back);
                self.views.push((front, front_bytes));
            }
            Step::Join(front, back) => {
                let count = self.views.len();
                if count < 2 || front % count == back % count {
                    return;
                }
                let (mut view, mut bytes) = std::mem::take(&mut self.views[front % count]);
                let (next, next_bytes) = std::mem::take(&mut self.views[back % count]);
                let is_next = !view.is_empty()
                    && !next.is_empty()
                    && view.as_ptr_range().end == next.as_ptr()
                    && self.slot_of(view.as_ptr().addr()) == self.slot_of(next.as_ptr().addr());
                match view.join(next) {
                    Ok(()) => {
                        assert!(is_next);
                        bytes.extend(next_bytes);
                    }
                    Err(next) => {
                        assert!(!is_next);
                        self.views[back % count] = (next, next_bytes);
                    }
                }
                self.views[front % count] = (view, bytes);
            }
            Step::DropView(which) => {
                let Some(which) = which.checked_rem(self.views.len()) else { return };
                drop(self.views.swap_remove(which));
            }
        }
    }

    fn check(&self) {
        assert_eq!(self.pool.available(), SLOTS - self.held().len());
        for (view, bytes) in &self.views {
            assert_eq!(&**view, &bytes[..], "the bytes of a view never change");
        }
    }
}

#[test]
fn slots_taken_together_are_as_many_as_were_asked_for() {
    for (free, asked) in [(40, 3), (40, 33), (40, 40), (40, 50), (5, 7), (0, 2), (40, 0)] {
        let pool = pool(40, SLOT_SIZE);
        let others: Vec<ChunkMut> = (free..40).map(|_| pool.take().unwrap()).collect();
        let taken: Vec<ChunkMut> = pool.take_up_to(asked).collect();
        assert_eq!((taken.len(), pool.available()), (asked.min(free), free - asked.min(free)));
        let starts: HashSet<_> = taken.iter().chain(&others).map(|slot| slot.pointer()).collect();
        assert_eq!(starts.len(), taken.len() + others.len(), "each slot has one writer");
    }
}

#[test]
fn slots_that_were_not_handed_out_go_back() {
    let pool = pool(40, SLOT_SIZE);
    let mut taken = pool.take_up_to(10);
    let first = taken.next().unwrap();
    drop(taken);
    assert_eq!(pool.available(), 39);
    drop(first);
    assert_eq!(pool.available(), 40);
}

proptest! {
    #![proptest_config(cases())]

    #[test]
    fn a_pool_is_what_its_holders_leave(steps in prop::collection::vec(step(), 0..if cfg!(miri) { 12 } else { 200 })) {
        let pool = pool(SLOTS, SLOT_SIZE);
        let mut model = Model { pool, writers: Vec::new(), views: Vec::new(), stamp: 0 };
        for step in steps {
            model.run(step);
            model.check();
        }
        drop(model);
        assert_eq!(pool.available(), SLOTS);
        drop(filled(pool, b"still good"));
    }
}

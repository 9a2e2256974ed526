//! Every interleaving of a pool's holders, as loom explores them: a slot has one writer at a time, and everything
//! that one life did to its bytes happens before the next.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p lendwire-nic --test loom --release`
#![cfg(loom)]

use lendwire_nic::{Chunk, ChunkMut, Pool, Word};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

const SLOT_SIZE: usize = 64;

/// A pool, and for each slot a cell that loom watches in place of the slot's bytes, which it cannot see.
struct Watched {
    pool: &'static Pool,
    slots: Vec<UnsafeCell<u32>>,
}

// SAFETY: the cells are there to be reached from all threads; loom reports any that meet.
unsafe impl Sync for Watched {}
// SAFETY: as above.
unsafe impl Send for Watched {}

impl Watched {
    fn new(slots: usize) -> Arc<Self> {
        let words = (0..Pool::words(slots)).map(|_| Word::new(0)).collect();
        let pool = Pool::new(Vec::leak(vec![0; slots * SLOT_SIZE]), SLOT_SIZE, Vec::leak(words)).unwrap();
        Arc::new(Self { pool: Box::leak(Box::new(pool)), slots: (0..slots).map(|_| UnsafeCell::new(0)).collect() })
    }

    fn slot(&self, address: usize) -> &UnsafeCell<u32> {
        &self.slots[(address - self.pool.memory().0.addr().get()) / SLOT_SIZE]
    }

    /// A slot that `stamp` is written to.
    fn take(&self, stamp: u32) -> Option<ChunkMut> {
        let slot = self.pool.take()?;
        // SAFETY: loom checks that nobody else is at the cell, which is what the pool promises.
        self.slot(slot.pointer().addr().get()).with_mut(|cell| unsafe { *cell = stamp });
        Some(slot)
    }

    /// Reads through a view.
    #[track_caller]
    fn sees(&self, view: &Chunk, stamp: u32) {
        // SAFETY: loom checks that nobody writes the cell, which is what the view promises.
        self.slot(view.as_ptr().addr()).with(|cell| assert_eq!(unsafe { *cell }, stamp));
    }
}

#[test]
fn a_slot_has_one_writer_at_a_time() {
    loom::model(|| {
        let watched = Watched::new(1);
        let thread = thread::spawn({
            let watched = watched.clone();
            move || {
                drop(watched.take(1));
                drop(watched.take(2));
            }
        });
        drop(watched.take(3));
        thread.join().unwrap();
        assert_eq!(watched.pool.available(), 1);
    });
}

#[test]
fn the_last_of_two_views_frees_the_slot_after_both_have_read() {
    loom::model(|| {
        let watched = Watched::new(1);
        let view = watched.take(1).unwrap().freeze(8);
        let thread = thread::spawn({
            let (watched, view) = (watched.clone(), view.clone());
            move || {
                let again = view.slice(2..4);
                drop(view);
                watched.sees(&again, 1);
            }
        });
        watched.sees(&view, 1);
        drop(view);
        // Whoever drops last, the next writer comes after both readers.
        if let Some(next) = watched.take(2) {
            watched.sees(&next.freeze(1), 2);
        }
        thread.join().unwrap();
        assert_eq!(watched.pool.available(), 1);
    });
}

#[test]
fn a_writer_and_the_view_it_froze_are_dropped_in_any_order() {
    loom::model(|| {
        let watched = Watched::new(1);
        let mut writer = watched.take(1).unwrap();
        let front = writer.freeze_front(8);
        let thread = thread::spawn({
            let watched = watched.clone();
            move || {
                watched.sees(&front, 1);
                drop(front);
                watched.take(2).map(|slot| slot.freeze(1)).inspect(|view| watched.sees(view, 2)).is_some()
            }
        });
        let second = writer.freeze_front(8);
        drop(writer);
        watched.sees(&second, 1);
        drop(second);
        let _ = thread.join().unwrap();
        assert_eq!(watched.pool.available(), 1);
    });
}

#[test]
fn two_slots_serve_two_takers_at_once() {
    loom::model(|| {
        let watched = Watched::new(2);
        let thread = thread::spawn({
            let watched = watched.clone();
            move || watched.take(1).expect("there is a slot for each").freeze(8)
        });
        let mine = watched.take(2).expect("there is a slot for each").freeze(8);
        let theirs = thread.join().unwrap();
        watched.sees(&mine, 2);
        watched.sees(&theirs, 1);
        drop((mine, theirs));
        assert_eq!(watched.pool.available(), 2);
    });
}

#[test]
fn slots_that_are_taken_together_have_one_writer_each() {
    loom::model(|| {
        let watched = Watched::new(2);
        let take = |watched: &Watched, stamp: u32| {
            for slot in watched.pool.take_up_to(2) {
                // SAFETY: loom checks that nobody else is at the cell, which is what the pool promises.
                watched.slot(slot.pointer().addr().get()).with_mut(|cell| unsafe { *cell = stamp });
            }
        };
        let thread = thread::spawn({
            let watched = watched.clone();
            move || take(&watched, 1)
        });
        take(&watched, 2);
        thread.join().unwrap();
        assert_eq!(watched.pool.available(), 2);
    });
}

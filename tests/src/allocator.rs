//! An allocator that counts, for a test binary to install:
//!
//! ```
//! use lendwire_tests::allocator::{self, Counting};
//!
//! #[global_allocator]
//! static ALLOCATOR: Counting = Counting::SYSTEM;
//!
//! fn main() {
//!     let ((), none) = allocator::during(|| ());
//!     let (_kept, one) = allocator::during(|| Box::new(7));
//!     assert_eq!((none, one), (0, 1));
//! }
//! ```

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::sync::atomic::{AtomicU64, Ordering};

/// The system's allocator behind a count of allocations and reallocations.
#[derive(Debug)]
pub struct Counting(());

impl Counting {
    /// The one there is.
    pub const SYSTEM: Self = Self(());
}

static EVERYWHERE: AtomicU64 = AtomicU64::new(0);

thread_local! {
    // Without a destructor and without lazy initialisation: it must not allocate itself.
    static HERE: Cell<u64> = const { Cell::new(0) };
}

/// Allocations of this thread so far: zero for ever if [`Counting`] is not installed.
#[must_use]
pub fn count() -> u64 {
    HERE.get()
}

/// Allocations of all threads so far.
#[must_use]
pub fn count_everywhere() -> u64 {
    EVERYWHERE.load(Ordering::Relaxed)
}

/// Runs `work`; returns what it did, and how many times this thread allocated meanwhile.
///
/// # Panics
/// If [`Counting`] is not installed: a count that cannot rise proves nothing.
pub fn during<R>(work: impl FnOnce() -> R) -> (R, u64) {
    let before = count();
    drop(std::hint::black_box(Box::new(0u8)));
    assert!(count() > before, "the counting allocator is not this binary's global allocator");
    let before = count();
    let result = work();
    (result, count() - before)
}

fn note() {
    EVERYWHERE.fetch_add(1, Ordering::Relaxed);
    HERE.set(HERE.get() + 1);
}

// SAFETY: every call goes to `System` with the caller's own arguments; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: the caller's promise about `layout` is the one that `System` asks for.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: `pointer` came from `System` through this allocator, with this layout, as the caller promises.
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        note();
        // SAFETY: as for `alloc`.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        note();
        // SAFETY: as for `dealloc`, and `size` is the caller's promise.
        unsafe { System.realloc(pointer, layout, size) }
    }
}

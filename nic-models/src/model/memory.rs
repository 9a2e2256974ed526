//! Memory that a device model can reach, and the [`Platform`] that hands it out. Bus addresses are the host's own.
//!
//! Invariant: a model reaches a byte only through the run it was shared in; any other address panics, for a driver gave
//! the device what it must not have. A driver's private memory is in no run.

use alloc::alloc::{alloc, alloc_zeroed, dealloc};
use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::alloc::Layout;
use core::cell::{Cell, RefCell};
use core::ptr::NonNull;

use lendwire_nic::Pool;

use crate::platform::{Dma, Platform};

/// The memory of a machine with one device. Clones are the same memory.
#[derive(Clone, Default)]
pub struct Memory {
    runs: Rc<RefCell<Vec<Run>>>,
    /// What drivers keep their notes in.
    private: Rc<RefCell<Vec<Piece>>>,
    /// Requests of a driver that will still be granted, where not all are.
    granted: Rc<Cell<Option<usize>>>,
}

/// Private memory.
#[derive(PartialEq, Eq)]
struct Piece {
    pointer: NonNull<u8>,
    layout: Layout,
}

struct Run {
    pointer: NonNull<u8>,
    len: usize,
    kind: Kind,
}

impl Run {
    /// Where `len` bytes at `bus` begin in it, if they lie in it.
    fn offset(&self, bus: u64, len: usize) -> Option<usize> {
        let offset = usize::try_from(bus.checked_sub(self.pointer.addr().get() as u64)?).ok()?;
        (offset.checked_add(len)? <= self.len).then_some(offset)
    }
}

#[derive(Clone, Copy)]
enum Kind {
    /// Allocated by [`Platform::dma`].
    Dma(Layout),
    Pool,
    ReadOnly,
}

impl Memory {
    /// Memory of which the device can reach nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets the device reach the slots of `pool`.
    pub fn share_pool(&self, pool: &'static Pool) {
        let (pointer, len) = pool.memory();
        self.runs.borrow_mut().push(Run { pointer, len, kind: Kind::Pool });
    }

    /// Lets the device reach the first `slots` slots of `pool` only.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn share_slots(&self, pool: &'static Pool, slots: usize) {
        let (pointer, len) = pool.memory();
        let part = slots * pool.slot_size();
        assert!(part <= len, "a pool has the slots that are shared");
        self.runs.borrow_mut().push(Run { pointer, len: part, kind: Kind::Pool });
    }

    /// Lets the device read `bytes`.
    pub fn share(&self, bytes: &'static [u8]) {
        let run = Run { pointer: NonNull::from_ref(bytes).cast(), len: bytes.len(), kind: Kind::ReadOnly };
        self.runs.borrow_mut().push(run);
    }

    /// Runs that a driver took and has not given back, and pieces of private memory.
    #[must_use]
    pub fn taken(&self) -> usize {
        self.runs.borrow().iter().filter(|run| matches!(run.kind, Kind::Dma(_))).count() + self.private.borrow().len()
    }

    /// Has memory for the next `requests` of a driver, and for none after.
    pub fn grant(&self, requests: usize) {
        self.granted.set(Some(requests));
    }

    /// Whether there is memory for one request more.
    fn has_more(&self) -> bool {
        let Some(granted) = self.granted.get() else { return true };
        self.granted.set(Some(granted.saturating_sub(1)));
        granted > 0
    }

    /// `len` bytes at `bus`, as the device reads them.
    ///
    /// # Panics
    /// If the device cannot reach them.
    #[must_use]
    #[track_caller]
    pub fn read(&self, bus: u64, len: usize) -> Vec<u8> {
        let mut bytes = vec![0; len];
        let from = self.reach(bus, len, false);
        // SAFETY: `reach` found the bytes inside a live run; no reference to them is alive, for drivers reach shared
        // memory by raw pointers only and nothing else runs meanwhile.
        unsafe { from.copy_to_nonoverlapping(NonNull::from_mut(&mut bytes[..]).cast(), len) };
        bytes
    }

    /// Writes `bytes` at `bus`, as the device does.
    ///
    /// # Panics
    /// If the device cannot reach them, or may only read there.
    #[track_caller]
    pub fn write(&self, bus: u64, bytes: &[u8]) {
        let to = self.reach(bus, bytes.len(), true);
        // SAFETY: as in `read`.
        unsafe { to.copy_from_nonoverlapping(NonNull::from_ref(bytes).cast(), bytes.len()) };
    }

    /// The little-endian word at `bus`.
    #[must_use]
    #[track_caller]
    pub fn read16(&self, bus: u64) -> u16 {
        u16::from_le_bytes(self.read(bus, 2).try_into().expect("two bytes were read"))
    }

    /// Writes a little-endian word at `bus`.
    #[track_caller]
    pub fn write16(&self, bus: u64, value: u16) {
        self.write(bus, &value.to_le_bytes());
    }

    /// Whether the device can read `len` bytes at `bus`.
    #[must_use]
    pub fn reaches(&self, bus: u64, len: usize) -> bool {
        self.runs.borrow().iter().any(|run| run.offset(bus, len).is_some())
    }

    /// Whether `len` bytes at `bus` lie in a run that a driver took, which the device may write as it likes.
    #[must_use]
    pub fn is_dma(&self, bus: u64, len: usize) -> bool {
        let is_dma = |run: &Run| matches!(run.kind, Kind::Dma(_)) && run.offset(bus, len).is_some();
        self.runs.borrow().iter().any(is_dma)
    }

    #[track_caller]
    fn reach(&self, bus: u64, len: usize, write: bool) -> NonNull<u8> {
        let runs = self.runs.borrow();
        let found = runs.iter().find_map(|run| {
            let offset = run.offset(bus, len)?;
            let is_allowed = !(write && matches!(run.kind, Kind::ReadOnly));
            is_allowed.then_some((run.pointer, offset))
        });
        let (pointer, offset) = found.unwrap_or_else(|| panic!("the device cannot reach {len} bytes at {bus:#x}"));
        // SAFETY: `offset` is at most the run's length.
        unsafe { pointer.add(offset) }
    }
}

// SAFETY: `dma` and `private` allocate memory of its own for every call, `dma` zeroed, and free it in `release` and
// `release_private` only; nothing is mapped.
unsafe impl Platform for Memory {
    fn dma(&self, len: usize, align: usize) -> Option<Dma> {
        let layout = Layout::from_size_align(len, align).ok().filter(|layout| layout.size() > 0 && self.has_more())?;
        // SAFETY: the layout is not empty.
        let pointer = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        self.runs.borrow_mut().push(Run { pointer, len, kind: Kind::Dma(layout) });
        Some(Dma { pointer, bus: pointer.addr().get() as u64, len })
    }

    unsafe fn release(&self, dma: Dma) {
        let mut runs = self.runs.borrow_mut();
        let index = runs.iter().position(|run| run.pointer == dma.pointer).expect("a run is released once");
        let run = runs.swap_remove(index);
        let Kind::Dma(layout) = run.kind else { panic!("only what was taken is released") };
        // SAFETY: the run was allocated with this layout, and left the list that it is freed from once.
        unsafe { dealloc(run.pointer.as_ptr(), layout) };
    }

    fn private(&self, layout: Layout) -> Option<NonNull<u8>> {
        assert!(layout.size() > 0, "a driver asks for some memory");
        if !self.has_more() {
            return None;
        }
        // SAFETY: the layout is not empty.
        let pointer = NonNull::new(unsafe { alloc(layout) })?;
        self.private.borrow_mut().push(Piece { pointer, layout });
        Some(pointer)
    }

    unsafe fn release_private(&self, pointer: NonNull<u8>, layout: Layout) {
        let mut private = self.private.borrow_mut();
        let is_it = |piece: &Piece| *piece == Piece { pointer, layout };
        let index = private.iter().position(is_it).expect("a piece is released once");
        private.swap_remove(index);
        // SAFETY: the piece was allocated with this layout, and left the list that it is freed from once.
        unsafe { dealloc(pointer.as_ptr(), layout) };
    }

    // Out of line: it is no part of a driver that instructions are counted of.
    #[inline(never)]
    fn bus_address(&self, pointer: NonNull<u8>) -> Option<u64> {
        let bus = pointer.addr().get();
        let is_shared = |run: &Run| {
            let start = run.pointer.addr().get();
            (start..start + run.len).contains(&bus)
        };
        self.runs.borrow().iter().any(is_shared).then_some(bus as u64)
    }

    fn map(&self, _: u64, _: usize) -> Option<NonNull<u8>> {
        None
    }

    /// A model does what it does at once, so no time has to pass.
    fn stall(&self, _: u32) {}
}

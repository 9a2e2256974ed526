//! The RAM that nobody else holds, as one heap: start-up's boxes, the drivers' DMA memory and their notes.
//!
//! Invariant: memory is identity-mapped, so the address the CPU uses is the address a device uses. The program
//! allocates while it starts and not afterwards; [`allocations`] shows it.

use core::alloc::{GlobalAlloc, Layout};
use core::ops::Range;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicU64, Ordering};

use lendwire_drivers::platform::{Dma, Platform};
use talc::TalcLock;
use talc::source::Manual;

use super::{paging, timer};

/// Every DMA block starts on a page of its own: no ring asks for more, and a device's block shares no page.
const DMA_ALIGN: usize = 4096;

#[global_allocator]
static HEAP: CountingHeap = CountingHeap {
    talc: TalcLock::new(Manual),
    allocations: AtomicU64::new(0),
    releases: AtomicU64::new(0),
    ram_end: AtomicU64::new(0),
};

/// How often anything was allocated since boot. It must stand still once the program serves.
pub(crate) fn allocations() -> u64 {
    HEAP.allocations.load(Ordering::Relaxed)
}

/// How many blocks of the heap somebody holds.
pub(crate) fn blocks() -> u64 {
    allocations() - HEAP.releases.load(Ordering::Relaxed)
}

/// Gives the heap the memory of `region`; the bytes it got, which is none where the region is too small for a heap.
///
/// # Safety
/// It is RAM that is mapped to itself, above the image, and nothing else uses it from now on.
pub(super) unsafe fn claim(region: Range<u64>) -> usize {
    let base = ptr::with_exposed_provenance_mut(region.start as usize);
    let len = region.end.saturating_sub(region.start) as usize;
    // SAFETY: the caller's promise is talc's own condition.
    if unsafe { HEAP.talc.lock().claim(base, len) }.is_none() {
        return 0;
    }
    HEAP.ram_end.fetch_max(region.end, Ordering::Relaxed);
    len
}

/// Where the image lies.
#[cfg(feature = "counts")]
pub(super) fn image() -> Range<usize> {
    (&raw const __image_start).addr()..(&raw const __image_end).addr()
}

/// The first byte after the image: no memory below is for the heap.
pub(super) fn image_end() -> u64 {
    (&raw const __image_end).addr() as u64
}

/// `len` bytes that are never given back, on a page of their own, as they were left by whoever had them before: to clear
/// megabytes that will be written before they are read takes longer than everything else at start-up. `None` when there
/// is no memory.
pub(crate) fn uncleared(len: usize) -> Option<&'static mut [u8]> {
    // SAFETY: `dma_layout` never has size zero.
    let mut pointer = unsafe { HEAP.alloc(dma_layout(len)?) };
    if pointer.is_null() {
        return None;
    }
    // SAFETY: the block is empty and so changes nothing. It may have written the memory, for all that the compiler
    // knows, so the bytes are some bytes from here on, not undefined ones.
    unsafe { core::arch::asm!("/* {0} */", inout(reg) pointer, options(nostack, preserves_flags)) };
    // SAFETY: the block has `len` bytes, nobody else knows of it, and it is never given back.
    Some(unsafe { core::slice::from_raw_parts_mut(pointer, len) })
}

/// The kernel around the drivers.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Kernel;

// SAFETY: `dma` hands out zeroed blocks of the heap, each to one owner until `release`, in one piece for a device
// because virtual and physical addresses are the same; `private` hands out blocks likewise; `map` returns uncached pages
// of exactly the registers asked for, mapped to themselves.
unsafe impl Platform for Kernel {
    fn dma(&self, len: usize, align: usize) -> Option<Dma> {
        if align > DMA_ALIGN {
            return None;
        }
        // SAFETY: `dma_layout` never has size zero.
        let pointer = unsafe { HEAP.alloc_zeroed(dma_layout(len)?) };
        let pointer = NonNull::new(pointer)?;
        Some(Dma { pointer, bus: pointer.as_ptr().expose_provenance() as u64, len })
    }

    unsafe fn release(&self, dma: Dma) {
        let layout = dma_layout(dma.len).expect("the same length had a layout when it was handed out");
        // SAFETY: the block came from `dma`, which derives the same layout from the same length; the caller vouches
        // that nobody uses it.
        unsafe { HEAP.dealloc(dma.pointer.as_ptr(), layout) }
    }

    fn private(&self, layout: Layout) -> Option<NonNull<u8>> {
        if layout.size() == 0 {
            return None;
        }
        // SAFETY: the layout is not empty.
        NonNull::new(unsafe { HEAP.alloc(layout) })
    }

    unsafe fn release_private(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller vouches that the block came from `private` with this layout, and that nobody uses it.
        unsafe { HEAP.dealloc(pointer.as_ptr(), layout) }
    }

    fn bus_address(&self, pointer: NonNull<u8>) -> Option<u64> {
        let address = pointer.as_ptr().expose_provenance() as u64;
        let image_start = (&raw const __image_start).addr() as u64;
        let reachable = image_start..HEAP.ram_end.load(Ordering::Relaxed);
        reachable.contains(&address).then_some(address)
    }

    fn map(&self, physical: u64, len: usize) -> Option<NonNull<u8>> {
        paging::map_registers(physical, len)
    }

    fn stall(&self, micros: u32) {
        timer::stall(micros);
    }
}

fn dma_layout(len: usize) -> Option<Layout> {
    Layout::from_size_align(len.max(1), DMA_ALIGN).ok()
}

unsafe extern "C" {
    /// The first byte of the image (the linker script of the architecture).
    static __image_start: u8;
    /// The first byte after it.
    static __image_end: u8;
}

/// talc, counted.
struct CountingHeap {
    talc: TalcLock<spin::Mutex<()>, Manual>,
    allocations: AtomicU64,
    releases: AtomicU64,
    ram_end: AtomicU64,
}

// SAFETY: every call goes to talc, which is a correct allocator; counting changes nothing about the blocks.
unsafe impl GlobalAlloc for CountingHeap {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        self.allocations.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about `layout` is talc's own condition.
        unsafe { self.talc.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        self.releases.fetch_add(1, Ordering::Relaxed);
        // SAFETY: the caller's promise about `pointer` and `layout` is talc's own condition.
        unsafe { self.talc.dealloc(pointer, layout) }
    }
}

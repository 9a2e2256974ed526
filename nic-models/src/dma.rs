//! Memory that a driver and its device both read and write.
//!
//! Invariant: every access is one whole load or store inside the area, at an offset that the driver computed. What is
//! read may be anything: the device may write at any time.

mod lane;

use core::ptr::NonNull;
use core::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, Ordering};

pub(crate) use self::lane::{Eight, Lane, Slot, Slots, Spot};

use crate::platform::Dma;

/// Whether the ordering of an atomic access holds for devices too. On x86 it does: memory is ordered for everyone.
const ORDERS_DEVICES: bool = cfg!(not(any(target_arch = "aarch64", target_arch = "riscv64")));

/// Everything before is done, as a device sees it, before anything after: loads and stores of shared memory, and of
/// registers. The language's own fence speaks of processors only.
pub(crate) fn settle() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: a barrier changes no state. Devices are in the outer shareable domain.
    unsafe {
        core::arch::asm!("dmb osh", options(nostack, preserves_flags));
    }
    #[cfg(target_arch = "riscv64")]
    // SAFETY: a fence changes no state; `io` are register accesses.
    unsafe {
        core::arch::asm!("fence iorw, iorw", options(nostack, preserves_flags));
    }
    core::sync::atomic::fence(Ordering::SeqCst);
}

/// What was read before is as old as what is read after, or older: a device's word that it is done, then what it did.
pub(crate) fn settle_reads() {
    if ORDERS_DEVICES {
        core::sync::atomic::fence(Ordering::Acquire);
    } else {
        settle();
    }
}

/// A part of a [`Dma`] run; it does not own it.
#[derive(Debug)]
pub struct Area {
    pointer: NonNull<u8>,
    bus: u64,
    len: usize,
}

// SAFETY: the memory belongs to no thread, and is only reached through atomic accesses and `&mut self`.
unsafe impl Send for Area {}

impl Area {
    /// The `len` bytes at `offset` of `dma`.
    ///
    /// # Safety
    /// `dma` must stay allocated as long as the area lives, and no other area may cover the same bytes.
    ///
    /// # Panics
    /// If they do not lie in it, or do not start on a multiple of 8.
    pub unsafe fn of(dma: &Dma, offset: usize, len: usize) -> Self {
        assert!(offset.checked_add(len).is_some_and(|end| end <= dma.len), "an area lies in its run");
        // SAFETY: `offset` is at most `dma.len`.
        let pointer = unsafe { dma.pointer.add(offset) };
        assert!(pointer.addr().get().is_multiple_of(8), "an area is aligned for every field");
        Self { pointer, bus: dma.bus + offset as u64, len }
    }

    /// The first `len` bytes, and the others.
    ///
    /// # Panics
    /// If there are fewer.
    pub(crate) fn split(self, len: usize) -> (Self, Self) {
        let rest = self.at(len, 0, 1);
        let rest = Self { pointer: rest, bus: self.bus(len), len: self.len - len };
        (Self { len, ..self }, rest)
    }

    /// Where the device sees the byte at `offset`.
    #[must_use]
    pub fn bus(&self, offset: usize) -> u64 {
        self.bus + offset as u64
    }

    /// One load of two bytes, little-endian. `offset` is a multiple of 2; with [`Ordering::Acquire`], what the device wrote
    /// before is seen after.
    ///
    /// # Panics
    /// This and all below: if the field does not lie in the area, which only the driver's own mistake can cause.
    #[must_use]
    pub fn read16(&self, offset: usize, ordering: Ordering) -> u16 {
        let value = u16::from_le(self.atomic16(offset).load(ordering));
        if !ORDERS_DEVICES && ordering == Ordering::Acquire {
            settle();
        }
        value
    }

    /// One store of two bytes. With [`Ordering::Release`], the device sees what was written before it first.
    pub fn write16(&self, offset: usize, value: u16, ordering: Ordering) {
        if !ORDERS_DEVICES && ordering == Ordering::Release {
            settle();
        }
        self.atomic16(offset).store(value.to_le(), ordering);
    }

    /// One load of four bytes; `offset` is a multiple of 4.
    #[must_use]
    pub fn read32(&self, offset: usize) -> u32 {
        u32::from_le(self.atomic32(offset).load(Ordering::Relaxed))
    }

    /// One store of four bytes.
    pub fn write32(&self, offset: usize, value: u32) {
        self.atomic32(offset).store(value.to_le(), Ordering::Relaxed);
    }

    /// Two stores: the device is not told of the field before both are done.
    pub fn write64(&self, offset: usize, value: u64) {
        self.write_words(offset, [value as u32, (value >> 32) as u32]);
    }

    /// A store for each of the words that lie there one behind the other, as in [`Area::write32`]: a descriptor is found to
    /// lie in the area once, not once a field.
    pub(crate) fn write_words<const COUNT: usize>(&self, offset: usize, words: [u32; COUNT]) {
        let start = self.at(offset, 4 * COUNT, 4);
        for (index, word) in words.into_iter().enumerate() {
            // SAFETY: `at` checked that so many words lie in the area.
            let place = unsafe { start.add(4 * index) };
            // SAFETY: as in `atomic16`.
            unsafe { AtomicU32::from_ptr(place.cast().as_ptr()) }.store(word.to_le(), Ordering::Relaxed);
        }
    }

    /// Copies `bytes` to `offset`: memory that the device only reads, and not yet.
    pub fn write_bytes(&mut self, offset: usize, bytes: &[u8]) {
        let to = self.at(offset, bytes.len(), 1);
        // SAFETY: `at` checked that the bytes lie in the area; `bytes` is memory that no area covers.
        unsafe { core::ptr::copy_nonoverlapping(bytes.as_ptr(), to.as_ptr(), bytes.len()) }
    }

    /// Copies from `offset` to `to`, each word read once: memory that the device may be writing.
    ///
    /// # Panics
    /// If `offset` is not a multiple of 4.
    pub(crate) fn read_bytes(&self, offset: usize, to: &mut [u8]) {
        let mut words = to.chunks_exact_mut(4);
        let mut at = offset;
        for word in &mut words {
            // The bytes as they lie, whatever their order means.
            word.copy_from_slice(&self.atomic32(at).load(Ordering::Relaxed).to_ne_bytes());
            at += 4;
        }
        for byte in words.into_remainder() {
            *byte = self.atomic8(at).load(Ordering::Relaxed);
            at += 1;
        }
    }

    /// Zeroes all of it: memory that the device does not use, or not any more.
    pub(crate) fn zero(&mut self) {
        // SAFETY: the area lies in a live run, and no reference to its bytes outlives a call.
        unsafe { self.pointer.write_bytes(0, self.len) }
    }

    fn atomic8(&self, offset: usize) -> &AtomicU8 {
        let pointer = self.at(offset, 1, 1).as_ptr();
        // SAFETY: as in `atomic16`.
        unsafe { AtomicU8::from_ptr(pointer) }
    }

    fn atomic16(&self, offset: usize) -> &AtomicU16 {
        let pointer = self.at(offset, 2, 2).cast().as_ptr();
        // SAFETY: `at` checked place and alignment; the memory is initialised
        // (`Platform::dma` zeroes it) and lives as long as the area.
        unsafe { AtomicU16::from_ptr(pointer) }
    }

    fn atomic32(&self, offset: usize) -> &AtomicU32 {
        let pointer = self.at(offset, 4, 4).cast().as_ptr();
        // SAFETY: as in `atomic16`.
        unsafe { AtomicU32::from_ptr(pointer) }
    }

    fn at(&self, offset: usize, len: usize, align: usize) -> NonNull<u8> {
        let inside = offset.checked_add(len).is_some_and(|end| end <= self.len);
        assert!(inside && (self.pointer.addr().get() + offset).is_multiple_of(align), "a field lies in its area");
        // SAFETY: `offset` is at most `len`.
        unsafe { self.pointer.add(offset) }
    }
}

//! A window of device registers: memory-mapped ones on bare metal, a software device's on a host.
//!
//! Registers are little-endian; reading one can have effects, so each call is exactly one access of that width.

use core::ptr::NonNull;

/// Registers of one device, by byte offset into the window.
///
/// Offsets are the driver's own: it has checked that the window is long enough before the first access.
pub trait Registers {
    /// Reads one byte.
    fn read8(&self, offset: usize) -> u8;
    /// Reads two bytes; `offset` is a multiple of 2.
    fn read16(&self, offset: usize) -> u16;
    /// Reads four bytes; `offset` is a multiple of 4.
    fn read32(&self, offset: usize) -> u32;
    /// Writes one byte.
    fn write8(&self, offset: usize, value: u8);
    /// Writes two bytes; `offset` is a multiple of 2.
    fn write16(&self, offset: usize, value: u16);
    /// Writes four bytes; `offset` is a multiple of 4.
    fn write32(&self, offset: usize, value: u32);
}

/// Registers in memory, as [`crate::platform::Platform::map`] gives them.
#[derive(Debug)]
pub struct Mapped {
    pointer: NonNull<u8>,
    len: usize,
}

// SAFETY: registers belong to no thread; a `Mapped` only makes single volatile accesses.
unsafe impl Send for Mapped {}

impl Mapped {
    /// A window of `len` bytes at `pointer`.
    ///
    /// # Safety
    /// Volatile accesses of up to four bytes anywhere in the window must be sound as long as the value lives.
    ///
    /// # Panics
    /// If `pointer` is not a multiple of 4.
    #[must_use]
    pub unsafe fn new(pointer: NonNull<u8>, len: usize) -> Self {
        assert!(pointer.addr().get().is_multiple_of(4), "a window starts on a register");
        Self { pointer, len }
    }

    /// The register of type `T` at `offset`.
    fn at<T>(&self, offset: usize) -> *mut T {
        let end = offset.checked_add(size_of::<T>()).expect("an offset is small");
        assert!(end <= self.len && offset.is_multiple_of(size_of::<T>()), "a register lies in its window");
        // SAFETY: `offset` is at most `len`, and the window is one mapping (the contract of `new`).
        unsafe { self.pointer.add(offset) }.cast().as_ptr()
    }
}

impl Registers for Mapped {
    fn read8(&self, offset: usize) -> u8 {
        // SAFETY: `at` checked that the register lies in the window and is aligned; `new` demands the rest.
        unsafe { self.at::<u8>(offset).read_volatile() }
    }

    fn read16(&self, offset: usize) -> u16 {
        // SAFETY: as in `read8`.
        u16::from_le(unsafe { self.at::<u16>(offset).read_volatile() })
    }

    fn read32(&self, offset: usize) -> u32 {
        // SAFETY: as in `read8`.
        u32::from_le(unsafe { self.at::<u32>(offset).read_volatile() })
    }

    fn write8(&self, offset: usize, value: u8) {
        // SAFETY: as in `read8`.
        unsafe { self.at::<u8>(offset).write_volatile(value) }
    }

    fn write16(&self, offset: usize, value: u16) {
        // SAFETY: as in `read8`.
        unsafe { self.at::<u16>(offset).write_volatile(value.to_le()) }
    }

    fn write32(&self, offset: usize, value: u32) {
        // SAFETY: as in `read8`.
        unsafe { self.at::<u32>(offset).write_volatile(value.to_le()) }
    }
}

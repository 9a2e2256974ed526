//! A window of device registers: memory-mapped ones on bare metal, a software device's on a host.
//!
//! Registers are little-endian; reading one can have effects, so each call is exactly one access of that width.
//!
//! Invariant: accesses to mapped registers are ordered with those to memory. What was written to memory before a register
//! is written, such as a ring before its doorbell, is there when the device looks; what is read from memory after a
//! register, such as a ring after an interrupt's cause, is not older than the register.

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

impl Mapped {
    fn read<T>(&self, offset: usize) -> T {
        // SAFETY: `at` checked that the register lies in the window and is aligned; `new` demands the rest.
        let value = unsafe { self.at::<T>(offset).read_volatile() };
        after_read();
        value
    }

    fn write<T>(&self, offset: usize, value: T) {
        before_write();
        // SAFETY: as in `read`.
        unsafe { self.at::<T>(offset).write_volatile(value) }
    }
}

impl Registers for Mapped {
    fn read8(&self, offset: usize) -> u8 {
        self.read(offset)
    }

    fn read16(&self, offset: usize) -> u16 {
        u16::from_le(self.read(offset))
    }

    fn read32(&self, offset: usize) -> u32 {
        u32::from_le(self.read(offset))
    }

    fn write8(&self, offset: usize, value: u8) {
        self.write(offset, value);
    }

    fn write16(&self, offset: usize, value: u16) {
        self.write(offset, value.to_le());
    }

    fn write32(&self, offset: usize, value: u32) {
        self.write(offset, value.to_le());
    }
}

/// Before a register is written: everything before is done as the device sees it.
///
/// A fence of `core::sync::atomic` would not do: it orders what processors see of memory, and a device is no processor,
/// nor its registers memory.
fn before_write() {
    cfg_select! {
        miri => core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst),
        // x86 keeps uncached accesses in their place (Intel SDM volume 3, §9.2.2): only the compiler is held back.
        target_arch = "x86_64" => core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst),
        // A device observes from the outer shareable domain, and only a barrier orders Device with Normal memory (Arm
        // ARM, B2.3 "Data Memory Barrier").
        target_arch = "aarch64" => {
            // SAFETY: a barrier changes no register and no memory.
            unsafe { core::arch::asm!("dmb osh", options(nostack, preserves_flags)) }
        }
        // Memory is ordered with devices by a fence that names both (RISC-V Unprivileged ISA, "Memory Ordering
        // Instructions").
        target_arch = "riscv64" => {
            // SAFETY: a fence changes no register and no memory.
            unsafe { core::arch::asm!("fence rw, o", options(nostack, preserves_flags)) }
        }
        _ => core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst),
    }
}

/// After a register was read: everything after comes after.
fn after_read() {
    cfg_select! {
        miri => core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst),
        target_arch = "x86_64" => core::sync::atomic::compiler_fence(core::sync::atomic::Ordering::SeqCst),
        target_arch = "aarch64" => {
            // SAFETY: as in `before_write`.
            unsafe { core::arch::asm!("dmb oshld", options(nostack, preserves_flags)) }
        }
        target_arch = "riscv64" => {
            // SAFETY: as in `before_write`.
            unsafe { core::arch::asm!("fence i, rw", options(nostack, preserves_flags)) }
        }
        _ => core::sync::atomic::fence(core::sync::atomic::Ordering::SeqCst),
    }
}

//! What a driver asks of the kernel it lives in: memory a device can reach, registers, configuration space.
//!
//! Invariant: a driver reaches hardware only through these traits, so the same driver runs on bare metal and
//! against a software device. Interrupt code is the kernel's; a driver only arms, disarms and polls.

use core::alloc::Layout;
use core::ptr::NonNull;

/// A run of memory that both the CPU and a device read and write.
#[derive(Debug)]
pub struct Dma {
    /// Where the CPU sees it.
    pub pointer: NonNull<u8>,
    /// Where the device sees it.
    pub bus: u64,
    /// Bytes.
    pub len: usize,
}

/// The kernel around a driver.
///
/// # Safety
/// `dma` must return memory that nothing else uses until `release`, zeroed, contiguous for the device and aligned as
/// asked. `private` must return memory of that layout that nothing else uses until `release_private`. `map` must return
/// a pointer through which volatile accesses inside `len` reach the device's registers.
pub unsafe trait Platform {
    /// Zeroed memory for rings and headers: `len` bytes, aligned to `align` (a power of two), or `None` when there is
    /// no more.
    fn dma(&self, len: usize, align: usize) -> Option<Dma>;

    /// Gives `dma` back.
    ///
    /// # Safety
    /// No device and no CPU uses it any more.
    unsafe fn release(&self, dma: Dma);

    /// Memory for a driver's own notes, of any contents: `None` when there is no more.
    ///
    /// No device is told of it, so it need not be contiguous or have a bus address. Where a device may not see the
    /// kernel's memory (an encrypted guest, a translation that maps only what `dma` gave), it must be memory that the
    /// device cannot see: what a driver noted is what it checks the device's word by.
    fn private(&self, layout: Layout) -> Option<NonNull<u8>>;

    /// Gives back what `private` returned for `layout`.
    ///
    /// # Safety
    /// It came from there, and nobody uses it any more.
    unsafe fn release_private(&self, pointer: NonNull<u8>, layout: Layout);

    /// The device's view of a byte of pool memory (or of `'static` content), or `None` where the device cannot reach
    /// it.
    fn bus_address(&self, pointer: NonNull<u8>) -> Option<u64>;

    /// Maps `len` bytes of device registers at physical address `physical`, uncached.
    fn map(&self, physical: u64, len: usize) -> Option<NonNull<u8>>;

    /// Lets `micros` microseconds pass, or more: between looks at a device that is slow to answer.
    fn stall(&self, micros: u32);
}

// SAFETY: every call goes to the platform behind the reference.
unsafe impl<P: Platform + ?Sized> Platform for &P {
    fn dma(&self, len: usize, align: usize) -> Option<Dma> {
        (**self).dma(len, align)
    }

    unsafe fn release(&self, dma: Dma) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { (**self).release(dma) }
    }

    fn private(&self, layout: Layout) -> Option<NonNull<u8>> {
        (**self).private(layout)
    }

    unsafe fn release_private(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { (**self).release_private(pointer, layout) }
    }

    fn bus_address(&self, pointer: NonNull<u8>) -> Option<u64> {
        (**self).bus_address(pointer)
    }

    fn map(&self, physical: u64, len: usize) -> Option<NonNull<u8>> {
        (**self).map(physical, len)
    }

    fn stall(&self, micros: u32) {
        (**self).stall(micros);
    }
}

/// The configuration space of one PCI function, as the kernel's PCI code reaches it.
pub trait ConfigSpace {
    /// The 32-bit register at byte offset `offset` (a multiple of 4, below 4096).
    fn read(&self, offset: u16) -> u32;
    /// Writes the 32-bit register at byte offset `offset` (a multiple of 4, below 4096).
    fn write(&self, offset: u16, value: u32);
}

/// A driver's interrupt as it wants the kernel to route it: the message a device writes to raise it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Message {
    /// The physical address the device writes to (the local APIC's on x86).
    pub address: u64,
    /// The word it writes (the vector on x86).
    pub data: u32,
}

/// How a device's interrupts reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wiring<'a> {
    /// Not at all: it is polled.
    Polled,
    /// By a line that stays asserted until [`crate::driver::Driver::acknowledge`].
    Line,
    /// By messages, each driver's documentation says which is for what.
    Messages(&'a [Message]),
}

impl<'a> Wiring<'a> {
    /// The messages; none where there is a line, or nothing.
    #[must_use]
    pub const fn messages(self) -> &'a [Message] {
        match self {
            Self::Messages(messages) => messages,
            Self::Polled | Self::Line => &[],
        }
    }
}

//! Instructions: how many there were, and which.
//!
//! Under QEMU's `-icount shift=0` the time-stamp counter counts instructions. Which they were is noted by the processor's
//! own single step (Intel SDM volume 3, §17.3.1.4 "Single-Step Exception Condition"): a debug exception behind each, whose handler counts the
//! address of the next.
//!
//! Invariant: the trap flag is set by nothing but [`Steps::of`], and while it is, [`TABLE`] leads to its table.

use alloc::boxed::Box;
use alloc::vec;
use core::alloc::Layout;
use core::arch::asm;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use lendwire_drivers::model::Memory;
use lendwire_drivers::platform::{Dma, Platform};

use super::timer;
use crate::arch::memory::{Kernel, image};

/// Instructions since power-on, where QEMU counts them.
pub(crate) fn instructions() -> u64 {
    timer::tsc()
}

/// How often each instruction of the image was executed.
pub(crate) struct Steps {
    /// For each byte of the image.
    times: Box<[u32]>,
}

impl Steps {
    /// None, so far.
    pub(crate) fn new() -> Self {
        Self { times: vec![0; image().len()].into_boxed_slice() }
    }

    /// Does `work` one instruction at a time. Never inlined, so that `work` is called in the same way whatever it is.
    #[inline(never)]
    pub(crate) fn of(&mut self, work: &mut dyn FnMut()) {
        let first = self.times.as_mut_ptr();
        // So that an address of the image, times four, leads to its count.
        TABLE.store(first.wrapping_sub(image().start), Ordering::Relaxed);
        // SAFETY: the handler of the debug exception keeps all registers, and writes inside the table only: nothing but
        // the image's code is executed. The flag is cleared below.
        unsafe { asm!("pushfq", "or qword ptr [rsp], 0x100", "popfq") };
        work();
        // SAFETY: clearing the trap flag ends the stepping.
        unsafe { asm!("pushfq", "and qword ptr [rsp], ~0x100", "popfq") };
    }

    /// Takes out the counts: addresses, and how often each was executed.
    pub(crate) fn drain(&mut self) -> impl Iterator<Item = (usize, u32)> {
        let counts = self.times.iter_mut().enumerate().filter(|(_, times)| **times > 0);
        counts.map(|(offset, times)| (image().start + offset, core::mem::take(times)))
    }
}

/// Where the count of address 0 would be.
static TABLE: AtomicPtr<u32> = AtomicPtr::new(ptr::null_mut());

/// The debug exception: counts the address that it returns to.
#[unsafe(naked)]
pub(super) extern "sysv64" fn on_step() {
    core::arch::naked_asm!(
        "push rax",
        "push rcx",
        "mov rax, [rsp + 16]",
        "mov rcx, [rip + {table}]",
        "inc dword ptr [rcx + 4 * rax]",
        "pop rcx",
        "pop rax",
        "iretq",
        table = sym TABLE,
    )
}

/// The kernel around a driver whose device is a model: the device is told of what the model can reach, and all that the
/// driver asks for while it runs is asked of [`Kernel`], as on a real one.
pub(crate) struct Modelled(pub(crate) Memory);

// SAFETY: memory comes from the model's, which keeps what is asked; addresses are the kernel's, which maps memory to itself
// as the model does.
unsafe impl Platform for Modelled {
    fn dma(&self, len: usize, align: usize) -> Option<Dma> {
        self.0.dma(len, align)
    }

    unsafe fn release(&self, dma: Dma) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.0.release(dma) }
    }

    fn private(&self, layout: Layout) -> Option<NonNull<u8>> {
        self.0.private(layout)
    }

    unsafe fn release_private(&self, pointer: NonNull<u8>, layout: Layout) {
        // SAFETY: the caller's promise is the one asked for.
        unsafe { self.0.release_private(pointer, layout) }
    }

    fn bus_address(&self, pointer: NonNull<u8>) -> Option<u64> {
        Kernel.bus_address(pointer)
    }

    fn map(&self, physical: u64, len: usize) -> Option<NonNull<u8>> {
        self.0.map(physical, len)
    }

    fn stall(&self, micros: u32) {
        self.0.stall(micros);
    }
}

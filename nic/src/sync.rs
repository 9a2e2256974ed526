//! The atomics of pool and chunk: the processor's, or loom's when a test explores every interleaving.

#[cfg(not(loom))]
pub use core::sync::atomic::AtomicU32 as Word;
#[cfg(not(loom))]
pub(crate) use core::sync::atomic::{Ordering, fence};
#[cfg(loom)]
pub use loom::sync::atomic::AtomicU32 as Word;
#[cfg(loom)]
pub(crate) use loom::sync::atomic::{Ordering, fence};

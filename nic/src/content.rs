//! Static content whose sums are kept, so that serving it again reads none of it.
//!
//! Invariant: a prefix sum is kept for every block of [`Content::BLOCK`] bytes, and for the last few places inside a
//! block where a segment was cut. A segment's sum is the difference of two prefixes: looked up, or completed from the
//! nearer end of the block and then kept. A kept value is a pure function of its place, so racing writers agree.

use core::sync::atomic::{AtomicU32, Ordering};

use crate::chunk::Chunk;
use crate::{Sum, Work};

/// What is kept of one block: the sum of everything before it, and of up to three cuts inside it. 16 bytes.
#[derive(Debug, Default)]
pub struct Mark {
    before: AtomicU32,
    cuts: [AtomicU32; 3],
}

impl Mark {
    /// A mark that knows nothing yet.
    #[must_use]
    pub const fn new() -> Self {
        Self { before: AtomicU32::new(0), cuts: [const { AtomicU32::new(0) }; 3] }
    }
}

/// `'static` bytes with their kept sums.
#[derive(Debug)]
pub struct Content {
    bytes: &'static [u8],
    marks: &'static [Mark],
}

impl Content {
    /// Bytes to a mark.
    pub const BLOCK: usize = 1024;

    /// How many marks `len` bytes need.
    #[must_use]
    pub const fn marks(len: usize) -> usize {
        len / Self::BLOCK + 1
    }

    /// Reads `bytes` once and keeps a prefix sum for every block in `marks`. Returns `None` if `marks` is shorter than
    /// [`Content::marks`] asks.
    #[must_use]
    pub fn new(bytes: &'static [u8], marks: &'static mut [Mark]) -> Option<Self> {
        if marks.len() < Self::marks(bytes.len()) {
            return None;
        }
        let mut before = Sum::ZERO;
        for (index, mark) in marks.iter_mut().enumerate() {
            *mark = Mark { before: AtomicU32::new(u32::from(before.value())), ..Mark::new() };
            let start = (index * Self::BLOCK).min(bytes.len());
            let end = (start + Self::BLOCK).min(bytes.len());
            before = before.then(Sum::of(&bytes[start..end]));
        }
        Some(Self { bytes, marks })
    }

    /// Content on the heap that is never given back.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn leaked(bytes: &'static [u8]) -> &'static Self {
        use alloc::boxed::Box;
        let marks: Box<[Mark]> = (0..Self::marks(bytes.len())).map(|_| Mark::new()).collect();
        let content = Self::new(bytes, Box::leak(marks)).expect("there are as many marks as asked for");
        Box::leak(Box::new(content))
    }

    /// A chunk of the whole.
    #[must_use]
    pub fn chunk(&'static self) -> Chunk {
        Chunk::of_content(self)
    }

    /// The bytes.
    #[must_use]
    pub const fn bytes(&self) -> &'static [u8] {
        self.bytes
    }

    /// The sum of `len` bytes from `offset`; what has to be read is charged to `work`.
    pub(crate) fn sum(&self, offset: usize, len: usize, work: &mut Work) -> Sum {
        let (front, whole) = (self.prefix(offset, work), self.prefix(offset + len, work));
        whole.without_front(front)
    }

    /// The sum of the bytes before `offset`.
    fn prefix(&self, offset: usize, work: &mut Work) -> Sum {
        let (block, inside) = (offset / Self::BLOCK, offset % Self::BLOCK);
        let start = block * Self::BLOCK;
        let mark = &self.marks[block];
        let before = Sum::of_word(mark.before.load(Ordering::Relaxed) as u16);
        if inside == 0 {
            return before;
        }
        // A cut is kept as place << 16 | sum from the block's start; place 0 is no cut.
        for cut in &mark.cuts {
            let kept = cut.load(Ordering::Relaxed);
            if (kept >> 16) as usize == inside {
                return before.then(inside_sum(kept as u16, inside));
            }
        }
        let end = start + Self::BLOCK;
        // What is behind the last whole block has no mark at its end.
        let from_start = if inside <= Self::BLOCK / 2 || end > self.bytes.len() {
            Sum::of_payload(&self.bytes[start..offset], work)
        } else {
            // The nearer end is the block's: sum up to it, and subtract from what the next mark knows.
            let next = Sum::of_word(self.marks[block + 1].before.load(Ordering::Relaxed) as u16);
            next.without_front(before).without_back(Sum::of_payload(&self.bytes[offset..end], work))
        };
        let way = mark.cuts.iter().position(|cut| cut.load(Ordering::Relaxed) == 0).unwrap_or(inside % 3);
        mark.cuts[way].store((inside as u32) << 16 | u32::from(from_start.value()), Ordering::Relaxed);
        before.then(from_start)
    }
}

/// A kept sum with the parity its place gives it.
fn inside_sum(value: u16, inside: usize) -> Sum {
    if inside.is_multiple_of(2) { Sum::of_word(value) } else { Sum::of_word(value).then(Sum::of(&[0])) }
}

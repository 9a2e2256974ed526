//! What a packet carries behind its headers: a borrowed run of bytes in a queue of chunks.
//!
//! Invariant: a payload never owns a byte. A driver that reads after `transmit` returns holds each [`Part`].

use core::ptr::NonNull;

use crate::queue::{Cell, follow};
use crate::{Chunk, Sum, Work};

/// `len` bytes from the front of a list of chunks, or from somewhere in its first one.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'q> {
    /// The chunk that it begins in, and how many bytes of that lie before it.
    first: &'q Chunk,
    skip: usize,
    len: usize,
    behind: Behind<'q>,
}

/// The chunks behind the first.
#[derive(Clone, Copy, Debug)]
enum Behind<'q> {
    Slice(&'q [Chunk]),
    Cells { cells: &'q [Cell], next: u32 },
}

impl<'q> Behind<'q> {
    /// The first chunk of them, and those behind it.
    #[inline]
    fn split_first(self) -> Option<(&'q Chunk, Self)> {
        match self {
            Self::Slice(chunks) => chunks.split_first().map(|(chunk, rest)| (chunk, Self::Slice(rest))),
            Self::Cells { cells, next } => {
                follow(cells, next).map(|(chunk, next)| (chunk, Self::Cells { cells, next }))
            }
        }
    }
}

static NOTHING: Chunk = Chunk::EMPTY;

impl<'q> Payload<'q> {
    /// No payload.
    pub const EMPTY: Self = Self { first: &NOTHING, skip: 0, len: 0, behind: Behind::Slice(&[]) };

    /// All bytes of `chunks`.
    #[must_use]
    pub fn of(chunks: &'q [Chunk]) -> Self {
        let len = chunks.iter().map(|chunk| chunk.len()).sum();
        Self::behind(Behind::Slice(chunks), len)
    }

    /// `len` bytes from the front of the chunk in cell `first` of a queue. The queue must hold that many behind it.
    #[must_use]
    #[inline]
    pub fn of_queue(cells: &'q [Cell], first: u32, len: usize) -> Self {
        Self::behind(Behind::Cells { cells, next: first }, len)
    }

    fn behind(behind: Behind<'q>, len: usize) -> Self {
        behind.split_first().map_or(Self::EMPTY, |(first, behind)| Self { first, skip: 0, len, behind })
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Takes the first `len` bytes off as a payload of their own, or all where there are fewer. Nothing is counted for it.
    #[must_use]
    #[inline]
    pub fn split_to(&mut self, len: usize) -> Self {
        let front = Self { len: len.min(self.len), ..*self };
        self.len -= front.len;
        self.skip += front.len;
        while self.len > 0
            && self.skip >= self.first.len()
            && let Some((chunk, behind)) = self.behind.split_first()
        {
            self.skip -= self.first.len();
            (self.first, self.behind) = (chunk, behind);
        }
        front
    }

    /// Becomes the bytes behind it, as many of them, which there are.
    #[inline(always)]
    pub(crate) fn step(&mut self) {
        self.skip += self.len;
        while self.skip >= self.first.len()
            && let Some((chunk, behind)) = self.behind.split_first()
        {
            self.skip -= self.first.len();
            (self.first, self.behind) = (chunk, behind);
        }
    }

    /// Its contiguous parts in order, empty ones left out.
    #[must_use]
    pub const fn parts(&self) -> Parts<'q> {
        Parts { left: *self }
    }

    /// Its only part, if it has one.
    #[must_use]
    #[inline(always)]
    pub fn only_part(&self) -> Option<Part<'q>> {
        let is_inside = self.len > 0 && self.skip + self.len <= self.first.len();
        is_inside.then_some(Part { chunk: self.first, start: self.skip, len: self.len })
    }

    /// How many parts it has.
    #[must_use]
    #[inline]
    pub fn part_count(&self) -> usize {
        if self.only_part().is_some() { 1 } else { self.parts().count() }
    }

    /// The sum of all bytes: stored ones are added; what has to be read is charged to `work`.
    #[must_use]
    #[inline]
    pub fn sum(&self, work: &mut Work) -> Sum {
        match self.only_part() {
            Some(part) => part.sum(work),
            None => self.parts().fold(Sum::ZERO, |sum, part| sum.then(part.sum(work))),
        }
    }
}

/// The parts of a [`Payload`].
#[derive(Clone, Debug)]
pub struct Parts<'q> {
    left: Payload<'q>,
}

impl<'q> Iterator for Parts<'q> {
    type Item = Part<'q>;

    #[inline]
    fn next(&mut self) -> Option<Part<'q>> {
        let left = &mut self.left;
        while left.len > 0 {
            let len = (left.first.len() - left.skip).min(left.len);
            let part = Part { chunk: left.first, start: left.skip, len };
            left.len -= len;
            match left.behind.split_first() {
                Some((chunk, behind)) => (left.first, left.skip, left.behind) = (chunk, 0, behind),
                // The list is at its end.
                None => left.len = 0,
            }
            if len > 0 {
                return Some(part);
            }
        }
        None
    }
}

/// A contiguous run of payload: a part of a chunk, mostly all of it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'q> {
    chunk: &'q Chunk,
    start: usize,
    len: usize,
}

impl<'q> Part<'q> {
    /// How many bytes.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "no part is empty")]
    pub const fn len(&self) -> usize {
        self.len
    }

    /// Where they lie.
    #[must_use]
    #[inline]
    pub fn pointer(&self) -> NonNull<u8> {
        NonNull::from_ref(self.bytes()).cast()
    }

    /// The bytes.
    #[must_use]
    #[inline]
    pub fn bytes(&self) -> &'q [u8] {
        &self.chunk[self.start..self.start + self.len]
    }

    /// A counted view of the same bytes, without a sum: for a device that reads later.
    #[must_use]
    #[inline(always)]
    pub fn hold(&self) -> Chunk {
        self.chunk.part(self.start..self.start + self.len)
    }

    /// Their sum, by what the chunk knows of its own; what has to be read is charged to `work`.
    #[must_use]
    pub fn sum(&self, work: &mut Work) -> Sum {
        self.chunk.part_sum(self.start..self.start + self.len, work)
    }
}

//! What a packet carries behind its headers: a borrowed run of bytes in a queue of chunks.
//!
//! Invariant: a payload never owns a byte. A driver that reads after `transmit` returns holds each [`Part`].

use crate::queue::{Cell, follow};
use crate::{Chunk, Sum, Work};

/// `len` bytes from the front of a list of chunks.
#[derive(Clone, Copy, Debug)]
pub struct Payload<'q> {
    source: Source<'q>,
    len: usize,
}

#[derive(Clone, Copy, Debug)]
enum Source<'q> {
    Slice(&'q [Chunk]),
    Cells { cells: &'q [Cell], first: u32 },
}

impl<'q> Payload<'q> {
    /// No payload.
    pub const EMPTY: Self = Self { source: Source::Slice(&[]), len: 0 };

    /// All bytes of `chunks`.
    #[must_use]
    pub fn of(chunks: &'q [Chunk]) -> Self {
        Self { source: Source::Slice(chunks), len: chunks.iter().map(|chunk| chunk.len()).sum() }
    }

    /// `len` bytes from the front of the chunk in cell `first` of a queue. The queue must hold that many behind it.
    #[must_use]
    pub const fn of_queue(cells: &'q [Cell], first: u32, len: usize) -> Self {
        Self { source: Source::Cells { cells, first }, len }
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

    /// Its contiguous parts in order, empty ones left out.
    #[must_use]
    pub const fn parts(&self) -> Parts<'q> {
        Parts { source: self.source, left: self.len }
    }

    /// Its only part, if it has one.
    #[must_use]
    #[inline]
    pub fn only_part(&self) -> Option<Part<'q>> {
        let chunk = match self.source {
            Source::Slice(chunks) => chunks.first()?,
            Source::Cells { cells, first } => follow(cells, first)?.0,
        };
        (self.len > 0 && self.len <= chunk.len()).then_some(Part { chunk, len: self.len })
    }

    /// How many parts it has.
    #[must_use]
    #[inline]
    pub fn part_count(&self) -> usize {
        if self.only_part().is_some() { 1 } else { self.parts().count() }
    }

    /// The sum of all bytes: stored ones are added; what has to be read is charged to `work`.
    #[must_use]
    pub fn sum(&self, work: &mut Work) -> Sum {
        self.parts().fold(Sum::ZERO, |sum, part| sum.then(part.sum(work)))
    }
}

/// The parts of a [`Payload`].
#[derive(Clone, Debug)]
pub struct Parts<'q> {
    source: Source<'q>,
    left: usize,
}

impl<'q> Iterator for Parts<'q> {
    type Item = Part<'q>;

    #[inline]
    fn next(&mut self) -> Option<Part<'q>> {
        while self.left > 0 {
            let chunk = match &mut self.source {
                Source::Slice(chunks) => {
                    let (chunk, rest) = chunks.split_first()?;
                    *chunks = rest;
                    chunk
                }
                Source::Cells { cells, first } => {
                    let (chunk, next) = follow(cells, *first)?;
                    *first = next;
                    chunk
                }
            };
            let len = chunk.len().min(self.left);
            self.left -= len;
            if len > 0 {
                return Some(Part { chunk, len });
            }
        }
        None
    }
}

/// A contiguous run of payload: the front of a chunk, mostly all of it.
#[derive(Clone, Copy, Debug)]
pub struct Part<'q> {
    chunk: &'q Chunk,
    len: usize,
}

impl<'q> Part<'q> {
    /// The bytes.
    #[must_use]
    pub fn bytes(&self) -> &'q [u8] {
        &self.chunk[..self.len]
    }

    /// A counted view of the same bytes, for a device that reads later.
    #[must_use]
    pub fn hold(&self) -> Chunk {
        self.chunk.slice(0..self.len)
    }

    /// Their sum, by what the chunk knows of its own; what has to be read is charged to `work`.
    #[must_use]
    pub fn sum(&self, work: &mut Work) -> Sum {
        self.chunk.front_sum(self.len, work)
    }
}

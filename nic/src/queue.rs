//! Queues of chunks in one arena of cells: first in, first out, linked by index.
//!
//! Invariant: a cell is on exactly one list, a queue's or the free one. A queue that is empty owns nothing, so a
//! thousand idle connections cost no cell.

use crate::Chunk;

/// The end of a list.
const NIL: u32 = u32::MAX;

/// One chunk in a queue.
#[derive(Debug)]
pub struct Cell {
    chunk: Chunk,
    next: u32,
}

impl Cell {
    /// A cell that holds nothing, to fill an arena's storage with.
    pub const NEW: Self = Self { chunk: Chunk::EMPTY, next: NIL };
}

/// All cells of a stack.
#[derive(Debug)]
pub struct Cells<'s> {
    cells: &'s mut [Cell],
    free: u32,
    available: usize,
}

/// A first-in, first-out list of chunks; the chunks live in [`Cells`].
///
/// It does not free its cells when dropped: see [`Cells::clear`].
#[derive(Clone, Copy, Debug)]
pub struct Queue {
    head: u32,
    tail: u32,
    bytes: u32,
    cells: u32,
}

/// No cell is left, or the queue would hold 4 GiB or more; the chunk comes back.
#[derive(Debug)]
pub struct NoCell(pub Chunk);

impl Default for Queue {
    fn default() -> Self {
        Self::NEW
    }
}

impl Queue {
    /// An empty queue.
    pub const NEW: Self = Self { head: NIL, tail: NIL, bytes: 0, cells: 0 };

    /// Whether it holds nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.head == NIL
    }

    /// Bytes in all its chunks.
    #[must_use]
    pub const fn bytes(&self) -> usize {
        self.bytes as usize
    }

    /// Chunks in it.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.cells as usize
    }

    /// The cell of its first chunk.
    #[must_use]
    pub const fn first(&self) -> Option<u32> {
        if self.head == NIL { None } else { Some(self.head) }
    }

    /// The cell of its last chunk.
    #[must_use]
    pub const fn last(&self) -> Option<u32> {
        if self.tail == NIL { None } else { Some(self.tail) }
    }
}

impl<'s> Cells<'s> {
    /// An arena over `cells`; what they held is dropped.
    ///
    /// # Panics
    /// If there are 2^32 - 1 cells or more.
    #[must_use]
    pub fn new(cells: &'s mut [Cell]) -> Self {
        let count = u32::try_from(cells.len()).ok().filter(|&count| count != NIL).expect("cells are numbered by u32");
        for (cell, next) in cells.iter_mut().zip(1..) {
            *cell = Cell { chunk: Chunk::EMPTY, next: if next == count { NIL } else { next } };
        }
        let free = if count == 0 { NIL } else { 0 };
        Self { available: cells.len(), cells, free }
    }

    /// Cells that hold nothing.
    #[must_use]
    pub const fn available(&self) -> usize {
        self.available
    }

    /// Adds `chunk` at the end of `queue`.
    ///
    /// # Errors
    /// [`NoCell`] with the chunk.
    pub fn push_back(&mut self, queue: &mut Queue, chunk: Chunk) -> Result<u32, NoCell> {
        let Some(bytes) = queue.bytes.checked_add(chunk.len() as u32) else { return Err(NoCell(chunk)) };
        let cell = self.take(chunk, NIL)?;
        match queue.last() {
            Some(last) => self.cells[last as usize].next = cell,
            None => queue.head = cell,
        }
        queue.tail = cell;
        queue.bytes = bytes;
        queue.cells += 1;
        Ok(cell)
    }

    /// Puts `chunk` behind the cell `after` of `queue`.
    ///
    /// # Errors
    /// [`NoCell`] with the chunk.
    pub fn insert_after(&mut self, queue: &mut Queue, after: u32, chunk: Chunk) -> Result<u32, NoCell> {
        let Some(bytes) = queue.bytes.checked_add(chunk.len() as u32) else { return Err(NoCell(chunk)) };
        let next = self.cells[after as usize].next;
        let cell = self.take(chunk, next)?;
        self.cells[after as usize].next = cell;
        if next == NIL {
            queue.tail = cell;
        }
        queue.bytes = bytes;
        queue.cells += 1;
        Ok(cell)
    }

    /// Moves all chunks of `from` behind those of `to`, by relinking two cells.
    pub fn append(&mut self, to: &mut Queue, from: &mut Queue) {
        let from = core::mem::take(from);
        let Some(first) = from.first() else { return };
        match to.last() {
            Some(last) => self.cells[last as usize].next = first,
            None => to.head = first,
        }
        to.tail = from.tail;
        to.bytes += from.bytes;
        to.cells += from.cells;
    }

    /// Takes the first chunk of `queue`.
    pub fn pop_front(&mut self, queue: &mut Queue) -> Option<Chunk> {
        let first = queue.first()?;
        let cell = &mut self.cells[first as usize];
        let chunk = core::mem::take(&mut cell.chunk);
        queue.head = core::mem::replace(&mut cell.next, self.free);
        self.free = first;
        self.available += 1;
        if queue.head == NIL {
            queue.tail = NIL;
        }
        queue.bytes -= chunk.len() as u32;
        queue.cells -= 1;
        Some(chunk)
    }

    /// Drops every chunk of `queue`.
    pub fn clear(&mut self, queue: &mut Queue) {
        while self.pop_front(queue).is_some() {}
    }

    /// Drops `count` bytes from the front of `queue`, and every chunk that this empties.
    ///
    /// # Panics
    /// If the queue holds fewer.
    pub fn advance(&mut self, queue: &mut Queue, mut count: usize) {
        assert!(count <= queue.bytes(), "a queue cannot advance beyond its end");
        while count > 0 {
            let first = queue.first().expect("bytes are left, so a chunk is");
            let chunk = &mut self.cells[first as usize].chunk;
            if count < chunk.len() {
                chunk.advance(count);
                queue.bytes -= count as u32;
                return;
            }
            count -= chunk.len();
            self.pop_front(queue);
        }
    }

    /// The chunk in `cell`.
    #[must_use]
    pub fn chunk(&self, cell: u32) -> &Chunk {
        &self.cells[cell as usize].chunk
    }

    /// The chunk in `cell`, to learn its sum.
    ///
    /// Its length must not be changed but through [`Cells::join`] and [`Cells::split`]: the queue counts its bytes.
    pub fn chunk_mut(&mut self, cell: u32) -> &mut Chunk {
        &mut self.cells[cell as usize].chunk
    }

    /// The cell behind `cell`.
    #[must_use]
    pub fn next(&self, cell: u32) -> Option<u32> {
        Some(self.cells[cell as usize].next).filter(|&next| next != NIL)
    }

    /// Joins `chunk` to the last one of `queue` where it follows in memory (see [`Chunk::join`]).
    ///
    /// # Errors
    /// The chunk, when it does not follow, or when the queue would hold 4 GiB or more.
    pub fn join(&mut self, queue: &mut Queue, chunk: Chunk) -> Result<(), Chunk> {
        let Some(last) = queue.last() else { return Err(chunk) };
        let Some(bytes) = queue.bytes.checked_add(chunk.len() as u32) else { return Err(chunk) };
        self.cells[last as usize].chunk.join(chunk)?;
        queue.bytes = bytes;
        Ok(())
    }

    /// Leaves the first `count` bytes of `cell`'s chunk in it and moves the rest to a cell of its own behind it, by
    /// `cut` ([`Chunk::split_to`] or its summing form). Returns whether a cell was left to do so.
    pub fn split(&mut self, queue: &mut Queue, cell: u32, count: usize, cut: impl FnOnce(&mut Chunk) -> Chunk) -> bool {
        if self.available == 0 {
            return false;
        }
        let chunk = &mut self.cells[cell as usize].chunk;
        let front = cut(chunk);
        debug_assert_eq!(front.len(), count);
        let rest = core::mem::replace(chunk, front);
        // Out of the count with it, whatever was cut: inserting brings it back in.
        queue.bytes -= rest.len() as u32;
        self.insert_after(queue, cell, rest).expect("a cell is available");
        true
    }

    /// The storage, for a [`crate::Payload`] to borrow.
    #[must_use]
    pub fn storage(&self) -> &[Cell] {
        self.cells
    }

    fn take(&mut self, chunk: Chunk, next: u32) -> Result<u32, NoCell> {
        if self.free == NIL {
            return Err(NoCell(chunk));
        }
        let index = self.free;
        let cell = &mut self.cells[index as usize];
        self.free = cell.next;
        self.available -= 1;
        *cell = Cell { chunk, next };
        Ok(index)
    }
}

/// The chunk of `cell` in `cells`, and the cell behind it.
pub(crate) fn follow(cells: &[Cell], cell: u32) -> Option<(&Chunk, u32)> {
    cells.get(cell as usize).map(|cell| (&cell.chunk, cell.next))
}

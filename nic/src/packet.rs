//! Packets as both sides of the seam see them.
//!
//! Invariant: header bytes and payload bytes never share a buffer, so nobody edits what a device may be reading.

use crate::slot_list::SlotList;
use crate::{Checksum, Chunk, ChunkMut, Offload, Payload, Received};

/// Bytes for all headers of a packet: Ethernet 14, 802.1Q 4, IPv6 40, TCP 60, and some air.
pub const HEADER_ROOM: usize = 128;

/// Chunks that a received packet has room for by itself, where a packet moves through every layer: a frame is one
/// chunk, or one of headers and one of payload. See [`RxPacket::spill`] for more.
pub const INLINE_CHUNKS: usize = 2;

/// Chunks that a frame takes at the most where a device was not asked for large segments: a 9000-byte frame in 2 KiB
/// slots takes 5.
pub const MAX_CHUNKS: usize = 8;

/// A packet on its way out: headers that are filled back to front, a borrowed payload, and what the device has to do.
///
/// ```
/// use lendwire_nic::{Chunk, Payload, TxPacket};
/// let queue = [Chunk::from_static(b"payload")];
/// let mut packet = TxPacket::new(Payload::of(&queue));
/// packet.push(2).copy_from_slice(b"ip");
/// packet.push(3).copy_from_slice(b"eth");
/// assert_eq!((packet.header(), packet.len()), (&b"ethip"[..], 12));
/// ```
#[derive(Debug)]
pub struct TxPacket<'q> {
    headers: [u8; HEADER_ROOM],
    start: usize,
    payload: Payload<'q>,
    /// What the device has to do.
    pub offload: Offload,
    /// Packets of one flow have the same number: a device with several queues keeps them on one of them, in order.
    pub flow: u32,
}

impl<'q> TxPacket<'q> {
    /// A packet without headers.
    #[must_use]
    pub const fn new(payload: Payload<'q>) -> Self {
        let offload = Offload { checksum: Checksum::Done, segmentation: None, vlan: None };
        Self { headers: [0; HEADER_ROOM], start: HEADER_ROOM, payload, offload, flow: 0 }
    }

    /// Puts the headers in front of another payload.
    pub(crate) const fn carry(&mut self, payload: Payload<'q>) {
        self.payload = payload;
    }

    /// Puts the headers in front of as many bytes again, those behind what they are in front of.
    #[inline(always)]
    pub(crate) fn carry_next(&mut self) {
        self.payload.step();
    }

    /// Four bytes of the headers.
    ///
    /// # Panics
    /// If the headers end before.
    #[inline(always)]
    pub(crate) fn header_word(&mut self, at: usize) -> &mut [u8; 4] {
        self.headers.get_mut(self.start + at..).and_then(|rest| rest.first_chunk_mut()).expect("it lies in the headers")
    }

    /// Makes room for a header of `len` bytes in front, zeroed, and returns it. An offload's offsets move along.
    ///
    /// # Panics
    /// If the headers outgrow [`HEADER_ROOM`]: their sizes are fixed by the layers, not by a peer.
    pub fn push(&mut self, len: usize) -> &mut [u8] {
        self.start = self.start.checked_sub(len).expect("all headers fit HEADER_ROOM");
        if let Checksum::Fill { start, .. } = &mut self.offload.checksum {
            *start += len as u16;
        }
        &mut self.headers[self.start..self.start + len]
    }

    /// Takes back the outermost `len` bytes of header, zeroed for the next try. A checksum that was to start in them
    /// is asked for no longer.
    ///
    /// # Panics
    /// If fewer are there.
    pub fn pop(&mut self, len: usize) {
        self.headers[self.start..self.start + len].fill(0);
        self.start += len;
        if let Checksum::Fill { start, offset } = self.offload.checksum {
            self.offload.checksum = match start.checked_sub(len as u16) {
                Some(start) => Checksum::Fill { start, offset },
                None => Checksum::Done,
            };
        }
    }

    /// All headers, outermost first.
    #[must_use]
    pub fn header(&self) -> &[u8] {
        &self.headers[self.start..]
    }

    /// The array that all headers are at the end of, for a driver that copies a length known beforehand.
    #[must_use]
    pub const fn header_room(&self) -> &[u8; HEADER_ROOM] {
        &self.headers
    }

    /// All headers, to complete a field.
    pub fn header_mut(&mut self) -> &mut [u8] {
        &mut self.headers[self.start..]
    }

    /// What follows the headers.
    #[must_use]
    pub const fn payload(&self) -> &Payload<'q> {
        &self.payload
    }

    /// Bytes in all: the frame's length without its check sequence.
    #[must_use]
    pub const fn len(&self) -> usize {
        HEADER_ROOM - self.start + self.payload.len()
    }

    /// Whether there is neither header nor payload.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// A received packet: the chunks it arrived in, none of them empty, and what the device said about it.
#[derive(Debug)]
pub struct RxPacket {
    chunks: List,
    first: u16,
    end: u16,
    len: u32,
    /// The transport checksum.
    pub checksum: Received,
    /// The tag control field of an 802.1Q tag that the device stripped.
    pub vlan: Option<u16>,
    /// Payload bytes of each of the TCP segments that the device made one of.
    pub segment_size: Option<u16>,
    /// The hash over addresses and ports that the device chose the queue by.
    pub hash: Option<u32>,
}

/// Where the chunks lie. Every entry is a live chunk, those outside of `first..end` empty ones.
#[derive(Debug)]
enum List {
    Inline([Chunk; INLINE_CHUNKS]),
    Slot(SlotList),
}

impl List {
    fn entries(&self) -> &[Chunk] {
        match self {
            Self::Inline(chunks) => chunks,
            Self::Slot(chunks) => chunks,
        }
    }

    fn entries_mut(&mut self) -> &mut [Chunk] {
        match self {
            Self::Inline(chunks) => chunks,
            Self::Slot(chunks) => chunks,
        }
    }
}

/// A packet that has no room for another chunk; the chunk comes back.
#[derive(Debug)]
pub struct TooManyChunks(pub Chunk);

impl RxPacket {
    /// A packet in one chunk.
    #[must_use]
    #[inline(always)]
    pub fn new(chunk: Chunk) -> Self {
        let (end, len) = (u16::from(!chunk.is_empty()), chunk.len() as u32);
        Self {
            chunks: List::Inline([chunk, Chunk::EMPTY]),
            first: 0,
            end,
            len,
            checksum: Received::Unchecked,
            vlan: None,
            segment_size: None,
            hash: None,
        }
    }

    /// Adds the next chunk; an empty one leaves no trace.
    ///
    /// # Errors
    /// [`TooManyChunks`] with the chunk, when [`INLINE_CHUNKS`] lie inline or the slot of [`RxPacket::spill`] is full.
    #[inline]
    pub fn push(&mut self, chunk: Chunk) -> Result<(), TooManyChunks> {
        // Headers are read in the first chunk, so bytes must not hide behind an empty one.
        if chunk.is_empty() {
            return Ok(());
        }
        let len = chunk.len() as u32;
        if let Some(place) = self.chunks.entries_mut().get_mut(usize::from(self.end)) {
            *place = chunk;
        } else {
            let List::Slot(list) = &mut self.chunks else { return Err(TooManyChunks(chunk)) };
            list.push(chunk).map_err(TooManyChunks)?;
        }
        self.len += len;
        self.end += 1;
        Ok(())
    }

    /// Moves the list of chunks, not their bytes, to `slot`, so that more can be pushed: a segment of 64 KiB that a
    /// device coalesced into slots of 2 KiB takes 33, and a slot has room for 64. The slot is held as long as the packet
    /// lives. Nothing happens where the list is in a slot already, or where this one has no more room than there is
    /// inline.
    pub fn spill(&mut self, slot: ChunkMut) {
        let List::Inline(chunks) = &mut self.chunks else { return };
        let mut list = SlotList::new(slot);
        if list.capacity() <= INLINE_CHUNKS {
            return;
        }
        for chunk in &mut chunks[usize::from(self.first)..usize::from(self.end)] {
            list.push(core::mem::take(chunk)).expect("there is more room than inline");
        }
        (self.first, self.end) = (0, self.end - self.first);
        self.chunks = List::Slot(list);
    }

    /// Chunks that can still be pushed; [`RxPacket::spill`] makes room for more.
    #[must_use]
    pub fn room(&self) -> usize {
        let capacity = match &self.chunks {
            List::Inline(chunks) => chunks.len(),
            List::Slot(chunks) => chunks.capacity(),
        };
        capacity - usize::from(self.end)
    }

    /// Bytes.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.len as usize
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The chunks in order.
    #[must_use]
    #[inline]
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks.entries()[usize::from(self.first)..usize::from(self.end)]
    }

    /// The bytes that lie together at the front: headers are read here.
    #[must_use]
    #[inline]
    pub fn front(&self) -> &[u8] {
        self.chunks().first().map_or(&[], |chunk| chunk)
    }

    /// Drops `count` bytes from the front.
    ///
    /// # Panics
    /// If there are fewer.
    #[inline]
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "a packet cannot advance beyond its end");
        self.len -= count as u32;
        while count > 0 {
            let chunk = &mut self.chunks.entries_mut()[usize::from(self.first)];
            if count < chunk.len() {
                chunk.advance(count);
                return;
            }
            count -= chunk.len();
            *chunk = Chunk::EMPTY;
            self.first += 1;
        }
    }

    /// Keeps the first `len` bytes.
    #[inline]
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        self.len = len as u32;
        let (mut left, mut end) = (len, self.first);
        for chunk in self.live_mut() {
            end += u16::from(left > 0);
            chunk.truncate(left);
            left -= chunk.len();
        }
        self.end = end;
    }

    /// Takes the first chunk out.
    #[inline]
    pub fn pop(&mut self) -> Option<Chunk> {
        if self.first == self.end {
            return None;
        }
        let chunk = core::mem::take(&mut self.chunks.entries_mut()[usize::from(self.first)]);
        self.first += 1;
        self.len -= chunk.len() as u32;
        Some(chunk)
    }

    /// The first chunk, to keep its sum.
    pub fn first_mut(&mut self) -> Option<&mut Chunk> {
        self.live_mut().first_mut()
    }

    /// Shows each chunk in order, to keep its sum. Their lengths must stay.
    pub fn visit_chunks(&mut self, visit: impl FnMut(&mut Chunk)) {
        self.live_mut().iter_mut().for_each(visit);
    }

    /// Pool memory that these chunks keep from being reused, in bytes.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.chunks().iter().map(Chunk::pinned).sum()
    }

    fn live_mut(&mut self) -> &mut [Chunk] {
        &mut self.chunks.entries_mut()[usize::from(self.first)..usize::from(self.end)]
    }
}

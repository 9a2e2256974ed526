//! Packets as both sides of the seam see them.
//!
//! Invariant: header bytes and payload bytes never share a buffer, so nobody edits what a device may be reading.

use crate::{Checksum, Chunk, Offload, Payload, Received};

/// Bytes for all headers of a packet: Ethernet 14, 802.1Q 4, IPv6 40, TCP 60, and some air.
pub const HEADER_ROOM: usize = 128;

/// Chunks that one received packet can span: a 9000-byte frame in 2 KiB slots takes 5.
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
}

impl<'q> TxPacket<'q> {
    /// A packet without headers.
    #[must_use]
    pub const fn new(payload: Payload<'q>) -> Self {
        let offload = Offload { checksum: Checksum::Done, segmentation: None, vlan: None };
        Self { headers: [0; HEADER_ROOM], start: HEADER_ROOM, payload, offload }
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
    chunks: [Chunk; MAX_CHUNKS],
    first: u8,
    end: u8,
    len: u32,
    /// The transport checksum.
    pub checksum: Received,
    /// The tag control field of an 802.1Q tag that the device stripped.
    pub vlan: Option<u16>,
    /// Payload bytes of each of the TCP segments that the device made one of.
    pub segment_size: Option<u16>,
}

/// A packet that spans more chunks than [`MAX_CHUNKS`]; the chunk comes back.
#[derive(Debug)]
pub struct TooManyChunks(pub Chunk);

impl RxPacket {
    /// A packet in one chunk.
    #[must_use]
    pub fn new(chunk: Chunk) -> Self {
        let mut packet = Self {
            chunks: [const { Chunk::EMPTY }; MAX_CHUNKS],
            first: 0,
            end: u8::from(!chunk.is_empty()),
            len: chunk.len() as u32,
            checksum: Received::Unchecked,
            vlan: None,
            segment_size: None,
        };
        packet.chunks[0] = chunk;
        packet
    }

    /// Adds the next chunk; an empty one leaves no trace.
    ///
    /// # Errors
    /// [`TooManyChunks`] with the chunk.
    pub fn push(&mut self, chunk: Chunk) -> Result<(), TooManyChunks> {
        // Headers are read in the first chunk, so bytes must not hide behind an empty one.
        if chunk.is_empty() {
            return Ok(());
        }
        let Some(place) = self.chunks.get_mut(usize::from(self.end)) else {
            return Err(TooManyChunks(chunk));
        };
        self.len += chunk.len() as u32;
        *place = chunk;
        self.end += 1;
        Ok(())
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
    pub fn chunks(&self) -> &[Chunk] {
        &self.chunks[usize::from(self.first)..usize::from(self.end)]
    }

    /// The bytes that lie together at the front: headers are read here.
    #[must_use]
    pub fn front(&self) -> &[u8] {
        self.chunks().first().map_or(&[], |chunk| chunk)
    }

    /// Drops `count` bytes from the front.
    ///
    /// # Panics
    /// If there are fewer.
    pub fn advance(&mut self, mut count: usize) {
        assert!(count <= self.len(), "a packet cannot advance beyond its end");
        self.len -= count as u32;
        while count > 0 {
            let chunk = &mut self.chunks[usize::from(self.first)];
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
    pub fn truncate(&mut self, len: usize) {
        if len >= self.len() {
            return;
        }
        self.len = len as u32;
        let (mut left, mut end) = (len, self.first);
        for chunk in &mut self.chunks[usize::from(self.first)..usize::from(self.end)] {
            end += u8::from(left > 0);
            chunk.truncate(left);
            left -= chunk.len();
        }
        self.end = end;
    }

    /// Takes the first chunk out.
    pub fn pop(&mut self) -> Option<Chunk> {
        if self.first == self.end {
            return None;
        }
        let chunk = core::mem::take(&mut self.chunks[usize::from(self.first)]);
        self.first += 1;
        self.len -= chunk.len() as u32;
        Some(chunk)
    }

    /// The first chunk, to keep its sum.
    pub fn first_mut(&mut self) -> Option<&mut Chunk> {
        self.chunks[usize::from(self.first)..usize::from(self.end)].first_mut()
    }

    /// Pool memory that these chunks keep from being reused, in bytes.
    #[must_use]
    pub fn pinned(&self) -> usize {
        self.chunks().iter().map(Chunk::pinned).sum()
    }
}

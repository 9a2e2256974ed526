//! Packets of one flow behind one another, cut in software out of one payload: the headers are the same but for a number.
//!
//! Invariant: the packet that [`Train::packet`] shows is complete, and bytes of headers are written once; from packet to
//! packet only what differs is. Each number is the one before and the bytes that went with it, as TCP counts (RFC 9293
//! §3.4); a checksum that software completes follows by RFC 1624. Nothing of the payload is read for it where sums are known.

use crate::{Payload, Sum, TxPacket, Work};

/// What of the headers differs from packet to packet, by places in the first one's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Differing {
    /// Where the number stands, a 32-bit word at an even place.
    pub number: usize,
    /// Where a checksum stands that software completes, a 16-bit word at an even place.
    pub checksum: Option<usize>,
    /// What the last packet has in its place: a 16-bit word at an even one.
    pub last: (usize, u16),
}

/// See the module.
#[derive(Debug)]
pub struct Train<'q> {
    packet: TxPacket<'q>,
    /// Bytes that the packets behind this one carry.
    behind: usize,
    /// Bytes that each carries.
    size: usize,
    differing: Differing,
    number: u32,
    /// The sum of what the checksum covers, without payload and number.
    fixed: Sum,
    sent: usize,
    work: Work,
}

impl<'q> Train<'q> {
    /// Packets that carry as much of `payload` as `first`, whose headers are complete, each. What does not fill a packet is
    /// left out.
    ///
    /// # Panics
    /// If `first` carries nothing, or a place in `differing` lies outside of its headers.
    #[must_use]
    pub fn new(first: TxPacket<'q>, payload: Payload<'q>, differing: Differing) -> Self {
        let size = first.payload().len();
        assert!(size > 0, "a train's packets carry something");
        let behind = payload.len().saturating_sub(size);
        let at = first.header()[differing.number..].first_chunk().expect("the number lies in the headers");
        let number = u32::from_be_bytes(*at);
        let (fixed, work) = (Sum::ZERO, Work::default());
        let mut train = Self { packet: first, behind, size, differing, number, fixed, sent: 0, work };
        if let Some(at) = differing.checksum {
            let carried = train.packet.payload().sum(&mut train.work);
            let whole = Sum::of_word(!train.word(at));
            train.fixed = whole.without_front(train.number_sum()).without_front(Sum::of_word(carried.value()));
        }
        train.set_last();
        train
    }

    /// The next packet, until all are sent.
    #[must_use]
    #[inline]
    pub fn packet(&self) -> Option<&TxPacket<'q>> {
        if self.packet.payload().is_empty() { None } else { Some(&self.packet) }
    }

    /// The packet has been taken: the one behind it is next.
    #[inline(always)]
    pub fn advance(&mut self) {
        self.sent += 1;
        if self.behind < self.size {
            self.packet.carry(Payload::EMPTY);
            return;
        }
        self.behind -= self.size;
        self.packet.carry_next();
        self.number = self.number.wrapping_add(self.size as u32);
        *self.packet.header_word(self.differing.number) = self.number.to_be_bytes();
        if self.differing.checksum.is_some() || self.behind < self.size {
            self.complete();
        }
    }

    /// What differs beside the number.
    #[inline(never)]
    fn complete(&mut self) {
        if let Some(at) = self.differing.checksum {
            let carried = self.packet.payload().sum(&mut self.work);
            let sum = self.fixed.then(self.number_sum()).then(carried);
            self.set_word(at, sum.checksum());
        }
        self.set_last();
    }

    /// How many packets have been taken.
    #[must_use]
    pub const fn sent(&self) -> usize {
        self.sent
    }

    /// Payload that was read, where a sum was not known.
    #[must_use]
    pub const fn work(&self) -> Work {
        self.work
    }

    /// The last packet has a word of its own.
    fn set_last(&mut self) {
        if self.behind >= self.size {
            return;
        }
        let (at, word) = self.differing.last;
        let old = self.word(at);
        self.set_word(at, word);
        if let Some(at) = self.differing.checksum {
            let sum = Sum::of_word(!self.word(at)).replace(old, word);
            self.set_word(at, sum.checksum());
        }
    }

    fn number_sum(&self) -> Sum {
        Sum::of_word((self.number >> 16) as u16).then(Sum::of_word(self.number as u16))
    }

    fn word(&self, at: usize) -> u16 {
        u16::from_be_bytes(*self.packet.header()[at..].first_chunk().expect("the word lies in the headers"))
    }

    fn set_word(&mut self, at: usize, word: u16) {
        self.packet.header_mut()[at..at + 2].copy_from_slice(&word.to_be_bytes());
    }
}

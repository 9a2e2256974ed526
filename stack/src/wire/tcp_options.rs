//! The options of TCP segments (RFC 9293 §3.2): MSS, window scale and timestamps (RFC 7323), selective acknowledgment
//! (RFC 2018), Fast Open (RFC 7413).
//!
//! Invariant: options of a handshake and options of a data segment are different types, so an MSS on a data segment
//! cannot be written down. What is written is a multiple of 4 bytes and at most 40. Where a peer gives an option twice
//! the last one counts, as in Linux and in the BSDs: the RFCs leave it open, and so both ends of a connection with those
//! understand the same. For cookies of Fast Open RFC 7413 §4.1.3 says so.

use super::accurate_ecn::ByteCounts;
use super::fast_open::FastOpenOption;

/// The longest run of options: a data offset of 15 words.
pub const LONGEST: usize = 40;

/// An option whose length cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BadOption;

/// Options that a header can be given.
pub trait Options {
    /// Bytes that [`Options::write`] fills: a multiple of 4.
    fn len(&self) -> usize;

    /// Writes the options into `to`, which has [`Options::len`] bytes.
    ///
    /// # Panics
    /// If `to` is shorter.
    fn write(&self, to: &mut [u8]);

    /// Whether there is none.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// What two ends agree on in their SYNs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HandshakeOptions {
    /// The largest segment the sender takes, in bytes of data (RFC 9293 §3.7.1).
    pub mss: Option<u16>,
    /// By how many bits its windows are to be shifted (RFC 7323 §2.2).
    pub window_scale: Option<u8>,
    /// It can take selective acknowledgments (RFC 2018 §2).
    pub sack_permitted: bool,
    /// Its clock, and its wish to hear it echoed (RFC 7323 §3.2).
    pub timestamps: Option<Timestamps>,
    /// A cookie, or the wish for one (RFC 7413 §4.1.1).
    pub fast_open: Option<FastOpenOption>,
    /// It is to tell the first counts of bytes by ECN codepoint (RFC 9768 §3.2.3), where they fit.
    pub tells_bytes: bool,
}

/// The options of a segment without SYN.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SegmentOptions {
    /// The sender's clock and what it last saw of the receiver's.
    pub timestamps: Option<Timestamps>,
    /// What the sender holds beyond its acknowledgment.
    pub sack: SackBlocks,
    /// Bytes that came to it, by ECN codepoint (RFC 9768 §3.2.3).
    pub byte_counts: Option<ByteCounts>,
}

/// The timestamps option (RFC 7323 §3.2).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timestamps {
    /// TSval.
    pub value: u32,
    /// TSecr.
    pub echo: u32,
}

/// Up to four runs of sequence numbers, each from its first number to the one behind its last (RFC 2018 §3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct SackBlocks {
    blocks: [(u32, u32); Self::MOST],
    count: u8,
}

const END: u8 = 0;
const NOP: u8 = 1;
const MSS: u8 = 2;
const WINDOW_SCALE: u8 = 3;
const SACK_PERMITTED: u8 = 4;
const SACK: u8 = 5;
const TIMESTAMPS: u8 = 8;

/// Bytes of a block.
const BLOCK_LEN: usize = 8;

impl HandshakeOptions {
    /// Reads the options of a SYN; unknown ones are skipped (RFC 9293 MUST-6).
    ///
    /// # Errors
    /// [`BadOption`] where an option's length is illegal (MUST-7).
    pub fn parse(options: &[u8]) -> Result<Self, BadOption> {
        let mut found = Self::default();
        each_option(options, |kind, data| {
            match (kind, data) {
                (MSS, [high, low]) => found.mss = Some(u16::from_be_bytes([*high, *low])),
                // RFC 7323 §2.3: a shift above 14 is taken as 14.
                (WINDOW_SCALE, [shift]) => found.window_scale = Some((*shift).min(14)),
                (SACK_PERMITTED, []) => found.sack_permitted = true,
                (TIMESTAMPS, data) => found.timestamps = Some(Timestamps::parse(data)?),
                (MSS | WINDOW_SCALE | SACK_PERMITTED, _) => return Err(BadOption),
                (kind, data) => found.fast_open = FastOpenOption::parse(kind, data).or(found.fast_open),
            }
            Ok(())
        })?;
        Ok(found)
    }
}

impl Options for HandshakeOptions {
    fn len(&self) -> usize {
        let sack_alone = self.sack_permitted && self.timestamps.is_none();
        let timestamps = if self.timestamps.is_some() { Timestamps::LEN } else { 0 };
        4 * (usize::from(self.mss.is_some()) + usize::from(self.window_scale.is_some()) + usize::from(sack_alone))
            + timestamps
            + self.fast_open.map_or(0, |option| option.len())
            + if self.tells_bytes { ByteCounts::START.len() } else { 0 }
    }

    fn write(&self, to: &mut [u8]) {
        let mut to = Writer(to);
        if let Some(mss) = self.mss {
            let [high, low] = mss.to_be_bytes();
            to.put(&[MSS, 4, high, low]);
        }
        match (self.sack_permitted, self.timestamps) {
            (true, Some(timestamps)) => {
                // Where the two NOPs would stand.
                to.put(&[SACK_PERMITTED, 2]);
                timestamps.write(&mut to);
            }
            (true, None) => to.put(&[NOP, NOP, SACK_PERMITTED, 2]),
            (false, Some(timestamps)) => {
                to.put(&[NOP, NOP]);
                timestamps.write(&mut to);
            }
            (false, None) => {}
        }
        if let Some(shift) = self.window_scale {
            to.put(&[NOP, WINDOW_SCALE, 3, shift]);
        }
        if self.tells_bytes {
            to.put_counts(&ByteCounts::START);
        }
        if let Some(fast_open) = self.fast_open {
            fast_open.write(to.0, NOP);
        }
    }
}

impl SegmentOptions {
    /// Reads the options of a segment without SYN; unknown ones, and those of SYNs, are skipped (RFC 9293 MUST-6).
    ///
    /// # Errors
    /// [`BadOption`] where an option's length is illegal (MUST-7).
    pub fn parse(options: &[u8]) -> Result<Self, BadOption> {
        // RFC 7323 appendix A: the form that nearly all segments have.
        if let Some(timestamps) = Timestamps::alone(options) {
            return Ok(Self { timestamps: Some(timestamps), ..Self::default() });
        }
        let mut found = Self::default();
        each_option(options, |kind, data| {
            match kind {
                TIMESTAMPS => found.timestamps = Some(Timestamps::parse(data)?),
                SACK => found.sack = SackBlocks::parse(data)?,
                kind => found.byte_counts = ByteCounts::parse(kind, data).or(found.byte_counts),
            }
            Ok(())
        })?;
        Ok(found)
    }

    /// How many blocks have a place beside the timestamps: RFC 2018 §3.
    fn blocks(&self) -> usize {
        usize::from(self.sack.count).min(SackBlocks::most_beside(self.others_len()))
    }

    fn others_len(&self) -> usize {
        let timestamps = if self.timestamps.is_some() { Timestamps::LEN } else { 0 };
        timestamps + self.byte_counts.map_or(0, |counts| counts.len())
    }
}

impl Options for SegmentOptions {
    fn len(&self) -> usize {
        match self.blocks() {
            0 => self.others_len(),
            blocks => self.others_len() + 4 + BLOCK_LEN * blocks,
        }
    }

    fn write(&self, to: &mut [u8]) {
        let mut to = Writer(to);
        if let Some(timestamps) = self.timestamps {
            to.put(&[NOP, NOP]);
            timestamps.write(&mut to);
        }
        if let Some(counts) = &self.byte_counts {
            to.put_counts(counts);
        }
        let blocks = self.blocks();
        if blocks == 0 {
            return;
        }
        to.put(&[NOP, NOP, SACK, (2 + BLOCK_LEN * blocks) as u8]);
        for (first, behind) in self.sack.iter().take(blocks) {
            to.put(&first.to_be_bytes());
            to.put(&behind.to_be_bytes());
        }
    }
}

/// Timestamps alone, or nothing: what nearly all segments have (RFC 7323 appendix A).
impl Options for Option<Timestamps> {
    #[inline]
    fn len(&self) -> usize {
        if self.is_some() { Timestamps::LEN } else { 0 }
    }

    #[inline]
    fn write(&self, to: &mut [u8]) {
        if let Some(Timestamps { value, echo }) = self {
            let (front, clocks) = to.split_at_mut(4);
            front.copy_from_slice(&[NOP, NOP, TIMESTAMPS, 10]);
            clocks[..8].copy_from_slice(&(u64::from(*value) << 32 | u64::from(*echo)).to_be_bytes());
        }
    }
}

impl Timestamps {
    /// Bytes of the option with its padding.
    pub const LEN: usize = 12;

    /// Those of options that are nothing else, in the form of RFC 7323 appendix A: what nearly all segments have.
    #[must_use]
    #[inline]
    pub fn alone(options: &[u8]) -> Option<Self> {
        let &[NOP, NOP, TIMESTAMPS, 10, a, b, c, d, e, f, g, h] = options else { return None };
        Some(Self { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
    }

    fn parse(data: &[u8]) -> Result<Self, BadOption> {
        let &[a, b, c, d, e, f, g, h] = data else { return Err(BadOption) };
        Ok(Self { value: u32::from_be_bytes([a, b, c, d]), echo: u32::from_be_bytes([e, f, g, h]) })
    }

    fn write(self, to: &mut Writer<'_>) {
        to.put(&[TIMESTAMPS, 10]);
        to.put(&self.value.to_be_bytes());
        to.put(&self.echo.to_be_bytes());
    }
}

impl SackBlocks {
    /// Blocks that fit where nothing else does.
    pub const MOST: usize = 4;

    /// How many have a place beside `len` bytes of other options.
    #[must_use]
    pub const fn most_beside(len: usize) -> usize {
        (LONGEST - 4 - len) / BLOCK_LEN
    }

    /// Adds a block at the end; false where there is no place. Its numbers are the caller's to check.
    pub const fn push(&mut self, first: u32, behind: u32) -> bool {
        if self.count as usize == Self::MOST {
            return false;
        }
        self.blocks[self.count as usize] = (first, behind);
        self.count += 1;
        true
    }

    /// The blocks in their order, each as its first number and the one behind its last.
    pub fn iter(&self) -> impl Iterator<Item = (u32, u32)> + '_ {
        self.blocks[..usize::from(self.count)].iter().copied()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    fn parse(data: &[u8]) -> Result<Self, BadOption> {
        let (numbers, rest) = data.as_chunks::<BLOCK_LEN>();
        // RFC 2018 §3: eight bytes a block. One without any says nothing that a length could be legal for.
        if numbers.is_empty() || !rest.is_empty() {
            return Err(BadOption);
        }
        let mut found = Self::default();
        for &[a, b, c, d, e, f, g, h] in numbers {
            found.push(u32::from_be_bytes([a, b, c, d]), u32::from_be_bytes([e, f, g, h]));
        }
        Ok(found)
    }
}

/// What is left to fill.
struct Writer<'a>(&'a mut [u8]);

impl Writer<'_> {
    fn put(&mut self, bytes: &[u8]) {
        let (front, rest) = core::mem::take(&mut self.0).split_at_mut(bytes.len());
        front.copy_from_slice(bytes);
        self.0 = rest;
    }

    fn put_counts(&mut self, counts: &ByteCounts) {
        let (front, rest) = core::mem::take(&mut self.0).split_at_mut(counts.len());
        counts.write(front, NOP);
        self.0 = rest;
    }
}

fn each_option(mut options: &[u8], mut found: impl FnMut(u8, &[u8]) -> Result<(), BadOption>) -> Result<(), BadOption> {
    while let [kind, rest @ ..] = options {
        match *kind {
            END => return Ok(()),
            NOP => options = rest,
            kind => {
                // RFC 9293 §3.2: the length counts kind and length, so it is at least 2.
                let len = usize::from(*rest.first().ok_or(BadOption)?).checked_sub(2).ok_or(BadOption)?;
                let data = rest.get(1..1 + len).ok_or(BadOption)?;
                found(kind, data)?;
                options = &rest[1 + len..];
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::fast_open::{Cookie, Form};
    use super::*;

    const CLOCKS: Timestamps = Timestamps { value: 0x0102_0304, echo: 0x0506_0708 };

    fn longest_cookie() -> FastOpenOption {
        FastOpenOption { cookie: Cookie::new(&[0xc0; 16]), form: Form::Experimental }
    }

    fn written(options: &impl Options) -> ([u8; LONGEST], usize) {
        let mut bytes = [0xee; LONGEST];
        let len = options.len();
        options.write(&mut bytes[..len]);
        (bytes, len)
    }

    fn blocks(count: u32) -> SackBlocks {
        let mut blocks = SackBlocks::default();
        (0..count).for_each(|at| assert!(blocks.push(100 * at, 100 * at + 50)));
        blocks
    }

    #[test]
    fn every_handshake_option_comes_back_as_it_was_written() {
        for choice in 0..32 {
            let options = HandshakeOptions {
                mss: Some(1460).filter(|_| choice & 1 != 0),
                window_scale: Some(7).filter(|_| choice & 2 != 0),
                sack_permitted: choice & 4 != 0,
                timestamps: Some(CLOCKS).filter(|_| choice & 8 != 0),
                fast_open: Some(longest_cookie()).filter(|_| choice & 16 != 0),
                tells_bytes: false,
            };
            let (bytes, len) = written(&options);
            assert!(len.is_multiple_of(4) && len <= LONGEST, "{len}");
            assert_eq!(HandshakeOptions::parse(&bytes[..len]), Ok(options));
        }
    }

    #[test]
    fn rfc7323_appendix_a_timestamps_stand_behind_two_nops() {
        let (bytes, len) = written(&SegmentOptions { timestamps: Some(CLOCKS), ..SegmentOptions::default() });
        assert_eq!(bytes[..len], [1, 1, 8, 10, 1, 2, 3, 4, 5, 6, 7, 8]);
    }

    #[test]
    fn rfc2018_3_four_blocks_fit_alone_and_three_beside_timestamps() {
        for count in 0..=4 {
            for (timestamps, fit) in [(None, count), (Some(CLOCKS), count.min(3))] {
                let (bytes, len) = written(&SegmentOptions { timestamps, sack: blocks(count), byte_counts: None });
                let came = SegmentOptions::parse(&bytes[..len]).expect("what is written is legal");
                assert!(len.is_multiple_of(4) && len <= LONGEST);
                assert_eq!(came, SegmentOptions { timestamps, sack: blocks(fit), byte_counts: None });
            }
        }
        assert!(!blocks(4).push(1, 2));
    }

    #[test]
    fn rfc9768_3_2_3_counts_of_bytes_leave_less_room_for_blocks() {
        let two = ByteCounts { ect_0: Some(1), marked: Some(7), ect_1: None };
        let three = ByteCounts { ect_1: Some(9), ..two };
        for (timestamps, counts, fit) in
            [(None, two, 3), (Some(CLOCKS), two, 2), (None, three, 3), (Some(CLOCKS), three, 1)]
        {
            let options = SegmentOptions { timestamps, sack: blocks(4), byte_counts: Some(counts) };
            let (bytes, len) = written(&options);
            assert!(len.is_multiple_of(4) && len <= LONGEST);
            assert_eq!(SegmentOptions::parse(&bytes[..len]), Ok(SegmentOptions { sack: blocks(fit), ..options }));
        }
    }

    #[test]
    fn the_last_of_an_option_counts_and_unknown_ones_are_skipped() {
        let twice = [2, 4, 1, 0, 254, 4, 9, 9, 2, 4, 2, 0];
        assert_eq!(HandshakeOptions::parse(&twice).unwrap().mss, Some(0x200));
        // RFC 7413 §4.1.3: of several cookies the last, but of those that are none, none.
        let cookies = [34, 6, 1, 1, 1, 1, 34, 6, 2, 2, 2, 2, 34, 5, 3, 3, 3];
        let option = HandshakeOptions::parse(&cookies).unwrap().fast_open.unwrap();
        assert_eq!(option.cookie, Cookie::new(&[2; 4]));
        let twice = [8, 10, 0, 0, 0, 1, 0, 0, 0, 2, 253, 2, 8, 10, 0, 0, 0, 3, 0, 0, 0, 4];
        assert_eq!(SegmentOptions::parse(&twice).unwrap().timestamps, Some(Timestamps { value: 3, echo: 4 }));
    }

    #[test]
    fn rfc9293_must_7_illegal_lengths_are_refused() {
        for bad in [&[8, 9, 0, 0, 0, 1, 0, 0, 0][..], &[8, 2], &[5, 2], &[5, 6, 0, 0, 0, 0], &[5, 10, 0, 0], &[99, 1]] {
            assert_eq!(SegmentOptions::parse(bad), Err(BadOption), "{bad:?}");
        }
        for bad in [&[4, 3, 0][..], &[8, 9, 0, 0, 0, 1, 0, 0, 0], &[3, 2], &[2, 3, 0], &[4]] {
            assert_eq!(HandshakeOptions::parse(bad), Err(BadOption), "{bad:?}");
        }
        // Behind the end nothing is read.
        assert_eq!(SegmentOptions::parse(&[1, 0, 8, 2]), Ok(SegmentOptions::default()));
    }
}

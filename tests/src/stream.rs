//! Bytes that are a function of their place, so that a lost, doubled or swapped byte shows at once.

use std::sync::OnceLock;

use lendwire_nic::Content;

/// Length of the static content that streams are lent from: a prime, so that no power of two hides a shift.
pub const PERIOD: usize = 65_521;

/// The byte at `place` of every stream.
#[must_use]
pub fn byte_at(place: u64) -> u8 {
    let place = place % PERIOD as u64;
    ((place * 167 + (place >> 8) * 31) >> 3) as u8
}

/// `len` bytes of the stream from `place` on.
#[must_use]
pub fn bytes(place: u64, len: usize) -> Vec<u8> {
    (place..place + len as u64).map(byte_at).collect()
}

/// One period of the stream with its kept sums, for as long as the process lives.
#[must_use]
pub fn content() -> &'static Content {
    static CONTENT: OnceLock<&'static Content> = OnceLock::new();
    CONTENT.get_or_init(|| Content::leaked(Vec::leak(bytes(0, PERIOD))))
}

/// The receiving end of a stream: compares what comes with what must come.
#[derive(Clone, Copy, Debug, Default)]
pub struct Check {
    place: u64,
}

impl Check {
    /// How many bytes have come.
    #[must_use]
    pub const fn place(&self) -> u64 {
        self.place
    }

    /// The next bytes have come.
    ///
    /// # Panics
    /// If they are not the ones that stand there in the stream.
    #[track_caller]
    pub fn accept(&mut self, mut came: &[u8]) {
        let whole = content().bytes();
        while !came.is_empty() {
            let at = (self.place % PERIOD as u64) as usize;
            let expected = &whole[at..(at + came.len()).min(PERIOD)];
            let (front, rest) = came.split_at(expected.len());
            if front != expected {
                let off = front.iter().zip(expected).position(|(a, b)| a != b).expect("they differ");
                panic!(
                    "byte {} of the stream is wrong: {} is not {}",
                    self.place + off as u64,
                    front[off],
                    expected[off]
                );
            }
            self.place += front.len() as u64;
            came = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_checked_across_its_period() {
        let mut check = Check::default();
        check.accept(&bytes(0, PERIOD - 1));
        check.accept(&bytes(PERIOD as u64 - 1, 1000));
        assert_eq!(check.place(), PERIOD as u64 + 999);
    }

    #[test]
    #[should_panic(expected = "byte 100 of the stream is wrong")]
    fn a_lost_byte_is_seen() {
        let mut check = Check::default();
        check.accept(&bytes(0, 100));
        check.accept(&bytes(101, 100));
    }
}

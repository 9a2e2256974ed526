//! The options of AccECN: how many bytes of data came with each of IP's ECN codepoints (RFC 9768 §3.2.3).
//!
//! Invariant: counters are of 24 bits and come round. The two options differ in the order of their fields, and may leave
//! out what stands at their end.

/// AccECN0: the counter of ECT(0) comes first.
pub const KIND_0: u8 = 172;
/// AccECN1: that of ECT(1).
pub const KIND_1: u8 = 174;

const FIELD_LEN: usize = 3;
/// What a counter is counted in.
pub const MODULUS: u32 = 1 << 24;

/// What an option tells; `None` is not told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ByteCounts {
    /// EE0B: bytes that came with ECT(0), and one.
    pub ect_0: Option<u32>,
    /// ECEB: bytes that came marked.
    pub marked: Option<u32>,
    /// EE1B: bytes that came with ECT(1), and one.
    pub ect_1: Option<u32>,
}

impl ByteCounts {
    /// The counts of who has heard nothing: not zero, so that a path that clears fields shows (RFC 9768 §3.2.1).
    pub const START: Self = Self { ect_0: Some(1), marked: Some(0), ect_1: None };

    /// The option `kind` that holds `data`. RFC 9768 §3.2.3: of a length that is none of its own the whole fields count.
    #[must_use]
    pub fn parse(kind: u8, data: &[u8]) -> Option<Self> {
        let (fields, _) = data.as_chunks::<FIELD_LEN>();
        let at = |place: usize| fields.get(place).map(|&[a, b, c]| u32::from_be_bytes([0, a, b, c]));
        match kind {
            KIND_0 => Some(Self { ect_0: at(0), marked: at(1), ect_1: at(2) }),
            KIND_1 => Some(Self { ect_1: at(0), marked: at(1), ect_0: at(2) }),
            _ => None,
        }
    }

    /// Bytes that [`ByteCounts::write`] fills: a multiple of 4.
    #[must_use]
    pub const fn len(&self) -> usize {
        if self.ect_1.is_some() { 12 } else { 8 }
    }

    /// Whether it tells nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.ect_0.is_none() && self.marked.is_none() && self.ect_1.is_none()
    }

    /// Writes the option to the front of `to`, the counter of ECT(1) only where there is one; `filler` comes first where
    /// the length asks for it. What is not known is written as 0.
    pub fn write(&self, to: &mut [u8], filler: u8) {
        let mut put = |at: usize, count: Option<u32>| {
            to[at..at + FIELD_LEN].copy_from_slice(&count.unwrap_or(0).to_be_bytes()[1..]);
        };
        let begin = usize::from(self.ect_1.is_some());
        put(begin + 2, self.ect_0);
        put(begin + 5, self.marked);
        if self.ect_1.is_some() {
            put(begin + 8, self.ect_1);
            to[0] = filler;
        }
        to[begin..begin + 2].copy_from_slice(&[KIND_0, (self.len() - begin) as u8]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc9768_3_2_3_both_orders_are_read_as_far_as_their_fields_go() {
        let data = [0, 0, 1, 0, 0, 2, 0, 1, 3];
        let all = ByteCounts { ect_0: Some(1), marked: Some(2), ect_1: Some(0x103) };
        assert_eq!(ByteCounts::parse(KIND_0, &data), Some(all));
        assert_eq!(ByteCounts::parse(KIND_1, &data), Some(ByteCounts { ect_0: all.ect_1, ect_1: all.ect_0, ..all }));
        assert_eq!(ByteCounts::parse(KIND_0, &data[..7]), Some(ByteCounts { ect_1: None, ..all }));
        assert_eq!(ByteCounts::parse(KIND_1, &[]), Some(ByteCounts::default()));
        assert_eq!(ByteCounts::parse(173, &data), None);
    }

    #[test]
    fn what_is_written_comes_back() {
        for ect_1 in [None, Some(77)] {
            let counts = ByteCounts { ect_0: Some(0x12_3456), marked: Some(MODULUS - 1), ect_1 };
            let mut bytes = [0xee; 12];
            counts.write(&mut bytes, 1);
            let begin = usize::from(bytes[0] == 1);
            let len = usize::from(bytes[begin + 1]);
            assert_eq!(begin + len, counts.len());
            assert_eq!(ByteCounts::parse(bytes[begin], &bytes[begin + 2..begin + len]), Some(counts));
        }
    }
}

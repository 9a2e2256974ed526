//! What a path did to payload bytes: the count that keeps "no copy, no second sum" honest.

/// Payload bytes that were touched by the processor. Header bytes are never counted.
///
/// Everything in this workspace that copies or reads payload takes a `&mut Work`, so that a copy or a checksum pass
/// cannot be made without leaving a trace.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Bytes copied from one place in memory to another.
    pub copied: u64,
    /// Bytes read to learn a checksum that is to be sent (a sum taken in the same pass as a copy counts as copied).
    pub summed: u64,
    /// Bytes read to check a received checksum that no device had checked.
    pub verified: u64,
}

impl core::ops::AddAssign for Work {
    fn add_assign(&mut self, other: Self) {
        self.copied += other.copied;
        self.summed += other.summed;
        self.verified += other.verified;
    }
}

//! What a connection has moved in all (RFC 4898, as `tcp_info` has it).
//!
//! Invariant: bytes are counted by the sequence numbers that pass, so a count is right however often they go round; the
//! hot path only looks whether they have. SYN and FIN are no bytes.

use super::connection::{Connection, OurFin, PeerFin};
use super::seq::Seq;

/// Segments; the counts come round.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Segments {
    pub(super) sent: u32,
    pub(super) received: u32,
}

impl Segments {
    pub(super) const fn on_sent(&mut self, count: u32) {
        self.sent = self.sent.wrapping_add(count);
    }

    pub(super) const fn on_received(&mut self, count: u32) {
        self.received = self.received.wrapping_add(count);
    }
}

/// Bytes that were sent again, in 48 bits, the upper ones first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Repeated([u16; 3]);

impl Repeated {
    pub(super) fn on_sent(&mut self, bytes: u32) {
        let count = self.bytes() + u64::from(bytes);
        self.0 = [(count >> 32) as u16, (count >> 16) as u16, count as u16];
    }

    pub(super) fn bytes(self) -> u64 {
        self.0.into_iter().fold(0, |count, part| count << 16 | u64::from(part))
    }
}

/// How many numbers lie between `first` and `at`, which has passed it `laps` times.
pub(super) fn passed(first: Seq, laps: u16, at: Seq) -> u64 {
    u64::from(laps) << 32 | u64::from(at.since(first))
}

/// How many laps end, counted from `first`, where a number moves on from `before` to `after`: one, if any.
pub(super) fn laps(first: Seq, before: Seq, after: Seq) -> u16 {
    u16::from(after.since(first) < before.since(first))
}

impl Connection {
    pub(super) fn bytes_acknowledged(&self) -> u64 {
        let fin = u64::from(self.send.fin == OurFin::Acknowledged);
        passed(self.send.first, self.send.laps, self.send.una) - fin
    }

    pub(super) fn bytes_sent(&self) -> u64 {
        let on_its_way = self.send.max.earlier(self.end_of_data()).since(self.send.una);
        self.bytes_acknowledged() + u64::from(on_its_way) + self.repeated.bytes()
    }

    pub(super) fn bytes_received(&self) -> u64 {
        let fin = u64::from(self.receive.fin != PeerFin::None);
        passed(self.receive.first, self.receive.laps, self.receive.nxt) - fin
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In steps that never end where a lap does.
    #[test]
    fn numbers_are_counted_beyond_four_gigabytes() {
        const STEP: u32 = 0x3fff_fff1;
        let first = Seq(u32::MAX - 5);
        let (mut at, mut count) = (first, 0u16);
        for step in 1..=40u64 {
            let next = at + STEP;
            count += laps(first, at, next);
            at = next;
            assert_eq!(passed(first, count, at), step * u64::from(STEP));
        }
    }

    #[test]
    fn what_was_sent_again_is_counted_beyond_four_gigabytes() {
        let mut repeated = Repeated::default();
        for _ in 0..5 {
            repeated.on_sent(u32::MAX);
        }
        assert_eq!(repeated.bytes(), 5 * u64::from(u32::MAX));
    }
}

//! One direction of a path: a policer, a queue in front of a rate, marking, then loss, delay and reordering.
//!
//! Invariant: the queue is first in, first out, so when a frame leaves it is known when it comes; nothing has to be done
//! at that moment.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, VecDeque};

use lendwire::time::Span;

use super::delays::Delays;
use super::frame::Frame;
use super::loss::{Losing, Loss, Random};

/// Nanoseconds of a second.
const SECOND: u128 = 1_000_000_000;

/// What a direction is like.
#[derive(Clone, Copy, Debug)]
pub struct LinkConfig {
    /// Bits a second; frames count from their Ethernet header on.
    pub rate: u64,
    /// How long a frame travels once it has left the queue.
    pub delay: Span,
    /// Bytes that the queue holds. A frame that does not fit is dropped.
    pub queue: u64,
    /// Bytes in the queue from which on frames of senders that listen are marked (the step marking of RFC 8257 §3.1).
    pub mark_above: Option<u64>,
    /// Frames lost behind the queue, as on a radio link.
    pub loss: Loss,
    /// Frames that others overtake.
    pub reordering: Option<Reordering>,
    /// A limit without a queue, in front of it.
    pub policer: Option<Policer>,
}

impl LinkConfig {
    /// A link of `rate` bits a second, `delay` long, with a queue of `queue` bytes, that does nothing else.
    #[must_use]
    pub const fn new(rate: u64, delay: Span, queue: u64) -> Self {
        Self { rate, delay, queue, mark_above: None, loss: Loss::None, reordering: None, policer: None }
    }
}

/// Frames that arrive later than they ought to.
#[derive(Clone, Copy, Debug)]
pub struct Reordering {
    /// The share of frames that it happens to.
    pub share: f64,
    /// How much later.
    pub extra: Span,
}

/// A token bucket: a frame that finds too few tokens is dropped at once.
#[derive(Clone, Copy, Debug)]
pub struct Policer {
    /// Bits a second that tokens come at.
    pub rate: u64,
    /// Bytes that the bucket holds.
    pub burst: u64,
}

/// What a direction has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkCounts {
    /// Frames that it was given.
    pub offered: u64,
    /// Dropped because the queue was full.
    pub overflowed: u64,
    /// Dropped by the policer.
    pub policed: u64,
    /// Lost on the way.
    pub lost: u64,
    /// Held back.
    pub reordered: u64,
    /// Marked.
    pub marked: u64,
}

/// What became of a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Carried,
    Marked,
    Dropped,
}

#[derive(Debug)]
struct Flying {
    /// When it arrives, in nanoseconds.
    at: u64,
    host: usize,
    frame: Frame,
}

/// A frame that was held back, in the order of arrival.
#[derive(Debug)]
struct Late(Reverse<(u64, u64)>, Flying);

impl PartialEq for Late {
    fn eq(&self, other: &Self) -> bool {
        self.0 == other.0
    }
}
impl Eq for Late {}
impl PartialOrd for Late {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Late {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Link {
    config: LinkConfig,
    losing: Losing,
    random: Random,
    /// When the queue will have emptied.
    free_at: u64,
    /// The policer's tokens, in bits times nanoseconds of a second, and when they were counted.
    tokens: u128,
    tokens_at: u64,
    in_order: VecDeque<Flying>,
    late: BinaryHeap<Late>,
    pub(super) counts: LinkCounts,
    pub(super) waited: Delays,
}

impl Link {
    pub(super) fn new(config: LinkConfig, seed: u64) -> Self {
        Self {
            config,
            losing: Losing::new(config.loss),
            random: Random::new(seed),
            free_at: 0,
            tokens: config.policer.map_or(0, |policer| u128::from(policer.burst) * 8 * SECOND),
            tokens_at: 0,
            in_order: VecDeque::new(),
            late: BinaryHeap::new(),
            counts: LinkCounts::default(),
            waited: Delays::default(),
        }
    }

    /// Becomes another link; what is on its way stays there, and the counts go on.
    pub(super) fn set(&mut self, config: LinkConfig) {
        self.config = config;
        self.losing = Losing::new(config.loss);
    }

    /// A frame for `host` comes at `now`.
    pub(super) fn offer(&mut self, mut frame: Frame, host: usize, now: u64) -> Outcome {
        self.counts.offered += 1;
        let is_ip = frame.is_ip();
        if is_ip && !self.passes_policer(frame.len(), now) {
            self.counts.policed += 1;
            return Outcome::Dropped;
        }
        let backlog = self.backlog(now);
        if is_ip && backlog + u64::from(frame.len()) > self.config.queue {
            self.counts.overflowed += 1;
            return Outcome::Dropped;
        }
        let is_marked = self.config.mark_above.is_some_and(|above| backlog > above) && frame.mark();
        self.counts.marked += u64::from(is_marked);
        let begin = self.free_at.max(now);
        self.waited.count(begin - now);
        self.free_at = begin + (u128::from(frame.len()) * 8 * SECOND / u128::from(self.config.rate)) as u64;
        if is_ip && self.losing.takes(frame.payload_len() > 0, &mut self.random) {
            self.counts.lost += 1;
            return Outcome::Dropped;
        }
        let at = self.free_at + self.config.delay.micros() * 1000;
        match self.config.reordering {
            Some(Reordering { share, extra }) if is_ip && self.random.happens(share) => {
                self.counts.reordered += 1;
                let at = at + extra.micros() * 1000;
                self.late.push(Late(Reverse((at, self.counts.offered)), Flying { at, host, frame }));
            }
            Some(_) | None => self.in_order.push_back(Flying { at, host, frame }),
        }
        if is_marked { Outcome::Marked } else { Outcome::Carried }
    }

    /// When the next frame arrives.
    pub(super) fn next_arrival(&self) -> Option<u64> {
        let late = self.late.peek().map(|late| late.1.at);
        self.in_order.front().map(|flying| flying.at).into_iter().chain(late).min()
    }

    /// Takes a frame that has arrived at `now`, and says for whom.
    pub(super) fn take(&mut self, now: u64) -> Option<(usize, Frame)> {
        let next = self.next_arrival().filter(|at| *at <= now)?;
        let flying = match self.late.peek() {
            Some(late) if late.1.at == next => self.late.pop()?.1,
            Some(_) | None => self.in_order.pop_front()?,
        };
        Some((flying.host, flying.frame))
    }

    /// Bytes that wait at `now`.
    fn backlog(&self, now: u64) -> u64 {
        let time = u128::from(self.free_at.saturating_sub(now));
        (time * u128::from(self.config.rate) / (8 * SECOND)) as u64
    }

    fn passes_policer(&mut self, len: u32, now: u64) -> bool {
        let Some(Policer { rate, burst }) = self.config.policer else { return true };
        let came = u128::from(now - self.tokens_at) * u128::from(rate);
        self.tokens = (self.tokens + came).min(u128::from(burst) * 8 * SECOND);
        self.tokens_at = now;
        let price = u128::from(len) * 8 * SECOND;
        if self.tokens < price {
            return false;
        }
        self.tokens -= price;
        true
    }
}

#[cfg(test)]
mod tests {
    use lendwire_nic::{Chunk, Payload, TxPacket};

    use super::*;

    /// 8 bits a microsecond, so that a byte takes one.
    const LINK: LinkConfig = LinkConfig::new(8_000_000, Span::from_millis(1), 2000);
    const MICRO: u64 = 1000;

    /// An IPv4 frame of `len` bytes, whose sender listens to marks.
    fn frame(len: usize) -> Frame {
        let payload = [Chunk::from_static(&[7; 2000]).slice(0..len - 34)];
        let mut packet = TxPacket::new(Payload::of(&payload));
        let ip = packet.push(20);
        (ip[0], ip[1]) = (0x45, 2);
        // A checksum that is to be replaced.
        ip[10..12].fill(0xab);
        packet.push(14)[12..14].copy_from_slice(&[8, 0]);
        Frame::of(&packet)
    }

    fn arrivals(link: &mut Link) -> Vec<(u64, u32)> {
        let mut found = Vec::new();
        while let Some(at) = link.next_arrival() {
            let (_, frame) = link.take(at).expect("it has arrived");
            found.push((at / MICRO, frame.len()));
        }
        found
    }

    #[test]
    fn frames_leave_one_behind_the_other_at_the_rate_and_arrive_after_the_delay() {
        let mut link = Link::new(LINK, 1);
        assert_eq!(link.offer(frame(100), 0, 0), Outcome::Carried);
        assert_eq!(link.offer(frame(500), 0, 0), Outcome::Carried);
        assert_eq!(link.offer(frame(100), 0, 5000 * MICRO), Outcome::Carried);
        assert_eq!(arrivals(&mut link), [(1100, 100), (1600, 500), (6100, 100)]);
        // Nobody waited but the second.
        assert_eq!((link.waited.percentile(50), link.waited.percentile(99) / MICRO), (0, 98));
    }

    #[test]
    fn what_does_not_fit_the_queue_is_dropped() {
        let mut link = Link::new(LINK, 1);
        let fates: Vec<_> = (0..3).map(|_| link.offer(frame(1000), 0, 0)).collect();
        assert_eq!(fates, [Outcome::Carried, Outcome::Carried, Outcome::Dropped]);
        // One byte has left.
        assert_eq!(link.offer(frame(1000), 0, 999 * MICRO), Outcome::Dropped);
        assert_eq!(link.offer(frame(1000), 0, 1000 * MICRO), Outcome::Carried);
        assert_eq!(link.counts.overflowed, 2);
    }

    #[test]
    fn a_policer_lets_pass_its_burst_and_then_its_rate() {
        let policer = Policer { rate: 800_000, burst: 1000 };
        let mut link = Link::new(LinkConfig { policer: Some(policer), ..LINK }, 1);
        assert_eq!(link.offer(frame(1000), 0, 0), Outcome::Carried);
        assert_eq!(link.offer(frame(100), 0, 999 * MICRO), Outcome::Dropped);
        assert_eq!(link.offer(frame(100), 0, 1000 * MICRO), Outcome::Carried);
        assert_eq!((link.counts.policed, link.counts.overflowed), (1, 0));
        // However long nothing comes, the bucket holds no more.
        assert_eq!(link.offer(frame(1001), 0, 1_000_000 * MICRO), Outcome::Dropped);
    }

    #[test]
    fn rfc8257_3_1_frames_behind_a_long_queue_are_marked_and_their_header_stays_right() {
        let mut link = Link::new(LinkConfig { mark_above: Some(500), ..LINK }, 1);
        assert_eq!(link.offer(frame(600), 0, 0), Outcome::Carried);
        assert_eq!(link.offer(frame(600), 0, 0), Outcome::Marked);
        let frames: Vec<_> = std::iter::from_fn(|| link.take(u64::MAX)).map(|(_, frame)| frame).collect();
        assert_eq!(frames.iter().map(|frame| frame.header()[15] & 3).collect::<Vec<_>>(), [2, 3]);
        let words = frames[1].header()[14..34].chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(pair[1]));
        let sum = words.sum::<u32>();
        assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff);
    }

    #[test]
    fn a_late_frame_is_overtaken() {
        let reordering = Reordering { share: 0.5, extra: Span::from_millis(10) };
        let mut link = Link::new(LinkConfig { reordering: Some(reordering), ..LINK }, 1);
        (0..20).for_each(|place| assert_eq!(link.offer(frame(40 + place), 0, 0), Outcome::Carried));
        let order: Vec<_> = arrivals(&mut link).into_iter().map(|(_, len)| len).collect();
        let (late, on_time) = (link.counts.reordered as usize, order.len() - link.counts.reordered as usize);
        assert!((4..=16).contains(&late), "{late}");
        assert!(order[..on_time].is_sorted() && order[on_time..].is_sorted() && !order.is_sorted(), "{order:?}");
    }
}

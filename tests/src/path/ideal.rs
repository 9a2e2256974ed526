//! What the response function of a congestion control allows on a path: the yardstick of the grid.
//!
//! Far from the bottleneck this is a formula: `1.22 / sqrt(p)` segments for Reno (Mathis et al. 1997),
//! `1.054 (RTT / p)^(3/4)` for CUBIC (RFC 9438 §5.1), the rate less what is lost for one that models the path. Where a
//! window meets the bottleneck, its queue or a policer, or is a few whole segments, no formula holds. So the laws are
//! stepped segment by segment, for a sender that learns the fate of each one round trip after it, answers once to all
//! losses of a round, never waits for a timer, and sends nothing twice in vain. The formulas are this file's tests.
//!
//! Left out: slow start, which the grid leaves out of what it measures, too.

use std::collections::VecDeque;

use super::loss::Random;

/// How a congestion control answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Law {
    /// Half at a loss, one segment more each round (RFC 5681).
    Reno,
    /// RFC 9438.
    Cubic,
    /// It sends what the path was seen to carry, whatever is lost (BBR).
    Model,
}

/// A path as the laws see it.
#[derive(Clone, Copy, Debug)]
pub struct Facts {
    /// Segments a second that the bottleneck carries.
    pub rate: f64,
    /// Seconds of a round trip without waiting.
    pub rtt: f64,
    /// Segments that the queue holds.
    pub queue: f64,
    /// Segments that may lie between the first one that is missing and the last that was sent.
    pub window: f64,
    /// The share of segments that is lost behind it.
    pub loss: f64,
    /// Segments a second, and at once, that a policer lets pass.
    pub policer: Option<(f64, f64)>,
    /// Some segments are late.
    pub reorders: bool,
}

/// CUBIC's C (RFC 9438 §5).
const C: f64 = 0.4;
/// What a loss leaves of CUBIC's window (§4.6).
const CUBIC_BETA: f64 = 0.7;
/// Segments that one estimate takes: a thousand losses where one of a thousand is lost, some epochs where none is.
const SEGMENTS: u32 = 1_000_000;

/// Segments a second that arrive for the first time, in the long run.
#[must_use]
pub fn goodput(law: Law, facts: &Facts, seed: u64) -> f64 {
    let capacity = facts.policer.map_or(facts.rate, |(rate, _)| rate.min(facts.rate));
    match law {
        Law::Model => capacity * (1.0 - facts.loss) * within_window(facts, capacity, seed),
        Law::Reno | Law::Cubic => stepped(law, facts, seed),
    }
}

/// The share of the time in which the receiver's window lets one send who could send `capacity` segments a second, and what
/// is lost first of all. The window ends so far behind the first one that is missing, and may say 1 GiB at the most (RFC 7323
/// §2.3): three round trips of 10 Gbit/s and 300 ms, where something is lost thrice in each. Where segments are late a
/// quarter of a round trip has to pass before one is known to be lost (RFC 8985 §6.2 step 4).
fn within_window(facts: &Facts, capacity: f64, seed: u64) -> f64 {
    let patience = if facts.reorders { 1.25 } else { 1.0 };
    let known_after = (capacity * facts.rtt * patience).ceil().max(1.0) as usize;
    let slots = (known_after * 60).max(SEGMENTS as usize);
    let mut random = Random::new(seed);
    let (mut under_way, mut lost) = (VecDeque::new(), VecDeque::new());
    // What has arrived of those from the first missing one on.
    let (mut arrived, mut first, mut idle) = (VecDeque::new(), 0, 0);
    for slot in 0..slots {
        if slot >= known_after
            && let Some(number) = under_way.pop_front().flatten()
        {
            match random.happens(facts.loss) {
                true => lost.push_back(number),
                false => arrived[number - first] = true,
            }
            while arrived.front() == Some(&true) {
                arrived.pop_front();
                first += 1;
            }
        }
        let next = (arrived.len() as f64) < facts.window;
        under_way.push_back(lost.pop_front().or_else(|| {
            next.then(|| arrived.push_back(false))?;
            Some(first + arrived.len() - 1)
        }));
        idle += usize::from(under_way.back() == Some(&None));
    }
    1.0 - idle as f64 / slots as f64
}

/// A window that obeys `law`.
struct Window {
    law: Law,
    segments: f64,
    /// CUBIC's W_max, when its epoch began, if it has, and its window as Reno would have it.
    most: f64,
    since: Option<f64>,
    estimate: f64,
    /// The window before the last loss (§4.3: cwnd_prior).
    prior: f64,
}

impl Window {
    /// A segment was acknowledged that was sent after the last loss was noticed.
    fn grow(&mut self, now: f64, rtt: f64) {
        let share = 1.0 / self.segments;
        // §4.2: an epoch begins with congestion avoidance, when recovery is over, and not with the loss.
        let elapsed = now - *self.since.get_or_insert(now);
        if self.law == Law::Reno {
            self.segments += share;
            return;
        }
        // §4.3: as much as Reno would have after such a loss.
        let alpha = if self.estimate < self.prior { 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA) } else { 1.0 };
        self.estimate += alpha * share;
        let k = ((self.most - self.prior * CUBIC_BETA).max(0.0) / C).cbrt();
        let cubic = |since: f64| C * (since - k).powi(3) + self.most;
        if cubic(elapsed) < self.estimate {
            self.segments = self.segments.max(self.estimate);
            return;
        }
        // §4.2, §4.4: the target is a round trip ahead, and at most half as much again.
        let target = cubic(elapsed + rtt).clamp(self.segments, 1.5 * self.segments);
        self.segments += (target - self.segments) * share;
    }

    fn shrink(&mut self) {
        let beta = if self.law == Law::Reno { 0.5 } else { CUBIC_BETA };
        // §4.7: who has to give way lets others in faster.
        let gives_way = self.segments < self.most;
        self.most = if gives_way { self.segments * (1.0 + CUBIC_BETA) / 2.0 } else { self.segments };
        self.prior = self.segments;
        self.segments = (self.segments * beta).max(2.0);
        (self.since, self.estimate) = (None, self.segments);
    }
}

/// What carries the segments.
struct Bottleneck<'f> {
    facts: &'f Facts,
    random: Random,
    /// When the queue will be empty.
    free_at: f64,
    tokens: f64,
    tokens_at: f64,
}

/// A segment under way.
struct Sent {
    at: f64,
    /// When its fate is known.
    known_at: f64,
    arrives: bool,
}

impl Bottleneck<'_> {
    fn send(&mut self, now: f64) -> Sent {
        let &Facts { rate, rtt, queue, loss, policer, window: _, reorders: _ } = self.facts;
        let begin = self.free_at.max(now);
        // What is dropped is missed when what follows it arrives.
        let known_at = begin + 1.0 / rate + rtt;
        let lost = Sent { at: now, known_at, arrives: false };
        if let Some((rate, burst)) = policer {
            self.tokens = (self.tokens + rate * (now - self.tokens_at)).min(burst);
            self.tokens_at = now;
            if self.tokens < 1.0 {
                return lost;
            }
            self.tokens -= 1.0;
        }
        if (begin - now) * rate > queue {
            return lost;
        }
        self.free_at = begin + 1.0 / rate;
        Sent { arrives: !self.random.happens(loss), ..lost }
    }
}

fn stepped(law: Law, facts: &Facts, seed: u64) -> f64 {
    let full = facts.rate * facts.rtt + facts.queue;
    let begin = full.min(5.0 / facts.loss.sqrt()).max(2.0);
    let mut window = Window { law, segments: begin, most: begin, since: None, estimate: begin, prior: begin };
    let tokens = facts.policer.map_or(0.0, |(_, burst)| burst);
    let mut path = Bottleneck { facts, random: Random::new(seed), free_at: 0.0, tokens, tokens_at: 0.0 };
    let (mut sent, mut now, mut shrunk_at) = (VecDeque::new(), 0.0, -1.0);
    let (mut arrived, mut since) = (0, 0.0);
    for known in 0..SEGMENTS {
        while (sent.len() + 1) as f64 <= window.segments {
            sent.push_back(path.send(now));
        }
        let first: Sent = sent.pop_front().expect("a window is two segments at least");
        now = first.known_at;
        match (first.arrives, first.at >= shrunk_at) {
            (true, true) => window.grow(now, now - first.at),
            (false, true) => {
                window.shrink();
                shrunk_at = now;
            }
            (true | false, false) => {}
        }
        if known == SEGMENTS / 4 {
            (arrived, since) = (0, now);
        }
        arrived += u32::from(first.arrives);
    }
    f64::from(arrived) / (now - since)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that never is the limit.
    fn wide(rtt: f64, loss: f64) -> Facts {
        Facts { rate: 1e8, rtt, queue: 1e8, window: 1e8, loss, policer: None, reorders: false }
    }

    /// The mean window, in segments.
    fn window(law: Law, rtt: f64, loss: f64) -> f64 {
        goodput(law, &wide(rtt, loss), 1) * rtt / (1.0 - loss)
    }

    #[track_caller]
    fn is_near(found: f64, wanted: f64, within: f64) {
        assert!((found / wanted - 1.0).abs() < within, "{found} is not near {wanted}");
    }

    #[test]
    fn reno_keeps_mathis_formula() {
        for loss in [0.001, 0.003, 0.01] {
            is_near(window(Law::Reno, 0.1, loss), (1.5 / loss).sqrt(), 0.1);
        }
    }

    #[test]
    fn rfc9438_5_1_cubic_keeps_its_formula_where_it_is_faster_than_reno() {
        // The formula is for loss at equal distances. At random ones the mean is some fifth higher: a window that grows ever
        // faster gains more from the long ones than it loses by the short ones.
        for (rtt, loss) in [(0.3, 0.001), (1.0, 0.003), (0.5, 0.001)] {
            is_near(window(Law::Cubic, rtt, loss), 1.2 * 1.054 * (rtt / loss).powf(0.75), 0.12);
        }
    }

    #[test]
    fn rfc9438_4_3_cubic_is_reno_on_short_paths() {
        let (cubic, reno) = (window(Law::Cubic, 0.005, 0.001), window(Law::Reno, 0.005, 0.001));
        is_near(cubic, reno, 0.15);
    }

    #[test]
    fn a_queue_of_one_round_keeps_the_bottleneck_busy() {
        let facts =
            Facts { rate: 1000.0, rtt: 0.1, queue: 100.0, window: 1e8, loss: 0.0, policer: None, reorders: false };
        is_near(goodput(Law::Reno, &facts, 1), 1000.0, 0.01);
        is_near(goodput(Law::Cubic, &facts, 1), 1000.0, 0.01);
        // With a tenth of it, Reno swings between half of what fills the path and all of it.
        is_near(goodput(Law::Reno, &Facts { queue: 10.0, ..facts }, 1), 790.0, 0.05);
        is_near(goodput(Law::Model, &Facts { loss: 0.03, ..facts }, 1), 970.0, 0.001);
    }

    #[test]
    fn rfc7323_2_3_a_window_is_full_until_the_first_that_is_missing_comes() {
        let facts =
            Facts { rate: 1000.0, rtt: 1.0, queue: 1e8, window: 1e8, loss: 0.01, policer: None, reorders: false };
        let share = |window: f64| within_window(&Facts { window, ..facts }, 1000.0, 1);
        assert_eq!(share(1e8), 1.0);
        // Half a round trip's worth is sent in half of the time where nothing is lost.
        is_near(within_window(&Facts { window: 500.0, loss: 0.0, ..facts }, 1000.0, 1), 0.5, 0.01);
        // Of a thousand ten are lost, and of those that go again one in ten rounds: some two round trips' worth a window.
        let (two, four) = (share(2000.0), share(4000.0));
        assert!((0.8..0.97).contains(&two) && four > 0.99, "{two} {four}");
        // Who waits for what is late is slower.
        assert!(within_window(&Facts { window: 2000.0, reorders: true, ..facts }, 1000.0, 1) < two - 0.05);
    }
}

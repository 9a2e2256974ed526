//! What the response function of a congestion control allows on a path: the yardstick of the grid.
//!
//! Far from the bottleneck this is a formula: `1.22 / sqrt(p)` segments for Reno (Mathis et al. 1997),
//! `1.054 (RTT / p)^(3/4)` for CUBIC (RFC 9438 §5.1), the rate less what is lost for one that models the path. Where a
//! window meets the bottleneck, its queue or a policer, no formula holds. So the laws are stepped, a round trip at a time,
//! for a sender that notices each loss within one round, answers once, never waits for a timer, and sends nothing twice
//! in vain. The formulas are this file's tests.
//!
//! Left out: slow start, which the grid leaves out of what it measures, too.

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
    /// The share of segments that is lost behind it.
    pub loss: f64,
    /// Segments a second, and at once, that a policer lets pass.
    pub policer: Option<(f64, f64)>,
}

/// CUBIC's C (RFC 9438 §5).
const C: f64 = 0.4;
/// What a loss leaves of CUBIC's window (§4.6).
const CUBIC_BETA: f64 = 0.7;
/// Rounds that one estimate takes: the mean of loss at random has settled to some 2 %.
const ROUNDS: u32 = 40_000;

/// Segments a second that arrive for the first time, in the long run.
#[must_use]
pub fn goodput(law: Law, facts: &Facts, seed: u64) -> f64 {
    let capacity = facts.policer.map_or(facts.rate, |(rate, _)| rate.min(facts.rate));
    match law {
        Law::Model => capacity * (1.0 - facts.loss),
        Law::Reno | Law::Cubic => stepped(law, facts, seed),
    }
}

/// A window that obeys `law`.
struct Window {
    law: Law,
    segments: f64,
    /// CUBIC's W_max, the seconds since the last loss, and its window as Reno would have it.
    most: f64,
    since: f64,
    estimate: f64,
    /// The window before the last loss (§4.3: cwnd_prior).
    prior: f64,
}

impl Window {
    fn grow(&mut self, seconds: f64) {
        if self.law == Law::Reno {
            self.segments += 1.0;
            return;
        }
        self.since += seconds;
        // §4.3: as much as Reno would have after such a loss.
        let alpha = if self.estimate < self.prior { 3.0 * (1.0 - CUBIC_BETA) / (1.0 + CUBIC_BETA) } else { 1.0 };
        self.estimate += alpha;
        let start = self.prior * CUBIC_BETA;
        let k = ((self.most - start).max(0.0) / C).cbrt();
        let cubic = C * (self.since - k).powi(3) + self.most;
        // §4.2: at most half as much again in a round.
        self.segments = cubic.clamp(self.segments, 1.5 * self.segments).max(self.estimate);
    }

    fn shrink(&mut self) {
        let beta = if self.law == Law::Reno { 0.5 } else { CUBIC_BETA };
        // §4.7: who has to give way lets others in faster.
        let gives_way = self.segments < self.most;
        self.most = if gives_way { self.segments * (1.0 + CUBIC_BETA) / 2.0 } else { self.segments };
        self.prior = self.segments;
        self.segments = (self.segments * beta).max(2.0);
        (self.since, self.estimate) = (0.0, self.segments);
    }
}

fn stepped(law: Law, facts: &Facts, seed: u64) -> f64 {
    let in_flight = facts.rate * facts.rtt;
    let begin = (in_flight + facts.queue).max(2.0);
    let mut window = Window { law, segments: begin, most: begin, since: 0.0, estimate: begin, prior: begin };
    let mut random = Random::new(seed);
    let (mut time, mut arrived, mut tokens) = (0.0, 0.0, facts.policer.map_or(0.0, |(_, burst)| burst));
    let mut recovers = false;
    for round in 0..ROUNDS {
        if round == ROUNDS / 4 {
            (time, arrived) = (0.0, 0.0);
        }
        let sent = window.segments;
        let seconds = facts.rtt.max(sent / facts.rate);
        let mut dropped = 0.0;
        if let Some((rate, burst)) = facts.policer {
            tokens = (tokens + rate * seconds).min(burst + rate * seconds) - sent;
            dropped = (-tokens).max(0.0);
            tokens = tokens.clamp(0.0, burst);
        }
        let overflows = sent - dropped > in_flight + facts.queue;
        let is_hit = random.happens(1.0 - (1.0 - facts.loss).powf(sent - dropped));
        time += seconds;
        arrived += (sent - dropped) * (1.0 - facts.loss);
        if overflows || is_hit || dropped > 0.0 {
            window.shrink();
            recovers = true;
        } else if recovers {
            // The round in which what was lost is sent again brings nothing new to grow by.
            recovers = false;
        } else {
            window.grow(seconds);
        }
    }
    arrived / time
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A path that never is the limit.
    fn wide(rtt: f64, loss: f64) -> Facts {
        Facts { rate: 1e9, rtt, queue: 1e9, loss, policer: None }
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
        for loss in [0.0003, 0.001, 0.003, 0.01] {
            is_near(window(Law::Reno, 0.1, loss), (1.5 / loss).sqrt(), 0.12);
        }
    }

    #[test]
    fn rfc9438_5_1_cubic_keeps_its_formula_where_it_is_faster_than_reno() {
        // The formula is for loss at equal distances; at random ones the mean is a little higher.
        for (rtt, loss) in [(0.1, 0.0001), (0.3, 0.001), (0.3, 0.0001)] {
            is_near(window(Law::Cubic, rtt, loss), 1.054 * (rtt / loss).powf(0.75), 0.15);
        }
    }

    #[test]
    fn rfc9438_4_3_cubic_is_reno_on_short_paths() {
        let (cubic, reno) = (window(Law::Cubic, 0.005, 0.001), window(Law::Reno, 0.005, 0.001));
        is_near(cubic, reno, 0.15);
    }

    #[test]
    fn a_queue_of_one_round_keeps_the_bottleneck_busy() {
        let facts = Facts { rate: 1000.0, rtt: 0.1, queue: 100.0, loss: 0.0, policer: None };
        is_near(goodput(Law::Reno, &facts, 1), 1000.0, 0.01);
        is_near(goodput(Law::Cubic, &facts, 1), 1000.0, 0.01);
        // Without one, Reno gets three quarters.
        is_near(goodput(Law::Reno, &Facts { queue: 0.0, ..facts }, 1), 750.0, 0.05);
        is_near(goodput(Law::Model, &Facts { loss: 0.03, ..facts }, 1), 970.0, 0.001);
    }
}

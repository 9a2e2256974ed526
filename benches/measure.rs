//! How long a work takes: CPU time of this thread, in several rounds that all implementations take in turn.
//!
//! Invariant: machines are shared and slow down for seconds at a time, so nobody's rounds are all in one such time. A
//! figure is the median of its rounds; a ratio is the median of the ratios within each round.

use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

/// CPU time that this thread has taken.
#[must_use]
pub fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// How long `run` takes.
pub fn timed(run: impl FnOnce()) -> Duration {
    let begun = cpu_time();
    run();
    cpu_time().saturating_sub(begun)
}

/// A work of one implementation, set up and warm.
pub struct Runner {
    /// Whose it is.
    pub name: &'static str,
    /// Does so many units of the work, and says how long they took.
    pub run: Box<dyn FnMut(u64) -> Duration>,
}

impl Runner {
    /// A runner.
    pub fn new(name: &'static str, run: impl FnMut(u64) -> Duration + 'static) -> Self {
        Self { name, run: Box::new(run) }
    }
}

/// How much is measured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Effort {
    /// Rounds of each implementation.
    pub rounds: usize,
    /// What a round ought to take.
    pub round: Duration,
}

impl Effort {
    /// What figures are made with.
    pub const FULL: Self = Self { rounds: 9, round: Duration::from_millis(40) };
    /// To see that everything works.
    pub const SMOKE: Self = Self { rounds: 1, round: Duration::from_micros(1) };
}

/// Nanoseconds that one unit took, round by round.
#[derive(Clone, Debug)]
pub struct Measured {
    /// Whose.
    pub name: &'static str,
    /// Round by round.
    pub rounds: Vec<f64>,
}

impl Measured {
    /// The median.
    #[must_use]
    pub fn median(&self) -> f64 {
        median(&self.rounds)
    }

    /// How many times as long as `self` the other one took.
    #[must_use]
    pub fn speed_over(&self, other: &Self) -> f64 {
        median(&self.rounds.iter().zip(&other.rounds).map(|(ours, theirs)| theirs / ours).collect::<Vec<_>>())
    }
}

/// Measures all of them in turn.
pub fn interleaved(runners: &mut [Runner], effort: Effort) -> Vec<Measured> {
    let units: Vec<u64> = runners.iter_mut().map(|runner| units_for(runner, effort.round)).collect();
    let mut measured: Vec<_> =
        runners.iter().map(|runner| Measured { name: runner.name, rounds: Vec::new() }).collect();
    for round in 0..effort.rounds {
        // Nobody is always the one that comes after the same one.
        for step in 0..runners.len() {
            let at = (step + round) % runners.len();
            let took = (runners[at].run)(units[at]);
            measured[at].rounds.push(took.as_nanos() as f64 / units[at] as f64);
        }
    }
    measured
}

/// How many units take about `round`.
fn units_for(runner: &mut Runner, round: Duration) -> u64 {
    let mut units = 1;
    loop {
        let took = (runner.run)(units);
        if took >= round || units >= 1 << 40 {
            return units;
        }
        let factor = round.as_nanos() / took.as_nanos().max(1000);
        units = if factor < 4 { units * (factor as u64 + 1) } else { units * (factor as u64 / 2).clamp(2, 16) };
        if took * 2 >= round {
            return units;
        }
    }
}

fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        len if len % 2 == 1 => sorted[len / 2],
        len => f64::midpoint(sorted[len / 2 - 1], sorted[len / 2]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_same_round() {
        // The machine was three times as slow in the second round.
        let ours = Measured { name: "ours", rounds: vec![10.0, 30.0, 10.0] };
        let theirs = Measured { name: "theirs", rounds: vec![20.0, 60.0, 21.0] };
        assert!((ours.speed_over(&theirs) - 2.0).abs() < 1e-9);
        assert!((ours.median() - 10.0).abs() < 1e-9);
    }

    #[test]
    fn everybody_has_every_round() {
        let runner = |name| Runner::new(name, |units| Duration::from_nanos(100 * units));
        let measured = interleaved(&mut [runner("a"), runner("b")], Effort::SMOKE);
        assert!(measured.iter().all(|it| it.rounds.len() == 1 && (it.median() - 100.0).abs() < 1e-9));
    }
}

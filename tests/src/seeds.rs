//! Many seeds, and the one command that repeats a failed one.
//!
//! | variable | meaning |
//! |---|---|
//! | `LENDWIRE_SEED` | run this seed alone, in every test that takes seeds |
//! | `LENDWIRE_SEEDS` | run so many seeds in each such test instead of its own number |

use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};

/// The seeds of one test.
#[derive(Clone, Copy, Debug)]
pub struct Seeds {
    binary: &'static str,
    test: &'static str,
    first: u64,
    count: u64,
}

impl Seeds {
    /// `count` seeds from `first` for the test `test` of the test binary `binary`. Tests with ranges of their own
    /// share a long run among threads.
    #[must_use]
    pub const fn new(binary: &'static str, test: &'static str, first: u64, count: u64) -> Self {
        Self { binary, test, first, count }
    }

    /// Runs `test` with each seed.
    ///
    /// # Panics
    /// With what `test` panics with, after printing the seed and the command that repeats it; or if a variable is not
    /// a number.
    pub fn run(&self, mut test: impl FnMut(u64)) {
        for seed in self.chosen(number("LENDWIRE_SEED"), number("LENDWIRE_SEEDS")) {
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| test(seed))) {
                eprintln!("seed {seed} failed; this repeats it:\n    {}", self.command(seed));
                resume_unwind(panic);
            }
        }
    }

    /// The seeds to run under the two variables.
    fn chosen(&self, only: Option<u64>, count: Option<u64>) -> impl Iterator<Item = u64> + use<> {
        match only {
            Some(only) => only..only.saturating_add(1),
            None => self.first..self.first + count.unwrap_or(self.count),
        }
    }

    fn command(&self, seed: u64) -> String {
        format!("LENDWIRE_SEED={seed} cargo test -p lendwire-tests --test {} -- --exact {}", self.binary, self.test)
    }
}

fn number(name: &str) -> Option<u64> {
    let value = std::env::var(name).ok()?;
    Some(value.parse().unwrap_or_else(|_| panic!("{name} is a number, not {value:?}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEEDS: Seeds = Seeds::new("impaired", "all_arrives", 100, 3);

    #[test]
    fn seeds_run_in_order_unless_the_environment_says_otherwise() {
        let chosen = |only, count| SEEDS.chosen(only, count).collect::<Vec<_>>();
        assert_eq!(chosen(None, None), [100, 101, 102]);
        assert_eq!(chosen(None, Some(1)), [100]);
        assert_eq!(chosen(Some(7), Some(9)), [7]);
    }

    #[test]
    fn a_failed_seed_comes_with_the_command_that_repeats_it() {
        assert_eq!(
            SEEDS.command(101),
            "LENDWIRE_SEED=101 cargo test -p lendwire-tests --test impaired -- --exact all_arrives"
        );
        let failed = catch_unwind(|| SEEDS.run(|seed| assert_ne!(seed, 101)));
        assert!(failed.is_err(), "the failure is passed on");
    }
}

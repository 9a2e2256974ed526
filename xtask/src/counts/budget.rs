//! What each path may cost: a line each, its instructions and its name.

use std::collections::BTreeMap;
use std::fmt;

use crate::failure::Failure;

/// Instructions that a count may be above its budget, and what part of long paths. How far `memcpy` and the kernels of the
/// checksum run to a boundary depends on where the allocator and the linker put things, which differs with the C library.
const TOLERANCE: u64 = 3;
const PART: u64 = 200;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Budget {
    most: BTreeMap<String, u64>,
}

/// A count beside its budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Within,
    /// By more than may be.
    Above(u64),
    Below(u64),
    /// There is no budget.
    New,
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Within => Ok(()),
            Self::Above(budget) => write!(out, "  above its budget of {budget}"),
            Self::Below(budget) => write!(out, "  below its budget of {budget}"),
            Self::New => out.write_str("  has no budget: run with --lower"),
        }
    }
}

impl Budget {
    /// The budget that `text` is.
    pub(super) fn read(text: &str) -> Result<Self, Failure> {
        let mut most = BTreeMap::new();
        for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let entry =
                line.split_once(char::is_whitespace).and_then(|(count, path)| Some((count.parse().ok()?, path)));
            let (count, path) = entry.ok_or_else(|| Failure::File(format!("the budget says {line:?}")))?;
            most.insert(path.trim().to_owned(), count);
        }
        Ok(Self { most })
    }

    /// The text of it, which `command` counts, `paths` in this order; a path that is not among them is forgotten.
    pub(super) fn write<'a>(&self, command: &str, paths: impl Iterator<Item = &'a str>) -> String {
        let mut text = format!(
            "# Instructions of each path that `{command}` counts. A count above its budget fails; `--lower` writes the lower\n\
             # ones, `--accept` all.\n"
        );
        text.extend(paths.filter_map(|path| self.most.get(path).map(|most| format!("{most:>8}  {path}\n"))));
        text
    }

    /// What is to be said of `count`.
    pub(super) fn judge(&self, path: &str, count: u64) -> Verdict {
        match self.most.get(path) {
            None => Verdict::New,
            Some(&most) if count > most + TOLERANCE.max(most / PART) => Verdict::Above(most),
            Some(&most) if count < most => Verdict::Below(most),
            Some(_) => Verdict::Within,
        }
    }

    /// Makes `count` the budget of `path`.
    pub(super) fn set(&mut self, path: &str, count: u64) {
        self.most.insert(path.to_owned(), count);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_above_its_budget_is_told_from_one_below() {
        let budget =
            Budget::read("# words\n  100  a path, done once\n 8000 a long one\n").expect("the text is a budget");
        assert_eq!(budget.judge("a path, done once", 100 + TOLERANCE), Verdict::Within);
        assert_eq!(budget.judge("a path, done once", 101 + TOLERANCE), Verdict::Above(100));
        assert_eq!(budget.judge("a path, done once", 99), Verdict::Below(100));
        assert_eq!(budget.judge("another", 1), Verdict::New);
        assert_eq!(budget.judge("a long one", 8040), Verdict::Within);
        assert_eq!(budget.judge("a long one", 8041), Verdict::Above(8000));
    }

    #[test]
    fn what_was_written_reads_as_the_same() {
        let mut budget = Budget::default();
        budget.set("b, c", 7);
        budget.set("a", 12345);
        let text = budget.write("count", ["b, c", "a"].into_iter());
        assert_eq!(Budget::read(&text).expect("it was written").most, budget.most);
        assert!(Budget::read("words").is_err());
    }
}

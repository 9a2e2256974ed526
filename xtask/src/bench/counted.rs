//! `cargo xtask bench --count`: instructions of each work, ours and the peers', which no other user of the machine changes.
//!
//! Both ends of a link and the link itself are in each count, for peers have no seam to tell them apart by; what ours are
//! made of, and one end alone, is `cargo xtask counts`. The program is built for AVX2, and so is lwIP.

use std::collections::BTreeMap;

use super::{Processor, bench, succeed};
use crate::callgrind::{self, Dump};
use crate::failure::Failure;
use crate::image::target;
use crate::install;
use crate::progress::Progress;

/// Whose figures the others are held against.
const OURS: &str = "lendwire";

/// Runs the command.
pub(super) fn run(words: &[String], peers: bool) -> Result<(), Failure> {
    install::ensure(&[callgrind::TOOL])?;
    // Incremental compilation cuts crates into other units, which are inlined differently.
    succeed(bench("build", Some(Processor::Avx2), peers)?.env("CARGO_INCREMENTAL", "0"))?;
    let mut arguments = vec!["--count".to_owned()];
    if peers {
        arguments.push("--peers".to_owned());
    }
    arguments.extend_from_slice(words);
    let target = target()?;
    let progress = Progress::start("counting instructions");
    let dumps = callgrind::run(&target.join("release/bench"), &arguments, &target.join("counts"))?;
    progress.done();
    for row in rows(&dumps) {
        println!("{}", row.line());
    }
    Ok(())
}

/// A work, and how many instructions a segment or a unit of it took of everybody.
#[derive(Debug, Default, PartialEq, Eq)]
struct Row<'a> {
    work: &'a str,
    counts: BTreeMap<&'a str, u64>,
}

/// The rows in the order in which they were done.
fn rows(dumps: &[Dump]) -> Vec<Row<'_>> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for dump in dumps {
        let (work, name) = dump.path.split_once('\t').unwrap_or((&dump.path, OURS));
        if rows.last().is_none_or(|row| row.work != work) {
            rows.push(Row { work, ..Row::default() });
        }
        let count = dump.costs.values().sum::<u64>() / dump.times.max(1);
        rows.last_mut().expect("it was pushed").counts.insert(name, count);
    }
    rows
}

impl Row<'_> {
    /// How many times ours the least of the others is.
    fn against_best(&self) -> Option<(&str, f64)> {
        let ours = *self.counts.get(OURS)?;
        let others = self.counts.iter().filter(|(name, _)| **name != OURS);
        let (best, count) = others.min_by_key(|(_, count)| **count)?;
        Some((best, *count as f64 / ours.max(1) as f64))
    }

    fn line(&self) -> String {
        let figures: String = self.counts.iter().map(|(name, count)| format!(" {name:>8} {count:>9}")).collect();
        let ratio = self.against_best().map(|(name, ratio)| format!("  {ratio:.2} x {name}"));
        format!("{:<34}{figures} instructions{}", self.work, ratio.unwrap_or_default())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::callgrind::Site;

    #[test]
    fn everybody_has_a_place_in_the_row_of_a_work() {
        let dump = |path: &str, times, cost| {
            let site = Site { object: "bench".into(), address: 1 };
            Dump { path: path.into(), times, costs: BTreeMap::from([(site, cost)]) }
        };
        let dumps = [dump("ping\tlendwire", 2, 600), dump("ping\tlwip", 2, 300), dump("udp\tlendwire", 1, 9)];
        let rows = rows(&dumps);
        let expected = [("ping", Some(("lwip", 0.5))), ("udp", None)];
        assert_eq!(rows.iter().map(|row| (row.work, row.against_best())).collect::<Vec<_>>(), expected);
        assert!(rows[0].line().ends_with("lendwire       300     lwip       150 instructions  0.50 x lwip"));
    }
}

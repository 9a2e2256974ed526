//! What was counted, as a table, and held against a budget.

use std::collections::BTreeMap;
use std::fs;

use clap::Args;

use super::budget::{Budget, Verdict};
use super::stages::{Source, Stage};
use crate::callgrind::{Dump, Site};
use crate::failure::Failure;
use crate::image::workspace;

/// Where a budget is kept, and who counts what it speaks of.
pub(crate) struct Ledger {
    pub(crate) file: &'static str,
    pub(crate) command: &'static str,
}

/// What becomes of counts.
#[derive(Debug, Args)]
pub struct Orders {
    /// Counts only paths whose name contains this
    pub(crate) filter: Option<String>,
    /// Writes counts that became lower, and those of new paths, into the budget
    #[arg(long, conflicts_with = "filter")]
    lower: bool,
    /// Writes all counts into the budget, those that became higher too: say in the commit why
    #[arg(long, conflicts_with_all = ["lower", "filter"])]
    accept: bool,
    /// Shows the N lines of the sources that each path spends most in
    #[arg(long = "where", value_name = "N")]
    lines: Option<usize>,
}

/// One path: how often it was done, and where its instructions were.
#[derive(Debug, Default)]
pub(crate) struct Counted {
    times: u64,
    /// Instructions of them all.
    pub(crate) total: u64,
    stages: BTreeMap<Stage, u64>,
    lines: BTreeMap<String, u64>,
}

impl Counted {
    /// Instructions for doing it once, rounded.
    fn once(&self, count: u64) -> u64 {
        (count + self.times / 2) / self.times.max(1)
    }

    fn total(&self) -> u64 {
        self.once(self.total)
    }
}

/// The dumps of each path together, in the order in which the paths were first done. The total is what lies in the stages.
pub(crate) fn sum(dumps: &[Dump], sources: &BTreeMap<Site, Source>) -> Vec<(String, Counted)> {
    let mut paths: Vec<(String, Counted)> = Vec::new();
    for dump in dumps {
        let known = paths.iter().position(|(path, _)| *path == dump.path);
        let at = known.unwrap_or_else(|| {
            paths.push((dump.path.clone(), Counted::default()));
            paths.len() - 1
        });
        let counted = &mut paths[at].1;
        counted.times += dump.times;
        for (site, count) in &dump.costs {
            let Some(source) = sources.get(site) else { continue };
            let Some(stage) = source.stage else { continue };
            counted.total += count;
            *counted.stages.entry(stage).or_default() += count;
            *counted.lines.entry(source.line.clone()).or_default() += count;
        }
    }
    paths
}

/// Prints the table, and writes the budget where that was ordered.
///
/// # Errors
/// [`Failure::File`] when the budget cannot be used, [`Failure::Difference`] when a count is above it.
pub(crate) fn judge(ledger: &Ledger, paths: &[(String, Counted)], orders: &Orders) -> Result<(), Failure> {
    let file = workspace().join(ledger.file);
    let mut budget = Budget::read(&fs::read_to_string(&file).unwrap_or_default())?;
    println!("{}", heading());
    let (mut above, mut below) = (Vec::new(), 0);
    for (path, counted) in paths {
        let verdict = budget.judge(path, counted.total());
        println!("{}", row(path, counted, &verdict));
        for line in most(counted, orders.lines.unwrap_or(0)) {
            println!("{line}");
        }
        match verdict {
            Verdict::Within => {}
            Verdict::Above(_) if orders.accept => budget.set(path, counted.total()),
            Verdict::Below(_) | Verdict::New if orders.lower || orders.accept => budget.set(path, counted.total()),
            Verdict::Below(_) => below += 1,
            Verdict::Above(_) | Verdict::New => above.push(format!("{path}{verdict}")),
        }
    }
    if orders.lower || orders.accept {
        let text = budget.write(ledger.command, paths.iter().map(|(path, _)| path.as_str()));
        let written = fs::write(&file, text);
        written.map_err(|error| Failure::File(format!("{} could not be written: {error}", ledger.file)))?;
    }
    if below > 0 {
        println!(
            "{below} counts are below their budget: `{} --lower` writes them into {}",
            ledger.command, ledger.file
        );
    }
    if above.is_empty() {
        return Ok(());
    }
    Err(Failure::Difference(format!("beyond {}: {}", ledger.file, above.join("; "))))
}

fn heading() -> String {
    let stages: String = Stage::ALL.iter().map(|stage| format!("{:>8}", stage.name())).collect();
    format!("{:48}{:>8}{stages}", "instructions", "in all")
}

fn row(path: &str, counted: &Counted, verdict: &Verdict) -> String {
    let stage = |stage: &Stage| counted.once(counted.stages.get(stage).copied().unwrap_or(0));
    let stages: String = Stage::ALL.iter().map(|it| format!("{:>8}", stage(it))).collect();
    format!("{path:48}{:>8}{stages}{verdict}", counted.total())
}

/// The `count` lines that take most.
fn most(counted: &Counted, count: usize) -> Vec<String> {
    let mut lines: Vec<_> = counted.lines.iter().collect();
    lines.sort_by_key(|(_, cost)| std::cmp::Reverse(**cost));
    let once = |cost: u64| cost as f64 / counted.times.max(1) as f64;
    lines.into_iter().take(count).map(|(line, cost)| format!("{:>10.1}  {line}", once(*cost))).collect()
}

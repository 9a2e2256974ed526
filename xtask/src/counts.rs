//! `cargo xtask counts`: how many instructions each path of the stack takes, by callgrind, against a budget.
//!
//! `benches/counts` does the paths; what lies outside of the stack and its driver is left out of every figure. The same
//! sources and the same compiler give the same counts on every machine, however busy, but for what the C library and the
//! checksum choose by the processor: both take AVX2 where there is one, and the budget is one with it.

mod budget;
mod stages;

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use clap::Args;

use self::budget::{Budget, Verdict};
use self::stages::{Source, Stage};
use crate::callgrind::{self, Dump, Site};
use crate::failure::Failure;
use crate::image::{cargo, metadata, workspace};
use crate::install::{self, Tool};
use crate::progress::Progress;

const TOOLS: [Tool; 2] = [callgrind::TOOL, Tool { program: "addr2line", package: "binutils" }];

/// Where the budget is kept.
const BUDGET: &str = "benches/counts.budget";

/// The command's arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Counts only paths whose name contains this
    filter: Option<String>,
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
struct Counted {
    times: u64,
    stages: BTreeMap<Stage, u64>,
    lines: BTreeMap<String, u64>,
}

impl Counted {
    /// Instructions for doing it once, rounded.
    fn once(&self, count: u64) -> u64 {
        (count + self.times / 2) / self.times.max(1)
    }

    fn total(&self) -> u64 {
        self.once(self.stages.values().sum())
    }
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Missing`] without valgrind or binutils, [`Failure::Build`] when the paths do not build or run,
/// [`Failure::File`] when callgrind's files or the budget cannot be used, [`Failure::Difference`] when a count is above
/// its budget.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    install::ensure(&TOOLS)?;
    // Incremental compilation cuts crates into other units, which are inlined differently.
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "-p", "lendwire-benches", "--bin", "counts"]);
    let status = build.env("CARGO_INCREMENTAL", "0").status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::Build("the paths to count did not build".into()));
    }
    let metadata = metadata(&workspace().join("Cargo.toml"))?;
    let folder = metadata["target_directory"].as_str().map(Path::new).unwrap_or(Path::new("target"));
    let progress = Progress::start("counting instructions");
    let program = folder.join("release/counts");
    let dumps = callgrind::run(&program, arguments.filter.as_slice(), &folder.join("counts"))?;
    let sources = stages::sources(&program, &dumps)?;
    progress.done();

    let paths = sum(&dumps, &sources);
    let file = workspace().join(BUDGET);
    let mut budget = Budget::read(&fs::read_to_string(&file).unwrap_or_default())?;
    println!("{}", heading());
    let (mut above, mut below) = (Vec::new(), 0);
    for (path, counted) in &paths {
        let verdict = budget.judge(path, counted.total());
        println!("{}", row(path, counted, &verdict));
        for line in most(counted, arguments.lines.unwrap_or(0)) {
            println!("{line}");
        }
        match verdict {
            Verdict::Within => {}
            Verdict::Above(_) if arguments.accept => budget.set(path, counted.total()),
            Verdict::Below(_) | Verdict::New if arguments.lower || arguments.accept => {
                budget.set(path, counted.total())
            }
            Verdict::Below(_) => below += 1,
            Verdict::Above(_) | Verdict::New => above.push(format!("{path}{verdict}")),
        }
    }
    if arguments.lower || arguments.accept {
        let text = budget.write(paths.iter().map(|(path, _)| path.as_str()));
        fs::write(&file, text).map_err(|error| Failure::File(format!("{BUDGET} could not be written: {error}")))?;
    }
    if below > 0 {
        println!("{below} counts are below their budget: `cargo xtask counts --lower` writes them into {BUDGET}");
    }
    if above.is_empty() {
        return Ok(());
    }
    Err(Failure::Difference(format!("beyond {BUDGET}: {}", above.join("; "))))
}

/// The dumps of each path together, in the order in which the paths were first done.
fn sum(dumps: &[Dump], sources: &BTreeMap<Site, Source>) -> Vec<(String, Counted)> {
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
            *counted.stages.entry(stage).or_default() += count;
            *counted.lines.entry(source.line.clone()).or_default() += count;
        }
    }
    paths
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

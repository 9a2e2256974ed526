//! `cargo xtask icount`: how many instructions each path of the stack takes inside of the unikernel, against a budget.
//!
//! The image does the paths of `lendwire-counts`, on the kernel that it ships, under QEMU's `-icount shift=0`, where the
//! time-stamp counter counts instructions; then it does them again one instruction at a time and says which those were.
//! Both ways have to agree. Which stage an instruction belongs to is told from the image's debug information, as
//! `cargo xtask counts` does.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use crate::callgrind::{Dump, Site};
use crate::counts::table::{self, Ledger};
use crate::counts::{Orders, stages};
use crate::failure::Failure;
use crate::image;
use crate::install::{self, Tool};
use crate::progress::Progress;
use crate::qemu::{Arch, Guest, KernelLine, Net, Nic, Options};
use crate::serial::Line;

const TOOLS: [Tool; 1] = [Tool { program: "addr2line", package: "binutils" }];
const LEDGER: Ledger = Ledger { file: "benches/icount.budget", command: "cargo xtask icount" };

/// How long a guest counts at the most; it takes seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// What the guest says at its end.
const DONE: &str = "counts: done";
/// MiB: each path makes its own two ends.
const MEMORY: u32 = 768;
/// One part of so many by which the two ways of counting may differ: the compiler need not call both alike.
const PART: u64 = 1000;

/// Runs the command.
///
/// # Errors
/// [`Failure::Missing`] without QEMU or binutils, [`Failure::Build`] when the image does not build, those of a guest that
/// does not run to its end, [`Failure::File`] when the budget cannot be used or the guest says what cannot be,
/// [`Failure::Difference`] when a count is above its budget or the two ways of counting differ.
pub fn run(orders: &Orders) -> Result<(), Failure> {
    install::tool(Arch::X86_64.emulator())?;
    install::ensure(&TOOLS)?;
    let image = image::build_counts()?;
    let filter = orders.filter.as_deref().unwrap_or_default().replace(' ', "_");
    let progress = Progress::start("counting instructions inside of the guest");
    let all = all(&said(&image, &format!("counts=all {filter}"))?)?;
    progress.at("one by one".to_owned());
    let each = each(&said(&image, &format!("counts=each {filter}"))?, &image)?;
    progress.done();

    let mut dumps = Vec::new();
    for (Taken { path, times, gross, .. }, stepped) in all.iter().zip(&each) {
        if stepped.path != *path || stepped.gross.abs_diff(*gross) > gross / PART {
            return Err(Failure::Difference(format!(
                "{path} takes {gross} instructions by the counter, and {} ({}) one by one",
                stepped.gross, stepped.path
            )));
        }
        dumps.push(Dump { path: path.clone(), times: *times, costs: stepped.costs.clone() });
    }
    let sources = stages::sources(&image, &dumps)?;
    let mut paths = table::sum(&dumps, &sources);
    for ((_, counted), taken) in paths.iter_mut().zip(&all) {
        counted.total = taken.net;
    }
    table::judge(&LEDGER, &paths, orders)
}

/// Boots the image with `words` and returns what it said.
fn said(image: &Path, words: &str) -> Result<Vec<String>, Failure> {
    let mut options = Options::new(image);
    options.net = Net::None;
    // On this machine memory-mapped devices are; it starts sooner than a whole PC.
    options.nic = Nic::VirtioMmio;
    options.memory = MEMORY;
    options.kernel = KernelLine { words: words.trim().to_owned(), ..KernelLine::default() };
    options.extra = ["-icount", "shift=0,sleep=off"].map(str::to_owned).to_vec();
    let mut guest = Guest::boot(options)?;
    guest.wait_for("the counts", PATIENCE, |line| matches!(line, Line::Text(text) if text == DONE).then_some(()))?;
    Ok(guest.log().to_vec())
}

/// What a path took by the counter.
#[derive(Debug, Default, PartialEq, Eq)]
struct Taken {
    path: String,
    times: u64,
    /// Without the device's side and without the counting.
    net: u64,
    /// With both.
    gross: u64,
}

/// A path one instruction at a time.
#[derive(Debug, Default, PartialEq, Eq)]
struct Stepped {
    path: String,
    gross: u64,
    costs: BTreeMap<Site, u64>,
}

/// What lines `counted` say, those of one path together.
fn all(lines: &[String]) -> Result<Vec<Taken>, Failure> {
    let mut paths: Vec<Taken> = Vec::new();
    for line in lines.iter().filter_map(|line| line.strip_prefix("counted\t")) {
        let [path, times, net, gross] = fields(line)?;
        if paths.last().is_none_or(|last| last.path != path) {
            paths.push(Taken { path: path.to_owned(), ..Taken::default() });
        }
        let last = paths.last_mut().expect("it was pushed");
        last.times += number(times, 10)?;
        last.net += number(net, 10)?;
        last.gross += number(gross, 10)?;
    }
    Ok(paths)
}

/// What lines `stepped` and `at` say of `image`.
fn each(lines: &[String], image: &Path) -> Result<Vec<Stepped>, Failure> {
    let object = image.to_string_lossy().into_owned();
    let mut paths: Vec<Stepped> = Vec::new();
    let mut address = 0;
    for line in lines {
        if let Some(line) = line.strip_prefix("stepped\t") {
            let [path, gross] = fields(line)?;
            paths.push(Stepped { path: path.to_owned(), gross: number(gross, 10)?, costs: BTreeMap::new() });
            address = 0;
        }
        let (Some(list), Some(last)) = (line.strip_prefix("at "), paths.last_mut()) else { continue };
        for entry in list.split(' ') {
            let (distance, times) = entry.split_once(':').ok_or_else(|| senseless(entry))?;
            address += number(distance, 16)?;
            last.costs.insert(Site { object: object.clone(), address }, number(times, 16)?);
        }
    }
    Ok(paths)
}

/// The parts of a line between tabs.
fn fields<const N: usize>(line: &str) -> Result<[&str; N], Failure> {
    let parts: Vec<&str> = line.split('\t').collect();
    parts.try_into().map_err(|_| senseless(line))
}

fn number(text: &str, radix: u32) -> Result<u64, Failure> {
    u64::from_str_radix(text, radix).map_err(|_| senseless(text))
}

fn senseless(what: &str) -> Failure {
    Failure::File(format!("the guest says {what:?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn turns_of_a_path_are_one_count() {
        let said =
            lines("counts: 4\ncounted\ta b\t1\t10\t20\ncounted\ta b\t0\t5\t6\ncounted\tc\t2\t7\t7\ncounts: done");
        let taken = |path: &str, times, net, gross| Taken { path: path.into(), times, net, gross };
        assert_eq!(all(&said), Ok(vec![taken("a b", 1, 15, 26), taken("c", 2, 7, 7)]));
        assert!(all(&lines("counted\ta\t1")).is_err());
    }

    #[test]
    fn addresses_are_told_as_distances() {
        let said = lines("stepped\ta b\t12\nat 100000:8 3:1\nat 1:2\nstepped\tc\t1\nat 100002:a");
        let site = |address| Site { object: "i".into(), address };
        let costs = [(site(0x10_0000), 8), (site(0x10_0003), 1), (site(0x10_0004), 2)];
        let first = Stepped { path: "a b".into(), gross: 12, costs: costs.into() };
        let second = Stepped { path: "c".into(), gross: 1, costs: [(site(0x10_0002), 10)].into() };
        assert_eq!(each(&said, Path::new("i")), Ok(vec![first, second]));
        assert!(each(&lines("stepped\ta\t1\nat 5"), Path::new("i")).is_err());
    }
}

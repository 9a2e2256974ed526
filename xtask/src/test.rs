//! `cargo xtask test`: every test, in the order in which a failure is cheapest to understand.
//!
//! Unit tests, integration tests, doc tests, then the tests that boot the guest (`qemu*`), then those over a TAP device
//! (`tap*`). What this host cannot run is counted as skipped and named, never passed over in silence.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::failure::Failure;
use crate::image::{self, IMAGE_VARIABLE, cargo};
use crate::install;
use crate::qemu::Arch;

/// Tells the tests that those over a TAP device cannot run here.
pub const SKIP_TAP_VARIABLE: &str = "LENDWIRE_SKIP_TAP";

/// The command's arguments.
#[derive(Debug, Args)]
#[command(after_help = "The last line is `N passed, N failed, N skipped`. Exit code 1 when anything failed")]
pub struct Arguments {
    /// Leaves out the tests that boot the guest
    #[arg(long)]
    quick: bool,
    /// Runs only tests whose name contains this
    filter: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Difference`] when a test failed.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let tests = integration_tests()?;
    let mut report = Report { filter: arguments.filter.clone(), ..Report::default() };
    let (booting, plain): (Vec<_>, Vec<_>) = tests.into_iter().partition(|test| test.kind != Kind::Plain);
    let (over_tap, in_qemu): (Vec<_>, Vec<_>) = booting.into_iter().partition(|test| test.kind == Kind::Tap);

    report.piece("unit tests", cargo_test(&["--workspace", "--lib"]), &[]);
    if !plain.is_empty() {
        report.piece("integration tests", selected(&plain), &[]);
    }
    report.piece("doc tests", cargo_test(&["--workspace", "--doc"]), &[]);
    report.boot(arguments, &in_qemu, &over_tap);
    report.finish()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Plain,
    Qemu,
    Tap,
}

#[derive(Debug)]
struct TestFile {
    name: String,
    source: PathBuf,
    kind: Kind,
}

impl TestFile {
    /// The tests in the file and, where it is a folder's `main.rs`, in the files beside it; counted in their text so that
    /// nothing need be built to be skipped.
    fn count(&self) -> u32 {
        if !self.source.ends_with("main.rs") {
            return tests_in(&self.source);
        }
        let folder = self.source.parent().and_then(|folder| fs::read_dir(folder).ok());
        folder.into_iter().flatten().flatten().map(|entry| tests_in(&entry.path())).sum()
    }
}

fn tests_in(file: &Path) -> u32 {
    let text = fs::read_to_string(file).unwrap_or_default();
    text.lines().filter(|line| line.trim() == "#[test]").count() as u32
}

/// The integration tests of the workspace. Those named `loom*` need a build of their own and run elsewhere.
fn integration_tests() -> Result<Vec<TestFile>, Failure> {
    let metadata = image::metadata(&image::workspace().join("Cargo.toml"))?;
    Ok(tests_of(&metadata))
}

fn tests_of(metadata: &Value) -> Vec<TestFile> {
    let mut tests: Vec<TestFile> = image::targets(metadata, "test")
        .filter_map(|target| {
            let name = target["name"].as_str()?.to_owned();
            let source = target["src_path"].as_str()?.into();
            let kind = if name.starts_with("qemu") {
                Kind::Qemu
            } else if name.starts_with("tap") {
                Kind::Tap
            } else {
                Kind::Plain
            };
            Some(TestFile { name, source, kind })
        })
        .filter(|test| !test.name.starts_with("loom"))
        .collect();
    tests.sort_by(|a, b| a.name.cmp(&b.name));
    tests
}

/// `cargo test`, always of the whole workspace's features, so that nothing is built twice.
fn cargo_test(selection: &[&str]) -> Command {
    let mut command = cargo();
    command.args(["test", "--no-fail-fast"]).args(selection);
    command
}

fn selected(tests: &[TestFile]) -> Command {
    let mut command = cargo_test(&["--workspace"]);
    for test in tests {
        command.args(["--test", &test.name]);
    }
    command
}

#[derive(Debug, Default)]
struct Report {
    filter: Option<String>,
    passed: u32,
    failed: u32,
    skipped: u32,
    notes: Vec<String>,
}

impl Report {
    /// Runs one piece, shows its output as it comes, and adds up its summaries.
    fn piece(&mut self, title: &str, mut command: Command, arguments: &[&str]) {
        println!("\n== {title}");
        let started = Instant::now();
        command.arg("--").args(&self.filter).args(arguments);
        let before = self.failed;
        let succeeded = self.follow(command.stdin(Stdio::null()).stdout(Stdio::piped()));
        if !succeeded {
            // A build that failed has no summary, and a test that aborted the process is in none.
            self.failed = self.failed.max(before + 1);
            self.notes.push(format!("FAILED: {title}"));
        }
        println!("== {title}: {} in {:.1} s", if succeeded { "ok" } else { "FAILED" }, started.elapsed().as_secs_f64());
    }

    fn follow(&mut self, command: &mut Command) -> bool {
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                println!("{} did not start: {error}", Path::new(command.get_program()).display());
                return false;
            }
        };
        let output = child.stdout.take().expect("stdout is piped");
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            println!("{line}");
            if let Some(name) = failed_test(&line) {
                self.notes.push(format!("FAILED: {name}"));
            }
            if let Some(summary) = Summary::parse(&line) {
                self.passed += summary.passed;
                self.failed += summary.failed;
                self.skipped += summary.ignored;
            }
        }
        child.wait().is_ok_and(|status| status.success())
    }

    /// The tests that boot the guest, as far as this host lets them run.
    fn boot(&mut self, arguments: &Arguments, in_qemu: &[TestFile], over_tap: &[TestFile]) {
        if in_qemu.is_empty() && over_tap.is_empty() {
            return;
        }
        if arguments.quick {
            self.skip("QEMU tests", in_qemu, "--quick");
            return self.skip("TAP tests", over_tap, "--quick");
        }
        if let Err(failure) = install::tool(Arch::X86_64.emulator()) {
            self.skip("QEMU tests", in_qemu, &failure.to_string());
            return self.skip("TAP tests", over_tap, &failure.to_string());
        }
        println!("\n== the unikernel's image");
        let image = match image::build(Arch::X86_64) {
            Ok(image) => image,
            Err(failure) => {
                println!("{failure}");
                self.failed += 1;
                self.notes.push("FAILED: the unikernel's image".into());
                self.skip("QEMU tests", in_qemu, "there is no image");
                return self.skip("TAP tests", over_tap, "there is no image");
            }
        };
        let tap = tap_is_usable();
        if !in_qemu.is_empty() {
            let mut command = selected(in_qemu);
            command.env(IMAGE_VARIABLE, &image);
            if tap.is_err() {
                command.env(SKIP_TAP_VARIABLE, "1");
            }
            // One guest at a time: a translated guest and its client fill two cores.
            self.piece("QEMU tests", command, &["--test-threads=1"]);
        }
        match tap {
            Err(failure) => self.skip("TAP tests", over_tap, &failure.to_string()),
            Ok(()) if over_tap.is_empty() => {}
            Ok(()) => {
                let mut command = selected(over_tap);
                command.env(IMAGE_VARIABLE, &image);
                self.piece("TAP tests", command, &["--test-threads=1"]);
            }
        }
    }

    fn skip(&mut self, title: &str, tests: &[TestFile], reason: &str) {
        let count: u32 = tests.iter().map(TestFile::count).sum();
        if count == 0 {
            return;
        }
        println!("\n== {title}: {count} SKIPPED\n{reason}");
        self.skipped += count;
        let reason = reason.lines().next().unwrap_or_default();
        self.notes.push(format!("SKIPPED: {count} {title} ({reason})"));
    }

    fn finish(self) -> Result<(), Failure> {
        println!("\n== summary");
        for note in &self.notes {
            println!("{note}");
        }
        println!("{} passed, {} failed, {} skipped", self.passed, self.failed, self.skipped);
        if self.failed > 0 {
            return Err(Failure::Difference("not every test passed".into()));
        }
        Ok(())
    }
}

/// Whether tests may make a TAP device here; installs the tools they call.
fn tap_is_usable() -> Result<(), Failure> {
    if !install::is_root() {
        return Err(Failure::Missing("tests over a TAP device need root: run `sudo -E cargo xtask test`".into()));
    }
    if let Err(error) = fs::File::options().read(true).write(true).open("/dev/net/tun") {
        return Err(Failure::Missing(format!("/dev/net/tun does not open ({error}): run `modprobe tun`")));
    }
    install::ensure(install::TAP_TOOLS)
}

/// The name in `test NAME ... FAILED`.
fn failed_test(line: &str) -> Option<&str> {
    line.strip_prefix("test ")?.strip_suffix(" ... FAILED")
}

/// What libtest says at the end of a test program.
#[derive(Debug, PartialEq, Eq)]
struct Summary {
    passed: u32,
    failed: u32,
    ignored: u32,
}

impl Summary {
    /// Reads `test result: ok. 1 passed; 2 failed; 3 ignored; 4 measured; 5 filtered out; …`.
    fn parse(line: &str) -> Option<Summary> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |name: &str| {
            let part = counts.split("; ").find_map(|part| part.strip_suffix(name))?;
            part.trim().parse().ok()
        };
        Some(Summary { passed: count("passed")?, failed: count("failed")?, ignored: count("ignored")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_of_libtest_is_read() {
        let line = "test result: FAILED. 12 passed; 3 failed; 4 ignored; 0 measured; 9 filtered out; finished in 0.52s";
        assert_eq!(Summary::parse(line), Some(Summary { passed: 12, failed: 3, ignored: 4 }));
        assert_eq!(Summary::parse("test something ... ok"), None);
        assert_eq!(Summary::parse("test result: gone"), None);
    }

    #[test]
    fn tests_are_sorted_by_what_they_need() {
        let target = |kind: &str, name: &str| serde_json::json!({ "kind": [kind], "name": name, "src_path": "/s" });
        let metadata = serde_json::json!({ "packages": [
            { "targets": [target("lib", "a"), target("test", "tap_ping"), target("test", "loom")] },
            { "targets": [target("test", "qemu_once"), target("test", "frames"), target("bench", "qemu")] },
        ]});
        let found: Vec<(String, Kind)> = tests_of(&metadata).into_iter().map(|test| (test.name, test.kind)).collect();
        let expected = [("frames", Kind::Plain), ("qemu_once", Kind::Qemu), ("tap_ping", Kind::Tap)];
        assert_eq!(found, expected.map(|(name, kind)| (name.to_owned(), kind)));
    }

    #[test]
    fn skipped_tests_are_counted_beside_a_main_file_too() {
        let tests = image::workspace().join("tests/tests");
        let count = |path: &str| TestFile { name: "t".into(), source: tests.join(path), kind: Kind::Tap }.count();
        assert_eq!(count("nothing.rs"), 0);
        assert!(count("qemu.rs") > 5);
        // Of these, two stand in the main file.
        assert!(count("lending/main.rs") > 2);
    }

    #[test]
    fn a_piece_that_fails_without_a_summary_counts_as_one_failure() {
        let mut report = Report::default();
        let mut silent = Command::new("sh");
        silent.args(["-c", "exit 1"]);
        report.piece("a build that fails", silent, &[]);
        let mut counted = Command::new("sh");
        counted.args([
            "-c",
            "echo 'test a::b ... FAILED'; echo 'test result: FAILED. 5 passed; 2 failed; 1 ignored; 0 measured; 0 filtered out'; exit 101",
        ]);
        report.piece("a test that fails", counted, &[]);
        assert_eq!((report.passed, report.failed, report.skipped), (5, 3, 1));
        assert_eq!(report.notes, ["FAILED: a build that fails", "FAILED: a::b", "FAILED: a test that fails"]);
        assert!(report.finish().is_err());
    }
}

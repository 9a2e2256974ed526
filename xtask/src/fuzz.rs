//! `cargo xtask fuzz`: the libFuzzer targets of `fuzz/`.
//!
//! A long run goes through cargo-fuzz on nightly, with AddressSanitizer. A smoke run builds the same targets with the
//! pinned toolchain: LLVM's coverage pass needs no nightly, so libFuzzer is guided as ever, only without the sanitizer.
//! That spares CI the building of cargo-fuzz and finds every panic and overflow that a few seconds can find.

use std::fs;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use clap::Args;
use serde_json::Value;

use crate::failure::Failure;
use crate::image::{self, cargo, workspace};
use crate::progress::Progress;

/// What makes a build a libFuzzer build: the coverage that cargo-fuzz asks for.
const COVERAGE_FLAGS: &str = "--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
     -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
     -Cllvm-args=-sanitizer-coverage-trace-compares -Ccodegen-units=1 -Cdebug-assertions -Coverflow-checks";

/// Lines of a failed target that are shown.
const SHOWN_LINES: usize = 40;

/// The command's arguments.
#[derive(Debug, Args)]
#[command(after_help = "A crash's input is left in fuzz/artifacts/TARGET; corpora grow in fuzz/corpus/TARGET")]
pub struct Arguments {
    /// A few seconds each, without nightly and without AddressSanitizer
    #[arg(long)]
    smoke: bool,
    /// Seconds for each target [default: 600, with --smoke 5]
    #[arg(long)]
    seconds: Option<u32>,
    /// One target only
    target: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Missing`] without cargo-fuzz or such a target, [`Failure::Build`], or [`Failure::Difference`] when a
/// target crashed.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let folder = workspace().join("fuzz");
    let metadata = image::metadata(&folder.join("Cargo.toml"))?;
    let targets = chosen(&metadata, arguments.target.as_deref())?;
    let seconds = arguments.seconds.unwrap_or(if arguments.smoke { 5 } else { 600 });
    if !arguments.smoke {
        ensure_cargo_fuzz()?;
    }
    let programs = if arguments.smoke { Some(build(&folder)?) } else { None };

    let mut crashed = Vec::new();
    for target in &targets {
        let command = match &programs {
            Some(programs) => plain(&folder, &programs.join(target), target)?,
            None => with_cargo_fuzz(&folder, target),
        };
        if !follow(command, target, seconds)? {
            crashed.push(target.as_str());
        }
    }
    println!("{} passed, {} failed", targets.len() - crashed.len(), crashed.len());
    if crashed.is_empty() {
        return Ok(());
    }
    Err(Failure::Difference(format!("crashed: {}. The inputs are in fuzz/artifacts", crashed.join(", "))))
}

/// The names of all targets, which are the programs of the package, or the one asked for.
fn chosen(metadata: &Value, only: Option<&str>) -> Result<Vec<String>, Failure> {
    let mut all: Vec<&str> = image::targets(metadata, "bin").filter_map(|target| target["name"].as_str()).collect();
    all.sort_unstable();
    let Some(only) = only else { return Ok(all.into_iter().map(str::to_owned).collect()) };
    if all.contains(&only) {
        return Ok(vec![only.to_owned()]);
    }
    Err(Failure::Missing(format!("there is no fuzz target {only}. There are: {}", all.join(", "))))
}

fn ensure_cargo_fuzz() -> Result<(), Failure> {
    let there = Command::new("rustup").args(["run", "nightly", "cargo", "fuzz", "--version"]).output();
    if there.is_ok_and(|output| output.status.success()) {
        return Ok(());
    }
    println!("== cargo install cargo-fuzz --locked");
    let installed =
        Command::new("rustup").args(["run", "nightly", "cargo", "install", "cargo-fuzz", "--locked"]).status();
    if installed.is_ok_and(|status| status.success()) {
        return Ok(());
    }
    Err(Failure::Missing(
        "cargo-fuzz did not install. Run:\n    rustup toolchain install nightly && cargo +nightly install cargo-fuzz --locked".into(),
    ))
}

/// Builds all targets for a smoke run and returns their folder.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let progress = Progress::start("building the fuzz targets");
    let host = host_triple()?;
    let output = folder.join("target/smoke");
    // With `--target`, the flags reach no build script.
    let status = cargo()
        .args(["build", "--quiet", "--release", "--bins", "--target", &host, "--manifest-path"])
        .arg(folder.join("Cargo.toml"))
        .arg("--target-dir")
        .arg(&output)
        .env("RUSTFLAGS", COVERAGE_FLAGS)
        .status()
        .map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if !status.success() {
        return Err(Failure::Build("the fuzz targets did not build".into()));
    }
    progress.done();
    Ok(output.join(host).join("release"))
}

fn host_triple() -> Result<String, Failure> {
    let output = Command::new("rustc").arg("-vV").current_dir(workspace()).output();
    let text = output.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    let host = text.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| Failure::Build("rustc -vV names no host".into()))
}

fn with_cargo_fuzz(folder: &Path, target: &str) -> Command {
    let mut command = Command::new("rustup");
    command.args(["run", "nightly", "cargo", "fuzz", "run", target]).current_dir(folder.parent().unwrap_or(folder));
    let corpora = [folder.join("corpus").join(target), folder.join("seeds").join(target)];
    command.args(corpora.iter().filter(|corpus| corpus.is_dir())).arg("--");
    command
}

/// The program itself, on a corpus of its own that starts from the seeds.
fn plain(folder: &Path, program: &Path, target: &str) -> Result<Command, Failure> {
    let cannot = |path: &Path, error: std::io::Error| Failure::File(format!("{}: {error}", path.display()));
    let own = folder.join("target/smoke/corpus").join(target);
    let artifacts = folder.join("artifacts").join(target);
    for path in [&own, &artifacts] {
        fs::create_dir_all(path).map_err(|error| cannot(path, error))?;
    }
    let mut command = Command::new(program);
    command.current_dir(folder).arg(format!("-artifact_prefix={}/", artifacts.display())).arg("-seed=1").arg(own);
    let seeds = ["seeds", "corpus"].map(|kind| folder.join(kind).join(target));
    command.args(seeds.iter().filter(|seeds| seeds.is_dir()));
    Ok(command)
}

/// Runs one target and shows how far it is. Returns whether it came through.
fn follow(mut command: Command, target: &str, seconds: u32) -> Result<bool, Failure> {
    let progress = Progress::start(&format!("fuzzing {target} for {seconds} s"));
    let mut child = command
        .args([&format!("-max_total_time={seconds}"), "-timeout=10", "-print_final_stats=1"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Build(format!("{target} did not start: {error}")))?;
    let output = child.stderr.take().expect("stderr is piped");
    let mut last = Vec::new();
    let mut shown = Instant::now();
    for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
        let line = String::from_utf8_lossy(&line).into_owned();
        if line.starts_with('#') {
            progress.at(line.clone());
            if progress.is_plain() && shown.elapsed().as_secs() >= 30 {
                eprintln!("{target}: {line}");
                shown = Instant::now();
            }
        }
        last.push(line);
        if last.len() > SHOWN_LINES {
            last.remove(0);
        }
    }
    let passed = child.wait().is_ok_and(|status| status.success());
    if passed {
        let runs = last.iter().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
        progress.say(&format!("{target}: {} inputs, no crash", runs.unwrap_or("?").trim()));
    } else {
        progress.say(&format!("{target} CRASHED:\n{}", last.join("\n")));
    }
    Ok(passed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_chosen_by_name_or_refused() {
        let program = |name: &str| serde_json::json!({ "kind": ["bin"], "name": name });
        let metadata = serde_json::json!({ "packages": [{ "targets": [program("tcp"), program("frames")] }] });
        assert_eq!(chosen(&metadata, None), Ok(vec!["frames".into(), "tcp".into()]));
        assert_eq!(chosen(&metadata, Some("tcp")), Ok(vec!["tcp".into()]));
        let Err(Failure::Missing(message)) = chosen(&metadata, Some("udp")) else { panic!("accepted") };
        assert_eq!(message, "there is no fuzz target udp. There are: frames, tcp");
    }
}

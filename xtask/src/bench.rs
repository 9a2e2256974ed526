//! `cargo xtask bench`: the works of `benches`, ours and the peers' in turn.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::failure::Failure;
use crate::image::{cargo, target, workspace};

mod counted;

const PACKAGE: &str = "lendwire-benches";

/// Whose instructions everybody is built of: ours and the peers alike.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Processor {
    /// This machine's.
    Native,
    /// With AVX2 and no more, which is what valgrind knows.
    Avx2,
}

impl Processor {
    fn name(self) -> &'static str {
        match self {
            Self::Native => "native",
            Self::Avx2 => "x86-64-v3",
        }
    }

    fn flags(self) -> String {
        format!("build.rustflags=[\"-Ctarget-cpu={}\"]", self.name())
    }
}

/// The command's arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Runs only works that have each of these words in their name: `bulk 1500 64K csum`
    words: Vec<String>,
    /// Runs the peers' stacks beside ours
    #[arg(long)]
    peers: bool,
    /// Runs each work and each criterion benchmark once, unoptimised, to see that it works
    #[arg(long)]
    smoke: bool,
    /// Counts instructions by callgrind, both ends of a link together, instead of taking the time
    #[arg(long, conflicts_with_all = ["smoke", "json", "plot"])]
    count: bool,
    /// Writes what was measured to a file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
    /// Draws the figures of `docs/plots`, too
    #[arg(long)]
    plot: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when a benchmark fails, [`Failure::Missing`]
/// where instructions are to be counted and there is no valgrind.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.count {
        return counted::run(&arguments.words, arguments.peers);
    }
    if arguments.smoke && arguments.words.is_empty() {
        // Under `cargo test` criterion runs each benchmark once, in the profile that the tests were built with.
        succeed(cargo().args(["test", "--package", PACKAGE, "--benches"]))?;
    }
    let mut command = bench("run", (!arguments.smoke).then_some(Processor::Native), arguments.peers)?;
    // Paths are the caller's.
    command.current_dir(".").arg("--");
    if arguments.peers {
        command.arg("--peers");
    }
    if arguments.smoke {
        command.arg("--smoke");
    }
    if let Some(file) = &arguments.json {
        command.arg("--json").arg(file);
    }
    if arguments.plot {
        command.arg("--plot").arg(workspace().join("docs/plots"));
    }
    succeed(command.args(&arguments.words))
}

/// `cargo run` or `cargo build` of the works, optimised where it is said for what.
fn bench(subcommand: &str, processor: Option<Processor>, peers: bool) -> Result<Command, Failure> {
    let mut command = cargo();
    command.args([subcommand, "--quiet", "--package", PACKAGE, "--bin", "bench"]);
    if let Some(processor) = processor {
        command.args(["--release", "--config", &processor.flags()]);
    }
    if peers {
        command.args(["--features", "peers"]).env("LENDWIRE_LWIP", lwip(processor.unwrap_or(Processor::Native))?);
    }
    Ok(command)
}

/// The folder with lwIP for `processor`, built where it is not there yet.
fn lwip(processor: Processor) -> Result<PathBuf, Failure> {
    let folder = target()?.join(format!("lwip-{}", processor.name()));
    let mut script = Command::new("bash");
    script.arg(workspace().join("benches/lwip/build.sh")).arg(&folder).arg(processor.name());
    let status = script.stdout(Stdio::null()).status();
    let status = status.map_err(|error| Failure::Build(format!("bash did not start: {error}")))?;
    if status.success() {
        return Ok(folder);
    }
    Err(Failure::Build("lwIP was not built: it takes curl, xz, gcc and the network (benches/lwip/build.sh)".into()))
}

fn succeed(command: &mut Command) -> Result<(), Failure> {
    let status = command.status().map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Difference("a benchmark did not build or failed".into()))
}

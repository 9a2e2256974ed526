//! `cargo xtask bench`: the works of `benches`, ours and the peers' in turn.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use clap::Args;

use crate::failure::Failure;
use crate::image::{cargo, metadata, workspace};

const PACKAGE: &str = "lendwire-benches";
/// What the machine can, for everybody alike.
const NATIVE: &str = "build.rustflags=[\"-Ctarget-cpu=native\"]";

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
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when a benchmark fails.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if arguments.smoke && arguments.words.is_empty() {
        // Under `cargo test` criterion runs each benchmark once, in the profile that the tests were built with.
        succeed(cargo().args(["test", "--package", PACKAGE, "--benches"]))?;
    }
    let mut command = cargo();
    // Paths are the caller's.
    command.current_dir(".").args(["run", "--quiet", "--package", PACKAGE, "--bin", "bench"]);
    if !arguments.smoke {
        command.args(["--release", "--config", NATIVE]);
    }
    if arguments.peers {
        command.args(["--features", "peers"]).env("LENDWIRE_LWIP", lwip()?);
    }
    command.arg("--");
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

/// The folder with lwIP, built where it is not there yet.
fn lwip() -> Result<PathBuf, Failure> {
    let metadata = metadata(&workspace().join("Cargo.toml"))?;
    let target = metadata["target_directory"].as_str().ok_or(Failure::Build("cargo has no target directory".into()))?;
    let folder = PathBuf::from(target).join("lwip");
    let mut script = Command::new("bash");
    let status = script.arg(workspace().join("benches/lwip/build.sh")).arg(&folder).stdout(Stdio::null()).status();
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

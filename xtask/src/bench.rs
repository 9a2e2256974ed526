//! `cargo xtask bench`: the criterion benchmarks.

use clap::Args;

use crate::failure::Failure;
use crate::image::cargo;

const PACKAGE: &str = "lendwire-benches";

/// The command's arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Runs each benchmark once, unoptimised, to see that it works
    #[arg(long)]
    smoke: bool,
    /// Runs only benchmarks whose name contains this
    filter: Option<String>,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when a benchmark fails.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = cargo();
    // Under `cargo test` criterion runs each benchmark once, in the profile that the tests were built with.
    command.args(if arguments.smoke {
        ["test", "-p", PACKAGE, "--benches"]
    } else {
        ["bench", "-p", PACKAGE, "--benches"]
    });
    command.arg("--").args(&arguments.filter);
    let status = command.status().map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Difference("a benchmark did not build or failed".into()))
}

//! `cargo xtask simulate`: the stack over simulated paths in virtual time, against the ideal of each.

use std::path::PathBuf;

use clap::Args;

use crate::failure::Failure;
use crate::image::{cargo, workspace};

const PACKAGE: &str = "lendwire-tests";

/// The command's arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Runs only the cells that have each of these words in their line: `10G 100ms 0.1% bloated`
    words: Vec<String>,
    /// Runs a few cells only
    #[arg(long)]
    smoke: bool,
    /// Draws the figures of `docs/plots` instead
    #[arg(long, conflicts_with_all = ["words", "smoke", "json"])]
    plot: bool,
    /// Where all chance comes from
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Writes what was measured to a file, too
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command, compiled as fast code: a cell sends up to some million segments.
///
/// # Errors
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when a cell is below 90 % of its ideal.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = cargo();
    // Paths are the caller's.
    command.current_dir(".");
    command.args(["run", "--quiet", "--release", "--package", PACKAGE, "--bin", "simulate", "--"]);
    command.arg("--seed").arg(arguments.seed.to_string());
    if arguments.smoke {
        command.arg("--smoke");
    }
    if let Some(file) = &arguments.json {
        command.arg("--json").arg(file);
    }
    if arguments.plot {
        command.arg("--plot").arg(workspace().join("docs/plots"));
    }
    let status = command.args(&arguments.words).status();
    let status = status.map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Difference("a simulated path is below 90 % of its ideal".into()))
}

//! `cargo xtask requirements`: what the RFCs ask, row by row, with the test that shows each.

use clap::Args;

use crate::failure::Failure;
use crate::image::cargo;

const PACKAGE: &str = "lendwire-tests";

/// The command's arguments.
#[derive(Debug, Args)]
#[command(
    after_help = "The rows are in tests/requirements/, the pages made from them are docs/rfcs.md and docs/rfcNNNN.md"
)]
pub struct Arguments {
    /// Writes nothing: fails when a page is out of date, too
    #[arg(long)]
    check: bool,
}

/// Runs the command.
///
/// # Errors
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when something is wrong.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = cargo();
    command.args(["run", "--quiet", "--package", PACKAGE, "--bin", "requirements", "--"]);
    command.args(arguments.check.then_some("--check"));
    let status = command.status().map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Difference("the rows, or their pages, need mending".into()))
}

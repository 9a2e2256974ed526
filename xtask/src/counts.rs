//! `cargo xtask counts`: how many instructions each path of the stack takes, by callgrind, against a budget.
//!
//! `benches/counts` does the paths; what lies outside of the stack and its driver is left out of every figure. The same
//! sources and the same compiler give the same counts on every machine, however busy, but for what the C library and the
//! checksum choose by the processor: both take AVX2 where there is one, and the budget is one with it.

mod budget;
pub(crate) mod stages;
pub(crate) mod table;

use self::table::Ledger;
pub use self::table::Orders;
use crate::callgrind;
use crate::failure::Failure;
use crate::image::{cargo, target};
use crate::install::{self, Tool};
use crate::progress::Progress;

const TOOLS: [Tool; 2] = [callgrind::TOOL, Tool { program: "addr2line", package: "binutils" }];

const LEDGER: Ledger = Ledger { file: "benches/counts.budget", command: "cargo xtask counts" };

/// Runs the command.
///
/// # Errors
/// [`Failure::Missing`] without valgrind or binutils, [`Failure::Build`] when the paths do not build or run,
/// [`Failure::File`] when callgrind's files or the budget cannot be used, [`Failure::Difference`] when a count is above
/// its budget.
pub fn run(orders: &Orders) -> Result<(), Failure> {
    install::ensure(&TOOLS)?;
    // Incremental compilation cuts crates into other units, which are inlined differently.
    let mut build = cargo();
    build.args(["build", "--quiet", "--release", "-p", "lendwire-benches", "--bin", "counts"]);
    let status = build.env("CARGO_INCREMENTAL", "0").status();
    if !status.is_ok_and(|status| status.success()) {
        return Err(Failure::Build("the paths to count did not build".into()));
    }
    let folder = target()?;
    let progress = Progress::start("counting instructions");
    let program = folder.join("release/counts");
    let dumps = callgrind::run(&program, orders.filter.as_slice(), &folder.join("counts"))?;
    let sources = stages::sources(&program, &dumps)?;
    progress.done();

    table::judge(&LEDGER, &table::sum(&dumps, &sources), orders)
}

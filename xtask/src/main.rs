//! `cargo xtask …`: the project's commands.

use std::process::ExitCode;

use clap::{Parser, Subcommand};
use xtask::failure::Failure;
use xtask::{bench, counts, fuzz, icount, requirements, run, script, simulate, test, versus_linux};

#[derive(Parser)]
#[command(
    bin_name = "cargo xtask",
    about = "Lendwire's commands: boot the unikernel, run the tests, fuzz, measure",
    subcommand_required = true,
    arg_required_else_help = true
)]
struct CommandLine {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the unikernel, boots it under QEMU and shows where it answers
    Run(run::Arguments),
    /// Runs every test, those that boot the unikernel included
    Test(test::Arguments),
    /// Fuzzes one target, or each in turn
    Fuzz(fuzz::Arguments),
    /// Runs scripts in packetdrill's language against the stack
    Script(script::Arguments),
    /// Runs TCP over simulated paths and compares its goodput with the ideal
    Simulate(simulate::Arguments),
    /// Checks what the RFCs ask against the tests, and writes the pages about it
    Requirements(requirements::Arguments),
    /// Runs the benchmarks
    Bench(bench::Arguments),
    /// Counts the instructions of each path, against a budget
    Counts(counts::Orders),
    /// Counts the instructions of each path inside of the unikernel, against a budget
    Icount(counts::Orders),
    /// Compares the unikernel with a Debian kernel: guest instructions of the same work, boot, memory
    VersusLinux(versus_linux::Arguments),
}

fn main() -> ExitCode {
    let outcome: Result<(), Failure> = match CommandLine::parse().command {
        Command::Run(arguments) => run::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Script(arguments) => script::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Requirements(arguments) => requirements::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Counts(orders) => counts::run(&orders),
        Command::Icount(orders) => icount::run(&orders),
        Command::VersusLinux(arguments) => versus_linux::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("error: {failure}");
            failure.exit_code()
        }
    }
}

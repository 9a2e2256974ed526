//! `cargo xtask script`: scripts in packetdrill's language, run against the stack in virtual time.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

use crate::failure::Failure;
use crate::image::cargo;

const PACKAGE: &str = "lendwire-tests";

/// The command's arguments.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Scripts, or folders of them
    #[arg(required = true)]
    paths: Vec<PathBuf>,
    /// Over what scripts run that name no version themselves
    #[arg(long, value_enum, default_value = "ipv4")]
    ip_version: IpVersion,
    /// Fails a script for packets that no line of it expects, too
    #[arg(long)]
    strict: bool,
    /// Gives a name in scripts a meaning, as `--define=NAME=value` in a script does
    #[arg(long, short = 'D', value_name = "NAME=VALUE")]
    define: Vec<String>,
    /// Applies before each script's own settings, as `--name=value` in it: `bsd`, `tolerance_usecs=10000`
    #[arg(long, value_name = "NAME[=VALUE]")]
    set: Vec<String>,
    /// Prints every packet of each script
    #[arg(long, short)]
    verbose: bool,
}

/// Over which version of IP.
#[derive(Clone, Copy, Debug, ValueEnum)]
enum IpVersion {
    Ipv4,
    Ipv6,
    Both,
}

/// Runs the command. A script takes about a millisecond of real time, so the profile of the tests is fast enough.
///
/// # Errors
/// [`Failure::Build`] when cargo cannot be started, [`Failure::Difference`] when a script fails.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    let mut command = cargo();
    // Paths are the caller's.
    command.current_dir(".");
    command.args(["run", "--quiet", "--package", PACKAGE, "--bin", "script", "--"]);
    command.arg(match arguments.ip_version {
        IpVersion::Ipv4 => "--ip-version=ipv4",
        IpVersion::Ipv6 => "--ip-version=ipv6",
        IpVersion::Both => "--ip-version=both",
    });
    if arguments.strict {
        command.arg("--strict");
    }
    if arguments.verbose {
        command.arg("-v");
    }
    for define in &arguments.define {
        command.args(["--define", define]);
    }
    for setting in &arguments.set {
        command.args(["--set", setting]);
    }
    let status = command.args(&arguments.paths).status();
    let status = status.map_err(|error| Failure::Build(format!("cargo did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    Err(Failure::Difference("a script failed".into()))
}

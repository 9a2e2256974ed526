//! Why a command failed, in words that say what to do, and the exit code that scripts see.

use std::fmt;
use std::process::ExitCode;

/// A failed command. Each variant carries the whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// Something was checked and differs: exit code 1.
    Difference(String),
    /// What was asked for cannot be: exit code 2.
    Usage(String),
    /// The guest printed a panic or left with its panic status: exit code 3.
    Panicked(String),
    /// The guest, or the network to it, stayed silent past a deadline: exit code 4.
    Silent(String),
    /// QEMU could not be started, or ended by itself: exit code 5.
    Died(String),
    /// A program, target, device or permission is missing: exit code 6.
    Missing(String),
    /// A host port is taken or not allowed: exit code 7.
    Port(String),
    /// The image or a tool did not build: exit code 8.
    Build(String),
    /// A file could not be read or written: exit code 9.
    File(String),
    /// Ctrl-C before the command was through: exit code 130.
    Interrupted,
}

/// The exit codes, as `--help` shows them.
pub const EXIT_CODES: &str = "\
Exit codes: 0 all well; 1 a check differs; 2 wrong usage; 3 the guest panicked; \
4 no answer in time; 5 QEMU ended by itself; 6 something is missing on this host; \
7 a port is taken; 8 the build failed; 9 a file could not be used; 130 Ctrl-C before the first reply";

impl Failure {
    /// The process exit code of this failure.
    pub fn exit_code(&self) -> ExitCode {
        ExitCode::from(match self {
            Failure::Difference(_) => 1,
            Failure::Usage(_) => 2,
            Failure::Panicked(_) => 3,
            Failure::Silent(_) => 4,
            Failure::Died(_) => 5,
            Failure::Missing(_) => 6,
            Failure::Port(_) => 7,
            Failure::Build(_) => 8,
            Failure::File(_) => 9,
            Failure::Interrupted => 130,
        })
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Failure::Difference(message)
            | Failure::Usage(message)
            | Failure::Panicked(message)
            | Failure::Silent(message)
            | Failure::Died(message)
            | Failure::Missing(message)
            | Failure::Port(message)
            | Failure::Build(message)
            | Failure::File(message) => f.write_str(message),
            Failure::Interrupted => f.write_str("interrupted"),
        }
    }
}

impl std::error::Error for Failure {}

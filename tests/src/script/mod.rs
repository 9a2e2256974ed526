//! A runner for scripts in packetdrill's language, over virtual time.
//!
//! A script says in order which packets come in, which must go out and when, which system calls are made and what they
//! return. `docs/scripts.md` tells how to write and run them; `cargo xtask script FILE` does.
//!
//! | file | what it holds |
//! |---|---|
//! | `cursor`, `parse`, `parse_packet`, `parse_expression`, `ast` | the language and its tree |
//! | `code` | what stands between `%{` and `}%` |
//! | `settings`, `dialect`, `commands` | what a script is run with: options, whose habits, shell text |
//! | `fast_open` | what they say of Fast Open |
//! | `world`, `wire`, `wire_options`, `icmp` | the stack, its cable, and packets as bytes |
//! | `flow` | relative numbers of a script, and those of the wire |
//! | `run`, `packets`, `matching` | events in order, packets in and out, what differs |
//! | `sockets` | what is asked of the stack: new features are plugged in here |
//! | `calls*`, `ancillary`, `foreseen`, `held`, `keep_alive`, `ports`, `descriptors`, `constants`, `errno` | system calls on top of it |
//! | `print`, `trace` | packets for people |
//!
//! Invariant: no shell, no clock and no network is touched, so a script's outcome is always the same. What the runner or
//! the stack does not know fails the script and says so; nothing is skipped.

mod ancillary;
mod asides;
mod ast;
mod calls;
mod calls_data;
mod calls_files;
mod calls_options;
mod calls_poll;
mod code;
mod commands;
mod constants;
mod cursor;
mod descriptors;
mod dialect;
pub mod errno;
mod fast_open;
mod flow;
mod foreseen;
mod held;
mod icmp;
mod keep_alive;
mod matching;
mod packets;
mod parse;
mod parse_expression;
mod parse_packet;
mod ports;
mod print;
mod run;
mod settings;
pub mod sockets;
mod states;
mod trace;
mod urgent;
mod wire;
mod wire_options;
mod world;

use std::collections::BTreeMap;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};

use lendwire::Tables;
use lendwire_nic::Offloads;

use crate::setup::Version;
use run::Run;
use settings::Settings;
use world::World;

pub use run::Failure;

/// How scripts are run.
#[derive(Clone, Debug)]
pub struct Options {
    /// The version for scripts that name none.
    pub versions: Versions,
    /// Packets that no line expects, and wrong echoes of timestamps, fail a script. packetdrill lets both pass.
    pub strict: bool,
    /// What the device does for the stack: the wire is the same, whatever it is.
    pub offloads: Offloads,
    /// Names and what they stand for, as `--define=NAME=value` in a script.
    pub defines: BTreeMap<String, String>,
    /// Settings that apply before a script's own, as `--name=value` in it.
    pub settings: Vec<(String, Option<String>)>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            versions: Versions::V4,
            strict: false,
            offloads: Offloads::empty(),
            defines: BTreeMap::new(),
            settings: Vec::new(),
        }
    }
}

/// Over which versions scripts run that name none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Versions {
    /// IPv4.
    V4,
    /// IPv6.
    V6,
    /// One after the other.
    Both,
}

/// What came of one run of one script.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// The script.
    pub path: PathBuf,
    /// Over which version it ran.
    pub version: Version,
    /// Why it failed, if it did.
    pub failure: Option<Failure>,
    /// Packets both ways, and what was printed.
    pub trace: Vec<String>,
}

impl Outcome {
    /// Whether all was as the script says.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.failure.is_none()
    }
}

/// One line; with `{:#}` also what differs.
impl fmt::Display for Outcome {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let version = match self.version {
            Version::V4 => "ipv4",
            Version::V6 => "ipv6",
        };
        let Some(failure) = &self.failure else { return write!(out, "ok   {} ({version})", self.path.display()) };
        write!(out, "FAIL {}:{} {} ({version})", self.path.display(), failure.line, failure.reason)?;
        if out.alternate() {
            for detail in &failure.details {
                write!(out, "\n       {detail}")?;
            }
        }
        Ok(())
    }
}

/// Runs the script in `path` over each version that is asked for, or over its own.
#[must_use]
pub fn run_file(path: &Path, options: &Options) -> Vec<Outcome> {
    let outcome = |version, result: Result<Vec<String>, (Failure, Vec<String>)>| {
        let (failure, trace) = match result {
            Ok(trace) => (None, trace),
            Err((failure, trace)) => (Some(failure), trace),
        };
        Outcome { path: path.to_owned(), version, failure, trace }
    };
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) => {
            let failure = Failure::new(0, format!("the file cannot be read: {error}"));
            return vec![outcome(Version::V4, Err((failure, Vec::new())))];
        }
    };
    let asked: &[Version] = match options.versions {
        Versions::V4 => &[Version::V4],
        Versions::V6 => &[Version::V6],
        Versions::Both => &[Version::V4, Version::V6],
    };
    let own = parse::parse(&text, &options.defines).ok().and_then(|script| settings::own_version(&script).ok()?);
    let versions = own.as_ref().map_or(asked, std::slice::from_ref);
    versions.iter().map(|&version| outcome(version, run_guarded(&text, version, options))).collect()
}

/// [`run_text`]; a stack that panics fails the script, and not those behind it.
fn run_guarded(text: &str, version: Version, options: &Options) -> Result<Vec<String>, (Failure, Vec<String>)> {
    catch_unwind(AssertUnwindSafe(|| run_text(text, version, options))).unwrap_or_else(|panic| {
        let words = panic.downcast_ref::<String>().map(String::as_str);
        let words = words.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("without a word");
        Err((Failure::new(0, format!("it panicked: {words}")), Vec::new()))
    })
}

/// Runs a script over `version`, unless it names its own. Returns the trace.
///
/// # Errors
/// Why it failed, and the trace up to there.
pub fn run_text(text: &str, version: Version, options: &Options) -> Result<Vec<String>, (Failure, Vec<String>)> {
    let early = |failure| (failure, Vec::new());
    let script = parse::parse(text, &options.defines)
        .map_err(|error| early(Failure::new(error.line, format!("syntax error: {}", error.reason))))?;
    let settings =
        Settings::of(&script, text, version, options).map_err(|(line, why)| early(Failure::new(line, why)))?;
    if settings.dry_run {
        return Ok(Vec::new());
    }
    let mut tables = Tables::new(&world::capacities());
    let world = World::new(&mut tables, &settings.making).map_err(|why| early(Failure::new(1, why)))?;
    let strict = options.strict || settings.strict;
    let mut run = Run::new(world, settings, strict);
    let result = run.script(&script);
    let printed: Vec<_> = run.printed().iter().map(|line| format!("printed: {line}")).collect();
    let mut trace = run.trace.into_lines();
    trace.extend(printed);
    match result {
        Ok(()) => Ok(trace),
        Err(failure) => Err((failure, trace)),
    }
}

/// All scripts in `path`, which may be one itself, in order of their names.
///
/// # Errors
/// What of it cannot be read.
pub fn scripts(path: &Path) -> std::io::Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_owned()]);
    }
    let mut entries: Vec<_> =
        std::fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<std::io::Result<_>>()?;
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        if entry.is_dir() {
            found.extend(scripts(&entry)?);
        } else if entry.extension().is_some_and(|extension| extension == "pkt") {
            found.push(entry);
        }
    }
    Ok(found)
}

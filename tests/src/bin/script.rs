//! `cargo xtask script`: runs scripts in packetdrill's language, prints a line for each, and fails if one does.

use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use lendwire_tests::script::{self, Options, Versions};
use lendwire_tests::verdict;

const USAGE: &str =
    "script [--ip-version=ipv4|ipv6|both] [--strict] [--define NAME=value] [--set NAME[=value]] [-v] FILE|DIR…";

/// What the command line asks for.
#[derive(Default)]
struct Asked {
    options: Options,
    shows_packets: bool,
    paths: Vec<PathBuf>,
}

fn main() -> ExitCode {
    let Some(asked) = read(std::env::args().skip(1)) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    verdict::status_of(run(&asked))
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked::default();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-v" | "--verbose" => asked.shows_packets = true,
            "--strict" => asked.options.strict = true,
            "--ip-version=ipv4" => asked.options.versions = Versions::V4,
            "--ip-version=ipv6" => asked.options.versions = Versions::V6,
            "--ip-version=both" => asked.options.versions = Versions::Both,
            "--define" | "-D" => {
                let define = arguments.next()?;
                let (name, value) = define.split_once('=')?;
                asked.options.defines.insert(name.to_owned(), value.to_owned());
            }
            "--set" => {
                let setting = arguments.next()?;
                let (name, value) = setting.split_once('=').map_or((&*setting, None), |(name, it)| (name, Some(it)));
                asked.options.settings.push((name.to_owned(), value.map(str::to_owned)));
            }
            other if other.starts_with('-') => return None,
            path => asked.paths.push(PathBuf::from(path)),
        }
    }
    (!asked.paths.is_empty()).then_some(asked)
}

/// Whether there were scripts, and all passed.
fn run(asked: &Asked) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let (mut passed, mut failed) = (0, 0);
    for path in &asked.paths {
        for script in script::scripts(path)? {
            for outcome in script::run_file(&script, &asked.options) {
                *if outcome.passed() { &mut passed } else { &mut failed } += 1;
                writeln!(out, "{outcome:#}")?;
                if asked.shows_packets {
                    outcome.trace.iter().try_for_each(|line| writeln!(out, "    {line}"))?;
                }
            }
        }
    }
    writeln!(out, "{passed} passed, {failed} failed")?;
    Ok(failed == 0 && passed > 0)
}

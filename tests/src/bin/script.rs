//! `cargo xtask script`: runs scripts in packetdrill's language, prints a line for each, and fails if one does.

use std::path::PathBuf;
use std::process::ExitCode;

use lendwire_tests::script::{self, Options, Versions};

const USAGE: &str = "script [--ip-version=ipv4|ipv6|both] [--strict] [--define NAME=value] [-v] FILE|DIR…";

fn main() -> ExitCode {
    let mut options = Options::default();
    let mut shows_packets = false;
    let mut paths = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "-v" | "--verbose" => shows_packets = true,
            "--strict" => options.strict = true,
            "--ip-version=ipv4" => options.versions = Versions::V4,
            "--ip-version=ipv6" => options.versions = Versions::V6,
            "--ip-version=both" => options.versions = Versions::Both,
            "--define" | "-D" => match arguments.next().as_deref().and_then(|text| text.split_once('=')) {
                Some((name, value)) => {
                    options.defines.insert(name.to_owned(), value.to_owned());
                }
                None => return usage(),
            },
            other if other.starts_with('-') => return usage(),
            path => paths.push(PathBuf::from(path)),
        }
    }
    if paths.is_empty() {
        return usage();
    }
    let mut counts = [0u32; 2];
    for path in paths {
        let scripts = match script::scripts(&path) {
            Ok(scripts) => scripts,
            Err(error) => {
                eprintln!("{}: {error}", path.display());
                return ExitCode::from(2);
            }
        };
        for outcome in scripts.iter().flat_map(|script| script::run_file(script, &options)) {
            counts[usize::from(!outcome.passed())] += 1;
            println!("{outcome:#}");
            if shows_packets {
                outcome.trace.iter().for_each(|line| println!("    {line}"));
            }
        }
    }
    let [passed, failed] = counts;
    println!("{passed} passed, {failed} failed");
    if failed == 0 && passed > 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn usage() -> ExitCode {
    eprintln!("usage: {USAGE}");
    ExitCode::from(2)
}

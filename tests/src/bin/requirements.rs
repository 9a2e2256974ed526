//! `cargo xtask requirements`: writes the pages about the RFCs, and says what is wrong with their rows.

use std::io;
use std::path::Path;
use std::process::ExitCode;

use lendwire_tests::requirements::{self, Verdict};
use lendwire_tests::verdict;

const USAGE: &str = "requirements [--check]";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    verdict::status_of(match arguments[..] {
        [] => write_and_check(),
        ["--check"] => check(),
        _ => {
            eprintln!("usage: {USAGE}");
            return ExitCode::from(2);
        }
    })
}

fn root() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/.."))
}

fn write_and_check() -> io::Result<bool> {
    for page in requirements::write(root())? {
        println!("wrote {}", page.display());
    }
    check()
}

/// Whether nothing is wrong.
fn check() -> io::Result<bool> {
    let report = requirements::check(root())?;
    let mut due = 0;
    for table in &report.tables {
        let counts = Verdict::WORDS.map(|word| (table.rows().filter(|row| row.verdict.word() == word).count(), word));
        let counts = counts.into_iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}"));
        println!("RFC {}: {} rows: {}", table.rfc, table.rows().count(), counts.collect::<Vec<_>>().join(", "));
        due += table.rows().filter(|row| matches!(row.verdict, Verdict::Due(_))).count();
    }
    report.problems.iter().for_each(|problem| println!("{problem}"));
    println!("{due} due, {} wrong", report.problems.len());
    Ok(report.problems.is_empty())
}

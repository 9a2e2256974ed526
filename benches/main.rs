//! The works, ours and the peers' in turn: `cargo xtask bench`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;

use lendwire_benches::chart;
use lendwire_benches::counted::counted;
use lendwire_benches::measure::{Effort, interleaved};
use lendwire_benches::report::{self, Result};
use lendwire_benches::works::{self, Company, Counted, Row, Size};

const USAGE: &str = "bench [--peers] [--smoke | --count] [--json FILE] [--plot FOLDER] [WORD...]";

struct Arguments {
    company: Company,
    effort: Effort,
    /// Nothing is timed: callgrind counts.
    counts: bool,
    json: Option<String>,
    plot: Option<PathBuf>,
    words: Vec<String>,
}

impl Arguments {
    fn parse(mut given: impl Iterator<Item = String>) -> Option<Self> {
        let mut arguments = Self {
            company: Company::Alone,
            effort: Effort::FULL,
            counts: false,
            json: None,
            plot: None,
            words: Vec::new(),
        };
        while let Some(argument) = given.next() {
            match argument.as_str() {
                "--peers" => arguments.company = Company::Peers,
                "--smoke" => arguments.effort = Effort::SMOKE,
                "--count" => arguments.counts = true,
                "--json" => arguments.json = Some(given.next()?),
                "--plot" => arguments.plot = Some(given.next()?.into()),
                option if option.starts_with('-') => return None,
                _ => arguments.words.push(argument),
            }
        }
        Some(arguments)
    }

    fn wants(&self, row: &Row) -> bool {
        let is_small_enough = row.size == Size::Usual || (self.effort == Effort::FULL && !self.counts);
        let is_counted = !self.counts || row.counted.is_some();
        is_small_enough && is_counted && self.words.iter().all(|word| row.name.split(' ').any(|it| it == word))
    }
}

/// On a terminal, in the line where the figures will stand.
fn show_progress(number: usize, rows: usize, name: &str) {
    if std::io::stderr().is_terminal() {
        eprint!("\r\x1b[K[{}/{rows}] {name}\r", number + 1);
    }
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        eprintln!("{USAGE}");
        return ExitCode::from(2);
    };
    let rows: Vec<_> = works::all().into_iter().filter(|row| arguments.wants(row)).collect();
    if rows.is_empty() {
        eprintln!("no work has all of these words in its name: {:?}", arguments.words);
        return ExitCode::from(2);
    }
    if arguments.counts {
        rows.iter().for_each(|row| count(row, arguments.company));
        return ExitCode::SUCCESS;
    }
    let mut results = Vec::new();
    for (number, row) in rows.iter().enumerate() {
        show_progress(number, rows.len(), &row.name);
        let mut runners = (row.prepare)(arguments.company);
        let measured = interleaved(&mut runners, arguments.effort);
        let result = Result { name: row.name.clone(), metric: row.metric, goal: row.goal, measured };
        println!("{}", result.line());
        results.push(result);
        // After each row: a long run that is ended early has not been for nothing.
        if let Err(error) = write(&arguments, &results) {
            eprintln!("the results could not be written: {error}");
            return ExitCode::FAILURE;
        }
    }
    ExitCode::SUCCESS
}

/// Does a row's work for callgrind, once by everybody. What had to happen once has happened before.
fn count(row: &Row, company: Company) {
    let Some(Counted { units, pieces }) = row.counted else { return };
    for mut runner in (row.prepare)(company) {
        (runner.run)(units);
        counted(&format!("{}\t{}", row.name, runner.name), pieces, &mut || {
            (runner.run)(units);
        });
    }
}

fn write(arguments: &Arguments, results: &[Result]) -> std::io::Result<()> {
    if let Some(file) = &arguments.json {
        std::fs::write(file, report::json(results))?;
    }
    if let Some(folder) = &arguments.plot {
        for (name, svg) in chart::figures(results) {
            std::fs::write(folder.join(name), svg)?;
        }
    }
    Ok(())
}

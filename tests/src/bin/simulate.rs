//! `cargo xtask simulate`: runs the grid of simulated paths, prints a line for each, and fails if one is below 90 %; or
//! draws the figures of single runs.

use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lendwire_tests::path::grid::{Cell, Measured};
use lendwire_tests::path::pictures;
use lendwire_tests::verdict;

const USAGE: &str = "simulate [--smoke] [--seed N] [--json FILE] [WORD…] | simulate --plot FOLDER [--seed N]";

/// What the command line asks for.
struct Asked {
    is_smoke: bool,
    seed: u64,
    json: Option<PathBuf>,
    plot: Option<PathBuf>,
    words: Vec<String>,
}

fn main() -> ExitCode {
    let Some(asked) = read(std::env::args().skip(1)) else {
        eprintln!("usage: {USAGE}");
        return ExitCode::from(2);
    };
    verdict::status_of(match &asked.plot {
        Some(folder) => draw(folder, asked.seed),
        None => run(&asked),
    })
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut asked = Asked { is_smoke: false, seed: 1, json: None, plot: None, words: Vec::new() };
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--smoke" => asked.is_smoke = true,
            "--seed" => asked.seed = arguments.next()?.parse().ok()?,
            "--json" => asked.json = Some(arguments.next()?.into()),
            "--plot" => asked.plot = Some(arguments.next()?.into()),
            other if other.starts_with('-') => return None,
            word => asked.words.push(word.to_owned()),
        }
    }
    Some(asked)
}

fn draw(folder: &Path, seed: u64) -> io::Result<bool> {
    std::fs::create_dir_all(folder)?;
    for picture in pictures::all(seed) {
        let (path, svg) = (folder.join(picture.file), picture.figure.svg());
        writeln!(io::stdout(), "{} {} bytes", path.display(), svg.len())?;
        std::fs::write(path, svg)?;
    }
    Ok(true)
}

/// Whether there were cells, and all reached enough.
fn run(asked: &Asked) -> io::Result<bool> {
    let mut out = io::stdout().lock();
    let mut all = Vec::new();
    writeln!(out, "seed {}\n{}", asked.seed, Measured::HEAD)?;
    let is_wanted =
        |cell: &Cell| (!asked.is_smoke || cell.is_smoke()) && asked.words.iter().all(|word| cell.is_called(word));
    for cell in Cell::all().filter(is_wanted) {
        let measured = cell.measure(asked.seed);
        writeln!(out, "{measured}")?;
        out.flush()?;
        all.push(measured);
    }
    if let Some(path) = &asked.json {
        std::fs::write(path, json(&all, asked.seed))?;
    }
    let enough = all.iter().filter(|measured| measured.is_enough()).count();
    writeln!(out, "{enough} of {} reach 90 % of their ideal", all.len())?;
    Ok(enough == all.len() && !all.is_empty())
}

/// An array with an object for each cell.
fn json(all: &[Measured], seed: u64) -> String {
    let object = |measured: &Measured| {
        let Measured { cell, ideal, goodput, seconds, segments, retransmissions, timeouts, delays } = measured;
        format!(
            "{{\"control\":\"{}\",\"bits_per_second\":{},\"round_trip_ms\":{},\"loss_per_mille\":{},\"path\":\"{}\",\
             \"seed\":{seed},\"ideal_bytes_per_second\":{ideal:.0},\"goodput_bytes_per_second\":{goodput:.0},\
             \"seconds\":{seconds},\"segments\":{segments},\"retransmissions\":{retransmissions},\
             \"timeouts\":{timeouts},\"queue_p50_ns\":{},\"queue_p99_ns\":{}}}",
            cell.control.name,
            cell.rate,
            cell.round_trip,
            cell.loss,
            cell.shape.name(),
            delays.percentile(50),
            delays.percentile(99),
        )
    };
    format!("[\n{}\n]\n", all.iter().map(object).collect::<Vec<_>>().join(",\n"))
}

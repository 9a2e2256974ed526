//! `cargo xtask versus-linux`: the same work for a Debian kernel and for our image, on one machine under one QEMU, and
//! what it costs each in guest instructions.
//!
//! | file | what it is |
//! |---|---|
//! | `works` | what is measured, and what is asked of us |
//! | `room` | the network between host and guest |
//! | `guests` | the two guests; `debian`, `initramfs`, `cpio`, `guest/init.c`: what Linux is made of |
//! | `counter` | the plugin (`count.c`) that counts instructions, and its file |
//! | `client` | who asks, and compares every byte |
//! | `measure` | instructions for each unit of a work; `profile`: where they are |
//! | `boot` | time to the first reply, and least memory |
//! | `table` | what comes out |
//!
//! Instructions are counted as the translator sees them: one with a `rep` prefix counts once, and a halted guest costs
//! nothing. They are the same on a busy machine and on a quiet one but for how the work falls into batches, so each
//! figure is the middle one of several rounds. What a guest costs that has nothing to do is measured first, and taken off.

mod boot;
mod client;
mod counter;
mod cpio;
mod debian;
mod guests;
mod initramfs;
mod measure;
mod profile;
mod room;
mod table;
mod works;

use std::env;
use std::fs;
use std::path::PathBuf;

use clap::Args;

use self::guests::{Kernel, Parts};
use self::measure::{Bench, Effort, Profile};
use self::table::{Figure, Row};
use self::works::{Kind, Work};
use crate::failure::{EXIT_CODES, Failure};
use crate::image;
use crate::install::{self, Tool};
use crate::namespace::{self, Needs};
use crate::progress::Progress;
use crate::qemu::Offloads;

/// Memory of both guests in MiB, where it is not what is measured.
const MEMORY: u32 = 256;

const WRK: Tool = Tool { program: "wrk", package: "wrk" };

/// What the host must have, beside root and TAP devices.
pub const NEEDS: Needs<'static> = Needs {
    tools: &[
        Tool { program: "ip", package: "iproute2" },
        Tool { program: "ping", package: "iputils-ping" },
        Tool { program: "unshare", package: "util-linux" },
        Tool { program: "setpriv", package: "util-linux" },
    ],
    tried: "true",
};

/// The command's arguments.
#[derive(Debug, Default, Args)]
#[command(after_help = EXIT_CODES)]
pub struct Arguments {
    /// Does only the works whose names have one of these words
    words: Vec<String>,
    /// One short round of each, and no search for the least memory
    #[arg(long)]
    smoke: bool,
    /// Shows in which functions our guest spends what it spends, and leaves Linux out
    #[arg(long)]
    profile: bool,
    /// Writes every round to this file
    #[arg(long, value_name = "FILE")]
    json: Option<PathBuf>,
}

/// Runs the command: prepares what needs the network, then measures in a namespace of its own.
///
/// # Errors
/// [`Failure::Missing`] without root, TAP devices, or Debian's packages; [`Failure::Build`]; what becomes of a guest.
pub fn run(arguments: &Arguments) -> Result<(), Failure> {
    if works::chosen(&arguments.words).is_empty() {
        let names = works::WORKS.map(|work| work.name).join("\n    ");
        return Err(Failure::Usage(format!("no work has such a word in its name. There are:\n    {names}")));
    }
    if namespace::is_inside() {
        return compare(arguments).map(drop);
    }
    if let Some(why) = namespace::why_not(&NEEDS) {
        return Err(Failure::Missing(format!("the guests cannot be compared here: {why}")));
    }
    let image = prepare()?;
    let program = env::current_exe().map_err(|error| Failure::File(format!("this program is lost: {error}")))?;
    let mut command = namespace::entering(&program);
    command.args(env::args_os().skip(1)).env(image::IMAGE_VARIABLE, image);
    let status = command.status().map_err(|error| Failure::Missing(format!("setpriv did not start: {error}")))?;
    if status.success() {
        return Ok(());
    }
    // It has said why.
    std::process::exit(status.code().unwrap_or(1));
}

/// Builds and fetches what the guests are made of, and returns the path of our image.
///
/// # Errors
/// As [`run`].
pub fn prepare() -> Result<PathBuf, Failure> {
    if let Err(failure) = install::ensure(&[WRK]) {
        eprintln!("HTTP is not measured by wrk: {failure}");
    }
    Parts::prepare().map(|parts| parts.image().to_owned())
}

/// What one work cost each guest.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compared {
    /// The work's name.
    pub work: &'static str,
    /// In the work's unit; `None` where it was not measured.
    pub linux: Option<f64>,
    /// The same.
    pub lendwire: Option<f64>,
}

/// One short round of the works with such words in their names, inside a namespace.
///
/// # Errors
/// As [`run`].
pub fn smoke(words: &[&str]) -> Result<Vec<Compared>, Failure> {
    let words = words.iter().map(|word| (*word).to_owned()).collect();
    let rows = compare(&Arguments { words, smoke: true, ..Arguments::default() })?;
    let median = |figure: &Option<Figure>| figure.as_ref().and_then(Figure::median);
    let compared =
        |row: &Row| Compared { work: row.work.name, linux: median(&row.linux), lendwire: median(&row.lendwire) };
    Ok(rows.iter().map(compared).collect())
}

/// Measures, prints, and writes what was asked for: what is known, where a guest failed.
fn compare(arguments: &Arguments) -> Result<Vec<Row>, Failure> {
    let works = works::chosen(&arguments.words);
    let mut rows: Vec<Row> = works.into_iter().map(|work| Row { work, linux: None, lendwire: None }).collect();
    let mut idle = [None; 2];
    let outcome = measure_all(arguments, &mut rows, &mut idle);
    println!("{}", table::text(&rows));
    for (kernel, rate) in [Kernel::Linux, Kernel::Lendwire].into_iter().zip(idle) {
        if let Some(rate) = rate {
            println!("{kernel:?} with nothing to do: {} instructions a second, taken off above", table::shown(rate));
        }
    }
    if let Some(file) = &arguments.json {
        let text = format!("{:#}\n", table::json(&rows, idle));
        fs::write(file, text).map_err(|error| counter::file_failure(file, &error))?;
    }
    outcome.map(|()| rows)
}

fn measure_all(arguments: &Arguments, rows: &mut [Row], idle: &mut [Option<f64>; 2]) -> Result<(), Failure> {
    let profile = if arguments.profile { Profile::Shown } else { Profile::Without };
    let (rounds, less) = if arguments.smoke { (1, 16) } else { (5, 1) };
    let effort = Effort { rounds, less, profile };
    let parts = Parts::found(image::path()?)?;
    room::build()?;
    let kernels: &[Kernel] = match profile {
        Profile::Shown => &[Kernel::Lendwire],
        Profile::Without => &[Kernel::Linux, Kernel::Lendwire],
    };
    for kernel in kernels.iter().copied() {
        let progress = Progress::start(&format!("measuring {kernel:?}"));
        for offloads in [Offloads::Off, Offloads::On] {
            let rate = count(rows, &parts, kernel, offloads, effort, &progress)?;
            idle[kernel as usize] = rate.or(idle[kernel as usize]);
        }
        start_and_shrink(rows, &parts, kernel, effort, &progress)?;
        progress.done();
    }
    Ok(())
}

/// The works that are counted with such a card, on one guest. Returns what it costs to do nothing.
fn count(
    rows: &mut [Row],
    parts: &Parts,
    kernel: Kernel,
    offloads: Offloads,
    effort: Effort,
    progress: &Progress,
) -> Result<Option<f64>, Failure> {
    let mut rows = rows.iter_mut().filter(|row| card(&row.work) == Some(offloads)).peekable();
    if rows.peek().is_none() {
        return Ok(None);
    }
    progress.at(format!("{kernel:?}, offloads {offloads:?}: booting"));
    let mut bench = Bench::start(parts, kernel, offloads, MEMORY, effort)?;
    for row in rows {
        progress.at(format!("{kernel:?}: {}", row.work.name));
        let figure = bench.figure(&row.work, progress)?;
        keep(row, kernel, figure);
    }
    Ok(Some(bench.idle()))
}

/// The works that are boots.
fn start_and_shrink(
    rows: &mut [Row],
    parts: &Parts,
    kernel: Kernel,
    effort: Effort,
    progress: &Progress,
) -> Result<(), Failure> {
    for row in rows {
        progress.at(format!("{kernel:?}: {}", row.work.name));
        let rounds = match row.work.kind {
            Kind::Counted { .. } | Kind::Wrk { .. } => continue,
            Kind::Boot => (0..effort.rounds).map(|_| boot::seconds(parts, kernel, MEMORY)).collect::<Result<_, _>>()?,
            Kind::Memory if effort.less > 1 => continue,
            Kind::Memory => vec![f64::from(boot::memory(parts, kernel, progress)?)],
        };
        keep(row, kernel, Some(Figure { rounds, rate: None }));
    }
    Ok(())
}

/// The card that a counted work needs.
fn card(work: &Work) -> Option<Offloads> {
    match work.kind {
        Kind::Counted { offloads, .. } => Some(offloads),
        Kind::Wrk { .. } => Some(Offloads::On),
        Kind::Boot | Kind::Memory => None,
    }
}

fn keep(row: &mut Row, kernel: Kernel, figure: Option<Figure>) {
    match kernel {
        Kernel::Linux => row.linux = figure,
        Kernel::Lendwire => row.lendwire = figure,
    }
}

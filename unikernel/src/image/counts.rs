//! `counts=`: the paths of `lendwire-counts` inside of this machine, each with the instructions that it takes.
//!
//! `counts=all` counts by the time-stamp counter, which QEMU's `-icount shift=0` makes a count of instructions;
//! `counts=each` does the same paths one instruction at a time and says how often each was executed. A word behind it
//! chooses paths by name, its underscores being spaces.
//!
//! | line | says |
//! |---|---|
//! | `counted` path, times, net, gross | what the path took, without the device's side and without the counting; and with both |
//! | `stepped` path, gross | instructions of the path, stepped through |
//! | `at` addresses and counts | of the path before it, in hexadecimal, each address as its distance from the one before |

use alloc::borrow::ToOwned;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};

use lendwire_counts::Machine;
use lendwire_drivers::model::{Memory, ModelRegisters};
use lendwire_drivers::registers::Registers;
use spin::Mutex;

use crate::arch::counting::{Modelled, Steps, instructions};
use crate::arch::exit;
use crate::arch::serial::line;

/// Connections at the most: opening 100,000 takes minutes here.
const MOST: usize = 1_000;
/// What a line of counts holds.
const ENTRIES: usize = 64;

/// Which way of counting is asked for, and of which paths; none where the command line says something else.
pub(super) fn asked(command_line: &str) -> Option<(Way, String)> {
    let mut words = command_line.split_ascii_whitespace().filter(|word| !word.starts_with("virtio_mmio.device="));
    let way = match words.next()? {
        "counts=all" => Way::All,
        "counts=each" => Way::Each,
        _ => return None,
    };
    Some((way, words.next().unwrap_or_default().replace('_', " ")))
}

/// A way of counting.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Way {
    All,
    Each,
}

/// Counts, and ends the machine.
pub(super) fn run(way: Way, filter: &str) -> ! {
    match way {
        Way::All => calibrate(),
        Way::Each => *STEPPED.lock() = Some(Stepped::new()),
    }
    lendwire_counts::run::<Guest>(filter, MOST);
    if let Some(stepped) = &mut *STEPPED.lock() {
        stepped.tell();
    }
    line(format_args!("counts: done"));
    exit::leave()
}

/// Instructions beside the path since the last count began: the device's, and those that ask for the time around them.
static ASIDE: AtomicU64 = AtomicU64::new(0);
/// How often there was something beside the path.
static ASIDES: AtomicU64 = AtomicU64::new(0);
/// What a count of nothing takes, and what is seen of one thing beside the path when it takes nothing.
static EMPTY: AtomicU64 = AtomicU64::new(0);
static EDGE: AtomicU64 = AtomicU64::new(0);

/// Does `work`, which does not belong to the path.
#[inline(never)]
fn aside<T>(work: impl FnOnce() -> T) -> T {
    let begun = instructions();
    let done = work();
    ASIDE.fetch_add(instructions() - begun, Ordering::Relaxed);
    ASIDES.fetch_add(1, Ordering::Relaxed);
    done
}

/// Instructions while `work` is done, and of them those beside the path. Never inlined, so that `work` is called in the same
/// way whatever it is, and the call of nothing is worth what the others are.
#[inline(never)]
fn sample(work: &mut dyn FnMut()) -> [u64; 3] {
    ASIDE.store(0, Ordering::Relaxed);
    ASIDES.store(0, Ordering::Relaxed);
    let begun = instructions();
    work();
    let gross = instructions() - begun;
    [gross, ASIDE.load(Ordering::Relaxed), ASIDES.load(Ordering::Relaxed)]
}

/// Finds out what counting itself takes.
fn calibrate() {
    let [empty, ..] = sample(&mut || ());
    EMPTY.store(empty, Ordering::Relaxed);
    let [gross, inside, _] = sample(&mut || aside(|| ()));
    EDGE.store(gross - inside - empty, Ordering::Relaxed);
    line(format_args!("counts: {empty} for a count of nothing, {} around a register", gross - inside - empty));
}

/// The registers of a device whose work is not the path's.
pub(super) struct Aside(ModelRegisters);

impl Registers for Aside {
    fn read8(&self, offset: usize) -> u8 {
        aside(|| self.0.read8(offset))
    }

    fn read16(&self, offset: usize) -> u16 {
        aside(|| self.0.read16(offset))
    }

    fn read32(&self, offset: usize) -> u32 {
        aside(|| self.0.read32(offset))
    }

    fn write8(&self, offset: usize, value: u8) {
        aside(|| self.0.write8(offset, value));
    }

    fn write16(&self, offset: usize, value: u16) {
        aside(|| self.0.write16(offset, value));
    }

    fn write32(&self, offset: usize, value: u32) {
        aside(|| self.0.write32(offset, value));
    }
}

/// This machine.
struct Guest;

impl Machine for Guest {
    type Platform = Modelled;
    type Registers = Aside;

    fn platform(memory: Memory) -> Modelled {
        Modelled(memory)
    }

    fn registers(device: ModelRegisters) -> Aside {
        Aside(device)
    }

    #[inline(never)]
    fn count(path: &str, times: usize, work: &mut dyn FnMut()) {
        if let Some(stepped) = &mut *STEPPED.lock() {
            return stepped.count(path, work);
        }
        let [gross, inside, asides] = sample(work);
        let gross = gross - EMPTY.load(Ordering::Relaxed);
        let net = gross - inside - asides * EDGE.load(Ordering::Relaxed);
        line(format_args!("counted\t{path}\t{times}\t{net}\t{gross}"));
    }
}

/// What is stepped through, for `counts=each`.
static STEPPED: Mutex<Option<Stepped>> = Mutex::new(None);

/// The path under way, and its instructions.
struct Stepped {
    path: String,
    steps: Steps,
    /// Times that something was stepped through, and instructions of nothing being stepped through.
    turns: u64,
    edge: u64,
}

impl Stepped {
    fn new() -> Self {
        let mut steps = Steps::new();
        steps.of(&mut || ());
        let edge = steps.drain().map(|(_, times)| u64::from(times)).sum();
        Self { path: String::new(), steps, turns: 0, edge }
    }

    fn count(&mut self, path: &str, work: &mut dyn FnMut()) {
        if path != self.path {
            self.tell();
            self.path = path.to_owned();
        }
        self.steps.of(work);
        self.turns += 1;
    }

    /// Says what was counted of the path that is done.
    fn tell(&mut self) {
        let turns = core::mem::take(&mut self.turns);
        if turns == 0 {
            return;
        }
        let counts: Vec<(usize, u32)> = self.steps.drain().collect();
        let gross: u64 = counts.iter().map(|(_, times)| u64::from(*times)).sum();
        line(format_args!("stepped\t{}\t{}", self.path, gross - turns * self.edge));
        let mut last = 0;
        for entries in counts.chunks(ENTRIES) {
            line(format_args!("at{}", List { entries, last }));
            last = entries.last().map_or(last, |(address, _)| *address);
        }
    }
}

/// Counts of one line.
struct List<'a> {
    entries: &'a [(usize, u32)],
    /// The address before the first.
    last: usize,
}

impl fmt::Display for List<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.last;
        self.entries.iter().try_for_each(|(address, times)| {
            write!(out, " {:x}:{times:x}", address - core::mem::replace(&mut last, *address))
        })
    }
}

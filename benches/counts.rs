//! What `cargo xtask counts` runs under callgrind: the paths of `lendwire-counts`. Callgrind counts what is inside of
//! [`enclosed`]; the device's side and the paths themselves are told apart by their source files. Nothing depends on the
//! machine but the C library's `memcpy` and the kernel of the checksum.
//!
//! Each line on the standard output names one dump of callgrind, in order: a path, and how often it was done.

use lendwire_counts::{Machine, run};
use lendwire_drivers::model::{Memory, ModelRegisters};

/// This program under callgrind.
struct Host;

impl Machine for Host {
    type Platform = Memory;
    type Registers = ModelRegisters;

    fn platform(memory: Memory) -> Memory {
        memory
    }

    fn registers(device: ModelRegisters) -> ModelRegisters {
        device
    }

    fn count(path: &str, times: usize, work: &mut dyn FnMut()) {
        println!("{path}\t{times}");
        enclosed(work);
    }
}

/// What callgrind is told to look at, by this name: it counts while this runs, and dumps when it returns.
#[inline(never)]
fn enclosed(work: &mut dyn FnMut()) {
    work();
}

/// Without an argument all paths, with one those whose name contains it.
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    run::<Host>(&filter, usize::MAX);
}

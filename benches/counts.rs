//! What `cargo xtask counts` runs under callgrind: the paths of `lendwire-counts`. Callgrind counts what is inside of
//! [`counted`]; the device's side and the paths themselves are told apart by their source files. Nothing depends on the
//! machine but the C library's `memcpy` and the kernel of the checksum.

use lendwire_benches::counted::counted;
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
        counted(path, times, work);
    }
}

/// Without an argument all paths, with one those whose name contains it.
fn main() {
    let filter = std::env::args().nth(1).unwrap_or_default();
    run::<Host>(&filter, usize::MAX);
}

//! The interrupt controller: a PLIC (RISC-V Platform-Level Interrupt Controller Specification 1.0).
//!
//! Invariant: an interrupt is claimed only by [`take`], at the end of a sleep or between, and counted there.

use core::sync::atomic::{AtomicU64, Ordering};

use lendwire_drivers::platform::Message;
use lendwire_drivers::registers::{Mapped, Registers};
use spin::{Mutex, Once};

use crate::arch::Taken;
use crate::arch::paging;
use crate::arch::virt::device_tree::{region, tree, words};

/// Registers, each of a hart's contexts having a set of the last three.
const PRIORITY: usize = 0;
const ENABLE: usize = 0x2000;
const ENABLE_STRIDE: usize = 0x80;
const THRESHOLD: usize = 0x20_0000;
const CLAIM: usize = 4;
const CONTEXT_STRIDE: usize = 0x1000;

/// The specification's most sources.
const SOURCES: u32 = 1024;
/// The supervisor's external interrupt, as the device tree names it, and as the bit of `sie`.
const SUPERVISOR_EXTERNAL: u32 = 9;

static LINE_COUNT: AtomicU64 = AtomicU64::new(0);
static CONTROLLER: Once<Mutex<Controller>> = Once::new();

struct Controller {
    registers: Mapped,
    /// Of this hart in supervisor mode.
    context: usize,
    sources: u32,
}

/// How many interrupts were taken since boot.
pub(crate) fn taken() -> Taken {
    Taken { device: 0, configuration: 0, line: LINE_COUNT.load(Ordering::Relaxed) }
}

/// Listens to this line of the machine too. Whether the machine has it.
pub(crate) fn connect_line(line: u32) -> bool {
    controller().lock().enable(line)
}

/// Nothing: a line that its device still holds ends sleeps, and interrupts nobody.
pub(crate) fn reopen_line() {}

/// What a device writes to interrupt this hart: nothing, for a PLIC has lines only.
pub(crate) fn messages() -> Option<[Message; 3]> {
    None
}

/// Finds the controller in the device tree, and the part of it that interrupts `hart`.
///
/// # Panics
/// When there is no PLIC, or it does not interrupt the hart.
pub(super) fn load(hart: u64) {
    let Some(controller) = Controller::find(hart) else {
        panic!("no PLIC interrupts hart {hart}: start QEMU with -M virt,aia=none");
    };
    controller.registers.write32(controller.at_context(0), 0);
    CONTROLLER.call_once(|| Mutex::new(controller));
    // SAFETY: with interrupts masked for good, this only lets devices end a sleep.
    unsafe { core::arch::asm!("csrs sie, {}", in(reg) 1 << SUPERVISOR_EXTERNAL, options(nostack)) };
}

/// The number of a line that the device tree names by `words`.
pub(in crate::arch) fn line(words: &[u32]) -> Option<u32> {
    let &[source] = words else { return None };
    Some(source)
}

/// Claims and counts an interrupt that waits, if it is a device's. Others stay pending, and end the next sleep
/// at once; so does a line that its device still holds.
pub(super) fn take() {
    let controller = controller().lock();
    let claim = controller.at_context(CLAIM);
    let source = controller.registers.read32(claim);
    if source == 0 {
        return;
    }
    LINE_COUNT.fetch_add(1, Ordering::Relaxed);
    controller.registers.write32(claim, source);
}

impl Controller {
    fn find(hart: u64) -> Option<Self> {
        let node = tree().compatible("riscv,plic0").into_iter().next()?;
        let region = region(node)?;
        let own = hart_controller(hart)?;
        // A context for each pair of a hart's own controller and one of its interrupts, in this order.
        let contexts = words(node, "interrupts-extended");
        let context = contexts.chunks_exact(2).position(|pair| pair == [own, SUPERVISOR_EXTERNAL])?;
        if region.len < THRESHOLD + (context + 1) * CONTEXT_STRIDE {
            return None;
        }
        let sources = words(node, "riscv,ndev").first().copied()?.min(SOURCES - 1);
        let pointer = paging::map_registers(region.physical, region.len)?;
        // SAFETY: the controller's registers lie here, as the device tree says; there is no translation.
        let registers = unsafe { Mapped::new(pointer, region.len) };
        Some(Self { registers, context, sources })
    }

    fn enable(&self, source: u32) -> bool {
        if source == 0 || source > self.sources {
            return false;
        }
        let enable = ENABLE + self.context * ENABLE_STRIDE + source as usize / 32 * 4;
        self.registers.write32(PRIORITY + source as usize * 4, 1);
        let others = self.registers.read32(enable);
        self.registers.write32(enable, others | 1 << (source % 32));
        true
    }

    /// The register at `offset` of this hart's context.
    fn at_context(&self, offset: usize) -> usize {
        THRESHOLD + self.context * CONTEXT_STRIDE + offset
    }
}

/// By what name the device tree knows the hart's own interrupt controller.
fn hart_controller(hart: u64) -> Option<u32> {
    use dtoolkit::Node;
    use dtoolkit::standard::NodeStandard;
    let harts = tree().named("cpus")?;
    let is_asked = |node: &dtoolkit::fdt::FdtNode<'static>| {
        node.name_without_address() == "cpu"
            && words(*node, "reg").last().is_some_and(|number| u64::from(*number) == hart)
    };
    harts.children().find(is_asked)?.child("interrupt-controller")?.phandle().ok()?
}

fn controller() -> &'static Mutex<Controller> {
    CONTROLLER.get().expect("start-up loads the controller before any device")
}

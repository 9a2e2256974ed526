//! The interrupt controller: a GICv2, and its frame for messages (Arm IHI 0048 "GIC Architecture Specification 2.0",
//! chapter 4; Arm "Server Base System Architecture" 3.0, appendix E "GICv2m").
//!
//! Invariant: an interrupt is acknowledged only by [`take`], at the end of a sleep or between, and counted there.

use core::sync::atomic::{AtomicU64, Ordering};

use lendwire_drivers::pci::Region;
use lendwire_drivers::platform::Message;
use lendwire_drivers::registers::{Mapped, Registers};
use spin::{Mutex, Once};

use super::timer;
use crate::arch::Taken;
use crate::arch::paging;
use crate::arch::virt::device_tree::{region, registers, tree};

/// Distributor registers.
const DISTRIBUTOR_CONTROL: usize = 0x000;
const TYPE: usize = 0x004;
const SET_ENABLE: usize = 0x100;
const PRIORITY: usize = 0x400;
const TARGETS: usize = 0x800;
const CONFIGURATION: usize = 0xc00;
/// Processor interface registers.
const PROCESSOR_CONTROL: usize = 0x00;
const PRIORITY_MASK: usize = 0x04;
const ACKNOWLEDGE: usize = 0x0c;
const END_OF_INTERRUPT: usize = 0x10;
/// Registers of the message frame.
const MESSAGE_TYPE: usize = 0x008;
const SET_INTERRUPT: u64 = 0x040;

const PRIVATE: u32 = 32;
/// From here on numbers say that there is no interrupt.
const NO_INTERRUPT: u32 = 1020;
const MIDDLE_PRIORITIES: u32 = 0xa0a0_a0a0;
const THIS_PROCESSOR: u32 = 0x0101_0101;

static DEVICE_COUNT: AtomicU64 = AtomicU64::new(0);
static CONFIGURATION_COUNT: AtomicU64 = AtomicU64::new(0);
static LINE_COUNT: AtomicU64 = AtomicU64::new(0);
static CONTROLLER: Once<Mutex<Controller>> = Once::new();

struct Controller {
    distributor: Mapped,
    processor: Mapped,
    messages: Option<MessageFrame>,
}

/// Where devices write numbers of interrupts, and the two they are told.
#[derive(Clone, Copy)]
struct MessageFrame {
    set_interrupt: u64,
    frames: u32,
    configuration: u32,
}

/// How many interrupts were taken since boot.
pub(crate) fn taken() -> Taken {
    Taken {
        device: DEVICE_COUNT.load(Ordering::Relaxed),
        configuration: CONFIGURATION_COUNT.load(Ordering::Relaxed),
        line: LINE_COUNT.load(Ordering::Relaxed),
    }
}

/// Listens to this line of the machine too. Whether the machine has it.
pub(crate) fn connect_line(line: u32) -> bool {
    // The device tree calls the lines of memory-mapped virtio edges, and QEMU's devices hold them nevertheless: as a
    // level none is missed, whoever is right.
    controller().lock().enable(line, Trigger::Level)
}

/// Nothing: a line that its device still holds ends sleeps, and interrupts nobody.
pub(crate) fn reopen_line() {}

/// What a device writes to interrupt this processor: for received frames, for sent ones, for its configuration. `None`
/// where the controller has no frame for messages.
pub(crate) fn messages() -> Option<[Message; 3]> {
    let MessageFrame { set_interrupt, frames, configuration } = controller().lock().messages?;
    Some([frames, frames, configuration].map(|data| Message { address: set_interrupt, data }))
}

/// Finds the controller in the device tree and lets the timer's interrupt through.
///
/// # Panics
/// When there is no GICv2.
pub(super) fn load() {
    let node = tree().compatible("arm,cortex-a15-gic").into_iter().next();
    let mut windows = node.into_iter().flat_map(registers);
    let mut window = || {
        let window = windows.next()?;
        map(Region { physical: window.start, len: (window.end - window.start) as usize })
    };
    let (Some(distributor), Some(processor)) = (window(), window()) else {
        panic!("there is no GICv2: start QEMU with -M virt,gic-version=2");
    };
    let mut controller = Controller { distributor, processor, messages: None };
    controller.reset();
    controller.messages = MessageFrame::find();
    for message in controller.messages.into_iter().flat_map(|frame| [frame.frames, frame.configuration]) {
        controller.enable(message, Trigger::Edge);
    }
    CONTROLLER.call_once(|| Mutex::new(controller));
}

/// The number of a line that the device tree names by `words`.
pub(in crate::arch) fn line(words: &[u32]) -> Option<u32> {
    // The first word is 0 for interrupts that processors share, the last says which edge or level (Linux' binding
    // "arm,gic").
    let &[0, number, _] = words else { return None };
    number.checked_add(PRIVATE)
}

/// Acknowledges and counts an interrupt that waits, if there is one. Others stay pending, and end the next sleep
/// at once; so does a line that its device still holds.
pub(super) fn take() {
    let controller = controller().lock();
    let acknowledged = controller.processor.read32(ACKNOWLEDGE);
    let number = acknowledged & 0x3ff;
    if number >= NO_INTERRUPT {
        return;
    }
    let is = |message: fn(&MessageFrame) -> u32| controller.messages.is_some_and(|frame| message(&frame) == number);
    if number == timer::INTERRUPT {
        timer::stop();
    } else if is(|frame| frame.frames) {
        DEVICE_COUNT.fetch_add(1, Ordering::Relaxed);
    } else if is(|frame| frame.configuration) {
        CONFIGURATION_COUNT.fetch_add(1, Ordering::Relaxed);
    } else {
        LINE_COUNT.fetch_add(1, Ordering::Relaxed);
    }
    controller.processor.write32(END_OF_INTERRUPT, acknowledged);
}

/// What makes an interrupt pending.
#[derive(Clone, Copy)]
enum Trigger {
    Edge,
    Level,
}

impl MessageFrame {
    fn find() -> Option<Self> {
        let frame = region(tree().compatible("arm,gic-v2m-frame").into_iter().next()?)?;
        let kind = map(frame)?.read32(MESSAGE_TYPE);
        let (first, count) = (kind >> 16 & 0x3ff, kind & 0x3ff);
        let set_interrupt = frame.physical + SET_INTERRUPT;
        (count >= 2).then_some(Self { set_interrupt, frames: first, configuration: first + 1 })
    }
}

impl Controller {
    /// All shared interrupts off and for this processor; the private timer on.
    fn reset(&mut self) {
        self.distributor.write32(DISTRIBUTOR_CONTROL, 0);
        for number in (0..self.count()).step_by(4) {
            self.distributor.write32(PRIORITY + number as usize, MIDDLE_PRIORITIES);
            if number >= PRIVATE {
                self.distributor.write32(TARGETS + number as usize, THIS_PROCESSOR);
            }
        }
        self.distributor.write32(SET_ENABLE, 1 << timer::INTERRUPT);
        self.distributor.write32(DISTRIBUTOR_CONTROL, 1);
        self.processor.write32(PRIORITY_MASK, 0xff);
        self.processor.write32(PROCESSOR_CONTROL, 1);
    }

    fn enable(&mut self, number: u32, trigger: Trigger) -> bool {
        if number >= self.count() {
            return false;
        }
        let at = CONFIGURATION + number as usize / 16 * 4;
        let is_edge = 0b10 << (number % 16 * 2);
        let others = self.distributor.read32(at) & !is_edge;
        let own = match trigger {
            Trigger::Edge => is_edge,
            Trigger::Level => 0,
        };
        self.distributor.write32(at, others | own);
        self.distributor.write32(SET_ENABLE + number as usize / 32 * 4, 1 << (number % 32));
        true
    }

    /// Interrupts that the distributor has.
    fn count(&self) -> u32 {
        (32 * ((self.distributor.read32(TYPE) & 0x1f) + 1)).min(NO_INTERRUPT)
    }
}

fn controller() -> &'static Mutex<Controller> {
    CONTROLLER.get().expect("start-up loads the controller before any device")
}

fn map(region: Region) -> Option<Mapped> {
    let pointer = paging::map_registers(region.physical, region.len)?;
    // SAFETY: the mapping reaches the registers that the device tree names, and is never undone.
    Some(unsafe { Mapped::new(pointer, region.len) })
}

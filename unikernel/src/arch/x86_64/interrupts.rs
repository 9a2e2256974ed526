//! The interrupt table: exceptions end the run with a report, interrupts count themselves and are done.
//!
//! Invariant: an interrupt handler touches its counter and the interrupt controllers, nothing else; it is there to end a
//! sleep.
//! (Intel SDM volume 3, chapter 6.)

use core::sync::atomic::{AtomicU64, Ordering};

use ::x86_64::VirtAddr;
use ::x86_64::instructions::port::Port;
use ::x86_64::instructions::tables::lidt;
use ::x86_64::registers::control::Cr2;
use ::x86_64::structures::DescriptorTablePointer;
use lendwire_drivers::platform::Message;
use spin::Once;

use super::descriptors::{CODE_SELECTOR, FAULT_STACK};
use super::exit::fail;
use super::{io_apic, local_apic, serial};
use crate::arch::Taken;

/// The local APIC's timer.
pub(super) const TIMER_VECTOR: u8 = 0x40;
/// Every device's frames.
const DEVICE_VECTOR: u8 = 0x41;
/// Every device's changes of configuration.
const CONFIGURATION_VECTOR: u8 = 0x42;
/// The device on a line, about whatever it is.
const LINE_VECTOR: u8 = 0x43;
/// The local APIC's spurious interrupt, which wants no acknowledgement.
pub(super) const SPURIOUS_VECTOR: u8 = 0xff;

const EXCEPTIONS: usize = 32;
/// The debug exception (§6.15).
#[cfg(feature = "counts")]
const DEBUG_VECTOR: usize = 1;
/// `exception_stubs` spaces its entries so.
const STUB_BYTES: u64 = 16;

static TIMER_COUNT: AtomicU64 = AtomicU64::new(0);
static DEVICE_COUNT: AtomicU64 = AtomicU64::new(0);
static CONFIGURATION_COUNT: AtomicU64 = AtomicU64::new(0);
static LINE_COUNT: AtomicU64 = AtomicU64::new(0);
static TABLE: Once<[Gate; 256]> = Once::new();

/// How many interrupts were taken since boot.
pub(crate) fn taken() -> Taken {
    Taken {
        device: DEVICE_COUNT.load(Ordering::Relaxed),
        configuration: CONFIGURATION_COUNT.load(Ordering::Relaxed),
        line: LINE_COUNT.load(Ordering::Relaxed),
    }
}

/// Listens to this line of the machine instead of any other before. Whether the machine has it.
pub(crate) fn connect_line(line: u32) -> bool {
    io_apic::connect(line, LINE_VECTOR, local_apic::id())
}

/// Lets the connected line interrupt again, once its device was acknowledged.
pub(crate) fn reopen_line() {
    io_apic::reopen();
}

/// What a device writes to interrupt this processor: for received frames, for sent ones, for its configuration.
pub(crate) fn messages() -> Option<[Message; 3]> {
    // SDM volume 3, §11.11: fixed delivery, edge-triggered, physical destination.
    let address = 0xfee0_0000 | u64::from(local_apic::id()) << 12;
    let vectors = [DEVICE_VECTOR, DEVICE_VECTOR, CONFIGURATION_VECTOR];
    Some(vectors.map(|vector| Message { address, data: u32::from(vector) }))
}

/// Loads the table, silences the old interrupt controllers and switches the local APIC on.
pub(super) fn load() {
    let table = TABLE.call_once(|| {
        let mut table = [Gate::MISSING; 256];
        let stubs = (&raw const exception_stubs).addr() as u64;
        for (vector, gate) in table[..EXCEPTIONS].iter_mut().enumerate() {
            *gate = Gate::new(stubs + vector as u64 * STUB_BYTES, FAULT_STACK);
        }
        #[cfg(feature = "counts")]
        {
            table[DEBUG_VECTOR] = Gate::new(super::counting::on_step as *const () as u64, 0);
        }
        table[usize::from(TIMER_VECTOR)] = Gate::new(on_timer as *const () as u64, 0);
        table[usize::from(DEVICE_VECTOR)] = Gate::new(on_device as *const () as u64, 0);
        table[usize::from(CONFIGURATION_VECTOR)] = Gate::new(on_configuration as *const () as u64, 0);
        table[usize::from(LINE_VECTOR)] = Gate::new(on_line as *const () as u64, 0);
        table[usize::from(SPURIOUS_VECTOR)] = Gate::new(on_spurious as *const () as u64, 0);
        table
    });
    let pointer =
        DescriptorTablePointer { limit: (size_of_val(table) - 1) as u16, base: VirtAddr::from_ptr(table.as_ptr()) };
    // SAFETY: the table is `'static` and each present gate leads to a handler that returns by `iretq` or not at all.
    unsafe { lidt(&pointer) };
    mask_legacy_controllers();
    local_apic::enable();
}

fn mask_legacy_controllers() {
    for port in [0x21, 0xa1] {
        // SAFETY: the mask registers of the two 8259s; with all lines masked they interrupt nobody.
        unsafe { Port::<u8>::new(port).write(0xff) };
    }
}

/// An interrupt gate (SDM volume 3, figure 6-8): interrupts stay off inside.
#[derive(Clone, Copy)]
#[repr(C, align(16))]
struct Gate([u64; 2]);

impl Gate {
    const MISSING: Self = Self([0; 2]);

    fn new(handler: u64, interrupt_stack: u8) -> Self {
        let low = handler & 0xffff
            | u64::from(CODE_SELECTOR) << 16
            | u64::from(interrupt_stack) << 32
            | 0x8e << 40
            | (handler >> 16 & 0xffff) << 48;
        Self([low, handler >> 32])
    }
}

/// Counts in `$count`, acknowledges (the local APIC's EOI register), returns.
macro_rules! count_and_acknowledge {
    ($name:ident, $count:ident) => {
        #[unsafe(naked)]
        extern "sysv64" fn $name() {
            core::arch::naked_asm!(
                "lock inc qword ptr [rip + {count}]",
                "push rax",
                "mov eax, {eoi}",
                "mov dword ptr [rax], 0",
                "pop rax",
                "iretq",
                count = sym $count,
                eoi = const local_apic::END_OF_INTERRUPT,
            )
        }
    };
}

count_and_acknowledge!(on_timer, TIMER_COUNT);
count_and_acknowledge!(on_device, DEVICE_COUNT);
count_and_acknowledge!(on_configuration, CONFIGURATION_COUNT);

/// Counts, closes the pin of the I/O APIC, acknowledges, returns.
#[unsafe(naked)]
extern "sysv64" fn on_line() {
    core::arch::naked_asm!(
        "lock inc qword ptr [rip + {count}]",
        "push rax",
        "push rcx",
        "mov eax, {select}",
        "mov ecx, [rip + {entry}]",
        "mov [rax], ecx",
        "mov ecx, [rip + {closed}]",
        "mov [rax + {window} - {select}], ecx",
        "mov eax, {eoi}",
        "mov dword ptr [rax], 0",
        "pop rcx",
        "pop rax",
        "iretq",
        count = sym LINE_COUNT,
        select = const io_apic::SELECT,
        window = const io_apic::WINDOW,
        entry = sym io_apic::CONNECTED_ENTRY,
        closed = sym io_apic::CONNECTED_CLOSED,
        eoi = const local_apic::END_OF_INTERRUPT,
    )
}

#[unsafe(naked)]
extern "sysv64" fn on_spurious() {
    core::arch::naked_asm!("iretq")
}

unsafe extern "C" {
    static exception_stubs: u8;
}

// One stub a vector: all leave the same frame, with a zero where the processor pushes no error code.
core::arch::global_asm!(
    ".balign 16",
    ".global exception_stubs",
    "exception_stubs:",
    ".set vector, 0",
    ".rept {exceptions}",
    ".balign {stub_bytes}",
    // Bit n is set where exception n pushes an error code (SDM volume 3, table 6-1).
    ".if ((0x60227d00 >> vector) & 1) == 0",
    "push 0",
    ".endif",
    "push vector",
    "jmp exception_entry",
    ".set vector, vector + 1",
    ".endr",
    "exception_entry:",
    "push rax; push rbx; push rcx; push rdx; push rsi; push rdi; push rbp",
    "push r8; push r9; push r10; push r11; push r12; push r13; push r14; push r15",
    "cld",
    "mov rdi, rsp",
    "and rsp, -16",
    "call {on_exception}",
    "ud2",
    exceptions = const EXCEPTIONS,
    stub_bytes = const STUB_BYTES,
    on_exception = sym on_exception,
);

/// The stack as `exception_entry` leaves it.
#[derive(Debug)]
#[repr(C)]
struct ExceptionFrame {
    /// r15 first, rax last.
    registers: [u64; 15],
    vector: u64,
    error_code: u64,
    rip: u64,
    cs: u64,
    rflags: u64,
    rsp: u64,
    ss: u64,
}

extern "sysv64" fn on_exception(frame: &ExceptionFrame) -> ! {
    serial::line(format_args!(
        "panic: exception {} ({}) error {:#x} rip {:#x} rsp {:#x} rflags {:#x} cr2 {:#x}",
        frame.vector,
        exception_name(frame.vector),
        frame.error_code,
        frame.rip,
        frame.rsp,
        frame.rflags,
        Cr2::read_raw(),
    ));
    for (half, values) in frame.registers.chunks(8).enumerate() {
        let [a, b, c, d, e, f, g, h] = core::array::from_fn(|index| values.get(index).copied().unwrap_or(0));
        let names = ["r15 r14 r13 r12 r11 r10 r9 r8", "rbp rdi rsi rdx rcx rbx rax -"][half];
        serial::line(format_args!("lendwire: {names} = {a:x} {b:x} {c:x} {d:x} {e:x} {f:x} {g:x} {h:x}"));
    }
    fail()
}

fn exception_name(vector: u64) -> &'static str {
    match vector {
        0 => "division",
        1 => "debug",
        2 => "non-maskable interrupt",
        3 => "breakpoint",
        6 => "invalid opcode",
        7 => "floating point used",
        8 => "double fault",
        13 => "general protection",
        14 => "page fault",
        18 => "machine check",
        _ => "see SDM volume 3, table 6-1",
    }
}

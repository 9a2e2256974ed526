//! The program: from a machine that has just woken to one that serves.

use lendwire_drivers::platform::{ConfigSpace, Platform};
use lendwire_unikernel::command_line;

use crate::arch::exit::{Verdict, exit};
use crate::arch::memory::Kernel;
use crate::arch::serial::line;
use crate::arch::timer::Clock;
use crate::arch::{Machine, entropy, idle, interrupts, memory, pci};

/// Runs until the machine is switched off.
pub(crate) fn run(machine: Machine) -> ! {
    line(format_args!("lendwire: {} KiB of memory", machine.ram / 1024));
    let Some(command_line) = machine.command_line.text() else {
        give_up(format_args!("the command line is longer than 1023 bytes, or not UTF-8: shorten it"));
    };
    let settings = match command_line::parse(command_line) {
        Ok(settings) => settings,
        Err(mistake) => give_up(format_args!("{mistake}")),
    };
    line(format_args!("lendwire: {settings:?}"));

    for found in pci::discover() {
        line(format_args!(
            "lendwire: pci {} {:04x}:{:04x} class {:06x}",
            found.function, found.vendor, found.device, found.class
        ));
        if (found.vendor, found.device) == (0x1af4, 0x1041) {
            look_at_registers(found.function);
        }
    }
    let (_secret, source) = entropy::secret();
    let clock = machine.calibration.finish(machine.tsc_at_entry);
    line(format_args!("lendwire: tsc {} kHz, entropy by {source:?}, entered {} us ago", clock.tsc_khz(), clock.now()));

    sleep_once(&clock);
    line(format_args!("lendwire: no stack yet"));
    exit(Verdict::Success)
}

/// Shows that the registers of a modern virtio device answer, where QEMU puts them: base address 4, offset zero.
fn look_at_registers(function: pci::Function) {
    let address = u64::from(function.read(0x24)) << 32 | u64::from(function.read(0x20) & !0xf);
    let registers = Kernel.map(address, 0x4000).expect("the device has registers");
    // SAFETY: the first page is the common configuration (virtio 1.1, §4.1.4.3), where reading changes nothing.
    let queues = unsafe { registers.as_ptr().wrapping_add(0x12).cast::<u16>().read_volatile() };
    let memory = Kernel.dma(8192, 4096).expect("there is memory");
    line(format_args!("lendwire: registers at {address:#x}, {queues} queues, DMA memory at {:#x}", memory.bus));
    assert_eq!(Kernel.bus_address(memory.pointer), Some(memory.bus));
    // SAFETY: no device was told of it.
    unsafe { Kernel.release(memory) };
}

fn sleep_once(clock: &Clock) {
    let asleep = clock.now();
    let deadline = asleep + 100_000;
    while clock.now() < deadline {
        idle::sleep(clock, Some(deadline));
    }
    let taken = interrupts::taken();
    line(format_args!(
        "lendwire: slept {} us, {} timer and {} device interrupts, {} allocations, device message {:x?}",
        clock.now() - asleep,
        taken.timer,
        taken.device,
        memory::allocations(),
        interrupts::message(),
    ));
}

/// Ends a run that the command line makes impossible.
fn give_up(reason: core::fmt::Arguments<'_>) -> ! {
    line(format_args!("lendwire: {reason}"));
    exit(Verdict::Failure)
}

//! PCI: which functions there are, their configuration space, and addresses for the registers of those that the
//! firmware left without.
//!
//! Invariant: nothing is moved that the firmware placed. (PCI Local Bus 3.0, §6.1 "configuration space", §6.2.5 "base
//! addresses".) How configuration space is reached, and where registers may lie, is the machine's: `config_space`.
//!
//! Left out: the extended configuration space above byte 255, numbering of buses behind bridges (the firmware's work;
//! what it did not number is not seen), I/O port registers.

use alloc::vec::Vec;

use lendwire_drivers::platform::ConfigSpace;

use super::config_space;

const IDENTITY: u16 = 0x00;
const COMMAND: u16 = 0x04;
const HEADER_TYPE: u16 = 0x0c;
const FIRST_BAR: u16 = 0x10;
const BUS_NUMBERS: u16 = 0x18;

const LAST_REGISTER: u16 = 0xfc;

const ABSENT: u32 = 0xffff_ffff;
const BAR_COUNT: u16 = 6;
const BAR_IS_IO: u32 = 1 << 0;
const BAR_IS_64_BIT: u32 = 1 << 2;
const BAR_FLAGS: u32 = 0xf;
const COMMAND_IO: u32 = 1 << 0;
const COMMAND_MEMORY: u32 = 1 << 1;

/// One function, as the bus names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Function {
    pub(super) bus: u8,
    pub(super) device: u8,
    pub(super) function: u8,
}

impl core::fmt::Display for Function {
    fn fmt(&self, formatter: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(formatter, "{:02x}:{:02x}.{}", self.bus, self.device, self.function)
    }
}

/// All functions, each with addresses for its memory registers.
pub(crate) fn discover() -> Vec<Function> {
    let mut found = Vec::new();
    scan_bus(0, &mut found);
    assign_addresses(&found);
    found
}

impl ConfigSpace for Function {
    fn read(&self, offset: u16) -> u32 {
        if offset > LAST_REGISTER {
            return ABSENT;
        }
        config_space::read(*self, offset)
    }

    fn write(&self, offset: u16, value: u32) {
        if offset <= LAST_REGISTER {
            config_space::write(*self, offset, value);
        }
    }
}

impl Function {
    fn header_type(&self) -> u8 {
        (self.read(HEADER_TYPE) >> 16) as u8
    }
}

fn scan_bus(bus: u8, found: &mut Vec<Function>) {
    for device in 0..32 {
        let first = Function { bus, device, function: 0 };
        if first.read(IDENTITY) == ABSENT {
            continue;
        }
        let is_multifunction = first.header_type() & 0x80 != 0;
        for function in 0..if is_multifunction { 8 } else { 1 } {
            scan_function(Function { bus, device, function }, found);
        }
    }
}

fn scan_function(function: Function, found: &mut Vec<Function>) {
    if function.read(IDENTITY) == ABSENT {
        return;
    }
    found.push(function);
    if !is_endpoint(function) {
        let secondary = (function.read(BUS_NUMBERS) >> 8) as u8;
        // Numbers grow downwards from the root, so a bridge that says otherwise would send the scan in circles.
        if secondary > function.bus {
            scan_bus(secondary, found);
        }
    }
}

fn is_endpoint(function: Function) -> bool {
    function.header_type() & 0x7f == 0
}

/// Firmware that assigns addresses at all assigns all of them, so one that is set means there is nothing to do.
fn assign_addresses(found: &[Function]) {
    let endpoints = || found.iter().copied().filter(|function| is_endpoint(*function));
    let is_assigned = |function: Function| memory_bars(function).any(|bar| bar.address != 0);
    if endpoints().any(is_assigned) {
        return;
    }
    let Some(window) = config_space::window() else { return };
    let mut next = window.start;
    for function in endpoints() {
        assign_function(function, &mut next, window.end);
    }
}

fn assign_function(function: Function, next: &mut u64, end: u64) {
    // The upper half of the register is the status, whose bits clear where ones are written.
    let command = function.read(COMMAND) & 0xffff;
    // While a register holds all ones to show its size, it must not answer to that address.
    function.write(COMMAND, command & !(COMMAND_IO | COMMAND_MEMORY));
    for bar in memory_bars(function) {
        let Some(size) = bar_size(function, &bar) else { continue };
        let address = next.next_multiple_of(size);
        // A register set that finds no room keeps address zero, and its driver will say so.
        if address + size > end {
            continue;
        }
        function.write(bar.offset, address as u32);
        *next = address + size;
    }
    function.write(COMMAND, command | COMMAND_MEMORY);
}

/// A memory base address register.
struct Bar {
    offset: u16,
    address: u64,
    is_64_bit: bool,
}

fn memory_bars(function: Function) -> impl Iterator<Item = Bar> {
    let mut index = 0;
    core::iter::from_fn(move || {
        while index < BAR_COUNT {
            let offset = FIRST_BAR + 4 * index;
            let low = function.read(offset);
            index += 1;
            if low & BAR_IS_IO != 0 {
                continue;
            }
            let is_64_bit = low & BAR_IS_64_BIT != 0;
            let high = if is_64_bit { function.read(offset + 4) } else { 0 };
            index += u16::from(is_64_bit);
            let address = u64::from(high) << 32 | u64::from(low & !BAR_FLAGS);
            return Some(Bar { offset, address, is_64_bit });
        }
        None
    })
}

/// Bytes that the register set takes, or `None` where there is no register or it needs more than 4 GiB.
fn bar_size(function: Function, bar: &Bar) -> Option<u64> {
    if bar.is_64_bit {
        function.write(bar.offset + 4, u32::MAX);
    }
    function.write(bar.offset, u32::MAX);
    let low = function.read(bar.offset) & !BAR_FLAGS;
    let high = if bar.is_64_bit { function.read(bar.offset + 4) } else { u32::MAX };
    function.write(bar.offset, 0);
    if bar.is_64_bit {
        function.write(bar.offset + 4, 0);
    }
    if low == 0 || high != u32::MAX {
        return None;
    }
    Some(u64::from(low.wrapping_neg()))
}

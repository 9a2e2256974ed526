//! Which pin of the I/O APIC a PCI function's interrupt line ends at.
//!
//! The firmware's word for it (PCI Local Bus 3.0 §6.2.4, "interrupt line") is the old interrupt controller's input, and
//! the quick firmware gives none, so the chipsets that QEMU has are asked first:
//!
//! | chipset | its rule | source |
//! |---|---|---|
//! | ICH9 (q35) | a slot's four pins are PIRQE to PIRQH, rotated by the slot; PIRQA is pin 16 | ICH9 data sheet §5.9.3; QEMU gives slots 25 and up to other rules |
//! | PIIX3 (pc) | PIRQA to PIRQD, rotated by the slot less one; a register for each says the pin, below 16 | 82371SB data sheet §2.2.9 |
//!
//! Left out: functions behind bridges.

use lendwire_drivers::pci::PciId;
use lendwire_drivers::platform::ConfigSpace;

use crate::arch::pci::Function;

const ICH9: PciId = PciId { vendor: 0x8086, device: 0x2918 };
const PIIX3: PciId = PciId { vendor: 0x8086, device: 0x7000 };

const PIRQ_ROUTES: u16 = 0x60;
const ROUTE_IS_OFF: u8 = 1 << 7;
/// Where the firmware left a route of PIIX3 off: a pin that no device of a PC has for its own.
const SPARE_PIN: u8 = 10;

const INTERRUPT: u16 = 0x3c;
const NO_LINE: u8 = 0xff;

/// The pin; `None` where the function has no line, or nobody knows where it ends.
pub(crate) fn of(function: Function) -> Option<u32> {
    let interrupt = function.read(INTERRUPT);
    let pin = (interrupt >> 8) as u8;
    if !(1..=4).contains(&pin) {
        return None;
    }
    let pin = pin - 1;
    if function.bus == 0 && function.device < 25 && is(0x1f, ICH9) {
        return Some(16 + 4 + u32::from((function.device + pin) % 4));
    }
    if function.bus == 0 && is(1, PIIX3) {
        let pirq = function.device.wrapping_sub(1).wrapping_add(pin) % 4;
        return Some(u32::from(piix3_route(pirq)));
    }
    let line = interrupt as u8;
    (line != 0 && line != NO_LINE).then_some(u32::from(line))
}

fn is(device: u8, id: PciId) -> bool {
    PciId::of(&bridge(device)) == Some(id)
}

fn bridge(device: u8) -> Function {
    Function { bus: 0, device, function: 0 }
}

fn piix3_route(pirq: u8) -> u8 {
    let mut routes = bridge(1).read(PIRQ_ROUTES).to_le_bytes();
    let route = &mut routes[usize::from(pirq)];
    if *route & ROUTE_IS_OFF != 0 {
        *route = SPARE_PIN;
        bridge(1).write(PIRQ_ROUTES, u32::from_le_bytes(routes));
    }
    routes[usize::from(pirq)] & 0xf
}

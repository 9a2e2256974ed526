//! The network card: the first device that a driver here is for, how its interrupts come, and its new start.
//!
//! Invariant: a card is looked for once; afterwards the same place is probed again, on the same wiring.

use alloc::boxed::Box;
use core::fmt;

use lendwire_drivers::driver::{Driver, Unstoppable};
use lendwire_drivers::e1000::{self, E1000, E1000_IDS};
use lendwire_drivers::pci::{PciId, capabilities};
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::virtio::{self, VIRTIO_NET_IDS, VirtioNet};
use lendwire_nic::Pool;
use lendwire_unikernel::command_line::{Offloads, Settings};

use super::plain::Plain;
use crate::arch::memory::{self, Kernel};
use crate::arch::pci::{self, Function};
use crate::arch::{interrupt_lines, interrupts};

/// What a driver is for, and how it starts: a line of the match table.
struct Match {
    ids: &'static [PciId],
    start: Start,
}

type Start = fn(Function, &'static Pool, Wiring<'_>) -> Result<Box<dyn Driver>, Refusal>;

const DRIVERS: &[Match] = &[
    Match {
        ids: VIRTIO_NET_IDS,
        start: |function, receive, wiring| Ok(Box::new(VirtioNet::probe(&function, Kernel, receive, wiring)?)),
    },
    Match {
        ids: E1000_IDS,
        start: |function, receive, wiring| Ok(Box::new(E1000::probe(&function, Kernel, receive, wiring)?)),
    },
];

/// A card and its driver.
pub(super) struct Card {
    pub(super) driver: Box<dyn Driver>,
    function: Function,
    start: Start,
    wired: Wired,
    offloads: Offloads,
}

/// How a card's interrupts come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wired {
    /// As messages.
    Messages([Message; 3]),
    /// On a line of the machine.
    Line(u32),
    /// Not at all.
    Nowhere,
}

/// Why there is no network card.
pub(super) enum NoDevice {
    /// No device of the machine is one that a driver knows.
    None,
    /// There is one, and it does not start.
    Refused(Function, Refusal),
}

/// Why a driver does not start.
pub(super) enum Refusal {
    Virtio(virtio::ProbeError),
    E1000(e1000::ProbeError),
}

impl From<virtio::ProbeError> for Refusal {
    fn from(error: virtio::ProbeError) -> Self {
        Self::Virtio(error)
    }
}

impl From<e1000::ProbeError> for Refusal {
    fn from(error: e1000::ProbeError) -> Self {
        Self::E1000(error)
    }
}

impl fmt::Display for NoDevice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("there is no network card: start QEMU with -device virtio-net-pci,netdev=..."),
            Self::Refused(function, error) => write!(out, "the network card at {function} does not start: {error}"),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Virtio(virtio::ProbeError::Legacy) => out.write_str(
                "it is a virtio device of before 1.0: start QEMU with disable-legacy=on behind -device virtio-net-pci, or \
                 with -global virtio-mmio.force-legacy=false",
            ),
            Self::Virtio(virtio::ProbeError::NoMemory) | Self::E1000(e1000::ProbeError::NoMemory) => {
                out.write_str("there is no memory for its rings: give the machine more, as with -m 64")
            }
            Self::Virtio(error) => write!(out, "virtio-net says {error:?}"),
            Self::E1000(error) => write!(out, "e1000 says {error:?}"),
        }
    }
}

/// Starts the first card that there is a driver for. Frames will arrive in slots of `receive`.
pub(super) fn find(receive: &'static Pool, settings: &Settings) -> Result<Card, NoDevice> {
    for function in pci::discover() {
        let Some(id) = PciId::of(&function) else { continue };
        let Some(Match { start, .. }) = DRIVERS.iter().find(|driver| id.is_in(driver.ids)) else { continue };
        let (wired, offloads) = (Wired::of(function), settings.offloads);
        let driver = started(*start, function, receive, wired, offloads);
        let driver = driver.map_err(|error| NoDevice::Refused(function, error))?;
        return Ok(Card { driver, function, start: *start, wired, offloads });
    }
    Err(NoDevice::None)
}

impl Card {
    /// How its interrupts come.
    pub(super) fn wired(&self) -> Wired {
        self.wired
    }

    /// Stops the card and starts it again, `times` times. Returns what it held while it was stopped for the last time
    /// and not while it was stopped for the first: nothing, or something leaks.
    pub(super) fn restart(&mut self, receive: &'static Pool, times: u32) -> Result<Lost, RestartError> {
        let mut first = None;
        let mut lost = Lost { slots: 0, blocks: 0 };
        for _ in 0..times {
            self.driver.quiesce().map_err(RestartError::Unstoppable)?;
            let held = (receive.slots() - receive.available(), memory::blocks());
            let (slots, blocks) = *first.get_or_insert(held);
            lost = Lost { slots: held.0.abs_diff(slots), blocks: held.1.abs_diff(blocks) };
            self.driver = started(self.start, self.function, receive, self.wired, self.offloads)
                .map_err(RestartError::Refused)?;
        }
        Ok(lost)
    }
}

/// What restarts have lost.
pub(super) struct Lost {
    /// Of the pool that frames arrive in.
    pub(super) slots: usize,
    /// Of the heap.
    pub(super) blocks: u64,
}

/// Why a card that ran does not run again.
pub(super) enum RestartError {
    Unstoppable(Unstoppable),
    Refused(Refusal),
}

impl fmt::Display for RestartError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unstoppable(Unstoppable) => out.write_str("the network card does not stop: leave out restart="),
            Self::Refused(error) => write!(out, "the network card does not start again: {error}"),
        }
    }
}

fn started(
    start: Start,
    function: Function,
    receive: &'static Pool,
    wired: Wired,
    offloads: Offloads,
) -> Result<Box<dyn Driver>, Refusal> {
    let wiring = match &wired {
        Wired::Messages(messages) => Wiring::Messages(messages),
        Wired::Line(_) => Wiring::Line,
        Wired::Nowhere => Wiring::Polled,
    };
    let driver = start(function, receive, wiring)?;
    match offloads {
        Offloads::On => Ok(driver),
        Offloads::Off => Ok(Box::new(Plain::new(driver))),
    }
}

impl fmt::Display for Wired {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Messages(_) => out.write_str("by messages"),
            Self::Line(line) => write!(out, "on line {line}"),
            Self::Nowhere => out.write_str("nowhere, so it is polled"),
        }
    }
}

impl Wired {
    /// By messages where function (MSI-X, PCI Local Bus 3.0 §6.8.2) and machine have them, else by its line.
    fn of(function: Function) -> Self {
        const MSIX: u8 = 0x11;
        let has_messages = capabilities(&function).any(|capability| capability.id == MSIX);
        if let Some(messages) = interrupts::messages().filter(|_| has_messages) {
            return Self::Messages(messages);
        }
        match interrupt_lines::of(function) {
            Some(line) if interrupts::connect_line(line) => Self::Line(line),
            Some(_) | None => Self::Nowhere,
        }
    }
}

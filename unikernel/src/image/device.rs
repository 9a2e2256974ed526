//! The network card: the first device that a driver here is for, how its interrupts come, and its new start.
//!
//! Invariant: a card is looked for once; afterwards the same place is probed again, on the same wiring.

use alloc::boxed::Box;
use core::fmt;

use lendwire_drivers::driver::{Driver, Unstoppable};
use lendwire_drivers::e1000::{self, E1000, E1000_IDS};
use lendwire_drivers::pci::{PciId, Region, capabilities};
use lendwire_drivers::platform::{Message, Wiring};
use lendwire_drivers::virtio::{self, PairSlot, VIRTIO_NET_IDS, VirtioNet};
use lendwire_nic::Pool;
use lendwire_unikernel::command_line::{MmioDevice, Offloads, Settings};

use super::plain::Plain;
use crate::arch::memory::{self, Kernel};
use crate::arch::pci::{self, Function};
use crate::arch::{entropy, interrupt_lines, interrupts, mmio};

/// What a driver is for, and how it starts: a line of the match table. A device on no bus says itself what it is, so it
/// is virtio's to look at.
struct Match {
    ids: &'static [PciId],
    start: Start,
}

type Start = fn(Function, &'static Pool, Wiring<'_>) -> Result<Box<dyn Driver>, Refusal>;

/// Pairs of queues that the image uses at the most.
const PAIRS: usize = 8;

const DRIVERS: &[Match] = &[
    Match {
        ids: VIRTIO_NET_IDS,
        start: |function, receive, wiring| {
            let mut driver = VirtioNet::probe(&function, Kernel, receive, wiring)?;
            let pairs = usize::from(driver.pairs()).min(PAIRS);
            if pairs > 1 {
                let more: Box<[PairSlot]> = (1..pairs).map(|_| PairSlot::EMPTY).collect();
                driver.widen(more, spreading_key())?;
            }
            Ok(Box::new(driver))
        },
    },
    Match {
        ids: E1000_IDS,
        start: |function, receive, wiring| Ok(Box::new(E1000::probe(&function, Kernel, receive, wiring)?)),
    },
];

/// Where a card is.
#[derive(Clone, Copy, Debug)]
pub(super) enum Place {
    /// On the bus.
    Pci(Function),
    /// In memory, as the command line or the machine says.
    Mmio(MmioDevice),
}

/// A card and its driver.
pub(super) struct Card {
    pub(super) driver: Box<dyn Driver>,
    place: Place,
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
    Refused(Place, Refusal),
}

/// Why a driver does not start.
pub(super) enum Refusal {
    /// No driver knows what is there.
    Stranger,
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
            Self::Refused(place, error) => write!(out, "the network card at {place} does not start: {error}"),
        }
    }
}

impl Place {
    /// Whether it is worth probing. What lies in memory says what it is only when a driver asks.
    fn has_driver(&self) -> bool {
        match self {
            Self::Pci(function) => driver_for(*function).is_some(),
            Self::Mmio(_) => true,
        }
    }
}

fn driver_for(function: Function) -> Option<&'static Match> {
    let id = PciId::of(&function)?;
    DRIVERS.iter().find(|driver| id.is_in(driver.ids))
}

impl fmt::Display for Place {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Pci(function) => function.fmt(out),
            Self::Mmio(device) => write!(out, "{:#x}", device.physical),
        }
    }
}

impl fmt::Display for Refusal {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stranger => out.write_str("it is no longer what it was: start the machine again"),
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
    let listed = settings.mmio.iter().chain(mmio::devices()).map(Place::Mmio);
    // The bus is looked at only when none of those is a card.
    let on_bus = core::iter::once_with(pci::discover).flatten().map(Place::Pci);
    let places = listed.chain(on_bus);
    for place in places.filter(Place::has_driver) {
        let (wired, offloads) = (Wired::of(place), settings.offloads);
        match start(place, receive, wired, offloads) {
            Ok(driver) => return Ok(Card { driver, place, wired, offloads }),
            Err(Refusal::Stranger) => {}
            Err(error) => return Err(NoDevice::Refused(place, error)),
        }
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
            self.driver = start(self.place, receive, self.wired, self.offloads).map_err(RestartError::Refused)?;
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

fn start(place: Place, receive: &'static Pool, wired: Wired, offloads: Offloads) -> Result<Box<dyn Driver>, Refusal> {
    let wiring = match &wired {
        Wired::Messages(messages) => Wiring::Messages(messages),
        Wired::Line(_) => Wiring::Line,
        Wired::Nowhere => Wiring::Polled,
    };
    let driver = match place {
        Place::Pci(function) => {
            let found = driver_for(function).ok_or(Refusal::Stranger)?;
            (found.start)(function, receive, wiring)?
        }
        Place::Mmio(MmioDevice { physical, len, .. }) => {
            match VirtioNet::probe_mmio(Region { physical, len }, Kernel, receive, wiring) {
                Ok(driver) => Box::new(driver),
                Err(virtio::ProbeError::NotMine) => return Err(Refusal::Stranger),
                Err(error) => return Err(error.into()),
            }
        }
    };
    match offloads {
        Offloads::On => Ok(driver),
        Offloads::Off => Ok(Box::new(Plain::new(driver))),
    }
}

/// What frames are spread over the pairs by: a key that a sender cannot know, or it could choose one pair for all.
fn spreading_key() -> [u8; 40] {
    let mut key = [0; 40];
    for part in key.chunks_mut(16) {
        let (secret, _) = entropy::secret();
        part.copy_from_slice(&secret[..part.len()]);
    }
    key
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
    fn of(place: Place) -> Self {
        const MSIX: u8 = 0x11;
        let line = match place {
            Place::Pci(function) => {
                let has_messages = capabilities(&function).any(|capability| capability.id == MSIX);
                if let Some(messages) = interrupts::messages().filter(|_| has_messages) {
                    return Self::Messages(messages);
                }
                interrupt_lines::of(function)
            }
            Place::Mmio(device) => Some(device.line),
        };
        match line {
            Some(line) if interrupts::connect_line(line) => Self::Line(line),
            Some(_) | None => Self::Nowhere,
        }
    }
}

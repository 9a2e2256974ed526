//! The network card: the first function of the PCI bus that a driver here is for.

use alloc::boxed::Box;
use core::fmt;

use lendwire_drivers::driver::Driver;
use lendwire_drivers::pci::PciId;
use lendwire_drivers::platform::Wiring;
use lendwire_drivers::virtio::{ProbeError, VIRTIO_NET_IDS, VirtioNet};
use lendwire_nic::Pool;

use crate::arch::interrupts;
use crate::arch::memory::Kernel;
use crate::arch::pci::{self, Function};

/// What a driver is for, and how it starts: a line of the match table.
struct Match {
    ids: &'static [PciId],
    start: Start,
}

type Start = fn(Function, &'static Pool, Wiring<'_>) -> Result<Box<dyn Driver>, ProbeError>;

const DRIVERS: &[Match] = &[Match {
    ids: VIRTIO_NET_IDS,
    start: |function, receive, wiring| {
        let driver = VirtioNet::probe(&function, Kernel, receive, wiring)?;
        Ok(Box::new(driver))
    },
}];

/// Why there is no network card.
pub(super) enum NoDevice {
    /// No function of the bus is one that a driver knows.
    None,
    /// There is one, and it does not start.
    Refused(Function, ProbeError),
}

impl fmt::Display for NoDevice {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::None => out.write_str("there is no network card: start QEMU with -device virtio-net-pci,netdev=..."),
            Self::Refused(function, error) => write!(out, "the network card at {function} does not start: {error:?}"),
        }
    }
}

/// Starts the first card that there is a driver for. Frames will arrive in slots of `receive`.
pub(super) fn find(receive: &'static Pool) -> Result<Box<dyn Driver>, NoDevice> {
    let messages = interrupts::messages();
    for function in pci::discover() {
        let Some(id) = PciId::of(&function) else { continue };
        let Some(driver) = DRIVERS.iter().find(|driver| id.is_in(driver.ids)) else { continue };
        return (driver.start)(function, receive, Wiring::Messages(&messages))
            .map_err(|error| NoDevice::Refused(function, error));
    }
    Err(NoDevice::None)
}

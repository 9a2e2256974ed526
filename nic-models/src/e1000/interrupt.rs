//! Causes of interrupts, and how they reach the kernel (8254x §13.4, 82574 §7.4).
//!
//! Invariant: a changed link interrupts whenever it is routed at all; frames only while armed.

use super::family::Bus;
use super::hardware::Hardware;
use super::register::{self, cause, ctrl_ext};
use crate::driver::Causes;
use crate::registers::Registers;

/// How interrupts reach the kernel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// Not at all.
    Polled,
    /// By the interrupt line.
    Line,
    /// By this many MSI-X vectors: received frames, transmit completions, everything else. With one the first two share
    /// it, and with fewer than three nobody is told of the rest.
    Messages {
        /// At least one.
        count: usize,
    },
}

/// What is armed for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wanted {
    /// Received frames.
    Received,
    /// Those, and room in the transmit ring.
    ReceivedAndSent,
}

/// Each vector of IVAR has four bits: its number, and whether there is one (82574 §10.2).
const VECTOR_VALID: u32 = 1 << 3;
const VECTORS: usize = 5;

impl Route {
    /// Routes causes, moderates them, and lets a changed link interrupt.
    pub(super) fn set_up<R: Registers>(self, hardware: &Hardware<R>, interval: u32) {
        // In units of 256 ns.
        let interval = (interval / 256).min(0xffff);
        hardware.write(register::ITR, interval);
        if let Route::Messages { count } = self {
            let vector = |wanted: usize| if wanted < count { wanted as u32 | VECTOR_VALID } else { 0 };
            let receive = vector(0);
            let transmit = if count > 1 { vector(1) } else { receive };
            hardware.write(register::IVAR, receive | transmit << 8 | vector(2) << 16);
            for index in 0..VECTORS {
                hardware.write(register::EITR + 4 * index, interval);
            }
            // A message takes its cause with it; the link's stays until it was looked at.
            hardware.write(register::EIAC, cause::RXQ0 | cause::TXQ0);
            let extended = hardware.read(register::CTRL_EXT);
            hardware.write(register::CTRL_EXT, extended | ctrl_ext::PBA_SUPPORT);
        } else if hardware.family.bus == Bus::Express {
            hardware.write(register::EIAC, 0);
        }
        let configuration = self.configuration();
        if configuration != 0 {
            hardware.write(register::IMS, configuration);
        }
    }

    /// Frames interrupt from now on, if they come from now on: what came before is forgotten here, so the rings must be
    /// looked at afterwards.
    pub(super) fn arm<R: Registers>(self, hardware: &Hardware<R>, wanted: Wanted) {
        if self == Self::Polled {
            return;
        }
        // Causes are noted while masked, too. Writing ones clears them and leaves the link's alone.
        hardware.write(register::ICR, self.frames());
        let causes = match wanted {
            Wanted::Received => self.received(),
            Wanted::ReceivedAndSent => self.frames(),
        };
        hardware.write(register::IMS, causes);
    }

    pub(super) fn mask<R: Registers>(self, hardware: &Hardware<R>) {
        if self != Self::Polled {
            hardware.write(register::IMC, self.frames());
        }
    }

    /// Forgets that the link has changed: it is looked at next.
    pub(super) fn forget_configuration<R: Registers>(self, hardware: &Hardware<R>) {
        match self {
            // The line's causes are taken by `acknowledge`.
            Self::Polled | Self::Line => {}
            Self::Messages { .. } => hardware.write(register::ICR, cause::OTHER | cause::LSC | cause::RXO),
        }
    }

    /// What the causes mean to the kernel.
    pub(super) fn meaning(self, causes: u32) -> Causes {
        let mut meaning = Causes::empty();
        meaning.set(Causes::FRAMES, causes & self.frames() != 0);
        meaning.set(Causes::CONFIGURATION, causes & self.configuration() != 0);
        meaning
    }

    fn received(self) -> u32 {
        match self {
            Self::Polled => 0,
            Self::Line => cause::RXT0 | cause::RXDMT0 | cause::RXO,
            Self::Messages { .. } => cause::RXQ0,
        }
    }

    fn frames(self) -> u32 {
        match self {
            Self::Polled => 0,
            Self::Line => self.received() | cause::TXDW,
            Self::Messages { .. } => self.received() | cause::TXQ0,
        }
    }

    fn configuration(self) -> u32 {
        match self {
            Self::Line => cause::LSC,
            Self::Messages { count } if count > 2 => cause::LSC | cause::OTHER,
            Self::Polled | Self::Messages { .. } => 0,
        }
    }
}

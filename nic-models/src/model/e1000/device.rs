//! [`E1000Model`]: the device as a test handles it.

use alloc::rc::Rc;
use alloc::vec::Vec;
use core::cell::{Ref, RefCell, RefMut};

use super::kind::Kind;
use super::map::register::RDBAL;
use super::registers::{E1000Registers, State};
use super::transmit::Sent;
use crate::model::{ConfigModel, Memory};
use crate::pci::Region;
use crate::platform::Message;

/// What a device is, and how it misbehaves.
#[derive(Clone, Debug)]
pub struct Offer {
    /// Which one.
    pub kind: Kind,
    /// Its address.
    pub address: [u8; 6],
    /// Whether receive address 0 is marked valid.
    pub has_valid_address: bool,
    /// What a reset does.
    pub reset: Reset,
    /// Whether the EEPROM answers.
    pub eeprom: Eeprom,
    /// When it transmits.
    pub transmits: Transmits,
    /// Whether the cable is in at first.
    pub has_cable: bool,
    /// Bytes of registers, a power of two.
    pub register_bytes: u32,
}

/// What CTRL.RST does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reset {
    /// Every register is as after power-on (the manuals).
    Whole,
    /// The bit clears itself, the 82574L reads its address again, and everything else goes on (QEMU 7.2).
    AddressOnly,
    /// It is never done: the bit stays, and the device goes on.
    Never,
}

/// How the EEPROM's read port behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Eeprom {
    /// A word is there at once.
    Answers,
    /// A read is never done.
    Silent,
}

/// When packets leave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transmits {
    /// Inside the write of the tail, as in QEMU.
    AtOnce,
    /// When the test says so: [`E1000Model::transmit`].
    WhenAsked,
}

impl Offer {
    /// An honest device as QEMU has it.
    #[must_use]
    pub const fn honest(kind: Kind) -> Self {
        Self {
            kind,
            address: [0x52, 0x54, 0, 0x12, 0x34, 0x56],
            has_valid_address: true,
            reset: Reset::AddressOnly,
            eeprom: Eeprom::Answers,
            transmits: Transmits::AtOnce,
            has_cable: true,
            register_bytes: 0x2_0000,
        }
    }

    /// The address in words 0 to 2, and a sum of 0xbaba over words 0 to 0x3f (SDM §5.6.35).
    pub(super) fn eeprom_word(&self, index: usize) -> u16 {
        let word = |index: usize| match index {
            0..3 => u16::from_le_bytes([self.address[2 * index], self.address[2 * index + 1]]),
            _ => 0,
        };
        match index {
            0x3f => (0..3).fold(0xbaba, |rest: u16, index| rest.wrapping_sub(word(index))),
            _ => word(index),
        }
    }
}

/// What the driver did to the registers, and how often it was disturbed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Reads and writes of registers.
    pub accesses: u64,
    /// Writes of CTRL with RST.
    pub resets: u64,
    /// Writes of RCTL: in QEMU each holds reception for a second.
    pub receive_controls: u64,
    /// Those that left reception on.
    pub receive_starts: u64,
    /// Writes of the receive tail.
    pub receive_tails: u64,
    /// Writes of the transmit tail.
    pub transmit_tails: u64,
    /// Times that the line rose or a message was sent.
    pub interrupts: u64,
}

/// The device. Clones are the same device.
#[derive(Clone)]
pub struct E1000Model {
    state: Rc<RefCell<State>>,
}

impl E1000Model {
    /// A device that has just been powered on and reaches `memory`.
    #[must_use]
    pub fn new(memory: &Memory, offer: Offer) -> Self {
        Self { state: Rc::new(RefCell::new(State::new(memory, offer))) }
    }

    /// Its configuration space.
    #[must_use]
    pub fn config_space(&self) -> ConfigModel {
        self.state().config.clone()
    }

    /// The registers at `region`: what a driver maps.
    #[must_use]
    pub fn registers(&self, region: Region) -> Option<E1000Registers> {
        Some(E1000Registers::new(Rc::clone(&self.state), region))
    }

    /// The register at `at`, without what reading it does.
    #[must_use]
    pub fn register(&self, at: u32) -> u32 {
        self.state().word(at)
    }

    /// What the driver did so far.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let state = self.state();
        Counts { interrupts: state.interrupts.raised, ..state.counts }
    }

    /// The messages sent since the last call.
    pub fn messages(&self) -> Vec<Message> {
        core::mem::take(&mut self.state_mut().interrupts.messages)
    }

    /// Whether the interrupt line is asserted.
    #[must_use]
    pub fn is_line_asserted(&self) -> bool {
        self.state().interrupts.is_line_asserted
    }

    /// Transmits up to `descriptors` of what waits ([`Transmits::WhenAsked`]).
    pub fn transmit(&self, descriptors: u32) {
        self.state_mut().drain(descriptors);
    }

    /// The packets that left since the last call.
    pub fn sent(&self) -> Vec<Sent> {
        core::mem::take(&mut self.state_mut().transmitter.sent)
    }

    /// Descriptors that the device has left for frames.
    #[must_use]
    pub fn receive_room(&self) -> u32 {
        self.state().ring(RDBAL).available()
    }

    /// A frame without check sequence comes in from the wire. Returns whether the driver got it.
    pub fn deliver(&self, frame: &[u8]) -> bool {
        self.state_mut().receive(frame, 0)
    }

    /// A frame whose check sequence was damaged on the wire by `damage`. Receivers drop it, unless told to store bad
    /// frames, or where the damage happens behind their check.
    pub fn deliver_damaged(&self, frame: &[u8], damage: u32) -> bool {
        self.state_mut().receive(frame, damage)
    }

    /// Pulls the cable, or puts it in.
    pub fn set_cable(&self, is_in: bool) {
        let mut state = self.state_mut();
        state.is_cable_in = is_in;
        state.update_link();
    }

    pub(super) fn state(&self) -> Ref<'_, State> {
        self.state.borrow()
    }

    pub(super) fn state_mut(&self) -> RefMut<'_, State> {
        self.state.borrow_mut()
    }
}

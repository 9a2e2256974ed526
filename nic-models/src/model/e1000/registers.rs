//! What the driver's reads and writes do (SDM §13.4, DS §10.2).

use alloc::rc::Rc;
use alloc::vec;
use alloc::vec::Vec;
use core::cell::RefCell;

use super::device::{Counts, Eeprom, Offer, Reset, Transmits};
use super::interrupts::Interrupts;
use super::kind::Kind;
use super::map::register::{
    CTRL, EERD, GORCL, GOTCL, ICR, ICS, IMC, IMS, RAL, RCTL, RDBAL, RDT, STATUS, TARC0, TCTL, TDBAL, TDT, TORL, TOTL,
    VET,
};
use super::map::{self, Access};
use super::ring::{HEAD, TAIL};
use super::transmit::Transmitter;
use crate::model::{ConfigModel, Memory};
use crate::pci::Region;
use crate::registers::Registers;

/// Everything behind the registers.
pub(super) struct State {
    pub(super) offer: Offer,
    pub(super) memory: Memory,
    pub(super) config: ConfigModel,
    words: Vec<u32>,
    pub(super) interrupts: Interrupts,
    pub(super) transmitter: Transmitter,
    pub(super) is_cable_in: bool,
    pub(super) counts: Counts,
    /// Accesses until the device is gone.
    pub(super) life: Option<u64>,
}

const CTRL_MASTER_DISABLE: u32 = 1 << 2;
const STATUS_MASTER_ENABLED: u32 = 1 << 19;
const CTRL_SLU: u32 = 1 << 6;
const CTRL_RST: u32 = 1 << 26;
const STATUS_LU: u32 = 1 << 1;
/// Full duplex, 1000 Mb/s.
const STATUS_RESET: u32 = 0x81;
pub(super) const RCTL_EN: u32 = 1 << 1;
pub(super) const TCTL_EN: u32 = 1 << 1;
const RAH_AV: u32 = 1 << 31;

impl State {
    pub(super) fn new(memory: &Memory, offer: Offer) -> Self {
        let config = ConfigModel::e1000_of(offer.kind, offer.register_bytes);
        let is_cable_in = offer.has_cable;
        let mut state = Self {
            offer,
            memory: memory.clone(),
            config,
            words: vec![0; map::END as usize / 4],
            interrupts: Interrupts::default(),
            transmitter: Transmitter::default(),
            is_cable_in,
            counts: Counts::default(),
            life: None,
        };
        state.power_on();
        state
    }

    pub(super) fn kind(&self) -> Kind {
        self.offer.kind
    }

    pub(super) fn word(&self, at: u32) -> u32 {
        self.words[at as usize / 4]
    }

    pub(super) fn set_word(&mut self, at: u32, value: u32) {
        self.words[at as usize / 4] = value;
    }

    /// Every register as it is before anybody touched one.
    fn power_on(&mut self) {
        self.words = vec![0; map::END as usize / 4];
        self.set_word(STATUS, STATUS_RESET);
        self.set_word(VET, 0x8100);
        // Transmit queue 0 is on.
        if self.kind().is_express() {
            self.set_word(TARC0, 0x403);
        }
        self.load_address();
        self.transmitter.forget();
        self.update_interrupts();
    }

    /// Receive address 0 comes from the EEPROM (SDM §13.5.2).
    fn load_address(&mut self) {
        let [a, b, c, d, e, f] = self.offer.address;
        let valid = if self.offer.has_valid_address { RAH_AV } else { 0 };
        self.set_word(RAL, u32::from_le_bytes([a, b, c, d]));
        self.set_word(RAL + 4, u32::from(u16::from_le_bytes([e, f])) | valid);
    }

    fn read(&mut self, at: u32) -> u32 {
        match map::access(self.kind(), at) {
            Some(Access::ReadWrite | Access::ReadOnly) => {}
            Some(Access::Count) => return self.read_count(at),
            Some(Access::WriteOnly) => panic!("the driver reads {at:#x}, which is there to be written"),
            None => panic!("the driver reads {at:#x}: {:?} has no such register", self.kind()),
        }
        match at {
            ICR => self.read_causes(),
            STATUS => self.status(),
            _ => self.word(at),
        }
    }

    /// A count starts again when it is read, one of two words when its upper one is (SDM §13.7.21).
    fn read_count(&mut self, at: u32) -> u32 {
        match at {
            GORCL | GOTCL | TORL | TOTL => return self.word(at),
            _ if [GORCL, GOTCL, TORL, TOTL].contains(&(at - 4)) => self.set_word(at - 4, 0),
            _ => {}
        }
        core::mem::take(&mut self.words[at as usize / 4])
    }

    /// The 82574L says whether it may reach memory (DS §10.2.2.2).
    fn status(&self) -> u32 {
        let may_reach = self.kind().is_express() && self.word(CTRL) & CTRL_MASTER_DISABLE == 0;
        self.word(STATUS) | if may_reach { STATUS_MASTER_ENABLED } else { 0 }
    }

    fn write(&mut self, at: u32, value: u32) {
        match map::access(self.kind(), at) {
            Some(Access::ReadWrite | Access::WriteOnly) => {}
            Some(Access::ReadOnly | Access::Count) => panic!("the driver writes {at:#x}, which is there to be read"),
            None => panic!("the driver writes {at:#x}: {:?} has no such register", self.kind()),
        }
        match at {
            CTRL => self.write_control(value),
            EERD => self.read_eeprom(value),
            ICR => self.clear_causes(value),
            ICS => self.raise(value),
            IMS => self.mask(value, 0),
            IMC => self.mask(0, value),
            RCTL => self.write_receive_control(value),
            TCTL => self.write_transmit_control(value),
            RDT => self.write_tail(RDBAL, value),
            TDT => self.write_tail(TDBAL, value),
            0x2800..=0x2810 => self.write_ring(RDBAL, at, value, RCTL, RCTL_EN),
            0x3800..=0x3810 => self.write_ring(TDBAL, at, value, TCTL, TCTL_EN),
            _ => self.set_word(at, value),
        }
    }

    fn write_control(&mut self, value: u32) {
        self.set_word(CTRL, value & !CTRL_RST);
        if value & CTRL_RST != 0 {
            self.counts.resets += 1;
            match self.offer.reset {
                Reset::Whole => self.power_on(),
                Reset::AddressOnly if self.kind().is_express() => self.load_address(),
                Reset::AddressOnly => {}
                Reset::Never => self.set_word(CTRL, value),
            }
        }
        self.update_link();
    }

    pub(super) fn is_link_up(&self) -> bool {
        self.word(STATUS) & STATUS_LU != 0
    }

    /// The link is up where the cable is in and the driver wants it (SDM §13.4.1).
    pub(super) fn update_link(&mut self) {
        let is_up = self.is_cable_in && self.word(CTRL) & CTRL_SLU != 0;
        if is_up != self.is_link_up() {
            let status = self.word(STATUS) ^ STATUS_LU;
            self.set_word(STATUS, status);
            self.raise(super::cause::LSC);
        }
    }

    /// The two ways in which a read is asked for and answered (SDM §13.4.4, DS §10.2.2).
    fn read_eeprom(&mut self, value: u32) {
        let (shift, done) = if self.kind().is_express() { (2, 1 << 1) } else { (8, 1 << 4) };
        if value & 1 == 0 || self.offer.eeprom == Eeprom::Silent {
            return self.set_word(EERD, value);
        }
        let index = (value as u16 >> shift) as usize;
        let word = self.offer.eeprom_word(index);
        self.set_word(EERD, u32::from(word) << 16 | (index as u32) << shift | done);
    }

    fn write_receive_control(&mut self, value: u32) {
        let was_on = self.word(RCTL) & RCTL_EN != 0;
        self.counts.receive_controls += 1;
        self.set_word(RCTL, value);
        if value & RCTL_EN != 0 {
            self.counts.receive_starts += 1;
            assert!(value >> 10 & 0b11 == 0, "the descriptors are not of the packet-split form");
            if !was_on {
                self.check_ring(RDBAL);
            }
        }
    }

    fn write_transmit_control(&mut self, value: u32) {
        let was_on = self.word(TCTL) & TCTL_EN != 0;
        self.set_word(TCTL, value);
        if value & TCTL_EN != 0 && !was_on {
            self.check_ring(TDBAL);
        }
    }

    fn write_ring(&mut self, first: u32, at: u32, value: u32, control: u32, enable: u32) {
        let is_running = self.word(control) & enable != 0;
        assert!(!is_running, "a running ring is not moved: {at:#x}");
        assert!(at != first + HEAD || value < 1 << 16, "a head has 16 bits");
        self.set_word(at, value);
    }

    fn write_tail(&mut self, first: u32, value: u32) {
        let ring = self.ring(first);
        assert!(value == 0 || value < ring.len, "tail {value} lies in a ring of {}", ring.len);
        self.set_word(first + TAIL, value);
        if first == RDBAL {
            self.counts.receive_tails += 1;
            return;
        }
        self.counts.transmit_tails += 1;
        if self.offer.transmits == Transmits::AtOnce {
            self.drain(u32::MAX);
        }
    }

    /// Whether the device answers this access.
    fn answers(&mut self) -> bool {
        self.counts.accesses += 1;
        match &mut self.life {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

/// A window of the device's registers.
pub struct E1000Registers {
    state: Rc<RefCell<State>>,
    physical: u64,
    len: usize,
}

impl E1000Registers {
    pub(super) fn new(state: Rc<RefCell<State>>, region: Region) -> Self {
        Self { state, physical: region.physical, len: region.len }
    }

    /// Where a register is: its window's base, and the offset into that.
    fn place(&self, offset: usize) -> Place {
        assert!(offset + 4 <= self.len && offset.is_multiple_of(4), "a register lies in its window");
        let at = self.physical + offset as u64;
        if let Some(at) = at.checked_sub(ConfigModel::MSIX_TABLE).filter(|at| *at < 0x4000) {
            return Place::Message(at as usize / 4);
        }
        let at = at.checked_sub(ConfigModel::E1000_REGISTERS).filter(|at| *at < 0x2_0000);
        Place::Register(at.expect("a window opens on the device") as u32)
    }
}

enum Place {
    Register(u32),
    Message(usize),
}

impl Registers for E1000Registers {
    fn read8(&self, offset: usize) -> u8 {
        panic!("registers are 32 bits wide (SDM §13.2): a byte is read at {offset:#x}")
    }

    fn read16(&self, offset: usize) -> u16 {
        panic!("registers are 32 bits wide (SDM §13.2): two bytes are read at {offset:#x}")
    }

    fn read32(&self, offset: usize) -> u32 {
        let mut state = self.state.borrow_mut();
        if !state.answers() {
            return u32::MAX;
        }
        match self.place(offset) {
            Place::Register(at) => state.read(at),
            Place::Message(at) => state.interrupts.table[at],
        }
    }

    fn write8(&self, offset: usize, _: u8) {
        panic!("registers are 32 bits wide (SDM §13.2): a byte is written at {offset:#x}")
    }

    fn write16(&self, offset: usize, _: u16) {
        panic!("registers are 32 bits wide (SDM §13.2): two bytes are written at {offset:#x}")
    }

    fn write32(&self, offset: usize, value: u32) {
        let mut state = self.state.borrow_mut();
        if !state.answers() {
            return;
        }
        match self.place(offset) {
            Place::Register(at) => state.write(at, value),
            Place::Message(at) => state.interrupts.table[at] = value,
        }
    }
}

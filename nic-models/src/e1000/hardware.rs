//! The device's registers, and the steps of its life: reset, address, start (8254x §14, 82574 §4.6).
//!
//! Invariant: RCTL is written once, when everything else stands, and once to stop: QEMU's 82540EM holds reception back
//! for a second after each write. What changes later (groups, VLANs) lies in tables that RCTL has pointed at from the
//! start.

use lendwire_nic::MacAddress;

use super::family::{Bus, Family};
use super::probe::{DESCRIPTOR, FrameCheck, Terms};
use super::receive::buffer_code;
use super::register::{self, ctrl, ctrl_ext, mrqc, rctl, rfctl, rxcsum, status, tctl};
use crate::registers::Registers;

/// Turns of an empty loop after a reset: registers must not be touched for a microsecond (8254x §14). An interpreter takes
/// its time by itself.
const RESET_PAUSE: u32 = if cfg!(miri) { 1 } else { 5_000 };
/// Looks at a register that is about to change, before that is given up. A look takes about a microsecond, and a
/// hundred of that in an interpreter.
const LOOKS: u32 = if cfg!(miri) { 100 } else { 10_000 };

/// One device.
pub(super) struct Hardware<R> {
    registers: R,
    pub(super) family: &'static Family,
}

/// A queue's ring, as the device is told of it.
#[derive(Clone, Copy)]
pub(super) struct RingBase {
    /// Where the device sees the first descriptor.
    pub(super) bus: u64,
    /// Descriptors.
    pub(super) size: usize,
}

impl<R: Registers> Hardware<R> {
    pub(super) fn new(registers: R, family: &'static Family) -> Self {
        Self { registers, family }
    }

    pub(super) fn read(&self, register: usize) -> u32 {
        self.registers.read32(register)
    }

    pub(super) fn write(&self, register: usize, value: u32) {
        self.registers.write32(register, value);
    }

    /// Whether the device has left the bus: every read then gives ones, which STATUS never does, for its reserved bits
    /// read as zero.
    pub(super) fn is_gone(&self) -> bool {
        self.read(register::STATUS) == u32::MAX
    }

    /// Whether the cable is in.
    pub(super) fn is_link_up(&self) -> bool {
        self.read(register::STATUS) & status::LINK_UP != 0
    }

    /// Stops the device. Returns whether it says that it has stopped: it then reaches for no memory any more.
    pub(super) fn reset(&self) -> bool {
        if self.is_gone() {
            return false;
        }
        self.write(register::IMC, u32::MAX);
        // QEMU's device goes on through a reset, so both directions are switched off by hand.
        for (control, enable) in [(register::RCTL, rctl::ENABLE), (register::TCTL, tctl::ENABLE)] {
            if self.read(control) & enable != 0 {
                self.write(control, 0);
            }
        }
        let control = self.read(register::CTRL);
        match self.family.bus {
            Bus::Pci => {}
            Bus::Express => {
                // What it has asked for of memory comes back first. One that never says so is reset all
                // the same.
                self.write(register::CTRL, control | ctrl::MASTER_DISABLE);
                self.wait(|device| device.read(register::STATUS) & status::MASTER_ENABLED == 0);
            }
        }
        self.write(register::CTRL, control | ctrl::RESET);
        for _ in 0..RESET_PAUSE {
            core::hint::spin_loop();
        }
        let has_stopped = self.wait(|device| {
            device.read(register::CTRL) & ctrl::RESET == 0
                && device.read(register::RCTL) & rctl::ENABLE == 0
                && device.read(register::TCTL) & tctl::ENABLE == 0
        });
        // The reset has unmasked nothing, and what was pending is of no interest any more.
        self.write(register::IMC, u32::MAX);
        self.read(register::ICR);
        has_stopped && !self.is_gone()
    }

    /// Looks until `is_so`, or until it is pointless. Returns whether it is.
    fn wait(&self, is_so: impl Fn(&Self) -> bool) -> bool {
        for _ in 0..LOOKS {
            if is_so(self) {
                return true;
            }
            if self.is_gone() {
                return false;
            }
        }
        false
    }

    /// Its own address: from the first receive address, where the EEPROM has left it, else from the EEPROM itself.
    pub(super) fn address(&self) -> Option<MacAddress> {
        let valid = super::filter::ADDRESS_VALID;
        let registers = self.wait(|device| device.read(register::RAL + 4) & valid != 0).then(|| {
            let (low, high) = (self.read(register::RAL), self.read(register::RAL + 4));
            [low as u16, (low >> 16) as u16, high as u16]
        });
        registers.and_then(station).or_else(|| self.eeprom().and_then(station))
    }

    /// The first three words of the EEPROM.
    fn eeprom(&self) -> Option<[u16; 3]> {
        let mut words = [0; 3];
        for (address, word) in words.iter_mut().enumerate() {
            let Family { eeprom_address_shift, eeprom_done, .. } = *self.family;
            self.write(register::EERD, 1 | (address as u32) << eeprom_address_shift);
            if !self.wait(|device| device.read(register::EERD) & eeprom_done != 0) {
                return None;
            }
            *word = (self.read(register::EERD) >> 16) as u16;
        }
        Some(words)
    }

    /// Everything but the filters, the interrupts, the receive buffers and RCTL.
    pub(super) fn set_up(&self, terms: &Terms, receive: RingBase, transmit: RingBase) {
        self.set_link_up(terms);
        self.set_up_queue(register::RECEIVE, receive);
        self.set_up_queue(register::TRANSMIT, transmit);
        self.set_up_receive_offloads();
        self.write(register::TIPG, GAPS);
        self.write(register::TCTL, tctl::ENABLE | tctl::PAD_SHORT | tctl::COLLISIONS);
    }

    fn set_link_up(&self, terms: &Terms) {
        let mut control = self.read(register::CTRL);
        control &= !(ctrl::LINK_RESET | ctrl::PHY_RESET | ctrl::RESET | ctrl::MASTER_DISABLE);
        control &= !(ctrl::FORCE_SPEED | ctrl::FORCE_DUPLEX | ctrl::INVERT_LOSS | ctrl::VLAN);
        control |= ctrl::SET_LINK_UP;
        if terms.has_vlan() {
            control |= ctrl::VLAN;
        }
        match self.family.bus {
            Bus::Pci => control |= ctrl::SPEED_DETECT,
            Bus::Express => {
                let extended = self.read(register::CTRL_EXT);
                self.write(register::CTRL_EXT, extended | ctrl_ext::DRIVER_LOADED);
            }
        }
        self.write(register::CTRL, control);
        self.write(register::VET, 0x8100);
    }

    /// Says to the firmware that nobody drives the device any more (CTRL_EXT.DRV_LOAD).
    pub(super) fn let_go(&self) {
        match self.family.bus {
            Bus::Pci => {}
            Bus::Express => {
                let extended = self.read(register::CTRL_EXT);
                self.write(register::CTRL_EXT, extended & !ctrl_ext::DRIVER_LOADED);
            }
        }
    }

    /// An empty ring. Completions are written back one by one (TXDCTL, RXDCTL).
    fn set_up_queue(&self, block: usize, ring: RingBase) {
        self.write(block + register::BASE_LOW, ring.bus as u32);
        self.write(block + register::BASE_HIGH, (ring.bus >> 32) as u32);
        self.write(block + register::LENGTH, (ring.size * DESCRIPTOR) as u32);
        self.write(block + register::HEAD, 0);
        self.write(block + register::TAIL, 0);
        // Delays would come on top of the interrupt interval, which is for all causes.
        self.write(block + register::DELAY, 0);
        self.write(block + register::DELAY_LIMIT, 0);
        let counts = match self.family.bus {
            Bus::Pci => 0,
            Bus::Express if block == register::TRANSMIT => COUNT_DESCRIPTORS,
            Bus::Express => 0,
        };
        self.write(block + register::DESCRIPTOR_CONTROL, IN_DESCRIPTORS | WRITE_BACK_ONE | counts);
    }

    fn set_up_receive_offloads(&self) {
        match self.family.bus {
            Bus::Pci => self.write(register::RXCSUM, rxcsum::IP | rxcsum::TRANSPORT),
            Bus::Express => {
                self.write(register::RXCSUM, rxcsum::IP | rxcsum::TRANSPORT | rxcsum::HASH_INSTEAD);
                let quiet = rfctl::NO_ISCSI | rfctl::NO_NFS | rfctl::NO_ACK;
                self.write(register::RFCTL, rfctl::EXTENDED | quiet);
                for (index, word) in HASH_KEY.iter().enumerate() {
                    self.write(register::RSSRK + 4 * index, *word);
                }
                // Every hash leads to the first queue.
                for index in 0..32 {
                    self.write(register::RETA + 4 * index, 0);
                }
                self.write(register::MRQC, mrqc::RSS | mrqc::TCP_IPV4 | mrqc::TCP_IPV6);
            }
        }
    }

    /// Lets frames in: the one write of RCTL.
    pub(super) fn open(&self, terms: &Terms) {
        let mut control = rctl::ENABLE | rctl::BROADCAST | rctl::VLAN_FILTER | buffer_code(terms.buffer_size);
        if terms.info.mtu > 1500 {
            control |= rctl::LONG_PACKETS;
        }
        match terms.frame_check {
            FrameCheck::ByDevice => control |= rctl::STRIP_FRAME_CHECK,
            FrameCheck::ByDriver => {}
        }
        self.write(register::RCTL, control);
    }
}

/// Gaps between frames, as both manuals have them for copper.
const GAPS: u32 = 8 | 8 << 10 | 6 << 20;
const WRITE_BACK_ONE: u32 = 1 << 16;
const COUNT_DESCRIPTORS: u32 = 1 << 22;
/// Thresholds count descriptors, not cache lines.
const IN_DESCRIPTORS: u32 = 1 << 24;

/// The key that hashes of received frames are made with: the one that the RSS specification verifies by. The stack's own
/// tables are keyed by a secret; this hash spreads flows, and protects nothing.
const HASH_KEY: [u32; 10] = [
    0xda56_5a6d,
    0xc20e_5b25,
    0x3d25_6741,
    0xb08f_a343,
    0xcb2b_cad0,
    0xb430_7bae,
    0xa32d_cb77,
    0x0cf2_3080,
    0x3bb7_426a,
    0xfa01_acbe,
];

/// An address from words whose low byte comes first, if a station can have it.
fn station(words: [u16; 3]) -> Option<MacAddress> {
    let [[a, b], [c, d], [e, f]] = words.map(u16::to_le_bytes);
    let address = MacAddress([a, b, c, d, e, f]);
    (!address.is_multicast() && words != [0; 3]).then_some(address)
}

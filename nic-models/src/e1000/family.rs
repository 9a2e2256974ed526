//! The members of the family, and what they differ in.

use lendwire_nic::Offloads;

use crate::pci::PciId;
use crate::platform::ConfigSpace;

/// The functions this driver is for.
pub const E1000_IDS: &[PciId] = &[EM_82540, EM_82545, GC_82544, L_82574];

const EM_82540: PciId = intel(0x100e);
const EM_82545: PciId = intel(0x100f);
const GC_82544: PciId = intel(0x100c);
const L_82574: PciId = intel(0x10d3);

const fn intel(device: u16) -> PciId {
    PciId { vendor: 0x8086, device }
}

/// What a member is like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Family {
    /// The driver's name for it.
    pub(super) name: &'static str,
    /// Its bus, and with it its generation.
    pub(super) bus: Bus,
    /// Where EERD has the address.
    pub(super) eeprom_address_shift: u32,
    /// EERD's bit that says the word was read.
    pub(super) eeprom_done: u32,
    /// The longest frame, its check sequence included.
    pub(super) longest_frame: u16,
    /// What it cuts. An 8254x writes an IPv6 payload length that counts the IPv6 header too (§3.5.9.1: MSS + HDRLEN -
    /// IPCSS, as QEMU does), which is wrong on the wire; an 82574 takes its 40 bytes off (§7.3.6.2).
    pub(super) segments: Offloads,
}

/// What a member is attached to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bus {
    /// PCI or PCI-X: legacy receive descriptors, an interrupt line.
    Pci,
    /// PCI Express: extended receive descriptors with a hash, MSI-X.
    Express,
}

const PCI: Family = Family {
    name: "e1000",
    bus: Bus::Pci,
    eeprom_address_shift: 8,
    eeprom_done: 1 << 4,
    longest_frame: 16_110,
    segments: Offloads::TX_SEGMENT_V4,
};
const EXPRESS: Family = Family {
    name: "e1000e",
    bus: Bus::Express,
    eeprom_address_shift: 2,
    eeprom_done: 1 << 1,
    longest_frame: 9_234,
    segments: Offloads::TX_SEGMENT_V4.union(Offloads::TX_SEGMENT_V6),
};

impl Family {
    /// The member behind `config`.
    pub(super) fn of(config: &dyn ConfigSpace) -> Option<&'static Self> {
        match PciId::of(config)? {
            EM_82540 | EM_82545 | GC_82544 => Some(&PCI),
            L_82574 => Some(&EXPRESS),
            _ => None,
        }
    }
}

//! Configuration space as QEMU 7.2 lays it out.

use super::kind::Kind;
use crate::model::ConfigModel;

/// Where the 82574L has its MSI-X capability.
const MSIX: u16 = 0xa0;
/// Messages of the 82574L (DS §7.4).
pub(super) const VECTORS: u32 = 5;

impl ConfigModel {
    /// Physical address of an e1000's registers (BAR 0, 32 bits, 128 KiB).
    pub const E1000_REGISTERS: u64 = 0xfeb8_0000;

    /// A device of the e1000 family.
    #[must_use]
    pub fn e1000(kind: Kind) -> Self {
        Self::e1000_of(kind, 0x2_0000)
    }

    /// One whose registers take `len` bytes, a power of two.
    pub(super) fn e1000_of(kind: Kind, len: u32) -> Self {
        let mut words = [0; 64];
        let mut set = |offset: u16, word: u32| words[usize::from(offset / 4)] = word;
        set(0x00, u32::from(kind.device()) << 16 | 0x8086);
        set(0x08, 0x0200_0003);
        set(0x10, Self::E1000_REGISTERS as u32);
        // Interrupt pin A.
        set(0x3c, 0x0000_010b);
        let registers = !(len - 1);
        if !kind.is_express() {
            set(0x14, 0xc001);
            return Self::of(words, [registers, !0x3f, 0, 0, 0, 0], None, None);
        }
        set(0x04, 1 << 20);
        // Flash, I/O, and the table of messages.
        set(0x14, 0xfeba_0000);
        set(0x18, 0xc001);
        set(0x1c, Self::MSIX_TABLE as u32);
        // Power management, MSI, PCI Express, MSI-X: all but the last are only there to be passed over.
        set(0x34, 0xc8);
        set(0xc8, 0x0022_d001);
        set(0xd0, 0x0080_e005);
        set(0xe0, 0x0001_a010);
        set(MSIX, (VECTORS - 1) << 16 | 0x0011);
        set(MSIX + 4, 3);
        set(MSIX + 8, 0x2003);
        Self::of(words, [registers, !0x1_ffff, !0x1f, !0x3fff, 0, 0], None, Some(MSIX))
    }
}

//! A PCI function's configuration space: identity, BARs that can be sized, capabilities.

use alloc::rc::Rc;
use core::cell::RefCell;

use crate::platform::ConfigSpace;

/// 256 bytes of configuration space. Clones are the same.
#[derive(Clone)]
pub struct ConfigModel {
    words: Rc<RefCell<[u32; 64]>>,
    /// The size of the memory behind each BAR word; for the upper word of a wide one, the size's upper half's mask.
    masks: [u32; 6],
    /// The BAR word that is the upper half of the one before.
    upper: Option<u16>,
    /// Where the MSI-X capability stands.
    msix: Option<u16>,
}

const COMMAND: u16 = 0x04;

impl ConfigModel {
    /// Physical address of the registers (BAR 4, 64 bits, 16 KiB).
    pub const REGISTERS: u64 = 0x7_0000_0000;
    /// Physical address of the MSI-X table (BAR 1, 32 bits, 4 KiB).
    pub const MSIX_TABLE: u64 = 0xfebd_0000;
    /// Where the capabilities stand: MSI-X, then common, notify, device and interrupt status.
    pub const CAPABILITIES: [u16; 5] = [0x40, 0x50, 0x64, 0x78, 0x88];

    /// A virtio network device as QEMU lays it out, with `vectors` MSI-X vectors.
    #[must_use]
    pub fn virtio_net(vectors: u16) -> Self {
        let mut words = [0; 64];
        let mut set = |offset: u16, word: u32| words[usize::from(offset / 4)] = word;
        set(0x00, 0x1041_1af4);
        // The list of capabilities is there.
        set(0x04, 1 << 20);
        set(0x14, Self::MSIX_TABLE as u32);
        set(0x20, Self::REGISTERS as u32 | 0b1100);
        set(0x24, (Self::REGISTERS >> 32) as u32);
        set(0x34, 0x40);
        set(0x40, u32::from(vectors - 1) << 16 | 0x5011);
        set(0x44, 1);
        set(0x48, 0x801);
        let structures =
            [(0x50, 0x64, 1, 0x0000), (0x64, 0x78, 2, 0x3000), (0x78, 0x88, 4, 0x2000), (0x88, 0, 3, 0x1000)];
        for (at, next, kind, offset) in structures {
            let len = if kind == 2 { 20 } else { 16 };
            set(at, kind << 24 | len << 16 | next << 8 | 0x09);
            set(at + 4, 4);
            set(at + 8, offset);
            set(at + 12, 0x1000);
        }
        // notify_off_multiplier
        set(0x74, 4);
        Self::of(words, [0, !0xfff, 0, 0, !0x3fff, !0], Some(0x24), Some(0x40))
    }

    /// A function of these words. `masks` sizes each BAR word, `upper` is the one that only continues another, `msix` is
    /// where that capability stands.
    pub(super) fn of(words: [u32; 64], masks: [u32; 6], upper: Option<u16>, msix: Option<u16>) -> Self {
        Self { words: Rc::new(RefCell::new(words)), masks, upper, msix }
    }

    /// Whether the driver turned MSI-X on, so that the line is not used.
    #[must_use]
    pub fn is_msix_enabled(&self) -> bool {
        self.msix.is_some_and(|at| self.word(at) >> 31 == 1)
    }

    /// Whether the driver lets the function reach memory by itself.
    pub(super) fn is_bus_master(&self) -> bool {
        self.word(COMMAND) & 1 << 2 != 0
    }

    /// Whether the driver silenced the interrupt line.
    pub(super) fn is_line_silenced(&self) -> bool {
        self.word(COMMAND) & 1 << 10 != 0
    }

    /// Whether interrupts are messages: MSI-X is on and not masked as a whole.
    pub(super) fn sends_messages(&self) -> bool {
        self.msix.is_some_and(|at| self.word(at) >> 30 == 0b10)
    }

    fn word(&self, offset: u16) -> u32 {
        self.words.borrow()[usize::from(offset / 4)]
    }

    /// Changes a word as the driver cannot.
    pub fn poke(&self, offset: u16, word: u32) {
        self.words.borrow_mut()[usize::from(offset / 4)] = word;
    }
}

impl ConfigSpace for ConfigModel {
    fn read(&self, offset: u16) -> u32 {
        assert!(offset.is_multiple_of(4) && offset < 4096, "a register of configuration space");
        self.words.borrow().get(usize::from(offset / 4)).copied().unwrap_or(u32::MAX)
    }

    fn write(&self, offset: u16, value: u32) {
        assert!(offset.is_multiple_of(4) && offset < 4096, "a register of configuration space");
        let Some(word) = self.words.borrow_mut().get_mut(usize::from(offset / 4)).map(|word| *word) else { return };
        let value = match offset {
            // Status bits are cleared by ones; the command register takes what it is given.
            COMMAND => (word & 0xffff_0000 & !(value & 0xf900_0000)) | (value & 0x0407),
            0x10..0x28 => {
                let mask = self.masks[usize::from(offset - 0x10) / 4];
                if self.upper == Some(offset) { value & mask } else { (value & mask & !0xf) | (word & 0xf) }
            }
            // Enable and mask.
            _ if self.msix == Some(offset) => (word & 0x3fff_ffff) | (value & 0xc000_0000),
            _ => word,
        };
        self.words.borrow_mut()[usize::from(offset / 4)] = value;
    }
}

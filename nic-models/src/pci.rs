//! What a driver does with its PCI function: match it, find its registers, route its interrupts.
//!
//! Invariant: configuration space is the device's word. Offsets, lengths and links from it are checked before use, and
//! a list that loops ends (PCI Local Bus 3.0 §6.1, §6.2.5, §6.7, §6.8.2).

use crate::platform::{ConfigSpace, Message};
use crate::registers::Registers;

/// Vendor and device of a function: a driver lists the ones it knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PciId {
    /// Who made it.
    pub vendor: u16,
    /// What it is, by the vendor's numbering.
    pub device: u16,
}

impl PciId {
    /// The identity of the function behind `config`, or `None` where there is none.
    #[must_use]
    pub fn of(config: &dyn ConfigSpace) -> Option<Self> {
        let word = config.read(0);
        let id = Self { vendor: word as u16, device: (word >> 16) as u16 };
        (id.vendor != 0xffff).then_some(id)
    }

    /// Whether a driver's table has it.
    #[must_use]
    pub fn is_in(self, table: &[Self]) -> bool {
        table.contains(&self)
    }
}

/// What is wrong with a function's configuration space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PciError {
    /// A capability names a base address register that there is not.
    NoSuchBar,
    /// The registers are in I/O space: only memory is supported.
    IoSpace,
    /// Firmware or kernel has not assigned an address to the registers.
    Unassigned,
    /// A structure reaches beyond its base address register's memory.
    OutOfBar,
    /// A structure does not start on a multiple of 4.
    Misaligned,
    /// A capability reaches beyond configuration space.
    OutOfConfigSpace,
}

/// A run of physical memory that holds registers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Region {
    /// Its first byte.
    pub physical: u64,
    /// Bytes.
    pub len: usize,
}

const COMMAND: u16 = 0x04;
const COMMAND_MEMORY: u32 = 1 << 1;
const COMMAND_BUS_MASTER: u32 = 1 << 2;
const COMMAND_NO_INTX: u32 = 1 << 10;
const STATUS_CAPABILITIES: u32 = 1 << 20;
const FIRST_BAR: u16 = 0x10;
const BARS: u8 = 6;
const CAPABILITIES: u16 = 0x34;
/// Where PCI's 256 bytes end; capabilities live between the header and here.
const CONFIG_END: u16 = 0x100;
const HEADER_END: u16 = 0x40;

/// Lets the function answer memory accesses and reach memory by itself, and silences its interrupt line.
pub fn enable(config: &dyn ConfigSpace) {
    // The upper half is the status register, whose bits are cleared by writing ones: write zeros.
    let command = config.read(COMMAND) & 0xffff;
    config.write(COMMAND, command | COMMAND_MEMORY | COMMAND_BUS_MASTER | COMMAND_NO_INTX);
}

/// Lets the function assert its interrupt line again.
pub fn enable_line(config: &dyn ConfigSpace) {
    let command = config.read(COMMAND) & 0xffff;
    config.write(COMMAND, command & !COMMAND_NO_INTX);
}

/// The memory behind a function's base address registers.
///
/// Sizes are found by writing to the registers, and the function answers no memory access meanwhile. A hypervisor builds
/// its memory map anew each time, which takes it milliseconds: so all registers are sized at once, and once.
#[derive(Clone, Copy, Debug)]
pub struct Bars([Result<Memory, PciError>; BARS as usize]);

#[derive(Clone, Copy, Debug)]
struct Memory {
    address: u64,
    size: u64,
}

impl Bars {
    /// Sizes them.
    #[must_use]
    pub fn of(config: &dyn ConfigSpace) -> Self {
        let command = config.read(COMMAND) & 0xffff;
        config.write(COMMAND, command & !COMMAND_MEMORY);
        let mut bars = [Err(PciError::NoSuchBar); BARS as usize];
        let mut is_upper_half = false;
        for (bar, index) in bars.iter_mut().zip(0..BARS) {
            if !is_upper_half {
                (*bar, is_upper_half) = memory_bar(config, index);
            } else {
                is_upper_half = false;
            }
        }
        config.write(COMMAND, command);
        Self(bars)
    }

    /// The `len` bytes at `offset` of the memory behind base address register `bar`.
    ///
    /// # Errors
    /// See [`PciError`].
    pub fn region(&self, bar: u8, offset: u32, len: u32) -> Result<Region, PciError> {
        if !offset.is_multiple_of(4) {
            return Err(PciError::Misaligned);
        }
        let Memory { address, size } = self.0.get(usize::from(bar)).copied().unwrap_or(Err(PciError::NoSuchBar))?;
        let end = u64::from(offset) + u64::from(len);
        let physical = address.checked_add(u64::from(offset)).ok_or(PciError::OutOfBar)?;
        if end > size || physical.checked_add(u64::from(len)).is_none() {
            return Err(PciError::OutOfBar);
        }
        Ok(Region { physical, len: usize::try_from(len).map_err(|_| PciError::OutOfBar)? })
    }
}

/// Address and size of a memory BAR (PCI 3.0 §6.2.5.1), and whether the next register is its upper half. Memory accesses
/// are off.
fn memory_bar(config: &dyn ConfigSpace, bar: u8) -> (Result<Memory, PciError>, bool) {
    let low_at = FIRST_BAR + 4 * u16::from(bar);
    let low = config.read(low_at);
    if low & 1 == 1 {
        return (Err(PciError::IoSpace), false);
    }
    let is_wide = low & 0b110 == 0b100;
    if is_wide && bar + 1 >= BARS {
        return (Err(PciError::NoSuchBar), false);
    }
    let mut address = u64::from(low & !0xf);
    let mut mask = u64::from(size_mask(config, low_at, low) & !0xf) | 0xffff_ffff_0000_0000;
    if is_wide {
        let high = config.read(low_at + 4);
        address |= u64::from(high) << 32;
        mask &= u64::from(size_mask(config, low_at + 4, high)) << 32 | 0xffff_ffff;
    }
    if mask as u32 == 0 && !is_wide {
        return (Err(PciError::NoSuchBar), is_wide);
    }
    let size = (!mask).wrapping_add(1);
    let memory = match (size, address) {
        (0, _) => Err(PciError::NoSuchBar),
        (_, 0) => Err(PciError::Unassigned),
        (size, address) => Ok(Memory { address, size }),
    };
    (memory, is_wide)
}

fn size_mask(config: &dyn ConfigSpace, at: u16, value: u32) -> u32 {
    config.write(at, u32::MAX);
    let mask = config.read(at);
    config.write(at, value);
    mask
}

/// One entry of a function's capability list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capability {
    /// What it is: 0x09 is the vendor's own, 0x11 MSI-X.
    pub id: u8,
    /// Where it stands in configuration space.
    pub offset: u16,
}

impl Capability {
    /// The 32-bit word at byte `at` of the capability.
    ///
    /// # Errors
    /// [`PciError::OutOfConfigSpace`].
    pub fn word(self, config: &dyn ConfigSpace, at: u16) -> Result<u32, PciError> {
        let offset = self.offset + at;
        if offset > CONFIG_END - 4 {
            return Err(PciError::OutOfConfigSpace);
        }
        Ok(config.read(offset))
    }
}

/// The capability list of a function. A list that leaves its bounds ends there; one that loops ends too.
pub fn capabilities(config: &dyn ConfigSpace) -> impl Iterator<Item = Capability> {
    let has_list = config.read(COMMAND) & STATUS_CAPABILITIES != 0;
    let mut next = if has_list { config.read(CAPABILITIES) as u8 } else { 0 };
    // Each capability takes at least 4 bytes, so there cannot be more.
    let most = (CONFIG_END - HEADER_END) / 4;
    (0..most).map_while(move |_| {
        // The two low bits are reserved (PCI 3.0 §6.7).
        let offset = u16::from(next & !0b11);
        if offset < HEADER_END {
            return None;
        }
        let word = config.read(offset);
        next = (word >> 8) as u8;
        Some(Capability { id: word as u8, offset })
    })
}

/// A function's MSI-X capability (PCI 3.0 §6.8.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Msix {
    capability: Capability,
    vectors: u16,
    table: Region,
}

const MSIX: u8 = 0x11;
const MSIX_ENABLE: u32 = 1 << 31;
const MSIX_MASK_ALL: u32 = 1 << 30;
const MSIX_ENTRY: usize = 16;

impl Msix {
    /// Finds it; `None` where the function has none.
    ///
    /// # Errors
    /// When its table does not lie in the function's memory.
    pub fn find(config: &dyn ConfigSpace, bars: &Bars) -> Result<Option<Self>, PciError> {
        let Some(capability) = capabilities(config).find(|capability| capability.id == MSIX) else { return Ok(None) };
        let vectors = ((capability.word(config, 0)? >> 16) as u16 & 0x7ff) + 1;
        let place = capability.word(config, 4)?;
        let len = u32::from(vectors) * MSIX_ENTRY as u32;
        let table = bars.region((place & 0b111) as u8, place & !0b111, len)?;
        Ok(Some(Self { capability, vectors, table }))
    }

    /// Entries in the table.
    #[must_use]
    pub const fn vectors(&self) -> u16 {
        self.vectors
    }

    /// Where the table is.
    #[must_use]
    pub const fn table(&self) -> Region {
        self.table
    }

    /// Writes one message to each of the first entries, unmasked, masks the others, and turns MSI-X on.
    ///
    /// `table` is [`Msix::table`], mapped. Messages beyond the table's size are left out.
    pub fn program(&self, config: &dyn ConfigSpace, table: &impl Registers, messages: &[Message]) {
        let control = config.read(self.capability.offset);
        // All are masked while the table is half written.
        config.write(self.capability.offset, control | MSIX_ENABLE | MSIX_MASK_ALL);
        for vector in 0..usize::from(self.vectors) {
            let entry = vector * MSIX_ENTRY;
            let Some(message) = messages.get(vector) else {
                table.write32(entry + 12, 1);
                continue;
            };
            table.write32(entry, message.address as u32);
            table.write32(entry + 4, (message.address >> 32) as u32);
            table.write32(entry + 8, message.data);
            table.write32(entry + 12, 0);
        }
        config.write(self.capability.offset, (control | MSIX_ENABLE) & !MSIX_MASK_ALL);
    }
}

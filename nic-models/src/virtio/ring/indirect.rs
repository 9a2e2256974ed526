//! Tables of buffers beside a ring: a long chain takes one of its descriptors (virtio 1.2 §2.7.5.3, §2.8.8).
//!
//! What a table buys is room: a ring of 256 descriptors holds 7 segments of 64 KiB in slots of 2 KiB, and with tables 8
//! more. Its price is a descriptor more to write, and for the device a look at memory elsewhere. Instructions to queue and
//! take back one packet of 32 parts (callgrind, x86-64): in a split ring 7,830 without and 8,035 with a table, in a packed
//! one 8,508 and 7,703; with 8 parts 2,262 and 2,419, 2,436 and 2,327. So chains are long from [`LONG`] buffers on: a
//! segment that the device is to cut. When every table is out they lie in the ring all the same.
//!
//! Invariant: a table is free, or out with one chain of the ring; it is written only while it is free.

use super::{Buffer, Format, Refused};
use crate::dma::Area;
use crate::platform::Platform;
use crate::private::Table;

/// Buffers from which on a chain goes into a table: shorter ones cost the ring less than a table costs.
pub(super) const LONG: usize = 8;
/// Buffers in a table.
pub(in crate::virtio) const TABLE_SIZE: usize = 49;

const ENTRY: usize = 16;
const TABLE_LEN: usize = ENTRY * TABLE_SIZE;
const NEXT: u32 = 1;

/// `COUNT` tables, at most 32.
pub(super) struct Tables<H, const COUNT: usize> {
    area: Area,
    format: Format,
    /// What the buffers of each table hold.
    held: Table<[Option<H>; TABLE_SIZE]>,
    /// A bit for each table that is free.
    free: u32,
}

impl<H, const COUNT: usize> Tables<H, COUNT> {
    /// Tables in memory of [`len`] bytes.
    pub(super) fn new(platform: &impl Platform, area: Area, format: Format) -> Option<Self> {
        let held = Table::new(platform, COUNT, |_| [const { None }; TABLE_SIZE])?;
        Some(Self { area, format, held, free: Self::ALL })
    }

    const ALL: u32 = if COUNT == 32 { u32::MAX } else { (1 << COUNT) - 1 };

    pub(super) fn has_free(&self) -> bool {
        self.free != 0
    }

    /// Writes a free table; returns its number, and where it lies for a descriptor of the ring.
    pub(super) fn fill(
        &mut self,
        buffers: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(u8, Buffer<H>), Refused> {
        let number = self.free.trailing_zeros() as usize;
        let held = self.held.get_mut(number).ok_or(Refused::Full)?;
        let start = number * TABLE_LEN;
        let mut count = 0;
        let mut refused = None;
        for buffer in buffers {
            let Some(buffer) = buffer else {
                refused = Some(Refused::Unreachable);
                break;
            };
            let Some(place) = held.get_mut(count) else {
                refused = Some(Refused::Full);
                break;
            };
            let at = start + count * ENTRY;
            // In a packed ring's table order alone says what follows (§2.8.8).
            if count > 0 && self.format == Format::Split {
                self.area.write32(at - ENTRY + 12, (count as u32) << 16 | NEXT);
            }
            let [low, high, len] = buffer.words();
            self.area.write_words(at, [low, high, len, 0]);
            *place = buffer.held;
            count += 1;
        }
        if let Some(refused) = refused {
            held[..count].fill_with(|| None);
            return Err(refused);
        }
        self.free &= !(1 << number);
        let table = Buffer { bus: self.area.bus(start), len: (count * ENTRY) as u32, held: None };
        Ok((number as u8, table))
    }

    /// Lets go what table `number` holds.
    pub(super) fn release(&mut self, number: u8) {
        // The first buffer may hold nothing; behind it the first that holds nothing is the end.
        let held = &mut self.held[usize::from(number)];
        held[0] = None;
        for place in &mut held[1..] {
            if place.take().is_none() {
                break;
            }
        }
        self.free |= 1 << number;
    }

    pub(super) fn reset(&mut self) {
        self.held.as_flattened_mut().fill_with(|| None);
        self.free = Self::ALL;
    }

    /// Lets go what all tables hold, and gives the notes of it back: the last call.
    pub(super) fn give_back(&mut self, platform: &impl Platform) {
        self.held.release(platform);
    }

    /// [`Tables::give_back`] that forgets what is held, without freeing it.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.held.abandon(platform);
    }
}

/// Bytes of `count` tables.
pub(super) const fn len(count: usize) -> usize {
    count * TABLE_LEN
}

//! A virtqueue, the driver's side: one face over the split ring and the packed one (virtio 1.2 §2.7, §2.8).
//!
//! | file | what it is |
//! |---|---|
//! | `chains` | the private memory of both: which entries are in use, and what they hold |
//! | `split` | descriptor table, available ring, used ring |
//! | `packed` | one table of descriptors that both sides write |
//! | `indirect` | tables of buffers for long chains |
//!
//! Invariant: which entries are in use, what they hold and how they are linked is kept in private memory, and shared
//! memory is written and never read back. What the device says is read once, and checked against what it was given.

mod chains;
mod indirect;
mod packed;
mod split;

use lendwire_nic::Fault;

use self::chains::Chains;
pub(super) use self::indirect::TABLE_SIZE;
use self::indirect::{LONG, Tables};
use self::packed::Packed;
use self::split::Split;
use crate::dma::Area;
use crate::platform::Platform;

/// Descriptors that a ring has at the most; a device that offers more is given these.
pub(super) const RING_SIZE: usize = 256;

/// A run of bytes for the device, and what keeps it in place meanwhile.
pub(super) struct Buffer<H> {
    pub(super) bus: u64,
    pub(super) len: u32,
    pub(super) held: Option<H>,
}

impl<H> Buffer<H> {
    /// What a descriptor of either ring, and of a table, begins with: address and length (§2.7.5, §2.8.1).
    fn words(&self) -> [u32; 3] {
        [self.bus as u32, (self.bus >> 32) as u32, self.len]
    }
}

/// What the device may do with the buffers of a chain.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    Read,
    Write,
    /// It reads all but the last, to which it writes its answer.
    Answered,
    /// It reads a table, and what that leads to.
    Table,
}

/// Flags of a descriptor that §2.7.5 and §2.8.1 number alike.
const WRITE: u16 = 2;
const INDIRECT: u16 = 4;

impl Access {
    /// The flags of a buffer that others follow, and of the last one.
    fn flags(self) -> (u16, u16) {
        match self {
            Self::Read => (0, 0),
            Self::Write => (WRITE, WRITE),
            Self::Answered => (0, WRITE),
            Self::Table => (0, INDIRECT),
        }
    }
}

/// Why a chain was not queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refused {
    /// Too few descriptors are free.
    Full,
    /// The device cannot reach a buffer.
    Unreachable,
}

/// A chain that the device is done with.
pub(super) struct Completed<H> {
    /// Its number: what [`Ring::next_head`] was before it was queued.
    pub(super) head: usize,
    /// What its first descriptor held.
    pub(super) first: Option<H>,
    /// Bytes that the device says it wrote.
    pub(super) written: usize,
}

/// What a look at the plainest kind of chain shows.
pub(super) enum Plainly<T> {
    /// The device is not done with anything.
    Nothing,
    Done(T),
    /// It is something else: [`Ring::complete`] says what.
    Otherwise,
}

/// When an interrupt is wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Wish {
    /// With the next chain that is done.
    Next,
    /// When most of what is in flight is done: a processor is not woken for less.
    Most,
}

/// The two kinds of ring.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Format {
    /// §2.7.
    Split,
    /// §2.8, where it was agreed on (RING_PACKED).
    Packed,
}

/// How a ring lies in memory and what was agreed about it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub(super) format: Format,
    /// Descriptors, at most [`RING_SIZE`]; a power of two in a split ring.
    pub(super) size: u16,
    /// Whether notifications are asked for by index (EVENT_IDX).
    pub(super) event_index: bool,
    /// Whether long chains may lie in tables (INDIRECT_DESC).
    pub(super) indirect: bool,
}

impl Shape {
    /// The same for `slots` buffers of one descriptor each, where it has room for more. A power of two, which any ring
    /// may be.
    pub(super) fn for_slots(self, slots: usize) -> Self {
        if usize::from(self.size) <= slots { self } else { self.at_most(1 << slots.max(2).ilog2()) }
    }

    /// The same with `most` descriptors, where it has more.
    pub(super) fn at_most(self, most: u16) -> Self {
        Self { size: self.size.min(most), ..self }
    }

    /// Bytes that such a ring takes with `tables` tables, to be aligned to 64.
    pub(super) fn len(self, tables: usize) -> usize {
        self.ring_len() + if self.indirect { indirect::len(tables).next_multiple_of(64) } else { 0 }
    }

    fn ring_len(self) -> usize {
        match self.format {
            Format::Split => split::len(self.size),
            Format::Packed => packed::len(self.size),
        }
    }
}

/// One virtqueue. `H` is what a descriptor holds while the device may use its bytes; `TABLES` is how many long chains may
/// lie beside it.
pub(super) struct Ring<H, const TABLES: usize = 0> {
    chains: Chains<H>,
    half: Half,
    tables: Option<Tables<H, TABLES>>,
}

/// The memory that is shared, by what was agreed on. Which one it is never changes: the branch is always guessed right.
enum Half {
    Split(Split),
    Packed(Packed),
}

impl<H, const TABLES: usize> Ring<H, TABLES> {
    /// A ring in zeroed memory of [`Shape::len`] bytes; `None` where there is no memory for its notes. Interrupts are
    /// masked.
    pub(super) fn new(platform: &impl Platform, area: Area, shape: Shape) -> Option<Self> {
        let chains = Chains::new(platform, shape.size)?;
        let (area, rest) = area.split(shape.ring_len());
        let half = match shape.format {
            Format::Split => Half::Split(Split::new(area, shape)),
            Format::Packed => Half::Packed(Packed::new(area, shape)),
        };
        // Without memory for their notes there are no tables: long chains lie in the ring.
        let has_tables = shape.indirect && TABLES > 0;
        let tables = if has_tables { Tables::new(platform, rest, shape.format) } else { None };
        Some(Self { chains, half, tables })
    }

    /// Where the device finds its three parts: the descriptors, what the driver writes, what the device writes.
    pub(super) fn bus(&self) -> [u64; 3] {
        match &self.half {
            Half::Split(ring) => ring.bus(),
            Half::Packed(ring) => ring.bus(),
        }
    }

    /// Descriptors in all.
    pub(super) fn size(&self) -> usize {
        self.chains.size()
    }

    /// Descriptors that are free.
    pub(super) fn room(&self) -> usize {
        self.chains.room()
    }

    /// Whether a chain of `count` buffers finds room.
    pub(super) fn fits(&self, count: usize) -> bool {
        self.room() >= if self.table_for(count).is_some() { 1 } else { count }
    }

    fn table_for(&self, count: usize) -> Option<&Tables<H, TABLES>> {
        self.tables.as_ref().filter(|tables| (LONG..=TABLE_SIZE).contains(&count) && tables.has_free())
    }

    /// Whether the device has nothing.
    pub(super) fn is_idle(&self) -> bool {
        self.room() == self.size()
    }

    /// The number of the next chain, below [`Ring::size`]: no other chain has it as long as the device has this one.
    pub(super) fn next_head(&self) -> usize {
        self.chains.next_head() as usize
    }

    /// Queues one chain of `first` and the `rest`, all of it or nothing; a `None` among them is one that the device cannot
    /// reach.
    pub(super) fn push(
        &mut self,
        access: Access,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(), Refused> {
        match &mut self.half {
            Half::Split(ring) => ring.push(&mut self.chains, access, first, rest),
            Half::Packed(ring) => ring.push(&mut self.chains, access, first, rest),
        }
    }

    /// [`Ring::push`] for one buffer, where there is [room](Ring::room).
    #[inline(always)]
    pub(super) fn push_one(&mut self, access: Access, buffer: Buffer<H>) {
        match &mut self.half {
            Half::Split(ring) => ring.push_one(&mut self.chains, access, buffer),
            Half::Packed(ring) => ring.push_one(&mut self.chains, access, buffer),
        }
    }

    /// [`Ring::push`] for two buffers that the device reads, each an address and a length, where there is
    /// [room](Ring::room) for both.
    #[inline(always)]
    pub(super) fn push_two(&mut self, buffers: [(u64, u32); 2], hold: impl FnOnce() -> H) {
        match &mut self.half {
            Half::Split(ring) => ring.push_two(&mut self.chains, buffers, hold),
            Half::Packed(ring) => ring.push_two(&mut self.chains, buffers, hold),
        }
    }

    /// [`Ring::push`] for `count` buffers that the device reads: in a table, if they are many.
    pub(super) fn push_readable(
        &mut self,
        count: usize,
        first: Buffer<H>,
        rest: impl Iterator<Item = Option<Buffer<H>>>,
    ) -> Result<(), Refused> {
        if self.table_for(count).is_none() || self.room() == 0 {
            return self.push(Access::Read, first, rest);
        }
        let Some(tables) = &mut self.tables else { return Err(Refused::Full) };
        let (number, table) = tables.fill(core::iter::once(Some(first)).chain(rest))?;
        self.chains.note_table(number);
        self.push(Access::Table, table, core::iter::empty())
    }

    /// Whether chains were queued that the device wants to be told of. Once a burst.
    pub(super) fn must_kick(&mut self) -> bool {
        match &mut self.half {
            Half::Split(ring) => ring.must_kick(),
            Half::Packed(ring) => ring.must_kick(),
        }
    }

    /// Takes the next chain that the device is done with.
    ///
    /// # Errors
    /// The device completed what it was not given: no word of it can be trusted any more.
    // As a call it hands over a slot in memory, for every frame.
    #[inline(always)]
    pub(super) fn complete(&mut self) -> Result<Option<Completed<H>>, Fault> {
        let done = match &mut self.half {
            Half::Split(ring) => ring.done()?,
            Half::Packed(ring) => ring.done(),
        };
        let Some((id, written)) = done else { return Ok(None) };
        let first = self.take_back(id)?;
        Ok(Some(Completed { head: id as usize, first, written }))
    }

    /// Chain `id` is done: what its first descriptor held.
    fn take_back(&mut self, id: u32) -> Result<Option<H>, Fault> {
        let released = self.chains.release(id)?;
        self.pass(released.count);
        if let (Some(tables), Some(number)) = (&mut self.tables, released.table) {
            tables.release(number);
        }
        Ok(released.first)
    }

    /// The chain of `count` descriptors that was done is taken.
    #[inline(always)]
    fn pass(&mut self, count: u32) {
        match &mut self.half {
            Half::Split(ring) => ring.pass(),
            Half::Packed(ring) => ring.pass(count as u16),
        }
    }

    /// What the next chain that the device is done with holds, and how many bytes the device says it wrote, if the chain is
    /// of one buffer and comes back in order. Nothing changes by that. The kind of ring is said, for what both have in common
    /// costs more than each.
    #[inline(always)]
    pub(super) fn plain<const PACKED: bool>(&mut self) -> Plainly<(&mut H, usize)> {
        match &mut self.half {
            Half::Split(ring) if !PACKED => ring.plain(&mut self.chains),
            Half::Packed(ring) if PACKED => ring.plain(&mut self.chains),
            Half::Split(_) | Half::Packed(_) => Plainly::Otherwise,
        }
    }

    /// Which of both it is.
    #[inline(always)]
    pub(super) fn is_packed(&self) -> bool {
        matches!(self.half, Half::Packed(_))
    }

    /// [`Ring::complete`] of what [`Ring::plain`] has shown.
    #[inline(always)]
    pub(super) fn complete_plain(&mut self) -> Option<H> {
        let held = self.chains.release_oldest()?;
        self.pass(1);
        Some(held)
    }

    /// Takes all chains that the device is done with, and lets go what they hold.
    ///
    /// # Errors
    /// As for [`Ring::complete`].
    #[inline(always)]
    pub(super) fn collect(&mut self) -> Result<(), Fault> {
        loop {
            let done = match &mut self.half {
                Half::Split(ring) => ring.done()?,
                Half::Packed(ring) => ring.done(),
            };
            let Some((id, _)) = done else { return Ok(()) };
            match self.chains.drop_oldest(id) {
                Some(count) => self.pass(count),
                None => self.collect_other(id)?,
            }
        }
    }

    /// Takes back chain `id`, which is done.
    #[inline(never)]
    fn collect_other(&mut self, id: u32) -> Result<(), Fault> {
        self.take_back(id).map(|_| ())
    }

    /// Whether nothing was queued since [`Ring::must_kick`], so that there is nothing to be told of.
    #[inline(always)]
    pub(super) fn is_shown(&self) -> bool {
        match &self.half {
            Half::Split(ring) => ring.is_shown(),
            Half::Packed(ring) => ring.is_shown(),
        }
    }

    /// Whether the device was shown all that was queued, and what was asked of interrupts stands for all that it was done with.
    #[inline(always)]
    pub(super) fn is_settled(&self) -> bool {
        match &self.half {
            Half::Split(ring) => ring.is_settled(),
            Half::Packed(ring) => ring.is_shown(),
        }
    }

    /// Whether the device may be done with something.
    #[inline(always)]
    pub(super) fn is_done(&self) -> bool {
        match &self.half {
            Half::Split(ring) => ring.is_done(),
            Half::Packed(ring) => ring.is_done(),
        }
    }

    /// Asks for no interrupt.
    pub(super) fn mask(&mut self) {
        match &mut self.half {
            Half::Split(ring) => ring.mask(),
            Half::Packed(ring) => ring.mask(),
        }
    }

    /// [`Ring::mask`] again, if it is masked and what was asked for does not last. Once a burst.
    pub(super) fn keep_masked(&mut self) {
        match &mut self.half {
            Half::Split(ring) => ring.keep_masked(),
            Half::Packed(_) => {}
        }
    }

    /// Asks for an interrupt. Returns whether what it would tell has happened already.
    ///
    /// # Errors
    /// As for [`Ring::complete`].
    pub(super) fn arm(&mut self, wish: Wish) -> Result<bool, Fault> {
        match &mut self.half {
            Half::Split(ring) => ring.arm(wish),
            Half::Packed(ring) => Ok(ring.arm(wish)),
        }
    }

    /// Lets go what a device that has stopped held, and is as new: its memory is zeroed.
    pub(super) fn reset(&mut self) {
        self.chains.reset();
        if let Some(tables) = &mut self.tables {
            tables.reset();
        }
        match &mut self.half {
            Half::Split(ring) => ring.reset(),
            Half::Packed(ring) => ring.reset(),
        }
    }

    /// Lets go what a device that has stopped held, and gives the notes of it back: the last call.
    pub(super) fn release(&mut self, platform: &impl Platform) {
        self.chains.give_back(platform);
        if let Some(tables) = &mut self.tables {
            tables.give_back(platform);
        }
    }

    /// [`Ring::release`] of what a device may still use: that is not freed.
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.chains.abandon(platform);
        if let Some(tables) = &mut self.tables {
            tables.abandon(platform);
        }
    }
}

/// Whether stepping an index from `old` to `new` passes `event` (virtio 1.2 §2.7.10: all modulo 65,536).
fn is_passed(event: u16, new: u16, old: u16) -> bool {
    new.wrapping_sub(event).wrapping_sub(1) < new.wrapping_sub(old)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::is_passed;

    /// The rule of virtio 1.2 §2.7.10 on indices that never wrap: `event` is the next multiple of 65,536 plus the event
    /// index at or behind `old`, and is passed when it lies before `new`.
    fn is_passed_wide(event: u16, new: u64, old: u64) -> bool {
        let event = (old..old + 65_536).find(|index| *index as u16 == event).expect("every residue occurs");
        event < new
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 4 } else { 2_000 }))]

        #[test]
        fn the_event_index_compares_as_wide_integers_do(old in 0u64..1 << 40, steps in 0u64..65_536, event: u16) {
            let new = old + steps;
            prop_assert_eq!(is_passed(event, new as u16, old as u16), is_passed_wide(event, new, old));
        }

        #[test]
        fn near_misses_compare_as_wide_integers_do(old in 65_000u64..66_000, steps in 0u64..300, ahead in 0u64..300) {
            let (new, event) = (old + steps, (old + ahead) as u16);
            prop_assert_eq!(is_passed(event, new as u16, old as u16), is_passed_wide(event, new, old));
        }
    }
}

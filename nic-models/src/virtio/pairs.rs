//! All pairs of queues that one driver polls, and how frames are spread over them.
//!
//! Invariant: a flow's packets leave by one pair, in order; frames are taken from every pair in turn. The first pair
//! lies in the driver, the others in storage that the caller hands in: nothing is allocated.

use lendwire_nic::Pool;

use super::features::Features;
use super::pair::{Intake, Pair, pair_vectors};
use super::probe::{ProbeError, pairs as pairs_of};
use super::transport::{Stopped, Transport};
use crate::platform::Platform;
use crate::registers::Registers;

/// Storage for one pair of queues beyond the first: less than a KiB.
pub struct PairSlot(Option<Pair>);
const _: () = assert!(size_of::<PairSlot>() <= 1024);

impl PairSlot {
    /// Storage that no pair is in.
    pub const EMPTY: Self = Self(None);
}

/// Storage for pairs beyond the first: static, or boxed with the `alloc` feature, and then freed with the driver.
pub struct PairStorage(Slots);

enum Slots {
    Static(&'static mut [PairSlot]),
    #[cfg(feature = "alloc")]
    Boxed(alloc::boxed::Box<[PairSlot]>),
}

impl PairStorage {
    /// Room for no pair.
    pub(super) const fn none() -> Self {
        Self(Slots::Static(&mut []))
    }

    fn slots(&mut self) -> &mut [PairSlot] {
        match &mut self.0 {
            Slots::Static(slots) => slots,
            #[cfg(feature = "alloc")]
            Slots::Boxed(slots) => slots,
        }
    }
}

impl From<&'static mut [PairSlot]> for PairStorage {
    fn from(slots: &'static mut [PairSlot]) -> Self {
        Self(Slots::Static(slots))
    }
}

#[cfg(feature = "alloc")]
impl From<alloc::boxed::Box<[PairSlot]>> for PairStorage {
    fn from(slots: alloc::boxed::Box<[PairSlot]>) -> Self {
        Self(Slots::Boxed(slots))
    }
}

/// The pairs.
pub(super) struct Pairs {
    first: Pair,
    more: PairStorage,
    /// Pairs that the device was given.
    count: u16,
    /// Pairs in use: those that the device was told to use.
    used: u16,
    /// Where the next frame is looked for, and how many may still come from there before it is another's turn.
    turn: u16,
    left: u16,
}

/// Frames taken from one pair before the next one is looked at: those of one flow come together, so that they can be
/// made one.
const TURN: u16 = 16;

/// Slots that each of several pairs has to receive into at least, where its ring is as long: enough for a large frame
/// (33) while another one arrives. A pool of fewer slots serves fewer pairs.
const LEAST: usize = 64;

impl Pairs {
    /// As many pairs as the device has, `more` has room for beside the first, and `receive` has slots for.
    pub(super) fn new<R: Registers>(
        transport: &Transport<R>,
        features: Features,
        platform: &impl Platform,
        receive: &'static Pool,
        mut more: PairStorage,
        mtu: u16,
        stopped: &Stopped,
    ) -> Result<Self, ProbeError> {
        let there = usize::from(pairs_of(transport, features)?).min(1 + more.slots().len());
        let least = usize::from(transport.queue_size(0)).clamp(1, LEAST);
        let wanted = there.min(receive.slots() / least).max(1);
        // A pair alone may have all slots; one of several may not have those of the others.
        let share = if wanted > 1 { receive.slots() / wanted } else { usize::MAX };
        let intake = Intake { pool: receive, share, mtu };
        let new = |number| Pair::new(number, transport, features, platform, intake, stopped);
        let first = new(0)?;
        let mut count = 1;
        for slot in &mut more.slots()[..wanted - 1] {
            let Ok(pair) = new(count) else { break };
            slot.0 = Some(pair);
            count += 1;
        }
        Ok(Self { first, more, count, used: 1, turn: 0, left: TURN })
    }

    /// Hands the queues of every pair to the device.
    pub(super) fn connect<R: Registers>(
        &mut self,
        transport: &Transport<R>,
        vectors: u16,
        platform: &impl Platform,
    ) -> Result<(), ProbeError> {
        let mut all = self.all().zip(0..);
        all.try_for_each(|(pair, number)| pair.connect(transport, pair_vectors(number, vectors), platform))
    }

    /// Pairs that the device could use.
    pub(super) fn count(&self) -> u16 {
        self.count
    }

    /// Pairs that it does use.
    pub(super) fn used(&self) -> u16 {
        self.used
    }

    /// The device was told to use `count` pairs.
    pub(super) fn set_used(&mut self, count: u16) {
        self.used = count.min(self.count);
        (self.turn, self.left) = (0, TURN);
    }

    /// Every pair that the device was given.
    pub(super) fn all(&mut self) -> impl Iterator<Item = &mut Pair> {
        core::iter::once(&mut self.first).chain(self.more.slots().iter_mut().filter_map(|slot| slot.0.as_mut()))
    }

    /// The pair that there always is.
    pub(super) fn first(&mut self) -> &mut Pair {
        &mut self.first
    }

    /// Pair `number`, which is below [`Pairs::count`].
    pub(super) fn pair(&mut self, number: u16) -> &mut Pair {
        let more = match number.checked_sub(1) {
            None => None,
            Some(index) => self.more.slots().get_mut(usize::from(index)).and_then(|slot| slot.0.as_mut()),
        };
        more.unwrap_or(&mut self.first)
    }

    /// The pair that a flow's packets leave by.
    pub(super) fn of_flow(&self, flow: u32) -> u16 {
        if self.used == 1 { 0 } else { (flow % u32::from(self.used)) as u16 }
    }

    /// The pair whose turn it is to be received from.
    pub(super) fn turn(&mut self) -> u16 {
        if self.left == 0 {
            self.pass();
        }
        self.turn
    }

    /// A frame was taken from that pair.
    pub(super) fn took(&mut self) {
        self.left -= 1;
    }

    /// It is the next pair's turn.
    pub(super) fn pass(&mut self) {
        self.turn = if self.turn + 1 < self.used { self.turn + 1 } else { 0 };
        self.left = TURN;
    }

    /// As new, after the device was reset.
    pub(super) fn reset(&mut self) {
        self.all().for_each(Pair::reset);
    }

    /// Gives everything back.
    pub(super) fn release(&mut self, platform: &impl Platform, stopped: &Stopped) {
        self.all().for_each(|pair| pair.release(platform, stopped));
    }

    /// See [`Pair::abandon`].
    pub(super) fn abandon(&mut self, platform: &impl Platform) {
        self.all().for_each(|pair| pair.abandon(platform));
    }
}

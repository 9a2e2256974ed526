//! What a connection holds while data arrives: the side table that keeps an idle connection small.
//!
//! Invariant: an intake that holds data from before its time is nobody else's to take. Another one knows only how much its
//! connection was reading, and may give way to a connection that needs the place; the window it grew stays. A connection
//! that finds no place keeps its window as it is, and what comes before its time is not kept.

use lendwire_nic::Chunk;

use super::blocks::NoRoom;
use super::byte_counts::Told;
use super::connection::Connection;
use super::reassembly::Reassembly;
use super::seq::Seq;
use super::shared::Shared;
use super::timestamps::Overtaken;
use super::window::Need;
use crate::slab::{Key, Slab, Slot};

/// How many places are looked at for one that may be taken.
const LOOKS: usize = 8;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Intake {
    pub(super) need: Need,
    pub(super) overtaken: Overtaken,
    pub(super) reassembly: Reassembly,
    /// What the peer is told of ECN codepoints, as long as this is remembered.
    pub(super) told: Option<Told>,
}

impl Intake {
    fn may_give_way(&self) -> bool {
        self.reassembly.is_empty()
    }
}

/// The table; storage is handed in.
#[derive(Debug)]
pub(super) struct Intakes<'s> {
    slab: Slab<'s, Intake>,
    /// The place that was last taken from somebody: all have their turn.
    hand: u32,
}

impl<'s> Intakes<'s> {
    pub(super) fn new(slots: &'s mut [Slot<Intake>]) -> Self {
        Self { slab: Slab::new(slots), hand: 0 }
    }

    pub(super) fn of(&self, key: Option<Key>) -> Option<&Intake> {
        self.slab.at(key?)
    }

    pub(super) fn of_mut(&mut self, key: Option<Key>) -> Option<&mut Intake> {
        self.slab.at_mut(key?)
    }

    fn take(&mut self, key: Option<Key>, fresh: impl FnOnce() -> Intake) -> Option<Key> {
        if let Some(key) = key.filter(|&key| self.slab.at(key).is_some()) {
            return Some(key);
        }
        if self.slab.is_full() {
            self.make_place();
        }
        self.slab.insert(fresh()).ok()
    }

    fn make_place(&mut self) {
        let places = self.slab.capacity() as u32;
        for _ in 0..LOOKS.min(places as usize) {
            self.hand = (self.hand + 1) % places;
            let idle = self.slab.by_index(self.hand).is_some_and(Intake::may_give_way);
            if let Some(key) = self.slab.key(self.hand).filter(|_| idle) {
                self.slab.remove(key);
                return;
            }
        }
    }
}

impl Connection {
    pub(super) fn intake<'i>(&self, shared: &'i Shared<'_>) -> Option<&'i Intake> {
        shared.intakes.of(self.intake)
    }

    /// The connection's intake, if it has one or a place is to be had.
    pub(super) fn take_intake<'i>(&mut self, shared: &'i mut Shared<'_>) -> Option<&'i mut Intake> {
        let Shared { intakes, config, .. } = shared;
        let fresh = || Intake {
            need: self.fresh_need(),
            overtaken: Overtaken::new(self.recent()),
            reassembly: Reassembly::NEW,
            told: self.fresh_told(config),
        };
        self.intake = intakes.take(self.intake, fresh);
        shared.intakes.of_mut(self.intake)
    }

    /// TS.Recent, if there is one.
    pub(super) fn recent(&self) -> u32 {
        self.stamps.map_or(0, |stamps| stamps.recent())
    }

    pub(super) fn has_holes(&self, shared: &Shared<'_>) -> bool {
        self.intake(shared).is_some_and(|intake| !intake.reassembly.is_empty())
    }

    /// What unread data pins.
    pub(super) fn charged(&self, shared: &Shared<'_>) -> u32 {
        self.receive.queue.charged() + self.kept(shared)
    }

    /// What of it waits behind holes.
    pub(super) fn kept(&self, shared: &Shared<'_>) -> u32 {
        self.intake(shared).map_or(0, |intake| intake.reassembly.charged())
    }

    /// The same, and how many bytes that are.
    pub(super) fn kept_and_ahead(&self, shared: &Shared<'_>) -> (u32, u32) {
        self.intake(shared).map_or((0, 0), |intake| (intake.reassembly.charged(), intake.reassembly.bytes()))
    }

    /// Keeps what of `chunk`, whose first byte is `start`, fills holes.
    pub(super) fn keep(&mut self, start: Seq, chunk: Chunk, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        self.take_intake(shared).ok_or(NoRoom)?;
        self.reassembles(shared, |reassembly, shared| reassembly.insert(start, chunk, shared)).unwrap_or(Err(NoRoom))
    }

    /// Keeps a FIN of number `at`.
    pub(super) fn keep_fin(&mut self, at: Seq, shared: &mut Shared<'_>) -> Result<(), NoRoom> {
        self.take_intake(shared).ok_or(NoRoom)?;
        self.reassembles(shared, |reassembly, shared| reassembly.insert_fin(at, shared)).unwrap_or(Err(NoRoom))
    }

    /// The next chunk of what was kept, if it comes next.
    pub(super) fn next_kept(&mut self, shared: &mut Shared<'_>) -> Option<Chunk> {
        let next = self.receive.nxt;
        self.reassembles(shared, |reassembly, shared| reassembly.pop(next, shared)).flatten()
    }

    /// Whether the FIN comes next, all kept data being gone by [`Connection::next_kept`].
    pub(super) fn has_kept_fin(&self, shared: &Shared<'_>) -> bool {
        self.intake(shared).is_some_and(|intake| intake.reassembly.has_fin(self.receive.nxt, shared))
    }

    pub(super) fn drop_kept(&mut self, shared: &mut Shared<'_>) {
        self.reassembles(shared, |reassembly, shared| reassembly.clear(shared));
    }

    /// Gives the intake back.
    pub(super) fn leave_intake(&mut self, shared: &mut Shared<'_>) {
        self.drop_kept(shared);
        if let Some(key) = self.intake.take() {
            shared.intakes.slab.remove(key);
        }
    }

    fn reassembles<'s, R>(
        &mut self,
        shared: &mut Shared<'s>,
        change: impl FnOnce(&mut Reassembly, &mut Shared<'s>) -> R,
    ) -> Option<R> {
        let mut reassembly = self.intake(shared)?.reassembly;
        let result = change(&mut reassembly, shared);
        if let Some(intake) = shared.intakes.of_mut(self.intake) {
            intake.reassembly = reassembly;
        }
        Some(result)
    }
}

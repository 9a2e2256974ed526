//! Who on the link has which address: one cache for ARP and neighbour discovery.
//!
//! Invariant: an entry is made by our own wish to send, or by somebody who speaks to us; never by an answer that was
//! not asked for (RFC 4861 §7.2.5). The table is bounded: a new entry takes the place of one that was not sent to for
//! [`PINNED`]; if there is none, it is not made. Lookups are keyed (SipHash) and cost the same however full it is.
//! RFC 4861 §7.3 (the states), RFC 1122 §2.3.2 (the same for ARP). Left out: proxy advertisements, anycast delays.

mod table;

use core::net::IpAddr;

use lendwire_nic::MacAddress;
use siphasher::sip::SipHasher13;

use crate::link::{Alarm, InterfaceId};
use crate::time::{Instant, Span};

/// RFC 4861 §10: MAX_MULTICAST_SOLICIT and MAX_UNICAST_SOLICIT.
const MAX_SOLICIT: u8 = 3;
/// RFC 4861 §10: DELAY_FIRST_PROBE_TIME, in which a transport may confirm that the neighbour is alive.
const DELAY_FIRST_PROBE: Span = Span::from_secs(5);
/// For how long a neighbour that did not answer is not asked again (RFC 1122 §2.3.2.1 wants floods prevented).
const HOLD_DOWN: Span = Span::from_secs(3);
/// Who was sent to within this time keeps its entry.
const PINNED: Span = Span::from_secs(10);
/// How many entries are looked at for one that may go.
const EVICTION_REACH: usize = 8;
const NIL: u32 = u32::MAX;

/// Room for one neighbour, and for one list of the hash table.
#[derive(Debug)]
pub struct NeighbourSlot {
    /// The first entry of the list with this number.
    bucket: u32,
    /// The next entry of the list that this entry is on; the next free place while there is none.
    next: u32,
    /// Who was used next after this one.
    newer: u32,
    /// Who was used last before this one.
    older: u32,
    neighbour: Option<Neighbour>,
}

impl NeighbourSlot {
    /// An empty place.
    pub const EMPTY: Self = Self { bucket: NIL, next: NIL, newer: NIL, older: NIL, neighbour: None };
}

#[derive(Debug)]
struct Neighbour {
    interface: InterfaceId,
    address: IpAddr,
    mac: MacAddress,
    state: State,
    /// When the state ends by itself; means nothing in `Stale`.
    deadline: Instant,
    /// When we last sent to it.
    used: Option<Instant>,
    retransmission: Span,
    is_router: bool,
}

/// RFC 4861 §7.3.2, and `Silent` for the hold-down after it did not answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Incomplete { asked: u8 },
    Reachable,
    Stale,
    Delay,
    Probe { asked: u8 },
    Silent,
}

/// An interface's times (RFC 4861 §6.3.2).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Timing {
    /// For how long a neighbour that answered counts as reachable.
    pub(crate) reachable: Span,
    /// Between two solicitations.
    pub(crate) retransmission: Span,
}

/// What is known of a next hop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Resolution {
    Known(MacAddress),
    /// There is no entry: see [`Neighbours::ask`].
    Unknown,
    /// It is being asked for.
    Asking,
    /// It must be asked for, now.
    Ask(Solicit),
    /// It did not answer.
    Silent,
}

/// A question that must go out.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Solicit {
    pub(crate) interface: InterfaceId,
    pub(crate) address: IpAddr,
    /// Whom to ask; everybody, if it is not known.
    pub(crate) to: Option<MacAddress>,
}

/// What a neighbour says of its own address (RFC 4861 §4.4).
#[derive(Clone, Copy, Debug)]
pub(crate) struct Advertisement {
    pub(crate) mac: Option<MacAddress>,
    pub(crate) solicited: bool,
    pub(crate) overriding: bool,
    /// ARP does not say.
    pub(crate) router: Option<bool>,
}

/// Whether anybody was waiting for an advertisement.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Heard {
    /// There is no entry for the address, or it was asked for and the hardware address is missing.
    Unasked,
    Noted,
    /// Who was a router is none any more (RFC 4861 §7.2.5).
    RouterNoMore,
}

/// The cache.
#[derive(Debug)]
pub(crate) struct Neighbours<'s> {
    slots: &'s mut [NeighbourSlot],
    hasher: SipHasher13,
    free: u32,
    newest: u32,
    oldest: u32,
    alarm: Alarm,
    /// The place that a walk over all entries has come to.
    walk: Option<usize>,
    resolved: bool,
    /// How often somebody may have fallen silent, or is silent no more.
    silences: u64,
}

impl<'s> Neighbours<'s> {
    pub(crate) fn new(slots: &'s mut [NeighbourSlot], secret: &[u8; 16]) -> Self {
        let count = u32::try_from(slots.len()).expect("a table has fewer than 2^32 places");
        for (slot, next) in slots.iter_mut().zip(1..) {
            *slot = NeighbourSlot { next: if next == count { NIL } else { next }, ..NeighbourSlot::EMPTY };
        }
        let free = if count == 0 { NIL } else { 0 };
        let hasher = SipHasher13::new_with_key(secret);
        Self {
            slots,
            hasher,
            free,
            newest: NIL,
            oldest: NIL,
            alarm: Alarm::OFF,
            walk: None,
            resolved: false,
            silences: 0,
        }
    }

    /// The hardware address to send to, if it is known; the wish to send to it is noted.
    pub(crate) fn resolve(&mut self, interface: InterfaceId, address: IpAddr, now: Instant) -> Resolution {
        let Some(index) = self.find(interface, address) else { return Resolution::Unknown };
        self.touch(index, now);
        let neighbour = self.neighbour_mut(index);
        match neighbour.state {
            State::Reachable if now < neighbour.deadline => Resolution::Known(neighbour.mac),
            // RFC 4861 §7.3.3: the first packet to a stale neighbour starts the delay before it is probed.
            State::Reachable | State::Stale => {
                neighbour.state = State::Delay;
                neighbour.deadline = now + DELAY_FIRST_PROBE;
                let (mac, deadline) = (neighbour.mac, neighbour.deadline);
                self.alarm.set(deadline);
                Resolution::Known(mac)
            }
            State::Delay | State::Probe { .. } => Resolution::Known(neighbour.mac),
            State::Incomplete { .. } => Resolution::Asking,
            State::Silent if now < neighbour.deadline => Resolution::Silent,
            State::Silent => {
                neighbour.state = State::Incomplete { asked: 1 };
                neighbour.deadline = now + neighbour.retransmission;
                let deadline = neighbour.deadline;
                self.silences += 1;
                self.alarm.set(deadline);
                Resolution::Ask(Solicit { interface, address, to: None })
            }
        }
    }

    /// Makes an entry for an address that has none, to send to it. If no place can be had, it is worth to try again
    /// after a while.
    pub(crate) fn ask(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        timing: Timing,
        now: Instant,
    ) -> Option<Solicit> {
        self.alarm.set(now + timing.retransmission);
        let index = self.insert(interface, address, timing, now)?;
        self.touch(index, now);
        Some(Solicit { interface, address, to: None })
    }

    /// Whether `address` was asked for and did not answer.
    pub(crate) fn is_silent(&self, interface: InterfaceId, address: IpAddr) -> bool {
        self.find(interface, address).is_some_and(|index| self.neighbour(index).state == State::Silent)
    }

    /// How often what [`Neighbours::is_silent`] says may have changed.
    pub(crate) const fn silences(&self) -> u64 {
        self.silences
    }

    /// A transport knows that packets reach the neighbour (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, interface: InterfaceId, address: IpAddr, timing: Timing, now: Instant) {
        let Some(index) = self.find(interface, address) else { return };
        let neighbour = self.neighbour_mut(index);
        match neighbour.state {
            State::Reachable | State::Stale | State::Delay | State::Probe { .. } => {
                neighbour.state = State::Reachable;
                neighbour.deadline = now + timing.reachable;
            }
            State::Incomplete { .. } | State::Silent => {}
        }
    }

    /// A transport gets no answers by way of the neighbour: that it is reachable counts no longer.
    pub(crate) fn suspect(&mut self, interface: InterfaceId, address: IpAddr) {
        let Some(index) = self.find(interface, address) else { return };
        let neighbour = self.neighbour_mut(index);
        match neighbour.state {
            State::Reachable => neighbour.state = State::Stale,
            State::Stale | State::Delay | State::Probe { .. } | State::Incomplete { .. } | State::Silent => {}
        }
    }

    /// `address` has just spoken to us from `mac`, by a request or a solicitation: an entry is made if there is none
    /// (RFC 826, RFC 4861 §7.2.3, §6.3.4).
    pub(crate) fn on_mention(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        mac: MacAddress,
        timing: Timing,
        now: Instant,
    ) {
        let Some(index) = self.find(interface, address) else {
            if let Some(index) = self.insert(interface, address, timing, now) {
                let neighbour = self.neighbour_mut(index);
                (neighbour.mac, neighbour.state) = (mac, State::Stale);
            }
            return;
        };
        let neighbour = self.neighbour_mut(index);
        let waiting = matches!(neighbour.state, State::Incomplete { .. } | State::Silent);
        if waiting || neighbour.mac != mac {
            (neighbour.mac, neighbour.state) = (mac, State::Stale);
        }
        self.resolved |= waiting;
        self.silences += u64::from(waiting);
    }

    /// `address` announces or answers (RFC 4861 §7.2.5; an ARP reply is an advertisement that overrides).
    pub(crate) fn on_advertisement(
        &mut self,
        interface: InterfaceId,
        address: IpAddr,
        said: Advertisement,
        timing: Timing,
        now: Instant,
    ) -> Heard {
        let Some(index) = self.find(interface, address) else { return Heard::Unasked };
        let neighbour = self.neighbour_mut(index);
        let was_router = neighbour.is_router;
        if matches!(neighbour.state, State::Incomplete { .. } | State::Silent) {
            let Some(mac) = said.mac else { return Heard::Unasked };
            neighbour.mac = mac;
            neighbour.state = if said.solicited { State::Reachable } else { State::Stale };
            neighbour.deadline = now + timing.reachable;
            neighbour.is_router = said.router.unwrap_or(was_router);
            self.resolved = true;
            self.silences += 1;
            return Heard::Noted;
        }
        let differs = said.mac.is_some_and(|mac| mac != neighbour.mac);
        if differs && !said.overriding {
            // §7.2.5 I: doubt, but no change.
            if neighbour.state == State::Reachable {
                neighbour.state = State::Stale;
            }
            return Heard::Noted;
        }
        neighbour.mac = said.mac.unwrap_or(neighbour.mac);
        if said.solicited {
            neighbour.state = State::Reachable;
            neighbour.deadline = now + timing.reachable;
        } else if differs {
            neighbour.state = State::Stale;
        }
        neighbour.is_router = said.router.unwrap_or(was_router);
        if was_router && !neighbour.is_router { Heard::RouterNoMore } else { Heard::Noted }
    }

    /// `address` has said that it is a router (RFC 4861 §6.3.4).
    pub(crate) fn set_router(&mut self, interface: InterfaceId, address: IpAddr) {
        if let Some(index) = self.find(interface, address) {
            self.neighbour_mut(index).is_router = true;
        }
    }

    /// When [`Neighbours::next_question`] has something to do.
    pub(crate) const fn next_deadline(&self) -> Option<Instant> {
        self.alarm.next()
    }

    /// Time has passed: the next neighbour to ask again, until there is none. Walks the table, which is bounded, and
    /// only when somebody is being asked for.
    pub(crate) fn next_question(&mut self, now: Instant) -> Option<Solicit> {
        if self.walk.is_none() && self.alarm.ring(now) {
            // Whoever found the table full may try again as well.
            self.resolved = true;
            self.walk = Some(0);
        }
        let place = self.walk.as_mut()?;
        while let Some(slot) = self.slots.get_mut(*place) {
            *place += 1;
            let Some(neighbour) = &mut slot.neighbour else { continue };
            let question = if neighbour.deadline <= now { neighbour.on_deadline(now) } else { None };
            self.silences += u64::from(neighbour.state == State::Silent);
            if !matches!(neighbour.state, State::Reachable | State::Stale | State::Silent) {
                self.alarm.set(neighbour.deadline);
            }
            if question.is_some() {
                return question;
            }
        }
        self.walk = None;
        None
    }

    /// Once: whether somebody answered or was given up since.
    pub(crate) fn take_resolved(&mut self) -> bool {
        core::mem::take(&mut self.resolved)
    }
}

impl Neighbour {
    fn on_deadline(&mut self, now: Instant) -> Option<Solicit> {
        let everybody = Solicit { interface: self.interface, address: self.address, to: None };
        let alone = Solicit { to: Some(self.mac), ..everybody };
        let (state, question) = match self.state {
            State::Incomplete { asked: MAX_SOLICIT } => {
                self.state = State::Silent;
                self.deadline = now + HOLD_DOWN;
                return None;
            }
            // The entry would be deleted (§7.3.3) and made anew by the next packet: its hardware may have changed.
            State::Probe { asked: MAX_SOLICIT } => (State::Incomplete { asked: 1 }, everybody),
            State::Incomplete { asked } => (State::Incomplete { asked: asked + 1 }, everybody),
            State::Delay => (State::Probe { asked: 1 }, alone),
            State::Probe { asked } => (State::Probe { asked: asked + 1 }, alone),
            State::Reachable | State::Stale | State::Silent => return None,
        };
        self.state = state;
        self.deadline = now + self.retransmission;
        Some(question)
    }

    /// Whether a new entry must not take its place.
    fn is_pinned(&self, now: Instant) -> bool {
        match self.state {
            State::Incomplete { .. } | State::Silent => false,
            State::Reachable | State::Stale | State::Delay | State::Probe { .. } => {
                self.used.is_some_and(|used| now.since(used) < PINNED)
            }
        }
    }
}

#[cfg(test)]
mod tests;

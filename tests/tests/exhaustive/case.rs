//! What may arrive: every control bit, with and without text, at every edge of the window, acknowledging every edge.

use std::fmt;

use lendwire_tests::segment::flag::{ACK, FIN, PSH, RST, SYN, URG};
use lendwire_tests::segment_arrives::{Segment, Tcb};

use crate::situation::Situation;
use crate::world::{BUFFER, OFFERED, World};

/// One case, as one line that repeats it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub situation: Situation,
    pub control: u8,
    pub place: Place,
    pub ack: Option<Of>,
    pub wnd: u32,
}

/// Where a segment lies: its first number and its text.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    from: From,
    offset: i64,
    len: u32,
}

#[derive(Clone, Copy, Debug)]
enum From {
    /// RCV.NXT.
    Nxt,
    /// RCV.NXT + RCV.WND.
    Edge,
}

/// A number of ours that is acknowledged.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Of {
    from: Ours,
    offset: i64,
}

#[derive(Clone, Copy, Debug)]
enum Ours {
    Iss,
    /// SND.UNA - MAX.SND.WND.
    Oldest,
    Una,
    Nxt,
}

const FAR: i64 = 1 << 30;
/// Bytes of a short text.
const SHORT: u32 = 40;

const fn place(from: From, offset: i64, len: u32) -> Place {
    Place { from, offset, len }
}

const fn of(from: Ours, offset: i64) -> Option<Of> {
    Some(Of { from, offset })
}

/// Every edge position.
pub(crate) const PLACES: [Place; 31] = [
    place(From::Nxt, -FAR, 0),
    place(From::Nxt, -1000, 0),
    place(From::Nxt, -1, 0),
    place(From::Nxt, 0, 0),
    place(From::Nxt, 1, 0),
    place(From::Nxt, BUFFER as i64 / 2, 0),
    place(From::Edge, -1, 0),
    place(From::Edge, 0, 0),
    place(From::Edge, 1, 0),
    place(From::Nxt, FAR, 0),
    // With text: all old, old to the last byte, all but the last byte old.
    place(From::Nxt, -FAR, SHORT),
    place(From::Nxt, -1000, SHORT),
    place(From::Nxt, -(SHORT as i64) - 1, SHORT),
    place(From::Nxt, -(SHORT as i64), SHORT),
    place(From::Nxt, 1 - SHORT as i64, SHORT),
    place(From::Nxt, -1, SHORT),
    place(From::Nxt, 0, SHORT),
    place(From::Nxt, 1, SHORT),
    place(From::Nxt, BUFFER as i64 / 2, SHORT),
    // Up to the right edge, and over it.
    place(From::Edge, -(SHORT as i64), SHORT),
    place(From::Edge, 1 - SHORT as i64, SHORT),
    place(From::Edge, -1, SHORT),
    place(From::Edge, 0, SHORT),
    place(From::Edge, 1, SHORT),
    place(From::Nxt, FAR, SHORT),
    // The whole window, more to the left, to the right, on both sides.
    place(From::Nxt, 0, BUFFER),
    place(From::Nxt, -10, BUFFER + 10),
    place(From::Nxt, -10, BUFFER),
    place(From::Nxt, 0, BUFFER + 1),
    place(From::Nxt, 0, BUFFER + 10),
    place(From::Nxt, -10, BUFFER + 20),
];

/// Every position of an acknowledgment, and none.
pub(crate) const ACKS: [Option<Of>; 13] = [
    None,
    of(Ours::Una, -FAR),
    of(Ours::Iss, 0),
    of(Ours::Iss, 1),
    of(Ours::Oldest, -1),
    of(Ours::Oldest, 0),
    of(Ours::Una, -1),
    of(Ours::Una, 0),
    of(Ours::Una, 1),
    of(Ours::Nxt, -1),
    of(Ours::Nxt, 0),
    of(Ours::Nxt, 1),
    of(Ours::Nxt, FAR),
];

/// SYN, FIN, RST and PSH in all ways; the ACK bit comes with what it acknowledges.
pub(crate) fn controls() -> impl Iterator<Item = u8> {
    (0..16).map(|bits: u8| {
        [SYN, FIN, RST, PSH].iter().enumerate().map(|(at, flag)| if bits >> at & 1 == 1 { *flag } else { 0 }).sum()
    })
}

/// Windows: closed, and another than before.
pub(crate) const WINDOWS: [u32; 2] = [0, OFFERED - 3];

/// All cases of a situation.
pub(crate) fn cases(situation: Situation) -> impl Iterator<Item = Case> {
    let with_acks = move |control, place| {
        let all = ACKS.into_iter().flat_map(|ack| WINDOWS.map(|wnd| (ack, wnd)));
        all.map(move |(ack, wnd)| Case { situation, control, place, ack, wnd })
    };
    controls().flat_map(move |control| PLACES.into_iter().flat_map(move |place| with_acks(control, place)))
}

impl Case {
    /// A case; `below` chooses a number below its argument.
    pub(crate) fn any(mut below: impl FnMut(usize) -> usize) -> Self {
        let situation = Situation::ALL[below(Situation::ALL.len())];
        let urgent = if below(4) == 0 { URG } else { 0 };
        let control = controls().nth(below(16)).expect("there are 16") | urgent;
        let (place, ack) = (PLACES[below(PLACES.len())], ACKS[below(ACKS.len())]);
        Self { situation, control, place, ack, wnd: WINDOWS[below(WINDOWS.len())] }
    }

    /// The segment, as things stand for `tcb`.
    pub(crate) fn segment(&self, tcb: &Tcb) -> Segment {
        let ack = self.ack.map(|of| {
            let from = match of.from {
                Ours::Iss => tcb.iss,
                Ours::Oldest => tcb.snd_una - tcb.max_snd_wnd,
                Ours::Una => tcb.snd_una,
                Ours::Nxt => tcb.snd_nxt,
            };
            (from + of.offset) as u32
        });
        let from = match self.place.from {
            From::Nxt => tcb.rcv_nxt,
            From::Edge => tcb.rcv_nxt + tcb.rcv_wnd,
        };
        let seq = (from + self.place.offset) as u32;
        let first = seq.wrapping_add(u32::from(self.control & SYN != 0));
        Segment { seq, ack, control: self.control, wnd: self.wnd, text: World::text(first, self.place.len) }
    }
}

/// `Established FA seq=nxt-1+40 ack=una wnd=0`
impl fmt::Display for Case {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ack_bit = if self.ack.is_some() { ACK } else { 0 };
        let names = [(SYN, 'S'), (FIN, 'F'), (RST, 'R'), (PSH, 'P'), (ACK, 'A'), (URG, 'U')];
        let set: String =
            names.iter().filter(|(flag, _)| (self.control | ack_bit) & flag != 0).map(|it| it.1).collect();
        let Place { from, offset, len } = self.place;
        let set = if set.is_empty() { "-" } else { &set };
        write!(out, "{:?} {set} seq={from:?}{offset:+} len={len} wnd={}", self.situation, self.wnd)?;
        match self.ack {
            Some(Of { from, offset }) => write!(out, " ack={from:?}{offset:+}"),
            None => Ok(()),
        }
    }
}

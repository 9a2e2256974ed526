//! Explicit congestion notification (RFC 3168), and its accurate feedback of each mark (AccECN, RFC 9768; RFC 8257 §3.2).
//!
//! Invariant: only new data says that it is capable (ECT), and only on a connection whose SYNs agreed and on a path that
//! was not caught rewriting them. What the network marks is told its sender: by ECE until CWR answers, or, where the
//! feedback is accurate, by a counter of marked packets in the three bits AE, CWR and ECE of each segment.
//!
//! Bytes, too, are told where options are sent: see `byte_counts`.
//!
//! Left out: ECT on SYNs, on acknowledgments and on what is sent again (RFC 8311 §4.3), the nonce.

use super::negotiation::Opener;
use super::segment::Arrival;
use crate::wire::tcp::Flags;

/// Whether connections take part in explicit congestion notification.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ecn {
    /// It is neither asked for nor agreed to.
    Off,
    /// It is not asked for, and agreed to in the form that a peer asks for.
    Passive,
    /// Classic feedback is asked for, and agreed to (RFC 3168).
    Classic,
    /// Accurate feedback is asked for, and either is agreed to (RFC 9768).
    Accurate,
}

/// IP's two bits (RFC 3168 §5).
pub(super) const NOT_CAPABLE: u8 = 0;
pub(super) const ECT_1: u8 = 1;
/// What new data of a capable connection carries.
pub(super) const ECT_0: u8 = 2;
pub(super) const MARKED: u8 = 3;
pub(super) const CODEPOINT: u8 = 3;

/// The first value of both counters (RFC 9768 §3.2.1).
const FIRST_COUNT: u8 = 5;

/// What a connection knows of marks, both ways.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Feedback {
    /// ECN was not agreed on.
    None,
    /// RFC 3168.
    Classic {
        /// New data is sent with ECT.
        is_capable: bool,
        /// A mark came, and since then nothing that ends its echo.
        echo: bool,
        until: Until,
    },
    /// RFC 9768.
    Accurate(Accurate),
}

/// See [`Feedback::Accurate`]. The counters go round: of both only the last three bits are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Accurate {
    is_capable: bool,
    hears: Hears,
    /// What IP said of the SYN-ACK, until it is told.
    reflect: Option<u8>,
    /// r.cep: marked packets that came.
    marks: u8,
    /// How many of them no segment has told yet.
    untold: u8,
    /// s.cep: marked packets that the peer has told.
    heard: u8,
    /// The last packet that came was marked.
    last_was_marked: bool,
}

/// What ends the echo of a mark.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Until {
    /// RFC 3168 §6.1.3.
    Cwr,
    /// RFC 8257 §3.2: data without one, so that the peer can tell how much was marked.
    Unmarked,
}

/// How the bits of what comes next are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hears {
    /// Without data and blocks, as what IP said of our SYN-ACK.
    Reflection,
    /// As the peer's counter.
    Count,
    /// Not at all: the peer, or the path, has shown that they mean nothing.
    Nothing,
}

/// Whether an acknowledgment is due for what IP said of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Due {
    Whenever,
    Now,
}

impl Feedback {
    /// Whether new data is sent with ECT.
    pub(super) const fn is_capable(&self) -> bool {
        match self {
            Self::None => false,
            Self::Classic { is_capable, .. } | Self::Accurate(Accurate { is_capable, .. }) => *is_capable,
        }
    }

    /// The flags of a segment with `len` bytes of data.
    pub(super) fn flags(&self, len: u32) -> Flags {
        match self {
            Self::None | Self::Classic { echo: false, .. } => Flags::empty(),
            Self::Classic { echo: true, .. } => Flags::ECE,
            // RFC 9768 §3.2.2.1: the acknowledgment of the SYN-ACK tells what IP said of that.
            Self::Accurate(Accurate { reflect: Some(codepoint), .. }) if len == 0 => reflected(*codepoint),
            Self::Accurate(Accurate { marks, .. }) => counted(*marks),
        }
    }

    /// Whether the next segment has other flags than the one behind it.
    pub(super) const fn is_first(&self) -> bool {
        matches!(self, Self::Accurate(Accurate { reflect: Some(_), .. }))
    }

    /// Commits: a segment was sent.
    pub(super) const fn sent(&mut self) {
        if let Self::Accurate(accurate) = self {
            (accurate.reflect, accurate.untold) = (None, 0);
        }
    }

    /// Input: the SYN-ACK came again, so that its acknowledgment goes again. RFC 9768 §3.2.2.1: that tells of it as the first
    /// one did; §3.2.2.2: a mark counts once.
    pub(super) fn on_syn_ack_again(&mut self, answer: &Arrival) {
        if let Self::Accurate(accurate) = self {
            let codepoint = answer.traffic_class & CODEPOINT;
            accurate.reflect = Some(codepoint);
            accurate.marks += u8::from(codepoint == MARKED && accurate.marks == FIRST_COUNT);
        }
    }

    /// Input: a segment that was found good.
    pub(super) fn on_segment(&mut self, segment: &Arrival) -> Due {
        let is_marked = segment.traffic_class & CODEPOINT == MARKED;
        let has_data = !segment.payload.is_empty();
        match self {
            Self::None => Due::Whenever,
            Self::Classic { until: Until::Unmarked, .. } if !has_data => Due::Whenever,
            Self::Classic { echo, until: Until::Unmarked, .. } => {
                // RFC 8257 §3.2: what changes is told at once. What was not acknowledged yet is told as what came now.
                if core::mem::replace(echo, is_marked) == is_marked { Due::Whenever } else { Due::Now }
            }
            Self::Classic { echo, until: Until::Cwr, .. } => {
                let before = *echo;
                // RFC 3168 §6.1.3: CWR ends the echo of what was marked before it.
                let answered = segment.has(Flags::CWR);
                *echo &= !answered;
                // §6.1.4, §6.1.5: only data within the window counts.
                *echo |= is_marked && has_data;
                // A window that was just cut may hold one segment: its sender must not wait for a second one.
                if has_data && (answered || *echo != before) { Due::Now } else { Due::Whenever }
            }
            Self::Accurate(accurate) => accurate.on_segment(is_marked, has_data, segment.segments()),
        }
    }

    /// Input: what an acknowledgment says of marks; `moves_on` that none later was seen. Returns how many packets were
    /// marked; a classic peer only says that some were.
    pub(super) fn told(&mut self, segment: &Arrival, moves_on: bool) -> u32 {
        let ace = segment.flags.intersection(Flags::ACE);
        match self {
            Self::None => 0,
            Self::Classic { .. } => u32::from(ace.contains(Flags::ECE)),
            Self::Accurate(accurate) => accurate.told(segment, ace, moves_on),
        }
    }

    /// s.cep, where the peer counts marked packets.
    pub(super) const fn packets_heard(&self) -> Option<u8> {
        match self {
            Self::None | Self::Classic { .. } => None,
            Self::Accurate(accurate) => Some(accurate.heard),
        }
    }

    /// What the peer says of marks contradicts itself: nothing goes with ECT any more.
    pub(super) const fn give_up(&mut self) {
        match self {
            Self::None => {}
            Self::Classic { is_capable, .. } | Self::Accurate(Accurate { is_capable, .. }) => *is_capable = false,
        }
    }

    /// Whether a reduction is answered by CWR.
    pub(super) const fn says_reduced(&self) -> bool {
        matches!(self, Self::Classic { .. })
    }
}

impl Accurate {
    /// Of a connection whose first SYN `opener` sent; `codepoint` is what IP said of the peer's SYN or SYN-ACK.
    pub(super) fn new(is_capable: bool, opener: Opener, codepoint: u8) -> Self {
        let (hears, reflect, syn_ack_marks) = match opener {
            Opener::Us => (Hears::Count, Some(codepoint), u8::from(codepoint == MARKED)),
            // RFC 9768 §3.2.2.2: a marked SYN does not count: its answer says all of it.
            Opener::Peer => (Hears::Reflection, None, 0),
        };
        let marks = FIRST_COUNT + syn_ack_marks;
        Self { is_capable, hears, reflect, marks, untold: 0, heard: FIRST_COUNT, last_was_marked: false }
    }

    fn on_segment(&mut self, is_marked: bool, has_data: bool, segments: u32) -> Due {
        let is_new = is_marked && !self.last_was_marked;
        self.last_was_marked = is_marked;
        if is_marked {
            // RFC 9768 §3.2.2.2: every packet counts, also one without data.
            let count = segments.min(u32::from(u8::MAX)) as u8;
            self.marks = self.marks.wrapping_add(count);
            self.untold = self.untold.saturating_add(count);
        }
        // §3.2.2.5.1: at the first mark, and at every second one after it. Without data at every third, so that two ends
        // whose acknowledgments are marked do not answer each other for ever.
        let is_due = if has_data { is_new || self.untold >= 2 } else { self.untold >= 3 };
        if is_due { Due::Now } else { Due::Whenever }
    }

    fn told(&mut self, segment: &Arrival, ace: Flags, moves_on: bool) -> u32 {
        if self.hears == Hears::Reflection {
            self.hears = Hears::Count;
            // RFC 9768 §3.2.2.1: what has data or blocks counts from the first.
            if segment.payload.is_empty() && segment.sack.is_empty() {
                self.reflected(ace);
                return 0;
            }
        }
        // §3.2.2.2: an acknowledgment that was overtaken would look like a counter that went nearly round.
        if self.hears == Hears::Nothing || !moves_on {
            return 0;
        }
        let count = (ace.bits() >> Flags::ECE.bits().trailing_zeros()) as u8;
        let more = count.wrapping_sub(self.heard) & 7;
        self.heard = self.heard.wrapping_add(more);
        u32::from(more)
    }

    /// The peer says what IP said of our SYN-ACK (RFC 9768 table 4), which went out without ECT. Values that mean nothing yet
    /// say nothing.
    fn reflected(&mut self, ace: Flags) {
        if ace.is_empty() {
            // §3.2.2.1, note 1: the peer does none of this, or the path clears these bits.
            (self.is_capable, self.hears) = (false, Hears::Nothing);
        } else if is_reflection(ace) {
            // §3.2.2.3: what came otherwise than it went was rewritten.
            self.is_capable &= ace == reflected(NOT_CAPABLE);
            self.heard += u8::from(ace == reflected(MARKED));
        }
    }
}

/// A codepoint in the bits of a handshake (RFC 9768 tables 2 and 3).
pub(super) fn reflected(codepoint: u8) -> Flags {
    match codepoint & CODEPOINT {
        NOT_CAPABLE => Flags::CWR,
        ECT_1 => Flags::CWR | Flags::ECE,
        ECT_0 => Flags::AE,
        _ => Flags::AE | Flags::CWR,
    }
}

fn is_reflection(ace: Flags) -> bool {
    [NOT_CAPABLE, ECT_1, ECT_0, MARKED].into_iter().any(|codepoint| ace == reflected(codepoint))
}

/// A counter in the three bits (RFC 9768 §3.2.2.2).
fn counted(count: u8) -> Flags {
    Flags::from_bits_retain(u16::from(count & 7) << Flags::ECE.bits().trailing_zeros())
}

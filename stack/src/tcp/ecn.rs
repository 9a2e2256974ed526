//! Explicit congestion notification (RFC 3168), and its accurate feedback of each mark (AccECN, RFC 9768; RFC 8257 §3.2).
//!
//! Invariant: only new data says that it is capable (ECT), and only on a connection whose SYNs agreed and on a path that
//! was not caught rewriting them. What the network marks is told its sender: by ECE until CWR answers, or, where the
//! feedback is accurate, by a counter of marked packets in the three bits AE, CWR and ECE of each segment.
//!
//! ```text
//!             SYN             SYN-ACK
//!             AE CWR ECE      AE CWR ECE
//! accurate     1   1   1       what IP said of the SYN: 010 nothing, 011 ECT(1), 100 ECT(0), 110 marked
//! classic      0   1   1       0   0   1
//! none         0   0   0       0   0   0
//! ```
//!
//! Left out: AccECN's options with counters of bytes (RFC 9768 §3.2.3; bytes are estimated from packets, appendix A.3),
//! ECT on SYNs, on acknowledgments and on what is sent again (RFC 8311 §4.3), the nonce.

use super::congestion::Algorithm;
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
const NOT_CAPABLE: u8 = 0;
const ECT_1: u8 = 1;
/// What new data of a capable connection carries.
pub(super) const ECT_0: u8 = 2;
const MARKED: u8 = 3;
const CODEPOINT: u8 = 3;

/// The first value of both counters (RFC 9768 §3.2.1): not zero, so that a path that clears bits shows.
const FIRST_COUNT: u8 = 5;

/// How marks are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    None,
    Classic,
    Accurate,
}

/// What the SYNs of a handshake have said of ECN so far.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Negotiation {
    mode: Mode,
    /// What IP said of the peer's SYN.
    codepoint: u8,
    /// A SYN without ECN was sent or came, too, or the path has rewritten one: no ECT (RFC 3168 §6.1.1), though marks are
    /// told.
    quiet: bool,
}

impl Negotiation {
    /// Of a handshake whose options were forgotten.
    pub(super) const NONE: Self = Self { mode: Mode::None, codepoint: NOT_CAPABLE, quiet: false };

    /// Classic feedback was asked for.
    pub(super) const CLASSIC: Self = Self { mode: Mode::Classic, ..Self::NONE };

    /// For our own SYN.
    pub(super) const fn asking(setting: Ecn) -> Self {
        let mode = match setting {
            Ecn::Off | Ecn::Passive => Mode::None,
            Ecn::Classic => Mode::Classic,
            Ecn::Accurate => Mode::Accurate,
        };
        Self { mode, ..Self::NONE }
    }

    /// What a cookie can hold of what `syn` asks: classic feedback, or none.
    pub(super) fn of_cookie(syn: &Arrival, setting: Ecn) -> Self {
        let mut negotiation = Self::NONE;
        negotiation.on_syn(syn, if setting == Ecn::Off { Ecn::Off } else { Ecn::Classic });
        if negotiation.mode == Mode::Classic { Self::CLASSIC } else { Self::NONE }
    }

    /// In five bits.
    pub(super) fn packed(self) -> u8 {
        self.mode as u8 | self.codepoint << 2 | u8::from(self.quiet) << 4
    }

    pub(super) const fn unpacked(bits: u8) -> Self {
        let mode = match bits & 3 {
            0 => Mode::None,
            1 => Mode::Classic,
            _ => Mode::Accurate,
        };
        Self { mode, codepoint: bits >> 2 & CODEPOINT, quiet: bits & 1 << 4 != 0 }
    }

    /// The flags of our SYN.
    pub(super) fn syn(&self) -> Flags {
        match self.mode {
            _ if self.quiet => Flags::empty(),
            Mode::None => Flags::empty(),
            Mode::Classic => Flags::ECE | Flags::CWR,
            Mode::Accurate => Flags::ACE,
        }
    }

    /// The flags of our SYN-ACK.
    pub(super) fn syn_ack(&self) -> Flags {
        match self.mode {
            _ if self.quiet => Flags::empty(),
            Mode::None => Flags::empty(),
            Mode::Classic => Flags::ECE,
            Mode::Accurate => reflected(self.codepoint),
        }
    }

    /// Our SYN or SYN-ACK was sent `tries` times and not answered: perhaps some middlebox does not like it.
    pub(super) fn unanswered(&mut self, tries: u8, is_answer: bool) {
        self.quiet |= match self.mode {
            Mode::None => false,
            // RFC 3168 §6.1.1.1: the next SYN goes without.
            Mode::Classic => !is_answer,
            // RFC 9768 §3.1.4: after one more try.
            Mode::Accurate => tries >= 2,
        };
    }

    /// The peer's SYN, or its SYN again.
    pub(super) fn on_syn(&mut self, syn: &Arrival, setting: Ecn) {
        let ace = syn.flags.intersection(Flags::ACE);
        let asked = match setting {
            Ecn::Off => Mode::None,
            _ if ace.is_empty() => Mode::None,
            // Whoever knows only RFC 3168 reads what asks for more as it stands: with ECE and CWR.
            Ecn::Classic if ace.contains(Flags::ECE | Flags::CWR) => Mode::Classic,
            Ecn::Classic => Mode::None,
            _ if ace == Flags::ECE | Flags::CWR => Mode::Classic,
            // RFC 9768 §3.1.3: whatever else is set asks for accurate feedback, in a form of the future.
            Ecn::Passive | Ecn::Accurate => Mode::Accurate,
        };
        if self.mode == Mode::None {
            (self.mode, self.codepoint) = (asked, syn.traffic_class & CODEPOINT);
        } else if asked == Mode::None {
            // RFC 3168 §6.1.1: its sender has fallen back.
            self.quiet = true;
        }
    }

    /// The answer to our SYN (RFC 9768 table 2).
    pub(super) fn on_syn_ack(&mut self, answer: &Arrival) {
        let ace = answer.flags.intersection(Flags::ACE);
        self.codepoint = answer.traffic_class & CODEPOINT;
        let is_classic = match self.mode {
            Mode::None => false,
            // RFC 3168 §6.1.1: both bits only show that somebody reflects what it does not know.
            Mode::Classic => ace.contains(Flags::ECE) && !ace.contains(Flags::CWR),
            Mode::Accurate => ace == Flags::ECE,
        };
        self.mode = match self.mode {
            _ if is_classic => Mode::Classic,
            Mode::Accurate if !ace.is_empty() && ace != Flags::ACE => Mode::Accurate,
            Mode::None | Mode::Classic | Mode::Accurate => Mode::None,
        };
        // RFC 9768 §3.2.2.3: our SYN went out without ECT; where it came with it, the path rewrites these bits. The value
        // that is reserved says nothing of that (§3.1.3).
        let is_rewritten = ace != reflected(NOT_CAPABLE) && ace != Flags::AE | Flags::ECE;
        self.quiet |= self.mode == Mode::Accurate && is_rewritten;
    }

    /// What the connection goes on with; `opener` sent the first SYN, and reflects what IP said of the SYN-ACK.
    pub(super) fn feedback(&self, opener: Opener, congestion: Algorithm) -> Feedback {
        let until = if congestion == Algorithm::Dctcp { Until::Unmarked } else { Until::Cwr };
        match self.mode {
            Mode::None => Feedback::None,
            Mode::Classic => Feedback::Classic { is_capable: !self.quiet, echo: false, until },
            Mode::Accurate => Feedback::Accurate(Accurate {
                is_capable: !self.quiet,
                first: if opener == Opener::Us { First::Count } else { First::Reflection },
                reflect: (opener == Opener::Us).then_some(self.codepoint),
                // RFC 9768 §3.2.2.1: a marked SYN counts.
                marks: FIRST_COUNT + u8::from(self.codepoint == MARKED),
                untold: 0,
                heard: FIRST_COUNT,
                last_was_marked: false,
            }),
        }
    }
}

/// Who sent the first SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Us,
    Peer,
}

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
    first: First,
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

/// What the first segment behind the SYNs is to tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    /// What IP said of our SYN-ACK.
    Reflection,
    Count,
    /// It came.
    Seen,
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

    /// Whether a reduction is answered by CWR.
    pub(super) const fn says_reduced(&self) -> bool {
        matches!(self, Self::Classic { .. })
    }
}

impl Accurate {
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
        let first = core::mem::replace(&mut self.first, First::Seen);
        if first != First::Seen && ace.is_empty() {
            // RFC 9768 §3.2.2.4: no counter begins at zero, so the path clears these bits.
            self.is_capable = false;
            return 0;
        }
        if first == First::Reflection && segment.payload.is_empty() && is_reflection(ace) {
            // §3.2.2.3: our SYN-ACK went out without ECT.
            self.is_capable &= ace == reflected(NOT_CAPABLE);
            self.heard += u8::from(ace == reflected(MARKED));
            return 0;
        }
        // §3.2.2.5: an acknowledgment that was overtaken would look like a counter that went nearly round.
        if !moves_on {
            return 0;
        }
        let count = (ace.bits() >> Flags::ECE.bits().trailing_zeros()) as u8;
        let more = count.wrapping_sub(self.heard) & 7;
        self.heard = self.heard.wrapping_add(more);
        u32::from(more)
    }
}

/// A codepoint in the bits of a handshake (RFC 9768 tables 2 and 3).
fn reflected(codepoint: u8) -> Flags {
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

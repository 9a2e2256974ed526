//! What two SYNs agree on of explicit congestion notification (RFC 3168 §6.1.1, RFC 9768 §3.1).
//!
//! Invariant: the first SYN of each side, or the answer to it, decides; what comes later only takes ECT away.
//!
//! ```text
//!             SYN             SYN-ACK
//!             AE CWR ECE      AE CWR ECE
//! accurate     1   1   1       what IP said of the SYN: 010 nothing, 011 ECT(1), 100 ECT(0), 110 marked
//! classic      0   1   1       0   0   1
//! none         0   0   0       0   0   0
//! ```
//!
//! Left out: the nonce, a memory of peers to whom SYNs with these bits were lost (RFC 9768 §3.1.4.1).

use super::congestion::Algorithm;
use super::ecn::{Accurate, CODEPOINT, Ecn, Feedback, NOT_CAPABLE, Until, reflected};
use super::segment::Arrival;
use crate::wire::tcp::Flags;

/// Who sent the first SYN.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Opener {
    Us,
    Peer,
}

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
    /// A SYN without ECN was sent or came, too, or the path has rewritten one: no ECT (RFC 3168 §6.1.1, RFC 9768 §3.1.5),
    /// though marks are told.
    quiet: bool,
    /// Our SYN or SYN-ACK says nothing of ECN any more.
    plain: bool,
}

/// A SYN came again and asks for the other kind of feedback: nobody could know which one both ends use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Contradiction;

impl Negotiation {
    /// Of a handshake whose options were forgotten.
    pub(super) const NONE: Self = Self { mode: Mode::None, codepoint: NOT_CAPABLE, quiet: false, plain: false };

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
        match asked(syn, if setting == Ecn::Off { Ecn::Off } else { Ecn::Classic }) {
            Mode::Classic => Self::CLASSIC,
            Mode::None | Mode::Accurate => Self::NONE,
        }
    }

    /// In six bits.
    pub(super) fn packed(self) -> u8 {
        self.mode as u8 | self.codepoint << 2 | u8::from(self.quiet) << 4 | u8::from(self.plain) << 5
    }

    pub(super) const fn unpacked(bits: u8) -> Self {
        let mode = match bits & 3 {
            0 => Mode::None,
            1 => Mode::Classic,
            _ => Mode::Accurate,
        };
        Self { mode, codepoint: bits >> 2 & CODEPOINT, quiet: bits & 1 << 4 != 0, plain: bits & 1 << 5 != 0 }
    }

    /// The flags of our SYN.
    pub(super) fn syn(&self) -> Flags {
        match self.mode {
            _ if self.plain => Flags::empty(),
            Mode::None => Flags::empty(),
            Mode::Classic => Flags::ECE | Flags::CWR,
            Mode::Accurate => Flags::ACE,
        }
    }

    /// Whether accurate feedback was agreed on.
    pub(super) fn is_accurate(&self) -> bool {
        self.mode == Mode::Accurate && !self.plain
    }

    /// The flags of our SYN-ACK.
    pub(super) fn syn_ack(&self) -> Flags {
        match self.mode {
            _ if self.plain => Flags::empty(),
            Mode::None => Flags::empty(),
            Mode::Classic => Flags::ECE,
            Mode::Accurate => reflected(self.codepoint),
        }
    }

    /// Our SYN or SYN-ACK was sent `tries` times and not answered: perhaps some middlebox does not like it.
    pub(super) fn unanswered(&mut self, tries: u8, is_answer: bool) {
        let gives_up = match self.mode {
            Mode::None => false,
            // RFC 3168 §6.1.1.1: the next SYN goes without.
            Mode::Classic => !is_answer,
            // RFC 9768 §3.1.4.1: after one more try.
            Mode::Accurate => tries >= 2,
        };
        self.quiet |= gives_up;
        self.plain |= gives_up;
    }

    /// The peer's first SYN decides (RFC 9768 §3.1.2).
    pub(super) fn of_syn(syn: &Arrival, setting: Ecn) -> Self {
        Self { mode: asked(syn, setting), codepoint: syn.traffic_class & CODEPOINT, ..Self::NONE }
    }

    /// The peer's SYN again.
    ///
    /// # Errors
    /// RFC 9768 §3.1.5: it asks for the other kind of feedback, which ends the handshake.
    pub(super) fn on_syn_again(&mut self, syn: &Arrival, setting: Ecn) -> Result<(), Contradiction> {
        match (self.mode, asked(syn, setting)) {
            // RFC 9768 §3.1.5: what the first one decided stays.
            (Mode::None, _) | (Mode::Classic, Mode::Classic) => {}
            (Mode::Accurate, Mode::Accurate) => self.codepoint = syn.traffic_class & CODEPOINT,
            // Its sender has fallen back. RFC 3168 §6.1.1 answers likewise.
            (Mode::Classic, Mode::None) => (self.quiet, self.plain) = (true, true),
            // RFC 9768 §3.1.5: it has not seen our answer, which goes once more.
            (Mode::Accurate, Mode::None) => (self.quiet, self.codepoint) = (true, syn.traffic_class & CODEPOINT),
            (Mode::Accurate, Mode::Classic) | (Mode::Classic, Mode::Accurate) => return Err(Contradiction),
        }
        Ok(())
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
            Mode::Accurate => Feedback::Accurate(Accurate::new(!self.quiet, opener, self.codepoint)),
        }
    }
}

/// What `syn` asks for that `setting` lets it have.
fn asked(syn: &Arrival, setting: Ecn) -> Mode {
    let ace = syn.flags.intersection(Flags::ACE);
    match setting {
        Ecn::Off => Mode::None,
        _ if ace.is_empty() => Mode::None,
        // Whoever knows only RFC 3168 reads what asks for more as it stands: with ECE and CWR.
        Ecn::Classic if ace.contains(Flags::ECE | Flags::CWR) => Mode::Classic,
        Ecn::Classic => Mode::None,
        _ if ace == Flags::ECE | Flags::CWR => Mode::Classic,
        // RFC 9768 §3.1.3: whatever else is set asks for accurate feedback, in a form of the future.
        Ecn::Passive | Ecn::Accurate => Mode::Accurate,
    }
}

//! Congestion control: how much may be in flight, and how fast it may leave.
//!
//! Invariant: the window is never below one segment, so a sender always moves, and it is the algorithm's own: what loss
//! recovery adds to it or holds back while it lasts is recovery's. All of it is integers.
//!
//! | file | what it holds |
//! |---|---|
//! | `reno` | RFC 5681, with appropriate byte counting (RFC 3465) |
//! | `cubic`, `hystart`, `cube_root` | RFC 9438, and its slow start (RFC 9406) |
//! | `bbr` | control by a model of the path (draft-ietf-ccwg-bbr) |
//! | `dctcp` | the response to the share of marks (RFC 8257) |

mod bbr;
mod cube_root;
mod cubic;
mod dctcp;
mod hystart;
mod reno;

use self::bbr::Bbr;
use self::cubic::Cubic;
use self::dctcp::Dctcp;
use self::reno::Reno;
use super::seq::Seq;
use crate::time::{Instant, Span};

/// Which congestion control a connection uses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Algorithm {
    /// CUBIC with HyStart++ (RFC 9438, RFC 9406).
    #[default]
    Cubic,
    /// Reno (RFC 5681).
    Reno,
    /// Control by a model of the path's bandwidth and round-trip time (draft-ietf-ccwg-bbr). It paces.
    Bbr,
    /// Reno with DCTCP's response to marks (RFC 8257), for networks that mark early, such as those of data centres.
    Dctcp,
}

/// Which connections spread what they send over time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Paced {
    /// Those whose congestion control cannot do without: [`Algorithm::Bbr`].
    #[default]
    WhereItMust,
    /// All: those that follow losses too send at a rate that is a little above a window a round trip, in goes of a
    /// millisecond. Shallow queues on the path lose less, at the price of more, smaller bursts and of timers.
    Always,
}

/// What every algorithm steers, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Share {
    /// How much may be in flight.
    window: u32,
    /// Where slow start ends.
    threshold: u32,
}

/// What an acknowledgment that delivered something says, after its losses were noticed.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Acked {
    pub(crate) now: Instant,
    /// Bytes that it delivered: newly acknowledged, or newly reported by SACK.
    pub(crate) bytes: u32,
    /// Bytes found lost since the last one.
    pub(crate) lost: u32,
    /// How many of the delivered bytes the peer saw marked (ECN).
    pub(crate) marked: u32,
    /// How many acknowledgments it was on the wire, of which several may come at once.
    pub(crate) acknowledgments: u32,
    /// What is in the network afterwards, by the best estimate that there is (RFC 6675's pipe).
    pub(crate) flight: u32,
    pub(crate) mss: u16,
    /// The round trip that it measured.
    pub(crate) rtt: Option<Span>,
    /// SRTT.
    pub(crate) smoothed: Option<Span>,
    /// SND.UNA and SND.MAX afterwards: rounds are told by numbers.
    pub(crate) una: Seq,
    pub(crate) max: Seq,
    /// Bytes delivered since the connection began, these included.
    pub(crate) delivered: u64,
    /// How fast the path has delivered.
    pub(crate) rate: Option<RateSample>,
    /// The window was in use when data was last sent. One that was not is no proof of capacity (RFC 7661's concern).
    pub(crate) limited: bool,
    /// Loss recovery is under way, or the network marks: windows that follow losses do not grow meanwhile.
    pub(crate) recovering: bool,
    /// What is sent is spread over time, so that a grown window makes no burst.
    pub(crate) paced: bool,
}

/// How fast the path delivered what was in flight when the last delivered segment was sent
/// (draft-ietf-ccwg-bbr, delivery-rate estimation).
#[derive(Clone, Copy, Debug)]
pub(crate) struct RateSample {
    /// Bytes delivered since that segment was sent.
    pub(crate) delivered: u32,
    /// Over which time: the longer of the sending and the acknowledging side's.
    pub(crate) interval: Span,
    /// [`Acked::delivered`] when it was sent.
    pub(crate) prior_delivered: u64,
    /// Bytes in flight when it was sent, itself included.
    pub(crate) in_flight: u32,
    /// Bytes found lost since it was sent.
    pub(crate) lost: u32,
    /// There was nothing more to send, so the path could perhaps have carried more.
    pub(crate) limited_by_application: bool,
}

/// What tells of congestion.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    /// Recovery begins: once for all losses of a window.
    Loss,
    /// What was sent again since the window was lowered is lost, too (RFC 8985 §9.3, RFC 5681 §4.3).
    LossAgain,
    /// The peer saw marks: once for all of a window (RFC 3168 §6.1.2).
    Ecn,
    /// The timer expired, for the first time since the peer acknowledged something.
    Timeout,
    /// It expired again.
    TimeoutAgain,
}

/// Where the connection stands.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Stand {
    /// RFC 5681's FlightSize: bytes sent and not cumulatively acknowledged, what is taken for lost included.
    pub(crate) flight: u32,
    pub(crate) mss: u16,
}

/// Nothing was in flight, and now there is something to send.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Idle {
    /// How long ago something was last sent.
    pub(crate) lasted: Span,
    /// The retransmission timeout.
    pub(crate) rto: Span,
    pub(crate) mss: u16,
}

/// An algorithm. All of it is input; questions are answered by the [`Share`] that it steers.
trait Control {
    /// Something was delivered.
    fn on_ack(&mut self, share: &mut Share, acked: &Acked);

    /// The path is congested, or looks so.
    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand);

    /// Everything that was sent before the loss has arrived.
    fn on_recovered(&mut self, share: &mut Share, stand: &Stand);

    /// What was sent last is long ago.
    fn on_idle(&mut self, share: &mut Share, idle: &Idle);

    /// The last congestion was none (RFC 9438 §4.9). The share is as it was already.
    fn undo(&mut self);
}

#[derive(Clone, Copy, Debug)]
enum Chosen {
    Cubic(Cubic),
    Reno(Reno),
    Bbr(Bbr),
    Dctcp(Dctcp),
}

/// A connection's congestion control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    share: Share,
    /// The share before the last congestion that may prove to be none.
    before: Share,
    chosen: Chosen,
}

const _: () = assert!(size_of::<Reno>() <= 16 && size_of::<Cubic>() <= 96 && size_of::<Bbr>() <= 168);

impl Congestion {
    /// `seed` is what no other connection has: it keeps their phases apart.
    pub(crate) fn new(algorithm: Algorithm, mss: u16, seed: u32) -> Self {
        let share = Share { window: initial_window(mss), threshold: u32::MAX };
        Self { share, before: share, chosen: Chosen::new(algorithm, seed) }
    }

    /// Command: changes the algorithm. What may be in flight stays.
    pub(crate) fn choose(&mut self, algorithm: Algorithm, seed: u32) {
        self.chosen = Chosen::new(algorithm, seed);
    }

    /// Question: how much may be in flight.
    pub(crate) const fn window(&self) -> u32 {
        self.share.window
    }

    /// Question: where slow start ends.
    pub(crate) const fn threshold(&self) -> u32 {
        self.share.threshold
    }

    /// Question: whether a loss takes the window down to the threshold, over a round trip (RFC 6937). Otherwise the window
    /// is a model's, which hears of losses with each acknowledgment, and what is lost goes again at its pace.
    pub(crate) const fn follows_losses(&self) -> bool {
        !self.is_model()
    }

    const fn is_model(&self) -> bool {
        matches!(self.chosen, Chosen::Bbr(_))
    }

    /// Question: whether the window is to double in a round trip.
    pub(crate) const fn is_in_slow_start(&self) -> bool {
        self.share.window < self.share.threshold && !self.is_model()
    }

    /// Question: how fast data is to leave, in bytes a second, if the path is known well enough to say, and where all
    /// are `paced`, or the algorithm cannot do without. `smoothed` is SRTT.
    pub(crate) fn pacing_rate(&self, paced: Paced, smoothed: Option<Span>) -> Option<u64> {
        match (&self.chosen, paced) {
            (Chosen::Bbr(bbr), _) => bbr.pacing_rate(),
            (Chosen::Cubic(_) | Chosen::Reno(_) | Chosen::Dctcp(_), Paced::WhereItMust) => None,
            (Chosen::Cubic(_) | Chosen::Reno(_) | Chosen::Dctcp(_), Paced::Always) => Some(self.share.rate(smoothed?)),
        }
    }

    /// Input: the handshake lost more than one SYN (RFC 6928 §2, RFC 5681 §3.1).
    pub(crate) fn begin_with_one_segment(&mut self, mss: u16) {
        self.share.window = u32::from(mss);
    }

    /// Input: a timeout was not for nothing (RFC 5682 §2.1, §3.1): the window has `most` bytes at the most, where losses tell
    /// of congestion.
    pub(crate) fn narrow_to(&mut self, most: u32) {
        if self.follows_losses() {
            self.share.window = self.share.window.min(most);
        }
    }

    pub(crate) fn on_ack(&mut self, acked: &Acked) {
        self.chosen.control().on_ack(&mut self.share, acked);
    }

    pub(crate) fn on_congestion(&mut self, signal: Signal, stand: &Stand) {
        let before = self.share;
        self.chosen.control().on_congestion(&mut self.share, signal, stand);
        match signal {
            Signal::Loss | Signal::Timeout => self.before = before,
            // Nothing undoes it (RFC 9438 §4.9.2), nor does what undoes a loss before it.
            Signal::Ecn => self.before = self.share,
            Signal::LossAgain | Signal::TimeoutAgain => {}
        }
    }

    pub(crate) fn on_recovered(&mut self, stand: &Stand) {
        self.chosen.control().on_recovered(&mut self.share, stand);
    }

    /// Input: something is sent after a time in which nothing was in flight.
    pub(crate) fn on_idle(&mut self, idle: &Idle) {
        self.chosen.control().on_idle(&mut self.share, idle);
    }

    /// Input: the last loss or timeout was spurious (RFC 4015, RFC 9438 §4.9).
    pub(crate) fn undo(&mut self) {
        self.share.window = self.share.window.max(self.before.window);
        self.share.threshold = self.share.threshold.max(self.before.threshold);
        self.chosen.control().undo();
    }
}

impl Chosen {
    const fn new(algorithm: Algorithm, seed: u32) -> Self {
        match algorithm {
            Algorithm::Cubic => Self::Cubic(Cubic::NEW),
            Algorithm::Reno => Self::Reno(Reno::NEW),
            Algorithm::Bbr => Self::Bbr(Bbr::new(seed)),
            Algorithm::Dctcp => Self::Dctcp(Dctcp::NEW),
        }
    }

    const fn control(&mut self) -> &mut dyn Control {
        match self {
            Self::Cubic(cubic) => cubic,
            Self::Reno(reno) => reno,
            Self::Bbr(bbr) => bbr,
            Self::Dctcp(dctcp) => dctcp,
        }
    }
}

impl Share {
    /// RFC 5681 §4.1: what was known of the path is too old after a timeout's time; RFC 2861 §3.2 keeps how far it had
    /// come as the threshold.
    fn restart(&mut self, idle: &Idle) {
        if idle.lasted <= idle.rto {
            return;
        }
        let most = initial_window(idle.mss);
        if self.window > most {
            self.threshold = self.threshold.max(self.window - self.window / 4);
            self.window = most;
        }
    }

    /// A window a round trip, and more: twice in slow start, where the window doubles meanwhile, and six fifths
    /// afterwards, so that the window is what limits.
    fn rate(&self, smoothed: Span) -> u64 {
        let window = u64::from(self.window) * 1_000_000;
        let scaled = if self.window < self.threshold / 2 { window * 2 } else { window / 5 * 6 };
        scaled / smoothed.micros().max(1)
    }
}

impl Stand {
    /// RFC 6582 §3.2 (3), full acknowledgment, option 1: the threshold, but no burst.
    fn after_recovery(&self, threshold: u32) -> u32 {
        let mss = u32::from(self.mss);
        threshold.min(self.flight.max(mss) + mss)
    }
}

/// RFC 6928 §2: ten segments, within 14,600 bytes or two segments.
fn initial_window(mss: u16) -> u32 {
    let mss = u32::from(mss);
    (10 * mss).min((2 * mss).max(14_600))
}

impl Acked {
    /// The bytes that slow start may take in: `segments` for each acknowledgment against bursts (RFC 3465 §2.2), and all
    /// of them where what is sent is spread over time.
    fn bytes_of(&self, segments: u32) -> u32 {
        if self.paced {
            return self.bytes;
        }
        self.bytes.min(self.acknowledgments.saturating_mul(segments * u32::from(self.mss)))
    }
}

#[cfg(test)]
impl Acked {
    /// What tests begin with: a window in use, and nothing delivered.
    const NOTHING: Self = Self {
        now: Instant::from_micros(0),
        bytes: 0,
        lost: 0,
        marked: 0,
        acknowledgments: 1,
        flight: 0,
        mss: 1000,
        rtt: None,
        smoothed: None,
        una: Seq(0),
        max: Seq(0),
        delivered: 0,
        rate: None,
        limited: true,
        recovering: false,
        paced: false,
    };
}

#[cfg(test)]
impl Stand {
    const NOWHERE: Self = Self { flight: 0, mss: 1000 };
}

#[cfg(test)]
mod tests;

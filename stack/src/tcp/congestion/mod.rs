//! Congestion control: how much may be in flight.
//!
//! Invariant: the window is never below one segment, so a sender always moves, and it is the algorithm's own: what loss
//! recovery adds to it or holds back while it lasts is recovery's.

mod reno;

use self::reno::Reno;
use super::seq::Seq;
use crate::time::{Instant, Span};

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
#[expect(dead_code)]
pub(crate) struct Acked {
    pub(crate) now: Instant,
    /// Bytes that it delivered: newly acknowledged, or newly reported by SACK.
    pub(crate) bytes: u32,
    /// How many of them the peer saw marked (ECN).
    pub(crate) marked: u32,
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
    /// Loss recovery is under way: windows that follow losses do not grow meanwhile.
    pub(crate) recovering: bool,
}

/// How fast the path delivered what was in flight when the last delivered segment was sent
/// (draft-ietf-ccwg-bbr, delivery-rate estimation).
#[derive(Clone, Copy, Debug)]
#[expect(dead_code)]
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

/// An algorithm. All of it is input; questions are answered by the [`Share`] that it steers.
trait Control {
    /// Something was delivered.
    fn on_ack(&mut self, share: &mut Share, acked: &Acked);

    /// The path is congested, or looks so.
    fn on_congestion(&mut self, share: &mut Share, signal: Signal, stand: &Stand);

    /// Everything that was sent before the loss has arrived.
    fn on_recovered(&mut self, share: &mut Share, stand: &Stand);
}

/// A connection's congestion control.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Congestion {
    share: Share,
    control: Reno,
}

impl Congestion {
    pub(crate) fn new(mss: u16) -> Self {
        Self { share: Share { window: initial_window(mss), threshold: u32::MAX }, control: Reno::NEW }
    }

    /// Question: how much may be in flight.
    pub(crate) const fn window(&self) -> u32 {
        self.share.window
    }

    /// Question: where slow start ends.
    pub(crate) const fn threshold(&self) -> u32 {
        self.share.threshold
    }

    pub(crate) fn on_ack(&mut self, acked: &Acked) {
        self.control.on_ack(&mut self.share, acked);
    }

    pub(crate) fn on_congestion(&mut self, signal: Signal, stand: &Stand) {
        self.control.on_congestion(&mut self.share, signal, stand);
    }

    pub(crate) fn on_recovered(&mut self, stand: &Stand) {
        self.control.on_recovered(&mut self.share, stand);
    }
}

/// RFC 6928 §2: ten segments, within 14,600 bytes or two segments.
fn initial_window(mss: u16) -> u32 {
    let mss = u32::from(mss);
    (10 * mss).min((2 * mss).max(14_600))
}

#[cfg(test)]
impl Acked {
    /// What tests begin with: a window in use, and nothing delivered.
    const NOTHING: Self = Self {
        now: Instant::from_micros(0),
        bytes: 0,
        marked: 0,
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
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6928_the_initial_window_is_ten_segments() {
        assert_eq!(initial_window(1460), 14_600);
        assert_eq!(initial_window(8960), 17_920);
        assert_eq!(initial_window(536), 5_360);
    }
}

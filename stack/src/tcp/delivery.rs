//! What one acknowledgment delivers: everything that it says has arrived and had not before.

use super::rack::Rack;
use super::rate::Newest;
use super::recovery::Detection;
use super::scoreboard::Arrived;
use super::seq::Seq;
use super::timestamps::Stamps;
use crate::time::{Instant, Span};

/// An acknowledgment, and where it finds the connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Acknowledgment {
    pub(super) now: Instant,
    /// SND.UNA, moved by it if it moves it, and by how much.
    pub(super) una: Seq,
    pub(super) advance: u32,
    pub(super) nxt: Seq,
    pub(super) mss: u16,
    /// RFC 5681 §2.
    pub(super) is_duplicate: bool,
    /// How the peer's acknowledgments tell of loss.
    pub(super) detection: Detection,
    /// Bytes that the peer saw marked (ECN), or more than it delivers for all of them.
    pub(super) marked: u32,
    /// How many it was on the wire.
    pub(super) acknowledgments: u32,
    /// Our clock, and what the peer echoes of it.
    pub(super) echo: Option<(Stamps, u32)>,
    /// SRTT, after it.
    pub(super) smoothed: Option<Span>,
}

/// See the module.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Delivery {
    pub(super) bytes: u32,
    /// What was sent last of it.
    pub(super) newest: Option<Newest>,
    /// The round trip of what was sent last of it, once and at one time.
    pub(super) rtt: Option<Span>,
    /// At most the round trip of something that was sent once.
    pub(super) most_rtt: Option<Span>,
    /// Some of it had been sent more than once.
    pub(super) repeated: bool,
    /// Some of it was sent once only, and before `recover`.
    pub(super) original: bool,
    /// Some of it was sent after `recover`.
    pub(super) late: bool,
    /// Some of it had been sent again before it came, behind what was sent later.
    pub(super) reordered: bool,
    /// The first of what it acknowledges had been sent again, and the peer echoes a time before that (RFC 3522 §3.2).
    pub(super) overtaken: bool,
}

impl Acknowledgment {
    /// Whether the peer answers something that was sent before `at` (RFC 3522 §3.2).
    pub(super) fn echoes_before(&self, at: Instant) -> bool {
        self.echo.is_some_and(|(stamps, echo)| stamps.is_before(echo, at))
    }
}

impl Delivery {
    /// Something has arrived, by `ack`; `recover` is what had been sent when loss was last noticed.
    pub(super) fn take(&mut self, arrived: &Arrived, ack: &Acknowledgment, recover: Seq, rack: &mut Rack) {
        let run = &arrived.run;
        // RFC 7323 §4.3: what is echoed when data lies beyond a hole is older than that data, and says nothing of it.
        let is_echoed = !run.end.after(ack.una);
        self.reordered |= rack.on_arrived(arrived, is_echoed && ack.echoes_before(run.sent_at), ack.now);
        if self.bytes == 0 {
            self.overtaken = run.marks.repeated && is_echoed && ack.echoes_before(run.first_sent_at());
        }
        self.bytes += run.len();
        self.repeated |= run.marks.repeated;
        self.original |= !run.marks.repeated && !run.end.after(recover);
        if !run.marks.repeated {
            let took = ack.now.since(run.first_sent_at());
            self.most_rtt = Some(took);
            if run.spread == 0 {
                self.rtt = Some(self.rtt.map_or(took, |rtt| rtt.min(took)));
            }
        }
        self.late |= run.end.after(recover);
        let newest = Newest { departure: run.departure, sent_at: run.first_sent_at() };
        if self.newest.is_none_or(|other| newest.is_later(&other)) {
            self.newest = Some(newest);
        }
    }
}

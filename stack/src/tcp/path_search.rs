//! Whether a path takes longer segments than are sent: the upward search of RFC 4821 §7, by segments of real data that are
//! longer than the others.
//!
//! Invariant: one probe is out at a time, and none while anything is lost. That a probe alone is lost says nothing of
//! congestion (§7.6.2); its bytes go again as segments of the old size, along the cuts that were made before it left, so
//! nothing is read for them. Its arrival makes all segments as long. The search halves what lies between a size that
//! arrives and the least that does not; having ended it rests for ten minutes, then all that the interface and the peer
//! take is worth trying again (§7.3).
//!
//! Left out: telling other connections of a longer path before the cache of `ip` forgets the shorter one (§5.2), and
//! going back where a raised size makes more segments vanish (§7.8); a black hole is found all the same.

use super::connection::Connection;
use super::delivery::Acknowledgment;
use super::flight::Flight;
use super::options;
use super::path_mtu::Fits;
use super::runs::{Run, Runs};
use super::send_queue::{Ending, Limits};
use super::seq::Seq;
use super::shared::{Shared, TcpConfig};
use crate::time::{Instant, Span};
use crate::wire::ipv6;

/// RFC 4821 §7.3: how long a search that has ended is not taken up again.
const REST: Span = Span::from_secs(600);
/// Segments that follow a probe, so that its loss shows without a timeout (§7.4).
const FOLLOWERS: u32 = 3;
/// A longer segment that is no longer than this is not worth a loss.
const WORTH_IT: u16 = 8;
/// Where no more than this is left to search, the whole is tried.
const SHORT: u16 = 32;

/// Whether a connection searches for the longest segment that its path takes (RFC 4821 §7).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathSearch {
    /// Segments only become shorter.
    Off,
    /// When the path has turned out narrower than the interface.
    Narrowed,
    /// From the start, with packets of [`TcpConfig::search_from`] bytes: where ICMP is known to be swallowed.
    Always,
}

/// See the module. Sizes are data bytes of a full segment.
#[derive(Clone, Copy, Debug)]
pub(super) struct Search {
    /// `search_high`: nothing longer is tried; where nothing is left below it, all that may be sent is.
    high: u16,
    /// A router has named `high`.
    is_named: bool,
    /// Nothing is tried before.
    after: Instant,
    probe: Option<Probe>,
}

/// A segment that is longer than the others.
#[derive(Clone, Copy, Debug)]
struct Probe {
    start: Seq,
    len: u16,
    state: State,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    Out,
    /// It is lost, and nothing else was with it.
    Lost,
}

impl Probe {
    fn end(&self) -> Seq {
        self.start + u32::from(self.len)
    }

    fn holds(&self, run: &Run) -> bool {
        !run.start.before(self.start) && !run.end.after(self.end())
    }
}

impl Search {
    /// All sizes are worth trying.
    pub(super) const NEW: Self = Self { high: 0, is_named: false, after: Instant::from_micros(0), probe: None };

    /// The path was found to take so much and no more.
    pub(super) fn resting(now: Instant) -> Self {
        Self { after: now + REST, ..Self::NEW }
    }

    /// Segments of more than `high` bytes vanish.
    pub(super) const fn below(high: u16) -> Self {
        Self { high, ..Self::NEW }
    }

    /// The next size to try, where `mss` arrives and `most` may be sent.
    fn size(&self, mss: u16, most: u16, now: Instant) -> Option<u16> {
        if now < self.after || self.probe.is_some() || most <= mss {
            return None;
        }
        let high = if self.high > mss { self.high.min(most) } else { most };
        let is_last = self.is_named || high - mss <= SHORT;
        Some(if is_last { high } else { mss + (high - mss) / 2 })
    }

    fn on_sent(&mut self, start: Seq, len: u32) {
        self.probe = Some(Probe { start, len: len as u16, state: State::Out });
    }

    /// Bytes from `start` go again: whose acknowledgment they earn nobody knows.
    pub(super) fn on_sent_again(&mut self, start: Seq, len: u32) {
        let overlaps = |probe: &Probe| start.before(probe.end()) && (start + len).after(probe.start);
        self.probe = self.probe.filter(|probe| probe.state == State::Lost || !overlaps(probe));
    }

    /// Everything up to `una` has arrived. Returns the size of a probe that did.
    fn on_acknowledged(&mut self, una: Seq, now: Instant) -> Option<u16> {
        let probe = self.probe.filter(|probe| !una.before(probe.end()))?;
        self.probe = None;
        if probe.state == State::Lost {
            return None;
        }
        if probe.len >= self.high && self.high > 0 {
            *self = Self::resting(now);
        }
        Some(probe.len)
    }

    /// The probe is lost. `mss` arrives, and nothing is tried for `interval`.
    fn on_failed(&mut self, probe: Probe, mss: u16, interval: Span, now: Instant) {
        let was_last = self.is_named || probe.len - mss <= SHORT;
        let high = probe.len - 1;
        *self = if was_last && high - mss < SHORT || high - mss < WORTH_IT {
            Self::resting(now)
        } else {
            Self { high, is_named: false, after: now + interval, probe: None }
        };
    }

    /// How much of what begins at `una` was lost, where a peer without selective acknowledgments shows no more than that.
    pub(super) fn lost_at(&self, una: Seq, mss: u16) -> u32 {
        self.probe.filter(|probe| probe.start == una).map_or(mss, |probe| probe.len).into()
    }
}

impl Flight {
    /// Whether nothing but a probe is lost and not sent again. Then this was not the network's word on congestion.
    pub(super) fn only_probe_is_lost(&mut self, runs: &Runs<'_>, ack: &Acknowledgment) -> bool {
        let Some(probe) = self.search.probe else { return false };
        let is_excused = |run: &Run| !run.marks.is_due() || (!run.marks.repeated && probe.holds(run));
        if !self.board.iter(runs).all(|(_, run)| is_excused(run)) {
            // RFC 4821 §7.6.4: inconclusive. The same size is tried again when all is well.
            self.search.probe = None;
            return false;
        }
        if probe.state == State::Out {
            self.search.on_failed(probe, ack.mss, self.interval(ack), ack.now);
            self.search.probe = Some(Probe { state: State::Lost, ..probe });
            self.timed = None;
        }
        true
    }

    /// RFC 4821 §7.6.2: as many round trips as the window has segments.
    fn interval(&self, at: &Acknowledgment) -> Span {
        let segments = u64::from(self.congestion.window() / u32::from(at.mss)).max(1);
        let round_trip = at.smoothed.unwrap_or(Span::from_secs(1)).micros();
        Span::from_micros(round_trip.saturating_mul(segments).min(REST.micros()))
    }

    /// The timer has expired: what it was for is the first that is in flight.
    pub(super) fn doubt_probe(&mut self, at: &Acknowledgment) {
        let Some(probe) = self.search.probe.take() else { return };
        if probe.state == State::Out && probe.start == at.una {
            // §7.6.3: dearer than other failures.
            let interval = Span::from_micros(5 * self.interval(at).micros());
            self.search.on_failed(probe, at.mss, interval, at.now);
        }
    }

    /// Whether a probe may follow what is in flight (§7.4).
    fn may_probe(&self) -> bool {
        self.recovery.sees_nothing() && self.board.sacked() == 0 && self.board.lost() == 0
    }
}

/// What the search does with the turn of new data.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Nothing.
    Pass,
    /// It waits until the window has room for a probe.
    Wait,
    /// A probe of so many bytes is ready.
    Probe(u32),
}

impl Flight {
    /// SND.UNA has moved: has a probe arrived? Returns the size that it shows to arrive.
    pub(super) fn judge_probe(&mut self, standing: &Acknowledgment) -> Option<u16> {
        let mss = self.search.on_acknowledged(standing.una, standing.now)?;
        // RFC 4821 §4: the congestion window is counted in bytes, so it stays what it was.
        self.fits = Fits::PROVEN;
        self.shortest.grows(standing.mss, standing.nxt);
        Some(mss)
    }
}

impl Connection {
    /// Segments begin as short as all paths are likely to take, if that is wished for.
    pub(super) fn begin_search(&mut self, config: &TcpConfig) {
        if config.path_search == PathSearch::Always {
            let least = if self.tuple.remote().is_ipv6() { ipv6::MINIMUM_MTU } else { config.least_path_mtu };
            self.send.mss = self.send.mss.min(self.segment_of(config.search_from.max(least)));
        }
    }

    /// The search of a flight that begins.
    pub(super) fn fresh_search(&self, config: &TcpConfig, now: Instant) -> Search {
        match config.path_search {
            PathSearch::Always => Search::NEW,
            // What is narrower was found to be so.
            PathSearch::Narrowed | PathSearch::Off => Search::resting(now),
        }
    }

    /// What the next new data is to be, as far as the search goes.
    pub(super) fn search_turn(&mut self, cell: u32, limits: Limits, now: Instant, shared: &mut Shared<'_>) -> Turn {
        let (mss, most) = (self.send.mss, self.send.most);
        if mss == most || shared.config.path_search == PathSearch::Off || self.is_early() {
            return Turn::Pass;
        }
        let Some(flight) = self.flight(shared).filter(|flight| flight.may_probe()) else { return Turn::Pass };
        let Some(len) = flight.search.size(mss, most, now).map(u32::from) else { return Turn::Pass };
        let all = len + FOLLOWERS * u32::from(mss);
        let fits = self.send.window.min(flight.window()) >= all && self.end_of_data().since(self.send.nxt) >= all;
        let is_plain = limits.size == u32::from(mss) && !self.is_urgent(shared);
        if !fits || !is_plain || self.send.nxt != self.send.max {
            return Turn::Pass;
        }
        if self.send.window.saturating_sub(self.in_flight()).min(flight.room(mss)) < len {
            return if self.in_flight() > 0 { Turn::Wait } else { Turn::Pass };
        }
        if self.cut_probe(cell, len, limits, shared) { Turn::Probe(len) } else { Turn::Pass }
    }

    /// Cuts the next `len` bytes as they will go again if need be. Says whether one packet holds them.
    fn cut_probe(&mut self, cell: u32, len: u32, limits: Limits, shared: &mut Shared<'_>) -> bool {
        let mss = usize::from(self.send.mss);
        let cuts = (mss..len as usize).step_by(mss).chain([len as usize]);
        let mut cut = |to| self.send.queue.prepare(cell, to, Ending::Exact, limits, shared) == to;
        cuts.into_iter().all(&mut cut)
    }

    /// A probe of `len` bytes was sent.
    pub(super) fn probe_sent(&self, start: Seq, len: u32, shared: &mut Shared<'_>) {
        if let Some(flight) = self.flight_mut(shared) {
            flight.search.on_sent(start, len);
            shared.statistics.path_probes += 1;
        }
    }

    /// A router names `mtu` for a packet that begins with `sequence`. If that was a probe, nothing else is to change.
    pub(super) fn is_probe_too_big(&mut self, sequence: u32, mtu: u16, now: Instant, shared: &mut Shared<'_>) -> bool {
        let (size, standing) = (self.segment_of(mtu), self.standing(now, shared));
        let Some((flight, runs)) = shared.flights.with_runs(self.flight) else { return false };
        let is_probe = |probe: &Probe| probe.start == Seq(sequence) && probe.state == State::Out && size < probe.len;
        let Some(probe) = flight.search.probe.filter(is_probe).filter(|_| size >= standing.mss) else { return false };
        flight.board.lose(runs, probe.start, probe.end());
        if flight.only_probe_is_lost(runs, &standing) {
            // RFC 4821 §7.6.2: the MTU is known now, if it is true.
            let left = flight.search.probe;
            let worth_it = size - standing.mss >= WORTH_IT;
            let after = if worth_it { now + flight.interval(&standing) } else { now + REST };
            flight.search = Search { high: size, is_named: worth_it, after, probe: left };
        }
        true
    }

    /// What of data fits into a packet of `mtu` bytes, as this connection fills it.
    pub(super) fn segment_of(&self, mtu: u16) -> u16 {
        options::mss_of(mtu, self.tuple.remote()) - self.fixed_options_len()
    }
}

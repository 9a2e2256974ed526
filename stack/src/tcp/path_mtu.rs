//! A path that turns out narrower than the interface: ICMP's word (RFC 1191, RFC 8201), checked as RFC 5927 asks, and
//! black holes, where nobody says a word (RFC 4821 §7.7). How segments become longer again: `path_search`.
//!
//! Invariant: a report only makes segments shorter, never below what the version's least MTU leaves, and only if it quotes
//! what is in flight. Once a full segment has been acknowledged, a report waits until a timeout bears it out (RFC 5927
//! §7.2): who can only guess numbers cannot slow down what works. Neither costs the congestion window anything (RFC 8201
//! §5.4): what did not fit was not lost to congestion.

use super::connection::Connection;
use super::path_search::Search;
use super::seq::Seq;
use super::shared::Shared;
use crate::drops::Reason;
use crate::ip::TransportError;
use crate::time::Instant;
use crate::wire::ipv6;

/// RFC 1191 §7: the MTUs of links that there are, for routers that do not say.
const PLATEAUS: [u16; 10] = [65_535, 32_000, 17_914, 8166, 4352, 2002, 1492, 1006, 508, 296];
/// What is tried when full segments vanish without a word: widespread tunnels, then what every path carries.
const BLACK_HOLE_STEPS: [u16; 3] = [1400, 1280, 576];

/// What is known of whether full segments arrive.
#[derive(Clone, Copy, Debug)]
pub(super) struct Fits {
    /// The end of the first full segment that is in flight.
    awaited: Option<Seq>,
    /// One was acknowledged.
    proven: bool,
    /// A report that waits for a timeout.
    reported: Option<u16>,
}

impl Fits {
    pub(super) const NEW: Self = Self { awaited: None, proven: false, reported: None };
    /// One has just arrived.
    pub(super) const PROVEN: Self = Self { proven: true, ..Self::NEW };

    /// A full segment up to `end` was sent.
    pub(super) fn sent(&mut self, end: Seq) {
        self.awaited = self.awaited.or(Some(end));
    }

    /// Everything up to `ack` has arrived.
    pub(super) fn acknowledged(&mut self, ack: Seq) {
        if self.awaited.is_some_and(|end| !ack.before(end)) {
            (self.awaited, self.proven, self.reported) = (None, true, None);
        }
    }
}

impl Connection {
    /// Input: a router says that a packet was too big for what lies behind it. Returns the path's MTU, if that is to be
    /// believed now.
    pub(super) fn on_too_big(
        &mut self,
        error: &TransportError,
        mtu: u32,
        now: Instant,
        shared: &mut Shared<'_>,
    ) -> Option<u16> {
        // RFC 5927 §4.1: who quotes what is not in flight has not seen it; nor has who names an MTU that the packet fits.
        let too_big = self.has_sent(error.sequence) && mtu < u32::from(error.packet_len);
        let mtu = if too_big { believable(mtu, error.packet_len, self.tuple.remote().is_ipv6(), shared) } else { None };
        if mtu.is_some_and(|mtu| self.is_probe_too_big(error.sequence, mtu, now, shared)) {
            return None;
        }
        let Some(mtu) = mtu.filter(|&mtu| self.segment_of(mtu) < self.send.mss) else {
            shared.drops.count(Reason::TcpPathMtu);
            return None;
        };
        let fits = &mut self.flight_mut(shared)?.fits;
        if fits.proven {
            fits.reported = Some(mtu);
            return None;
        }
        self.narrow(mtu, Sign::Report, now, shared);
        self.send_again(shared);
        Some(mtu)
    }

    /// The timer has expired: a report that waited is borne out, or a black hole shows.
    pub(super) fn doubt_path(&mut self, now: Instant, shared: &mut Shared<'_>) {
        let standing = self.standing(now, shared);
        let (timeouts, limit) = (self.send.timeouts, shared.config.black_hole_timeouts);
        let has_window = self.send.window >= u32::from(self.send.mss);
        let Some(flight) = self.flight_mut(shared) else { return };
        flight.doubt_probe(&standing);
        if let Some(mtu) = flight.fits.reported.take() {
            return self.narrow(mtu, Sign::Report, now, shared);
        }
        // Behind a closed window full segments vanish too.
        if limit == 0 || timeouts < limit || flight.fits.awaited.is_none() || !has_window {
            return;
        }
        if let Some(mtu) = BLACK_HOLE_STEPS.into_iter().find(|&mtu| self.segment_of(mtu) < self.send.mss) {
            shared.statistics.black_holes += 1;
            self.narrow(mtu, Sign::Silence, now, shared);
        }
    }

    /// What others have found out about the path before the connection began, if they have.
    pub(super) fn heed(&mut self, mtu: Option<u16>) {
        if let Some(mtu) = mtu {
            self.send.mss = self.send.mss.min(self.segment_of(mtu));
        }
    }

    /// Segments are shorter from now on.
    fn narrow(&mut self, mtu: u16, sign: Sign, now: Instant, shared: &mut Shared<'_>) {
        let before = self.send.mss;
        self.send.mss = before.min(self.segment_of(mtu));
        if let Some(flight) = self.flight_mut(shared) {
            flight.fits = Fits::NEW;
            flight.search = match sign {
                Sign::Report => Search::resting(now),
                Sign::Silence => Search::below(before - 1),
            };
        }
    }
}

/// How a narrow path shows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sign {
    /// Somebody said how much it takes.
    Report,
    /// Nobody did; it may take more than is tried now.
    Silence,
}

/// The MTU that a report means, if it can be one.
pub(super) fn believable(mtu: u32, quoted: u16, is_ipv6: bool, shared: &Shared<'_>) -> Option<u16> {
    if is_ipv6 {
        // RFC 8201 §4: what is below the least that IPv6 asks of links is no report.
        return u16::try_from(mtu).ok().filter(|&mtu| mtu >= ipv6::MINIMUM_MTU);
    }
    let mtu = match u16::try_from(mtu).ok()? {
        0 => PLATEAUS.into_iter().find(|&plateau| plateau < quoted)?,
        mtu => mtu,
    };
    Some(mtu.max(shared.config.least_path_mtu))
}

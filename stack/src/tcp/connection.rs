//! An established connection: two halves, their timers, and the RFC's states as what the two halves are in.
//!
//! | RFC 9293 §3.3.2 | our FIN | the peer's FIN |
//! |---|---|---|
//! | ESTABLISHED | none | none |
//! | CLOSE-WAIT | none | came |
//! | FIN-WAIT-1 | queued | none |
//! | FIN-WAIT-2 | acknowledged | none |
//! | CLOSING | queued | came after ours |
//! | LAST-ACK | queued | came before ours |
//! | TIME-WAIT | acknowledged | came after ours: see `time_wait` |
//!
//! Invariant: SND.UNA <= SND.NXT <= SND.MAX, and the peer's right edge of our window never moves left.

use super::challenge::ChallengeLimit;
use super::congestion::{Algorithm, Congestion};
use super::demux::Tuple;
use super::ecn::Feedback;
use super::flight::Flight;
use super::handshake::Agreed;
use super::origin::Origin;
use super::recv_queue::RecvQueue;
use super::rtt::Rtt;
use super::send_queue::SendQueue;
use super::seq::Seq;
use super::shared::{Shared, TcpConfig, Writers};
use super::timestamps::Stamps;
use super::totals::{Repeated, Segments};
use super::trouble::Trouble;
use super::window::initial_window;
use crate::ip::{Dscp, InterfaceId};
use crate::slab::{Key, Place};
use crate::time::{Instant, Span};

/// A point in time that may lie in no future at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Deadline(Instant);

impl Deadline {
    pub(super) const NEVER: Self = Self(Instant::from_micros(u64::MAX));

    pub(super) fn at(instant: Instant) -> Self {
        Self(instant)
    }

    pub(super) fn is_due(self, now: Instant) -> bool {
        self.0 <= now
    }

    pub(super) fn instant(self) -> Option<Instant> {
        Some(self.0).filter(|_| self != Self::NEVER)
    }
}

/// What the connection's one send-side timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    /// An acknowledgment (RFC 6298).
    Acknowledgment,
    /// A window (RFC 9293 §3.8.6.1), or the end of sender silly-window avoidance (§3.8.6.2.1).
    Window,
    /// What may only be reordered (RFC 8985 §6.2).
    Reordering,
    /// The end of a silence (RFC 8985 §7.2).
    Tail,
    /// The FIN of a peer whose connection the application has left.
    Fin,
}

/// Our half-close.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum OurFin {
    None,
    Queued,
    Acknowledged,
}

/// The peer's half-close, and whether it came before ours was queued.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PeerFin {
    None,
    BeforeOurs,
    AfterOurs,
}

/// Whether an acknowledgment is owed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Owed {
    Nothing,
    /// With data, with the next segment, or when its delay ends.
    Later,
    Now,
}

/// The sending half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Send {
    pub(super) una: Seq,
    /// The first number behind our SYN.
    pub(super) first: Seq,
    pub(super) nxt: Seq,
    /// The highest number that was ever sent, plus one: SND.NXT, or what has probed a closed window beyond it.
    pub(super) max: Seq,
    /// The segment that last moved the window (RFC 9293 §3.10.7.4). SND.WL2 need not be kept: it is never beyond SND.UNA.
    pub(super) wl1: Seq,
    pub(super) window: u32,
    pub(super) max_window: u32,
    /// Data bytes of a full segment, and what the interface and the peer would take.
    pub(super) mss: u16,
    pub(super) most: u16,
    pub(super) scale: u8,
    pub(super) fin: OurFin,
    pub(super) timeouts: u8,
    pub(super) waiting: Waiting,
    /// A probe is due: see [`Waiting::Window`].
    pub(super) probe: bool,
    /// Whether Nagle's algorithm is off.
    pub(super) nodelay: bool,
    /// How often SND.UNA has gone round since `first`: see `totals`.
    pub(super) laps: u16,
    pub(super) queue: SendQueue,
    pub(super) timer: Deadline,
}

/// The receiving half.
#[derive(Clone, Copy, Debug)]
pub(super) struct Receive {
    /// The first number behind the peer's SYN.
    pub(super) first: Seq,
    pub(super) nxt: Seq,
    /// The right edge of the window that the peer was last shown.
    pub(super) edge: Seq,
    /// The last acknowledgment sent (RFC 7323 §4.3: Last.ACK.sent).
    pub(super) acknowledged: Seq,
    /// Data bytes of the peer's full segments.
    pub(super) mss: u16,
    pub(super) fin: PeerFin,
    pub(super) scale: u8,
    pub(super) owed: Owed,
    /// Duplicate acknowledgments that are owed for segments above a hole.
    pub(super) duplicates: u8,
    /// Segments that are still acknowledged one by one.
    pub(super) quick: u8,
    /// Data bytes of the last segment, if none with data left since.
    pub(super) last_size: u16,
    /// How often RCV.NXT has gone round since `first`.
    pub(super) laps: u16,
    /// The last segment was a small one: see [`Connection::gathers`].
    pub(super) after_small: bool,
    pub(super) queue: RecvQueue,
}

// What a segment in the steady state touches fits two cache lines.
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Send>() + size_of::<Receive>() <= 160);
#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Connection>() <= 248);

/// Why a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// Both sides closed.
    Closed,
    /// The peer reset it.
    Reset,
    /// The peer no longer answers.
    TimedOut,
    /// Nobody listens there.
    Refused,
    /// No route leads there, or the next hop does not answer.
    Unreachable,
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Connection {
    pub(super) send: Send,
    pub(super) receive: Receive,
    pub(super) rtt: Rtt,
    /// What it holds while data is on the way: see [`Connection::take_flight`].
    pub(super) flight: Option<Key>,
    pub(super) algorithm: Algorithm,
    pub(super) origin: Origin,
    pub(super) ack_at: Deadline,
    /// What it holds while data arrives: see [`Connection::take_intake`].
    pub(super) intake: Option<Key>,
    /// What unread data may pin, in bytes of slots: see `window`.
    pub(super) budget: u32,
    pub(super) writers: Option<Place>,
    /// What its application asked for beyond what all have: see `settings`.
    pub(super) settings: Option<Place>,
    pub(super) segments: Segments,
    pub(super) repeated: Repeated,
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) challenges: ChallengeLimit,
    pub(super) ecn: Feedback,
    /// The clocks of both ends, if timestamps were agreed on.
    pub(super) stamps: Option<Stamps>,
    /// The peer takes selective acknowledgments, and gives them.
    pub(super) sack: bool,
    /// What went wrong, until the application asks.
    pub(super) trouble: Option<Trouble>,
    /// What all its packets say of the service that they want.
    pub(super) dscp: Dscp,
    /// The application still holds its handle.
    pub(super) held: bool,
    /// Segments no longer lead here: it has ended, or a TIME-WAIT took over.
    pub(super) ended: Option<Ended>,
}

/// A connection's state by the name that RFC 9293 §3.3.2 gives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// A SYN was sent.
    SynSent,
    /// SYNs crossed, or came and were answered.
    SynReceived,
    /// Data flows.
    Established,
    /// We have closed.
    FinWait1,
    /// We have closed, the peer knows.
    FinWait2,
    /// The peer has closed.
    CloseWait,
    /// Both closed at once.
    Closing,
    /// The peer closed first, now we too.
    LastAck,
    /// Both closed, we first.
    TimeWait,
    /// Over.
    Closed,
}

/// Where a segment or a deadline leaves a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It goes on.
    Open,
    /// To TIME-WAIT.
    TimeWait,
    /// It is over.
    Ended(Ended),
    /// It is over, and the peer is told so.
    Abort(Ended),
}

impl Connection {
    /// A connection whose handshake is complete.
    pub(super) fn new(agreed: &Agreed, config: &TcpConfig) -> Self {
        let send = Send {
            una: agreed.send_next,
            first: agreed.first,
            nxt: agreed.send_next,
            max: agreed.send_next,
            wl1: agreed.receive_next,
            window: agreed.window,
            max_window: agreed.window,
            mss: agreed.mss,
            most: agreed.mss,
            scale: agreed.send_scale,
            fin: OurFin::None,
            timeouts: 0,
            waiting: Waiting::Acknowledgment,
            probe: false,
            nodelay: false,
            laps: 0,
            queue: SendQueue::NEW,
            timer: Deadline::NEVER,
        };
        let receive = Receive {
            first: agreed.receive_next,
            nxt: agreed.receive_next,
            edge: agreed.receive_next + initial_window(config),
            acknowledged: agreed.receive_next,
            mss: agreed.mss,
            fin: PeerFin::None,
            scale: agreed.receive_scale,
            owed: Owed::Nothing,
            duplicates: 0,
            quick: config.quick_acks,
            last_size: 0,
            laps: 0,
            after_small: false,
            queue: RecvQueue::NEW,
        };
        let mut connection = Self {
            send,
            receive,
            rtt: Rtt::new(config),
            flight: None,
            algorithm: config.congestion,
            origin: if agreed.lost_syns { Origin::LOST_SYNS } else { Origin::empty() },
            ack_at: Deadline::NEVER,
            intake: None,
            writers: None,
            settings: None,
            segments: Segments::default(),
            repeated: Repeated::default(),
            challenges: ChallengeLimit::default(),
            ecn: agreed.ecn,
            stamps: agreed.stamps,
            sack: agreed.sack,
            tuple: agreed.tuple,
            interface: agreed.interface,
            trouble: None,
            dscp: config.dscp,
            budget: config.receive_budget_start,
            held: true,
            ended: None,
        };
        connection.begin_search(config);
        if let Some(took) = agreed.round_trip {
            connection.rtt.sample(took, 1, config);
        }
        if agreed.repeated {
            connection.rtt.after_lost_syn();
        }
        connection
    }

    pub(super) fn state(&self) -> State {
        match (self.ended, self.send.fin, self.receive.fin) {
            (Some(_), ..) | (None, OurFin::Acknowledged, PeerFin::BeforeOurs) => State::Closed,
            (None, OurFin::None, PeerFin::None) if self.is_early() => State::SynReceived,
            (None, OurFin::None, PeerFin::None) => State::Established,
            (None, OurFin::None, PeerFin::BeforeOurs | PeerFin::AfterOurs) => State::CloseWait,
            (None, OurFin::Queued, PeerFin::None) => State::FinWait1,
            (None, OurFin::Queued, PeerFin::BeforeOurs) => State::LastAck,
            (None, OurFin::Queued, PeerFin::AfterOurs) => State::Closing,
            (None, OurFin::Acknowledged, PeerFin::None) => State::FinWait2,
            (None, OurFin::Acknowledged, PeerFin::AfterOurs) => State::TimeWait,
        }
    }

    /// The first number behind all queued data: where our FIN stands or would stand.
    pub(super) fn end_of_data(&self) -> Seq {
        self.send.una + self.send.queue.bytes()
    }

    /// Whether our FIN was sent at least once.
    pub(super) fn fin_sent(&self) -> bool {
        self.send.fin == OurFin::Queued && self.send.nxt.after(self.end_of_data())
    }

    /// Bytes, FIN included, that are sent and not acknowledged.
    pub(super) fn in_flight(&self) -> u32 {
        self.send.nxt.since(self.send.una)
    }

    /// Starts or moves the send-side timer.
    pub(super) fn wait(&mut self, waiting: Waiting, span: Span, now: Instant) {
        self.send.waiting = waiting;
        self.send.timer = Deadline::at(now + span);
    }

    /// When the connection wants to be looked at.
    pub(super) fn deadline(&self, shared: &Shared<'_>) -> Option<Instant> {
        let timers = self.send.timer.min(self.ack_at).min(self.settings_deadline(shared)).instant();
        let paced = self.flight(shared).and_then(|flight| flight.pacer.deadline());
        timers.into_iter().chain(paced).min()
    }

    /// What the connection knows of its path while it sends.
    pub(super) fn flight<'f>(&self, shared: &'f Shared<'_>) -> Option<&'f Flight> {
        shared.flights.of(self.flight)
    }

    pub(super) fn flight_mut<'f>(&self, shared: &'f mut Shared<'_>) -> Option<&'f mut Flight> {
        shared.flights.of_mut(self.flight)
    }

    /// Whether something waits to be sent that has a number: nothing of it goes without a flight.
    pub(super) fn wants_flight(&self) -> bool {
        let fin_due = self.send.fin == OurFin::Queued && self.send.nxt == self.end_of_data();
        self.send.queue.unsent().is_some() || fin_due
    }

    /// Takes a flight if there is something to send; says whether the connection has one now.
    pub(super) fn take_flight(&mut self, now: Instant, shared: &mut Shared<'_>) -> bool {
        if self.wants_flight() {
            let Shared { flights, config, .. } = shared;
            self.flight = flights.take(self.flight, || self.fresh_flight(config, now));
        }
        let (is_idle, rto, mss) = (self.in_flight() == 0, self.rtt.rto(), self.send.mss);
        let Some(flight) = self.flight_mut(shared) else { return false };
        if is_idle {
            flight.on_idle(rto, mss, now);
            self.pace(shared);
        }
        true
    }

    /// See [`Flight::pace`].
    pub(super) fn pace(&self, shared: &mut Shared<'_>) {
        let (paced, smoothed, mss) = (shared.config.paced, self.rtt.smoothed(), self.send.mss);
        if let Some(flight) = self.flight_mut(shared) {
            flight.pace(paced, smoothed, mss);
        }
    }

    /// The flight of a connection that knows nothing of its path.
    pub(super) fn fresh_flight(&self, config: &TcpConfig, now: Instant) -> Flight {
        let mut congestion = Congestion::new(self.algorithm, self.send.mss, self.send.max.0);
        if self.origin.contains(Origin::LOST_SYNS) {
            congestion.begin_with_one_segment(self.send.mss);
        }
        let mut flight = Flight::new(congestion, self.send.max, now);
        flight.rack.begin(self.rtt.smoothed(), now);
        flight.tail.is_measured = self.rtt.smoothed().is_some();
        flight.search = self.fresh_search(config, now);
        flight.heard = self.fresh_heard();
        flight
    }

    /// The writers, taken now if the connection has none.
    pub(super) fn writers(&mut self, shared: &mut Shared<'_>) -> Option<u32> {
        if self.writers.is_none() {
            let fresh = Writers { send: None, filled: 0, receive: None };
            self.writers = shared.writers.insert(fresh).ok().map(Place::of);
        }
        self.writers.map(Place::index)
    }

    /// Gives back what an idle connection must not hold.
    pub(super) fn rest(&mut self, shared: &mut Shared<'_>) {
        if self.send.queue.bytes() > 0 || !self.receive.queue.is_empty() {
            return;
        }
        if let Some(key) = self.writers.take().and_then(|place| shared.writers.key(place.index())) {
            shared.writers.remove(key);
        }
    }

    /// Gives the flight back.
    pub(super) fn land(&mut self, shared: &mut Shared<'_>) {
        if let Some(key) = self.flight.take() {
            shared.flights.give_back(key);
        }
    }

    /// Gives everything back.
    pub(super) fn release(&mut self, shared: &mut Shared<'_>) {
        self.send.queue.clear(shared);
        self.receive.queue.clear(shared);
        self.leave_intake(shared);
        self.land(shared);
        self.drop_settings(shared);
        self.rest(shared);
    }
}

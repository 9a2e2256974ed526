//! A connection that is not one yet: SYN-SENT and SYN-RECEIVED (RFC 9293 §3.10.7.3, §3.10.7.4).
//!
//! Invariant: a handshake owns no buffer and no queue. Data that comes with a SYN is not kept, and its sender sends it
//! again; what comes with the segment that ends the handshake goes on to the connection.

use core::num::NonZeroU32;

use super::challenge::ChallengeLimit;
use super::connection::Ended;
use super::demux::Tuple;
use super::ecn::Feedback;
use super::negotiation::{Contradiction, Negotiation, Opener};
use super::options;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::TcpConfig;
use super::timestamps::{self, Stamps};
use super::trouble::Trouble;
use super::window::initial_window;
use crate::drops::Reason;
use crate::ip::InterfaceId;
use crate::time::{Instant, Span};
use crate::wire::fast_open::FastOpenOption;
use crate::wire::tcp::Flags;
use crate::wire::tcp_options::{HandshakeOptions, Timestamps};

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) opener: Opener,
    pub(super) iss: Seq,
    /// Where the clock that the peer sees begins.
    pub(super) clock: NonZeroU32,
    /// The peer's SYN, once it came: its number, and what of its options we take part in.
    pub(super) theirs: Option<(Seq, HandshakeOptions)>,
    /// What our SYN asked of ECN, and theirs.
    pub(super) ecn: Negotiation,
    /// The path's.
    pub(super) mtu: u16,
    pub(super) tries: u8,
    /// What went wrong, until the application asks.
    pub(super) trouble: Option<Trouble>,
    pub(super) challenges: ChallengeLimit,
    /// A SYN or SYN-ACK is to be sent.
    pub(super) due: bool,
    pub(super) sent_at: Option<Instant>,
    /// It was sent more than once, so that nobody knows which one is answered (Karn's rule) but by a timestamp.
    pub(super) repeated: bool,
    pub(super) deadline: Option<Instant>,
    /// What of Fast Open the next SYN or SYN-ACK has.
    pub(super) fast_open: Option<FastOpenOption>,
    /// Numbers behind the peer's SYN that were taken before the handshake is complete (RFC 7413).
    pub(super) taken: u32,
    /// Numbers behind our SYN that were sent by then.
    pub(super) beyond: u32,
}

/// What two SYNs agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    /// The number behind our SYN, and the first that is not acknowledged: data may have gone with it.
    pub(super) first: Seq,
    pub(super) send_next: Seq,
    pub(super) receive_next: Seq,
    pub(super) window: u32,
    pub(super) mss: u16,
    pub(super) send_scale: u8,
    pub(super) receive_scale: u8,
    pub(super) sack: bool,
    pub(super) ecn: Feedback,
    pub(super) stamps: Option<Stamps>,
    /// How long our SYN took to be answered, where that can be known.
    pub(super) round_trip: Option<Span>,
    /// Our SYN was sent more than once.
    pub(super) repeated: bool,
    /// More than one SYN of ours was lost (RFC 6928 §2).
    pub(super) lost_syns: bool,
}

/// What a segment does to a handshake.
#[derive(Clone, Copy, Debug)]
pub(super) enum Progress {
    /// Nothing but the count.
    Dropped(Reason),
    /// A SYN or SYN-ACK is due.
    Answer,
    /// The segment is dropped; an acknowledgment alone is due, and the handshake goes on.
    Challenge(Reason),
    /// It is complete.
    Established(Agreed),
    /// It is over, without a connection.
    Failed(Ended),
    /// The same, and a reset tells the peer.
    Refused,
    /// The segment acknowledges what was never sent: a reset with SEG.ACK as its number.
    Reset,
}

impl Handshake {
    /// An active open. `clock` is where the clock that the peer sees begins.
    pub(super) fn new(tuple: Tuple, interface: Option<InterfaceId>, iss: Seq, clock: NonZeroU32, mtu: u16) -> Self {
        Self {
            tuple,
            interface,
            opener: Opener::Us,
            iss,
            clock,
            theirs: None,
            ecn: Negotiation::NONE,
            challenges: ChallengeLimit::default(),
            mtu,
            tries: 0,
            trouble: None,
            due: true,
            sent_at: None,
            repeated: false,
            deadline: None,
            fast_open: None,
            taken: 0,
            beyond: 0,
        }
    }

    /// With what it asks of ECN.
    pub(super) fn asking(self, config: &TcpConfig) -> Self {
        Self { ecn: Negotiation::asking(config.ecn), ..self }
    }

    fn note(&mut self, syn: &Arrival, config: &TcpConfig) {
        self.theirs = Some((syn.seq, options::taken(syn.options, config)));
    }

    /// Whether the peer's SYN has come: SYN-RECEIVED.
    pub(super) const fn is_received(&self) -> bool {
        self.theirs.is_some()
    }

    /// RCV.NXT.
    pub(super) fn receive_next(&self) -> Seq {
        self.theirs.map_or(Seq(0), |(irs, ..)| irs + 1 + self.taken)
    }

    /// SND.NXT.
    pub(super) fn send_next(&self) -> Seq {
        self.iss + 1 + self.beyond
    }

    /// The window that our SYN or SYN-ACK shows.
    pub(super) fn window(&self, config: &TcpConfig) -> u32 {
        initial_window(config).saturating_sub(self.taken)
    }

    /// Whether `ack` acknowledges our SYN, and nothing that was not sent.
    fn is_acknowledged(&self, ack: Option<Seq>) -> bool {
        ack.is_some_and(|ack| ack.within(self.iss + 1, self.beyond + 1))
    }

    pub(super) fn on_segment(&mut self, segment: &Arrival, now: Instant, config: &TcpConfig) -> Progress {
        match self.theirs {
            None => self.in_syn_sent(segment, now, config),
            Some((irs, ..)) => self.in_syn_received(segment, irs, now, config),
        }
    }

    /// RFC 9293 §3.10.7.3.
    fn in_syn_sent(&mut self, segment: &Arrival, now: Instant, config: &TcpConfig) -> Progress {
        // First: only our SYN can be acknowledged.
        let acknowledged = self.is_acknowledged(segment.ack);
        if segment.ack.is_some() && !acknowledged {
            return if segment.has(Flags::RST) { Progress::Dropped(Reason::TcpReset) } else { Progress::Reset };
        }
        // Second: RFC 5961 §3.2: a reset counts if it acknowledges the SYN.
        if segment.has(Flags::RST) {
            return match acknowledged {
                true => Progress::Failed(Ended::Refused),
                false => Progress::Dropped(Reason::TcpReset),
            };
        }
        // Fourth: the SYN.
        if !segment.has(Flags::SYN) {
            return Progress::Dropped(Reason::TcpFlags);
        }
        self.note(segment, config);
        if acknowledged {
            self.ecn.on_syn_ack(segment);
            return Progress::Established(self.agreed(segment, 0, now, config));
        }
        // A simultaneous open (§3.5, figure 7): answer with SYN-ACK.
        self.ecn = Negotiation::of_syn(segment, config.ecn);
        self.fast_open = None;
        self.due = true;
        Progress::Answer
    }

    /// RFC 9293 §3.10.7.4, as far as it concerns SYN-RECEIVED.
    fn in_syn_received(&mut self, segment: &Arrival, irs: Seq, now: Instant, config: &TcpConfig) -> Progress {
        match self.check_timestamps(segment, now) {
            Ok(()) => {}
            Err(progress) => return progress,
        }
        if segment.has(Flags::SYN) && !segment.has(Flags::RST) && segment.seq == irs {
            // The peer's SYN again: our answer was lost. Or its SYN-ACK of a simultaneous open, which acknowledges.
            if self.is_acknowledged(segment.ack) {
                return Progress::Established(self.agreed(segment, 0, now, config));
            }
            self.note_clock(segment);
            self.due = true;
            return match self.ecn.on_syn_again(segment, config.ecn) {
                Ok(()) => Progress::Answer,
                Err(Contradiction) => Progress::Refused,
            };
        }
        if !segment.is_acceptable(self.receive_next(), self.window(config)) {
            return if segment.has(Flags::RST) {
                Progress::Dropped(Reason::TcpOutOfWindow)
            } else {
                Progress::Challenge(Reason::TcpOutOfWindow)
            };
        }
        if segment.has(Flags::RST) {
            // RFC 5961 §3.2: exactly the next number, or a challenge. A passive open then listens again.
            return match segment.seq == self.receive_next() {
                true => Progress::Failed(Ended::Refused),
                false => Progress::Challenge(Reason::TcpReset),
            };
        }
        if segment.has(Flags::SYN) {
            return Progress::Challenge(Reason::TcpSyn);
        }
        match segment.ack {
            None => Progress::Dropped(Reason::TcpAck),
            ack if self.is_acknowledged(ack) => {
                Progress::Established(self.agreed(segment, self.send_scale(), now, config))
            }
            Some(_) => Progress::Reset,
        }
    }

    /// RFC 7323 §2.2: scaling only if both sides offered it.
    fn scales(&self) -> bool {
        self.theirs.is_some_and(|(_, options)| options.window_scale.is_some())
    }

    fn send_scale(&self) -> u8 {
        self.theirs.and_then(|(_, options)| options.window_scale).unwrap_or(0)
    }

    /// The clocks of both ends, if both offered to tell them.
    pub(super) fn stamps(&self, now: Instant) -> Option<Stamps> {
        let (_, options) = self.theirs?;
        options.timestamps.map(|theirs| Stamps::new(self.clock, theirs.value, now))
    }

    /// RFC 7323 §3.2 and §5.3 R1: what has no timestamp, or an old one, once both SYNs had them.
    fn check_timestamps(&self, segment: &Arrival, now: Instant) -> Result<(), Progress> {
        let Some(stamps) = self.stamps(now).filter(|_| !segment.has(Flags::RST)) else { return Ok(()) };
        match segment.timestamps {
            None => Err(Progress::Dropped(Reason::TcpNoTimestamps)),
            Some(theirs) if stamps.is_old(theirs.value, now) => Err(Progress::Challenge(Reason::TcpOld)),
            Some(_) => Ok(()),
        }
    }

    /// RFC 7323 §5.3 R3: the SYN came again, and its sender's clock has moved on.
    fn note_clock(&mut self, syn: &Arrival) {
        if let Some((_, options)) = &mut self.theirs
            && options.timestamps.is_some()
        {
            options.timestamps = syn.timestamps;
        }
    }

    /// `scale` is that of `segment`'s window.
    pub(super) fn agreed(&self, segment: &Arrival, scale: u8, now: Instant, config: &TcpConfig) -> Agreed {
        let (_, options) = self.theirs.expect("the peer's SYN has come");
        let stamps = self.stamps(now);
        let mss = options::effective_mss(options.mss, self.mtu, self.tuple.remote(), config);
        // RFC 6298 §3: of a SYN that was sent twice only a timestamp says which one was answered.
        let echoed = || stamps?.since_echoed(segment.timestamps?.echo, now);
        Agreed {
            tuple: self.tuple,
            interface: self.interface,
            first: self.iss + 1,
            send_next: segment.ack.unwrap_or(self.iss + 1),
            receive_next: self.receive_next(),
            window: u32::from(segment.window) << scale,
            // RFC 6691 §2: an MSS leaves options out, so what they take is taken off it.
            mss: if stamps.is_some() { mss - Timestamps::LEN as u16 } else { mss },
            send_scale: self.send_scale(),
            receive_scale: if self.scales() { options::receive_scale(config) } else { 0 },
            sack: options.sack_permitted,
            stamps,
            ecn: self.ecn.feedback(self.opener, config.congestion),
            round_trip: if self.repeated { echoed() } else { self.sent_at.map(|sent_at| now.since(sent_at)) },
            repeated: self.repeated,
            lost_syns: self.tries > 2,
        }
    }

    /// The flags and options of what is due.
    pub(super) fn segment(&self, now: Instant, config: &TcpConfig) -> (Flags, HandshakeOptions) {
        let theirs = self.theirs.map(|(_, options)| options);
        let flags = match theirs {
            Some(_) => Flags::SYN | Flags::ACK | self.ecn.syn_ack(),
            None => Flags::SYN | self.ecn.syn(),
        };
        let ours = options::ours(self.mtu, self.tuple.remote(), config, theirs, timestamps::clock(self.clock, now));
        (flags, HandshakeOptions { fast_open: self.fast_open, tells_bytes: self.tells_bytes(config), ..ours })
    }

    /// Whether our SYN-ACK is to tell the first counts of bytes. RFC 9768 §3.2.3.2.1: not once it was lost, perhaps for
    /// them; and a cookie may leave no room.
    fn tells_bytes(&self, config: &TcpConfig) -> bool {
        let is_first = self.is_received() && self.tries == 0 && self.fast_open.is_none();
        is_first && config.ecn_option && self.ecn.is_accurate()
    }

    /// Commits: the SYN or SYN-ACK was sent. Returns whether it was one more time.
    pub(super) fn sent(&mut self, now: Instant, config: &TcpConfig) -> bool {
        self.due = false;
        let again = self.sent_at.replace(now).is_some();
        self.repeated |= again;
        // An answer to a SYN that came again is no try of ours: it neither uses one up nor puts the next one off.
        if self.deadline.is_none() {
            self.tries = self.tries.saturating_add(1);
            self.deadline = Some(now + timeout(self.tries, config));
        }
        again
    }

    /// Input: time has passed. Says whether the handshake goes on.
    pub(super) fn on_deadline(&mut self, now: Instant, config: &TcpConfig) -> bool {
        if self.deadline.is_none_or(|deadline| deadline > now) {
            return true;
        }
        self.deadline = None;
        self.due = true;
        self.ecn.unanswered(self.tries, self.is_received());
        // RFC 7413 §4.2.1, §4.2.2: what goes again has nothing of Fast Open, for that may be what was lost.
        self.fast_open = None;
        self.tries <= config.syn_retries
    }
}

/// RFC 6298 §2.1, §2.5 and §5.5: how long the `tries`th SYN waits: the initial timeout at first, then twice as long each
/// time, up to the ceiling.
pub(super) fn timeout(tries: u8, config: &TcpConfig) -> Span {
    let doubled = Span::from_micros(config.initial_rto.micros() << u32::from(tries.saturating_sub(1)).min(6));
    doubled.min(config.max_rto)
}

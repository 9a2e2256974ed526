//! A connection that is not one yet: SYN-SENT and SYN-RECEIVED (RFC 9293 §3.10.7.3, §3.10.7.4).
//!
//! Invariant: a handshake owns no buffer and no queue. Data that comes with a SYN is not kept, and its sender sends it
//! again; what comes with the segment that ends the handshake goes on to the connection.

use super::connection::{Ended, initial_window};
use super::demux::Tuple;
use super::options;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::TcpConfig;
use crate::drops::Reason;
use crate::ip::InterfaceId;
use crate::slab::Key;
use crate::time::{Instant, Span};
use crate::wire::tcp::Flags;
use crate::wire::tcp_options::HandshakeOptions;

/// Who began.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// We did.
    Active,
    /// A peer did, with this listener.
    Passive(Key),
}

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Handshake {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) role: Role,
    pub(super) iss: Seq,
    /// The peer's SYN, once it came: its number, window and options.
    theirs: Option<(Seq, u16, HandshakeOptions)>,
    /// The path's.
    mtu: u16,
    tries: u8,
    /// A SYN or SYN-ACK is to be sent.
    pub(super) due: bool,
    sent_at: Option<Instant>,
    /// It was sent more than once, so that nobody knows which one is answered (Karn's rule).
    repeated: bool,
    pub(super) deadline: Option<Instant>,
}

/// What two SYNs agreed on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Agreed {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) send_next: Seq,
    pub(super) receive_next: Seq,
    pub(super) window: u32,
    pub(super) mss: u16,
    pub(super) send_scale: u8,
    pub(super) receive_scale: u8,
    /// How long our SYN took to be answered, unless it was sent twice (Karn's rule).
    pub(super) round_trip: Option<Span>,
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
    /// The segment acknowledges what was never sent: a reset with SEG.ACK as its number.
    Reset,
}

impl Handshake {
    /// An active open.
    pub(super) fn active(tuple: Tuple, interface: Option<InterfaceId>, iss: Seq, mtu: u16) -> Self {
        Self { role: Role::Active, theirs: None, ..Self::new(tuple, interface, iss, mtu) }
    }

    /// A passive open, for the SYN that came to `listener`.
    pub(super) fn passive(syn: &Arrival, interface: Option<InterfaceId>, listener: Key, iss: Seq, mtu: u16) -> Self {
        let theirs = Some((syn.seq, syn.window, syn.options));
        Self { role: Role::Passive(listener), theirs, ..Self::new(syn.tuple, interface, iss, mtu) }
    }

    fn new(tuple: Tuple, interface: Option<InterfaceId>, iss: Seq, mtu: u16) -> Self {
        Self {
            tuple,
            interface,
            role: Role::Active,
            iss,
            theirs: None,
            mtu,
            tries: 0,
            due: true,
            sent_at: None,
            repeated: false,
            deadline: None,
        }
    }

    /// Whether the peer's SYN has come: SYN-RECEIVED.
    pub(super) const fn is_received(&self) -> bool {
        self.theirs.is_some()
    }

    /// RCV.NXT.
    pub(super) fn receive_next(&self) -> Seq {
        self.theirs.map_or(Seq(0), |(irs, ..)| irs + 1)
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
        let acknowledged = segment.ack == Some(self.iss + 1);
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
        self.theirs = Some((segment.seq, segment.window, segment.options));
        if acknowledged {
            return Progress::Established(self.agreed(u32::from(segment.window), now, config));
        }
        // A simultaneous open (§3.5, figure 7): answer with SYN-ACK.
        self.due = true;
        Progress::Answer
    }

    /// RFC 9293 §3.10.7.4, as far as it concerns SYN-RECEIVED.
    fn in_syn_received(&mut self, segment: &Arrival, irs: Seq, now: Instant, config: &TcpConfig) -> Progress {
        if segment.has(Flags::SYN) && segment.seq == irs {
            // The peer's SYN again: our answer was lost. Or its SYN-ACK of a simultaneous open, which acknowledges.
            if segment.ack == Some(self.iss + 1) {
                return Progress::Established(self.agreed(u32::from(segment.window), now, config));
            }
            self.due = true;
            return Progress::Answer;
        }
        if !segment.seq.within(irs + 1, initial_window(config)) {
            return if segment.has(Flags::RST) {
                Progress::Dropped(Reason::TcpOutOfWindow)
            } else {
                Progress::Challenge(Reason::TcpOutOfWindow)
            };
        }
        if segment.has(Flags::RST) {
            // RFC 5961 §3.2: exactly the next number, or a challenge. A passive open then listens again.
            return match segment.seq == irs + 1 {
                true => Progress::Failed(Ended::Refused),
                false => Progress::Challenge(Reason::TcpReset),
            };
        }
        if segment.has(Flags::SYN) {
            return Progress::Challenge(Reason::TcpSyn);
        }
        match segment.ack {
            None => Progress::Dropped(Reason::TcpAck),
            Some(ack) if ack == self.iss + 1 => {
                let scale = self.send_scale();
                Progress::Established(self.agreed(u32::from(segment.window) << scale, now, config))
            }
            Some(_) => Progress::Reset,
        }
    }

    /// RFC 7323 §2.2: scaling only if both sides offered it.
    fn scales(&self) -> bool {
        self.theirs.is_some_and(|(_, _, options)| options.window_scale.is_some())
    }

    fn send_scale(&self) -> u8 {
        self.theirs.and_then(|(_, _, options)| options.window_scale).unwrap_or(0)
    }

    fn agreed(&self, window: u32, now: Instant, config: &TcpConfig) -> Agreed {
        let (_, _, options) = self.theirs.expect("the peer's SYN has come");
        Agreed {
            tuple: self.tuple,
            interface: self.interface,
            send_next: self.iss + 1,
            receive_next: self.receive_next(),
            window,
            mss: options::effective_mss(options.mss, self.mtu, self.tuple.remote()),
            send_scale: self.send_scale(),
            receive_scale: if self.scales() { options::receive_scale(config) } else { 0 },
            round_trip: self.sent_at.filter(|_| !self.repeated).map(|sent_at| now.since(sent_at)),
        }
    }

    /// The flags and options of what is due.
    pub(super) fn segment(&self, config: &TcpConfig) -> (Flags, HandshakeOptions) {
        let theirs = self.theirs.map(|(_, _, options)| options);
        let flags = if theirs.is_some() { Flags::SYN | Flags::ACK } else { Flags::SYN };
        (flags, options::ours(self.mtu, self.tuple.remote(), config, theirs))
    }

    /// Commits: the SYN or SYN-ACK was sent. Returns whether it was one more time.
    pub(super) fn sent(&mut self, now: Instant) -> bool {
        self.due = false;
        let again = self.sent_at.replace(now).is_some();
        self.repeated |= again;
        // An answer to a SYN that came again is no try of ours: it neither uses one up nor puts the next one off.
        if self.deadline.is_none() {
            self.tries = self.tries.saturating_add(1);
            // RFC 6298 §2.1 and §5.5: 1 s at first, then twice as long each time.
            let timeout = Span::from_micros(1_000_000 << u32::from(self.tries - 1).min(6));
            self.deadline = Some(now + timeout);
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
        self.tries <= config.syn_retries
    }
}

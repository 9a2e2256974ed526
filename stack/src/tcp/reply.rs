//! Segments without a connection: resets, and acknowledgments of what stands on no queue.
//!
//! Invariant: a fixed ring; what finds no place is dropped and counted, for the peer will ask again.

use lendwire_nic::{Payload, TxPacket};

use super::demux::Tuple;
use super::header::{self, Fields};
use super::segment::Arrival;
use super::seq::Seq;
use super::timestamps::Stamps;
use crate::ip::{Dscp, InterfaceId};
use crate::time::Instant;
use crate::wire::tcp::Flags;
use crate::wire::tcp_options::{HandshakeOptions, SegmentOptions};

/// A segment of a header alone.
#[derive(Clone, Copy, Debug)]
pub struct Reply {
    pub(super) tuple: Tuple,
    pub(super) interface: Option<InterfaceId>,
    pub(super) seq: Seq,
    pub(super) ack: Seq,
    pub(super) flags: Flags,
    pub(super) window: u16,
    /// The clocks of who sends it, where the peer knows them (RFC 7323 §3.2).
    pub(super) stamps: Option<Stamps>,
    /// The options of a SYN-ACK.
    pub(super) offer: Option<HandshakeOptions>,
    /// What its connection's packets say of the service that they want.
    pub(super) dscp: Option<Dscp>,
    /// Its next hop is being asked for.
    pub(super) waits: bool,
}

impl Reply {
    /// The reset that answers a segment which nobody expects (RFC 9293 §3.10.7.1); none answers a reset.
    pub(super) fn reset(segment: &Arrival) -> Option<Self> {
        if segment.has(Flags::RST) {
            return None;
        }
        let (seq, ack, flags) = match segment.ack {
            Some(ack) => (ack, Seq(0), Flags::RST),
            None => (Seq(0), segment.seq + segment.len(), Flags::RST | Flags::ACK),
        };
        let interface = Some(segment.interface);
        Some(Self {
            tuple: segment.tuple,
            interface,
            seq,
            ack,
            flags,
            window: 0,
            stamps: None,
            offer: None,
            dscp: None,
            waits: false,
        })
    }

    /// An acknowledgment alone.
    pub(super) fn acknowledgment(
        tuple: Tuple,
        interface: Option<InterfaceId>,
        seq: Seq,
        ack: Seq,
        window: u16,
        stamps: Option<Stamps>,
    ) -> Self {
        Self { tuple, interface, seq, ack, flags: Flags::ACK, window, stamps, offer: None, dscp: None, waits: false }
    }

    /// A SYN-ACK that nothing is kept of.
    pub(super) fn syn_ack(syn: &Arrival, seq: Seq, window: u16, ecn: Flags, offer: HandshakeOptions) -> Self {
        let (interface, ack) = (Some(syn.interface), syn.seq + 1);
        let reply = Self::acknowledgment(syn.tuple, interface, seq, ack, window, None);
        Self { flags: Flags::SYN | Flags::ACK | ecn, offer: Some(offer), ..reply }
    }

    /// The segment.
    pub(super) fn packet(&self, now: Instant) -> TxPacket<'static> {
        let mut packet = TxPacket::new(Payload::EMPTY);
        let fields = Fields { seq: self.seq, ack: self.ack, flags: self.flags, window: self.window, urgent: 0 };
        if let Some(offer) = &self.offer {
            header::push(&mut packet, &self.tuple, fields, offer);
            return packet;
        }
        let timestamps = self.stamps.map(|stamps| stamps.of_now(now));
        header::push(&mut packet, &self.tuple, fields, &SegmentOptions { timestamps, ..SegmentOptions::default() });
        packet
    }
}

/// The ring; storage is handed in.
#[derive(Debug)]
pub(super) struct Replies<'s> {
    ring: &'s mut [Option<Reply>],
    first: usize,
    len: usize,
}

impl<'s> Replies<'s> {
    pub(super) fn new(ring: &'s mut [Option<Reply>]) -> Self {
        ring.fill(None);
        Self { ring, first: 0, len: 0 }
    }

    pub(super) const fn len(&self) -> usize {
        self.len
    }

    /// Whether one could be sent now.
    pub(super) fn has_ready(&self) -> bool {
        (0..self.len).any(|at| self.ring[(self.first + at) % self.ring.len()].is_some_and(|reply| !reply.waits))
    }

    /// Adds a reply at the end; false when there is no place.
    #[must_use]
    pub(super) fn push(&mut self, reply: Reply) -> bool {
        if self.len == self.ring.len() {
            return false;
        }
        let at = (self.first + self.len) % self.ring.len();
        self.ring[at] = Some(reply);
        self.len += 1;
        true
    }

    pub(super) fn pop(&mut self) -> Option<Reply> {
        if self.len == 0 {
            return None;
        }
        let reply = self.ring[self.first].take();
        self.first = (self.first + 1) % self.ring.len();
        self.len -= 1;
        reply
    }

    /// Some next hop was found or given up.
    pub(super) fn retry(&mut self) {
        for reply in self.ring.iter_mut().flatten() {
            reply.waits = false;
        }
    }
}

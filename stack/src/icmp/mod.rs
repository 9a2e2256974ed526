//! ICMP of both versions, as far as it is about packets and not about the link: echoes, and errors both ways.
//!
//! Invariant: an echo lends the request's chunks to its reply, with the sums that checking them left; an error lends
//! the front of the packet that it is about. Errors answer no error, no group and no broadcast, and are held back by a
//! token bucket. RFC 792, RFC 1122 §3.2.2, RFC 4443. Left out: asking for echoes, timestamps, source quench (RFC 6633).

mod echo;
mod error;
mod rate;

use lendwire_nic::Work;
use rate::TokenBucket;

use crate::drops::Reason;
use crate::ip::{Datagram, Ip, Refusal, TransportError};
use crate::time::Instant;
use crate::wire::icmp::{HEADER_LEN, Header};
use crate::wire::protocol::Protocol;
use crate::wire::{icmpv4, icmpv6};

/// What is left to ICMP above neighbour discovery.
#[derive(Debug)]
pub(crate) struct Icmp {
    /// Errors that may still be sent (RFC 4443 §2.4 f, RFC 1812 §4.3.2.8).
    errors: TokenBucket,
}

impl Icmp {
    pub(crate) fn new(now: Instant) -> Self {
        Self { errors: TokenBucket::full(now) }
    }

    /// Input: an ICMP message. An echo request queues its reply; an error comes back for the transport that it names.
    pub(crate) fn receive(&mut self, datagram: Datagram, ip: &mut Ip<'_>, work: &mut Work) -> Option<TransportError> {
        let received = Self::sort(datagram, ip, work);
        received.unwrap_or_else(|reason| {
            ip.drops.count(reason);
            None
        })
    }

    /// Input: a datagram that nobody here wanted. Its sender is told, if the rules allow.
    pub(crate) fn refuse(&mut self, datagram: &Datagram, refusal: Refusal, ip: &mut Ip<'_>, now: Instant) {
        if !error::may_answer(datagram, refusal) {
            return;
        }
        if !self.errors.take(now) {
            ip.drops.count(Reason::IcmpRateLimited);
            return;
        }
        error::queue(datagram, refusal, ip);
    }

    fn sort(datagram: Datagram, ip: &mut Ip<'_>, work: &mut Work) -> Result<Option<TransportError>, Reason> {
        let header = *Header::parse(datagram.transport()).ok_or(if datagram.transport_len() < HEADER_LEN {
            Reason::IcmpShort
        } else {
            Reason::HeaderSplit
        })?;
        let is_v4 = datagram.protocol == Protocol::ICMPV4;
        match (is_v4, header.kind) {
            (true, icmpv4::ECHO) => echo::answer(datagram, header, icmpv4::ECHO_REPLY, ip, work).map(|()| None),
            (false, icmpv6::ECHO_REQUEST) => {
                echo::answer(datagram, header, icmpv6::ECHO_REPLY, ip, work).map(|()| None)
            }
            (true, icmpv4::UNREACHABLE | icmpv4::TIME_EXCEEDED | icmpv4::PARAMETER_PROBLEM)
            | (false, icmpv6::UNREACHABLE..=icmpv6::PARAMETER_PROBLEM) => {
                error::read(datagram, header, ip, work).map(Some)
            }
            _ => Err(Reason::IcmpType),
        }
    }
}

//! A segment's way out: from the ready list through `ip` to a NIC.
//!
//! Invariant: what a NIC did not take is as if it had never been planned. A full ring leaves its connections in line; an
//! unresolved neighbour sets its connections aside until something is known of it.

use core::net::IpAddr;

use lendwire_nic::{Nic, NicInfo, Offloads, TxPacket};

use super::demux::{Entity, Tuple};
use super::handshake::Handshake;
use super::header::{self, Fields};
use super::opening::{self, Opening};
use super::reply::Reply;
use super::send_queue::{Cuts, Limits, Sums};
use super::shared::{Shared, TcpConfig};
use super::{Ended, Entry, State, Tcp};
use crate::drops::Reason;
use crate::ip::{Dscp, Envelope, InterfaceId, Ip, NotSent};
use crate::time::Instant;
use crate::wire::protocol::Protocol;
use crate::wire::{ipv6, tcp, tcp_options};

/// Segments that one connection sends before the next one has its turn; a run that the device cuts may exceed it.
const BURST: u32 = 32;

/// Payload of the largest run: its IPv6 packet is not longer than an IPv4 packet can be, and needs no jumbogram.
const LONGEST_RUN: u32 = (u16::MAX as usize - ipv6::HEADER_LEN - tcp::HEADER_LEN - tcp_options::LONGEST) as u32;

/// How far one entity in line got.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Turn {
    /// It has nothing more to send.
    Done,
    /// It has, and stays in line.
    Again,
    /// The ring of its interface is full.
    Full(InterfaceId),
    /// Its next hop is being asked for.
    Waits,
    /// Others hold all flights.
    Grounded,
    /// Its next hop cannot be reached.
    Unreachable(Reason),
}

/// The interface that must be named along with `remote`, because it means something on one link only.
pub(super) fn scope(remote: IpAddr, interface: InterfaceId) -> Option<InterfaceId> {
    let is_local = match remote {
        IpAddr::V6(address) => address.is_unicast_link_local(),
        IpAddr::V4(_) => false,
    };
    Some(interface).filter(|_| is_local)
}

fn envelope(tuple: &Tuple, interface: Option<InterfaceId>, config: &TcpConfig, dscp: Dscp) -> Envelope {
    let mut envelope = Envelope::new(tuple.local(), tuple.remote(), Protocol::TCP, Some(tcp::CHECKSUM_OFFSET));
    envelope.interface = interface;
    envelope.hop_limit = config.hop_limit;
    envelope.traffic_class = dscp.traffic_class();
    envelope
}

/// An interface's bit in a set of full ones; a shared bit only costs a turn.
fn bit_of(interface: InterfaceId) -> u32 {
    1 << (interface.index() % 32)
}

fn turn_of(not_sent: NotSent) -> Turn {
    match not_sent {
        NotSent::Full(interface) => Turn::Full(interface),
        NotSent::Unresolved => Turn::Waits,
        NotSent::NoRoute => Turn::Unreachable(Reason::NoRoute),
        NotSent::Silent => Turn::Unreachable(Reason::NeighbourSilent),
    }
}

impl Tcp<'_> {
    /// Output: sends until nobody has anything to send, the rings are full, or `budget` segments are sent. A full ring
    /// stops those behind it, and nobody else.
    pub(crate) fn transmit(&mut self, nics: &mut [&mut dyn Nic], ip: &mut Ip<'_>, now: Instant, budget: &mut usize) {
        let mut full = self.transmit_replies(nics, ip, now, budget);
        let mut turns = self.ready.len();
        while turns > 0 && *budget > 0 {
            turns -= 1;
            let Some(index) = self.ready_links.pop_front(&mut self.ready) else { break };
            match self.take_turn(index, full, nics, ip, now, budget) {
                Turn::Done => {}
                Turn::Again => {
                    turns += 1;
                    self.look_at(index);
                }
                Turn::Full(interface) => {
                    full |= bit_of(interface);
                    self.look_at(index);
                }
                Turn::Waits => self.waiting_links.push_back(&mut self.waiting, index),
                Turn::Grounded => self.waiting_links.push_back(&mut self.grounded, index),
                Turn::Unreachable(reason) => self.on_unreachable(index, reason, now),
            }
        }
    }

    /// Question: whether [`Tcp::transmit`] has something to do.
    pub(crate) fn has_output(&self) -> bool {
        !self.ready.is_empty() || self.replies.has_ready()
    }

    /// Question: how many pieces of data have come above a hole, round and round.
    pub(crate) const fn above_holes(&self) -> u32 {
        self.shared.above_holes
    }

    /// Input: some neighbour answered or was given up.
    pub(crate) fn retry_waiting(&mut self) {
        self.replies.retry();
        while let Some(index) = self.waiting_links.pop_front(&mut self.waiting) {
            self.look_at(index);
        }
    }

    /// Places for flights may have come free: whoever has waited longest takes one.
    pub(super) fn retry_grounded(&mut self) {
        if !self.grounded.is_empty()
            && self.shared.flights.has_place()
            && let Some(index) = self.waiting_links.pop_front(&mut self.grounded)
        {
            self.look_at(index);
        }
    }

    /// Tries each reply once, in order. Returns the interfaces whose rings are full, a bit each.
    fn transmit_replies(
        &mut self,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        budget: &mut usize,
    ) -> u32 {
        let mut full = 0;
        for _ in 0..self.replies.len() {
            let Some(reply) = self.replies.pop() else { break };
            if reply.waits {
                let _ = self.replies.push(reply);
                continue;
            }
            match self.send_reply(&reply, nics, ip, now) {
                Ok(()) => {
                    *budget = budget.saturating_sub(1);
                    self.shared.statistics.segments_sent += 1;
                }
                // All go behind each other in turn, so their order stays.
                Err(NotSent::Full(interface)) => {
                    full |= bit_of(interface);
                    let _ = self.replies.push(reply);
                }
                Err(NotSent::Unresolved) => {
                    let _ = self.replies.push(Reply { waits: true, ..reply });
                }
                Err(NotSent::NoRoute) => self.shared.drops.count(Reason::NoRoute),
                Err(NotSent::Silent) => self.shared.drops.count(Reason::NeighbourSilent),
            }
        }
        full
    }

    fn send_reply(
        &mut self,
        reply: &Reply,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
    ) -> Result<(), NotSent> {
        let interface = reply.interface.and_then(|interface| scope(reply.tuple.remote(), interface));
        let dscp = reply.dscp.unwrap_or(self.shared.config.dscp);
        let envelope = envelope(&reply.tuple, interface, &self.shared.config, dscp);
        ip.send(nics, &envelope, &mut reply.packet(now), now, &mut self.shared.work)
    }

    fn take_turn(
        &mut self,
        index: u32,
        full: u32,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        budget: &mut usize,
    ) -> Turn {
        if let Some(handshake) = self.handshake_of(index) {
            return self.send_syn_ack(handshake, nics, ip, now);
        }
        match self.connections.by_index_mut(index) {
            Some(Entry::Opening(opening)) => {
                let turn = send_opening(opening, &mut self.shared, nics, ip, now);
                self.arm(index);
                turn
            }
            Some(Entry::Open(_)) => {
                let turn = self.send_segments(index, full, nics, ip, now, budget);
                self.arm(index);
                turn
            }
            Some(Entry::Failed(_)) | None => Turn::Done,
        }
    }

    /// Sends the SYN-ACK of the handshake in place `index` of the SYN cache, if it is due.
    fn send_syn_ack(&mut self, index: u32, nics: &mut [&mut dyn Nic], ip: &mut Ip<'_>, now: Instant) -> Turn {
        let Some(tuple) = self.handshakes.get(index).map(|entry| entry.tuple) else { return Turn::Done };
        let Ok(path) = ip.route_again(tuple.remote(), Some(tuple.local()), None) else {
            return Turn::Unreachable(Reason::NoRoute);
        };
        let Some(mut handshake) = self.unpacked(index, path.mtu, now) else { return Turn::Done };
        let dscp = self.shared.config.dscp;
        let turn = send_handshake(&mut handshake, None, dscp, &mut self.shared, nics, ip, now);
        let timer = self.timer_of(Entity::Handshake(index));
        if let Some(entry) = self.handshakes.get_mut(index) {
            entry.update(&handshake);
            if let Some(deadline) = handshake.deadline {
                self.wheel.arm(timer, deadline);
            }
        }
        turn
    }

    fn send_segments(
        &mut self,
        index: u32,
        full: u32,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        budget: &mut usize,
    ) -> Turn {
        let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) else { return Turn::Done };
        if connection.is_quiet(&self.shared) {
            // No route is asked for: most acknowledgments that come leave nothing to be said.
            connection.take_flight(now, &mut self.shared);
            connection.pass(now, &mut self.shared);
            return Turn::Done;
        }
        let mut envelope = envelope(&connection.tuple, connection.interface, &self.shared.config, connection.dscp);
        if connection.is_unanswered() {
            // RFC 9293 §3.8.3 (MUST-20): at R1 the next hop may be dead.
            ip.suspect(envelope.destination);
        }
        let Ok(path) = ip.route_again(envelope.destination, Some(envelope.source), envelope.interface) else {
            return Turn::Unreachable(Reason::NoRoute);
        };
        if full & bit_of(path.interface) != 0 {
            return Turn::Full(path.interface);
        }
        let mut limits = limits_of(nics[path.interface.index()].info(), envelope.destination);
        let (mut way, mut sent_segments) = (None, 0);
        while sent_segments < BURST && *budget > 0 {
            if limits.cuts == Cuts::Stack {
                limits.run = (BURST - sent_segments).min(*budget as u32) * u32::from(connection.send.mss);
            }
            let Some(mut plan) = connection.plan(limits, now, &mut self.shared) else {
                if connection.wants_flight() && connection.flight(&self.shared).is_none() {
                    return Turn::Grounded;
                }
                connection.pass(now, &mut self.shared);
                return Turn::Done;
            };
            envelope.traffic_class = connection.dscp.traffic_class() | connection.codepoint(&plan);
            let mut work = self.shared.work;
            let found = way.map_or_else(|| ip.way_along(&path, nics, now, &mut work), Ok);
            let is_train = limits.cuts == Cuts::Stack && plan.segments() > 1;
            let sent = found.and_then(|found| {
                way = Some(found);
                if !is_train {
                    let mut packet = connection.packet(&plan, now, &self.shared);
                    return found.send(nics, &envelope, &mut packet, &mut work).map(|()| 1);
                }
                let train = connection.train(&plan, now, &self.shared);
                found.send_train(nics, &envelope, train, &mut work)
            });
            self.shared.work = work;
            let packets = match sent {
                Ok(packets) => packets,
                Err(not_sent) => return turn_of(not_sent),
            };
            let is_short = is_train && connection.shorten(&mut plan, packets, limits, &mut self.shared);
            sent_segments += plan.segments();
            connection.sent(&plan, now, &mut self.shared);
            *budget -= packets;
            if is_short {
                return Turn::Full(path.interface);
            }
        }
        Turn::Again
    }

    /// A connection that stands sends again when its timer expires (RFC 9293 MUST-56: such errors are soft); one that
    /// does not is over.
    fn on_unreachable(&mut self, index: u32, reason: Reason, now: Instant) {
        self.shared.drops.count(reason);
        if let Some(handshake) = self.handshake_of(index) {
            return self.give_up_handshake(handshake, Ended::Unreachable, now);
        }
        match self.connections.by_index_mut(index) {
            Some(Entry::Opening(_)) => self.fail(index, Ended::Unreachable),
            Some(Entry::Open(connection)) if connection.state() != State::Closed => {
                connection.try_later(now);
                self.arm(index);
            }
            Some(Entry::Open(_) | Entry::Failed(_)) | None => {}
        }
    }
}

/// What the device lets a packet to `destination` hold.
fn limits_of(info: &NicInfo, destination: IpAddr) -> Limits {
    let completes = info.offloads.contains(Offloads::TX_CHECKSUM);
    let cuts = info.offloads.contains(match destination {
        IpAddr::V4(_) => Offloads::TX_SEGMENT_V4,
        IpAddr::V6(_) => Offloads::TX_SEGMENT_V6,
    });
    Limits {
        parts: usize::from(info.max_parts),
        sums: if completes { Sums::Skip } else { Sums::Keep },
        size: 0,
        run: LONGEST_RUN,
        cuts: if completes && cuts { Cuts::Device } else { Cuts::Stack },
    }
}

/// Sends the SYN that is due, with data where Fast Open has it.
fn send_opening(
    opening: &mut Opening,
    shared: &mut Shared<'_>,
    nics: &mut [&mut dyn Nic],
    ip: &mut Ip<'_>,
    now: Instant,
) -> Turn {
    let tuple = opening.handshake.tuple;
    let scope = opening.handshake.interface;
    let path = ip.route_again(tuple.remote(), Some(tuple.local()), scope).ok().filter(|_| opening.handshake.due);
    let data = path.and_then(|path| {
        let limits = limits_of(nics[path.interface.index()].info(), tuple.remote());
        opening.plan_data(limits, shared)
    });
    let turn = send_handshake(&mut opening.handshake, data, opening.dscp, shared, nics, ip, now);
    if let (Turn::Done, Some((_, len))) = (turn, data) {
        opening.handshake.beyond = len;
    }
    turn
}

/// Sends the SYN or SYN-ACK that is due.
fn send_handshake(
    handshake: &mut Handshake,
    data: Option<(u32, u32)>,
    dscp: Dscp,
    shared: &mut Shared<'_>,
    nics: &mut [&mut dyn Nic],
    ip: &mut Ip<'_>,
    now: Instant,
) -> Turn {
    if !handshake.due {
        return Turn::Done;
    }
    let (flags, options) = handshake.segment(now, &shared.config);
    // RFC 7323 §2.2: the window of a SYN is never scaled.
    let window = handshake.window(&shared.config) as u16;
    let fields = Fields { seq: handshake.iss, ack: handshake.receive_next(), flags, window, urgent: 0 };
    let mut packet = TxPacket::new(opening::payload(data, shared));
    header::push(&mut packet, &handshake.tuple, fields, &options);
    let envelope = envelope(&handshake.tuple, handshake.interface, &shared.config, dscp);
    if handshake.is_unanswered() {
        ip.suspect(envelope.destination);
    }
    let mut work = shared.work;
    let sent = ip.send(nics, &envelope, &mut packet, now, &mut work);
    shared.work = work;
    if let Err(not_sent) = sent {
        return turn_of(not_sent);
    }
    shared.statistics.segments_sent += 1;
    if handshake.sent(now, &shared.config) {
        shared.statistics.retransmissions += 1;
    }
    Turn::Done
}

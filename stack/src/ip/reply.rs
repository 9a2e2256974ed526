//! What the layer itself has to say, waiting for room in a ring: answers to ARP, neighbour discovery and echoes, errors,
//! questions of its own.
//!
//! Invariant: an echo or an error lends the chunks of the packet that it answers, and copies none. The queue is bounded;
//! a quarter of it is kept for what keeps an interface alive, so no flood of echoes can silence it. Each interface has
//! its own line, in order, so a full ring holds up nobody else; a reply whose next hop must first be asked for steps
//! aside until somebody answered.

use lendwire_nic::{MacAddress, Nic, Payload, RxPacket, TxPacket, Work};
use zerocopy::IntoBytes;

use super::Ip;
use super::envelope::{Envelope, NotSent};
use crate::drops::Reason;
use crate::link::{self, InterfaceId};
use crate::time::Instant;
use crate::wire::{arp, ethernet::EtherType};

const NIL: u32 = u32::MAX;

/// Room for one reply.
#[derive(Debug)]
pub struct ReplySlot {
    next: u32,
    message: Option<Message>,
}

impl ReplySlot {
    /// An empty place.
    pub const EMPTY: Self = Self { next: NIL, message: None };
}

/// One waiting message.
#[derive(Debug)]
pub(crate) enum Message {
    Arp { destination: MacAddress, packet: arp::Packet },
    Packet { envelope: Envelope, header: Header, payload: Option<RxPacket> },
}

/// A transport header of up to 40 bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Header {
    bytes: [u8; 40],
    len: u8,
}

impl Header {
    pub(crate) fn of(parts: &[&[u8]]) -> Self {
        let mut header = Self { bytes: [0; 40], len: 0 };
        for part in parts {
            let at = usize::from(header.len);
            header.bytes[at..at + part.len()].copy_from_slice(part);
            header.len += part.len() as u8;
        }
        header
    }

    fn bytes(&self) -> &[u8] {
        &self.bytes[..usize::from(self.len)]
    }
}

/// Which messages may have the last quarter of the queue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Precedence {
    /// Those that keep the interface alive.
    Own,
    /// Those that others can do without.
    Courtesy,
}

/// A list of messages, first in, first out.
#[derive(Clone, Copy, Debug)]
pub(super) struct Line {
    head: u32,
    tail: u32,
}

impl Line {
    pub(super) const EMPTY: Self = Self { head: NIL, tail: NIL };

    pub(super) const fn is_empty(self) -> bool {
        self.head == NIL
    }
}

/// The messages of all interfaces.
#[derive(Debug)]
pub(super) struct Replies<'s> {
    slots: &'s mut [ReplySlot],
    free: Line,
    available: usize,
}

impl<'s> Replies<'s> {
    pub(super) fn new(slots: &'s mut [ReplySlot]) -> Self {
        let mut replies = Self { available: slots.len(), slots, free: Line::EMPTY };
        for index in 0..u32::try_from(replies.slots.len()).expect("a table has fewer than 2^32 places") {
            replies.slots[index as usize].message = None;
            replies.append(index, |replies| &mut replies.free);
        }
        replies
    }

    fn append(&mut self, index: u32, line: impl Fn(&mut Self) -> &mut Line) {
        let mut list = *line(self);
        self.link_behind(&mut list, index);
        *line(self) = list;
    }

    fn link_behind(&mut self, line: &mut Line, index: u32) {
        self.slots[index as usize].next = NIL;
        match line.tail {
            NIL => line.head = index,
            tail => self.slots[tail as usize].next = index,
        }
        line.tail = index;
    }

    fn unlink_first(&mut self, line: &mut Line) -> Option<u32> {
        if line.is_empty() {
            return None;
        }
        let index = line.head;
        line.head = self.slots[index as usize].next;
        if line.head == NIL {
            line.tail = NIL;
        }
        Some(index)
    }

    fn push(&mut self, line: &mut Line, message: Message, precedence: Precedence) -> Result<(), Reason> {
        let kept = match precedence {
            Precedence::Own => 0,
            Precedence::Courtesy => self.slots.len() / 4,
        };
        if self.available <= kept {
            return Err(Reason::ReplyQueueFull);
        }
        let mut free = self.free;
        let index = self.unlink_first(&mut free).ok_or(Reason::ReplyQueueFull)?;
        self.free = free;
        self.available -= 1;
        self.slots[index as usize].message = Some(message);
        self.link_behind(line, index);
        Ok(())
    }

    fn give_back(&mut self, index: u32) {
        self.slots[index as usize].message = None;
        self.available += 1;
        self.append(index, |replies| &mut replies.free);
    }

    /// Moves all of `from` behind `to`.
    fn splice(&mut self, to: &mut Line, from: &mut Line) {
        let moved = core::mem::replace(from, Line::EMPTY);
        if moved.is_empty() {
            return;
        }
        match to.tail {
            NIL => to.head = moved.head,
            tail => self.slots[tail as usize].next = moved.head,
        }
        to.tail = moved.tail;
    }
}

impl Ip<'_> {
    /// Output: sends replies and probes that wait. Returns whether some still wait for room in a ring.
    pub(crate) fn transmit(&mut self, nics: &mut [&mut dyn Nic], now: Instant, work: &mut Work) -> bool {
        self.note_resolved();
        if !self.has_output() {
            return false;
        }
        let mut left = false;
        for id in self.interfaces.ids() {
            self.set_groups(nics, id);
            left |= self.transmit_line(nics, id, now, work);
        }
        left
    }

    /// Question: whether something waits for [`Ip::transmit`].
    pub(crate) fn has_output(&self) -> bool {
        self.interfaces.iter().any(|state| !state.replies.is_empty() || state.groups_changed)
    }

    /// Puts a message into the line of `interface`, or drops it and counts it.
    pub(crate) fn queue(&mut self, interface: InterfaceId, message: Message, precedence: Precedence) {
        let Some(state) = self.interfaces.lines_of(interface) else { return };
        if let Err(reason) = self.replies.push(&mut state.replies, message, precedence) {
            self.drops.count(reason);
        }
    }

    /// Lets who waits for a neighbour try again when one answered or was given up.
    pub(super) fn note_resolved(&mut self) {
        if !self.neighbours.take_resolved() {
            return;
        }
        self.resolved = true;
        for state in self.interfaces.lines_mut() {
            self.replies.splice(&mut state.replies, &mut state.waiting);
        }
    }

    fn transmit_line(&mut self, nics: &mut [&mut dyn Nic], id: InterfaceId, now: Instant, work: &mut Work) -> bool {
        loop {
            let Some(state) = self.interfaces.lines_of(id) else { return false };
            let Some(index) = self.replies.unlink_first(&mut state.replies) else { return false };
            let Some(message) = self.replies.slots[index as usize].message.take() else { continue };
            let sent = self.emit(nics, id, &message, now, work);
            match sent {
                Ok(()) => self.replies.give_back(index),
                Err(NotSent::Full(_)) => {
                    self.replies.slots[index as usize].message = Some(message);
                    let Some(state) = self.interfaces.lines_of(id) else { return false };
                    let mut rest = core::mem::replace(&mut state.replies, Line::EMPTY);
                    self.replies.link_behind(&mut state.replies, index);
                    self.replies.splice(&mut state.replies, &mut rest);
                    return true;
                }
                Err(NotSent::Unresolved) => {
                    self.replies.slots[index as usize].message = Some(message);
                    let Some(state) = self.interfaces.lines_of(id) else { return false };
                    self.replies.link_behind(&mut state.waiting, index);
                }
                Err(NotSent::NoRoute) => {
                    self.drops.count(Reason::NoRoute);
                    self.replies.give_back(index);
                }
                Err(NotSent::Silent) => {
                    self.drops.count(Reason::NeighbourSilent);
                    self.replies.give_back(index);
                }
            }
        }
    }

    pub(super) fn emit(
        &mut self,
        nics: &mut [&mut dyn Nic],
        id: InterfaceId,
        message: &Message,
        now: Instant,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        match message {
            Message::Arp { destination, packet } => {
                let mac = self.interfaces.at(id).ok_or(NotSent::NoRoute)?.mac;
                let nic = nics.get_mut(id.index()).ok_or(NotSent::NoRoute)?;
                let mut frame = TxPacket::new(Payload::EMPTY);
                frame.push(arp::Packet::LEN).copy_from_slice(packet.as_bytes());
                link::close(&mut frame, *destination, mac, EtherType::ARP);
                nic.transmit(&frame).map_err(|_| NotSent::Full(id))
            }
            Message::Packet { envelope, header, payload } => {
                let payload = payload.as_ref().map_or(Payload::EMPTY, |payload| Payload::of(payload.chunks()));
                let mut packet = TxPacket::new(payload);
                let header = header.bytes();
                packet.push(header.len()).copy_from_slice(header);
                self.send(nics, envelope, &mut packet, now, work)
            }
        }
    }

    fn set_groups(&mut self, nics: &mut [&mut dyn Nic], id: InterfaceId) {
        let Some(state) = self.interfaces.lines_of(id).filter(|state| state.groups_changed) else { return };
        let Some(nic) = nics.get_mut(id.index()) else { return };
        state.groups_changed = false;
        state.filter(|groups| nic.set_multicast(groups));
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use core::net::Ipv4Addr;
    use std::vec::Vec;

    use lendwire_nic::MacAddress;

    use super::*;
    use crate::ip::harness::{Host, OWN, PEER_MAC, arp as frame};
    use crate::time::Span;

    fn ask(host: &mut Host, last: u8) {
        let from = Ipv4Addr::new(192, 0, 2, last);
        host.receive(&frame(MacAddress::BROADCAST, arp::Packet::request(PEER_MAC, from, OWN)));
    }

    fn asked_by(frames: &[Vec<u8>]) -> Vec<u8> {
        frames.iter().map(|frame| frame[41]).collect()
    }

    #[test]
    fn a_full_ring_keeps_replies_and_their_order() {
        let mut host = Host::new();
        (10..16).for_each(|last| ask(&mut host, last));
        host.wire.room = 2;
        assert!(host.ip.transmit(&mut [&mut host.wire], host.now, &mut host.work));
        assert_eq!(asked_by(&host.take_sent()), [10, 11]);
        assert!(host.ip.has_output());
        ask(&mut host, 16);
        host.wire.room = 100;
        assert_eq!(asked_by(&host.transmit()), [12, 13, 14, 15, 16]);
        assert!(!host.ip.has_output());
    }

    #[test]
    fn a_queue_that_is_full_drops_what_comes_and_counts_it() {
        let mut host = Host::new();
        (10..22).for_each(|last| ask(&mut host, last));
        assert_eq!(host.ip.drops.of(Reason::ReplyQueueFull), 4);
        assert_eq!(asked_by(&host.transmit()), [10, 11, 12, 13, 14, 15, 16, 17]);
    }

    #[test]
    fn a_reply_whose_next_hop_is_asked_for_steps_aside_and_ends_in_silence() {
        let mut host = Host::new();
        let stranger = Ipv4Addr::new(192, 0, 2, 77);
        let envelope = Envelope {
            interface: Some(host.id()),
            ..Envelope::new(OWN.into(), stranger.into(), crate::wire::protocol::Protocol::ICMPV4, None)
        };
        let message = Message::Packet { envelope, header: Header::of(&[&[0; 8]]), payload: None };
        host.ip.queue(host.id(), message, Precedence::Courtesy);
        ask(&mut host, 10);
        let kinds: Vec<u8> = host.transmit().iter().map(|frame| frame[21]).collect();
        assert_eq!(kinds, [1, 2], "the question, and the reply that stood behind");
        assert!(!host.ip.has_output());
        host.pass(Span::from_secs(3));
        host.transmit();
        assert_eq!(host.ip.drops.of(Reason::NeighbourSilent), 1);
    }
}

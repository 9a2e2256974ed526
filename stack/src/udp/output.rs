//! Datagrams on their way out: socket by socket in turn, and as many of one as nobody waits behind.
//!
//! Invariant: a socket's datagrams leave in the order in which they were queued; one that cannot leave holds back its socket
//! and nobody else.

use core::net::SocketAddr;

use lendwire_nic::{Nic, Payload, TxPacket, Work};
use zerocopy::IntoBytes;

use super::socket::SocketError;
use super::{Udp, path};
use crate::drops::Reason;
use crate::ip::{Envelope, Ip, NotSent, Way};
use crate::list::List;
use crate::time::Instant;
use crate::wire::protocol::Protocol;
use crate::wire::udp::{CHECKSUM_OFFSET, HEADER_LEN, Header};

/// Where the datagram before went, and how: good for the next one, for nothing is received between them.
struct Last {
    to: SocketAddr,
    envelope: Envelope,
    way: Way,
}

impl Udp<'_> {
    /// Output: sends what is queued, up to `left` datagrams. Returns whether something is left that could be sent.
    pub(crate) fn transmit(
        &mut self,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        left: &mut usize,
        work: &mut Work,
    ) -> bool {
        let mut blocked = List::EMPTY;
        while *left > 0 && blocked.len() < nics.len() {
            let Some(index) = self.sending_links.pop_front(&mut self.sending) else { break };
            match self.transmit_turn(index, nics, ip, now, left, work) {
                Ok(()) => {}
                Err(NotSent::Full(_)) => self.sending_links.push_back(&mut blocked, index),
                Err(NotSent::Unresolved) => self.sending_links.push_back(&mut self.waiting, index),
                Err(NotSent::NoRoute) => self.give_up(index, SocketError::NoRoute, Reason::NoRoute, ip),
                Err(NotSent::Silent) => self.give_up(index, SocketError::NoAnswer, Reason::NeighbourSilent, ip),
            }
        }
        while let Some(index) = self.sending_links.pop_front(&mut blocked) {
            self.sending_links.push_back(&mut self.sending, index);
        }
        !self.sending.is_empty()
    }

    /// A socket's turn: one datagram, or more as long as no other socket waits. What is left of it waits its next turn.
    fn transmit_turn(
        &mut self,
        index: u32,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        left: &mut usize,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        let mut last = None;
        while *left > 0 && self.transmit_first(index, &mut last, nics, ip, now, work)? {
            *left -= 1;
            self.departed(index);
            if !self.sending.is_empty() {
                break;
            }
        }
        self.stand_in_line(index);
        Ok(())
    }

    /// Sends the first datagram of a socket. Returns whether there was one.
    fn transmit_first(
        &self,
        index: u32,
        last: &mut Option<Last>,
        nics: &mut [&mut dyn Nic],
        ip: &mut Ip<'_>,
        now: Instant,
        work: &mut Work,
    ) -> Result<bool, NotSent> {
        let Some(socket) = self.sockets.by_index(index) else { return Ok(false) };
        let Some(departure) = socket.departures.first(&self.departures) else { return Ok(false) };
        let Last { envelope, way, .. } = match last {
            Some(known) if known.to == departure.to => known,
            other => {
                let path = path(ip, socket.local, departure.to).ok_or(NotSent::NoRoute)?;
                let checksum = Some(CHECKSUM_OFFSET);
                let envelope = Envelope::new(path.source, departure.to.ip(), Protocol::UDP, checksum);
                let way = ip.way_along(&path, nics, now, work)?;
                other.insert(Last { to: departure.to, envelope, way })
            }
        };
        let len = (HEADER_LEN + departure.chunk.len()) as u16;
        let mut packet = TxPacket::new(Payload::of(core::slice::from_ref(&departure.chunk)));
        let header = Header::new(socket.port, departure.to.port(), len);
        packet.push(HEADER_LEN).copy_from_slice(header.as_bytes());
        // What a socket sends stays in order; 0 is everybody else's.
        packet.flow = index + 1;
        way.send(nics, envelope, &mut packet, work)?;
        Ok(true)
    }

    /// The first datagram of a socket has left.
    fn departed(&mut self, index: u32) {
        let Some(socket) = self.sockets.by_index_mut(index) else { return };
        let was_full = socket.departures.len() >= super::QUEUE_LIMIT;
        socket.departures.pop(&mut self.departures);
        if was_full {
            self.ready_links.push_back(&mut self.ready, index);
        }
    }

    /// The first datagram of a socket will never leave; the next one waits its turn.
    fn give_up(&mut self, index: u32, error: SocketError, reason: Reason, ip: &mut Ip<'_>) {
        ip.drops.count(reason);
        self.note_error(index, error);
        self.departed(index);
        self.stand_in_line(index);
    }

    /// A socket waits for its next turn, if anything is left in it.
    fn stand_in_line(&mut self, index: u32) {
        let has_more = self.sockets.by_index(index).is_some_and(|socket| socket.departures.len() > 0);
        if has_more {
            self.sending_links.push_back(&mut self.sending, index);
        }
    }
}

//! What an application asks: states, ends, room, what happened. Nothing here changes a connection.

use core::net::SocketAddr;

use super::connection::OurFin;
use super::demux::Entity;
use super::ecn::Feedback;
use super::handle::{TcpEvent, TcpHandle, TcpInfo, TcpUsage};
use super::origin::Origin;
use super::{Ended, Entry, State, Tcp};
use crate::time::Instant;

impl Tcp<'_> {
    /// Question: the state by its RFC name; a handle whose connection is gone is closed.
    pub(crate) fn state(&self, handle: TcpHandle) -> State {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) if connection.held => {
                match (connection.ended, self.find(&connection.tuple)) {
                    (Some(Ended::Closed), Some(Entity::TimeWait(_))) => State::TimeWait,
                    (Some(_) | None, _) => connection.state(),
                }
            }
            Some(Entry::Opening(opening)) if opening.handshake.is_received() => State::SynReceived,
            Some(Entry::Opening(_)) => State::SynSent,
            Some(Entry::Open(_) | Entry::Failed(_)) | None => State::Closed,
        }
    }

    /// Question: both ends.
    pub(crate) fn ends(&self, handle: TcpHandle) -> Option<(SocketAddr, SocketAddr)> {
        let tuple = match self.connections.at(handle.0)? {
            Entry::Open(connection) => connection.tuple,
            Entry::Opening(opening) => opening.handshake.tuple,
            Entry::Failed(_) => return None,
        };
        Some((tuple.local_socket(), tuple.remote_socket()))
    }

    /// Question: what the stack knows of the path and the peer.
    pub(crate) fn info(&self, handle: TcpHandle) -> Option<TcpInfo> {
        let Some(Entry::Open(connection)) = self.connections.at(handle.0) else { return None };
        let send = &connection.send;
        let fresh = connection.fresh_flight(&self.shared.config, Instant::from_micros(0));
        let flight = connection.flight(&self.shared).unwrap_or(&fresh);
        Some(TcpInfo {
            state: connection.state(),
            rtt: connection.rtt.smoothed(),
            rtt_variation: connection.rtt.variation(),
            rto: connection.rtt.rto(),
            mss: send.mss,
            congestion: connection.algorithm,
            pacing_rate: flight.pacer.rate(),
            congestion_window: flight.window(),
            slow_start_threshold: flight.congestion.threshold(),
            in_flight: connection.in_flight(),
            sacked: flight.board.sacked(),
            lost: flight.board.lost(),
            retransmitted: flight.board.again(),
            recovery: flight.recovery.phase,
            reordering: flight.rack.reordering(),
            min_rtt: flight.rack.min_rtt(),
            delivered: flight.rate.delivered,
            marked: flight.marked,
            timeouts: send.timeouts,
            unsent: connection.end_of_data().since(send.max.earlier(connection.end_of_data())),
            unread: connection.receive.queue.bytes(),
            send_window: send.window,
            receive_window: connection.receive.edge.since(connection.receive.nxt),
            bytes_sent: connection.bytes_sent(),
            bytes_acknowledged: connection.bytes_acknowledged(),
            bytes_retransmitted: connection.repeated.bytes(),
            bytes_received: connection.bytes_received(),
            segments_sent: connection.segments.sent,
            segments_received: connection.segments.received,
            send_scale: send.scale,
            receive_scale: connection.receive.scale,
            timestamps: connection.stamps.is_some(),
            sack: connection.sack,
            ecn: connection.ecn != Feedback::None,
            syn_data: connection.origin.contains(Origin::SYN_DATA),
        })
    }

    /// Question: how much of each table is in use.
    pub(crate) fn usage(&self) -> TcpUsage {
        TcpUsage {
            listeners: self.listeners.len(),
            handshakes: self.handshakes.len(),
            connections: self.connections.len(),
            time_waits: self.time_waits.len(),
            writers: self.shared.writers.len(),
            blocks: self.shared.blocks.len(),
            flights: self.shared.flights.len(),
            unread_memory: self.shared.received.held(),
            queued_memory: self.shared.queued.held(),
            runs: self.shared.flights.runs().len(),
            free_cells: self.shared.cells.available(),
        }
    }

    /// Question: how many bytes `write` would take.
    pub(crate) fn room(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) if connection.held && connection.send.fin == OurFin::None => {
                connection.room(&self.shared) as usize
            }
            Some(Entry::Opening(opening)) => opening.room(&self.shared) as usize,
            Some(_) | None => 0,
        }
    }

    /// Question: how many bytes are queued and not acknowledged.
    pub(crate) fn unacknowledged(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) => connection.send.queue.bytes() as usize,
            Some(Entry::Opening(opening)) => opening.queue.bytes() as usize,
            Some(_) | None => 0,
        }
    }

    /// Question: how many bytes wait to be read.
    pub(crate) fn unread(&self, handle: TcpHandle) -> usize {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) => connection.receive.queue.bytes(),
            Some(_) | None => 0,
        }
    }

    /// Question: whether something happened that nobody has asked for, or somebody waits for memory.
    pub(crate) fn has_news(&self) -> bool {
        !self.events.is_empty() || !self.starved.is_empty()
    }

    /// Question, once each: a connection on which something happened since it was last asked for.
    pub(crate) fn next_event(&mut self) -> Option<TcpEvent> {
        loop {
            let happened = self.event_links.pop_front(&mut self.events);
            let index = happened.or_else(|| self.starved.pop(&self.shared))?;
            let held = match self.connections.by_index(index) {
                Some(Entry::Open(connection)) => connection.held,
                Some(Entry::Opening(_) | Entry::Failed(_)) => true,
                None => false,
            };
            if let Some(key) = self.connections.key(index).filter(|_| held) {
                return Some(TcpEvent(TcpHandle(key)));
            }
        }
    }
}

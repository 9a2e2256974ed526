//! An active open, and what its application has given it before there is a connection: options, and with Fast Open data.
//!
//! Invariant: an option that is set here counts from the first segment behind the handshake on, as if it had been set then;
//! the service that packets want counts at once. All of it moves to the connection, or is given back with the attempt.

use lendwire_nic::Payload;

use super::budget::Level;
use super::congestion::Algorithm;
use super::connection::Connection;
use super::fast_open_client::Attempt;
use super::handshake::{Agreed, Handshake};
use super::options;
use super::origin::Origin;
use super::path_mtu::believable;
use super::send_queue::{Ending, Limits, SendQueue};
use super::settings::Settings;
use super::shared::{Shared, TcpConfig, Writers};
use crate::ip::{Dscp, TransportError};
use crate::slab::Place;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Opening {
    pub(super) handshake: Handshake,
    pub(super) attempt: Attempt,
    /// What was written ahead.
    pub(super) queue: SendQueue,
    writers: Option<Place>,
    settings: Option<Place>,
    pub(super) nodelay: bool,
    pub(super) algorithm: Algorithm,
    pub(super) dscp: Dscp,
}

#[cfg(target_pointer_width = "64")]
const _: () = assert!(size_of::<Opening>() <= size_of::<Connection>());

impl Opening {
    pub(super) const fn new(handshake: Handshake, config: &TcpConfig) -> Self {
        Self {
            handshake,
            attempt: Attempt::Usual,
            queue: SendQueue::NEW,
            writers: None,
            settings: None,
            nodelay: false,
            algorithm: config.congestion,
            dscp: config.dscp,
        }
    }

    /// The connection that `agreed` makes of it.
    pub(super) fn establish(&self, agreed: &Agreed, shared: &mut Shared<'_>) -> Connection {
        let mut connection = Connection::new(agreed, &shared.config);
        connection.send.queue = self.queue;
        connection.send.nodelay = self.nodelay;
        (connection.writers, connection.settings) = (self.writers, self.settings);
        (connection.algorithm, connection.dscp) = (self.algorithm, self.dscp);
        // RFC 7413 §4.2.2: what of the SYN's data was not acknowledged goes again, at once.
        let taken = agreed.send_next.since(agreed.first);
        if taken > 0 {
            connection.send.queue.acknowledged(taken, true, shared);
        }
        connection.origin.set(Origin::SYN_DATA, taken > 0 && taken == self.handshake.beyond);
        if let Some(bytes) = connection.settings(shared).and_then(|asked| asked.receive_budget) {
            connection.budget = connection.budget.max(bytes);
        }
        connection
    }

    /// Gives everything back.
    pub(super) fn release(&mut self, shared: &mut Shared<'_>) {
        self.queue.clear(shared);
        if let Some(key) = self.writers.take().and_then(|place| shared.writers.key(place.index())) {
            shared.writers.remove(key);
        }
        if let Some(key) = self.settings.take().and_then(|place| shared.settings.key(place.index())) {
            shared.settings.remove(key);
        }
    }

    /// See [`Connection::take_settings`].
    pub(super) fn take_settings<'s>(&mut self, shared: &'s mut Shared<'_>) -> Option<&'s mut Settings> {
        if self.settings.is_none() {
            self.settings = shared.settings.insert(Settings::NEW).ok().map(Place::of);
        }
        shared.settings.by_index_mut(self.settings?.index())
    }

    /// See [`Connection::writers`].
    pub(super) fn writers(&mut self, shared: &mut Shared<'_>) -> Option<Place> {
        if self.writers.is_none() {
            let fresh = Writers { send: None, filled: 0, receive: None };
            self.writers = shared.writers.insert(fresh).ok().map(Place::of);
        }
        self.writers
    }

    /// Question: how many bytes may be written ahead.
    pub(super) fn room(&self, shared: &Shared<'_>) -> u32 {
        match self.attempt {
            Attempt::Usual => 0,
            Attempt::Waits | Attempt::Asks | Attempt::Shows { .. } => {
                let said = self.settings.and_then(|place| shared.settings.by_index(place.index())?.send_budget);
                let most = match shared.queued.level() {
                    Level::Full => options::default_mss(self.handshake.tuple.remote()).into(),
                    Level::Plenty | Level::Pressed => said.unwrap_or(shared.config.send_budget_start),
                };
                most.saturating_sub(self.queue.bytes())
            }
        }
    }

    /// Plans the data of the SYN that is due: where it begins, and how much it is.
    pub(super) fn plan_data(&mut self, limits: Limits, shared: &mut Shared<'_>) -> Option<(u32, u32)> {
        let room = match self.attempt {
            // RFC 7413 §4.2.2: a SYN that goes again has neither cookie nor data.
            Attempt::Shows { room } if self.handshake.fast_open.is_some() && !self.handshake.is_received() => room,
            Attempt::Shows { .. } | Attempt::Usual | Attempt::Waits | Attempt::Asks => return None,
        };
        let (cell, want) = (self.queue.first()?, self.queue.bytes().min(room.into()));
        let len = self.queue.prepare(cell, want as usize, Ending::Exact, limits, shared) as u32;
        (len > 0).then_some((cell, len))
    }

    /// Input: a router says that the SYN was too big. Returns the path's MTU, if that is to be believed: the SYN goes again
    /// without its data, which alone can have made it so.
    pub(super) fn on_too_big(&mut self, error: &TransportError, mtu: u32, shared: &Shared<'_>) -> Option<u16> {
        let has_data = self.handshake.beyond > 0 && self.handshake.fast_open.is_some();
        let is_ipv6 = self.handshake.tuple.remote().is_ipv6();
        let too_big = has_data && !self.handshake.is_received() && mtu < u32::from(error.packet_len);
        let mtu = believable(mtu, error.packet_len, is_ipv6, shared).filter(|_| too_big)?;
        self.handshake.mtu = self.handshake.mtu.min(mtu);
        (self.handshake.fast_open, self.handshake.due) = (None, true);
        Some(mtu)
    }
}

/// A run of a send queue, as a borrow of it.
pub(super) fn payload<'q>(data: Option<(u32, u32)>, shared: &'q Shared<'_>) -> Payload<'q> {
    data.map_or(Payload::EMPTY, |(cell, len)| Payload::of_queue(shared.cells.storage(), cell, len as usize))
}

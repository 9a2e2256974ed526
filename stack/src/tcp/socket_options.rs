//! What an application asks for one connection: BSD's socket options, and the urgent mark.
//!
//! Invariant: an option of a handle without a connection changes nothing and says so; that of an active open counts once there
//! is one. Nothing here sends; what an option
//! lets go stands in line.

use super::congestion::Algorithm;
use super::connection::{Connection, OurFin};
use super::handle::{OptionError, TcpHandle, WriteError};
use super::keep_alive::{KeepAlive, KeepAliveState};
use super::settings::{Cork, Settings};
use super::{Entry, Tcp};
use crate::ip::Dscp;
use crate::time::{Instant, Span};

impl Tcp<'_> {
    /// Command: turns Nagle's algorithm off or on again (RFC 9293 MUST-17).
    pub(crate) fn set_nodelay(&mut self, handle: TcpHandle, nodelay: bool) {
        match self.connections.at_mut(handle.0) {
            Some(Entry::Open(connection)) => {
                connection.send.nodelay = nodelay;
                self.look_at(handle.0.index);
            }
            Some(Entry::Opening(opening)) => opening.nodelay = nodelay,
            Some(Entry::Failed(_)) | None => {}
        }
    }

    /// Command: changes the congestion control of a connection.
    pub(crate) fn set_congestion(&mut self, handle: TcpHandle, algorithm: Algorithm) {
        match self.connections.at_mut(handle.0) {
            Some(Entry::Open(connection)) => {
                connection.algorithm = algorithm;
                if let Some(flight) = self.shared.flights.of_mut(connection.flight) {
                    flight.congestion.choose(algorithm, connection.send.max.0);
                }
            }
            Some(Entry::Opening(opening)) => opening.algorithm = algorithm,
            Some(Entry::Failed(_)) | None => {}
        }
    }

    /// Command: asks a silent peer whether it is there, or no longer (RFC 9293 MUST-24).
    pub(crate) fn set_keep_alive(
        &mut self,
        handle: TcpHandle,
        wish: Option<KeepAlive>,
        now: Instant,
    ) -> Result<(), OptionError> {
        self.set(handle, |settings| settings.keep_alive = wish.map(|wish| KeepAliveState::new(wish, now)))
    }

    /// Command: how long sent data may stay unacknowledged (RFC 9293 MUST-21).
    pub(crate) fn set_user_timeout(&mut self, handle: TcpHandle, timeout: Option<Span>) -> Result<(), OptionError> {
        self.set(handle, |settings| settings.user_timeout = timeout)
    }

    /// Command: how long the stack goes on by itself after `close`.
    pub(crate) fn set_linger(&mut self, handle: TcpHandle, linger: Option<Span>) -> Result<(), OptionError> {
        self.set(handle, |settings| settings.linger = linger)
    }

    /// Command: holds back what does not fill a segment, or lets it go.
    pub(crate) fn set_cork(&mut self, handle: TcpHandle, cork: bool) -> Result<(), OptionError> {
        self.set(handle, |settings| match (cork, settings.cork) {
            (true, Cork::Out) => settings.cork = Cork::In,
            (true, Cork::In | Cork::Holding(_) | Cork::Leaking) => {}
            (false, _) => settings.cork = Cork::Out,
        })
    }

    /// Command: what the connection's packets say of the service that they want (RFC 9293 MUST-48).
    pub(crate) fn set_dscp(&mut self, handle: TcpHandle, dscp: Dscp) -> Result<(), OptionError> {
        match self.connections.at_mut(handle.0) {
            Some(Entry::Opening(opening)) => opening.dscp = dscp,
            entry => open(entry)?.dscp = dscp,
        }
        Ok(())
    }

    /// Command: everything that is queued is urgent.
    pub(crate) fn mark_urgent(&mut self, handle: TcpHandle) -> Result<(), OptionError> {
        let connection = open(self.connections.at_mut(handle.0))?;
        if connection.send.fin != OurFin::None {
            return Err(OptionError::Cannot(WriteError::ShutDown));
        }
        connection.mark_urgent(&mut self.shared).map_err(|_| OptionError::Full)?;
        self.look_at(handle.0.index);
        Ok(())
    }

    /// Question: how many unread bytes lie before the end of what the peer marked as urgent.
    pub(crate) fn urgent(&self, handle: TcpHandle) -> Option<usize> {
        match self.connections.at(handle.0) {
            Some(Entry::Open(connection)) => connection.urgent_ahead(&self.shared).map(|ahead| ahead as usize),
            Some(Entry::Opening(_) | Entry::Failed(_)) | None => None,
        }
    }

    pub(super) fn set(&mut self, handle: TcpHandle, change: impl FnOnce(&mut Settings)) -> Result<(), OptionError> {
        let settings = match self.connections.at_mut(handle.0) {
            Some(Entry::Opening(opening)) => opening.take_settings(&mut self.shared),
            entry => open(entry)?.take_settings(&mut self.shared),
        };
        change(settings.ok_or(OptionError::Full)?);
        self.attend(handle.0.index);
        Ok(())
    }
}

fn open(entry: Option<&mut Entry>) -> Result<&mut Connection, OptionError> {
    match entry {
        Some(Entry::Open(connection)) if connection.held => match connection.ended {
            Some(ended) => Err(OptionError::Cannot(WriteError::Ended(ended))),
            None => Ok(connection),
        },
        Some(Entry::Opening(_)) => Err(OptionError::Cannot(WriteError::NotYet)),
        Some(Entry::Failed(ended)) => Err(OptionError::Cannot(WriteError::Ended(*ended))),
        Some(Entry::Open(_)) | None => Err(OptionError::Cannot(WriteError::NoSuchConnection)),
    }
}

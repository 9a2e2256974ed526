//! Soft errors: what goes wrong on the way and ends nothing yet (RFC 9293 §3.8.3, §3.9.1.8, §3.9.2.2).
//!
//! Invariant: trouble is kept, told by an event, and changes nothing else of a connection; the newest one counts. Who does
//! not want to hear of it does not ask (SHLD-20). ICMP counts only where it quotes what is in flight (RFC 5927 §4). What
//! is urgent has a question of its own; a packet that was too big is for the discovery of the path's MTU.

use super::connection::Connection;
use super::handle::TcpHandle;
use super::handshake::Handshake;
use super::seq::Seq;
use super::{Entry, Tcp};
use crate::ip::{ErrorKind, Unreachable};

/// Repetitions of one segment after which its next hop is suspected, and the application hears of it: R1 of RFC 9293
/// §3.8.3 (SHLD-10: at least 3). R2 is [`super::TcpConfig::retries`].
pub(super) const R1: u8 = 3;

/// What goes wrong, and may right itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Trouble {
    /// A segment could not be delivered: somebody on the way, or the peer's host, said so by ICMP.
    Undelivered(Unreachable),
    /// A segment met more routers than its hop limit allows, or lost fragments.
    TimeExceeded,
    /// Somebody did not understand a header.
    ParameterProblem,
    /// A segment was sent three times and more, and nobody answers.
    Unanswered,
}

impl Trouble {
    pub(super) const fn of(kind: ErrorKind) -> Option<Self> {
        match kind {
            ErrorKind::Unreachable(unreachable) => Some(Self::Undelivered(unreachable)),
            ErrorKind::TimeExceeded => Some(Self::TimeExceeded),
            ErrorKind::ParameterProblem => Some(Self::ParameterProblem),
            ErrorKind::TooBig { .. } => None,
        }
    }
}

impl Tcp<'_> {
    /// Question: what has gone wrong since this was asked last.
    pub(crate) fn take_trouble(&mut self, handle: TcpHandle) -> Option<Trouble> {
        match self.connections.at_mut(handle.0)? {
            Entry::Open(connection) if connection.held => connection.trouble.take(),
            Entry::Opening(opening) => opening.handshake.trouble.take(),
            Entry::Open(_) | Entry::Failed(_) => None,
        }
    }

    /// Something went wrong for the connection, or active open, in place `index`.
    pub(super) fn trouble(&mut self, index: u32, trouble: Option<Trouble>) {
        let Some(trouble) = trouble else { return };
        match self.connections.by_index_mut(index) {
            Some(Entry::Open(connection)) if connection.held => connection.trouble = Some(trouble),
            Some(Entry::Opening(opening)) => opening.handshake.trouble = Some(trouble),
            Some(Entry::Open(_) | Entry::Failed(_)) | None => return,
        }
        self.tell(index);
    }
}

impl Connection {
    /// Whether a segment that begins with `sequence` is on its way.
    pub(super) fn has_sent(&self, sequence: u32) -> bool {
        Seq(sequence).within(self.send.una, self.send.max.since(self.send.una))
    }

    /// Whether one segment was repeated so often that its next hop may be dead.
    pub(super) fn is_unanswered(&self) -> bool {
        self.send.timeouts >= R1
    }
}

impl Handshake {
    /// As for a connection.
    pub(super) fn is_unanswered(&self) -> bool {
        self.tries >= R1
    }
}

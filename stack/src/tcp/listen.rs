//! A listener: a port, the handshakes it waits for, and the connections nobody has accepted yet.
//!
//! Invariant: both are bounded by the backlog, each on its own, so neither a flood of SYNs nor a slow application can
//! hold more than its share.

use super::demux::Tuple;
use crate::list::List;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub(super) tuple: Tuple,
    /// Connections to accept, oldest first.
    pub(super) accept: List,
    /// Handshakes under way.
    pub(super) handshakes: usize,
    pub(super) backlog: usize,
}

impl Listener {
    pub(super) fn has_room_for_handshake(&self) -> bool {
        self.handshakes < self.backlog
    }

    pub(super) fn has_room_for_connection(&self) -> bool {
        self.accept.len() < self.backlog
    }
}

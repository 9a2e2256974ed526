//! A listener: a port, the handshakes it waits for, and the connections nobody has accepted yet.
//!
//! Invariant: both are bounded by the backlog, each on its own, so neither a flood of SYNs nor a slow application can
//! hold more than its share.

use super::demux::Tuple;
use super::fast_open::Offered;
use crate::chain::Chain;
use crate::list::List;
use crate::time::Instant;

/// See the module.
#[derive(Clone, Copy, Debug)]
pub struct Listener {
    pub(super) tuple: Tuple,
    /// Connections to accept, oldest first.
    pub(super) accept: List,
    /// Its entries in the SYN cache.
    pub(super) handshakes: Chain,
    pub(super) backlog: usize,
    /// Until then an acknowledgment may show a cookie.
    pub(super) cookies_until: Instant,
    /// Its Fast Open, where its application asked for that (RFC 7413 §2).
    pub(super) fast_open: Option<Offered>,
}

impl Listener {
    pub(super) fn has_room_for_connection(&self) -> bool {
        self.accept.len() < self.backlog
    }
}

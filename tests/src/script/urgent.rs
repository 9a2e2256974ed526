//! Urgent data as sockets show it: a byte in the stream that reads stop before (SO_OOBINLINE).
//!
//! Without SO_OOBINLINE systems take the byte out of the stream; the stack leaves it there, as RFC 6093 asks of
//! applications to have it.

use lendwire::tcp::TcpHandle;

use super::calls::{Tried, failed};
use super::run::Run;
use super::sockets::Value;

impl Run<'_> {
    /// What was written last is urgent.
    pub(super) fn mark_urgent(&mut self, handle: TcpHandle) -> Result<(), String> {
        self.world.stack.mark_urgent(handle).map_err(|error| format!("send MSG_OOB: {error}"))
    }

    /// Whether the next byte is the last urgent one.
    pub(super) fn is_at_mark(&self, handle: TcpHandle) -> bool {
        self.world.stack.urgent(handle) == Some(1)
    }

    fn is_inline(&self, place: i64) -> bool {
        let option = self.descriptors.get(&place).and_then(|descriptor| descriptor.options.get("SO_OOBINLINE"));
        option.is_some_and(|value| *value != Value::Number(0))
    }

    /// How much a read may take that begins before the mark.
    pub(super) fn before_mark(&self, place: i64, handle: TcpHandle) -> usize {
        let ahead = self.world.stack.urgent(handle).filter(|_| self.is_inline(place));
        ahead.filter(|&ahead| ahead > 1).map_or(usize::MAX, |ahead| ahead - 1)
    }

    /// `recv` with MSG_OOB.
    pub(super) fn read_urgent(&mut self, place: i64, handle: TcpHandle) -> Tried {
        if self.is_inline(place) || self.world.stack.urgent(handle).is_none() {
            return failed("EINVAL");
        }
        Err("recv MSG_OOB of data that is not in line: not supported by the stack".into())
    }
}

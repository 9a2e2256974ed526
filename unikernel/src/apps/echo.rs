//! Sends back what it gets (RFC 862), in the memory that it came in.
//!
//! Invariant: at most one chunk is between reading and sending, so a client that does not read its echo soon finds its
//! own window closed. When slots to receive in get scarce, the bytes are copied instead of lent: a machine whose every
//! slot waits for an acknowledgment could not receive one.

use core::ops::ControlFlow;

use lendwire::Stack;
use lendwire::tcp::{COPY_BREAK, PushRefused, ReadError, TcpHandle};
use lendwire_nic::Chunk;

use super::{Step, Supplies, Verdict, refused};
/// An echo under way.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// What the stack had no room for.
    held: Chunk,
}

impl Conversation {
    pub(super) fn serve(&mut self, handle: TcpHandle, stack: &mut Stack<'_>, supplies: &Supplies) -> Verdict {
        loop {
            if let ControlFlow::Break(verdict) = self.send(handle, stack, supplies) {
                return verdict;
            }
            match stack.read_chunk(handle) {
                Ok(Some(chunk)) => self.held = chunk,
                Err(ReadError::Empty) => return Verdict::Wait,
                // The client has closed its side and has its whole echo before it: closing ends ours behind that.
                Ok(None) | Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => return Verdict::Close,
            }
        }
    }

    /// Sends what is held.
    fn send(&mut self, handle: TcpHandle, stack: &mut Stack<'_>, supplies: &Supplies) -> Step {
        if self.held.is_empty() {
            return ControlFlow::Continue(());
        }
        // A small chunk would pin a whole slot until it is acknowledged.
        if self.held.len() <= COPY_BREAK || is_scarce(supplies) {
            return self.copy(handle, stack);
        }
        let Err(error) = stack.push(handle, core::mem::take(&mut self.held)) else {
            return ControlFlow::Continue(());
        };
        self.held = error.chunk;
        ControlFlow::Break(match error.reason {
            PushRefused::Full => refused(handle, stack),
            PushRefused::Cannot(_) => Verdict::Close,
        })
    }

    fn copy(&mut self, handle: TcpHandle, stack: &mut Stack<'_>) -> Step {
        let Ok(count) = stack.write(handle, &self.held) else { return ControlFlow::Break(Verdict::Close) };
        self.held.advance(count);
        if self.held.is_empty() { ControlFlow::Continue(()) } else { ControlFlow::Break(refused(handle, stack)) }
    }
}

/// Whether a slot that waits for an acknowledgment could be missed.
fn is_scarce(supplies: &Supplies) -> bool {
    !supplies.receive_pool.has(supplies.receive_reserve)
}

//! Gives bytes for as long as its client reads: the same content, lent over and over.

use lendwire::Stack;
use lendwire::tcp::{PushRefused, ReadError, TcpHandle};
use lendwire_nic::Content;

use super::{Verdict, refused};

/// Bytes without an end.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    /// The client has closed its side. It may still read.
    is_half_closed: bool,
}

impl Conversation {
    pub(super) fn serve(&mut self, handle: TcpHandle, stack: &mut Stack<'_>, content: &'static Content) -> Verdict {
        while !self.is_half_closed {
            match stack.read_chunk(handle) {
                // What a client says here is not listened to.
                Ok(Some(_)) => {}
                Ok(None) => self.is_half_closed = true,
                Err(ReadError::Empty) => break,
                Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => return Verdict::Close,
            }
        }
        loop {
            match stack.push(handle, content.chunk()) {
                Ok(()) => {}
                // It reads whatever happens, so it never stalls.
                Err(error) if error.reason == PushRefused::Full => match refused(handle, stack) {
                    Verdict::Stalled => return Verdict::Wait,
                    other => return other,
                },
                Err(_) => return Verdict::Close,
            }
        }
    }
}

//! Takes bytes and drops them. Each chunk goes back to its pool unread.

use lendwire::Stack;
use lendwire::tcp::{ReadError, TcpHandle};

use super::Verdict;

pub(super) fn serve(handle: TcpHandle, stack: &mut Stack<'_>) -> Verdict {
    loop {
        match stack.read_chunk(handle) {
            Ok(Some(_)) => {}
            Err(ReadError::Empty) => return Verdict::Wait,
            Ok(None) | Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => return Verdict::Close,
        }
    }
}

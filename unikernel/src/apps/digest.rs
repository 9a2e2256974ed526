//! Takes bytes where they lie, and when its client has closed its side says how many they were and their CRC-32: a
//! proof of a long transfer's end-to-end that needs no way back for the bytes.

use core::fmt::Write as _;

use lendwire::Stack;
use lendwire::tcp::{ReadError, TcpHandle};

use super::{Verdict, refused};
use crate::fixed_text::FixedText;

/// `18446744073709551615 ffffffff` and the line's end.
const ANSWER_ROOM: usize = 32;

/// A transfer under way.
#[derive(Debug, Default)]
pub(super) struct Conversation {
    crc: crc32fast::Hasher,
    len: u64,
}

impl Conversation {
    pub(super) fn serve(&mut self, handle: TcpHandle, stack: &mut Stack<'_>) -> Verdict {
        loop {
            match stack.read_chunk(handle) {
                Ok(Some(chunk)) => {
                    self.crc.update(&chunk);
                    self.len += chunk.len() as u64;
                }
                Ok(None) => return self.answer(handle, stack),
                Err(ReadError::Empty) => return Verdict::Wait,
                Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => return Verdict::Close,
            }
        }
    }

    fn answer(&self, handle: TcpHandle, stack: &mut Stack<'_>) -> Verdict {
        let mut room = [0; ANSWER_ROOM];
        let mut text = FixedText::new(&mut room);
        writeln!(text, "{} {:08x}", self.len, self.crc.clone().finalize()).expect("the room is for the longest answer");
        let answer = text.finish().expect("as above");
        match stack.write(handle, answer) {
            // Nothing was sent before, so it is taken whole or not at all.
            Ok(0) => refused(handle, stack),
            Ok(_) | Err(_) => Verdict::Close,
        }
    }
}

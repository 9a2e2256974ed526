//! The two applications of a flow: one lends the stream to the sender, the other reads and checks what came.
//!
//! Invariant: the receiver checks each byte, mostly by where it lies. A path lends the sender's bytes, so what came in
//! order is the very memory of the stream at that place; comparing all contents would cost more than the path.

use lendwire::Stack;
use lendwire::tcp::{ListenerHandle, ReadError, State, TcpHandle};
use lendwire::time::Instant;

use crate::stream::{self, PERIOD};

/// How much an application has to send.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Demand {
    /// There is always more.
    Endless,
    /// So many bytes since the flow began.
    Bytes(u64),
}

/// One sender, its receiver, and how far they are.
#[derive(Clone, Debug)]
pub struct Flow {
    /// What is to be sent; it may grow at any time.
    pub demand: Demand,
    /// Whether the receiver reads, or lets its window close.
    pub reads: bool,
    /// The sender's connection, once it was asked for.
    pub sender: Option<TcpHandle>,
    /// The receiver's, once it was accepted.
    pub receiver: Option<TcpHandle>,
    /// Bytes that the stack has taken from the sender.
    pub written: u64,
    /// Bytes that the receiver has read.
    pub received: u64,
    /// When it last read some.
    pub received_at: Instant,
    /// When the flow is to begin.
    pub(super) start: Instant,
    pub(super) listener: ListenerHandle,
}

impl Flow {
    /// Gives the sender's stack what it takes.
    pub(super) fn write(&mut self, stack: &mut Stack<'_>) {
        let Some(sender) = self.sender else { return };
        let end = match self.demand {
            Demand::Endless => u64::MAX,
            Demand::Bytes(bytes) => bytes,
        };
        while self.written < end && stack.room(sender) > 0 {
            let at = (self.written % PERIOD as u64) as usize;
            let most = ((end - self.written).min(PERIOD as u64) as usize).min(PERIOD - at);
            if stack.push(sender, stream::content().chunk().slice(at..at + most)).is_err() {
                return;
            }
            self.written += most as u64;
        }
    }

    /// Reads what has come.
    ///
    /// # Panics
    /// If it is not the stream, or the connection has ended.
    pub(super) fn read(&mut self, stack: &mut Stack<'_>, now: Instant) {
        self.receiver = self.receiver.or_else(|| stack.accept(self.listener));
        let Some(receiver) = self.receiver.filter(|_| self.reads) else { return };
        let whole = stream::content().bytes();
        loop {
            match stack.read_chunk(receiver) {
                Ok(Some(chunk)) => {
                    let at = (self.received % PERIOD as u64) as usize;
                    // Small segments may have been copied together.
                    let is_right = chunk.as_ptr() == whole[at..].as_ptr() || is_stream(&chunk, self.received);
                    assert!(is_right, "{} bytes at {} are not those of the stream", chunk.len(), self.received);
                    self.received += chunk.len() as u64;
                    self.received_at = now;
                }
                Err(ReadError::Empty) => return,
                Ok(None) => panic!("nobody has closed"),
                Err(error) => panic!("the receiver cannot read after {} bytes: {error}", self.received),
            }
        }
    }

    /// Whether the sender's handshake is complete.
    pub(super) fn is_established(&self, stack: &Stack<'_>) -> bool {
        self.sender.is_some_and(|sender| stack.state(sender) == State::Established)
    }
}

fn is_stream(bytes: &[u8], place: u64) -> bool {
    bytes.iter().zip(place..).all(|(byte, place)| *byte == stream::byte_at(place))
}

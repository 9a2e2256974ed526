//! HTTP/1.1: a conversation is a parser, the chunk that it is reading, and what is left to send.
//!
//! Invariant: one request is answered before the next one is looked at, so what a client asks for ahead waits in its
//! own window. Heads and pages with counters are copied, all of a response's or nothing; static content is lent.

use core::ops::ControlFlow;

use lendwire::Stack;
use lendwire::tcp::{PushRefused, ReadError, State, TcpHandle};
use lendwire::time::Instant;
use lendwire_nic::{Chunk, Content};

use super::report::Report;
use super::{Step, Supplies, Turn, Verdict, refused};
use crate::counters::Counters;
use crate::http::{Body, Outcome, RequestParser, Scratch, Status, Then, refuse, respond, shows_counters};

/// Bytes of a copied response that are sure to fit a slot: a segment of the least MTU's.
const BYTES_A_SLOT: usize = 512;
/// A client that takes nothing of its response for so many times [`crate::http::PATIENCE`] is given up.
const STALLS: u8 = 6;

/// What all conversations share: each uses it for the length of one call.
#[derive(Debug)]
pub(super) struct Desk {
    scratch: Scratch,
    report: Report,
    pub(super) responses: u64,
}

impl Desk {
    pub(super) const fn new() -> Self {
        Self { scratch: Scratch::new(), report: Report::new(), responses: 0 }
    }
}

/// One client's.
#[derive(Debug)]
pub(super) struct Conversation {
    parser: RequestParser,
    /// What was read and is not parsed yet.
    unread: Chunk,
    phase: Phase,
    pub(super) patience_ends: Instant,
    /// Bytes queued in all, and of them acknowledged when patience last ended.
    queued: u64,
    acknowledged: u64,
    stalls: u8,
}

#[derive(Clone, Copy, Debug)]
enum Phase {
    /// Towards a whole request.
    Reading,
    /// The parser has a request.
    Answering,
    /// What came was no request.
    Refusing(Status),
    /// A content waits for room.
    Lending(&'static Content, Then),
    /// Everything is said. RFC 9112 §9.6: what the client still sends is read, for a reset could overtake the response.
    Draining,
}

// A thousand clients take less than a megabyte.
const _: () = assert!(size_of::<Conversation>() <= 800);

impl Conversation {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            parser: RequestParser::new(),
            unread: Chunk::EMPTY,
            phase: Phase::Reading,
            patience_ends: now,
            queued: 0,
            acknowledged: 0,
            stalls: 0,
        }
    }

    /// Goes as far as it can.
    pub(super) fn serve(
        &mut self,
        handle: TcpHandle,
        turn: &mut Turn<'_, '_>,
        desk: &mut Desk,
        supplies: &Supplies,
    ) -> Verdict {
        if turn.stack.state(handle) == State::Closed {
            return Verdict::Close;
        }
        loop {
            let step = match self.phase {
                Phase::Reading => self.read(handle, turn.stack),
                Phase::Answering | Phase::Refusing(_) => self.answer(handle, turn, desk, supplies),
                Phase::Lending(content, then) => self.lend(handle, content, then, turn, desk),
                Phase::Draining => drain(handle, turn.stack),
            };
            if let ControlFlow::Break(verdict) = step {
                return verdict;
            }
        }
    }

    /// Input: patience ended. Nothing is to be done about a client that is still taking its response.
    pub(super) fn on_deadline(&mut self, handle: TcpHandle, stack: &Stack<'_>) -> Option<Verdict> {
        let unacknowledged = stack.unacknowledged(handle) as u64;
        if unacknowledged == 0 {
            return Some(Verdict::Close);
        }
        let acknowledged = self.queued - unacknowledged.min(self.queued);
        let is_moving = acknowledged > core::mem::replace(&mut self.acknowledged, acknowledged);
        self.stalls = if is_moving { 0 } else { self.stalls + 1 };
        (self.stalls >= STALLS).then_some(Verdict::Abort)
    }

    fn read(&mut self, handle: TcpHandle, stack: &mut Stack<'_>) -> Step {
        if self.unread.is_empty() {
            match stack.read_chunk(handle) {
                Ok(Some(chunk)) => self.unread = chunk,
                Err(ReadError::Empty) => return ControlFlow::Break(Verdict::Wait),
                // A client may close its side behind its last request: what it asked for is queued by now.
                Ok(None) | Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => {
                    return ControlFlow::Break(Verdict::Close);
                }
            }
        }
        let (taken, outcome) = self.parser.feed(&self.unread);
        self.phase = match outcome {
            Outcome::Incomplete => Phase::Reading,
            Outcome::Request(_) => Phase::Answering,
            Outcome::Refused(status) => Phase::Refusing(status),
        };
        self.unread.advance(taken);
        ControlFlow::Continue(())
    }

    /// Queues the head and what is copied behind it, or changes nothing.
    fn answer(&mut self, handle: TcpHandle, turn: &mut Turn<'_, '_>, desk: &mut Desk, supplies: &Supplies) -> Step {
        let Desk { scratch, report, .. } = desk;
        let response = match (self.phase, self.parser.request()) {
            (Phase::Answering, Some(request)) if shows_counters(&request) => {
                let counters = report.gather(turn, supplies);
                respond(&request, &counters, scratch)
            }
            (Phase::Answering, Some(request)) => respond(&request, &Counters::default(), scratch),
            (Phase::Refusing(status), _) => refuse(status, scratch),
            (_, _) => return ControlFlow::Break(Verdict::Abort),
        };
        let (rendered, content): (&[u8], _) = match response.body {
            Body::Absent => (&[], None),
            Body::Rendered(bytes) => (bytes, None),
            Body::Static(bytes) => match supplies.content_of(bytes) {
                Some(content) => (&[], Some(content)),
                // The few words of an error are cheaper to copy than to lend.
                None => (bytes, None),
            },
        };
        let len = response.head.len() + rendered.len();
        if turn.stack.room(handle) < len {
            return ControlFlow::Break(refused(handle, turn.stack));
        }
        if !supplies.transmit_pool.has(len.div_ceil(BYTES_A_SLOT)) {
            return ControlFlow::Break(Verdict::Starved);
        }
        for part in [response.head, rendered] {
            match turn.stack.write(handle, part) {
                Ok(count) if count == part.len() => {}
                Ok(_) => return ControlFlow::Break(Verdict::Abort),
                Err(_) => return ControlFlow::Break(Verdict::Close),
            }
        }
        self.queued += len as u64;
        match content {
            Some(content) => {
                self.phase = Phase::Lending(content, response.then);
                ControlFlow::Continue(())
            }
            None => self.finish(handle, response.then, turn, desk),
        }
    }

    fn lend(
        &mut self,
        handle: TcpHandle,
        content: &'static Content,
        then: Then,
        turn: &mut Turn<'_, '_>,
        desk: &mut Desk,
    ) -> Step {
        match turn.stack.push(handle, content.chunk()) {
            Ok(()) => {}
            Err(error) if error.reason == PushRefused::Full => {
                return ControlFlow::Break(refused(handle, turn.stack));
            }
            Err(_) => return ControlFlow::Break(Verdict::Close),
        }
        self.queued += content.bytes().len() as u64;
        self.finish(handle, then, turn, desk)
    }

    fn finish(&mut self, handle: TcpHandle, then: Then, turn: &mut Turn<'_, '_>, desk: &mut Desk) -> Step {
        desk.responses += 1;
        self.stalls = 0;
        if then == Then::KeepAlive {
            self.phase = Phase::Reading;
            return ControlFlow::Continue(());
        }
        self.unread = Chunk::EMPTY;
        self.phase = Phase::Draining;
        match turn.stack.shutdown(handle, turn.now) {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(Verdict::Close),
        }
    }
}

fn drain(handle: TcpHandle, stack: &mut Stack<'_>) -> Step {
    match stack.read_chunk(handle) {
        Ok(Some(_)) => ControlFlow::Continue(()),
        Err(ReadError::Empty) => ControlFlow::Break(Verdict::Wait),
        Ok(None) | Err(ReadError::Ended(_) | ReadError::NoSuchConnection) => ControlFlow::Break(Verdict::Close),
    }
}

impl Supplies {
    /// The content whose bytes these are.
    fn content_of(&self, bytes: &'static [u8]) -> Option<&'static Content> {
        [self.one_kibibyte, self.one_mebibyte].into_iter().find(|content| core::ptr::eq(content.bytes(), bytes))
    }
}

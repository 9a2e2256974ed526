//! Requests, cut out of the bytes as they arrive (RFC 9112 §2); what their lines mean is `request_head.rs`.
//!
//! Invariant: a connection stores one line and one path, both bounded, whatever its client sends; and what a parser
//! yields does not depend on how the bytes were cut.

use core::time::Duration;

use super::request_head::{Decided, Kept, RequestHead};
use super::response::{Status, Then};

/// The longest request target that is looked at (§3: longer ones earn 414).
pub const TARGET_BYTES: usize = 256;
/// The longest head that is read; one longer earns 431.
pub const HEAD_BYTES: usize = 8192;
/// How long a head, or a connection between requests, may take. The owner of the clock drops what takes longer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// A request line with the longest target, a method and a version; of a field line, as much as matters.
const LINE_BYTES: usize = TARGET_BYTES + 32;

/// The parser of one connection.
#[derive(Clone, Debug)]
pub struct RequestParser {
    phase: Phase,
    line: [u8; LINE_BYTES],
    /// Bytes in the line so far; those beyond the array were looked at and not kept.
    line_len: usize,
    is_after_return: bool,
    head_len: usize,
    head: RequestHead,
    /// What the last whole head amounts to, while `head` is still its.
    decided: Option<Decided>,
}

/// What came of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome<'p> {
    /// Nothing yet.
    Incomplete,
    /// A whole head. Answer it, then feed the rest.
    Request(Request<'p>),
    /// Not a request that can be answered, nor a place to look for the next: send this status and close.
    Refused(Status),
}

/// A request to answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Request<'p> {
    /// What to do.
    pub method: Method,
    /// The target without scheme, authority and query.
    pub path: &'p [u8],
    /// What the client expects of the connection after the response (RFC 9112 §9.3).
    pub then: Then,
}

/// The methods of RFC 9110 §9, as far as they make a difference here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// `GET`.
    Get,
    /// `HEAD`: as `GET`, without the body.
    Head,
    /// Another method of the standard: no resource here allows it (405).
    NotAllowed,
    /// A method that the standard does not know (501).
    Unknown,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Between requests, with this much of the last one's body still to come.
    Between {
        body_left: u64,
    },
    RequestLine,
    Fields,
    Refused(Status),
}

impl Default for RequestParser {
    fn default() -> Self {
        Self::new()
    }
}

impl RequestParser {
    /// The parser of a new connection.
    pub const fn new() -> Self {
        Self {
            phase: Phase::Between { body_left: 0 },
            line: [0; LINE_BYTES],
            line_len: 0,
            is_after_return: false,
            head_len: 0,
            head: RequestHead::EMPTY,
            decided: None,
        }
    }

    /// Whether a request is under way: some of it came and some is missing.
    pub fn is_mid_request(&self) -> bool {
        !matches!(self.phase, Phase::Between { body_left: 0 } | Phase::Refused(_))
    }

    /// The request that was last yielded, until bytes are fed again.
    pub fn request(&self) -> Option<Request<'_>> {
        let Decided { method, then, .. } = self.decided?;
        Some(Request { method, path: self.head.path(), then })
    }

    /// Takes bytes until a request is whole or they run out; how many it took, and what came of it.
    ///
    /// After a refusal it takes everything and repeats itself.
    pub fn feed(&mut self, bytes: &[u8]) -> (usize, Outcome<'_>) {
        let mut consumed = 0;
        while let Some(&byte) = bytes.get(consumed) {
            match self.phase {
                Phase::Between { body_left: 0 } => self.start_head(),
                Phase::Between { body_left } => {
                    let skipped = body_left.min((bytes.len() - consumed) as u64);
                    self.phase = Phase::Between { body_left: body_left - skipped };
                    consumed += skipped as usize;
                }
                Phase::RequestLine | Phase::Fields => {
                    let run = self.take_run(&bytes[consumed..]);
                    if run > 0 {
                        consumed += run;
                        continue;
                    }
                    consumed += 1;
                    match self.on_head_byte(byte) {
                        Ok(Progress::More) => {}
                        Ok(Progress::HeadComplete(decided)) => {
                            self.phase = Phase::Between { body_left: decided.body_len };
                            self.decided = Some(decided);
                            let request = self.request().expect("it is decided");
                            return (consumed, Outcome::Request(request));
                        }
                        Err(status) => self.phase = Phase::Refused(status),
                    }
                }
                Phase::Refused(_) => break,
            }
        }
        match self.phase {
            Phase::Refused(status) => (bytes.len(), Outcome::Refused(status)),
            Phase::Between { .. } | Phase::RequestLine | Phase::Fields => (consumed, Outcome::Incomplete),
        }
    }

    fn start_head(&mut self) {
        self.phase = Phase::RequestLine;
        self.line_len = 0;
        self.is_after_return = false;
        self.head_len = 0;
        self.head.restart();
        self.decided = None;
    }

    /// Takes what is sure to be a part of the line, all at once: text that is neither beyond a bound nor behind a CR. How
    /// much that is; the rest is for [`Self::on_head_byte`].
    fn take_run(&mut self, bytes: &[u8]) -> usize {
        if self.is_after_return {
            return 0;
        }
        let room = self.line.get_mut(self.line_len..).unwrap_or_default();
        let most = room.len().min(HEAD_BYTES - self.head_len).min(bytes.len());
        let text = &bytes[..most];
        let run = text.iter().position(|byte| !matches!(byte, 32..=126)).unwrap_or(most);
        room[..run].copy_from_slice(&text[..run]);
        self.line_len += run;
        self.head_len += run;
        run
    }

    fn on_head_byte(&mut self, byte: u8) -> Result<Progress, Status> {
        self.head_len += 1;
        if self.head_len > HEAD_BYTES {
            return Err(self.too_long());
        }
        // §2.2: a lone CR is no line end, and no part of one either; a lone LF may be taken for a line end.
        if self.is_after_return && byte != b'\n' {
            return Err(Status::BadRequest);
        }
        self.is_after_return = byte == b'\r';
        match byte {
            b'\n' => self.on_line(),
            b'\r' => Ok(Progress::More),
            // RFC 9110 §5.5: control characters are no part of a value, and dangerous.
            0..=8 | 11..=31 | 127 => Err(Status::BadRequest),
            b'\t' | 32..=126 | 128.. => {
                if let Some(place) = self.line.get_mut(self.line_len) {
                    *place = byte;
                } else if self.phase == Phase::RequestLine {
                    return Err(self.too_long());
                }
                self.line_len += 1;
                Ok(Progress::More)
            }
        }
    }

    /// What a head that goes on too long is told: it depends on what is too long.
    fn too_long(&self) -> Status {
        let kept = &self.line[..self.line_len.min(LINE_BYTES)];
        match self.phase {
            Phase::RequestLine if kept.is_empty() => Status::BadRequest,
            // §3: a method longer than any that is implemented earns 501.
            Phase::RequestLine if !kept.contains(&b' ') => Status::NotImplemented,
            Phase::RequestLine => Status::TargetTooLong,
            Phase::Fields | Phase::Between { .. } | Phase::Refused(_) => Status::FieldsTooLarge,
        }
    }

    fn on_line(&mut self) -> Result<Progress, Status> {
        let len = core::mem::take(&mut self.line_len);
        let line = &self.line[..len.min(LINE_BYTES)];
        if self.phase == Phase::RequestLine {
            // §2.2: empty lines before a request line are skipped; the bound on the head counts them.
            if !line.is_empty() {
                self.head.on_request_line(line)?;
                self.phase = Phase::Fields;
            }
            return Ok(Progress::More);
        }
        if line.is_empty() {
            return self.head.decide().map(Progress::HeadComplete);
        }
        self.head.on_field_line(line, if len > LINE_BYTES { Kept::Front } else { Kept::Whole })?;
        Ok(Progress::More)
    }
}

enum Progress {
    More,
    HeadComplete(Decided),
}

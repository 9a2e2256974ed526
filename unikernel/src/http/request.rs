//! Requests, parsed as their bytes arrive (RFC 9112 §2 to §6).
//!
//! Invariant: a connection stores one line and one path, both bounded, whatever its client sends; and what a parser
//! yields does not depend on how the bytes were cut.

use core::time::Duration;

use super::response::{Status, Then};

/// The longest request target that is looked at (§3: longer ones earn 414).
pub const TARGET_BYTES: usize = 256;
/// The longest head that is read; one longer earns 431.
pub const HEAD_BYTES: usize = 8192;
/// How long a head, or a connection between requests, may take. The owner of the clock drops what takes longer.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The longest body that is skipped; one longer earns 413.
const BODY_BYTES: u64 = 65536;
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
    head: Head,
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

/// What is known of the request under way.
#[derive(Clone, Debug)]
struct Head {
    method: Method,
    path: [u8; TARGET_BYTES],
    path_len: usize,
    version: Version,
    has_host: bool,
    says_close: bool,
    says_keep_alive: bool,
    expects_continue: bool,
    has_transfer_encoding: bool,
    content_length: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Version {
    Http10,
    /// 1.1, or a later 1.x, which speaks 1.1 to us (RFC 9110 §2.5).
    Http11,
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
            head: Head::EMPTY,
        }
    }

    /// Whether a request is under way: some of it came and some is missing.
    pub fn is_mid_request(&self) -> bool {
        !matches!(self.phase, Phase::Between { body_left: 0 } | Phase::Refused(_))
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
                    consumed += 1;
                    match self.on_head_byte(byte) {
                        Ok(Progress::More) => {}
                        Ok(Progress::HeadComplete(request)) => {
                            self.phase = Phase::Between { body_left: self.head.content_length.unwrap_or(0) };
                            let path = &self.head.path[..self.head.path_len];
                            let Decided { method, then } = request;
                            return (consumed, Outcome::Request(Request { method, path, then }));
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
        self.head = Head::EMPTY;
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

/// What the whole head amounts to.
struct Decided {
    method: Method,
    then: Then,
}

/// How much of a line was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Kept {
    Whole,
    Front,
}

impl Head {
    const EMPTY: Self = Self {
        method: Method::Unknown,
        path: [0; TARGET_BYTES],
        path_len: 0,
        version: Version::Http11,
        has_host: false,
        says_close: false,
        says_keep_alive: false,
        expects_continue: false,
        has_transfer_encoding: false,
        content_length: None,
    };

    /// §3: `method SP request-target SP HTTP-version`, and no other white space.
    fn on_request_line(&mut self, line: &[u8]) -> Result<(), Status> {
        let mut words = line.split(|byte| *byte == b' ');
        let (Some(method), Some(target), Some(version), None) =
            (words.next(), words.next(), words.next(), words.next())
        else {
            return Err(Status::BadRequest);
        };
        if !is_token(method) || target.is_empty() || !target.iter().all(u8::is_ascii_graphic) {
            return Err(Status::BadRequest);
        }
        self.version = parse_version(version)?;
        if target.len() > TARGET_BYTES {
            return Err(Status::TargetTooLong);
        }
        self.method = parse_method(method);
        let path = match self.method {
            Method::Get | Method::Head => path_of(target).ok_or(Status::BadRequest)?,
            // Their targets have forms of their own (§3.2.3, §3.2.4), and none changes the answer.
            Method::NotAllowed | Method::Unknown => target,
        };
        self.path[..path.len()].copy_from_slice(path);
        self.path_len = path.len();
        Ok(())
    }

    /// §5: `field-name ":" OWS field-value OWS`.
    fn on_field_line(&mut self, line: &[u8], kept: Kept) -> Result<(), Status> {
        let Some(colon) = line.iter().position(|byte| *byte == b':') else {
            return Err(if kept == Kept::Whole { Status::BadRequest } else { Status::FieldsTooLarge });
        };
        let (name, value) = (&line[..colon], line[colon + 1..].trim_ascii());
        // §5.1: no white space before the colon; §5.2: none before the name, which would fold two lines.
        if !is_token(name) {
            return Err(Status::BadRequest);
        }
        let on_field: fn(&mut Self, &[u8]) -> Result<(), Status> = match () {
            () if name.eq_ignore_ascii_case(b"host") => Self::on_host,
            () if name.eq_ignore_ascii_case(b"connection") => Self::on_connection,
            () if name.eq_ignore_ascii_case(b"content-length") => Self::on_content_length,
            () if name.eq_ignore_ascii_case(b"transfer-encoding") => Self::on_transfer_encoding,
            () if name.eq_ignore_ascii_case(b"expect") => Self::on_expect,
            () => return Ok(()),
        };
        // Half of a field that matters is worse than none.
        if kept == Kept::Front {
            return Err(Status::FieldsTooLarge);
        }
        on_field(self, value)
    }

    /// §3.2: more than one Host, or one that is no host, earns 400.
    fn on_host(&mut self, value: &[u8]) -> Result<(), Status> {
        let is_host = value.iter().all(|byte| byte.is_ascii_graphic() && !b"/?#@\\,\"<>".contains(byte));
        if core::mem::replace(&mut self.has_host, true) || !is_host {
            return Err(Status::BadRequest);
        }
        Ok(())
    }

    fn on_connection(&mut self, value: &[u8]) -> Result<(), Status> {
        for option in value.split(|byte| *byte == b',').map(<[u8]>::trim_ascii) {
            self.says_close |= option.eq_ignore_ascii_case(b"close");
            self.says_keep_alive |= option.eq_ignore_ascii_case(b"keep-alive");
        }
        Ok(())
    }

    /// §6.3: a length that is no number, or two that differ, cannot be recovered from.
    fn on_content_length(&mut self, value: &[u8]) -> Result<(), Status> {
        let length = parse_decimal(value).ok_or(Status::BadRequest)?;
        if self.content_length.is_some_and(|earlier| earlier != length) {
            return Err(Status::BadRequest);
        }
        self.content_length = Some(length);
        Ok(())
    }

    fn on_transfer_encoding(&mut self, _value: &[u8]) -> Result<(), Status> {
        self.has_transfer_encoding = true;
        Ok(())
    }

    /// RFC 9110 §10.1.1: the one expectation there is.
    fn on_expect(&mut self, value: &[u8]) -> Result<(), Status> {
        if !value.eq_ignore_ascii_case(b"100-continue") {
            return Err(Status::ExpectationFailed);
        }
        self.expects_continue = true;
        Ok(())
    }

    fn decide(&self) -> Result<Decided, Status> {
        // §3.2: a 1.1 request without Host earns 400.
        if self.version == Version::Http11 && !self.has_host {
            return Err(Status::BadRequest);
        }
        if self.has_transfer_encoding {
            // §6.1, §6.3: with a length beside it, or from 1.0, it smells of smuggling; else 411 asks for a length.
            let is_faulty = self.content_length.is_some() || self.version == Version::Http10;
            return Err(if is_faulty { Status::BadRequest } else { Status::LengthRequired });
        }
        if self.content_length.is_some_and(|length| length > BODY_BYTES) {
            return Err(Status::ContentTooLarge);
        }
        let stays = match self.version {
            Version::Http10 => self.says_keep_alive && !self.says_close,
            Version::Http11 => !self.says_close,
        };
        // RFC 9110 §10.1.1: told a final status, the client may send its body or not; nobody can tell where the next
        // request starts.
        let is_body_in_doubt = self.expects_continue && self.content_length.is_some_and(|length| length > 0);
        let then = if stays && !is_body_in_doubt { Then::KeepAlive } else { Then::Close };
        Ok(Decided { method: self.method, then })
    }
}

fn parse_method(name: &[u8]) -> Method {
    match name {
        b"GET" => Method::Get,
        b"HEAD" => Method::Head,
        b"POST" | b"PUT" | b"DELETE" | b"CONNECT" | b"OPTIONS" | b"TRACE" | b"PATCH" => Method::NotAllowed,
        _ => Method::Unknown,
    }
}

/// §2.3: `HTTP/` digit `.` digit.
fn parse_version(text: &[u8]) -> Result<Version, Status> {
    match text {
        b"HTTP/1.0" => Ok(Version::Http10),
        [b'H', b'T', b'T', b'P', b'/', b'1', b'.', b'1'..=b'9'] => Ok(Version::Http11),
        [b'H', b'T', b'T', b'P', b'/', b'0'..=b'9', b'.', b'0'..=b'9'] => Err(Status::VersionNotSupported),
        _ => Err(Status::BadRequest),
    }
}

/// The path of an origin-form (§3.2.1) or absolute-form (§3.2.2) target, without its query.
fn path_of(target: &[u8]) -> Option<&[u8]> {
    let from_path = if target.starts_with(b"/") { target } else { after_authority(target)? };
    let end = from_path.iter().position(|byte| *byte == b'?').unwrap_or(from_path.len());
    Some(if end == 0 { b"/" } else { &from_path[..end] })
}

fn after_authority(target: &[u8]) -> Option<&[u8]> {
    const SCHEME: &[u8] = b"http://";
    let (scheme, rest) = target.split_at_checked(SCHEME.len())?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    let end = rest.iter().position(|byte| matches!(byte, b'/' | b'?')).unwrap_or(rest.len());
    // RFC 9110 §4.2.1: an http URI without a host is invalid.
    (end > 0).then_some(&rest[end..])
}

/// RFC 9110 §5.6.2.
fn is_token(text: &[u8]) -> bool {
    !text.is_empty() && text.iter().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(byte))
}

fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

//! What the lines of a request's head mean (RFC 9112 §3, §5, §6, §9.3).
//!
//! Invariant: where a request ends is never in doubt: a head that leaves it open is refused, and the connection closes.

use super::request::{Method, TARGET_BYTES};
use super::response::{Status, Then};

/// The longest body that is skipped; one longer earns 413.
const BODY_BYTES: u64 = 65536;

/// What is known of the request under way.
#[derive(Clone, Debug)]
pub(super) struct RequestHead {
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

/// What the whole head amounts to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Decided {
    pub(super) method: Method,
    pub(super) then: Then,
    /// Bytes that follow the head and are skipped.
    pub(super) body_len: u64,
}

/// How much of a line was kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Whole,
    Front,
}

impl RequestHead {
    pub(super) const EMPTY: Self = Self {
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

    /// As empty as at first. What lies behind the end of the path is nobody's.
    pub(super) fn restart(&mut self) {
        let Self {
            method,
            path: _,
            path_len,
            version,
            has_host,
            says_close,
            says_keep_alive,
            expects_continue,
            has_transfer_encoding,
            content_length,
        } = self;
        (*method, *path_len, *version, *content_length) = (Method::Unknown, 0, Version::Http11, None);
        for flag in [has_host, says_close, says_keep_alive, expects_continue, has_transfer_encoding] {
            *flag = false;
        }
    }

    /// The target, as [`super::Request::path`] has it.
    pub(super) fn path(&self) -> &[u8] {
        &self.path[..self.path_len]
    }

    /// §3: `method SP request-target SP HTTP-version`, and no other white space.
    pub(super) fn on_request_line(&mut self, line: &[u8]) -> Result<(), Status> {
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
    pub(super) fn on_field_line(&mut self, line: &[u8], kept: Kept) -> Result<(), Status> {
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
        let is_delimiter = |byte| matches!(byte, b'/' | b'?' | b'#' | b'@' | b'\\' | b',' | b'"' | b'<' | b'>');
        let is_host = value.iter().all(|byte| byte.is_ascii_graphic() && !is_delimiter(*byte));
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

    pub(super) fn decide(&self) -> Result<Decided, Status> {
        // §3.2: a 1.1 request without Host earns 400.
        if self.version == Version::Http11 && !self.has_host {
            return Err(Status::BadRequest);
        }
        if self.has_transfer_encoding {
            // §6.1, §6.3: with a length beside it, or from 1.0, it smells of smuggling; else 411 asks for a length.
            let is_faulty = self.content_length.is_some() || self.version == Version::Http10;
            return Err(if is_faulty { Status::BadRequest } else { Status::LengthRequired });
        }
        let body_len = self.content_length.unwrap_or(0);
        if body_len > BODY_BYTES {
            return Err(Status::ContentTooLarge);
        }
        let stays = match self.version {
            Version::Http10 => self.says_keep_alive && !self.says_close,
            Version::Http11 => !self.says_close,
        };
        // RFC 9110 §10.1.1: told a final status, the client may send its body or not; nobody can tell where the next
        // request starts.
        let is_body_in_doubt = self.expects_continue && body_len > 0;
        let then = if stays && !is_body_in_doubt { Then::KeepAlive } else { Then::Close };
        Ok(Decided { method: self.method, then, body_len })
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
    !text.is_empty() && text.iter().all(|byte| TOKEN_BYTES[usize::from(*byte)])
}

/// Which bytes a token may have.
static TOKEN_BYTES: [bool; 256] = {
    let mut allowed = [false; 256];
    let mut byte = 0;
    while byte < 256 {
        allowed[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let others = b"!#$%&'*+-.^_`|~";
    let mut at = 0;
    while at < others.len() {
        allowed[others[at] as usize] = true;
        at += 1;
    }
    allowed
};

fn parse_decimal(text: &[u8]) -> Option<u64> {
    if text.is_empty() {
        return None;
    }
    text.iter().try_fold(0u64, |number, byte| {
        let digit = byte.is_ascii_digit().then(|| u64::from(byte - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

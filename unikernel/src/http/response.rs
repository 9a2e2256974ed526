//! Responses: status, head and where the body is (RFC 9110 §15, RFC 9112 §4).

use core::fmt::Write;

use crate::fixed_text::FixedText;

const HEAD_ROOM: usize = 256;
const BODY_ROOM: usize = 12288;

/// The statuses this server sends (RFC 9110 §15; 431 is RFC 6585 §5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// 200.
    Ok,
    /// 400.
    BadRequest,
    /// 404.
    NotFound,
    /// 405.
    MethodNotAllowed,
    /// 411.
    LengthRequired,
    /// 413.
    ContentTooLarge,
    /// 414.
    TargetTooLong,
    /// 417.
    ExpectationFailed,
    /// 431.
    FieldsTooLarge,
    /// 500.
    InternalError,
    /// 501.
    NotImplemented,
    /// 505.
    VersionNotSupported,
}

impl Status {
    /// The code and its reason, as the status line has them.
    pub const fn line(self) -> &'static str {
        match self {
            Self::Ok => "200 OK",
            Self::BadRequest => "400 Bad Request",
            Self::NotFound => "404 Not Found",
            Self::MethodNotAllowed => "405 Method Not Allowed",
            Self::LengthRequired => "411 Length Required",
            Self::ContentTooLarge => "413 Content Too Large",
            Self::TargetTooLong => "414 URI Too Long",
            Self::ExpectationFailed => "417 Expectation Failed",
            Self::FieldsTooLarge => "431 Request Header Fields Too Large",
            Self::InternalError => "500 Internal Server Error",
            Self::NotImplemented => "501 Not Implemented",
            Self::VersionNotSupported => "505 HTTP Version Not Supported",
        }
    }

    /// What the client can do about it, as the body of the response.
    pub(super) const fn advice(self) -> &'static str {
        match self {
            Self::Ok => "",
            Self::BadRequest => "This is not an HTTP/1.1 request: RFC 9112 says how one looks.\n",
            Self::NotFound => "There is nothing here: try /, /1k, /1m or /stats.\n",
            Self::MethodNotAllowed => "Everything here can only be read: use GET or HEAD.\n",
            Self::LengthRequired => "Send the body with a Content-Length, or leave it out.\n",
            Self::ContentTooLarge => "Nothing here takes a body: leave it out.\n",
            Self::TargetTooLong => "No address here is that long: try /.\n",
            Self::ExpectationFailed => "Leave the Expect field out.\n",
            Self::FieldsTooLarge => "Send fewer or shorter header fields.\n",
            Self::InternalError => "The answer is longer than the room for it: please report this.\n",
            Self::NotImplemented => "This method is unknown: use GET or HEAD.\n",
            Self::VersionNotSupported => "Only HTTP/1.0 and HTTP/1.1 are spoken here.\n",
        }
    }
}

/// What becomes of the connection after the response.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Then {
    /// It waits for the next request.
    KeepAlive,
    /// It closes once everything is sent.
    Close,
}

/// What to send, head first.
#[derive(Clone, Copy, Debug)]
pub struct Response<'b> {
    /// Status line and fields, with the empty line after them.
    pub head: &'b [u8],
    /// What follows the head.
    pub body: Body<'b>,
    /// And then.
    pub then: Then,
}

/// The bytes after a head.
#[derive(Clone, Copy, Debug)]
pub enum Body<'b> {
    /// None: the request was a HEAD.
    Absent,
    /// Bytes that stay forever: lend them.
    Static(&'static [u8]),
    /// Bytes in the scratch memory: copy them before it is used again.
    Rendered(&'b [u8]),
}

impl Body<'_> {
    /// Bytes.
    pub fn len(&self) -> usize {
        match self {
            Self::Absent => 0,
            Self::Static(bytes) => bytes.len(),
            Self::Rendered(bytes) => bytes.len(),
        }
    }

    /// Whether nothing follows the head.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Room for one response; one serves all connections, in turn.
#[derive(Clone, Debug)]
pub struct Scratch {
    pub(super) head: [u8; HEAD_ROOM],
    pub(super) body: [u8; BODY_ROOM],
}

impl Default for Scratch {
    fn default() -> Self {
        Self::new()
    }
}

impl Scratch {
    /// Empty room.
    pub const fn new() -> Self {
        Self { head: [0; HEAD_ROOM], body: [0; BODY_ROOM] }
    }
}

/// A head to be written.
pub(super) struct ResponseHead {
    pub(super) status: Status,
    pub(super) content_type: &'static str,
    pub(super) content_length: usize,
    pub(super) then: Then,
}

impl ResponseHead {
    /// The head's bytes, in `room`.
    ///
    /// There is no Date: RFC 9110 §6.6.1 forbids it to a server without a clock.
    pub(super) fn write<'b>(&self, room: &'b mut [u8; HEAD_ROOM]) -> &'b [u8] {
        let mut text = FixedText::new(room);
        let allow = if self.status == Status::MethodNotAllowed { "Allow: GET, HEAD\r\n" } else { "" };
        let connection = match self.then {
            Then::KeepAlive => "keep-alive",
            Then::Close => "close",
        };
        let mut digits = [0; DIGITS];
        let parts = [
            "HTTP/1.1 ",
            self.status.line(),
            "\r\nServer: lendwire\r\nContent-Type: ",
            self.content_type,
            "\r\nContent-Length: ",
            decimal(self.content_length, &mut digits),
            "\r\nCache-Control: no-store\r\n",
            allow,
            "Connection: ",
            connection,
            "\r\n\r\n",
        ];
        for part in parts {
            // A cut head shows in `finish`.
            let _ = text.write_str(part);
        }
        text.finish().expect("the longest of each part together fit the room")
    }
}

/// Digits of the longest number.
const DIGITS: usize = 20;

/// `number` as text, at the end of `room`: the formatting of the library takes a dozen times as long.
fn decimal(number: usize, room: &mut [u8; DIGITS]) -> &str {
    let mut left = number;
    let mut from = DIGITS;
    loop {
        from -= 1;
        room[from] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    core::str::from_utf8(&room[from..]).expect("digits are text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_head_fits() {
        let mut room = [0; HEAD_ROOM];
        for status in [Status::MethodNotAllowed, Status::FieldsTooLarge] {
            let head = ResponseHead {
                status,
                content_type: "application/octet-stream; longest=yes",
                content_length: usize::MAX,
                then: Then::KeepAlive,
            };
            assert!(head.write(&mut room).ends_with(b"\r\n\r\n"));
        }
    }

    #[test]
    fn numbers_are_written_in_full() {
        let mut room = [0; DIGITS];
        for (number, text) in [(0, "0"), (7, "7"), (10, "10"), (1024, "1024"), (usize::MAX, "18446744073709551615")] {
            assert_eq!(decimal(number, &mut room), text);
        }
    }
}

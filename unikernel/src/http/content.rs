//! What is served where, and the answer to each request.

use super::page;
use super::request::{Method, Request};
use super::response::{Body, Response, ResponseHead, Scratch, Status, Then};
use super::stats;
use crate::counters::Counters;

const PLAIN: &str = "text/plain; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";
const JSON: &str = "application/json";
const BYTES: &str = "application/octet-stream";

/// What `/1k` serves: 1024 bytes of noise, the same in every build.
pub static ONE_KIBIBYTE: [u8; 1 << 10] = *include_bytes!(concat!(env!("OUT_DIR"), "/1k"));
/// What `/1m` serves: 1048576 bytes of noise, the same in every build.
pub static ONE_MEBIBYTE: [u8; 1 << 20] = *include_bytes!(concat!(env!("OUT_DIR"), "/1m"));

/// The answer to a request.
pub fn respond<'b>(request: &Request<'_>, counters: &Counters<'_>, scratch: &'b mut Scratch) -> Response<'b> {
    let Scratch { head: head_room, body: body_room } = scratch;
    let found = match request.method {
        Method::Get | Method::Head => find(request.path, counters, body_room),
        Method::NotAllowed => Err(Status::MethodNotAllowed),
        Method::Unknown => Err(Status::NotImplemented),
    };
    let (status, content_type, body) = match found {
        Ok((content_type, body)) => (Status::Ok, content_type, body),
        Err(status) => (status, PLAIN, Body::Static(status.advice().as_bytes())),
    };
    let head = ResponseHead { status, content_type, content_length: body.len(), then: request.then }.write(head_room);
    // RFC 9110 §9.3.2: the same head as for a GET, and nothing after it.
    let body = if request.method == Method::Head { Body::Absent } else { body };
    Response { head, body, then: request.then }
}

/// Whether the answer to a request shows counters: gathering them is not for nothing.
pub fn shows_counters(request: &Request<'_>) -> bool {
    matches!(request.path, b"/" | b"/stats")
}

/// The answer to what was not a request: say why and close.
pub fn refuse(status: Status, scratch: &mut Scratch) -> Response<'_> {
    let body = Body::Static(status.advice().as_bytes());
    let head = ResponseHead { status, content_type: PLAIN, content_length: body.len(), then: Then::Close };
    Response { head: head.write(&mut scratch.head), body, then: Then::Close }
}

fn find<'b>(path: &[u8], counters: &Counters<'_>, room: &'b mut [u8]) -> Result<(&'static str, Body<'b>), Status> {
    match path {
        b"/" => page::render(counters, room).map(|text| (HTML, Body::Rendered(text))).ok_or(Status::InternalError),
        b"/1k" => Ok((BYTES, Body::Static(&ONE_KIBIBYTE))),
        b"/1m" => Ok((BYTES, Body::Static(&ONE_MEBIBYTE))),
        b"/stats" => {
            stats::render(counters, room).map(|text| (JSON, Body::Rendered(text))).ok_or(Status::InternalError)
        }
        _ => Err(Status::NotFound),
    }
}

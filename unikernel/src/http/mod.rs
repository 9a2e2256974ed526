//! HTTP/1.1 for a server of four resources (RFC 9110, RFC 9112), from received bytes to bytes to send.
//!
//! Feed a connection's bytes to a [`RequestParser`]; answer what it yields with [`respond`] or [`refuse`]; send the
//! head and the body; feed it the rest. One request is answered before the next is parsed, so pipelined requests wait
//! in the receive window of a client that does not read, and cost nothing else.
//!
//! ```
//! use lendwire_unikernel::counters::Counters;
//! use lendwire_unikernel::http::{Body, Outcome, RequestParser, Scratch, respond};
//!
//! let mut parser = RequestParser::new();
//! let (consumed, outcome) = parser.feed(b"GET /1k HTTP/1.1\r\nHost: lendwire\r\n\r\nGET /");
//! assert_eq!(consumed, 36);
//! let Outcome::Request(request) = outcome else { panic!("a whole head gives a request") };
//! let mut scratch = Scratch::new();
//! let response = respond(&request, &Counters::default(), &mut scratch);
//! assert!(response.head.starts_with(b"HTTP/1.1 200 OK\r\n"));
//! assert!(matches!(response.body, Body::Static(bytes) if bytes.len() == 1024));
//! ```
//!
//! Left out: request bodies (skipped up to a bound), ranges, conditions, content negotiation, chunked coding.

mod content;
mod page;
mod request;
mod request_head;
mod response;
mod stats;

pub use content::{ONE_KIBIBYTE, ONE_MEBIBYTE, refuse, respond, shows_counters};
pub use request::{HEAD_BYTES, Method, Outcome, PATIENCE, Request, RequestParser, TARGET_BYTES};
pub use response::{Body, Response, Scratch, Status, Then};

//! What a client gets back: heads, contents, and the pages with counters.

use lendwire_unikernel::counters::{Counters, PoolUse};
use lendwire_unikernel::http::{Body, Outcome, RequestParser, Response, Scratch, Status, Then, refuse, respond};

/// CRC-32 of `/1k` and `/1m`, as any client can check it.
const ONE_KIBIBYTE_CRC: u32 = 0x5d26_c53b;
const ONE_MEBIBYTE_CRC: u32 = 0xc33b_7a93;

#[track_caller]
fn answer<'b>(request: &str, counters: &Counters<'_>, scratch: &'b mut Scratch) -> Response<'b> {
    let mut parser = RequestParser::new();
    match parser.feed(request.as_bytes()) {
        (_, Outcome::Request(request)) => respond(&request, counters, scratch),
        (_, Outcome::Refused(status)) => refuse(status, scratch),
        (_, Outcome::Incomplete) => panic!("not a whole request: {request}"),
    }
}

#[track_caller]
fn fetch(method: &str, path: &str) -> (String, Vec<u8>) {
    let mut scratch = Scratch::new();
    let request = format!("{method} {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    let response = answer(&request, &Counters::default(), &mut scratch);
    let body = match response.body {
        Body::Absent => Vec::new(),
        Body::Static(bytes) => bytes.to_vec(),
        Body::Rendered(bytes) => bytes.to_vec(),
    };
    (String::from_utf8(response.head.to_vec()).expect("heads are ASCII"), body)
}

#[test]
fn a_head_is_a_status_line_fields_and_an_empty_line() {
    let (head, _) = fetch("GET", "/1k");
    let expected = "HTTP/1.1 200 OK\r\nServer: lendwire\r\nContent-Type: application/octet-stream\r\nContent-Length: \
                    1024\r\nCache-Control: no-store\r\nConnection: keep-alive\r\n\r\n";
    assert_eq!(head, expected);
}

#[test]
fn the_static_contents_have_their_lengths_and_checksums() {
    let (head, body) = fetch("GET", "/1k");
    assert!(head.contains("Content-Length: 1024\r\n"));
    assert_eq!((body.len(), crc32fast::hash(&body)), (1024, ONE_KIBIBYTE_CRC));
    let (head, body) = fetch("GET", "/1m");
    assert!(head.contains("Content-Length: 1048576\r\n"));
    assert_eq!((body.len(), crc32fast::hash(&body)), (1_048_576, ONE_MEBIBYTE_CRC));
}

#[test]
fn the_static_contents_are_lent_not_rendered() {
    for path in ["/1k", "/1m"] {
        let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
        let mut scratch = Scratch::new();
        assert!(matches!(answer(&request, &Counters::default(), &mut scratch).body, Body::Static(_)));
    }
}

// RFC 9110 §9.3.2
#[test]
fn a_head_request_gets_the_same_head_and_no_body() {
    for path in ["/", "/1k", "/1m", "/stats", "/nothing"] {
        let (of_get, body) = fetch("GET", path);
        assert!(!body.is_empty());
        assert_eq!(fetch("HEAD", path), (of_get, Vec::new()));
    }
}

#[test]
fn every_body_has_the_length_that_its_head_says() {
    for (method, path) in [("GET", "/"), ("GET", "/stats"), ("GET", "/nothing"), ("POST", "/"), ("BREW", "/")] {
        let (head, body) = fetch(method, path);
        assert!(head.contains(&format!("\r\nContent-Length: {}\r\n", body.len())), "{method} {path}: {head}");
    }
}

#[test]
fn what_is_not_there_is_404_and_what_is_not_allowed_says_what_is() {
    for path in ["/1K", "/1k/", "/index.html", "//"] {
        assert!(fetch("GET", path).0.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}");
    }
    let (head, _) = fetch("POST", "/1k");
    assert!(head.starts_with("HTTP/1.1 405 Method Not Allowed\r\n"));
    // RFC 9110 §15.5.6: a 405 carries Allow.
    assert!(head.contains("\r\nAllow: GET, HEAD\r\n"));
    assert!(fetch("BREW", "/1k").0.starts_with("HTTP/1.1 501 Not Implemented\r\n"));
    assert!(!fetch("BREW", "/1k").0.contains("Allow"));
}

#[test]
fn a_refusal_closes_the_connection_and_says_so() {
    let mut scratch = Scratch::new();
    let response = refuse(Status::BadRequest, &mut scratch);
    assert_eq!(response.then, Then::Close);
    let head = std::str::from_utf8(response.head).unwrap();
    assert!(head.starts_with("HTTP/1.1 400 Bad Request\r\n"));
    assert!(head.contains("\r\nConnection: close\r\n"));
    assert!(!response.body.is_empty());
}

#[test]
fn a_client_that_asks_to_close_is_told_that_it_will() {
    let mut scratch = Scratch::new();
    let request = "GET /1k HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n";
    let response = answer(request, &Counters::default(), &mut scratch);
    assert_eq!(response.then, Then::Close);
    assert!(std::str::from_utf8(response.head).unwrap().contains("\r\nConnection: close\r\n"));
}

const COUNTERS: Counters<'static> = Counters {
    uptime_micros: 1_234_567,
    frames_received: 11,
    frames_sent: 12,
    drops: &[("bad checksum", 3), ("a \"quoted\\\n<reason>", 4), ("never seen", 0)],
    payload_copied: 13,
    payload_summed: 14,
    payload_verified: 15,
    connections: 16,
    segments_received: 17,
    segments_sent: 18,
    retransmissions: 19,
    timeouts: 20,
    resets: 21,
    kicks: 22,
    interrupts: 23,
    allocations_after_start: 24,
    receive_pool: PoolUse { slots: 256, in_use: 25 },
    transmit_pool: PoolUse { slots: 128, in_use: 26 },
};

#[track_caller]
fn rendered(path: &str, counters: &Counters<'_>) -> String {
    let mut scratch = Scratch::new();
    let request = format!("GET {path} HTTP/1.1\r\nHost: a\r\n\r\n");
    match answer(&request, counters, &mut scratch).body {
        Body::Rendered(text) => String::from_utf8(text.to_vec()).expect("pages are UTF-8"),
        body => panic!("{path} is rendered, not {body:?}"),
    }
}

#[test]
fn the_statistics_are_json_with_every_counter() {
    let expected = r#"{
  "uptime_us": 1234567,
  "frames_received": 11,
  "frames_sent": 12,
  "payload_bytes_copied": 13,
  "payload_bytes_summed": 14,
  "payload_bytes_verified": 15,
  "connections": 16,
  "segments_received": 17,
  "segments_sent": 18,
  "retransmissions": 19,
  "timeouts": 20,
  "resets": 21,
  "kicks": 22,
  "interrupts": 23,
  "allocations_after_start": 24,
  "pools": {"receive": {"slots": 256, "in_use": 25}, "transmit": {"slots": 128, "in_use": 26}},
  "drops": {
    "bad checksum": 3,
    "a \"quoted\\\u000a<reason>": 4,
    "never seen": 0
  }
}
"#;
    assert_eq!(rendered("/stats", &COUNTERS), expected);
    let without_drops = Counters { drops: &[], ..COUNTERS };
    assert!(rendered("/stats", &without_drops).ends_with("\"drops\": {}\n}\n"));
}

#[test]
fn the_page_shows_the_counters_and_the_reasons_that_occurred() {
    let page = rendered("/", &COUNTERS);
    for part in ["<td>1234 ms", "<td>13 bytes", "bad checksum<td>3", "&lt;reason>", "href=\"/1m\""] {
        assert!(page.contains(part), "{part} is missing in {page}");
    }
    assert!(!page.contains("never seen"));
}

#[test]
fn a_hundred_drop_reasons_with_the_largest_counts_fit() {
    let names: Vec<String> = (0..100).map(|index| format!("a reason with a longer name {index}")).collect();
    let drops: Vec<(&str, u64)> = names.iter().map(|name| (name.as_str(), u64::MAX)).collect();
    let counters = Counters { drops: &drops, ..COUNTERS };
    assert!(rendered("/stats", &counters).contains("name 99"));
    assert!(rendered("/", &counters).contains("name 99"));
}

#[test]
fn a_page_that_does_not_fit_is_an_error_not_half_a_page() {
    let drops = vec![("a reason that is repeated too often", 1); 1000];
    let counters = Counters { drops: &drops, ..COUNTERS };
    let mut scratch = Scratch::new();
    let response = answer("GET /stats HTTP/1.1\r\nHost: a\r\n\r\n", &counters, &mut scratch);
    assert!(response.head.starts_with(b"HTTP/1.1 500 "));
}

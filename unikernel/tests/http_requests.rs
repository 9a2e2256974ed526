//! What the request parser yields for what a client sends, well or ill (RFC 9112 §2 to §6).

use lendwire_unikernel::http::{HEAD_BYTES, Method, Outcome, RequestParser, Status, TARGET_BYTES, Then};
use proptest::prelude::*;

/// What a connection's bytes amount to: requests with their paths, then perhaps a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Seen {
    Request(Method, String, Then),
    Refused(Status),
}

/// Feeds `bytes` in pieces of the given lengths, over and over, until a refusal or the end.
fn feed_in_pieces(bytes: &[u8], pieces: &[usize]) -> (Vec<Seen>, RequestParser) {
    let mut parser = RequestParser::new();
    let mut seen = Vec::new();
    let mut rest = bytes;
    for piece in pieces.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (mut piece, after) = rest.split_at(rest.len().min(*piece));
        rest = after;
        while !piece.is_empty() {
            let (consumed, outcome) = parser.feed(piece);
            assert!(consumed > 0, "a parser that takes nothing would be fed forever");
            piece = &piece[consumed..];
            match outcome {
                Outcome::Incomplete => assert!(piece.is_empty(), "it asks for more while there is more"),
                Outcome::Request(request) => {
                    let path = String::from_utf8_lossy(request.path).into_owned();
                    seen.push(Seen::Request(request.method, path, request.then));
                }
                Outcome::Refused(status) => {
                    seen.push(Seen::Refused(status));
                    return (seen, parser);
                }
            }
        }
    }
    (seen, parser)
}

fn feed(bytes: &[u8]) -> Vec<Seen> {
    feed_in_pieces(bytes, &[usize::MAX]).0
}

#[track_caller]
fn assert_refused(bytes: impl AsRef<[u8]>, status: Status) {
    let bytes = bytes.as_ref();
    assert_eq!(feed(bytes), [Seen::Refused(status)], "{}", bytes.escape_ascii());
    assert_eq!(feed_in_pieces(bytes, &[1]).0, [Seen::Refused(status)], "{}, byte by byte", bytes.escape_ascii());
}

#[track_caller]
fn assert_request(bytes: impl AsRef<[u8]>, method: Method, path: &str, then: Then) {
    let bytes = bytes.as_ref();
    let expected = [Seen::Request(method, path.to_owned(), then)];
    assert_eq!(feed(bytes), expected, "{}", bytes.escape_ascii());
    assert_eq!(feed_in_pieces(bytes, &[1]).0, expected, "{}, byte by byte", bytes.escape_ascii());
}

fn get(path: &str) -> Seen {
    Seen::Request(Method::Get, path.to_owned(), Then::KeepAlive)
}

#[test]
fn a_plain_get_is_a_request_that_keeps_the_connection() {
    assert_request("GET /1k HTTP/1.1\r\nHost: a\r\n\r\n", Method::Get, "/1k", Then::KeepAlive);
    assert_request("HEAD / HTTP/1.1\r\nHost: a\r\nUser-Agent: x y z\r\n\r\n", Method::Head, "/", Then::KeepAlive);
}

// RFC 9112 §9.3
#[test]
fn the_connection_field_and_the_version_decide_whether_it_stays() {
    for (head, then) in [
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n", Then::Close),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade , CLOSE\r\n\r\n", Then::Close),
        ("GET / HTTP/1.1\r\nHost: a\r\nconnection: keep-alive\r\n\r\n", Then::KeepAlive),
        ("GET / HTTP/1.1\r\nHost: a\r\nConnection: closer\r\n\r\n", Then::KeepAlive),
        ("GET / HTTP/1.0\r\n\r\n", Then::Close),
        ("GET / HTTP/1.0\r\nConnection: Keep-Alive\r\n\r\n", Then::KeepAlive),
        ("GET / HTTP/1.0\r\nConnection: keep-alive, close\r\n\r\n", Then::Close),
        ("GET / HTTP/1.9\r\nHost: a\r\n\r\n", Then::KeepAlive),
    ] {
        assert_request(head, Method::Get, "/", then);
    }
}

// RFC 9112 §9.3.2
#[test]
fn pipelined_requests_come_out_one_by_one_in_order() {
    let bytes =
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\nGET /b HTTP/1.1\r\nHost: a\r\n\r\nGET /c HTTP/1.1\r\nHost: a\r\n\r\n";
    assert_eq!(feed(bytes), [get("/a"), get("/b"), get("/c")]);
}

#[test]
fn nothing_of_one_request_is_remembered_in_the_next() {
    let first = "POST /a HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nxyz";
    let seen = feed(format!("{first}GET /b HTTP/1.1\r\nHost: b\r\n\r\n").as_bytes());
    assert_eq!(seen, [Seen::Request(Method::NotAllowed, "/a".into(), Then::Close), get("/b")]);
    let seen = feed(format!("{first}GET /b HTTP/1.1\r\n\r\n").as_bytes());
    assert_eq!(seen[1], Seen::Refused(Status::BadRequest), "the first request's Host is not the second's");
}

// RFC 9112 §2.2
#[test]
fn empty_lines_before_a_request_are_skipped_and_lone_line_feeds_end_lines() {
    assert_request("\r\n\r\nGET / HTTP/1.1\r\nHost: a\r\n\r\n", Method::Get, "/", Then::KeepAlive);
    assert_request("GET / HTTP/1.1\nHost: a\n\n", Method::Get, "/", Then::KeepAlive);
}

// RFC 9110 §5.5, RFC 9112 §2.2
#[test]
fn control_characters_and_lone_carriage_returns_are_refused_wherever_they_stand() {
    for byte in (0..32).chain([127]).filter(|byte| !b"\t\n\r".contains(byte)) {
        let line = |at: usize| [&b"X-A: bcdef"[..at], &[byte], &b"X-A: bcdef"[at..]].concat();
        for at in 0..=10 {
            let head = [b"GET / HTTP/1.1\r\nHost: a\r\n", &line(at)[..], b"\r\n\r\n"].concat();
            assert_refused(head, Status::BadRequest);
        }
    }
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nX-A: b\rcd\n\r\n", Status::BadRequest);
}

// RFC 9112 §3.2.1, §3.2.2
#[test]
fn the_path_is_the_target_without_scheme_authority_and_query() {
    for (target, path) in [
        ("/stats?x=/y", "/stats"),
        ("/?", "/"),
        ("http://host:80/1k?q", "/1k"),
        ("HTTP://host", "/"),
        ("http://host?q", "/"),
        ("//double", "//double"),
    ] {
        assert_request(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), Method::Get, path, Then::KeepAlive);
    }
    for target in ["stats", "*", "host:80", "http://", "http:///1k", "ftp://host/", "/\u{e9}", "/\x7f"] {
        assert_refused(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), Status::BadRequest);
    }
}

// RFC 9110 §9.1
#[test]
fn other_methods_are_told_apart_and_keep_the_connection() {
    for (line, method) in [
        ("POST /1k", Method::NotAllowed),
        ("OPTIONS *", Method::NotAllowed),
        ("CONNECT host:80", Method::NotAllowed),
        ("get /", Method::Unknown),
        ("BREW /pot", Method::Unknown),
    ] {
        let path = line.split(' ').nth(1).unwrap();
        assert_request(format!("{line} HTTP/1.1\r\nHost: a\r\n\r\n"), method, path, Then::KeepAlive);
    }
}

// RFC 9112 §3
#[test]
fn a_request_line_of_another_form_is_refused() {
    for line in [
        "GET /",
        "GET  / HTTP/1.1",
        " GET / HTTP/1.1",
        "GET / HTTP/1.1 ",
        "GET\t/ HTTP/1.1",
        "G(T / HTTP/1.1",
        "GET / http/1.1",
        "GET / HTTP/1.10",
        "GET / HTTP/1",
        "GET / HTCPCP/1.0",
        "\x16\x03\x01\x02",
    ] {
        assert_refused(format!("{line}\r\nHost: a\r\n\r\n"), Status::BadRequest);
    }
}

#[test]
fn another_major_version_is_not_spoken() {
    for version in ["HTTP/2.0", "HTTP/0.9", "HTTP/3.1"] {
        assert_refused(format!("GET / {version}\r\nHost: a\r\n\r\n"), Status::VersionNotSupported);
    }
    assert_refused("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", Status::VersionNotSupported);
}

// RFC 9112 §3.2
#[test]
fn a_request_names_its_host_once() {
    assert_refused("GET / HTTP/1.1\r\n\r\n", Status::BadRequest);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", Status::BadRequest);
    assert_refused("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", Status::BadRequest);
    assert_refused("GET / HTTP/1.1\r\nHost: u@a/b\r\n\r\n", Status::BadRequest);
    assert_request("GET / HTTP/1.1\r\nHost:\r\n\r\n", Method::Get, "/", Then::KeepAlive);
    assert_request("GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\n", Method::Get, "/", Then::KeepAlive);
}

// RFC 9112 §5
#[test]
fn a_field_line_of_another_form_is_refused() {
    for line in ["Host : a", " Host: a", "\tfolded", "nocolon", ": a", "X-A: \0", "X-A: a\rb", "X(: a", "X-A: \x7f"] {
        assert_refused(format!("GET / HTTP/1.1\r\nHost: a\r\n{line}\r\n\r\n"), Status::BadRequest);
    }
}

// RFC 9112 §6.3
#[test]
fn a_body_with_a_length_is_skipped_whole() {
    let next = "GET /next HTTP/1.1\r\nHost: a\r\n\r\n";
    for len in [0, 1, 1000, 65536] {
        let body = "GET /inside HTTP/1.1\r\n".repeat(len / 22 + 1);
        let head = format!("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n");
        let bytes = format!("{head}{}{next}", &body[..len]);
        let expected = [Seen::Request(Method::NotAllowed, "/".into(), Then::KeepAlive), get("/next")];
        assert_eq!(feed(bytes.as_bytes()), expected);
        assert_eq!(feed_in_pieces(bytes.as_bytes(), &[7]).0, expected);
    }
}

#[test]
fn a_body_too_long_to_skip_is_refused() {
    for len in ["65537", "18446744073709551615"] {
        assert_refused(format!("PUT / HTTP/1.1\r\nHost: a\r\nContent-Length: {len}\r\n\r\n"), Status::ContentTooLarge);
    }
}

// RFC 9112 §6.3, §11.2: request smuggling
#[test]
fn a_body_whose_end_is_in_doubt_is_refused() {
    for fields in [
        "Content-Length: 1\r\nContent-Length: 2",
        "Content-Length: 1, 1",
        "Content-Length: +1",
        "Content-Length: -1",
        "Content-Length: 0x10",
        "Content-Length:",
        "Content-Length: 18446744073709551616",
        "Content-Length: 3\r\nTransfer-Encoding: chunked",
        "Transfer-Encoding: chunked\r\nContent-Length: 3",
    ] {
        assert_refused(format!("POST / HTTP/1.1\r\nHost: a\r\n{fields}\r\n\r\n"), Status::BadRequest);
    }
    assert_refused("POST / HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n", Status::BadRequest);
    assert_refused("POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", Status::LengthRequired);
}

#[test]
fn equal_lengths_count_as_one() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\n";
    let seen = feed(format!("{head}xxGET /b HTTP/1.1\r\nHost: a\r\n\r\n").as_bytes());
    assert_eq!(seen[1], get("/b"));
}

// RFC 9110 §10.1.1
#[test]
fn a_client_that_waits_to_send_its_body_is_answered_and_closed() {
    let head = "POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue\r\nContent-Length: 5\r\n\r\n";
    assert_request(head, Method::NotAllowed, "/", Then::Close);
    let head = "GET / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\n\r\n";
    assert_request(head, Method::Get, "/", Then::KeepAlive);
    assert_refused("GET / HTTP/1.1\r\nHost: a\r\nExpect: miracles\r\n\r\n", Status::ExpectationFailed);
}

#[test]
fn the_longest_target_is_taken_and_one_byte_more_is_not() {
    let target = "/".repeat(TARGET_BYTES);
    assert_request(format!("GET {target} HTTP/1.1\r\nHost: a\r\n\r\n"), Method::Get, &target, Then::KeepAlive);
    assert_refused(format!("GET {target}/ HTTP/1.1\r\nHost: a\r\n\r\n"), Status::TargetTooLong);
}

#[test]
fn a_line_that_never_ends_is_refused_long_before_the_client_is_done() {
    let mut parser = RequestParser::new();
    assert_eq!(parser.feed(b"GET /"), (5, Outcome::Incomplete));
    let endless = [b'a'; 4096];
    assert_eq!(parser.feed(&endless), (4096, Outcome::Refused(Status::TargetTooLong)));
    assert_eq!(parser.feed(b"x"), (1, Outcome::Refused(Status::TargetTooLong)), "and stays refused");
    assert_refused([b'A'; 1000], Status::NotImplemented);
}

#[test]
fn fields_that_never_end_are_refused_at_the_bound() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let many = format!("{start}{}", "X-A: b\r\n".repeat(HEAD_BYTES));
    assert_refused(many, Status::FieldsTooLarge);
    let long = format!("{start}X-A: {}", "b".repeat(HEAD_BYTES));
    assert_refused(long, Status::FieldsTooLarge);
    assert_refused("\r\n".repeat(HEAD_BYTES), Status::BadRequest);
}

#[test]
fn a_long_field_is_passed_over_unless_it_matters() {
    let long = "x".repeat(4000);
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    assert_request(format!("{start}Cookie: {long}\r\n\r\n"), Method::Get, "/", Then::KeepAlive);
    for name in ["Host", "Connection", "Content-Length", "Transfer-Encoding", "Expect"] {
        assert_refused(format!("GET / HTTP/1.0\r\n{name}: {long}\r\n\r\n"), Status::FieldsTooLarge);
    }
    assert_refused(format!("{start}{long}: a\r\n\r\n"), Status::FieldsTooLarge);
}

#[test]
fn a_head_of_exactly_the_bound_is_taken() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\nX: ";
    let fill = |len: usize| format!("{start}{}\r\n\r\n", "x".repeat(len - start.len() - 4));
    assert_request(fill(HEAD_BYTES), Method::Get, "/", Then::KeepAlive);
    assert_refused(fill(HEAD_BYTES + 1), Status::FieldsTooLarge);
}

#[test]
fn a_line_that_begins_below_the_bound_is_refused_where_it_passes_it() {
    let start = "GET / HTTP/1.1\r\nHost: a\r\n";
    let fields = format!("X-A: {}\r\n", "b".repeat(93));
    let lines = (HEAD_BYTES - start.len() - 1) / fields.len();
    let begun = format!("{start}{}", fields.repeat(lines));
    let left = HEAD_BYTES - begun.len();
    assert_eq!(feed(format!("{begun}{}", "c".repeat(left)).as_bytes()), []);
    assert_refused(format!("{begun}{}", "c".repeat(left + 1)), Status::FieldsTooLarge);
}

#[test]
fn a_parser_knows_when_it_waits_for_the_rest_of_a_request() {
    let mut parser = RequestParser::new();
    assert!(!parser.is_mid_request());
    parser.feed(b"G");
    assert!(parser.is_mid_request());
    parser.feed(b"ET / HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\n\r\n");
    assert!(parser.is_mid_request(), "the body is missing");
    parser.feed(b"xx");
    assert!(!parser.is_mid_request());
}

fn client_bytes() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n".to_vec()),
        Just(b"POST /1k HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\n".to_vec()),
        Just(b"HEAD /stats HTTP/1.0\r\n".to_vec()),
        Just(b"Connection: close\r\n".to_vec()),
        Just(b"\r\n".to_vec()),
        Just(b"Transfer-Encoding: chunked\r\n".to_vec()),
        Just(vec![b'x'; 300]),
        proptest::collection::vec(any::<u8>(), 0..40),
        "[ -~\r\n]{0,40}".prop_map(String::into_bytes),
    ];
    proptest::collection::vec(piece, 0..8).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn how_the_bytes_are_cut_changes_nothing(
        bytes in client_bytes(),
        pieces in proptest::collection::vec(1usize..50, 1..20),
    ) {
        prop_assert_eq!(feed(&bytes), feed_in_pieces(&bytes, &pieces).0);
    }
}

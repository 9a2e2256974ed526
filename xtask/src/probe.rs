//! HTTP from outside: the first reply after the boot, and the check of every page by a real client.

use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::thread;
use std::time::{Duration, Instant};

use lendwire_unikernel::http;
use serde_json::Value;
use ureq::Agent;

use crate::failure::Failure;
use crate::qemu::Guest;

/// The longest body that a check takes.
const BODY_LIMIT: u64 = 16 << 20;

/// For a server that keeps a connection open although it was asked to close it.
const CLOSE_LIMIT: Duration = Duration::from_millis(200);

/// The pages with fixed contents.
const FIXED: [Page; 2] = [Page { path: "/1k", length: 1024 }, Page { path: "/1m", length: 1_048_576 }];

#[derive(Debug, Clone, Copy)]
struct Page {
    path: &'static str,
    length: usize,
}

/// Asks until the first byte of a response comes, and returns when that was.
///
/// # Errors
/// [`Failure::Silent`] when nothing came within `within`, or what became of the guest.
pub fn first_reply(guest: &mut Guest, address: SocketAddr, within: Duration) -> Result<Instant, Failure> {
    let deadline = Instant::now() + within;
    let mut pause = Duration::from_millis(1);
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        let problem = match ask(address, left.clamp(Duration::from_millis(1), Duration::from_secs(3))) {
            Ok(at) => return Ok(at),
            Err(problem) => problem,
        };
        guest.check()?;
        if Instant::now() >= deadline {
            return Err(Failure::Silent(format!(
                "the guest is ready, but http://{address}/ gave no reply within {:.0} s: {problem}",
                within.as_secs_f64()
            )));
        }
        thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(50));
    }
}

/// One request; the time is that of the response's first byte.
fn ask(address: SocketAddr, within: Duration) -> Result<Instant, String> {
    let in_words = |error: std::io::Error| match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::TimedOut => format!("silence for {:.1} s", within.as_secs_f64()),
        ErrorKind::UnexpectedEof => "the connection was closed without a response".to_owned(),
        _ => error.to_string(),
    };
    let mut stream = TcpStream::connect_timeout(&address, within).map_err(in_words)?;
    stream.set_read_timeout(Some(within)).map_err(in_words)?;
    let request = format!("GET / HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).map_err(in_words)?;
    let mut head = [0; 12];
    // User networking accepts by itself: only a byte of the response proves that the guest is there.
    stream.read_exact(&mut head[..1]).map_err(in_words)?;
    let at = Instant::now();
    stream.read_exact(&mut head[1..]).map_err(in_words)?;
    if head != *b"HTTP/1.1 200" {
        return Err(format!("the reply starts with {:?}", String::from_utf8_lossy(&head)));
    }
    // The rest is read so that the guest may close in good order; its contents are checked elsewhere.
    stream.set_read_timeout(Some(CLOSE_LIMIT)).map_err(in_words)?;
    let _ = stream.read_to_end(&mut Vec::new());
    Ok(at)
}

/// A client of one guest. Keeps its connection from request to request.
#[derive(Debug)]
pub struct Client {
    agent: Agent,
    base: String,
}

/// A response that was read to its end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Response {
    /// The status code.
    pub status: u16,
    /// `Content-Length`, where it is a number.
    pub content_length: Option<usize>,
    /// `Content-Type`.
    pub content_type: String,
    /// The body.
    pub body: Vec<u8>,
}

impl Client {
    /// A client of the server at `address`, each of whose requests ends within `within`.
    pub fn new(address: SocketAddr, within: Duration) -> Client {
        let config = Agent::config_builder().timeout_global(Some(within)).http_status_as_error(false);
        // A proxy of the environment does not lead to the guest.
        let agent = config.proxy(None).build().into();
        Client { agent, base: format!("http://{address}") }
    }

    /// Fetches a path.
    ///
    /// # Errors
    /// [`Failure::Difference`] when no whole response comes.
    pub fn fetch(&self, path: &str) -> Result<Response, Failure> {
        let url = format!("{}{path}", self.base);
        let lost = |error: ureq::Error| Failure::Difference(format!("{url}: expected a whole response, got: {error}"));
        let mut response = self.agent.get(&url).call().map_err(lost)?;
        let header = |name: &str| response.headers().get(name).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let content_length = header("content-length").and_then(|length| length.parse().ok());
        let content_type = header("content-type").unwrap_or_default();
        let status = response.status().as_u16();
        let body = response.body_mut().with_config().limit(BODY_LIMIT).read_to_vec().map_err(lost)?;
        Ok(Response { status, content_length, content_type, body })
    }

    /// Fetches the guest's counters.
    ///
    /// # Errors
    /// [`Failure::Difference`] when `/stats` is not JSON.
    pub fn stats(&self) -> Result<Value, Failure> {
        let response = self.fetch("/stats")?;
        check_status("/stats", &response)?;
        serde_json::from_slice(&response.body).map_err(|error| {
            let body = String::from_utf8_lossy(&response.body);
            Failure::Difference(format!("/stats: expected JSON, got ({error}):\n{body}"))
        })
    }
}

/// Fetches every page and checks status, length and CRC-32. Returns a line for each.
///
/// # Errors
/// [`Failure::Difference`] with what was expected and what came.
pub fn check_pages(client: &Client) -> Result<Vec<String>, Failure> {
    check_against(client, expected)
}

/// The CRC-32 of a page with fixed contents, from the contents that the unikernel is built with.
pub fn expected(path: &str) -> Option<u32> {
    match path {
        "/1k" => Some(crc32fast::hash(&http::ONE_KIBIBYTE)),
        "/1m" => Some(crc32fast::hash(&http::ONE_MEBIBYTE)),
        _ => None,
    }
}

fn check_against(client: &Client, expected: impl Fn(&str) -> Option<u32>) -> Result<Vec<String>, Failure> {
    let root = client.fetch("/")?;
    check_status("/", &root)?;
    check_is_html(&root)?;
    check("/", "bytes, as its Content-Length says", root.content_length.unwrap_or(0), root.body.len())?;
    let mut lines = vec![format!("/    200, {} bytes of HTML", root.body.len())];

    for page in FIXED {
        let first = client.fetch(page.path)?;
        check_status(page.path, &first)?;
        check(page.path, "bytes", page.length, first.body.len())?;
        let crc = crc32fast::hash(&first.body);
        let whole = expected(page.path).expect("every page with fixed contents has a CRC-32");
        check(page.path, "as CRC-32", Hex(whole), Hex(crc))?;
        let again = client.fetch(page.path)?;
        check(page.path, "as CRC-32 of a second transfer", Hex(crc), Hex(crc32fast::hash(&again.body)))?;
        lines.push(format!("{:4} 200, {} bytes, CRC-32 {:?}, twice", page.path, page.length, Hex(crc)));
    }
    Ok(lines)
}

#[derive(PartialEq)]
struct Hex(u32);

impl std::fmt::Debug for Hex {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:08x}", self.0)
    }
}

fn check_status(path: &str, response: &Response) -> Result<(), Failure> {
    check(path, "as status", 200, response.status)
}

fn check_is_html(response: &Response) -> Result<(), Failure> {
    let start = String::from_utf8_lossy(&response.body[..response.body.len().min(64)]).into_owned();
    let is_html = response.content_type.starts_with("text/html") && start.trim_start().starts_with('<');
    if is_html {
        return Ok(());
    }
    Err(Failure::Difference(format!("/: expected HTML, got {:?} starting with {start:?}", response.content_type)))
}

fn check<T: PartialEq + std::fmt::Debug>(path: &str, what: &str, expected: T, got: T) -> Result<(), Failure> {
    if expected == got {
        return Ok(());
    }
    Err(Failure::Difference(format!("{path}: expected {expected:?} {what}, got {got:?}")))
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader};
    use std::net::TcpListener;

    use super::*;

    /// A page's type and contents.
    type Contents = (&'static str, Vec<u8>);

    const ROOT: &str = "<!doctype html><p>here";

    /// A server on a port of its own, as long as the test runs; `body` answers a path.
    fn serve(body: impl Fn(&str) -> Option<Contents> + Send + Sync + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let body = std::sync::Arc::new(body);
        thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                let body = body.clone();
                thread::spawn(move || answer(stream, &*body));
            }
        });
        address
    }

    fn answer(stream: TcpStream, body: &dyn Fn(&str) -> Option<Contents>) {
        let mut lines = BufReader::new(stream.try_clone().unwrap()).lines().map_while(Result::ok);
        while let Some(request) = lines.next() {
            let path = request.split(' ').nth(1).unwrap().to_owned();
            lines.by_ref().take_while(|line| !line.is_empty()).for_each(drop);
            let (status, (kind, body)) = match body(&path) {
                Some(found) => ("200 OK", found),
                None => ("404 Not Found", ("text/plain", vec![])),
            };
            let head = format!("HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n", body.len());
            if (&stream).write_all(head.as_bytes()).and_then(|()| (&stream).write_all(&body)).is_err() {
                return;
            }
        }
    }

    fn pages(path: &str) -> Option<Contents> {
        match path {
            "/" => Some(("text/html", ROOT.into())),
            "/1k" => Some(("application/octet-stream", vec![1; 1024])),
            "/1m" => Some(("application/octet-stream", vec![2; 1_048_576])),
            "/stats" => Some(("application/json", br#"{"frames":{"in":3}}"#.to_vec())),
            _ => None,
        }
    }

    fn crc(path: &str) -> Option<u32> {
        pages(path).map(|(_, body)| crc32fast::hash(&body))
    }

    fn client(body: impl Fn(&str) -> Option<Contents> + Send + Sync + 'static) -> Client {
        Client::new(serve(body), Duration::from_secs(5))
    }

    #[track_caller]
    fn difference(body: impl Fn(&str) -> Option<Contents> + Send + Sync + 'static) -> String {
        match check_against(&client(body), crc) {
            Err(Failure::Difference(message)) => message,
            other => panic!("accepted: {other:?}"),
        }
    }

    #[test]
    fn every_page_with_fixed_contents_has_an_expected_crc() {
        for page in FIXED {
            assert!(expected(page.path).is_some(), "{}", page.path);
        }
        assert_ne!(expected("/1k"), expected("/1m"));
        assert_eq!(expected("/"), None);
    }

    #[test]
    fn right_pages_pass() {
        let lines = check_against(&client(pages), crc).unwrap();
        assert_eq!(lines.len(), 3);
        assert!(lines[2].starts_with("/1m  200, 1048576 bytes, CRC-32 "), "{}", lines[2]);
    }

    #[test]
    fn a_wrong_length_is_told() {
        let message = difference(|path| pages(path).map(|(kind, body)| (kind, body[..body.len().min(1023)].to_vec())));
        assert_eq!(message, "/1k: expected 1024 bytes, got 1023");
    }

    #[test]
    fn one_wrong_byte_is_told() {
        let message = difference(|path| {
            let (kind, mut body) = pages(path)?;
            if path == "/1m" {
                body[777_777] ^= 1;
            }
            Some((kind, body))
        });
        assert!(message.starts_with("/1m: expected ") && message.contains("as CRC-32, got "), "{message}");
    }

    #[test]
    fn a_wrong_status_is_told() {
        let message = difference(|path| pages(path).filter(|_| path != "/1k"));
        assert_eq!(message, "/1k: expected 200 as status, got 404");
    }

    #[test]
    fn a_page_that_is_no_html_is_told() {
        let message = difference(|path| match path {
            "/" => Some(("text/plain", ROOT.into())),
            other => pages(other),
        });
        assert!(message.starts_with("/: expected HTML"), "{message}");
    }

    #[test]
    fn counters_are_read_as_json() {
        assert_eq!(client(pages).stats().unwrap()["frames"]["in"], 3);
        let broken = client(|_| Some(("application/json", b"{".to_vec()))).stats();
        assert!(matches!(broken, Err(Failure::Difference(_))));
    }

    #[test]
    fn the_first_byte_is_waited_for() {
        let address = serve(pages);
        let before = Instant::now();
        assert!(ask(address, Duration::from_secs(5)).unwrap() >= before);
        assert!(ask(serve(|_| None), Duration::from_secs(5)).unwrap_err().contains("404"));
        // A listener that accepts and says nothing, as user networking does before the guest is up.
        let silent = TcpListener::bind("127.0.0.1:0").unwrap();
        assert!(ask(silent.local_addr().unwrap(), Duration::from_millis(50)).is_err());
    }
}

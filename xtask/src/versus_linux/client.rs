//! Our client: the same bytes for both guests, and every byte that comes back compared.

use std::io::{self, ErrorKind, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use lendwire_unikernel::http::{ONE_KIBIBYTE, ONE_MEBIBYTE};

use super::works::Client;

/// Bytes handed to a connection, or taken from it, at a time.
const PIECE: usize = 1 << 16;
/// For a guest that says nothing any more.
const STALL_LIMIT: Duration = Duration::from_secs(20);
const QUESTION: &[u8; 64] = b"sixty-four bytes that go to the guest, and that come back as is.";
const REQUEST: &[u8] = b"GET /1k HTTP/1.1\r\nHost: guest\r\n\r\n";
/// The longest head of a response.
const HEAD_LIMIT: usize = 1024;

/// A conversation with one guest.
#[derive(Debug)]
pub(super) struct Conversation {
    kind: Client,
    address: SocketAddr,
    stream: TcpStream,
    /// Bytes read from a source so far.
    at: usize,
    room: Vec<u8>,
}

impl Conversation {
    /// Connects to the service of the guest at `guest`.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn start(kind: Client, guest: Ipv4Addr) -> io::Result<Conversation> {
        let address = SocketAddr::from((guest, kind.service().guest_port()));
        Ok(Conversation { kind, address, stream: connect(address)?, at: 0, room: vec![0; PIECE] })
    }

    /// Does the work `amount` times, or moves so many bytes.
    ///
    /// # Errors
    /// The connection's, [`ErrorKind::InvalidData`] where other bytes came than should have.
    pub(super) fn go(&mut self, amount: u64) -> io::Result<()> {
        match self.kind {
            Client::Pull => self.pull(amount),
            Client::Push => self.push(amount),
            Client::Ask => (0..amount).try_for_each(|_| ask(&mut self.stream)),
            Client::Connect => (0..amount).try_for_each(|_| ask(&mut connect(self.address)?)),
            Client::Http => (0..amount).try_for_each(|_| self.fetch()),
        }
    }

    /// Ends it, and sees the guest end it too, which proves that what was pushed was taken.
    ///
    /// # Errors
    /// The connection's.
    pub(super) fn end(mut self) -> io::Result<()> {
        if self.kind == Client::Pull {
            // A source never ends: the reset does.
            return Ok(());
        }
        self.stream.shutdown(Shutdown::Write)?;
        match self.stream.read(&mut self.room)? {
            0 => Ok(()),
            count => Err(wrong(&format!("{count} bytes that nobody asked for"))),
        }
    }

    fn pull(&mut self, amount: u64) -> io::Result<()> {
        let mut left = amount as usize;
        while left > 0 {
            let from = self.at % ONE_MEBIBYTE.len();
            let most = PIECE.min(left).min(ONE_MEBIBYTE.len() - from);
            let count = self.stream.read(&mut self.room[..most])?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            if self.room[..count] != ONE_MEBIBYTE[from..from + count] {
                return Err(wrong(&format!("other bytes than the page's behind {from}")));
            }
            self.at += count;
            left -= count;
        }
        Ok(())
    }

    fn push(&mut self, amount: u64) -> io::Result<()> {
        let mut left = amount as usize;
        while left > 0 {
            let count = PIECE.min(left);
            self.stream.write_all(&ONE_MEBIBYTE[..count])?;
            left -= count;
        }
        Ok(())
    }

    fn fetch(&mut self) -> io::Result<()> {
        self.stream.write_all(REQUEST)?;
        let mut held = 0;
        loop {
            let count = self.stream.read(&mut self.room[held..])?;
            if count == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            held += count;
            let Some(body) = body_of(&self.room[..held])? else { continue };
            if body.len() == ONE_KIBIBYTE.len() {
                return if *body == ONE_KIBIBYTE { Ok(()) } else { Err(wrong("a page with other bytes")) };
            }
        }
    }
}

/// The part of a response's body that has come, once its head is whole.
fn body_of(response: &[u8]) -> io::Result<Option<&[u8]>> {
    const END: &[u8] = b"\r\n\r\n";
    let Some(end) = response.windows(END.len()).position(|bytes| bytes == END) else {
        return if response.len() > HEAD_LIMIT { Err(wrong("a head without an end")) } else { Ok(None) };
    };
    if !response.starts_with(b"HTTP/1.1 200 ") {
        return Err(wrong(&String::from_utf8_lossy(&response[..end])));
    }
    let body = &response[end + END.len()..];
    if body.len() > ONE_KIBIBYTE.len() { Err(wrong("a page that is too long")) } else { Ok(Some(body)) }
}

fn ask(stream: &mut TcpStream) -> io::Result<()> {
    let mut answer = [0; QUESTION.len()];
    stream.write_all(QUESTION)?;
    stream.read_exact(&mut answer)?;
    if answer == *QUESTION { Ok(()) } else { Err(wrong("an answer that is not the question")) }
}

fn connect(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect_timeout(&address, STALL_LIMIT)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(STALL_LIMIT))?;
    stream.set_write_timeout(Some(STALL_LIMIT))?;
    Ok(stream)
}

fn wrong(what: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, format!("the guest sent {what}"))
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// A conversation with a server that says `said` to whoever connects.
    fn with_server(kind: Client, said: &[u8]) -> Conversation {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
        let address = listener.local_addr().expect("a bound port");
        let said = said.to_vec();
        thread::spawn(move || {
            let (mut client, _) = listener.accept().expect("a client comes");
            client.write_all(&said).expect("the client listens");
            // Until the client has gone.
            let _ = client.read_to_end(&mut Vec::new());
        });
        let stream = connect(address).expect("the server listens");
        Conversation { kind, address, stream, at: 0, room: vec![0; PIECE] }
    }

    fn page(body: &[u8]) -> Vec<u8> {
        [b"HTTP/1.1 200 OK\r\nContent-Length: 1024\r\n\r\n", body].concat()
    }

    #[test]
    fn the_right_bytes_are_taken() {
        with_server(Client::Ask, QUESTION).go(1).expect("the question itself");
        with_server(Client::Http, &page(&ONE_KIBIBYTE)).go(1).expect("the page");
        with_server(Client::Pull, &ONE_MEBIBYTE).go(100_000).expect("the page's bytes");
    }

    #[test]
    fn wrong_bytes_are_refused() {
        let mut other = ONE_MEBIBYTE;
        other[70_000] ^= 1;
        let mut kibibyte = ONE_KIBIBYTE;
        kibibyte[1023] ^= 1;
        let mut question = *QUESTION;
        question[63] ^= 1;
        for (kind, amount, said) in [
            (Client::Pull, 100_000, &other[..]),
            (Client::Ask, 1, &question[..]),
            (Client::Http, 1, &page(&kibibyte)[..]),
            (Client::Http, 1, b"HTTP/1.1 404 Not Found\r\n\r\n"),
        ] {
            let error = with_server(kind, said).go(amount).expect_err("refused");
            assert_eq!(error.kind(), ErrorKind::InvalidData, "{kind:?}: {error}");
        }
    }
}

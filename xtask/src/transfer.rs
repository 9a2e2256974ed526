//! Long transfers with a guest, compared at their end: an echo, and bytes that the guest says the CRC-32 of.

use std::io::{self, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::thread;
use std::time::Duration;

use crate::failure::Failure;

/// Bytes handed to the connection at a time.
const PIECE: usize = 1 << 16;

/// Bytes that no compression and no alignment helps with (xorshift64*), the same for the same seed.
///
/// # Panics
/// With seed zero, which would give zeros for ever.
pub fn noise(seed: u64, len: usize) -> Vec<u8> {
    assert!(seed != 0, "the seed is not zero");
    let mut state = seed;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        bytes.extend_from_slice(&state.wrapping_mul(0x2545_f491_4f6c_dd1d).to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}

/// Sends `len` bytes to the guest's echo at `address`, and compares what comes back. Returns a line that says so.
///
/// # Errors
/// [`Failure::Difference`] when other bytes come back, or none for `within`.
pub fn check_echo(address: SocketAddr, len: usize, within: Duration) -> Result<String, Failure> {
    let said = noise(1, len);
    let heard = exchange(address, &said, within).map_err(|error| lost("echo", address, &error))?;
    if heard != said {
        let same = heard.iter().zip(&said).take_while(|(heard, said)| heard == said).count();
        let (came, sent) = (heard.len(), said.len());
        return Err(Failure::Difference(format!(
            "echo: {sent} bytes came back as {came}, of which the first {same} are right"
        )));
    }
    Ok(format!("echo {len} bytes, the same came back"))
}

/// Sends `len` bytes to the guest's digest at `address`, and compares the count and the CRC-32 that it says. Returns a
/// line that says so.
///
/// # Errors
/// [`Failure::Difference`] when it says another, or nothing for `within`.
pub fn check_digest(address: SocketAddr, len: usize, within: Duration) -> Result<String, Failure> {
    let said = noise(3, len);
    let answer = exchange(address, &said, within).map_err(|error| lost("digest", address, &error))?;
    let expected = format!("{len} {:08x}\n", crc32fast::hash(&said));
    let answer = String::from_utf8_lossy(&answer);
    if answer != expected {
        return Err(Failure::Difference(format!("digest: expected {expected:?}, got {answer:?}")));
    }
    Ok(format!("digest {len} bytes, CRC-32 {:08x} at both ends", crc32fast::hash(&said)))
}

fn lost(service: &str, address: SocketAddr, error: &io::Error) -> Failure {
    Failure::Difference(format!("{service} at {address}: the connection was lost: {error}"))
}

/// Sends all, closes this side, and reads to the end; both at once, for an echo takes no more than it can send back.
fn exchange(address: SocketAddr, said: &[u8], within: Duration) -> io::Result<Vec<u8>> {
    let mut stream = TcpStream::connect_timeout(&address, within)?;
    stream.set_read_timeout(Some(within))?;
    stream.set_write_timeout(Some(within))?;
    let mut back = stream.try_clone()?;
    thread::scope(|scope| {
        let reader = scope.spawn(move || {
            let mut heard = Vec::new();
            back.read_to_end(&mut heard).map(|_| heard)
        });
        let sent = said.chunks(PIECE).try_for_each(|piece| stream.write_all(piece));
        let closed = sent.and_then(|()| stream.shutdown(Shutdown::Write));
        let heard = reader.join().expect("the reader does not panic");
        closed.and(heard)
    })
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    const SOON: Duration = Duration::from_secs(5);

    /// A server that answers what `answer` makes of everything it hears.
    fn server(answer: impl FnOnce(Vec<u8>) -> Vec<u8> + Send + 'static) -> SocketAddr {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("it is bound");
        thread::spawn(move || {
            let (mut stream, _) = listener.accept().expect("somebody connects");
            let mut heard = Vec::new();
            stream.read_to_end(&mut heard).expect("all of it comes");
            stream.write_all(&answer(heard)).expect("it is taken");
        });
        address
    }

    #[test]
    fn an_echo_that_changes_a_byte_is_told_where() {
        assert!(check_echo(server(|heard| heard), 100_000, SOON).is_ok());
        let damaged = server(|mut heard| {
            heard[777] ^= 1;
            heard
        });
        let Err(Failure::Difference(message)) = check_echo(damaged, 1000, SOON) else { panic!("not seen") };
        assert!(message.contains("the first 777 are right"), "{message}");
    }

    #[test]
    fn a_digest_of_other_bytes_is_refused() {
        let right = |heard: Vec<u8>| format!("{} {:08x}\n", heard.len(), crc32fast::hash(&heard)).into_bytes();
        assert!(check_digest(server(right), 100_000, SOON).is_ok());
        let wrong = server(move |heard| right(heard[1..].to_vec()));
        assert!(matches!(check_digest(wrong, 1000, SOON), Err(Failure::Difference(_))));
    }

    #[test]
    fn noise_is_the_same_for_the_same_seed() {
        assert_eq!((noise(1, 100), noise(1, 3).len()), (noise(1, 100), 3));
        assert_ne!(noise(1, 100), noise(2, 100));
    }
}

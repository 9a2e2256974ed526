//! `cargo xtask run --bulk`: a long transfer each way, and what it cost the guest for each packet.
//!
//! The guest counts; the counters are fetched before and after. What the fetching itself costs is measured by doing it
//! twice in a row, and taken off.

use std::fmt;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use lendwire_unikernel::http::ONE_MEBIBYTE;
use serde_json::Value;

use crate::failure::Failure;
use crate::probe::Client;
use crate::qemu::{Guest, Service};

/// For a transfer that stands still.
const STALL_LIMIT: Duration = Duration::from_secs(20);

/// Payload bytes of a full segment on Ethernet: 1500 less the headers of IPv4 and TCP.
const SEGMENT: u64 = 1460;

/// What bytes did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// They came from the guest's source.
    FromGuest,
    /// They went to the guest's sink.
    ToGuest,
}

/// A transfer, by the guest's own counters.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Transfer {
    /// Where to.
    pub direction: Direction,
    /// Payload.
    pub bytes: u64,
    /// How long it took.
    pub elapsed: Duration,
    /// Frames that the stack gave to the driver; one that the card cuts counts once.
    pub sent: u64,
    /// Frames that the driver gave to the stack; one that the card coalesced counts once.
    pub received: u64,
    /// Times that the driver told the card of work.
    pub kicks: u64,
    /// Interrupts about frames.
    pub interrupts: u64,
    /// Payload bytes that the guest copied.
    pub copied: u64,
    /// Payload bytes that it read to sum what it sent.
    pub summed: u64,
    /// Payload bytes that it read to check what it received.
    pub verified: u64,
}

impl Transfer {
    /// Frames between stack and driver, both ways.
    pub fn frames(&self) -> u64 {
        self.sent + self.received
    }

    /// Packets on the wire, both ways: the payload in full segments, and every frame of the other way.
    pub fn packets(&self) -> u64 {
        let (data, other) = match self.direction {
            Direction::FromGuest => (self.sent, self.received),
            Direction::ToGuest => (self.received, self.sent),
        };
        data.max(self.bytes.div_ceil(SEGMENT)) + other
    }
}

impl fmt::Display for Transfer {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let direction = match self.direction {
            Direction::FromGuest => "from",
            Direction::ToGuest => "to",
        };
        let megabytes = self.bytes as f64 / 1e6;
        let seconds = self.elapsed.as_secs_f64();
        writeln!(out, "{megabytes:.0} MB {direction} the guest: {seconds:.2} s, {:.1} MB/s", megabytes / seconds)?;
        writeln!(
            out,
            "    frames         {} sent, {} received; {} packets on the wire",
            self.sent,
            self.received,
            self.packets()
        )?;
        for (name, count) in [("kicks", self.kicks), ("interrupts", self.interrupts)] {
            let (by_frame, by_packet) = (ratio(count, self.frames()), ratio(count, self.packets()));
            writeln!(out, "    {name:14} {count}: {by_frame:.4} a frame, {by_packet:.4} a packet")?;
        }
        write!(out, "    payload bytes  {} copied, {} summed, {} verified", self.copied, self.summed, self.verified)
    }
}

fn ratio(count: u64, of: u64) -> f64 {
    count as f64 / of.max(1) as f64
}

/// Moves `bytes` each way, one after the other.
///
/// # Errors
/// [`Failure::Silent`] when a transfer stands still, [`Failure::Difference`] when the guest's counters cannot be read.
pub fn measure(guest: &Guest, client: &Client, bytes: u64) -> Result<[Transfer; 2], Failure> {
    let address = |service| {
        guest.address(service).ok_or_else(|| Failure::Silent("the guest has no address for its services".into()))
    };
    let (source, sink) = (address(Service::Source)?, address(Service::Sink)?);
    Ok([
        transfer(client, Direction::FromGuest, bytes, || pull(source, bytes))?,
        transfer(client, Direction::ToGuest, bytes, || push(sink, bytes))?,
    ])
}

fn transfer(
    client: &Client,
    direction: Direction,
    bytes: u64,
    run: impl FnOnce() -> std::io::Result<()>,
) -> Result<Transfer, Failure> {
    let idle = Page::fetch(client)?;
    let before = Page::fetch(client)?;
    let started = Instant::now();
    run().map_err(|error| {
        let way = if direction == Direction::FromGuest { "source" } else { "sink" };
        Failure::Silent(format!("the transfer with the guest's {way} broke off: {error}"))
    })?;
    let elapsed = started.elapsed();
    let after = Page::fetch(client)?;
    let cost = |name: &str| -> Result<u64, Failure> {
        let [idle, before, after] = [&idle, &before, &after].map(|page| page.count(name));
        let (idle, before, after) = (idle?, before?, after?);
        Ok((after - before).saturating_sub(before - idle))
    };
    // A page is copied when it is served: its length is known, its head's is what the first page cost beyond it.
    let copies = |page: &Page, next: &Page| -> Result<u64, Failure> {
        Ok((next.count("payload_bytes_copied")? - page.count("payload_bytes_copied")?).saturating_sub(page.len))
    };
    Ok(Transfer {
        direction,
        bytes,
        elapsed,
        sent: cost("frames_sent")?,
        received: cost("frames_received")?,
        kicks: cost("kicks")?,
        interrupts: cost("interrupts")?,
        copied: copies(&before, &after)?.saturating_sub(copies(&idle, &before)?),
        summed: cost("payload_bytes_summed")?,
        verified: cost("payload_bytes_verified")?,
    })
}

/// The guest's counters at one moment.
struct Page {
    counters: Value,
    len: u64,
}

impl Page {
    fn fetch(client: &Client) -> Result<Page, Failure> {
        let body = client.fetch("/stats")?.body;
        let counters = serde_json::from_slice(&body)
            .map_err(|error| Failure::Difference(format!("/stats: expected JSON, got: {error}")))?;
        Ok(Page { counters, len: body.len() as u64 })
    }

    fn count(&self, name: &str) -> Result<u64, Failure> {
        let count = self.counters[name].as_u64();
        count.ok_or_else(|| Failure::Difference(format!("/stats: expected a count of {name}, got none")))
    }
}

fn pull(source: SocketAddr, bytes: u64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&source, STALL_LIMIT)?;
    stream.set_read_timeout(Some(STALL_LIMIT))?;
    let mut room = vec![0; 1 << 20];
    let mut left = bytes;
    while left > 0 {
        let most = room.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        match stream.read(&mut room[..most])? {
            0 => return Err(std::io::ErrorKind::UnexpectedEof.into()),
            count => left -= count as u64,
        }
    }
    Ok(())
}

fn push(sink: SocketAddr, bytes: u64) -> std::io::Result<()> {
    let mut stream = TcpStream::connect_timeout(&sink, STALL_LIMIT)?;
    stream.set_write_timeout(Some(STALL_LIMIT))?;
    stream.set_read_timeout(Some(STALL_LIMIT))?;
    let mut left = bytes;
    while left > 0 {
        let most = ONE_MEBIBYTE.len().min(usize::try_from(left).unwrap_or(usize::MAX));
        stream.write_all(&ONE_MEBIBYTE[..most])?;
        left -= most as u64;
    }
    stream.shutdown(Shutdown::Write)?;
    // The guest closes once it has taken everything.
    stream.read_to_end(&mut Vec::new()).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    const PULLED: Transfer = Transfer {
        direction: Direction::FromGuest,
        bytes: 1_460_000,
        elapsed: Duration::from_millis(500),
        sent: 25,
        received: 400,
        kicks: 17,
        interrupts: 7,
        copied: 0,
        summed: 3,
        verified: 0,
    };

    #[test]
    fn a_large_segment_is_one_frame_and_many_packets() {
        assert_eq!((PULLED.frames(), PULLED.packets()), (425, 1400));
        let pushed = Transfer { direction: Direction::ToGuest, received: 1000, sent: 400, ..PULLED };
        assert_eq!((pushed.frames(), pushed.packets()), (1400, 1400));
    }

    #[test]
    fn a_report_has_every_figure() {
        let report = PULLED.to_string();
        for part in [
            "1 MB from the guest: 0.50 s, 2.9 MB/s",
            "17: 0.0400 a frame, 0.0121 a packet",
            "7: 0.0165 a frame",
            "0 copied, 3 summed",
        ] {
            assert!(report.contains(part), "no {part:?} in {report}");
        }
    }
}

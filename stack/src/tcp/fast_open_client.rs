//! Fast Open, the client's side: a cookie is asked for, and shown with data in the SYN (RFC 7413 §4.2.1, §4.2.2).
//!
//! Invariant: only an open that its application asks to be fast has anything of it, and only its first SYN: one that goes again
//! is as usual. Data that a SYN carried is still queued, borrowed and not copied, until it is acknowledged; what the SYN-ACK
//! does not acknowledge goes with the first segments of the connection.

use core::net::{IpAddr, SocketAddr};

use lendwire_nic::Chunk;

use super::fast_open_cache::{Advice, Bearing};
use super::handle::{ConnectError, PushError, PushRefused, TcpHandle, WriteError};
use super::handshake::Agreed;
use super::opening::Opening;
use super::options;
use super::segment::Arrival;
use super::send_queue::Sums;
use super::{Entry, Tcp};
use crate::ip::Ip;
use crate::time::Instant;
use crate::wire::fast_open::FastOpenOption;
use crate::wire::tcp_options::LONGEST;

/// What an active open makes of Fast Open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// Nobody asked for it.
    Usual,
    /// It is not to be tried with this server now.
    Waits,
    /// A cookie is asked for.
    Asks,
    /// A cookie is shown; so much data may go with it.
    Shows { room: u16 },
}

impl Tcp<'_> {
    /// Command: [`Tcp::connect`] by Fast Open, where the server gives cookies.
    pub(crate) fn connect_fast_open(
        &mut self,
        local_port: Option<u16>,
        remote: SocketAddr,
        ip: &Ip<'_>,
        now: Instant,
    ) -> Result<TcpHandle, ConnectError> {
        let handle = self.connect(None, local_port, remote, ip, now)?;
        let Some(Entry::Opening(opening)) = self.connections.at_mut(handle.0) else { return Ok(handle) };
        let (tuple, mtu) = (opening.handshake.tuple, opening.handshake.mtu);
        let mtu = ip.path_mtu(remote.ip(), now).map_or(mtu, |known| known.min(mtu));
        let (attempt, option) = match self.servers.advice(&tuple, &self.secret, now) {
            Advice::Wait => (Attempt::Waits, None),
            Advice::Ask => (Attempt::Asks, Some(FastOpenOption::default())),
            Advice::Show(Bearing { cookie, form, mss }) => {
                let room = room(mss, mtu, remote.ip());
                (Attempt::Shows { room }, Some(FastOpenOption { cookie: Some(cookie), form }))
            }
        };
        opening.attempt = attempt;
        opening.handshake.fast_open = option;
        Ok(handle)
    }

    /// Question: how many bytes a SYN to `remote` would carry now.
    pub(crate) fn fast_open_room(&self, remote: SocketAddr, ip: &Ip<'_>, now: Instant) -> usize {
        let Ok(path) = ip.route(remote.ip(), None) else { return 0 };
        let tuple = super::demux::Tuple::new(SocketAddr::new(path.source, 0), remote);
        match self.servers.advice(&tuple, &self.secret, now) {
            Advice::Show(bearing) => {
                let mtu = ip.path_mtu(remote.ip(), now).map_or(path.mtu, |known| known.min(path.mtu));
                room(bearing.mss, mtu, remote.ip()).into()
            }
            Advice::Ask | Advice::Wait => 0,
        }
    }

    /// [`Tcp::write`] before there is a connection.
    pub(super) fn write_ahead(&mut self, handle: TcpHandle, bytes: &[u8], ip: &Ip<'_>) -> Result<usize, WriteError> {
        let shared = &mut self.shared;
        let opening = fast(self.connections.at_mut(handle.0))?;
        let bytes = &bytes[..bytes.len().min(opening.room(shared) as usize)];
        if bytes.is_empty() {
            return Ok(0);
        }
        let Some(writers) = opening.writers(shared) else { return Ok(0) };
        let handshake = &opening.handshake;
        let mss = usize::from(options::mss_of(handshake.mtu, handshake.tuple.remote()));
        let written = opening.queue.write(bytes, Sums::of_copies(ip), mss, writers.index(), shared);
        if written < bytes.len() {
            self.starved.push(handle.0.index, shared);
        }
        Ok(written)
    }

    /// [`Tcp::push`] before there is a connection.
    pub(super) fn push_ahead(&mut self, handle: TcpHandle, chunk: Chunk) -> Result<(), PushError> {
        let opening = match fast(self.connections.at_mut(handle.0)) {
            Ok(opening) => opening,
            Err(error) => return Err(PushError { chunk, reason: PushRefused::Cannot(error) }),
        };
        if opening.room(&self.shared) == 0 {
            return Err(PushError { chunk, reason: PushRefused::Full });
        }
        if chunk.is_empty() {
            return Ok(());
        }
        let pushed = opening.queue.push(chunk, &mut self.shared);
        if pushed.is_err() {
            self.starved.push(handle.0.index, &self.shared);
        }
        pushed.map_err(|chunk| PushError { chunk, reason: PushRefused::Full })
    }

    /// The SYN-ACK has come: RFC 7413 §4.2.2, "Client: Receiving SYN-ACK", step 1, and what of §4.1.3.1 it shows.
    pub(super) fn note_answer(&mut self, opening: &Opening, agreed: &Agreed, answer: &Arrival, now: Instant) {
        let (tuple, secret, mss) = (&opening.handshake.tuple, &self.secret, answer.options.mss);
        let took_data = agreed.send_next != agreed.first;
        let is_first = !opening.handshake.repeated;
        let given = answer.options.fast_open.and_then(|option| Some((option.cookie?, option.form)));
        match (opening.attempt, given) {
            (Attempt::Usual | Attempt::Waits, _) => {}
            (Attempt::Asks | Attempt::Shows { .. }, Some((cookie, form))) => {
                let mss = mss.unwrap_or(options::default_mss(tuple.remote()));
                self.servers.keep(tuple, Bearing { cookie, form, mss }, secret, now);
            }
            (Attempt::Shows { .. }, None) if took_data => self.servers.confirm(tuple, mss, secret, now),
            // No data was offered, and nobody says anything against it.
            (Attempt::Shows { .. }, None) if is_first && opening.handshake.beyond == 0 => {}
            (Attempt::Asks | Attempt::Shows { .. }, None) => self.servers.refuse(tuple, secret, now),
        }
    }

    /// Nobody answered the active open in place `index`, or it was refused on the way (RFC 7413 §4.1.3.1).
    pub(super) fn note_silence(&mut self, index: u32, now: Instant) {
        if let Some(Entry::Opening(opening)) = self.connections.by_index(index)
            && matches!(opening.attempt, Attempt::Asks | Attempt::Shows { .. })
        {
            self.servers.refuse(&opening.handshake.tuple, &self.secret, now);
        }
    }
}

/// How much data goes with a SYN to a server that takes segments of `mss`, over a path of `mtu`: RFC 7413 §4.1.3. Whatever
/// options are added on the way, it fits; a SYN larger than Ethernet's would surprise too many.
fn room(mss: u16, mtu: u16, remote: IpAddr) -> u16 {
    let usual = match remote {
        IpAddr::V4(_) => 1460,
        IpAddr::V6(_) => 1440,
    };
    mss.min(usual).min(options::mss_of(mtu, remote)).saturating_sub(LONGEST as u16)
}

/// The active open that may be written to.
fn fast(entry: Option<&mut Entry>) -> Result<&mut Opening, WriteError> {
    match entry {
        Some(Entry::Opening(opening)) if opening.attempt != Attempt::Usual => Ok(opening),
        Some(Entry::Opening(_) | Entry::Open(_)) => Err(WriteError::NotYet),
        Some(Entry::Failed(ended)) => Err(WriteError::Ended(*ended)),
        None => Err(WriteError::NoSuchConnection),
    }
}

//! Which socket has which port: a table of lists, and the choice of ports that nobody can guess (RFC 6056 §3.3).
//!
//! Ports are given by the host itself, so the table needs no key: no peer can make its lists long.

use core::hash::Hasher;
use core::net::IpAddr;

use siphasher::sip::SipHasher13;

use super::queue::NIL;
use super::socket::Socket;
use crate::slab::Slab;

/// RFC 6056 §3.2: the ports that IANA leaves to everybody.
const FIRST_EPHEMERAL: u16 = 49152;
const EPHEMERALS: u16 = u16::MAX - FIRST_EPHEMERAL;

/// One list of the table of ports; storage is handed in as a slice of these.
#[derive(Clone, Copy, Debug)]
pub struct PortBucket(u32);

impl PortBucket {
    /// An empty list.
    pub const EMPTY: Self = Self(NIL);
}

#[derive(Debug)]
pub(super) struct Ports<'s> {
    buckets: &'s mut [PortBucket],
    secret: [u8; 16],
    /// Ports chosen so far, so that no two choices begin at the same place.
    chosen: u64,
}

impl<'s> Ports<'s> {
    pub(super) fn new(buckets: &'s mut [PortBucket], secret: [u8; 16]) -> Self {
        assert!(!buckets.is_empty(), "UDP needs one port bucket at least");
        buckets.fill(PortBucket::EMPTY);
        Self { buckets, secret, chosen: 0 }
    }

    /// The sockets on `port`.
    pub(super) fn iter<'t>(
        &self,
        port: u16,
        sockets: &'t Slab<'_, Socket>,
    ) -> impl Iterator<Item = (u32, &'t Socket)> + use<'t> {
        let mut index = self.buckets[self.bucket(port)].0;
        core::iter::from_fn(move || {
            let socket = sockets.by_index(index)?;
            Some((core::mem::replace(&mut index, socket.next), socket))
        })
        .filter(move |(_, socket)| socket.port == port)
    }

    /// The socket that hears what is sent to `address` and `port`: the one bound to the address before the one that
    /// hears everything.
    pub(super) fn find(&self, port: u16, address: IpAddr, sockets: &Slab<'_, Socket>) -> Option<u32> {
        let mut found = None;
        for (index, socket) in self.iter(port, sockets) {
            match socket.local {
                Some(local) if local == address => return Some(index),
                Some(_) => {}
                None => found = Some(index),
            }
        }
        found
    }

    pub(super) fn add(&mut self, index: u32, sockets: &mut Slab<'_, Socket>) {
        let Some(socket) = sockets.by_index_mut(index) else { return };
        let bucket = self.bucket(socket.port);
        socket.next = core::mem::replace(&mut self.buckets[bucket].0, index);
    }

    pub(super) fn remove(&mut self, index: u32, sockets: &mut Slab<'_, Socket>) {
        let Some(socket) = sockets.by_index(index) else { return };
        let (bucket, next) = (self.bucket(socket.port), socket.next);
        let mut at = self.buckets[bucket].0;
        if at == index {
            self.buckets[bucket].0 = next;
            return;
        }
        while let Some(socket) = sockets.by_index_mut(at) {
            if socket.next == index {
                socket.next = next;
                return;
            }
            at = socket.next;
        }
    }

    /// RFC 6056 §3.3.1: begins at a place that depends on the secret, and takes the first port that is free.
    pub(super) fn ephemeral(&mut self, sockets: &Slab<'_, Socket>) -> Option<u16> {
        let mut hasher = SipHasher13::new_with_key(&self.secret);
        hasher.write(b"udp port");
        hasher.write(&self.chosen.to_be_bytes());
        self.chosen += 1;
        let start = (hasher.finish() % u64::from(EPHEMERALS)) as u16;
        (0..EPHEMERALS)
            .map(|step| FIRST_EPHEMERAL + (u32::from(start) + u32::from(step)).rem_euclid(u32::from(EPHEMERALS)) as u16)
            .find(|&port| self.iter(port, sockets).next().is_none())
    }

    fn bucket(&self, port: u16) -> usize {
        usize::from(port) % self.buckets.len()
    }
}

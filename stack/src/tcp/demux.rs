//! Which connection, handshake or TIME-WAIT a segment belongs to: one keyed hash, one probe, one compare.
//!
//! Invariant: every entity of TCP stands in the table exactly once, under its [`Tuple`]. The hash is
//! SipHash-1-3 under the stack's secret, so no peer can choose tuples that collide. Open addressing with linear
//! probing; a removal moves later entries back, so there are no tombstones and a lookup ends at the first gap.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use siphasher::sip::SipHasher13;

/// Both ends of a connection. IPv4 addresses are kept as IPv4-mapped ones (RFC 4291 §2.5.5.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Tuple {
    local: [u8; 16],
    remote: [u8; 16],
    pub(crate) local_port: u16,
    pub(crate) remote_port: u16,
}

impl Tuple {
    pub(crate) fn new(local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            local: mapped(local.ip()),
            remote: mapped(remote.ip()),
            local_port: local.port(),
            remote_port: remote.port(),
        }
    }

    /// The tuple that a listener on `local` stands under. The unspecified IPv4 address is mapped like any other, so that it
    /// and the unspecified IPv6 address are two.
    pub(crate) fn listening(local: SocketAddr) -> Self {
        Self { local: mapped(local.ip()), remote: [0; 16], local_port: local.port(), remote_port: 0 }
    }

    pub(crate) fn local(&self) -> IpAddr {
        unmapped(self.local)
    }

    pub(crate) fn remote(&self) -> IpAddr {
        unmapped(self.remote)
    }

    pub(crate) fn local_socket(&self) -> SocketAddr {
        SocketAddr::new(self.local(), self.local_port)
    }

    pub(crate) fn remote_socket(&self) -> SocketAddr {
        SocketAddr::new(self.remote(), self.remote_port)
    }

    /// The same with any local port: what is known of one port of a host.
    pub(crate) const fn toward(&self) -> Self {
        Self { local_port: 0, ..*self }
    }

    /// The same with any ports: what is known of a host.
    pub(crate) const fn between_hosts(&self) -> Self {
        Self { local_port: 0, remote_port: 0, ..*self }
    }

    /// The number of this flow ([`lendwire_nic::TxPacket::flow`]), never 0: the same for every packet of it, before, in
    /// and after a connection. It only spreads flows over queues, so it needs no secret.
    pub(crate) fn flow(&self) -> u32 {
        let word = |at: &[u8; 16], place| u32::from_be_bytes([at[place], at[place + 1], at[place + 2], at[place + 3]]);
        let ports = u32::from(self.local_port) << 16 | u32::from(self.remote_port);
        let hosts = word(&self.remote, 8) ^ word(&self.remote, 12) ^ word(&self.local, 12);
        // Knuth's multiplier: the upper bits depend on all of the lower ones.
        ((ports ^ hosts).wrapping_mul(0x9e37_79b1) >> 16 ^ ports).max(1)
    }

    /// A keyed hash of the tuple, `purpose` keeping the uses apart.
    ///
    /// SipHash's last word is the length and seven bytes: two words for IPv4, five for IPv6, and versions are told apart.
    pub(crate) fn hash(&self, secret: &[u8; 16], purpose: u8) -> u64 {
        let hasher = SipHasher13::new_with_key(secret);
        let ports = u64::from(self.local_port) << 16 | u64::from(self.remote_port);
        let tail = ports << 8 | u64::from(purpose);
        let (local, remote) = (u128::from_be_bytes(self.local), u128::from_be_bytes(self.remote));
        if local >> 32 == MAPPED && remote >> 32 == MAPPED {
            let hosts = (local as u64) << 32 | u64::from(remote as u32);
            let message = u128::from(hosts) | u128::from(tail) << 64;
            return hasher.hash(&message.to_le_bytes()[..15]);
        }
        let mut message = [0; 39];
        message[..16].copy_from_slice(&self.local);
        message[16..32].copy_from_slice(&self.remote);
        message[32..].copy_from_slice(&tail.to_le_bytes()[..7]);
        hasher.hash(&message)
    }

    /// [`Tuple::hash`] of the tuple and a number.
    pub(crate) fn hash_about(&self, secret: &[u8; 16], purpose: u8, about: u64) -> u64 {
        let mut message = [0; 16];
        message[..8].copy_from_slice(&self.hash(secret, purpose).to_le_bytes());
        message[8..].copy_from_slice(&about.to_le_bytes());
        SipHasher13::new_with_key(secret).hash(&message)
    }
}

/// What stands before the 32 bits of an IPv4 address (RFC 4291 §2.5.5.2).
const MAPPED: u128 = 0xffff;

fn mapped(address: IpAddr) -> [u8; 16] {
    match address {
        IpAddr::V4(address) => address.to_ipv6_mapped().octets(),
        IpAddr::V6(address) => address.octets(),
    }
}

/// As one compare.
fn unmapped(address: [u8; 16]) -> IpAddr {
    match u128::from_be_bytes(address) {
        bits if bits >> 32 == MAPPED => IpAddr::V4(Ipv4Addr::from_bits(bits as u32)),
        bits => IpAddr::V6(Ipv6Addr::from_bits(bits)),
    }
}

/// What a tuple leads to: an index into one of TCP's tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Entity {
    /// A connection, or an active open on its way to one.
    Connection(u32),
    /// A passive open.
    Handshake(u32),
    /// A TIME-WAIT.
    TimeWait(u32),
    /// A listener, under its local end and no remote one.
    Listener(u32),
}

/// One place of the table; storage is handed in as a slice of these.
#[derive(Clone, Copy, Debug)]
pub struct Bucket {
    hash: u32,
    entity: Option<Entity>,
}

impl Bucket {
    /// A free place.
    pub const EMPTY: Self = Self { hash: 0, entity: None };
}

/// The table.
#[derive(Debug)]
pub(crate) struct Demux<'s> {
    buckets: &'s mut [Bucket],
    mask: usize,
}

impl<'s> Demux<'s> {
    /// A table over the largest power of two of `buckets`; to stay fast it wants twice as many as entities.
    pub(crate) fn new(buckets: &'s mut [Bucket]) -> Self {
        assert!(!buckets.is_empty(), "the demultiplexing table needs storage");
        buckets.fill(Bucket::EMPTY);
        let mask = (1 << buckets.len().ilog2()) - 1;
        Self { buckets, mask }
    }

    /// The entity under `hash` that `is_it` recognises.
    pub(crate) fn find(&self, hash: u32, is_it: impl Fn(Entity) -> bool) -> Option<Entity> {
        let mut at = hash as usize & self.mask;
        for _ in 0..=self.mask {
            let bucket = &self.buckets[at];
            let entity = bucket.entity?;
            if bucket.hash == hash && is_it(entity) {
                return Some(entity);
            }
            at = (at + 1) & self.mask;
        }
        None
    }

    /// Adds an entity; false when the table is full.
    #[must_use]
    pub(crate) fn insert(&mut self, hash: u32, entity: Entity) -> bool {
        let mut at = hash as usize & self.mask;
        for _ in 0..=self.mask {
            if self.buckets[at].entity.is_none() {
                self.buckets[at] = Bucket { hash, entity: Some(entity) };
                return true;
            }
            at = (at + 1) & self.mask;
        }
        false
    }

    /// Makes the place of `old` lead to `new`.
    pub(crate) fn replace(&mut self, hash: u32, old: Entity, new: Entity) {
        if let Some(at) = self.position(hash, old) {
            self.buckets[at].entity = Some(new);
        }
    }

    pub(crate) fn remove(&mut self, hash: u32, entity: Entity) {
        let Some(mut hole) = self.position(hash, entity) else { return };
        let mut at = hole;
        loop {
            at = (at + 1) & self.mask;
            let bucket = self.buckets[at];
            if bucket.entity.is_none() || at == hole {
                break;
            }
            // An entry may move back to the hole unless its home lies behind the hole.
            let home = bucket.hash as usize & self.mask;
            if (at.wrapping_sub(home) & self.mask) >= (at.wrapping_sub(hole) & self.mask) {
                self.buckets[hole] = bucket;
                hole = at;
            }
        }
        self.buckets[hole] = Bucket::EMPTY;
    }

    fn position(&self, hash: u32, entity: Entity) -> Option<usize> {
        let mut at = hash as usize & self.mask;
        for _ in 0..=self.mask {
            let found = self.buckets[at].entity?;
            if found == entity {
                return Some(at);
            }
            at = (at + 1) & self.mask;
        }
        None
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use proptest::prelude::*;

    use super::*;

    #[test]
    fn whatever_differs_is_another_hash() {
        let secret = [7; 16];
        let tuple = |local: &str, remote: &str| Tuple::new(local.parse().unwrap(), remote.parse().unwrap());
        let tuples = [
            tuple("192.0.2.1:1", "192.0.2.2:2"),
            tuple("192.0.2.2:1", "192.0.2.1:2"),
            tuple("192.0.2.1:2", "192.0.2.2:1"),
            tuple("192.0.2.1:1", "192.0.2.3:2"),
            tuple("[::1]:1", "[::2]:2"),
            tuple("[1::1]:1", "[::2]:2"),
            tuple("[::1]:1", "[1::2]:2"),
            tuple("[::192.0.2.1]:1", "[::192.0.2.2]:2"),
        ];
        let mut hashes: std::vec::Vec<u64> = tuples
            .iter()
            .flat_map(|tuple| {
                let about = [0, 1, 1 << 40].map(|about| tuple.hash_about(&secret, 1, about));
                [tuple.hash(&secret, 1), tuple.hash(&secret, 2), tuple.hash(&[8; 16], 1)].into_iter().chain(about)
            })
            .collect();
        let count = hashes.len();
        hashes.sort_unstable();
        hashes.dedup();
        assert_eq!(hashes.len(), count);
    }

    proptest! {
        /// Few hashes and a small table: long probe runs, wrap-around, and holes in their midst.
        #[test]
        fn the_table_agrees_with_a_list(steps in prop::collection::vec((0u32..12, any::<bool>()), 1..200)) {
            let mut storage = [Bucket::EMPTY; 16];
            let mut demux = Demux::new(&mut storage);
            let mut model = [false; 12];
            for (index, add) in steps {
                let (hash, entity) = (index / 3 * 5, Entity::Connection(index));
                let there = &mut model[index as usize];
                if add && !*there {
                    prop_assert!(demux.insert(hash, entity));
                    *there = true;
                } else if !add {
                    demux.remove(hash, entity);
                    *there = false;
                }
                for (index, &there) in (0u32..).zip(&model) {
                    let entity = Entity::Connection(index);
                    let found = demux.find(index / 3 * 5, |found| found == entity);
                    prop_assert_eq!(found.is_some(), there);
                }
            }
        }
    }
}

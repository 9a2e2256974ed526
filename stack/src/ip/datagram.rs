//! What a received IP packet is to the transports: one type for both versions.
//!
//! Invariant: the packet begins with the IP header, ends where the header says, and was addressed to this host.

use core::net::IpAddr;

use lendwire_nic::{Chunk, Received, RxPacket, Sum, Work};

use crate::link::{Delivery, InterfaceId};
use crate::wire::protocol::Protocol;
use crate::wire::pseudo::pseudo_header;

/// A received packet that passed every check of `ip`.
#[derive(Debug)]
pub(crate) struct Datagram {
    /// Where it came in.
    pub(crate) interface: InterfaceId,
    pub(crate) source: IpAddr,
    pub(crate) destination: IpAddr,
    pub(crate) protocol: Protocol,
    /// Bytes of IP headers that still stand in front.
    pub(crate) transport_offset: usize,
    /// The byte that carries DSCP and ECN.
    pub(crate) traffic_class: u8,
    pub(crate) hop_limit: u8,
    pub(crate) delivery: Delivery,
    pub(crate) packet: RxPacket,
}

/// A transport checksum that is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct BadChecksum;

impl Datagram {
    /// The bytes from the transport header on, as far as they lie together.
    pub(crate) fn transport(&self) -> &[u8] {
        self.packet.front().get(self.transport_offset..).unwrap_or(&[])
    }

    /// Bytes of transport header and payload.
    pub(crate) const fn transport_len(&self) -> usize {
        self.packet.len() - self.transport_offset
    }

    /// Whether it was sent to this host alone.
    pub(crate) fn is_unicast(&self) -> bool {
        self.delivery == Delivery::Unicast
    }

    /// Drops what stands behind the first `len` bytes of header and payload.
    pub(crate) fn truncate_transport(&mut self, len: usize) {
        self.packet.truncate(self.transport_offset + len);
    }

    /// Verifies the transport checksum unless the device did, and leaves the payload behind a transport header of
    /// `header_len` bytes, an even number that lies in [`Datagram::transport`].
    ///
    /// Each chunk keeps its sum where it was read, or where the checksum gives it away, so that sending the payload on
    /// reads nothing again.
    pub(crate) fn into_payload(mut self, header_len: usize, work: &mut Work) -> Result<RxPacket, BadChecksum> {
        let len = self.transport_len();
        // What the device checked need not be summed, unless a payload's sum follows from it.
        let head = if self.packet.checksum == Received::Unchecked || len > header_len {
            let pseudo = pseudo_header(self.source, self.destination, self.protocol, len);
            pseudo.then(Sum::of(&self.transport()[..header_len]))
        } else {
            Sum::ZERO
        };
        self.packet.advance(self.transport_offset + header_len);
        check_payload(&mut self.packet, head, work).map(|()| self.packet)
    }

    /// Whether the transport checksum is right, for a datagram that nobody will take: nothing is kept of it.
    pub(crate) fn is_sound(&self, work: &mut Work) -> bool {
        if self.packet.checksum != Received::Unchecked {
            return true;
        }
        let pseudo = pseudo_header(self.source, self.destination, self.protocol, self.transport_len());
        work.verified += self.transport_len() as u64;
        let head = pseudo.then(Sum::of(self.transport()));
        self.packet.chunks().iter().skip(1).fold(head, |sum, chunk| sum.then(Sum::of(chunk))).is_sound()
    }

    /// The payload behind a transport header of `header_len` bytes, where no checksum covers it.
    pub(crate) fn into_uncovered_payload(mut self, header_len: usize) -> RxPacket {
        self.packet.advance(self.transport_offset + header_len);
        self.packet
    }
}

/// Verifies the checksum of `payload` behind what `head` is the sum of, unless the device did. Each chunk keeps its sum where
/// it was read, or where the checksum gives it away.
pub(crate) fn check_payload(payload: &mut RxPacket, head: Sum, work: &mut Work) -> Result<(), BadChecksum> {
    match payload.checksum {
        Received::Unchecked => return verify(payload, head, work),
        Received::Checked if payload.segment_size.is_none() => keep_implied_sum(payload, head),
        // That of a checksum which was never completed: nothing can be learned from it, and nothing needs to be checked.
        Received::Checked | Received::Local { .. } => {}
    }
    Ok(())
}

/// Reads `payload`, keeps its chunks' sums, and checks that they complete `head` to a sound sum.
fn verify(payload: &mut RxPacket, head: Sum, work: &mut Work) -> Result<(), BadChecksum> {
    let mut total = head;
    payload.visit_chunks(|chunk| total = total.then(verified_sum(chunk, work)));
    if total.is_sound() { Ok(()) } else { Err(BadChecksum) }
}

fn verified_sum(chunk: &mut Chunk, work: &mut Work) -> Sum {
    if let Some(sum) = chunk.known_sum() {
        return sum;
    }
    work.verified += chunk.len() as u64;
    let sum = Sum::of(chunk);
    chunk.set_sum(sum);
    sum
}

/// A checksum that the device found right implies the payload's sum: it completes the header's to minus zero.
fn keep_implied_sum(payload: &mut RxPacket, head: Sum) {
    let [_] = payload.chunks() else { return };
    let odd = payload.len() % 2 == 1;
    let even = Sum::of_word(head.checksum());
    if let Some(chunk) = payload.first_mut() {
        chunk.set_sum(if odd { even.then(Sum::of(&[0])) } else { even });
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use super::*;
    use crate::ip::harness::{Host, OWN, PEER, bytes, udp};

    /// A datagram from the peer with `payload`, cut into chunks at `cuts`, that the device said `checksum` of.
    fn datagram(payload: &[u8], cuts: &[usize], checksum: Received) -> Datagram {
        let transport = udp((PEER.into(), 5), (OWN.into(), 6), payload);
        let whole = [&[0; 20][..], &transport].concat();
        let host = Host::new();
        let mut at = 0;
        let mut parts: Vec<Chunk> = Vec::new();
        for &cut in cuts.iter().chain([&whole.len()]) {
            parts.extend(host.packet(&whole[at..cut]).pop());
            at = cut;
        }
        let mut parts = parts.into_iter();
        let mut packet = RxPacket::new(parts.next().unwrap());
        for part in parts {
            if packet.room() == 0 {
                packet.spill(host.pool.take().unwrap());
            }
            packet.push(part).unwrap();
        }
        packet.checksum = checksum;
        Datagram {
            interface: host.id(),
            source: PEER.into(),
            destination: OWN.into(),
            protocol: Protocol::UDP,
            transport_offset: 20,
            traffic_class: 0,
            hop_limit: 64,
            delivery: Delivery::Unicast,
            packet,
        }
    }

    #[test]
    fn a_verified_payload_keeps_the_sums_of_all_its_chunks() {
        for cuts in [&[][..], &[28], &[31, 60], &[40, 41, 42, 43, 44, 45, 46]] {
            let mut work = Work::default();
            let payload = datagram(&bytes(50), cuts, Received::Unchecked).into_payload(8, &mut work).unwrap();
            assert_eq!(work.verified, 50);
            let together: Vec<u8> = payload.chunks().iter().flat_map(|chunk| chunk.to_vec()).collect();
            assert_eq!(together, bytes(50));
            for chunk in payload.chunks().iter().filter(|chunk| !chunk.is_empty()) {
                assert_eq!(chunk.known_sum(), Some(Sum::of(chunk)));
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_found_wherever_the_damage_is() {
        for at in [0, 1, 25, 49] {
            for cuts in [&[][..], &[40]] {
                let mut damaged = datagram(&bytes(50), &[], Received::Unchecked);
                let mut all: Vec<u8> = damaged.packet.front().to_vec();
                all[28 + at] ^= 0x10;
                let host = Host::new();
                damaged.packet = host.packet(&all[..cuts.first().copied().unwrap_or(all.len())]);
                if let Some(&cut) = cuts.first() {
                    damaged.packet.push(host.packet(&all[cut..]).pop().unwrap()).unwrap();
                }
                assert_eq!(damaged.into_payload(8, &mut Work::default()).unwrap_err(), BadChecksum);
            }
        }
    }

    #[test]
    fn a_checksum_that_the_device_checked_gives_the_payloads_sum_away() {
        for len in [1, 2, 49, 50] {
            let mut work = Work::default();
            let payload = datagram(&bytes(len), &[], Received::Checked).into_payload(8, &mut work).unwrap();
            assert_eq!(work, Work::default());
            assert_eq!(payload.chunks()[0].known_sum(), Some(Sum::of(&bytes(len))));
        }
    }

    #[test]
    fn a_frame_that_never_left_the_machine_says_nothing_of_its_sum() {
        let local = Received::Local { start: 34, offset: 6 };
        let payload = datagram(&bytes(50), &[], local).into_payload(8, &mut Work::default()).unwrap();
        assert_eq!(payload.chunks()[0].known_sum(), None);
    }

    #[test]
    fn an_empty_payload_is_verified_by_its_header_alone() {
        let mut work = Work::default();
        let payload = datagram(&[], &[], Received::Unchecked).into_payload(8, &mut work).unwrap();
        assert_eq!((payload.len(), work.verified), (0, 0));
    }
}

//! The way down: route and neighbour, then [`Way`].
//!
//! Invariant: a packet that is not sent is given back as it came, so it can be tried again (RFC 1122 §2.3.2.2 wants it
//! kept while its next hop is asked for: the transports keep it).

use core::net::IpAddr;

use lendwire_nic::{MacAddress, Nic, TxPacket, Work};

use super::Ip;
use super::envelope::{Envelope, NotSent, Path};
use super::interface::Interface;
use super::reply::{Message, Precedence};
use super::route::Hop;
use super::way::Way;
use crate::link::{InterfaceId, Resolution, Solicit};
use crate::time::Instant;
use crate::wire::address::group_mac;
use crate::wire::arp;

impl Ip<'_> {
    /// Output: completes and sends a packet of up to 64 KiB. See [`NotSent`] for what happens otherwise.
    pub(crate) fn send(
        &mut self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        packet: &mut TxPacket<'_>,
        now: Instant,
        work: &mut Work,
    ) -> Result<(), NotSent> {
        self.way(nics, envelope, now, work)?.send(nics, envelope, packet, work)
    }

    /// Output: looks up the way that packets with `envelope` take, and asks for the next hop where it is not known.
    pub(crate) fn way(
        &mut self,
        nics: &mut [&mut dyn Nic],
        envelope: &Envelope,
        now: Instant,
        work: &mut Work,
    ) -> Result<Way, NotSent> {
        let hop = self.hop_of(envelope).map_err(|_| NotSent::NoRoute)?;
        self.way_over(hop, nics, now, work)
    }

    /// Output: [`Ip::way`], of which the route was looked up already.
    pub(crate) fn way_along(
        &mut self,
        path: &Path,
        nics: &mut [&mut dyn Nic],
        now: Instant,
        work: &mut Work,
    ) -> Result<Way, NotSent> {
        self.way_over(path.hop(), nics, now, work)
    }

    fn way_over(&mut self, hop: Hop, nics: &mut [&mut dyn Nic], now: Instant, work: &mut Work) -> Result<Way, NotSent> {
        let destination = self.hardware_address(nics, hop, now, work)?;
        let state = self.interfaces.at(hop.interface).ok_or(NotSent::NoRoute)?;
        Ok(Way { interface: hop.interface, destination, source: state.mac, offloads: state.offloads })
    }

    /// Input: data of ours reached `destination`, so its next hop is alive (RFC 4861 §7.3.1).
    pub(crate) fn confirm(&mut self, destination: IpAddr, now: Instant) {
        let Some(hop) = self.hop_again(destination) else { return };
        let Some(timing) = self.interfaces.at(hop.interface).map(|state| state.timing) else { return };
        self.neighbours.confirm(hop.interface, hop.next_hop, timing, now);
    }

    /// The next hop of what was sent to `destination`.
    fn hop_again(&self, destination: IpAddr) -> Option<Hop> {
        self.last_hop(destination).or_else(|| self.hop(destination, None, None).ok())
    }

    /// Input: what is sent to `destination` is not answered, so its next hop may be dead (RFC 1122 §3.3.1.4). It is asked
    /// before long whether it is there; one that is silent gives way to another.
    pub(crate) fn suspect(&mut self, destination: IpAddr) {
        let Ok(hop) = self.hop(destination, None, None) else { return };
        self.neighbours.suspect(hop.interface, hop.next_hop);
    }

    /// Question: the hardware address of `interface`.
    pub(crate) fn mac(&self, interface: InterfaceId) -> Option<MacAddress> {
        self.interfaces.at(interface).map(|state| state.mac)
    }

    /// Whose hardware address the frame gets.
    fn hardware_address(
        &mut self,
        nics: &mut [&mut dyn Nic],
        hop: Hop,
        now: Instant,
        work: &mut Work,
    ) -> Result<MacAddress, NotSent> {
        let question = match self.neighbours.resolve(hop.interface, hop.next_hop, now) {
            Resolution::Known(mac) => return Ok(mac),
            Resolution::Silent => return Err(NotSent::Silent),
            Resolution::Asking => return Err(NotSent::Unresolved),
            Resolution::Ask(question) => Some(question),
            Resolution::Unknown => {
                let state = self.interfaces.at(hop.interface).ok_or(NotSent::NoRoute)?;
                if let Some(mac) = mapped(state, hop.next_hop) {
                    return Ok(mac);
                }
                self.neighbours.ask(hop.interface, hop.next_hop, state.timing, now)
            }
        };
        if let Some(question) = question {
            self.solicit(nics, question, now, work);
        }
        Err(NotSent::Unresolved)
    }

    /// Asks at once, so that the answer is on its way before this poll ends.
    fn solicit(&mut self, nics: &mut [&mut dyn Nic], question: Solicit, now: Instant, work: &mut Work) {
        let Some(message) = self.question(question) else { return };
        if self.emit(nics, question.interface, &message, now, work).is_err() {
            self.queue(question.interface, message, Precedence::Own);
        }
    }

    /// How a neighbour is asked for.
    pub(super) fn question(&self, question: Solicit) -> Option<Message> {
        let state = self.interfaces.at(question.interface)?;
        let source = state.asking_address(question.address);
        match (question.address, source) {
            (IpAddr::V4(target), source) => {
                let sender = match source {
                    Some(IpAddr::V4(source)) => source,
                    _ => core::net::Ipv4Addr::UNSPECIFIED,
                };
                let packet = arp::Packet::request(state.mac, sender, target);
                Some(Message::Arp { destination: question.to.unwrap_or(MacAddress::BROADCAST), packet })
            }
            (IpAddr::V6(target), Some(IpAddr::V6(source))) => {
                Some(super::ndp::question(state, source, target, question.to))
            }
            // Without an address nobody can be asked: the question ends in silence.
            (IpAddr::V6(_), _) => None,
        }
    }
}

/// The hardware address of a next hop that need not be asked for: a group, everybody, or this host.
fn mapped(state: &Interface, next_hop: IpAddr) -> Option<MacAddress> {
    match next_hop {
        _ if next_hop.is_multicast() => Some(group_mac(next_hop)),
        IpAddr::V4(next_hop) if state.is_broadcast(next_hop) => Some(MacAddress::BROADCAST),
        _ if state.has(next_hop) => Some(state.mac),
        IpAddr::V4(_) | IpAddr::V6(_) => None,
    }
}

#[cfg(test)]
mod tests {
    extern crate std;
    use lendwire_nic::{Checksum, Chunk, Offload, Offloads, Sum};

    use super::*;
    use crate::ip::harness::{Host, MAC, OWN, OWN6, PEER, PEER_MAC, PEER6, assert_sound};
    use crate::time::Span;
    use crate::wire::address::Cidr;
    use crate::wire::ipv4;
    use crate::wire::protocol::Protocol;
    use crate::wire::pseudo::pseudo_header;

    fn payload() -> [Chunk; 2] {
        [Chunk::from_static(b"odd"), Chunk::from_static(b"even")]
    }

    #[test]
    fn rfc1191_3_and_rfc3168_5_a_packet_is_not_to_be_fragmented_and_says_nothing_of_ecn() {
        let mut host = Host::with_peer();
        host.send(IpAddr::V4(PEER), &payload()).unwrap();
        let frame = host.take_sent().remove(0);
        let header = ipv4::Packet::parse(&frame[14..]).unwrap().header;
        assert_eq!(header.fragment.get(), ipv4::DONT_FRAGMENT);
        assert_eq!(header.traffic_class & 3, 0);
    }

    #[test]
    fn rfc791_and_rfc8200_a_packet_gets_its_headers_and_checksums() {
        let mut host = Host::with_peer();
        for (destination, len) in [(IpAddr::V4(PEER), 14 + 20 + 8 + 7), (IpAddr::V6(PEER6), 14 + 40 + 8 + 7)] {
            assert_eq!(host.send(destination, &payload()), Ok(()));
            let frame = host.take_sent().remove(0);
            assert_eq!(frame.len(), len);
            assert_eq!((&frame[..6], &frame[6..12]), (&PEER_MAC.0[..], &MAC.0[..]));
            assert_sound(&frame);
        }
    }

    #[test]
    fn a_payload_whose_sum_is_known_is_not_read() {
        let mut host = Host::with_peer();
        let mut chunks = payload();
        let mut elsewhere = Work::default();
        chunks.iter_mut().for_each(|chunk| {
            chunk.sum(&mut elsewhere);
        });
        assert_eq!(host.send(PEER.into(), &chunks), Ok(()));
        assert_eq!(host.work, Work::default());
        assert_sound(&host.take_sent()[0]);
    }

    #[test]
    fn an_offloaded_checksum_is_seeded_and_reads_nothing() {
        for destination in [IpAddr::V4(PEER), IpAddr::V6(PEER6)] {
            let mut host = Host::with_peer_and(Offloads::TX_CHECKSUM);
            assert_eq!(host.send(destination, &payload()), Ok(()));
            assert_eq!(host.work, Work::default());
            let mut frame = host.take_sent().remove(0);
            let Offload { checksum: Checksum::Fill { start, offset }, .. } = host.wire.offloads.pop().unwrap() else {
                panic!("no offload")
            };
            assert_eq!((usize::from(start), offset), (frame.len() - 15, 6));
            // What the device does (virtio 1.2 §5.1.6.2).
            let checksum = Sum::of(&frame[start.into()..]).checksum();
            frame[usize::from(start) + 6..][..2].copy_from_slice(&checksum.to_be_bytes());
            assert_sound(&frame);
        }
    }

    #[test]
    fn a_full_ring_changes_nothing() {
        for offloads in [Offloads::empty(), Offloads::TX_CHECKSUM] {
            let mut host = Host::with_peer_and(offloads);
            host.wire.room = 0;
            // `Host::send` checks that the packet came back as it was.
            assert_eq!(host.send(PEER.into(), &payload()), Err(NotSent::Full(host.id())));
            host.wire.room = 1;
            assert_eq!(host.send(PEER.into(), &payload()), Ok(()));
        }
    }

    #[test]
    fn rfc768_a_checksum_that_comes_to_zero_is_sent_as_ones() {
        let mut host = Host::with_peer();
        // The two bytes that bring the sum of everything else to minus zero.
        let rest = pseudo_header(OWN.into(), PEER.into(), Protocol::UDP, 10).then(Sum::of(&[0, 1, 0, 2, 0, 3, 0, 0]));
        let bytes = std::boxed::Box::leak(std::boxed::Box::new(rest.checksum().to_be_bytes()));
        assert_eq!(host.send(PEER.into(), &[Chunk::from_static(bytes)]), Ok(()));
        assert_eq!(host.take_sent()[0][40..42], [0xff, 0xff]);
    }

    #[test]
    fn rfc1112_and_rfc2464_groups_and_broadcasts_need_no_question() {
        let mut host = Host::new();
        let cases: [(IpAddr, [u8; 6]); 4] = [
            ([255; 4].into(), [0xff; 6]),
            ([192, 0, 2, 255].into(), [0xff; 6]),
            ([224, 129, 2, 3].into(), [1, 0, 0x5e, 1, 2, 3]),
            ("ff02::1:ff00:1234".parse().unwrap(), [0x33, 0x33, 0xff, 0, 0x12, 0x34]),
        ];
        for (destination, mac) in cases {
            assert_eq!(host.send(destination, &[]), Ok(()));
            assert_eq!(host.take_sent()[0][..6], mac);
        }
    }

    #[test]
    fn a_packet_to_ourselves_is_addressed_to_ourselves() {
        let mut host = Host::new();
        assert_eq!(host.send(OWN.into(), &[]), Ok(()));
        assert_eq!(host.take_sent()[0][..6], MAC.0);
    }

    #[test]
    fn rfc1122_the_longest_prefix_decides() {
        let mut host = Host::new();
        let (far, near, exact): (IpAddr, IpAddr, IpAddr) =
            ([192, 0, 2, 10].into(), [192, 0, 2, 11].into(), [192, 0, 2, 12].into());
        let cidr = |address: [u8; 4], prefix| Cidr::new(address.into(), prefix).unwrap();
        let routes = [(cidr([0; 4], 0), far), (cidr([10, 1, 2, 3], 32), exact), (cidr([10, 0, 0, 0], 8), near)];
        for (destination, gateway) in routes {
            host.ip.add_route(destination, gateway, host.id()).unwrap();
        }
        let hop = |destination: [u8; 4]| host.ip.route(destination.into(), None).unwrap().next_hop;
        assert_eq!(hop([203, 0, 113, 1]), far);
        assert_eq!(hop([10, 1, 2, 4]), near);
        assert_eq!(hop([10, 1, 2, 3]), exact);
        assert_eq!(hop([192, 0, 2, 77]), IpAddr::from([192, 0, 2, 77]));
        assert!(host.ip.remove_route(routes[0].0, far, host.id()));
        assert!(host.ip.route([203, 0, 113, 1].into(), None).is_err());
    }

    #[test]
    fn rfc4861_a_silent_gateway_gives_way_to_another() {
        let mut host = Host::new();
        let gateways: [IpAddr; 2] = [[192, 0, 2, 10].into(), [192, 0, 2, 11].into()];
        for gateway in gateways {
            host.ip.add_route(Cidr::EVERY_IPV4, gateway, host.id()).unwrap();
        }
        let far = IpAddr::from([203, 0, 113, 1]);
        assert_eq!(host.ip.route(far, None).unwrap().next_hop, gateways[0]);
        assert_eq!(host.send(far, &[]), Err(NotSent::Unresolved));
        host.pass(Span::from_secs(3));
        assert_eq!(host.ip.route(far, None).unwrap().next_hop, gateways[1]);
    }

    #[test]
    fn rfc6724_the_source_has_the_destinations_scope() {
        let mut host = Host::new();
        let local: IpAddr = "fe80::1".parse().unwrap();
        host.ip.add_address(host.id(), Cidr::new(local, 64).unwrap(), host.now).unwrap();
        host.pass(Span::from_secs(1));
        let source = |destination: &str| host.ip.route(destination.parse().unwrap(), None).unwrap().source;
        assert_eq!(source("fe80::9"), local);
        assert_eq!(source("ff02::1"), local);
        assert_eq!(source("2001:db8::9"), IpAddr::V6(OWN6));
        assert_eq!(source("192.0.2.9"), IpAddr::V4(OWN));
        // Its first bits are more like the link-local address's, which does not reach that far.
        let unique: Cidr = Cidr::new("fd00::".parse().unwrap(), 8).unwrap();
        host.ip.add_route(unique, "fe80::9".parse().unwrap(), host.id()).unwrap();
        assert_eq!(host.ip.route("fd00::9".parse().unwrap(), None).unwrap().source, IpAddr::V6(OWN6));
    }

    #[test]
    fn nobody_sends_from_an_address_that_is_not_here() {
        let host = Host::new();
        assert!(host.ip.route(PEER.into(), Some([192, 0, 2, 99].into())).is_err());
        assert!(host.ip.route(PEER6.into(), Some(OWN.into())).is_err());
        assert_eq!(host.ip.route(PEER.into(), Some(OWN.into())).unwrap().source, IpAddr::V4(OWN));
    }
}

//! ARP (RFC 826), with the conflict detection of RFC 5227 §2.4.
//!
//! Invariant: an entry is made only for who asks us for our address, and changed only for who has one; everything else
//! is dropped and counted.

use core::net::Ipv4Addr;

use lendwire_nic::RxPacket;

use super::Ip;
use super::reply::{Message, Precedence};
use crate::drops::Reason;
use crate::link::{Advertisement, Delivery, Frame, Heard, InterfaceId};
use crate::time::Instant;
use crate::wire::arp::{Malformed, Operation, Packet};

impl Ip<'_> {
    pub(super) fn on_arp(
        &mut self,
        interface: InterfaceId,
        frame: Frame,
        packet: &RxPacket,
        now: Instant,
    ) -> Result<(), Reason> {
        let (operation, arp) = Packet::parse(packet.front()).map_err(|malformed| match malformed {
            Malformed::Short if packet.len() >= Packet::LEN => Reason::HeaderSplit,
            Malformed::Short => Reason::ArpShort,
            Malformed::Format => Reason::ArpFormat,
        })?;
        let state = self.interfaces.at(interface).ok_or(Reason::ArpUnsolicited)?;
        let (mac, sender, target) = (arp.sender_hardware(), arp.sender(), arp.target());
        if mac.is_multicast() || sender.is_multicast() || state.is_broadcast(sender) || sender.is_loopback() {
            return Err(Reason::ArpSender);
        }
        if mac != state.mac && state.has(sender.into()) {
            self.on_conflict(interface, sender, now);
            return Ok(());
        }
        let (own_mac, timing) = (state.mac, state.timing);
        let is_ours = state.has(target.into());
        match operation {
            Operation::Request if is_ours && mac != own_mac => {
                // RFC 5227 §1.1: who only probes has no address yet that could be learned.
                if sender != Ipv4Addr::UNSPECIFIED {
                    self.neighbours.on_mention(interface, sender.into(), mac, timing, now);
                }
                let reply = Packet::reply(own_mac, target, mac, sender);
                self.queue(interface, Message::Arp { destination: mac, packet: reply }, Precedence::Own);
                Ok(())
            }
            Operation::Request | Operation::Reply => {
                // What was sent to us alone answers us; an announcement only updates who is known (RFC 826).
                let solicited = operation == Operation::Reply && is_ours && frame.delivery == Delivery::Unicast;
                let said = Advertisement { mac: Some(mac), solicited, overriding: true, router: None };
                match self.neighbours.on_advertisement(interface, sender.into(), said, timing, now) {
                    Heard::Unasked => Err(Reason::ArpUnsolicited),
                    Heard::Noted | Heard::RouterNoMore => Ok(()),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use lendwire_nic::MacAddress;
    use zerocopy::byteorder::network_endian::U16;

    use super::*;
    use crate::ip::NotSent;
    use crate::ip::harness::{Host, MAC, OTHER_MAC, OWN, PEER, PEER_MAC, arp};
    use crate::time::Span;

    fn request() -> Packet {
        Packet::request(PEER_MAC, PEER, OWN)
    }

    fn reply() -> Packet {
        Packet::reply(PEER_MAC, PEER, MAC, OWN)
    }

    #[test]
    fn rfc826_a_request_for_us_is_answered_to_who_asked() {
        let mut host = Host::new();
        host.receive(&arp(MacAddress::BROADCAST, request()));
        assert_eq!(host.transmit(), [arp(PEER_MAC, Packet::reply(MAC, OWN, PEER_MAC, PEER))]);
    }

    #[test]
    fn rfc826_who_asks_us_need_not_be_asked() {
        let mut host = Host::new();
        host.receive(&arp(MacAddress::BROADCAST, request()));
        host.transmit();
        assert_eq!(host.send(PEER.into(), &[]), Ok(()));
    }

    #[test]
    fn rfc826_a_request_for_another_host_teaches_nothing() {
        let mut host = Host::new();
        let request = Packet::request(PEER_MAC, PEER, Ipv4Addr::new(192, 0, 2, 77));
        assert_eq!(host.dropped(&arp(MacAddress::BROADCAST, request)), Reason::ArpUnsolicited);
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
    }

    #[test]
    fn rfc4861_an_answer_that_was_not_asked_for_makes_no_entry() {
        let mut host = Host::new();
        assert_eq!(host.dropped(&arp(MAC, reply())), Reason::ArpUnsolicited);
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
    }

    #[test]
    fn rfc826_the_first_packet_asks_and_the_answer_lets_it_go() {
        let mut host = Host::new();
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
        assert_eq!(host.take_sent(), [arp(MacAddress::BROADCAST, Packet::request(MAC, OWN, PEER))]);
        assert!(!host.ip.take_resolved());
        host.receive(&arp(MAC, reply()));
        assert!(host.ip.take_resolved() && !host.ip.take_resolved());
        assert_eq!(host.send(PEER.into(), &[]), Ok(()));
        assert_eq!(host.take_sent()[0][..6], PEER_MAC.0);
    }

    #[test]
    fn rfc1122_three_questions_a_second_apart_and_then_silence() {
        let mut host = Host::new();
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
        let mut questions = host.take_sent().len();
        for _ in 0..10 {
            assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
            host.pass(Span::from_millis(199));
            questions += host.transmit().len();
        }
        assert_eq!(questions, 2);
        host.pass(Span::from_millis(1100));
        assert_eq!(host.transmit().len(), 1);
        assert!(host.ip.take_resolved());
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Silent));
        assert_eq!(host.take_sent().len(), 0, "silence is not asked again at once");
        host.pass(Span::from_secs(4));
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
        assert_eq!(host.take_sent().len(), 1);
    }

    #[test]
    fn rfc4861_a_question_that_met_a_full_ring_is_asked_later() {
        let mut host = Host::new();
        host.wire.room = 0;
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
        host.wire.room = 1;
        assert_eq!(host.transmit(), [arp(MacAddress::BROADCAST, Packet::request(MAC, OWN, PEER))]);
    }

    #[test]
    fn rfc4861_a_stale_neighbour_is_used_then_probed_alone_then_asked_for_by_everybody() {
        let mut host = Host::new();
        host.receive(&arp(MacAddress::BROADCAST, request()));
        host.transmit();
        assert_eq!(host.send(PEER.into(), &[]), Ok(()));
        host.take_sent();
        for (seconds, destination) in [(5, PEER_MAC), (1, PEER_MAC), (1, PEER_MAC), (1, MacAddress::BROADCAST)] {
            host.pass(Span::from_secs(seconds));
            assert_eq!(host.transmit(), [arp(destination, Packet::request(MAC, OWN, PEER))]);
        }
    }

    #[test]
    fn rfc4861_a_confirmed_neighbour_is_not_probed() {
        let mut host = Host::new();
        host.receive(&arp(MacAddress::BROADCAST, request()));
        host.transmit();
        assert_eq!(host.send(PEER.into(), &[]), Ok(()));
        host.take_sent();
        host.ip.confirm(PEER.into(), host.now);
        host.pass(Span::from_secs(29));
        assert_eq!(host.transmit().len(), 0);
    }

    #[test]
    fn rfc826_an_announcement_moves_a_known_address() {
        let mut host = Host::with_peer();
        let announcement = Packet::request(OTHER_MAC, PEER, PEER);
        host.receive(&arp(MacAddress::BROADCAST, announcement));
        assert_eq!(host.send(PEER.into(), &[]), Ok(()));
        assert_eq!(host.take_sent()[0][..6], OTHER_MAC.0);
    }

    #[test]
    fn rfc5227_an_address_is_defended_once_in_ten_seconds() {
        let mut host = Host::new();
        let theft = arp(MacAddress::BROADCAST, Packet::request(OTHER_MAC, OWN, OWN));
        assert_eq!(host.dropped(&theft), Reason::AddressConflict);
        assert_eq!(host.transmit(), [arp(MacAddress::BROADCAST, Packet::request(MAC, OWN, OWN))]);
        host.pass(Span::from_secs(9));
        host.receive(&theft);
        assert_eq!(host.transmit().len(), 0);
        host.pass(Span::from_secs(1));
        host.receive(&theft);
        assert_eq!(host.transmit().len(), 1);
    }

    #[test]
    fn rfc5227_a_probe_is_answered_and_teaches_nothing() {
        let mut host = Host::new();
        host.receive(&arp(MacAddress::BROADCAST, Packet::request(PEER_MAC, Ipv4Addr::UNSPECIFIED, OWN)));
        assert_eq!(host.transmit().len(), 1);
        assert_eq!(host.send(PEER.into(), &[]), Err(NotSent::Unresolved));
    }

    #[test]
    fn rfc826_every_malformed_packet_has_its_reason() {
        let cases = [
            (Packet { hardware: U16::new(6), ..request() }, Reason::ArpFormat),
            (Packet { protocol: U16::new(0x86dd), ..request() }, Reason::ArpFormat),
            (Packet { hardware_len: 8, ..request() }, Reason::ArpFormat),
            (Packet { protocol_len: 16, ..request() }, Reason::ArpFormat),
            (Packet { operation: U16::new(3), ..request() }, Reason::ArpFormat),
            (Packet { sender: [224, 0, 0, 1], ..request() }, Reason::ArpSender),
            (Packet { sender: [255; 4], ..request() }, Reason::ArpSender),
            (Packet { sender: [192, 0, 2, 255], ..request() }, Reason::ArpSender),
            (Packet { sender: [127, 0, 0, 1], ..request() }, Reason::ArpSender),
        ];
        for (packet, reason) in cases {
            assert_eq!(Host::new().dropped(&arp(MacAddress::BROADCAST, packet)), reason, "{packet:?}");
        }
        let group = Packet { sender_hardware: [1, 0, 0, 0, 0, 2], ..request() };
        let mut frame = arp(MacAddress::BROADCAST, group);
        frame[6] = 2;
        assert_eq!(Host::new().dropped(&frame), Reason::ArpSender);
        let frame = arp(MacAddress::BROADCAST, request());
        assert_eq!(Host::new().dropped(&frame[..frame.len() - 1]), Reason::ArpShort);
    }

    #[test]
    fn a_packet_cut_over_two_buffers_is_not_read() {
        let mut host = Host::new();
        let frame = arp(MacAddress::BROADCAST, request());
        let mut packet = host.packet(&frame[..20]);
        let rest = host.packet(&frame[20..]).pop().unwrap();
        packet.push(rest).unwrap();
        let before = host.ip.drops.clone();
        host.ip.receive(host.id(), packet, host.now);
        assert_eq!(host.reason_since(&before), Reason::HeaderSplit);
    }

    #[test]
    fn ieee8023_every_frame_that_is_not_for_us_has_its_reason() {
        let frame = arp(MAC, request());
        let changed = |at: usize, value: u8| {
            let mut frame = frame.clone();
            frame[at] = value;
            frame
        };
        assert_eq!(Host::new().dropped(&frame[..13]), Reason::EthernetShort);
        assert_eq!(Host::new().dropped(&changed(6, 1)), Reason::EthernetSource);
        assert_eq!(Host::new().dropped(&changed(5, 9)), Reason::EthernetDestination);
        assert_eq!(Host::new().dropped(&changed(13, 0x35)), Reason::EthernetType);
    }
}

//! Answering echoes (RFC 1122 §3.2.2.6, RFC 4443 §4.2): the payload goes back as it came, in the same memory.

use lendwire_nic::Work;
use zerocopy::IntoBytes;

use crate::drops::Reason;
use crate::ip::{self, BadChecksum, Datagram, Envelope, Ip, Message, Precedence};
use crate::wire::icmp::{CHECKSUM_OFFSET, HEADER_LEN, Header};

/// Queues the reply to an echo request.
pub(super) fn answer(
    datagram: Datagram,
    request: Header,
    kind: u8,
    ip: &mut Ip<'_>,
    work: &mut Work,
) -> Result<(), Reason> {
    // RFC 1122 §3.2.2.6 lets a host ignore echoes to a broadcast address: answering them is how floods are made.
    if !datagram.is_unicast() || datagram.source.is_unspecified() {
        return Err(Reason::IcmpBroadcastEcho);
    }
    let (interface, traffic_class) = (datagram.interface, datagram.traffic_class);
    let envelope = Envelope {
        traffic_class,
        interface: Some(interface),
        ..Envelope::new(datagram.destination, datagram.source, datagram.protocol, Some(CHECKSUM_OFFSET))
    };
    let payload = datagram.into_payload(HEADER_LEN, work).map_err(|BadChecksum| Reason::IcmpChecksum)?;
    let header = ip::Header::of(&[Header::new(kind, 0, request.rest).as_bytes()]);
    ip.queue(interface, Message::Packet { envelope, header, payload: Some(payload) }, Precedence::Courtesy);
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::vec::Vec;

    use lendwire_nic::{Received, RxPacket};

    use super::*;
    use crate::icmp::Icmp;
    use crate::ip::Arrived;
    use crate::ip::harness::{Host, OWN, OWN6, PEER, PEER6, assert_sound, bytes, icmpv4, icmpv6};
    use crate::wire::protocol::Protocol;

    fn request(kind: u8, payload: &[u8]) -> Vec<u8> {
        [&[kind, 0, 0, 0, 0x12, 0x34, 0, 7], payload].concat()
    }

    fn frames(payload: &[u8]) -> [Vec<u8>; 2] {
        [icmpv4(PEER, OWN, &request(8, payload)), icmpv6(PEER6, OWN6, 64, &request(128, payload))]
    }

    fn receive(host: &mut Host, packet: RxPacket) {
        let Arrived::Icmp(datagram) = host.ip.receive(host.id(), packet, host.now) else { panic!("not ICMP") };
        assert_eq!(Icmp::new(host.now).receive(datagram, &mut host.ip, &mut host.work), None);
    }

    #[test]
    fn rfc1122_and_rfc4443_an_echo_comes_back_as_it_went() {
        for (frame, kind) in frames(&bytes(999)).iter().zip([0, 129]) {
            let mut host = Host::with_peer();
            let packet = host.packet(frame);
            receive(&mut host, packet);
            let sent = host.transmit();
            let [reply] = &sent[..] else { panic!("{} frames", sent.len()) };
            assert_sound(reply);
            let message = &reply[reply.len() - 1007..];
            assert_eq!((message[0], &message[4..]), (kind, &request(0, &bytes(999))[4..]));
        }
    }

    #[test]
    fn an_echo_reads_its_payload_once_and_copies_nothing() {
        for frame in frames(&bytes(999)) {
            let mut host = Host::with_peer();
            let packet = host.packet(&frame);
            receive(&mut host, packet);
            host.transmit();
            assert_eq!(host.work, Work { copied: 0, summed: 0, verified: 999 });
        }
    }

    #[test]
    fn an_echo_that_the_device_checked_is_not_read_at_all() {
        for frame in frames(&bytes(998)) {
            let mut host = Host::with_peer();
            let mut packet = host.packet(&frame);
            packet.checksum = Received::Checked;
            receive(&mut host, packet);
            assert_sound(&host.transmit()[0]);
            assert_eq!(host.work, Work::default());
        }
    }

    #[test]
    fn an_echo_gives_its_slot_back_when_it_has_left() {
        let mut host = Host::with_peer();
        let free = host.pool.available();
        let packet = host.packet(&frames(&bytes(99))[0]);
        receive(&mut host, packet);
        host.wire.room = 0;
        host.transmit();
        assert_eq!(host.pool.available(), free - 1, "the reply lends the request's slot");
        host.wire.room = 1;
        assert_eq!(host.transmit().len(), 1);
        assert_eq!(host.pool.available(), free);
    }

    #[test]
    fn rfc1122_an_echo_to_everybody_is_not_answered() {
        let mut host = Host::with_peer();
        let before = host.ip.drops.clone();
        let packet = host.packet(&icmpv4(PEER, [192, 0, 2, 255].into(), &request(8, b"x")));
        receive(&mut host, packet);
        assert_eq!(host.reason_since(&before), Reason::IcmpBroadcastEcho);
        let packet = host.packet(&icmpv6(PEER6, "ff02::1".parse().unwrap(), 64, &request(128, b"x")));
        receive(&mut host, packet);
        assert_eq!(host.transmit().len(), 0);
    }

    #[test]
    fn every_malformed_message_has_its_reason() {
        let broken = |mut frame: Vec<u8>| {
            *frame.last_mut().unwrap() ^= 1;
            frame
        };
        let [v4, v6] = frames(b"payload");
        let cases = [
            (broken(v4), Reason::IcmpChecksum),
            (broken(v6), Reason::IcmpChecksum),
            (icmpv4(PEER, OWN, &request(8, b"")[..7]), Reason::IcmpShort),
            (icmpv4(PEER, OWN, &request(13, b"timestamp...")), Reason::IcmpType),
            (icmpv4(PEER, OWN, &request(0, b"nobody asked")), Reason::IcmpType),
            (icmpv6(PEER6, OWN6, 64, &request(129, b"nobody asked")), Reason::IcmpType),
            (icmpv6(PEER6, OWN6, 64, &request(200, b"?")), Reason::IcmpType),
            (icmpv4(PEER, OWN, &request(3, b"quotes nothing")), Reason::IcmpQuote),
        ];
        for (frame, reason) in cases {
            let mut host = Host::with_peer();
            let before = host.ip.drops.clone();
            let packet = host.packet(&frame);
            receive(&mut host, packet);
            assert_eq!(host.reason_since(&before), reason);
            assert_eq!(host.transmit().len(), 0);
        }
    }

    #[test]
    fn a_flood_of_echoes_leaves_room_for_what_keeps_the_interface_alive() {
        let mut host = Host::with_peer();
        host.wire.room = 0;
        for _ in 0..20 {
            let packet = host.packet(&frames(b"flood")[0]);
            receive(&mut host, packet);
        }
        assert_eq!(host.ip.drops.of(Reason::ReplyQueueFull), 14, "six of eight places are for echoes");
        host.receive(&crate::ip::harness::arp(
            lendwire_nic::MacAddress::BROADCAST,
            crate::wire::arp::Packet::request(crate::ip::harness::PEER_MAC, PEER, OWN),
        ));
        host.wire.room = 100;
        let sent = host.transmit();
        assert_eq!(sent.len(), 7);
        assert_eq!(sent[6][12..14], [8, 6], "the ARP reply waited its turn behind them");
        assert_eq!(Protocol::ICMPV4.0, sent[0][23]);
    }
}

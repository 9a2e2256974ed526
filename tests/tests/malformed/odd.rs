//! What looks wrong and is not: frames that a stricter stack would drop, to everybody's loss.

use lendwire_nic::Received;
use lendwire_tests::frame::TCP;
use lendwire_tests::segment::flag::{ACK, PSH, SYN};

use crate::host::{Host, PEER_PORT, PORT, segment};
use crate::wire::{
    AT_IP, AT_V4_BODY, AT_V6_BODY, DESTINATION_OPTIONS, FRAGMENT, Frame, ICMP, OWN, OWN6, PADDING, PEER, PEER_MAC,
    PEER6, UDP, datagram, echo, echo6, icmp, ndp, packet, packet_behind, packet_with_options, udp, udp6,
};

/// A frame with something odd about it.
fn with(mut frame: Frame, oddity: fn(&mut Frame)) -> Frame {
    oddity(&mut frame);
    frame.repair();
    frame
}

#[track_caller]
fn is_taken(frame: impl FnOnce(&Host) -> Frame) {
    let mut host = Host::new();
    let frame = frame(&host);
    let (before, dropped) = (host.observe(), host.drops().total());
    let said = host.sends(frame);
    let drops: Vec<_> = host.drops().iter().filter(|(_, count)| *count > 0).collect();
    assert_eq!(host.drops().total(), dropped, "dropped: {drops:?}");
    assert!(!said.is_empty() || host.observe() != before, "it does something");
}

#[test]
fn rfc894_padding_behind_a_short_packet_is_cut_off() {
    is_taken(|_| with(echo(), |it| it.bytes.resize(60, 0xaa)));
    is_taken(|_| with(echo6(), |it| it.bytes.resize(100, 0xaa)));
    is_taken(|_| with(udp(), |it| it.bytes.resize(60, 0xaa)));
}

#[test]
fn ieee8021q_a_tag_that_only_has_a_priority_is_no_tag() {
    is_taken(|_| with(echo(), |it| it.vlan = Some(5 << 13)));
}

#[test]
fn rfc1122_no_hop_left_does_not_matter_to_whom_it_was_meant_for() {
    for hops in [0, 1] {
        let mut frame = echo();
        frame.bytes[AT_IP + 8] = hops;
        frame.repair();
        is_taken(|_| frame);
        let mut frame = echo6();
        frame.bytes[AT_IP + 7] = hops;
        is_taken(|_| frame);
    }
}

#[test]
fn rfc791_options_that_are_not_known_are_passed_over() {
    is_taken(|_| packet_with_options(&[7, 7, 4, 0, 0, 0, 0, 0], ICMP, &icmp(8, 0, [0; 4], b"")));
    is_taken(|_| packet_with_options(&[0, 137, 1, 255], ICMP, &icmp(8, 0, [0; 4], b"")));
    is_taken(|_| packet_with_options(&[200, 4, 0, 0], UDP, &datagram(9000, 7, b"hello")));
}

#[test]
fn rfc791_traffic_class_identification_and_do_not_fragment_do_not_matter() {
    is_taken(|_| {
        with(echo(), |it| {
            it.set(AT_IP + 1, &[0xff]).set(AT_IP + 4, &[0xde, 0xad]).set(AT_IP + 6, &[0x40, 0]);
        })
    });
    is_taken(|_| {
        with(echo6(), |it| {
            it.set(AT_IP, &[0x6f, 0xff, 0xff, 0xff]);
        })
    });
}

#[test]
fn rfc768_a_datagram_over_ipv4_may_have_no_checksum_and_no_source_port() {
    is_taken(|_| {
        let mut frame = udp();
        frame.set(AT_V4_BODY + 6, &[0, 0]);
        frame
    });
    is_taken(|_| {
        with(udp(), |it| {
            it.set(AT_V4_BODY, &[0, 0]);
        })
    });
}

#[test]
fn rfc768_bytes_behind_a_datagram_are_cut_off() {
    is_taken(|_| {
        with(udp(), |it| {
            it.bytes.extend_from_slice(&[0xaa; 3]);
            it.set(AT_IP + 2, &(20u16 + 8 + 5 + 3).to_be_bytes());
        })
    });
}

#[test]
fn rfc768_an_empty_datagram_is_one() {
    is_taken(|_| packet(PEER, OWN, UDP, &datagram(9000, 7, b"")));
    is_taken(|_| packet(PEER6, OWN6, UDP, &datagram(9000, 7, b"")));
}

#[test]
fn rfc6946_a_fragment_that_is_the_whole_packet_is_none() {
    is_taken(|_| packet_behind(&[(FRAGMENT, &[0, 0, 6, 1, 2, 3, 4])], UDP, &datagram(9000, 7, b"hello")));
}

#[test]
fn rfc8200_an_unknown_option_that_may_be_skipped_is() {
    let options = [0, 0x1e, 4, 1, 2, 3, 4];
    is_taken(|_| packet_behind(&[(DESTINATION_OPTIONS, &options)], UDP, &datagram(9000, 7, b"hello")));
    is_taken(|_| packet_behind(&[(0, &PADDING), (DESTINATION_OPTIONS, &options)], TCP, &syn()));
}

fn syn() -> Vec<u8> {
    segment(41_000, PORT, 1, 0, SYN, &[], b"")
}

#[test]
fn rfc4861_reserved_bits_and_unknown_options_do_not_matter() {
    let message = [&[135, 0, 0, 0, 0xff, 0xff, 0xff, 0xff][..], &OWN6.octets(), &[200, 1, 0, 0, 0, 0, 0, 0], &[1, 1]];
    is_taken(|_| ndp(PEER6, OWN6, &[&message.concat(), &PEER_MAC.0[..]].concat()));
}

#[test]
fn rfc9293_reserved_bits_urgent_data_and_unknown_options_do_not_matter() {
    is_taken(|host| with(host.segment(ACK | PSH, b"hello"), |it| it.bytes[AT_V4_BODY + 12] |= 0xf));
    is_taken(|host| {
        with(host.segment(ACK | 1 << 5, b"hello"), |it| {
            it.set(AT_V4_BODY + 18, &[0xff, 0xff]);
        })
    });
    is_taken(|host| {
        let options = [253, 6, 1, 2, 3, 4, 254, 10, 0, 0, 0, 0, 0, 0, 0, 0];
        packet(PEER, OWN, TCP, &segment(PEER_PORT, PORT, host.peer_next, host.own_next, ACK, &options, b"hello"))
    });
}

#[test]
fn rfc9293_must_50_ip_options_that_are_not_known_do_not_matter_to_tcp() {
    for options in [&[200, 4, 0, 0][..], &[1, 1, 94, 5, 1, 2, 3, 0], &[136, 4, 0, 1], &[0, 137, 1, 255]] {
        is_taken(|host| {
            let segment = segment(PEER_PORT, PORT, host.peer_next, host.own_next, ACK | PSH, &[], b"hello");
            packet_with_options(options, TCP, &segment)
        });
    }
}

#[test]
fn rfc9293_data_with_a_syn_does_not_spoil_it() {
    is_taken(|host| host.segment_from(41_000, SYN, b"early"));
}

#[test]
fn payload_may_lie_in_other_buffers_than_its_headers() {
    is_taken(|_| with(echo(), |it| it.cut(AT_V4_BODY + 8)));
    is_taken(|_| with(echo(), |it| it.cuts.extend([AT_IP, AT_V4_BODY + 8])));
    is_taken(|_| with(udp6(), |it| it.cuts.extend([AT_V6_BODY + 8, AT_V6_BODY + 9, AT_V6_BODY + 12])));
    is_taken(|host| with(host.segment(ACK, b"hello"), |it| it.cuts.extend([AT_V4_BODY + 20, AT_V4_BODY + 21])));
}

#[test]
fn a_checksum_that_the_device_has_checked_is_not_read_again() {
    is_taken(|_| {
        let mut frame = udp();
        frame.bytes[AT_V4_BODY + 6] ^= 1;
        frame.checksum = Received::Checked;
        frame
    });
    is_taken(|_| {
        let mut frame = udp6();
        frame.checksum = Received::Local { start: AT_V6_BODY as u16, offset: 6 };
        frame.bytes[AT_V6_BODY + 6] ^= 1;
        frame
    });
}

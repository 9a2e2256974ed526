//! Ethernet (IEEE 802.3), ARP (RFC 826, RFC 5227), and headers that a device cut in two.

use std::net::Ipv4Addr;

use lendwire::Reason;
use lendwire::time::Span;
use lendwire_nic::MacAddress;

use crate::host::{Host, Said};
use crate::row::{Row, row};
use crate::wire::{
    AT_IP, AT_V4_BODY, AT_V6_BODY, DESTINATION_OPTIONS, Frame, ICMP, MAC, OWN, PADDING, PEER, PEER_MAC, UDP, arp,
    datagram, echo, echo6, icmp, packet_behind, packet_with_options, udp, udp6,
};

/// Where fields of an ARP packet stand in the frame.
const AT_HARDWARE: usize = AT_IP;
const AT_PROTOCOL: usize = AT_IP + 2;
const AT_LENGTHS: usize = AT_IP + 4;
const AT_OPERATION: usize = AT_IP + 6;
const AT_SENDER_MAC: usize = AT_IP + 8;
const AT_SENDER: usize = AT_IP + 14;
const AT_TARGET: usize = AT_IP + 24;

fn request(_: &Host) -> Frame {
    arp(MacAddress::BROADCAST, 1, PEER_MAC, PEER, OWN)
}

pub(crate) fn rows() -> Vec<Row> {
    [ethernet(), arp_form(), arp_meaning(), split()].into_iter().flatten().collect()
}

fn ethernet() -> Vec<Row> {
    vec![
        row("a frame of 13 bytes", Reason::EthernetShort, request, |it| it.bytes.truncate(13)),
        row("a frame of one byte", Reason::EthernetShort, request, |it| it.bytes.truncate(1)),
        row("a header cut in two by the device", Reason::EthernetShort, |_| echo(), |it| it.cut(10)),
        row("a group as the frame's source", Reason::EthernetSource, |_| echo(), |it| it.bytes[6] |= 1),
        row("broadcast as the frame's source", Reason::EthernetSource, request, |it| {
            it.set(6, &[0xff; 6]);
        }),
        row("another station's frame", Reason::EthernetDestination, |_| echo(), |it| it.bytes[5] = 9),
        row(
            "an unknown protocol",
            Reason::EthernetType,
            |_| echo(),
            |it| {
                it.set(12, &[0x88, 0xb5]);
            },
        ),
        row(
            "a length instead of a type (IEEE 802.2)",
            Reason::EthernetType,
            |_| echo(),
            |it| {
                it.set(12, &[0, 46]);
            },
        ),
        row("a tag of another network (IEEE 802.1Q)", Reason::EthernetType, |_| echo(), |it| it.vlan = Some(7)),
        row(
            "a tag in the frame",
            Reason::EthernetType,
            |_| echo(),
            |it| {
                it.set(12, &[0x81, 0x00]);
            },
        ),
    ]
}

fn arp_form() -> Vec<Row> {
    vec![
        row("ARP of 27 bytes", Reason::ArpShort, request, |it| it.bytes.truncate(AT_IP + 27)),
        row("ARP of no bytes", Reason::ArpShort, request, |it| it.bytes.truncate(AT_IP)),
        row("ARP for other hardware", Reason::ArpFormat, request, |it| it.bytes[AT_HARDWARE + 1] = 6),
        row("ARP for another protocol", Reason::ArpFormat, request, |it| {
            it.set(AT_PROTOCOL, &[0x86, 0xdd]);
        }),
        row("ARP with a lying hardware length", Reason::ArpFormat, request, |it| it.bytes[AT_LENGTHS] = 8),
        row("ARP with a lying protocol length", Reason::ArpFormat, request, |it| it.bytes[AT_LENGTHS + 1] = 16),
        row("ARP operation 0", Reason::ArpFormat, request, |it| it.bytes[AT_OPERATION + 1] = 0),
        row("ARP operation 3 (RARP)", Reason::ArpFormat, request, |it| it.bytes[AT_OPERATION + 1] = 3),
    ]
}

fn arp_meaning() -> Vec<Row> {
    vec![
        row("ARP from a group's hardware", Reason::ArpSender, request, |it| it.bytes[AT_SENDER_MAC] |= 1),
        row("ARP from broadcast hardware", Reason::ArpSender, request, |it| {
            it.set(AT_SENDER_MAC, &[0xff; 6]);
        }),
        row("ARP from a group", Reason::ArpSender, request, |it| {
            it.set(AT_SENDER, &[224, 0, 0, 1]);
        }),
        row("ARP from 255.255.255.255", Reason::ArpSender, request, |it| {
            it.set(AT_SENDER, &[255; 4]);
        }),
        row("ARP from the network's broadcast address", Reason::ArpSender, request, |it| {
            it.set(AT_SENDER, &[192, 0, 2, 255]);
        }),
        row("ARP from a loopback address", Reason::ArpSender, request, |it| {
            it.set(AT_SENDER, &[127, 0, 0, 1]);
        }),
        row("a question for another host, by a stranger", Reason::ArpUnsolicited, request, |it| {
            it.set(AT_SENDER, &[192, 0, 2, 77]).set(AT_TARGET, &[192, 0, 2, 78]);
        }),
        row("an answer that nobody asked for", Reason::ArpUnsolicited, request, |it| {
            it.bytes[AT_OPERATION + 1] = 2;
            it.set(AT_SENDER, &[192, 0, 2, 77]);
        }),
        row("an announcement by a stranger (RFC 5227)", Reason::ArpUnsolicited, request, |it| {
            it.set(AT_SENDER, &[192, 0, 2, 77]).set(AT_TARGET, &[192, 0, 2, 77]);
        }),
        row("a frame of our own that came back", Reason::ArpUnsolicited, request, |it| {
            it.set(AT_SENDER_MAC, &MAC.0).set(AT_SENDER, &OWN.octets());
        }),
        // RFC 5227 §2.4 b: the first theft is answered with an announcement, a second one soon after is only counted.
        row("our address in another's hands (RFC 5227 §2.4)", Reason::AddressConflict, request, |it| {
            it.set(AT_SENDER, &OWN.octets());
        })
        .answered(Said::Arp { operation: 1 }),
        row("our address stolen again", Reason::AddressConflict, request, |it| {
            it.set(AT_SENDER, &OWN.octets());
        })
        .given(|host| {
            host.sends(arp(MacAddress::BROADCAST, 1, PEER_MAC, OWN, Ipv4Addr::new(192, 0, 2, 99)));
            host.passes(Span::from_secs(1));
        }),
    ]
}

/// RFC 791 and its like say nothing of buffers: a header that does not lie together cannot be read in place, and is
/// counted apart from what its sender did wrong.
fn split() -> Vec<Row> {
    vec![
        row("ARP in two buffers", Reason::HeaderSplit, request, |it| it.cut(AT_IP + 27)),
        row("an IPv4 header in two buffers", Reason::HeaderSplit, |_| echo(), |it| it.cut(AT_IP + 19)),
        row("one byte of an IPv4 header in the first buffer", Reason::HeaderSplit, |_| echo(), |it| it.cut(AT_IP + 1)),
        row("IPv4 options in two buffers", Reason::HeaderSplit, with_options, |it| it.cut(AT_V4_BODY + 2)),
        row("an IPv6 header in two buffers", Reason::HeaderSplit, |_| echo6(), |it| it.cut(AT_IP + 39)),
        row("an extension header in two buffers", Reason::HeaderSplit, behind_options, |it| it.cut(AT_V6_BODY + 7)),
        row("an ICMP header in two buffers", Reason::HeaderSplit, |_| echo(), |it| it.cut(AT_V4_BODY + 7)),
        row("an ICMPv6 header in two buffers", Reason::HeaderSplit, |_| echo6(), |it| it.cut(AT_V6_BODY + 7)),
        row("a UDP header in two buffers", Reason::HeaderSplit, |_| udp(), |it| it.cut(AT_V4_BODY + 7)),
        row("a UDP header over IPv6 in two buffers", Reason::HeaderSplit, |_| udp6(), |it| it.cut(AT_V6_BODY + 7)),
    ]
}

fn with_options(_: &Host) -> Frame {
    packet_with_options(&[1, 1, 1, 0], ICMP, &icmp(8, 0, [0, 7, 0, 1], b""))
}

fn behind_options(_: &Host) -> Frame {
    packet_behind(&[(DESTINATION_OPTIONS, &PADDING)], UDP, &datagram(9000, 7, b"hello"))
}

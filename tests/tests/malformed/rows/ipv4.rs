//! IPv4 (RFC 791, RFC 1122 §3.2.1).

use lendwire::Reason;

use crate::host::{Host, Said};
use crate::row::{Row, row};
use crate::wire::{
    AT_IP, AT_V4_BODY, BROADCAST, Frame, ICMP, OWN, UDP, datagram, echo, icmp, packet_with_options, udp,
};

const AT_LENGTH: usize = AT_IP + 2;
const AT_FRAGMENT: usize = AT_IP + 6;
const AT_PROTOCOL: usize = AT_IP + 9;
const AT_CHECKSUM: usize = AT_IP + 10;
const AT_SOURCE: usize = AT_IP + 12;
const AT_DESTINATION: usize = AT_IP + 16;

/// RFC 792: the packet's protocol is not spoken here.
const NO_PROTOCOL: Said = Said::Icmp { kind: 3, code: 2 };

pub(crate) fn rows() -> Vec<Row> {
    [form(), source(), destination(), options(), contents()].into_iter().flatten().collect()
}

fn ping(_: &Host) -> Frame {
    echo()
}

fn form() -> Vec<Row> {
    vec![
        row("IPv4 of 19 bytes", Reason::Ipv4Short, ping, |it| it.bytes.truncate(AT_IP + 19)),
        row("IPv4 of no bytes", Reason::Ipv4Short, ping, |it| it.bytes.truncate(AT_IP)),
        row("version 6 behind IPv4's type", Reason::Ipv4Version, ping, |it| it.bytes[AT_IP] = 0x65),
        row("version 0", Reason::Ipv4Version, ping, |it| it.bytes[AT_IP] = 0x05),
        row("a header of 4 words (RFC 791 §3.1)", Reason::Ipv4HeaderLength, ping, |it| it.bytes[AT_IP] = 0x44),
        row("a header of no words", Reason::Ipv4HeaderLength, ping, |it| it.bytes[AT_IP] = 0x40),
        row("a header beyond the frame", Reason::Ipv4HeaderLength, ping, |it| it.bytes[AT_IP] = 0x4f),
        row("a total length below the header's", Reason::Ipv4TotalLength, ping, |it| {
            it.set(AT_LENGTH, &[0, 19]);
        })
        .unrepaired(),
        row("a total length of zero", Reason::Ipv4TotalLength, ping, |it| {
            it.set(AT_LENGTH, &[0, 0]);
        })
        .unrepaired(),
        row("a total length beyond the frame", Reason::Ipv4TotalLength, ping, |it| it.bytes[AT_LENGTH + 1] += 1),
        row("a total length of 65535", Reason::Ipv4TotalLength, ping, |it| {
            it.set(AT_LENGTH, &[0xff, 0xff]);
        }),
        row("a wrong checksum (RFC 1122 §3.2.1.2)", Reason::Ipv4Checksum, ping, |it| it.bytes[AT_CHECKSUM] ^= 1)
            .unrepaired(),
        row("no checksum", Reason::Ipv4Checksum, ping, |it| {
            it.set(AT_CHECKSUM, &[0, 0]);
        })
        .unrepaired(),
        row("one bit turned on the way", Reason::Ipv4Checksum, ping, |it| it.bytes[AT_IP + 1] ^= 0x10).unrepaired(),
    ]
}

/// RFC 1122 §3.2.1.3: what no source can be.
fn source() -> Vec<Row> {
    let from = |name, fault| row(name, Reason::Ipv4Source, ping, fault);
    vec![
        from("from 255.255.255.255", |it| {
            it.set(AT_SOURCE, &[255; 4]);
        }),
        from("from the network's broadcast address", |it| {
            it.set(AT_SOURCE, &BROADCAST.octets());
        }),
        from("from a group", |it| {
            it.set(AT_SOURCE, &[224, 0, 0, 1]);
        }),
        from("from class E", |it| {
            it.set(AT_SOURCE, &[240, 0, 0, 1]);
        }),
        from("from loopback", |it| {
            it.set(AT_SOURCE, &[127, 0, 0, 1]);
        }),
        from("from nobody", |it| {
            it.set(AT_SOURCE, &[0; 4]);
        }),
        from("from network 0", |it| {
            it.set(AT_SOURCE, &[0, 1, 2, 3]);
        }),
        from("from ourselves (a land attack)", |it| {
            it.set(AT_SOURCE, &OWN.octets());
        }),
    ]
}

fn destination() -> Vec<Row> {
    let to = |name, fault| row(name, Reason::Ipv4Destination, ping, fault);
    vec![
        to("to another host of the network", |it| {
            it.set(AT_DESTINATION, &[192, 0, 2, 200]);
        }),
        to("to a group that nobody joined", |it| {
            it.set(0, &[1, 0, 0x5e, 1, 2, 3]).set(AT_DESTINATION, &[239, 1, 2, 3]);
        }),
        to("to loopback from outside (RFC 1122 §3.2.1.3 g)", |it| {
            it.set(AT_DESTINATION, &[127, 0, 0, 1]);
        }),
        to("to nobody", |it| {
            it.set(AT_DESTINATION, &[0; 4]);
        }),
        to("one host's packet in everybody's frame (RFC 1122 §3.3.6)", |it| {
            it.set(0, &[0xff; 6]);
        }),
        to("one host's packet in a group's frame", |it| {
            it.set(0, &[1, 0, 0x5e, 0, 0, 1]);
        }),
    ]
}

/// A packet with four bytes of options that say nothing.
fn padded(_: &Host) -> Frame {
    packet_with_options(&[1, 1, 1, 1, 1, 1, 1, 0], ICMP, &icmp(8, 0, [0, 7, 0, 1], b""))
}

fn options() -> Vec<Row> {
    vec![
        row("a loose source route (RFC 7126 §4.3)", Reason::Ipv4SourceRoute, padded, |it| {
            it.set(AT_V4_BODY, &[131, 7, 4, 10, 0, 0, 1, 0]);
        }),
        row("a strict source route (RFC 7126 §4.4)", Reason::Ipv4SourceRoute, padded, |it| {
            it.set(AT_V4_BODY, &[137, 7, 4, 10, 0, 0, 1, 0]);
        }),
        row("a source route behind padding", Reason::Ipv4SourceRoute, padded, |it| {
            it.set(AT_V4_BODY, &[1, 131, 7, 4, 10, 0, 0, 1]);
        }),
        row("an option of length 0", Reason::Ipv4Options, padded, |it| {
            it.set(AT_V4_BODY, &[7, 0]);
        }),
        row("an option of length 1", Reason::Ipv4Options, padded, |it| {
            it.set(AT_V4_BODY, &[7, 1]);
        }),
        row("an option beyond the header", Reason::Ipv4Options, padded, |it| {
            it.set(AT_V4_BODY + 4, &[7, 5, 4, 0]);
        }),
        row("an option without its length", Reason::Ipv4Options, padded, |it| {
            it.set(AT_V4_BODY + 7, &[7]);
        }),
    ]
}

fn contents() -> Vec<Row> {
    vec![
        row(
            "a first fragment",
            Reason::Ipv4Fragment,
            |_| udp(),
            |it| {
                it.set(AT_FRAGMENT, &[0x20, 0]);
            },
        ),
        row(
            "a last fragment",
            Reason::Ipv4Fragment,
            |_| udp(),
            |it| {
                it.set(AT_FRAGMENT, &[0, 1]);
            },
        ),
        row("a fragment that would end beyond 65535 (ping of death)", Reason::Ipv4Fragment, ping, |it| {
            it.set(AT_FRAGMENT, &[0x1f, 0xff]);
        }),
        row("an experimental protocol (RFC 3692)", Reason::Ipv4Protocol, ping, |it| it.bytes[AT_PROTOCOL] = 253)
            .answered(NO_PROTOCOL),
        // RFC 1122 §3.2.2: no error answers an error, and that this is none cannot be told.
        row("IPv6's ICMP over IPv4", Reason::Ipv4Protocol, ping, |it| it.bytes[AT_PROTOCOL] = 58),
        row("protocol 0", Reason::Ipv4Protocol, ping, |it| it.bytes[AT_PROTOCOL] = 0).answered(NO_PROTOCOL),
        // RFC 1122 §3.2.2: no error answers what was sent to everybody.
        row("an unknown protocol, to everybody", Reason::Ipv4Protocol, to_everybody, |it| it.bytes[AT_PROTOCOL] = 253),
    ]
}

fn to_everybody(_: &Host) -> Frame {
    let mut frame = crate::wire::packet(crate::wire::PEER, BROADCAST, UDP, &datagram(9000, 7, b"hello"));
    frame.set(0, &[0xff; 6]);
    frame
}

//! ICMP of both versions (RFC 792, RFC 1122 §3.2.2, RFC 4443).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use lendwire::Reason;
use lendwire_tests::frame::{self, ICMPV6};

use crate::host::Host;
use crate::row::{Row, row};
use crate::wire::{
    ALL_NODES, ALL_NODES_MAC, AT_IP, AT_V4_BODY, AT_V6_BODY, BROADCAST, Frame, ICMP, OWN, OWN6, PEER, PEER6, UDP,
    datagram, echo, echo6, icmp, packet,
};

pub(crate) fn rows() -> Vec<Row> {
    [form(), meaning(), quotes()].into_iter().flatten().collect()
}

fn ping(_: &Host) -> Frame {
    echo()
}

fn ping6(_: &Host) -> Frame {
    echo6()
}

fn form() -> Vec<Row> {
    vec![
        row("ICMP of 7 bytes", Reason::IcmpShort, ping, |it| it.shorten_v4(27)),
        row("ICMP of no bytes", Reason::IcmpShort, ping, |it| it.shorten_v4(20)),
        row("ICMPv6 of 7 bytes", Reason::IcmpShort, ping6, |it| it.shorten_v6(7)),
        row("ICMPv6 of no bytes", Reason::IcmpShort, ping6, |it| it.shorten_v6(0)),
        row("a wrong ICMP checksum", Reason::IcmpChecksum, ping, |it| it.bytes[AT_V4_BODY + 2] ^= 1).unrepaired(),
        row("a damaged echo payload", Reason::IcmpChecksum, ping, |it| it.bytes[AT_V4_BODY + 12] ^= 4).unrepaired(),
        row("a wrong ICMPv6 checksum", Reason::IcmpChecksum, ping6, |it| it.bytes[AT_V6_BODY + 2] ^= 1).unrepaired(),
        row("an ICMPv6 checksum without the pseudo-header", Reason::IcmpChecksum, ping6, |it| {
            let body = &mut it.bytes[AT_V6_BODY..];
            body[2..4].fill(0);
            let checksum = !frame::sum(&[body]);
            it.set(AT_V6_BODY + 2, &checksum.to_be_bytes());
        })
        .unrepaired(),
        row("a wrong checksum of an error", Reason::IcmpChecksum, |_| error(), |it| it.bytes[AT_V4_BODY + 2] ^= 1)
            .unrepaired(),
    ]
}

fn meaning() -> Vec<Row> {
    vec![
        row("an echo reply that nobody waits for", Reason::IcmpType, ping, |it| it.bytes[AT_V4_BODY] = 0),
        row("a timestamp request", Reason::IcmpType, ping, |it| it.bytes[AT_V4_BODY] = 13),
        row("a redirect", Reason::IcmpType, ping, |it| it.bytes[AT_V4_BODY] = 5),
        row("a source quench (RFC 6633)", Reason::IcmpType, ping, |it| it.bytes[AT_V4_BODY] = 4),
        row("an unknown ICMPv6 type", Reason::IcmpType, ping6, |it| it.bytes[AT_V6_BODY] = 200),
        row("an unknown ICMPv6 error (RFC 4443 §2.1)", Reason::IcmpType, ping6, |it| it.bytes[AT_V6_BODY] = 100),
        row("an ICMPv6 echo reply that nobody waits for", Reason::IcmpType, ping6, |it| it.bytes[AT_V6_BODY] = 129),
        row("an echo from where no route leads", Reason::NoRoute, ping, |it| {
            it.set(AT_IP + 12, &[203, 0, 113, 9]);
        }),
        // RFC 1122 §3.2.2.6; smurf attacks.
        row("an echo to everybody", Reason::IcmpBroadcastEcho, ping, |it| {
            it.set(0, &[0xff; 6]).set(AT_IP + 16, &BROADCAST.octets());
        }),
        row("an echo to 255.255.255.255", Reason::IcmpBroadcastEcho, ping, |it| {
            it.set(0, &[0xff; 6]).set(AT_IP + 16, &[255; 4]);
        }),
        row("an echo to all hosts", Reason::IcmpBroadcastEcho, ping, |it| {
            it.set(0, &[1, 0, 0x5e, 0, 0, 1]).set(AT_IP + 16, &[224, 0, 0, 1]);
        }),
        row("an ICMPv6 echo to all nodes", Reason::IcmpBroadcastEcho, ping6, |it| {
            it.set(0, &ALL_NODES_MAC.0).set(AT_IP + 24, &ALL_NODES.octets());
        }),
        row("an ICMPv6 echo from nobody", Reason::IcmpBroadcastEcho, ping6, |it| {
            it.set(AT_IP + 8, &[0; 16]);
        }),
    ]
}

/// The first bytes of a packet that the stack might have sent: a datagram from its UDP socket.
fn quoted(source: impl Into<IpAddr>, destination: impl Into<IpAddr>, protocol: u8) -> Vec<u8> {
    frame::ip(source.into(), destination.into(), protocol, 64, &datagram(7, 9000, b"hello")).1
}

/// "Your datagram's port is closed."
fn error() -> Frame {
    packet(PEER, OWN, ICMP, &icmp(3, 3, [0; 4], &quoted(OWN, PEER, UDP)))
}

fn error6() -> Frame {
    packet(PEER6, OWN6, ICMPV6, &icmp(1, 4, [0; 4], &quoted(OWN6, PEER6, UDP)))
}

/// What a rule says of the packet that an error quotes (RFC 1122 §3.2.2, RFC 4443 §2.4, RFC 5927).
fn quotes() -> Vec<Row> {
    vec![
        row("an error that quotes nothing", Reason::IcmpQuote, |_| error(), |it| it.shorten_v4(28)),
        row("an error that quotes 7 bytes of a datagram", Reason::IcmpQuote, |_| error(), |it| it.shorten_v4(28 + 27)),
        row(
            "an error about what we did not send",
            Reason::IcmpQuote,
            |_| error(),
            |it| {
                *it = packet(PEER, OWN, ICMP, &icmp(3, 3, [0; 4], &quoted(Ipv4Addr::new(192, 0, 2, 77), PEER, UDP)));
            },
        ),
        row(
            "an error about an unknown protocol",
            Reason::IcmpQuote,
            |_| error(),
            |it| {
                *it = packet(PEER, OWN, ICMP, &icmp(3, 2, [0; 4], &quoted(OWN, PEER, 253)));
            },
        ),
        row(
            "an error that quotes IPv6 over IPv4",
            Reason::IcmpQuote,
            |_| error(),
            |it| {
                *it = packet(PEER, OWN, ICMP, &icmp(3, 3, [0; 4], &quoted(OWN6, PEER6, UDP)));
            },
        ),
        row("an ICMPv6 error that quotes nothing", Reason::IcmpQuote, |_| error6(), |it| it.shorten_v6(8)),
        row("an ICMPv6 error that quotes 7 bytes", Reason::IcmpQuote, |_| error6(), |it| it.shorten_v6(8 + 47)),
        row(
            "an ICMPv6 error about what we did not send",
            Reason::IcmpQuote,
            |_| error6(),
            |it| {
                let stranger = Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 77);
                *it = packet(PEER6, OWN6, ICMPV6, &icmp(1, 4, [0; 4], &quoted(stranger, PEER6, UDP)));
            },
        ),
    ]
}

//! IPv6 and its extension headers (RFC 8200, RFC 4291).

use lendwire::Reason;

use crate::host::{Host, Said};
use crate::row::{Row, row};
use crate::wire::{
    AT_IP, AT_V6_BODY, DESTINATION_OPTIONS, FRAGMENT, Frame, HOP_BY_HOP, NOTHING, OWN6, PADDING, ROUTING, UDP,
    datagram, echo6, packet_behind, udp6,
};

const AT_LENGTH: usize = AT_IP + 4;
const AT_NEXT: usize = AT_IP + 6;
const AT_SOURCE: usize = AT_IP + 8;
const AT_DESTINATION: usize = AT_IP + 24;

/// RFC 4443 §3.4: a parameter problem, with its code.
const fn problem(code: u8) -> Said {
    Said::Icmp6 { kind: 4, code }
}

pub(crate) fn rows() -> Vec<Row> {
    [form(), addresses(), next_headers(), options(), others()].into_iter().flatten().collect()
}

fn ping(_: &Host) -> Frame {
    echo6()
}

fn form() -> Vec<Row> {
    vec![
        row("IPv6 of 39 bytes", Reason::Ipv6Short, ping, |it| it.bytes.truncate(AT_IP + 39)),
        row("IPv6 of no bytes", Reason::Ipv6Short, ping, |it| it.bytes.truncate(AT_IP)),
        row("version 4 behind IPv6's type", Reason::Ipv6Version, ping, |it| it.bytes[AT_IP] = 0x40),
        row("version 7", Reason::Ipv6Version, ping, |it| it.bytes[AT_IP] = 0x70),
        row("a payload length beyond the frame", Reason::Ipv6PayloadLength, ping, |it| it.bytes[AT_LENGTH + 1] += 1),
        row("a payload length of 65535", Reason::Ipv6PayloadLength, ping, |it| {
            it.set(AT_LENGTH, &[0xff, 0xff]);
        }),
    ]
}

fn addresses() -> Vec<Row> {
    let from = |name, fault| row(name, Reason::Ipv6Source, |_| udp6(), fault);
    let to = |name, fault| row(name, Reason::Ipv6Destination, ping, fault);
    vec![
        from("from a group (RFC 4291 §2.7)", |it| {
            it.set(AT_SOURCE, &[0xff, 2]);
        }),
        from("from loopback (RFC 4291 §2.5.3)", |it| {
            it.set(AT_SOURCE, &std::net::Ipv6Addr::LOCALHOST.octets());
        }),
        from("from an IPv4 address in disguise (RFC 4291 §2.5.5.2)", |it| {
            it.set(AT_SOURCE, &std::net::Ipv4Addr::new(192, 0, 2, 9).to_ipv6_mapped().octets());
        }),
        from("from ourselves", |it| {
            it.set(AT_SOURCE, &OWN6.octets());
        }),
        from("data from nobody (RFC 4291 §2.5.2)", |it| {
            it.set(AT_SOURCE, &[0; 16]);
        }),
        to("to another host", |it| it.bytes[AT_DESTINATION + 15] = 99),
        to("to a group that nobody joined", |it| {
            it.set(0, &[0x33, 0x33, 1, 2, 3, 4]).set(AT_DESTINATION, &[0xff, 2]);
        }),
        to("to a group of no scope (RFC 4291 §2.7)", |it| {
            let group = std::net::Ipv6Addr::new(0xff00, 0, 0, 0, 0, 0, 0, 1);
            it.set(0, &[0x33, 0x33, 0, 0, 0, 1]).set(AT_DESTINATION, &group.octets());
        }),
        to("to loopback from outside (RFC 4291 §2.5.3)", |it| {
            it.set(AT_DESTINATION, &std::net::Ipv6Addr::LOCALHOST.octets());
        }),
        to("to nobody", |it| {
            it.set(AT_DESTINATION, &[0; 16]);
        }),
    ]
}

fn next_headers() -> Vec<Row> {
    vec![
        row("an unknown next header (RFC 8200 §4)", Reason::Ipv6NextHeader, ping, |it| it.bytes[AT_NEXT] = 253)
            .answered(problem(1)),
        // RFC 4443 §2.4 e.1: no error answers an error, and that this is none cannot be told.
        row("IPv4's ICMP over IPv6", Reason::Ipv6NextHeader, ping, |it| it.bytes[AT_NEXT] = 1),
        row("nothing behind the header (RFC 8200 §4.7)", Reason::Ipv6NextHeader, ping, |it| {
            it.bytes[AT_NEXT] = NOTHING;
        }),
        row("an unknown next header behind options", Reason::Ipv6NextHeader, behind_options, |it| {
            it.bytes[AT_V6_BODY] = 253;
        })
        .answered(problem(1)),
        row("hop-by-hop options that are not first (RFC 8200 §4.1)", Reason::Ipv6NextHeader, behind_two, |it| {
            it.bytes[AT_V6_BODY] = HOP_BY_HOP;
        })
        .answered(problem(1)),
    ]
}

fn body() -> Vec<u8> {
    datagram(9000, 7, b"hello")
}

fn behind_options(_: &Host) -> Frame {
    packet_behind(&[(DESTINATION_OPTIONS, &PADDING)], UDP, &body())
}

fn behind_hops(_: &Host) -> Frame {
    packet_behind(&[(HOP_BY_HOP, &PADDING)], UDP, &body())
}

fn behind_two(_: &Host) -> Frame {
    packet_behind(&[(DESTINATION_OPTIONS, &PADDING), (DESTINATION_OPTIONS, &PADDING)], UDP, &body())
}

/// As many extension headers as the stack is ready to walk.
fn behind_eight(_: &Host) -> Frame {
    packet_behind(&[(DESTINATION_OPTIONS, &PADDING[..]); 8], UDP, &body())
}

/// RFC 8200 §4.2: the two upper bits of an unknown option say what becomes of the packet.
fn options() -> Vec<Row> {
    let at_option = AT_V6_BODY + 2;
    assert_eq!(at_option, 56, "the faults below write there");
    vec![
        row("an option that wants the packet dropped", Reason::Ipv6Extension, behind_options, |it| it.bytes[56] = 0x5e),
        row("an option that wants a report", Reason::Ipv6Extension, behind_options, |it| it.bytes[56] = 0x9e)
            .answered(problem(2)),
        row("an option that wants a report of one host's packet", Reason::Ipv6Extension, behind_options, |it| {
            it.bytes[56] = 0xde;
        })
        .answered(problem(2)),
        row("a hop-by-hop option that wants a report", Reason::Ipv6Extension, behind_hops, |it| it.bytes[56] = 0x9e)
            .answered(problem(2)),
        row("an option beyond its header", Reason::Ipv6Extension, behind_options, |it| it.bytes[57] = 5),
        row("an option without its length", Reason::Ipv6Extension, behind_options, |it| {
            it.set(56, &[1, 3, 0, 0, 0, 1]);
        }),
    ]
}

fn others() -> Vec<Row> {
    vec![
        row("an extension header beyond the packet", Reason::Ipv6Extension, behind_options, |it| {
            it.bytes[AT_V6_BODY + 1] = 200;
        }),
        row("an extension header of 7 bytes", Reason::Ipv6Extension, behind_options, |it| it.shorten_v6(7)),
        row("an extension header announced, and no byte of it", Reason::Ipv6Extension, behind_options, |it| {
            it.shorten_v6(0);
        }),
        row("nine extension headers", Reason::Ipv6Extension, behind_eight, |it| {
            *it = packet_behind(&[(DESTINATION_OPTIONS, &PADDING[..]); 9], UDP, &body());
        }),
        row("a hundred extension headers", Reason::Ipv6Extension, behind_eight, |it| {
            *it = packet_behind(&[(DESTINATION_OPTIONS, &PADDING[..]); 100], UDP, &body());
        }),
        row("a routing header with a way to go (RFC 5095)", Reason::Ipv6Extension, routed, |it| {
            it.bytes[AT_V6_BODY + 3] = 1;
        })
        .answered(problem(0)),
        row("a first fragment", Reason::Ipv6Fragment, atomic, |it| it.bytes[AT_V6_BODY + 3] = 1),
        row("a last fragment", Reason::Ipv6Fragment, atomic, |it| it.bytes[AT_V6_BODY + 3] = 8),
        row("a fragment that would end beyond 65535", Reason::Ipv6Fragment, atomic, |it| {
            it.set(AT_V6_BODY + 2, &[0xff, 0xf8]);
        }),
    ]
}

/// A routing header that has been followed to its end.
fn routed(_: &Host) -> Frame {
    packet_behind(&[(ROUTING, &[0, 253, 0, 0, 0, 0, 0])], UDP, &body())
}

/// A fragment that is the whole packet (RFC 6946).
fn atomic(_: &Host) -> Frame {
    packet_behind(&[(FRAGMENT, &[0, 0, 0, 1, 2, 3, 4])], UDP, &body())
}

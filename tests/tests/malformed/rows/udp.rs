//! UDP (RFC 768, RFC 1122 §4.1, RFC 8200 §8.1).

use lendwire::Reason;

use crate::host::{Host, SOCKET_QUEUE, Said};
use crate::row::{Row, row, unwelcome};
use crate::wire::{ALL_NODES, ALL_NODES_MAC, AT_IP, AT_V4_BODY, AT_V6_BODY, BROADCAST, Frame, udp, udp6};

const AT_PORT: usize = AT_V4_BODY + 2;
const AT_LENGTH: usize = AT_V4_BODY + 4;
const AT_CHECKSUM: usize = AT_V4_BODY + 6;

/// RFC 1122 §4.1.3.1, RFC 4443 §3.1.
const NO_PORT: Said = Said::Icmp { kind: 3, code: 3 };
const NO_PORT6: Said = Said::Icmp6 { kind: 1, code: 4 };

fn hello(_: &Host) -> Frame {
    udp()
}

fn hello6(_: &Host) -> Frame {
    udp6()
}

pub(crate) fn rows() -> Vec<Row> {
    vec![
        row("UDP of 7 bytes", Reason::UdpLength, hello, |it| it.shorten_v4(27)),
        row("UDP of no bytes", Reason::UdpLength, hello, |it| it.shorten_v4(20)),
        row("a length below the header's", Reason::UdpLength, hello, |it| {
            it.set(AT_LENGTH, &[0, 7]);
        }),
        row("a length of zero", Reason::UdpLength, hello, |it| {
            it.set(AT_LENGTH, &[0, 0]);
        }),
        row("a length beyond the packet", Reason::UdpLength, hello, |it| it.bytes[AT_LENGTH + 1] += 1),
        row("a length of zero over IPv6 (a jumbogram's)", Reason::UdpLength, hello6, |it| {
            it.set(AT_V6_BODY + 4, &[0, 0]);
        }),
        row("a wrong checksum (RFC 1122 §4.1.3.4)", Reason::UdpChecksum, hello, |it| it.bytes[AT_CHECKSUM] ^= 1)
            .unrepaired(),
        row("a damaged payload", Reason::UdpChecksum, hello, |it| it.bytes[AT_V4_BODY + 10] ^= 0x40).unrepaired(),
        row("a wrong checksum over IPv6", Reason::UdpChecksum, hello6, |it| it.bytes[AT_V6_BODY + 6] ^= 1).unrepaired(),
        row("a damaged address (the pseudo-header)", Reason::UdpChecksum, hello6, |it| it.bytes[AT_IP + 23] ^= 0x10)
            .unrepaired(),
        row("no checksum over IPv6 (RFC 8200 §8.1)", Reason::UdpNoChecksum, hello6, |it| {
            it.set(AT_V6_BODY + 6, &[0, 0]);
        })
        .unrepaired(),
        row("to port zero", Reason::UdpPort, hello, |it| {
            it.set(AT_PORT, &[0, 0]);
        }),
        row("to port zero over IPv6", Reason::UdpPort, hello6, |it| {
            it.set(AT_V6_BODY + 2, &[0, 0]);
        }),
        row("to a closed port", Reason::UdpUnbound, hello, |it| it.bytes[AT_PORT + 1] = 9).answered(NO_PORT),
        row("to a closed port over IPv6", Reason::UdpUnbound, hello6, |it| it.bytes[AT_V6_BODY + 3] = 9)
            .answered(NO_PORT6),
        // RFC 1122 §3.2.2, RFC 4443 §2.4 e.3: no error answers what was sent to everybody.
        row("to everybody's closed port", Reason::UdpUnbound, hello, |it| {
            it.set(0, &[0xff; 6]).set(AT_IP + 16, &BROADCAST.octets()).set(AT_PORT, &[0, 9]);
        }),
        row("to all nodes' closed port", Reason::UdpUnbound, hello6, |it| {
            it.set(0, &ALL_NODES_MAC.0).set(AT_IP + 24, &ALL_NODES.octets()).set(AT_V6_BODY + 2, &[0, 9]);
        }),
        // RFC 1122 §4.1.3.4: it is discarded silently, so nobody is told that the port is closed.
        row("a wrong checksum, to a closed port", Reason::UdpChecksum, hello, |it| {
            it.bytes[AT_PORT + 1] = 9;
            it.bytes[AT_CHECKSUM] ^= 1;
        })
        .unrepaired(),
        row("no checksum over IPv6, to a closed port", Reason::UdpNoChecksum, hello6, |it| {
            it.set(AT_V6_BODY + 2, &[0, 9]).set(AT_V6_BODY + 6, &[0, 0]);
        })
        .unrepaired(),
        unwelcome(
            "one datagram more than a socket keeps",
            Reason::UdpQueueFull,
            |host| {
                for _ in 0..SOCKET_QUEUE {
                    host.sends(udp());
                }
            },
            hello,
        ),
    ]
}

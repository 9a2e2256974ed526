//! TCP (RFC 9293, RFC 5961, RFC 1337).

use lendwire::Reason;
use lendwire_tests::frame::TCP;
use lendwire_tests::segment::flag::{ACK, FIN, PSH, RST, SYN, URG};

use crate::host::{BACKLOG, Host, PEER_PORT, PORT, Said, segment};
use crate::row::{Row, row, unwelcome};
use crate::wire::{
    ALL_NODES, ALL_NODES_MAC, AT_IP, AT_V4_BODY, AT_V6_BODY, BROADCAST, Frame, OWN, OWN6, PEER, PEER6, packet,
};

/// Where fields stand in the frame.
const AT_PORT: usize = AT_V4_BODY + 2;
const AT_SEQUENCE: usize = AT_V4_BODY + 4;
const AT_ACKNOWLEDGMENT: usize = AT_V4_BODY + 8;
const AT_OFFSET: usize = AT_V4_BODY + 12;
const AT_FLAGS: usize = AT_V4_BODY + 13;
const AT_CHECKSUM: usize = AT_V4_BODY + 16;
const AT_OPTIONS: usize = AT_V4_BODY + 20;

/// A port of the peer without a connection.
const NEW_PORT: u16 = 41_000;
/// The peer's port, and the stack's, of a connection that the stack opens.
const REMOTE: u16 = 9000;
const LOCAL: u16 = 5000;

const ACKNOWLEDGED: Said = Said::Tcp { flags: ACK };
const RESET: Said = Said::Tcp { flags: RST };
const RESET_WITH_ACK: Said = Said::Tcp { flags: RST | ACK };

pub(crate) fn rows() -> Vec<Row> {
    [
        form(),
        ports_and_addresses(),
        options(),
        nobody(),
        sequence(),
        control(),
        acknowledgment(),
        selection(),
        text(),
        handshakes(),
        timestamps(),
    ]
    .into_iter()
    .flatten()
    .collect()
}

/// Data on the connection.
fn data(host: &Host) -> Frame {
    host.segment(ACK, b"hello")
}

/// A connection request.
fn syn(host: &Host) -> Frame {
    host.segment_from(NEW_PORT, SYN, b"")
}

fn syn6(_: &Host) -> Frame {
    packet(PEER6, OWN6, TCP, &segment(NEW_PORT, PORT, 1, 0, SYN, &[], b""))
}

/// Adds to the number at `at`.
fn shift(frame: &mut Frame, at: usize, by: u32) {
    let number = u32::from_be_bytes(*frame.bytes[at..].first_chunk().expect("four bytes"));
    frame.set(at, &number.wrapping_add(by).to_be_bytes());
}

fn form() -> Vec<Row> {
    vec![
        row("TCP of 19 bytes", Reason::TcpShort, syn, |it| it.shorten_v4(39)),
        row("TCP of no bytes", Reason::TcpShort, syn, |it| it.shorten_v4(20)),
        row("TCP over IPv6 of 19 bytes", Reason::TcpShort, syn6, |it| it.shorten_v6(19)),
        row("a data offset of 4 words", Reason::TcpDataOffset, data, |it| it.bytes[AT_OFFSET] = 4 << 4),
        row("a data offset of no words", Reason::TcpDataOffset, data, |it| it.bytes[AT_OFFSET] = 0),
        row("a data offset beyond the segment", Reason::TcpDataOffset, data, |it| it.bytes[AT_OFFSET] = 15 << 4),
        row("a wrong checksum (RFC 9293 MUST-3)", Reason::TcpChecksum, data, |it| it.bytes[AT_CHECKSUM] ^= 1)
            .unrepaired(),
        row("no checksum", Reason::TcpChecksum, data, |it| {
            it.set(AT_CHECKSUM, &[0, 0]);
        })
        .unrepaired(),
        row("a damaged payload", Reason::TcpChecksum, data, |it| it.bytes[AT_OPTIONS + 2] ^= 0x20).unrepaired(),
        row("a damaged address (the pseudo-header)", Reason::TcpChecksum, syn6, |it| it.bytes[AT_IP + 23] ^= 0x10)
            .unrepaired(),
        row("a wrong checksum of a SYN", Reason::TcpChecksum, syn6, |it| it.bytes[AT_V6_BODY + 16] ^= 1).unrepaired(),
    ]
}

fn ports_and_addresses() -> Vec<Row> {
    vec![
        row("from port zero", Reason::TcpPort, syn, |it| {
            it.set(AT_V4_BODY, &[0, 0]);
        }),
        row("to port zero", Reason::TcpPort, syn, |it| {
            it.set(AT_PORT, &[0, 0]);
        }),
        // RFC 9293 MUST-57.
        row("a SYN to everybody", Reason::TcpAddress, syn, |it| {
            it.set(0, &[0xff; 6]).set(AT_IP + 16, &BROADCAST.octets());
        }),
        row("a SYN to 255.255.255.255", Reason::TcpAddress, syn, |it| {
            it.set(0, &[0xff; 6]).set(AT_IP + 16, &[255; 4]);
        }),
        row("a SYN to all hosts", Reason::TcpAddress, syn, |it| {
            it.set(0, &[1, 0, 0x5e, 0, 0, 1]).set(AT_IP + 16, &[224, 0, 0, 1]);
        }),
        row("a SYN to all nodes", Reason::TcpAddress, syn6, |it| {
            it.set(0, &ALL_NODES_MAC.0).set(AT_IP + 24, &ALL_NODES.octets());
        }),
        row("one host's SYN in a group's frame", Reason::TcpAddress, syn6, |it| {
            it.set(0, &ALL_NODES_MAC.0);
        }),
        row("a SYN to everybody in one host's frame", Reason::TcpAddress, syn, |it| {
            it.set(AT_IP + 16, &BROADCAST.octets());
        }),
        // RFC 9293 MUST-63 names the source: IP drops it.
        row("a SYN from everybody", Reason::Ipv4Source, syn, |it| {
            it.set(AT_IP + 12, &BROADCAST.octets());
        }),
        row("a SYN from where no route leads", Reason::NoRoute, syn, |it| {
            it.set(AT_IP + 12, &[203, 0, 113, 9]);
        }),
    ]
}

fn syn_with_options(host: &Host) -> Frame {
    packet(PEER, OWN, TCP, &segment(NEW_PORT, PORT, host.peer_next, 0, SYN, &[2, 4, 5, 180, 1, 1, 1, 0], b""))
}

fn data_with_options(host: &Host) -> Frame {
    let options = [1, 1, 1, 1];
    packet(PEER, OWN, TCP, &segment(PEER_PORT, PORT, host.peer_next, host.own_next, ACK, &options, b"hello"))
}

/// RFC 9293 MUST-7: options of illegal length.
fn options() -> Vec<Row> {
    let syn = |name, fault| row(name, Reason::TcpOptions, syn_with_options, fault);
    let data = |name, fault| row(name, Reason::TcpOptions, data_with_options, fault);
    vec![
        syn("an MSS of length 0", |it| it.bytes[AT_OPTIONS + 1] = 0),
        syn("an MSS of length 1", |it| it.bytes[AT_OPTIONS + 1] = 1),
        syn("an MSS of length 3", |it| it.bytes[AT_OPTIONS + 1] = 3),
        syn("an MSS of length 6", |it| it.bytes[AT_OPTIONS + 1] = 6),
        syn("a window scale of length 4", |it| {
            it.set(AT_OPTIONS + 4, &[3, 4, 7, 0]);
        }),
        syn("an unknown option of length 0", |it| {
            it.set(AT_OPTIONS + 4, &[253, 0]);
        }),
        syn("an option beyond the header", |it| {
            it.set(AT_OPTIONS + 4, &[253, 5]);
        }),
        syn("an option without its length", |it| it.bytes[AT_OPTIONS + 7] = 253),
        data("an option of length 0 on data", |it| {
            it.set(AT_OPTIONS, &[8, 0]);
        }),
        data("an option beyond the header on data", |it| {
            it.set(AT_OPTIONS, &[8, 10]);
        }),
    ]
}

/// RFC 9293 §3.10.7.1 and §3.10.7.2.
fn nobody() -> Vec<Row> {
    vec![
        row("a SYN to a closed port", Reason::TcpNoConnection, syn, |it| it.bytes[AT_PORT + 1] = 81)
            .answered(RESET_WITH_ACK),
        row("a SYN to a closed port over IPv6", Reason::TcpNoConnection, syn6, |it| it.bytes[AT_V6_BODY + 3] = 81)
            .answered(RESET_WITH_ACK),
        row("data without a connection", Reason::TcpNoConnection, data, |it| {
            it.set(AT_V4_BODY, &NEW_PORT.to_be_bytes());
        })
        .answered(RESET),
        row("a FIN to a closed port", Reason::TcpNoConnection, data, |it| {
            it.bytes[AT_PORT + 1] = 81;
            it.bytes[AT_FLAGS] = FIN;
        })
        .answered(RESET_WITH_ACK),
        row("a reset to a closed port", Reason::TcpNoConnection, data, |it| {
            it.bytes[AT_PORT + 1] = 81;
            it.bytes[AT_FLAGS] = RST;
        }),
        row("a reset to a listener", Reason::TcpNoConnection, syn, |it| it.bytes[AT_FLAGS] = RST),
        row("a SYN with a reset to a listener", Reason::TcpNoConnection, syn, |it| it.bytes[AT_FLAGS] = SYN | RST),
        row("a SYN-ACK to a listener", Reason::TcpNoConnection, syn, |it| it.bytes[AT_FLAGS] = SYN | ACK)
            .answered(RESET),
        row("an ACK to a listener", Reason::TcpNoConnection, syn, |it| it.bytes[AT_FLAGS] = ACK).answered(RESET),
        row("no flag at all to a listener (a null scan)", Reason::TcpFlags, syn, |it| it.bytes[AT_FLAGS] = 0),
        row("a FIN alone to a listener", Reason::TcpFlags, syn, |it| it.bytes[AT_FLAGS] = FIN),
        row("FIN, PSH and URG to a listener (an xmas scan)", Reason::TcpFlags, syn, |it| {
            it.bytes[AT_FLAGS] = FIN | PSH | URG;
        }),
        unwelcome(
            "a SYN that takes the place of the oldest in the SYN queue",
            Reason::TcpBacklog,
            |host| {
                for number in 0..BACKLOG as u16 {
                    host.sends(host.segment_from(50_000 + number, SYN, b""));
                }
            },
            syn,
        )
        .answered(Said::Tcp { flags: SYN | ACK }),
    ]
}

/// RFC 9293 §3.10.7.4, first.
fn sequence() -> Vec<Row> {
    vec![
        row("data beyond the window", Reason::TcpOutOfWindow, data, |it| shift(it, AT_SEQUENCE, 1 << 24))
            .answered(ACKNOWLEDGED),
        row("data from long ago", Reason::TcpOutOfWindow, data, |it| {
            shift(it, AT_SEQUENCE, (1u32 << 24).wrapping_neg())
        })
        .answered(ACKNOWLEDGED),
        row("data that came already", Reason::TcpOutOfWindow, data, |it| shift(it, AT_SEQUENCE, 5u32.wrapping_neg()))
            .answered(ACKNOWLEDGED),
        row("a SYN outside of the window (RFC 5961 §4)", Reason::TcpOutOfWindow, data, |it| {
            it.bytes[AT_FLAGS] = SYN;
            shift(it, AT_SEQUENCE, 1 << 24);
        })
        .answered(ACKNOWLEDGED),
        row("a reset beyond the window (RFC 5961 §3)", Reason::TcpOutOfWindow, data, |it| {
            it.bytes[AT_FLAGS] = RST;
            shift(it, AT_SEQUENCE, 1 << 24);
        }),
        row("a reset from long ago", Reason::TcpOutOfWindow, data, |it| {
            it.bytes[AT_FLAGS] = RST;
            shift(it, AT_SEQUENCE, 100u32.wrapping_neg());
        }),
    ]
}

/// RFC 9293 §3.10.7.4, second and fourth.
fn control() -> Vec<Row> {
    let exact_reset = |host: &Host| host.segment(RST, b"");
    vec![
        row("a reset in the window that is not exact (RFC 5961 §3.2)", Reason::TcpReset, exact_reset, |it| {
            shift(it, AT_SEQUENCE, 1);
        })
        .answered(ACKNOWLEDGED),
        row("a reset with an acknowledgment that is not exact", Reason::TcpReset, exact_reset, |it| {
            it.bytes[AT_FLAGS] = RST | ACK;
            shift(it, AT_SEQUENCE, 1000);
        })
        .answered(ACKNOWLEDGED),
        row(
            "a reset of what is over (RFC 1337 §3)",
            Reason::TcpReset,
            |host| host.segment(FIN | ACK, b""),
            |it| {
                it.bytes[AT_FLAGS] = RST;
            },
        )
        .given(ends),
        row("a SYN on a connection (RFC 5961 §4.2)", Reason::TcpSyn, data, |it| it.bytes[AT_FLAGS] = SYN)
            .answered(ACKNOWLEDGED),
        row("a SYN-ACK on a connection", Reason::TcpSyn, data, |it| it.bytes[AT_FLAGS] = SYN | ACK)
            .answered(ACKNOWLEDGED),
    ]
}

/// Both sides close: the stack waits.
fn ends(host: &mut Host) {
    host.stack.close(host.connection, host.now);
    host.says();
    host.own_next = host.own_next.wrapping_add(1);
    host.sends(host.segment(FIN | ACK, b""));
    assert_eq!(host.stack.tcp_usage().time_waits, 1, "it is over");
}

/// RFC 9293 §3.10.7.4, fifth.
fn acknowledgment() -> Vec<Row> {
    vec![
        row("an acknowledgment of what was never sent (RFC 5961 §5.2)", Reason::TcpAck, data, |it| {
            shift(it, AT_ACKNOWLEDGMENT, 1);
        })
        .answered(ACKNOWLEDGED),
        row("an acknowledgment from longer ago than a window", Reason::TcpAck, data, |it| {
            shift(it, AT_ACKNOWLEDGMENT, (1u32 << 20).wrapping_neg());
        })
        .answered(ACKNOWLEDGED),
        row("data without an acknowledgment", Reason::TcpAck, data, |it| it.bytes[AT_FLAGS] = PSH),
        row("a FIN without an acknowledgment", Reason::TcpAck, data, |it| it.bytes[AT_FLAGS] = FIN),
        row("no flag at all", Reason::TcpAck, data, |it| it.bytes[AT_FLAGS] = 0),
    ]
}

/// Where the block of a [`selected`] begins and ends.
const AT_BLOCK: usize = AT_OPTIONS + 4;

/// The second half of what is in flight is there.
fn selected(host: &Host) -> Frame {
    let [first, behind] = [250, 500].map(|number| host.own_next.wrapping_add(number).to_be_bytes());
    let option = [&[1, 1, 5, 10][..], &first, &behind].concat();
    packet(PEER, OWN, TCP, &segment(PEER_PORT, PORT, host.peer_next, host.own_next, ACK, &option, b""))
}

/// RFC 2018 §3, RFC 2883 §4: what no peer can have received.
fn selection() -> Vec<Row> {
    let sends = |host: &mut Host| {
        host.stack.write(host.connection, &[7; 500]).expect("there is room");
        assert_eq!(host.says().len(), 1, "it goes as one segment");
    };
    let of = |name, fault| row(name, Reason::TcpSack, selected, fault).given(sends).quiet();
    vec![
        of("a selection of what was never sent", |it| shift(it, AT_BLOCK + 4, 1)),
        of("a selection that ends before it begins", |it| shift(it, AT_BLOCK, 251)),
        of("a selection of nothing", |it| shift(it, AT_BLOCK, 250)),
        of("a selection that the acknowledgment reaches into", |it| shift(it, AT_BLOCK, 251u32.wrapping_neg())),
        of("a selection from before the connection", |it| {
            shift(it, AT_BLOCK, 3000u32.wrapping_neg());
            shift(it, AT_BLOCK + 4, 3000u32.wrapping_neg());
        }),
        of("a selection of half of all numbers", |it| shift(it, AT_BLOCK + 4, 1 << 31)),
    ]
}

/// RFC 9293 §3.10.7.4, seventh.
fn text() -> Vec<Row> {
    vec![
        unwelcome(
            "data behind a FIN",
            Reason::TcpLateData,
            |host| {
                host.sends(host.segment(FIN | ACK, b""));
                host.peer_next = host.peer_next.wrapping_add(1);
            },
            data,
        ),
        unwelcome(
            "data that nobody will read (SHLD-3)",
            Reason::TcpLateData,
            |host| {
                host.stack.close(host.connection, host.now);
                host.says();
            },
            data,
        )
        .answered(RESET_WITH_ACK)
        .changing(),
        // As many holes as one connection may have: the window allows more.
        unwelcome(
            "one hole more than there are blocks for a connection",
            Reason::TcpNoRoom,
            |host| {
                for number in 1..=4 {
                    let mut frame = host.segment(ACK, b"x");
                    shift(&mut frame, AT_SEQUENCE, 2 * number + 100);
                    frame.repair();
                    host.sends(frame);
                }
                assert_eq!(host.stack.tcp_usage().blocks, 4, "a quarter of all blocks is taken");
            },
            |host| {
                let mut frame = host.segment(ACK, b"x");
                shift(&mut frame, AT_SEQUENCE, 50);
                frame.repair();
                frame
            },
        )
        .answered(ACKNOWLEDGED),
    ]
}

/// A connection that waits for the last of three segments.
fn half_open(host: &mut Host) {
    host.peer_next = 7000;
    let said = host.sends(syn(host));
    host.notes_syn_ack(&said);
}

/// The last of three segments.
fn third(host: &Host) -> Frame {
    host.segment_from(NEW_PORT, ACK, b"")
}

/// The stack has asked for a connection.
fn connecting(host: &mut Host) {
    host.connection = host.stack.connect((PEER, REMOTE).into(), Some(LOCAL), host.now).expect("there is a place");
    host.peer_next = 7000;
    let said = host.says();
    host.notes_syn_ack(&said);
}

/// The peer takes the connection that the stack asked for.
fn second(host: &Host) -> Frame {
    packet(PEER, OWN, TCP, &segment(REMOTE, LOCAL, 7000, host.own_next, SYN | ACK, &[], b""))
}

/// RFC 9293 §3.10.7.3, and §3.10.7.4 as far as it concerns SYN-RECEIVED.
fn handshakes() -> Vec<Row> {
    vec![
        row("a third segment that acknowledges nothing", Reason::TcpAck, third, |it| it.bytes[AT_FLAGS] = PSH)
            .given(half_open),
        row("a reset far from a handshake", Reason::TcpOutOfWindow, third, |it| {
            it.bytes[AT_FLAGS] = RST;
            shift(it, AT_SEQUENCE, 1 << 24);
        })
        .given(half_open),
        unwelcome("a third segment beyond the accept queue", Reason::TcpBacklog, fills_the_accept_queue, third)
            .welcome_after(half_open),
        row("a reset that acknowledges something else", Reason::TcpReset, second, |it| {
            it.bytes[AT_FLAGS] = RST | ACK;
            shift(it, AT_ACKNOWLEDGMENT, 1);
        })
        .given(connecting),
        row("a reset that acknowledges nothing", Reason::TcpReset, second, |it| it.bytes[AT_FLAGS] = RST)
            .given(connecting),
        row("a TCP header in two buffers", Reason::HeaderSplit, syn, |it| it.cut(AT_V4_BODY + 19)),
        row("TCP options in two buffers", Reason::HeaderSplit, syn_with_options, |it| it.cut(AT_OPTIONS + 4)),
        row("a reset near a handshake that is not exact", Reason::TcpReset, third, |it| {
            it.bytes[AT_FLAGS] = RST;
            shift(it, AT_SEQUENCE, 1);
        })
        .given(half_open)
        .answered(ACKNOWLEDGED),
        row("a third segment far from a handshake", Reason::TcpOutOfWindow, third, |it| {
            shift(it, AT_SEQUENCE, 1 << 24);
        })
        .given(half_open)
        .answered(ACKNOWLEDGED),
        row("another SYN in a handshake", Reason::TcpSyn, third, |it| {
            it.bytes[AT_FLAGS] = SYN;
            shift(it, AT_SEQUENCE, 1);
        })
        .given(half_open)
        .answered(ACKNOWLEDGED),
        row("a third segment that acknowledges what was never sent", Reason::TcpAck, third, |it| {
            shift(it, AT_ACKNOWLEDGMENT, 1);
        })
        .given(half_open)
        .answered(RESET),
        row("an answer that acknowledges what was never sent", Reason::TcpAck, second, |it| {
            shift(it, AT_ACKNOWLEDGMENT, 1);
        })
        .given(connecting)
        .answered(RESET),
        row("an answer without a SYN", Reason::TcpFlags, second, |it| it.bytes[AT_FLAGS] = ACK).given(connecting),
    ]
}

/// RFC 7323 §3.2, §5.3.
fn timestamps() -> Vec<Row> {
    vec![
        row("a third segment without timestamps", Reason::TcpNoTimestamps, third_with_time, |it| {
            it.set(AT_OPTIONS, &[1; 12]);
        })
        .given(half_open_with_time),
        row("a third segment of before the SYN", Reason::TcpOld, third_with_time, |it| {
            shift(it, AT_OPTIONS + 4, u32::MAX);
        })
        .given(half_open_with_time)
        .answered(ACKNOWLEDGED),
    ]
}

/// The time of the peer's clock in its SYN.
const TIME: u32 = 1000;

fn with_time(flags: u8, host: &Host) -> Frame {
    let options = [&[1, 1, 8, 10][..], &TIME.to_be_bytes(), &[0; 4]].concat();
    packet(PEER, OWN, TCP, &segment(NEW_PORT, PORT, host.peer_next, host.own_next, flags, &options, b""))
}

fn half_open_with_time(host: &mut Host) {
    host.peer_next = 5000;
    let said = host.sends(with_time(SYN, host));
    host.notes_syn_ack(&said);
}

fn third_with_time(host: &Host) -> Frame {
    with_time(ACK, host)
}

/// As many connections as the listener keeps, none of them accepted, and a handshake that is nearly through.
fn fills_the_accept_queue(host: &mut Host) {
    half_open(host);
    let (peer_next, own_next) = (host.peer_next, host.own_next);
    for port in 51_000..51_000 + BACKLOG as u16 {
        host.peer_next = 7000;
        let said = host.sends(host.segment_from(port, SYN, b""));
        host.notes_syn_ack(&said);
        host.sends(host.segment_from(port, ACK, b""));
    }
    (host.peer_next, host.own_next) = (peer_next, own_next);
}

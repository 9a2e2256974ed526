//! The states of a connection by the names and numbers that scripts have for them.

use lendwire::tcp::{RecoveryPhase, State, TcpInfo};

use super::sockets::Units;

/// FreeBSD's name, Linux's number and FreeBSD's.
const TABLE: [(&str, i64, i64); 11] = [
    ("CLOSED", 7, 0),
    ("LISTEN", 10, 1),
    ("SYN_SENT", 2, 2),
    ("SYN_RCVD", 3, 3),
    ("ESTABLISHED", 1, 4),
    ("CLOSE_WAIT", 8, 5),
    ("FIN_WAIT_1", 4, 6),
    ("CLOSING", 11, 7),
    ("LAST_ACK", 9, 8),
    ("FIN_WAIT_2", 5, 9),
    ("TIME_WAIT", 6, 10),
];

/// Linux's names, which stand for its numbers.
pub(super) const NAMES: [(&str, i64); 11] = [
    ("TCP_ESTABLISHED", 1),
    ("TCP_SYN_SENT", 2),
    ("TCP_SYN_RECV", 3),
    ("TCP_FIN_WAIT1", 4),
    ("TCP_FIN_WAIT2", 5),
    ("TCP_TIME_WAIT", 6),
    ("TCP_CLOSE", 7),
    ("TCP_CLOSE_WAIT", 8),
    ("TCP_LAST_ACK", 9),
    ("TCP_LISTEN", 10),
    ("TCP_CLOSING", 11),
];

/// Those that scripts of FreeBSD have for FreeBSD's.
pub(super) const FREEBSD_NAMES: [(&str, i64); 11] = [
    ("TCPI_CLOSED", 0),
    ("TCPI_LISTEN", 1),
    ("TCPI_SYN_SENT", 2),
    ("TCPI_SYN_RECEIVED", 3),
    ("TCPI_ESTABLISHED", 4),
    ("TCPI_CLOSE_WAIT", 5),
    ("TCPI_FIN_WAIT_1", 6),
    ("TCPI_CLOSING", 7),
    ("TCPI_LAST_ACK", 8),
    ("TCPI_FIN_WAIT_2", 9),
    ("TCPI_TIME_WAIT", 10),
];

/// A connection's, as FreeBSD has it.
pub(super) fn name(state: State) -> &'static str {
    match state {
        State::Closed => "CLOSED",
        State::SynSent => "SYN_SENT",
        State::SynReceived => "SYN_RCVD",
        State::Established => "ESTABLISHED",
        State::CloseWait => "CLOSE_WAIT",
        State::FinWait1 => "FIN_WAIT_1",
        State::Closing => "CLOSING",
        State::LastAck => "LAST_ACK",
        State::FinWait2 => "FIN_WAIT_2",
        State::TimeWait => "TIME_WAIT",
    }
}

/// Whether it is the name of a state.
pub(super) fn is_name(text: &str) -> bool {
    TABLE.iter().any(|(name, ..)| *name == text)
}

/// What `tcpi_ca_state` is: Linux calls it disorder when the peer holds something out of order and nothing is lost yet.
pub(super) fn recovery(info: &TcpInfo) -> i64 {
    match info.recovery {
        RecoveryPhase::Open => i64::from(info.sacked > 0),
        RecoveryPhase::Fast => 3,
        RecoveryPhase::Timeout => 4,
    }
}

/// What `tcpi_options` is: the bits are the same on both systems.
pub(super) fn options(info: &TcpInfo) -> i64 {
    let scales = info.send_scale > 0 || info.receive_scale > 0;
    // The fifth says of ECN what nobody asks here.
    let bits = [info.timestamps, info.sack, scales, info.ecn, false, info.syn_data];
    (0..).zip(bits).map(|(place, is_on)| i64::from(is_on) << place).sum()
}

/// What `tcpi_state` is in it.
pub(super) fn number(name: &str, units: Units) -> i64 {
    let (_, linux, freebsd) = TABLE.iter().find(|(known, ..)| *known == name).expect("it is in the table");
    match units {
        Units::Segments => *linux,
        Units::Bytes => *freebsd,
    }
}

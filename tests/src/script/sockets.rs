//! What scripts need of a stack, and what this one gives: the one place where a new feature of the stack is plugged in.
//!
//! A socket option that the stack learns becomes one line of [`Sockets::set_option`], a field of `tcp_info` one line of
//! [`Sockets::information`]. What is not there is [`Refused::Unsupported`], and the script fails saying so.

use std::net::SocketAddr;

use lendwire::tcp::{
    Algorithm, ConnectError, Ended, KeepAlive, ListenError, ListenerHandle, OptionError, ReadError, TcpHandle,
    WriteError,
};
use lendwire::time::{Instant, Span};
use lendwire::{Dscp, Stack};

use super::errno::Errno;
use super::states;

/// Why an option was not set, or cannot be asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Refused {
    /// The stack has no such thing.
    Unsupported,
    /// It has, but not with this value or in this state.
    Error(Errno),
}

/// An option's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A number or a flag.
    Number(i64),
    /// A name.
    Name(String),
    /// A structure that has no form here.
    Other,
}

/// See the module.
pub trait Sockets {
    /// Accepts connections to `local`.
    ///
    /// # Errors
    /// As `listen(2)`.
    fn start_listening(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerHandle, Errno>;

    /// Begins to connect.
    ///
    /// # Errors
    /// As `connect(2)`, as far as it is known at once.
    fn start_connecting(&mut self, remote: SocketAddr, port: Option<u16>, now: Instant) -> Result<TcpHandle, Errno>;

    /// The same by Fast Open: what is put next goes with the SYN.
    ///
    /// # Errors
    /// As `connect(2)`.
    fn start_fast(&mut self, remote: SocketAddr, port: Option<u16>, now: Instant) -> Result<TcpHandle, Errno>;

    /// Queues bytes and says how many were taken; none if there is no room.
    ///
    /// # Errors
    /// `EAGAIN` before the connection stands, `EPIPE` behind a shutdown, or what ended the connection.
    fn put(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, Errno>;

    /// Takes bytes; none is the end.
    ///
    /// # Errors
    /// `EAGAIN` where nothing has come, or what ended the connection.
    fn get(&mut self, connection: TcpHandle, bytes: &mut [u8]) -> Result<usize, Errno>;

    /// What ended the connection, if it was no orderly end.
    fn failure(&mut self, connection: TcpHandle) -> Option<Errno>;

    /// Sets an option of a connection, or says what it would say of one that is yet to come.
    ///
    /// # Errors
    /// See [`Refused`].
    fn set_option(&mut self, connection: Option<TcpHandle>, name: &str, value: &Value) -> Result<(), Refused>;

    /// Asks a silent peer whether it is there, or not.
    ///
    /// # Errors
    /// See [`Refused`].
    fn keep_alive(&mut self, connection: TcpHandle, wish: Option<KeepAlive>, now: Instant) -> Result<(), Refused>;

    /// The value of an option that was not set.
    ///
    /// # Errors
    /// See [`Refused`].
    fn option(&self, connection: Option<TcpHandle>, name: &str) -> Result<Value, Refused>;

    /// The fields of `tcp_info` that are known, windows in segments where `in_segments`.
    fn information(&self, connection: TcpHandle, units: Units) -> Vec<(&'static str, i64)>;
}

/// In what `tcp_info` counts windows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Units {
    /// Linux: segments.
    Segments,
    /// FreeBSD: bytes.
    Bytes,
}

impl Sockets for Stack<'_> {
    fn start_listening(&mut self, local: SocketAddr, backlog: usize) -> Result<ListenerHandle, Errno> {
        self.listen(local, backlog).map_err(|error| match error {
            ListenError::PortZero => Errno("EINVAL"),
            ListenError::InUse => Errno("EADDRINUSE"),
            ListenError::Full => Errno("ENOBUFS"),
        })
    }

    fn start_connecting(&mut self, remote: SocketAddr, port: Option<u16>, now: Instant) -> Result<TcpHandle, Errno> {
        self.connect(remote, port, now).map_err(unconnected)
    }

    fn start_fast(&mut self, remote: SocketAddr, port: Option<u16>, now: Instant) -> Result<TcpHandle, Errno> {
        self.connect_fast_open(remote, port, now).map_err(unconnected)
    }

    fn put(&mut self, connection: TcpHandle, bytes: &[u8]) -> Result<usize, Errno> {
        self.write(connection, bytes).map_err(|error| match error {
            WriteError::NotYet => Errno("EAGAIN"),
            WriteError::ShutDown => Errno("EPIPE"),
            WriteError::NoSuchConnection => Errno("ENOTCONN"),
            WriteError::Ended(ended) => name_of(ended).unwrap_or(Errno("EPIPE")),
        })
    }

    fn get(&mut self, connection: TcpHandle, bytes: &mut [u8]) -> Result<usize, Errno> {
        self.read(connection, bytes).or_else(|error| match error {
            ReadError::Empty => Err(Errno("EAGAIN")),
            ReadError::NoSuchConnection => Err(Errno("ENOTCONN")),
            ReadError::Ended(ended) => name_of(ended).map_or(Ok(0), Err),
        })
    }

    fn failure(&mut self, connection: TcpHandle) -> Option<Errno> {
        match self.write(connection, &[]) {
            Err(WriteError::Ended(ended)) => name_of(ended),
            Ok(_) | Err(WriteError::NotYet | WriteError::ShutDown | WriteError::NoSuchConnection) => None,
        }
    }

    fn set_option(&mut self, connection: Option<TcpHandle>, name: &str, value: &Value) -> Result<(), Refused> {
        match (name, value) {
            ("TCP_NODELAY", Value::Number(number)) => {
                if let Some(connection) = connection {
                    self.set_nodelay(connection, *number != 0);
                }
                Ok(())
            }
            ("TCP_CONGESTION", Value::Name(name)) => {
                let algorithm = algorithm_of(name).ok_or(Refused::Error(Errno("ENOENT")))?;
                if let Some(connection) = connection {
                    self.set_congestion(connection, algorithm);
                }
                Ok(())
            }
            ("IP_TOS" | "IPV6_TCLASS", Value::Number(number)) if connection.is_some() => {
                // As on Linux, the two bits of ECN are TCP's own.
                let dscp = u8::try_from(*number).ok().and_then(|byte| Dscp::new(byte >> 2)).unwrap_or_default();
                let set = connection.map(|connection| self.set_dscp(connection, dscp));
                set.unwrap_or(Ok(())).map_err(|_| Refused::Error(Errno("ENOTCONN")))
            }
            ("IP_TOS" | "IPV6_TCLASS", Value::Number(0..=3)) => Ok(()),
            ("TCP_CORK" | "TCP_NOPUSH", Value::Number(number)) => match connection {
                Some(connection) => self.set_cork(connection, *number != 0).map_err(refused),
                None => Ok(()),
            },
            ("TCP_USER_TIMEOUT", Value::Number(millis)) => {
                let millis = u64::try_from(*millis).map_err(|_| Refused::Error(Errno("EINVAL")))?;
                let timeout = (millis > 0).then_some(Span::from_millis(millis));
                let set = connection.map(|connection| self.set_user_timeout(connection, timeout));
                set.unwrap_or(Ok(())).map_err(refused)
            }
            // They differ in who may cut a packet, and in which reports are believed. No line shows the one, and lines
            // show the other.
            ("IP_MTU_DISCOVER" | "IPV6_MTU_DISCOVER", Value::Number(0..=3)) => Ok(()),
            (_, _) => Err(Refused::Unsupported),
        }
    }

    fn keep_alive(&mut self, connection: TcpHandle, wish: Option<KeepAlive>, now: Instant) -> Result<(), Refused> {
        self.set_keep_alive(connection, wish, now).map_err(refused)
    }

    fn option(&self, connection: Option<TcpHandle>, name: &str) -> Result<Value, Refused> {
        let info = connection.and_then(|connection| self.info(connection));
        match name {
            "TCP_MAXSEG" => info.map(|info| Value::Number(i64::from(info.mss))).ok_or(Refused::Unsupported),
            "TCP_NODELAY" | "TCP_CORK" | "TCP_NOPUSH" | "SO_KEEPALIVE" => Ok(Value::Number(0)),
            "TCP_CONGESTION" => {
                info.map(|info| Value::Name(name_of_algorithm(info.congestion).into())).ok_or(Refused::Unsupported)
            }
            _ => Err(Refused::Unsupported),
        }
    }

    fn information(&self, connection: TcpHandle, units: Units) -> Vec<(&'static str, i64)> {
        let mut fields = vec![("tcpi_state", states::number(states::name(self.state(connection)), units))];
        let Some(info) = self.info(connection) else {
            // Nothing is agreed on yet.
            fields.push(("tcpi_options", 0));
            return fields;
        };
        let mss = i64::from(info.mss);
        let count = |bytes: u32| match units {
            Units::Segments => i64::from(bytes) / mss,
            Units::Bytes => i64::from(bytes),
        };
        // Linux and FreeBSD call "no threshold yet" by numbers of their own.
        let threshold = match (info.slow_start_threshold, units) {
            (u32::MAX, Units::Segments) => i64::from(i32::MAX),
            (u32::MAX, Units::Bytes) => 1_073_725_440,
            (bytes, Units::Segments | Units::Bytes) => count(bytes),
        };
        fields.extend([
            ("tcpi_rto", info.rto.micros() as i64),
            ("tcpi_rtt", info.rtt.map_or(0, |rtt| rtt.micros() as i64)),
            ("tcpi_rttvar", info.rtt_variation.micros() as i64),
            ("tcpi_retransmits", i64::from(info.timeouts)),
            ("tcpi_notsent_bytes", i64::from(info.unsent)),
            ("tcpi_snd_mss", mss),
            ("tcpi_snd_cwnd", count(info.congestion_window)),
            ("tcpi_snd_ssthresh", threshold),
            // Linux's number for "as fast as may be".
            ("tcpi_pacing_rate", info.pacing_rate.map_or(-1, |rate| rate.min(i64::MAX as u64) as i64)),
            ("tcpi_unacked", (i64::from(info.in_flight) + mss - 1) / mss),
            ("tcpi_sacked", (i64::from(info.sacked) + mss - 1) / mss),
            ("tcpi_lost", (i64::from(info.lost) + mss - 1) / mss),
            ("tcpi_retrans", (i64::from(info.retransmitted) + mss - 1) / mss),
            ("tcpi_ca_state", states::recovery(&info)),
            ("tcpi_reord_seen", i64::from(info.reordering)),
            ("tcpi_min_rtt", info.min_rtt.map_or(0, |rtt| rtt.micros() as i64)),
            ("tcpi_delivered", (info.delivered as i64 + mss - 1) / mss),
            ("tcpi_delivered_ce", i64::from(info.marked)),
            ("tcpi_snd_wnd", i64::from(info.send_window)),
            ("tcpi_rcv_wnd", i64::from(info.receive_window)),
            ("tcpi_bytes_sent", info.bytes_sent as i64),
            ("tcpi_bytes_acked", info.bytes_acknowledged as i64),
            ("tcpi_bytes_retrans", info.bytes_retransmitted as i64),
            ("tcpi_bytes_received", info.bytes_received as i64),
            ("tcpi_segs_out", info.segments_sent.into()),
            ("tcpi_segs_in", info.segments_received.into()),
            ("tcpi_snd_wscale", i64::from(info.send_scale)),
            ("tcpi_rcv_wscale", i64::from(info.receive_scale)),
            ("tcpi_options", states::options(&info)),
        ]);
        fields
    }
}

fn unconnected(error: ConnectError) -> Errno {
    match error {
        ConnectError::PortZero => Errno("EADDRNOTAVAIL"),
        ConnectError::NotUnicast | ConnectError::NoRoute => Errno("ENETUNREACH"),
        ConnectError::InUse => Errno("EADDRINUSE"),
        ConnectError::NotOurs => Errno("EADDRNOTAVAIL"),
        ConnectError::Full => Errno("ENOBUFS"),
    }
}

/// Congestion control, by the names that systems give it.
const ALGORITHMS: [(&str, Algorithm); 5] = [
    ("cubic", Algorithm::Cubic),
    ("reno", Algorithm::Reno),
    ("newreno", Algorithm::Reno),
    ("bbr", Algorithm::Bbr),
    ("dctcp", Algorithm::Dctcp),
];

/// The algorithm that systems call `name`.
pub(super) fn algorithm_of(name: &str) -> Option<Algorithm> {
    ALGORITHMS.iter().find(|(known, _)| *known == name).map(|(_, algorithm)| *algorithm)
}

fn name_of_algorithm(algorithm: Algorithm) -> &'static str {
    ALGORITHMS.iter().find(|(_, known)| *known == algorithm).map_or("", |(name, _)| name)
}

/// One that is on its way is set when it is there.
fn refused(error: OptionError) -> Refused {
    match error {
        OptionError::Cannot(_) => Refused::Error(Errno("ENOTCONN")),
        OptionError::Full => Refused::Error(Errno("ENOBUFS")),
    }
}

fn name_of(ended: Ended) -> Option<Errno> {
    match ended {
        Ended::Closed => None,
        Ended::Reset => Some(Errno("ECONNRESET")),
        Ended::TimedOut => Some(Errno("ETIMEDOUT")),
        Ended::Refused => Some(Errno("ECONNREFUSED")),
        Ended::Unreachable => Some(Errno("EHOSTUNREACH")),
    }
}

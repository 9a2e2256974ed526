//! What applications hold and hear: handles, events, what is known of a connection, and why a command was refused.
//!
//! Invariant: a handle is small, `Copy`, and tagged with its socket's generation, so a place that was used again cannot
//! be mistaken for the old socket.

use core::fmt;

use lendwire_nic::Chunk;

use super::{Algorithm, Ended, RecoveryPhase, State};
use crate::slab::Key;
use crate::time::Span;

/// Names a listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ListenerHandle(pub(super) Key);

/// Names a connection, or an attempt at one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpHandle(pub(super) Key);

impl TcpHandle {
    /// The connection's place in the storage, below the number of connections: where an application keeps what it knows
    /// of it in a table of its own. Only one handle at a time has a place, but a place has many handles in its life.
    #[must_use]
    pub const fn index(self) -> usize {
        self.0.index as usize
    }
}

/// A connection on which something happened: data came, room was made, a state changed.
///
/// It says no more than that it is worth to read, write or ask for the state again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TcpEvent(pub TcpHandle);

/// What the stack knows of a connection's path and peer, in bytes where nothing else is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpInfo {
    /// The state by its RFC name.
    pub state: State,
    /// The smoothed round-trip time, once there was a sample (RFC 6298).
    pub rtt: Option<Span>,
    /// How much the round-trip time varies (RFC 6298's RTTVAR).
    pub rtt_variation: Span,
    /// The retransmission timeout as it stands, backed off or not.
    pub rto: Span,
    /// The largest segment that is sent.
    pub mss: u16,
    /// Which congestion control it uses.
    pub congestion: Algorithm,
    /// What congestion control lets be in flight.
    pub congestion_window: u32,
    /// How fast data leaves at most, in bytes a second, where it is paced.
    pub pacing_rate: Option<u64>,
    /// Where slow start ends (RFC 5681).
    pub slow_start_threshold: u32,
    /// Sequence numbers that are sent and not acknowledged.
    pub in_flight: u32,
    /// How many of them the peer holds out of order, by its selective acknowledgments.
    pub sacked: u32,
    /// How many of them are taken for lost.
    pub lost: u32,
    /// How many of them are in the network for another time.
    pub retransmitted: u32,
    /// Where loss recovery stands.
    pub recovery: RecoveryPhase,
    /// Data was seen to arrive in another order than it was sent (RFC 8985).
    pub reordering: bool,
    /// The smallest round-trip time of late.
    pub min_rtt: Option<Span>,
    /// What was delivered since data last began to flow.
    pub delivered: u64,
    /// How many packets the network has marked since then, as a peer with accurate feedback counts them (RFC 9768).
    pub marked: u32,
    /// How often the timer has expired since something was last acknowledged.
    pub timeouts: u8,
    /// Bytes that wait to be sent.
    pub unsent: u32,
    /// Bytes that wait to be read.
    pub unread: usize,
    /// What the peer lets be in flight.
    pub send_window: u32,
    /// What the peer was told that it may send.
    pub receive_window: u32,
    /// Bytes of data that were sent, those of retransmissions included (RFC 4898 HCDataOctetsOut).
    pub bytes_sent: u64,
    /// Bytes of data that the peer has acknowledged (RFC 4898 HCThruOctetsAcked).
    pub bytes_acknowledged: u64,
    /// Bytes of data that were sent again.
    pub bytes_retransmitted: u64,
    /// Bytes of data that came and were acknowledged, each once (RFC 4898 HCThruOctetsReceived).
    pub bytes_received: u64,
    /// Segments that were sent since the handshake. The count comes round.
    pub segments_sent: u32,
    /// Segments that came, from the one on that made the handshake complete. The count comes round.
    pub segments_received: u32,
    /// By how many bits the peer's window fields are shifted (RFC 7323 §2); 0 where that was not agreed on.
    pub send_scale: u8,
    /// By how many bits ours are.
    pub receive_scale: u8,
    /// Timestamps were agreed on (RFC 7323 §3).
    pub timestamps: bool,
    /// The peer takes and gives selective acknowledgments (RFC 2018).
    pub sack: bool,
    /// Congestion is notified explicitly (RFC 3168 or 9768).
    pub ecn: bool,
    /// Data that went with the SYN, ours or the peer's, was acknowledged by the SYN-ACK (RFC 7413).
    pub syn_data: bool,
}

/// How much of each table of TCP is in use.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TcpUsage {
    /// Listeners.
    pub listeners: usize,
    /// Passive opens under way.
    pub handshakes: usize,
    /// Connections and active opens.
    pub connections: usize,
    /// TIME-WAITs.
    pub time_waits: usize,
    /// Connections whose data is being copied.
    pub writers: usize,
    /// Runs of data that came before their time.
    pub blocks: usize,
    /// Connections with data on the way, or with a memory of when they had.
    pub flights: usize,
    /// Bytes of slots that unread data pins.
    pub unread_memory: usize,
    /// Bytes of slots that data pins which waits to be sent or acknowledged.
    pub queued_memory: usize,
    /// Runs of data on the way that are known apart.
    pub runs: usize,
    /// Cells that hold no chunk.
    pub free_cells: usize,
}

macro_rules! sentences {
    ($name:ident { $($variant:ident => $text:literal,)* }) => {
        impl fmt::Display for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                out.write_str(match self { $(Self::$variant { .. } => $text,)* })
            }
        }
        impl core::error::Error for $name {}
    };
}

/// Why there is no listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListenError {
    /// Port zero names no port.
    PortZero,
    /// Somebody listens there already.
    InUse,
    /// All listeners that the storage has room for are in use.
    Full,
}
sentences!(ListenError {
    PortZero => "port 0 cannot be listened on: choose one from 1 to 65535",
    InUse => "another listener has this address and port",
    Full => "the storage has no room for another listener",
});

/// Why there is no attempt at a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConnectError {
    /// Port zero names no port.
    PortZero,
    /// The address is not one host's.
    NotUnicast,
    /// The address to connect from is not ours, or not of the destination's version.
    NotOurs,
    /// No route, or no address of ours, leads there.
    NoRoute,
    /// The local port has a connection to there already, or no free one is left.
    InUse,
    /// All connections that the storage has room for are in use.
    Full,
}
sentences!(ConnectError {
    PortZero => "port 0 cannot be connected to",
    NotUnicast => "only the address of one host can be connected to",
    NotOurs => "only an address of ours can be connected from, and to one of its version",
    NoRoute => "no route leads there: add an address and a gateway",
    InUse => "the local port is taken for this destination",
    Full => "the storage has no room for another connection",
});

/// Why nothing can be written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WriteError {
    /// The handle's connection is gone.
    NoSuchConnection,
    /// The handshake is not complete: wait for an event.
    NotYet,
    /// The writing side is closed.
    ShutDown,
    /// The connection has ended.
    Ended(Ended),
}
sentences!(WriteError {
    NoSuchConnection => "the handle's connection is closed",
    NotYet => "the connection is not established yet",
    ShutDown => "the writing side is shut down",
    Ended => "the connection has ended",
});

/// Why nothing can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadError {
    /// The handle's connection is gone.
    NoSuchConnection,
    /// Nothing has come yet: wait for an event.
    Empty,
    /// The connection has ended, and not by the peer's FIN.
    Ended(Ended),
}
sentences!(ReadError {
    NoSuchConnection => "the handle's connection is closed",
    Empty => "nothing has arrived yet",
    Ended => "the connection has ended",
});

/// Why an option was not set.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OptionError {
    /// As for [`WriteError`].
    Cannot(WriteError),
    /// All [`super::Settings`] that the storage has room for are in use.
    Full,
}
sentences!(OptionError {
    Cannot => "the connection is not established, or no longer",
    Full => "the storage has no room for another connection's options",
});

/// A chunk that was not taken, and why.
#[derive(Debug)]
pub struct PushError {
    /// The chunk.
    pub chunk: Chunk,
    /// Why.
    pub reason: PushRefused,
}

/// Why a chunk was not taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PushRefused {
    /// As much as may wait is waiting: try again after an event.
    Full,
    /// As for [`WriteError`].
    Cannot(WriteError),
}

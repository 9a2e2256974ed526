//! What a script's file descriptors stand for.
//!
//! Invariant: a number that a script says a call returned names what the call made, whatever was free; so scripts of any
//! system run unchanged.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use lendwire::tcp::{FastOpenKeys, ListenerHandle, TcpHandle};
use lendwire::udp::UdpHandle;

use super::sockets::Value;

/// What one descriptor is.
#[derive(Debug)]
pub(super) enum Kind {
    /// A TCP socket that nothing was done with.
    Fresh,
    /// It listens; connections that `poll` found already wait here.
    Listener(ListenerHandle, VecDeque<TcpHandle>),
    /// A connection, or an attempt at one.
    Stream(TcpHandle),
    /// A UDP socket, once it has a port, and whom it is connected to.
    Datagrams(Option<UdpHandle>, Option<SocketAddr>),
    /// An epoll instance: what it watches.
    Epoll(Vec<Watch>),
    /// A file to send from.
    File,
}

/// What an epoll instance watches.
#[derive(Clone, Debug)]
pub(super) struct Watch {
    pub(super) descriptor: i64,
    pub(super) events: i64,
    /// What it gives back: the name of the field and its value.
    pub(super) data: (String, i64),
    /// What was reported already, for edges.
    pub(super) reported: i64,
    /// Bytes that had arrived then.
    pub(super) arrived: u64,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Descriptor {
    pub(super) kind: Kind,
    pub(super) is_nonblocking: bool,
    pub(super) bound: Option<SocketAddr>,
    /// Options as they were set; connections that are accepted inherit them.
    pub(super) options: BTreeMap<String, Value>,
    /// Of a listener.
    pub(super) backlog: usize,
    /// `connect` has returned, and a SYN goes with what is written first: TCP_FASTOPEN_CONNECT.
    pub(super) deferred: Option<SocketAddr>,
    /// TCP_FASTOPEN_KEY.
    pub(super) fast_open_keys: Option<FastOpenKeys>,
    /// SO_LINGER, where it is on.
    pub(super) linger: Option<i64>,
    /// Which flow of the script it is.
    pub(super) flow: Option<usize>,
    /// The connection's error was told.
    pub(super) error_was_told: bool,
    /// The last write said MSG_MORE.
    pub(super) has_more: bool,
    /// `connect` has returned success.
    pub(super) is_connected: bool,
    /// It was shut down for reading.
    pub(super) reads_no_more: bool,
    /// Bytes read from it.
    pub(super) place: u64,
}

impl Descriptor {
    pub(super) fn new(kind: Kind, is_nonblocking: bool) -> Self {
        Self {
            kind,
            is_nonblocking,
            bound: None,
            options: BTreeMap::new(),
            backlog: 0,
            deferred: None,
            fast_open_keys: None,
            linger: None,
            flow: None,
            error_was_told: false,
            has_more: false,
            is_connected: false,
            reads_no_more: false,
            place: 0,
        }
    }

    /// The connection that it is.
    pub(super) fn stream(&self) -> Option<TcpHandle> {
        match self.kind {
            Kind::Stream(handle) => Some(handle),
            Kind::Fresh | Kind::Listener(..) | Kind::Datagrams(..) | Kind::Epoll(_) | Kind::File => None,
        }
    }
}

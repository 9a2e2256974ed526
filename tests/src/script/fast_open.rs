//! What scripts say of Fast Open: Linux's and FreeBSD's settings, the options of sockets, and writing as a way to connect.

use std::net::SocketAddr;

use lendwire::tcp::{FastOpen, FastOpenKeys, TcpHandle};

use super::ast::Expression;
use super::calls::{Attempt, DONE, Tried, failed};
use super::descriptors::Kind;
use super::dialect::Dialect;
use super::errno::Errno;
use super::run::{Pending, Run};
use super::sockets::{Sockets as _, Value};
use crate::frame::TCP;

/// Linux's `net.ipv4.tcp_fastopen`: clients may, servers may, and servers do without having said so.
const CLIENT: u64 = 1;
const SERVER: u64 = 2;
const UNASKED: u64 = 0x400;

/// The key that packetdrill's scripts for Linux are written for, as its defaults set it.
const SCRIPT_KEY: &str = "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4";

/// What is written, and whether that waits.
pub(super) struct Write {
    pub(super) content: Vec<u8>,
    pub(super) is_nonblocking: bool,
}

/// What a kernel was told of Fast Open.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kernel {
    pub(super) client: bool,
    server: bool,
    unasked: bool,
    keys: FastOpenKeys,
}

/// A setting of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Change {
    /// Linux's bits.
    Bits(u64),
    /// FreeBSD's switches.
    Client(bool),
    Server(bool),
    /// Linux's keys, the current one first.
    Keys(FastOpenKeys),
}

impl Default for Kernel {
    /// Who asks for it by an option of the socket has it.
    fn default() -> Self {
        Self { client: true, server: true, unasked: false, keys: FastOpenKeys::Own }
    }
}

impl Kernel {
    pub(super) fn take(&mut self, change: &Change) {
        match change {
            Change::Bits(bits) => {
                (self.client, self.server) = (bits & CLIENT != 0, bits & SERVER != 0);
                self.unasked = bits & UNASKED != 0;
            }
            Change::Client(on) => self.client = *on,
            Change::Server(on) => self.server = *on,
            Change::Keys(keys) => self.keys = *keys,
        }
    }
}

impl Change {
    /// `net.ipv4.tcp_fastopen=`, in any base that C knows.
    pub(super) fn bits(value: &str) -> Result<Self, String> {
        let parsed = match value.trim().strip_prefix("0x") {
            Some(digits) => u64::from_str_radix(digits, 16),
            None => value.trim().parse(),
        };
        parsed.map(Self::Bits).map_err(|_| format!("`{value}` is no number"))
    }

    /// `net.ipv4.tcp_fastopen_key=`: four words, or two times four.
    pub(super) fn keys(value: &str) -> Result<Self, String> {
        let keys: Result<Vec<_>, _> = value.trim().split(',').map(key).collect();
        match keys?[..] {
            [current] => Ok(Self::Keys(FastOpenKeys::Shared { current, before: None })),
            [current, before] => Ok(Self::Keys(FastOpenKeys::Shared { current, before: Some(before) })),
            _ => Err(format!("`{value}` are not one or two keys")),
        }
    }

    /// What Linux's scripts begin with. Those that the kernel itself keeps stand beside their defaults, and there a
    /// listener has to ask.
    pub(super) fn script_defaults(program: &str) -> [Self; 2] {
        let unasked = if program.starts_with("./") { 0 } else { UNASKED };
        [Self::Bits(CLIENT | SERVER | unasked), Self::keys(SCRIPT_KEY).expect("it is a key")]
    }
}

/// Linux takes the bytes of each word from the last to the first.
fn key(text: &str) -> Result<[u8; 16], String> {
    let words: Result<Vec<_>, _> = text.split('-').map(|word| u32::from_str_radix(word, 16)).collect();
    let bad = || format!("`{text}` is no key");
    let words = words.map_err(|_| bad())?;
    let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    bytes.try_into().map_err(|_| bad())
}

/// The key of `setsockopt TCP_FASTOPEN_KEY`: its bytes, or two keys.
pub(super) fn keys_of(argument: &Expression, len: i64) -> Option<FastOpenKeys> {
    let Expression::Text(bytes, _) = argument else { return None };
    let at = |place: usize| bytes.get(place..place + 16)?.try_into().ok();
    match len {
        16 => Some(FastOpenKeys::Shared { current: at(0)?, before: None }),
        32 => Some(FastOpenKeys::Shared { current: at(0)?, before: Some(at(16)?) }),
        _ => None,
    }
}

impl Run<'_> {
    /// The listener that is descriptor `place` offers what was set on it.
    pub(super) fn tell_listener(&mut self, place: i64) {
        let (kernel, Some(descriptor)) = (self.settings.fast_open, self.descriptors.get(&place)) else { return };
        let Kind::Listener(listener, _) = descriptor.kind else { return };
        let asked = match descriptor.options.get("TCP_FASTOPEN") {
            Some(Value::Number(limit)) => Some(*limit),
            Some(Value::Name(_) | Value::Other) | None => None,
        };
        let limit = asked.or_else(|| kernel.unasked.then_some(descriptor.backlog as i64)).filter(|_| kernel.server);
        let limit = limit.map(|limit| limit.clamp(0, i64::from(u16::MAX)) as u16).filter(|limit| *limit > 0);
        let keys = descriptor.fast_open_keys.unwrap_or(kernel.keys);
        self.world.stack.set_fast_open(listener, limit.map(|limit| FastOpen { limit, keys }));
    }

    /// `connect` with TCP_FASTOPEN_CONNECT: with a cookie it waits for what is written first. Says what it returns, if this
    /// is such a socket.
    pub(super) fn connect_fast(&mut self, place: i64, remote: SocketAddr) -> Option<Tried> {
        let (kernel, now) = (self.settings.fast_open, self.world.now());
        let descriptor = self.descriptors.get_mut(&place)?;
        let asked = matches!(descriptor.options.get("TCP_FASTOPEN_CONNECT"), Some(Value::Number(on)) if *on != 0);
        if !asked || !kernel.client {
            return None;
        }
        if self.world.stack.fast_open_room(remote, now) > 0 {
            descriptor.deferred = Some(remote);
            return Some(Ok(DONE));
        }
        let is_nonblocking = descriptor.is_nonblocking;
        Some(match self.open_fast(place, remote) {
            Ok(_) if is_nonblocking => failed("EINPROGRESS"),
            Ok(_) => Ok(Attempt::Blocks),
            Err(error) => Ok(Attempt::Done(Err(error))),
        })
    }

    /// Where what is written first to a socket without a connection goes, if it goes with a SYN.
    pub(super) fn fast_remote(&self, place: i64, named: Option<SocketAddr>, asked: bool) -> Option<SocketAddr> {
        let descriptor = self.descriptors.get(&place)?;
        let is_bsds = self.settings.dialect == Dialect::FreeBsd && descriptor.options.contains_key("TCP_FASTOPEN");
        descriptor.deferred.or_else(|| named.filter(|_| asked || is_bsds))
    }

    /// Opens a connection with the front of what is written in its SYN. The rest waits behind it; but a call of Linux that must
    /// not block takes no more than that, and says how much it was.
    pub(super) fn write_fast(&mut self, pending: &mut Pending, place: i64, remote: SocketAddr, write: &Write) -> Tried {
        if !self.settings.fast_open.client {
            return failed("EOPNOTSUPP");
        }
        let room = match self.settings.dialect {
            Dialect::Linux if write.is_nonblocking => self.world.stack.fast_open_room(remote, self.world.now()),
            Dialect::Linux | Dialect::FreeBsd => write.content.len(),
        };
        let (handle, flow) = match self.open_fast(place, remote) {
            Ok(opened) => opened,
            Err(error) => return Ok(Attempt::Done(Err(error))),
        };
        let front = &write.content[..write.content.len().min(room)];
        let taken = match self.world.stack.put(handle, front) {
            Ok(taken) => taken,
            Err(error) => return Ok(Attempt::Done(Err(error))),
        };
        self.flows[flow].written.extend_from_slice(&front[..taken]);
        pending.moved += taken;
        match (self.settings.dialect, write.is_nonblocking) {
            (Dialect::Linux, false) => Ok(Attempt::Blocks),
            (Dialect::Linux, true) if taken == 0 => failed("EINPROGRESS"),
            (Dialect::Linux, true) | (Dialect::FreeBsd, _) => Ok(Attempt::Done(Ok(taken as i64))),
        }
    }

    fn open_fast(&mut self, place: i64, remote: SocketAddr) -> Result<(TcpHandle, usize), Errno> {
        let now = self.world.now();
        let descriptor = self.descriptors.get_mut(&place).ok_or(Errno("EBADF"))?;
        let (port, options) = (descriptor.bound.map(|bound| bound.port()), descriptor.options.clone());
        let handle = self.world.stack.start_fast(remote, port, now)?;
        self.inherit(handle, &options);
        let (local, remote) = self.world.stack.ends(handle).ok_or(Errno("EINVAL"))?;
        let flow = self.flow(TCP, local, remote);
        self.current = Some(flow);
        if let Some(descriptor) = self.descriptors.get_mut(&place) {
            (descriptor.kind, descriptor.flow, descriptor.deferred) = (Kind::Stream(handle), Some(flow), None);
        }
        Ok((handle, flow))
    }
}

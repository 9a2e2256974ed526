//! What scripts say of Fast Open: Linux's and FreeBSD's settings, and the option of a listener.

use lendwire::tcp::{FastOpen, FastOpenKeys};

use super::ast::Expression;
use super::descriptors::Kind;
use super::run::Run;
use super::sockets::Value;

/// Linux's `net.ipv4.tcp_fastopen`: clients may, servers may, and servers do without having said so.
const CLIENT: u64 = 1;
const SERVER: u64 = 2;
const UNASKED: u64 = 0x400;

/// The key that packetdrill's scripts for Linux are written for, as its defaults set it.
const SCRIPT_KEY: &str = "a1a1a1a1-b2b2b2b2-c3c3c3c3-d4d4d4d4";

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
}

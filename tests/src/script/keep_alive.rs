//! When silent peers are asked: what scripts set on sockets and by sysctls, at any time.

use std::collections::BTreeMap;

use lendwire::tcp::{KeepAlive, TcpHandle};
use lendwire::time::Span;

use super::run::Run;
use super::sockets::{Refused, Sockets as _, Value};

/// Options that say it together.
pub(super) const OPTIONS: [&str; 4] = ["SO_KEEPALIVE", "TCP_KEEPIDLE", "TCP_KEEPINTVL", "TCP_KEEPCNT"];

/// How a sysctl changes what holds where a socket says nothing.
pub(super) type Apply = fn(&mut KeepAlive, u64);

/// FreeBSD counts milliseconds, Linux seconds.
const SYSCTLS: [(&str, Apply); 6] = [
    ("net.inet.tcp.keepidle", |it, value| it.idle = Span::from_millis(value)),
    ("net.inet.tcp.keepintvl", |it, value| it.interval = Span::from_millis(value)),
    ("net.inet.tcp.keepcnt", |it, value| it.probes = probes(value)),
    ("net.ipv4.tcp_keepalive_time", |it, value| it.idle = Span::from_secs(value)),
    ("net.ipv4.tcp_keepalive_intvl", |it, value| it.interval = Span::from_secs(value)),
    ("net.ipv4.tcp_keepalive_probes", |it, value| it.probes = probes(value)),
];

fn probes(count: u64) -> u8 {
    count.min(127) as u8
}

/// What the sysctl `name` sets, if it is one of these.
pub(super) fn sysctl(name: &str) -> Option<Apply> {
    SYSCTLS.iter().find(|(known, _)| *known == name).map(|(_, apply)| *apply)
}

/// What `options` ask of silent peers, if they ask.
fn wish(options: &BTreeMap<String, Value>, default: KeepAlive) -> Option<KeepAlive> {
    let of = |name: &str| match options.get(name) {
        Some(Value::Number(number)) => u64::try_from(*number).ok(),
        Some(Value::Name(_) | Value::Other) | None => None,
    };
    of("SO_KEEPALIVE").filter(|&on| on != 0)?;
    Some(KeepAlive {
        idle: of("TCP_KEEPIDLE").map_or(default.idle, Span::from_secs),
        interval: of("TCP_KEEPINTVL").map_or(default.interval, Span::from_secs),
        probes: of("TCP_KEEPCNT").map_or(default.probes, probes),
    })
}

/// What `getsockopt` says of an option that was not set.
pub(super) fn unset(name: &str, default: KeepAlive) -> Option<Value> {
    let number = match name {
        "SO_KEEPALIVE" => 0,
        "TCP_KEEPIDLE" => default.idle.micros() / 1_000_000,
        "TCP_KEEPINTVL" => default.interval.micros() / 1_000_000,
        "TCP_KEEPCNT" => u64::from(default.probes),
        _ => return None,
    };
    Some(Value::Number(number as i64))
}

impl Run<'_> {
    /// Asks a silent peer as `options` say.
    pub(super) fn keep_alive(
        &mut self,
        connection: TcpHandle,
        options: &BTreeMap<String, Value>,
    ) -> Result<(), Refused> {
        let now = self.world.now();
        self.world.stack.keep_alive(connection, wish(options, self.settings.keep_alive), now)
    }
}

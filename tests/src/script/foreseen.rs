//! Options of sockets that are settings of the whole stack here: scripts are read ahead, and the stack is made with them.
//!
//! Invariant: a script has one value of each, or fails; what is set is what the stack was made with.

use lendwire::Dscp;
use lendwire::tcp::{TcpConfig, TcpHandle};

use super::ast::{Action, Expression, Script};
use super::constants;
use super::run::Run;
use super::sockets::{Sockets as _, Value};
use crate::setup::Version;

/// What such an option sets, and what it is.
struct Foreseen {
    names: &'static [&'static str],
    /// Later, connections have one of their own.
    only_first: bool,
    set: fn(&mut TcpConfig, i64),
    is: fn(&TcpConfig) -> i64,
}

const FORESEEN: [Foreseen; 3] = [
    Foreseen {
        names: &["TCP_MAXSEG"],
        only_first: false,
        set: |tcp, value| tcp.largest_segment = value.clamp(0, i64::from(u16::MAX)) as u16,
        is: |tcp| i64::from(tcp.largest_segment),
    },
    Foreseen {
        names: &["IP_TTL", "IPV6_UNICAST_HOPS"],
        only_first: false,
        set: |tcp, value| tcp.hop_limit = value.clamp(1, i64::from(u8::MAX)) as u8,
        is: |tcp| i64::from(tcp.hop_limit),
    },
    Foreseen {
        names: &["IP_TOS", "IPV6_TCLASS"],
        only_first: true,
        // As on Linux, the two bits of ECN are TCP's own.
        set: |tcp, value| tcp.dscp = Dscp::new((value >> 2) as u8 & 0x3f).unwrap_or_default(),
        is: |tcp| i64::from(tcp.dscp.codepoint()) << 2,
    },
];

/// Reads `script` ahead.
///
/// # Errors
/// The line with another value than before.
pub(super) fn foresee(script: &Script, tcp: &mut TcpConfig) -> Result<(), (usize, String)> {
    let mut seen = [None; FORESEEN.len()];
    let mut is_open = false;
    for event in &script.events {
        let Action::Call(call) = &event.action else { continue };
        is_open |= ["connect", "listen"].contains(&call.name.as_str());
        let [_, _, Expression::Word(name), value, ..] = call.arguments.as_slice() else { continue };
        let known = FORESEEN.iter().zip(&mut seen).find(|(it, _)| it.names.contains(&name.as_str()));
        let Some((foreseen, before)) = known.filter(|_| call.name == "setsockopt") else { continue };
        let value = constants::number(value).map_err(|reason| (event.line, reason))?;
        if foreseen.only_first && (is_open || before.is_some()) {
            continue;
        }
        if before.replace(value).is_some_and(|before| before != value) {
            return Err((event.line, format!("setsockopt {name} with two values: not supported by the stack")));
        }
        (foreseen.set)(tcp, value);
    }
    Ok(())
}

impl Run<'_> {
    /// Whether the stack was made with this.
    pub(super) fn is_foreseen(&self, name: &str, value: &Value) -> bool {
        let known = FORESEEN.iter().find(|it| it.names.contains(&name));
        known.is_some_and(|it| *value == Value::Number((it.is)(&self.settings.making.tcp)))
    }

    /// The fields of `tcp_info` that are known.
    pub(super) fn information(&self, connection: TcpHandle) -> Vec<(&'static str, i64)> {
        let mut fields = self.world.stack.information(connection, self.settings.units());
        let headers = if self.world.addresses.version == Version::V4 { 40 } else { 60 };
        let segment = self.settings.making.mtu.saturating_sub(headers).min(self.settings.making.tcp.largest_segment);
        fields.push(("tcpi_advmss", i64::from(segment)));
        fields
    }
}

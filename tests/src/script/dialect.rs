//! Which system a script was written for, by what it says.

use super::ast::{Action, Body, Call, Direction, Expression, Packet, Script, TcpOption};
use super::constants::number;
use super::settings::FREEBSD_RECEIVE;
use super::states;

/// Which system's habits a script has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dialect {
    Linux,
    FreeBsd,
}

impl Dialect {
    /// FreeBSD's names, the order of its options, or its first receive buffer; without any, Linux's.
    pub(super) fn of(script: &Script, text: &str) -> Self {
        let names = ["net.inet.", "kern.ipc.", "freebsd"].into_iter();
        let has_name = names.chain(states::FREEBSD_NAMES.map(|(name, _)| name)).any(|name| text.contains(name));
        let has_habit = script.events.iter().any(|event| match &event.action {
            Action::Packet(packet) => has_freebsds_order(packet),
            Action::Call(call) => is_about_buffer("getsockopt", call) && has_freebsds_buffer(script, call),
            Action::Command(_) | Action::Code(_) => false,
        });
        if has_name || has_habit { Self::FreeBsd } else { Self::Linux }
    }
}

/// Whether options stand in FreeBSD's order where the stack is to have sent them: the scale before SACK.
fn has_freebsds_order(packet: &Packet) -> bool {
    let Packet { direction: Direction::Out, body: Body::Tcp(segment), .. } = packet else { return false };
    let mut options = segment.options.iter().flatten().filter(|option| **option != TcpOption::Nop);
    options.any(|option| matches!(option, TcpOption::Scale(_))) && options.next() == Some(&TcpOption::SackOk)
}

/// Whether a buffer that nobody has set is FreeBSD's.
fn has_freebsds_buffer(script: &Script, call: &Call) -> bool {
    let is_set = |action: &Action| matches!(action, Action::Call(call) if is_about_buffer("setsockopt", call));
    call.arguments.get(3).and_then(|value| number(value).ok()) == Some(FREEBSD_RECEIVE)
        && !script.events.iter().any(|event| is_set(&event.action))
}

fn is_about_buffer(name: &str, call: &Call) -> bool {
    call.name == name && call.arguments.get(2) == Some(&Expression::Word("SO_RCVBUF".into()))
}

//! A script's events in order, over virtual time.
//!
//! Invariant: the stack is at rest whenever an event happens. A call that blocks is tried again after everything that
//! moves; there is one at a time.

use std::collections::{BTreeMap, VecDeque};
use std::net::SocketAddr;

use super::ast::{Action, Call, Direction, Event, Script, Time};
use super::calls::Attempt;
use super::code;
use super::descriptors::{Descriptor, Kind};
use super::flow::Flow;
use super::matching;
use super::print;
use super::settings::Settings;
use super::trace::{Trace, seconds};
use super::wire::Content;
use super::world::{Seen, World};

/// Deadlines in a row that a script may pass.
const STEPS: u32 = 2_000_000;
/// The first port of the other end.
const FIRST_PORT: u16 = 40_000;

/// Why a script failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The line of the event.
    pub line: usize,
    /// Why, in one line.
    pub reason: String,
    /// More of it: expected and seen packets, and in what they differ.
    pub details: Vec<String>,
}

impl Failure {
    pub(super) fn new(line: usize, reason: impl Into<String>) -> Self {
        Self { line, reason: reason.into(), details: Vec::new() }
    }
}

/// A call that blocks.
#[derive(Debug)]
pub(super) struct Pending {
    pub(super) line: usize,
    pub(super) call: Call,
    pub(super) until: u64,
    pub(super) started: u64,
    /// Bytes that it has moved already.
    pub(super) moved: usize,
}

/// See the module.
pub(super) struct Run<'s> {
    pub(super) world: World<'s>,
    pub(super) settings: Settings,
    pub(super) strict: bool,
    pub(super) descriptors: BTreeMap<i64, Descriptor>,
    pub(super) flows: Vec<Flow>,
    pub(super) current: Option<usize>,
    /// What the stack sent and no line has expected yet.
    pub(super) queue: VecDeque<Seen>,
    pub(super) trace: Trace,
    pub(super) next_port: u16,
    pending: Option<Pending>,
    /// When the last event was due, if it was a packet to the stack: the next one counts from there.
    last_inbound: Option<u64>,
    last_due: u64,
    pub(super) code: code::State,
}

impl<'s> Run<'s> {
    pub(super) fn new(world: World<'s>, settings: Settings, strict: bool) -> Self {
        Self {
            world,
            settings,
            strict,
            descriptors: BTreeMap::new(),
            flows: Vec::new(),
            current: None,
            queue: VecDeque::new(),
            trace: Trace::default(),
            next_port: FIRST_PORT,
            pending: None,
            last_inbound: None,
            last_due: 0,
            code: code::State::default(),
        }
    }

    /// What `print` said.
    pub(super) fn printed(&self) -> &[String] {
        &self.code.printed
    }

    /// All events.
    pub(super) fn script(&mut self, script: &Script) -> Result<(), Failure> {
        let last_act = script.events.iter().rposition(|event| match &event.action {
            Action::Packet(_) | Action::Code(_) => true,
            Action::Call(call) => call.name != "close",
            Action::Command(_) => false,
        });
        let first_act = script.events.iter().position(|event| !matches!(event.action, Action::Command(_)));
        for (place, event) in script.events.iter().enumerate() {
            let is_running = first_act.is_some_and(|first| place > first) && last_act.is_some_and(|last| place < last);
            self.event(event, is_running)?;
        }
        let line = script.events.last().map_or(0, |event| event.line);
        self.await_pending().map_err(|failure| failure.or_at(line))?;
        if self.strict
            && let Some(left) = self.queue.front()
        {
            let reason = format!("{} packet(s) came that no line expects", self.queue.len());
            let text = format!("seen      {}  {}", seconds(self.world.since_start(left.at)), self.shown(left));
            return Err(Failure { details: vec![text], ..Failure::new(line, reason) });
        }
        Ok(())
    }

    fn event(&mut self, event: &Event, is_running: bool) -> Result<(), Failure> {
        let line = event.line;
        let is_inbound = matches!(&event.action, Action::Packet(packet) if packet.direction == Direction::In);
        let base = match self.last_inbound {
            Some(last) if is_inbound => last,
            Some(_) | None => self.world.elapsed(),
        };
        let (from, to) = match event.time {
            Time::At(at) => (at, at),
            Time::After(span) => (base + span, base + span),
            Time::Between(from, to) => (from, to),
            Time::AfterBetween(from, to) => (base + from, base + to),
            Time::Any => (base, u64::MAX),
        };
        if let Action::Packet(packet) = &event.action
            && packet.direction == Direction::Out
        {
            self.expect(line, packet, event.time, (from, to))?;
            (self.last_inbound, self.last_due) = (None, from);
            return Ok(());
        }
        self.advance(from).map_err(|failure| failure.or_at(line))?;
        let (now, tolerance) = (self.world.elapsed(), self.tolerance(from));
        if now > from + tolerance {
            let [due, now] = [from, now].map(seconds);
            return Err(Failure::new(line, format!("timing error: this is due at {due}, and it is {now} already")));
        }
        self.last_due = from;
        self.last_inbound = is_inbound.then_some(from);
        let done = match &event.action {
            Action::Packet(packet) => self.inject(packet).map_err(|reason| Failure::new(line, reason)),
            Action::Call(call) => self.start_call(line, call, event.time, base),
            Action::Command(text) => self.command(line, text, is_running),
            Action::Code(text) => self.code(line, text),
        };
        done?;
        self.turn().map_err(|failure| failure.or_at(line))
    }

    /// How far from `due` an event may be.
    pub(super) fn tolerance(&self, due: u64) -> u64 {
        let span = due.saturating_sub(self.last_due);
        self.settings.tolerance.max(span.saturating_mul(self.settings.tolerance_percent) / 100)
    }
}

/// Time.
impl Run<'_> {
    /// Lets the stack rest, and a call that blocks try again.
    pub(super) fn turn(&mut self) -> Result<(), Failure> {
        loop {
            self.world.turn().map_err(|reason| Failure::new(0, reason))?;
            for seen in self.world.take() {
                let text = self.shown(&seen);
                self.trace.add(self.world.since_start(seen.at), text);
                self.queue.push_back(seen);
            }
            if !self.retry()? {
                return Ok(());
            }
        }
    }

    /// On to `to`, with everything that happens before.
    pub(super) fn advance(&mut self, to: u64) -> Result<(), Failure> {
        for _ in 0..STEPS {
            self.turn()?;
            if !self.step(to) {
                self.world.move_to(to);
                return self.turn();
            }
        }
        Err(Failure::new(0, "the stack has a deadline that never passes"))
    }

    /// On to the next deadline, if it is not behind `to`.
    pub(super) fn step(&mut self, to: u64) -> bool {
        let own = self.pending.as_ref().and_then(|pending| self.call_deadline(pending));
        let now = self.world.elapsed();
        let next = self.world.next_deadline().into_iter().chain(own.filter(|at| *at > now)).min();
        match next.filter(|next| *next <= to) {
            Some(next) => {
                self.world.move_to(next.max(now));
                true
            }
            None => false,
        }
    }
}

/// Calls.
impl Run<'_> {
    fn start_call(&mut self, line: usize, call: &Call, time: Time, base: u64) -> Result<(), Failure> {
        self.await_pending()?;
        self.turn()?;
        let started = self.world.elapsed();
        let until = call.until.map(|until| match time {
            Time::After(_) => base + until,
            Time::At(_) | Time::Any | Time::Between(..) | Time::AfterBetween(..) => until,
        });
        let mut pending = Pending { line, call: call.clone(), until: until.unwrap_or(started), started, moved: 0 };
        let attempt = self.attempt(&mut pending).map_err(|reason| Failure::new(line, reason))?;
        self.note(call, &attempt);
        match (attempt, until) {
            (Attempt::Done(result), None) => self.check_result(&pending, result),
            (Attempt::Done(result), Some(until)) => {
                self.check_result(&pending, result)?;
                if until > started + self.tolerance(until) {
                    let [now, until] = [started, until].map(seconds);
                    let reason = format!("{} did not block: it returned at {now}, not at {until}", call.name);
                    return Err(Failure::new(line, reason));
                }
                Ok(())
            }
            (Attempt::Blocks, Some(_)) => {
                self.pending = Some(pending);
                Ok(())
            }
            (Attempt::Blocks, None) => {
                Err(Failure::new(line, format!("{} blocks, which the script does not expect", call.name)))
            }
        }
    }

    /// What became of a call, for the trace.
    fn note(&mut self, call: &Call, attempt: &Attempt) {
        let arguments: Vec<_> = call.arguments.iter().map(print::expression).collect();
        let became = match attempt {
            Attempt::Done(Ok(value)) => format!("= {value}"),
            Attempt::Done(Err(error)) => format!("= -1 {}", error.0),
            Attempt::Blocks => "blocks".into(),
        };
        self.trace.add(self.world.elapsed(), format!("{}({}) {became}", call.name, arguments.join(", ")));
    }

    /// Tries the call that blocks again. Says whether it is through.
    fn retry(&mut self) -> Result<bool, Failure> {
        let Some(mut pending) = self.pending.take() else { return Ok(false) };
        let line = pending.line;
        match self.attempt(&mut pending).map_err(|reason| Failure::new(line, reason))? {
            Attempt::Blocks => {
                self.pending = Some(pending);
                Ok(false)
            }
            Attempt::Done(result) => {
                self.note(&pending.call, &Attempt::Done(result));
                self.check_result(&pending, result)?;
                let (now, tolerance) = (self.world.elapsed(), self.settings.tolerance);
                if now.abs_diff(pending.until) > tolerance {
                    let [now, until] = [now, pending.until].map(seconds);
                    let reason = format!("{} returned at {now}, not at {until}", pending.call.name);
                    return Err(Failure::new(line, reason));
                }
                Ok(true)
            }
        }
    }

    /// The call that blocks must be through before another one begins.
    fn await_pending(&mut self) -> Result<(), Failure> {
        self.turn()?;
        let Some(pending) = &self.pending else { return Ok(()) };
        let (line, until, name) = (pending.line, pending.until, pending.call.name.clone());
        let limit = until + self.settings.tolerance;
        for _ in 0..STEPS {
            self.turn()?;
            if self.pending.is_none() {
                return Ok(());
            }
            if !self.step(limit) {
                break;
            }
        }
        Err(Failure::new(line, format!("{name} did not return until {}", seconds(until))))
    }
}

/// Flows.
impl Run<'_> {
    /// The flow of these ends, made if there is none.
    pub(super) fn flow(&mut self, protocol: u8, local: SocketAddr, remote: SocketAddr) -> usize {
        match self.find_flow(protocol, local, remote) {
            Some(place) => place,
            None => {
                self.flows.push(Flow::new(protocol, local, remote));
                self.flows.len() - 1
            }
        }
    }

    pub(super) fn find_flow(&self, protocol: u8, local: SocketAddr, remote: SocketAddr) -> Option<usize> {
        self.flows.iter().rposition(|flow| (flow.protocol, flow.local, flow.remote) == (protocol, local, remote))
    }

    /// The port that the last listener or socket of the script is bound to.
    pub(super) fn bound_port(&self) -> u16 {
        let bound = self
            .descriptors
            .values()
            .rev()
            .find(|it| matches!(it.kind, Kind::Listener(..) | Kind::Datagrams(..)) && it.bound.is_some());
        bound.and_then(|descriptor| descriptor.bound).map_or(self.settings.bind_port, |bound| bound.port())
    }

    /// A packet of the stack as a line.
    pub(super) fn shown(&self, seen: &Seen) -> String {
        let segment = match &seen.sent.content {
            Content::Tcp { segment, .. } => {
                let flow = self.find_flow(crate::frame::TCP, seen.sent.ends.0, seen.sent.ends.1);
                flow.map(|flow| {
                    let mut view = self.flows[flow].view();
                    view.learn(segment, 0);
                    view.to_script(segment, false)
                })
            }
            Content::Udp { .. } | Content::Icmp { .. } => None,
        };
        matching::as_line(None, &seen.sent, segment)
    }
}

impl Failure {
    /// The same, at `line` if it has none.
    pub(super) fn or_at(self, line: usize) -> Self {
        Self { line: if self.line == 0 { line } else { self.line }, ..self }
    }
}

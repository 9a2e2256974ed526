//! System calls that move bytes.
//!
//! What is written where a script says `...` is a stream whose every byte is a function of its place, and what a peer
//! sends is another: a byte that is lost, doubled or swapped fails the script.

use lendwire::tcp::State;
use lendwire::udp::SendError;

use super::ancillary;
use super::ast::{Call, Expression};
use super::calls::{Attempt, Tried, failed};
use super::constants::{number, value};
use super::descriptors::Kind;
use super::errno::Errno;
use super::fast_open::Write;
use super::print;
use super::run::{Pending, Run};
use super::sockets::Sockets as _;
use super::wire;
use crate::stream;

/// A buffer's content, if the script says it, and its length.
type Buffer = (Option<Vec<u8>>, usize);

/// What a call that moves bytes is asked for.
struct Request {
    buffers: Vec<Buffer>,
    flags: i64,
    to: Option<Expression>,
    /// Control messages that are to come with it.
    control: Vec<i64>,
}

impl Request {
    fn len(&self) -> usize {
        self.buffers.iter().map(|(_, len)| len).sum()
    }

    fn has(&self, flag: &str) -> bool {
        value(flag).is_some_and(|bit| self.flags & bit != 0)
    }

    /// What to write; `place` is where in the stream it begins.
    fn content(&self, place: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        for (text, len) in &self.buffers {
            let all = stream::bytes((place + bytes.len()) as u64, *len);
            // Text that is shorter than the length goes on as the stream does.
            let front = text.as_deref().unwrap_or(&[]);
            let front = &front[..front.len().min(*len)];
            bytes.extend_from_slice(front);
            bytes.extend_from_slice(&all[front.len()..]);
        }
        bytes
    }

    /// What must be read, if the script says it.
    fn wanted(&self) -> Option<Vec<u8>> {
        self.buffers
            .iter()
            .any(|(text, _)| text.is_some())
            .then(|| self.buffers.iter().flat_map(|(text, _)| text.clone().unwrap_or_default()).collect())
    }
}

/// Flags that the stack has no meaning for, and no need of one.
const HARMLESS: [&str; 6] = ["MSG_FASTOPEN", "MSG_NOSIGNAL", "MSG_DONTWAIT", "MSG_WAITALL", "MSG_DONTROUTE", "MSG_EOR"];
const UNSUPPORTED: [&str; 4] = ["MSG_PEEK", "MSG_TRUNC", "MSG_ERRQUEUE", "MSG_ZEROCOPY"];

fn request(call: &Call) -> Result<Request, String> {
    let argument =
        |place: usize| call.arguments.get(place).ok_or_else(|| format!("{} needs {} arguments", call.name, place + 1));
    let flags_at = |place: usize| call.arguments.get(place).map_or(Ok(0), number);
    let mut control_messages = Vec::new();
    let (buffers, flags, to) = match call.name.as_str() {
        "readv" | "writev" => (vectors(argument(1)?)?, 0, None),
        "sendmsg" | "recvmsg" => {
            let Expression::Record(fields) = argument(1)? else { return Err("a msghdr is expected".into()) };
            let field = |name: &str| fields.iter().find(|(it, _)| it == name).map(|(_, value)| value);
            let control = field("msg_control").filter(|control| **control != Expression::List(Vec::new()));
            if control.is_some() && call.name == "sendmsg" {
                return Err("sendmsg with msg_control: not supported by the stack".into());
            }
            control_messages = ancillary::expected(control)?;
            let buffers = vectors(field("msg_iov").ok_or("a msghdr has msg_iov")?)?;
            (buffers, flags_at(2)?, field("msg_name").cloned())
        }
        _ => {
            let len = number(argument(2)?)?;
            let len = usize::try_from(len).map_err(|_| format!("{len} is no length"))?;
            (vec![(text(argument(1)?)?, len)], flags_at(3)?, call.arguments.get(4).cloned())
        }
    };
    let request = Request { buffers, flags, to, control: control_messages };
    let known = HARMLESS
        .iter()
        .chain(&UNSUPPORTED)
        .chain(&["MSG_MORE", "MSG_OOB"])
        .filter_map(|name| value(name))
        .fold(0, |bits, bit| bits | bit);
    match UNSUPPORTED.iter().find(|flag| request.has(flag)) {
        Some(flag) => Err(format!("{} {flag}: not supported by the stack", call.name)),
        None if flags & !known != 0 => Err(format!("{} with flags 0x{flags:x}: not supported", call.name)),
        None => Ok(request),
    }
}

fn text(expression: &Expression) -> Result<Option<Vec<u8>>, String> {
    match expression {
        Expression::Ellipsis => Ok(None),
        Expression::Text(bytes, _) => Ok(Some(bytes.clone())),
        // A pointer that is none is a kernel's concern.
        other => Err(format!("the buffer {}: not supported by the runner", print::expression(other))),
    }
}

/// `[{..., 100}, {"text", 4}]`
fn vectors(expression: &Expression) -> Result<Vec<Buffer>, String> {
    let bad = || format!("{} are no buffers", print::expression(expression));
    let Expression::List(items) = expression else { return Err(bad()) };
    let vector = |item: &Expression| {
        let (base, len) = match item {
            Expression::Tuple(pair) if pair.len() == 2 => (&pair[0], &pair[1]),
            Expression::Record(fields) if fields.len() == 2 => (&fields[0].1, &fields[1].1),
            _ => return Err(bad()),
        };
        Ok((text(base)?, usize::try_from(number(len)?).map_err(|_| bad())?))
    };
    items.iter().map(vector).collect()
}

impl Run<'_> {
    pub(super) fn write(&mut self, pending: &mut Pending) -> Tried {
        let call = pending.call.clone();
        let request = request(&call)?;
        let (place, descriptor) = self.descriptor(&call)?;
        let is_nonblocking = descriptor.is_nonblocking || request.has("MSG_DONTWAIT");
        let (handle, flow) = match descriptor.kind {
            Kind::Stream(handle) => (handle, descriptor.flow),
            Kind::Datagrams(..) => return self.send_datagram(&call, &request),
            Kind::Fresh => return self.write_first(pending, place, &request, is_nonblocking),
            Kind::Listener(..) => return failed("EPIPE"),
            Kind::Epoll(_) | Kind::File => return failed("EINVAL"),
        };
        self.hold_for_more(place, request.has("MSG_MORE"));
        let Some(flow) = flow else { return failed("ENOTCONN") };
        if self.world.stack.state(handle) == State::SynSent {
            let again = if request.has("MSG_FASTOPEN") { "EALREADY" } else { "EAGAIN" };
            return if is_nonblocking { failed(again) } else { Ok(Attempt::Blocks) };
        }
        let content = request.content(self.flows[flow].written.len() - pending.moved);
        loop {
            let rest = &content[pending.moved..];
            match self.world.stack.put(handle, rest) {
                Ok(0) if !rest.is_empty() => break,
                Ok(taken) => {
                    self.flows[flow].written.extend_from_slice(&rest[..taken]);
                    pending.moved += taken;
                    if pending.moved == content.len() {
                        if request.has("MSG_OOB") {
                            self.mark_urgent(handle)?;
                        }
                        return Ok(Attempt::Done(Ok(content.len() as i64)));
                    }
                    // Sending makes no room, but memory may have been the limit.
                    self.world.turn()?;
                }
                Err(Errno("EAGAIN")) => break,
                Err(_) if pending.moved > 0 => return Ok(Attempt::Done(Ok(pending.moved as i64))),
                Err(error) => return Ok(Attempt::Done(Err(self.tell(place, error, Errno("EPIPE"))))),
            }
        }
        match (is_nonblocking, pending.moved) {
            (false, _) => Ok(Attempt::Blocks),
            (true, 0) => failed("EAGAIN"),
            (true, moved) => Ok(Attempt::Done(Ok(moved as i64))),
        }
    }

    /// What is written to a socket without a connection.
    fn write_first(&mut self, pending: &mut Pending, place: i64, request: &Request, is_nonblocking: bool) -> Tried {
        let default = (self.world.addresses.remote, self.settings.connect_port);
        let named = request.to.as_ref().map(|to| self.address(to, default)).transpose()?;
        match self.fast_remote(place, named, request.has("MSG_FASTOPEN")) {
            Some(remote) => {
                self.write_fast(pending, place, remote, &Write { content: request.content(0), is_nonblocking })
            }
            None => failed("EPIPE"),
        }
    }

    /// An error the first time, and what it is called from then on.
    fn tell(&mut self, place: i64, error: Errno, later: Errno) -> Errno {
        let Some(descriptor) = self.descriptors.get_mut(&place) else { return error };
        if std::mem::replace(&mut descriptor.error_was_told, true) { later } else { error }
    }

    pub(super) fn read(&mut self, call: &Call) -> Tried {
        let request = request(call)?;
        let (place, descriptor) = self.descriptor(call)?;
        let is_nonblocking = descriptor.is_nonblocking || request.has("MSG_DONTWAIT");
        let (reads_no_more, was_told) = (descriptor.reads_no_more, descriptor.error_was_told);
        let handle = match descriptor.kind {
            Kind::Stream(handle) => handle,
            Kind::Datagrams(..) => return self.receive_datagram(call, &request, is_nonblocking),
            Kind::Fresh if descriptor.deferred.is_some() => return failed("EAGAIN"),
            Kind::Fresh | Kind::Listener(..) => return failed("ENOTCONN"),
            Kind::Epoll(_) | Kind::File => return failed("EINVAL"),
        };
        if request.has("MSG_OOB") {
            return self.read_urgent(place, handle);
        }
        let unread = self.world.stack.unread(handle);
        let mut bytes = vec![0; request.len().min(unread).min(self.before_mark(place, handle))];
        if unread > 0 {
            let waits = request.has("MSG_WAITALL") && !is_nonblocking && unread < request.len();
            if waits && self.world.stack.failure(handle).is_none() && !self.has_ended(handle) {
                return Ok(Attempt::Blocks);
            }
        } else if reads_no_more {
            return Ok(Attempt::Done(Ok(0)));
        }
        match self.world.stack.get(handle, &mut bytes) {
            Ok(read) => {
                self.check_read(place, &bytes[..read], request.wanted())?;
                self.check_control(place, &request.control)?;
                Ok(Attempt::Done(Ok(read as i64)))
            }
            Err(Errno("EAGAIN")) if is_nonblocking => failed("EAGAIN"),
            Err(Errno("EAGAIN")) => Ok(Attempt::Blocks),
            Err(_) if was_told => Ok(Attempt::Done(Ok(0))),
            Err(error) => Ok(Attempt::Done(Err(self.tell(place, error, error)))),
        }
    }

    /// What was read is what was sent, or what the script says.
    fn check_read(&mut self, place: i64, bytes: &[u8], wanted: Option<Vec<u8>>) -> Result<(), String> {
        let Some(descriptor) = self.descriptors.get_mut(&place) else { return Ok(()) };
        let start = descriptor.place;
        descriptor.place += bytes.len() as u64;
        let sent = stream::bytes(start, bytes.len());
        let wanted = wanted.unwrap_or_else(|| sent.clone());
        let front = &wanted[..wanted.len().min(bytes.len())];
        match front.iter().zip(bytes).position(|(want, is)| want != is) {
            Some(off) => {
                let at = start + off as u64;
                Err(format!("wrong payload: byte {at} that was read is {}, not {}", bytes[off], front[off]))
            }
            None => Ok(()),
        }
    }

    fn send_datagram(&mut self, call: &Call, request: &Request) -> Tried {
        let default = (self.world.addresses.remote, self.settings.connect_port);
        let named = match &request.to {
            Some(to) => Some(self.address(to, default)?),
            None => None,
        };
        let (_, descriptor) = self.descriptor(call)?;
        let Kind::Datagrams(handle, peer) = descriptor.kind else { return failed("EINVAL") };
        let local = descriptor.bound;
        let Some(to) = named.or(peer) else { return failed("EDESTADDRREQ") };
        let (Some(handle), Some(local)) = (handle, local) else {
            self.bind_datagrams(call, 0)?;
            return self.send_datagram(call, request);
        };
        let flow = self.flow(wire::UDP, local, to);
        self.current = Some(flow);
        let content = request.content(0);
        let error = match self.world.stack.udp_send(handle, to, &content) {
            Ok(()) => {
                self.flows[flow].written.extend_from_slice(&content);
                return Ok(Attempt::Done(Ok(content.len() as i64)));
            }
            Err(SendError::TooLong { .. }) => "EMSGSIZE",
            Err(SendError::NoRoute) => "ENETUNREACH",
            Err(SendError::NoPort) => "EINVAL",
            Err(SendError::QueueFull | SendError::NoMemory) => "ENOBUFS",
            Err(SendError::NoSocket) => "EBADF",
        };
        failed(error)
    }

    fn receive_datagram(&mut self, call: &Call, request: &Request, is_nonblocking: bool) -> Tried {
        let (_, descriptor) = self.descriptor(call)?;
        let Kind::Datagrams(Some(handle), _) = descriptor.kind else { return failed("EAGAIN") };
        if self.world.stack.udp_take_error(handle).is_some() {
            return failed("ECONNREFUSED");
        }
        let Some(received) = self.world.stack.udp_read(handle) else {
            return if is_nonblocking { failed("EAGAIN") } else { Ok(Attempt::Blocks) };
        };
        let bytes: Vec<u8> = received.packet.chunks().iter().flat_map(|chunk| chunk.iter().copied()).collect();
        let read = bytes.len().min(request.len());
        let wanted = request.wanted().unwrap_or_else(|| stream::bytes(0, read));
        if wanted.iter().zip(&bytes).any(|(want, is)| want != is) {
            return Err("wrong payload: the datagram that was read is not the one that was sent".into());
        }
        Ok(Attempt::Done(Ok(read as i64)))
    }
}

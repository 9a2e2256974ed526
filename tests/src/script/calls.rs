//! System calls: which there are, what they must return, and those that make, connect and end sockets.
//!
//! Invariant: a call that would block has changed nothing but the bytes it has moved, and is tried again as a whole.

use std::collections::VecDeque;
use std::net::{IpAddr, SocketAddr};

use lendwire::tcp::State;

use super::ast::{Call, Expression};
use super::constants::{number, value};
use super::descriptors::{Descriptor, Kind};
use super::errno::Errno;
use super::print;
use super::run::{Failure, Pending, Run};
use super::sockets::Sockets as _;
use super::wire;
use crate::frame::TCP;

/// What came of trying a call.
#[derive(Debug)]
pub(super) enum Attempt {
    /// It returns.
    Done(Result<i64, Errno>),
    /// It does not yet.
    Blocks,
}

pub(super) const DONE: Attempt = Attempt::Done(Ok(0));

/// What trying leads to; the error is why the script itself cannot go on.
pub(super) type Tried = Result<Attempt, String>;

pub(super) fn failed(name: &'static str) -> Tried {
    Ok(Attempt::Done(Err(Errno(name))))
}

impl Run<'_> {
    /// Tries a call.
    pub(super) fn attempt(&mut self, pending: &mut Pending) -> Tried {
        let call = pending.call.clone();
        if call.errno.as_deref() == Some("EBADF") && self.descriptor(&call).is_err() {
            return failed("EBADF");
        }
        // A kernel looks at a pointer before anything else.
        if call.errno.as_deref() == Some("EFAULT") && call.arguments.get(1) == Some(&Expression::Word("NULL".into())) {
            return failed("EFAULT");
        }
        match call.name.as_str() {
            "socket" => self.socket(&call),
            "bind" => self.bind(&call),
            "listen" => self.listen(&call),
            "accept" | "accept4" => self.accept(&call),
            "connect" => self.connect(&call),
            "shutdown" => self.shutdown(&call),
            "close" => self.close(&call),
            "fcntl" => self.fcntl(&call),
            "ioctl" => self.ioctl(&call),
            "read" | "readv" | "recv" | "recvfrom" | "recvmsg" => self.read(&call),
            "write" | "writev" | "send" | "sendto" | "sendmsg" => self.write(pending),
            "setsockopt" => self.setsockopt(&call),
            "getsockopt" => self.getsockopt(&call),
            "open" => self.open(&call),
            "sendfile" => self.send_file(pending),
            "poll" => self.poll(pending),
            "epoll_create" | "epoll_create1" => self.epoll_create(&call),
            "epoll_ctl" => self.epoll_ctl(&call),
            "epoll_wait" => self.epoll_wait(pending),
            name => Err(format!("the system call {name}: not supported by the runner")),
        }
    }

    /// The call returned what the script says.
    pub(super) fn check_result(&self, pending: &Pending, result: Result<i64, Errno>) -> Result<(), Failure> {
        let Call { name, result: wanted, errno, .. } = &pending.call;
        let fail = |reason: String| Err(Failure::new(pending.line, reason));
        if *wanted == Expression::Ellipsis {
            return Ok(());
        }
        let wanted = match number(wanted) {
            Ok(wanted) => wanted,
            Err(reason) => return fail(reason),
        };
        match (result, errno) {
            (Ok(is), _) if is == wanted => Ok(()),
            (Err(_), None) if wanted == -1 => Ok(()),
            (Err(error), Some(errno)) if error.is_called(errno) => Ok(()),
            (Ok(is), None) => fail(format!("{name} returned {is}, not {wanted}")),
            (Ok(is), Some(errno)) => fail(format!("{name} returned {is}, not {errno}")),
            (Err(error), None) => fail(format!("{name} failed with {}, and should return {wanted}", error.0)),
            (Err(error), Some(errno)) => fail(format!("{name} failed with {}, not {errno}", error.0)),
        }
    }

    /// The descriptor that is a call's first argument.
    pub(super) fn descriptor(&mut self, call: &Call) -> Result<(i64, &mut Descriptor), String> {
        let Some(first) = call.arguments.first() else { return Err(format!("{} needs a descriptor", call.name)) };
        let place = number(first)?;
        let found = self.descriptors.get_mut(&place);
        found.map(|descriptor| (place, descriptor)).ok_or_else(|| format!("descriptor {place} is not open"))
    }

    pub(super) fn argument<'c>(&self, call: &'c Call, place: usize) -> Result<&'c Expression, String> {
        call.arguments.get(place).ok_or_else(|| format!("{} needs {} arguments", call.name, place + 1))
    }

    /// Gives what a call made the number that the script has for it.
    pub(super) fn adopt(&mut self, call: &Call, descriptor: Descriptor) -> Tried {
        let place = match number(&call.result) {
            Ok(place) if place >= 0 => place,
            // The check of the result will tell.
            Ok(_) | Err(_) => self.descriptors.keys().next_back().map_or(3, |last| last + 1),
        };
        if self.descriptors.contains_key(&place) {
            return Err(format!("descriptor {place} is open already"));
        }
        self.descriptors.insert(place, descriptor);
        Ok(Attempt::Done(Ok(place)))
    }

    fn socket(&mut self, call: &Call) -> Tried {
        let kind = number(self.argument(call, 1)?)?;
        let is_nonblocking = kind & value("SOCK_NONBLOCK").unwrap_or(0) != 0;
        let kind = match kind & 0xf {
            1 => Kind::Fresh,
            2 => Kind::Datagrams(None, None),
            _ => return Err(format!("socket {}: not supported by the stack", print::expression(&call.arguments[1]))),
        };
        self.adopt(call, Descriptor::new(kind, is_nonblocking))
    }

    /// An address argument; `...` is packetdrill's own.
    pub(super) fn address(&self, argument: &Expression, default: (IpAddr, u16)) -> Result<SocketAddr, String> {
        match argument {
            Expression::Ellipsis => Ok(SocketAddr::from(default)),
            Expression::Address(address) => Ok(*address),
            other => Err(format!("{} is no address", print::expression(other))),
        }
    }

    fn bind(&mut self, call: &Call) -> Tried {
        let default = (self.world.addresses.local, self.settings.bind_port);
        let address = self.address(self.argument(call, 1)?, default)?;
        let (_, descriptor) = self.descriptor(call)?;
        if descriptor.bound.is_some() {
            return failed("EINVAL");
        }
        descriptor.bound = Some(address);
        if matches!(descriptor.kind, Kind::Datagrams(None, _)) {
            return self.bind_datagrams(call, address.port());
        }
        Ok(DONE)
    }

    pub(super) fn bind_datagrams(&mut self, call: &Call, port: u16) -> Tried {
        let Ok(handle) = self.world.stack.udp_bind(None, port) else { return failed("EADDRINUSE") };
        let port = self.world.stack.udp_local_port(handle).unwrap_or(port);
        let local = SocketAddr::new(self.world.addresses.local, port);
        let (_, descriptor) = self.descriptor(call)?;
        descriptor.bound = Some(local);
        if let Kind::Datagrams(place, _) = &mut descriptor.kind {
            *place = Some(handle);
        }
        self.current = None;
        Ok(DONE)
    }

    fn listen(&mut self, call: &Call) -> Tried {
        let backlog = number(self.argument(call, 1)?)?.clamp(0, 64) as usize;
        let default = SocketAddr::new(self.world.addresses.local, self.settings.bind_port);
        let (place, descriptor) = self.descriptor(call)?;
        let bound = descriptor.bound.unwrap_or(default);
        match descriptor.kind {
            Kind::Fresh => {}
            Kind::Listener(..) => return Ok(DONE),
            Kind::Stream(_) => return failed("EINVAL"),
            Kind::Datagrams(..) | Kind::Epoll(_) | Kind::File => return failed("EOPNOTSUPP"),
        }
        let handle = match self.world.stack.start_listening(bound, backlog) {
            Ok(handle) => handle,
            Err(error) => return Ok(Attempt::Done(Err(error))),
        };
        if let Some(descriptor) = self.descriptors.get_mut(&place) {
            descriptor.kind = Kind::Listener(handle, VecDeque::new());
            descriptor.bound = Some(bound);
            descriptor.backlog = backlog;
        }
        self.tell_listener(place);
        // The next packet to the stack is a stranger's.
        self.current = None;
        Ok(DONE)
    }

    fn accept(&mut self, call: &Call) -> Tried {
        let flags = call.arguments.get(3).map(number).transpose()?.unwrap_or(0);
        let (place, descriptor) = self.descriptor(call)?;
        let (is_nonblocking, options) = (descriptor.is_nonblocking, descriptor.options.clone());
        let Kind::Listener(listener, ready) = &mut descriptor.kind else { return failed("EINVAL") };
        let (listener, found) = (*listener, ready.pop_front());
        let Some(handle) = found.or_else(|| self.world.stack.accept(listener)) else {
            return if is_nonblocking { failed("EAGAIN") } else { Ok(Attempt::Blocks) };
        };
        let mut made = Descriptor::new(Kind::Stream(handle), flags & value("SOCK_NONBLOCK").unwrap_or(0) != 0);
        made.is_connected = true;
        made.linger = self.descriptors[&place].linger;
        if let Some((local, remote)) = self.world.stack.ends(handle) {
            made.flow = Some(self.flow(TCP, local, remote));
            made.bound = Some(local);
        }
        made.options = self.inherit(handle, &options);
        self.adopt(call, made)
    }

    fn connect(&mut self, call: &Call) -> Tried {
        let default = (self.world.addresses.remote, self.settings.connect_port);
        let remote = self.address(self.argument(call, 1)?, default)?;
        let now = self.world.now();
        let (place, descriptor) = self.descriptor(call)?;
        let is_nonblocking = descriptor.is_nonblocking;
        match &mut descriptor.kind {
            Kind::Stream(_) => return self.connect_again(call),
            Kind::Datagrams(None, _) => {
                self.bind_datagrams(call, 0)?;
                return self.connect(call);
            }
            Kind::Datagrams(Some(_), peer) => {
                *peer = Some(remote);
                let local = descriptor.bound.map_or(0, |bound| bound.port());
                let local = SocketAddr::new(self.world.addresses.local, local);
                let flow = self.flow(wire::UDP, local, remote);
                self.current = Some(flow);
                return Ok(DONE);
            }
            Kind::Listener(..) => return failed("EISCONN"),
            Kind::Epoll(_) | Kind::File => return failed("ENOTSOCK"),
            Kind::Fresh => {}
        }
        let (port, options) = (descriptor.bound.map(|bound| bound.port()), descriptor.options.clone());
        if let Some(tried) = self.connect_fast(place, remote) {
            return tried;
        }
        let handle = match self.world.stack.start_connecting(remote, port, now) {
            Ok(handle) => handle,
            // None of the range is left.
            Err(Errno("EADDRINUSE")) if options.contains_key("IP_LOCAL_PORT_RANGE") => {
                return failed("EADDRNOTAVAIL");
            }
            Err(error) => return Ok(Attempt::Done(Err(error))),
        };
        self.inherit(handle, &options);
        let flow = self.world.stack.ends(handle).map(|(local, remote)| self.flow(TCP, local, remote));
        self.current = flow;
        if let Some(descriptor) = self.descriptors.get_mut(&place) {
            descriptor.kind = Kind::Stream(handle);
            descriptor.flow = flow;
        }
        if is_nonblocking { failed("EINPROGRESS") } else { Ok(Attempt::Blocks) }
    }

    /// `connect` on a socket that has a connection, or tries to get one.
    fn connect_again(&mut self, call: &Call) -> Tried {
        let (place, descriptor) = self.descriptor(call)?;
        let Some(handle) = descriptor.stream() else { return failed("EINVAL") };
        let (is_nonblocking, was_connected, was_told) =
            (descriptor.is_nonblocking, descriptor.is_connected, descriptor.error_was_told);
        let state = self.world.stack.state(handle);
        if matches!(state, State::SynSent | State::SynReceived) {
            return if is_nonblocking { failed("EALREADY") } else { Ok(Attempt::Blocks) };
        }
        let failure = self.world.stack.failure(handle);
        if let Some(descriptor) = self.descriptors.get_mut(&place) {
            if let Some(error) = failure.filter(|_| !was_told && !was_connected) {
                descriptor.error_was_told = true;
                return Ok(Attempt::Done(Err(error)));
            }
            descriptor.is_connected = true;
        }
        if was_connected { failed("EISCONN") } else { Ok(DONE) }
    }

    fn shutdown(&mut self, call: &Call) -> Tried {
        let how = number(self.argument(call, 1)?)?;
        let now = self.world.now();
        let (place, descriptor) = self.descriptor(call)?;
        let Some(handle) = descriptor.stream() else { return failed("ENOTCONN") };
        if !(0..=2).contains(&how) {
            return failed("EINVAL");
        }
        let state = self.world.stack.state(handle);
        if matches!(state, State::SynSent | State::Closed) {
            return failed("ENOTCONN");
        }
        if how != 1
            && let Some(descriptor) = self.descriptors.get_mut(&place)
        {
            descriptor.reads_no_more = true;
        }
        if how != 0 {
            // A second one finds the direction closed, which is no error.
            let _ = self.world.stack.shutdown(handle, now);
        }
        Ok(DONE)
    }

    fn close(&mut self, call: &Call) -> Tried {
        let now = self.world.now();
        let (place, descriptor) = self.descriptor(call)?;
        let linger = descriptor.linger;
        let Some(descriptor) = self.descriptors.remove(&place) else { return failed("EBADF") };
        match descriptor.kind {
            Kind::Stream(handle) if linger == Some(0) => self.world.stack.abort(handle),
            Kind::Stream(handle) => self.world.stack.close(handle, now),
            Kind::Listener(handle, ready) => {
                for handle in ready {
                    self.world.stack.abort(handle);
                }
                self.world.stack.unlisten(handle);
            }
            Kind::Datagrams(Some(handle), _) => {
                self.world.stack.udp_unbind(handle);
            }
            Kind::Fresh | Kind::Datagrams(None, _) | Kind::Epoll(_) | Kind::File => {}
        }
        for other in self.descriptors.values_mut() {
            if let Kind::Epoll(watches) = &mut other.kind {
                watches.retain(|watch| watch.descriptor != place);
            }
        }
        Ok(DONE)
    }

    fn fcntl(&mut self, call: &Call) -> Tried {
        let command = number(self.argument(call, 1)?)?;
        let flags = call.arguments.get(2).map(number).transpose()?.unwrap_or(0);
        let nonblock = value("O_NONBLOCK").unwrap_or(0);
        let (_, descriptor) = self.descriptor(call)?;
        let done = match command {
            3 => value("O_RDWR").unwrap_or(0) | if descriptor.is_nonblocking { nonblock } else { 0 },
            4 => {
                descriptor.is_nonblocking = flags & nonblock != 0;
                0
            }
            // Close-on-exec: there is nothing to execute.
            1 | 2 => 0,
            _ => return Err(format!("fcntl {}: not supported by the runner", print::expression(&call.arguments[1]))),
        };
        Ok(Attempt::Done(Ok(done)))
    }

    fn ioctl(&mut self, call: &Call) -> Tried {
        let request = print::expression(self.argument(call, 1)?);
        let wanted = self.argument(call, 2)?.clone();
        let (_, descriptor) = self.descriptor(call)?;
        let handle = descriptor.stream();
        if request == "FIONBIO" {
            descriptor.is_nonblocking = number(&wanted)? != 0;
            return Ok(DONE);
        }
        let Some(handle) = handle else { return failed("EINVAL") };
        let is = match request.as_str() {
            "SIOCINQ" | "FIONREAD" => self.world.stack.unread(handle),
            "SIOCATMARK" => usize::from(self.is_at_mark(handle)),
            "SIOCOUTQ" | "TIOCOUTQ" | "FIONWRITE" => self.world.stack.unacknowledged(handle),
            _ => return Err(format!("ioctl {request}: not supported by the stack")),
        };
        if wanted != Expression::Ellipsis && number(&wanted)? != is as i64 {
            return Err(format!("ioctl {request} gives {is}, not {}", number(&wanted)?));
        }
        Ok(DONE)
    }
}

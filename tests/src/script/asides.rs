//! Lines that are neither packets nor calls: shell text and code.

use super::code;
use super::commands::{self, Applied};
use super::descriptors::{Descriptor, Kind};
use super::run::{Failure, Run};
use super::sockets::Sockets as _;
use super::states;

impl Run<'_> {
    /// Shell text.
    pub(super) fn command(&mut self, line: usize, text: &str, is_running: bool) -> Result<(), Failure> {
        let applied = commands::read(text).map_err(|reason| Failure::new(line, reason))?;
        self.turn()?;
        for applied in &applied {
            if let Applied::KeepAlive(apply, value) = applied {
                apply(&mut self.settings.keep_alive, *value);
            }
            if let Applied::FastOpen(change) = applied {
                self.settings.fast_open.take(change);
            }
            let Applied::State(name, count) = applied else { continue };
            let wanted = states::number(name, self.settings.units());
            let is = self.descriptors.values().filter(|descriptor| self.state(descriptor) == Some(wanted)).count();
            // Those that come are no sockets yet, and FreeBSD shows them.
            let coming = if name == "SYN_RCVD" { self.world.stack.tcp_usage().handshakes } else { 0 };
            let is = is + coming;
            match count {
                None if is == 0 => return Err(Failure::new(line, format!("no socket is in the state {name}"))),
                Some(count) if is != *count => {
                    return Err(Failure::new(line, format!("{is} socket(s) are in the state {name}, not {count}")));
                }
                Some(_) | None => {}
            }
        }
        // The stack was made with the first ones. What is set back when all is over matters to nobody.
        let changes = applied.iter().any(|applied| matches!(applied, Applied::Setting(..)));
        if changes && is_running {
            let reason = format!("`{}` while the stack runs: not supported by the stack", text.trim());
            return Err(Failure::new(line, reason));
        }
        Ok(())
    }

    /// `tcpi_state` of a TCP socket.
    fn state(&self, descriptor: &Descriptor) -> Option<i64> {
        let units = self.settings.units();
        match descriptor.kind {
            Kind::Fresh => Some(states::number("CLOSED", units)),
            Kind::Listener(..) => Some(states::number("LISTEN", units)),
            Kind::Stream(handle) => self.world.stack.information(handle, units).first().map(|(_, number)| *number),
            Kind::Datagrams(..) | Kind::Epoll(_) | Kind::File => None,
        }
    }

    /// Code.
    pub(super) fn code(&mut self, line: usize, text: &str) -> Result<(), Failure> {
        self.turn()?;
        let concerned = |descriptor: &&Descriptor| descriptor.flow == self.current;
        let stream = self.descriptors.values().filter(concerned).filter_map(Descriptor::stream).next_back();
        let known = match stream {
            Some(handle) => self.information(handle),
            None => {
                let state = self.descriptors.values().filter_map(|descriptor| self.state(descriptor)).next_back();
                state.map(|state| ("tcpi_state", state)).into_iter().collect()
            }
        };
        self.code.run(text, &known).map_err(|failed| match failed {
            code::Failed::Syntax(reason) => Failure::new(line, format!("syntax error in the code: {reason}")),
            code::Failed::Run(reason) => Failure::new(line, reason),
        })
    }
}

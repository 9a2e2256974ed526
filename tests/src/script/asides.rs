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
            let Applied::State(name) = applied else { continue };
            let wanted = states::number(name, self.settings.units());
            if !self.descriptors.values().any(|descriptor| self.state(descriptor) == Some(wanted)) {
                return Err(Failure::new(line, format!("no socket is in the state {name}")));
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
            Kind::Datagrams(..) | Kind::Epoll(_) => None,
        }
    }

    /// Code.
    pub(super) fn code(&mut self, line: usize, text: &str) -> Result<(), Failure> {
        self.turn()?;
        let units = self.settings.units();
        let concerned = |descriptor: &&Descriptor| descriptor.flow == self.current;
        let stream = self.descriptors.values().filter(concerned).filter_map(Descriptor::stream).next_back();
        let known = match stream {
            Some(handle) => self.world.stack.information(handle, units),
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

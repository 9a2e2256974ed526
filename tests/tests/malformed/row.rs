//! A row of the table, and how it is judged.

use lendwire::Reason;

use crate::host::{Host, Said, kind};
use crate::wire::Frame;

/// One malformed frame: which reason counts it, and what else it may do.
pub(crate) struct Row {
    pub(crate) name: &'static str,
    pub(crate) reason: Reason,
    /// What has happened before.
    given: fn(&mut Host),
    /// The frame without its fault.
    valid: fn(&Host) -> Frame,
    fault: Fault,
    /// Whether checksums are made right around the fault.
    repairs: bool,
    reply: Option<Said>,
    /// Whether the frame may change what is observed.
    changes_state: bool,
    /// Whether the frame without its fault leaves no trace.
    is_quiet: bool,
}

#[derive(Clone, Copy)]
enum Fault {
    /// The frame is wrong.
    Frame(fn(&mut Frame)),
    /// The frame is right, but what has happened before makes it unwelcome. Without that, this has happened instead.
    Before(fn(&mut Host)),
}

/// A frame that `fault` makes malformed.
pub(crate) fn row(name: &'static str, reason: Reason, valid: fn(&Host) -> Frame, fault: fn(&mut Frame)) -> Row {
    Row {
        name,
        reason,
        given: |_| {},
        valid,
        fault: Fault::Frame(fault),
        repairs: true,
        reply: None,
        changes_state: false,
        is_quiet: false,
    }
}

/// A right frame that is unwelcome after `given`.
pub(crate) fn unwelcome(name: &'static str, reason: Reason, given: fn(&mut Host), frame: fn(&Host) -> Frame) -> Row {
    Row { given, fault: Fault::Before(|_| {}), ..row(name, reason, frame, |_| {}) }
}

impl Row {
    /// `given` happens before.
    pub(crate) fn given(self, given: fn(&mut Host)) -> Self {
        Self { given, ..self }
    }

    /// Where the frame is welcome, `given` has happened before.
    pub(crate) fn welcome_after(self, given: fn(&mut Host)) -> Self {
        Self { fault: Fault::Before(given), ..self }
    }

    /// The fault is in a checksum.
    pub(crate) fn unrepaired(self) -> Self {
        Self { repairs: false, ..self }
    }

    /// The rules want one answer.
    pub(crate) fn answered(self, reply: Said) -> Self {
        Self { reply: Some(reply), ..self }
    }

    /// The rules want a change.
    pub(crate) fn changing(self) -> Self {
        Self { changes_state: true, ..self }
    }

    /// Without its fault the frame leaves no trace that can be observed from outside.
    pub(crate) fn quiet(self) -> Self {
        Self { is_quiet: true, ..self }
    }

    /// The malformed frame.
    pub(crate) fn frame(&self, host: &Host) -> Frame {
        let mut frame = (self.valid)(host);
        if let Fault::Frame(fault) = self.fault {
            fault(&mut frame);
        }
        if self.repairs {
            frame.repair();
        }
        frame
    }

    /// The frame without its fault.
    pub(crate) fn twin(&self, host: &Host) -> Frame {
        (self.valid)(host)
    }

    /// The stack as the frame finds it.
    pub(crate) fn host(&self) -> Host {
        let mut host = Host::new();
        (self.given)(&mut host);
        host
    }

    /// What is wrong with how the stack takes the malformed frame.
    pub(crate) fn judge(&self) -> Vec<String> {
        let mut host = self.host();
        let frame = self.frame(&host);
        let (before, drops) = (host.observe(), host.drops());
        let said: Vec<_> = host.sends(frame).iter().map(|frame| kind(frame)).collect();
        let after = host.observe();

        let mut faults = self.count(&drops, &host.drops(), &[(self.reason, 1)]);
        let wanted: Vec<_> = self.reply.into_iter().collect();
        if said != wanted {
            faults.push(format!("{}: it is answered with {said:?}, not {wanted:?}", self.name));
        }
        if (after != before) != self.changes_state {
            faults.push(format!("{}: state {before:?}\n    became {after:?}", self.name));
        }
        faults
    }

    /// What is wrong with how the stack takes the frame without its fault.
    pub(crate) fn judge_twin(&self) -> Vec<String> {
        let mut host = match self.fault {
            Fault::Frame(_) => self.host(),
            Fault::Before(welcome) => Self { given: welcome, ..*self }.host(),
        };
        let frame = self.twin(&host);
        let (before, drops) = (host.observe(), host.drops());
        let said = host.sends(frame);
        let mut faults = self.count(&drops, &host.drops(), &[]);
        if said.is_empty() && host.observe() == before && !self.is_quiet {
            faults.push(format!("{}: without its fault the frame does nothing either", self.name));
        }
        faults
    }

    fn count(&self, before: &lendwire::Drops, after: &lendwire::Drops, wanted: &[(Reason, u64)]) -> Vec<String> {
        let counted: Vec<_> =
            after.iter().map(|(reason, count)| (reason, count - before.of(reason))).filter(|(_, n)| *n > 0).collect();
        if counted == wanted {
            return Vec::new();
        }
        vec![format!("{}: counted as {counted:?}, not as {wanted:?}", self.name)]
    }
}

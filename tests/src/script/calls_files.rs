//! `open` and `sendfile`: a file is the stream's bytes without end, whatever its name.

use super::ast::{Call, Expression};
use super::calls::{Tried, failed};
use super::constants::number;
use super::descriptors::{Descriptor, Kind};
use super::run::{Pending, Run};

impl Run<'_> {
    pub(super) fn open(&mut self, call: &Call) -> Tried {
        match self.argument(call, 0)? {
            Expression::Text(..) => self.adopt(call, Descriptor::new(Kind::File, false)),
            _ => Err("open needs a path".into()),
        }
    }

    /// The file's bytes are written as if they had been read.
    pub(super) fn send_file(&mut self, pending: &mut Pending) -> Tried {
        let call = pending.call.clone();
        let source = number(self.argument(&call, 1)?)?;
        let [to, count] = [0, 3].map(|place| self.argument(&call, place).cloned());
        match self.descriptors.get(&source).map(|descriptor| &descriptor.kind) {
            Some(Kind::File) => {}
            Some(_) => return failed("EINVAL"),
            None => return failed("EBADF"),
        }
        let call = Call { name: "write".into(), arguments: vec![to?, Expression::Ellipsis, count?], ..call };
        let mut written = Pending { call, ..*pending };
        let tried = self.write(&mut written);
        pending.moved = written.moved;
        tried
    }
}

//! What waits in the send buffer for more: MSG_MORE, which is a cork for one write, and how Linux lets it go.

use super::ast::Call;
use super::dialect::Dialect;
use super::run::Run;
use super::sockets::{Sockets as _, Value};

impl Run<'_> {
    /// A write says MSG_MORE, or one without it lets go what those before it held.
    pub(super) fn hold_for_more(&mut self, place: i64, more: bool) {
        let Some(descriptor) = self.descriptors.get_mut(&place) else { return };
        let (handle, had_more) = (descriptor.stream(), std::mem::replace(&mut descriptor.has_more, more));
        if more != had_more {
            let holds = more || self.is_corked(place);
            // Where the stack has no room for the wish, nothing is held: what it sends shows it.
            let _ = self.world.stack.set_option(handle, "TCP_CORK", &Value::Number(i64::from(holds)));
        }
    }

    fn is_corked(&self, place: i64) -> bool {
        let options = &self.descriptors[&place].options;
        ["TCP_CORK", "TCP_NOPUSH"].iter().any(|name| matches!(options.get(*name), Some(Value::Number(1..))))
    }

    /// On Linux, TCP_NODELAY sends once what is held, and leaves the cork in.
    pub(super) fn push_held(&mut self, call: &Call) -> Result<(), String> {
        let (place, descriptor) = self.descriptor(call)?;
        let (handle, has_more) = (descriptor.stream(), descriptor.has_more);
        if self.settings.dialect != Dialect::Linux || !(has_more || self.is_corked(place)) {
            return Ok(());
        }
        let _ = self.world.stack.set_option(handle, "TCP_CORK", &Value::Number(0));
        self.world.turn()?;
        let _ = self.world.stack.set_option(handle, "TCP_CORK", &Value::Number(1));
        Ok(())
    }
}

//! How much may wait to be sent or acknowledged, and what the application said of both its budgets.
//!
//! Invariant: a connection has room for twice its congestion window, so that what is acknowledged is followed at once by as
//! much, and what the window grows by as well; and for what the peer holds beyond a hole, which is in no window and stays here
//! until the hole is filled; never for more than [`super::TcpConfig::send_budget`], and under pressure (see
//! `budget`) for what it started with. With all memory gone there is still room for a segment where nothing waits.

use super::budget::Level;
use super::connection::Connection;
use super::flight::Flight;
use super::handle::{OptionError, TcpHandle};
use super::shared::Shared;
use super::{Entry, Tcp};

impl Connection {
    /// Question: how many bytes may be written.
    pub(super) fn room(&self, shared: &Shared<'_>) -> u32 {
        let (start, level) = (shared.config.send_budget_start, shared.queued.level());
        let needs = |flight: &Flight| flight.window().saturating_mul(2).saturating_add(flight.board.sacked());
        let needed = self.flight(shared).map_or(0, needs);
        let said = self.settings(shared).and_then(|asked| asked.send_budget);
        let most = match (said, level) {
            (_, Level::Full) => u32::from(self.send.mss),
            (None, Level::Pressed) => start,
            (None, Level::Plenty) => needed.min(shared.config.send_budget).max(start),
            (Some(said), Level::Plenty | Level::Pressed) => said,
        };
        most.saturating_sub(self.send.queue.bytes())
    }
}

impl Tcp<'_> {
    /// Command: what unread data may pin, in bytes of slots, however much is read. What was promised stays.
    pub(crate) fn set_receive_budget(&mut self, handle: TcpHandle, bytes: u32) -> Result<(), OptionError> {
        self.set(handle, |settings| settings.receive_budget = Some(bytes))?;
        if let Some(Entry::Open(connection)) = self.connections.at_mut(handle.0) {
            // What was promised with a larger one is still taken.
            connection.budget = connection.budget.max(bytes);
        }
        self.after_read(handle);
        Ok(())
    }

    /// Command: how many bytes may wait to be sent or acknowledged, whatever the congestion window.
    pub(crate) fn set_send_budget(&mut self, handle: TcpHandle, bytes: u32) -> Result<(), OptionError> {
        self.set(handle, |settings| settings.send_budget = Some(bytes.max(1)))?;
        self.tell(handle.0.index);
        Ok(())
    }
}

//! Urgent data (RFC 9293 §3.8.5, RFC 6093): a mark in the stream, never a second stream.
//!
//! Invariant: SND.UP and RCV.UP are the number behind the last urgent byte (MUST-62), and data is read in line. A mark
//! says that something before it is urgent; applications written today ought not to use it (SHLD-13).

use super::connection::{Connection, PeerFin};
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::Shared;
use crate::drops::Reason;

impl Connection {
    /// Sixth step of RFC 9293 §3.10.7.4: RCV.UP only moves forward. Says whether the application has something to hear
    /// (MUST-32).
    pub(super) fn check_urgent(&mut self, segment: &Arrival, shared: &mut Shared<'_>) {
        let Some(urgent) = segment.urgent.filter(|_| self.receive.fin == PeerFin::None) else { return };
        let next = self.receive.nxt;
        // A mark beyond what any window could hold is none.
        if urgent.since(next) > self.receive.edge.since(next).saturating_add(u32::from(u16::MAX)) {
            return;
        }
        match self.take_settings(shared) {
            Some(settings) => {
                let before = settings.receive_urgent.filter(|before| before.after(urgent));
                settings.receive_urgent = Some(before.unwrap_or(urgent));
            }
            None => shared.drops.count(Reason::TcpUrgent),
        }
    }

    /// Bytes from the next one to read up to the end of what the peer marked (MUST-33); none when that was read.
    pub(super) fn urgent_ahead(&self, shared: &Shared<'_>) -> Option<u32> {
        let urgent = self.settings(shared)?.receive_urgent?;
        let read = self.receive.nxt - self.receive.queue.bytes() as u32;
        Some(urgent).filter(|urgent| urgent.after(read)).map(|urgent| urgent.since(read))
    }

    /// Everything that is queued is urgent (MUST-31: however much that is).
    pub(super) fn mark_urgent(&mut self, shared: &mut Shared<'_>) -> Result<(), NoSettings> {
        let end = self.end_of_data();
        let una = self.send.una;
        let settings = self.take_settings(shared).ok_or(NoSettings)?;
        settings.send_urgent = Some(end).filter(|_| end != una);
        Ok(())
    }

    /// The urgent pointer of a segment that begins with `seq`: how far the mark is, as far as 16 bits can say.
    pub(super) fn urgent_pointer(&self, seq: Seq, shared: &Shared<'_>) -> Option<u16> {
        let urgent = self.settings(shared)?.send_urgent?;
        Some(urgent).filter(|urgent| urgent.after(seq)).map(|urgent| urgent.since(seq).min(u32::from(u16::MAX)) as u16)
    }

    /// Whether segments differ in their urgent pointers: then each is built by itself.
    pub(super) fn is_urgent(&self, shared: &Shared<'_>) -> bool {
        self.settings(shared).is_some_and(|settings| settings.send_urgent.is_some())
    }
}

/// All [`super::settings::Settings`] are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NoSettings;

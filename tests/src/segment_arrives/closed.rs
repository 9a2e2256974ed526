//! §3.10.7.1: the state is CLOSED.

use super::{Arrived, Model, When};
use crate::segment::flag::RST;

impl Model {
    /// All data in the incoming segment is discarded; what does not contain a RST causes one.
    pub(super) fn arrives_in_closed(&mut self, segment: &Arrived) {
        if segment.rst {
            return;
        }
        match segment.ack {
            None => self.send(0, Some(segment.seq + segment.len()), RST, When::Now),
            Some(ack) => self.send(ack, None, RST, When::Now),
        }
    }
}

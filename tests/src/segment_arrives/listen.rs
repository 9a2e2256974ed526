//! §3.10.7.2: the state is LISTEN.

use super::{Amendment, Arrived, Model, Opened, State, When};
use crate::segment::flag::{RST, SYN};

impl Model {
    pub(super) fn arrives_in_listen(&mut self, segment: &Arrived) {
        // First, check for a RST.
        if segment.rst {
            return;
        }
        // Second, check for an ACK: any is bad.
        if let Some(ack) = segment.ack {
            return self.send(ack, None, RST, When::Now);
        }
        // Fourth, other data or control: dropped.
        if !segment.syn {
            return;
        }
        // Third, the SYN.
        self.tcb.irs = segment.seq;
        self.tcb.rcv_nxt = segment.seq + 1;
        self.tcb.snd_nxt = self.tcb.iss + 1;
        self.tcb.snd_una = self.tcb.iss;
        self.tcb.sets_send_window(segment.wnd, segment.seq, self.tcb.iss);
        self.opened = Opened::Passively;
        self.state = State::SynReceived;
        self.queue_of_syn(segment);
        self.send(self.tcb.iss, Some(self.tcb.rcv_nxt), SYN, When::Now);
    }

    /// "Any other control or text should be queued for processing later."
    pub(super) fn queue_of_syn(&mut self, segment: &Arrived) {
        if self.follows(Amendment::TextOfASynComesAgain) {
            return;
        }
        self.hold(segment);
    }
}

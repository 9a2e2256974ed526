//! §3.10.7.3: the state is SYN-SENT.

use super::{Amendment, Arrived, Model, State, Told, When};
use crate::segment::flag::{RST, SYN};

impl Model {
    pub(super) fn arrives_in_syn_sent(&mut self, mut segment: Arrived) {
        // First, check the ACK bit.
        if let Some(ack) = segment.ack
            && (ack <= self.tcb.iss || ack > self.tcb.snd_nxt)
        {
            if !segment.rst {
                self.send(ack, None, RST, When::Now);
            }
            return;
        }
        // Second, check the RST bit.
        if segment.rst {
            if segment.ack.is_some() {
                let says_refused = self.follows(Amendment::ResetRefuses);
                self.told.push(if says_refused { Told::Refused } else { Told::Reset });
                self.close_at_once();
            }
            return;
        }
        // Fifth, if neither of the SYN or RST bits is set, drop the segment.
        if !segment.syn {
            return;
        }
        // Fourth, the SYN.
        self.tcb.irs = segment.seq;
        self.tcb.rcv_nxt = segment.seq + 1;
        if let Some(ack) = segment.ack {
            self.tcb.snd_una = ack;
        }
        // RFC 1122 §4.2.2.20 (c): in both cases.
        self.tcb.sets_send_window(segment.wnd, segment.seq, segment.ack.unwrap_or(self.tcb.iss));
        if self.tcb.snd_una > self.tcb.iss {
            self.state = State::Established;
            self.owe(When::Now);
            // Other controls and text go on at the sixth step; the SYN has been processed.
            segment.seq += 1;
            segment.syn = false;
            // The idealized segment of §3.10.7.4 "does not exceed the window".
            self.trim(&mut segment);
            self.steps_from_the_sixth(&segment);
            return;
        }
        self.state = State::SynReceived;
        self.queue_of_syn(&segment);
        self.send(self.tcb.iss, Some(self.tcb.rcv_nxt), SYN, When::Now);
    }
}

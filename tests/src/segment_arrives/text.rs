//! §3.10.7.4, seventh and eighth: text and FIN, whatever order they come in.

use super::{Amendment, Arrived, Model, Reading, State, Told, When};
use crate::segment::flag::RST;

impl Model {
    /// Seventh, process the segment text. False when that was the connection's end.
    pub(super) fn step_7_text(&mut self, segment: &Arrived) -> bool {
        match self.state {
            State::Established | State::FinWait1 | State::FinWait2 => {}
            // "This should not occur": a FIN has been received. Ignore the text.
            State::CloseWait | State::Closing | State::LastAck | State::TimeWait => return true,
            State::Closed | State::Listen | State::SynSent | State::SynReceived => unreachable!("{:?}", self.state),
        }
        if !segment.text.is_empty() && self.reading == Reading::Ended && self.follows(Amendment::TextAfterClose) {
            let ack = self.follows(Amendment::AResetAcknowledges).then_some(self.tcb.rcv_nxt);
            self.send(self.reply_seq(), ack, RST, When::Now);
            self.close_at_once();
            return false;
        }
        let (before, had_hole) = (self.tcb.rcv_nxt, !self.tcb.held.is_empty() || self.tcb.their_fin.is_some());
        self.hold(segment);
        while let Some(byte) = self.tcb.held.remove(&self.tcb.rcv_nxt) {
            self.tcb.delivered.push(byte);
            self.tcb.rcv_nxt += 1;
            // "The total of RCV.NXT and RCV.WND should not be reduced."
            self.tcb.rcv_wnd -= 1;
        }
        if self.tcb.their_fin.is_some_and(|fin| fin < self.tcb.rcv_nxt) {
            // Text stood where it pretended to stand.
            self.tcb.their_fin = None;
        }
        if !segment.text.is_empty() {
            // RFC 5681 §4.2: at once where there is or was a hole.
            let in_order = self.tcb.rcv_nxt > before && !had_hole;
            self.owe(if in_order { When::Later } else { When::Now });
        }
        true
    }

    /// Keeps text and FIN (SHLD-31), each byte once. Of what came early, a FIN before text and text behind a FIN are none.
    pub(super) fn hold(&mut self, segment: &Arrived) {
        for (number, &byte) in (segment.text_seq()..).zip(&segment.text) {
            let in_order = segment.text_seq() <= self.tcb.rcv_nxt;
            let behind_fin = self.tcb.their_fin.is_some_and(|fin| number >= fin) && !in_order;
            if number >= self.tcb.rcv_nxt && !behind_fin {
                self.tcb.held.entry(number).or_insert(byte);
            }
        }
        let last = self.tcb.held.keys().next_back().copied();
        let fin = segment.fin_seq();
        if segment.fin && self.tcb.their_fin.is_none() && last.is_none_or(|last| last < fin) {
            self.tcb.their_fin = Some(fin);
        }
    }

    /// Eighth, check the FIN bit.
    pub(super) fn step_8_fin(&mut self, segment: &Arrived) {
        let comes_next = segment.fin && segment.fin_seq() == self.tcb.rcv_nxt;
        let in_its_place = comes_next || self.tcb.their_fin == Some(self.tcb.rcv_nxt);
        if self.has_closed() {
            if !self.follows(Amendment::OneFin) && comes_next {
                self.tcb.rcv_nxt += 1;
                self.owe(When::Now);
            }
            return;
        }
        if segment.fin && !in_its_place {
            // It lies behind a hole, or before text.
            self.owe(When::Now);
        }
        if !in_its_place {
            return;
        }
        self.told.push(Told::Closing);
        self.tcb.rcv_nxt += 1;
        self.tcb.held.clear();
        self.owe(When::Now);
        self.state = match self.state {
            State::SynReceived | State::Established => State::CloseWait,
            State::FinWait1 if self.tcb.our_fin_is_acknowledged() => self.waits(),
            State::FinWait1 => State::Closing,
            State::FinWait2 => self.waits(),
            remaining => remaining,
        };
    }

    /// Whether the peer's FIN has been received.
    fn has_closed(&self) -> bool {
        matches!(self.state, State::CloseWait | State::Closing | State::LastAck | State::TimeWait)
    }

    /// "Enter TIME-WAIT, start the time-wait timer."
    pub(super) fn waits(&mut self) -> State {
        self.time_waits += 1;
        State::TimeWait
    }
}

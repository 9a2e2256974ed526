//! §3.10.7.4: the eight steps of all other states.

use std::ops::ControlFlow::{self, Break, Continue};

use super::{Amendment, Arrived, Model, Opened, State, Told, When};
use crate::segment::flag::{RST, SYN};

/// Whether a segment goes on to the next step.
type Step = ControlFlow<()>;

impl Model {
    pub(super) fn arrives_otherwise(&mut self, mut segment: Arrived) {
        // Whoever breaks off has done all that there was to do.
        let _ = self.steps(&mut segment);
    }

    fn steps(&mut self, segment: &mut Arrived) -> Step {
        if self.state == State::TimeWait {
            self.step_0_time_wait(segment)?;
        }
        if self.state == State::SynReceived {
            self.step_0_syn_received(segment)?;
        }
        self.step_1_sequence(segment)?;
        self.step_2_reset(segment)?;
        self.step_4_syn(segment)?;
        self.trim(segment);
        let is_early = segment.seq > self.tcb.rcv_nxt;
        if is_early && !self.follows(Amendment::AcknowledgmentsAreNotHeld) {
            // "Segments with higher beginning sequence numbers SHOULD be held": whole, the acknowledgment too.
            self.hold(segment);
            self.owe(When::Now);
            return Break(());
        }
        self.step_5_ack(segment)?;
        self.steps_from_the_sixth(segment);
        Continue(())
    }

    /// Sixth (urgent data, which moves no variable), seventh, eighth.
    pub(super) fn steps_from_the_sixth(&mut self, segment: &Arrived) {
        if self.step_7_text(segment) {
            self.step_8_fin(segment);
        }
    }

    /// What newer rules put before the first step in TIME-WAIT.
    fn step_0_time_wait(&mut self, segment: &mut Arrived) -> Step {
        let is_new = segment.syn && !segment.rst && segment.ack.is_none() && segment.seq > self.tcb.rcv_nxt;
        if is_new && self.listens && self.follows(Amendment::TimeWaitReopens) {
            self.listens();
            self.arrives_in_listen(segment);
            return Break(());
        }
        let again = segment.fin && !segment.syn && !segment.rst && segment.ack.is_some();
        if again && self.follows(Amendment::AnyFinRestartsTimeWait) {
            self.waits();
            self.owe(When::Now);
            return Break(());
        }
        Continue(())
    }

    /// What other sections put before the first step in SYN-RECEIVED.
    fn step_0_syn_received(&mut self, segment: &mut Arrived) -> Step {
        if !segment.syn || segment.rst || segment.seq != self.tcb.irs {
            return Continue(());
        }
        if segment.ack == Some(self.tcb.snd_nxt) && self.follows(Amendment::SynAcksCross) {
            // Its SYN is old, and earns the first step's answer; what it acknowledges is not.
            self.owe(When::Now);
            segment.syn = false;
            segment.seq += 1;
            return Continue(());
        }
        if self.follows(Amendment::SynAckAgain) {
            self.send(self.tcb.iss, Some(self.tcb.rcv_nxt), SYN, When::Now);
            return Break(());
        }
        Continue(())
    }

    /// First, check the sequence number.
    fn step_1_sequence(&mut self, segment: &mut Arrived) -> Step {
        let is_over =
            self.state == State::TimeWait && segment.ack.is_some() && self.follows(Amendment::TimeWaitTakesNothing);
        let wnd = if is_over { 0 } else { self.tcb.rcv_wnd };
        let number_alone = segment.rst && self.follows(Amendment::Rfc5961Reset);
        let len = if number_alone { 0 } else { segment.len() };
        if self.tcb.accepts(segment.seq, len, wnd) {
            return Continue(());
        }
        let may_count = self.tcb.rcv_wnd == 0 && segment.seq == self.tcb.rcv_nxt && segment.ack.is_some();
        if may_count && self.state != State::TimeWait && self.follows(Amendment::ZeroWindow) {
            self.owe(When::Now);
            return Continue(());
        }
        if !segment.rst {
            self.owe(When::Now);
        }
        Break(())
    }

    /// "Trimming off any portions that lie outside the window." A SYN has been looked at before.
    pub(super) fn trim(&self, segment: &mut Arrived) {
        let edge = self.tcb.rcv_nxt + self.tcb.rcv_wnd;
        let fin = segment.fin_seq();
        let takes_no_room = self.follows(Amendment::AFinTakesNoRoom);
        segment.fin &= fin >= self.tcb.rcv_nxt && (fin < edge || (fin == edge && takes_no_room));
        let beyond = (fin - edge).clamp(0, segment.text.len() as i64);
        segment.text.truncate(segment.text.len() - beyond as usize);
        let old = (self.tcb.rcv_nxt - segment.text_seq()).clamp(0, segment.text.len() as i64);
        segment.text.drain(..old as usize);
        segment.seq = segment.seq.max(self.tcb.rcv_nxt);
        segment.syn = false;
    }

    /// Second, check the RST bit.
    fn step_2_reset(&mut self, segment: &Arrived) -> Step {
        if !segment.rst {
            return Continue(());
        }
        if self.state == State::TimeWait && self.follows(Amendment::Rfc1337) {
            return Break(());
        }
        if segment.seq != self.tcb.rcv_nxt && self.follows(Amendment::Rfc5961Reset) {
            self.owe(When::Now);
            return Break(());
        }
        match (self.state, self.opened) {
            (State::SynReceived, Opened::Passively) => {
                self.close_at_once();
                self.listens();
            }
            (State::SynReceived, Opened::Actively) => {
                self.told.push(Told::Refused);
                self.close_at_once();
            }
            (State::Established | State::FinWait1 | State::FinWait2 | State::CloseWait, _) => {
                self.told.push(Told::Reset);
                self.close_at_once();
            }
            _ => self.close_at_once(),
        }
        Break(())
    }

    /// Fourth, check the SYN bit.
    fn step_4_syn(&mut self, segment: &Arrived) -> Step {
        if !segment.syn {
            return Continue(());
        }
        if self.follows(Amendment::Rfc5961Syn) {
            self.owe(When::Now);
            return Break(());
        }
        if (self.state, self.opened) == (State::SynReceived, Opened::Passively) {
            self.close_at_once();
            self.listens();
            return Break(());
        }
        if segment.seq < self.tcb.rcv_nxt {
            // Not in the window: "only the new parts are processed".
            return Continue(());
        }
        // RFC 793: a SYN in the window is an error.
        self.send(segment.ack.unwrap_or(0), None, RST, When::Now);
        self.told.push(Told::Reset);
        self.close_at_once();
        Break(())
    }

    /// Fifth, check the ACK field.
    fn step_5_ack(&mut self, segment: &Arrived) -> Step {
        let Some(ack) = segment.ack else { return Break(()) };
        if self.state == State::TimeWait && self.follows(Amendment::TimeWaitTakesNothing) {
            return Break(());
        }
        let by_handshake = self.state == State::SynReceived && self.follows(Amendment::HandshakesReset);
        if !by_handshake && self.follows(Amendment::Rfc5961Ack) {
            let by_window = self.tcb.snd_una - self.tcb.max_snd_wnd;
            let ghosts = self.follows(Amendment::NothingBeforeOurSyn);
            let oldest = if ghosts { by_window.max(self.tcb.iss + 1) } else { by_window };
            if ack < oldest || ack > self.tcb.snd_nxt {
                self.owe(When::Now);
                return Break(());
            }
        }
        if self.state == State::SynReceived {
            if ack <= self.tcb.snd_una || ack > self.tcb.snd_nxt {
                self.send(ack, None, RST, When::Now);
                self.owes = None;
                return Break(());
            }
            self.state = State::Established;
            self.tcb.sets_send_window(segment.wnd, segment.seq, ack);
        }
        self.as_in_established(segment, ack)?;
        match self.state {
            State::FinWait1 if self.tcb.our_fin_is_acknowledged() => self.state = State::FinWait2,
            State::Closing if self.tcb.our_fin_is_acknowledged() => self.state = self.waits(),
            State::Closing => return Break(()),
            State::LastAck if self.tcb.our_fin_is_acknowledged() => {
                self.close_at_once();
                return Break(());
            }
            _ => {}
        }
        Continue(())
    }

    /// The ACK processing of ESTABLISHED, which the states after it share.
    fn as_in_established(&mut self, segment: &Arrived, ack: i64) -> Step {
        let tcb = &mut self.tcb;
        if ack > tcb.snd_nxt {
            self.owe(When::Now);
            return Break(());
        }
        // An old one can be ignored: it moves nothing.
        if ack < tcb.snd_una {
            return Continue(());
        }
        tcb.snd_una = ack;
        if tcb.snd_wl1 < segment.seq || (tcb.snd_wl1 == segment.seq && tcb.snd_wl2 <= ack) {
            tcb.sets_send_window(segment.wnd, segment.seq, ack);
        }
        Continue(())
    }

    /// Whether a challenge answers this model's peer: all states that have a RCV.NXT to name.
    #[must_use]
    pub fn can_be_asked(&self) -> bool {
        self.is_synchronized() || self.state == State::SynReceived
    }
}

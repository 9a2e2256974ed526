//! What user calls do to the variables (§3.10.1 to §3.10.4): no more of them than a test needs.

use super::tcb::Tcb;
use super::{Model, Opened, Reading, State};

impl Model {
    /// Passive OPEN.
    pub fn listens(&mut self) {
        self.tcb = Tcb::new(self.next_iss, self.buffer);
        self.listens = true;
        self.told.clear();
        self.state = State::Listen;
    }

    /// Active OPEN: the SYN is sent.
    pub fn connects(&mut self) {
        self.opened = Opened::Actively;
        self.tcb.snd_una = self.tcb.iss;
        self.tcb.snd_nxt = self.tcb.iss + 1;
        self.state = State::SynSent;
    }

    /// SEND, and all of it was sent.
    pub fn sends(&mut self, len: u32) {
        self.tcb.snd_nxt += i64::from(len);
    }

    /// CLOSE, and the FIN was sent.
    ///
    /// # Panics
    /// In a state where it would do something else.
    pub fn closes(&mut self, reading: Reading) {
        self.reading = reading;
        self.state = match self.state {
            State::Established => State::FinWait1,
            State::CloseWait => State::LastAck,
            other => panic!("no FIN is sent in {other:?}"),
        };
        self.tcb.our_fin = Some(self.tcb.snd_nxt);
        self.tcb.snd_nxt += 1;
    }

    /// CLOSE once more, by a user who has closed and now leaves.
    pub fn leaves(&mut self) {
        self.reading = Reading::Ended;
    }
}

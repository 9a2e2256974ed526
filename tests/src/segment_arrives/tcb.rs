//! The variables of §3.3.1, on a line instead of a circle.
//!
//! Invariant: numbers of one connection lie near each other; [`near`] puts a number of the wire next to one that is
//! known, so that every comparison of the RFC is one of plain integers.

use std::collections::BTreeMap;

/// Send and receive sequence variables.
#[derive(Clone, Debug)]
#[expect(missing_docs, reason = "the RFC's names")]
pub struct Tcb {
    pub iss: i64,
    pub snd_una: i64,
    pub snd_nxt: i64,
    pub snd_wnd: i64,
    pub snd_wl1: i64,
    pub snd_wl2: i64,
    /// MAX.SND.WND (§3.10.7.4, fifth).
    pub max_snd_wnd: i64,
    /// The number of our FIN, once it was sent.
    pub our_fin: Option<i64>,
    pub irs: i64,
    pub rcv_nxt: i64,
    pub rcv_wnd: i64,
    /// Text that came, by number, and was not delivered yet.
    pub held: BTreeMap<i64, u8>,
    /// The number of the peer's FIN, once it came; it may lie behind a hole.
    pub their_fin: Option<i64>,
    /// The user's RECEIVE buffers.
    pub delivered: Vec<u8>,
}

impl Tcb {
    pub(super) fn new(iss: u32, buffer: u32) -> Self {
        let iss = i64::from(iss);
        Self {
            iss,
            snd_una: iss,
            snd_nxt: iss,
            snd_wnd: 0,
            snd_wl1: 0,
            snd_wl2: 0,
            max_snd_wnd: 0,
            our_fin: None,
            irs: 0,
            rcv_nxt: 0,
            rcv_wnd: i64::from(buffer),
            held: BTreeMap::new(),
            their_fin: None,
            delivered: Vec::new(),
        }
    }

    /// Whether our FIN was sent, and is acknowledged.
    pub(super) fn our_fin_is_acknowledged(&self) -> bool {
        self.our_fin.is_some_and(|fin| self.snd_una > fin)
    }

    /// The first four lines of §3.10.7.4's table.
    pub(super) fn accepts(&self, seq: i64, len: i64, wnd: i64) -> bool {
        let (nxt, last) = (self.rcv_nxt, seq + len - 1);
        match (len > 0, wnd > 0) {
            (false, false) => seq == nxt,
            (false, true) => nxt <= seq && seq < nxt + wnd,
            (true, false) => false,
            (true, true) => (nxt <= seq && seq < nxt + wnd) || (nxt <= last && last < nxt + wnd),
        }
    }

    pub(super) fn sets_send_window(&mut self, wnd: i64, seq: i64, ack: i64) {
        self.snd_wnd = wnd;
        self.snd_wl1 = seq;
        self.snd_wl2 = ack;
        self.max_snd_wnd = self.max_snd_wnd.max(wnd);
    }
}

/// The point next to `known` that the wire would call `number`.
pub(super) fn near(number: u32, known: i64) -> i64 {
    known + i64::from(number.wrapping_sub(known as u32) as i32)
}

//! The stack and the model, side by side: whatever one is given the other is given, and both must answer alike.
//!
//! Numbers are absolute. The clock stands where the stack's ISS is the one that was asked for, and is put there again
//! when time had to pass.

use lendwire::tcp::{Ended, ListenerHandle, ReadError, State as Seen, TcpConfig, TcpHandle};
use lendwire::time::{Instant, Span};
use lendwire_tests::peer::Peer;
use lendwire_tests::segment::flag::{ACK, FIN, PSH, RST, SYN};
use lendwire_tests::segment::{Came, data, segment};
use lendwire_tests::segment_arrives::{Amendment, Model, Reading, Reply, Segment, State, Told, When};
use lendwire_tests::setup::Setup;

/// What a new connection's window shows: five eighths of a slot.
pub(crate) const BUFFER: u32 = 1280;
/// The window that the peer offers, and so MAX.SND.WND.
pub(crate) const OFFERED: u32 = 40;
/// The numbers of one connection lie behind those of the one before it.
const TURN_OF_ISS: u64 = 4 << 32;

/// What the stack and the model disagree in.
pub(crate) type Difference = String;

/// See the module.
pub(crate) struct World {
    peer: Peer,
    model: Model,
    iss: u32,
    /// The time at which the stack's SYN has that number.
    aligned: u64,
    without: Option<Amendment>,
    listener: Option<ListenerHandle>,
    handle: Option<TcpHandle>,
    /// What the application has read.
    read: Vec<u8>,
    /// An acknowledgment that may wait is under way.
    delayed: bool,
    /// Slots that others of this thread hold.
    held_before: usize,
    /// When the last TIME-WAIT began, or began again.
    waits_since: Instant,
}

impl World {
    /// A stack whose SYNs will have number `iss`, held against a model without one amendment.
    pub(crate) fn new(iss: u32, without: Option<Amendment>) -> Self {
        let setup = Setup::new().tcp(|tcp| tcp.receive_budget = 2048);
        let mut peer = Peer::with(&setup);
        peer.starts_over(0);
        let model = Model::new(iss, BUFFER).without(without);
        let held_before = peer.pools.held();
        let (listener, handle, read, delayed) = (None, None, Vec::new(), false);
        let waits_since = peer.now();
        let aligned = 0;
        let mut world =
            Self { peer, model, iss, aligned, without, listener, handle, read, delayed, held_before, waits_since };
        world.align_first();
        world
    }

    /// Measures the number of a SYN-ACK, and waits for the time when it is the wanted one.
    fn align_first(&mut self) {
        let listener = self.peer.listen();
        self.peer.sends(segment(SYN).seq(0));
        let seen = self.peer.inbox.pop_front().expect("a SYN-ACK").seq;
        self.peer.sends(segment(RST).seq(1));
        self.peer.stack.unlisten(listener);
        let wait = u64::from(self.iss.wrapping_sub(seen)) * 4;
        self.aligned = (self.peer.now().micros() + wait) % TURN_OF_ISS;
        self.align();
    }

    fn align(&mut self) {
        let behind = (self.peer.now().micros() % TURN_OF_ISS + TURN_OF_ISS - self.aligned) % TURN_OF_ISS;
        if behind > 0 {
            self.peer.waits(Span::from_micros(TURN_OF_ISS - behind));
        }
    }

    /// The variables as they are now.
    pub(crate) fn model(&self) -> &Model {
        &self.model
    }

    /// The bytes of the stream from `seq`: a function of their numbers, so that overlaps agree.
    pub(crate) fn text(seq: u32, len: u32) -> Vec<u8> {
        (0..len).map(|at| (seq.wrapping_add(at).wrapping_mul(0x9e37_79b1) >> 24) as u8).collect()
    }
}

/// What both are given.
impl World {
    pub(crate) fn listens(&mut self) {
        self.listener = Some(self.peer.listen());
        self.model.listens();
    }

    /// Somebody listens, beside what the connection is in.
    pub(crate) fn listens_beside(&mut self) {
        self.listener = Some(self.peer.listen());
        self.model.listens = true;
    }

    pub(crate) fn connects(&mut self) {
        self.handle = Some(self.peer.connects());
        self.model.connects();
        self.peer.turn();
        self.peer.inbox.clear();
    }

    /// The application writes as much as the window offers, and it goes.
    pub(crate) fn writes(&mut self) {
        let handle = self.handle.expect("there is a connection");
        let written = self.peer.stack.write(handle, &[b'w'; OFFERED as usize]);
        assert_eq!(written, Ok(OFFERED as usize));
        self.peer.turn();
        let came = self.peer.inbox.pop_front().expect("the window allows it");
        assert_eq!(came.payload.len(), OFFERED as usize);
        self.model.sends(OFFERED);
    }

    pub(crate) fn shuts_down(&mut self) {
        let handle = self.handle.expect("there is a connection");
        self.peer.stack.shutdown(handle, self.peer.now()).expect("it stands");
        self.peer.turn();
        let came = self.peer.inbox.pop_front().expect("a FIN needs no window");
        assert_ne!(came.flags & FIN, 0);
        self.model.closes(Reading::GoesOn);
    }

    /// The application gives its handle back.
    pub(crate) fn leaves(&mut self) {
        let handle = self.handle.take().expect("there is a connection");
        self.peer.stack.close(handle, self.peer.now());
        self.peer.turn();
        self.model.leaves();
    }

    /// The application is done with a connection whose TIME-WAIT made room for another.
    fn forgets(&mut self) {
        if let Some(handle) = self.handle.take() {
            self.peer.stack.close(handle, self.peer.now());
        }
        self.read.clear();
    }

    /// A second passes.
    pub(crate) fn waits(&mut self) {
        self.peer.waits(Span::from_secs(1));
        self.model.next_iss = self.iss.wrapping_add(1_000_000 / 4);
    }

    /// A segment arrives at both.
    pub(crate) fn arrives(&mut self, arriving: &Segment) -> Result<(), Difference> {
        let edge = self.model.tcb.rcv_nxt + self.model.tcb.rcv_wnd;
        let was_open = self.model.can_be_asked();
        let flags = arriving.control | if arriving.ack.is_some() { ACK } else { 0 };
        let mut built = data(&arriving.text).without(ACK).with(flags).seq(arriving.seq).window(arriving.wnd as u16);
        if let Some(ack) = arriving.ack {
            built = built.ack(ack);
        }
        let (before, time_waits) = (self.model.state, self.model.time_waits);
        let expected = self.model.arrives(arriving);
        if self.model.time_waits > time_waits {
            self.waits_since = self.peer.now();
        }
        if (before, self.model.state) == (State::TimeWait, State::SynReceived) {
            self.forgets();
        }
        self.peer.sends(built);
        let came: Vec<_> = self.peer.inbox.drain(..).collect();
        self.compare_replies(&expected, &came)?;
        self.compare_state()?;
        let same_connection = was_open && self.model.can_be_asked() && self.model.state != State::SynReceived;
        self.compare_windows(same_connection.then_some(edge), &came)
    }
}

/// What must be alike.
impl World {
    fn compare_replies(&mut self, expected: &[Reply], came: &[Came]) -> Result<(), Difference> {
        if let [Reply { when: When::Later, .. }] = expected
            && came.is_empty()
        {
            let limit = self.peer.now() + Span::from_millis(500);
            let in_time = self.peer.stack.next_deadline().is_some_and(|deadline| deadline < limit);
            self.delayed = true;
            return if in_time { Ok(()) } else { Err("no acknowledgment comes within 500 ms (SHLD-19)".into()) };
        }
        let matches = expected.len() == came.len() && expected.iter().zip(came).all(|(want, is)| is_reply(want, is));
        if matches {
            self.delayed &= came.is_empty();
            return Ok(());
        }
        let wanted: Vec<_> = expected.iter().map(ToString::to_string).collect();
        Err(format!("sent {came:?}, not {wanted:?}"))
    }

    /// The state, what is unread, and what the peer has acknowledged.
    fn compare_state(&mut self) -> Result<(), Difference> {
        if let Some(listener) = self.listener
            && let Some(handle) = self.peer.stack.accept(listener)
        {
            self.handle = Some(handle);
            self.peer.stack.unlisten(listener);
            (self.listener, self.model.listens) = (None, false);
        }
        let (seen, wanted) = (self.seen_state(), self.model.state);
        if seen != wanted && self.is_visible() {
            return Err(format!("the state is {seen:?}, not {wanted:?}"));
        }
        let Some(handle) = self.handle else { return Ok(()) };
        let arrived = self.read.len() + self.peer.stack.unread(handle);
        if arrived != self.model.tcb.delivered.len() {
            return Err(format!("{arrived} bytes arrived, not {}", self.model.tcb.delivered.len()));
        }
        let Some(info) = self.peer.stack.info(handle).filter(|_| self.has_window()) else { return Ok(()) };
        let flight = self.model.tcb.snd_nxt - self.model.tcb.snd_una;
        if i64::from(info.in_flight) != flight {
            return Err(format!("SND.NXT - SND.UNA is {}, not {flight}", info.in_flight));
        }
        if i64::from(info.send_window) != self.model.tcb.snd_wnd {
            return Err(format!("SND.WND is {}, not {}", info.send_window, self.model.tcb.snd_wnd));
        }
        Ok(())
    }

    /// The right edge of the window never goes back (SHLD-14), and replies show it. How far it goes on is the stack's
    /// choice, and becomes the model's RCV.WND.
    fn compare_windows(&mut self, edge: Option<i64>, came: &[Came]) -> Result<(), Difference> {
        let nxt = self.model.tcb.rcv_nxt;
        if let Some(handle) = self.handle
            && self.has_window()
            && let Some(info) = self.peer.stack.info(handle)
        {
            self.model.tcb.rcv_wnd = i64::from(info.receive_window);
        }
        let shown = came.iter().filter(|came| came.flags & (ACK | RST) == ACK).map(|came| i64::from(came.window));
        for wnd in shown.chain(self.has_window().then_some(self.model.tcb.rcv_wnd)) {
            if edge.is_some_and(|edge| nxt + wnd < edge) || wnd > i64::from(BUFFER) {
                return Err(format!("RCV.WND is {wnd} at RCV.NXT {nxt}, but the edge was {edge:?}"));
            }
        }
        Ok(())
    }

    /// Whether the stack tells the variables of this connection.
    fn has_window(&self) -> bool {
        use State::{CloseWait, Closing, Established, FinWait1, FinWait2, LastAck};
        matches!(self.model.state, Established | FinWait1 | FinWait2 | CloseWait | Closing | LastAck)
    }

    /// Whether the application can see the state: it has the handle, or tables tell.
    fn is_visible(&self) -> bool {
        self.handle.is_some() || !self.has_window()
    }

    fn seen_state(&self) -> State {
        let usage = self.peer.stack.tcp_usage();
        if usage.handshakes > 0 {
            return State::SynReceived;
        }
        let by_handle = self.handle.map(|handle| self.peer.stack.state(handle));
        match by_handle {
            Some(Seen::SynSent) => State::SynSent,
            Some(Seen::SynReceived) => State::SynReceived,
            Some(Seen::Established) => State::Established,
            Some(Seen::FinWait1) => State::FinWait1,
            Some(Seen::FinWait2) => State::FinWait2,
            Some(Seen::CloseWait) => State::CloseWait,
            Some(Seen::Closing) => State::Closing,
            Some(Seen::LastAck) => State::LastAck,
            Some(Seen::TimeWait) => State::TimeWait,
            Some(Seen::Closed) => State::Closed,
            None if usage.time_waits > 0 => State::TimeWait,
            None if self.listener.is_some() => State::Listen,
            None => State::Closed,
        }
    }
}

/// The end of a case.
impl World {
    /// An acknowledgment that may wait comes, once and right.
    pub(crate) fn late_acknowledgment(&mut self) -> Result<(), Difference> {
        if !std::mem::take(&mut self.delayed) || !self.has_window() {
            return Ok(());
        }
        self.peer.waits(Span::from_millis(60));
        // What is in flight may come again in the meantime, and then acknowledges.
        let came: Vec<_> = self.peer.inbox.drain(..).collect();
        let bare = came.iter().filter(|came| came.sequence_len() == 0).count();
        let ack = self.model.tcb.rcv_nxt as u32;
        let is_right = came.iter().all(|came| came.flags & ACK != 0 && came.ack == ack);
        let is_enough = is_right && !came.is_empty() && bare <= 1;
        if is_enough { Ok(()) } else { Err(format!("late, {came:?} came, not one acknowledgment of {ack}")) }
    }

    /// What the application reads in the end, and is told, is what the model says.
    pub(crate) fn reads_all(&mut self) -> Result<(), Difference> {
        let Some(handle) = self.handle else { return Ok(()) };
        let unread = self.peer.reads(handle);
        self.read.extend(unread);
        if self.read != self.model.tcb.delivered {
            return Err("other bytes were delivered".into());
        }
        let told = match self.peer.stack.read(handle, &mut [0]) {
            Ok(0) => Some(Told::Closing),
            Err(ReadError::Ended(Ended::Reset)) => Some(Told::Reset),
            Err(ReadError::Ended(Ended::Refused)) => Some(Told::Refused),
            Ok(_) | Err(_) => None,
        };
        let wanted = self.model.told.first().copied();
        if told != wanted {
            return Err(format!("the user was told {told:?}, not {wanted:?}"));
        }
        Ok(())
    }

    /// Ends what there is, so that the next case begins with nothing. Nothing may be left behind.
    pub(crate) fn clear(&mut self) -> Result<(), Difference> {
        if let Some(listener) = self.listener.take() {
            self.peer.stack.unlisten(listener);
        }
        if let Some(handle) = self.handle.take() {
            self.peer.stack.abort(handle);
            self.peer.stack.close(handle, self.peer.now());
        }
        self.peer.turn();
        if self.peer.stack.tcp_usage().handshakes + self.peer.stack.tcp_usage().connections > 0 {
            self.peer.sends(segment(RST).seq(self.model.tcb.rcv_nxt as u32));
        }
        self.time_wait_ends()?;
        self.align();
        self.peer.inbox.clear();
        let usage = self.peer.stack.tcp_usage();
        let left = usage.handshakes + usage.connections + usage.time_waits + usage.writers + usage.blocks;
        let slots = self.peer.pools.held() - self.held_before;
        if left + slots > 0 {
            return Err(format!("{usage:?} and {slots} slots are left"));
        }
        (self.read, self.delayed) = (Vec::new(), false);
        self.model = Model::new(self.iss, BUFFER).without(self.without);
        Ok(())
    }
}

impl World {
    /// A TIME-WAIT lasts as long as it has to from when it last began, and no longer.
    fn time_wait_ends(&mut self) -> Result<(), Difference> {
        let (ends, step) = (self.waits_since + TcpConfig::DEFAULT.time_wait, Span::from_millis(5));
        if self.peer.stack.tcp_usage().time_waits == 0 {
            return Ok(());
        }
        self.peer.waits(ends.since(self.peer.now() + step));
        let lasted = self.peer.stack.tcp_usage().time_waits == 1;
        self.peer.waits(step);
        let ended = self.peer.stack.tcp_usage().time_waits == 0;
        if lasted && ended { Ok(()) } else { Err(format!("TIME-WAIT did not end at {ends:?}")) }
    }
}

fn is_reply(want: &Reply, is: &Came) -> bool {
    let control = want.control | if want.ack.is_some() { ACK } else { 0 };
    let alike = is.flags & !PSH == control && is.seq == want.seq && want.ack.is_none_or(|ack| is.ack == ack);
    alike && is.payload.is_empty()
}

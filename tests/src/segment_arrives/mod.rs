//! SEGMENT ARRIVES: RFC 9293 §3.10.7 as it is written, to hold the stack against.
//!
//! Slow, literal and apart from the stack: no line of it is shared. Numbers are plain integers that never wrap inside
//! ([`Tcb`]); received text is a map from number to byte. Where the stack follows a newer rule than the section's
//! words, that is an [`Amendment`] with its source, and a model can be made without any one of them. Where the RFC
//! leaves a choice, the model says what is allowed: an acknowledgment that may wait is [`When::Later`], and RCV.WND is
//! what its user says that it is, as long as the right edge never goes back (SHLD-14).
//!
//! | file | section |
//! |---|---|
//! | `closed`, `listen`, `syn_sent` | §3.10.7.1 to §3.10.7.3 |
//! | `steps` | §3.10.7.4, the eight steps |
//! | `text` | its seventh and eighth step |
//! | `calls` | OPEN, SEND, CLOSE as far as they set variables (§3.10.1 to §3.10.4) |
//! | `amendment` | where the stack follows another rule, and which |
//!
//! Left out: security and precedence (the third step), options, urgent data (it moves no variable of these), and all
//! that time does.

mod amendment;
mod calls;
mod closed;
mod listen;
mod steps;
mod syn_sent;
mod tcb;
mod text;

pub use self::amendment::Amendment;
pub use self::tcb::Tcb;
use self::tcb::near;
use crate::segment::flag::{ACK, FIN, RST, SYN};

/// The states of §3.3.2.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the RFC's names")]
pub enum State {
    Closed,
    Listen,
    SynSent,
    SynReceived,
    Established,
    FinWait1,
    FinWait2,
    CloseWait,
    Closing,
    LastAck,
    TimeWait,
}

/// How the connection was opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opened {
    /// By us.
    Actively,
    /// By a peer; a listener waits for more.
    Passively,
}

/// What a closing user still does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    /// It reads until the peer closes, too.
    GoesOn,
    /// It has left (§3.6: a half-duplex close).
    Ended,
}

/// A segment that arrives.
#[derive(Clone, Debug)]
pub struct Segment {
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK, where the ACK bit is set.
    pub ack: Option<u32>,
    /// SYN, FIN, RST: see [`crate::segment::flag`]. Other bits change nothing.
    pub control: u8,
    /// SEG.WND.
    pub wnd: u32,
    /// Its text.
    pub text: Vec<u8>,
}

/// When an answer has to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum When {
    /// At once.
    Now,
    /// Within 500 ms (SHLD-19), or sooner.
    Later,
}

/// A segment without text that is to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reply {
    /// SEG.SEQ.
    pub seq: u32,
    /// SEG.ACK, where the ACK bit is to be set.
    pub ack: Option<u32>,
    /// SYN, RST or nothing.
    pub control: u8,
    /// When.
    pub when: When,
}

/// What the user is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// "Connection closing": the peer's FIN.
    Closing,
    /// "Connection reset".
    Reset,
    /// "Connection refused".
    Refused,
}

/// A connection, as the RFC sees it.
#[derive(Clone, Debug)]
pub struct Model {
    /// Its state.
    pub state: State,
    /// Its variables.
    pub tcb: Tcb,
    /// How it was opened.
    pub opened: Opened,
    /// Whether there is a LISTEN for what is no part of this connection.
    pub listens: bool,
    /// What the user was told.
    pub told: Vec<Told>,
    /// The number that the clock of §3.4.1 would give the next SYN.
    pub next_iss: u32,
    /// How often a TIME-WAIT began, or began again.
    pub time_waits: u32,
    buffer: u32,
    reading: Reading,
    without: Option<Amendment>,
    sent: Vec<Reply>,
    owes: Option<When>,
}

impl Model {
    /// A model in CLOSED. Its SYN will have number `iss`, and its first window `buffer`.
    #[must_use]
    pub fn new(iss: u32, buffer: u32) -> Self {
        Self {
            state: State::Closed,
            tcb: Tcb::new(iss, buffer),
            opened: Opened::Actively,
            listens: false,
            told: Vec::new(),
            next_iss: iss,
            time_waits: 0,
            buffer,
            reading: Reading::GoesOn,
            without: None,
            sent: Vec::new(),
            owes: None,
        }
    }

    /// The same, by the words of the section where `amendment` changes them.
    #[must_use]
    pub fn without(self, amendment: Option<Amendment>) -> Self {
        Self { without: amendment, ..self }
    }

    /// SEGMENT ARRIVES. Returns what is to be sent.
    pub fn arrives(&mut self, segment: &Segment) -> Vec<Reply> {
        let arrived = Arrived {
            seq: near(segment.seq, self.tcb.rcv_nxt),
            ack: segment.ack.map(|ack| near(ack, self.tcb.snd_una)),
            syn: segment.control & SYN != 0,
            fin: segment.control & FIN != 0,
            rst: segment.control & RST != 0,
            wnd: i64::from(segment.wnd),
            text: segment.text.clone(),
        };
        match self.state {
            State::Closed => self.arrives_in_closed(&arrived),
            State::Listen => self.arrives_in_listen(&arrived),
            State::SynSent => self.arrives_in_syn_sent(arrived),
            State::SynReceived
            | State::Established
            | State::FinWait1
            | State::FinWait2
            | State::CloseWait
            | State::Closing
            | State::LastAck
            | State::TimeWait => self.arrives_otherwise(arrived),
        }
        // MUST-58, MUST-59: acknowledgments of one arrival are one.
        if let Some(when) = self.owes.take() {
            let (seq, ack) = (self.reply_seq(), Some(self.tcb.rcv_nxt));
            self.send(seq, ack, 0, when);
        }
        std::mem::take(&mut self.sent)
    }

    fn follows(&self, amendment: Amendment) -> bool {
        self.without != Some(amendment)
    }

    fn send(&mut self, seq: i64, ack: Option<i64>, control: u8, when: When) {
        self.sent.push(Reply { seq: seq as u32, ack: ack.map(|ack| ack as u32), control, when });
    }

    /// An acknowledgment `<SEQ=SND.NXT><ACK=RCV.NXT><CTL=ACK>`, when this arrival is done with.
    fn owe(&mut self, when: When) {
        if self.owes != Some(When::Now) {
            self.owes = Some(when);
        }
    }

    fn reply_seq(&self) -> i64 {
        if self.follows(Amendment::RepliesStayInTheWindow) && self.is_synchronized() {
            self.tcb.snd_nxt.min(self.tcb.snd_una + self.tcb.snd_wnd)
        } else {
            self.tcb.snd_nxt
        }
    }

    fn is_synchronized(&self) -> bool {
        !matches!(self.state, State::Closed | State::Listen | State::SynSent | State::SynReceived)
    }

    /// "Enter the CLOSED state, delete the TCB."
    fn close_at_once(&mut self) {
        self.state = State::Closed;
        self.tcb.held.clear();
        self.owes = None;
    }
}

/// A segment on the model's own number line.
#[derive(Clone, Debug)]
struct Arrived {
    seq: i64,
    ack: Option<i64>,
    syn: bool,
    fin: bool,
    rst: bool,
    wnd: i64,
    text: Vec<u8>,
}

impl Arrived {
    /// SEG.LEN: text, SYN and FIN.
    fn len(&self) -> i64 {
        self.text.len() as i64 + i64::from(self.syn) + i64::from(self.fin)
    }

    /// The number of its first byte of text.
    fn text_seq(&self) -> i64 {
        self.seq + i64::from(self.syn)
    }

    /// The number of its FIN.
    fn fin_seq(&self) -> i64 {
        self.text_seq() + self.text.len() as i64
    }
}

/// Segments in words, for what a failed test prints.
impl std::fmt::Display for Reply {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let name = match self.control & (SYN | RST | ACK | FIN) {
            SYN => "SYN ",
            RST => "RST ",
            0 => "",
            other => return write!(out, "<SEQ={}><ACK={:?}><CTL={other:#x}>", self.seq, self.ack),
        };
        match self.ack {
            Some(ack) => write!(out, "<SEQ={}><ACK={ack}><CTL={name}ACK> {:?}", self.seq, self.when),
            None => write!(out, "<SEQ={}><CTL={name}> {:?}", self.seq, self.when),
        }
    }
}

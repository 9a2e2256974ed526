//! Where the stack follows another rule than the words of RFC 9293 §3.10.7, and which.
//!
//! Invariant: each is a deliberate choice with a source, and none is a tolerance: the model then asks for exactly this.

/// See the module.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Amendment {
    /// §3.10.7.2, third, and §3.10.7.3, fourth: text and FIN of a SYN "should be queued". They are not, and so not
    /// acknowledged: a handshake holds no memory (RFC 4987 §3.5), and their sender sends them again.
    TextOfASynComesAgain,
    /// A peer's SYN that comes again in SYN-RECEIVED shows that our SYN-ACK was lost: it is sent again (§3.8.1), where
    /// §3.10.7.4, first, has an acknowledgment alone, which would tell a peer in SYN-SENT nothing.
    SynAckAgain,
    /// §3.5, figure 7, line 6: a SYN-ACK that comes in SYN-RECEIVED, and begins at IRS, establishes; by the first step of
    /// §3.10.7.4 it would lie outside the window.
    SynAcksCross,
    /// RFC 5961 §3.2: a reset counts by its own number alone; in the window but not RCV.NXT earns a challenge.
    Rfc5961Reset,
    /// RFC 5961 §4.2: a SYN is challenged, irrespective of its number; in SYN-RECEIVED too, where a blind one could
    /// otherwise end a passive open.
    Rfc5961Syn,
    /// RFC 5961 §5.2 (MAY-12): SND.UNA - MAX.SND.WND =< SEG.ACK =< SND.NXT, or a challenge.
    Rfc5961Ack,
    /// Nor may an acknowledgment be of what lies before our SYN, which nobody ever sent, however large the window: who
    /// can inject that has not seen our ISS.
    NothingBeforeOurSyn,
    /// §3.5.2, second group: in SYN-RECEIVED an acknowledgment of what was not sent earns a reset, as the per-state words
    /// of the fifth step say, and not the challenge of the general check before them.
    HandshakesReset,
    /// MUST-66 and §3.10.7.4, first: into a window of zero no text comes, but the acknowledgment of a segment that begins
    /// at RCV.NXT counts, and is answered.
    ZeroWindow,
    /// A FIN right behind the window is taken: it needs no memory, and its sender may give up before a slow reader reads.
    /// "One could tailor" a segment so that it does not exceed the window, SYN and FIN included.
    AFinTakesNoRoom,
    /// SHLD-31 holds a segment that begins beyond RCV.NXT. Its text and FIN are held; its acknowledgment and window count
    /// at once, as RFC 5681 §3.2 needs.
    AcknowledgmentsAreNotHeld,
    /// A peer has one FIN. The eighth step would take a second one, right behind the first, and acknowledge it.
    OneFin,
    /// RFC 1337 §3 (F1): a reset does not end TIME-WAIT.
    Rfc1337,
    /// In TIME-WAIT nothing can come behind the peer's FIN, so no window is open to what acknowledges: what is not the bare
    /// acknowledgment at RCV.NXT is answered. That one is not, or two ends in TIME-WAIT would answer each other for ever.
    TimeWaitTakesNothing,
    /// §3.10.7.4, fifth, TIME-WAIT: the peer's FIN again, with an acknowledgment as that step asks for, is acknowledged, and
    /// the wait starts over. By the first step it would be old, and start nothing.
    AnyFinRestartsTimeWait,
    /// MAY-2, RFC 6191 §2: a SYN beyond RCV.NXT opens a new connection, if somebody listens.
    TimeWaitReopens,
    /// §3.6 (SHLD-3): text for a user who has left is answered by a reset.
    TextAfterClose,
    /// §3.10.5 aborts with `<SEQ=SND.NXT><CTL=RST>`; ours has RCV.NXT and the ACK bit, too.
    AResetAcknowledges,
    /// §3.10.7.3, second, says "connection reset"; sockets say "connection refused", as §3.10.7.4 does for SYN-RECEIVED.
    ResetRefuses,
    /// SND.NXT may lie beyond a window that the peer has shrunk; it would drop a reply with that number (§3.10.7.4,
    /// first), so replies are numbered no higher than the window's edge.
    RepliesStayInTheWindow,
}

impl Amendment {
    /// All of them.
    pub const ALL: [Self; 20] = [
        Self::TextOfASynComesAgain,
        Self::SynAckAgain,
        Self::SynAcksCross,
        Self::Rfc5961Reset,
        Self::Rfc5961Syn,
        Self::Rfc5961Ack,
        Self::NothingBeforeOurSyn,
        Self::HandshakesReset,
        Self::ZeroWindow,
        Self::AFinTakesNoRoom,
        Self::AcknowledgmentsAreNotHeld,
        Self::OneFin,
        Self::Rfc1337,
        Self::TimeWaitTakesNothing,
        Self::AnyFinRestartsTimeWait,
        Self::TimeWaitReopens,
        Self::TextAfterClose,
        Self::AResetAcknowledges,
        Self::ResetRefuses,
        Self::RepliesStayInTheWindow,
    ];
}

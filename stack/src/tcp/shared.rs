//! What all connections share: cells, blocks, writers, the transmit pool, settings and counts.
//!
//! Invariant: an idle connection holds none of it.

use lendwire_nic::{Cells, ChunkMut, Pool, Work};

use super::blocks::Block;
use super::budget::Account;
use super::congestion::{Algorithm, Paced};
use super::cookie::SynCookies;
use super::ecn::Ecn;
use super::flight::Flights;
use super::intake::Intakes;
use super::path_search::PathSearch;
use super::settings::Settings;
use crate::drops::Drops;
use crate::ip::Dscp;
use crate::slab::Slab;
use crate::time::Span;

/// Payload of up to this many bytes is copied, longer payload lent, where there is a choice.
pub const COPY_BREAK: usize = 256;

/// Settings of every connection of a stack.
#[derive(Clone, Copy, Debug)]
pub struct TcpConfig {
    /// Memory that a connection's unread data may pin at the most, in bytes of pool slots. The window follows from it: data
    /// fills some five eighths of the slots it comes in. A stack takes no more than three quarters of `receive_memory`.
    pub receive_budget: u32,
    /// What of it a connection starts with, before it shows that it reads more in a round trip. A stack takes no more than
    /// a quarter of `receive_memory`.
    pub receive_budget_start: u32,
    /// Memory that the unread data of all connections together may pin: beyond it each may pin one segment more. Without a
    /// number it is three quarters of the pool that the stack sends from, as if what devices receive in were as large. It
    /// ought to leave a device what it has in its rings.
    pub receive_memory: Option<usize>,
    /// Bytes that may wait to be sent or acknowledged at the most before [`crate::Stack::write`] takes no more.
    pub send_budget: u32,
    /// The same at the start. It grows with the congestion window, to twice that.
    pub send_budget_start: u32,
    /// Memory that data of all connections which waits to be sent or acknowledged may pin together. Beyond it each may
    /// have one segment. Without a number it is three quarters of the pool that the stack sends from.
    pub send_memory: Option<usize>,
    /// Congestion control of new connections; [`crate::Stack::set_congestion`] changes one connection's.
    pub congestion: Algorithm,
    /// Which connections spread what they send over time.
    pub paced: Paced,
    /// The floor of what the retransmission timeout is above the smoothed round trip. RFC 6298 §2.4 asks for 1 s in all;
    /// stacks of today use 200 ms.
    pub min_rto: Span,
    /// Its ceiling, backed off or not (RFC 6298 §2.5: at least 60 s).
    pub max_rto: Span,
    /// What it is before any round trip was measured (RFC 6298 §2.1).
    pub initial_rto: Span,
    /// How long an acknowledgment may wait for data or a second segment (RFC 1122 §4.2.3.2: below 500 ms).
    pub ack_delay: Span,
    /// How many segments are acknowledged one by one, without delay, when a connection begins, and four times as many behind
    /// a hole.
    pub quick_acks: u8,
    /// Twice the maximum segment lifetime: how long a TIME-WAIT stays (RFC 9293 §3.4.2); 35 minutes at most.
    pub time_wait: Span,
    /// Whether a new connection of ours may take the place of a TIME-WAIT when timestamps tell them apart.
    pub time_wait_reuse: bool,
    /// How long a closed connection waits for its peer's FIN.
    pub fin_wait: Span,
    /// Timeouts in a row, with full segments of which none has arrived, that show a path that swallows them (RFC 4821
    /// §7.7); 0, and none does.
    pub black_hole_timeouts: u8,
    /// The largest segment that is announced and sent, without options, however much the path takes: for tunnels behind
    /// the interface (RFC 9293 §3.7.1; BSD's TCP_MAXSEG). Less than 48 counts as 48.
    pub largest_segment: u16,
    /// Whether longer segments are tried where they have become shorter, or begin short (RFC 4821 §7).
    pub path_search: PathSearch,
    /// Bytes of the packets that [`PathSearch::Always`] begins with (RFC 4821 §7.2); no fewer than IPv6 asks of links.
    pub search_from: u16,
    /// A router's word never makes IPv4 packets shorter than this: RFC 1191's least, 68, would let a liar make segments
    /// that are nothing but headers.
    pub least_path_mtu: u16,
    /// Timeouts in a row before a connection is given up. 15 take some 15 minutes (RFC 9293 MUST-20: over 100 s).
    pub retries: u8,
    /// The same for a SYN (RFC 9293 MUST-23: at least 3 minutes); 7 take 183 s.
    pub syn_retries: u8,
    /// Routers that a segment may pass (RFC 9293 MUST-49).
    pub hop_limit: u8,
    /// What segments say of the service that they want, unless a connection says otherwise (RFC 9293 MUST-48).
    pub dscp: Dscp,
    /// How many segments that do not belong to a connection it answers at once (RFC 5961 §7).
    pub challenge_burst: u8,
    /// How long it takes until one more is answered; no time at all is no limit.
    pub challenge_interval: Span,
    /// When SYNs are answered by a cookie instead of being kept (RFC 4987 §3.6).
    pub syn_cookies: SynCookies,
    /// Whether windows may be scaled (RFC 7323 §2). Without it none is larger than 65535 bytes.
    pub window_scaling: bool,
    /// Whether timestamps are offered, and answered where they are (RFC 7323 §3). They take 12 bytes of each segment.
    pub timestamps: bool,
    /// Whether selective acknowledgments are offered, and answered where they are (RFC 2018).
    pub sack: bool,
    /// Whether explicit congestion notification is asked for, and agreed to.
    pub ecn: Ecn,
    /// Whether accurate feedback tells of bytes, too, in options of 8 or 12 bytes (RFC 9768 §3.2.3).
    pub ecn_option: bool,
    /// Whether loss is told by time (RACK-TLP, RFC 8985) where the peer gives selective acknowledgments, or by counting
    /// (RFC 6675).
    pub rack: bool,
}

impl TcpConfig {
    /// The settings a general server starts from.
    pub const DEFAULT: Self = Self {
        congestion: Algorithm::Cubic,
        receive_budget: 6 << 20,
        receive_budget_start: 256 << 10,
        receive_memory: None,
        send_budget: 4 << 20,
        send_budget_start: 256 << 10,
        send_memory: None,
        paced: Paced::WhereItMust,
        min_rto: Span::from_millis(200),
        max_rto: Span::from_secs(60),
        initial_rto: Span::from_secs(1),
        ack_delay: Span::from_millis(40),
        quick_acks: 16,
        time_wait: Span::from_secs(60),
        time_wait_reuse: true,
        fin_wait: Span::from_secs(60),
        black_hole_timeouts: 2,
        largest_segment: u16::MAX,
        path_search: PathSearch::Narrowed,
        search_from: 1024,
        least_path_mtu: 552,
        retries: 15,
        syn_retries: 7,
        hop_limit: crate::ip::DEFAULT_HOP_LIMIT,
        dscp: Dscp::DEFAULT,
        // RFC 5961 §7: 10 in 5 seconds.
        challenge_burst: 10,
        challenge_interval: Span::from_millis(500),
        syn_cookies: SynCookies::WhenFull,
        window_scaling: true,
        timestamps: true,
        sack: true,
        ecn: Ecn::Passive,
        ecn_option: true,
        rack: true,
    };

    /// With what `pool` leaves open, and no budget larger than its memory allows.
    pub(super) fn within(self, pool: &Pool) -> Self {
        let most = pool.slots() * pool.slot_size();
        let received = self.receive_memory.unwrap_or(most - most / 4);
        let sent = self.send_memory.unwrap_or(most - most / 4);
        let at_most = |budget: u32, bytes: usize| u32::try_from(bytes).map_or(budget, |bytes| budget.min(bytes));
        let receive_budget = at_most(self.receive_budget, received - received / 4);
        let send_budget = at_most(self.send_budget, sent);
        Self {
            receive_budget,
            receive_budget_start: at_most(self.receive_budget_start.min(receive_budget), received / 4),
            receive_memory: Some(received),
            send_budget,
            send_budget_start: self.send_budget_start.min(send_budget),
            send_memory: Some(sent),
            ..self
        }
    }
}

impl Default for TcpConfig {
    fn default() -> Self {
        Self::DEFAULT
    }
}

/// What TCP has done so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TcpStatistics {
    /// Segments that arrived for TCP.
    pub segments_received: u64,
    /// How often TCP looked at what arrived: once for segments that a device or a burst made one.
    pub arrivals: u64,
    /// Segments handed to a driver.
    pub segments_sent: u64,
    /// Segments that were sent again, SYNs and FINs included.
    pub retransmissions: u64,
    /// Tail loss probes (RFC 8985 §7).
    pub tail_probes: u64,
    /// Recoveries that were for nothing, and taken back.
    pub undone: u64,
    /// Retransmission timeouts.
    pub timeouts: u64,
    /// Connections that reached ESTABLISHED by a peer's SYN.
    pub accepted: u64,
    /// Connections that reached ESTABLISHED by our own.
    pub connected: u64,
    /// Paths that swallowed full segments without a word (RFC 4821 §7.7).
    pub black_holes: u64,
    /// Segments that were longer than the others to see whether they arrive, and how many did (RFC 4821 §7.5).
    pub path_probes: u64,
    /// See [`TcpStatistics::path_probes`].
    pub paths_widened: u64,
    /// Resets sent.
    pub resets: u64,
    /// Segments that did not belong to a connection and were answered by an acknowledgment (RFC 5961).
    pub challenges: u64,
    /// The same without an answer, for the connection had given its share of them.
    pub challenges_withheld: u64,
    /// SYNs that were answered by a cookie.
    pub cookies_sent: u64,
    /// Connections that came out of one.
    pub cookies_accepted: u64,
    /// Acknowledgments that showed none, or a wrong one, while some were out.
    pub cookies_rejected: u64,
    /// Connections that a SYN with a valid Fast Open cookie opened before their handshake was complete (RFC 7413).
    pub fast_opens_accepted: u64,
    /// SYNs with a Fast Open cookie that was none.
    pub fast_opens_refused: u64,
    /// SYNs with a Fast Open option while too many such connections were incomplete.
    pub fast_opens_withheld: u64,
}

/// The writable ends of a connection's queues: held only while there is something in them.
#[derive(Debug)]
pub struct Writers {
    /// What is left of the slot that `write` fills.
    pub(super) send: Option<ChunkMut>,
    /// Bytes of the segment that `write` is filling.
    pub(super) filled: u32,
    /// What is left of the slot that small received payloads are copied into.
    pub(super) receive: Option<ChunkMut>,
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Shared<'s> {
    pub(super) cells: Cells<'s>,
    /// Cells that only cutting a queued chunk may take: data that waits for a cut must never wait for itself.
    pub(super) reserve: usize,
    pub(super) blocks: Slab<'s, Block>,
    pub(super) intakes: Intakes<'s>,
    pub(super) writers: Slab<'s, Writers>,
    pub(super) flights: Flights<'s>,
    pub(super) settings: Slab<'s, Settings>,
    /// What unread data pins, and what data pins that waits to be sent or acknowledged.
    pub(super) received: Account,
    pub(super) queued: Account,
    /// Pieces of data that came above a hole, from peers that are told of each, since the stack began.
    pub(super) above_holes: u32,
    pub(super) pool: &'static Pool,
    pub(super) config: TcpConfig,
    pub(super) work: Work,
    pub(super) drops: Drops,
    pub(super) statistics: TcpStatistics,
}

impl Shared<'_> {
    /// Whether a cell is left for new data.
    pub(super) fn has_cell(&self) -> bool {
        self.has_cells(1)
    }

    /// Whether so many are.
    pub(super) fn has_cells(&self, count: usize) -> bool {
        self.cells.available() >= self.reserve + count
    }
}

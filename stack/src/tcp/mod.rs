//! TCP (RFC 9293): one table of connections, one of handshakes, one of TIME-WAITs, and the lists that say who has
//! something to do.
//!
//! Invariant: no step walks a table. A segment finds its entity through `demux`, a deadline through the wheel, an
//! output through the ready list. A connection whose next hop is unknown waits aside and blocks nobody.
//!
//! | file | what it holds |
//! |---|---|
//! | `seq`, `segment`, `options` | sequence numbers, a checked segment, what SYNs agree on |
//! | `demux`, `listen`, `handshake`, `time_wait` | who a segment is for, before and after there is a connection |
//! | `passive`, `syn_cache`, `cookie` | a peer's open, what is kept of it, or sent to be kept by the peer |
//! | `negotiation` | what SYNs agree on of congestion marks |
//! | `fast_open`, `fast_open_cookie` | one that brings data, and what shows that it may |
//! | `opening`, `fast_open_client`, `fast_open_cache` | our own open, the data it brings, and what is known of servers |
//! | `origin` | what a connection remembers of its handshake |
//! | `challenge` | how often what belongs to no connection is answered |
//! | `connection`, `input`, `ack`, `output`, `retransmission`, `train` | a connection, what arrives for it, what it sends |
//! | `delayed_ack` | when what arrived is acknowledged |
//! | `send_queue`, `recv_queue`, `reassembly`, `blocks`, `block_tree` | its data |
//! | `intake` | what it holds while data arrives |
//! | `repeated` | what a peer is told of data that came twice or before its time |
//! | `window`, `send_budget`, `budget` | the window it shows, what may wait to be sent, and what all may pin |
//! | `shared`, `starved` | the memory that all connections share, and who found none |
//! | `path_mtu` | how much a packet of it may hold |
//! | `flight` | what it holds while data is on the way |
//! | `timestamps`, `rtt` | its clocks, its timing |
//! | `recovery`, `congestion`, `ecn` | its losses, its share, what marks say of it |
//! | `scoreboard`, `runs`, `delivery`, `sack` | what is known of data on the way, and what an acknowledgment adds |
//! | `rack`, `prr`, `tail_probe`, `undo` | loss by time, what goes meanwhile, asking after a silence, losses that were none |
//! | `rate`, `timers` | how fast the path delivers, and when the sending half acts |
//! | `predicted`, `series` | segments that say what was expected, alone or in a burst |
//! | `coalesce` | others of one flow that came in a burst, made one |
//! | `arrive`, `emit` | the way of a segment in, from `demux` on, and out, from the ready list |
//! | `header`, `reply` | a header that leaves, and segments without a connection |
//! | `ending` | how connections end |
//! | `socket`, `socket_options`, `question`, `handle` | what an application commands, asks and holds |
//! | `totals` | what a connection has moved in all |
//! | `settings`, `keep_alive`, `urgent` | what one connection has that others have not |

mod ack;
mod arrive;
mod block_tree;
mod blocks;
mod budget;
mod byte_counts;
mod challenge;
mod coalesce;
mod congestion;
mod connection;
mod cookie;
mod delayed_ack;
mod delivery;
mod demux;
mod ecn;
mod emit;
mod ending;
mod fast_open;
mod fast_open_cache;
mod fast_open_client;
mod fast_open_cookie;
mod flight;
mod handle;
mod handshake;
mod header;
mod input;
mod intake;
mod keep_alive;
mod listen;
mod negotiation;
mod opening;
mod options;
mod origin;
mod output;
mod pacing;
mod passive;
mod path_mtu;
mod path_search;
mod predicted;
mod prr;
mod question;
mod rack;
mod rate;
mod reassembly;
mod recovery;
mod recv_queue;
mod repeated;
mod reply;
mod retransmission;
mod rtt;
mod runs;
mod sack;
mod scoreboard;
mod segment;
mod send_budget;
mod send_queue;
mod seq;
mod series;
mod settings;
mod shared;
mod socket;
mod socket_options;
mod starved;
mod syn_cache;
mod tail_probe;
mod time_wait;
mod timers;
mod timestamps;
mod totals;
mod train;
mod trouble;
mod undo;
mod urgent;
mod window;

use core::num::NonZeroU32;

use lendwire_nic::{Cell, Cells, Pool, Work};

use self::budget::Account;
use self::coalesce::Batches;
use self::connection::{Connection, Waiting};
use self::demux::{Demux, Entity, Tuple};
use self::fast_open_cache::Servers;
use self::flight::Flights;
use self::intake::Intakes;
use self::predicted::Predictions;
use self::reply::Replies;
use self::seq::Seq;
use self::series::Series;
use self::shared::Shared;
use self::starved::Starved;
use self::syn_cache::SynCache;
use self::time_wait::TimeWaits;
use crate::drops::{Drops, Reason};
use crate::list::{Links, List};
use crate::slab::{Slab, Slot};
use crate::time::Instant;
use crate::wheel::{Timer, Wheel};

pub use self::blocks::Block;
pub use self::coalesce::Batch;
pub use self::congestion::{Algorithm, Paced};
pub use self::connection::{Ended, State};
pub use self::cookie::SynCookies;
pub use self::demux::Bucket;
pub use self::ecn::Ecn;
pub use self::fast_open::FastOpen;
pub use self::fast_open_cache::ServerSlot;
pub use self::fast_open_cookie::FastOpenKeys;
pub use self::flight::Flight;
pub use self::handle::{
    ConnectError, ListenError, ListenerHandle, OptionError, PushError, PushRefused, ReadError, TcpEvent, TcpHandle,
    TcpInfo, TcpUsage, WriteError,
};
pub use self::handshake::Handshake;
pub use self::intake::Intake;
pub use self::keep_alive::KeepAlive;
pub use self::listen::Listener;
pub use self::opening::Opening;
pub use self::path_search::PathSearch;
pub use self::recovery::RecoveryPhase;
pub use self::reply::Reply;
pub use self::runs::Run;
pub use self::settings::Settings;
pub use self::shared::{COPY_BREAK, TcpConfig, TcpStatistics, Writers};
pub use self::syn_cache::SynReceived;
pub use self::time_wait::TimeWait;
pub use self::trouble::Trouble;

/// What a place in the table of connections holds.
#[derive(Debug)]
pub enum Entry {
    /// An active open under way.
    Opening(Opening),
    /// A connection.
    Open(Connection),
    /// An active open that came to nothing, until its handle is closed.
    Failed(Ended),
}

/// The tables of TCP, of whatever capacity the embedder chose. All places are cleared at start.
///
/// What strangers can pin of them, and what happens then:
///
/// | what they do | what it holds | and beyond |
/// |---|---|---|
/// | send SYNs | `handshakes`; of one listener its backlog | SYN cookies, or the oldest of the same listener goes |
/// | complete handshakes that nobody accepts | `connections`: the listener's backlog again | the handshake waits, then is forgotten |
/// | never close | `connections`, for [`TcpConfig::fin_wait`] after we have | |
/// | close again and again | `time_waits` | the one that expires first goes |
/// | leave holes, or send crumbs | `blocks`, and pool slots for the receive budget, or a quarter more | the data is dropped |
/// | do not read | what the application has written, up to [`TcpConfig::send_budget`] | `write` takes no more |
/// | forge segments | `replies`, and some answers: [`TcpConfig::challenge_burst`] | they are dropped |
#[derive(Debug)]
pub struct Storage<'s> {
    /// Listeners.
    pub listeners: &'s mut [Slot<Listener>],
    /// The SYN cache of all listeners.
    pub handshakes: &'s mut [Slot<SynReceived>],
    /// Connections and active opens.
    pub connections: &'s mut [Slot<Entry>],
    /// TIME-WAITs; when all are taken, the one that expires first gives way.
    pub time_waits: &'s mut [Slot<TimeWait>],
    /// The demultiplexing table: twice as many as all of the above, a power of two.
    pub buckets: &'s mut [Bucket],
    /// A timer for each connection and each handshake.
    pub timers: &'s mut [Timer],
    /// Six words for each connection, two for each handshake.
    pub links: &'s mut [u32],
    /// One for each chunk that is queued anywhere.
    pub cells: &'s mut [Cell],
    /// One for each connection that receives data at the same time; others keep nothing that comes before its time.
    pub intakes: &'s mut [Slot<Intake>],
    /// One for each hole in received data.
    pub blocks: &'s mut [Slot<Block>],
    /// One for each connection whose data is being copied.
    pub writers: &'s mut [Slot<Writers>],
    /// One for each connection with socket options that others have not.
    pub settings: &'s mut [Slot<Settings>],
    /// One for each connection that may have data on the way at the same time; others wait for their turn.
    pub flights: &'s mut [Slot<Flight>],
    /// Three for each flight, and more: what is known of data on the way grows coarse where they run out.
    pub runs: &'s mut [Slot<Run>],
    /// Resets and other segments without a connection that wait for a ring.
    pub replies: &'s mut [Option<Reply>],
    /// Flows whose segments may be made one in the same burst; none, and each segment goes its way alone. When all are
    /// taken, the one that began first ends.
    pub batches: &'s mut [Batch],
    /// One for each server whose Fast Open cookie is kept, or that is not to be asked for one; none, and no connection of
    /// ours is opened fast. When all are taken, one that was used long ago gives way.
    pub servers: &'s mut [ServerSlot],
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Tcp<'s> {
    listeners: Slab<'s, Listener>,
    handshakes: SynCache<'s>,
    connections: Slab<'s, Entry>,
    time_waits: TimeWaits<'s>,
    demux: Demux<'s>,
    wheel: Wheel<'s>,
    replies: Replies<'s>,
    batches: Batches<'s>,
    predictions: Predictions,
    series: Series,
    shared: Shared<'s>,
    /// Connections by index, handshakes behind them: see [`Tcp::timer_of`].
    ready_links: Links<'s>,
    ready: List,
    /// Those whose next hop is being asked for.
    waiting_links: Links<'s>,
    waiting: List,
    /// Those that have something to send and no flight, on the same links.
    grounded: List,
    accept_links: Links<'s>,
    event_links: Links<'s>,
    starved: Starved<'s>,
    events: List,
    servers: Servers<'s>,
    secret: [u8; 16],
    /// The connection that a segment came for last: the next one is mostly for it, too.
    last: u32,
    /// How many active opens there were: RFC 6056 §3.3.4's table of counters.
    opened: [u32; 16],
}

impl<'s> Tcp<'s> {
    /// # Panics
    /// If a table that serves others is shorter than [`Storage`] asks.
    pub(crate) fn new(
        storage: Storage<'s>,
        config: TcpConfig,
        pool: &'static Pool,
        secret: [u8; 16],
        now: Instant,
    ) -> Self {
        let (connections, handshakes) = (storage.connections.len(), storage.handshakes.len());
        let both = connections + handshakes;
        let entities = both + storage.time_waits.len() + storage.listeners.len();
        assert!(storage.timers.len() >= both, "a timer for each connection and handshake");
        assert!(storage.links.len() >= 2 * both + 4 * connections, "six links a connection, two a handshake");
        assert!(storage.listeners.len() < 1 << 15, "listeners are counted in 15 bits");
        assert!(storage.buckets.len() > entities, "more buckets than entities");
        let (ready, rest) = storage.links.split_at_mut(both);
        let (waiting, rest) = rest.split_at_mut(both);
        let (accept, rest) = rest.split_at_mut(connections);
        let (event, rest) = rest.split_at_mut(connections);
        let (cell, slot) = rest.split_at_mut(connections);
        let config = config.within(pool);
        let reserve = (storage.cells.len() / 8).max(4);
        Self {
            listeners: Slab::new(storage.listeners),
            handshakes: SynCache::new(storage.handshakes),
            connections: Slab::new(storage.connections),
            time_waits: TimeWaits::new(storage.time_waits),
            demux: Demux::new(storage.buckets),
            wheel: Wheel::new(storage.timers, now),
            replies: Replies::new(storage.replies),
            batches: Batches::new(storage.batches),
            predictions: Predictions::NONE,
            series: Series::NONE,
            shared: Shared {
                cells: Cells::new(storage.cells),
                reserve,
                blocks: Slab::new(storage.blocks),
                intakes: Intakes::new(storage.intakes),
                writers: Slab::new(storage.writers),
                flights: Flights::new(storage.flights, storage.runs),
                settings: Slab::new(storage.settings),
                above_holes: 0,
                received: Account::new(config.receive_memory.unwrap_or(usize::MAX)),
                queued: Account::new(config.send_memory.unwrap_or(usize::MAX)),
                pool,
                config,
                work: Work::default(),
                drops: Drops::default(),
                statistics: TcpStatistics::default(),
            },
            ready_links: Links::new(ready),
            ready: List::EMPTY,
            waiting_links: Links::new(waiting),
            waiting: List::EMPTY,
            grounded: List::EMPTY,
            accept_links: Links::new(accept),
            event_links: Links::new(event),
            starved: Starved::new(cell, slot),
            events: List::EMPTY,
            servers: Servers::new(storage.servers),
            secret,
            last: 0,
            opened: [0; 16],
        }
    }

    pub(crate) fn drops(&self) -> &Drops {
        &self.shared.drops
    }

    pub(crate) fn work(&self) -> Work {
        self.shared.work
    }

    pub(crate) fn statistics(&self) -> TcpStatistics {
        self.shared.statistics
    }

    /// Question: when [`Tcp::on_deadline`] has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.wheel.next_deadline().into_iter().chain(self.time_waits.next_deadline()).min()
    }

    /// Input: time has passed.
    pub(crate) fn on_deadline(&mut self, now: Instant) {
        while let Some(timer) = self.wheel.fire(now) {
            match self.handshake_of(timer) {
                Some(index) => self.on_handshake_deadline(index, now),
                None => self.on_connection_deadline(timer, now),
            }
        }
        while let Some((index, tuple)) = self.time_waits.expire(now) {
            self.demux.remove(self.hash(&tuple), Entity::TimeWait(index));
        }
    }

    fn on_connection_deadline(&mut self, index: u32, now: Instant) {
        match self.connections.by_index_mut(index) {
            Some(Entry::Open(connection)) => {
                let was_answered = !connection.is_unanswered();
                let outcome = connection.on_deadline(now, &mut self.shared);
                if was_answered && connection.is_unanswered() {
                    self.trouble(index, Some(Trouble::Unanswered));
                }
                self.settle(index, outcome, now);
            }
            Some(Entry::Opening(Opening { handshake, .. })) => {
                let goes_on = handshake.on_deadline(now, &self.shared.config);
                if goes_on {
                    let unanswered = Some(Trouble::Unanswered).filter(|_| handshake.is_unanswered());
                    self.trouble(index, unanswered);
                    self.attend(index);
                } else {
                    self.note_silence(index, now);
                    self.fail(index, Ended::TimedOut);
                }
            }
            Some(Entry::Failed(_)) | None => {}
        }
    }

    /// Puts a connection in line for output.
    fn attend_open(&mut self, index: u32, now: Instant) {
        let Some(Entry::Open(connection)) = self.connections.by_index_mut(index) else { return };
        let left = !connection.held && connection.state() == State::FinWait2;
        if left && connection.deadline(&self.shared).is_none() {
            // RFC 9293 §3.10.4 has no bound here: a peer that never closes would hold the connection for ever.
            connection.wait(Waiting::Fin, self.shared.config.fin_wait, now);
        }
        // Its turn arms its timer.
        self.look_at(index);
    }

    fn attend(&mut self, index: u32) {
        self.arm(index);
        self.look_at(index);
    }

    /// Puts what has timer `timer` in line for output.
    fn look_at(&mut self, timer: u32) {
        self.ready_links.push_back(&mut self.ready, timer);
    }

    fn arm(&mut self, index: u32) {
        let deadline = match self.connections.by_index(index) {
            Some(Entry::Open(connection)) => connection.deadline(&self.shared),
            Some(Entry::Opening(opening)) => opening.handshake.deadline,
            Some(Entry::Failed(_)) | None => None,
        };
        if let Some(deadline) = deadline {
            self.wheel.arm(index, deadline);
        }
    }

    /// Tells the application that something happened on the connection in place `index`.
    fn tell(&mut self, index: u32) {
        self.event_links.push_back(&mut self.events, index);
    }

    fn reply(&mut self, reply: Option<Reply>) {
        let Some(reply) = reply else { return };
        if reply.flags.contains(crate::wire::tcp::Flags::RST) {
            self.shared.statistics.resets += 1;
        }
        if !self.replies.push(reply) {
            self.shared.drops.count(Reason::ReplyQueueFull);
        }
    }

    fn hash(&self, tuple: &Tuple) -> u32 {
        tuple.hash(&self.secret, 0) as u32
    }

    /// RFC 6528: a clock of 4 microseconds, from a point that only we can know for each tuple.
    fn initial_sequence(&self, tuple: &Tuple, now: Instant) -> Seq {
        Seq((now.micros() / 4) as u32) + tuple.hash(&self.secret, 1) as u32
    }

    /// RFC 7323 §7.1: where the clock that each tuple sees begins.
    fn clock_start(&self, tuple: &Tuple) -> NonZeroU32 {
        NonZeroU32::new(tuple.hash(&self.secret, 3) as u32).unwrap_or(NonZeroU32::MIN)
    }

    /// The timer, and place in the lists, of a connection or handshake.
    fn timer_of(&self, entity: Entity) -> u32 {
        match entity {
            Entity::Connection(index) | Entity::TimeWait(index) | Entity::Listener(index) => index,
            Entity::Handshake(index) => self.connections.capacity() as u32 + index,
        }
    }

    /// The handshake whose timer this is, if it is one's.
    fn handshake_of(&self, timer: u32) -> Option<u32> {
        timer.checked_sub(self.connections.capacity() as u32)
    }
}

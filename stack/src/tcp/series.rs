//! Predicted segments of one connection that follow each other in one burst, taken in together.
//!
//! Invariant: a series is either data in order or acknowledgments of new data alone, each of which could have gone its way
//! by itself, and would have left the connection where the series leaves it: nothing else of the connection happens in
//! between, for whatever else comes ends the series first, and no burst leaves one. What the steps of RFC 9293 §3.10.7.4 ask
//! of a segment is asked in [`Connection::series`] of the first and in [`Series::takes`] of each, before anything is
//! changed; whom it turns away goes through all of them, in `input`.
//!
//! Of the numbers that segments bring each counts as it would one by one: the last acknowledgment and window, of the
//! sender's time the first where there is data (RFC 7323 §4.3) and the last where there is none. Of several acknowledgments
//! congestion control is told how many they were.
//!
//! As in `coalesce` all segments of a series are as long as the first, but the last, and a push ends it.

use lendwire_nic::{RxPacket, Sum};

use super::ack::Means;
use super::budget::Level;
use super::connection::{Connection, OurFin, Outcome, PeerFin};
use super::ecn::Feedback;
use super::flight::Flight;
use super::predicted::Said;
use super::recv_queue::{HALF_A_SLOT, RecvQueue};
use super::seq::Seq;
use super::shared::{COPY_BREAK, Shared};
use super::totals;
use super::{Entry, Tcp};
use crate::drops::Reason;
use crate::ip::{InterfaceId, Ip, check_payload};
use crate::slab::Key;
use crate::time::Instant;

/// See the module.
#[derive(Debug)]
pub(super) struct Series {
    /// Whose it is, while there is one.
    connection: Option<Key>,
    pub(super) segments: u32,
    /// Where the first one began, and the last one.
    pub(super) start: Seq,
    pub(super) newest: Seq,
    /// The number behind the last.
    next: Seq,
    /// Data bytes of the first; none of an acknowledgment.
    pub(super) size: u32,
    /// Bytes that there is a window for, and pinned memory that there is a budget for.
    room: u32,
    budget: u32,
    /// What the last one acknowledges, and how far that may move.
    pub(super) ack: Seq,
    max: Seq,
    /// Bytes by which each further one may move it on: none where each has its own effect.
    step: u32,
    /// How many have.
    acknowledgments: u32,
    pub(super) window: u16,
    pub(super) most_window: u16,
    /// Time of the first one's sender, and of the last one's.
    pub(super) first_value: u32,
    pub(super) value: u32,
    pub(super) echo: u32,
    data: RecvQueue,
}

impl Series {
    pub(super) const NONE: Self = Self {
        connection: None,
        segments: 0,
        start: Seq(0),
        newest: Seq(0),
        next: Seq(0),
        size: 0,
        room: 0,
        budget: 0,
        ack: Seq(0),
        max: Seq(0),
        step: 0,
        acknowledgments: 0,
        window: 0,
        most_window: 0,
        first_value: 0,
        value: 0,
        echo: 0,
        data: RecvQueue::NEW,
    };

    /// Whether `said` follows what the series has.
    #[inline]
    fn takes(&self, said: &Said, packet: &RxPacket, shared: &Shared<'_>) -> bool {
        let moves = said.ack.since(self.ack);
        let joins = if said.len == 0 {
            // What says nothing new is a duplicate, or about a window: neither may be lost among others.
            self.size == 0 && moves > 0
        } else {
            // Small ones are copied together.
            said.len <= self.size && self.size > COPY_BREAK as u32 && self.has_room(said, packet, shared)
        };
        joins
            && self.connection == Some(said.connection)
            && said.seq == self.next
            // Neither back nor too far; RFC 5961 §5.2.
            && moves <= self.step
            && !said.ack.after(self.max)
            // RFC 7323 §5.3 R1.
            && said.timestamps.value.wrapping_sub(self.value) as i32 >= 0
    }

    /// Whether there are a window, memory and cells for the data.
    #[inline]
    fn has_room(&self, said: &Said, packet: &RxPacket, shared: &Shared<'_>) -> bool {
        let charged = packet.pinned().max(said.len as usize) as u32;
        said.len <= self.room
            && self.data.charged() + charged <= self.budget
            && shared.received.level() != Level::Full
            && shared.has_cells(packet.chunks().len())
    }

    #[inline]
    fn note(&mut self, said: &Said) {
        self.segments += 1;
        self.newest = said.seq;
        self.next = said.seq + said.len;
        self.room -= said.len;
        self.acknowledgments += u32::from(said.ack != self.ack);
        self.ack = said.ack;
        self.window = said.window;
        self.most_window = self.most_window.max(said.window);
        self.value = said.timestamps.value;
        self.echo = said.timestamps.echo;
    }
}

impl Tcp<'_> {
    /// Input: a frame that came over `interface`. Says whether it was predicted, and so is dealt with; else nothing has
    /// changed, and it is to go the long way.
    #[inline]
    pub(crate) fn predicted(
        &mut self,
        interface: InterfaceId,
        packet: &mut RxPacket,
        ip: &mut Ip<'_>,
        now: Instant,
    ) -> bool {
        let Some(said) = self.predictions.said(interface, packet, ip) else { return false };
        if !self.series.takes(&said, packet, &self.shared) {
            self.end_series(ip, now);
            // Batches come before what came later.
            if !self.batches.is_empty() || !self.begin_series(&said, packet) {
                return false;
            }
        }
        self.take_in(&said, packet, ip, now)
    }

    /// Makes the series one of the connection that `said` is for, without a segment yet, if that may begin one.
    fn begin_series(&mut self, said: &Said, packet: &RxPacket) -> bool {
        let Some(Entry::Open(connection)) = self.connections.at(said.connection) else { return false };
        let Some(series) = connection.series(said, packet, &self.shared) else { return false };
        self.series = series;
        true
    }

    /// The caller has seen that the series takes it.
    #[inline]
    fn take_in(&mut self, said: &Said, packet: &mut RxPacket, ip: &mut Ip<'_>, now: Instant) -> bool {
        let Self { series, shared, .. } = self;
        let header = &packet.front()[crate::ip::FRONT..said.offset];
        let head = said.pseudo.then(Sum::of(header));
        packet.truncate(said.offset + said.len as usize);
        packet.advance(said.offset);
        shared.statistics.segments_received += 1;
        // RFC 9293 MUST-3: the checksum comes before anything that the segment says is believed.
        if check_payload(packet, head, &mut shared.work).is_err() {
            shared.drops.count(Reason::TcpChecksum);
            // Nor does what it says begin anything.
            series.connection = series.connection.filter(|_| series.segments > 0);
            return true;
        }
        while let Some(chunk) = packet.pop() {
            series.data.push(chunk, None, shared).expect("the cells were counted");
        }
        series.note(said);
        if said.is_pushed || said.len < series.size {
            self.end_series(ip, now);
        }
        true
    }

    /// Input: something else comes, or the burst is over.
    #[inline]
    pub(crate) fn end_series(&mut self, ip: &mut Ip<'_>, now: Instant) {
        if self.series.segments > 0 {
            self.take_series(ip, now);
        }
        self.series.connection = None;
    }

    fn take_series(&mut self, ip: &mut Ip<'_>, now: Instant) {
        let Self { series, connections, shared, .. } = self;
        let Some((key, Entry::Open(connection))) =
            series.connection.and_then(|key| Some((key, connections.at_mut(key)?)))
        else {
            return;
        };
        shared.statistics.arrivals += 1;
        let (una, was_timed) = (connection.send.una, connection.is_timed(shared));
        connection.on_series(series, now, shared);
        if connection.send.una != una && was_timed && !connection.is_timed(shared) {
            // RFC 4861 §7.3.1: an acknowledgment of new data shows that the next hop forwards.
            ip.confirm(connection.tuple.remote(), now);
        }
        series.segments = 0;
        self.last = key.index;
        self.tell(key.index);
        self.settle(key.index, Outcome::Open, now);
    }
}

impl Connection {
    /// Question: the series, without a segment yet, that the one in `packet` begins, if nothing is to be done for it but
    /// what [`Connection::on_series`] does.
    fn series(&self, said: &Said, packet: &RxPacket, shared: &Shared<'_>) -> Option<Series> {
        let (send, receive) = (&self.send, &self.receive);
        // ESTABLISHED, and the application is there: no FIN is awaited, acknowledged or to be followed by a TIME-WAIT.
        let is_established = self.ended.is_none()
            && self.held
            && !self.is_early()
            && send.fin == OurFin::None
            && receive.fin == PeerFin::None
            && self.ecn == Feedback::None;
        let value = said.timestamps.value;
        let recent = self.stamps.map_or(value, |stamps| stamps.recent());
        // In order, also behind what last moved the window, which may have come before its time; RFC 5961 §5.2: acknowledging
        // what is in flight, or nothing new; RFC 7323 §5.3 R1: not older than what was seen.
        let is_next = said.seq == receive.nxt
            && !send.wl1.after(said.seq)
            && !said.ack.before(send.una)
            && !said.ack.after(send.max)
            && value.wrapping_sub(recent) as i32 >= 0;
        let is_news = said.len > 0 || said.ack.after(send.una);
        // What answers a probe of a window does more.
        if !is_established || !is_next || !is_news || self.is_probing() {
            return None;
        }
        let mut series = Series {
            connection: Some(said.connection),
            segments: 0,
            start: said.seq,
            newest: said.seq,
            next: said.seq,
            size: said.len,
            room: receive.edge.since(receive.nxt),
            budget: 0,
            ack: send.una,
            max: send.max,
            step: 0,
            acknowledgments: 0,
            window: 0,
            most_window: 0,
            first_value: value,
            value,
            echo: 0,
            data: RecvQueue::NEW,
        };
        // While something is being recovered each acknowledgment has its own effect, and so has one that stands for more than
        // two segments (RFC 3465 §2.2: slow start takes in no more for it).
        let is_steady = |flight: &Flight| flight.recovery.sees_nothing() && !flight.recovery.repeats(said.ack);
        let most = 2 * u32::from(send.mss);
        if said.ack.since(send.una) <= most && self.flight(shared).is_some_and(is_steady) {
            series.step = most;
        }
        if said.len == 0 {
            return Some(series);
        }
        // What fills a hole, or is copied behind what came before it, goes its own way.
        let is_copied = said.len <= COPY_BREAK as u32 && receive.after_small && !receive.queue.is_empty();
        if is_copied || self.has_holes(shared) {
            return None;
        }
        // See `gathers` and `has_room`: short ones are copied together from the budget on, long ones refused from twice that.
        let limit = if said.len <= HALF_A_SLOT as u32 { self.budget } else { self.budget.saturating_mul(2) };
        series.budget = limit.saturating_sub(receive.queue.charged());
        series.has_room(said, packet, shared).then_some(series)
    }

    /// Input: a whole series.
    fn on_series(&mut self, series: &mut Series, now: Instant, shared: &mut Shared<'_>) {
        self.hear(now, shared);
        self.segments.on_received(series.segments);
        let echo = self.stamps.map(|_| series.echo);
        if series.ack.after(self.send.una) {
            self.on_ack(
                series.ack,
                echo,
                &Means { acknowledgments: series.acknowledgments, ..Means::NOTHING_ELSE },
                now,
                shared,
            );
            self.run_timer(now, shared);
        }
        // RFC 9293 §3.10.7.4: none of it is older than what last moved the window.
        self.send.window = u32::from(series.window) << self.send.scale;
        self.send.max_window = self.send.max_window.max(u32::from(series.most_window) << self.send.scale);
        self.send.wl1 = series.newest;
        let value = if series.size > 0 { series.first_value } else { series.value };
        // RFC 7323 §4.3: see `record_timestamps`.
        if let Some(stamps) = self.stamps.as_mut().filter(|_| !series.start.after(self.receive.acknowledged)) {
            stamps.record(value, now);
        }
        if series.size > 0 {
            self.take_data(series, now, shared);
        }
    }

    fn take_data(&mut self, series: &mut Series, now: Instant, shared: &mut Shared<'_>) {
        let before = self.receive.nxt;
        // As they would one by one: of a shorter last one, and of the full ones before it.
        let last = series.next.since(series.newest);
        let is_short = last < series.size;
        self.receive.after_small = last <= COPY_BREAK as u32;
        self.learn_size(series.size as u16, series.segments - u32::from(is_short));
        if is_short {
            self.learn_size(last as u16, 1);
        }
        self.receive.nxt = series.next;
        self.receive.queue.append(&mut series.data, shared);
        let laps = totals::laps(self.receive.first, before, self.receive.nxt);
        self.receive.laps = self.receive.laps.wrapping_add(laps);
        // Two of them are owed an acknowledgment at once if they are two full ones, as they would be one by one.
        self.owe(1, false, now, shared);
        self.look_at_need(self.stamps.map(|_| series.echo), now, shared);
    }
}

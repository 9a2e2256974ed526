//! Segments of one flow that came in one burst, made one before TCP looks at them (generic receive offload).
//!
//! Invariant: a batch is what a device that coalesces could have handed up, and nothing is held beyond a burst. Its
//! segments are checked already, stood next to each other in the stream, have the length of the first (the last may be
//! shorter) and the same DSCP and ECN, no options but timestamps, and no flags but ACK, PSH on the last, and what all of
//! them say of congestion (ECE, CWR, AE).
//! Acknowledgment, window and echoed time may move on from segment to segment; the last one's count, as they would one by
//! one, and congestion control takes the step for what a stretched acknowledgment is (RFC 3465 §2.2). Of the sender's own
//! time the first counts, for of what one acknowledgment answers that is the one to echo (RFC 7323 §4.3). Whatever else
//! comes for the flow ends the batch first, so order is kept. No byte is copied or read: the chunks move, with their sums.

use lendwire_nic::{Pool, RxPacket, Sum};

use super::Tcp;
use super::demux::Tuple;
use super::segment::Arrival;
use super::seq::Seq;
use super::shared::COPY_BREAK;
use crate::drops::Reason;
use crate::ip::{InterfaceId, Ip, Repeated, check_payload};
use crate::time::Instant;
use crate::wire::tcp::{Flags, Segment};
use crate::wire::tcp_options::Timestamps;

/// Data bytes of the longest batch: the longest that a device can hand up.
const LONGEST: usize = u16::MAX as usize;

/// Room for one batch.
#[derive(Debug)]
pub struct Batch {
    segment: Option<Arrival>,
    /// How many batches began before it.
    order: u64,
}

impl Batch {
    /// An empty place.
    pub const EMPTY: Self = Self { segment: None, order: 0 };
}

/// The batches of a burst; storage is handed in.
#[derive(Debug)]
pub(super) struct Batches<'s> {
    places: &'s mut [Batch],
    open: usize,
    begun: u64,
    /// The one that the last segment which came is in.
    newest: Option<usize>,
}

impl Tcp<'_> {
    /// A segment joins the batch of its flow, begins one, or goes its way at once.
    pub(super) fn coalesce(&mut self, mut segment: Arrival, ip: &mut Ip<'_>, now: Instant) {
        if let Some(place) = self.batches.of_flow(&segment.tuple) {
            let (next, chunks) = (Next::of(&segment), segment.payload.chunks().len());
            if self.batches.takes(place, &next, chunks, self.shared.pool) {
                return self.join(place, &next, &mut segment.payload, ip, now);
            }
            self.end_batch(place, ip, now);
        }
        if !begins_batch(&segment) || self.batches.places.is_empty() {
            return self.on_segment(segment, ip, now);
        }
        if self.batches.open == self.batches.places.len() {
            self.end_first(ip, now);
        }
        self.batches.begin(segment);
    }

    /// Input: a frame of which IP says what it said of the last one. It joins the batch of the last one, checked as any other
    /// is, if that is all there is to do; where it does not, nothing has changed.
    pub(crate) fn continues(
        &mut self,
        frame: &mut RxPacket,
        repeated: &Repeated,
        ip: &mut Ip<'_>,
        now: Instant,
    ) -> bool {
        let Some(place) = self.batches.newest.filter(|_| frame.segment_size.is_none()) else { return false };
        let Some(held) = self.batches.places[place].segment.as_ref() else { return false };
        let Some(Ok(segment)) = frame.front().get(repeated.offset..).map(Segment::parse) else { return false };
        let header_len = segment.header_len();
        let Some(len) = repeated.len.checked_sub(header_len) else { return false };
        let Some(next) = Next::of_header(&segment, len, held) else { return false };
        let chunks = frame.chunks().len();
        if !self.batches.takes(place, &next, chunks, self.shared.pool) {
            return false;
        }
        self.shared.statistics.segments_received += 1;
        let head = repeated.pseudo.then(Sum::of(&frame.front()[repeated.offset..][..header_len]));
        frame.truncate(repeated.offset + repeated.len);
        frame.advance(repeated.offset + header_len);
        // RFC 9293 MUST-3: the checksum comes before anything that the segment says is believed.
        match check_payload(frame, head, &mut self.shared.work) {
            Ok(()) => self.join(place, &next, frame, ip, now),
            Err(_) => self.shared.drops.count(Reason::TcpChecksum),
        }
        true
    }

    /// A segment that is looked at by itself comes, good or bad. What IP says next is held against it, and no longer against
    /// the batch that another one is in, which may be another peer's.
    pub(super) const fn forget_newest(&mut self) {
        self.batches.newest = None;
    }

    /// The caller has seen that the batch in `place` takes it.
    fn join(&mut self, place: usize, next: &Next, payload: &mut RxPacket, ip: &mut Ip<'_>, now: Instant) {
        match self.batches.join(place, next, payload) {
            Joined::Open => self.batches.newest = Some(place),
            Joined::Complete => self.end_batch(place, ip, now),
        }
    }

    /// Input: the burst is over, and so are its batches.
    pub(crate) fn end_burst(&mut self, ip: &mut Ip<'_>, now: Instant) {
        while self.batches.open > 0 {
            self.end_first(ip, now);
        }
    }

    fn end_first(&mut self, ip: &mut Ip<'_>, now: Instant) {
        if let Some(place) = self.batches.first() {
            self.end_batch(place, ip, now);
        }
    }

    fn end_batch(&mut self, place: usize, ip: &mut Ip<'_>, now: Instant) {
        if let Some(segment) = self.batches.end(place) {
            self.on_segment(segment, ip, now);
        }
    }
}

/// What a batch is with one more segment in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Joined {
    Open,
    /// Nothing can follow.
    Complete,
}

impl<'s> Batches<'s> {
    pub(super) fn new(places: &'s mut [Batch]) -> Self {
        places.fill_with(|| Batch::EMPTY);
        Self { places, open: 0, begun: 0, newest: None }
    }

    pub(super) const fn is_empty(&self) -> bool {
        self.open == 0
    }

    fn of_flow(&self, tuple: &Tuple) -> Option<usize> {
        if self.open == 0 {
            return None;
        }
        self.places.iter().position(|batch| batch.segment.as_ref().is_some_and(|held| held.tuple == *tuple))
    }

    /// Whether `next` follows what is in `place`, and the list of chunks has, or can be given, room for it.
    fn takes(&mut self, place: usize, next: &Next, needed: usize, pool: &'static Pool) -> bool {
        let Some(held) = self.places[place].segment.as_mut().filter(|held| follows(held, next)) else { return false };
        if held.payload.room() < needed
            && let Some(slot) = pool.take()
        {
            held.payload.spill(slot);
        }
        held.payload.room() >= needed
    }

    /// The caller has seen that the batch takes it.
    fn join(&mut self, place: usize, next: &Next, payload: &mut RxPacket) -> Joined {
        let Some(held) = &mut self.places[place].segment else { return Joined::Complete };
        let size = held.size();
        while let Some(chunk) = payload.pop() {
            held.payload.push(chunk).expect("its room was counted");
        }
        held.payload.segment_size = Some(size as u16);
        (held.ack, held.window, held.newest) = (next.ack, next.window, next.seq);
        if let (Some(held), Some(next)) = (&mut held.timestamps, next.timestamps) {
            held.echo = next.echo;
        }
        let is_short = !held.payload.len().is_multiple_of(size);
        if is_short || next.flags.contains(Flags::PSH) { Joined::Complete } else { Joined::Open }
    }

    /// The caller has made room.
    fn begin(&mut self, segment: Arrival) {
        let Some(place) = self.places.iter().position(|batch| batch.segment.is_none()) else { return };
        self.begun += 1;
        self.open += 1;
        self.newest = Some(place);
        self.places[place] = Batch { segment: Some(segment), order: self.begun };
    }

    fn end(&mut self, place: usize) -> Option<Arrival> {
        let segment = self.places[place].segment.take()?;
        self.open -= 1;
        // Whatever follows is looked at anew.
        self.newest = None;
        Some(segment)
    }

    /// The one that began first.
    fn first(&self) -> Option<usize> {
        let held = self.places.iter().enumerate().filter(|(_, batch)| batch.segment.is_some());
        held.min_by_key(|(_, batch)| batch.order).map(|(place, _)| place)
    }
}

/// Whether more may follow `segment`. Small ones are left alone: a run of them is copied together, so that each does not
/// pin a slot.
fn begins_batch(segment: &Arrival) -> bool {
    let (len, size) = (segment.payload.len(), segment.size());
    segment.flags.difference(Flags::ACE) == Flags::ACK
        && !segment.has_options
        && size > COPY_BREAK
        && len < LONGEST
        && len.is_multiple_of(size)
}

/// What is asked of a segment that may join a batch.
#[derive(Clone, Copy, Debug)]
struct Next {
    interface: InterfaceId,
    traffic_class: u8,
    seq: Seq,
    ack: Option<Seq>,
    flags: Flags,
    window: u16,
    timestamps: Option<Timestamps>,
    has_options: bool,
    len: usize,
    segment_size: Option<u16>,
}

impl Next {
    fn of(segment: &Arrival) -> Self {
        Self {
            interface: segment.interface,
            traffic_class: segment.traffic_class,
            seq: segment.seq,
            ack: segment.ack,
            flags: segment.flags,
            window: segment.window,
            timestamps: segment.timestamps,
            has_options: segment.has_options,
            len: segment.payload.len(),
            segment_size: segment.payload.segment_size,
        }
    }

    /// The same of a header in front of `len` bytes, if its ports are those of `held`, as what IP says is, and it has no
    /// options but timestamps in their usual form.
    fn of_header(segment: &Segment<'_>, len: usize, held: &Arrival) -> Option<Self> {
        let header = segment.header;
        let timestamps = if segment.options.is_empty() { None } else { Some(Timestamps::alone(segment.options)?) };
        let (flags, ack) = (segment.flags(), Seq(header.acknowledgment.get()));
        let ports = (header.destination_port.get(), header.source_port.get());
        let next = Self {
            interface: held.interface,
            traffic_class: held.traffic_class,
            seq: Seq(header.sequence.get()),
            ack: Some(ack).filter(|_| flags.contains(Flags::ACK)),
            flags,
            window: header.window.get(),
            timestamps,
            has_options: false,
            len,
            segment_size: None,
        };
        Some(next).filter(|_| ports == (held.tuple.local_port, held.tuple.remote_port))
    }
}

/// Whether `next`, of the same flow, can be made one with `held`.
fn follows(held: &Arrival, next: &Next) -> bool {
    let (size, len) = (held.size(), next.len);
    let is_as_long = next.segment_size.map_or(len <= size, |each| usize::from(each) == size);
    let moves_on = match (held.ack, next.ack) {
        (Some(held), Some(next)) => !next.before(held),
        (None, _) | (_, None) => false,
    };
    // RFC 7323 §5.3: what is older than what came before it must not hide behind it.
    let stamps_move_on = match (held.timestamps, next.timestamps) {
        (Some(held), Some(next)) => next.value.wrapping_sub(held.value) as i32 >= 0,
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    };
    next.seq == held.seq + held.payload.len() as u32
        && next.flags.difference(Flags::PSH) == held.flags
        && !next.has_options
        && stamps_move_on
        && next.traffic_class == held.traffic_class
        && next.interface == held.interface
        && len > 0
        && is_as_long
        && moves_on
        && held.payload.len() + len <= LONGEST
}

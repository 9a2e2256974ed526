//! What a capture on the sender's side of a path would show, and what the sender says of itself meanwhile.
//!
//! Numbers are relative to the initial ones, and 64 bits wide: a trace has no wraps.

use lendwire::tcp::TcpInfo;

use super::frame::Frame;
use super::link::Outcome;
use super::world::Direction;

/// Bytes of an Ethernet header.
const ETHERNET: usize = 14;

/// Everything that was seen.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// What the senders sent, in order.
    pub sent: Vec<Sent>,
    /// The acknowledgments that reached them.
    pub acknowledged: Vec<Acknowledged>,
    /// What they said of themselves.
    pub samples: Vec<Sample>,
    flows: [Numbers; FLOWS],
}

/// Flows that one trace holds.
const FLOWS: usize = 4;

/// A data segment that was sent.
#[derive(Clone, Copy, Debug)]
pub struct Sent {
    /// When, in nanoseconds.
    pub at: u64,
    /// By which flow.
    pub flow: usize,
    /// Its first byte.
    pub seq: u64,
    /// Bytes.
    pub len: u32,
    /// What the path made of it.
    pub fate: Fate,
    /// Whether its first byte was sent before.
    pub again: bool,
}

/// What became of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes to the receiver.
    Carried,
    /// It does so with a mark of congestion.
    Marked,
    /// It does not.
    Dropped,
}

impl From<Outcome> for Fate {
    fn from(outcome: Outcome) -> Self {
        match outcome {
            Outcome::Carried => Self::Carried,
            Outcome::Marked => Self::Marked,
            Outcome::Dropped => Self::Dropped,
        }
    }
}

/// An acknowledgment that arrived.
#[derive(Clone, Copy, Debug)]
pub struct Acknowledged {
    /// When, in nanoseconds.
    pub at: u64,
    /// For which flow.
    pub flow: usize,
    /// The next byte that the receiver waits for.
    pub ack: u64,
    /// Where its window ends.
    pub edge: u64,
    /// What it has beyond a hole (RFC 2018): from, to.
    pub blocks: [(u64, u64); 4],
}

/// What a sender said of itself.
#[derive(Clone, Copy, Debug)]
pub struct Sample {
    /// When, in nanoseconds.
    pub at: u64,
    /// Of which flow.
    pub flow: usize,
    /// What it said.
    pub info: TcpInfo,
}

/// What is known of a flow's numbers.
#[derive(Clone, Copy, Debug, Default)]
struct Numbers {
    initial: Option<u32>,
    /// The highest number sent, relative.
    max: u64,
    /// The receiver's shift of its windows.
    shift: u8,
}

impl Numbers {
    /// The relative number that `seq` stands for: the one nearest to the highest sent.
    fn relative(&self, seq: u32) -> u64 {
        let low = seq.wrapping_sub(self.initial.unwrap_or(seq));
        let behind = (self.max as u32).wrapping_sub(low) as i32;
        self.max.saturating_add_signed(-i64::from(behind))
    }
}

/// A TCP header as a capture reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Segment {
    flow: usize,
    seq: u32,
    len: u32,
    syn: bool,
}

impl Trace {
    /// What a frame is, if it is TCP. The window scale of a receiver's SYN-ACK is learnt from its arrival.
    pub(super) fn read(&self, direction: Direction, flow: usize, frame: &Frame) -> Option<Segment> {
        let tcp = tcp_of(frame).filter(|_| direction == Direction::Forward)?;
        let syn = tcp[13] & 2 != 0;
        Some(Segment { flow, seq: word(tcp, 4), len: frame.payload_len(), syn })
    }

    /// A sender sent `segment`.
    pub(super) fn sent(&mut self, at: u64, segment: Segment, fate: Fate) {
        let numbers = &mut self.flows[segment.flow];
        if segment.syn {
            numbers.initial = Some(segment.seq.wrapping_add(1));
        }
        if segment.len == 0 {
            return;
        }
        let seq = numbers.relative(segment.seq);
        let again = seq < numbers.max;
        numbers.max = numbers.max.max(seq + u64::from(segment.len));
        self.sent.push(Sent { at, flow: segment.flow, seq, len: segment.len, fate, again });
    }

    /// A frame reached a sender.
    pub(super) fn arrived(&mut self, at: u64, flow: usize, frame: &Frame) {
        let Some(tcp) = tcp_of(frame) else { return };
        let numbers = &mut self.flows[flow];
        let options = &tcp[20..usize::from(tcp[12] >> 4) * 4];
        let syn = tcp[13] & 2 != 0;
        if let (true, Some(shift)) = (syn, option(options, 3)) {
            numbers.shift = shift[0];
        }
        let ack = numbers.relative(word(tcp, 8));
        let window = u64::from(u16::from_be_bytes([tcp[14], tcp[15]])) << if syn { 0 } else { numbers.shift };
        let mut blocks = [(0, 0); 4];
        let sacked = option(options, 5).unwrap_or(&[]);
        for (block, bytes) in blocks.iter_mut().zip(sacked.chunks_exact(8)) {
            *block = (numbers.relative(word(bytes, 0)), numbers.relative(word(bytes, 4)));
        }
        self.acknowledged.push(Acknowledged { at, flow, ack, edge: ack + window, blocks });
    }
}

/// The TCP header and its options.
fn tcp_of(frame: &Frame) -> Option<&[u8]> {
    let ip = &frame.header()[ETHERNET..];
    let (len, protocol) = match ip.first()? >> 4 {
        4 => (usize::from(ip[0] & 15) * 4, ip[9]),
        6 => (40, ip[6]),
        _ => return None,
    };
    (frame.is_ip() && protocol == 6).then(|| &ip[len..])
}

fn word(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The body of the first option of `kind`.
fn option(mut options: &[u8], kind: u8) -> Option<&[u8]> {
    loop {
        match *options {
            [1, ..] => options = &options[1..],
            [0, ..] | [] | [_] => return None,
            [found, len, ..] => {
                let body = options.get(2..usize::from(len))?;
                if found == kind {
                    return Some(body);
                }
                options = &options[usize::from(len)..];
            }
        }
    }
}

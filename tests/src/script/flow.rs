//! One connection of a script: which ports it has, and what the script's relative numbers are on the wire.
//!
//! Numbers of a SYN are the script's own; in every other segment they count from the SYN, as tcpdump prints them. The
//! numbers that the stack chooses are learned from its SYN, its timestamps from the first one.
//!
//! Invariant: mapping to the wire and back is the identity, also before anything was learned.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use super::ast::{Segment, TcpOption};
use super::parse_packet::{ACK, SYN};
use crate::stream;

/// The number of a peer's SYN that a script calls 0: close to the wrap, so that most scripts with data cross it.
const BASE: u32 = u32::MAX - 500;

/// The number of a SYN, in the script and on the wire.
#[derive(Clone, Copy, Debug, Default)]
struct Start {
    script: u32,
    live: u32,
    is_known: bool,
}

impl Start {
    /// What a script's number is more on the wire.
    fn offset(self, is_syn: bool) -> u32 {
        match (self.is_known, is_syn) {
            (true, true) => self.live.wrapping_sub(self.script),
            (true, false) => self.live,
            (false, _) => 0,
        }
    }
}

/// See the module.
#[derive(Clone, Debug)]
pub(super) struct Flow {
    pub(super) protocol: u8,
    pub(super) local: SocketAddr,
    pub(super) remote: SocketAddr,
    ours: Start,
    theirs: Start,
    last_syn: u32,
    /// Everything that the application has written.
    pub(super) written: Vec<u8>,
    /// How much of it was seen, where datagrams carry it.
    pub(super) seen: usize,
    stamps: Stamps,
    /// A flow label, in the script and on the wire.
    pub(super) label: Option<(u32, u32)>,
}

/// Timestamps of the stack: the script's, and the wire's.
#[derive(Clone, Debug, Default)]
struct Stamps {
    first: Option<(u32, u32)>,
    known: BTreeMap<u32, u32>,
}

impl Flow {
    pub(super) fn new(protocol: u8, local: SocketAddr, remote: SocketAddr) -> Self {
        Self {
            protocol,
            local,
            remote,
            ours: Start::default(),
            theirs: Start::default(),
            last_syn: 0,
            written: Vec::new(),
            seen: 0,
            stamps: Stamps::default(),
            label: None,
        }
    }

    /// A script's segment goes to the stack: what it is on the wire. Of a SYN it is remembered where it begins.
    pub(super) fn send(&mut self, line: &Segment) -> Segment {
        let is_syn = line.flags & SYN != 0;
        if is_syn {
            self.last_syn = line.seq;
            if !self.theirs.is_known {
                self.theirs = Self::start_of_peer(line.seq);
            }
        }
        let mut live = line.clone();
        if !line.absolute {
            live.seq = line.seq.wrapping_add(self.theirs.offset(is_syn));
        }
        let ours = self.ours.offset(is_syn);
        if line.flags & ACK != 0 {
            live.ack = line.ack.wrapping_add(ours);
        }
        for option in live.options.iter_mut().flatten() {
            match option {
                TcpOption::Sack(blocks) => shift(blocks, ours),
                TcpOption::Timestamp(_, Some(echo)) if line.flags & ACK != 0 => *echo = self.stamps.to_wire(*echo),
                _ => {}
            }
        }
        live
    }

    fn start_of_peer(script: u32) -> Start {
        Start { script, live: BASE.wrapping_add(script), is_known: true }
    }

    /// Learns from a segment of the stack where its numbers begin; `script` is what the script calls its number.
    pub(super) fn learn(&mut self, live: &Segment, script: u32) {
        if live.flags & SYN == 0 || (self.ours.is_known && self.ours.live == live.seq) {
            return;
        }
        let is_new_life = self.ours.is_known;
        self.ours = Start { script, live: live.seq, is_known: true };
        if is_new_life {
            // The same ports again, after TIME-WAIT.
            self.written.clear();
            self.stamps = Stamps::default();
            self.theirs = if live.flags & ACK != 0 { Self::start_of_peer(self.last_syn) } else { Start::default() };
        }
    }

    /// A segment of the stack, as a script would write it.
    pub(super) fn to_script(&self, live: &Segment, is_absolute: bool) -> Segment {
        let is_syn = live.flags & SYN != 0;
        let mut line = live.clone();
        if !is_absolute {
            line.seq = live.seq.wrapping_sub(self.ours.offset(is_syn));
        }
        let theirs = self.theirs.offset(is_syn);
        if live.flags & ACK != 0 {
            line.ack = live.ack.wrapping_sub(theirs);
        }
        for option in line.options.iter_mut().flatten() {
            match option {
                TcpOption::Sack(blocks) => shift(blocks, theirs.wrapping_neg()),
                TcpOption::Timestamp(Some(value), _) => *value = self.stamps.to_script(*value),
                _ => {}
            }
        }
        line
    }

    /// A number of the stack's own, outside of a SYN, as it is on the wire.
    pub(super) fn own_number(&self, script: u32) -> u32 {
        script.wrapping_add(self.ours.offset(false))
    }

    /// What is needed to show segments, without what was written.
    pub(super) fn view(&self) -> Self {
        let Self { protocol, local, remote, ours, theirs, last_syn, label, .. } = *self;
        let stamps = Stamps { first: self.stamps.first, known: BTreeMap::new() };
        Self { ours, theirs, last_syn, label, stamps, ..Self::new(protocol, local, remote) }
    }

    /// Remembers that the script calls the stack's timestamp `live` by the name `script`.
    pub(super) fn learn_stamp(&mut self, script: u32, live: u32) {
        self.stamps.first.get_or_insert((script, live));
        self.stamps.known.insert(script, live);
    }

    /// What a peer's segment carries: the stream's bytes at its place.
    pub(super) fn payload(line: &Segment) -> Vec<u8> {
        let place = if line.flags & SYN != 0 { 0 } else { line.seq.wrapping_sub(1) };
        stream::bytes(u64::from(place), line.len)
    }

    /// Whether a segment of the stack carries what was written.
    ///
    /// # Errors
    /// Where it does not.
    pub(super) fn check_payload(&self, live: &Segment, payload: &[u8]) -> Result<(), String> {
        if payload.is_empty() {
            return Ok(());
        }
        let at = live.seq.wrapping_sub(self.ours.live.wrapping_add(1));
        let at = if live.flags & SYN != 0 { at.wrapping_add(1) } else { at } as usize;
        let Some(written) = self.written.get(at..).and_then(|rest| rest.get(..payload.len())) else {
            let (from, to, all) = (at, at.saturating_add(payload.len()), self.written.len());
            return Err(format!("bytes {from} to {to} of the stream, of which {all} were written"));
        };
        match written.iter().zip(payload).position(|(want, is)| want != is) {
            None => Ok(()),
            Some(off) => Err(format!("byte {} of the stream is {}, not {}", at + off, payload[off], written[off])),
        }
    }
}

impl Stamps {
    fn to_wire(&self, script: u32) -> u32 {
        let mapped = self.known.get(&script).copied();
        mapped.or_else(|| self.first.map(|(from, to)| script.wrapping_sub(from).wrapping_add(to))).unwrap_or(script)
    }

    fn to_script(&self, live: u32) -> u32 {
        self.first.map_or(live, |(to, from)| live.wrapping_sub(from).wrapping_add(to))
    }
}

fn shift(blocks: &mut [(u32, u32)], by: u32) {
    for (left, right) in blocks {
        (*left, *right) = (left.wrapping_add(by), right.wrapping_add(by));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_count_from_the_syns_and_map_both_ways() {
        let end = "192.0.2.1:80".parse().expect("it is an address");
        let mut flow = Flow::new(6, end, end);
        let segment = |flags, seq, ack| Segment { flags, seq, ack, ..Segment::default() };
        let syn = flow.send(&segment(SYN, 123, 0));
        flow.learn(&segment(SYN | ACK, 9000, syn.seq.wrapping_add(1)), 0);
        let answer = flow.to_script(&segment(SYN | ACK, 9000, syn.seq.wrapping_add(1)), false);
        assert_eq!((answer.seq, answer.ack), (0, 124));
        let data = flow.send(&segment(ACK, 1, 1));
        assert_eq!((data.seq, data.ack), (syn.seq.wrapping_add(1), 9001));
        let ack = flow.to_script(&segment(ACK, 9001, data.seq), false);
        assert_eq!((ack.seq, ack.ack), (1, 1));
    }

    #[test]
    fn timestamps_and_sack_blocks_are_mapped_as_they_were_learned() {
        let end = "192.0.2.1:80".parse().expect("it is an address");
        let mut flow = Flow::new(6, end, end);
        let with = |flags, options| Segment { flags, options: Some(options), ..Segment::default() };
        flow.learn(&with(SYN, Vec::new()), 0);
        flow.learn_stamp(100, 777_000);
        // Known exactly, or as far from the first as the script says.
        for (script, live) in [(100, 777_000), (130, 777_030)] {
            let echo = flow.send(&with(ACK, vec![TcpOption::Timestamp(Some(5), Some(script))]));
            assert_eq!(echo.options, Some(vec![TcpOption::Timestamp(Some(5), Some(live))]));
            let value = flow.to_script(&with(ACK, vec![TcpOption::Timestamp(Some(live), Some(5))]), false);
            assert_eq!(value.options, Some(vec![TcpOption::Timestamp(Some(script), Some(5))]));
        }
        flow.learn(&Segment { flags: SYN, seq: 5000, ..Segment::default() }, 0);
        let sack = flow.send(&with(ACK, vec![TcpOption::Sack(vec![(1, 101)])]));
        assert_eq!(sack.options, Some(vec![TcpOption::Sack(vec![(5001, 5101)])]));
    }
}

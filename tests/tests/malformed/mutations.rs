//! Frames that nobody thought of: right ones and malformed ones, changed at random. None may make the stack panic, or
//! keep a slot for ever.
//!
//! `LENDWIRE_SEEDS=10000` runs ten million of them; `LENDWIRE_SEED=n` runs one seed again.

use lendwire::time::Span;
use lendwire_nic::Received;
use lendwire_tests::seeds::Seeds;

use crate::host::Host;
use crate::rows;
use crate::wire::Frame;

const SEEDS: u64 = 100;
const FRAMES: u64 = 1000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ self.0 >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ mixed >> 31
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit.max(1) as u64) as usize
    }

    fn one_in(&mut self, many: usize) -> bool {
        self.below(many) == 0
    }
}

#[test]
fn no_mutation_panics_or_keeps_a_slot() {
    Seeds::new("malformed", "mutations::no_mutation_panics_or_keeps_a_slot", 0, SEEDS).run(|seed| {
        let mut random = Random(seed);
        let mut host = Host::new();
        if random.one_in(2) {
            host.stack.start_dhcp(host.interface, host.now).expect("there is a place");
            host.says();
        }
        let rows = rows::all();
        let mut corpus: Vec<_> = rows.iter().map(|row| row.frame(&host)).collect();
        corpus.extend(rows.iter().map(|row| row.twin(&host)));
        for _ in 0..FRAMES {
            let frame = mutated(&corpus, &mut random);
            let mut packet = frame.packet(host.receive);
            packet.segment_size = random.one_in(16).then(|| random.next() as u16);
            host.stack.receive(host.interface, packet, host.now);
            if random.one_in(4) {
                host.says();
            }
            if random.one_in(8) {
                lives(&mut host, &mut random);
            }
        }
        ends(&mut host);
        assert_eq!(host.held_slots(), 0, "slots that nobody gives back");
    });
}

/// A frame of the corpus with some faults more.
fn mutated(corpus: &[Frame], random: &mut Random) -> Frame {
    let mut frame = corpus[random.below(corpus.len())].clone();
    for _ in 0..random.below(4) {
        mutate(&mut frame, corpus, random);
    }
    if random.one_in(2) {
        frame.repair();
    }
    if random.one_in(8) {
        frame.cuts = (0..random.below(6)).map(|_| 1 + random.below(frame.bytes.len().max(1))).collect();
        frame.cuts.sort_unstable();
        frame.cuts.dedup();
    }
    frame.checksum = match random.below(8) {
        0 => Received::Checked,
        1 => Received::Local { start: random.next() as u16, offset: random.next() as u16 },
        _ => Received::Unchecked,
    };
    frame
}

fn mutate(frame: &mut Frame, corpus: &[Frame], random: &mut Random) {
    let len = frame.bytes.len();
    // Most of what is read stands in front.
    let at = if random.one_in(3) { random.below(len) } else { random.below(len.min(80)) };
    match random.below(8) {
        0 => frame.bytes.truncate(at),
        1 if len < 1500 => frame.bytes.resize(len + random.below(40), random.next() as u8),
        2 => {
            let other = &corpus[random.below(corpus.len())].bytes;
            frame.bytes.truncate(at);
            frame.bytes.extend(other.iter().skip(at));
        }
        3 if at + 4 <= len => {
            let number = [0, 1, 0x7fff_ffff, 0x8000_0000, 0xffff_ffff][random.below(5)];
            frame.set(at, &u32::to_be_bytes(number));
        }
        4 | 5 if at < len => frame.bytes[at] = [0, 1, 4, 8, 0x7f, 0x80, 0xff][random.below(7)],
        6 if at < len => frame.bytes[at] = random.next() as u8,
        _ if at < len => frame.bytes[at] ^= 1 << random.below(8),
        _ => {}
    }
}

/// What an application does meanwhile, and what time does.
fn lives(host: &mut Host, random: &mut Random) {
    while let Some(connection) = host.stack.accept(host.listener) {
        host.stack.abort(connection);
    }
    match random.below(8) {
        0 => while host.stack.udp_read(host.udp).is_some() {},
        1 => drop(host.stack.read_chunk(host.connection)),
        2 => drop(host.stack.read(host.connection, &mut [0; 100])),
        3 => drop(host.stack.write(host.connection, &[7; 300])),
        4 => drop(host.passes(Span::from_millis(random.next() % 3000))),
        5 => host.meets_its_neighbours(),
        _ => {}
    }
}

/// Everybody goes home.
fn ends(host: &mut Host) {
    while let Some(connection) = host.stack.accept(host.listener) {
        host.stack.abort(connection);
    }
    host.stack.abort(host.connection);
    host.stack.unlisten(host.listener);
    host.stack.udp_unbind(host.udp);
    // Replies wait for neighbours that never answer: three questions, a minute apart if a router wants it so.
    host.passes(Span::from_secs(600));
}

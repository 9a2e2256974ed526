//! Random bursts end the same with coalescing and without.

use lendwire::Reason;
use lendwire::tcp::{State, TcpInfo};
use lendwire_tests::seeds::Seeds;
use lendwire_tests::segment::{data, fin, syn};

use super::*;

#[test]
fn with_and_without_coalescing_a_connection_ends_up_the_same() {
    const SEEDS: Seeds =
        Seeds::new("offload", "story::with_and_without_coalescing_a_connection_ends_up_the_same", 0, 300);
    SEEDS.run(|seed| {
        let [with, without] = [8, 0].map(|batches| story(seed, batches));
        assert!(with.bytes == without.bytes, "the same bytes");
        assert_eq!(with.shape, without.shape);
    });
}

/// Where a story of random bursts leaves a connection.
struct Ending {
    bytes: Vec<u8>,
    shape: (u32, u32, State, Vec<(&'static str, u64)>),
}

fn story(seed: u64, batches: usize) -> Ending {
    let mut random = Random(seed);
    let mut peer = Peer::with(&Setup::new().capacities(|capacities| capacities.batches = batches));
    let connection = peer.opens(syn().mss(1000).window_scale(7));
    peer.stack.push(connection, lent(9000)).unwrap();
    let sent = peer.takes_all().iter().map(|came| came.payload.len() as u32).sum::<u32>();
    let (mut at, mut acked) = (0u32, 1);
    for _ in 0..8 {
        for _ in 0..random.below(12) {
            let len = [1, 200, 257, 600, 1000, 1000, 1000, 1000][random.below(8) as usize];
            let jump = [0, 0, 0, 0, 0, 0, 0, 1000, 300][random.below(9) as usize];
            let back = [0, 0, 0, 0, 0, 0, 1000, 10][random.below(8) as usize].min(at);
            let start = at + jump - back;
            acked = (acked + [0, 0, 700, 1000][random.below(4) as usize]).min(1 + sent);
            let mut piece = data(&stream::bytes(start.into(), len)).seq(1 + start).ack(acked);
            piece = piece.window(400 + random.below(3) as u16).push(random.below(6) == 0);
            if random.below(20) == 0 {
                piece = piece.with_bad_checksum();
            } else if random.below(20) == 0 {
                piece = piece.options(&[1, 1, 1, 1]);
            } else {
                at = at.max(start + len as u32);
            }
            peer.queues(piece);
        }
        peer.turn();
    }
    // All of it once more, in order, so that no hole is left.
    for start in (0..at).step_by(500) {
        peer.queues(data(&stream::bytes(start.into(), 500)).seq(1 + start).ack(1 + sent).window(500));
    }
    peer.turn();
    let bytes = peer.reads(connection);
    let end = bytes.len() as u32;
    peer.sends(fin().seq(1 + end).ack(1 + sent));
    let TcpInfo { in_flight, send_window, state, .. } = peer.stack.info(connection).expect("it is open");
    let counted = [Reason::TcpChecksum, Reason::TcpAck, Reason::TcpOptions];
    let drops = counted.map(|reason| (reason.name(), peer.stack.drops().of(reason))).to_vec();
    Ending { bytes, shape: (in_flight, send_window, state, drops) }
}

/// SplitMix64 (Steele, Lea, Flood 2014).
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }
}

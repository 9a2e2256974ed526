//! What is predicted of segments changes what they cost, and nothing else: the same frames go the long way where a device
//! says that it took a tag off, be it one that only carries a priority.

use lendwire::tcp::{State, TcpHandle, TcpInfo};
use lendwire::time::Span;
use lendwire_tests::seeds::Seeds;
use lendwire_tests::segment::{Segment, ack, data, fin, flag, rst, syn};

use super::*;

const MSS: u16 = 1000;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
        (bits ^ bits >> 31) % end
    }
}

/// A peer that is told everything twice.
struct Twice {
    peers: [Peer; 2],
    connections: [TcpHandle; 2],
    has_timestamps: bool,
    /// The next number of the peer's data, what it sees of the stack's, and what it has acknowledged of that.
    next: u32,
    seen: u32,
    acked: u32,
    clock: u32,
}

impl Twice {
    fn new(offloads: Offloads, has_timestamps: bool) -> Self {
        let mut offer = syn().mss(MSS).window_scale(2).sack_permitted();
        if has_timestamps {
            offer = offer.timestamps(1000, 0);
        }
        // Without room for batches what is not predicted is looked at by itself.
        let mut setup = Setup::new().offloads(offloads);
        setup.capacities.batches = 0;
        let mut peers = [(); 2].map(|()| Peer::with(&setup));
        let connections = [0, 1].map(|at| peers[at].opens(offer.clone()));
        peers[1].hand.set_tag(Some(0));
        Self { peers, connections, has_timestamps, next: 1, seen: 1, acked: 1, clock: 1000 }
    }

    /// Does the same at both.
    fn both<T>(&mut self, mut work: impl FnMut(&mut Peer, TcpHandle) -> T) -> [T; 2] {
        let Self { peers, connections, .. } = self;
        [0, 1].map(|at| work(&mut peers[at], connections[at]))
    }

    /// A segment that a connection may see, mostly one that it expects.
    fn any(&mut self, random: &mut Random) -> Segment {
        let ahead = u64::from(self.seen - self.acked);
        if random.below(2) == 0 && ahead > 0 {
            // Segment by segment, in twos, or all.
            let step = [1000, 2000, ahead, random.below(ahead) + 1][random.below(4) as usize];
            self.acked += step.min(ahead) as u32;
        }
        let before = self.next;
        let mut segment = if random.below(2) == 0 {
            let len = [1000, 1000, 1000, 1000, 600, 300, 100, 1][random.below(8) as usize];
            let segment = data(&stream::bytes(u64::from(self.next), len)).seq(self.next);
            self.next += len as u32;
            segment
        } else {
            ack().seq(self.next)
        };
        self.clock += random.below(3) as u32;
        let mut stamps = (self.clock, self.clock - 1000);
        let mut acked = self.acked;
        let window = if random.below(10) > 0 { 20_000 } else { random.below(20_000) as u16 };
        segment = segment.push(random.below(12) == 0);
        if random.below(6) == 0 {
            let kind = random.below(14);
            // What is lost, or comes before its time, leaves a hole that the next one fills.
            if [0, 4, 5, 7, 8, 9, 10].contains(&kind) {
                self.next = before;
            }
            segment = match kind {
                0 => segment.with_bad_checksum(),
                1 => segment.traffic_class(3),
                2 => segment.with(flag::URG).urgent(1),
                3 => segment.with(flag::ECE),
                4 => {
                    stamps.0 -= 500;
                    segment
                }
                5 => {
                    acked += [100_000, random.below(3000) as u32][random.below(2) as usize];
                    segment
                }
                6 => {
                    acked = acked.saturating_sub(700);
                    segment
                }
                7 => segment.without(flag::ACK),
                8 => segment.seq(before.wrapping_sub(1500)),
                9 => segment.seq(before + 1000),
                10 => segment.seq(before + 1_000_000),
                11 => segment.options(&[1, 1, 1, 0]),
                12 if random.below(20) == 0 => fin().seq(self.next),
                13 if random.below(20) == 0 => rst().seq(self.next),
                _ => segment,
            };
        }
        if self.has_timestamps && random.below(60) > 0 {
            segment = segment.timestamps(stamps.0, stamps.1);
        } else if self.has_timestamps {
            self.next = before;
        }
        segment.ack(acked).window(window)
    }

    /// Nobody can tell one from the other. What congestion control makes of several acknowledgments at once may be rounded
    /// differently: then both go on from there no longer.
    #[track_caller]
    fn are_alike(&mut self) -> bool {
        let came = self.both(|peer, _| peer.takes_all());
        for segment in &came[0] {
            let end = segment.seq.wrapping_add(segment.sequence_len());
            self.seen = if end < 1 << 30 { self.seen.max(end) } else { self.seen };
        }
        let [one, other] = came.map(|came| format!("{came:#?}"));
        assert_eq!(one, other, "what is sent");
        let infos = self.both(|peer, connection| peer.stack.info(connection));
        let windows = infos.map(|info| info.map(|info| (info.congestion_window, info.slow_start_threshold)));
        let stands = |mut info: Option<TcpInfo>| {
            if let Some(info) = &mut info {
                (info.congestion_window, info.slow_start_threshold) = (0, 0);
            }
            format!("{info:#?}")
        };
        let [one, other] = infos.map(stands);
        assert_eq!(one, other, "where it stands");
        let [one, other] = self.both(|peer, _| format!("{:#?}", (peer.stack.drops(), peer.stack.work())));
        assert_eq!(one, other, "what is counted");
        let [one, other] = self.both(|peer, connection| {
            let mut statistics = peer.stack.tcp_statistics();
            statistics.arrivals = 0;
            // What is over may leave a timer that rings for nothing.
            let is_over = peer.stack.state(connection) == State::Closed;
            (statistics, peer.stack.next_deadline().filter(|_| !is_over))
        });
        assert_eq!(one, other, "what is counted of TCP, and awaited");
        windows[0] == windows[1]
    }

    /// How many looks at segments one was spared.
    fn spared(&self) -> u64 {
        let [one, other] = [0, 1].map(|at| self.peers[at].stack.tcp_statistics().arrivals);
        other.saturating_sub(one)
    }
}

/// Returns how many looks it was spared, and whether it went to its end.
fn same(seed: u64, offloads: Offloads, has_timestamps: bool) -> (u64, bool) {
    let mut windows_agree = true;
    let mut random = Random(seed);
    let mut twice = Twice::new(offloads, has_timestamps);
    for _ in 0..60 {
        if random.below(3) == 0 {
            let len = random.below(4000) as usize;
            let [one, other] = twice.both(|peer, connection| peer.stack.write(connection, &stream::bytes(0, len)));
            assert_eq!(one, other, "what is taken");
        }
        for _ in 0..=random.below(8) {
            let segment = twice.any(&mut random);
            twice.both(|peer, _| peer.queues(segment.clone()));
        }
        windows_agree = twice.are_alike();
        if !windows_agree {
            break;
        }
        if random.below(2) == 0 {
            let [one, other] = twice.both(|peer, connection| peer.reads(connection));
            assert_eq!(one, other, "what is read");
        }
        if random.below(3) == 0 {
            let longest = if random.below(10) > 0 { 5_000 } else { 500_000 };
            let span = Span::from_micros(random.below(longest));
            twice.both(|peer, _| peer.waits(span));
            twice.clock += span.micros() as u32 / 1000;
        }
        assert!(twice.are_alike(), "nothing was acknowledged");
        let [one, other] = twice.both(|peer, _| peer.stack.next_event().is_some());
        assert_eq!(one, other, "what the application hears");
    }
    twice.both(|peer, connection| peer.stack.abort(connection));
    assert_eq!(twice.peers[0].pools.held(), 0, "nothing is kept");
    (twice.spared(), windows_agree)
}

#[test]
fn what_was_predicted_leaves_everything_as_the_long_way_does() {
    let (mut spared, mut cut_short, mut runs) = (0, 0, 0);
    Seeds::new("offload", "predicted::what_was_predicted_leaves_everything_as_the_long_way_does", 0, 200).run(|seed| {
        let offloads = if seed % 3 == 0 { Offloads::RX_CHECKSUM } else { Offloads::empty() };
        let (looks, is_whole) = same(seed, offloads, seed % 4 != 0);
        (spared, cut_short, runs) = (spared + looks, cut_short + u64::from(!is_whole), runs + 1);
    });
    assert!(spared >= runs, "segments were predicted, and made one: {spared} in {runs}");
    assert!(cut_short <= runs / 5, "{cut_short} of {runs}");
}

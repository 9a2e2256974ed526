//! Bulk data both ways through devices that cut and coalesce: no byte is copied, none is read, and few packets are.

use lendwire::tcp::Ecn;
use lendwire_tests::pair::Pair;
use lendwire_tests::stream::{Check, PERIOD};

use super::*;

const EVERYTHING: Offloads = CUTS.union(Offloads::RX_COALESCE);
const LEN: u64 = 20_000_000;

#[test]
fn with_every_offload_copies_and_reads_nothing_and_is_looked_at_once_a_run() {
    for version in [Version::V4, Version::V6] {
        let mut pair = Pair::loopback(&Setup { version, ..Setup::new().offloads(EVERYTHING) });
        let (work, packets) = both_ways(&mut pair);
        assert_eq!(work, Work::default());
        for end in [&pair.here.stack, &pair.there.stack] {
            let statistics = end.tcp_statistics();
            assert_eq!(statistics.retransmissions, 0);
            assert!(statistics.arrivals * 8 < statistics.segments_received, "{version:?}: {statistics:?}");
        }
        // 2 x 20 MB are some 27,400 segments of 1460 bytes.
        assert!(packets < 4_000, "{version:?}: {packets} packets");
    }
}

#[test]
fn rfc3168_and_rfc9768_ends_that_tell_of_marks_lose_no_offload() {
    for ecn in [Ecn::Classic, Ecn::Accurate] {
        for offloads in [EVERYTHING, Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM] {
            let mut pair = Pair::loopback(&Setup::new().offloads(offloads).tcp(|tcp| tcp.ecn = ecn));
            let (work, packets) = both_ways(&mut pair);
            assert_eq!(work, Work::default());
            assert!(offloads != EVERYTHING || packets < 4_000, "{ecn:?}: {packets} packets");
            for end in [&pair.here.stack, &pair.there.stack] {
                let statistics = end.tcp_statistics();
                assert!(statistics.arrivals * 4 < statistics.segments_received, "{ecn:?}: {statistics:?}");
            }
        }
    }
}

#[test]
fn without_segmentation_bursts_are_coalesced_here() {
    let mut pair = Pair::loopback(&Setup::new().offloads(Offloads::TX_CHECKSUM | Offloads::RX_CHECKSUM));
    let (work, packets) = both_ways(&mut pair);
    assert_eq!(work, Work::default());
    assert!(packets >= 2 * LEN / 1460);
    for end in [&pair.here.stack, &pair.there.stack] {
        let statistics = end.tcp_statistics();
        assert!(statistics.arrivals * 4 < statistics.segments_received, "{statistics:?}");
    }
}

/// Lends [`LEN`] bytes each way; returns what that took, and how many packets.
fn both_ways(pair: &mut Pair) -> (Work, u64) {
    let ends = pair.connected();
    let work_of = |pair: &Pair| {
        let mut work = pair.here.stack.work();
        work += pair.there.stack.work();
        work
    };
    let before = work_of(pair);
    let (mut gone, mut came) = ([0; 2], [Check::default(); 2]);
    pair.run_until("both have all", |pair| {
        for (side, (end, handle)) in [(&mut pair.here, ends.0), (&mut pair.there, ends.1)].into_iter().enumerate() {
            while gone[side] < LEN {
                let at = (gone[side] % PERIOD as u64) as usize;
                let most = ((LEN - gone[side]) as usize).min(PERIOD - at);
                if end.stack.push(handle, stream::content().chunk().slice(at..at + most)).is_err() {
                    break;
                }
                gone[side] += most as u64;
            }
            while let Ok(Some(chunk)) = end.stack.read_chunk(handle) {
                came[side].accept(&chunk);
            }
        }
        came.iter().all(|came| came.place() == LEN)
    });
    let packets = pair.here.nic.statistics().sent + pair.there.nic.statistics().sent;
    (since(work_of(pair), before), packets)
}

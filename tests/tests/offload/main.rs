//! What devices take over: cutting large packets into segments, making one packet of many, spreading flows over queues.

mod accurate_ecn;
mod again;
mod bulk;
mod coalescing;
mod flow;
mod predicted;
mod segmentation;
mod software;
mod story;

use lendwire_nic::{Offloads, Work};
use lendwire_tests::peer::Peer;
use lendwire_tests::setup::{Setup, Version};
use lendwire_tests::stream;

/// A device that completes checksums and cuts both versions.
const CUTS: Offloads =
    Offloads::TX_CHECKSUM.union(Offloads::TX_SEGMENT_V4).union(Offloads::TX_SEGMENT_V6).union(Offloads::RX_CHECKSUM);

fn peer_with(version: Version, offloads: Offloads) -> Peer {
    Peer::with(&Setup { version, ..Setup::new().offloads(offloads) })
}

fn lent(len: usize) -> lendwire_nic::Chunk {
    stream::content().chunk().slice(0..len)
}

fn since(now: Work, before: Work) -> Work {
    Work {
        copied: now.copied - before.copied,
        summed: now.summed - before.summed,
        verified: now.verified - before.verified,
    }
}

//! The testkit: what the tests of this workspace share. Nothing here reads a clock or a random source, so every run of
//! a test is the same run.
//!
//! | module | what it is |
//! |---|---|
//! | [`clock`] | virtual time that jumps from deadline to deadline |
//! | [`setup`] | a stack with memory, an address and a device |
//! | [`pair`] | two stacks on a wire |
//! | [`path`] | senders and receivers, a bottleneck between them: rate, queue, loss, reordering, policer |
//! | [`peer`] | a stack with the test's own hand on the other end of the wire |
//! | [`segment_arrives`] | RFC 9293 §3.10.7 as it is written, to hold the stack against |
//! | [`segment`] | builders for the segments that a peer sends and expects |
//! | [`frame`] | Ethernet, ARP, NDP and IP as bytes, written apart from the stack so that both can be wrong only once |
//! | [`cable`] | the device under a [`peer`]: frames in, frames out, a ring of any size |
//! | [`cutter`] | what that device makes of a packet: checksums completed, runs of segments cut |
//! | [`plot`] | figures of curves over time, as SVG |
//! | [`script`] | a runner for scripts in packetdrill's language |
//! | [`requirements`] | what the RFCs ask, row by row, and the test that shows each |
//! | [`stream`] | bytes that are a function of their place, and a check that they came in order |
//! | [`seeds`] | many seeds, and the one command that repeats a failed one |
//! | [`allocator`] | an allocator that counts |
//! | [`verdict`] | how the testkit's commands end |
//!
//! ```
//! use lendwire_tests::peer::Peer;
//! use lendwire_tests::segment::{ack, data, syn, syn_ack};
//!
//! let mut peer = Peer::new();
//! let listener = peer.listen();
//! peer.sends(syn().mss(1460));
//! peer.expects(syn_ack().ack(1));
//! peer.sends(ack());
//! let connection = peer.stack.accept(listener).expect("the handshake is complete");
//! peer.sends(data(b"hello"));
//! assert_eq!(peer.stack.unread(connection), 5);
//! ```

pub mod allocator;
pub mod cable;
pub mod clock;
pub mod cutter;
pub mod frame;
pub mod pair;
pub mod path;
pub mod peer;
pub mod plot;
pub mod requirements;
pub mod script;
pub mod seeds;
pub mod segment;
pub mod segment_arrives;
pub mod setup;
pub mod stream;
pub mod verdict;

/// The README's example is code that compiles.
#[cfg(doctest)]
#[doc = include_str!("../../README.md")]
pub struct Readme;

//! Simulated paths: senders and receivers, a bottleneck between them, and virtual time.
//!
//! ```text
//!  sender 0 ──┐    queue        forward: rate, delay, policer, loss, reordering      ┌── receiver 0
//!  sender 1 ──┴──▶ ▯▯▯▯▯ ═══════════════════════════════════════════════════════════▶┴── receiver 1
//!             ◀════════════════════════════════════════════════════════════ ▯▯▯▯▯ ◀── backward: the same knobs
//! ```
//!
//! The stacks are unmodified and see a [`lendwire_nic::Nic`]; each sender and its receiver are alone on their link, and
//! all pairs share the two bottlenecks. Everything follows from the scenario and its seed.
//!
//! Invariant: payload is lent to the other end, never copied; a frame on its way costs a place in a ring and no
//! allocation. The path keeps nanoseconds, the stacks see microseconds: what arrives within one comes at its end.
//!
//! | file | what it holds |
//! |---|---|
//! | `world` | stacks, flows and the loop that lets time pass |
//! | `flow` | an application that has always something to send, and one that reads and checks it |
//! | `link` | one direction: policer, queue, marking, loss, reordering |
//! | `loss`, `delays` | which frames are lost; how long they waited |
//! | `frame`, `port` | a frame on its way, and the device that a stack sees |
//! | `trace` | what a capture on the sender's side would show |
//! | `ideal` | what the response function of a congestion control allows on a path |
//! | `grid` | the table of `cargo xtask simulate` |
//! | `pictures` | the figures of `cargo xtask simulate --plot` |
//!
//! Left out: cross traffic that is no TCP, and routes that change under way.

mod delays;
mod flow;
mod frame;
pub mod grid;
pub mod ideal;
mod link;
mod loss;
pub mod pictures;
mod port;
pub mod trace;
mod world;

pub use self::delays::Delays;
pub use self::flow::{Demand, Flow};
pub use self::link::{LinkConfig, LinkCounts, Policer, Reordering};
pub use self::loss::{Loss, Random};
pub use self::world::{Direction, FlowConfig, MOST_WINDOW, Scenario, World, roomy};

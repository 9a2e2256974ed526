//! Congestion control: how much may be in flight.
//!
//! Invariant: the window is never below one segment, so a sender always moves. Only Reno exists yet.

mod reno;

pub(crate) use reno::Reno;

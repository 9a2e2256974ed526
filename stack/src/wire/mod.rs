//! Headers as they stand on the wire: zero-copy views that are checked once, and builders. Uses nobody.
//!
//! Invariant: a view exists only of bytes that are long enough for it; what a field means is the layers' business.

pub mod address;
pub mod ethernet;
pub mod protocol;
pub mod pseudo;
pub mod tcp;

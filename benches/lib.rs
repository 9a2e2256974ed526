//! Measurements: the works of [`works`], ours beside the peers', by `cargo xtask bench`; and criterion's benchmarks, each
//! of which says what it compares and how to run it.

pub mod chart;
pub mod counted;
pub mod host;
#[cfg(all(feature = "peers", lwip))]
pub mod lwip;
pub mod measure;
pub mod ours;
pub mod report;
#[cfg(feature = "peers")]
pub mod smoltcp;
pub mod works;

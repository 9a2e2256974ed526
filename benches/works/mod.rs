//! What is measured: a row of the report for each work and each of its settings.

pub mod bulk;
pub mod ping;

use std::time::Duration;

use crate::host::{Checksums, Host};
use crate::measure::Runner;
use crate::ours::Ours;

use self::bulk::Api;

/// Who takes part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// Ours alone.
    Alone,
    /// The peers, too. They are there when the crate's feature `peers` is.
    Peers,
}

/// In what a figure is told. Each is made of the time that one unit of the work took.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Metric {
    /// Gbit/s, of units of so many bytes.
    Gbit(f64),
    /// Nanoseconds.
    Nanoseconds,
}

impl Metric {
    /// What is told of `nanoseconds` for one unit.
    #[must_use]
    pub fn figure(self, nanoseconds: f64) -> f64 {
        match self {
            Self::Gbit(bytes) => bytes * 8.0 / nanoseconds,
            Self::Nanoseconds => nanoseconds,
        }
    }

    /// What stands behind the figure.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gbit(_) => "Gbit/s",
            Self::Nanoseconds => "ns",
        }
    }
}

/// A row of the report.
pub struct Row {
    /// Words that a filter finds it by.
    pub name: String,
    /// In what it is told.
    pub metric: Metric,
    /// How many times as fast as the best peer it ought to be.
    pub goal: Option<f64>,
    /// Sets the work up for everybody who can do it.
    pub prepare: Box<dyn Fn(Company) -> Vec<Runner>>,
}

/// A work that any host can do.
trait Work: Copy + 'static {
    /// Sets it up; what comes back does so many units and says how long that took.
    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static;

    /// Ours, and who else takes part.
    fn everybody(self, company: Company) -> Vec<Runner> {
        let mut runners = vec![self.runner::<Ours>()];
        if company == Company::Peers {
            self.peers(&mut runners);
        }
        runners
    }

    /// A runner of one host.
    fn runner<H: Host>(self) -> Runner {
        Runner::new(H::NAME, self.start::<H>())
    }

    /// Adds those of the peers.
    #[cfg(feature = "peers")]
    fn peers(self, runners: &mut Vec<Runner>) {
        runners.push(self.runner::<crate::smoltcp::Smoltcp>());
    }

    /// Without the feature there are none.
    #[cfg(not(feature = "peers"))]
    fn peers(self, _: &mut Vec<Runner>) {}
}

/// Every row.
#[must_use]
pub fn all() -> Vec<Row> {
    let mut rows = bulk_rows();
    rows.extend([Checksums::Software, Checksums::Device].map(|checksums| {
        let work = PingWork(checksums);
        row(format!("ping 64 B {}", word(checksums)), Metric::Nanoseconds, Some(2.0), work)
    }));
    rows
}

fn row(name: String, metric: Metric, goal: Option<f64>, work: impl Work) -> Row {
    Row { name, metric, goal, prepare: Box::new(move |company| work.everybody(company)) }
}

fn word(checksums: Checksums) -> &'static str {
    match checksums {
        Checksums::Software => "csum",
        Checksums::Device => "none",
    }
}

fn bulk_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for mtu in [1500, 9000, 65000] {
        for window in [64 << 10, 256 << 10, 1 << 20, 8 << 20] {
            for checksums in [Checksums::Software, Checksums::Device] {
                for api in [Api::Copying, Api::Lending] {
                    let api_word = match api {
                        Api::Copying => "copying",
                        Api::Lending => "lending",
                    };
                    let kib = window >> 10;
                    let name = format!("bulk {mtu} {kib}K {} {api_word}", word(checksums));
                    let work = BulkWork { mtu, window, checksums, api };
                    rows.push(row(name, Metric::Gbit(bulk::UNIT as f64), Some(2.0), work));
                }
            }
        }
    }
    rows
}

#[derive(Clone, Copy)]
struct BulkWork {
    mtu: u16,
    window: usize,
    checksums: Checksums,
    api: Api,
}

impl Work for BulkWork {
    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut bulk = bulk::Bulk::<H>::new(self.mtu, self.window, self.checksums, self.api);
        move |units| bulk.run(units)
    }
}

#[derive(Clone, Copy)]
struct PingWork(Checksums);

impl Work for PingWork {
    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut ping = ping::Ping::<H>::new(self.0);
        move |units| ping.run(units)
    }
}

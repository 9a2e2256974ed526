//! What is measured: a row of the report for each work and each of its settings.

pub mod bulk;
pub mod churn;
pub mod established;
pub mod kernels;
pub mod ping;
pub mod udp;

use std::time::Duration;

use self::bulk::Api;
use self::established::Order;
use self::kernels::Kernel;
use crate::host::{Checksums, Host, Setup};
use crate::measure::Runner;
use crate::ours::Ours;

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
    Gbit(u64),
    /// GB/s, of units of so many bytes.
    Gbyte(usize),
    /// Nanoseconds.
    Nanoseconds,
    /// Millions a second.
    Millions,
    /// Thousands a second.
    Thousands,
    /// Bytes, which the runner tells as if they were nanoseconds.
    Bytes,
}

impl Metric {
    /// What is told of `nanoseconds` for one unit.
    #[must_use]
    pub fn figure(self, nanoseconds: f64) -> f64 {
        match self {
            Self::Gbit(bytes) => bytes as f64 * 8.0 / nanoseconds,
            Self::Gbyte(bytes) => bytes as f64 / nanoseconds,
            Self::Nanoseconds | Self::Bytes => nanoseconds,
            Self::Millions => 1e3 / nanoseconds,
            Self::Thousands => 1e6 / nanoseconds,
        }
    }

    /// Whether the larger figure is the better one.
    #[must_use]
    pub const fn is_more_better(self) -> bool {
        match self {
            Self::Gbit(_) | Self::Gbyte(_) | Self::Millions | Self::Thousands => true,
            Self::Nanoseconds | Self::Bytes => false,
        }
    }

    /// What stands behind the figure.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gbit(_) => "Gbit/s",
            Self::Gbyte(_) => "GB/s",
            Self::Nanoseconds => "ns",
            Self::Millions => "M/s",
            Self::Thousands => "k/s",
            Self::Bytes => "bytes",
        }
    }
}

/// What a row takes to set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// Megabytes, and a moment.
    Usual,
    /// A gigabyte, and seconds: left out where it is only to be seen that everything works.
    Large,
}

/// What is done of a work to count its instructions, both ends together.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Counted {
    /// Units, whole bursts.
    pub units: u64,
    /// How many times that is what the count is told of: a segment of bulk data, else a unit.
    pub pieces: usize,
}

/// A row of the report.
pub struct Row {
    /// Words that a filter finds it by.
    pub name: String,
    /// In what it is told.
    pub metric: Metric,
    /// How many times as fast as the best peer it ought to be.
    pub goal: Option<f64>,
    /// What it takes.
    pub size: Size,
    /// What callgrind counts of it.
    pub counted: Option<Counted>,
    /// Sets the work up for everybody who can do it.
    pub prepare: Box<dyn Fn(Company) -> Vec<Runner>>,
}

/// A work that any host can do.
trait Work: Copy + 'static {
    /// What hosts are made for.
    fn setup(self) -> Setup;

    /// Sets it up; what comes back does so many units and says how long that took.
    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static;

    /// Ours, and who else takes part.
    fn everybody(self, company: Company) -> Vec<Runner> {
        let mut runners = Vec::new();
        self.runner::<Ours>(&mut runners);
        if company == Company::Peers {
            self.peers(&mut runners);
        }
        runners
    }

    /// Adds a host's runner, if the host can.
    fn runner<H: Host>(self, runners: &mut Vec<Runner>) {
        if H::can(&self.setup()) {
            runners.push(Runner::new(H::NAME, self.start::<H>()));
        }
    }

    /// Adds those of the peers.
    #[cfg(feature = "peers")]
    fn peers(self, runners: &mut Vec<Runner>) {
        self.runner::<crate::smoltcp::Smoltcp>(runners);
        #[cfg(lwip)]
        self.runner::<crate::lwip::Lwip>(runners);
    }

    /// Without the feature there are none.
    #[cfg(not(feature = "peers"))]
    fn peers(self, _: &mut Vec<Runner>) {}
}

/// Every row.
#[must_use]
pub fn all() -> Vec<Row> {
    let mut rows = bulk_rows();
    for checksums in [Checksums::Software, Checksums::Device] {
        let name = format!("ping 64 B {}", word(checksums));
        rows.push(row(name, Metric::Nanoseconds, Some(2.0), PingWork(checksums)));
    }
    rows.extend(udp_rows());
    rows.extend(churn_rows());
    rows.extend(established_rows());
    rows.push(row("memory idle connection".into(), Metric::Bytes, None, MemoryWork));
    rows.extend(kernel_rows());
    rows
}

fn row(name: String, metric: Metric, goal: Option<f64>, work: impl Work) -> Row {
    let size = if work.setup().connections > 10_100 { Size::Large } else { Size::Usual };
    let counted = counted(metric, usize::from(work.setup().mtu));
    Row { name, metric, goal, size, counted, prepare: Box::new(move |company| work.everybody(company)) }
}

fn counted(metric: Metric, mtu: usize) -> Option<Counted> {
    match metric {
        // Headers and timestamps take 52 bytes of a full segment.
        Metric::Gbit(bytes) => Some(Counted { units: 4, pieces: (4 * bytes as usize).div_ceil(mtu - 52) }),
        Metric::Gbyte(_) => Some(Counted { units: 16, pieces: 16 }),
        Metric::Nanoseconds | Metric::Millions | Metric::Thousands => Some(Counted { units: 256, pieces: 256 }),
        Metric::Bytes => None,
    }
}

const fn word(checksums: Checksums) -> &'static str {
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
                for (api, way) in [(Api::Copying, "copying"), (Api::Lending, "lending")] {
                    let name = format!("bulk {mtu} {}K {} {way}", window >> 10, word(checksums));
                    let work = BulkWork { mtu, window, checksums, api };
                    rows.push(row(name, Metric::Gbit(bulk::UNIT), Some(2.0), work));
                }
            }
        }
    }
    rows
}

fn udp_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for len in [64, 1472] {
        for batch in [1, 32] {
            for checksums in [Checksums::Software, Checksums::Device] {
                let name = format!("udp {len} B batch {batch} {}", word(checksums));
                let goal = if len == 64 && batch == 32 { Some(1.5) } else { None };
                rows.push(row(name, Metric::Millions, goal, UdpWork { len, batch, checksums }));
            }
        }
    }
    rows
}

fn churn_rows() -> Vec<Row> {
    let work = |time_waits, ports| ChurnWork { time_waits, ports };
    vec![
        row("churn few kept".into(), Metric::Thousands, Some(1.5), work(4, 1)),
        row("churn 10000 in TIME-WAIT".into(), Metric::Thousands, None, work(10_000, 1)),
        row("churn 1000 ports".into(), Metric::Thousands, None, work(4, 1000)),
        row("churn 4000 ports".into(), Metric::Thousands, None, work(4, 4000)),
    ]
}

fn established_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for count in [1, 100, 1000, 10_000, 100_000, 1_000_000] {
        for (order, way) in [(Order::Single, "single"), (Order::Random, "random")] {
            // One alone is in no order.
            if count == 1 && order == Order::Random {
                continue;
            }
            let ack = AckWork { count, order };
            rows.push(row(format!("ack {count} connections {way}"), Metric::Nanoseconds, None, ack));
            let message = MessageWork { count, order };
            rows.push(row(format!("message {count} connections {way}"), Metric::Nanoseconds, None, message));
        }
    }
    rows
}

fn kernel_rows() -> Vec<Row> {
    let mut rows = Vec::new();
    for (len, size) in [(64, "64 B"), (1500, "1500 B"), (64 << 10, "64 KiB"), (64 << 20, "64 MiB")] {
        for (kernel, word) in [
            (Kernel::Sum, "sum"),
            (Kernel::CopyAndSum, "copy-and-sum"),
            (Kernel::CopyThenSum, "copy-then-sum"),
            (Kernel::Read, "read-only"),
            (Kernel::Copy, "memcpy"),
        ] {
            let prepare = Box::new(move |company| kernels::runners(kernel, len, company));
            let name = format!("checksum {size} {word}");
            let metric = Metric::Gbyte(len);
            rows.push(Row { name, metric, goal: None, size: Size::Usual, counted: counted(metric, 0), prepare });
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
    fn setup(self) -> Setup {
        Setup { mtu: self.mtu, window: self.window, checksums: self.checksums, ..Setup::new() }
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut bulk = bulk::Bulk::<H>::new(&self.setup(), self.api);
        move |units| bulk.run(units)
    }
}

#[derive(Clone, Copy)]
struct PingWork(Checksums);

impl Work for PingWork {
    fn setup(self) -> Setup {
        Setup { checksums: self.0, ..Setup::new() }
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut ping = ping::Ping::<H>::new(&self.setup());
        move |units| ping.run(units)
    }
}

#[derive(Clone, Copy)]
struct UdpWork {
    len: usize,
    batch: u64,
    checksums: Checksums,
}

impl Work for UdpWork {
    fn setup(self) -> Setup {
        Setup { checksums: self.checksums, ..Setup::new() }
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut udp = udp::Udp::<H>::new(&self.setup(), self.len, self.batch);
        move |units| udp.run(units)
    }
}

#[derive(Clone, Copy)]
struct ChurnWork {
    time_waits: usize,
    ports: u16,
}

impl Work for ChurnWork {
    fn setup(self) -> Setup {
        churn::setup(self.time_waits, self.ports)
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut churn = churn::Churn::<H>::new(self.time_waits, self.ports);
        move |units| churn.run(units)
    }
}

#[derive(Clone, Copy)]
struct AckWork {
    count: usize,
    order: Order,
}

impl Work for AckWork {
    fn setup(self) -> Setup {
        established::setup(self.count)
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut acks = established::Acks::<H>::new(self.count, self.order);
        move |units| acks.run(units)
    }
}

#[derive(Clone, Copy)]
struct MessageWork {
    count: usize,
    order: Order,
}

impl Work for MessageWork {
    fn setup(self) -> Setup {
        established::setup(self.count)
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        let mut messages = established::Messages::<H>::new(self.count, self.order);
        move |units| messages.run(units)
    }
}

/// Not a work, but a number.
#[derive(Clone, Copy)]
struct MemoryWork;

impl Work for MemoryWork {
    fn setup(self) -> Setup {
        Setup::new()
    }

    fn start<H: Host>(self) -> impl FnMut(u64) -> Duration + 'static {
        |units| Duration::from_nanos(units * H::idle_bytes() as u64)
    }
}

//! Instructions of a guest while something is done with it.

use std::thread;
use std::time::{Duration, Instant};

use super::boot::tied;
use super::client::Conversation;
use super::counter::Counter;
use super::guests::{Boot, Kernel, Nginx, Parts};
use super::profile::Symbols;
use super::room::{ADDRESS, TAP};
use super::table::Figure;
use super::works::{Client, Kind, Server, Work};
use crate::failure::Failure;
use crate::install;
use crate::progress::Progress;
use crate::qemu::{Guest, Offloads};

/// From QEMU's start to a guest that listens.
const READY_LIMIT: Duration = Duration::from_secs(60);
/// Blocks that a profile tells apart.
const BLOCKS: usize = 1 << 18;
/// Functions that a profile shows.
const SHOWN: usize = 30;

/// How much is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Effort {
    pub(super) rounds: usize,
    /// Each work's amount is divided by this.
    pub(super) less: u64,
    pub(super) profile: Profile,
}

/// Whether it is told where our guest's instructions are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Shown,
    Without,
}

/// A guest that runs, and what it has cost.
pub(super) struct Bench {
    guest: Guest,
    kernel: Kernel,
    counter: Counter,
    /// Instructions a second with nothing to do.
    idle: f64,
    effort: Effort,
    symbols: Option<Symbols>,
}

impl Bench {
    /// Boots a guest, and looks at it doing nothing.
    ///
    /// # Errors
    /// What becomes of the guest.
    pub(super) fn start(
        parts: &Parts,
        kernel: Kernel,
        offloads: Offloads,
        memory: u32,
        effort: Effort,
    ) -> Result<Bench, Failure> {
        let is_profiled = effort.profile == Profile::Shown && kernel == Kernel::Lendwire;
        let counter = Counter::create(parts.folder(), if is_profiled { BLOCKS } else { 0 })?;
        let boot = Boot { kernel, offloads, memory, counter: Some(&counter), nginx: Nginx::Beside };
        let mut guest = parts.boot(&boot, TAP)?;
        guest.wait_ready(READY_LIMIT)?;
        let symbols = if is_profiled { Some(Symbols::of(parts.image())?) } else { None };
        let mut bench = Bench { guest, kernel, counter, idle: 0.0, effort, symbols };
        // What is put off until after the boot is done by then.
        thread::sleep(Duration::from_millis(1500));
        let (before, begun) = (bench.counter.instructions()?, Instant::now());
        thread::sleep(Duration::from_secs(2));
        bench.idle = (bench.counter.instructions()? - before) as f64 / begun.elapsed().as_secs_f64();
        Ok(bench)
    }

    /// Instructions a second with nothing to do.
    pub(super) fn idle(&self) -> f64 {
        self.idle
    }

    /// The figure of a work that is counted.
    ///
    /// # Errors
    /// What becomes of the guest, or of what it says.
    pub(super) fn figure(&mut self, work: &Work, progress: &Progress) -> Result<Option<Figure>, Failure> {
        match work.kind {
            Kind::Counted { client, amount, .. } => self.counted(work, client, amount / self.effort.less, progress),
            Kind::Wrk { server, seconds } => self.wrk(work, server, seconds),
            Kind::Boot | Kind::Memory => Ok(None),
        }
    }

    fn counted(
        &mut self,
        work: &Work,
        client: Client,
        amount: u64,
        progress: &Progress,
    ) -> Result<Option<Figure>, Failure> {
        let lost = |error: std::io::Error| Failure::Silent(format!("{}: {error}", work.name));
        let mut conversation = Conversation::start(client, ADDRESS).map_err(lost)?;
        // Windows open, caches fill, and what is translated is translated.
        conversation.go(amount / 4).map_err(lost)?;
        let mut figure = Figure::default();
        let mut rate = 0.0;
        self.settled()?;
        let blocks = self.counter.blocks()?;
        for round in 1..=self.effort.rounds {
            progress.at(format!("{:?}: {}, round {round}", self.kernel, work.name));
            let (before, begun) = (self.settled()?, Instant::now());
            conversation.go(amount).map_err(lost)?;
            let took = begun.elapsed();
            figure.rounds.push(self.since(before, begun)? / amount as f64);
            rate = amount as f64 / took.as_secs_f64();
        }
        self.explain(work, &blocks, amount)?;
        conversation.end().map_err(lost)?;
        self.guest.check()?;
        Ok(Some(Figure { rate: Some(rate), ..figure }))
    }

    /// Instructions for each request that wrk made, or nothing where wrk is not to be had.
    fn wrk(&mut self, work: &Work, server: Server, seconds: u32) -> Result<Option<Figure>, Failure> {
        if install::find("wrk").is_none() {
            return Ok(None);
        }
        let port = match (server, self.kernel) {
            (Server::Nginx, Kernel::Linux) => 8080,
            (Server::Own, _) | (Server::Nginx, Kernel::Lendwire) => 80,
        };
        let seconds = if self.effort.less > 1 { 1 } else { seconds };
        let (before, begun) = (self.settled()?, Instant::now());
        let output = tied("wrk")
            .args(["-t1", "-c8", &format!("-d{seconds}s"), "--timeout", "10s", &format!("http://{ADDRESS}:{port}/1k")])
            .output()
            .map_err(|error| Failure::Missing(format!("wrk did not start: {error}")))?;
        let said = String::from_utf8_lossy(&output.stdout);
        let requests = requests(&said)
            .ok_or_else(|| Failure::Difference(format!("{}: wrk was not served well:\n{said}", work.name)))?;
        let rounds = vec![self.since(before, begun)? / requests];
        self.guest.check()?;
        Ok(Some(Figure { rounds, rate: Some(requests / f64::from(seconds)) }))
    }

    fn settled(&self) -> Result<u64, Failure> {
        // The idle rate's share of a moment, and a tick.
        self.counter.settled((self.idle / 50.0) as u64 + 20_000)
    }

    /// Instructions since then, but for what it costs to do nothing.
    fn since(&self, before: u64, begun: Instant) -> Result<f64, Failure> {
        let now = self.settled()?;
        Ok((now - before) as f64 - self.idle * begun.elapsed().as_secs_f64())
    }

    fn explain(&self, work: &Work, before: &[super::counter::Block], amount: u64) -> Result<(), Failure> {
        let Some(symbols) = &self.symbols else { return Ok(()) };
        // Nobody calls a function for a byte.
        let (size, unit) = if work.unit.ends_with("a byte") { (65_536.0, "64 KiB") } else { (1.0, "once") };
        let units = (amount * self.effort.rounds as u64) as f64 / size;
        let table = symbols.table(before, &self.counter.blocks()?, units, SHOWN);
        println!("{}: instructions for {unit} by function, and how often it is called:\n{table}", work.name);
        Ok(())
    }
}

/// How many requests wrk had answered; `None` where one was answered badly or not at all.
fn requests(said: &str) -> Option<f64> {
    if said.contains("Non-2xx") || said.contains("Socket errors") {
        return None;
    }
    let line = said.lines().find(|line| line.contains(" requests in "))?;
    line.split_whitespace().next()?.parse().ok().filter(|requests| *requests > 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_wrk_says_is_read() {
        let said = "Running 2s test @ http://10.77.0.2/1k\n  1 threads and 8 connections\n  12345 requests in 2.00s, 13.1MB read\nRequests/sec: 6172\n";
        assert_eq!(requests(said), Some(12_345.0));
        assert_eq!(requests(&format!("{said}  Non-2xx or 3xx responses: 3\n")), None);
        assert_eq!(requests(&format!("{said}  Socket errors: connect 0, read 1, write 0, timeout 0\n")), None);
        assert_eq!(requests("  0 requests in 2.00s\n"), None);
        assert_eq!(requests("unable to connect to 10.77.0.2\n"), None);
    }
}

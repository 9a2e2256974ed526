//! How long a guest takes from QEMU's start to its first reply, and with how little memory it serves.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Conversation;
use super::guests::{Boot, Kernel, Nginx, Parts};
use super::room::{ADDRESS, TAP};
use super::works::Client;
use crate::failure::Failure;
use crate::progress::Progress;
use crate::qemu::Offloads;

/// A guest that has not answered by then does not.
const LIMIT: Duration = Duration::from_secs(60);
/// Between two pings, in seconds: what a boot may be measured too long by.
const PING_EVERY: &str = "0.005";

/// Seconds from QEMU's start to the first reply.
///
/// # Errors
/// [`Failure::Silent`] without one, and what became of the guest.
pub(super) fn seconds(parts: &Parts, kernel: Kernel, memory: u32) -> Result<f64, Failure> {
    let boot = Boot { kernel, offloads: Offloads::On, memory, counter: None, nginx: Nginx::Without };
    let mut ping = Ping::start(LIMIT)?;
    let mut guest = parts.boot(&boot, TAP)?;
    loop {
        if let Some(at) = ping.replied()? {
            return Ok((at - guest.started()).as_secs_f64());
        }
        guest.check()?;
    }
}

/// The fewest MiB with which the guest serves a page.
///
/// # Errors
/// What has nothing to do with the guest's memory.
pub(super) fn memory(parts: &Parts, kernel: Kernel, progress: &Progress) -> Result<u32, Failure> {
    let (fails, serves) = match kernel {
        Kernel::Linux => (24, 256),
        Kernel::Lendwire => (1, 64),
    };
    // How long it takes on this host, as busy as it is: with hardly any memory it may take some time more, and one that
    // has too little may never say so.
    let begun = Instant::now();
    serves_with(parts, kernel, serves, LIMIT)?;
    let within = begun.elapsed() * 3 + Duration::from_secs(2);
    least(fails, serves, |memory| {
        progress.at(format!("{kernel:?} with {memory} MiB"));
        match serves_with(parts, kernel, memory, within) {
            Ok(()) => Ok(true),
            Err(Failure::Panicked(_) | Failure::Died(_) | Failure::Silent(_)) => Ok(false),
            Err(other) => Err(other),
        }
    })
}

fn serves_with(parts: &Parts, kernel: Kernel, memory: u32, within: Duration) -> Result<(), Failure> {
    let boot = Boot { kernel, offloads: Offloads::On, memory, counter: None, nginx: Nginx::Without };
    let mut guest = parts.boot(&boot, TAP)?;
    guest.wait_ready(within)?;
    let served = Conversation::start(Client::Http, ADDRESS).and_then(|mut client| client.go(1));
    served.map_err(|error| Failure::Silent(format!("no page from {kernel:?} with {memory} MiB: {error}")))
}

/// The least number that `is_enough`, between one that is not and one that is.
fn least(
    mut fails: u32,
    mut serves: u32,
    mut is_enough: impl FnMut(u32) -> Result<bool, Failure>,
) -> Result<u32, Failure> {
    while serves - fails > 1 {
        let middle = fails + (serves - fails) / 2;
        if is_enough(middle)? {
            serves = middle;
        } else {
            fails = middle;
        }
    }
    Ok(serves)
}

/// Pings that go on until one is answered. Dropping it ends them.
struct Ping(Child);

impl Ping {
    fn start(within: Duration) -> Result<Ping, Failure> {
        let mut command = tied("ping");
        let limit = within.as_secs().to_string();
        command.args(["-n", "-q", "-i", PING_EVERY, "-c", "1", "-w", &limit, &ADDRESS.to_string()]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().map(Ping).map_err(|error| Failure::Missing(format!("ping did not start: {error}")))
    }

    /// When it was answered, looked at for some milliseconds.
    fn replied(&mut self) -> Result<Option<Instant>, Failure> {
        let end = Instant::now() + Duration::from_millis(20);
        while Instant::now() < end {
            match self.0.try_wait() {
                Ok(None) => std::thread::sleep(Duration::from_millis(1)),
                Ok(Some(status)) if status.success() => return Ok(Some(Instant::now())),
                Ok(Some(_)) => return Err(Failure::Silent("no ping was answered".into())),
                Err(error) => return Err(Failure::Died(format!("ping was lost: {error}"))),
            }
        }
        Ok(None)
    }
}

impl Drop for Ping {
    fn drop(&mut self) {
        // Both fail only where it has ended.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// A program that ends with this process, however that ends.
pub(super) fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_that_is_enough_is_found() {
        for enough in 2..=64 {
            let mut asked = 0;
            let found = least(1, 64, |memory| {
                asked += 1;
                Ok(memory >= enough)
            });
            assert_eq!(found, Ok(enough));
            assert!(asked <= 6, "{asked} boots for {enough}");
        }
    }

    #[test]
    fn a_search_ends_with_what_went_wrong() {
        assert_eq!(least(1, 64, |_| Err(Failure::Interrupted)), Err(Failure::Interrupted));
    }
}

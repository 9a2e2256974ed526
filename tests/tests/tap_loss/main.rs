//! Transfers with Linux over a path that loses segments at random, in all roles, with each congestion control: they
//! complete with every byte right, and never stand still for more than three retransmission timeouts.
//!
//! The kernel's random numbers choose what is lost (`nftables`, `numgen random`), so no two runs are the same; what is
//! asserted holds for all of them. Needs root, `/dev/net/tun`, a kernel with bridges and nftables, and the tools that
//! `room` names; without them, or with `LENDWIRE_SKIP_TAP` set, it prints `skipped: why`.
//!
//! | module | what it is |
//! |---|---|
//! | `room` | a network namespace that ends with its test, and the lossy path in it |
//! | `host` | the stack, in this process |
//! | `linux` | Linux's sockets, and what the kernel says of them |
//! | `stall` | the longest time in which nothing came |

mod host;
mod linux;
mod room;
mod stall;

use std::net::TcpListener;
use std::time::{Duration, Instant};

use host::{Host, ours};
use lendwire::tcp::Algorithm;
use lendwire_tests::setup::{Side, Version};
use linux::{Counted, Opening, Watch};

/// For one step of a cell, on a busy machine.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes of a transfer: some 5,800 segments, and so about 58 or 174 of them lost.
const LEN: u64 = 8 << 20;
/// Below this neither side's retransmission timeout falls.
const SHORTEST_TIMEOUT: Duration = Duration::from_millis(200);
/// What a busy machine may add to a stall, beyond what this process saw of it: a delayed acknowledgment, and Linux's
/// threads in their turn.
const SLACK: Duration = Duration::from_millis(300);
const PORT: u16 = 5001;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opener {
    Linux,
    Stack,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sender {
    Linux,
    Stack,
}

/// One transfer.
#[derive(Clone, Copy, Debug)]
struct Cell {
    /// Of whichever end sends.
    algorithm: Algorithm,
    per_mille: u32,
    version: Version,
    opener: Opener,
    sender: Sender,
}

#[test]
fn transfers_with_linux_on_cubic_outlive_random_loss() {
    room::inside("transfers_with_linux_on_cubic_outlive_random_loss", || all_roles("cubic", Algorithm::Cubic));
}

#[test]
fn transfers_with_linux_on_reno_outlive_random_loss() {
    room::inside("transfers_with_linux_on_reno_outlive_random_loss", || all_roles("reno", Algorithm::Reno));
}

#[test]
fn transfers_with_linux_on_bbr_outlive_random_loss() {
    room::inside("transfers_with_linux_on_bbr_outlive_random_loss", || all_roles("bbr", Algorithm::Bbr));
}

/// Every role at 10 and 30 per mille; each role over IPv4 and over IPv6.
fn all_roles(name: &str, algorithm: Algorithm) {
    room::build(&[(host::linux(Version::V4), 24), (host::linux(Version::V6), 64)]);
    if !room::control_by(name, &[Version::V4, Version::V6].map(|version| version.address(Side::First))) {
        println!("skipped: this kernel has no {name}: load the module tcp_{name}");
        return;
    }
    let mut host = Host::new();
    let mut lost = [0, 0];
    let mut port = PORT;
    for (per_mille, others) in [(10, Version::V4), (30, Version::V6)] {
        for opener in [Opener::Linux, Opener::Stack] {
            for sender in [Sender::Linux, Sender::Stack] {
                let version = if opener == Opener::Linux { others } else { other(others) };
                let cell = Cell { algorithm, per_mille, version, opener, sender };
                let gone = cell.run(&mut host, port);
                lost = [lost[0] + gone[0], lost[1] + gone[1]];
                port += 1;
            }
        }
    }
    assert!(lost[0] > 0 && lost[1] > 0, "both directions lose segments: {lost:?}");
}

const fn other(version: Version) -> Version {
    match version {
        Version::V4 => Version::V6,
        Version::V6 => Version::V4,
    }
}

impl Cell {
    /// Makes the transfer, asserts that it never stood still for long, and returns what the path lost of it.
    fn run(self, host: &mut Host, port: u16) -> [u64; 2] {
        room::lose(self.per_mille);
        let (before, counted) = (host.stack.tcp_statistics(), Counted::now());
        host.pauses = stall::Stall::default();
        let watch = Watch::start();
        let begun = Instant::now();
        let (handle, linux) = match self.opener {
            Opener::Linux => {
                let at = ours(self.version, port);
                host.accept(at, || linux::start(Opening::To(at), self.sender, LEN))
            }
            Opener::Stack => {
                let at = (host::linux(self.version), port);
                let listener = TcpListener::bind(at).expect("the port is free");
                let linux = linux::start(Opening::At(listener), self.sender, LEN);
                (host.connect(at.into()), linux)
            }
        };
        let opened = Instant::now();
        let half = host.transfer(handle, self.algorithm, self.sender, LEN, &linux);
        let took = opened.elapsed();
        let linux = linux.join().unwrap_or_else(|_| panic!("Linux's end failed: {self:?}"));
        let seen_by_linux = watch.stop();
        let (after, recounted) = (host.stack.tcp_statistics(), Counted::now());

        let lost = room::lost();
        let (stall, timeout, retransmissions, timeouts, gone) = match self.sender {
            Sender::Linux => (
                half.stall.longest(),
                seen_by_linux,
                recounted.retransmissions - counted.retransmissions,
                recounted.timeouts - counted.timeouts,
                lost[1],
            ),
            Sender::Stack => (
                linux.longest(),
                half.timeout,
                after.retransmissions - before.retransmissions,
                after.timeouts - before.timeouts,
                lost[0],
            ),
        };
        let pause = host.pauses.longest();
        println!(
            "{:?} sends by {:?}, {:?} opens, {:?}, {:2} per mille: {:.2} s to open, {:.2} s, {:.1} MB/s, lost {lost:?}, \
             {retransmissions} retransmissions, {timeouts} timeouts, longest stall {} ms, largest RTO {} ms, longest \
             pause of this process {} ms",
            self.sender,
            self.algorithm,
            self.opener,
            self.version,
            self.per_mille,
            (opened - begun).as_secs_f64(),
            took.as_secs_f64(),
            LEN as f64 / 1e6 / took.as_secs_f64(),
            stall.as_millis(),
            timeout.as_millis(),
            pause.as_millis(),
        );
        assert!(gone > 0 && retransmissions > 0, "the path lost nothing that was sent: {self:?}");
        let most = 3 * timeout.max(SHORTEST_TIMEOUT) + pause + SLACK;
        assert!(stall <= most, "nothing came for {stall:?}, and {most:?} is the most: {self:?}");
        lost
    }
}

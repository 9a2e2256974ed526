//! The unikernel on the `virt` machines of aarch64 and riscv64, with user networking.
//!
//! What is tested here is the machine under the program: memory, time, interrupts, the way out. A host that cannot have
//! QEMU for them skips, and says so; under CI (the variable `CI`) that is a failure.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::PathBuf;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

use xtask::failure::Failure;
use xtask::image;
use xtask::probe::{Client, check_pages};
use xtask::qemu::{Arch, Guest, Nic, Options, Service};
use xtask::transfer::{check_digest, check_echo};

/// A translated guest on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// How long the guest lets a client be silent (the unikernel's `http::PATIENCE`).
const GUESTS_PATIENCE: Duration = Duration::from_secs(10);

const BOTH: [Arch; 2] = [Arch::Aarch64, Arch::Riscv64];

/// A guest of `arch` under way, made as `change` says; nothing on a host that cannot run one.
fn start(arch: Arch, change: impl FnOnce(&mut Options)) -> Option<Guest> {
    static IMAGES: [OnceLock<PathBuf>; 2] = [const { OnceLock::new() }; 2];
    let at = BOTH.iter().position(|known| *known == arch).expect("one of both");
    let image = IMAGES[at].get_or_init(|| image::build(arch).unwrap_or_else(|failure| panic!("{failure}")));
    let mut options = Options { arch, ..Options::new(image) };
    change(&mut options);
    match Guest::boot(options) {
        Err(Failure::Missing(what)) if std::env::var_os("CI").is_none() => {
            // Past the test runner, which keeps what a passed test prints to itself.
            writeln!(std::io::stderr(), "skipped: {what}").expect("stderr is open");
            None
        }
        booted => Some(booted.unwrap_or_else(|failure| panic!("{failure}"))),
    }
}

/// A guest of `arch` that listens.
fn boot(arch: Arch, change: impl FnOnce(&mut Options)) -> Option<Guest> {
    let mut guest = start(arch, change)?;
    guest.wait_ready(PATIENCE).unwrap_or_else(|failure| panic!("{arch:?}: {failure}"));
    Some(guest)
}

fn client(guest: &Guest) -> Client {
    Client::new(guest.address(Service::Http).expect("user networking forwards HTTP"), PATIENCE)
}

#[track_caller]
fn pages_are_right(guest: &Guest) {
    check_pages(&client(guest)).unwrap_or_else(|failure| panic!("{failure}\n{:#?}", guest.log()));
}

#[track_caller]
fn said(guest: &Guest, words: &str) {
    assert!(guest.log().iter().any(|line| line.contains(words)), "not said: {words}\n{:#?}", guest.log());
}

#[test]
fn every_card_brings_the_pages_and_its_interrupts_its_own_way() {
    for (arch, nic, interrupts) in [
        (Arch::Aarch64, Nic::Virtio, "by messages"),
        (Arch::Aarch64, Nic::VirtioPacked, "by messages"),
        // The last of 32 places, whose shared interrupts are numbered from 16 in the tree and from 48 in the GIC.
        (Arch::Aarch64, Nic::VirtioMmio, "on line 79"),
        // Slot 1, pin A, by the bridge's map.
        (Arch::Aarch64, Nic::E1000, "on line 36"),
        (Arch::Aarch64, Nic::E1000e, "by messages"),
        (Arch::Riscv64, Nic::Virtio, "on line 33"),
        (Arch::Riscv64, Nic::VirtioPacked, "on line 33"),
        (Arch::Riscv64, Nic::VirtioMmio, "on line 8"),
        (Arch::Riscv64, Nic::E1000, "on line 33"),
        (Arch::Riscv64, Nic::E1000e, "on line 33"),
    ] {
        let Some(guest) = boot(arch, |options| {
            options.nic = nic;
            options.kernel.poll = Some("never".into());
        }) else {
            return;
        };
        pages_are_right(&guest);
        let address = |service| guest.address(service).expect("user networking forwards it");
        let echo = check_echo(address(Service::Echo), 1 << 20, PATIENCE);
        let digest = check_digest(address(Service::Digest), 16 << 20, PATIENCE);
        for checked in [echo, digest] {
            checked.unwrap_or_else(|failure| panic!("{arch:?} {nic:?}: {failure}"));
        }
        said(&guest, &format!("interrupts {interrupts}"));
        // A guest that no interrupt wakes gets on from one timer to the next, so the pages alone do not tell.
        let stats = client(&guest).stats().unwrap_or_else(|failure| panic!("{failure}"));
        let taken = stats["interrupts"].as_u64().expect("the guest counts its interrupts");
        assert!(taken > 3, "{arch:?} {nic:?}: {taken} interrupts\n{stats:#}");
    }
}

#[test]
fn an_idle_guest_sleeps_unless_it_is_told_to_poll() {
    for (arch, nic) in [(Arch::Aarch64, Nic::Virtio), (Arch::Aarch64, Nic::VirtioMmio), (Arch::Riscv64, Nic::E1000)] {
        for (poll, is_asleep) in [("adaptive", true), ("always", false)] {
            let Some(mut guest) = boot(arch, |options| {
                options.nic = nic;
                options.kernel.poll = Some(poll.into());
            }) else {
                return;
            };
            pages_are_right(&guest);
            let taken = guest.processor_time(Duration::from_secs(2)).unwrap_or_else(|failure| panic!("{failure}"));
            println!("{arch:?} poll={poll}: {taken:?} of 2 s");
            let limit = Duration::from_millis(if is_asleep { 100 } else { 300 });
            assert_eq!(taken <= limit, is_asleep, "{arch:?} {nic:?} poll={poll}: {taken:?} in two seconds");
        }
    }
}

#[test]
fn a_sleeper_wakes_by_its_own_clock_when_a_clients_time_is_up() {
    let guests = BOTH.map(|arch| boot(arch, |options| options.kernel.poll = Some("never".into())));
    let silent = guests.iter().flatten().map(|guest| {
        let address = guest.address(Service::Http).expect("user networking forwards HTTP");
        (Instant::now(), TcpStream::connect(address).expect("the guest listens"))
    });
    for (since, mut client) in silent.collect::<Vec<_>>() {
        client.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        // Nothing comes from the network meanwhile: only the timer can end the guest's sleep.
        let heard = client.read(&mut [0; 1]).expect("the guest closes");
        assert_eq!(heard, 0, "the guest has nothing to say");
        let waited = since.elapsed();
        assert!(waited > GUESTS_PATIENCE.mul_f64(0.9) && waited < GUESTS_PATIENCE.mul_f64(1.5), "{waited:?}");
    }
}

#[test]
fn a_run_that_cannot_be_ends_with_the_status_of_a_panic() {
    for arch in BOTH {
        let Some(mut guest) = start(arch, |options| options.kernel.poll = Some("sometimes".into())) else { return };
        let status = guest.wait_exit(PATIENCE).unwrap_or_else(|failure| panic!("{arch:?}: {failure}"));
        assert_eq!(status.code(), Some(3), "{arch:?}: {:#?}", guest.log());
        said(&guest, "poll=sometimes is unknown");
    }
}

#[test]
fn memory_beyond_the_first_gigabytes_and_processors_beyond_the_first_do_no_harm() {
    for (arch, memory) in [(Arch::Aarch64, 2500), (Arch::Riscv64, 2500)] {
        let Some(guest) = boot(arch, |options| {
            options.memory = memory;
            options.processors = 3;
        }) else {
            return;
        };
        let is_whole = |line: &String| {
            let kibibytes = line.strip_prefix("lendwire: ").and_then(|rest| rest.split_once(" KiB of memory"));
            kibibytes.is_some_and(|(count, _)| count.parse().is_ok_and(|count: u32| count >> 10 > memory - 16))
        };
        assert!(guest.log().iter().any(is_whole), "{arch:?}: memory is missing\n{:#?}", guest.log());
        pages_are_right(&guest);
    }
}

#[test]
fn a_card_that_is_stopped_and_started_loses_nothing() {
    for arch in BOTH {
        for nic in [Nic::Virtio, Nic::VirtioMmio, Nic::E1000, Nic::E1000e] {
            let Some(guest) = boot(arch, |options| {
                options.nic = nic;
                options.kernel.restart = Some(20);
            }) else {
                return;
            };
            said(&guest, "20 times, nothing lost");
            pages_are_right(&guest);
        }
    }
}

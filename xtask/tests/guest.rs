//! The process guard, on a program that plays QEMU.

use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use xtask::failure::Failure;
use xtask::qemu::{Guest, Options, Service};
use xtask::serial::Line;

const SOON: Duration = Duration::from_secs(10);

fn boot(behaviour: &str) -> Guest {
    let fake = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fake-qemu");
    Guest::boot(Options { qemu: Some(fake.into()), ..Options::new(behaviour) }).expect("the fake starts")
}

fn is_running(process: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    Path::new(&format!("/proc/{process}")).exists() && !status.contains(") Z ")
}

#[test]
fn a_guest_that_is_ready_has_addresses() {
    let mut guest = boot("ready");
    let ready = guest.wait_ready(SOON).expect("the fake says ready");
    assert_eq!(ready.after, Duration::from_millis(1));
    assert_eq!(guest.log()[0], "lendwire: hello");
    let echo = guest.address(Service::Echo).expect("user networking forwards every service");
    assert!(echo.ip().is_loopback());
    assert_ne!(Some(echo), guest.address(Service::Http));
}

#[test]
fn dropping_the_guest_ends_its_process() {
    let guest = boot("silent");
    let process = guest.process();
    assert!(is_running(process));
    drop(guest);
    assert!(!is_running(process));
}

#[test]
fn the_guest_outlives_the_thread_that_booted_it() {
    let mut guest = thread::spawn(|| boot("ready")).join().expect("booting does not panic");
    guest.wait_ready(SOON).expect("the fake says ready");
    thread::sleep(Duration::from_millis(50));
    assert!(is_running(guest.process()));
}

#[test]
fn a_panic_is_told_with_what_followed_it() {
    let mut guest = boot("panic");
    let Err(Failure::Panicked(message)) = guest.wait_ready(SOON) else { panic!("not seen as a panic") };
    assert!(message.contains("out of luck") && message.contains("at line 7"), "{message}");
    assert_eq!(guest.wait_exit(SOON).expect("the fake ended").code(), Some(3));
    // Asked again, it says the same and does not wait.
    assert!(
        matches!(guest.wait_ready(Duration::MAX), Err(Failure::Panicked(message)) if message.contains("out of luck"))
    );
}

#[test]
fn every_early_end_has_its_name() {
    assert!(matches!(boot("reset").wait_ready(SOON), Err(Failure::Died(message)) if message.contains("triple fault")));
    assert!(
        matches!(boot("wordless").wait_ready(SOON), Err(Failure::Panicked(message)) if message.contains("no panic line"))
    );
    assert!(matches!(boot("leaves").wait_ready(SOON), Err(Failure::Died(message)) if message.contains("on purpose")));
    assert!(matches!(boot("killed").wait_ready(SOON), Err(Failure::Died(message)) if message.contains("killed QEMU")));
    assert!(matches!(boot("taken").wait_ready(SOON), Err(Failure::Port(message)) if message.contains("--port")));
}

#[test]
fn silence_ends_at_the_deadline() {
    let started = Instant::now();
    let failure = boot("silent").wait_ready(Duration::from_millis(100)).expect_err("the fake says nothing");
    assert!(matches!(failure, Failure::Silent(message) if message.contains("the guest to be ready")));
    assert!(started.elapsed() < SOON);
}

#[test]
fn a_wait_without_end_is_ended_by_the_waker() {
    let mut guest = boot("ready");
    let waker = guest.waker();
    thread::spawn(move || {
        thread::sleep(Duration::from_millis(50));
        waker.wake();
    });
    assert_eq!(guest.wait_for::<()>("nothing", Duration::MAX, |_| None), Err(Failure::Interrupted));
}

#[test]
fn lines_that_came_before_a_check_are_still_there_after_it() {
    let mut guest = boot("ready");
    thread::sleep(Duration::from_millis(200));
    guest.check().expect("the fake is well");
    let text = guest.wait_for("the greeting", SOON, |line| match line {
        Line::Text(text) => Some(text.clone()),
        Line::Ready(_) | Line::FirstReply(_) | Line::Panic(_) => None,
    });
    assert_eq!(text.as_deref(), Ok("lendwire: hello"));
}

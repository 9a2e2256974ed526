//! The unikernel under QEMU with user networking: no root, no device of the host. A host without QEMU skips, and says so.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Shutdown, TcpStream, UdpSocket};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use xtask::failure::Failure;
use xtask::probe::{Client, check_pages, first_reply};
use xtask::qemu::{Guest, KernelLine, Nic, Options, Service};
use xtask::serial::Line;
use xtask::transfer::{check_digest, check_echo};

/// A translated guest on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

/// A guest that listens, made as `change` says; nothing on a host that cannot run one.
fn boot(change: impl FnOnce(&mut Options)) -> Option<Guest> {
    static IMAGE: OnceLock<PathBuf> = OnceLock::new();
    let image = IMAGE.get_or_init(|| xtask::image::path().unwrap_or_else(|failure| panic!("{failure}")));
    let mut options = Options::new(image);
    change(&mut options);
    let mut guest = match Guest::boot(options) {
        Err(Failure::Missing(what)) => {
            // Past the test runner, which keeps what a passed test prints to itself.
            writeln!(std::io::stderr(), "skipped: {what}").expect("stderr is open");
            return None;
        }
        booted => booted.unwrap_or_else(|failure| panic!("{failure}")),
    };
    guest.wait_ready(PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    Some(guest)
}

fn client(guest: &Guest) -> Client {
    Client::new(guest.address(Service::Http).expect("user networking forwards HTTP"), PATIENCE)
}

#[track_caller]
fn pages_are_right(guest: &Guest) {
    check_pages(&client(guest)).unwrap_or_else(|failure| panic!("{failure}\n{:#?}", guest.log()));
}

/// An echo there and back, and 16 MiB into the guest with the CRC-32 that it says.
#[track_caller]
fn transfers_are_right(guest: &Guest) {
    let address = |service| guest.address(service).expect("user networking forwards it");
    let echo = check_echo(address(Service::Echo), 1 << 20, PATIENCE);
    let digest = check_digest(address(Service::Digest), 16 << 20, PATIENCE);
    for checked in [echo, digest] {
        checked.unwrap_or_else(|failure| panic!("{failure}\n{:#?}", guest.log()));
    }
}

#[test]
fn the_first_reply_comes_soon_and_every_page_is_right() {
    let Some(mut guest) = boot(|_| {}) else { return };
    let http = guest.address(Service::Http).expect("user networking forwards HTTP");
    let at = first_reply(&mut guest, http, PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    println!("boot to first reply: {:.3} s", (at - guest.started()).as_secs_f64());
    pages_are_right(&guest);
}

#[test]
fn four_mebibytes_are_enough() {
    for nic in [Nic::Virtio, Nic::VirtioMmio] {
        let Some(guest) = boot(|options| {
            options.memory = 4;
            options.nic = nic;
        }) else {
            return;
        };
        pages_are_right(&guest);
        transfers_are_right(&guest);
        pages_are_right(&guest);
    }
}

#[test]
fn it_answers_after_a_few_million_instructions() {
    // Under -icount a nanosecond of the guest is an instruction, however busy the host is.
    const MOST: Duration = Duration::from_millis(5);
    let Some(guest) = boot(|options| {
        options.nic = Nic::VirtioMmio;
        options.memory = 4;
        let (ip, gw) = (Some("10.0.2.15/24".into()), Some("10.0.2.2".into()));
        options.kernel = KernelLine { ip, gw, ..KernelLine::default() };
        options.extra = ["-icount", "shift=0,sleep=off"].map(str::to_owned).to_vec();
    }) else {
        return;
    };
    let after = guest.log().iter().find_map(|line| match Line::parse(line) {
        Line::Ready(ready) => Some(ready.after),
        Line::FirstReply(_) | Line::Panic(_) | Line::Text(_) => None,
    });
    assert!(after.is_some_and(|after| after <= MOST), "{after:?} of instructions until it answers");
}

#[test]
fn an_address_may_be_given_instead_of_leased() {
    let Some(guest) = boot(|options| {
        // QEMU's user networking forwards to its first address, leased or not.
        options.kernel = KernelLine {
            ip: Some("10.0.2.15/24".into()),
            gw: Some("10.0.2.2".into()),
            ip6: Some("fec0::15/64".into()),
            ..KernelLine::default()
        };
    }) else {
        return;
    };
    pages_are_right(&guest);
}

#[test]
fn every_card_brings_the_pages_and_its_interrupts_its_own_way() {
    for (nic, properties, interrupts) in [
        (Nic::VirtioPacked, None, "by messages"),
        // q35's rule for slot 1, pin A.
        (Nic::Virtio, Some("vectors=0"), "on line 21"),
        (Nic::VirtioMmio, None, "on line 12"),
        (Nic::E1000, None, "on line 21"),
        (Nic::E1000e, None, "by messages"),
    ] {
        let Some(guest) = boot(|options| {
            options.nic = nic;
            options.properties = properties.map(String::from).into_iter().collect();
            // A guest that always sleeps hears of nothing but by interrupts.
            options.kernel.poll = Some("never".into());
        }) else {
            return;
        };
        pages_are_right(&guest);
        transfers_are_right(&guest);
        let how = guest.log().iter().find(|line| line.contains("of memory")).expect("the guest says what it has");
        assert!(how.ends_with(&format!("interrupts {interrupts}")), "{nic:?}: {how}");
        let stats = client(&guest).stats().unwrap_or_else(|failure| panic!("{failure}"));
        // Few, where the card waits for more before it interrupts.
        assert!(stats["interrupts"].as_u64() > Some(2), "{nic:?}: {}", stats["interrupts"]);
    }
}

/// Has QEMU pull or plug the guest's cable, by its control socket.
fn set_link(socket: &Path, is_up: bool) {
    let mut stream = UnixStream::connect(socket).expect("QEMU listens");
    stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
    let mut answers = BufReader::new(stream.try_clone().expect("a second handle")).lines();
    let mut answer = || answers.next().expect("QEMU answers").expect("in UTF-8");
    answer();
    let set_link = format!(r#"{{"execute": "set_link", "arguments": {{"name": "n0", "up": {is_up}}}}}"#);
    for command in [r#"{"execute": "qmp_capabilities"}"#, &set_link] {
        writeln!(stream, "{command}").expect("QEMU listens");
        let said = answer();
        assert!(said.contains("return"), "{command}: {said}");
    }
}

#[test]
fn a_cable_that_is_pulled_and_plugged_is_told() {
    let socket = std::env::temp_dir().join(format!("lendwire-{}.qmp", std::process::id()));
    for (nic, poll) in [
        (Nic::Virtio, "adaptive"),
        (Nic::Virtio, "always"),
        (Nic::VirtioMmio, "never"),
        (Nic::E1000, "never"),
        (Nic::E1000e, "adaptive"),
    ] {
        let Some(mut guest) = boot(|options| {
            options.nic = nic;
            options.kernel.poll = Some(poll.into());
            options.extra = vec!["-qmp".into(), format!("unix:{},server=on,wait=off", socket.display())];
        }) else {
            return;
        };
        for (is_up, state) in [(false, "down"), (true, "up")] {
            set_link(&socket, is_up);
            let line = guest.wait_for("a word about the link", PATIENCE, |line| match line {
                Line::Text(text) if text.contains("the link of") => Some(text.clone()),
                Line::Text(_) | Line::Ready(_) | Line::FirstReply(_) | Line::Panic(_) => None,
            });
            let line = line.unwrap_or_else(|failure| panic!("{nic:?}, poll={poll}: {failure}"));
            assert!(line.ends_with(&format!("is {state}")), "{nic:?}, poll={poll}: {line}");
        }
        pages_are_right(&guest);
    }
}

#[test]
fn a_card_is_stopped_and_started_twenty_times_without_losing_a_slot() {
    for nic in [Nic::Virtio, Nic::VirtioPacked, Nic::VirtioMmio, Nic::E1000, Nic::E1000e] {
        let boot_and_use = |restart| {
            let guest = boot(|options| {
                options.nic = nic;
                options.kernel.restart = restart;
            })?;
            pages_are_right(&guest);
            let stats = client(&guest).stats().unwrap_or_else(|failure| panic!("{failure}"));
            Some((guest, stats["pools"]["receive"]["in_use"].as_u64().expect("the pool's use is told")))
        };
        let Some((restarted, in_use)) = boot_and_use(Some(20)) else { return };
        let said = restarted.log().iter().find(|line| line.contains("restarted")).expect("the guest says what it did");
        assert!(said.ends_with("20 times, nothing lost"), "{nic:?}: {said}");
        drop(restarted);
        // What was not lost while the card stood still was not lost after its last start either.
        let Some((_, usual)) = boot_and_use(None) else { return };
        assert!(in_use.abs_diff(usual) <= 8, "{nic:?}: {in_use} slots are in use, without restarts {usual}");
    }
}

/// Processor time of a guest that nobody talks to, over two seconds of the clock.
#[track_caller]
fn idle_time(guest: &mut Guest) -> Duration {
    guest.processor_time(Duration::from_secs(2)).unwrap_or_else(|failure| panic!("{failure}"))
}

#[test]
fn an_idle_guest_takes_nearly_no_processor_unless_it_is_told_to_poll() {
    for poll in ["adaptive", "never"] {
        let Some(mut guest) = boot(|options| options.kernel.poll = Some(poll.into())) else { return };
        pages_are_right(&guest);
        let idle = idle_time(&mut guest);
        println!("poll={poll}: {idle:?} of 2 s");
        assert!(idle <= Duration::from_millis(100), "poll={poll}: an idle guest took {idle:?} in two seconds");
    }
    // The measurement sees a guest that does take the processor, as far as a busy host lets it have any.
    let Some(mut guest) = boot(|options| options.kernel.poll = Some("always".into())) else { return };
    pages_are_right(&guest);
    let idle = idle_time(&mut guest);
    println!("poll=always: {idle:?} of 2 s");
    assert!(idle > Duration::from_millis(200), "a guest that polls took only {idle:?} in two seconds");
}

#[test]
fn what_is_served_again_is_neither_copied_nor_summed() {
    let Some(guest) = boot(|_| {}) else { return };
    let client = client(&guest);
    let fetch = |path| client.fetch(path).unwrap_or_else(|failure| panic!("{failure}"));
    let counts = || {
        let stats = client.stats().unwrap_or_else(|failure| panic!("{failure}"));
        ["payload_bytes_summed", "payload_bytes_copied", "allocations_after_start"]
            .map(|name| stats[name].as_u64().unwrap_or_else(|| panic!("no {name} in {stats:#}")))
    };
    // User networking takes no checksum off the guest, so the first service reads the page's edges.
    fetch("/1m");
    let [summed, copied, _] = counts();
    for _ in 0..10 {
        assert_eq!(fetch("/1m").body.len(), 1 << 20);
    }
    let [summed_then, copied_then, allocated] = counts();
    assert_eq!(summed_then, summed, "payload bytes were summed again");
    // Ten heads, and one page of counters.
    assert!(copied_then - copied < 10 * 512 + 8192, "{} bytes were copied", copied_then - copied);
    assert_eq!(allocated, 0, "nothing is allocated after the start");
}

#[test]
fn echoes_come_back_over_tcp_and_udp() {
    let Some(guest) = boot(|_| {}) else { return };
    for service in [Service::Echo, Service::EchoWellKnown] {
        let address = guest.address(service).expect("user networking forwards it");
        let said: Vec<u8> = (0..200_000u32).map(|at| (at.wrapping_mul(at) >> 7) as u8).collect();
        let mut stream = TcpStream::connect(address).expect("the guest listens");
        stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        let writer = {
            let (mut stream, said) = (stream.try_clone().expect("a second handle"), said.clone());
            std::thread::spawn(move || stream.write_all(&said).and_then(|()| stream.shutdown(Shutdown::Write)))
        };
        let mut heard = Vec::new();
        stream.read_to_end(&mut heard).expect("all comes back, and then an end");
        writer.join().expect("the writer does not panic").expect("all is taken");
        assert!(heard == said, "{} bytes came back, not the same {}", heard.len(), said.len());

        let socket = UdpSocket::bind("127.0.0.1:0").expect("a free port");
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        for len in [0, 1, 100, 1472] {
            socket.send_to(&said[..len], address).expect("it is sent");
            let mut room = [0; 2000];
            let (heard, _) = socket.recv_from(&mut room).expect("it comes back");
            assert_eq!(room[..heard], said[..len]);
        }
    }
}

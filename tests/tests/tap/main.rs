//! The unikernel against the Linux kernel, over a TAP device: real clients, the whole run captured, every checksum of
//! the guest checked by somebody else's program.
//!
//! Needs root, `/dev/net/tun` and the tools of `xtask::install::TAP_TOOLS`; without them, or with `LENDWIRE_SKIP_TAP`
//! set, it prints `skipped: why`.
//!
//! | module | what it is |
//! |---|---|
//! | `room` | a network namespace that ends with its test, and the wires in it |
//! | `capture` | `tcpdump` of the whole run, and what `tshark` says of it |
//! | `bulk` | what a packet costs in a long transfer |
//! | `clients` | ping, curl, nc, and sockets of this process |
//! | `lease` | a DHCP server |
//! | `matrix` | every card, briefly |

mod bulk;
mod capture;
mod clients;
mod lease;
mod matrix;
mod room;

use std::net::IpAddr;
use std::time::{Duration, Instant};

use capture::{Capture, Completed};
use clients::Target;
use room::{GUEST, GUEST6, HOST};
use xtask::qemu::{Guest, KernelLine, Net, Offloads, Options};

/// A translated guest on a busy machine takes its time.
const PATIENCE: Duration = Duration::from_secs(60);

#[test]
fn linux_and_the_guest_agree_with_checksum_offload() {
    room::inside("linux_and_the_guest_agree_with_checksum_offload", || {
        run(Offloads::On, Completed::ByLinux);
    });
}

#[test]
fn linux_and_the_guest_agree_without_checksum_offload() {
    room::inside("linux_and_the_guest_agree_without_checksum_offload", || {
        run(Offloads::Off, Completed::ByGuest);
    });
}

fn run(offloads: Offloads, completed: Completed) {
    let mut clock = Clock(Instant::now());
    let tap = room::build(1);
    let mut capture = Capture::start(room::CAPTURED);
    let mut options = Options::new(xtask::image::path().unwrap_or_else(|failure| panic!("{failure}")));
    options.net = Net::Tap(tap.into());
    options.offloads = offloads;
    options.kernel = KernelLine {
        ip: Some(format!("{GUEST}/24")),
        gw: Some(HOST.to_string()),
        ip6: Some(format!("{GUEST6}/64")),
        ..KernelLine::default()
    };
    clock.lap("the room is built");
    let mut guest = Guest::boot(options).unwrap_or_else(|failure| panic!("{failure}"));
    let ready = guest.wait_ready(PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    let local = *ready.ip6.iter().find(|it| it.is_unicast_link_local()).expect("the guest has a link-local address");
    let target = Target { ip: IpAddr::V4(GUEST), ip6: GUEST6, local };
    clock.lap("the guest is up");

    target.answers_pings();
    clock.lap("pings");
    target.serves_pages(completed);
    clock.lap("curl, 200 times /1m");
    target.serves_many_at_once();
    clock.lap("64 clients at once");
    target.echoes_datagrams();
    target.echoes_a_stream(100_000_000);
    target.echoes_through_nc();
    clock.lap("100 MB of echo, and nc");
    target.has_lost_nothing();

    guest.check().unwrap_or_else(|failure| panic!("{failure}"));
    drop(guest);
    let packets = capture.stop();
    clock.lap("the capture is closed");
    let judged = capture.judge(&ready.mac, completed);
    println!("{judged:?} of {packets} packets");
    clock.lap("tshark");
    judged.assert_sound(100_000);
}

/// Tells how long each part took.
struct Clock(Instant);

impl Clock {
    fn lap(&mut self, what: &str) {
        println!("{:6.2} s  {what}", self.0.elapsed().as_secs_f64());
        self.0 = Instant::now();
    }
}

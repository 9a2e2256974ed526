//! A network namespace of the test's own: it has no name, nobody else sees it, and it ends with the test's process,
//! however that ends.
//!
//! ```text
//! guest ── lend0 (TAP) ── bridge ── port ═ wire ── the test's sockets, ping, curl, tcpdump
//! ```
//!
//! A TAP device carries checksums that were left to a device as they are, so a capture there shows them unfinished.
//! The `port` does no checksum offload: what the guest left open is completed there as its descriptor said, and the
//! capture on `wire` shows whether that came out right. Toward the guest `wire` leaves checksums open, so that the
//! guest meets those as well.

use std::ffi::OsStr;
use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr};
use std::process::{Command, Stdio};

use xtask::install;
use xtask::namespace::{self, Needs};
use xtask::qemu::Arch;

/// Addresses that only exist in the room.
pub(crate) const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(crate) const GUEST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(crate) const HOST6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 1);
pub(crate) const GUEST6: Ipv6Addr = Ipv6Addr::new(0xfd77, 0, 0, 0, 0, 0, 0, 2);

/// The device whose frames are captured, and that the test's sockets use.
pub(crate) const CAPTURED: &str = "wire";
const TAP: &str = "lend0";

/// Runs `body`, which is the whole of the test `name`, in a process with a network namespace of its own.
pub(crate) fn inside(name: &str, body: impl FnOnce()) {
    let more =
        [("ethtool", "ethtool"), ("dnsmasq", "dnsmasq-base"), ("unshare", "util-linux"), ("setpriv", "util-linux")];
    let more = more.map(|(program, package)| install::Tool { program, package });
    let tools = [&[Arch::X86_64.emulator()], install::TAP_TOOLS, &more[..]].concat();
    let needs = Needs { tools: &tools, tried: "ip link add lend-bridge type bridge" };
    let prepare = |command: &mut Command| {
        // Built out here, where the network is.
        let image = xtask::image::path().unwrap_or_else(|failure| panic!("{failure}"));
        command.env(xtask::image::IMAGE_VARIABLE, image);
    };
    namespace::inside(name, &needs, prepare, body);
}

/// Builds the wires, and returns the name of the TAP device, which has so many pairs of queues.
pub(crate) fn build(pairs: u16) -> &'static str {
    let setting = |name: &str, value: &str| {
        fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
    };
    // The congestion control of a host is its owner's choice; here it is always the same.
    setting("ipv4/tcp_congestion_control", "reno");
    ip("link set lo up");
    ip(&format!("tuntap add dev {TAP} mode tap{}", if pairs > 1 { " multi_queue" } else { "" }));
    ip("link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
    ip(&format!("link add port type veth peer name {CAPTURED}"));
    for device in [TAP, "bridge", "port"] {
        // Linux itself only speaks from the other end.
        ip(&format!("link set {device} addrgenmode none"));
    }
    for device in [TAP, "port"] {
        ip(&format!("link set {device} master bridge"));
    }
    run("ethtool", ["-K", "port", "tx", "off"]);
    setting(&format!("ipv6/conf/{CAPTURED}/accept_dad"), "0");
    for device in [TAP, "port", "bridge", CAPTURED] {
        ip(&format!("link set {device} up"));
    }
    // One processor hands on what comes through a wire's end. Each would hand on its own, and frames of one flow, sent by
    // two, would change places on the way.
    for device in ["port", CAPTURED] {
        let queue = format!("/sys/class/net/{device}/queues/rx-0/rps_cpus");
        fs::write(&queue, "1").unwrap_or_else(|error| panic!("{queue}: {error}"));
    }
    ip(&format!("addr add {HOST}/24 dev {CAPTURED}"));
    ip(&format!("addr add {HOST6}/64 dev {CAPTURED} nodad"));
    TAP
}

#[track_caller]
fn ip(words: &str) {
    run("ip", words.split(' '));
}

/// A program that ends with the test's process, however that ends.
pub(crate) fn tied(program: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", program]);
    command
}

/// Runs a program to its end, and returns what it printed.
///
/// # Panics
/// If it fails, with everything it said.
#[track_caller]
pub(crate) fn run<A: AsRef<OsStr>>(program: &str, arguments: impl IntoIterator<Item = A>) -> String {
    let arguments: Vec<_> = arguments.into_iter().map(|argument| argument.as_ref().to_owned()).collect();
    let output = Command::new(program).args(&arguments).stdin(Stdio::null()).output();
    let output = output.unwrap_or_else(|error| panic!("{program} did not start: {error}"));
    let (said, complained) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {}\n{said}{complained}", output.status);
    said.into_owned()
}

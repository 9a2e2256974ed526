//! A network namespace of the test's own, with a path in it that loses TCP segments at random, both ways.
//!
//! ```text
//! stack ── lossy (TAP) ── bridge, which loses ── port ═ wire ── Linux's sockets
//! ```
//!
//! The bridge loses them, and neither host: a host that itself drops what it sends learns of it at once, and holds the
//! segment back instead of losing it. Segments cross one by one, so that a loss is the loss of one.

use std::ffi::OsStr;
use std::fs;
use std::net::IpAddr;
use std::process::{Command, Stdio};

use xtask::install::Tool;
use xtask::namespace::{self, Needs};

/// The stack's device.
pub(crate) const TAP: &str = "lossy";
const WIRE: &str = "wire";

/// What the tests here call.
const TOOLS: &[Tool] = &[
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "nft", package: "nftables" },
    Tool { program: "ethtool", package: "ethtool" },
    Tool { program: "unshare", package: "util-linux" },
    Tool { program: "setpriv", package: "util-linux" },
];

/// Runs `body`, which is the whole of the test `name`, in a process with a network namespace of its own.
pub(crate) fn inside(name: &str, body: impl FnOnce()) {
    let tried = format!("ip link add bridge type bridge && nft '{}'", rules(1));
    namespace::inside(name, &Needs { tools: TOOLS, tried: &tried }, |_| {}, body);
}

/// Builds the path; `hosts` are Linux's addresses and the lengths of their prefixes.
pub(crate) fn build(hosts: &[(IpAddr, u8)]) {
    ip("link set lo up");
    ip(&format!("tuntap add dev {TAP} mode tap"));
    ip("link add bridge type bridge stp_state 0 forward_delay 0 mcast_snooping 0");
    ip(&format!("link add port type veth peer name {WIRE}"));
    for device in [TAP, "bridge", "port"] {
        // Linux itself only speaks from the other end.
        ip(&format!("link set {device} addrgenmode none"));
    }
    for device in [TAP, "port"] {
        ip(&format!("link set {device} master bridge"));
    }
    run("ethtool", ["-K", WIRE, "tso", "off", "gso", "off", "gro", "off"]);
    setting(&format!("ipv6/conf/{WIRE}/accept_dad"), "0");
    // What a connection learned of the path is not for the next one.
    setting("ipv4/tcp_no_metrics_save", "1");
    for device in [TAP, "port", "bridge", WIRE] {
        ip(&format!("link set {device} up"));
    }
    // One processor hands on what comes through a wire's end: two would let frames change places, and this path only
    // loses.
    for device in ["port", WIRE] {
        let queue = format!("/sys/class/net/{device}/queues/rx-0/rps_cpus");
        fs::write(&queue, "1").unwrap_or_else(|error| panic!("{queue}: {error}"));
    }
    for (address, prefix) in hosts {
        let quiet = if address.is_ipv6() { " nodad" } else { "" };
        ip(&format!("addr add {address}/{prefix} dev {WIRE}{quiet}"));
    }
}

/// Linux's connections with `peers` use the congestion control `name` from now on; `false` where the kernel has none of
/// that name.
///
/// Routes say so: the namespace's default could be only what the host lets its users have.
pub(crate) fn control_by(name: &str, peers: &[IpAddr]) -> bool {
    peers.iter().all(|peer| {
        let words = format!("route replace {peer} dev {WIRE} congctl {name}");
        Command::new("ip").args(words.split(' ')).output().expect("ip starts").status.success()
    })
}

fn setting(name: &str, value: &str) {
    fs::write(format!("/proc/sys/net/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}

/// From now on so many of a thousand TCP segments are lost, each way. Counts from zero.
pub(crate) fn lose(per_mille: u32) {
    run("nft", ["flush", "ruleset"]);
    run("nft", [rules(per_mille)]);
}

fn rules(per_mille: u32) -> String {
    let lost = format!("meta l4proto tcp numgen random mod 1000 < {per_mille}");
    format!(
        "table bridge path {{ counter up {{ }}; counter down {{ }}; chain lossy {{ \
         type filter hook forward priority 0; \
         iifname \"{TAP}\" {lost} counter name up drop; \
         iifname \"port\" {lost} counter name down drop; }}; }}"
    )
}

/// How many segments were lost on the way from the stack and on the way to it.
pub(crate) fn lost() -> [u64; 2] {
    ["up", "down"].map(|name| {
        let said = run("nft", ["list", "counter", "bridge", "path", name]);
        let mut words = said.split_whitespace().skip_while(|word| *word != "packets");
        words.nth(1).and_then(|count| count.parse().ok()).unwrap_or_else(|| panic!("no count in {said}"))
    })
}

#[track_caller]
fn ip(words: &str) {
    run("ip", words.split(' '));
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

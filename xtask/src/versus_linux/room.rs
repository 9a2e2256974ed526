//! The network between host and guest: a TAP device in a namespace that ends with this process.
//!
//! ```text
//! guest ── lend0 (TAP) ── our client, ping, wrk
//! ```

use std::fs;
use std::net::Ipv4Addr;
use std::process::Command;

use crate::failure::Failure;

/// Addresses that only exist in the room.
pub(super) const HOST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 1);
pub(super) const ADDRESS: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 2);
pub(super) const MAC: &str = "52:54:00:12:34:07";
/// The device.
pub(super) const TAP: &str = "lend0";

/// Builds it.
///
/// # Errors
/// [`Failure::Missing`] with what was refused.
pub(super) fn build() -> Result<(), Failure> {
    // The congestion control of a host is its owner's choice; here it is always the same.
    let congestion = "/proc/sys/net/ipv4/tcp_congestion_control";
    fs::write(congestion, "reno").map_err(|error| Failure::Missing(format!("{congestion}: {error}")))?;
    ip("link set lo up")?;
    ip(&format!("tuntap add dev {TAP} mode tap"))?;
    // Nothing is said on the wire but what a work asks for.
    ip(&format!("link set {TAP} addrgenmode none"))?;
    ip(&format!("addr add {HOST}/24 dev {TAP}"))?;
    ip(&format!("link set {TAP} up"))?;
    // Who the guest is need not be asked: the first ping would wait a second for the answer.
    ip(&format!("neigh replace {ADDRESS} lladdr {MAC} nud permanent dev {TAP}"))
}

fn ip(words: &str) -> Result<(), Failure> {
    let output = Command::new("ip").args(words.split(' ')).output();
    let output = output.map_err(|error| Failure::Missing(format!("ip did not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    Err(Failure::Missing(format!("ip {words}: {}", String::from_utf8_lossy(&output.stderr).trim())))
}

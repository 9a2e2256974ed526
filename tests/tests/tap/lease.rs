//! A DHCP server in the room: `dnsmasq`, which ends with its test.

use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::process::{Child, Stdio};
use std::{env, fs, path::PathBuf};

use super::room::CAPTURED;

/// The first and the last address that it gives.
const FIRST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 100);
const LAST: Ipv4Addr = Ipv4Addr::new(10, 77, 0, 150);

pub(crate) struct Server {
    dnsmasq: Child,
    leases: PathBuf,
}

impl Server {
    /// Returns when it listens.
    pub(crate) fn start() -> Self {
        let leases = env::temp_dir().join(format!("lendwire-{}.leases", std::process::id()));
        let mut dnsmasq = super::room::tied("dnsmasq")
            .args(["--keep-in-foreground", "--log-facility=-", "--log-dhcp", "--conf-file=/dev/null", "--port=0"])
            .args(["--user=root", "--bind-interfaces", "--no-ping", &format!("--interface={CAPTURED}")])
            .args([
                format!("--dhcp-range={FIRST},{LAST},255.255.255.0"),
                format!("--dhcp-leasefile={}", leases.display()),
            ])
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("dnsmasq starts");
        let mut said = BufReader::new(dnsmasq.stderr.take().expect("stderr is piped")).lines();
        let listens = said.by_ref().map_while(Result::ok).any(|line| line.contains("sockets bound"));
        assert!(listens, "dnsmasq ended before it listened");
        // Read on, or it stops when the pipe is full.
        std::thread::spawn(move || said.map_while(Result::ok).for_each(drop));
        Self { dnsmasq, leases }
    }

    /// Whether `address` is one that it gives.
    pub(crate) fn gives(address: Ipv4Addr) -> bool {
        (FIRST..=LAST).contains(&address)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // All three fail only where it has ended already.
        let _ = self.dnsmasq.kill();
        let _ = self.dnsmasq.wait();
        let _ = fs::remove_file(&self.leases);
    }
}

//! What real clients ask of the guest, and what they get.

use std::fs;
use std::io::{Read, Write};
use std::net::{IpAddr, Ipv6Addr, SocketAddr, TcpStream, UdpSocket};
use std::process::{Command, Stdio};
use std::sync::Barrier;
use std::thread;

use xtask::probe::{Client, expected};
use xtask::transfer::{check_digest, check_echo, noise};

use super::PATIENCE;
use super::capture::Completed;
use super::room::{CAPTURED, HOST, HOST6, run};

const MEBIBYTE: usize = 1 << 20;
/// Bytes that go through `nc`.
const SHORT: usize = 5_000_000;
const CLIENTS: usize = 64;

/// The guest's addresses.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Target {
    pub(crate) ip: IpAddr,
    pub(crate) ip6: Ipv6Addr,
    pub(crate) local: Ipv6Addr,
}

/// Who looks at the checksums of what the guest receives.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Checked {
    /// The device, and the guest takes its word.
    ByDevice,
    /// The guest itself.
    ByGuest,
}

/// What the guest has counted so far.
#[derive(Clone, Copy, Debug)]
struct Counts {
    copied: u64,
    summed: u64,
    verified: u64,
    allocations: u64,
    resets: u64,
    damaged: u64,
}

impl Target {
    fn at(&self, port: u16) -> SocketAddr {
        SocketAddr::new(self.ip, port)
    }

    fn counts(&self) -> Counts {
        let stats = Client::new(self.at(80), PATIENCE).stats().unwrap_or_else(|failure| panic!("{failure}"));
        let number = |value: Option<u64>| value.unwrap_or_else(|| panic!("a count is missing in {stats:#}"));
        let damage = ["ipv4_checksum", "icmp_checksum", "udp_checksum", "tcp_checksum"];
        Counts {
            copied: number(stats["payload_bytes_copied"].as_u64()),
            summed: number(stats["payload_bytes_summed"].as_u64()),
            verified: number(stats["payload_bytes_verified"].as_u64()),
            allocations: number(stats["allocations_after_start"].as_u64()),
            resets: number(stats["resets"].as_u64()),
            damaged: damage.iter().map(|name| number(stats["drops"][name].as_u64())).sum(),
        }
    }

    /// Both versions, small and as large as a frame, global and link-local.
    pub(crate) fn answers_pings(&self) {
        let scoped = format!("{}%{CAPTURED}", self.local);
        let (ip, ip6) = (self.ip.to_string(), self.ip6.to_string());
        for (version, address, size) in [
            ("-4", &ip, "56"),
            ("-4", &ip, "1472"),
            ("-4", &ip, "1"),
            ("-6", &scoped, "56"),
            ("-6", &scoped, "1452"),
            ("-6", &ip6, "57"),
        ] {
            let said =
                run("ping", [version, "-n", "-M", "do", "-c", "5", "-i", "0.05", "-W", "10", "-s", size, address]);
            assert!(said.contains("5 received, 0% packet loss"), "{said}");
        }
    }

    /// `/1m` a hundred times over one connection, and over a hundred.
    pub(crate) fn serves_pages(&self, completed: Completed) {
        self.serves_again(&[], 1, completed);
        self.serves_again(&["-H", "Connection: close"], 100, completed);
        // The same over IPv6, without a global address.
        let url = format!("http://[{}%25{CAPTURED}]/1k", self.local);
        run("curl", ["-g", "-sSf", "--max-time", "60", "-o", "/dev/null", &url]);
    }

    /// `/1m` a hundred times, over so many connections, after once. A head of another length cuts the page elsewhere, so
    /// the first service of each kind may sum what lies beside the cuts.
    fn serves_again(&self, arguments: &[&str], connections: usize, completed: Completed) {
        let first = self.counts();
        self.fetch(1, arguments);
        let before = self.counts();
        assert_eq!(self.fetch(100, arguments), connections, "connections for a hundred requests");
        let after = self.counts();
        println!("         the first /1m summed {} bytes", before.summed - first.summed);
        assert_eq!(after.summed, before.summed, "served again, and summed again");
        // Heads, and a page of counters, are rendered; nothing else is copied.
        let (copied, most) = (after.copied - before.copied, 100 * 512 + 8192);
        assert!(copied < most, "{copied} bytes were copied for 100 heads");
        if completed == Completed::ByLinux {
            assert_eq!(before.summed, first.summed, "with offload nothing is ever summed");
        }
    }

    /// Fetches `/1m` `times` times with one curl, checks every body, and returns how many connections that took.
    fn fetch(&self, times: usize, arguments: &[&str]) -> usize {
        let mut curl = Command::new("curl");
        curl.args(["-sSf", "--max-time", "120", "-w", "%{stderr}%{http_code} %{num_connects}\n"]).args(arguments);
        for _ in 0..times {
            curl.arg(format!("http://{}/1m", self.ip));
        }
        let output = curl.stdin(Stdio::null()).output().expect("curl starts");
        let told = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "curl: {}\n{told}", output.status);
        assert_eq!(output.stdout.len(), times * MEBIBYTE, "{told}");
        let whole = expected("/1m").expect("its contents are known");
        assert!(output.stdout.chunks(MEBIBYTE).all(|body| crc32fast::hash(body) == whole), "a body differs");
        let lines: Vec<_> = told.lines().filter_map(|line| line.strip_prefix("200 ")).collect();
        assert_eq!(lines.len(), times, "{told}");
        lines.iter().map(|connects| connects.parse::<usize>().expect("a number")).sum()
    }

    /// `/1m` twice: served again, it is not summed again, and with offload it never is.
    pub(crate) fn serves_a_page(&self, completed: Completed) {
        let first = self.counts();
        self.fetch(1, &[]);
        let before = self.counts();
        self.fetch(1, &[]);
        let after = self.counts();
        assert_eq!(after.summed, before.summed, "served again, and summed again");
        if completed == Completed::ByLinux {
            assert_eq!(before.summed, first.summed, "with offload nothing is ever summed");
        }
        assert!(after.copied - before.copied < 512 + 8192, "{} bytes were copied", after.copied - before.copied);
    }

    /// `len` bytes into the guest, which says how many came and their CRC-32.
    pub(crate) fn digests(&self, len: usize, checked: Checked) {
        let before = self.counts();
        check_digest(self.at(5004), len, PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
        let after = self.counts();
        // A page of counters and its head, and the answer itself; a run of small segments may share a slot.
        let copied = after.copied - before.copied;
        assert!(copied < 32 << 10, "{copied} of {len} bytes were copied");
        let read = after.verified - before.verified;
        match checked {
            Checked::ByDevice => assert!(read < 4096, "{read} bytes were read that a device had checked"),
            Checked::ByGuest => assert!(read >= len as u64, "{read} of {len} bytes were checked"),
        }
    }

    /// All connect before any of them asks.
    pub(crate) fn serves_many_at_once(&self) {
        let everybody = Barrier::new(CLIENTS);
        let whole = expected("/1m").expect("its contents are known");
        thread::scope(|scope| {
            let client = || {
                let stream = TcpStream::connect_timeout(&self.at(80), PATIENCE);
                everybody.wait();
                let mut stream = stream.expect("nobody is refused");
                stream.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
                stream.write_all(b"GET /1m HTTP/1.1\r\nHost: guest\r\nConnection: close\r\n\r\n").expect("it is sent");
                let mut response = Vec::with_capacity(MEBIBYTE + 1024);
                stream.read_to_end(&mut response).expect("all of it comes, and then an end");
                let body = response.len().checked_sub(MEBIBYTE).expect("a whole body");
                assert_eq!(crc32fast::hash(&response[body..]), whole);
            };
            let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
            let served = clients.into_iter().map(|it| it.join()).filter(Result::is_ok).count();
            assert_eq!(served, CLIENTS, "every client is served");
        });
    }

    /// Ports 5003 and 7, both versions, from nothing to a frame's worth.
    pub(crate) fn echoes_datagrams(&self) {
        for (from, to, most) in [(IpAddr::V4(HOST), self.ip, 1472), (IpAddr::V6(HOST6), IpAddr::V6(self.ip6), 1452)] {
            let socket = UdpSocket::bind((from, 0)).expect("a free port");
            socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
            let (said, mut room) = (noise(7, most), [0; 2000]);
            for port in [5003, 7] {
                for len in [0, 1, 2, 255, 256, 257, 1000, 1001, most] {
                    socket.send_to(&said[..len], (to, port)).expect("it is sent");
                    let (heard, by) = socket.recv_from(&mut room).expect("it comes back");
                    assert_eq!(by, SocketAddr::new(to, port));
                    assert!(room[..heard] == said[..len], "{len} bytes came back as {heard} others");
                }
            }
        }
    }

    /// `len` bytes there and back through one socket.
    pub(crate) fn echoes_a_stream(&self, len: usize) {
        check_echo(self.at(5003), len, PATIENCE).unwrap_or_else(|failure| panic!("{failure}"));
    }

    pub(crate) fn echoes_through_nc(&self) {
        let said = noise(2, SHORT);
        let path = std::env::temp_dir().join(format!("lendwire-{}.noise", std::process::id()));
        fs::write(&path, &said).expect("there is room for a file");
        let file = fs::File::open(&path).expect("it was written");
        fs::remove_file(&path).expect("an open file may go");
        let nc = Command::new("nc").args(["-N", "-w", "60", &self.ip.to_string(), "5003"]).stdin(file).output();
        let nc = nc.expect("nc starts");
        assert!(nc.status.success(), "nc: {}", String::from_utf8_lossy(&nc.stderr));
        assert_eq!((nc.stdout.len(), crc32fast::hash(&nc.stdout)), (SHORT, crc32fast::hash(&said)));
    }

    /// What must not have happened in the whole run.
    pub(crate) fn has_lost_nothing(&self) {
        let counts = self.counts();
        println!("         {counts:?}");
        assert_eq!((counts.allocations, counts.resets, counts.damaged), (0, 0, 0), "{counts:?}");
    }
}

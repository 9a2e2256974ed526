//! The whole run as somebody else's program sees it.

use std::env;
use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, ChildStderr, Command, Stdio};

/// A `tcpdump` that writes every frame of a device to a file. The file goes when this goes, unless the test fails.
pub(crate) struct Capture {
    tcpdump: Child,
    errors: BufReader<ChildStderr>,
    path: PathBuf,
}

/// What `tshark` says of the frames.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Judged {
    /// Frames that the guest sent.
    guest: u64,
    /// Checksums of the guest that are right, of whatever layer.
    good: u64,
    /// The same, wrong.
    bad: u64,
    /// Frames of the guest with a checksum that was not looked at.
    unverified: u64,
    /// Frames of whoever sent them that could not be read.
    malformed: u64,
    /// The first lines of `bad`, `unverified` and `malformed`.
    examples: Vec<String>,
}

/// Who put the guest's transport checksums in place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Completed {
    /// The guest did.
    ByGuest,
    /// The guest said where, and Linux did.
    ByLinux,
}

/// The values of Wireshark's `proto_checksum_enum_e`.
const BAD: &str = "0";
const GOOD: &str = "1";

/// One line for each frame: its number, its source, something where it is malformed, TCP's checksum, and the state of
/// each checksum.
const FIELDS: [&str; 9] = [
    "frame.number",
    "eth.src",
    "_ws.malformed",
    "tcp.checksum",
    "ip.checksum.status",
    "tcp.checksum.status",
    "udp.checksum.status",
    "icmp.checksum.status",
    "icmpv6.checksum.status",
];

impl Capture {
    /// Returns when frames are being captured.
    pub(crate) fn start(device: &str) -> Self {
        let path = env::temp_dir().join(format!("lendwire-{}.pcap", std::process::id()));
        // A large buffer, so that a burst is not lost: a frame that is not there cannot be judged.
        let mut tcpdump = super::room::tied("tcpdump")
            .args(["-i", device, "-s", "0", "-B", "131072", "-Z", "root", "-w"])
            .arg(&path)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .expect("tcpdump starts");
        let mut errors = BufReader::new(tcpdump.stderr.take().expect("stderr is piped"));
        let mut line = String::new();
        while !line.contains("listening on") {
            line.clear();
            let read = errors.read_line(&mut line).expect("tcpdump speaks UTF-8");
            assert!(read > 0, "tcpdump ended before it listened");
        }
        Self { tcpdump, errors, path }
    }

    /// Ends the capture; returns how many frames it has.
    pub(crate) fn stop(&mut self) -> u64 {
        let process = self.tcpdump.id().to_string();
        super::room::run("kill", ["-INT", &process]);
        let mut said = String::new();
        self.errors.read_to_string(&mut said).expect("tcpdump speaks UTF-8");
        assert!(self.tcpdump.wait().expect("it is this process's child").success(), "{said}");
        let count = |what: &str| {
            let line =
                said.lines().find(|line| line.ends_with(what)).unwrap_or_else(|| panic!("no {what:?} in {said}"));
            line.split(' ').next().and_then(|number| number.parse::<u64>().ok()).expect("a number")
        };
        assert_eq!(count("dropped by kernel"), 0, "frames were missed: {said}");
        count("captured")
    }

    /// Has every checksum validated. What the transports carry is called data: noise on a known port would be taken for
    /// a malformed message.
    pub(crate) fn judge(&self, mac: &str, completed: Completed) -> Judged {
        let mut tshark = Command::new("tshark");
        tshark.arg("-n").arg("-r").arg(&self.path);
        for port in ["tcp.port==80", "tcp.port==5003", "tcp.port==5004", "udp.port==5003", "udp.port==7"] {
            tshark.args(["-d", &format!("{port},data")]);
        }
        for option in ["ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE"] {
            tshark.args(["-o", option]);
        }
        // Costs time, and says nothing about checksums.
        tshark.args(["-o", "tcp.desegment_tcp_streams:FALSE", "-o", "tcp.analyze_sequence_numbers:FALSE"]);
        tshark.args(["-T", "fields"]);
        for field in FIELDS {
            tshark.args(["-e", field]);
        }
        let tshark = tshark.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn();
        let mut tshark = tshark.expect("tshark starts");
        let mut judged = Judged::default();
        for line in BufReader::new(tshark.stdout.take().expect("stdout is piped")).lines() {
            judged.read(&line.expect("tshark speaks UTF-8"), mac, completed);
        }
        // Its complaints are short, and fit the pipe.
        let output = tshark.wait_with_output().expect("it is this process's child");
        assert!(output.status.success(), "tshark: {}", String::from_utf8_lossy(&output.stderr));
        judged
    }
}

impl Drop for Capture {
    fn drop(&mut self) {
        if matches!(self.tcpdump.try_wait(), Ok(None)) {
            // Asked to, it writes down what it has before it ends.
            let _ = Command::new("kill").args(["-INT", &self.tcpdump.id().to_string()]).status();
        }
        let _ = self.tcpdump.wait();
        if std::thread::panicking() {
            return println!("what was captured is in {}", self.path.display());
        }
        let _ = fs::remove_file(&self.path);
    }
}

impl Judged {
    fn read(&mut self, line: &str, mac: &str, completed: Completed) {
        let fields: Vec<_> = line.split('\t').collect();
        let [_, source, malformed, tcp, checksums @ ..] = fields.as_slice() else {
            panic!("not the fields asked for: {line}")
        };
        let is_guest = source.eq_ignore_ascii_case(mac);
        let mut is_odd = !malformed.is_empty();
        self.malformed += u64::from(is_odd);
        if is_guest {
            self.guest += 1;
            // An error quotes a packet: its checksums stand behind a comma, and are whoever sent it's.
            for status in checksums.iter().filter_map(|status| status.split(',').next()).filter(|it| !it.is_empty()) {
                match status {
                    GOOD => self.good += 1,
                    // Linux completes every checksum as UDP's, whose zero is written 0xffff: the same number (RFC 1624),
                    // but not as TCP would write it. The guest itself never does that.
                    BAD if *tcp == "0xffff" && completed == Completed::ByLinux => self.good += 1,
                    BAD => self.bad += 1,
                    _ => self.unverified += 1,
                }
                is_odd |= status != GOOD && *tcp != "0xffff";
            }
        }
        if is_odd && self.examples.len() < 10 {
            self.examples.push(line.to_owned());
        }
    }

    /// Nothing is wrong in what was seen, and at least `least` frames of the guest were.
    #[track_caller]
    pub(crate) fn assert_sound(&self, least: u64) {
        assert_eq!((self.bad, self.unverified, self.malformed), (0, 0, 0), "{self:#?}");
        // Every IPv4 frame has two checksums, every IPv6 frame one; ARP has none.
        assert!(self.guest > least && self.good > self.guest, "too little was seen: {self:#?}");
    }
}

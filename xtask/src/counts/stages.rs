//! Which part of the stack an instruction belongs to, by the source lines that it was compiled from.
//!
//! Nearly everything is inlined, so that a function's cost says little; debug information tells the chain of lines that an
//! instruction stands for, the innermost first. The first that lies in a layer names the stage; the shared pieces
//! (chunks, sums, tables, views of headers) belong to who uses them, unless they were called.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;

use crate::callgrind::{Dump, Site};
use crate::failure::Failure;

/// A part of the way through the stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Stage {
    /// What applications call.
    Socket,
    Tcp,
    Udp,
    /// With ICMP and the poll above all of them.
    Ip,
    Link,
    Driver,
    /// Called pieces that layers share: packets, chunks, tables, timers, `memcpy`.
    Shared,
}

impl Stage {
    pub(super) const ALL: [Self; 7] =
        [Self::Socket, Self::Tcp, Self::Udp, Self::Ip, Self::Link, Self::Driver, Self::Shared];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Socket => "socket",
            Self::Tcp => "tcp",
            Self::Udp => "udp",
            Self::Ip => "ip",
            Self::Link => "link",
            Self::Driver => "driver",
            Self::Shared => "shared",
        }
    }
}

/// Folders and files, the first that a path contains counting; `None` is outside of what is measured.
const ROOMS: [(&str, Option<Stage>); 13] = [
    ("nic-models/src/model/", None),
    ("nic-models/src/", Some(Stage::Driver)),
    // What a driver asks its kernel.
    ("unikernel/src/arch/memory.rs", Some(Stage::Driver)),
    ("stack/src/tcp/socket", Some(Stage::Socket)),
    ("stack/src/tcp/question.rs", Some(Stage::Socket)),
    ("stack/src/udp/socket.rs", Some(Stage::Socket)),
    ("stack/src/stack/", Some(Stage::Socket)),
    ("stack/src/tcp/", Some(Stage::Tcp)),
    ("stack/src/udp/", Some(Stage::Udp)),
    ("stack/src/ip/", Some(Stage::Ip)),
    ("stack/src/icmp/", Some(Stage::Ip)),
    ("stack/src/stack.rs", Some(Stage::Ip)),
    ("stack/src/link/", Some(Stage::Link)),
];

/// What does the paths: outside, where it is innermost of all that is ours.
const HARNESS: [&str; 3] = ["benches/counts", "unikernel/src/image/counts.rs", "unikernel/src/arch/x86_64/counting.rs"];

/// What is known of an instruction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// None for what is not measured.
    pub(crate) stage: Option<Stage>,
    /// The line of ours that it was compiled from.
    pub(crate) line: String,
}

/// The sources of all instructions of `dumps`, most of which `program` has.
pub(crate) fn sources(program: &Path, dumps: &[Dump]) -> Result<BTreeMap<Site, Source>, Failure> {
    let sites: BTreeSet<&Site> = dumps.iter().flat_map(|dump| dump.costs.keys()).collect();
    let (own, libraries): (Vec<&Site>, Vec<&Site>) =
        sites.into_iter().partition(|site| Path::new(&site.object) == program);
    let library = |site: &Site| Source { stage: Some(Stage::Shared), line: site.object.clone() };
    let mut sources: BTreeMap<Site, Source> = libraries.into_iter().map(|site| (site.clone(), library(site))).collect();

    let mut child = Command::new("addr2line")
        .args(["--addresses", "--inlines", "--exe"])
        .arg(program)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .map_err(|error| Failure::Missing(format!("addr2line did not start: {error}")))?;
    let mut questions = child.stdin.take().expect("stdin is piped");
    let asked: String = own.iter().map(|site| format!("{:#x}\n", site.address)).collect();
    // Answers come while questions are still asked. A broken pipe shows in the answers.
    let asking = thread::spawn(move || questions.write_all(asked.as_bytes()));
    let output = child.wait_with_output().map_err(|error| Failure::File(format!("addr2line was lost: {error}")))?;
    let _ = asking.join();
    let answers = chains(&String::from_utf8_lossy(&output.stdout));
    for site in own {
        let chain = answers.get(&site.address).map(Vec::as_slice).unwrap_or_default();
        sources.insert(site.clone(), source(chain));
    }
    Ok(sources)
}

/// The chains of lines that addr2line prints, each behind its address.
fn chains(text: &str) -> BTreeMap<u64, Vec<String>> {
    let mut chains: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let mut current = 0;
    for line in text.lines() {
        if let Some(address) = line.strip_prefix("0x").and_then(|digits| u64::from_str_radix(digits, 16).ok()) {
            current = address;
        } else {
            chains.entry(current).or_default().push(line.to_owned());
        }
    }
    chains
}

fn source(chain: &[String]) -> Source {
    let is_outside = |line: &String| line.contains(ROOMS[0].0);
    let room = |line: &String| {
        let harness = HARNESS.iter().any(|file| line.contains(file)).then_some(None);
        harness.or_else(|| ROOMS.iter().find(|(folder, _)| line.contains(folder)).map(|(_, stage)| *stage))
    };
    let stage =
        if chain.iter().any(is_outside) { None } else { chain.iter().find_map(room).unwrap_or(Some(Stage::Shared)) };
    let ours = chain.iter().find(|line| is_ours(line)).or(chain.first());
    // What was written for the assembler has no lines.
    let line = ours.map(|line| from_workspace(line)).filter(|line| !line.starts_with("??"));
    let line = line.unwrap_or("assembly: memcpy, memset");
    Source { stage, line: line.to_owned() }
}

const OURS: [&str; 5] = ["/stack/src/", "/nic/src/", "/nic-models/src/", "/unikernel/src/", "/benches/counts"];

fn is_ours(line: &str) -> bool {
    OURS.iter().any(|folder| line.contains(folder))
}

/// A line's place without the folder of the workspace.
fn from_workspace(line: &str) -> &str {
    let at = OURS.iter().find_map(|folder| line.find(folder));
    at.map_or(line, |at| &line[at + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(chain: &[&str]) -> Source {
        source(&chain.iter().map(|line| (*line).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn shared_pieces_belong_to_who_uses_them() {
        let link = of(&["/rustc/core/src/slice.rs:1", "/w/nic/src/packet.rs:3", "/w/stack/src/link/mod.rs:20"]);
        assert_eq!((link.stage, link.line.as_str()), (Some(Stage::Link), "nic/src/packet.rs:3"));
        assert_eq!(of(&["/w/nic/src/packet.rs:3"]).stage, Some(Stage::Shared));
    }

    #[test]
    fn a_driver_pays_for_what_it_asks_its_kernel() {
        let asked = of(&["/w/unikernel/src/arch/memory.rs:9", "/w/nic-models/src/dma.rs:3"]);
        assert_eq!((asked.stage, asked.line.as_str()), (Some(Stage::Driver), "unikernel/src/arch/memory.rs:9"));
        assert_eq!(of(&["??:?"]).line, "assembly: memcpy, memset");
        assert_eq!(of(&["/w/unikernel/src/image/counts.rs:9"]).stage, None);
    }

    #[test]
    fn the_device_and_the_harness_are_left_out() {
        assert_eq!(of(&["/rustc/core/src/cell.rs:1", "/w/nic-models/src/model/virtio/net.rs:3"]).stage, None);
        assert_eq!(of(&["/w/benches/counts/paths.rs:3"]).stage, None);
        let inside = of(&["/w/stack/src/tcp/socket.rs:9", "/w/benches/counts/paths.rs:3"]);
        assert_eq!(inside.stage, Some(Stage::Socket));
    }
}

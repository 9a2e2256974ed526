//! What the commands need on this host: found, installed where that is possible, or asked for by the exact command.

use std::env;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;
use crate::progress::Progress;

/// A program and the Debian package that has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tool {
    /// The program's name on PATH.
    pub program: &'static str,
    /// The Debian package.
    pub package: &'static str,
}

/// What the tests over a TAP device call.
pub const TAP_TOOLS: &[Tool] = &[
    Tool { program: "ip", package: "iproute2" },
    Tool { program: "tshark", package: "tshark" },
    Tool { program: "tcpdump", package: "tcpdump" },
    Tool { program: "curl", package: "curl" },
    Tool { program: "nc", package: "netcat-openbsd" },
    Tool { program: "ping", package: "iputils-ping" },
    Tool { program: "nft", package: "nftables" },
];

/// The path of a program on PATH or in the system's administration folders, which a user's PATH may lack.
pub fn find(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|candidate| candidate.is_file())
}

/// Whether this process runs as root.
pub fn is_root() -> bool {
    // The owner of /proc/self is the effective user.
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}

/// The path of a tool, installed first where it is missing and apt-get can be used.
///
/// # Errors
/// [`Failure::Missing`] with the command to run.
pub fn tool(tool: Tool) -> Result<PathBuf, Failure> {
    ensure(&[tool])?;
    find(tool.program)
        .ok_or_else(|| Failure::Missing(format!("{} has no {} after its installation", tool.package, tool.program)))
}

/// Sees to it that all tools are there.
///
/// # Errors
/// [`Failure::Missing`] with the command to run, when some are missing and this process may not install them, or
/// apt-get failed.
pub fn ensure(tools: &[Tool]) -> Result<(), Failure> {
    let missing: Vec<Tool> = tools.iter().copied().filter(|tool| find(tool.program).is_none()).collect();
    if missing.is_empty() {
        return Ok(());
    }
    if !is_root() || find("apt-get").is_none() {
        return Err(ask_for(&missing));
    }
    let progress = Progress::start(&format!("installing {}", packages(&missing)));
    apt_get(&["update"], &missing)?;
    let mut install = vec!["install", "-y", "--no-install-recommends"];
    install.extend(missing.iter().map(|tool| tool.package));
    apt_get(&install, &missing)?;
    progress.done();
    Ok(())
}

/// Sees to it that a Rust target is installed.
///
/// # Errors
/// [`Failure::Missing`] with the command to run.
pub fn rust_target(workspace: &Path, target: &str) -> Result<(), Failure> {
    let asked =
        Command::new("rustc").args(["--print", "target-libdir", "--target", target]).current_dir(workspace).output();
    let folder = asked.ok().filter(|answer| answer.status.success()).map(|answer| answer.stdout);
    let folder = folder.and_then(|stdout| String::from_utf8(stdout).ok());
    if folder.is_some_and(|folder| Path::new(folder.trim()).is_dir()) {
        return Ok(());
    }
    let progress = Progress::start(&format!("adding the Rust target {target}"));
    let added = Command::new("rustup").args(["target", "add", target]).current_dir(workspace).output();
    if added.is_ok_and(|output| output.status.success()) {
        progress.done();
        return Ok(());
    }
    Err(Failure::Missing(format!(
        "the Rust target {target} is not installed. Run this in the project's folder:\n    rustup target add {target}"
    )))
}

fn apt_get(arguments: &[&str], missing: &[Tool]) -> Result<(), Failure> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::Missing(format!("apt-get did not start: {error}")))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(Failure::Missing(format!("apt-get {} failed:\n{}\n{}", arguments.join(" "), said.trim(), ask_for(missing))))
}

fn ask_for(missing: &[Tool]) -> Failure {
    let programs: Vec<&str> = missing.iter().map(|tool| tool.program).collect();
    Failure::Missing(format!(
        "not found: {}. On Debian or Ubuntu run:\n    sudo apt-get update && sudo apt-get install -y --no-install-recommends {}",
        programs.join(", "),
        packages(missing)
    ))
}

fn packages(tools: &[Tool]) -> String {
    tools.iter().map(|tool| tool.package).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qemu::Arch;

    #[test]
    fn a_missing_tool_is_asked_for_by_its_package() {
        let Failure::Missing(message) = ask_for(&[Arch::X86_64.emulator(), TAP_TOOLS[4]]) else {
            panic!("another failure")
        };
        assert!(message.contains("not found: qemu-system-x86_64, nc"), "{message}");
        assert!(message.ends_with("install -y --no-install-recommends qemu-system-x86 netcat-openbsd"), "{message}");
    }

    #[test]
    fn programs_are_found_by_name_only() {
        assert!(find("sh").is_some());
        assert!(find("no-such-program-anywhere").is_none());
        assert!(ensure(&[Tool { program: "sh", package: "dash" }]).is_ok());
    }
}

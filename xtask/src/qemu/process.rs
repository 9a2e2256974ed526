//! QEMU as a process: how it is started so that it ends with its starter, and what is read from it.

use std::io::{BufRead, BufReader, Read};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Sender};
use std::thread::{self, JoinHandle};
use std::time::Instant;

use super::command::{arguments, quick_firmware};
use super::{Forward, Net, Options, Serial};
use crate::capture::Prefix;
use crate::failure::Failure;
use crate::install;

/// What a guest waits for.
#[derive(Debug)]
pub(super) enum Event {
    /// A line of the serial port.
    Line(String),
    /// The serial port's end, which is QEMU's.
    Closed,
    /// Somebody else ends the waiting.
    Woken,
}

pub(super) fn command(qemu: &Path, options: &Options, forwards: &[Forward], dump: Option<&Path>) -> Command {
    // setpriv makes QEMU end with the thread that starts it, so that even a killed parent leaves nothing behind.
    let mut command = match install::find("setpriv") {
        None => Command::new(qemu),
        Some(setpriv) => {
            let mut command = Command::new(setpriv);
            command.args(["--pdeathsig", "KILL", "--"]).arg(qemu);
            command
        }
    };
    command.args(arguments(options, forwards, dump, quick_firmware(qemu)));
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // A group of its own: a terminal's Ctrl-C is for this process, which then asks the guest for its counters.
    command.process_group(0);
    command
}

/// Starts QEMU on a thread that reads its serial port to the end. The same thread does both, since QEMU must not end
/// before the port does: see [`command`].
pub(super) fn spawn(
    mut command: Command,
    qemu: &Path,
    serial: Serial,
    sender: Sender<Event>,
) -> Result<(Child, Instant), Failure> {
    let (report, reported) = mpsc::sync_channel(1);
    thread::spawn(move || {
        let started = Instant::now();
        let mut child = match command.spawn() {
            Ok(child) => child,
            Err(error) => {
                let _ = report.send(Err(error));
                return;
            }
        };
        let port = child.stdout.take().expect("stdout is piped");
        if report.send(Ok((child, started))).is_ok() {
            read_serial(port, serial, &sender);
        }
        let _ = sender.send(Event::Closed);
    });
    reported
        .recv()
        .expect("the thread reports once")
        .map_err(|error| Failure::Died(format!("{} did not start: {error}", qemu.display())))
}

fn read_serial(port: impl Read, serial: Serial, sender: &Sender<Event>) {
    let mut port = BufReader::new(port);
    let mut bytes = Vec::new();
    while matches!(port.read_until(b'\n', &mut bytes), Ok(count) if count > 0) {
        let line = String::from_utf8_lossy(&bytes).trim_end().to_owned();
        bytes.clear();
        if serial == Serial::Print {
            println!("{line}");
        }
        // The guest's owner may be gone already; the port is still read, so that QEMU never waits for a reader.
        let _ = sender.send(Event::Line(line));
    }
}

/// What QEMU writes to its standard error.
#[derive(Debug)]
pub(super) enum Errors {
    Open(JoinHandle<String>),
    Whole(String),
}

impl Errors {
    pub(super) fn collect(mut stream: impl Read + Send + 'static) -> Errors {
        Errors::Open(thread::spawn(move || {
            let mut bytes = Vec::new();
            // What was read until an error is all there is.
            let _ = stream.read_to_end(&mut bytes);
            String::from_utf8_lossy(&bytes).into_owned()
        }))
    }

    /// All of it; waits for the end of QEMU.
    pub(super) fn text(&mut self) -> &str {
        if let Errors::Open(thread) = std::mem::replace(self, Errors::Whole(String::new())) {
            *self = Errors::Whole(thread.join().expect("the collecting thread does not panic"));
        }
        match self {
            Errors::Whole(text) => text,
            Errors::Open(_) => unreachable!("replaced above"),
        }
    }
}

/// What this QEMU puts before each frame of its dump.
pub(super) fn dump_prefix(qemu: &Path, options: &Options) -> Prefix {
    if !matches!(options.net, Net::Tap(_)) || !options.nic.is_virtio() {
        return Prefix::None;
    }
    let version = Command::new(qemu).arg("--version").output();
    let version = version.map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).unwrap_or_default();
    match major_version(&version) {
        Some(0..8) => Prefix::VirtioNet,
        Some(_) | None => Prefix::None,
    }
}

fn major_version(text: &str) -> Option<u32> {
    let after = text.split("version ").nth(1)?;
    after.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_qemu_is_read() {
        assert_eq!(major_version("QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\nCopyright"), Some(7));
        assert_eq!(major_version("QEMU emulator version 10.0.2"), Some(10));
        assert_eq!(major_version("something else"), None);
    }
}

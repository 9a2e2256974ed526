//! A running guest: its serial lines as events, its addresses, and an end that is certain.
//!
//! QEMU ends with its [`Guest`], with the process that made it however that ends, and by itself when the guest panics.

use std::collections::VecDeque;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::process::{Child, ExitStatus};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant};

use super::command::PANIC_STATUS;
use super::process::{Errors, Event, command, dump_prefix, spawn};
use super::{Forward, Net, Options, Service, ports};
use crate::capture::{self, Prefix};
use crate::failure::Failure;
use crate::install;
use crate::serial::{Line, Ready};
use crate::tap;

/// Serial lines that a failure's message shows.
const SHOWN_LINES: usize = 20;

/// A guest under QEMU. Dropping it ends QEMU at once.
#[derive(Debug)]
pub struct Guest {
    child: Child,
    events: Receiver<Event>,
    sender: Sender<Event>,
    /// Lines that nobody has asked for yet.
    unread: VecDeque<Line>,
    log: Vec<String>,
    errors: Errors,
    closed: bool,
    started: Instant,
    forwards: Vec<Forward>,
    ready: Option<Ready>,
    capture: Option<Capture>,
}

#[derive(Debug)]
struct Capture {
    pcap: PathBuf,
    pcapng: PathBuf,
    prefix: Prefix,
}

/// Ends a guest's waiting from another thread, such as a Ctrl-C handler's.
#[derive(Debug, Clone)]
pub struct Waker(Sender<Event>);

impl Waker {
    /// Makes the wait under way, or the next one, return [`Failure::Interrupted`].
    pub fn wake(&self) {
        // A guest that is gone waits for nothing.
        let _ = self.0.send(Event::Woken);
    }
}

impl Guest {
    /// Starts QEMU. The guest is not up yet when this returns.
    ///
    /// # Errors
    /// [`Failure::Usage`] when there can be no such guest, [`Failure::Missing`] without QEMU or the TAP device, [`Failure::Port`] when the port asked for is taken,
    /// [`Failure::Died`] when QEMU does not start.
    pub fn boot(options: Options) -> Result<Guest, Failure> {
        options.check()?;
        let qemu = match &options.qemu {
            Some(path) => path.clone(),
            None => install::tool(options.arch.emulator())?,
        };
        let forwards = match &options.net {
            Net::User => ports::choose(options.http_port)?,
            Net::None => Vec::new(),
            Net::Tap(name) => {
                tap::check(name, options.nic.queue_pairs())?;
                Vec::new()
            }
        };
        let capture = options.capture.as_ref().map(|pcapng| Capture {
            pcap: pcapng.with_added_extension("part"),
            pcapng: pcapng.clone(),
            prefix: dump_prefix(&qemu, &options),
        });
        let dump = capture.as_ref().map(|capture| capture.pcap.as_path());
        let command = command(&qemu, &options, &forwards, dump);

        let (sender, events) = mpsc::channel();
        let (mut child, started) = spawn(command, &qemu, options.serial, sender.clone())?;
        let errors = Errors::collect(child.stderr.take().expect("stderr is piped"));
        Ok(Guest {
            child,
            events,
            sender,
            unread: VecDeque::new(),
            log: Vec::new(),
            errors,
            closed: false,
            started,
            forwards,
            ready: None,
            capture,
        })
    }

    /// Waits until the guest listens, and from then on knows its addresses.
    ///
    /// # Errors
    /// As [`wait_for`](Guest::wait_for).
    pub fn wait_ready(&mut self, within: Duration) -> Result<Ready, Failure> {
        let ready = self.wait_for("the guest to be ready", within, |line| match line {
            Line::Ready(ready) => Some(ready.clone()),
            Line::FirstReply(_) | Line::Panic(_) | Line::Text(_) => None,
        })?;
        self.ready = Some(ready.clone());
        Ok(ready)
    }

    /// Waits for a serial line that `pick` takes, lines before it being passed over. `what` names it in messages.
    ///
    /// # Errors
    /// [`Failure::Silent`] after `within`, [`Failure::Panicked`], [`Failure::Died`], or [`Failure::Interrupted`] after
    /// [`Waker::wake`].
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        within: Duration,
        mut pick: impl FnMut(&Line) -> Option<T>,
    ) -> Result<T, Failure> {
        let deadline = Instant::now().checked_add(within);
        loop {
            while let Some(line) = self.unread.pop_front() {
                if let Some(picked) = pick(&line) {
                    return Ok(picked);
                }
            }
            if self.closed {
                return Err(self.ended());
            }
            let event = match deadline {
                None => self.events.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(deadline) => self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())),
            };
            match event {
                Ok(event) => self.take(event)?,
                Err(RecvTimeoutError::Timeout) => return Err(self.silent(what, within)),
                Err(RecvTimeoutError::Disconnected) => unreachable!("the guest itself holds a sender"),
            }
        }
    }

    /// Says whether the guest is well so far, without waiting. Lines that came stay for [`wait_for`](Guest::wait_for).
    ///
    /// # Errors
    /// As [`wait_for`](Guest::wait_for), but for the silence.
    pub fn check(&mut self) -> Result<(), Failure> {
        while let Ok(event) = self.events.try_recv() {
            self.take(event)?;
        }
        Ok(())
    }

    /// Where a service is reached from the host: a forwarded port, or the guest's own address once it is
    /// [ready](Guest::wait_ready). `None` without an IPv4 address.
    pub fn address(&self, service: Service) -> Option<SocketAddr> {
        if let Some(forward) = self.forwards.iter().find(|forward| forward.service == service) {
            return Some((Ipv4Addr::LOCALHOST, forward.host_port).into());
        }
        let address = self.ready.as_ref()?.ip4?;
        Some((address, service.guest_port()).into())
    }

    /// When QEMU was started.
    pub fn started(&self) -> Instant {
        self.started
    }

    /// Every serial line that was taken so far.
    pub fn log(&self) -> &[String] {
        &self.log
    }

    /// QEMU's process id.
    pub fn process(&self) -> u32 {
        self.child.id()
    }

    /// The processor time that QEMU takes, in all its threads, during the next `span` of the clock. Lines of that time are
    /// passed over.
    ///
    /// # Errors
    /// As [`wait_for`](Guest::wait_for), but for the silence.
    pub fn processor_time(&mut self, span: Duration) -> Result<Duration, Failure> {
        let before = self.processor_time_so_far()?;
        match self.wait_for::<()>("nothing", span, |_| None) {
            Err(Failure::Silent(_)) | Ok(()) => Ok(self.processor_time_so_far()? - before),
            Err(other) => Err(other),
        }
    }

    /// User and system time: fields 14 and 15 of QEMU's stat file (proc(5)).
    fn processor_time_so_far(&self) -> Result<Duration, Failure> {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id()));
        let stat = stat.map_err(|error| Failure::Died(format!("QEMU has ended: {error}")))?;
        // The name stands in brackets, and may hold anything.
        let fields = stat.rsplit_once(')').map_or("", |(_, fields)| fields).split_whitespace();
        let ticks: u64 = fields.skip(11).take(2).filter_map(|ticks| ticks.parse::<u64>().ok()).sum();
        // They are counted in hundredths of a second (USER_HZ).
        Ok(Duration::from_millis(10 * ticks))
    }

    /// A handle that ends waiting from another thread.
    pub fn waker(&self) -> Waker {
        Waker(self.sender.clone())
    }

    /// Waits until QEMU ends by itself and returns its status: 3 after a panic.
    ///
    /// # Errors
    /// [`Failure::Silent`] when it still runs after `within`.
    pub fn wait_exit(&mut self, within: Duration) -> Result<ExitStatus, Failure> {
        match self.wait_for::<()>("QEMU to end", within, |_| None) {
            Err(Failure::Panicked(_) | Failure::Died(_)) | Ok(()) => Ok(self.reap()),
            Err(other) => Err(other),
        }
    }

    /// Ends QEMU and writes the capture, if one was asked for. Returns the number of frames captured.
    ///
    /// # Errors
    /// [`Failure::File`] when the capture cannot be written.
    pub fn stop(mut self) -> Result<usize, Failure> {
        self.end()
    }

    fn end(&mut self) -> Result<usize, Failure> {
        // Both fail only where QEMU has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        let Some(capture) = self.capture.take() else { return Ok(0) };
        if !capture.pcap.exists() {
            return Ok(0);
        }
        let frames = capture::convert_file(&capture.pcap, &capture.pcapng, capture.prefix)?;
        // A left-over raw dump harms nobody.
        let _ = std::fs::remove_file(&capture.pcap);
        Ok(frames)
    }

    fn take(&mut self, event: Event) -> Result<(), Failure> {
        match event {
            Event::Woken => Err(Failure::Interrupted),
            Event::Closed => {
                self.closed = true;
                Err(self.ended())
            }
            Event::Line(text) => {
                let line = Line::parse(&text);
                self.log.push(text);
                if let Line::Panic(message) = line {
                    return Err(self.panicked(&message));
                }
                self.unread.push_back(line);
                Ok(())
            }
        }
    }

    /// QEMU's status, once it has closed its serial port.
    fn reap(&mut self) -> ExitStatus {
        self.child.wait().expect("the child is this process's own")
    }

    fn panicked(&mut self, message: &str) -> Failure {
        // What follows the message, such as a trace, comes until QEMU ends.
        let end = Instant::now() + Duration::from_secs(2);
        while let Ok(event) = self.events.recv_timeout(end.saturating_duration_since(Instant::now())) {
            match event {
                Event::Line(text) => self.log.push(text),
                Event::Woken => {}
                Event::Closed => {
                    self.closed = true;
                    break;
                }
            }
        }
        Failure::Panicked(format!("the guest panicked: {message}{}", self.tail()))
    }

    fn ended(&mut self) -> Failure {
        let status = self.reap();
        let tail = self.tail();
        if status.code() == Some(PANIC_STATUS) {
            if let Some(message) = self.panic_message() {
                return Failure::Panicked(format!("the guest panicked: {message}{tail}"));
            }
            return Failure::Panicked(format!(
                "the guest left with its panic status, {status}, but printed no panic line{tail}"
            ));
        }
        let errors = self.errors.text().trim().to_owned();
        if errors.contains("Could not set up host forwarding rule") {
            return Failure::Port(format!(
                "a host port was taken when QEMU wanted it. Run again, or choose another --port. QEMU said:\n{errors}"
            ));
        }
        let advice = advice(&errors, status);
        Failure::Died(format!("QEMU ended by itself ({status}). {advice}\n{errors}{tail}"))
    }

    fn panic_message(&self) -> Option<String> {
        self.log.iter().find_map(|line| match Line::parse(line) {
            Line::Panic(message) => Some(message),
            Line::Ready(_) | Line::FirstReply(_) | Line::Text(_) => None,
        })
    }

    fn silent(&self, what: &str, within: Duration) -> Failure {
        let seconds = within.as_secs_f64();
        Failure::Silent(format!("waited {seconds:.0} s for {what}, in vain{}", self.tail()))
    }

    fn tail(&self) -> String {
        if self.log.is_empty() {
            return "\nThe serial port stayed silent.".into();
        }
        let from = self.log.len().saturating_sub(SHOWN_LINES);
        format!("\nThe last lines of the serial port:\n    {}", self.log[from..].join("\n    "))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        if let Err(failure) = self.end() {
            eprintln!("warning: {failure}");
        }
    }
}

/// What QEMU's last words call for.
fn advice(errors: &str, status: ExitStatus) -> &'static str {
    if errors.contains("/dev/net/tun") || errors.contains("could not configure") {
        return "The TAP device could not be opened: run as root, or as the user that owns it, and with no other QEMU on it.";
    }
    if errors.contains("KVM") {
        return "KVM cannot be used here: choose --accel tcg.";
    }
    if ["PVH", "load kernel", "kernel header"].iter().any(|word| errors.contains(word)) {
        return "The image is none that QEMU can boot: build it again with `cargo xtask run`.";
    }
    if status.success() {
        return "The guest reset or shut itself down; a reset without a panic line is most often a triple fault.";
    }
    // The debug-exit device ends QEMU with an odd status and without a word.
    if errors.is_empty() && status.code().is_some_and(|code| code % 2 == 1) {
        return "The guest left on purpose; its own last lines say why.";
    }
    if status.code().is_none() {
        return "Something outside killed QEMU.";
    }
    "Its own words follow."
}

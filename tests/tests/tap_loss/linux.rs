//! Linux's end of a transfer: a socket in a thread, and what the kernel says of its connection.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lendwire_tests::stream::{self, Check, PERIOD};

use crate::stall::Stall;
use crate::{PATIENCE, Sender};

/// How the connection comes about.
pub(crate) enum Opening {
    /// Linux connects to this address.
    To(SocketAddr),
    /// Linux accepts.
    At(TcpListener),
}

/// Starts Linux's half: it sends or receives `len` bytes, waits for the end of the other direction, and tells how its
/// reading stalled.
pub(crate) fn start(opening: Opening, sender: Sender, len: u64) -> JoinHandle<Stall> {
    thread::spawn(move || {
        let mut socket = match opening {
            Opening::To(address) => TcpStream::connect_timeout(&address, PATIENCE).expect("the stack accepts"),
            Opening::At(listener) => listener.accept().expect("the stack connects").0,
        };
        socket.set_read_timeout(Some(PATIENCE)).expect("a timeout can be set");
        socket.set_write_timeout(Some(PATIENCE)).expect("a timeout can be set");
        if sender == Sender::Linux {
            send(&mut socket, len);
        }
        socket.shutdown(Shutdown::Write).expect("the connection lives");
        let expected = if sender == Sender::Linux { 0 } else { len };
        receive(&mut socket, expected)
    })
}

fn send(socket: &mut TcpStream, len: u64) {
    let content = stream::content().bytes();
    let mut sent = 0;
    while sent < len {
        let most = PERIOD.min((len - sent) as usize);
        socket.write_all(&content[..most]).expect("the connection lives");
        sent += most as u64;
    }
}

fn receive(socket: &mut TcpStream, len: u64) -> Stall {
    let (mut check, mut stall, mut buffer) = (Check::default(), Stall::default(), vec![0; 65_536]);
    loop {
        let came = socket.read(&mut buffer).expect("the stack goes on sending");
        if came == 0 {
            break;
        }
        check.accept(&buffer[..came]);
        stall.progress(Instant::now());
    }
    assert_eq!(check.place(), len, "the stack's data ended early or late");
    stall
}

/// Watches the retransmission timeout of the connection that sends, as it stands, backed off or not.
pub(crate) struct Watch {
    over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Watch {
    pub(crate) fn start() -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let until = Arc::clone(&over);
        let thread = thread::spawn(move || {
            let mut largest = Duration::ZERO;
            while !until.load(Ordering::Relaxed) {
                largest = largest.max(timeout_now());
                thread::sleep(Duration::from_millis(10));
            }
            largest
        });
        Self { over, thread }
    }

    /// The largest timeout that was seen.
    pub(crate) fn stop(self) -> Duration {
        self.over.store(true, Ordering::Relaxed);
        self.thread.join().expect("the tables can be read")
    }
}

/// The largest timeout of an open connection, as it stands: a column of proc(5)'s tables, in hundredths of a second.
fn timeout_now() -> Duration {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"].map(|file| fs::read_to_string(file).unwrap_or_default());
    let values = tables.iter().flat_map(|table| table.lines().skip(1)).filter_map(|connection| {
        let columns: Vec<_> = connection.split_whitespace().collect();
        // ESTABLISHED, FIN-WAIT-1, CLOSE-WAIT and LAST-ACK: data may be on its way.
        let may_send = columns.get(3).is_some_and(|state| ["01", "04", "08", "09"].contains(state));
        columns.get(12).filter(|_| may_send)?.parse().ok()
    });
    Duration::from_millis(10 * values.max().unwrap_or(0))
}

/// What the kernel has counted in this namespace: retransmissions and timeouts of all connections.
#[derive(Clone, Copy)]
pub(crate) struct Counted {
    pub(crate) retransmissions: u64,
    pub(crate) timeouts: u64,
}

impl Counted {
    pub(crate) fn now() -> Self {
        Self {
            retransmissions: counter("/proc/net/snmp", "Tcp:", "RetransSegs"),
            timeouts: counter("/proc/net/netstat", "TcpExt:", "TCPTimeouts"),
        }
    }
}

/// A counter of proc(5)'s tables: a line of names, then a line of values, each behind the group's name.
fn counter(file: &str, group: &str, name: &str) -> u64 {
    let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{file}: {error}"));
    let mut lines = text.lines().filter_map(|line| line.strip_prefix(group)).map(str::split_whitespace);
    let (names, mut values) = (lines.next(), lines.next());
    let at = names.and_then(|mut names| names.position(|it| it == name));
    let value = at.and_then(|at| values.as_mut()?.nth(at)?.parse().ok());
    value.unwrap_or_else(|| panic!("{file} has no {name}"))
}

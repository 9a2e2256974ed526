//! The stack's end: in this process, on the TAP device, on the clock of the machine.

use std::net::{IpAddr, SocketAddr};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use lendwire::tcp::{Algorithm, ReadError, State, TcpConfig, TcpHandle};
use lendwire::time;
use lendwire::wire::address::Cidr;
use lendwire::{AddressState, InterfaceId, Stack};
use lendwire_drivers::tap::{Options, Tap};
use lendwire_nic::Nic as _;
use lendwire_tests::setup::{Pools, Setup, Side, Version, stack_on};
use lendwire_tests::stream::{self, Check, PERIOD};

use crate::stall::Stall;
use crate::{PATIENCE, Sender, room};

pub(crate) struct Host {
    pub(crate) stack: Stack<'static>,
    interface: InterfaceId,
    tap: Tap,
    start: Instant,
    /// Between two polls: what the machine did not let this thread do.
    pub(crate) pauses: Stall,
}

/// What the stack's half of a transfer was like.
pub(crate) struct Half {
    /// How its reading stalled.
    pub(crate) stall: Stall,
    /// The largest retransmission timeout while it sent, as it stood, backed off or not.
    pub(crate) timeout: Duration,
}

impl Host {
    /// A stack with an address of each version that may be used.
    pub(crate) fn new() -> Self {
        let mut setup = Setup::new().tcp(|tcp| *tcp = TcpConfig::DEFAULT).capacities(|capacities| {
            capacities.time_waits = 64;
            capacities.cells = 4096;
        });
        setup.pools[0] = Pools::leaked(4096);
        let options = Options { address: Side::First.mac(), ..Options::default() };
        let tap = Tap::open(room::TAP, &options, setup.pools[0].receive).expect("the room has the device");
        let now = time::Instant::from_micros(0);
        let (mut stack, interface) = stack_on(&setup, Side::First, tap.info(), now);
        let cidr = Cidr::new(Version::V6.address(Side::First), 64).expect("the prefix fits the address");
        stack.add_address(interface, cidr, now).expect("an interface has a place for a second address");
        let mut host = Self { stack, interface, tap, start: Instant::now(), pauses: Stall::default() };
        host.until("both addresses may be used", |host| {
            host.stack.addresses(host.interface).all(|(_, state)| state == AddressState::Preferred)
        });
        host
    }

    fn now(&self) -> time::Instant {
        time::Instant::from_micros(self.start.elapsed().as_micros() as u64)
    }

    /// Polls until `done`.
    #[track_caller]
    fn until(&mut self, what: &str, mut done: impl FnMut(&mut Self) -> bool) {
        let begun = Instant::now();
        while !done(self) {
            assert!(begun.elapsed() < PATIENCE, "in vain for {PATIENCE:?}: {what}; {:?}", self.stack.tcp_statistics());
            let now = self.now();
            self.pauses.progress(Instant::now());
            if !self.stack.poll(&mut [&mut self.tap], now, 64).again {
                thread::sleep(Duration::from_micros(100));
            }
        }
    }

    pub(crate) fn connect(&mut self, to: SocketAddr) -> TcpHandle {
        let now = self.now();
        let handle = self.stack.connect(to, None, now).expect("there is room for a connection");
        self.until("Linux accepts", |host| host.stack.state(handle) == State::Established);
        handle
    }

    /// Listens at a port of ours and runs `connecting`, which makes Linux connect to it.
    pub(crate) fn accept<T>(&mut self, at: SocketAddr, connecting: impl FnOnce() -> T) -> (TcpHandle, T) {
        let listener = self.stack.listen(at, 4).expect("the port is free");
        let client = connecting();
        let mut accepted = None;
        self.until("Linux connects", |host| {
            accepted = host.stack.accept(listener);
            accepted.is_some()
        });
        self.stack.unlisten(listener);
        (accepted.expect("somebody was accepted"), client)
    }

    /// Our half of a transfer of `len` bytes, until both directions have ended and Linux's half is over.
    pub(crate) fn transfer(
        &mut self,
        handle: TcpHandle,
        algorithm: Algorithm,
        sender: Sender,
        len: u64,
        linux: &JoinHandle<Stall>,
    ) -> Half {
        self.stack.set_congestion(handle, algorithm);
        let to_send = if sender == Sender::Stack { len } else { 0 };
        let (mut sent, mut is_shut, mut has_ended) = (0, false, false);
        let (mut check, mut half) = (Check::default(), Half { stall: Stall::default(), timeout: Duration::ZERO });
        self.until("the transfer is complete", |host| {
            sent += host.write(handle, sent, to_send);
            if sent == to_send && !is_shut {
                let now = host.now();
                host.stack.shutdown(handle, now).expect("the connection lives");
                is_shut = true;
            }
            if !has_ended {
                has_ended = host.read(handle, &mut check, &mut half.stall);
            }
            if let Some(info) = host.stack.info(handle) {
                half.timeout = half.timeout.max(Duration::from_micros(info.rto.micros()));
            }
            has_ended && linux.is_finished()
        });
        let now = self.now();
        self.stack.close(handle, now);
        assert_eq!(check.place(), len - to_send, "Linux's data ended early or late");
        half
    }

    fn write(&mut self, handle: TcpHandle, sent: u64, to_send: u64) -> u64 {
        let mut written = 0;
        while sent + written < to_send {
            let at = ((sent + written) % PERIOD as u64) as usize;
            let most = ((to_send - sent - written) as usize).min(PERIOD - at);
            match self.stack.write(handle, &stream::content().bytes()[at..at + most]) {
                Ok(0) => break,
                Ok(taken) => written += taken as u64,
                Err(error) => panic!("{error}; {:?}", self.stack.tcp_statistics()),
            }
        }
        written
    }

    /// Reads what has come; whether that was the end.
    fn read(&mut self, handle: TcpHandle, check: &mut Check, stall: &mut Stall) -> bool {
        loop {
            match self.stack.read_chunk(handle) {
                Ok(Some(chunk)) => {
                    check.accept(&chunk);
                    stall.progress(Instant::now());
                }
                Ok(None) => return true,
                Err(ReadError::Empty) => return false,
                Err(error) => panic!("{error}; {:?}", self.stack.tcp_statistics()),
            }
        }
    }
}

/// The stack's end of a socket.
pub(crate) const fn ours(version: Version, port: u16) -> SocketAddr {
    SocketAddr::new(version.address(Side::First), port)
}

/// Linux's address.
pub(crate) const fn linux(version: Version) -> IpAddr {
    version.address(Side::Second)
}
